//! `kill -9` at any moment, and a restart: every input is accounted for, once.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::place::{Place, coming};

const ROUNDS: usize = 24;
const PAYMENTS_IN_ROUND: usize = 25;
/// Small batches: more steps to be killed in.
const SMALL_BATCHES: [(&str, &str); 2] = [("CARAVAN_BATCH_RECORDS_MAX", "5"), ("CARAVAN_LOG", "warn")];
/// From before a process has opened the database until after it has worked through a round.
const LIFE_MILLIS: std::ops::Range<u64> = 20..400;

/// The payments of a round: good ones, every fifth reported twice, one broken, one conflicting.
fn payments(round: usize) -> Vec<Value> {
    let id = |number: usize| format!("pay_{round}_{number}");
    let mut payments: Vec<Value> = (0..PAYMENTS_IN_ROUND).map(|number| coming(&id(number))).collect();
    payments.extend((0..PAYMENTS_IN_ROUND).step_by(5).map(|number| coming(&id(number))));
    let mut broken = coming(&id(PAYMENTS_IN_ROUND));
    broken["plan"]["minutes"] = json!(7);
    let mut conflicting = coming(&id(0));
    conflicting["amount"]["minor"] = json!(round + 1);
    payments.extend([broken, conflicting]);
    payments
}

fn is_unfinished(place: &Place) -> bool {
    let lines = place.run(&["groups", "--json"]).json_lines();
    lines.iter().any(|line| {
        line["lag"].as_u64().is_some_and(|lag| lag > 0) || line["outbox"].as_u64().is_some_and(|rows| rows > 0)
    })
}

#[test]
fn killed_at_any_moment_again_and_again_nothing_is_lost_and_nothing_is_done_twice() {
    let place = Place::with_trainers(8);
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let mut interrupted = 0;
    for round in 0..ROUNDS {
        place.confirm(payments(round));
        let workers = place.spawn(&["run"], &SMALL_BATCHES);
        std::thread::sleep(Duration::from_millis(random.random_range(LIFE_MILLIS)));
        workers.kill();
        interrupted += usize::from(is_unfinished(&place));
    }
    assert!(interrupted >= ROUNDS / 4, "only {interrupted} of {ROUNDS} were killed at work");
    place.drain();

    let purchases = place.run(&["purchases", "list", "--json"]).json_lines();
    let paid: BTreeSet<&str> = purchases.iter().filter_map(|purchase| purchase["payment_id"].as_str()).collect();
    assert_eq!((purchases.len(), paid.len()), (ROUNDS * PAYMENTS_IN_ROUND, ROUNDS * PAYMENTS_IN_ROUND));
    for purchase in &purchases {
        assert!(purchase["status"] == "scheduled" || purchase["status"] == "waitlisted", "{purchase}");
    }
    let scheduled = purchases.iter().filter(|purchase| purchase["status"] == "scheduled").count();
    assert!(scheduled > 0);
    assert_eq!(place.run(&["sessions", "list", "--json"]).json_lines().len(), scheduled * 4);
    place.nothing_is_left_over(ROUNDS * 2);
}

#[test]
fn a_command_that_is_killed_has_done_its_work_or_none_of_it_and_can_be_repeated() {
    let place = Place::new();
    place.write_lines(
        "roster.jsonl",
        (0..2_000).map(|number| crate::sample::trainer(&format!("trn_{number}"), json!({}))),
    );
    place.write_lines("payments.jsonl", (0..3_000).map(|number| coming(&format!("pay_{number}"))));
    let mut random = ChaCha8Rng::seed_from_u64(12);
    for (args, rounds) in [(["trainers", "import", "roster.jsonl"], 6), (["purchases", "confirm", "payments.jsonl"], 6)]
    {
        for _ in 0..rounds {
            let command = place.spawn(&args, &[]);
            std::thread::sleep(Duration::from_millis(random.random_range(10..300)));
            command.kill();
            let trainers = place.run(&["trainers", "list", "--json"]).json_lines().len();
            assert!(trainers == 0 || trainers == 2_000, "{trainers} trainers are there");
        }
        place.run(&args).ok();
    }
    place.drain();
    assert_eq!(place.run(&["purchases", "list", "--json"]).json_lines().len(), 3_000);
    place.nothing_is_left_over(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_held_is_free_at_the_next_start() {
    let place = Place::with_trainers(1);
    place.confirm([coming("pay_1")]);
    // As a process leaves it that is killed while its cron runs, a moment ago.
    let held_until = jiff::Timestamp::now() + Duration::from_secs(110);
    let mut connection = place.connect().await;
    sqlx::query("INSERT INTO leases (name, holder, held_until) VALUES ('cron', '4711-dead', ?1)")
        .bind(held_until.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string())
        .execute(&mut connection)
        .await
        .unwrap();
    let mut workers = place.spawn(&["run", "--until-idle"], &[]);
    let (code, took) = workers.ended();
    assert_eq!(code, Some(0), "{}", workers.log());
    assert!(took < Duration::from_secs(20), "it took {took:?}");
    place.nothing_is_left_over(0);
}
