//! One worker at its partitions: fetch, attempt, split what fails, set aside what can't be handled.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use caravan_domain::ids::Epoch;
use caravan_domain::rejection::{Reason, Rejection};
use futures::FutureExt;
use futures::future::select;
use tracing::{debug, error, info, warn};

use super::backoff::Backoff;
use super::worker::{Outcome, Spec, WorkError, Worker};
use super::{Policy, RunError, Stop, WorkerState, WorkerStats, batch, numbers, positions, telling};
use crate::platform::log::{Fetched, Record, Subscription, TopicPartition};
use crate::platform::transaction::{CommitError, Transaction};
use crate::platform::{Platform, PlatformError};
use crate::traces;

/// The slow poll behind the wake-ups.
const IDLE_WAIT: Duration = Duration::from_secs(1);
/// After this many conflicts without progress a batch is tried in smaller parts, which have less to
/// conflict about. A single record is tried for as long as it takes: each conflict is somebody
/// else's progress.
const CONFLICTS_MAX: u32 = 50;
/// Records with how many different keys may be set aside as failing while none succeeds: more
/// point at the environment, and are waited out. By key, as one thing that fails may well have
/// been published many times.
const FAILING_KEYS_MAX: usize = 3;

/// A worker, its place in its group, and where it is.
pub(crate) struct Consumer {
    platform: Platform,
    worker: Box<dyn Worker>,
    spec: Spec,
    policy: Policy,
    stats: Arc<WorkerStats>,
    positions: BTreeMap<TopicPartition, u64>,
    /// The epoch of the store that the positions are of.
    epoch: Epoch,
    /// Whether `positions` are known to be those of the partitions we read.
    placed: bool,
    /// Whether it was told that this worker consumes.
    started: bool,
    backoff: Backoff,
    conflicts: u32,
    /// Keys of the records set aside as failing since one last succeeded.
    failing: BTreeSet<Option<Vec<u8>>>,
}

/// Why a batch was left before its end.
enum Interruption {
    /// Start over from the stored positions.
    Reload,
    /// Look again at once.
    LookAgain(String),
    /// Wait first.
    Environment(String),
    /// Give up.
    Fatal(RunError),
}

/// Why one attempt at a batch did not commit.
enum AttemptError {
    /// This batch fails; a part of it may not.
    Failed(String),
    /// It is not the batch's fault.
    Interrupted(Interruption),
}

impl From<PlatformError> for Interruption {
    fn from(error: PlatformError) -> Self {
        match error {
            PlatformError::Environment(problem) => Self::Environment(problem),
            PlatformError::Broken(problem) => Self::Fatal(RunError::Broken(problem)),
        }
    }
}

impl From<CommitError> for AttemptError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::PositionMoved(_) => Self::Interrupted(Interruption::Reload),
            CommitError::Conflict { .. } => Self::Interrupted(Interruption::LookAgain(error.to_string())),
            CommitError::Refused(why) => Self::Failed(why),
            CommitError::Platform(error) => Self::Interrupted(error.into()),
        }
    }
}

impl Consumer {
    pub(crate) fn new(
        platform: Platform,
        worker: Box<dyn Worker>,
        policy: Policy,
        task: u64,
        stats: Arc<WorkerStats>,
    ) -> Self {
        let (spec, backoff) = (worker.spec(), Backoff::new(&policy, task));
        Self {
            platform,
            worker,
            spec,
            policy,
            stats,
            positions: BTreeMap::new(),
            epoch: Epoch::default(),
            placed: false,
            started: false,
            backoff,
            conflicts: 0,
            failing: BTreeSet::new(),
        }
    }

    /// Consumes until stopped; the batch in hand is finished first.
    pub(crate) async fn run(mut self, stop: Stop) -> Result<(), RunError> {
        let mut subscription: Option<Box<dyn Subscription>> = None;
        numbers::begin(&self.spec, &self.worker.tallies());
        while !stop.is_requested() {
            let look = self.stats.look();
            let seen = if self.spec.looks_around { self.platform.store.changes().await } else { 0 };
            match self.turn(&mut subscription, &stop).await {
                Ok(true) => {
                    self.goes_on();
                    self.conflicts = 0;
                    if !self.spec.linger.is_zero() {
                        let linger = self.platform.clock.sleep(self.spec.linger);
                        select(linger, std::pin::pin!(stop.requested())).await;
                    }
                }
                Ok(false) => {
                    self.goes_on();
                    self.stats.found_nothing(look);
                    if let Some(subscription) = &mut subscription {
                        self.rest(&mut **subscription, seen, &stop).await;
                    }
                }
                Err(interruption) => self.recover(interruption, &stop).await?,
            }
        }
        if let Some(mut subscription) = subscription {
            subscription.leave().await;
        }
        debug!("[{}] Stopped", self.spec.name);
        Ok(())
    }

    /// Waits until there may be something to do; `seen` is what the store had noticed before we looked.
    async fn rest(&mut self, subscription: &mut dyn Subscription, seen: u64, stop: &Stop) {
        let records = subscription.wait(IDLE_WAIT);
        let stopped = std::pin::pin!(stop.requested());
        if self.spec.looks_around {
            select(select(records, self.platform.store.changed_since(seen, IDLE_WAIT)), stopped).await;
        } else {
            select(records, stopped).await;
        }
    }

    /// Whatever kept it waiting is over.
    fn goes_on(&mut self) {
        self.backoff.reset();
        if self.stats.state() != WorkerState::Consuming {
            self.stats.is_now(WorkerState::Consuming);
        }
    }

    /// One turn: join if not joined, look around, handle what there is. Whether there was anything.
    async fn turn(
        &mut self,
        subscription: &mut Option<Box<dyn Subscription>>,
        stop: &Stop,
    ) -> Result<bool, Interruption> {
        let subscription = match subscription {
            Some(subscription) => subscription,
            None => subscription.insert(self.platform.log.subscribe(self.spec.group, self.spec.topics).await?),
        };
        if !self.placed {
            self.place(&mut **subscription).await?;
        }
        if self.look_around().await? {
            return Ok(true);
        }
        let Fetched::Records(mut records) = subscription.fetch(&self.positions, self.policy.batch).await? else {
            return Err(Interruption::Reload);
        };
        if records.is_empty() {
            return Ok(false);
        }
        self.stats.idle.store(false, Ordering::SeqCst);
        traces::begin(self.spec.group, &mut records);
        self.work_through(&records, stop).await?;
        // Nothing trusts what the log is told; a failure here is not worth a word.
        let _ = subscription.acknowledge(&self.positions).await;
        Ok(true)
    }

    /// Finds out which partitions are ours, and where in them we go on.
    async fn place(&mut self, subscription: &mut dyn Subscription) -> Result<(), Interruption> {
        let assigned = subscription.assigned().await?;
        self.epoch = self.platform.store.epoch().await?;
        let stored = self.platform.store.positions(self.spec.group).await?;
        let topics = self.platform.log.topics().await?;
        let start = match positions::judge(self.spec.group, &assigned, &topics, &stored) {
            Ok(start) => start,
            // Between the two looks another owner went on, and the log was trimmed behind it.
            Err(_) if self.platform.store.positions(self.spec.group).await? != stored => {
                return Err(Interruption::Reload);
            }
            Err(lost) => return Err(Interruption::Fatal(lost.into())),
        };
        if !start.new.is_empty() {
            self.platform.store.begin_positions(self.spec.group, &start.new).await?;
        }
        self.positions = start.from;
        self.placed = true;
        if !std::mem::replace(&mut self.started, true) {
            info!(group = self.spec.group, "[{}] Started", self.spec.name);
        }
        Ok(())
    }

    fn retry(&self) {
        WorkerStats::add(&self.stats.retries, 1);
        numbers::retry(&self.spec);
    }

    async fn recover(&mut self, interruption: Interruption, stop: &Stop) -> Result<(), RunError> {
        self.stats.idle.store(false, Ordering::SeqCst);
        match interruption {
            Interruption::Fatal(error) => {
                error!("[{}] {error}", self.spec.name);
                return Err(error);
            }
            Interruption::Reload => self.placed = false,
            Interruption::LookAgain(what) => {
                self.retry();
                self.conflicts += 1;
                debug!(conflicts = self.conflicts, "[{}] {what}: looking again", self.spec.name);
                let pause = self.backoff.next_pause().min(self.policy.backoff_min * 4);
                select(self.platform.clock.sleep(pause), std::pin::pin!(stop.requested())).await;
            }
            Interruption::Environment(problem) => {
                self.retry();
                self.stats.is_now(WorkerState::Waiting(problem.clone()));
                // An acknowledgement may have been lost: where we are is read again.
                self.placed = false;
                let _ = self.backoff.pause(&self.platform, stop, &problem, self.spec.name).await;
            }
        }
        Ok(())
    }

    /// Does what no record asks for; whether there was anything.
    async fn look_around(&mut self) -> Result<bool, Interruption> {
        let now = self.platform.clock.now();
        let outcome = match self.look(now).await {
            Ok(outcome) => outcome,
            Err(error) => {
                self.worker.not_committed();
                return match error {
                    WorkError::Platform(error) => Err(error.into()),
                    WorkError::Failed(why) => Ok(self.look_elsewhere(&why)),
                };
            }
        };
        let Some(mut outcome) = outcome else { return Ok(false) };
        self.stats.idle.store(false, Ordering::SeqCst);
        let tallies = std::mem::take(&mut outcome.tallies);
        let draft = traces::of_unprompted(&mut outcome.events, self.epoch, now);
        match self.commit(&batch::unprompted(outcome, self.epoch)).await {
            Ok(()) => {
                numbers::tallies(&tallies);
                draft.keep(self.platform.clock.now());
                Ok(true)
            }
            Err(AttemptError::Failed(why)) => Ok(self.look_elsewhere(&why)),
            Err(AttemptError::Interrupted(interruption)) => Err(interruption),
        }
    }

    /// Asks the worker what it finds. A panic is a failure of what it found, not of the process.
    async fn look(&mut self, now: jiff::Timestamp) -> Result<Option<Outcome>, WorkError> {
        let found = AssertUnwindSafe(self.worker.look_around(&*self.platform.store, now)).catch_unwind().await;
        found.unwrap_or_else(|panic| Err(WorkError::Failed(panicked(&*panic))))
    }

    /// What nobody asked for and can't be done must not hold up what somebody did ask for. Whether
    /// there is something else to look for.
    fn look_elsewhere(&mut self, why: &str) -> bool {
        self.retry();
        error!("[{}] work that no record asks for fails, the rest goes on: {why}", self.spec.name);
        self.worker.look_elsewhere()
    }

    /// Attempts the batch; what fails is halved until the record that fails stands alone.
    async fn work_through(&mut self, records: &[Record], stop: &Stop) -> Result<(), Interruption> {
        let mut parts = vec![records];
        while let Some(part) = parts.pop() {
            match self.attempt(part).await {
                Ok(()) => self.failing.clear(),
                Err(AttemptError::Interrupted(Interruption::LookAgain(what)))
                    if self.conflicts >= CONFLICTS_MAX && part.len() > 1 =>
                {
                    self.split_or_settle(part, what, &mut parts, stop).await?;
                }
                Err(AttemptError::Interrupted(interruption)) => return Err(interruption),
                Err(AttemptError::Failed(why)) => self.split_or_settle(part, why, &mut parts, stop).await?,
            }
            if stop.is_requested() {
                break;
            }
        }
        Ok(())
    }

    async fn split_or_settle<'a>(
        &mut self,
        part: &'a [Record],
        why: String,
        parts: &mut Vec<&'a [Record]>,
        stop: &Stop,
    ) -> Result<(), Interruption> {
        self.retry();
        if let [record] = part {
            return self.settle_alone(record, why, stop).await;
        }
        let (first, second) = part.split_at(part.len() / 2);
        parts.extend([second, first]);
        Ok(())
    }

    /// A record that fails alone: tried again, then set aside, unless everything seems to fail.
    async fn settle_alone(&mut self, record: &Record, mut why: String, stop: &Stop) -> Result<(), Interruption> {
        for attempts in 1.. {
            let enough = attempts >= self.policy.attempts_max;
            if enough && (self.failing.len() < FAILING_KEYS_MAX || self.failing.contains(&record.key)) {
                self.platform.store.probe().await?;
                return self.set_aside(record, &why, attempts).await;
            }
            if enough {
                error!(
                    "[{}] {} different records in a row fail ({why}): this looks like the database or the schema, not the \
                     records; waiting. Run `caravan doctor`",
                    self.spec.name,
                    self.failing.len() + 1
                );
            }
            let pause = self.backoff.next_pause();
            select(self.platform.clock.sleep(pause), std::pin::pin!(stop.requested())).await;
            if stop.is_requested() {
                return Ok(());
            }
            self.retry();
            match self.attempt(std::slice::from_ref(record)).await {
                Ok(()) => {
                    self.failing.clear();
                    return Ok(());
                }
                Err(AttemptError::Failed(again)) => why = again,
                Err(AttemptError::Interrupted(interruption)) => return Err(interruption),
            }
        }
        Ok(())
    }

    async fn set_aside(&mut self, record: &Record, why: &str, attempts: u32) -> Result<(), Interruption> {
        warn!(
            topic = %record.at.topic, partition = record.at.partition, offset = record.offset,
            "[{}] set aside after {attempts} attempts: {why}", self.spec.name
        );
        let rejection = Rejection::new(Reason::ProcessingFailed, why);
        let now = self.platform.clock.now();
        let transaction = batch::set_aside_alone(&self.spec, &self.positions, record, &rejection, attempts, now);
        match self.commit(&transaction).await {
            Ok(()) => {
                let fault = rejection.reason.code();
                traces::of_failure(self.spec.group, record, fault, now).keep(self.platform.clock.now());
                self.failing.insert(record.key.clone());
                WorkerStats::add(&self.stats.records, 1);
                WorkerStats::add(&self.stats.dead_letters, 1);
                numbers::records(&self.spec, std::slice::from_ref(record));
                numbers::outcome(&self.spec, numbers::DEAD_LETTER, 1);
                numbers::dead_letters(&self.spec, &transaction.dead_letters);
                Ok(())
            }
            Err(AttemptError::Failed(why)) => Err(Interruption::Environment(why)),
            Err(AttemptError::Interrupted(interruption)) => Err(interruption),
        }
    }

    /// One attempt at a batch: decide, then commit everything or nothing.
    async fn attempt(&mut self, records: &[Record]) -> Result<(), AttemptError> {
        let now = self.platform.clock.now();
        let mut outcome = batch::without_forgotten(records, self.decide(records, now).await?, self.epoch);
        let tallies = std::mem::take(&mut outcome.tallies);
        let counts = Counts::of(records, &outcome);
        if !outcome.invalidated.is_empty() {
            self.platform.cache.invalidate(&outcome.invalidated).await.map_err(|error| {
                self.worker.not_committed();
                AttemptError::Interrupted(error.into())
            })?;
        }
        let (group, epoch) = (self.spec.group, self.epoch);
        let draft = traces::of_batch(group, records, &mut outcome.events, &outcome.rejected, epoch, now);
        let transaction = batch::transaction(&self.spec, &self.positions, records, outcome, epoch, now);
        self.commit(&transaction).await?;
        counts.note(&self.stats);
        counts.tell(&self.spec, records);
        numbers::tallies(&tallies);
        numbers::dead_letters(&self.spec, &transaction.dead_letters);
        let end = self.platform.clock.now();
        draft.keep(end);
        let took = end.duration_since(now);
        telling::batch(&self.spec, records, &counts, took);
        numbers::batch(&self.spec, took);
        Ok(())
    }

    /// Asks the worker. A panic is a failure of this batch, not of the process.
    async fn decide(&mut self, records: &[Record], now: jiff::Timestamp) -> Result<Outcome, AttemptError> {
        let decision = AssertUnwindSafe(self.worker.handle(records, &*self.platform.store, now)).catch_unwind().await;
        match decision {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(WorkError::Failed(why))) => {
                self.worker.not_committed();
                Err(AttemptError::Failed(why))
            }
            Ok(Err(WorkError::Platform(error))) => {
                self.worker.not_committed();
                Err(AttemptError::Interrupted(error.into()))
            }
            Err(panic) => {
                self.worker.not_committed();
                Err(AttemptError::Failed(panicked(&*panic)))
            }
        }
    }

    async fn commit(&mut self, transaction: &Transaction) -> Result<(), AttemptError> {
        match self.platform.store.commit(transaction).await {
            Ok(()) => {
                self.positions.extend(transaction.advances.iter().map(|advance| (advance.at, advance.to)));
                self.worker.committed();
                Ok(())
            }
            Err(error) => {
                self.worker.not_committed();
                Err(error.into())
            }
        }
    }
}

/// What a batch adds to the counters once it is committed.
pub(super) struct Counts {
    records: usize,
    pub(super) done: usize,
    pub(super) duplicates: usize,
    pub(super) superseded: usize,
    pub(super) rejected: usize,
}

impl Counts {
    fn of(records: &[Record], outcome: &Outcome) -> Self {
        Self {
            records: records.len(),
            done: outcome.done,
            duplicates: outcome.duplicates,
            superseded: outcome.superseded,
            rejected: outcome.rejected.len(),
        }
    }

    fn tell(&self, spec: &Spec, records: &[Record]) {
        numbers::records(spec, records);
        for (outcome, count) in [
            (numbers::DONE, self.done),
            (numbers::DUPLICATE, self.duplicates),
            (numbers::SUPERSEDED, self.superseded),
            (numbers::DEAD_LETTER, self.rejected),
        ] {
            numbers::outcome(spec, outcome, count);
        }
    }

    fn note(&self, stats: &WorkerStats) {
        WorkerStats::add(&stats.records, self.records);
        WorkerStats::add(&stats.batches, 1);
        WorkerStats::add(&stats.done, self.done);
        WorkerStats::add(&stats.duplicates, self.duplicates);
        WorkerStats::add(&stats.superseded, self.superseded);
        WorkerStats::add(&stats.dead_letters, self.rejected);
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message");
    format!("the worker panicked: {text}")
}
