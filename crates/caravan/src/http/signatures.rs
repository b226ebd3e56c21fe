//! Signatures of webhooks: HMAC-SHA256 of the body as it came, compared in constant time.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

/// Seconds an event of Stripe's may be old: what Stripe's own libraries take (<https://docs.stripe.com/webhooks#verify-manually>).
pub const STRIPE_TOLERANCE_SECONDS: i64 = 300;
/// Signatures of one header that are looked at.
const SIGNATURES_MAX: usize = 20;

/// What events are signed with; never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secrets of a setting: one, or two while they are changed, separated by commas. Empty ones are none.
    pub fn list(setting: &str) -> Vec<Self> {
        setting
            .split(',')
            .map(str::trim)
            .filter(|secret| !secret.is_empty())
            .map(|secret| Self(secret.to_owned()))
            .collect()
    }

    /// Whether this signs `parts`, one after the other. In constant time for signatures of one length.
    fn signs(&self, parts: &[&[u8]], signature: &[u8]) -> bool {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()) else { return false };
        parts.iter().for_each(|part| mac.update(part));
        mac.verify_slice(signature).is_ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Why a body is not taken for the provider's own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// No secret is set.
    #[error("no secret is set for this provider, so nothing it signs can be checked: set {0}")]
    NoSecret(&'static str),
    /// There is none.
    #[error("the signature is missing: the provider sends it in the header {0}")]
    Missing(&'static str),
    /// It can't be read.
    #[error("the header {0} is not as the provider makes it")]
    Malformed(&'static str),
    /// It was made too long ago, or is to be made.
    #[error(
        "the event was signed {0} s from now and may be {STRIPE_TOLERANCE_SECONDS} s off: is this machine's clock right?"
    )]
    NotNow(i64),
    /// No secret signs it.
    #[error("no secret that is set signs this body: compare it with the one the provider shows for this endpoint")]
    NoMatch,
}

/// Checks the signature of one of Stripe's events: `t=SECONDS,v1=HEX[,v1=HEX…]`, over `SECONDS.BODY`.
///
/// # Errors
/// If it is not signed by one of `secrets` within [`STRIPE_TOLERANCE_SECONDS`] of `now`.
pub fn stripe(body: &[u8], header: &str, secrets: &[Secret], now: Timestamp) -> Result<(), SignatureFault> {
    const HEADER: &str = "Stripe-Signature";
    if header.is_empty() {
        return Err(SignatureFault::Missing(HEADER));
    }
    if secrets.is_empty() {
        return Err(SignatureFault::NoSecret("stripe_webhook_secrets"));
    }
    let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
    let told = parts().find(|(name, _)| *name == "t").map(|(_, value)| value);
    let signed: Vec<Vec<u8>> =
        parts().filter(|(name, _)| *name == "v1").take(SIGNATURES_MAX).filter_map(|(_, value)| bytes(value)).collect();
    let (Some(told), false) = (told, signed.is_empty()) else { return Err(SignatureFault::Malformed(HEADER)) };
    let at: i64 = told.parse().map_err(|_| SignatureFault::Malformed(HEADER))?;
    let parts = [told.as_bytes(), b".", body];
    if !secrets.iter().any(|secret| signed.iter().any(|signature| secret.signs(&parts, signature))) {
        return Err(SignatureFault::NoMatch);
    }
    let off = now.as_second().saturating_sub(at);
    if off.abs() > STRIPE_TOLERANCE_SECONDS { Err(SignatureFault::NotNow(off.saturating_abs())) } else { Ok(()) }
}

/// Checks the signature of one of Razorpay's events: the HMAC of the body in hexadecimal. It signs no time.
///
/// # Errors
/// If it is not signed by one of `secrets`.
pub fn razorpay(body: &[u8], header: &str, secrets: &[Secret]) -> Result<(), SignatureFault> {
    const HEADER: &str = "X-Razorpay-Signature";
    if header.is_empty() {
        return Err(SignatureFault::Missing(HEADER));
    }
    if secrets.is_empty() {
        return Err(SignatureFault::NoSecret("razorpay_webhook_secrets"));
    }
    let signature = bytes(header.trim()).ok_or(SignatureFault::Malformed(HEADER))?;
    if secrets.iter().any(|secret| secret.signs(&[body], &signature)) { Ok(()) } else { Err(SignatureFault::NoMatch) }
}

/// Hexadecimal digits as bytes.
fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    if hex.is_empty() || !hex.len().is_multiple_of(2) {
        return None;
    }
    let pair = |pair: &[u8]| u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok();
    hex.as_bytes().chunks_exact(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BODY: &[u8] = br#"{"type":"payment_intent.succeeded"}"#;
    const AT: i64 = 1_795_428_000;
    // Computed with Python: hmac.new(b"whsec_new", b"1795428000." + body, "sha256").hexdigest(), and so on.
    const STRIPE_NEW: &str = "d8d66133f27aeb363d15b7c77ee3ab8f4b6183d281579d45205f3a46cf4aba92";
    const STRIPE_OLD: &str = "04a1d236292d27c986dc1a79505f6f5657c426a09098a814e77ea6a900f426d1";
    const RAZORPAY_NEW: &str = "0ff942bea732e1fc09bb8663ba2cb821536a8b0a63edf12f17bc68f0a333bdaa";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn secrets() -> Vec<Secret> {
        Secret::list("whsec_new, whsec_old,")
    }

    #[test]
    fn stripe_signs_the_time_and_the_body_with_either_of_two_secrets() {
        let wrong = "0".repeat(64);
        for (header, now, expected) in [
            (format!("t={AT},v1={STRIPE_NEW}"), AT, Ok(())),
            (format!("t={AT},v1={STRIPE_OLD}"), AT, Ok(())),
            (format!("t={AT},v0=abc,v1={wrong},v1={STRIPE_NEW}"), AT + 300, Ok(())),
            (format!("t={AT},v1={STRIPE_NEW}"), AT - 300, Ok(())),
            (format!("t={AT},v1={STRIPE_NEW}"), AT + 301, Err(SignatureFault::NotNow(301))),
            (format!("t={AT},v1={STRIPE_NEW}"), AT - 301, Err(SignatureFault::NotNow(301))),
            (format!("t={},v1={STRIPE_NEW}", AT + 1), AT, Err(SignatureFault::NoMatch)),
            (format!("t={AT},v1={wrong}"), AT, Err(SignatureFault::NoMatch)),
            (format!("t={AT},v0={STRIPE_NEW}"), AT, Err(SignatureFault::Malformed("Stripe-Signature"))),
            (format!("v1={STRIPE_NEW}"), AT, Err(SignatureFault::Malformed("Stripe-Signature"))),
            (String::new(), AT, Err(SignatureFault::Missing("Stripe-Signature"))),
        ] {
            assert_eq!(stripe(BODY, &header, &secrets(), at(now)), expected, "{header}");
        }
        let header = format!("t={AT},v1={STRIPE_NEW}");
        assert_eq!(stripe(b"{}", &header, &secrets(), at(AT)), Err(SignatureFault::NoMatch));
        assert_eq!(stripe(BODY, &header, &Secret::list("whsec_old"), at(AT)), Err(SignatureFault::NoMatch));
        assert!(matches!(stripe(BODY, &header, &[], at(AT)), Err(SignatureFault::NoSecret(_))));
    }

    #[test]
    fn razorpay_signs_the_body() {
        let secrets = Secret::list("whsec_new");
        assert_eq!(razorpay(BODY, RAZORPAY_NEW, &secrets), Ok(()));
        assert_eq!(razorpay(BODY, &RAZORPAY_NEW.to_uppercase(), &secrets), Ok(()));
        assert_eq!(razorpay(b"{}", RAZORPAY_NEW, &secrets), Err(SignatureFault::NoMatch));
        assert_eq!(razorpay(BODY, RAZORPAY_NEW, &Secret::list("other")), Err(SignatureFault::NoMatch));
        assert_eq!(razorpay(BODY, "xyz", &secrets), Err(SignatureFault::Malformed("X-Razorpay-Signature")));
        assert_eq!(razorpay(BODY, "", &secrets), Err(SignatureFault::Missing("X-Razorpay-Signature")));
    }

    #[test]
    fn a_secret_is_never_shown() {
        assert_eq!(format!("{:?}", secrets()), "[Secret(***), Secret(***)]");
        assert!(Secret::list(" , ").is_empty());
    }

    proptest! {
        #[test]
        fn no_header_whatsoever_makes_it_panic_or_is_taken(header: String, body: Vec<u8>) {
            prop_assert!(stripe(&body, &header, &secrets(), at(AT)).is_err());
            prop_assert!(razorpay(&body, &header, &secrets()).is_err());
        }
    }
}
