//! What a worker is to the engine: records in, an outcome out.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use caravan_domain::event::{Event, Topic};
use caravan_domain::rejection::Rejection;
use jiff::Timestamp;

use crate::platform::PlatformError;
use crate::platform::cache::CacheKey;
use crate::platform::log::Record;
use crate::platform::store::Reads;
use crate::platform::transaction::Effects;

/// A worker's fixed facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// As it stands in the log, such as `PurchaseWorker`.
    pub name: &'static str,
    /// Its consumer group.
    pub group: &'static str,
    /// The topics it consumes.
    pub topics: &'static [Topic],
    /// How long it lets records gather after a batch: fewer, larger batches for those whose
    /// work nobody waits for.
    pub linger: Duration,
    /// Whether it may find work that no record tells of whenever the store changes; see
    /// [`Worker::look_around`].
    pub looks_around: bool,
}

/// What a batch leads to. It is committed whole.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What changes in the tables.
    pub effects: Effects,
    /// What is told, in order.
    pub events: Vec<Event>,
    /// Records that can't be handled, by their index in the batch.
    pub rejected: Vec<(usize, Rejection)>,
    /// Cached answers that are outdated; forgotten before the position advances.
    pub invalidated: Vec<CacheKey>,
    /// How many records had an effect.
    pub done: usize,
    /// How many repeated what was done before.
    pub duplicates: usize,
    /// How many are about a decision that is no longer in force.
    pub superseded: usize,
    /// What monitoring is told of it, once it is committed.
    pub tallies: BTreeMap<Tally, u64>,
}

impl Outcome {
    /// Counts one more of it.
    pub fn tally(&mut self, tally: Tally) {
        *self.tallies.entry(tally).or_default() += 1;
    }
}

/// Something a worker counts for monitoring beside what the engine counts of every worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tally {
    /// The counter's name.
    pub counter: &'static str,
    /// The label and its value, where the counter has one.
    pub label: Option<(&'static str, &'static str)>,
}

/// Why a worker gave no outcome.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The platform failed.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// The batch can't be handled as it is; alone, its records may.
    #[error("{0}")]
    Failed(String),
}

/// A worker: it reads, decides and returns; it never writes.
#[async_trait]
pub trait Worker: Send {
    /// Its fixed facts.
    fn spec(&self) -> Spec;

    /// What it may count, so that each counter stands at 0 before it first steps.
    fn tallies(&self) -> Vec<Tally> {
        Vec::new()
    }

    /// Decides what a batch leads to.
    async fn handle(&mut self, batch: &[Record], reads: &dyn Reads, now: Timestamp) -> Result<Outcome, WorkError>;

    /// Work that no record asks for, looked for before every batch; `None` if there is none.
    async fn look_around(&mut self, _reads: &dyn Reads, _now: Timestamp) -> Result<Option<Outcome>, WorkError> {
        Ok(None)
    }

    /// The last outcome was committed.
    fn committed(&mut self) {}

    /// It is not known whether the last outcome was committed, or it was not: what the worker
    /// remembers of it must be read again.
    fn not_committed(&mut self) {}

    /// What was last looked for is refused whenever it is tried: look for less of it, or for
    /// something else, so that it holds nobody up. Whether there is anything else.
    fn look_elsewhere(&mut self) -> bool {
        false
    }
}
