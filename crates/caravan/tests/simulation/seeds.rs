//! Many runs, each a seed: whatever happens, the guarantees hold.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use caravan::workers::WorkerKind;
use rand::RngExt;

use crate::planted::Planted;
use crate::simulation::{Simulation, policy};
use crate::workload;
use crate::world::Faults;

/// How many runs, unless `CARAVAN_SIMULATION_SEEDS` says otherwise.
const SEEDS_DEFAULT: u64 = 300;
/// Payments of a run, before repeats of single ones by the log.
const PAYMENTS: usize = 36;
/// Readers who ask the cache.
const READERS: usize = 4;
/// Threads that share the seeds.
const THREADS: u64 = 2;

/// What a run came to.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) violations: Vec<String>,
    pub(crate) trace_hash: u64,
    /// How much happened, to tell a run in which nothing did.
    pub(crate) counts: BTreeMap<&'static str, u64>,
}

/// One run.
pub(crate) fn run(seed: u64, planted: Option<Planted>, verbose: bool) -> Report {
    let mut simulation = Simulation::new(seed, planted, verbose);
    let ledger = workload::Ledger::new(Mutex::default());
    people_processes(&mut simulation);
    fill(&mut simulation, &ledger);
    simulation.run_while(|simulation| !simulation.is_worked_off());
    simulation.calm();
    let mut never_quiet = simulation.run_until_quiet();
    // One more day, whose cron finds nothing under way: what is over by then is marked so.
    simulation.calm();
    never_quiet.extend(simulation.run_until_quiet());
    let state = simulation.world.state();
    let mut violations = state.violations.clone();
    violations.extend(state.failures.iter().map(|failure| format!("a process gave up: {failure}")));
    violations.extend(never_quiet);
    if violations.is_empty() {
        violations = crate::checks::violations(&state, &ledger);
    }
    Report { violations, trace_hash: state.trace_hash(), counts: counts(&state) }
}

/// Two or three processes, the first with every worker, so that each has somebody to do it when
/// others leave for good.
fn people_processes(simulation: &mut Simulation) {
    let (faults, more, batch) = {
        let mut state = simulation.world.state();
        let faults = faults(&mut |most| state.dice.random_range(0.0..most));
        state.faults = Faults { shared_out: state.dice.random_bool(0.3), ..faults };
        (state.faults, state.dice.random_range(1..3), state.dice.random_range(1..9))
    };
    let mut policy = policy();
    policy.batch.records_max = batch;
    simulation.add_process(WorkerKind::ALL.to_vec(), policy.clone(), false);
    for number in 0..more {
        let all = simulation.world.state().dice.random_bool(0.6);
        let workers =
            if all { WorkerKind::ALL.to_vec() } else { vec![WorkerKind::ALL[number * 2], WorkerKind::Allocation] };
        let process = simulation.add_process(workers, policy.clone(), false);
        if faults.crash > 0.0 && simulation.world.state().dice.random_bool(0.3) {
            simulation.leave_for_good(process);
        }
    }
}

/// Each kind of trouble, at most so likely.
fn faults(draw: &mut impl FnMut(f64) -> f64) -> Faults {
    Faults {
        call_fails: draw(0.02),
        acknowledgement_lost: draw(0.02),
        slow: draw(0.2),
        duplicated: draw(0.05),
        wake_up_lost: draw(0.3),
        reordered: draw(0.3),
        crash: draw(0.0006),
        stop: draw(0.0002),
        clock_jump: draw(0.0006),
        shared_out: false,
    }
}

fn fill(simulation: &mut Simulation, ledger: &workload::Ledger) {
    let sent = {
        let mut state = simulation.world.state();
        workload::payments(PAYMENTS, &mut |of| state.dice.random_range(0..of.max(1)))
    };
    let handle = |number: usize| simulation.handle(100 + number);
    let (publisher, roster, closures, letters, disk) = (handle(0), handle(1), handle(2), handle(3), handle(4));
    simulation.spawn(workload::publish(publisher, ledger.clone(), sent, 1_500));
    simulation.spawn(workload::edit_roster(roster, 4_000));
    simulation.spawn(workload::edit_closures(closures, 15_000));
    simulation.spawn(workload::redrive(letters, ledger.clone(), 5, 6_000));
    simulation.spawn(workload::fill_the_disk(disk, 20_000));
    (0..READERS).for_each(|_| simulation.spawn_reader());
}

fn counts(state: &crate::world::State) -> BTreeMap<&'static str, u64> {
    let tables = &state.tables;
    let sessions = tables.purchases.values().map(|row| row.sessions.len() as u64).sum();
    BTreeMap::from([
        ("purchases", tables.purchases.len() as u64),
        ("waited", tables.purchases.values().map(|row| row.waits as u64).sum()),
        ("waiting", tables.waitlist.len() as u64),
        ("sessions", sessions),
        ("dead letters", tables.dead_letters.len() as u64),
        ("commits", state.commits),
        ("cache hits", state.cache.hits),
    ])
}

fn number_of(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn the_guarantees_hold_whatever_happens() {
    if let Some(seed) = number_of("CARAVAN_SIMULATION_SEED") {
        let report = run(seed, None, true);
        println!("{:?}", report.counts);
        assert!(report.violations.is_empty(), "seed {seed}: {:#?}", report.violations);
        return;
    }
    let seeds = number_of("CARAVAN_SIMULATION_SEEDS").unwrap_or(SEEDS_DEFAULT);
    let reports: Vec<(u64, Report)> = std::thread::scope(|scope| {
        let part =
            |thread: u64| move || (thread..seeds).step_by(THREADS as usize).map(|seed| (seed, caught(seed))).collect();
        let parts: Vec<_> = (0..THREADS).map(|thread| scope.spawn(part(thread))).collect();
        parts.into_iter().flat_map(|part| part.join().unwrap_or_else(|_| Vec::new())).collect()
    });
    assert_eq!(reports.len() as u64, seeds);
    let broken: Vec<String> = reports.iter().filter_map(|(seed, report)| told(*seed, report)).collect();
    assert!(broken.is_empty(), "{} of {seeds} seeds break a guarantee:\n{}", broken.len(), broken.join("\n"));
    let mut totals = BTreeMap::<&str, u64>::new();
    reports
        .iter()
        .flat_map(|(_, report)| &report.counts)
        .for_each(|(what, count)| *totals.entry(what).or_default() += count);
    println!("{seeds} seeds: {totals:?}");
    for (what, count) in totals {
        assert!(count > 0, "no run had any {what}: the workload tests nothing");
    }
}

/// A run, even if something in it panics.
fn caught(seed: u64) -> Report {
    let run = catch_unwind(AssertUnwindSafe(|| run(seed, None, false)));
    run.unwrap_or_else(|_| Report { violations: vec!["something panicked".to_owned()], ..Report::default() })
}

/// What is wrong with a run, and how to look at it alone.
fn told(seed: u64, report: &Report) -> Option<String> {
    let first = report.violations.first()?;
    let alone =
        format!("CARAVAN_SIMULATION_SEED={seed} cargo test -p caravan --test simulation guarantees -- --nocapture");
    Some(format!("seed {seed}: {first} (and {} more)\n  alone: {alone}", report.violations.len() - 1))
}

#[test]
fn a_seed_is_a_run() {
    for seed in 0..4 {
        let (first, second) = (run(seed, None, false), run(seed, None, false));
        assert_eq!(first.trace_hash, second.trace_hash, "seed {seed}");
        assert_eq!(first.counts, second.counts, "seed {seed}");
    }
    assert_ne!(run(1, None, false).trace_hash, run(2, None, false).trace_hash);
}
