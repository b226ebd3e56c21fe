//! What is read for those who come in over HTTP, and when it is forgotten.

use async_trait::async_trait;
use sqlx::AssertSqlSafe;

use super::PostgresStore;
use super::errors::platform_error;
use super::rows::decoded;
use crate::platform::PlatformError;
use crate::platform::columns::{desk, instant, limit as rows_max};
use crate::platform::desk::{Answer, AnswerKey, Digest, Feed, OrderRow, SignIn, Stale, Token};
use crate::platform::reservations;
use crate::platform::store::Desk;
use crate::platform::transaction::Party;

const FEED_COLUMNS: &str = "id::text AS id, party, digest, caravan_instant(created_at) AS created_at, caravan_instant(revoked_at) AS revoked_at";

/// The sign-in whose secret is known by $1.
pub(super) const SIGN_IN: &str =
    "SELECT digest, token_id::text AS token_id, caravan_instant(signed_in_at) AS signed_in_at,
                                         caravan_instant(expires_at) AS expires_at FROM sign_ins WHERE digest = $1";

#[async_trait]
impl Desk for PostgresStore {
    async fn tokens(&self) -> Result<Vec<Token>, PlatformError> {
        const SQL: &str = "SELECT id::text AS id, name, role, digest, caravan_instant(created_at) AS created_at,
                                  caravan_instant(revoked_at) AS revoked_at FROM tokens ORDER BY seq";
        self.fetch(sqlx::query(SQL)).await?.iter().map(|row| desk::token(decoded(row)?)).collect()
    }

    async fn sign_in(&self, digest: &Digest) -> Result<Option<SignIn>, PlatformError> {
        let found = self.fetch(sqlx::query(SIGN_IN).bind(digest.to_vec())).await?;
        found.first().map(|row| desk::sign_in(decoded(row)?)).transpose()
    }

    async fn feeds(&self, party: Option<&Party>) -> Result<Vec<Feed>, PlatformError> {
        let sql = format!("SELECT {FEED_COLUMNS} FROM feeds WHERE $1::text IS NULL OR party = $1 ORDER BY seq");
        let query = sqlx::query(AssertSqlSafe(sql)).bind(party.map(reservations::name)).persistent(false);
        self.fetch(query).await?.iter().map(|row| desk::feed(decoded(row)?)).collect()
    }

    async fn feed(&self, digest: &Digest) -> Result<Option<Feed>, PlatformError> {
        let sql = format!("SELECT {FEED_COLUMNS} FROM feeds WHERE digest = $1");
        let found = self.fetch(sqlx::query(AssertSqlSafe(sql)).bind(digest.to_vec())).await?;
        found.first().map(|row| desk::feed(decoded(row)?)).transpose()
    }

    async fn orders(&self, ids: &[String]) -> Result<Vec<OrderRow>, PlatformError> {
        self.orders_by("id", ids).await
    }

    async fn orders_paid_by(&self, payment_ids: &[String]) -> Result<Vec<OrderRow>, PlatformError> {
        self.orders_by("payment_id", payment_ids).await
    }

    async fn answers(&self, keys: &[AnswerKey]) -> Result<Vec<Answer>, PlatformError> {
        const SQL: &str =
            "SELECT a.token_id::text AS token_id, a.key, a.request, a.status, a.body, caravan_instant(a.given_at) AS given_at
             FROM UNNEST($1::uuid[], $2::text[]) AS asked (token_id, key)
             JOIN answers a ON a.token_id = asked.token_id AND a.key = asked.key";
        let (tokens, keys): (Vec<_>, Vec<&str>) = keys.iter().map(|key| (key.token_id, key.key.as_str())).unzip();
        let rows = self.fetch(sqlx::query(SQL).bind(tokens).bind(keys)).await?;
        rows.iter().map(|row| desk::answer(decoded(row)?)).collect()
    }
}

impl PostgresStore {
    async fn orders_by(&self, column: &str, asked: &[String]) -> Result<Vec<OrderRow>, PlatformError> {
        let sql = format!(
            "SELECT id, content, caravan_instant(created_at) AS created_at, caravan_instant(expires_at) AS expires_at,
                    payment_id, caravan_instant(paid_at) AS paid_at FROM orders WHERE {column} = ANY($1)"
        );
        let rows = self.fetch(sqlx::query(AssertSqlSafe(sql)).bind(asked)).await?;
        rows.iter().map(|row| desk::order(decoded(row)?)).collect()
    }
}

/// Forgets what is old, see [`Store::forget_desk`](crate::platform::store::Store::forget_desk).
pub(super) async fn forget(store: &PostgresStore, stale: Stale, limit: usize) -> Result<u64, PlatformError> {
    const ANSWERS: &str = "DELETE FROM answers WHERE seq IN (
        SELECT seq FROM answers WHERE given_at < $1::timestamptz ORDER BY given_at LIMIT $2 FOR UPDATE SKIP LOCKED)";
    const ORDERS: &str = "DELETE FROM orders WHERE seq IN (
        SELECT seq FROM orders WHERE payment_id IS NULL AND expires_at < $1::timestamptz ORDER BY expires_at LIMIT $2
        FOR UPDATE SKIP LOCKED)";
    const SIGN_INS: &str = "DELETE FROM sign_ins WHERE digest IN (
        SELECT digest FROM sign_ins WHERE expires_at < $1::timestamptz ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)";
    let mut forgotten = 0;
    for (sql, before) in [(ANSWERS, stale.answers), (ORDERS, stale.orders), (SIGN_INS, stale.sign_ins)] {
        let query = sqlx::query(sql).bind(instant(before)).bind(rows_max(limit));
        forgotten += query.execute(&store.pool).await.map_err(platform_error)?.rows_affected();
    }
    Ok(forgotten)
}
