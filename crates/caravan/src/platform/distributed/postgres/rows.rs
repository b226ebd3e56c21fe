//! What rows are selected by, and how they are read.

use sqlx::FromRow;
use sqlx::postgres::PgRow;

use super::errors::platform_error;
use crate::platform::PlatformError;
use crate::platform::columns;
use crate::platform::rows::{
    Change, DeadLetter, OutboxDepth, Position, Purchase, RefundRow, Session, TrainerRow, Unfulfilled, UnfulfilledDepth,
    Waiting,
};

/// A row read whole, or why it can't be.
pub(super) fn decoded<T>(row: &PgRow) -> Result<T, PlatformError>
where
    T: for<'r> FromRow<'r, PgRow>,
{
    T::from_row(row).map_err(platform_error)
}

/// What a purchase is selected by, from [`PURCHASE_TABLES`].
pub(super) const PURCHASE_COLUMNS: &str = "p.seq, p.id::text AS id, p.status, caravan_instant(p.created_at) AS created_at, c.confirmation, c.amended,
     p.start_date::text AS start_date, p.horizon::text AS horizon, caravan_instant(p.scheduled_at) AS scheduled_at, p.generations, p.revision, a.id::text AS allocation_id, a.trainer_id,
     caravan_instant(a.allocated_at) AS allocated_at, a.start_date::text AS allocation_start, a.slots, a.skipped,
     a.first_ordinal, a.sessions AS allocation_sessions, a.ordered,
     CASE WHEN p.generations > 1 THEN
     (SELECT json_agg(json_build_array(e.id, e.trainer_id, caravan_instant(e.allocated_at), e.start_date, e.slots, e.skipped,
      e.first_ordinal, e.sessions, e.ordered)) FROM allocations e
      WHERE e.seq > p.seq << 16 AND e.seq < (p.seq + 1) << 16 AND e.status = 'superseded')::text END AS earlier,
     (SELECT json_agg(json_build_array(x.seq, x.revision, x.trainer_id, caravan_second(x.starts_at), caravan_second(x.ends_at), x.status, x.as_planned))
      FROM session_changes x WHERE x.seq > p.seq << 16 AND x.seq < (p.seq + 1) << 16)::text AS changed";
/// Where a purchase is selected from; `allocations` are joined as `a`, the active one only.
pub(super) const PURCHASE_TABLES: &str = "purchases p JOIN confirmations c ON c.seq = p.seq
     LEFT JOIN allocations a ON a.seq >> 16 = p.seq AND a.status = 'active'";

/// A purchase and its place in the list, from [`PURCHASE_COLUMNS`].
pub(super) fn purchase(row: &PgRow) -> Result<(i64, Purchase), PlatformError> {
    columns::purchase(decoded(row)?)
}

/// A purchase that is not fulfilled, from [`PURCHASE_COLUMNS`], `since` and `waiting_receipt`.
pub(super) fn unfulfilled(row: &PgRow) -> Result<Unfulfilled, PlatformError> {
    columns::unfulfilled(purchase(row)?, decoded(row)?)
}

/// How many purchases that stand alike are not fulfilled, from `status`, a count and the least `since`.
pub(super) fn unfulfilled_depth(row: &PgRow) -> Result<UnfulfilledDepth, PlatformError> {
    columns::unfulfilled_depth(decoded(row)?)
}

/// What a trainer is selected by.
pub(super) const TRAINER_COLUMNS: &str = "t.id, t.name, t.email, t.time_zone, t.languages, t.courses, t.availability, \
     t.time_off, t.max_sessions_per_week, t.weight, t.active::int::bigint AS active, t.share, t.version";

/// A trainer without a calendar, from [`TRAINER_COLUMNS`].
pub(super) fn trainer(row: &PgRow) -> Result<TrainerRow, PlatformError> {
    columns::trainer(decoded(row)?)
}

/// What a session is selected by: `sessions` as `s`, its purchase as `p`.
pub(super) const SESSION_COLUMNS: &str =
    "s.id::text AS id, s.purchase_id::text AS purchase_id, s.trainer_id, p.student_id, s.ordinal,
     s.local_date::text AS local_date, caravan_second(s.starts_at) AS starts_at, caravan_second(s.ends_at) AS ends_at,
     p.time_zone, s.status, caravan_second(s.planned_starts_at) AS planned_starts_at";

/// A session, from [`SESSION_COLUMNS`].
pub(super) fn session(row: &PgRow) -> Result<Session, PlatformError> {
    columns::session(decoded(row)?)
}

/// What a purchase on the waitlist is selected by: `waitlist` as `w`.
pub(super) const WAITING_COLUMNS: &str =
    "w.purchase_id::text, caravan_instant(w.waitlisted_at), w.seen_version, w.receipt";

/// A purchase on the waitlist, from [`WAITING_COLUMNS`].
pub(super) fn waiting(row: &PgRow) -> Result<Waiting, PlatformError> {
    columns::waiting(decoded(row)?)
}

/// What waits in the outbox for a topic, from its name, the rows and the oldest timestamp.
pub(super) fn outbox_depth(row: &PgRow) -> Result<OutboxDepth, PlatformError> {
    columns::outbox_depth(decoded(row)?)
}

/// What a person changed, from `revision, kind, changed_at, actor, reason, effective_from, overrides`.
pub(super) fn change(row: &PgRow) -> Result<Change, PlatformError> {
    columns::change(decoded(row)?)
}

/// What a dead letter is selected by.
pub(super) const DEAD_LETTER_COLUMNS: &str =
    "id, topic, partition, log_offset, consumer_group, reason, detail, attempts, redrives, key,
     value, headers, caravan_instant(failed_at) AS failed_at, caravan_instant(redriven_at) AS redriven_at, repaired";

/// A dead letter, from [`DEAD_LETTER_COLUMNS`].
pub(super) fn dead_letter(row: &PgRow) -> Result<DeadLetter, PlatformError> {
    columns::dead_letter(decoded(row)?)
}

/// What a refund is selected by.
pub(super) const REFUND_COLUMNS: &str =
    "r.seq, r.id::text AS id, r.purchase_id::text AS purchase_id, r.payment_id, r.item, r.refund_id, r.amount, r.currency,
     caravan_instant(r.refunded_at) AS refunded_at, caravan_instant(r.recorded_at) AS recorded_at, r.reason, r.metadata, r.state,
     caravan_instant(r.settled_at) AS settled_at, r.settled_by, r.note, r.provisional::int::bigint AS provisional";

/// A refund and its place in the list, from [`REFUND_COLUMNS`].
pub(super) fn refund(row: &PgRow) -> Result<(i64, RefundRow), PlatformError> {
    columns::refund(decoded(row)?)
}

/// What a position is selected by.
pub(super) const POSITION_COLUMNS: &str = "topic, partition, next_offset, topic_id::text AS topic_id";

/// A position, from [`POSITION_COLUMNS`].
pub(super) fn position(row: &PgRow) -> Result<Position, PlatformError> {
    columns::position(decoded(row)?)
}
