//! The one world that all simulated processes share, and how a call reaches it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use caravan::platform::PlatformError;
use caravan::platform::cache::CacheKey;
use jiff::{SignedDuration, Timestamp};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::cache::CacheState;
use crate::log::LogState;
use crate::planted::Planted;
use crate::scheduler::{Body, GiveWay, Timers, locked};
use crate::tables::Tables;

/// When every run begins.
const BEGIN: &str = "2026-11-23T10:00:00Z";
/// The longest a slow call takes.
const SLOW_MICROS_MAX: u64 = 60_000;

/// How likely each kind of trouble is, at each chance it gets; all zero is a calm world.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// A call fails and has done nothing.
    pub(crate) call_fails: f64,
    /// A call has done everything and its acknowledgement is lost.
    pub(crate) acknowledgement_lost: f64,
    /// A call takes its time.
    pub(crate) slow: f64,
    /// A record is appended twice.
    pub(crate) duplicated: f64,
    /// A wake-up never comes; the slow poll has to do.
    pub(crate) wake_up_lost: f64,
    /// Records of different partitions come in any order.
    pub(crate) reordered: f64,
    /// A process ends where it stands (at each poll of any task).
    pub(crate) crash: f64,
    /// A process is asked to leave (at each poll of any task).
    pub(crate) stop: f64,
    /// The wall clock jumps (at each poll of any task).
    pub(crate) clock_jump: f64,
    /// Whether the members of a group share its partitions out or all read everything.
    pub(crate) shared_out: bool,
}

/// Everything there is.
pub(crate) struct State {
    pub(crate) dice: ChaCha8Rng,
    pub(crate) timers: Timers,
    /// How far the wall clock is from where it would be without jumps, in seconds.
    pub(crate) jumped: i64,
    /// The latest the wall clock ever was.
    pub(crate) latest: Timestamp,
    pub(crate) faults: Faults,
    pub(crate) planted: Option<Planted>,
    pub(crate) tables: Tables,
    pub(crate) log: LogState,
    pub(crate) cache: CacheState,
    /// Counts changes of store and log.
    pub(crate) changes: u64,
    listeners: Vec<Waker>,
    /// Tasks to be started, and for which process.
    pub(crate) starting: Vec<(usize, Body)>,
    /// The transaction that told an event, by `ce_id`.
    pub(crate) told: BTreeMap<String, u64>,
    /// The transaction no answer about a key may be older than.
    pub(crate) fresh_since: BTreeMap<CacheKey, u64>,
    /// Until when writes to the store fail because the disk is full.
    pub(crate) disk_full_until: u64,
    /// How many commits are still refused as conflicts.
    pub(crate) conflicts_left: u64,
    /// Refuses, as a conflict, any transaction with more purchases than this.
    pub(crate) purchases_in_one_max: usize,
    /// Commits so far, applied or not.
    pub(crate) commits: u64,
    /// What went against a guarantee while running.
    pub(crate) violations: Vec<String>,
    /// How processes ended that were not asked to.
    pub(crate) failures: Vec<String>,
    hash: u64,
    verbose: bool,
}

impl State {
    fn new(seed: u64, planted: Option<Planted>, verbose: bool) -> Self {
        Self {
            dice: ChaCha8Rng::seed_from_u64(seed),
            timers: Timers::default(),
            jumped: 0,
            latest: begin(),
            faults: Faults::default(),
            planted,
            tables: Tables::default(),
            log: LogState::default(),
            cache: CacheState::default(),
            changes: 0,
            listeners: Vec::new(),
            starting: Vec::new(),
            told: BTreeMap::new(),
            fresh_since: BTreeMap::new(),
            disk_full_until: 0,
            conflicts_left: 0,
            purchases_in_one_max: usize::MAX,
            commits: 0,
            violations: Vec::new(),
            failures: Vec::new(),
            hash: 0xcbf2_9ce4_8422_2325,
            verbose,
        }
    }

    /// Whether something with this likelihood happens now.
    pub(crate) fn chance(&mut self, likelihood: f64) -> bool {
        likelihood > 0.0 && self.dice.random_bool(likelihood)
    }

    /// The wall clock.
    pub(crate) fn wall(&mut self) -> Timestamp {
        let passed = SignedDuration::from_micros(self.timers.now as i64) + SignedDuration::from_secs(self.jumped);
        let wall = begin() + passed;
        self.latest = self.latest.max(wall);
        wall
    }

    /// Something in store or log is other than it was.
    pub(crate) fn changed(&mut self) {
        self.changes += 1;
        self.listeners.drain(..).for_each(Waker::wake);
    }

    /// Adds to the trace; two runs that differ anywhere differ in its hash.
    pub(crate) fn trace(&mut self, what: &str) {
        for byte in what.bytes().chain(self.timers.now.to_le_bytes()) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.verbose {
            println!("{:>12.6} {what}", self.timers.now as f64 / 1e6);
        }
    }

    /// The hash of all that happened.
    pub(crate) fn trace_hash(&self) -> u64 {
        self.hash
    }
}

fn begin() -> Timestamp {
    BEGIN.parse().expect("a timestamp")
}

/// The state behind its lock. One thread runs everything, so nobody ever waits for it.
pub(crate) struct World {
    state: Mutex<State>,
}

impl World {
    pub(crate) fn new(seed: u64, planted: Option<Planted>, verbose: bool) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State::new(seed, planted, verbose)) })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

/// A process's way into the world.
#[derive(Clone)]
pub(crate) struct Handle {
    pub(crate) world: Arc<World>,
    /// Who calls, for the trace.
    pub(crate) process: usize,
}

/// What surrounds us is at fault.
pub(crate) fn trouble(what: &str) -> PlatformError {
    PlatformError::Environment(format!("simulated: {what}"))
}

impl Handle {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.world.state()
    }

    /// Lets others go first; at times for long.
    pub(crate) async fn pause(&self) {
        let slow = {
            let mut state = self.state();
            let likelihood = state.faults.slow;
            state.chance(likelihood).then(|| state.dice.random_range(1..SLOW_MICROS_MAX))
        };
        match slow {
            Some(micros) => self.nap(Duration::from_micros(micros)).await,
            None => GiveWay::default().await,
        }
    }

    /// One call: it can be overtaken, and can fail or be cut off, before its effect and after it.
    pub(crate) async fn call<T, E: From<PlatformError>>(
        &self,
        name: &str,
        effect: impl FnOnce(&mut State) -> Result<T, E>,
    ) -> Result<T, E> {
        self.pause().await;
        let result = {
            let mut state = self.state();
            let likelihood = state.faults.call_fails;
            if state.chance(likelihood) {
                state.trace(&format!("{} {name} fails", self.process));
                return Err(trouble("away").into());
            }
            let result = effect(&mut state);
            let outcome = if result.is_ok() { "done" } else { "refused" };
            state.trace(&format!("{} {name} {outcome}", self.process));
            result
        };
        self.pause().await;
        let mut state = self.state();
        let likelihood = state.faults.acknowledgement_lost;
        if result.is_ok() && state.chance(likelihood) {
            state.trace(&format!("{} {name} acknowledgement lost", self.process));
            return Err(trouble("acknowledgement lost").into());
        }
        result
    }

    /// Sleeps by the world's time.
    pub(crate) fn nap(&self, duration: Duration) -> Notice {
        let until = self.state().timers.now.saturating_add(micros(duration));
        Notice { world: self.world.clone(), since: None, until, timer: None }
    }

    /// Waits for a change after `since` (a value of [`State::changes`]), or until the time is over.
    pub(crate) fn notice(&self, since: u64, at_most: Duration) -> Notice {
        let mut notice = self.nap(at_most);
        let mut state = self.state();
        let likelihood = state.faults.wake_up_lost;
        notice.since = (!state.chance(likelihood)).then_some(since);
        drop(state);
        notice
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Waits for a time and perhaps for a change before it.
pub(crate) struct Notice {
    world: Arc<World>,
    since: Option<u64>,
    until: u64,
    timer: Option<(u64, u64)>,
}

impl Future for Notice {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let world = self.world.clone();
        let mut state = world.state();
        if state.timers.now >= self.until || self.since.is_some_and(|since| state.changes > since) {
            return Poll::Ready(());
        }
        if self.since.is_some() {
            state.listeners.push(context.waker().clone());
        }
        if self.timer.is_none() {
            self.timer = Some(state.timers.set(self.until, context.waker().clone()));
        }
        Poll::Pending
    }
}

impl Drop for Notice {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            self.world.state().timers.clear(timer);
        }
    }
}
