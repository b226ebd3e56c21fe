//! The four workers and the cron: each a page of business rules on top of the engine.

use std::sync::Arc;

use caravan_domain::event::{Envelope, open};
use caravan_domain::rejection::Rejection;

use crate::engine::worker::{Outcome, Spec, Worker};
use crate::engine::{self, Policy, RunError, Stats, Stop, Work};
use crate::platform::Platform;
use crate::platform::log::Record;

pub mod allocation;
pub mod binding;
pub mod cache;
pub mod cancellation;
pub mod changing;
pub mod cron;
pub mod numbers;
mod prolonging;
pub mod purchase;
mod refunding;
pub mod replanning;
pub mod session;
pub mod window;

/// Which worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorkerKind {
    /// Records purchases.
    Purchase,
    /// Finds trainers.
    Allocation,
    /// Puts sessions in the calendar.
    Session,
    /// Forgets cached answers.
    Cache,
}

impl WorkerKind {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Purchase, Self::Allocation, Self::Session, Self::Cache];

    /// As named on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Purchase => "purchase",
            Self::Allocation => "allocation",
            Self::Session => "session",
            Self::Cache => "cache",
        }
    }

    /// Its fixed facts.
    pub const fn spec(self) -> Spec {
        match self {
            Self::Purchase => purchase::SPEC,
            Self::Allocation => allocation::SPEC,
            Self::Session => session::SPEC,
            Self::Cache => cache::SPEC,
        }
    }

    /// A worker of this kind.
    pub fn build(self, policy: &Policy) -> Box<dyn Worker> {
        match self {
            Self::Purchase => Box::new(purchase::PurchaseWorker::new(policy)),
            Self::Allocation => Box::new(allocation::AllocationWorker::new(policy)),
            Self::Session => Box::new(session::SessionWorker::new(policy.window_days)),
            Self::Cache => Box::new(cache::CacheWorker),
        }
    }
}

impl std::str::FromStr for WorkerKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| format!("unknown worker {text:?}, known are {}", known()))
    }
}

/// What to run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Which workers.
    pub workers: Vec<WorkerKind>,
    /// Leave once their lags and the outbox are empty.
    pub until_idle: bool,
    /// The numbers to work by.
    pub policy: Policy,
    /// Names this process in leases and logs.
    pub instance: String,
}

/// Runs these workers, and the cron where the session worker is, until stopped.
///
/// # Errors
/// See [`engine::run`].
pub async fn run(platform: &Platform, options: RunOptions, stop: &Stop, stats: &Arc<Stats>) -> Result<(), RunError> {
    let policy = options.policy.clone();
    engine::run(platform, work(options), &policy, stop, stats).await
}

/// What the engine is to run.
pub fn work(options: RunOptions) -> Work {
    let policy = options.policy;
    let daily: Option<Arc<dyn engine::cron::DailyJob>> = options
        .workers
        .contains(&WorkerKind::Session)
        .then(|| Arc::new(cron::ExtendWindows::new(&policy)) as Arc<dyn engine::cron::DailyJob>);
    Work {
        workers: options.workers.iter().map(|kind| kind.build(&policy)).collect(),
        readers: WorkerKind::ALL.map(WorkerKind::spec).to_vec(),
        daily,
        until_idle: options.until_idle,
        instance: options.instance,
    }
}

/// Opens every record of a batch; those that can't be opened, or that `read` refuses, are rejected.
fn read_all<T>(
    batch: &[Record],
    outcome: &mut Outcome,
    read: impl Fn(&Record, &Envelope) -> Result<T, Rejection>,
) -> Vec<(usize, Option<String>, T)> {
    let mut good = Vec::with_capacity(batch.len());
    for (index, record) in batch.iter().enumerate() {
        let envelope = open(record.value.as_deref(), &record.headers);
        match envelope.and_then(|envelope| Ok((read(record, &envelope)?, envelope.traceparent))) {
            Ok((value, traceparent)) => good.push((index, traceparent, value)),
            Err(rejection) => outcome.rejected.push((index, rejection)),
        }
    }
    good
}
