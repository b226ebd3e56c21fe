//! What the engine counts for monitoring. Without a recorder (see [`crate::http`]) counting costs nothing.
//!
//! Names follow Prometheus (<https://prometheus.io/docs/practices/naming/>).

use std::collections::BTreeMap;

use caravan_domain::event::Topic;
use jiff::SignedDuration;
use metrics::{counter, describe_counter, describe_histogram, histogram};

use super::worker::{Spec, Tally};
use crate::platform::log::{NewRecord, Record};
use crate::platform::transaction::NewDeadLetter;
use crate::traces;

/// Records handled, by worker and topic.
const RECORDS: &str = "caravan_records_total";
/// What became of them, by worker and outcome.
const OUTCOMES: &str = "caravan_outcomes_total";
/// An outcome: it had an effect.
pub(super) const DONE: &str = "done";
/// An outcome: it repeated what was done before.
pub(super) const DUPLICATE: &str = "duplicate";
/// An outcome: it is about a decision that is no longer in force.
pub(super) const SUPERSEDED: &str = "superseded";
/// An outcome: it was set aside.
pub(super) const DEAD_LETTER: &str = "dead_letter";
/// Seconds a batch took, by worker; its count is that of the batches.
pub const BATCH_SECONDS: &str = "caravan_batch_seconds";
/// Attempts that had to be made again, by worker.
const RETRIES: &str = "caravan_retries_total";
/// Records set aside, by worker, topic and reason.
const DEAD_LETTERS: &str = "caravan_dead_letters_total";
/// Events the relay has published, by topic.
const PUBLISHED: &str = "caravan_published_total";

/// Upper bounds of the classes of [`BATCH_SECONDS`].
pub const BATCH_SECONDS_BOUNDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Says what each number means, to the recorder that is installed.
pub fn describe() {
    describe_counter!(RECORDS, "Records handled, by worker and topic.");
    describe_counter!(OUTCOMES, "What became of records: done, duplicate, superseded or dead_letter.");
    describe_histogram!(BATCH_SECONDS, "Seconds from deciding a batch to its commit.");
    describe_counter!(RETRIES, "Attempts that had to be made again.");
    describe_counter!(DEAD_LETTERS, "Records set aside, by worker, topic and reason.");
    describe_counter!(PUBLISHED, "Events published from the outbox, by topic.");
    traces::describe();
}

/// Has what a worker will count stand at 0: a counter that appears with its first step shows no increase.
pub(super) fn begin(spec: &Spec, tallies: &[Tally]) {
    for topic in spec.topics {
        counter!(RECORDS, "worker" => spec.name, "topic" => topic.name()).increment(0);
    }
    for outcome in [DONE, DUPLICATE, SUPERSEDED, DEAD_LETTER] {
        counter!(OUTCOMES, "worker" => spec.name, "outcome" => outcome).increment(0);
    }
    counter!(RETRIES, "worker" => spec.name).increment(0);
    tallies.iter().for_each(|tally| step(tally, 0));
}

pub(super) fn tallies(tallies: &BTreeMap<Tally, u64>) {
    tallies.iter().for_each(|(tally, count)| step(tally, *count));
}

fn step(tally: &Tally, count: u64) {
    match tally.label {
        Some((label, value)) => counter!(tally.counter, label => value).increment(count),
        None => counter!(tally.counter).increment(count),
    }
}

pub(super) fn records(spec: &Spec, records: &[Record]) {
    for (topic, count) in by_topic(records.iter().map(|record| record.at.topic)) {
        counter!(RECORDS, "worker" => spec.name, "topic" => topic.name()).increment(count);
    }
}

pub(super) fn outcome(spec: &Spec, outcome: &'static str, count: usize) {
    if count > 0 {
        counter!(OUTCOMES, "worker" => spec.name, "outcome" => outcome).increment(count as u64);
    }
}

pub(super) fn batch(spec: &Spec, took: SignedDuration) {
    histogram!(BATCH_SECONDS, "worker" => spec.name).record(took.as_secs_f64().max(0.0));
}

pub(super) fn retry(spec: &Spec) {
    counter!(RETRIES, "worker" => spec.name).increment(1);
}

pub(super) fn dead_letters(spec: &Spec, letters: &[NewDeadLetter]) {
    for letter in letters {
        counter!(DEAD_LETTERS, "worker" => spec.name, "topic" => letter.at.topic.name(), "reason" => letter.reason)
            .increment(1);
    }
}

pub(super) fn published(records: &[NewRecord]) {
    for (topic, count) in by_topic(records.iter().map(|record| record.topic)) {
        counter!(PUBLISHED, "topic" => topic.name()).increment(count);
    }
}

fn by_topic(topics: impl Iterator<Item = Topic>) -> BTreeMap<Topic, u64> {
    let mut counts = BTreeMap::new();
    for topic in topics {
        *counts.entry(topic).or_default() += 1;
    }
    counts
}
