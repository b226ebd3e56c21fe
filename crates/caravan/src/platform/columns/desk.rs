//! How rows become what is kept for those who come in over HTTP.

use jiff::Timestamp;
use sqlx::FromRow;

use super::{from_json, number, optional, parsed, unreadable};
use crate::platform::desk::{Answer, AnswerKey, Digest, Feed, OrderRow, Paid, SignIn, Token};
use crate::platform::{PlatformError, reservations};

/// A token.
#[derive(FromRow)]
pub(in crate::platform) struct TokenColumns {
    id: String,
    name: String,
    role: String,
    digest: Vec<u8>,
    created_at: String,
    revoked_at: Option<String>,
}

/// A token.
pub(in crate::platform) fn token(columns: TokenColumns) -> Result<Token, PlatformError> {
    Ok(Token {
        id: parsed("token id", &columns.id)?,
        name: columns.name,
        role: parsed("role", &columns.role)?,
        digest: digest(columns.digest)?,
        created_at: parsed("created_at", &columns.created_at)?,
        revoked_at: optional("revoked_at", columns.revoked_at)?,
    })
}

/// A sign-in.
#[derive(FromRow)]
pub(in crate::platform) struct SignInColumns {
    digest: Vec<u8>,
    token_id: String,
    signed_in_at: String,
    expires_at: String,
}

/// A sign-in.
pub(in crate::platform) fn sign_in(columns: SignInColumns) -> Result<SignIn, PlatformError> {
    Ok(SignIn {
        digest: digest(columns.digest)?,
        token_id: parsed("token id", &columns.token_id)?,
        signed_in_at: parsed("signed_in_at", &columns.signed_in_at)?,
        expires_at: parsed("expires_at", &columns.expires_at)?,
    })
}

/// A feed.
#[derive(FromRow)]
pub(in crate::platform) struct FeedColumns {
    id: String,
    party: String,
    digest: Vec<u8>,
    created_at: String,
    revoked_at: Option<String>,
}

/// A feed.
pub(in crate::platform) fn feed(columns: FeedColumns) -> Result<Feed, PlatformError> {
    Ok(Feed {
        id: parsed("feed id", &columns.id)?,
        party: reservations::party(&columns.party).ok_or_else(|| {
            unreadable(&format!("party {:?}", columns.party), "it is neither a trainer nor a student")
        })?,
        digest: digest(columns.digest)?,
        created_at: parsed("created_at", &columns.created_at)?,
        revoked_at: optional("revoked_at", columns.revoked_at)?,
    })
}

/// An order.
#[derive(FromRow)]
pub(in crate::platform) struct OrderColumns {
    id: String,
    content: String,
    created_at: String,
    expires_at: String,
    payment_id: Option<String>,
    paid_at: Option<String>,
}

/// An order.
pub(in crate::platform) fn order(columns: OrderColumns) -> Result<OrderRow, PlatformError> {
    let at: Option<Timestamp> = optional("paid_at", columns.paid_at)?;
    Ok(OrderRow {
        id: columns.id,
        order: from_json("orders.content", &columns.content)?,
        created_at: parsed("created_at", &columns.created_at)?,
        expires_at: parsed("expires_at", &columns.expires_at)?,
        paid: columns.payment_id.zip(at).map(|(payment_id, at)| Paid { payment_id, at }),
    })
}

/// An answer.
#[derive(FromRow)]
pub(in crate::platform) struct AnswerColumns {
    token_id: String,
    key: String,
    request: Vec<u8>,
    status: i64,
    body: String,
    given_at: String,
}

/// An answer.
pub(in crate::platform) fn answer(columns: AnswerColumns) -> Result<Answer, PlatformError> {
    Ok(Answer {
        key: AnswerKey { token_id: parsed("token id", &columns.token_id)?, key: columns.key },
        request: digest(columns.request)?,
        status: number("status", columns.status)?,
        body: columns.body,
        at: parsed("given_at", &columns.given_at)?,
    })
}

fn digest(bytes: Vec<u8>) -> Result<Digest, PlatformError> {
    bytes.try_into().map_err(|_| unreadable("a digest", "it has not 32 bytes"))
}
