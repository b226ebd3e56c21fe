//! What people and tools read.

use async_trait::async_trait;
use caravan_domain::event::Topic;
use caravan_domain::subscription::CLASH_KIND;
use caravan_domain::trainer::{Closure, Trainer};
use jiff::ToSpan;
use jiff::civil::Date;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Postgres};
use uuid::Uuid;

use super::PostgresStore;
use super::errors::platform_error;
use super::reads::closures;
use super::rows::{
    self, DEAD_LETTER_COLUMNS, POSITION_COLUMNS, PURCHASE_COLUMNS, PURCHASE_TABLES, REFUND_COLUMNS, SESSION_COLUMNS,
    TRAINER_COLUMNS,
};
use crate::platform::PlatformError;
use crate::platform::columns::{instant, limit as rows_max, number, parsed, second};
use crate::platform::rows::{
    Change, Cursor, DeadLetter, DeadLetterFilter, OutboxDepth, Position, Purchase, PurchaseFilter, RefundFilter,
    RefundRow, Session, SessionFilter, Totals, Unfulfilled, UnfulfilledFilter, Waiting,
};
use crate::platform::store::Lists;

/// Further than any zone's local date is from the UTC date of the same instant, in days.
const ZONE_DAYS_MAX: i64 = 2;

#[async_trait]
impl Lists for PostgresStore {
    async fn list_purchases(
        &self,
        filter: &PurchaseFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<(Cursor, Purchase)>, PlatformError> {
        let sql = format!(
            "SELECT {PURCHASE_COLUMNS} FROM {PURCHASE_TABLES}
             WHERE p.seq > $1 AND ($3::uuid IS NULL OR p.id = $3) AND ($4::text IS NULL OR p.status = $4)
               AND ($5::text IS NULL OR p.student_id = $5) ORDER BY p.seq LIMIT $2"
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(after.unwrap_or(i64::MIN))
            .bind(rows_max(limit))
            .bind(filter.id)
            .bind(filter.status.map(|status| status.name()))
            .bind(filter.student_id.as_deref());
        self.fetch(query.persistent(false)).await?.iter().map(rows::purchase).collect()
    }

    async fn list_unfulfilled(
        &self,
        filter: &UnfulfilledFilter,
        after: Option<&Unfulfilled>,
        limit: usize,
    ) -> Result<Vec<Unfulfilled>, PlatformError> {
        // A window is behind from the day on that it no longer reaches far enough.
        let sql = format!(
            "WITH found AS MATERIALIZED (
                SELECT place, since, receipt FROM (
                    SELECT p.seq AS place, p.status, w.receipt, CASE p.status
                        WHEN 'created' THEN p.created_at
                        WHEN 'waitlisted' THEN coalesce(w.waitlisted_at, p.created_at)
                        WHEN 'allocated' THEN coalesce(a.allocated_at, p.created_at)
                        ELSE greatest(a.allocated_at, (p.horizon - ($5::int - 1))::timestamp AT TIME ZONE 'UTC') END AS since
                    FROM purchases p
                    LEFT JOIN waitlist w ON w.purchase_id = p.id AND p.status = 'waitlisted'
                    LEFT JOIN allocations a ON a.seq >> 16 = p.seq AND a.status = 'active'
                    WHERE p.status IN ('created', 'waitlisted', 'allocated')
                       OR (p.status = 'scheduled' AND p.horizon < greatest($4::date, p.start_date) + $5::int AND a.id IS NOT NULL)) all_of_them
                WHERE (status NOT IN ('created', 'allocated') OR since <= $3::timestamptz)
                  AND ($1::text IS NULL OR (since, place) > ($1::timestamptz, $2::bigint))
                ORDER BY since, place LIMIT $6)
             SELECT {PURCHASE_COLUMNS}, caravan_instant(f.since) AS since, f.receipt AS waiting_receipt
             FROM found f JOIN purchases p0 ON p0.seq = f.place CROSS JOIN LATERAL (SELECT p0.*) p {}
             ORDER BY f.since, f.place",
            PURCHASE_TABLES.trim_start_matches("purchases p ")
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(after.map(|last| instant(last.since)))
            .bind(after.map(|last| last.place))
            .bind(instant(filter.before))
            .bind(filter.today.to_string())
            .bind(i32::from(filter.window_days))
            .bind(rows_max(limit));
        self.fetch(query.persistent(false)).await?.iter().map(rows::unfulfilled).collect()
    }

    async fn list_clashing(
        &self,
        after: Option<&Unfulfilled>,
        limit: usize,
    ) -> Result<Vec<Unfulfilled>, PlatformError> {
        let sql = format!(
            "WITH found AS MATERIALIZED (
                SELECT p.seq AS place, max(n.changed_at) AS since FROM purchases p
                JOIN purchase_changes n ON n.purchase = p.seq AND n.kind = $4
                WHERE p.sessions_total IS NULL AND p.status IN ('allocated', 'scheduled')
                GROUP BY p.seq HAVING $1::text IS NULL OR (max(n.changed_at), p.seq) > ($1::timestamptz, $2::bigint)
                ORDER BY since, place LIMIT $3)
             SELECT {PURCHASE_COLUMNS}, caravan_instant(f.since) AS since, NULL::text AS waiting_receipt
             FROM found f JOIN purchases p0 ON p0.seq = f.place CROSS JOIN LATERAL (SELECT p0.*) p {}
             ORDER BY f.since, f.place",
            PURCHASE_TABLES.trim_start_matches("purchases p ")
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(after.map(|last| instant(last.since)))
            .bind(after.map(|last| last.place))
            .bind(rows_max(limit))
            .bind(CLASH_KIND);
        self.fetch(query.persistent(false)).await?.iter().map(rows::unfulfilled).collect()
    }

    async fn list_sessions(
        &self,
        filter: &SessionFilter,
        after: Option<&Session>,
        limit: usize,
    ) -> Result<Vec<Session>, PlatformError> {
        let sql = sessions_sql(filter);
        let day = |date: Option<Date>, days: i64| date.map(|date| date.saturating_add(days.days()).to_string());
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(rows_max(limit))
            .bind(after.map(|last| second(last.starts_at)))
            .bind(filter.purchase_id)
            .bind(filter.trainer_id.as_deref())
            .bind(filter.student_id.as_deref())
            .bind(day(filter.from, 0))
            .bind(day(filter.until, 0))
            .bind(day(filter.from, -ZONE_DAYS_MAX))
            .bind(day(filter.until, ZONE_DAYS_MAX))
            .bind(after.map(|last| last.purchase_id))
            .bind(after.map(|last| i64::from(last.ordinal)));
        self.fetch(query.persistent(false)).await?.iter().map(rows::session).collect()
    }

    async fn session(&self, id: Uuid) -> Result<Option<Session>, PlatformError> {
        let sql =
            format!("SELECT {SESSION_COLUMNS} FROM sessions s JOIN purchases p ON p.seq = s.seq >> 16 WHERE s.id = $1");
        let found = self.fetch(sqlx::query(AssertSqlSafe(sql)).bind(id)).await?;
        found.first().map(rows::session).transpose()
    }

    async fn sessions_of(&self, purchase_ids: &[Uuid]) -> Result<Vec<Session>, PlatformError> {
        let sql = format!(
            "SELECT {SESSION_COLUMNS} FROM purchases p JOIN LATERAL (SELECT * FROM sessions s
                 WHERE s.seq > p.seq << 16 AND s.seq < (p.seq + 1) << 16 OFFSET 0) s ON true WHERE p.id = ANY($1)"
        );
        let found = self.fetch(sqlx::query(AssertSqlSafe(sql)).bind(purchase_ids)).await?;
        found.iter().map(rows::session).collect()
    }

    async fn list_dead_letters(
        &self,
        filter: &DeadLetterFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, PlatformError> {
        let sql = format!(
            "SELECT {DEAD_LETTER_COLUMNS} FROM dead_letters
             WHERE id > $1 AND (cardinality($3::bigint[]) = 0 OR id = ANY($3)) AND ($4::text IS NULL OR reason = $4)
               AND (NOT $5 OR redriven_at IS NULL) AND ($6::text IS NULL OR topic = $6) ORDER BY dead_letters.id LIMIT $2"
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(after.unwrap_or(i64::MIN))
            .bind(rows_max(limit))
            .bind(&filter.ids)
            .bind(filter.reason.as_deref())
            .bind(filter.waiting)
            .bind(filter.topic.map(Topic::name));
        self.fetch(query.persistent(false)).await?.iter().map(rows::dead_letter).collect()
    }

    async fn list_refunds(
        &self,
        filter: &RefundFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<(Cursor, RefundRow)>, PlatformError> {
        let sql = format!(
            "SELECT {REFUND_COLUMNS} FROM refunds r WHERE r.seq > $1 AND ($3::uuid IS NULL OR r.id = $3)
               AND ($4::text IS NULL OR r.state = $4) ORDER BY r.seq LIMIT $2"
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(after.unwrap_or(i64::MIN))
            .bind(rows_max(limit))
            .bind(filter.id)
            .bind(filter.state.map(|state| state.name()));
        self.fetch(query.persistent(false)).await?.iter().map(rows::refund).collect()
    }

    async fn list_trainers(&self, after: Option<&str>, limit: usize) -> Result<Vec<(Trainer, i64)>, PlatformError> {
        let sql = format!("SELECT {TRAINER_COLUMNS} FROM trainers t WHERE t.id > $1 ORDER BY t.id LIMIT $2");
        self.terms(sqlx::query(AssertSqlSafe(sql)).bind(after.unwrap_or_default()).bind(rows_max(limit))).await
    }

    async fn trainer_terms(&self, ids: &[String]) -> Result<Vec<(Trainer, i64)>, PlatformError> {
        let sql = format!("SELECT {TRAINER_COLUMNS} FROM trainers t WHERE t.id = ANY($1) ORDER BY t.id");
        self.terms(sqlx::query(AssertSqlSafe(sql)).bind(ids)).await
    }

    async fn taught_by(&self, trainer_ids: &[String]) -> Result<Vec<Purchase>, PlatformError> {
        let sql = format!(
            "SELECT {PURCHASE_COLUMNS} FROM {PURCHASE_TABLES}
             WHERE p.seq IN (SELECT seq >> 16 FROM allocations WHERE trainer_id = ANY($1) AND status IN ('active', 'superseded')
                             UNION SELECT seq >> 16 FROM session_changes WHERE trainer_id = ANY($1))
               AND a.id IS NOT NULL AND p.status IN ('allocated', 'scheduled') ORDER BY p.seq"
        );
        let found = self.fetch(sqlx::query(AssertSqlSafe(sql)).bind(trainer_ids)).await?;
        found.iter().map(|row| Ok(rows::purchase(row)?.1)).collect()
    }

    async fn closures(&self) -> Result<Vec<Closure>, PlatformError> {
        let mut connection = self.pool.acquire().await.map_err(platform_error)?;
        closures(&mut connection).await
    }

    async fn waiting(&self, purchase_id: Uuid) -> Result<Option<Waiting>, PlatformError> {
        const SQL: &str =
            "SELECT caravan_instant(waitlisted_at), seen_version, receipt FROM waitlist WHERE purchase_id = $1";
        let rows = self.fetch(sqlx::query(SQL).bind(purchase_id)).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let (waitlisted_at, seen_version, receipt): (String, i64, String) = rows::decoded(row)?;
        let waitlisted_at = parsed("waitlisted_at", &waitlisted_at)?;
        Ok(Some(Waiting { purchase_id, waitlisted_at, seen_version, receipt }))
    }

    async fn receipt(&self, purchase_id: Uuid) -> Result<Option<String>, PlatformError> {
        const SQL: &str = "SELECT a.receipt FROM purchases p
                           JOIN allocations a ON a.seq >> 16 = p.seq AND a.status = 'active' WHERE p.id = $1";
        let rows = self.fetch(sqlx::query(SQL).bind(purchase_id)).await?;
        rows.first().map(|row| rows::decoded::<(String,)>(row).map(|(receipt,)| receipt)).transpose()
    }

    async fn changes_of(&self, purchase_id: Uuid) -> Result<Vec<Change>, PlatformError> {
        const SQL: &str =
            "SELECT c.revision, c.kind, caravan_instant(c.changed_at), c.actor, c.reason, c.effective_from::text, c.overrides
                           FROM purchases p JOIN purchase_changes c ON c.purchase = p.seq
                           WHERE p.id = $1 ORDER BY c.revision";
        self.fetch(sqlx::query(SQL).bind(purchase_id)).await?.iter().map(rows::change).collect()
    }

    async fn all_positions(&self) -> Result<Vec<(String, Position)>, PlatformError> {
        let sql = format!(
            "SELECT {POSITION_COLUMNS}, consumer_group FROM positions ORDER BY consumer_group, topic, partition"
        );
        let rows = self.fetch(sqlx::query(AssertSqlSafe(sql))).await?;
        let group = |row| rows::decoded::<(String, i64, i64, String, String)>(row).map(|columns| columns.4);
        rows.iter().map(|row| Ok((group(row)?, rows::position(row)?))).collect()
    }

    async fn outbox_depths(&self) -> Result<Vec<OutboxDepth>, PlatformError> {
        const SQL: &str = "SELECT topic, count(*), min(timestamp) FROM outbox GROUP BY topic ORDER BY topic";
        self.fetch(sqlx::query(SQL)).await?.iter().map(rows::outbox_depth).collect()
    }

    async fn totals(&self) -> Result<Totals, PlatformError> {
        const SQL: &str =
            "SELECT 'purchases' AS counted, status AS kind, count(*) AS rows FROM purchases GROUP BY status
             UNION ALL SELECT 'sessions', status, count(*) FROM sessions GROUP BY status
             UNION ALL SELECT 'dead_letters', reason, count(*) FROM dead_letters GROUP BY reason
             UNION ALL SELECT 'trainers', '', count(*) FROM trainers
             UNION ALL SELECT 'outbox', '', count(*) FROM outbox";
        let mut totals = Totals::default();
        for row in &self.fetch(sqlx::query(SQL)).await? {
            let (counted, kind, rows): (String, String, i64) = rows::decoded(row)?;
            let rows = number("count", rows)?;
            match counted.as_str() {
                "purchases" => _ = totals.purchases.insert(kind, rows),
                "sessions" => _ = totals.sessions.insert(kind, rows),
                "dead_letters" => _ = totals.dead_letters.insert(kind, rows),
                "trainers" => totals.trainers = rows,
                _ => totals.outbox = rows,
            }
        }
        Ok(totals)
    }
}

impl PostgresStore {
    async fn terms(&self, query: Query<'_, Postgres, PgArguments>) -> Result<Vec<(Trainer, i64)>, PlatformError> {
        let rows = self.fetch(query).await?;
        rows.iter().map(|row| rows::trainer(row).map(|trainer| (trainer.trainer, trainer.version))).collect()
    }
}

/// A filter on somebody is answered from their purchases; only without one is the calendar walked
/// by start.
fn sessions_sql(filter: &SessionFilter) -> String {
    const OF_PURCHASE: &str = "JOIN LATERAL (SELECT * FROM sessions s
                               WHERE s.seq > p.seq << 16 AND s.seq < (p.seq + 1) << 16 OFFSET 0) s ON true";
    let tables = if filter.purchase_id.is_some() || filter.student_id.is_some() {
        format!("purchases p {OF_PURCHASE}")
    } else if filter.trainer_id.is_some() {
        format!(
            "(SELECT seq >> 16 AS place FROM allocations WHERE trainer_id = $4
              UNION SELECT seq >> 16 FROM session_changes WHERE trainer_id = $4) AS o
             JOIN purchases p ON p.seq = o.place {OF_PURCHASE}"
        )
    } else {
        "sessions s JOIN purchases p ON p.seq = s.seq >> 16".to_owned()
    };
    // The same days by the index, with room for every zone.
    format!(
        "SELECT {SESSION_COLUMNS} FROM {tables}
         WHERE ($3::uuid IS NULL OR p.id = $3) AND ($4::text IS NULL OR s.trainer_id = $4)
           AND ($5::text IS NULL OR p.student_id = $5)
           AND ($6::text IS NULL OR s.local_date >= $6::date) AND ($7::text IS NULL OR s.local_date <= $7::date)
           AND ($8::text IS NULL OR s.starts_at >= $8::timestamptz) AND ($9::text IS NULL OR s.starts_at < $9::timestamptz)
           AND ($2::text IS NULL OR (s.starts_at, s.purchase_id, s.ordinal) > ($2::timestamptz, $10, $11::bigint))
         ORDER BY s.starts_at, s.purchase_id, s.ordinal LIMIT $1"
    )
}
