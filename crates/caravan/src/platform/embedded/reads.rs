//! What workers read.

use async_trait::async_trait;
use caravan_domain::allocation::ReservedTime;
use caravan_domain::trainer::Closure;
use jiff::Timestamp;
use jiff::civil::Date;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};
use uuid::Uuid;

use super::bulk::json_list;
use super::rows::{self, PURCHASE_COLUMNS, PURCHASE_TABLES, REFUND_COLUMNS, TRAINER_COLUMNS};
use super::sqlite::platform_error;
use super::store::EmbeddedStore;
use crate::platform::PlatformError;
use crate::platform::reservations::{STUDENT_PARTY, TRAINER_PARTY};
use crate::platform::rows::{Position, Purchase, RefundRow, RosterChanges, TrainerRow};
use crate::platform::store::Reads;
use crate::platform::transaction::COMPLETED_SESSIONS_MAX;

#[async_trait]
impl Reads for EmbeddedStore {
    async fn purchases(&self, ids: &[Uuid]) -> Result<Vec<Purchase>, PlatformError> {
        let sql = format!(
            "SELECT {PURCHASE_COLUMNS} FROM json_each(?1) AS asked CROSS JOIN {PURCHASE_TABLES} WHERE p.id = asked.value"
        );
        let rows = self.fetch(sqlx::query(AssertSqlSafe(sql)).bind(json_list(ids))).await?;
        purchases(&rows)
    }

    async fn refunds(&self, purchase_ids: &[Uuid]) -> Result<Vec<RefundRow>, PlatformError> {
        let sql = format!(
            "SELECT {REFUND_COLUMNS} FROM json_each(?1) AS asked CROSS JOIN refunds r ON r.purchase_id = asked.value ORDER BY r.seq"
        );
        let rows = self.fetch(sqlx::query(AssertSqlSafe(sql)).bind(json_list(purchase_ids))).await?;
        rows.iter().map(|row| rows::refund(row).map(|(_, refund)| refund)).collect()
    }

    async fn previous_trainers(
        &self,
        asked: &[(String, String)],
    ) -> Result<Vec<((String, String), String)>, PlatformError> {
        const SQL: &str = "
            WITH asked AS (SELECT value ->> 0 AS student_id, value ->> 1 AS subject FROM json_each(?1)),
                 bought AS (SELECT asked.student_id, asked.subject, p.seq FROM asked
                            CROSS JOIN purchases p ON p.student_id = asked.student_id AND p.subject = asked.subject)
            SELECT b.student_id, b.subject, a.trainer_id FROM bought b
            CROSS JOIN allocations a ON a.seq > b.seq << 16 AND a.seq < (b.seq + 1) << 16
            ORDER BY a.allocated_at, a.seq";
        let rows = self.fetch(sqlx::query(SQL).bind(json_list(asked))).await?;
        let mut latest = std::collections::BTreeMap::new();
        for row in &rows {
            let (student_id, subject, trainer_id): (String, String, String) = rows::decoded(row)?;
            latest.insert((student_id, subject), trainer_id);
        }
        Ok(latest.into_iter().collect())
    }

    async fn student_calendars(
        &self,
        ids: &[String],
        from: Timestamp,
    ) -> Result<Vec<(String, Vec<ReservedTime>)>, PlatformError> {
        let mut connection = self.reader().await?;
        calendars(&mut connection, STUDENT_PARTY, ids, from).await
    }

    async fn roster_version(&self) -> Result<i64, PlatformError> {
        let rows = self.fetch(sqlx::query("SELECT version FROM roster")).await?;
        rows.first().map_or(Ok(0), |row| row.try_get(0).map_err(platform_error))
    }

    async fn roster_changes(&self, since: Option<i64>, from: Timestamp) -> Result<RosterChanges, PlatformError> {
        let mut connection = self.reader().await?;
        let mut moment = sqlx::Connection::begin(&mut *connection).await.map_err(platform_error)?;
        let version =
            sqlx::query_scalar("SELECT version FROM roster").fetch_one(&mut *moment).await.map_err(platform_error)?;
        let sql = format!("SELECT {TRAINER_COLUMNS} FROM trainers t WHERE t.roster_version > ?1 ORDER BY t.id");
        let query = sqlx::query(AssertSqlSafe(sql)).bind(since.unwrap_or(i64::MIN));
        let trainers = with_calendars(&mut moment, query, from).await?;
        let closures = closures(&mut moment).await?;
        moment.rollback().await.map_err(platform_error)?;
        Ok(RosterChanges { version, trainers, closures })
    }

    async fn trainers(&self, ids: &[String], from: Timestamp) -> Result<Vec<TrainerRow>, PlatformError> {
        let mut connection = self.reader().await?;
        let mut moment = sqlx::Connection::begin(&mut *connection).await.map_err(platform_error)?;
        let sql = format!(
            "SELECT {TRAINER_COLUMNS} FROM trainers t WHERE t.id IN (SELECT value FROM json_each(?1)) ORDER BY t.id"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(json_list(ids));
        let trainers = with_calendars(&mut moment, query, from).await?;
        moment.rollback().await.map_err(platform_error)?;
        Ok(trainers)
    }

    async fn waiting_below(&self, version: i64, limit: usize) -> Result<Vec<Purchase>, PlatformError> {
        let rows =
            self.fetch(sqlx::query(AssertSqlSafe(waiting_below_sql())).bind(version).bind(rows::limit(limit))).await?;
        purchases(&rows)
    }

    async fn windows_due(
        &self,
        today: Date,
        window_days: u16,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Purchase>, PlatformError> {
        let query = sqlx::query(AssertSqlSafe(windows_due_sql()))
            .bind(after.map(|id| id.to_string()).unwrap_or_default())
            .bind(today.to_string())
            .bind(format!("+{window_days} days"))
            .bind(rows::limit(limit));
        let rows = self.fetch(query).await?;
        purchases(&rows)
    }

    async fn subscriptions(&self, after: Option<Uuid>, limit: usize) -> Result<Vec<Purchase>, PlatformError> {
        let sql = format!(
            "SELECT {PURCHASE_COLUMNS} FROM {PURCHASE_TABLES} WHERE p.sessions_total IS NULL AND p.id > ?1
               AND a.id IS NOT NULL AND p.status IN ('allocated', 'scheduled') ORDER BY p.id LIMIT ?2"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(after.map(|id| id.to_string()).unwrap_or_default());
        let rows = self.fetch(query.bind(rows::limit(limit))).await?;
        purchases(&rows)
    }

    async fn ended_sessions(&self, as_of: Timestamp) -> Result<u64, PlatformError> {
        const SQL: &str = "SELECT count(*) FROM (
            SELECT 1 FROM sessions WHERE unixepoch(starts_at) >= (SELECT unixepoch(scheduled_from) FROM completion)
                AND unixepoch(starts_at) <= unixepoch(?1) AND ends_at <= ?1 AND status = 'scheduled' LIMIT ?2)";
        let query = sqlx::query(SQL).bind(rows::second(as_of)).bind(rows::limit(COMPLETED_SESSIONS_MAX));
        let rows = self.fetch(query).await?;
        let (ended,): (i64,) = rows.first().map_or(Ok((0,)), rows::decoded)?;
        rows::number("count", ended)
    }

    async fn positions(&self, group: &str) -> Result<Vec<Position>, PlatformError> {
        const SQL: &str = "SELECT topic, partition, next_offset, topic_id FROM positions WHERE consumer_group = ?1";
        let rows = self.fetch(sqlx::query(SQL).bind(group.to_owned())).await?;
        rows.iter().map(rows::position).collect()
    }
}

/// The plus keeps it from walking the waitlist by time: mostly nobody is to be found, and the version tells that at once.
pub(super) fn waiting_below_sql() -> String {
    format!(
        "SELECT {PURCHASE_COLUMNS} FROM (SELECT purchase_id, waitlisted_at FROM waitlist WHERE seen_version < ?1
                                         ORDER BY +waitlisted_at, purchase_id LIMIT ?2) AS w
         CROSS JOIN {PURCHASE_TABLES} WHERE p.id = w.purchase_id ORDER BY w.waitlisted_at, w.purchase_id"
    )
}

/// Purchases whose window is behind, by id.
pub(super) fn windows_due_sql() -> String {
    format!(
        "SELECT {PURCHASE_COLUMNS} FROM {PURCHASE_TABLES} WHERE a.id IS NOT NULL AND p.id > ?1 AND p.status IN ('allocated', 'scheduled')
           AND p.horizon < date(max(?2, coalesce(p.start_date, ?2)), ?3)
         ORDER BY p.id LIMIT ?4"
    )
}

/// Purchases, of rows of [`PURCHASE_COLUMNS`].
fn purchases(rows: &[SqliteRow]) -> Result<Vec<Purchase>, PlatformError> {
    rows.iter().map(|row| rows::purchase(row).map(|(_, purchase)| purchase)).collect()
}

/// The trainers a query selects, with their calendars.
async fn with_calendars(
    connection: &mut SqliteConnection,
    query: super::bulk::Query<'_>,
    from: Timestamp,
) -> Result<Vec<TrainerRow>, PlatformError> {
    let rows = query.fetch_all(&mut *connection).await.map_err(platform_error)?;
    let mut trainers = rows.iter().map(rows::trainer).collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<_> = trainers.iter().map(|row| row.trainer.trainer_id.clone()).collect();
    let mut calendars: std::collections::HashMap<_, _> =
        calendars(connection, TRAINER_PARTY, &ids, from).await?.into_iter().collect();
    for row in &mut trainers {
        row.calendar = calendars.remove(&row.trainer.trainer_id).unwrap_or_default();
    }
    Ok(trainers)
}

/// The reserved time of parties of one kind that have any, each sorted by key.
async fn calendars(
    connection: &mut SqliteConnection,
    kind: &str,
    ids: &[String],
    from: Timestamp,
) -> Result<Vec<(String, Vec<ReservedTime>)>, PlatformError> {
    const SQL: &str = "SELECT asked.value, r.key, r.busy, r.starts FROM json_each(?1) AS asked
                       CROSS JOIN reservations r ON r.party = ?2 || asked.value AND r.key >= ?3 ORDER BY asked.id, r.key";
    let first = ReservedTime::first_key(from);
    let query = sqlx::query(SQL).bind(json_list(ids)).bind(kind.to_owned()).bind(first);
    let rows = query.fetch_all(connection).await.map_err(platform_error)?;
    let mut calendars: Vec<(String, Vec<ReservedTime>)> = Vec::new();
    for row in &rows {
        let (id, key, busy, starts): (String, i64, i64, i64) = rows::decoded(row)?;
        let reserved = ReservedTime { key, busy: busy.cast_unsigned(), starts: starts.cast_unsigned() };
        match calendars.last_mut() {
            Some((last, calendar)) if *last == id => calendar.push(reserved),
            _ => calendars.push((id, vec![reserved])),
        }
    }
    Ok(calendars)
}

/// The closures, by date.
pub(super) async fn closures(connection: &mut SqliteConnection) -> Result<Vec<Closure>, PlatformError> {
    const SQL: &str = "SELECT from_date, until_date, name FROM closures ORDER BY from_date, until_date, seq";
    let rows: Vec<(String, String, String)> =
        sqlx::query_as(SQL).fetch_all(connection).await.map_err(platform_error)?;
    rows.into_iter()
        .map(|(from, until, name)| {
            Ok(Closure { from: rows::date("from_date", &from)?, until: rows::date("until_date", &until)?, name })
        })
        .collect()
}
