//! What rows are selected by, and how they are read.

use jiff::civil::Date;
use sqlx::FromRow;
use sqlx::sqlite::SqliteRow;

use super::sqlite::platform_error;
use crate::platform::PlatformError;
use crate::platform::columns;
pub(super) use crate::platform::columns::{
    headers, instant, json, limit, milliseconds, number, parsed, second, stored, topic_partition,
};
use crate::platform::rows::{
    Change, DeadLetter, OutboxDepth, Position, Purchase, RefundRow, Session, TrainerRow, Unfulfilled, UnfulfilledDepth,
    Waiting,
};

/// A row read whole, or why it can't be.
pub(super) fn decoded<T>(row: &SqliteRow) -> Result<T, PlatformError>
where
    T: for<'r> FromRow<'r, SqliteRow>,
{
    T::from_row(row).map_err(platform_error)
}

/// Allocations and sessions have the place of their purchase (`purchases.seq`) above these bits of
/// their own `seq`.
pub(super) const PLACE_BITS: u32 = 16;

/// What a purchase is selected by; `allocations` are joined as `a`, the active one only.
pub(super) const PURCHASE_COLUMNS: &str = "p.seq, p.id, p.status, p.created_at, c.confirmation, c.amended, p.start_date, p.horizon, \
     p.scheduled_at, p.generations, p.revision, a.id AS allocation_id, a.trainer_id, a.allocated_at, a.start_date AS allocation_start, a.slots, \
     a.skipped, a.first_ordinal, a.sessions AS allocation_sessions, a.ordered, \
     CASE WHEN p.generations > 1 THEN \
     (SELECT json_group_array(json_array(e.id, e.trainer_id, e.allocated_at, e.start_date, e.slots, e.skipped, e.first_ordinal, \
      e.sessions, e.ordered)) FROM allocations e \
      WHERE e.seq > p.seq << 16 AND e.seq < (p.seq + 1) << 16 AND e.status = 'superseded') END AS earlier, \
     (SELECT json_group_array(json_array(x.seq, x.revision, x.trainer_id, x.starts_at, x.ends_at, x.status, x.as_planned)) \
      FROM session_changes x WHERE x.seq > p.seq << 16 AND x.seq < (p.seq + 1) << 16) AS changed";
/// Where a purchase is selected from.
pub(super) const PURCHASE_TABLES: &str = "purchases p CROSS JOIN confirmations c ON c.seq = p.seq
     LEFT JOIN allocations a ON a.seq > p.seq << 16 AND a.seq < (p.seq + 1) << 16 AND a.status = 'active'";

/// A purchase and its place in the list, from [`PURCHASE_COLUMNS`].
pub(super) fn purchase(row: &SqliteRow) -> Result<(i64, Purchase), PlatformError> {
    columns::purchase(decoded(row)?)
}

/// A purchase that is not fulfilled, from [`PURCHASE_COLUMNS`], `since` and `waiting_receipt`.
pub(super) fn unfulfilled(row: &SqliteRow) -> Result<Unfulfilled, PlatformError> {
    columns::unfulfilled(purchase(row)?, decoded(row)?)
}

/// How many purchases that stand alike are not fulfilled, from `status`, a count and the least `since`.
pub(super) fn unfulfilled_depth(row: &SqliteRow) -> Result<UnfulfilledDepth, PlatformError> {
    columns::unfulfilled_depth(decoded(row)?)
}

/// What a trainer is selected by.
pub(super) const TRAINER_COLUMNS: &str = "t.id, t.name, t.email, t.time_zone, t.languages, t.courses, t.availability, \
     t.time_off, t.max_sessions_per_week, t.weight, t.active, t.share, t.version";

/// A trainer without a calendar, from [`TRAINER_COLUMNS`].
pub(super) fn trainer(row: &SqliteRow) -> Result<TrainerRow, PlatformError> {
    columns::trainer(decoded(row)?)
}

/// What a session is selected by: `sessions` as `s`, its purchase as `p`.
pub(super) const SESSION_COLUMNS: &str = "s.id, s.purchase_id, s.trainer_id, p.student_id, s.ordinal, s.local_date, \
     s.starts_at, s.ends_at, p.time_zone, s.status, s.planned_starts_at";

/// A session, from [`SESSION_COLUMNS`].
pub(super) fn session(row: &SqliteRow) -> Result<Session, PlatformError> {
    columns::session(decoded(row)?)
}

/// What a purchase on the waitlist is selected by: `waitlist` as `w`.
pub(super) const WAITING_COLUMNS: &str = "w.purchase_id, w.waitlisted_at, w.seen_version, w.receipt";

/// A purchase on the waitlist, from [`WAITING_COLUMNS`].
pub(super) fn waiting(row: &SqliteRow) -> Result<Waiting, PlatformError> {
    columns::waiting(decoded(row)?)
}

/// What waits in the outbox for a topic, from its name, the rows and the oldest timestamp.
pub(super) fn outbox_depth(row: &SqliteRow) -> Result<OutboxDepth, PlatformError> {
    columns::outbox_depth(decoded(row)?)
}

/// What a person changed, from `revision, kind, changed_at, actor, reason, effective_from, overrides`.
pub(super) fn change(row: &SqliteRow) -> Result<Change, PlatformError> {
    columns::change(decoded(row)?)
}

/// What a dead letter is selected by.
pub(super) const DEAD_LETTER_COLUMNS: &str = "id, topic, partition, log_offset, consumer_group, reason, detail, attempts, \
     redrives, key, value, headers, failed_at, redriven_at, repaired";

/// A dead letter, from [`DEAD_LETTER_COLUMNS`].
pub(super) fn dead_letter(row: &SqliteRow) -> Result<DeadLetter, PlatformError> {
    columns::dead_letter(decoded(row)?)
}

/// What a refund is selected by.
pub(super) const REFUND_COLUMNS: &str = "r.seq, r.id, r.purchase_id, r.payment_id, r.item, r.refund_id, r.amount, r.currency, \
     r.refunded_at, r.recorded_at, r.reason, r.metadata, r.state, r.settled_at, r.settled_by, r.note, r.provisional";

/// A refund and its place in the list, from [`REFUND_COLUMNS`].
pub(super) fn refund(row: &SqliteRow) -> Result<(i64, RefundRow), PlatformError> {
    columns::refund(decoded(row)?)
}

/// A position, from `topic, partition, next_offset, topic_id`.
pub(super) fn position(row: &SqliteRow) -> Result<Position, PlatformError> {
    columns::position(decoded(row)?)
}

/// A date column that must parse.
pub(super) fn date(column: &str, text: &str) -> Result<Date, PlatformError> {
    parsed(column, text)
}
