//! A run: processes that do the real work on the simulated world, and the trouble they get into.

use std::sync::Arc;
use std::time::Duration;

use caravan::engine::worker::Worker;
use caravan::engine::{self, Policy, Stats, Stop, Task};
use caravan::platform::log::FetchLimit;
use caravan::workers::{self, RunOptions, WorkerKind};
use jiff::Timestamp;
use jiff::civil::time;
use jiff::tz::TimeZone;
use rand::RngExt;

use crate::planted::Planted;
use crate::scheduler::{Body, Scheduler, TaskId};
use crate::world::{Faults, Handle, World};

/// Polls after which a run counts as caught in a circle.
const TURNS_MAX: u64 = 5_000_000;
/// Seconds a calm world may take until nothing is left to do.
const QUIET_SECONDS_MAX: u64 = 900;
/// Seconds in a row nothing may be left to do before it counts.
const QUIET_SECONDS: u64 = 3;
/// How far a clock jumps back at most: a day.
const BACK_SECONDS_MAX: i64 = 86_400;
/// How far it jumps forward at most.
const FORWARD_SECONDS_MAX: i64 = 3 * 86_400;
/// How long a process is away after a crash, at most.
const AWAY_MICROS_MAX: u64 = 3_000_000;
/// Whom the readers belong to: nobody who could crash.
const READERS: usize = 1_000;

/// What a test does to a worker before it runs.
pub(crate) type Wrap = fn(Box<dyn Worker>) -> Box<dyn Worker>;

/// A process that can be started again.
struct Process {
    options: RunOptions,
    wrap: Wrap,
    stop: Stop,
    stats: Arc<Stats>,
    running: bool,
    /// When it comes back.
    back_at: u64,
    /// It is never started again.
    gone: bool,
}

/// A world with processes in it.
pub(crate) struct Simulation {
    pub(crate) world: Arc<World>,
    scheduler: Scheduler,
    processes: Vec<Process>,
    turns: u64,
}

/// The engine's numbers, small enough that everything happens within minutes.
pub(crate) fn policy() -> Policy {
    Policy {
        batch: FetchLimit { records_max: 8, bytes_max: 1 << 20 },
        attempts_max: 3,
        backoff_min: Duration::from_millis(10),
        backoff_max: Duration::from_secs(1),
        log_retention: Duration::from_secs(3600),
        ..Policy::default()
    }
}

impl Simulation {
    pub(crate) fn new(seed: u64, planted: Option<Planted>, verbose: bool) -> Self {
        let world = World::new(seed, planted, verbose);
        Self { world, scheduler: Scheduler::default(), processes: Vec::new(), turns: 0 }
    }

    /// A way into the world for a command or a test, with a name for the trace.
    pub(crate) fn handle(&self, process: usize) -> Handle {
        Handle { world: self.world.clone(), process }
    }

    /// Adds something that is done once, by nobody who could crash.
    pub(crate) fn spawn(&mut self, body: impl Future<Output = ()> + Send + 'static) {
        self.scheduler.spawn(None, Box::pin(body));
    }

    /// Adds a reader.
    pub(crate) fn spawn_reader(&mut self) {
        let handle = self.handle(READERS);
        self.scheduler.spawn(Some(READERS), Box::pin(crate::reader::ask_for_ever(handle)));
    }

    /// Adds a process with these workers and starts it.
    pub(crate) fn add_process(&mut self, workers: Vec<WorkerKind>, policy: Policy, until_idle: bool) -> usize {
        self.add_wrapped(workers, policy, until_idle, |worker| worker)
    }

    /// Adds a process whose workers are wrapped.
    pub(crate) fn add_wrapped(
        &mut self,
        workers: Vec<WorkerKind>,
        policy: Policy,
        until_idle: bool,
        wrap: Wrap,
    ) -> usize {
        let number = self.processes.len();
        let options = RunOptions { workers, until_idle, policy, instance: format!("process-{number}") };
        let process = Process {
            options,
            wrap,
            stop: Stop::new(),
            stats: Arc::default(),
            running: false,
            back_at: 0,
            gone: false,
        };
        self.processes.push(process);
        self.start(number);
        number
    }

    /// Asks a process to leave.
    pub(crate) fn stop(&mut self, process: usize) {
        self.processes[process].stop.request();
    }

    /// It is not started again, however it ends.
    pub(crate) fn leave_for_good(&mut self, process: usize) {
        self.processes[process].gone = true;
    }

    /// Whether any of its loops runs.
    pub(crate) fn is_running(&self, process: usize) -> bool {
        let state = self.world.state();
        self.scheduler.has_process(process) || state.starting.iter().any(|(starting, _)| *starting == process)
    }

    /// Whether everything that is done once is done.
    pub(crate) fn is_worked_off(&self) -> bool {
        self.scheduler.only_processes_left()
    }

    fn start(&mut self, number: usize) {
        let handle = self.handle(number);
        let process = &mut self.processes[number];
        (process.running, process.stop, process.stats) = (true, Stop::new(), Arc::default());
        let (options, wrap) = (process.options.clone(), process.wrap);
        let (stop, stats) = (process.stop.clone(), process.stats.clone());
        self.scheduler.spawn(Some(number), Box::pin(boot(handle, options, wrap, stop, stats)));
    }

    /// One poll, or, if nobody is awake, one step of time. The task that was polled.
    pub(crate) fn turn(&mut self) -> Option<TaskId> {
        let world = self.world.clone();
        let starting = std::mem::take(&mut world.state().starting);
        starting.into_iter().for_each(|(process, body)| self.scheduler.spawn(Some(process), body));
        let polled = self.scheduler.turn(|awake| world.state().dice.random_range(0..awake));
        match polled {
            Some(task) => world.state().trace(&task.to_string()),
            None => self.pass_time(),
        }
        self.turns += 1;
        if self.turns == TURNS_MAX {
            world.state().violations.push(format!("it goes round in circles: {TURNS_MAX} polls"));
        }
        self.trouble();
        self.bring_back();
        polled
    }

    fn pass_time(&mut self) {
        let mut state = self.world.state();
        if !state.timers.advance() {
            let back = self.processes.iter().filter(|process| !process.running && !process.gone);
            state.timers.now = back.map(|process| process.back_at).min().unwrap_or(state.timers.now + 1_000_000);
        }
    }

    fn trouble(&mut self) {
        let faults = self.world.state().faults;
        let number = |state: &mut crate::world::State, of: usize| state.dice.random_range(0..of.max(1));
        let world = self.world.clone();
        let mut state = world.state();
        if state.chance(faults.crash) {
            let (hit, away) = (number(&mut state, self.processes.len()), state.dice.random_range(0..AWAY_MICROS_MAX));
            let back_at = state.timers.now + away;
            state.trace(&format!("{hit} crashes"));
            drop(state);
            self.crash(hit, back_at);
            return;
        }
        if state.chance(faults.stop) {
            let asked = number(&mut state, self.processes.len());
            drop(state);
            self.stop(asked);
            return;
        }
        if state.chance(faults.clock_jump) {
            state.jumped += state.dice.random_range(-BACK_SECONDS_MAX..FORWARD_SECONDS_MAX);
            let wall = state.wall();
            state.trace(&format!("the clock jumps to {wall}"));
        }
    }

    /// Ends a process where it stands; it comes back then, unless it is gone for good.
    pub(crate) fn crash(&mut self, number: usize, back_at: u64) {
        self.scheduler.drop_process(number);
        self.world.state().starting.retain(|(process, _)| *process != number);
        (self.processes[number].running, self.processes[number].back_at) = (false, back_at);
    }

    /// Starts who is due; notices who has left.
    fn bring_back(&mut self) {
        let now = self.world.state().timers.now;
        for number in 0..self.processes.len() {
            let left = !self.is_running(number);
            let process = &mut self.processes[number];
            if process.running && left {
                (process.running, process.back_at) = (false, now);
            }
            if !process.running && !process.gone && process.back_at <= now {
                self.start(number);
            }
        }
    }

    /// Goes on for this long, or until a violation.
    pub(crate) fn run_for(&mut self, duration: Duration) {
        let until = self.world.state().timers.now + duration.as_micros() as u64;
        self.run_while(|simulation| simulation.world.state().timers.now < until);
    }

    /// Goes on while `going` says so, or until a violation.
    pub(crate) fn run_while(&mut self, going: impl Fn(&Self) -> bool) {
        while going(self) && self.world.state().violations.is_empty() {
            self.turn();
        }
    }

    /// Ends all trouble and lets the noon of the day after the latest one come, so that the cron is
    /// due and no day changes under the checks.
    pub(crate) fn calm(&mut self) {
        let mut state = self.world.state();
        state.faults = Faults { shared_out: state.faults.shared_out, ..Faults::default() };
        (state.disk_full_until, state.conflicts_left, state.purchases_in_one_max) = (0, 0, usize::MAX);
        let (wall, latest) = (state.wall(), state.latest);
        state.jumped += wall.duration_until(noon_after(latest)).as_secs();
    }

    /// Runs until nothing is left to do; what is left, if that never comes.
    pub(crate) fn run_until_quiet(&mut self) -> Vec<String> {
        let mut quiet = 0;
        let mut left = Vec::new();
        for _ in 0..QUIET_SECONDS_MAX {
            self.run_for(Duration::from_secs(1));
            left = crate::checks::quiet::what_is_left(&self.world.state());
            quiet = if left.is_empty() { quiet + 1 } else { 0 };
            if quiet >= QUIET_SECONDS || !self.world.state().violations.is_empty() {
                return Vec::new();
            }
        }
        left.into_iter().map(|what| format!("never quiet: {what}")).collect()
    }
}

fn noon_after(instant: Timestamp) -> Timestamp {
    let day = instant.to_zoned(TimeZone::UTC).date().tomorrow().expect("a date within the calendar");
    day.to_datetime(time(12, 0, 0, 0)).to_zoned(TimeZone::UTC).expect("noon is in every day").timestamp()
}

/// What `engine::run` does, with the world to drive the loops.
async fn boot(handle: Handle, options: RunOptions, wrap: Wrap, stop: Stop, stats: Arc<Stats>) {
    let platform = handle.platform();
    let policy = options.policy.clone();
    match engine::prepare(&platform, &policy, &stop).await {
        Ok(true) => {}
        Ok(false) => return,
        Err(error) => return handle.state().failures.push(error.to_string()),
    }
    let mut work = workers::work(options);
    work.workers = work.workers.into_iter().map(wrap).collect();
    for task in engine::tasks(&platform, work, &policy, &stop, &stats) {
        let body: Body = Box::pin(watched(handle.clone(), task, stop.clone()));
        handle.state().starting.push((handle.process, body));
    }
}

/// The first loop that fails stops the others.
async fn watched(handle: Handle, task: Task, stop: Stop) {
    if let Err(error) = task.await {
        handle.state().failures.push(error.to_string());
        stop.request();
    }
}
