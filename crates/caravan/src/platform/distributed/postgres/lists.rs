//! What people and tools read.

use async_trait::async_trait;
use caravan_domain::event::Topic;
use caravan_domain::subscription::CLASH_KIND;
use caravan_domain::trainer::{Closure, Trainer};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::PostgresStore;
use super::errors::platform_error;
use super::reads::{Statement, closures};
use super::rows::{
    self, DEAD_LETTER_COLUMNS, POSITION_COLUMNS, PURCHASE_COLUMNS, PURCHASE_TABLES, REFUND_COLUMNS, SESSION_COLUMNS,
    TRAINER_COLUMNS, WAITING_COLUMNS,
};
use crate::platform::columns::{bound, instant, limit as rows_max, number, second};
use crate::platform::rows::{
    Bound, Change, Cursor, DeadLetter, DeadLetterFilter, LetterGroup, OutboxDepth, Position, Purchase, PurchaseFilter,
    RefundFilter, RefundRow, Session, SessionFilter, SessionPlace, Standings, Totals, Unfulfilled, UnfulfilledDepth,
    UnfulfilledFilter, Waiting, WaitingWork,
};
use crate::platform::store::Lists;
use crate::platform::{PlatformError, columns};

/// Further than any zone's local date is from the UTC date of the same instant, in days.
const ZONE_DAYS_MAX: i64 = 2;
/// Purchases that are paid and not fulfilled. A window is behind from the day on that it no longer reaches far enough.
const UNFULFILLED: &str = "
    SELECT place, status, since, receipt FROM (
        SELECT p.seq AS place, p.status, w.receipt, CASE p.status
            WHEN 'created' THEN p.created_at
            WHEN 'waitlisted' THEN coalesce(w.waitlisted_at, p.created_at)
            WHEN 'allocated' THEN coalesce(a.allocated_at, p.created_at)
            ELSE greatest(a.allocated_at, (p.horizon - ($3::int - 1))::timestamp AT TIME ZONE 'UTC') END AS since
        FROM purchases p
        LEFT JOIN waitlist w ON w.purchase_id = p.id AND p.status = 'waitlisted'
        LEFT JOIN allocations a ON a.seq >> 16 = p.seq AND a.status = 'active'
        WHERE p.status IN ('created', 'waitlisted', 'allocated')
           OR (p.status = 'scheduled' AND p.horizon < greatest($2::date, p.start_date) + $3::int AND a.id IS NOT NULL)) all_of_them
    WHERE status NOT IN ('created', 'allocated') OR since <= $1::timestamptz";

#[async_trait]
impl Lists for PostgresStore {
    async fn list_purchases(
        &self,
        filter: &PurchaseFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<(Cursor, Purchase)>, PlatformError> {
        let sql = purchases_sql(filter);
        self.fetch(purchases_query(&sql, filter, after, limit)).await?.iter().map(rows::purchase).collect()
    }

    async fn list_unfulfilled(
        &self,
        filter: &UnfulfilledFilter,
        after: Option<&Unfulfilled>,
        limit: usize,
    ) -> Result<Vec<Unfulfilled>, PlatformError> {
        let sql = format!(
            "WITH found AS MATERIALIZED (
                SELECT place, since, receipt FROM ({UNFULFILLED}) unfulfilled
                WHERE $4::text IS NULL OR (since, place) > ($4::timestamptz, $5::bigint)
                ORDER BY since, place LIMIT $6)
             SELECT {PURCHASE_COLUMNS}, caravan_instant(f.since) AS since, f.receipt AS waiting_receipt
             FROM found f JOIN purchases p0 ON p0.seq = f.place CROSS JOIN LATERAL (SELECT p0.*) p {}
             ORDER BY f.since, f.place",
            PURCHASE_TABLES.trim_start_matches("purchases p ")
        );
        let query = unfulfilled_by(sqlx::query(AssertSqlSafe(sql)), filter)
            .bind(after.map(|last| instant(last.since)))
            .bind(after.map(|last| last.place))
            .bind(rows_max(limit));
        self.fetch(query.persistent(false)).await?.iter().map(rows::unfulfilled).collect()
    }

    async fn unfulfilled_depths(&self, filter: &UnfulfilledFilter) -> Result<Vec<UnfulfilledDepth>, PlatformError> {
        let sql = format!(
            "SELECT status, count(*), caravan_instant(min(since)) FROM ({UNFULFILLED}) unfulfilled
             GROUP BY status ORDER BY min(since)"
        );
        let query = unfulfilled_by(sqlx::query(AssertSqlSafe(sql)), filter);
        self.fetch(query.persistent(false)).await?.iter().map(rows::unfulfilled_depth).collect()
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
        after: Option<SessionPlace>,
        limit: usize,
    ) -> Result<Vec<Session>, PlatformError> {
        let sql = sessions_sql(filter);
        self.fetch(sessions_query(&sql, filter, after, limit)).await?.iter().map(rows::session).collect()
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
               AND (NOT $5 OR redriven_at IS NULL) AND ($6::text IS NULL OR topic = $6)
               AND (cardinality($7::bytea[]) = 0 OR key = ANY($7)) ORDER BY dead_letters.id LIMIT $2"
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(after.unwrap_or(i64::MIN))
            .bind(rows_max(limit))
            .bind(&filter.ids)
            .bind(filter.reason.as_deref())
            .bind(filter.waiting)
            .bind(filter.topic.map(Topic::name))
            .bind(filter.keys.iter().map(String::as_bytes).collect::<Vec<_>>());
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

    async fn waiting(&self, purchase_ids: &[Uuid]) -> Result<Vec<Waiting>, PlatformError> {
        let sql = format!("SELECT {WAITING_COLUMNS} FROM waitlist w WHERE w.purchase_id = ANY($1)");
        self.fetch(sqlx::query(AssertSqlSafe(sql)).bind(purchase_ids)).await?.iter().map(rows::waiting).collect()
    }

    async fn list_waiting(
        &self,
        after: Option<(Timestamp, Uuid)>,
        limit: usize,
    ) -> Result<Vec<Waiting>, PlatformError> {
        let sql = waitlist_sql();
        self.fetch(waitlist_query(&sql, after, limit)).await?.iter().map(rows::waiting).collect()
    }

    async fn recorded(&self, bounds: &[Timestamp]) -> Result<Vec<Standings>, PlatformError> {
        let found = self.fetch(recorded_query(RECORDED, bounds)).await?;
        columns::standings(bounds.len().saturating_sub(1), found.iter().map(rows::decoded))
    }

    async fn waiting_work(&self) -> Result<WaitingWork, PlatformError> {
        let found = self.fetch(sqlx::query(WAITING_WORK)).await?;
        found.first().map_or_else(|| Ok(WaitingWork::default()), |row| columns::waiting_work(rows::decoded(row)?))
    }

    async fn dead_letters_waiting(&self) -> Result<Vec<LetterGroup>, PlatformError> {
        let found = self.fetch(sqlx::query(DEAD_LETTERS_WAITING)).await?;
        found.iter().map(|row| columns::letter_group(rows::decoded(row)?)).collect()
    }

    async fn receipt(&self, purchase_id: Uuid) -> Result<Option<String>, PlatformError> {
        const SQL: &str = "SELECT a.receipt FROM purchases p
                           JOIN allocations a ON a.seq >> 16 = p.seq AND a.status = 'active' WHERE p.id = $1";
        let rows = self.fetch(sqlx::query(SQL).bind(purchase_id)).await?;
        rows.first().map(|row| rows::decoded::<(String,)>(row).map(|(receipt,)| receipt)).transpose()
    }

    async fn bound(&self, purchase_id: Uuid) -> Result<Vec<Bound>, PlatformError> {
        const SQL: &str =
            "SELECT a.trainer_id, caravan_instant(a.allocated_at), a.slots, a.first_ordinal FROM purchases p
                           JOIN allocations a ON a.seq > p.seq << 16 AND a.seq < (p.seq + 1) << 16
                           WHERE p.id = $1 ORDER BY a.seq";
        let rows = self.fetch(sqlx::query(SQL).bind(purchase_id)).await?;
        rows.iter().map(|row| bound(rows::decoded(row)?)).collect()
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

/// Binds what [`UNFULFILLED`] goes by.
fn unfulfilled_by<'q>(query: Statement<'q>, filter: &UnfulfilledFilter) -> Statement<'q> {
    query.bind(instant(filter.before)).bind(filter.today.to_string()).bind(i32::from(filter.window_days))
}

impl PostgresStore {
    async fn terms(&self, query: Statement<'_>) -> Result<Vec<(Trainer, i64)>, PlatformError> {
        let rows = self.fetch(query).await?;
        rows.iter().map(|row| rows::trainer(row).map(|trainer| (trainer.trainer, trainer.version))).collect()
    }
}

/// Purchases in the order of their recording. Which they are is found out by what they are asked for by, before anything else of
/// them is read: the planner does not know that statuses and times lie apart by age, and would walk past the others. A status
/// alone is therefore a range, which nothing but the index by status has in order.
pub(super) fn purchases_sql(filter: &PurchaseFilter) -> String {
    const OF_TRAINER: &str =
        "(SELECT seq >> 16 AS place FROM allocations WHERE trainer_id = $6 AND status = 'active') a
             JOIN LATERAL (SELECT * FROM purchases p WHERE p.seq = a.place OFFSET 0) p ON true";
    let narrower = filter.id.is_some()
        || filter.student_id.is_some()
        || filter.trainer_id.is_some()
        || filter.from.is_some()
        || filter.until.is_some();
    let tables = if filter.trainer_id.is_some() { OF_TRAINER } else { "purchases p" };
    let (behind, direction) = if filter.newest_first { ("<", "DESC") } else { (">", "ASC") };
    let (has_status, order) = match filter.status {
        Some(_) if !narrower => ("p.status BETWEEN $4 AND $4", format!("p.status {direction}, p.seq {direction}")),
        _ => ("p.status = $4", format!("p.seq {direction}")),
    };
    format!(
        "WITH page AS MATERIALIZED (
             SELECT p.seq FROM {tables}
             WHERE p.seq {behind} $1 AND ($3::uuid IS NULL OR p.id = $3) AND ($4::text IS NULL OR {has_status})
               AND ($5::text IS NULL OR p.student_id = $5)
               AND ($7::text IS NULL OR p.created_at >= $7::timestamptz) AND ($8::text IS NULL OR p.created_at < $8::timestamptz)
             ORDER BY {order} LIMIT $2)
         SELECT {PURCHASE_COLUMNS} FROM {PURCHASE_TABLES} WHERE p.seq IN (SELECT seq FROM page) ORDER BY p.seq {direction}"
    )
}

pub(super) fn purchases_query<'q>(
    sql: &str,
    filter: &'q PurchaseFilter,
    after: Option<Cursor>,
    limit: usize,
) -> Statement<'q> {
    let before_all = if filter.newest_first { i64::MAX } else { i64::MIN };
    sqlx::query(AssertSqlSafe(sql))
        .bind(after.unwrap_or(before_all))
        .bind(rows_max(limit))
        .bind(filter.id)
        .bind(filter.status.map(|status| status.name()))
        .bind(filter.student_id.as_deref())
        .bind(filter.trainer_id.as_deref())
        .bind(filter.from.map(instant))
        .bind(filter.until.map(instant))
        .persistent(false)
}

/// The waitlist behind since when ($1) and a purchase ($2).
pub(super) fn waitlist_sql() -> String {
    format!(
        "SELECT {WAITING_COLUMNS} FROM waitlist w
         WHERE ($1::text IS NULL OR (w.waitlisted_at, w.purchase_id) > ($1::timestamptz, $2::uuid))
         ORDER BY w.waitlisted_at, w.purchase_id LIMIT $3"
    )
}

pub(super) fn waitlist_query<'q>(sql: &str, after: Option<(Timestamp, Uuid)>, limit: usize) -> Statement<'q> {
    sqlx::query(AssertSqlSafe(sql))
        .bind(after.map(|(since, _)| instant(since)))
        .bind(after.map(|(_, id)| id))
        .bind(rows_max(limit))
        .persistent(false)
}

/// How many purchases of each span stand how. Span by span: how few one holds is not known to the planner.
pub(super) const RECORDED: &str = "
    SELECT asked.place - 1, p.status, p.purchases
    FROM UNNEST($1::text[], $2::text[]) WITH ORDINALITY AS asked (from_at, until_at, place)
    CROSS JOIN LATERAL (SELECT status, count(*) AS purchases FROM purchases
                        WHERE created_at >= asked.from_at::timestamptz AND created_at < asked.until_at::timestamptz
                        GROUP BY status) p";

pub(super) fn recorded_query<'q>(sql: &str, bounds: &[Timestamp]) -> Statement<'q> {
    let spans = bounds.iter().zip(bounds.iter().skip(1));
    let (from, until): (Vec<_>, Vec<_>) = spans.map(|(from, until)| (instant(*from), instant(*until))).unzip();
    sqlx::query(AssertSqlSafe(sql)).bind(from).bind(until)
}

/// How many wait and since when the oldest does: of dead letters, refunds and the waitlist.
pub(super) const WAITING_WORK: &str = "
    SELECT d.number, caravan_instant(d.oldest), r.number, caravan_instant(r.oldest), w.number, caravan_instant(w.oldest)
    FROM (SELECT count(*) AS number, min(failed_at) AS oldest FROM dead_letters WHERE redriven_at IS NULL) d
    CROSS JOIN (SELECT count(*) AS number, min(recorded_at) AS oldest FROM refunds WHERE state = 'open') r
    CROSS JOIN (SELECT count(*) AS number, min(waitlisted_at) AS oldest FROM waitlist) w";

/// The dead letters that were not sent again, by reason and topic.
pub(super) const DEAD_LETTERS_WAITING: &str = "
    SELECT reason, topic, count(*), caravan_instant(min(failed_at)), caravan_instant(max(failed_at))
    FROM dead_letters WHERE redriven_at IS NULL GROUP BY reason, topic ORDER BY count(*) DESC, reason, topic";

/// A filter on somebody is answered from their purchases; only without one is the calendar walked
/// by start.
pub(super) fn sessions_sql(filter: &SessionFilter) -> String {
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
           AND ($6::text IS NULL OR s.local_date >= $6::date) AND ($7::text IS NULL OR s.local_date <= $7::date) AND ($12::text IS NULL OR s.status = $12)
           AND ($8::text IS NULL OR s.starts_at >= $8::timestamptz) AND ($9::text IS NULL OR s.starts_at < $9::timestamptz)
           AND ($13::text IS NULL OR (s.starts_at >= $13::timestamptz AND s.starts_at < $14::timestamptz))
           AND ($2::text IS NULL OR (s.starts_at, s.purchase_id, s.ordinal) > ($2::timestamptz, $10, $11::bigint))
         ORDER BY s.starts_at, s.purchase_id, s.ordinal LIMIT $1"
    )
}

pub(super) fn sessions_query<'q>(
    sql: &str,
    filter: &'q SessionFilter,
    after: Option<SessionPlace>,
    limit: usize,
) -> Statement<'q> {
    let day = |date: Option<Date>, days: i64| date.map(|date| date.saturating_add(days.days()).to_string());
    sqlx::query(AssertSqlSafe(sql))
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
        .bind(after.map(|last| i64::from(last.ordinal)))
        .bind(filter.status.map(|status| status.name()))
        .bind(filter.starting.map(|(from, _)| second(from)))
        .bind(filter.starting.map(|(_, until)| second(until)))
        .persistent(false)
}
