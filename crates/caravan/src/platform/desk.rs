//! What is kept for those who come in over HTTP: tokens, who is signed in with them, calendar feeds, orders, and the answers
//! they were given.

use std::time::Duration;

use caravan_domain::access::Role;
use jiff::Timestamp;
use uuid::Uuid;

use super::transaction::Party;

/// How long the answer to a request with an `Idempotency-Key` is kept.
pub const ANSWERS_KEPT: Duration = Duration::from_secs(24 * 3600);

/// The SHA-256 of a secret. Secrets are random and long, so that nothing slower is needed; the secret itself is nowhere.
pub type Digest = [u8; 32];

/// An API token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Which.
    pub id: Uuid,
    /// What people call it.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// What its secret is known by.
    pub digest: Digest,
    /// Since when it is valid.
    pub created_at: Timestamp,
    /// Since when it is no more.
    pub revoked_at: Option<Timestamp>,
}

/// A browser that is signed in with a token, without the secret of its cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// What the cookie's secret is known by.
    pub digest: Digest,
    /// With which token.
    pub token_id: Uuid,
    /// Since when.
    pub signed_in_at: Timestamp,
    /// From when on it no longer is.
    pub expires_at: Timestamp,
}

/// The address of somebody's calendar, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// Which.
    pub id: Uuid,
    /// Whose sessions it shows.
    pub party: Party,
    /// What its secret is known by.
    pub digest: Digest,
    /// Since when it is valid.
    pub created_at: Timestamp,
    /// Since when it is no more.
    pub revoked_at: Option<Timestamp>,
}

/// An order's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRow {
    /// Its id.
    pub id: String,
    /// What was ordered.
    pub order: caravan_domain::order::Order,
    /// When.
    pub created_at: Timestamp,
    /// From when on it is no longer expected to be paid.
    pub expires_at: Timestamp,
    /// Which payment paid it, and when that was recorded.
    pub paid: Option<Paid>,
}

/// What has paid an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paid {
    /// The payment provider's id of the payment.
    pub payment_id: String,
    /// When that was recorded.
    pub at: Timestamp,
}

/// An order is paid; it must not have been paid by another payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderPaid {
    /// Which.
    pub id: String,
    /// By what.
    pub paid: Paid,
}

/// What an answer is kept under: whose request it was, and the `Idempotency-Key` it had.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AnswerKey {
    /// The token it was made with.
    pub token_id: Uuid,
    /// The key.
    pub key: String,
}

/// The first answer to a request, kept together with its effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What it is kept under; there is no other with this.
    pub key: AnswerKey,
    /// The SHA-256 of the request: another with the same key is a mistake.
    pub request: Digest,
    /// The HTTP status.
    pub status: u16,
    /// The body, JSON.
    pub body: String,
    /// When.
    pub at: Timestamp,
}

/// From when back each of these is forgotten.
#[derive(Clone, Copy, Debug)]
pub struct Stale {
    /// Answers that were given before.
    pub answers: Timestamp,
    /// Orders that nobody has paid and that had expired before.
    pub orders: Timestamp,
    /// Sign-ins that had expired before.
    pub sign_ins: Timestamp,
}

/// What changes of all this.
#[derive(Clone, Debug, Default)]
pub struct DeskEffects {
    /// Tokens to add. One whose id is there is a conflict.
    pub tokens: Vec<Token>,
    /// Tokens that are not valid any more; one that never was is a conflict.
    pub revoked_tokens: Vec<(Uuid, Timestamp)>,
    /// Sign-ins to add. One whose digest is there is a conflict.
    pub sign_ins: Vec<SignIn>,
    /// Sign-ins that end; one that has ended stays so.
    pub signed_out: Vec<Digest>,
    /// Feeds to add.
    pub feeds: Vec<Feed>,
    /// Feeds that are not valid any more; one that never was is a conflict.
    pub revoked_feeds: Vec<(Uuid, Timestamp)>,
    /// Orders to keep.
    pub orders: Vec<OrderRow>,
    /// Orders that are paid.
    pub paid: Vec<OrderPaid>,
    /// Answers to keep. One whose key is there is a conflict.
    pub answers: Vec<Answer>,
}

impl DeskEffects {
    /// Adds what another one changes.
    pub fn append(&mut self, mut other: Self) {
        self.tokens.append(&mut other.tokens);
        self.revoked_tokens.append(&mut other.revoked_tokens);
        self.sign_ins.append(&mut other.sign_ins);
        self.signed_out.append(&mut other.signed_out);
        self.feeds.append(&mut other.feeds);
        self.revoked_feeds.append(&mut other.revoked_feeds);
        self.orders.append(&mut other.orders);
        self.paid.append(&mut other.paid);
        self.answers.append(&mut other.answers);
    }
}
