//! What is read for those who come in over HTTP, and when it is forgotten.

use async_trait::async_trait;
use sqlx::AssertSqlSafe;

use super::bulk::json_list;
use super::rows::{decoded, instant, limit as rows_max};
use super::sqlite::platform_error;
use super::store::EmbeddedStore;
use crate::platform::PlatformError;
use crate::platform::columns::desk;
use crate::platform::desk::{Answer, AnswerKey, Digest, Feed, OrderRow, SignIn, Stale, Token};
use crate::platform::reservations;
use crate::platform::store::Desk;
use crate::platform::transaction::Party;

const FEED_COLUMNS: &str = "id, party, digest, created_at, revoked_at";
/// The sign-in whose secret is known by ?1.
pub(super) const SIGN_IN: &str = "SELECT digest, token_id, signed_in_at, expires_at FROM sign_ins WHERE digest = ?1";

#[async_trait]
impl Desk for EmbeddedStore {
    async fn tokens(&self) -> Result<Vec<Token>, PlatformError> {
        const SQL: &str = "SELECT id, name, role, digest, created_at, revoked_at FROM tokens ORDER BY seq";
        self.fetch(sqlx::query(SQL)).await?.iter().map(|row| desk::token(decoded(row)?)).collect()
    }

    async fn sign_in(&self, digest: &Digest) -> Result<Option<SignIn>, PlatformError> {
        let found = self.fetch(sqlx::query(SIGN_IN).bind(digest.to_vec())).await?;
        found.first().map(|row| desk::sign_in(decoded(row)?)).transpose()
    }

    async fn feeds(&self, party: Option<&Party>) -> Result<Vec<Feed>, PlatformError> {
        let of = if party.is_some() { "WHERE party = ?1" } else { "" };
        let sql = format!("SELECT {FEED_COLUMNS} FROM feeds {of} ORDER BY seq");
        let query = sqlx::query(AssertSqlSafe(sql)).bind(party.map(reservations::name));
        self.fetch(query).await?.iter().map(|row| desk::feed(decoded(row)?)).collect()
    }

    async fn feed(&self, digest: &Digest) -> Result<Option<Feed>, PlatformError> {
        let sql = format!("SELECT {FEED_COLUMNS} FROM feeds WHERE digest = ?1");
        let found = self.fetch(sqlx::query(AssertSqlSafe(sql)).bind(digest.to_vec())).await?;
        found.first().map(|row| desk::feed(decoded(row)?)).transpose()
    }

    async fn orders(&self, ids: &[String]) -> Result<Vec<OrderRow>, PlatformError> {
        self.orders_by("o.id = asked.value", ids).await
    }

    async fn orders_paid_by(&self, payment_ids: &[String]) -> Result<Vec<OrderRow>, PlatformError> {
        self.orders_by("o.payment_id = asked.value", payment_ids).await
    }

    async fn answers(&self, keys: &[AnswerKey]) -> Result<Vec<Answer>, PlatformError> {
        const SQL: &str =
            "SELECT a.token_id, a.key, a.request, a.status, a.body, a.given_at FROM json_each(?1) AS asked
             CROSS JOIN answers a ON a.token_id = asked.value ->> 0 AND a.key = asked.value ->> 1";
        let asked: Vec<_> = keys.iter().map(|key| (key.token_id, key.key.as_str())).collect();
        let rows = self.fetch(sqlx::query(SQL).bind(json_list(&asked))).await?;
        rows.iter().map(|row| desk::answer(decoded(row)?)).collect()
    }
}

impl EmbeddedStore {
    async fn orders_by(&self, which: &str, asked: &[String]) -> Result<Vec<OrderRow>, PlatformError> {
        let sql = format!(
            "SELECT o.id, o.content, o.created_at, o.expires_at, o.payment_id, o.paid_at
             FROM json_each(?1) AS asked CROSS JOIN orders o ON {which}"
        );
        let rows = self.fetch(sqlx::query(AssertSqlSafe(sql)).bind(json_list(asked))).await?;
        rows.iter().map(|row| desk::order(decoded(row)?)).collect()
    }
}

/// Forgets what is old, see [`Store::forget_desk`](crate::platform::store::Store::forget_desk).
pub(super) async fn forget(store: &EmbeddedStore, stale: Stale, limit: usize) -> Result<u64, PlatformError> {
    const ANSWERS: &str =
        "DELETE FROM answers WHERE seq IN (SELECT seq FROM answers WHERE given_at < ?1 ORDER BY given_at LIMIT ?2)";
    const ORDERS: &str = "DELETE FROM orders WHERE seq IN (
        SELECT seq FROM orders WHERE payment_id IS NULL AND expires_at < ?1 ORDER BY expires_at LIMIT ?2)";
    const SIGN_INS: &str = "DELETE FROM sign_ins WHERE digest IN (
        SELECT digest FROM sign_ins WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)";
    let mut writing = store.writer.begin().await.map_err(platform_error)?;
    let mut forgotten = 0;
    for (sql, before) in [(ANSWERS, stale.answers), (ORDERS, stale.orders), (SIGN_INS, stale.sign_ins)] {
        let query = sqlx::query(sql).bind(instant(before)).bind(rows_max(limit));
        forgotten += query.execute(writing.connection()).await.map_err(platform_error)?.rows_affected();
    }
    writing.commit().await.map_err(platform_error)?;
    Ok(forgotten)
}
