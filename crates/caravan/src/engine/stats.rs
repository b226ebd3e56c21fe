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

    /// There may be work that no record tells of: who found nothing to do must look again.
    pub(crate) fn disturb(&self) {
        let workers = self.workers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for worker in workers.values() {
            worker.disturbances.fetch_add(1, Ordering::SeqCst);
            worker.idle.store(false, Ordering::SeqCst);
        }
    }
}

/// Where a worker is, for those who ask whether it does its work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WorkerState {
    /// It has not read its positions yet.
    #[default]
    Starting,
    /// It consumes.
    Consuming,
    /// The environment keeps it from going on.
    Waiting(String),
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
    /// How often there was reason to look again.
    disturbances: AtomicU64,
    state: Mutex<WorkerState>,
}

impl WorkerStats {
    /// Where it is now.
    pub fn state(&self) -> WorkerState {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    pub(crate) fn is_now(&self, state: WorkerState) {
        *self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = state;
    }

    /// A look begins; what it answers with is for [`Self::found_nothing`].
    pub(crate) fn look(&self) -> u64 {
        self.disturbances.load(Ordering::SeqCst)
    }

    /// That look found nothing to do; it counts unless the worker was disturbed since it began.
    pub(crate) fn found_nothing(&self, look: u64) {
        self.idle.store(true, Ordering::SeqCst);
        if self.disturbances.load(Ordering::SeqCst) != look {
            self.idle.store(false, Ordering::SeqCst);
        }
    }

    pub(crate) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }
}
