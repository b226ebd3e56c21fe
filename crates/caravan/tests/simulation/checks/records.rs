//! Nothing vanishes: every record is an effect, a repeat of one, or exactly one dead letter.

use std::collections::{BTreeMap, BTreeSet};

use caravan::platform::log::Record;
use caravan::workers::WorkerKind;
use caravan_domain::event::Topic;
use caravan_domain::rejection::Reason;
use serde_json::Value;
use uuid::Uuid;

use crate::tables::PurchaseRow;
use crate::workload::{Fate, Ledger, fate_of};
use crate::world::State;

/// The group, topic, partition and offset of a dead letter.
type Place = (String, Topic, u32, u64);

pub(super) fn check(state: &State, ledger: &Ledger, found: &mut Vec<String>) {
    let expected = expected(state, ledger, found);
    let rows = &state.tables.dead_letters;
    let actual: BTreeMap<Place, &str> = rows
        .iter()
        .map(|row| ((row.consumer_group.clone(), row.topic, row.partition, row.offset), row.reason.as_str()))
        .collect();
    for (place, reason) in &expected {
        match actual.get(place) {
            None => found.push(format!("nothing-vanishes: {place:?} should be set aside as {reason}")),
            Some(other) if other != reason => {
                found.push(format!("nothing-vanishes: {place:?} is set aside as {other}, not {reason}"));
            }
            Some(_) => {}
        }
    }
    for (place, reason) in actual.iter().filter(|(place, _)| !expected.contains_key(place)) {
        found.push(format!("nothing-vanishes: {place:?} is set aside as {reason} without need"));
    }
    if actual.len() != rows.len() {
        found.push("once: a record is set aside twice".to_owned());
    }
    check_queue(state, found);
    check_origins(state, ledger, found);
}

/// Which records must be set aside, and why.
fn expected(state: &State, ledger: &Ledger, found: &mut Vec<String>) -> BTreeMap<Place, &'static str> {
    let mut expected = BTreeMap::new();
    for kind in WorkerKind::ALL {
        let spec = kind.spec();
        for topic in spec.topics {
            for record in state.log.history(*topic) {
                if let Some(reason) = reason_to_set_aside(state, ledger, kind, record, found) {
                    let place = (spec.group.to_owned(), *topic, record.at.partition, record.offset);
                    expected.insert(place, reason.code());
                }
            }
        }
    }
    expected
}

fn reason_to_set_aside(
    state: &State,
    ledger: &Ledger,
    reader: WorkerKind,
    record: &Record,
    found: &mut Vec<String>,
) -> Option<Reason> {
    let value = record.value.as_deref().unwrap_or_default();
    match fate_of(ledger, record.at.topic, value) {
        Some(Fate::SetAside(reason)) => Some(reason),
        Some(Fate::Unknown) => (reader != WorkerKind::Cache).then_some(Reason::UnknownPurchase),
        Some(Fate::Purchase) => {
            let data: Value = serde_json::from_slice(value).unwrap_or_default();
            let Some(row) = state.tables.purchases.get(&purchase_id(&data)) else {
                let place = (record.at, record.offset);
                found.push(format!("nothing-vanishes: {place:?} is neither a purchase nor set aside"));
                return None;
            };
            (!says_the_same(row, &data)).then_some(Reason::ConflictingPayment)
        }
        None => {
            let data: Value = serde_json::from_slice(value).unwrap_or_default();
            let stage = match (reader, record.at.topic) {
                (WorkerKind::Allocation, Topic::PurchaseCreated) => "allocation",
                (WorkerKind::Session, Topic::TrainerAllocated) => "sessions",
                _ => return None,
            };
            (data["metadata"]["refused"] == stage).then_some(Reason::ProcessingFailed)
        }
    }
}

/// The contract's rule, read again.
fn purchase_id(data: &Value) -> Uuid {
    let urn = format!("urn:caravan:payment:{}", data["payment_id"].as_str().unwrap_or_default());
    let payment = Uuid::new_v5(&Uuid::NAMESPACE_URL, urn.as_bytes());
    data["item"].as_str().map_or(payment, |item| Uuid::new_v5(&payment, item.as_bytes()))
}

/// The generator's conflicts differ in the amount, and nothing else.
fn says_the_same(row: &PurchaseRow, data: &Value) -> bool {
    data["amount"]["minor"] == row.confirmation.amount.minor
}

/// The queue holds each dead letter, and nothing else; a republication is the same letter.
fn check_queue(state: &State, found: &mut Vec<String>) {
    let queued: BTreeSet<(Option<&[u8]>, String)> = state
        .log
        .history(Topic::DeadLetterQueue)
        .map(|record| (record.value.as_deref(), record.headers.to_json_text()))
        .collect();
    let rows: BTreeSet<_> =
        state.tables.dead_letters.iter().map(|row| (row.value.as_deref(), row.headers.to_json_text())).collect();
    for (_, headers) in rows.difference(&queued) {
        found.push(format!("nothing-vanishes: a dead letter is not on the queue: {headers}"));
    }
    for (_, headers) in queued.difference(&rows) {
        found.push(format!("once: a letter on the queue is not in the table: {headers}"));
    }
}

/// No purchase comes from nowhere.
fn check_origins(state: &State, ledger: &Ledger, found: &mut Vec<String>) {
    let is_purchase = |record: &&std::sync::Arc<Record>| {
        fate_of(ledger, Topic::PurchaseConfirmed, record.value.as_deref().unwrap_or_default()) == Some(Fate::Purchase)
    };
    let reported: BTreeSet<Uuid> = state
        .log
        .history(Topic::PurchaseConfirmed)
        .filter(is_purchase)
        .map(|record| {
            purchase_id(&serde_json::from_slice(record.value.as_deref().unwrap_or_default()).unwrap_or_default())
        })
        .collect();
    for id in state.tables.purchases.keys().filter(|id| !reported.contains(id)) {
        found.push(format!("once: nobody reported purchase {id}"));
    }
}
