//! Running, replaying, backing up, looking for trouble, showing.

use serde_json::{Value, json};

use crate::{Place, example, until};

#[test]
fn one_process_runs_workers_and_every_other_command_works_beside_it() {
    let place = Place::new();
    let mut running = place.start_workers();
    for worker in ["Purchase", "Allocation", "Session", "Cache"] {
        assert!(running.log().contains(&format!("[{worker}Worker] Started")), "{}", running.log());
    }
    let refusal = place.run(&["run"]).failed(1);
    assert!(refusal.contains(&running.child.id().to_string()), "the holder is named: {refusal}");
    place
        .run(&["groups", "replay", "purchase-creation-workers", "--topic", "purchase-confirmed", "--to", "earliest"])
        .failed(1);

    place.run(&["trainers", "import", &example("roster.csv")]).ok();
    place.run(&["purchases", "confirm", &example("purchases.jsonl")]).ok();
    until("the purchases are handled", || {
        let rows = place.run(&["groups", "--json"]).json_lines();
        let purchases = place.run(&["purchases", "list", "--json"]).json_lines();
        purchases.len() == 13 && rows.iter().all(|row| row["lag"] == 0 || row["outbox"] == 0)
    });
    assert!(place.run(&["groups", "--json"]).json_lines().iter().any(|row| row["members"] == 1));
    place.run(&["backup", "copy.db"]).ok();
    place.run(&["doctor"]).ok();
    assert_eq!(running.terminate(), Some(0), "{}", running.log());
    assert!(running.log().contains("[PurchaseWorker] Stopped"), "{}", running.log());
}

#[test]
fn log_lines_are_json_unless_somebody_reads_them_or_says_otherwise() {
    let place = Place::new();
    for told in [&[][..], &["--log-format", "json"]] {
        let ran = place.run(&[&["run", "--until-idle", "--workers", "purchase"], told].concat());
        let lines = ran.err.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let messages: Vec<Value> = lines.map(|line| line["message"].clone()).collect();
        assert!(messages.contains(&json!("[PurchaseWorker] Started")), "{messages:?}");
        assert!(!messages.contains(&json!("[CacheWorker] Started")), "{messages:?}");
        assert_eq!(ran.ok(), "");
    }
    let ran = place.run(&["run", "--until-idle", "--workers", "purchase", "--log-format", "pretty"]);
    assert!(ran.err.lines().any(|line| line.contains("INFO [PurchaseWorker] Started")), "{}", ran.err);
}

#[test]
fn a_batch_is_told_in_one_line_that_names_what_it_began_with() {
    let place = Place::with_examples_to_handle();
    let ran = place.run(&["run", "--until-idle"]);
    let lines: Vec<Value> = ran.err.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |worker: &str| {
        let begins = format!("[{worker}] Handled ");
        lines.iter().filter(move |line| line["message"].as_str().unwrap().starts_with(&begins)).collect::<Vec<_>>()
    };
    let batches = of("PurchaseWorker");
    let total = |field: &str| batches.iter().map(|line| line[field].as_u64().unwrap()).sum::<u64>();
    assert!(batches.iter().all(|line| line["topic"] == "purchase-confirmed" && line["key"].is_string()), "{batches:?}");
    assert_eq!(total("records"), total("done") + total("duplicates") + total("superseded") + total("dead_letters"));
    assert!(total("done") > 0 && total("dead_letters") > 0, "{batches:?}");
    for worker in ["AllocationWorker", "SessionWorker", "CacheWorker"] {
        assert!(!of(worker).is_empty(), "{worker}: {}", ran.err);
    }
}

#[test]
fn reading_again_changes_nothing() {
    let place = Place::with_examples();
    let before = place.run(&["purchases", "list", "--json"]).ok();
    let replay = ["groups", "replay", "purchase-creation-workers", "--topic", "purchase-confirmed", "--to", "earliest"];
    assert_eq!(place.run(&replay).ok().lines().count(), 3);
    place.run(&["run", "--until-idle"]).ok();
    assert_eq!(place.run(&["purchases", "list", "--json"]).ok(), before);
    assert_eq!(place.run(&["dead-letters", "list", "--json"]).json_lines().len(), 3);
    place.run(&["audit"]).ok();
}

#[test]
fn a_replay_names_what_there_is() {
    let place = Place::with_examples();
    let replay = |group: &str, topic: &str, rest: &[&str]| {
        place.run(&[&["groups", "replay", group, "--topic", topic], rest].concat())
    };
    assert!(
        replay("nobody", "purchase-confirmed", &["--to", "latest"]).failed(2).contains("trainer-allocation-workers")
    );
    let foreign = replay("purchase-creation-workers", "trainer-changed", &["--to", "latest"]).failed(2);
    assert!(foreign.contains("it consumes purchase-confirmed"), "{foreign}");
    let beyond =
        replay("purchase-creation-workers", "purchase-confirmed", &["--partition", "0", "--to", "999"]).failed(2);
    assert!(beyond.contains("purchase-confirmed/0 has offsets from 0 to"), "{beyond}");
    replay("purchase-creation-workers", "purchase-confirmed", &["--partition", "3", "--to", "latest"]).failed(2);
    replay("purchase-creation-workers", "purchase-confirmed", &["--to", "soon"]).failed(2);
}

#[test]
fn a_backup_is_a_data_directory_and_overwrites_nothing() {
    let place = Place::with_examples();
    std::fs::create_dir(place.path("restored")).unwrap();
    place.run(&["backup", "restored/caravan.db"]).ok();
    let original = place.run(&["sessions", "list", "--json"]).ok();
    assert_eq!(place.run(&["--data", "restored", "sessions", "list", "--json"]).ok(), original);
    assert!(place.run(&["backup", "restored/caravan.db"]).failed(1).contains("restored/caravan.db"));
    assert!(place.run(&["--data", "absent", "backup", "x.db"]).failed(1).contains("absent"));
}

#[test]
fn the_doctor_says_what_to_do() {
    let place = Place::new();
    let fresh = place.run(&["doctor", "--json"]).json_lines();
    assert!(fresh.iter().all(|check| check["state"] == "ok"), "{fresh:?}");
    assert!(!place.path("caravan-data").exists(), "looking changes nothing");
    place.write("file", "");
    let ran = place.run(&["--data", "file/below", "doctor"]);
    assert!(ran.out.contains("FAIL") && ran.out.contains("--data"), "{}", ran.out);
    ran.failed(1);
    let ran = place.run_with(("CARAVAN_PARTITION", "3"), &["doctor"]);
    assert!(ran.out.contains("CARAVAN_PARTITION set nothing"), "{}", ran.out);
    ran.ok();
}

#[test]
fn the_demo_shows_everything_and_clears_up_after_earlier_ones() {
    let place = Place::new();
    let demo = ["demo", "--purchases", "80", "--trainers", "12", "--seed", "5", "--exit"];
    let shown = place.run(&demo).ok();
    for part in ["purchases", "waitlisted", "duplicates recognised", "payment to sessions, p99", "7 guarantees hold"] {
        assert!(shown.contains(part), "{part} is not in:\n{shown}");
    }
    let command = shown.lines().find(|line| line.ends_with(" groups")).unwrap();
    let args: Vec<&str> = command.split_whitespace().skip(1).collect();
    assert!(place.run(&args).ok().contains("outbox: 0 unpublished"));

    place.run(&["migrate"]).ok();
    place.run(&demo).ok();
    let databases = |prefix: &str| {
        let files = std::fs::read_dir(place.path("caravan-data")).unwrap().map(|file| file.unwrap().file_name());
        files
            .filter(|name| name.to_string_lossy().starts_with(prefix) && name.to_string_lossy().ends_with(".db"))
            .count()
    };
    assert_eq!((databases("demo-"), databases("caravan")), (1, 1));
}
