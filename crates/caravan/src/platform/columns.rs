//! How rows read from a database become values, whichever database it is: dates, instants, ids and
//! JSON come as texts, numbers as 64 bits.

use caravan_domain::event::{Headers, Topic};
use caravan_domain::purchase::{Amount, Confirmation, Ordered, PurchaseStatus};
use caravan_domain::refund::Refund;
use caravan_domain::session::{Changed, SessionState, SessionStatus};
use caravan_domain::trainer::Trainer;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::FromRow;
use uuid::Uuid;

use super::PlatformError;
use super::log::TopicPartition;
use super::rows::{
    Allocation, Bound, Change, DeadLetter, LetterGroup, OutboxDepth, Position, Purchase, RefundRow, Session, Settled,
    Standings, TimeData, TrainerRow, Unfulfilled, UnfulfilledDepth, Waiting, WaitingWork,
};

pub(super) mod desk;

/// The [`PlatformError`] of a value that can't be what this program wrote.
pub(super) fn unreadable(what: &str, problem: impl std::fmt::Display) -> PlatformError {
    PlatformError::Broken(format!("the database holds {what} that this version of caravan can't read: {problem}"))
}

/// An instant with microseconds, in fixed width: `2026-12-01T11:30:00.000000Z`.
pub(super) fn instant(at: Timestamp) -> String {
    format!("{at:.6}")
}

/// An instant in whole seconds, in fixed width: `2026-12-01T11:30:00Z`.
pub(super) fn second(at: Timestamp) -> String {
    format!("{at:.0}")
}

/// An instant from milliseconds since the Unix epoch.
pub(super) fn milliseconds(since_epoch: i64) -> Result<Timestamp, PlatformError> {
    Timestamp::from_millisecond(since_epoch).map_err(|problem| unreadable("a timestamp", problem))
}

/// A value as JSON text.
pub(super) fn json<T: Serialize>(value: &T) -> String {
    // The domain's values are maps with text keys, lists, texts and numbers: those can't fail.
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

/// A text column that must parse.
pub(super) fn parsed<T>(column: &str, text: &str) -> Result<T, PlatformError>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    text.parse().map_err(|problem| unreadable(&format!("{column} {text:?}"), problem))
}

/// A JSON column.
pub(super) fn from_json<T: DeserializeOwned>(column: &str, text: &str) -> Result<T, PlatformError> {
    serde_json::from_str(text).map_err(|problem| unreadable(&format!("JSON in {column}"), problem))
}

/// A number column that must fit.
pub(super) fn number<T: TryFrom<i64>>(column: &str, value: i64) -> Result<T, PlatformError> {
    T::try_from(value).map_err(|_| unreadable(&format!("{column} {value}"), "it is out of range"))
}

/// A number of ours as SQLite keeps numbers. Offsets and counts stay far below the limit.
pub(super) fn stored(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A limit as SQLite takes it.
pub(super) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// The text of an enum's or id's column, if there is one.
fn optional<T>(column: &str, text: Option<String>) -> Result<Option<T>, PlatformError>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    text.map(|text| parsed(column, &text)).transpose()
}

/// One partition, from its columns.
pub(super) fn topic_partition(topic: &str, partition: i64) -> Result<TopicPartition, PlatformError> {
    Ok(TopicPartition { topic: parsed::<Topic>("topic", topic)?, partition: number("partition", partition)? })
}

/// Headers, from their column.
pub(super) fn headers(text: &str) -> Result<Headers, PlatformError> {
    Headers::from_json_text(text).map_err(|problem| unreadable("headers", problem))
}

/// A purchase, with its active allocation if it has one.
#[derive(FromRow)]
pub(super) struct PurchaseColumns {
    seq: i64,
    id: String,
    status: String,
    created_at: String,
    confirmation: String,
    amended: Option<String>,
    start_date: Option<String>,
    horizon: Option<String>,
    scheduled_at: Option<String>,
    generations: i64,
    allocation_id: Option<String>,
    trainer_id: Option<String>,
    allocated_at: Option<String>,
    allocation_start: Option<String>,
    slots: Option<String>,
    skipped: Option<String>,
    first_ordinal: Option<i64>,
    allocation_sessions: Option<i64>,
    ordered: Option<String>,
    earlier: Option<String>,
    revision: i64,
    changed: Option<String>,
}

/// When a trainer was bound to a purchase: who, when, in which slots, from which session on.
pub(super) fn bound(
    (trainer_id, allocated_at, slots, first_ordinal): (String, String, String, i64),
) -> Result<Bound, PlatformError> {
    Ok(Bound {
        trainer_id,
        allocated_at: parsed("allocated_at", &allocated_at)?,
        slots: from_json("allocations.slots", &slots)?,
        first_ordinal: number("first_ordinal", first_ordinal)?,
    })
}

/// What stands beside a purchase that is not fulfilled.
#[derive(FromRow)]
pub(super) struct UnfulfilledColumns {
    since: String,
    waiting_receipt: Option<String>,
}

/// A purchase that is not fulfilled.
pub(super) fn unfulfilled(
    (place, purchase): (i64, Purchase),
    columns: UnfulfilledColumns,
) -> Result<Unfulfilled, PlatformError> {
    let since = parsed("since", &columns.since)?;
    Ok(Unfulfilled { since, place, purchase, receipt: columns.waiting_receipt })
}

/// A purchase and its place in the list.
pub(super) fn purchase(columns: PurchaseColumns) -> Result<(i64, Purchase), PlatformError> {
    let reported: Confirmation = from_json("confirmations.confirmation", &columns.confirmation)?;
    let (confirmation, reported) = match columns.amended {
        Some(amended) => {
            let amended = from_json("confirmations.amended", &amended)?;
            (reported.clone().amended(amended), Some(Box::new(reported)))
        }
        None => (reported, None),
    };
    let bought = i64::from(confirmation.plan.reserved_sessions());
    let minutes = |ordered: Option<&str>| match ordered {
        Some(text) => from_json::<Ordered>("allocations.ordered", text).map(|ordered| ordered.plan.minutes),
        None => Ok(confirmation.plan.minutes),
    };
    let purchase = Purchase {
        id: parsed("purchase id", &columns.id)?,
        status: parsed::<PurchaseStatus>("purchase status", &columns.status)?,
        created_at: parsed("created_at", &columns.created_at)?,
        earlier: earlier(columns.earlier.as_deref().unwrap_or("[]"), minutes)?,
        reported,
        start_date: optional("start_date", columns.start_date)?,
        horizon: optional("horizon", columns.horizon)?,
        scheduled_at: optional("scheduled_at", columns.scheduled_at)?,
        generations: number("generations", columns.generations)?,
        revision: columns.revision,
        changed: changed(columns.changed.as_deref().unwrap_or("[]"))?,
        allocation: match (columns.allocation_id, columns.trainer_id, columns.allocated_at) {
            (Some(id), Some(trainer_id), Some(allocated_at)) => Some(Allocation {
                id: parsed("allocation id", &id)?,
                trainer_id,
                allocated_at: parsed("allocated_at", &allocated_at)?,
                start_date: parsed("start_date", &columns.allocation_start.unwrap_or_default())?,
                slots: from_json("allocations.slots", &columns.slots.unwrap_or_default())?,
                first_ordinal: number("first_ordinal", columns.first_ordinal.unwrap_or(1))?,
                sessions: number("allocations.sessions", columns.allocation_sessions.unwrap_or(bought))?,
                minutes: minutes(columns.ordered.as_deref())?,
                skipped: from_json("allocations.skipped", &columns.skipped.unwrap_or_default())?,
            }),
            _ => None,
        },
        confirmation,
    };
    Ok((columns.seq, purchase))
}

/// Of an earlier allocation: id, trainer, when, start, slots, dates without a lesson, first ordinal, sessions, what for.
type EarlierColumns = (Uuid, String, Timestamp, Date, String, String, u32, u16, Option<String>);

/// The allocations whose rest was planned anew, from a JSON list.
fn earlier(
    text: &str,
    minutes: impl Fn(Option<&str>) -> Result<u16, PlatformError>,
) -> Result<Vec<Allocation>, PlatformError> {
    let rows: Vec<EarlierColumns> = from_json("allocations", text)?;
    let allocation = |row: EarlierColumns| {
        let (id, trainer_id, allocated_at, start_date, slots, skipped, first_ordinal, sessions, ordered) = row;
        Ok(Allocation {
            id,
            trainer_id,
            allocated_at,
            start_date,
            slots: from_json("allocations.slots", &slots)?,
            first_ordinal,
            sessions,
            minutes: minutes(ordered.as_deref())?,
            skipped: from_json("allocations.skipped", &skipped)?,
        })
    };
    let mut found = rows.into_iter().map(allocation).collect::<Result<Vec<_>, PlatformError>>()?;
    found.sort_by_key(|allocation| allocation.first_ordinal);
    Ok(found)
}

/// Of a session that was changed: its place, the revision, how it stands, and whether it goes where the plan goes.
type ChangedColumns = (i64, i64, String, Timestamp, Timestamp, SessionStatus, i64);

/// How the sessions of a purchase stand that people have changed, from a JSON list: the latest revision counts.
fn changed(text: &str) -> Result<Changed, PlatformError> {
    let mut rows: Vec<ChangedColumns> = from_json("session_changes", text)?;
    rows.sort_by_key(|(place, revision, ..)| (*place, *revision));
    let mut changed = Changed::new();
    for (place, _, trainer_id, starts_at, ends_at, status, as_planned) in rows {
        let ordinal = (place & ORDINAL_MASK) as u32;
        match as_planned {
            0 => changed.insert(ordinal, SessionState { trainer_id, starts_at, ends_at, status }),
            _ => changed.remove(&ordinal),
        };
    }
    Ok(changed)
}

/// The bits of a session's place that are its ordinal.
const ORDINAL_MASK: i64 = 0xffff;

/// A trainer.
#[derive(FromRow)]
pub(super) struct TrainerColumns {
    id: String,
    name: Option<String>,
    email: Option<String>,
    time_zone: String,
    languages: String,
    courses: String,
    availability: String,
    time_off: String,
    max_sessions_per_week: i64,
    weight: i64,
    active: i64,
    share: Option<i64>,
    version: i64,
}

/// A trainer without a calendar.
pub(super) fn trainer(columns: TrainerColumns) -> Result<TrainerRow, PlatformError> {
    let trainer = Trainer {
        trainer_id: columns.id,
        name: columns.name,
        email: columns.email,
        time_zone: columns.time_zone,
        languages: from_json("trainers.languages", &columns.languages)?,
        courses: from_json("trainers.courses", &columns.courses)?,
        availability: from_json("trainers.availability", &columns.availability)?,
        time_off: from_json("trainers.time_off", &columns.time_off)?,
        max_sessions_per_week: number("max_sessions_per_week", columns.max_sessions_per_week)?,
        weight: number("weight", columns.weight)?,
        active: columns.active != 0,
    };
    Ok(TrainerRow { trainer, version: columns.version, share: columns.share, calendar: Vec::new() })
}

/// A session, with what its purchase says of it.
#[derive(FromRow)]
pub(super) struct SessionColumns {
    id: String,
    purchase_id: String,
    trainer_id: String,
    student_id: String,
    ordinal: i64,
    local_date: String,
    starts_at: String,
    ends_at: String,
    time_zone: String,
    status: String,
    planned_starts_at: Option<String>,
}

/// A session.
pub(super) fn session(columns: SessionColumns) -> Result<Session, PlatformError> {
    let starts_at = parsed("starts_at", &columns.starts_at)?;
    Ok(Session {
        id: parsed("session id", &columns.id)?,
        purchase_id: parsed("purchase id", &columns.purchase_id)?,
        trainer_id: columns.trainer_id,
        student_id: columns.student_id,
        ordinal: number("ordinal", columns.ordinal)?,
        local_date: parsed("local_date", &columns.local_date)?,
        starts_at,
        ends_at: parsed("ends_at", &columns.ends_at)?,
        time_zone: columns.time_zone,
        status: parsed("session status", &columns.status)?,
        planned_starts_at: optional("planned_starts_at", columns.planned_starts_at)?.unwrap_or(starts_at),
    })
}

/// A dead letter.
#[derive(FromRow)]
pub(super) struct DeadLetterColumns {
    id: i64,
    topic: String,
    partition: i64,
    log_offset: i64,
    consumer_group: String,
    reason: String,
    detail: String,
    attempts: i64,
    redrives: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: String,
    failed_at: String,
    redriven_at: Option<String>,
    repaired: Option<Vec<u8>>,
}

/// A dead letter.
pub(super) fn dead_letter(columns: DeadLetterColumns) -> Result<DeadLetter, PlatformError> {
    let at = topic_partition(&columns.topic, columns.partition)?;
    Ok(DeadLetter {
        id: columns.id,
        topic: at.topic,
        partition: at.partition,
        offset: number("log_offset", columns.log_offset)?,
        consumer_group: columns.consumer_group,
        reason: columns.reason,
        detail: columns.detail,
        attempts: number("attempts", columns.attempts)?,
        redrives: number("redrives", columns.redrives)?,
        key: columns.key,
        value: columns.value,
        headers: headers(&columns.headers)?,
        failed_at: parsed("failed_at", &columns.failed_at)?,
        redriven_at: optional("redriven_at", columns.redriven_at)?,
        repaired: columns.repaired,
    })
}

/// A refund.
#[derive(FromRow)]
pub(super) struct RefundColumns {
    seq: i64,
    id: String,
    purchase_id: String,
    payment_id: String,
    item: Option<String>,
    refund_id: String,
    amount: i64,
    currency: String,
    refunded_at: String,
    recorded_at: String,
    reason: Option<String>,
    metadata: String,
    state: String,
    settled_at: Option<String>,
    settled_by: Option<String>,
    note: Option<String>,
    provisional: i64,
}

/// A refund and its place in the list.
pub(super) fn refund(columns: RefundColumns) -> Result<(i64, RefundRow), PlatformError> {
    let settled = match (columns.settled_at, columns.settled_by, columns.note) {
        (Some(at), Some(by), Some(note)) => Some(Settled { at: parsed("settled_at", &at)?, by, note }),
        _ => None,
    };
    let row = RefundRow {
        id: parsed("refund id", &columns.id)?,
        purchase_id: parsed("purchase id", &columns.purchase_id)?,
        refund: Refund {
            payment_id: columns.payment_id,
            item: columns.item,
            refund_id: columns.refund_id,
            refunded_at: parsed("refunded_at", &columns.refunded_at)?,
            amount: Amount { minor: columns.amount, currency: columns.currency },
            reason: columns.reason,
            provisional: columns.provisional != 0,
            metadata: from_json("refunds.metadata", &columns.metadata)?,
        },
        recorded_at: parsed("recorded_at", &columns.recorded_at)?,
        state: parsed("refund state", &columns.state)?,
        settled,
    };
    Ok((columns.seq, row))
}

/// With which time zone data plans were compared: its version and when.
pub(super) fn time_data((version, noted_at): (String, String)) -> Result<TimeData, PlatformError> {
    Ok(TimeData { version, noted_at: parsed("noted_at", &noted_at)? })
}

/// A group's position.
#[derive(FromRow)]
pub(super) struct PositionColumns {
    topic: String,
    partition: i64,
    next_offset: i64,
    topic_id: String,
}

/// A group's position.
pub(super) fn position(columns: PositionColumns) -> Result<Position, PlatformError> {
    Ok(Position {
        at: topic_partition(&columns.topic, columns.partition)?,
        topic_id: parsed::<Uuid>("topic id", &columns.topic_id)?,
        next_offset: number("next_offset", columns.next_offset)?,
    })
}

/// Revision, kind, when, who, why, from which date on, and against which rules.
type ChangeColumns = (i64, String, String, String, String, Option<String>, String);

/// What a person changed of a purchase.
pub(super) fn change(columns: ChangeColumns) -> Result<Change, PlatformError> {
    let (revision, kind, changed_at, actor, reason, effective_from, overrides) = columns;
    let overrides = from_json("purchase_changes.overrides", &overrides)?;
    let changed_at = parsed("purchase_changes.changed_at", &changed_at)?;
    let effective_from = effective_from.map(|date| parsed("purchase_changes.effective_from", &date)).transpose()?;
    Ok(Change { revision, kind, changed_at, actor, reason, effective_from, overrides })
}

/// What waits in the outbox for a topic: how many rows, and the time of the oldest.
pub(super) fn outbox_depth((topic, rows, oldest): (String, i64, i64)) -> Result<OutboxDepth, PlatformError> {
    Ok(OutboxDepth { topic: parsed("topic", &topic)?, rows: number("count", rows)?, oldest: milliseconds(oldest)? })
}

/// A purchase on the waitlist: which, since when, the roster version it was judged on, and the receipt of that.
pub(super) fn waiting(
    (purchase_id, waitlisted_at, seen_version, receipt): (String, String, i64, String),
) -> Result<Waiting, PlatformError> {
    Ok(Waiting {
        purchase_id: parsed("purchase id", &purchase_id)?,
        waitlisted_at: parsed("waitlisted_at", &waitlisted_at)?,
        seen_version,
        receipt,
    })
}

/// How the purchases of so many spans stand, from the place of a span, a status and how many have it.
pub(super) fn standings(
    spans: usize,
    rows: impl Iterator<Item = Result<(i64, String, i64), PlatformError>>,
) -> Result<Vec<Standings>, PlatformError> {
    let mut standings = vec![Standings::default(); spans];
    for row in rows {
        let (place, status, purchases) = row?;
        let span = standings.get_mut(number::<usize>("place", place)?);
        let span = span.ok_or_else(|| unreadable(&format!("place {place}"), "it was not asked for"))?;
        span.by_status.insert(parsed("purchase status", &status)?, number("count", purchases)?);
    }
    Ok(standings)
}

/// Of dead letters, refunds and the waitlist: how many wait, and since when the oldest does.
type WaitingColumns = (i64, Option<String>, i64, Option<String>, i64, Option<String>);

/// What waits for a person.
pub(super) fn waiting_work(columns: WaitingColumns) -> Result<WaitingWork, PlatformError> {
    let (dead_letters, oldest_letter, refunds, oldest_refund, waitlisted, oldest_waiting) = columns;
    Ok(WaitingWork {
        dead_letters: number("count", dead_letters)?,
        oldest_letter: optional("failed_at", oldest_letter)?,
        refunds: number("count", refunds)?,
        oldest_refund: optional("recorded_at", oldest_refund)?,
        waitlisted: number("count", waitlisted)?,
        oldest_waiting: optional("waitlisted_at", oldest_waiting)?,
    })
}

/// Dead letters of a reason and topic: how many, and when the first and the last of them were set aside.
pub(super) fn letter_group(
    (reason, topic, letters, oldest, newest): (String, String, i64, String, String),
) -> Result<LetterGroup, PlatformError> {
    Ok(LetterGroup {
        reason,
        topic: parsed("topic", &topic)?,
        letters: number("count", letters)?,
        oldest: parsed("failed_at", &oldest)?,
        newest: parsed("failed_at", &newest)?,
    })
}

/// How many purchases that stand alike are not fulfilled, and since when the oldest is not.
pub(super) fn unfulfilled_depth(
    (status, purchases, oldest): (String, i64, String),
) -> Result<UnfulfilledDepth, PlatformError> {
    let (status, purchases) = (parsed("status", &status)?, number("count", purchases)?);
    Ok(UnfulfilledDepth { status, purchases, oldest: parsed("since", &oldest)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_have_a_fixed_width_so_that_they_sort_as_texts() {
        for (at, micros, seconds) in [
            ("2026-12-01T11:30:00Z", "2026-12-01T11:30:00.000000Z", "2026-12-01T11:30:00Z"),
            ("2026-12-01T11:30:00.5Z", "2026-12-01T11:30:00.500000Z", "2026-12-01T11:30:00Z"),
            ("2026-12-01T11:30:00.1234567Z", "2026-12-01T11:30:00.123456Z", "2026-12-01T11:30:00Z"),
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z", "1970-01-01T00:00:00Z"),
        ] {
            let at: Timestamp = at.parse().unwrap();
            assert_eq!((instant(at).as_str(), second(at).as_str()), (micros, seconds));
        }
    }
}
