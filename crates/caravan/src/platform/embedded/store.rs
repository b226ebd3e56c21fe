//! The store: reads beside one another, one commit at a time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqliteRow;
use sqlx::{Sqlite, SqliteConnection, SqlitePool};

use super::bulk::{Bulk, Query, json_list};
use super::changes::Changes;
use super::rows;
use super::sqlite::platform_error;
use super::writer::Writer;
use super::{commit, desk, leases};
use crate::platform::PlatformError;
use crate::platform::columns::{self, instant};
use crate::platform::desk::Stale;
use crate::platform::rows::{PoolUse, Position, TimeData};
use crate::platform::store::{OutboxRow, Store};
use crate::platform::transaction::{CommitError, Transaction};

/// Bytes of outbox rows that are read at once.
const OUTBOX_BYTES_MAX: i64 = 24 << 20;

/// The store of an embedded Caravan.
pub(super) struct EmbeddedStore {
    pub(super) writer: Arc<Writer>,
    pub(super) readers: SqlitePool,
    pub(super) changes: Arc<Changes>,
}

impl EmbeddedStore {
    /// A connection to read on.
    pub(super) async fn reader(&self) -> Result<PoolConnection<Sqlite>, PlatformError> {
        self.readers.acquire().await.map_err(platform_error)
    }

    /// All rows of one query, as of one moment.
    pub(super) async fn fetch(&self, query: Query<'_>) -> Result<Vec<SqliteRow>, PlatformError> {
        let mut connection = self.reader().await?;
        query.fetch_all(&mut *connection).await.map_err(platform_error)
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn commit(&self, transaction: &Transaction) -> Result<(), CommitError> {
        commit::commit(&self.writer, transaction).await?;
        self.changes.tick();
        Ok(())
    }

    async fn begin_positions(&self, group: &str, positions: &[Position]) -> Result<(), PlatformError> {
        static INSERT: std::sync::LazyLock<Bulk> = std::sync::LazyLock::new(|| {
            Bulk::insert(
                "positions",
                "consumer_group, topic, partition, next_offset, topic_id",
                "ON CONFLICT DO NOTHING",
            )
        });
        let mut writing = self.writer.begin().await.map_err(platform_error)?;
        INSERT
            .run(writing.connection(), positions, |query, position| {
                query
                    .bind(group.to_owned())
                    .bind(position.at.topic.name())
                    .bind(position.at.partition)
                    .bind(rows::stored(position.next_offset))
                    .bind(position.topic_id.to_string())
            })
            .await
            .map_err(platform_error)?;
        writing.commit().await.map_err(platform_error)
    }

    async fn outbox(&self, limit: usize) -> Result<Vec<OutboxRow>, PlatformError> {
        // A single writer gives ids in the order of commits, so the oldest are those with the
        // least ids, and none can appear below them later.
        const SQL: &str = "
            WITH oldest AS (SELECT id, coalesce(octet_length(value), 0) + octet_length(headers) AS bytes FROM outbox ORDER BY id LIMIT ?1),
                 sums AS (SELECT id, sum(bytes) OVER (ORDER BY id) AS bytes, row_number() OVER (ORDER BY id) AS place FROM oldest)
            SELECT o.id, o.topic, o.key, o.value, o.headers, o.timestamp FROM sums CROSS JOIN outbox o ON o.id = sums.id
            WHERE sums.bytes <= ?2 OR sums.place = 1 ORDER BY o.id";
        let rows = self.fetch(sqlx::query(SQL).bind(rows::limit(limit)).bind(OUTBOX_BYTES_MAX)).await?;
        rows.iter().map(outbox_row).collect()
    }

    async fn forget(&self, ids: &[i64]) -> Result<(), PlatformError> {
        let mut writing = self.writer.begin().await.map_err(platform_error)?;
        forget(writing.connection(), ids).await?;
        writing.commit().await.map_err(platform_error)
    }

    async fn lease(&self, name: &str, holder: &str, now: Timestamp, ttl: Duration) -> Result<bool, PlatformError> {
        leases::take(&self.writer, name, holder, now, ttl).await
    }

    async fn release(&self, name: &str, holder: &str) -> Result<(), PlatformError> {
        leases::give_back(&self.writer, name, holder).await
    }

    async fn cron_last(&self) -> Result<Option<Timestamp>, PlatformError> {
        let rows = self.fetch(sqlx::query("SELECT last_due FROM cron")).await?;
        let last = rows.first().map(rows::decoded::<(String,)>).transpose()?;
        last.map(|(due,)| rows::parsed("cron.last_due", &due)).transpose()
    }

    async fn changes(&self) -> u64 {
        self.changes.count().await
    }

    async fn changed_since(&self, seen: u64, at_most: Duration) {
        self.changes.since(seen, at_most).await;
    }

    async fn time_data(&self) -> Result<Option<TimeData>, PlatformError> {
        let rows = self.fetch(sqlx::query("SELECT version, noted_at FROM time_data")).await?;
        rows.first().map(|row| columns::time_data(rows::decoded(row)?)).transpose()
    }

    async fn note_time_data(&self, seen: Option<&str>, version: &str, at: Timestamp) -> Result<bool, PlatformError> {
        const SQL: &str = "INSERT INTO time_data (only, version, noted_at) VALUES (1, ?2, ?3)
                           ON CONFLICT DO UPDATE SET version = excluded.version, noted_at = excluded.noted_at WHERE version = ?1";
        let mut writing = self.writer.begin().await.map_err(platform_error)?;
        let query = sqlx::query(SQL).bind(seen.map(str::to_owned)).bind(version.to_owned()).bind(instant(at));
        let noted = query.execute(writing.connection()).await.map_err(platform_error)?.rows_affected() == 1;
        writing.commit().await.map_err(platform_error)?;
        Ok(noted)
    }

    async fn forget_desk(&self, stale: Stale, limit: usize) -> Result<u64, PlatformError> {
        desk::forget(self, stale, limit).await
    }

    fn pools(&self) -> Vec<PoolUse> {
        let readers = &self.readers;
        let max = readers.options().get_max_connections();
        vec![PoolUse::of("sqlite-readers", readers.size(), readers.num_idle(), max)]
    }

    async fn probe(&self) -> Result<(), PlatformError> {
        // The same value again: the page is written all the same, which is what is asked.
        let mut writing = self.writer.begin_for_somebody().await.map_err(platform_error)?;
        sqlx::query("UPDATE roster SET version = version")
            .execute(writing.connection())
            .await
            .map_err(platform_error)?;
        writing.commit().await.map_err(platform_error)
    }
}

/// Takes rows out of the outbox.
pub(super) async fn forget(connection: &mut SqliteConnection, ids: &[i64]) -> Result<(), PlatformError> {
    let deleted = match (ids.first(), ids.last()) {
        // The usual case: one walk over neighbours instead of a search for each.
        (Some(first), Some(last)) if last - first + 1 == ids.len() as i64 && ids.is_sorted() => {
            sqlx::query("DELETE FROM outbox WHERE id BETWEEN ?1 AND ?2")
                .bind(*first)
                .bind(*last)
                .execute(connection)
                .await
        }
        _ => {
            sqlx::query("DELETE FROM outbox WHERE id IN (SELECT value FROM json_each(?1))")
                .bind(json_list(ids))
                .execute(connection)
                .await
        }
    };
    deleted.map_err(platform_error)?;
    Ok(())
}

fn outbox_row(row: &SqliteRow) -> Result<OutboxRow, PlatformError> {
    type Columns = (i64, String, Option<Vec<u8>>, Option<Vec<u8>>, String, i64);
    let (id, topic, key, value, headers, timestamp): Columns = rows::decoded(row)?;
    let record = crate::platform::log::NewRecord {
        topic: rows::parsed("topic", &topic)?,
        key,
        value,
        headers: rows::headers(&headers)?,
        timestamp: rows::milliseconds(timestamp)?,
    };
    Ok(OutboxRow { id, record })
}
