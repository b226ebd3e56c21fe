//! One logical event for each thing that happened: what the tables say is what was told.

use std::collections::{BTreeMap, BTreeSet};

use caravan::platform::log::Record;
use caravan_domain::event::Topic;
use serde_json::Value;

use crate::tables::PurchaseRow;
use crate::world::State;

/// The distinct events of a topic: data by `ce_id`.
type Told = BTreeMap<String, Value>;

/// Key, value and the headers that matter.
type Said<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, Vec<(&'a str, Option<&'a [u8]>)>);

pub(super) fn check(state: &State, found: &mut Vec<String>) {
    let created = told(state, Topic::PurchaseCreated, found);
    let allocated = told(state, Topic::TrainerAllocated, found);
    let waitlisted = told(state, Topic::PurchaseWaitlisted, found);
    let scheduled = told(state, Topic::SessionsScheduled, found);
    let changed = told(state, Topic::TrainerChanged, found);
    let tables = &state.tables;
    let purchases = || tables.purchases.values();
    count("purchase-created", purchases().map(|row| (row.id.to_string(), 1)), by(&created, "purchase_id"), found);
    let allocations = purchases().map(|row| (row.id.to_string(), row.allocations.len()));
    count("trainer-allocated", allocations, by(&allocated, "purchase_id"), found);
    let waits = purchases().map(|row| (row.id.to_string(), row.waits));
    count("purchase-waitlisted", waits, by(&waitlisted, "purchase_id"), found);
    let edits = tables.trainers.values().map(|record| (record.trainer.trainer_id.clone(), record.edits));
    count("trainer-changed", edits, by(&changed, "trainer_id"), found);
    for row in purchases() {
        check_allocation(row, &allocated, found);
        check_sessions(row, &scheduled, found);
    }
    let unknown = |data: &&Value| purchases().all(|row| data["purchase_id"] != row.id.to_string());
    for data in scheduled.values().filter(unknown) {
        found.push(format!("once: sessions were told of a purchase that isn't there: {data}"));
    }
}

/// The events of a topic, once each; a republication must be the same in everything.
fn told(state: &State, topic: Topic, found: &mut Vec<String>) -> Told {
    let mut told: BTreeMap<String, (&Record, Value)> = BTreeMap::new();
    for record in state.log.history(topic) {
        let Some(id) = record.headers.get_text("ce_id") else { continue };
        let data: Value = serde_json::from_slice(record.value.as_deref().unwrap_or_default()).unwrap_or_default();
        if record.headers.get_text("ce_type") != Some(topic.name())
            || record.headers.get("ce_subject") != record.key.as_deref()
        {
            found.push(format!("once: event {id} is not what its headers say"));
        }
        match told.get(id) {
            Some((first, _)) if said(first) != said(record) => {
                found.push(format!("once: event {id} on {topic} was told in two ways"));
            }
            Some(_) => {}
            None => drop(told.insert(id.to_owned(), (record, data))),
        }
    }
    told.into_iter().map(|(id, (_, data))| (id, data)).collect()
}

/// What an event says; what a redrive adds is not part of it.
fn said(record: &Record) -> Said<'_> {
    let own = |name: &str| name.starts_with("ce_") || ["content-type", "traceparent"].contains(&name);
    let headers = record.headers.iter().filter(|header| own(&header.name));
    let headers = headers.map(|header| (header.name.as_str(), header.value.as_deref())).collect();
    (record.key.as_deref(), record.value.as_deref(), headers)
}

fn by(told: &Told, field: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for data in told.values() {
        *counts.entry(data[field].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    counts
}

fn count(
    what: &str,
    happened: impl Iterator<Item = (String, usize)>,
    mut told: BTreeMap<String, usize>,
    found: &mut Vec<String>,
) {
    for (about, times) in happened {
        let told = told.remove(&about).unwrap_or(0);
        if told != times {
            found.push(format!("once: {what} of {about} was told {told} times, and happened {times} times"));
        }
    }
    for about in told.keys() {
        found.push(format!("once: {what} was told of {about}, which isn't there"));
    }
}

fn check_allocation(row: &PurchaseRow, told: &Told, found: &mut Vec<String>) {
    for allocation in &row.allocations {
        let of_this = |data: &&Value| data["allocation_id"] == allocation.made.id.to_string();
        let same = told.values().filter(of_this).all(|data| {
            data["trainer_id"] == allocation.made.trainer_id
                && data["start_date"] == allocation.made.start_date.to_string()
                && data["slots"] == serde_json::to_value(&allocation.made.slots).unwrap_or_default()
        });
        if !same {
            found.push(format!("once: the allocation of {} was told otherwise than it is", row.id));
        }
    }
}

/// Each session was told once, and as it is.
fn check_sessions(row: &PurchaseRow, told: &Told, found: &mut Vec<String>) {
    let mut listed: Vec<String> = told
        .values()
        .filter(|data| data["purchase_id"] == row.id.to_string())
        .flat_map(|data| data["sessions"].as_array().cloned().unwrap_or_default())
        .map(|session| {
            let fields = ["session_id", "ordinal", "local_date", "starts_at", "ends_at"];
            fields.map(|field| session[field].to_string().trim_matches('"').to_owned()).join(" ")
        })
        .collect();
    listed.sort_unstable();
    let distinct: BTreeSet<&String> = listed.iter().collect();
    if distinct.len() != listed.len() {
        found.push(format!("once: a session of {} was told twice", row.id));
    }
    let mut held: Vec<String> = row
        .sessions
        .values()
        .map(|held| {
            let session = &held.session;
            let (id, date) = (session.id, session.local_date);
            format!("{id} {} {date} {} {}", session.ordinal, session.starts_at, session.ends_at)
        })
        .collect();
    held.sort_unstable();
    listed.dedup();
    if listed != held {
        found.push(format!("once: the sessions of {} were told as {listed:?} and are {held:?}", row.id));
    }
}
