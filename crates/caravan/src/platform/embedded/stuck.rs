//! Purchases that are not where they should be.

use sqlx::sqlite::SqliteRow;

use super::rows;
use super::store::EmbeddedStore;
use crate::platform::PlatformError;
use crate::platform::columns::{self, instant};
use crate::platform::stuck::{LateBounds, LateCursor, LatePurchase};

/// Who waits is known to the waitlist. For the rest purchases are walked once, as the cron does: an index on their status
/// would be written thrice for each of them, and horizons have none either.
const SQL: &str = "
    WITH in_hand AS (
        SELECT p.seq, p.status, p.horizon, p.start_date, CASE p.status WHEN 'created' THEN p.created_at
                 WHEN 'allocated' THEN coalesce((SELECT a.allocated_at FROM allocations a
                      WHERE a.seq > p.seq << 16 AND a.seq < (p.seq + 1) << 16 AND a.status = 'active'), p.created_at)
                 ELSE date(p.horizon, ?7) || 'T00:00:00.000000Z' END AS since
        FROM purchases p WHERE p.status IN ('created', 'allocated', 'scheduled')),
    late AS (
        SELECT seq, since FROM in_hand
        WHERE status IN ('created', 'allocated') AND since <= ?1
           OR status = 'scheduled' AND since <= ?3 AND horizon < date(max(?4, coalesce(start_date, ?4)), ?5)
        UNION ALL SELECT p.seq, w.waitlisted_at FROM waitlist w CROSS JOIN purchases p ON p.id = w.purchase_id
        WHERE w.waitlisted_at <= ?2 AND p.status = 'waitlisted'),
    page AS (SELECT seq, since FROM late WHERE ?6 IS NULL OR (since, seq) > (?6, ?8) ORDER BY since, seq LIMIT ?9),
    letters AS (SELECT CAST(key AS TEXT) AS about, topic, min(id) AS id FROM dead_letters
                WHERE redriven_at IS NULL AND (topic = 'purchase-created' AND consumer_group = ?10
                                               OR topic = 'trainer-allocated' AND consumer_group = ?11) GROUP BY 1, 2)
    SELECT p.seq, page.since, p.id, p.payment_id, p.student_id, p.subject, p.level, p.status, p.horizon, w.receipt, l.id AS letter
    FROM page CROSS JOIN purchases p ON p.seq = page.seq LEFT JOIN waitlist w ON w.purchase_id = p.id
    LEFT JOIN letters l ON l.about = p.id
         AND l.topic = CASE p.status WHEN 'created' THEN 'purchase-created' WHEN 'allocated' THEN 'trainer-allocated' END
    ORDER BY page.since, page.seq";

impl EmbeddedStore {
    /// See [`Lists::late_purchases`](crate::platform::store::Lists::late_purchases).
    pub(super) async fn late(
        &self,
        bounds: &LateBounds,
        after: Option<LateCursor>,
        limit: usize,
    ) -> Result<Vec<LatePurchase>, PlatformError> {
        let days = i64::from(bounds.window_days);
        let query = sqlx::query(SQL)
            .bind(instant(bounds.in_hand))
            .bind(instant(bounds.waiting))
            .bind(instant(bounds.behind))
            .bind(bounds.reached.map(|date| date.to_string()))
            .bind(format!("+{days} days"))
            .bind(after.map(|(since, _)| instant(since)))
            .bind(format!("{:+} days", 1 - days))
            .bind(after.map(|(_, place)| place))
            .bind(rows::limit(limit))
            .bind(bounds.groups[0])
            .bind(bounds.groups[1]);
        self.fetch(query).await?.iter().map(late).collect()
    }
}

fn late(row: &SqliteRow) -> Result<LatePurchase, PlatformError> {
    columns::late_purchase(rows::decoded(row)?)
}
