//! What the engine promises, one promise a test, in a world with just the trouble it is about.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use caravan::engine::worker::{Outcome, Spec, WorkError, Worker};
use caravan::platform::log::Record;
use caravan::platform::store::{Reads, Store};
use caravan::platform::transaction::{Effects, NewPurchase, NewWaitlisting, Transaction};
use caravan::workers::WorkerKind;
use caravan_domain::event::{Topic, decode_confirmation};
use caravan_domain::purchase::PurchaseStatus;
use caravan_domain::rejection::Reason;
use jiff::Timestamp;
use rand::RngExt;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::checks::quiet::what_is_left;
use crate::simulation::{Simulation, policy};
use crate::workload::{self, Ledger, Sent};

/// The bound of a graceful stop.
const STOP_SECONDS_MAX: u64 = 10;

/// A world with one process that does everything.
fn world(seed: u64) -> (Simulation, Ledger) {
    let mut simulation = Simulation::new(seed, None, false);
    simulation.add_process(WorkerKind::ALL.to_vec(), policy(), false);
    (simulation, Ledger::default())
}

/// A payment that Ravi of the workload's roster can teach.
fn payment(number: usize) -> Value {
    json!({
        "payment_id": format!("pay_{number}"), "confirmed_at": "2026-11-23T09:00:00Z",
        "amount": {"minor": 1000, "currency": "INR"},
        "student": {"id": format!("stu_{number}"), "time_zone": "Asia/Kolkata", "languages": ["en"]},
        "course": {"subject": "python", "level": "beginner"},
        "plan": {"start_date": "2026-12-01", "sessions": 2, "per_week": 1, "minutes": 60,
                 "slots": [{"weekday": "tue", "at": format!("{:02}:00", 8 + number % 4)}]},
        "metadata": {},
    })
}

fn refused(number: usize, stage: &str) -> Sent {
    let mut value = payment(number);
    value["metadata"]["refused"] = json!(stage);
    if stage == "purchase" {
        value["payment_id"] = json!(format!("refused_{number}"));
    }
    workload::confirmed(&value)
}

fn good(numbers: std::ops::Range<usize>) -> Vec<Sent> {
    numbers.map(|number| workload::confirmed(&payment(number))).collect()
}

/// Publishes at once, to partitions by key.
fn publish(simulation: &mut Simulation, ledger: &Ledger, sent: Vec<Sent>) {
    let handle = simulation.handle(100);
    simulation.spawn(workload::publish(handle, ledger.clone(), sent, 1));
    simulation.run_while(|simulation| !simulation.is_worked_off());
}

fn import(simulation: &mut Simulation, lines: &'static str) {
    let handle = simulation.handle(101);
    simulation.spawn(async move { workload::import(&handle, lines).await });
    simulation.run_while(|simulation| !simulation.is_worked_off());
}

fn settle(simulation: &mut Simulation) {
    assert_eq!(simulation.run_until_quiet(), Vec::<String>::new());
    assert_eq!(simulation.world.state().failures, Vec::<String>::new());
}

fn set_aside(simulation: &Simulation) -> Vec<(String, u32)> {
    let state = simulation.world.state();
    state.tables.dead_letters.iter().map(|letter| (letter.reason.clone(), letter.attempts)).collect()
}

fn purchases(simulation: &Simulation) -> usize {
    simulation.world.state().tables.purchases.len()
}

fn statuses(simulation: &Simulation) -> BTreeMap<String, &'static str> {
    let state = simulation.world.state();
    let rows = state.tables.purchases.values();
    rows.map(|row| (row.confirmation.payment_id.clone(), row.status.name())).collect()
}

#[test]
fn of_a_batch_only_the_record_that_fails_is_set_aside_and_everything_behind_it_goes_on() {
    let (mut simulation, ledger) = world(1);
    let mut sent = good(0..20);
    sent.insert(7, refused(90, "purchase"));
    publish(&mut simulation, &ledger, sent);
    settle(&mut simulation);
    assert_eq!(set_aside(&simulation), [(Reason::ProcessingFailed.code().to_owned(), policy().attempts_max)]);
    assert_eq!(purchases(&simulation), 20);
}

#[test]
fn a_record_that_was_published_often_and_fails_each_time_holds_nobody_up() {
    let (mut simulation, ledger) = world(2);
    let mut sent = vec![refused(90, "purchase"); 12];
    sent.extend(good(0..5));
    publish(&mut simulation, &ledger, sent);
    settle(&mut simulation);
    assert_eq!(set_aside(&simulation).len(), 12);
    assert_eq!(purchases(&simulation), 5);
}

#[test]
fn a_full_disk_sets_nothing_aside() {
    let (mut simulation, ledger) = world(3);
    simulation.world.state().disk_full_until = 120_000_000;
    publish(&mut simulation, &ledger, good(0..20));
    simulation.run_for(Duration::from_secs(100));
    assert_eq!((purchases(&simulation), set_aside(&simulation)), (0, Vec::new()));
    settle(&mut simulation);
    assert_eq!((purchases(&simulation), set_aside(&simulation)), (20, Vec::new()));
}

#[test]
fn while_the_outbox_cannot_be_cleared_what_is_published_is_not_published_again() {
    let (mut simulation, ledger) = world(4);
    publish(&mut simulation, &ledger, good(0..6));
    simulation.run_while(|simulation| simulation.world.state().tables.outbox.is_empty());
    let full = simulation.world.state().timers.now + 60_000_000;
    simulation.world.state().disk_full_until = full;
    settle(&mut simulation);
    let state = simulation.world.state();
    let mut copies = BTreeMap::<&str, usize>::new();
    for record in state.log.history(Topic::PurchaseCreated) {
        *copies.entry(record.headers.get_text("ce_id").unwrap_or_default()).or_default() += 1;
    }
    assert_eq!(copies.len(), 6);
    assert!(copies.values().all(|copies| *copies <= 2), "{copies:?}");
}

/// A worker that panics over some records.
struct Panicking(Box<dyn Worker>);

#[async_trait]
impl Worker for Panicking {
    fn spec(&self) -> Spec {
        self.0.spec()
    }

    async fn handle(&mut self, batch: &[Record], reads: &dyn Reads, now: Timestamp) -> Result<Outcome, WorkError> {
        let cursed =
            |record: &Record| record.at.topic != Topic::DeadLetterQueue && record.key.as_deref() == Some(b"pay_panic");
        assert!(!batch.iter().any(cursed), "a record nobody expected");
        self.0.handle(batch, reads, now).await
    }

    async fn look_around(&mut self, reads: &dyn Reads, now: Timestamp) -> Result<Option<Outcome>, WorkError> {
        self.0.look_around(reads, now).await
    }

    fn committed(&mut self) {
        self.0.committed();
    }

    fn not_committed(&mut self) {
        self.0.not_committed();
    }

    fn look_elsewhere(&mut self) -> bool {
        self.0.look_elsewhere()
    }
}

#[test]
fn a_worker_that_panics_over_a_record_sets_just_that_one_aside() {
    let mut simulation = Simulation::new(5, None, false);
    simulation.add_wrapped(WorkerKind::ALL.to_vec(), policy(), false, |worker| Box::new(Panicking(worker)));
    let mut sent = good(0..10);
    let mut cursed = payment(11);
    cursed["payment_id"] = json!("pay_panic");
    sent.insert(4, workload::confirmed(&cursed));
    publish(&mut simulation, &Ledger::default(), sent);
    settle(&mut simulation);
    assert_eq!(purchases(&simulation), 10);
    assert_eq!(set_aside(&simulation), [(Reason::ProcessingFailed.code().to_owned(), policy().attempts_max)]);
    let detail = simulation.world.state().tables.dead_letters[0].detail.clone();
    assert!(detail.contains("a record nobody expected"), "{detail}");
}

#[test]
fn a_storm_of_conflicts_ends_and_sets_nothing_aside() {
    let (mut simulation, ledger) = world(6);
    simulation.world.state().conflicts_left = 400;
    publish(&mut simulation, &ledger, good(0..12));
    settle(&mut simulation);
    assert_eq!((purchases(&simulation), set_aside(&simulation)), (12, Vec::new()));
}

#[test]
fn a_batch_that_always_conflicts_is_tried_in_smaller_parts() {
    let (mut simulation, ledger) = world(7);
    simulation.world.state().purchases_in_one_max = 1;
    publish(&mut simulation, &ledger, good(0..16));
    settle(&mut simulation);
    assert_eq!((purchases(&simulation), set_aside(&simulation)), (16, Vec::new()));
}

/// Positions of a group in a topic, summed up without gaps: how many records it has handled.
fn handled(simulation: &Simulation, kind: WorkerKind, topic: Topic) -> usize {
    let state = simulation.world.state();
    let position = |record: &&std::sync::Arc<Record>| {
        let position = state.tables.positions.get(&(kind.spec().group.to_owned(), record.at));
        position.is_some_and(|position| record.offset < position.next_offset)
    };
    state.log.history(topic).filter(position).count()
}

#[test]
fn whenever_a_stop_comes_the_batch_in_hand_is_finished_and_none_is_half_done() {
    for turns in (0..400).step_by(3) {
        let (mut simulation, ledger) = world(8);
        simulation.leave_for_good(0);
        publish(&mut simulation, &ledger, good(0..12));
        for _ in 0..turns {
            simulation.turn();
        }
        simulation.stop(0);
        let asked = simulation.world.state().timers.now;
        simulation.run_while(|simulation| simulation.is_running(0));
        let seconds = (simulation.world.state().timers.now - asked) / 1_000_000;
        assert!(seconds < STOP_SECONDS_MAX, "after {turns} turns it took {seconds} s");
        let confirmed = handled(&simulation, WorkerKind::Purchase, Topic::PurchaseConfirmed);
        assert_eq!(confirmed, purchases(&simulation), "after {turns} turns");
    }
}

#[test]
fn whenever_a_crash_comes_nothing_is_half_done() {
    for turns in (0..600).step_by(7) {
        let (mut simulation, ledger) = world(9);
        publish(&mut simulation, &ledger, good(0..8));
        for _ in 0..turns {
            simulation.turn();
        }
        simulation.crash(0, u64::MAX);
        let confirmed = handled(&simulation, WorkerKind::Purchase, Topic::PurchaseConfirmed);
        assert_eq!(confirmed, purchases(&simulation), "after {turns} turns");
        let created = handled(&simulation, WorkerKind::Allocation, Topic::PurchaseCreated);
        let undecided = statuses(&simulation).into_values().filter(|status| *status == "created").count();
        assert!(created <= purchases(&simulation) - undecided, "after {turns} turns");
    }
}

#[test]
fn until_idle_leaves_only_when_nothing_is_left() {
    let mut waited = 0;
    for seed in 0..120 {
        let mut simulation = Simulation::new(seed, None, false);
        let ledger = Ledger::default();
        simulation.world.state().faults.slow = 0.2;
        // A first run leaves some on the waitlist, and a day passes: whom the cron could help is looked at again.
        let first = simulation.add_process(WorkerKind::ALL.to_vec(), policy(), false);
        import(&mut simulation, workload::ROSTER);
        let sent = {
            let mut state = simulation.world.state();
            workload::payments(12, &mut |of| state.dice.random_range(0..of.max(1)))
        };
        publish(&mut simulation, &ledger, sent);
        settle(&mut simulation);
        simulation.leave_for_good(first);
        simulation.crash(first, u64::MAX);
        simulation.calm();
        {
            let mut state = simulation.world.state();
            (state.faults.slow, state.faults.wake_up_lost) = (0.2, 0.5);
        }
        let process = simulation.add_process(WorkerKind::ALL.to_vec(), policy(), true);
        simulation.leave_for_good(process);
        simulation.run_while(|simulation| simulation.is_running(process));
        let state = simulation.world.state();
        assert_eq!(state.failures, Vec::<String>::new(), "seed {seed}");
        assert_eq!(what_is_left(&state), Vec::<String>::new(), "seed {seed}");
        waited += state.tables.waitlist.len();
    }
    assert!(waited > 0, "nobody waited: the cron had nobody to help");
}

/// What happens to a topic behind the group's back.
type Damage = fn(&mut crate::log::TopicLog);

#[test]
fn a_position_that_does_not_fit_the_log_is_a_loud_error_with_the_command_that_settles_it() {
    let damages: [(&str, Damage); 3] = [
        ("before the log's start", |topic| topic.partitions.iter_mut().for_each(|partition| partition.start = 1_000)),
        ("beyond the log's end", |topic| topic.partitions.iter_mut().for_each(|partition| partition.records.clear())),
        ("made again", |topic| topic.id = Uuid::from_u128(1)),
    ];
    for (problem, damage) in damages {
        let (mut simulation, ledger) = world(10);
        publish(&mut simulation, &ledger, good(0..12));
        settle(&mut simulation);
        simulation.crash(0, 0);
        simulation.leave_for_good(0);
        let again = simulation.add_process(vec![WorkerKind::Purchase], policy(), false);
        simulation.leave_for_good(again);
        simulation.world.state().log.topics.get_mut(&Topic::PurchaseConfirmed).map(damage).expect("a topic");
        simulation.run_while(|simulation| simulation.is_running(again));
        let failures = simulation.world.state().failures.clone();
        let named = format!("caravan groups replay {} --topic purchase-confirmed", WorkerKind::Purchase.spec().group);
        assert!(failures.len() == 1 && failures[0].contains(&named) && failures[0].contains(problem), "{failures:?}");
        assert_eq!(purchases(&simulation), 12, "nothing else happened");
    }
}

/// Another owner of the partitions has gone on to their ends, and what it has read is trimmed.
fn overtake(simulation: &Simulation, kind: WorkerKind, topic: Topic) {
    let mut state = simulation.world.state();
    let Some(log) = state.log.topics.get_mut(&topic) else { return };
    log.partitions.iter_mut().for_each(|partition| partition.start = partition.end());
    let ends: Vec<u64> = log.partitions.iter().map(crate::log::Partition::end).collect();
    for ((group, at), position) in &mut state.tables.positions {
        if group == kind.spec().group && at.topic == topic {
            position.next_offset = ends[at.partition as usize];
        }
    }
}

#[test]
fn whenever_another_owner_goes_on_and_the_log_is_trimmed_no_position_counts_as_lost() {
    for turns in 0..60 {
        let (mut simulation, ledger) = world(14);
        publish(&mut simulation, &ledger, good(0..6));
        settle(&mut simulation);
        simulation.crash(0, 0);
        simulation.leave_for_good(0);
        publish(&mut simulation, &ledger, good(6..12));
        simulation.add_process(vec![WorkerKind::Purchase], policy(), false);
        for _ in 0..turns {
            simulation.turn();
        }
        overtake(&simulation, WorkerKind::Purchase, Topic::PurchaseConfirmed);
        simulation.run_for(Duration::from_secs(5));
        publish(&mut simulation, &ledger, good(12..13));
        simulation.run_for(Duration::from_secs(5));
        assert_eq!(simulation.world.state().failures, Vec::<String>::new(), "after {turns} turns");
        assert!(statuses(&simulation).contains_key("pay_12"), "after {turns} turns");
    }
}

#[test]
fn of_two_reports_of_a_payment_the_first_stands() {
    for seed in 0..20 {
        let (mut simulation, ledger) = world(seed);
        let mut second = payment(1);
        second["amount"]["minor"] = json!(1);
        publish(&mut simulation, &ledger, vec![workload::confirmed(&payment(1)), workload::confirmed(&second)]);
        settle(&mut simulation);
        let state = simulation.world.state();
        let amounts: Vec<i64> = state.tables.purchases.values().map(|row| row.confirmation.amount.minor).collect();
        assert_eq!(amounts, [1000], "seed {seed}");
        let reasons: Vec<&str> = state.tables.dead_letters.iter().map(|letter| letter.reason.as_str()).collect();
        assert_eq!(reasons, [Reason::ConflictingPayment.code()], "seed {seed}");
    }
}

#[test]
fn a_purchase_on_the_waitlist_that_cannot_be_booked_holds_nobody_up() {
    let (mut simulation, ledger) = world(11);
    let mut sent = good(0..3);
    sent.insert(1, refused(3, "booking"));
    publish(&mut simulation, &ledger, sent);
    settle(&mut simulation);
    assert!(statuses(&simulation).values().all(|status| *status == "waitlisted"), "nobody is there to teach yet");
    import(&mut simulation, workload::ROSTER);
    simulation.run_for(Duration::from_secs(60));
    publish(&mut simulation, &ledger, good(11..12));
    simulation.run_for(Duration::from_secs(60));
    let statuses = statuses(&simulation);
    let expected = [
        ("pay_0", "scheduled"),
        ("pay_1", "scheduled"),
        ("pay_11", "scheduled"),
        ("pay_2", "scheduled"),
        ("pay_3", "waitlisted"),
    ];
    assert_eq!(statuses, expected.map(|(payment, status)| (payment.to_owned(), status)).into());
}

#[test]
fn a_purchase_whose_window_cannot_be_extended_holds_nobody_else_up() {
    let (mut simulation, ledger) = world(12);
    import(&mut simulation, workload::ROSTER);
    let mut sent = good(0..3);
    for (number, one) in sent.iter_mut().enumerate() {
        let mut value = payment(number);
        value["plan"]["sessions"] = json!(12);
        *one = workload::confirmed(&value);
    }
    publish(&mut simulation, &ledger, sent);
    settle(&mut simulation);
    let cursed = {
        let mut state = simulation.world.state();
        let (id, row) = state.tables.purchases.iter_mut().nth(1).expect("three purchases");
        std::sync::Arc::make_mut(row).confirmation.metadata.insert("refused".into(), "sessions".into());
        *id
    };
    let horizons = |simulation: &Simulation| -> BTreeMap<Uuid, _> {
        simulation.world.state().tables.purchases.iter().map(|(id, row)| (*id, row.horizon)).collect()
    };
    let before = horizons(&simulation);
    simulation.world.state().jumped += 15 * 86_400;
    simulation.run_for(Duration::from_secs(120));
    for (id, horizon) in horizons(&simulation) {
        assert_eq!(horizon > before[&id], id != cursed, "{id}: {horizon:?}");
    }
    assert!(what_is_left(&simulation.world.state()).is_empty(), "the cron counts as done");
}

#[test]
fn whom_another_process_put_on_the_waitlist_with_an_old_roster_in_mind_is_looked_at_again() {
    let (mut simulation, ledger) = world(13);
    import(&mut simulation, workload::ROSTER);
    publish(&mut simulation, &ledger, good(0..1));
    settle(&mut simulation);
    let (handle, now) = (simulation.handle(1), simulation.world.state().wall());
    let confirmation = decode_confirmation(&payment(1), now).expect("a good payment");
    let id = Uuid::from_u128(9);
    let purchases = vec![NewPurchase { id, created_at: now, confirmation }];
    let waitlistings =
        vec![NewWaitlisting { purchase_id: id, waitlisted_at: now, seen_version: 0, receipt: String::new() }];
    let effects = Effects { purchases, waitlistings, ..Effects::default() };
    simulation.spawn(async move {
        handle.commit(&Transaction { effects, ..Transaction::default() }).await.expect("a commit");
    });
    settle(&mut simulation);
    assert_eq!(simulation.world.state().tables.purchases[&id].status, PurchaseStatus::Scheduled);
}
