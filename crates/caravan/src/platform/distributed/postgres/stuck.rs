//! Purchases that are not where they should be.

use sqlx::postgres::PgRow;

use super::{PostgresStore, rows};
use crate::platform::PlatformError;
use crate::platform::columns::{self, instant, limit as rows_max};
use crate::platform::stuck::{LateBounds, LateCursor, LatePurchase};

/// Who waits is known to the waitlist. For the rest purchases are walked once, as the cron does: an index on their status
/// would be written thrice for each of them and keep updates from staying on their page, and horizons have none either.
const SQL: &str = "
    WITH in_hand AS (
        SELECT p.seq, p.status, p.horizon, p.start_date, CASE p.status WHEN 'created' THEN p.created_at
                 WHEN 'allocated' THEN coalesce((SELECT a.allocated_at FROM allocations a
                      WHERE a.seq >> 16 = p.seq AND a.status = 'active'), p.created_at)
                 ELSE (p.horizon + (1 - $5::int))::timestamp AT TIME ZONE 'UTC' END AS since
        FROM purchases p WHERE p.status IN ('created', 'allocated', 'scheduled')),
    late AS (
        SELECT seq, since FROM in_hand
        WHERE status IN ('created', 'allocated') AND since <= $1::timestamptz
           OR status = 'scheduled' AND since <= $3::timestamptz AND $4::date IS NOT NULL
              AND horizon < greatest($4::date, start_date) + $5::int
        UNION ALL SELECT p.seq, w.waitlisted_at FROM waitlist w JOIN purchases p ON p.id = w.purchase_id
        WHERE w.waitlisted_at <= $2::timestamptz AND p.status = 'waitlisted'),
    page AS (SELECT seq, since FROM late WHERE $6::text IS NULL OR (since, seq) > ($6::timestamptz, $7::bigint)
             ORDER BY since, seq LIMIT $8),
    letters AS (SELECT key AS about, topic, min(id) AS id FROM dead_letters
                WHERE redriven_at IS NULL AND (topic = 'purchase-created' AND consumer_group = $9
                                               OR topic = 'trainer-allocated' AND consumer_group = $10) GROUP BY 1, 2)
    SELECT p.seq, caravan_instant(page.since) AS since, p.id::text AS id, p.payment_id, p.student_id, p.subject, p.level, p.status,
           p.horizon::text AS horizon, w.receipt, l.id AS letter
    FROM page JOIN purchases p ON p.seq = page.seq LEFT JOIN waitlist w ON w.purchase_id = p.id
    LEFT JOIN letters l ON l.about = convert_to(p.id::text, 'UTF8')
         AND l.topic = CASE p.status WHEN 'created' THEN 'purchase-created' WHEN 'allocated' THEN 'trainer-allocated' END
    ORDER BY page.since, page.seq";

impl PostgresStore {
    /// See [`Lists::late_purchases`](crate::platform::store::Lists::late_purchases).
    pub(super) async fn late(
        &self,
        bounds: &LateBounds,
        after: Option<LateCursor>,
        limit: usize,
    ) -> Result<Vec<LatePurchase>, PlatformError> {
        let query = sqlx::query(SQL)
            .bind(instant(bounds.in_hand))
            .bind(instant(bounds.waiting))
            .bind(instant(bounds.behind))
            .bind(bounds.reached.map(|date| date.to_string()))
            .bind(i32::from(bounds.window_days))
            .bind(after.map(|(since, _)| instant(since)))
            .bind(after.map(|(_, place)| place))
            .bind(rows_max(limit))
            .bind(bounds.groups[0])
            .bind(bounds.groups[1]);
        self.fetch(query.persistent(false)).await?.iter().map(late).collect()
    }
}

fn late(row: &PgRow) -> Result<LatePurchase, PlatformError> {
    columns::late_purchase(rows::decoded(row)?)
}
