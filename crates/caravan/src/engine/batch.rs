//! From a worker's outcome to the one transaction of its batch. Pure.

use std::collections::BTreeMap;

use caravan_domain::event::{Event, Failure, Origin, Topic, dead_letter_headers, epoch_of, redrives_of};
use caravan_domain::ids::Epoch;
use caravan_domain::rejection::{Reason, Rejection};
use jiff::Timestamp;

use super::worker::{Outcome, Spec};
use crate::platform::log::{NewRecord, Record, TopicPartition};
use crate::platform::transaction::{Advance, Effects, NewDeadLetter, Transaction};

/// The transaction of a batch that starts at `positions`.
pub(super) fn transaction(
    spec: &Spec,
    positions: &BTreeMap<TopicPartition, u64>,
    batch: &[Record],
    outcome: Outcome,
    epoch: Epoch,
    now: Timestamp,
) -> Transaction {
    let mut transaction = Transaction {
        group: spec.group,
        advances: advances(positions, batch),
        effects: outcome.effects,
        outbox: outcome.events.into_iter().map(|event| event_record(event, epoch)).collect(),
        dead_letters: Vec::with_capacity(outcome.rejected.len()),
    };
    for (index, rejection) in &outcome.rejected {
        set_aside(&mut transaction, spec, &batch[*index], rejection, 1, now);
    }
    transaction
}

/// The outcome without the rejections of records that tell of what a restored store has forgotten:
/// who sees an event of ours of another epoch before what it is about was decided again, has missed nothing.
pub(super) fn without_forgotten(batch: &[Record], mut outcome: Outcome, epoch: Epoch) -> Outcome {
    let is_forgotten = |(index, rejection): &(usize, Rejection)| {
        let headers = &batch[*index].headers;
        let unknown = matches!(rejection.reason, Reason::UnknownPurchase | Reason::UnknownAllocation);
        let ours = headers.get_text("ce_source").is_some_and(|source| source.starts_with("/caravan/"));
        // A cancellation tells what a person decided, and a redrive is asked for by one.
        let by_people = batch[*index].at.topic == Topic::PurchaseCancelled || redrives_of(headers) > 0;
        unknown && ours && !by_people && epoch != Epoch::default() && epoch_of(headers) != epoch
    };
    let before = outcome.rejected.len();
    outcome.rejected.retain(|rejected| !is_forgotten(rejected));
    outcome.superseded += before - outcome.rejected.len();
    outcome
}

/// The transaction that sets one record aside after `attempts`.
pub(super) fn set_aside_alone(
    spec: &Spec,
    positions: &BTreeMap<TopicPartition, u64>,
    record: &Record,
    rejection: &Rejection,
    attempts: u32,
    now: Timestamp,
) -> Transaction {
    let mut transaction = Transaction {
        group: spec.group,
        advances: advances(positions, std::slice::from_ref(record)),
        effects: Effects::default(),
        outbox: Vec::new(),
        dead_letters: Vec::new(),
    };
    set_aside(&mut transaction, spec, record, rejection, attempts, now);
    transaction
}

/// The transaction of work that no record asked for.
pub(super) fn unprompted(outcome: Outcome, epoch: Epoch) -> Transaction {
    Transaction {
        effects: outcome.effects,
        outbox: outcome.events.into_iter().map(|event| event_record(event, epoch)).collect(),
        ..Transaction::default()
    }
}

/// Each partition steps from where it was to after the batch's last record of it.
fn advances(positions: &BTreeMap<TopicPartition, u64>, batch: &[Record]) -> Vec<Advance> {
    let mut ends = BTreeMap::new();
    for record in batch {
        ends.insert(record.at, record.offset + 1);
    }
    ends.into_iter().map(|(at, to)| Advance { at, from: positions.get(&at).copied().unwrap_or(0), to }).collect()
}

/// An event as a record, in binary mode.
fn event_record(event: Event, epoch: Epoch) -> NewRecord {
    NewRecord {
        topic: event.topic,
        headers: event.headers(epoch),
        timestamp: event.time,
        key: Some(event.key.into_bytes()),
        value: Some(event.data.into_bytes()),
    }
}

fn set_aside(
    transaction: &mut Transaction,
    spec: &Spec,
    record: &Record,
    rejection: &Rejection,
    attempts: u32,
    now: Timestamp,
) {
    let origin = Origin {
        topic: record.at.topic.name(),
        partition: i32::try_from(record.at.partition).unwrap_or(i32::MAX),
        offset: i64::try_from(record.offset).unwrap_or(i64::MAX),
        timestamp_ms: record.timestamp.as_millisecond(),
        consumer_group: spec.group,
    };
    let headers = dead_letter_headers(&record.headers, &origin, &Failure { rejection, attempts, failed_at: now });
    transaction.outbox.push(NewRecord {
        topic: Topic::DeadLetterQueue,
        key: record.key.clone(),
        value: record.value.clone(),
        headers: headers.clone(),
        timestamp: now,
    });
    transaction.dead_letters.push(NewDeadLetter {
        at: record.at,
        offset: record.offset,
        group: spec.group,
        reason: rejection.reason.code(),
        detail: rejection.detail.clone(),
        attempts,
        redrives: redrives_of(&record.headers),
        key: record.key.clone(),
        value: record.value.clone(),
        headers,
        failed_at: now,
    });
}

#[cfg(test)]
mod tests {
    use caravan_domain::event::Headers;
    use uuid::Uuid;

    use super::*;

    fn told_in(epoch: Epoch) -> Record {
        let mut headers = Headers::new();
        headers.push_text("ce_source", "/caravan/purchase");
        if let Epoch(Some(epoch)) = epoch {
            headers.push_text("ce_caravanepoch", epoch.to_string());
        }
        let at = TopicPartition { topic: Topic::PurchaseCreated, partition: 0 };
        Record { at, offset: 0, key: None, value: None, headers, timestamp: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn only_what_another_epoch_tells_of_the_unknown_is_forgotten() {
        let [first, now, lost] = [None, Some(1), Some(2)].map(|number| Epoch(number.map(Uuid::from_u128)));
        for (told, current, reason, is_forgotten) in [
            (first, first, Reason::UnknownPurchase, false),
            (first, now, Reason::UnknownPurchase, true),
            (lost, now, Reason::UnknownAllocation, true),
            (now, now, Reason::UnknownAllocation, false),
            (lost, now, Reason::InvalidJson, false),
        ] {
            let rejected = vec![(0, Rejection::new(reason, "as a test"))];
            let outcome = Outcome { rejected, ..Outcome::default() };
            let left = without_forgotten(&[told_in(told)], outcome, current);
            assert_eq!(
                (left.superseded == 1, left.rejected.is_empty()),
                (is_forgotten, is_forgotten),
                "{told:?} {reason:?}"
            );
        }
        // What others tell is theirs to answer for.
        let theirs = Record { headers: Headers::new(), ..told_in(lost) };
        let rejected = vec![(0, Rejection::new(Reason::UnknownPurchase, "as a test"))];
        let left = without_forgotten(&[theirs], Outcome { rejected, ..Outcome::default() }, now);
        assert_eq!(left.rejected.len(), 1);
    }
}
