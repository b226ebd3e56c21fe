//! What people and tools read.

use async_trait::async_trait;
use caravan_domain::event::Topic;
use caravan_domain::subscription::CLASH_KIND;
use caravan_domain::trainer::{Closure, Trainer};
use jiff::civil::Date;
use jiff::{Span, Timestamp, ToSpan};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::bulk::{Query, json_list};
use super::reads::closures;
use super::rows::{
    self, DEAD_LETTER_COLUMNS, PURCHASE_COLUMNS, PURCHASE_TABLES, REFUND_COLUMNS, SESSION_COLUMNS, TRAINER_COLUMNS,
    WAITING_COLUMNS, instant,
};
use super::store::EmbeddedStore;
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
            ELSE max(a.allocated_at, date(p.horizon, ?4) || 'T00:00:00.000000Z') END AS since
        FROM purchases p
        LEFT JOIN waitlist w ON w.purchase_id = p.id AND p.status = 'waitlisted'
        LEFT JOIN allocations a ON a.seq > p.seq << 16 AND a.seq < (p.seq + 1) << 16 AND a.status = 'active'
        WHERE p.status IN ('created', 'waitlisted', 'allocated')
           OR (p.status = 'scheduled' AND p.horizon < date(max(?2, coalesce(p.start_date, ?2)), ?3) AND a.id IS NOT NULL))
    WHERE status NOT IN ('created', 'allocated') OR since <= ?1";

#[async_trait]
impl Lists for EmbeddedStore {
    async fn list_purchases(
        &self,
        filter: &PurchaseFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<(Cursor, Purchase)>, PlatformError> {
        let before_all = if filter.newest_first { i64::MAX } else { i64::MIN };
        let query = sqlx::query(AssertSqlSafe(purchases_sql(filter)))
            .bind(after.unwrap_or(before_all))
            .bind(rows::limit(limit))
            .bind(filter.id.map(|id| id.to_string()))
            .bind(filter.status.map(|status| status.name()))
            .bind(filter.student_id.as_deref())
            .bind(filter.trainer_id.as_deref())
            .bind(instant(filter.from.unwrap_or(Timestamp::UNIX_EPOCH)))
            .bind(instant(filter.until.unwrap_or(Timestamp::MAX)));
        self.fetch(query).await?.iter().map(rows::purchase).collect()
    }

    async fn list_unfulfilled(
        &self,
        filter: &UnfulfilledFilter,
        after: Option<&Unfulfilled>,
        limit: usize,
    ) -> Result<Vec<Unfulfilled>, PlatformError> {
        let sql = format!(
            "WITH found AS MATERIALIZED (
                SELECT place, since, receipt FROM ({UNFULFILLED})
                WHERE ?5 IS NULL OR (since, place) > (?5, ?6) ORDER BY since, place LIMIT ?7)
             SELECT {PURCHASE_COLUMNS}, f.since, f.receipt AS waiting_receipt
             FROM found f CROSS JOIN {PURCHASE_TABLES} WHERE p.seq = f.place ORDER BY f.since, f.place"
        );
        let query = unfulfilled_by(sqlx::query(AssertSqlSafe(sql)), filter)
            .bind(after.map(|last| instant(last.since)))
            .bind(after.map(|last| last.place))
            .bind(rows::limit(limit));
        self.fetch(query).await?.iter().map(rows::unfulfilled).collect()
    }

    async fn unfulfilled_depths(&self, filter: &UnfulfilledFilter) -> Result<Vec<UnfulfilledDepth>, PlatformError> {
        let sql =
            format!("SELECT status, count(*), min(since) FROM ({UNFULFILLED}) GROUP BY status ORDER BY min(since)");
        let query = unfulfilled_by(sqlx::query(AssertSqlSafe(sql)), filter);
        self.fetch(query).await?.iter().map(rows::unfulfilled_depth).collect()
    }

    async fn list_clashing(
        &self,
        after: Option<&Unfulfilled>,
        limit: usize,
    ) -> Result<Vec<Unfulfilled>, PlatformError> {
        let sql = format!(
            "WITH found AS MATERIALIZED (
                SELECT p.seq AS place, max(n.changed_at) AS since FROM purchases p
                CROSS JOIN purchase_changes n ON n.purchase = p.seq AND n.kind = ?4
                WHERE p.sessions_total IS NULL AND p.status IN ('allocated', 'scheduled')
                GROUP BY p.seq HAVING ?1 IS NULL OR (max(n.changed_at), p.seq) > (?1, ?2) ORDER BY since, place LIMIT ?3)
             SELECT {PURCHASE_COLUMNS}, f.since, NULL AS waiting_receipt
             FROM found f CROSS JOIN {PURCHASE_TABLES} WHERE p.seq = f.place ORDER BY f.since, f.place"
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(after.map(|last| instant(last.since)))
            .bind(after.map(|last| last.place))
            .bind(rows::limit(limit))
            .bind(CLASH_KIND);
        self.fetch(query).await?.iter().map(rows::unfulfilled).collect()
    }

    async fn list_sessions(
        &self,
        filter: &SessionFilter,
        after: Option<SessionPlace>,
        limit: usize,
    ) -> Result<Vec<Session>, PlatformError> {
        let sql = sessions_sql(filter, after.is_some());
        self.fetch(sessions_query(&sql, filter, after, limit)).await?.iter().map(rows::session).collect()
    }

    async fn session(&self, id: Uuid) -> Result<Option<Session>, PlatformError> {
        let sql = format!(
            "SELECT {SESSION_COLUMNS} FROM sessions s CROSS JOIN purchases p ON p.seq = s.seq >> 16 WHERE s.id = ?1 LIMIT 1"
        );
        let found = self.fetch(sqlx::query(AssertSqlSafe(sql)).bind(id.to_string())).await?;
        found.first().map(rows::session).transpose()
    }

    async fn sessions_of(&self, purchase_ids: &[Uuid]) -> Result<Vec<Session>, PlatformError> {
        let sql = format!(
            "SELECT {SESSION_COLUMNS} FROM json_each(?1) AS asked CROSS JOIN purchases p ON p.id = asked.value
             CROSS JOIN sessions s ON s.seq > p.seq << 16 AND s.seq < (p.seq + 1) << 16"
        );
        let found = self.fetch(sqlx::query(AssertSqlSafe(sql)).bind(json_list(purchase_ids))).await?;
        found.iter().map(rows::session).collect()
    }

    async fn list_dead_letters(
        &self,
        filter: &DeadLetterFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, PlatformError> {
        let query = sqlx::query(AssertSqlSafe(dead_letters_sql(filter)))
            .bind(after.unwrap_or(i64::MIN))
            .bind(rows::limit(limit))
            .bind(json_list(&filter.ids))
            .bind(filter.reason.as_deref())
            .bind(filter.topic.map(Topic::name))
            .bind(json_list(&filter.keys));
        self.fetch(query).await?.iter().map(rows::dead_letter).collect()
    }

    async fn list_refunds(
        &self,
        filter: &RefundFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<(Cursor, RefundRow)>, PlatformError> {
        let conditions = [(filter.id.is_some(), "AND r.id = ?3"), (filter.state.is_some(), "AND r.state = ?4")];
        let conditions = chosen(&conditions);
        let sql =
            format!("SELECT {REFUND_COLUMNS} FROM refunds r WHERE r.seq > ?1 {conditions} ORDER BY r.seq LIMIT ?2");
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(after.unwrap_or(i64::MIN))
            .bind(rows::limit(limit))
            .bind(filter.id.map(|id| id.to_string()))
            .bind(filter.state.map(|state| state.name()));
        self.fetch(query).await?.iter().map(rows::refund).collect()
    }

    async fn list_trainers(&self, after: Option<&str>, limit: usize) -> Result<Vec<(Trainer, i64)>, PlatformError> {
        let sql = format!("SELECT {TRAINER_COLUMNS} FROM trainers t WHERE t.id > ?1 ORDER BY t.id LIMIT ?2");
        let query = sqlx::query(AssertSqlSafe(sql)).bind(after.unwrap_or_default()).bind(rows::limit(limit));
        self.terms(query).await
    }

    async fn trainer_terms(&self, ids: &[String]) -> Result<Vec<(Trainer, i64)>, PlatformError> {
        let sql = format!(
            "SELECT {TRAINER_COLUMNS} FROM trainers t WHERE t.id IN (SELECT value FROM json_each(?1)) ORDER BY t.id"
        );
        self.terms(sqlx::query(AssertSqlSafe(sql)).bind(json_list(ids))).await
    }

    async fn taught_by(&self, trainer_ids: &[String]) -> Result<Vec<Purchase>, PlatformError> {
        let sql = format!(
            "SELECT {PURCHASE_COLUMNS} FROM (SELECT seq >> 16 AS place FROM allocations
                                             WHERE trainer_id IN (SELECT value FROM json_each(?1)) AND status IN ('active', 'superseded')
                                             UNION SELECT seq >> 16 FROM session_changes
                                             WHERE trainer_id IN (SELECT value FROM json_each(?1))) AS o
             CROSS JOIN {PURCHASE_TABLES}
             WHERE p.seq = o.place AND a.id IS NOT NULL AND p.status IN ('allocated', 'scheduled') ORDER BY p.seq"
        );
        let found = self.fetch(sqlx::query(AssertSqlSafe(sql)).bind(json_list(trainer_ids))).await?;
        found.iter().map(|row| Ok(rows::purchase(row)?.1)).collect()
    }

    async fn closures(&self) -> Result<Vec<Closure>, PlatformError> {
        let mut connection = self.reader().await?;
        closures(&mut connection).await
    }

    async fn waiting(&self, purchase_ids: &[Uuid]) -> Result<Vec<Waiting>, PlatformError> {
        let sql = format!(
            "SELECT {WAITING_COLUMNS} FROM json_each(?1) AS asked CROSS JOIN waitlist w ON w.purchase_id = asked.value"
        );
        let found = self.fetch(sqlx::query(AssertSqlSafe(sql)).bind(json_list(purchase_ids))).await?;
        found.iter().map(rows::waiting).collect()
    }

    async fn list_waiting(
        &self,
        after: Option<(Timestamp, Uuid)>,
        limit: usize,
    ) -> Result<Vec<Waiting>, PlatformError> {
        let query = sqlx::query(AssertSqlSafe(waitlist_sql()))
            .bind(after.map(|(since, _)| instant(since)).unwrap_or_default())
            .bind(after.map(|(_, id)| id.to_string()).unwrap_or_default())
            .bind(rows::limit(limit));
        self.fetch(query).await?.iter().map(rows::waiting).collect()
    }

    async fn recorded(&self, bounds: &[Timestamp]) -> Result<Vec<Standings>, PlatformError> {
        let spans: Vec<_> =
            bounds.iter().zip(bounds.iter().skip(1)).map(|(from, until)| (instant(*from), instant(*until))).collect();
        let found = self.fetch(sqlx::query(RECORDED).bind(json_list(&spans))).await?;
        columns::standings(spans.len(), found.iter().map(rows::decoded))
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
                           CROSS JOIN allocations a ON a.seq > p.seq << 16 AND a.seq < (p.seq + 1) << 16
                           WHERE p.id = ?1 AND a.status = 'active'";
        let query = sqlx::query(SQL).bind(purchase_id.to_string());
        let rows = self.fetch(query).await?;
        rows.first().map(|row| rows::decoded::<(String,)>(row).map(|(receipt,)| receipt)).transpose()
    }

    async fn bound(&self, purchase_id: Uuid) -> Result<Vec<Bound>, PlatformError> {
        const SQL: &str = "SELECT a.trainer_id, a.allocated_at, a.slots, a.first_ordinal FROM purchases p
                           CROSS JOIN allocations a ON a.seq > p.seq << 16 AND a.seq < (p.seq + 1) << 16
                           WHERE p.id = ?1 ORDER BY a.seq";
        let rows = self.fetch(sqlx::query(SQL).bind(purchase_id.to_string())).await?;
        rows.iter().map(|row| columns::bound(rows::decoded(row)?)).collect()
    }

    async fn changes_of(&self, purchase_id: Uuid) -> Result<Vec<Change>, PlatformError> {
        const SQL: &str = "SELECT c.revision, c.kind, c.changed_at, c.actor, c.reason, c.effective_from, c.overrides
                           FROM purchases p CROSS JOIN purchase_changes c ON c.purchase = p.seq
                           WHERE p.id = ?1 ORDER BY c.revision";
        self.fetch(sqlx::query(SQL).bind(purchase_id.to_string())).await?.iter().map(rows::change).collect()
    }

    async fn all_positions(&self) -> Result<Vec<(String, Position)>, PlatformError> {
        const SQL: &str = "SELECT topic, partition, next_offset, topic_id, consumer_group FROM positions
                           ORDER BY consumer_group, topic, partition";
        let rows = self.fetch(sqlx::query(SQL)).await?;
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
             UNION ALL SELECT 'sessions', kind.value, counted.value FROM (
                 SELECT json_array('scheduled', 'completed', 'missed', 'cancelled') AS kinds,
                        json_array(count(*) FILTER (WHERE status = 'scheduled'), count(*) FILTER (WHERE status = 'completed'),
                                   count(*) FILTER (WHERE status = 'missed'), count(*) FILTER (WHERE status = 'cancelled')) AS counts
                 FROM sessions) CROSS JOIN json_each(kinds) AS kind CROSS JOIN json_each(counts) AS counted
                 ON counted.key = kind.key WHERE counted.value > 0
             UNION ALL SELECT 'dead_letters', reason, count(*) FROM dead_letters GROUP BY reason
             UNION ALL SELECT 'trainers', '', count(*) FROM trainers
             UNION ALL SELECT 'outbox', '', count(*) FROM outbox";
        let mut totals = Totals::default();
        for row in &self.fetch(sqlx::query(SQL)).await? {
            let (counted, kind, rows): (String, String, i64) = rows::decoded(row)?;
            let rows = rows::number("count", rows)?;
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
fn unfulfilled_by<'q>(query: Query<'q>, filter: &UnfulfilledFilter) -> Query<'q> {
    query
        .bind(rows::instant(filter.before))
        .bind(filter.today.to_string())
        .bind(format!("+{} days", filter.window_days))
        .bind(format!("-{} days", i32::from(filter.window_days) - 1))
}

impl EmbeddedStore {
    async fn terms(&self, query: Query<'_>) -> Result<Vec<(Trainer, i64)>, PlatformError> {
        let rows = self.fetch(query).await?;
        rows.iter().map(|row| rows::trainer(row).map(|trainer| (trainer.trainer, trainer.version))).collect()
    }
}

/// The conditions that apply, one after another.
fn chosen(conditions: &[(bool, &str)]) -> String {
    conditions.iter().filter(|(applies, _)| *applies).map(|(_, condition)| *condition).collect::<Vec<_>>().join(" ")
}

/// Purchases in the order of their recording. The index by status is for who asks for nothing else, which is mostly narrower.
pub(super) fn purchases_sql(filter: &PurchaseFilter) -> String {
    let narrower = filter.id.is_some()
        || filter.student_id.is_some()
        || filter.trainer_id.is_some()
        || filter.from.is_some()
        || filter.until.is_some();
    let conditions = [
        (filter.id.is_some(), "AND p.id = ?3"),
        (filter.status.is_some(), "AND p.status = ?4"),
        (filter.status.is_some() && !narrower, "AND p.status <> ''"),
        (filter.student_id.is_some(), "AND p.student_id = ?5"),
        (
            filter.trainer_id.is_some(),
            "AND p.seq IN (SELECT seq >> 16 FROM allocations WHERE trainer_id = ?6 AND status = 'active')",
        ),
        (
            filter.from.is_some() || filter.until.is_some(),
            "AND p.seq IN (SELECT seq FROM purchases WHERE created_at >= ?7 AND created_at < ?8)",
        ),
    ];
    let (behind, direction) = if filter.newest_first { ("<", "DESC") } else { (">", "ASC") };
    format!(
        "SELECT {PURCHASE_COLUMNS} FROM {PURCHASE_TABLES} WHERE p.seq {behind} ?1 {}
         ORDER BY p.seq {direction} LIMIT ?2",
        chosen(&conditions)
    )
}

/// Dead letters in the order of their ids. Those that wait have an index, for who does not ask for some of them.
pub(super) fn dead_letters_sql(filter: &DeadLetterFilter) -> String {
    let narrower = !filter.ids.is_empty() || !filter.keys.is_empty();
    let conditions = [
        (!filter.ids.is_empty(), "AND id IN (SELECT value FROM json_each(?3))"),
        (filter.reason.is_some(), "AND reason = ?4"),
        (filter.waiting && narrower, "AND +redriven_at IS NULL"),
        (filter.waiting && !narrower, "AND redriven_at IS NULL"),
        (filter.topic.is_some(), "AND topic = ?5"),
        (!filter.keys.is_empty(), "AND key IN (SELECT CAST(value AS BLOB) FROM json_each(?6))"),
    ];
    format!("SELECT {DEAD_LETTER_COLUMNS} FROM dead_letters WHERE id > ?1 {} ORDER BY id LIMIT ?2", chosen(&conditions))
}

/// The waitlist behind since when (?1) and a purchase (?2).
pub(super) fn waitlist_sql() -> String {
    format!(
        "SELECT {WAITING_COLUMNS} FROM waitlist w WHERE (w.waitlisted_at, w.purchase_id) > (?1, ?2)
         ORDER BY w.waitlisted_at, w.purchase_id LIMIT ?3"
    )
}

/// How many purchases of each span in a JSON list stand how.
pub(super) const RECORDED: &str = "
    SELECT asked.key, p.status, count(*) FROM json_each(?1) AS asked
    CROSS JOIN purchases p ON p.created_at >= asked.value ->> 0 AND p.created_at < asked.value ->> 1
    GROUP BY asked.key, p.status";

/// How many wait and since when the oldest does: of dead letters, refunds and the waitlist.
pub(super) const WAITING_WORK: &str = "
    SELECT * FROM (SELECT count(*), min(failed_at) FROM dead_letters WHERE redriven_at IS NULL)
    CROSS JOIN (SELECT count(*), min(recorded_at) FROM refunds WHERE state = 'open')
    CROSS JOIN (SELECT count(*), min(waitlisted_at) FROM waitlist)";

/// The dead letters that were not sent again, by reason and topic.
pub(super) const DEAD_LETTERS_WAITING: &str = "
    SELECT reason, topic, count(*), min(failed_at), max(failed_at) FROM dead_letters WHERE redriven_at IS NULL
    GROUP BY reason, topic ORDER BY count(*) DESC, reason, topic";

/// A filter on somebody is answered from their purchases; only without one is the calendar walked
/// by start.
pub(super) fn sessions_sql(filter: &SessionFilter, goes_on: bool) -> String {
    const START: &str = "unixepoch(s.starts_at)";
    const OF_PURCHASE: &str = "CROSS JOIN sessions s ON s.seq > p.seq << 16 AND s.seq < (p.seq + 1) << 16";
    let conditions = [
        (filter.purchase_id.is_some(), "AND p.id = ?3"),
        (filter.trainer_id.is_some(), "AND s.trainer_id = ?4"),
        (filter.student_id.is_some(), "AND p.student_id = ?5"),
        (filter.from.is_some(), "AND s.local_date >= ?6"),
        (filter.until.is_some(), "AND s.local_date <= ?7"),
        (filter.status.is_some(), "AND s.status = ?12"),
    ];
    let tables = if filter.purchase_id.is_some() || filter.student_id.is_some() {
        format!("purchases p {OF_PURCHASE}")
    } else if filter.trainer_id.is_some() {
        format!(
            "(SELECT seq >> 16 AS place FROM allocations WHERE trainer_id = ?4
              UNION SELECT seq >> 16 FROM session_changes WHERE trainer_id = ?4) AS o
             CROSS JOIN purchases p ON p.seq = o.place {OF_PURCHASE}"
        )
    } else {
        "sessions s CROSS JOIN purchases p ON p.seq = s.seq >> 16".to_owned()
    };
    // The same days by the index, with room for every zone.
    let bounds = [
        (filter.from.is_some(), "AND unixepoch(s.starts_at) >= unixepoch(?8)"),
        (filter.until.is_some(), "AND unixepoch(s.starts_at) < unixepoch(?9)"),
        (
            filter.starting.is_some(),
            "AND unixepoch(s.starts_at) >= unixepoch(?13) AND unixepoch(s.starts_at) < unixepoch(?14)",
        ),
        (goes_on, "AND (unixepoch(s.starts_at), s.purchase_id, s.ordinal) > (unixepoch(?2), ?10, ?11)"),
    ];
    format!(
        "SELECT {SESSION_COLUMNS} FROM {tables} WHERE true {} {} ORDER BY {START}, s.purchase_id, s.ordinal LIMIT ?1",
        chosen(&conditions),
        chosen(&bounds)
    )
}

fn sessions_query<'q>(sql: &str, filter: &SessionFilter, after: Option<SessionPlace>, limit: usize) -> Query<'q> {
    let day = |date: Option<Date>, days: i64| date.map(|date| shifted(date, days.days()).to_string());
    sqlx::query(AssertSqlSafe(sql))
        .bind(rows::limit(limit))
        .bind(after.map(|last| rows::second(last.starts_at)))
        .bind(filter.purchase_id.map(|id| id.to_string()))
        .bind(filter.trainer_id.as_deref())
        .bind(filter.student_id.as_deref())
        .bind(day(filter.from, 0))
        .bind(day(filter.until, 0))
        .bind(day(filter.from, -ZONE_DAYS_MAX))
        .bind(day(filter.until, ZONE_DAYS_MAX))
        .bind(after.map(|last| last.purchase_id.to_string()))
        .bind(after.map(|last| last.ordinal))
        .bind(filter.status.map(|status| status.name()))
        .bind(filter.starting.map(|(from, _)| rows::second(from)))
        .bind(filter.starting.map(|(_, until)| rows::second(until)))
}

fn shifted(date: Date, by: Span) -> Date {
    date.saturating_add(by)
}
