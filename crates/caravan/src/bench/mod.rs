//! The bench: how fast, how soon, how much memory and how much disk.
//!
//! 1. A roster is imported and, if asked for, a history is lived through.
//! 2. *Backlog*: all payments are published; then the workers run until nothing is left to do.
//!    Throughput, memory and disk are of this phase.
//! 3. *Steady*: payments come at a fixed rate while the workers run. Latency is of this phase,
//!    because in a backlog it would only tell how long the backlog was.
//! 4. *Floor*: the rows that the backlog left are written again, bare, into an empty database of
//!    the same schema and durability. What the run reaches of that is what the rules, the checks
//!    and the hops between the workers leave of it.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use caravan_domain::event::{Headers, Topic};
use caravan_domain::window::today;
use jiff::Timestamp;
use uuid::Uuid;

use crate::engine::{Policy, RunError, Stats, Stop};
use crate::platform::floor::Floor;
use crate::platform::log::NewRecord;
use crate::platform::transaction::{CommitError, Effects, TrainerEdit, Transaction};
use crate::platform::{Platform, PlatformError};
use crate::progress::Progress;
use crate::workers::{self, RunOptions, WorkerKind};

mod floor;
mod memory;
mod past;
mod report;
mod steady;
mod workload;

pub use report::Measured;

use report::LOOKS_PERCENT;
use workload::{Payment, Workload};

/// Payments published at once.
const PAYMENTS_AT_ONCE: u64 = 500;
/// Trainers imported at once.
const TRAINERS_AT_ONCE: usize = 1_000;
/// How often the backlog's progress and the memory are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// For how long payments come at a steady rate unless asked otherwise: long enough for the
/// slowest of a hundred to be several.
pub const STEADY_SECONDS_DEFAULT: u32 = 15;

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many purchases.
    pub purchases: u32,
    /// How many trainers.
    pub trainers: u32,
    /// How many sessions each plan has, two a week.
    pub sessions: u16,
    /// How many purchases have happened, and are over, before.
    pub history: u32,
    /// For how long payments come at a steady rate.
    pub steady_seconds: u32,
    /// The same seed makes the same trainers and payments.
    pub seed: u64,
}

/// Where it is measured.
pub struct Ground<'a> {
    /// A platform nobody else uses, with nothing on it.
    pub platform: &'a Platform,
    /// `embedded` or `distributed`.
    pub topology: &'static str,
    /// The numbers to work by.
    pub policy: &'a Policy,
    /// Writes again what is written there.
    pub floor: &'a mut dyn Floor,
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The platform failed.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// The roster could not be imported.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The workers stopped.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Measures.
pub async fn run(ground: Ground<'_>, options: Options, progress: &dyn Progress) -> Result<Measured, BenchError> {
    let Options { purchases, trainers, sessions, history, seed, steady_seconds } = options;
    let Ground { platform, topology, policy, floor } = ground;
    let workload = Workload { seed, trainers, sessions };
    let bench = Bench { platform, policy, options, workload, progress };
    bench.employ().await?;
    progress.begin("history", u64::from(history));
    past::live_through(&bench).await?;

    let bytes_before = floor.database_bytes().await?;
    floor.note_start().await?;
    memory::forget_peak();
    progress.begin("backlog", u64::from(purchases));
    let (took, rss_bytes) = bench.backlog().await?;
    floor.note_end().await?;
    let database_bytes = floor.database_bytes().await?.saturating_sub(bytes_before);

    progress.begin("steady rate", u64::from(steady::RATE * steady_seconds));
    let latencies = steady::measure(&bench).await?;
    let rss_bytes_max = memory::peak();
    progress.begin("floor", u64::from(purchases));
    let written = floor::measure(floor, policy.batch.records_max, progress).await?;
    Ok(Measured {
        topology,
        purchases: u64::from(purchases),
        trainers,
        sessions,
        history: u64::from(history),
        took,
        allocated_share: written.allocated as f64 / f64::from(purchases.max(1)),
        floor_took: written.took,
        latencies,
        steady_rate: steady::RATE,
        rss_bytes_max,
        rss_bytes,
        database_bytes,
    })
}

/// A measurement under way.
struct Bench<'a> {
    platform: &'a Platform,
    policy: &'a Policy,
    options: Options,
    workload: Workload,
    progress: &'a dyn Progress,
}

impl Bench<'_> {
    /// Makes the topics and imports the roster.
    async fn employ(&self) -> Result<(), BenchError> {
        self.platform.log.create_topics(self.policy.partitions).await?;
        let today = today(self.platform.clock.now());
        let numbers: Vec<u32> = (0..self.options.trainers).collect();
        for numbers in numbers.chunks(TRAINERS_AT_ONCE) {
            let edit = |number: &u32| TrainerEdit { trainer: self.workload.trainer(*number, today), version: None };
            let effects = Effects { roster: numbers.iter().map(edit).collect(), ..Effects::default() };
            self.platform.store.commit(&Transaction { effects, ..Transaction::default() }).await?;
        }
        Ok(())
    }

    /// Publishes payments of a series; none of them is held any longer than its page.
    async fn publish(&self, platform: &Platform, series: &str, numbers: Range<u64>) -> Result<(), BenchError> {
        let mut from = numbers.start;
        while from < numbers.end {
            let until = numbers.end.min(from + PAYMENTS_AT_ONCE);
            let now = platform.clock.now();
            let page: Vec<NewRecord> =
                (from..until).map(|number| record(self.workload.payment(series, number, now), now)).collect();
            platform.log.publish(&page).await?;
            from = until;
        }
        Ok(())
    }

    fn run_options(&self, until_idle: bool) -> RunOptions {
        RunOptions {
            workers: WorkerKind::ALL.to_vec(),
            until_idle,
            policy: self.policy.clone(),
            instance: format!("bench-{}", Uuid::new_v4()),
        }
    }

    async fn run_until_idle(&self, platform: &Platform) -> Result<(), BenchError> {
        Ok(workers::run(platform, self.run_options(true), &Stop::new(), &Arc::new(Stats::default())).await?)
    }

    /// Publishes the backlog, then runs it off; returns how long that took, and what memory was
    /// resident at each quarter.
    async fn backlog(&self) -> Result<(Duration, Vec<u64>), BenchError> {
        self.publish(self.platform, "now", 0..u64::from(self.options.purchases)).await?;
        let (stop, stats) = (Stop::new(), Arc::new(Stats::default()));
        let begun = Instant::now();
        let running = async {
            let ran = workers::run(self.platform, self.run_options(true), &stop, &stats).await;
            (ran, begun.elapsed())
        };
        let mut looks = Vec::new();
        let ((ran, took), ()) = tokio::join!(running, self.look_on(&stats, &stop, &mut looks));
        ran?;
        Ok((took, looks))
    }

    /// Notes the resident memory at each quarter of the backlog.
    async fn look_on(&self, stats: &Stats, stop: &Stop, looks: &mut Vec<u64>) {
        let sessions = stats.worker(WorkerKind::Session.spec().name);
        let mut shown = 0;
        loop {
            let stopped = stop.is_requested();
            let done = sessions.records.load(Ordering::Relaxed);
            self.progress.advance(done.saturating_sub(shown));
            shown = done;
            let percent = if stopped { 100 } else { done * 100 / u64::from(self.options.purchases.max(1)) };
            while LOOKS_PERCENT.get(looks.len()).is_some_and(|look| *look <= percent) {
                let Some(bytes) = memory::resident() else { break };
                looks.push(bytes);
            }
            if stopped {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// The record that reports a payment.
fn record(payment: Payment, timestamp: Timestamp) -> NewRecord {
    NewRecord {
        topic: Topic::PurchaseConfirmed,
        key: Some(payment.payment_id.into_bytes()),
        value: Some(payment.value),
        headers: Headers::new(),
        timestamp,
    }
}
