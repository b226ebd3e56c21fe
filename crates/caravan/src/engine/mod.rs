//! The engine: one path for every effect.
//!
//! ```text
//! log record -> batch -> one transaction { check position, decide, write, emit, advance } -> next
//! ```
//!
//! Architecture invariant: only the engine commits. Workers return what is to be written and
//! told ([`worker::Outcome`]); they never see a log or a transaction.

use std::sync::Arc;
use std::time::Duration;

use caravan_domain::ids::Epoch;
use futures::future::BoxFuture;
use tracing::info;

use crate::platform::log::{FetchLimit, PARTITIONS_DEFAULT};
use crate::platform::transaction::CommitError;
use crate::platform::{Platform, PlatformError};
use crate::traces;

pub mod backoff;
mod batch;
mod consumer;
pub mod cron;
mod housekeeping;
mod idle;
pub mod numbers;
mod positions;
pub mod relay;
pub mod stats;
pub mod stop;
mod telling;
pub mod worker;

pub use positions::LostPosition;
pub use stats::{Stats, WorkerState, WorkerStats};
pub use stop::Stop;

use worker::{Outcome, Spec, Worker};

/// The numbers the engine works by.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How much a batch may hold.
    pub batch: FetchLimit,
    /// How often a record that fails alone is tried before it is set aside.
    pub attempts_max: u32,
    /// The first pause after a failure.
    pub backoff_min: Duration,
    /// The longest pause after a failure.
    pub backoff_max: Duration,
    /// How far past today sessions are put in the calendar, in days.
    pub window_days: u16,
    /// How many days after the allocation a plan may start at the earliest.
    pub lead_days: u16,
    /// How many dates a trainer's time off may skip in a plan.
    pub max_skipped: u16,
    /// Whether a purchase is called off when all that was paid for it is given back.
    pub full_refund_cancels: bool,
    /// When the cron runs: five fields, UTC.
    pub cron: String,
    /// How long records that everybody has handled are kept in the log.
    pub log_retention: Duration,
    /// Partitions of topics that are missing.
    pub partitions: u32,
    /// Seeds the jitter of pauses; the same seed gives the same pauses.
    pub jitter_seed: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            batch: FetchLimit { records_max: 5_000, bytes_max: 8 << 20 },
            attempts_max: 5,
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(10),
            window_days: caravan_domain::window::WINDOW_DAYS_DEFAULT,
            lead_days: 1,
            max_skipped: 2,
            full_refund_cancels: true,
            cron: "0 2 * * *".to_owned(),
            log_retention: Duration::from_secs(7 * 24 * 3600),
            partitions: PARTITIONS_DEFAULT,
            jitter_seed: 0,
        }
    }
}

/// Why the engine stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The data, the schema or a setting is not as it must be.
    #[error("{0}")]
    Broken(String),
    /// A stored position does not fit the log.
    #[error(transparent)]
    Position(#[from] positions::LostPosition),
}

impl From<PlatformError> for RunError {
    fn from(error: PlatformError) -> Self {
        Self::Broken(error.to_string())
    }
}

/// What the engine runs.
pub struct Work {
    /// The workers of this process.
    pub workers: Vec<Box<dyn Worker>>,
    /// Every worker there is, run here or not: what they have not read yet is kept in the log.
    pub readers: Vec<Spec>,
    /// The daily job, if this process may do it.
    pub daily: Option<Arc<dyn cron::DailyJob>>,
    /// Leave once the lags of `workers` and the outbox are empty.
    pub until_idle: bool,
    /// Names this process in leases and logs.
    pub instance: String,
}

/// Commits what no record asked for: people's commands, and the daily job's batches.
///
/// # Errors
/// The store's; nothing has changed then.
pub async fn commit(platform: &Platform, mut outcome: Outcome, epoch: Epoch) -> Result<(), CommitError> {
    let start = platform.clock.now();
    let draft = traces::of_unprompted(&mut outcome.events, epoch, start);
    platform.store.commit(&batch::unprompted(outcome, epoch)).await?;
    draft.keep(platform.clock.now());
    Ok(())
}

/// One of the loops a process consists of.
pub type Task = BoxFuture<'static, Result<(), RunError>>;

/// Runs workers, relay, cron and housekeeping until `stop` is requested or, if so asked, until
/// nothing is left to do. A batch in hand is finished first.
///
/// # Errors
/// If something is broken that waiting won't mend; everything else is waited out.
pub async fn run(
    platform: &Platform,
    work: Work,
    policy: &Policy,
    stop: &Stop,
    stats: &Arc<Stats>,
) -> Result<(), RunError> {
    if !prepare(platform, policy, stop).await? {
        return Ok(());
    }
    let mut running = tokio::task::JoinSet::new();
    for task in tasks(platform, work, policy, stop, stats) {
        running.spawn(task);
    }
    finish(running, stop).await
}

/// Creates what the loops need, as soon as the environment lets it; false if `stop` was requested
/// meanwhile.
///
/// # Errors
/// If a topic is not as it must be.
pub async fn prepare(platform: &Platform, policy: &Policy, stop: &Stop) -> Result<bool, RunError> {
    let mut backoff = backoff::Backoff::new(policy, u64::MAX);
    loop {
        match platform.log.create_topics(policy.partitions).await {
            Ok(created) => {
                if !created.is_empty() {
                    info!(topics = created.len(), "created topics");
                }
                return Ok(true);
            }
            Err(PlatformError::Environment(problem)) => {
                if backoff.pause(platform, stop, &problem, "start-up").await.is_break() {
                    return Ok(false);
                }
            }
            Err(broken) => return Err(broken.into()),
        }
    }
}

/// The loops of a process. They need no particular runtime, only the platform: [`run`] spawns
/// them, and a simulation polls them itself, in any order.
pub fn tasks(platform: &Platform, work: Work, policy: &Policy, stop: &Stop, stats: &Arc<Stats>) -> Vec<Task> {
    let specs: Vec<Spec> = work.workers.iter().map(|worker| worker.spec()).collect();
    let mut tasks: Vec<Task> = Vec::with_capacity(work.workers.len() + 4);
    for (number, worker) in (0..).zip(work.workers) {
        let own = stats.worker(worker.spec().name);
        let consumer = consumer::Consumer::new(platform.clone(), worker, policy.clone(), number, own);
        tasks.push(Box::pin(consumer.run(stop.clone())));
    }
    tasks.push(Box::pin(relay::run(platform.clone(), policy.clone(), stop.clone(), stats.clone())));
    tasks.push(Box::pin(housekeeping::run(platform.clone(), work.readers, policy.clone(), stop.clone())));
    let caught_up = cron::CaughtUp::default();
    if let Some(job) = work.daily {
        let (platform, policy, stats) = (platform.clone(), policy.clone(), stats.clone());
        let cron = cron::Cron { platform, job, policy, instance: work.instance, stats };
        tasks.push(Box::pin(cron.run(stop.clone(), caught_up.clone())));
    } else {
        caught_up.note();
    }
    if work.until_idle {
        tasks.push(Box::pin(idle::watch(platform.clone(), specs, caught_up, stop.clone(), stats.clone())));
    }
    tasks
}

/// Waits for every task; the first that fails stops the others.
async fn finish(mut tasks: tokio::task::JoinSet<Result<(), RunError>>, stop: &Stop) -> Result<(), RunError> {
    let mut first_failure = Ok(());
    while let Some(ended) = tasks.join_next().await {
        let result =
            ended.unwrap_or_else(|failed| Err(RunError::Broken(format!("a task of the engine died: {failed}"))));
        if result.is_err() {
            stop.request();
            first_failure = first_failure.and(result);
        }
    }
    first_failure
}
