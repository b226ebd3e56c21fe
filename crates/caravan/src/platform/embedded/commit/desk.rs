//! What is kept for those who come in over HTTP: tokens, sign-ins, feeds, orders, answers.

use std::sync::LazyLock;

use jiff::Timestamp;
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::count;
use crate::platform::desk::DeskEffects;
use crate::platform::embedded::bulk::Bulk;
use crate::platform::embedded::rows::{instant, json};
use crate::platform::embedded::sqlite::commit_error;
use crate::platform::reservations;
use crate::platform::transaction::CommitError;

static TOKENS: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::insert("tokens", "id, name, role, digest, created_at", "ON CONFLICT DO NOTHING"));
static SIGN_INS: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::insert("sign_ins", "digest, token_id, signed_in_at, expires_at", "ON CONFLICT DO NOTHING"));
static FEEDS: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::insert("feeds", "id, party, digest, created_at", "ON CONFLICT DO NOTHING"));
static ORDERS: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::insert("orders", "id, content, created_at, expires_at", "ON CONFLICT DO NOTHING"));
static ANSWERS: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::insert("answers", "token_id, key, request, status, body, given_at", "ON CONFLICT DO NOTHING")
});
static PAY: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::with(
        "id, payment_id, paid_at",
        "UPDATE orders SET payment_id = v.payment_id, paid_at = coalesce(orders.paid_at, v.paid_at)
         FROM v WHERE orders.id = v.id AND coalesce(orders.payment_id, v.payment_id) = v.payment_id",
    )
});

/// Keeps all of it.
pub(super) async fn keep(connection: &mut SqliteConnection, effects: &DeskEffects) -> Result<(), CommitError> {
    access(connection, effects).await?;
    signing(connection, effects).await?;
    let orders = ORDERS.run(connection, &effects.orders, |query, row| {
        query.bind(row.id.clone()).bind(json(&row.order)).bind(instant(row.created_at)).bind(instant(row.expires_at))
    });
    all("an order", orders.await, count(&effects.orders))?;
    let paid = PAY.run(connection, &effects.paid, |query, order| {
        query.bind(order.id.clone()).bind(order.paid.payment_id.clone()).bind(instant(order.paid.at))
    });
    all("an order", paid.await, count(&effects.paid))?;
    let answers = ANSWERS.run(connection, &effects.answers, |query, answer| {
        query
            .bind(answer.key.token_id.to_string())
            .bind(answer.key.key.clone())
            .bind(answer.request.to_vec())
            .bind(i64::from(answer.status))
            .bind(answer.body.clone())
            .bind(instant(answer.at))
    });
    all("an answer", answers.await, count(&effects.answers))
}

/// Keeps tokens and feeds.
async fn access(connection: &mut SqliteConnection, effects: &DeskEffects) -> Result<(), CommitError> {
    let tokens = TOKENS.run(connection, &effects.tokens, |query, token| {
        query
            .bind(token.id.to_string())
            .bind(token.name.clone())
            .bind(token.role.name())
            .bind(token.digest.to_vec())
            .bind(instant(token.created_at))
    });
    all("a token", tokens.await, count(&effects.tokens))?;
    let feeds = FEEDS.run(connection, &effects.feeds, |query, feed| {
        query
            .bind(feed.id.to_string())
            .bind(reservations::name(&feed.party))
            .bind(feed.digest.to_vec())
            .bind(instant(feed.created_at))
    });
    all("a feed", feeds.await, count(&effects.feeds))?;
    const REVOKE_TOKEN: &str = "UPDATE tokens SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1";
    const REVOKE_FEED: &str = "UPDATE feeds SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1";
    revoke(connection, "a token", REVOKE_TOKEN, &effects.revoked_tokens).await?;
    revoke(connection, "a feed", REVOKE_FEED, &effects.revoked_feeds).await
}

/// Keeps sign-ins; one that has ended, or was forgotten, is gone already.
async fn signing(connection: &mut SqliteConnection, effects: &DeskEffects) -> Result<(), CommitError> {
    let sign_ins = SIGN_INS.run(connection, &effects.sign_ins, |query, sign_in| {
        query
            .bind(sign_in.digest.to_vec())
            .bind(sign_in.token_id.to_string())
            .bind(instant(sign_in.signed_in_at))
            .bind(instant(sign_in.expires_at))
    });
    all("a sign-in", sign_ins.await, count(&effects.sign_ins))?;
    for digest in &effects.signed_out {
        let query = sqlx::query("DELETE FROM sign_ins WHERE digest = ?1").bind(digest.to_vec());
        query.execute(&mut *connection).await.map_err(commit_error)?;
    }
    Ok(())
}

/// The time it was revoked first stands.
async fn revoke(
    connection: &mut SqliteConnection,
    what: &str,
    sql: &'static str,
    revoked: &[(Uuid, Timestamp)],
) -> Result<(), CommitError> {
    for (id, at) in revoked {
        let query = sqlx::query(sql).bind(id.to_string()).bind(instant(*at));
        all(what, query.execute(&mut *connection).await.map(|done| done.rows_affected()), 1)?;
    }
    Ok(())
}

/// Whether as many rows were written as were meant.
fn all(what: &str, written: Result<u64, sqlx::Error>, meant: u64) -> Result<(), CommitError> {
    if written.map_err(commit_error)? == meant { Ok(()) } else { Err(CommitError::changed(what)) }
}
