//! Guarantee 2, nothing vanishes: every record a group has passed is an effect, a duplicate of
//! one, or a dead letter; and what happened is told.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde_json::Value;

use super::changed::Changes;
use super::evidence::{Case, same_text};
use super::once::purchase_id;
use super::opened::data_of;
use super::refunds;
use super::report::Tally;
use super::told::{Happening, Told};
use crate::platform::evidence::{
    DeadLetterEvidence, OutcomeEvidence, PositionEvidence, RecordEvidence, RefundEvidence, SetAsideEvidence,
    TopicEvidence,
};

/// What a group owes a record it has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Duty {
    /// The payment is a purchase that says the same.
    Record,
    /// The purchase has been looked at by the allocation.
    LookAt,
    /// The allocation's sessions stand in the calendar, or it is no longer the active one.
    Schedule,
    /// The purchase is known.
    Know,
    /// The refund is recorded as it says.
    GiveBack,
}

/// Who owes what: by topic and consumer group. Of records on other topics, and of roster changes,
/// no lasting trace is owed.
const DUTIES: [(&str, &str, Duty); 6] = [
    ("purchase-refunded", "purchase-creation-workers", Duty::GiveBack),
    ("purchase-confirmed", "purchase-creation-workers", Duty::Record),
    ("purchase-created", "trainer-allocation-workers", Duty::LookAt),
    ("purchase-cancelled", "trainer-allocation-workers", Duty::Know),
    ("trainer-allocated", "session-scheduling-workers", Duty::Schedule),
    ("purchase-cancelled", "session-scheduling-workers", Duty::Know),
];

/// Whether some group owes records of this topic anything.
pub(super) fn is_owed(topic: &str) -> bool {
    DUTIES.iter().any(|(owed, _, _)| *owed == topic)
}

/// A record with what it is about.
#[derive(Debug)]
pub(super) struct Passed<'a> {
    record: &'a RecordEvidence,
    /// `None`: it can't be read.
    data: Option<Value>,
    /// `None`: it doesn't name one.
    purchase_id: Option<String>,
}

/// Reads records, to know which purchases to ask for.
pub(super) fn passed(records: &[RecordEvidence]) -> Vec<Passed<'_>> {
    records
        .iter()
        .map(|record| {
            let data = data_of(record);
            let purchase_id = data.as_ref().and_then(|data| named_purchase(&record.topic, data));
            Passed { record, data, purchase_id }
        })
        .collect()
}

/// The purchases that records are about.
pub(super) fn named(passed: &[Passed<'_>]) -> Vec<String> {
    let ids: BTreeSet<&String> = passed.iter().filter_map(|passed| passed.purchase_id.as_ref()).collect();
    ids.into_iter().cloned().collect()
}

fn named_purchase(topic: &str, data: &Value) -> Option<String> {
    if !matches!(topic, "purchase-confirmed" | "purchase-refunded") {
        return data["purchase_id"].as_str().map(str::to_owned);
    }
    let payment = data["payment_id"].as_str()?;
    Some(purchase_id(payment, data["item"].as_str()).to_string())
}

/// Judges records of one partition by what has become of them.
pub(super) fn judge(
    passed: &[Passed<'_>],
    positions: &[PositionEvidence],
    outcomes: &[OutcomeEvidence],
    refunds: &[RefundEvidence],
    set_aside: &[SetAsideEvidence],
    tally: &mut Tally,
) {
    let outcomes: HashMap<&str, &OutcomeEvidence> =
        outcomes.iter().map(|outcome| (outcome.id.as_str(), outcome)).collect();
    let set_aside: BTreeSet<&SetAsideEvidence> = set_aside.iter().collect();
    for passed in passed {
        let record = passed.record;
        for (_, group, duty) in DUTIES.into_iter().filter(|(topic, _, _)| *topic == record.topic) {
            if !has_passed(positions, group, record) {
                continue;
            }
            let origin = SetAsideEvidence { group: group.to_owned(), offset: record.offset };
            let owed = if set_aside.contains(&origin) { Ok(()) } else { done(duty, passed, &outcomes, refunds) };
            let (topic, partition, offset) = (&record.topic, record.partition, record.offset);
            tally.must(owed.is_ok(), format_args!("{topic}/{partition}@{offset}"), || {
                format!("{group} has passed it, it is no dead letter, and {}", owed.err().unwrap_or_default())
            });
        }
    }
}

fn has_passed(positions: &[PositionEvidence], group: &str, record: &RecordEvidence) -> bool {
    positions.iter().any(|position| {
        position.group == group
            && position.topic == record.topic
            && position.partition == record.partition
            && position.next_offset > record.offset
    })
}

/// Whether the duty was done; an error says what is missing.
fn done(
    duty: Duty,
    passed: &Passed<'_>,
    outcomes: &HashMap<&str, &OutcomeEvidence>,
    refunds: &[RefundEvidence],
) -> Result<(), String> {
    let data = passed.data.as_ref().ok_or("it can't be read")?;
    let id = passed.purchase_id.as_ref().ok_or("it names no purchase")?;
    if duty == Duty::GiveBack {
        return refunds::is_recorded(data, id, refunds);
    }
    let outcome = outcomes.get(id.as_str()).ok_or_else(|| format!("there is no purchase {id}"))?;
    let status = outcome.status.as_str();
    match duty {
        Duty::Record => says_the_same(data, &outcome.confirmation)
            .map_err(|field| format!("purchase {id} says something else than it at {field}")),
        Duty::LookAt if status == "created" => Err(format!("nobody has looked at purchase {id}")),
        Duty::Schedule => {
            let superseded = outcome.allocation_id.as_deref() != data["allocation_id"].as_str();
            let scheduled = superseded || !matches!(status, "created" | "waitlisted" | "allocated");
            scheduled.then_some(()).ok_or_else(|| format!("purchase {id} is {status}, without sessions"))
        }
        Duty::LookAt | Duty::Know | Duty::GiveBack => Ok(()),
    }
}

/// Fields that must be the same in two reports of one payment.
const SAME: [&str; 7] = [
    "/student/id",
    "/amount/minor",
    "/amount/currency",
    "/plan/start_date",
    "/plan/sessions",
    "/plan/per_week",
    "/plan/minutes",
];

fn says_the_same(data: &Value, confirmation: &str) -> Result<(), &'static str> {
    let known: Value = serde_json::from_str(confirmation).unwrap_or(Value::Null);
    if let Some(pointer) = SAME.into_iter().find(|pointer| data.pointer(pointer) != known.pointer(pointer)) {
        return Err(pointer);
    }
    for pointer in ["/course/subject", "/course/level"] {
        let text = |value: &Value| value.pointer(pointer).and_then(Value::as_str).map(same_text);
        if text(data) != text(&known) {
            return Err(pointer);
        }
    }
    if slots(data) == slots(&known) { Ok(()) } else { Err("/plan/slots") }
}

/// A plan's slots, each once.
fn slots(data: &Value) -> Vec<(&Value, &Value)> {
    let mut once = Vec::new();
    for slot in data.pointer("/plan/slots").and_then(Value::as_array).into_iter().flatten() {
        let slot = (&slot["weekday"], &slot["at"]);
        if !once.contains(&slot) {
            once.push(slot);
        }
    }
    once
}

/// Judges a group's position by the log.
pub(super) fn judge_position(position: &PositionEvidence, topics: &[TopicEvidence], tally: &mut Tally) {
    let PositionEvidence { group, topic, partition, next_offset, topic_id } = position;
    let id = format!("{group} {topic}/{partition}");
    let Some(found) = topics.iter().find(|found| found.name == *topic) else {
        return tally.must(false, id, || "there is no such topic".to_owned());
    };
    tally.must(found.id == *topic_id, &id, || "the topic was made again since the position was taken".to_owned());
    let Some(state) = found.partitions.iter().find(|state| state.partition == *partition) else {
        return tally.must(false, id, || "there is no such partition".to_owned());
    };
    tally.must((state.start..=state.end).contains(next_offset), id, || {
        format!("its position is {next_offset}, the log goes from {} to {}", state.start, state.end)
    });
}

/// How far back a topic's records are still all there.
#[derive(Debug, Default)]
pub(super) struct Retained {
    /// By topic: from when on, in milliseconds since 1970; topics that lost nothing are left out.
    since: BTreeMap<String, i64>,
}

/// Records are dropped by their own time, which need not ascend: this much older ones may be gone.
const OUT_OF_ORDER_MS: i64 = 24 * 3_600 * 1_000;

impl Retained {
    /// Notes that a partition has lost records before its first one.
    pub(super) fn note_loss(&mut self, topic: &str, first: Option<&RecordEvidence>) {
        let since = first.map_or(i64::MAX, |record| record.timestamp_ms.saturating_add(OUT_OF_ORDER_MS));
        let known = self.since.entry(topic.to_owned()).or_insert(since);
        *known = since.max(*known);
    }

    /// Whether a record of that time would still be there.
    fn covers(&self, topic: &str, time: &str) -> bool {
        let Some(since) = self.since.get(topic) else { return true };
        time.parse::<Timestamp>().is_ok_and(|time| time.as_millisecond() > *since)
    }

    fn is_whole(&self, topic: &str) -> bool {
        !self.since.contains_key(topic)
    }
}

/// Judges whether a purchase's story is told by the retained events.
pub(super) fn judge_told(case: &Case<'_>, changes: &Changes, told: &Told, retained: &Retained, tally: &mut Tally) {
    let Some(purchase) = case.purchase else { return };
    for change in changes.each.iter().filter(|change| retained.covers("sessions-changed", &change.changed_at)) {
        let tells = told.tells(case.id, Happening::Changed(change.revision));
        tally.must(tells, case.id, || format!("no sessions-changed tells of its revision {}", change.revision));
    }
    if retained.covers("purchase-created", &purchase.created_at) {
        tally.must(told.tells(case.id, Happening::Created), case.id, || "no purchase-created tells of it".to_owned());
    }
    if let Some(cancelled_at) = purchase.cancelled_at.as_ref().filter(|at| retained.covers("purchase-cancelled", at)) {
        let tells = told.tells(case.id, Happening::Cancelled);
        tally.must(tells, case.id, || format!("no purchase-cancelled tells of its end at {cancelled_at}"));
    }
    for allocation in case.active() {
        if retained.covers("trainer-allocated", &allocation.allocated_at) {
            let tells = told.tells(&allocation.id, Happening::Allocated);
            tally.must(tells, &allocation.id, || "no trainer-allocated tells of it".to_owned());
        }
    }
    if !retained.is_whole("sessions-scheduled") {
        return;
    }
    // One that was called off before its date came into the calendar was never told to be held.
    let was_on = |ordinal| changes.latest.get(&ordinal).is_none_or(|change| change.status != "cancelled");
    for session in case.sessions.iter().filter(|session| was_on(session.ordinal)) {
        let ordinal = u32::try_from(session.ordinal).unwrap_or(u32::MAX);
        let tells =
            told.tells(case.id, Happening::Scheduled(ordinal)) || told.tells(case.id, Happening::Added(ordinal));
        tally.must(tells, &session.id, || "no sessions-scheduled tells of it".to_owned());
    }
}

/// Judges whether a dead letter is also on the queue that others read.
pub(super) fn judge_dead_letter(letter: DeadLetterEvidence, told: &Told, retained: &Retained, tally: &mut Tally) {
    const QUEUE: &str = "dead-letter-queue";
    if !retained.covers(QUEUE, &letter.failed_at) {
        return;
    }
    let DeadLetterEvidence { id, topic, partition, offset, key, value, headers, .. } = letter;
    let queued =
        RecordEvidence { topic: QUEUE.to_owned(), partition: 0, offset: 0, key, value, headers, timestamp_ms: 0 };
    tally.must(told.is_dead_letter(&queued), format!("dead-letter:{id}"), || {
        format!("the dead letter of {topic}/{partition}@{offset} is not on {QUEUE} as it stands in the table")
    });
}
