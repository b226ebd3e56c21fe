//! What a run has done so far, counted while it goes on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counters of a process, by worker.
#[derive(Debug, Default)]
pub struct Stats {
    workers: Mutex<BTreeMap<&'static str, Arc<WorkerStats>>>,
    /// Events the relay has published.
    pub published: AtomicU64,
}

impl Stats {
    /// The counters of this worker.
    pub fn worker(&self, name: &'static str) -> Arc<WorkerStats> {
        let mut workers = self.workers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        workers.entry(name).or_default().clone()
    }
}

/// Counters of one worker.
#[derive(Debug, Default)]
pub struct WorkerStats {
    /// Records handled.
    pub records: AtomicU64,
    /// Batches committed.
    pub batches: AtomicU64,
    /// Records that had an effect.
    pub done: AtomicU64,
    /// Records that repeated what was done before.
    pub duplicates: AtomicU64,
    /// Records about a decision that is no longer in force.
    pub superseded: AtomicU64,
    /// Records set aside.
    pub dead_letters: AtomicU64,
    /// Attempts that had to be made again.
    pub retries: AtomicU64,
    /// Whether the worker found nothing to do when it last looked.
    pub idle: AtomicBool,
}

impl WorkerStats {
    pub(crate) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }
}
