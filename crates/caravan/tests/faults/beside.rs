//! One process runs workers; every other command works beside it and is noticed at once.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::place::{Place, coming, in_days, until};

/// Within this time workers notice what another process has written.
const NOTICE_MAX: Duration = Duration::from_millis(250);

#[test]
fn a_second_process_that_would_run_workers_is_told_who_the_first_is() {
    let place = Place::with_trainers(1);
    let mut workers = place.start();
    for args in [&["run"][..], &["run", "--workers", "cache"], &["run", "--until-idle"]] {
        let told = place.run(args).failed(1);
        assert!(told.contains(&format!("process {} ", workers.id())), "{told}");
        assert!(told.contains("--data or --namespace"), "{told}");
    }
    place.run(&["--namespace", "other", "run", "--until-idle"]).ok();
    assert!(!workers.has_ended());
    workers.kill();
    place.drain();
    place.nothing_is_left_over(0);
}

#[test]
fn every_other_command_works_beside_the_workers() {
    let place = Place::with_trainers(3);
    place.confirm([coming("pay_1"), json!({ "payment_id": "broken" })]);
    let mut workers = place.start();
    until("the payment is handled", || place.run(&["sessions", "list", "--json"]).json_lines().len() == 4);
    place.write_lines("closures.jsonl", [json!({ "from": in_days(90), "until": in_days(90), "name": "Move" })]);
    let as_of = in_days(20);
    for args in [
        &["migrate"][..],
        &["topics", "create"],
        &["topics", "list"],
        &["trainers", "import", "roster.jsonl"],
        &["trainers", "list"],
        &["closures", "import", "closures.jsonl"],
        &["closures", "list"],
        &["purchases", "confirm", "payments.jsonl"],
        &["purchases", "list"],
        &["purchases", "show", "pay_1"],
        &["sessions", "list"],
        &["sessions", "extend", "--as-of", &as_of],
        &["groups"],
        &["dead-letters", "list"],
        &["dead-letters", "show", "1"],
        &["dead-letters", "redrive", "1"],
        &["backup", "copy.db"],
        &["doctor"],
    ] {
        place.run(args).ok();
    }
    let told = place.run(&["groups", "--json"]).json_lines();
    assert!(told.iter().filter(|line| line.get("group").is_some()).all(|line| line["members"] == 1), "{told:?}");
    workers.terminate();
    assert_eq!(workers.ended().0, Some(0), "{}", workers.log());
    place.drain();
    // The first, its redrive, and the same line confirmed again.
    place.nothing_is_left_over(3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_confirms_is_noticed_within_250_milliseconds() {
    let place = Place::with_trainers(1);
    let _workers = place.start();
    let mut connection = place.connect().await;
    let mut notices = Vec::new();
    for number in 0..9 {
        let payment_id = format!("pay_{number}");
        place.confirm([coming(&payment_id)]);
        let confirmed = Instant::now();
        loop {
            let found: i64 = sqlx::query_scalar("SELECT count(*) FROM purchases WHERE payment_id = ?1")
                .bind(&payment_id)
                .fetch_one(&mut connection)
                .await
                .unwrap();
            if found == 1 {
                break;
            }
            assert!(confirmed.elapsed() < Duration::from_secs(30), "{payment_id} is not noticed");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        notices.push(confirmed.elapsed());
    }
    notices.sort_unstable();
    println!("noticed after {notices:?}");
    // The median: a machine with other things to do may hold up one or the other.
    assert!(notices[notices.len() / 2] < NOTICE_MAX, "{notices:?}");
}
