//! Secrets that are given out once, and what is kept of them: API tokens, and addresses of calendars.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use caravan_domain::access::Role;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::platform::desk::{DeskEffects, Digest, Feed, SignIn, Token};
use crate::platform::transaction::{CommitError, Effects, Party, Transaction};
use crate::platform::{Platform, PlatformError};

/// What an API token begins with, so that people and scanners of secrets know one when they see it.
pub const TOKEN_PREFIX: &str = "caravan_";
/// Characters of what people call a token.
pub const TOKEN_NAME_CHARS_MAX: usize = 200;
/// How long a browser stays signed in.
pub const SIGNED_IN: Duration = Duration::from_secs(12 * 3600);
/// Random bytes of a secret.
const SECRET_BYTES: usize = 32;
/// The first token has this id: of processes that start at once, one makes it.
const FIRST: Uuid = Uuid::from_u128(1);

/// What a secret is known by.
pub fn digest_of(secret: &str) -> Digest {
    Sha256::digest(secret.as_bytes()).into()
}

/// A secret of the operating system's random numbers.
fn secret() -> Result<String, PlatformError> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|problem| PlatformError::Environment(format!("no random numbers from the system: {problem}")))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Makes a token; returns it with its secret, which is nowhere else.
///
/// # Errors
/// If it can't be kept.
pub async fn create_token(platform: &Platform, name: &str, role: Role) -> Result<(Token, String), CommitError> {
    make_token(platform, Uuid::new_v4(), name, role).await
}

/// Makes the first token, an admin's, if there never was one; returns its secret if it did.
///
/// # Errors
/// If it can't be kept.
pub async fn first_token(platform: &Platform) -> Result<Option<String>, CommitError> {
    if !platform.store.tokens().await?.is_empty() {
        return Ok(None);
    }
    match make_token(platform, FIRST, "first", Role::Admin).await {
        Ok((_, secret)) => Ok(Some(secret)),
        // Another process was faster, and has told it.
        Err(CommitError::Conflict { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn make_token(platform: &Platform, id: Uuid, name: &str, role: Role) -> Result<(Token, String), CommitError> {
    let secret = format!("{TOKEN_PREFIX}{}", secret()?);
    let token = Token {
        id,
        name: name.to_owned(),
        role,
        digest: digest_of(&secret),
        created_at: platform.clock.now(),
        revoked_at: None,
    };
    keep(platform, DeskEffects { tokens: vec![token.clone()], ..DeskEffects::default() }).await?;
    Ok((token, secret))
}

/// Makes a token invalid from now on; one that is already stays so.
///
/// # Errors
/// A conflict if there is no such token.
pub async fn revoke_token(platform: &Platform, id: Uuid) -> Result<(), CommitError> {
    let revoked_tokens = vec![(id, platform.clock.now())];
    keep(platform, DeskEffects { revoked_tokens, ..DeskEffects::default() }).await
}

/// Makes another address of somebody's calendar; returns it with its secret, which is nowhere else.
///
/// # Errors
/// If it can't be kept.
pub async fn create_feed(platform: &Platform, party: Party) -> Result<(Feed, String), CommitError> {
    let secret = secret()?;
    let (id, digest) = (Uuid::new_v4(), digest_of(&secret));
    let feed = Feed { id, party, digest, created_at: platform.clock.now(), revoked_at: None };
    keep(platform, DeskEffects { feeds: vec![feed.clone()], ..DeskEffects::default() }).await?;
    Ok((feed, secret))
}

/// Makes an address of a calendar invalid from now on; one that is already stays so.
///
/// # Errors
/// A conflict if there is no such address.
pub async fn revoke_feed(platform: &Platform, id: Uuid) -> Result<(), CommitError> {
    let revoked_feeds = vec![(id, platform.clock.now())];
    keep(platform, DeskEffects { revoked_feeds, ..DeskEffects::default() }).await
}

/// Signs a browser in with a token, for [`SIGNED_IN`]; returns that with its secret, which is nowhere else.
///
/// # Errors
/// If it can't be kept.
pub async fn sign_in(platform: &Platform, token_id: Uuid) -> Result<(SignIn, String), CommitError> {
    let (secret, now) = (secret()?, platform.clock.now());
    let expires_at = now.saturating_add(SIGNED_IN).unwrap_or(Timestamp::MAX);
    let signed_in = SignIn { digest: digest_of(&secret), token_id, signed_in_at: now, expires_at };
    keep(platform, DeskEffects { sign_ins: vec![signed_in.clone()], ..DeskEffects::default() }).await?;
    Ok((signed_in, secret))
}

/// The sign-in with this secret, if it has not expired.
///
/// # Errors
/// If the store can't be read.
pub async fn signed_in(platform: &Platform, secret: &str) -> Result<Option<SignIn>, PlatformError> {
    let found = platform.store.sign_in(&digest_of(secret)).await?;
    Ok(found.filter(|found| found.expires_at > platform.clock.now()))
}

/// Signs a browser out.
///
/// # Errors
/// If that can't be kept.
pub async fn sign_out(platform: &Platform, secret: &str) -> Result<(), CommitError> {
    keep(platform, DeskEffects { signed_out: vec![digest_of(secret)], ..DeskEffects::default() }).await
}

async fn keep(platform: &Platform, desk: DeskEffects) -> Result<(), CommitError> {
    let effects = Effects { desk, ..Effects::default() };
    platform.store.commit(&Transaction { effects, ..Transaction::default() }).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_and_never_the_same() {
        let (one, other) = (secret().unwrap(), secret().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), 43);
    }

    #[test]
    fn what_is_kept_of_a_secret_is_its_sha_256() {
        // FIPS 180-2, appendix B.1.
        let digest: String = digest_of("abc").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
