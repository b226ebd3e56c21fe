//! What workers read.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use caravan_domain::allocation::ReservedTime;
use caravan_domain::trainer::Closure;
use jiff::Timestamp;
use jiff::civil::Date;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, Postgres};
use uuid::Uuid;

use super::PostgresStore;
use super::errors::platform_error;
use super::rows::{self, POSITION_COLUMNS, PURCHASE_COLUMNS, PURCHASE_TABLES, REFUND_COLUMNS, TRAINER_COLUMNS};
use super::transactions;
use crate::platform::PlatformError;
use crate::platform::columns::{limit as rows_max, number, parsed, second};
use crate::platform::reservations::{STUDENT_PARTY, TRAINER_PARTY};
use crate::platform::rows::{Position, Purchase, RefundRow, RosterChanges, TrainerRow};
use crate::platform::store::Reads;
use crate::platform::transaction::COMPLETED_SESSIONS_MAX;

/// A statement with its values bound.
pub(super) type Statement<'q> = Query<'q, Postgres, PgArguments>;

#[async_trait]
impl Reads for PostgresStore {
    async fn purchases(&self, ids: &[Uuid]) -> Result<Vec<Purchase>, PlatformError> {
        let sql = format!("SELECT {PURCHASE_COLUMNS} FROM {PURCHASE_TABLES} WHERE p.id = ANY($1)");
        let rows = self.fetch(sqlx::query(AssertSqlSafe(sql)).bind(ids)).await?;
        purchases(&rows)
    }

    async fn refunds(&self, purchase_ids: &[Uuid]) -> Result<Vec<RefundRow>, PlatformError> {
        let sql = format!("SELECT {REFUND_COLUMNS} FROM refunds r WHERE r.purchase_id = ANY($1) ORDER BY r.seq");
        let rows = self.fetch(sqlx::query(AssertSqlSafe(sql)).bind(purchase_ids)).await?;
        rows.iter().map(|row| rows::refund(row).map(|(_, refund)| refund)).collect()
    }

    async fn previous_trainers(
        &self,
        asked: &[(String, String)],
    ) -> Result<Vec<((String, String), String)>, PlatformError> {
        // OFFSET 0: looked up purchase by purchase. How few a range of places holds is not known to the planner.
        const SQL: &str = "
            SELECT asked.student_id, asked.subject, a.trainer_id
            FROM UNNEST($1::text[], $2::text[]) AS asked (student_id, subject)
            JOIN LATERAL (SELECT seq FROM purchases p WHERE p.student_id = asked.student_id AND p.subject = asked.subject) p ON true
            JOIN LATERAL (SELECT trainer_id, allocated_at, seq FROM allocations a
                          WHERE a.seq > p.seq << 16 AND a.seq < (p.seq + 1) << 16 OFFSET 0) a ON true
            ORDER BY a.allocated_at, a.seq";
        let (students, subjects): (Vec<&str>, Vec<&str>) =
            asked.iter().map(|(student, subject)| (student.as_str(), subject.as_str())).unzip();
        let rows = self.fetch(sqlx::query(SQL).bind(students).bind(subjects)).await?;
        let mut latest = BTreeMap::new();
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
        let mut connection = self.pool.acquire().await.map_err(platform_error)?;
        calendars(&mut connection, STUDENT_PARTY, ids, from).await
    }

    async fn roster_version(&self) -> Result<i64, PlatformError> {
        let rows = self.fetch(sqlx::query("SELECT version FROM roster")).await?;
        rows.first().map_or(Ok(0), |row| rows::decoded::<(i64,)>(row).map(|(version,)| version))
    }

    async fn roster_changes(&self, since: Option<i64>, from: Timestamp) -> Result<RosterChanges, PlatformError> {
        let mut moment = transactions::begin_moment(&self.pool).await.map_err(platform_error)?;
        let version =
            sqlx::query_scalar("SELECT version FROM roster").fetch_one(&mut *moment).await.map_err(platform_error)?;
        let sql = format!("SELECT {TRAINER_COLUMNS} FROM trainers t WHERE t.roster_version > $1 ORDER BY t.id");
        let query = sqlx::query(AssertSqlSafe(sql)).bind(since.unwrap_or(i64::MIN));
        let trainers = with_calendars(&mut moment, query, from).await?;
        let closures = closures(&mut moment).await?;
        moment.rollback().await.map_err(platform_error)?;
        Ok(RosterChanges { version, trainers, closures })
    }

    async fn trainers(&self, ids: &[String], from: Timestamp) -> Result<Vec<TrainerRow>, PlatformError> {
        let mut moment = transactions::begin_moment(&self.pool).await.map_err(platform_error)?;
        let sql = format!("SELECT {TRAINER_COLUMNS} FROM trainers t WHERE t.id = ANY($1) ORDER BY t.id");
        let trainers = with_calendars(&mut moment, sqlx::query(AssertSqlSafe(sql)).bind(ids), from).await?;
        moment.rollback().await.map_err(platform_error)?;
        Ok(trainers)
    }

    async fn waiting_below(&self, version: i64, limit: usize) -> Result<Vec<Purchase>, PlatformError> {
        let sql = format!(
            "SELECT {PURCHASE_COLUMNS} FROM (SELECT purchase_id, waitlisted_at FROM waitlist WHERE seen_version < $1
                                             ORDER BY waitlisted_at, purchase_id LIMIT $2) AS w
             JOIN purchases p0 ON p0.id = w.purchase_id CROSS JOIN LATERAL (SELECT p0.*) p {}
             ORDER BY w.waitlisted_at, w.purchase_id",
            PURCHASE_TABLES.trim_start_matches("purchases p ")
        );
        let rows = self.fetch(sqlx::query(AssertSqlSafe(sql)).bind(version).bind(rows_max(limit))).await?;
        purchases(&rows)
    }

    async fn windows_due(
        &self,
        today: Date,
        window_days: u16,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Purchase>, PlatformError> {
        let sql = format!(
            "SELECT {PURCHASE_COLUMNS} FROM {PURCHASE_TABLES}
             WHERE a.id IS NOT NULL AND p.id > $1 AND p.status IN ('allocated', 'scheduled')
               AND p.horizon < greatest($2::date, coalesce(p.start_date, $2::date)) + $3::int
             ORDER BY p.id LIMIT $4"
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(after.unwrap_or_default())
            .bind(today.to_string())
            .bind(i32::from(window_days))
            .bind(rows_max(limit));
        let rows = self.fetch(query).await?;
        purchases(&rows)
    }

    async fn subscriptions(&self, after: Option<Uuid>, limit: usize) -> Result<Vec<Purchase>, PlatformError> {
        let sql = format!(
            "SELECT {PURCHASE_COLUMNS} FROM {PURCHASE_TABLES} WHERE p.sessions_total IS NULL AND p.id > $1
               AND a.id IS NOT NULL AND p.status IN ('allocated', 'scheduled') ORDER BY p.id LIMIT $2"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(after.unwrap_or_default()).bind(rows_max(limit));
        let rows = self.fetch(query).await?;
        purchases(&rows)
    }

    async fn ended_sessions(&self, as_of: Timestamp) -> Result<u64, PlatformError> {
        const SQL: &str = "SELECT count(*) FROM (
            SELECT 1 FROM sessions WHERE starts_at >= (SELECT scheduled_from FROM completion)
                AND starts_at <= $1::timestamptz AND ends_at <= $1::timestamptz AND status = 'scheduled' LIMIT $2) AS ended";
        let query = sqlx::query(SQL).bind(second(as_of)).bind(rows_max(COMPLETED_SESSIONS_MAX));
        let rows = self.fetch(query).await?;
        let (ended,): (i64,) = rows.first().map_or(Ok((0,)), rows::decoded)?;
        number("count", ended)
    }

    async fn positions(&self, group: &str) -> Result<Vec<Position>, PlatformError> {
        let sql = format!("SELECT {POSITION_COLUMNS} FROM positions WHERE consumer_group = $1");
        let rows = self.fetch(sqlx::query(AssertSqlSafe(sql)).bind(group.to_owned())).await?;
        rows.iter().map(rows::position).collect()
    }
}

/// Purchases, of rows of [`PURCHASE_COLUMNS`].
fn purchases(rows: &[PgRow]) -> Result<Vec<Purchase>, PlatformError> {
    rows.iter().map(|row| rows::purchase(row).map(|(_, purchase)| purchase)).collect()
}

/// The trainers a query selects, with their calendars.
async fn with_calendars(
    connection: &mut PgConnection,
    query: Statement<'_>,
    from: Timestamp,
) -> Result<Vec<TrainerRow>, PlatformError> {
    let rows = query.fetch_all(&mut *connection).await.map_err(platform_error)?;
    let mut trainers = rows.iter().map(rows::trainer).collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<_> = trainers.iter().map(|row| row.trainer.trainer_id.clone()).collect();
    let mut calendars: HashMap<_, _> = calendars(connection, TRAINER_PARTY, &ids, from).await?.into_iter().collect();
    for row in &mut trainers {
        row.calendar = calendars.remove(&row.trainer.trainer_id).unwrap_or_default();
    }
    Ok(trainers)
}

/// The reserved time of parties of one kind that have any, each sorted by key.
async fn calendars(
    connection: &mut PgConnection,
    kind: &str,
    ids: &[String],
    from: Timestamp,
) -> Result<Vec<(String, Vec<ReservedTime>)>, PlatformError> {
    const SQL: &str = "
        SELECT asked.id, r.key, r.busy, r.starts FROM UNNEST($1::text[]) WITH ORDINALITY AS asked (id, place)
        CROSS JOIN LATERAL (SELECT key, busy, starts FROM reservations r
                            WHERE r.party = $2 || asked.id AND r.key >= $3 ORDER BY r.key OFFSET 0) r
        ORDER BY asked.place, r.key";
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let query = sqlx::query(SQL).bind(ids).bind(kind).bind(ReservedTime::first_key(from));
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
pub(super) async fn closures(connection: &mut PgConnection) -> Result<Vec<Closure>, PlatformError> {
    const SQL: &str = "SELECT from_date::text, until_date::text, name FROM closures ORDER BY closures.from_date, closures.until_date, seq";
    let rows: Vec<(String, String, String)> =
        sqlx::query_as(SQL).fetch_all(connection).await.map_err(platform_error)?;
    rows.into_iter()
        .map(|(from, until, name)| {
            Ok(Closure { from: parsed("from_date", &from)?, until: parsed("until_date", &until)?, name })
        })
        .collect()
}
