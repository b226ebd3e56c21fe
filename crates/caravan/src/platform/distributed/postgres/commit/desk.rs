//! What is kept for those who come in over HTTP: tokens, sign-ins, feeds, orders, answers.

use jiff::Timestamp;
use sqlx::PgConnection;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use uuid::Uuid;

use super::{column, count};
use crate::platform::columns::{instant, json};
use crate::platform::desk::{Answer, DeskEffects, OrderPaid, OrderRow};
use crate::platform::distributed::postgres::errors::commit_error;
use crate::platform::reservations;
use crate::platform::transaction::CommitError;

/// Keeps all of it.
pub(super) async fn keep(connection: &mut PgConnection, effects: &DeskEffects) -> Result<(), CommitError> {
    access(connection, effects).await?;
    signing(connection, effects).await?;
    orders(connection, &effects.orders).await?;
    pay(connection, &effects.paid).await?;
    answers(connection, &effects.answers).await
}

async fn orders(connection: &mut PgConnection, orders: &[OrderRow]) -> Result<(), CommitError> {
    const SQL: &str = "INSERT INTO orders (id, content, created_at, expires_at)
                       SELECT v.id, v.content, v.created_at::timestamptz, v.expires_at::timestamptz
                       FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[]) AS v (id, content, created_at, expires_at)
                       ON CONFLICT DO NOTHING";
    let query = sqlx::query(SQL)
        .bind(column(orders, |row| row.id.as_str()))
        .bind(column(orders, |row| json(&row.order)))
        .bind(column(orders, |row| instant(row.created_at)))
        .bind(column(orders, |row| instant(row.expires_at)));
    all(connection, "an order", query, count(orders)).await
}

async fn pay(connection: &mut PgConnection, paid: &[OrderPaid]) -> Result<(), CommitError> {
    const SQL: &str = "
        WITH locked AS MATERIALIZED (
            SELECT o.seq, v.payment_id, v.paid_at FROM UNNEST($1::text[], $2::text[], $3::text[]) AS v (id, payment_id, paid_at)
            JOIN orders o ON o.id = v.id ORDER BY o.seq FOR UPDATE OF o)
        UPDATE orders o SET payment_id = l.payment_id, paid_at = coalesce(o.paid_at, l.paid_at::timestamptz)
        FROM locked l WHERE o.seq = l.seq AND coalesce(o.payment_id, l.payment_id) = l.payment_id";
    let query = sqlx::query(SQL)
        .bind(column(paid, |order| order.id.as_str()))
        .bind(column(paid, |order| order.paid.payment_id.as_str()))
        .bind(column(paid, |order| instant(order.paid.at)));
    all(connection, "an order", query, count(paid)).await
}

async fn answers(connection: &mut PgConnection, answers: &[Answer]) -> Result<(), CommitError> {
    const SQL: &str = "
        INSERT INTO answers (token_id, key, request, status, body, given_at)
        SELECT v.token_id, v.key, v.request, v.status, v.body, v.given_at::timestamptz
        FROM UNNEST($1::uuid[], $2::text[], $3::bytea[], $4::bigint[], $5::text[], $6::text[])
             AS v (token_id, key, request, status, body, given_at)
        ORDER BY v.token_id, v.key ON CONFLICT DO NOTHING";
    let query = sqlx::query(SQL)
        .bind(column(answers, |answer| answer.key.token_id))
        .bind(column(answers, |answer| answer.key.key.as_str()))
        .bind(column(answers, |answer| answer.request.to_vec()))
        .bind(column(answers, |answer| i64::from(answer.status)))
        .bind(column(answers, |answer| answer.body.as_str()))
        .bind(column(answers, |answer| instant(answer.at)));
    all(connection, "an answer", query, count(answers)).await
}

/// Keeps tokens and feeds: few, each by itself.
async fn access(connection: &mut PgConnection, effects: &DeskEffects) -> Result<(), CommitError> {
    const TOKEN: &str =
        "INSERT INTO tokens (id, name, role, digest, created_at) VALUES ($1, $2, $3, $4, $5::timestamptz)
                         ON CONFLICT DO NOTHING";
    const FEED: &str =
        "INSERT INTO feeds (id, party, digest, created_at) VALUES ($1, $2, $3, $4::timestamptz) ON CONFLICT DO NOTHING";
    const REVOKE_TOKEN: &str = "UPDATE tokens SET revoked_at = coalesce(revoked_at, $2::timestamptz) WHERE id = $1";
    const REVOKE_FEED: &str = "UPDATE feeds SET revoked_at = coalesce(revoked_at, $2::timestamptz) WHERE id = $1";
    for token in &effects.tokens {
        let query = sqlx::query(TOKEN)
            .bind(token.id)
            .bind(token.name.as_str())
            .bind(token.role.name())
            .bind(token.digest.to_vec())
            .bind(instant(token.created_at));
        all(connection, "a token", query, 1).await?;
    }
    for feed in &effects.feeds {
        let query = sqlx::query(FEED)
            .bind(feed.id)
            .bind(reservations::name(&feed.party))
            .bind(feed.digest.to_vec())
            .bind(instant(feed.created_at));
        all(connection, "a feed", query, 1).await?;
    }
    revoke(connection, "a token", REVOKE_TOKEN, &effects.revoked_tokens).await?;
    revoke(connection, "a feed", REVOKE_FEED, &effects.revoked_feeds).await
}

/// Keeps sign-ins, each by itself; one that has ended, or was forgotten, is gone already.
async fn signing(connection: &mut PgConnection, effects: &DeskEffects) -> Result<(), CommitError> {
    const SIGN_IN: &str = "INSERT INTO sign_ins (digest, token_id, signed_in_at, expires_at)
                           VALUES ($1, $2, $3::timestamptz, $4::timestamptz) ON CONFLICT DO NOTHING";
    for sign_in in &effects.sign_ins {
        let query = sqlx::query(SIGN_IN)
            .bind(sign_in.digest.to_vec())
            .bind(sign_in.token_id)
            .bind(instant(sign_in.signed_in_at))
            .bind(instant(sign_in.expires_at));
        all(connection, "a sign-in", query, 1).await?;
    }
    for digest in &effects.signed_out {
        let query = sqlx::query("DELETE FROM sign_ins WHERE digest = $1").bind(digest.to_vec());
        query.execute(&mut *connection).await.map_err(commit_error)?;
    }
    Ok(())
}

/// The time it was revoked first stands.
async fn revoke(
    connection: &mut PgConnection,
    what: &str,
    sql: &'static str,
    revoked: &[(Uuid, Timestamp)],
) -> Result<(), CommitError> {
    for (id, at) in revoked {
        all(connection, what, sqlx::query(sql).bind(*id).bind(instant(*at)), 1).await?;
    }
    Ok(())
}

/// Writes as many rows as are meant; nothing where none is.
async fn all(
    connection: &mut PgConnection,
    what: &str,
    query: Query<'_, sqlx::Postgres, PgArguments>,
    meant: u64,
) -> Result<(), CommitError> {
    if meant == 0 {
        return Ok(());
    }
    let written = query.execute(connection).await.map_err(commit_error)?.rows_affected();
    if written == meant { Ok(()) } else { Err(CommitError::changed(what)) }
}
