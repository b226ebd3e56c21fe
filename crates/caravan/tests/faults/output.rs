//! What scripts rely on: names of fields, exit statuses, and what becomes of each line.

use serde_json::{Value, json};

use crate::place::{Place, coming, fed, in_days};
use crate::sample::trainer;

#[track_caller]
fn has(line: &Value, fields: &[&str]) {
    for field in fields {
        assert!(line.get(field).is_some(), "{field} is missing in {line}");
    }
}

#[test]
fn lists_have_the_fields_of_the_contract() {
    let place = Place::with_trainers(1);
    let mut waiting = coming("pay_2");
    waiting["course"]["subject"] = json!("cobol");
    place.confirm([coming("pay_1"), waiting, json!({ "payment_id": "broken" })]);
    place.drain();

    let purchases = place.run(&["purchases", "list", "--json"]).json_lines();
    let (later, fields) = (
        ["trainer_id", "allocated_at", "slots"],
        [
            "purchase_id",
            "payment_id",
            "item",
            "student_id",
            "status",
            "requested_start_date",
            "start_date",
            "sessions_total",
            "horizon",
        ],
    );
    for purchase in &purchases {
        has(purchase, &fields);
        has(purchase, &later);
    }
    let of = |payment: &str| purchases.iter().find(|purchase| purchase["payment_id"] == payment).unwrap();
    assert!(later.iter().all(|field| of("pay_2")[field].is_null() && !of("pay_1")[field].is_null()));
    assert_eq!(of("pay_1")["slots"], json!([{ "weekday": "tue", "at": "17:00" }, { "weekday": "thu", "at": "17:00" }]));

    let sessions = place.run(&["sessions", "list", "--json"]).json_lines();
    assert_eq!(sessions.iter().map(|session| session["ordinal"].clone()).collect::<Vec<_>>(), [1, 2, 3, 4]);
    has(
        &sessions[0],
        &[
            "session_id",
            "purchase_id",
            "trainer_id",
            "student_id",
            "ordinal",
            "local_date",
            "starts_at",
            "ends_at",
            "time_zone",
            "status",
        ],
    );
    let letters = place.run(&["dead-letters", "list", "--json"]).json_lines();
    has(&letters[0], &["id", "topic", "partition", "offset", "consumer_group", "reason", "detail"]);
    let trainers = place.run(&["trainers", "list", "--json"]).json_lines();
    has(
        &trainers[0],
        &[
            "trainer_id",
            "name",
            "email",
            "time_zone",
            "languages",
            "courses",
            "availability",
            "time_off",
            "max_sessions_per_week",
            "weight",
            "active",
        ],
    );
    let mut groups = place.run(&["groups", "--json"]).json_lines();
    assert_eq!(groups.pop(), Some(json!({ "outbox": 0 })), "the last line");
    assert!(!groups.is_empty());
    groups.iter().for_each(|group| has(group, &["group", "topic", "partition", "committed", "end", "lag"]));
    let audit = place.run(&["audit", "--json"]).json_lines();
    let guarantees: Vec<&Value> = audit.iter().filter(|line| line.get("guarantee").is_some()).collect();
    assert!(guarantees.len() >= 7);
    guarantees.iter().for_each(|line| has(line, &["guarantee", "checked", "violations"]));
    place.nothing_is_left_over(1);
}

#[test]
fn an_exit_status_tells_done_from_failed_from_wrong_usage() {
    let place = Place::with_trainers(1);
    for (args, code) in [
        (&["groups"][..], 0),
        (&["--help"], 0),
        (&["purchases", "show", "nobody"], 1),
        (&["dead-letters", "show", "7"], 1),
        (&["backup", "data/caravan.db"], 1),
        (&["trainers", "import", "missing.jsonl"], 1),
        (&["nonsense"], 2),
        (&["run", "--workers", "baker"], 2),
        (&["sessions", "list", "--from", "tomorrow"], 2),
        (&["--namespace", "NO!", "groups"], 2),
        (&["--kafka", "localhost:9092", "groups"], 2),
    ] {
        let ran = place.run(args);
        assert_eq!(ran.code, Some(code), "{args:?}: {ran:?}");
    }
    place.drain();
    place.nothing_is_left_over(0);
}

#[test]
fn an_unknown_topic_is_refused_with_those_that_are_known() {
    let place = Place::with_trainers(1);
    let args = ["groups", "replay", "purchase-creation-workers", "--topic", "purchase-confirmd", "--to", "earliest"];
    let told = place.run(&args).failed(2);
    assert!(told.contains("purchase-confirmd") && told.contains("purchase-confirmed"), "{told}");
}

#[test]
fn each_line_of_standard_input_is_published_as_it_is() {
    let place = Place::with_trainers(4);
    let mut keyless = coming("pay_3");
    keyless["payment_id"] = Value::Null;
    let input = format!(
        "{}\n\n  \t\n{}\r\n{keyless}\nno json at all\r\n\r\n{}",
        coming("pay_1"),
        coming("pay_2"),
        coming("pay_4")
    );
    let told = fed(&mut place.command(&["purchases", "confirm", "-"]), input.as_bytes()).ok();
    assert!(told.contains("published 5 lines"), "{told}");
    let latin = fed(&mut place.command(&["purchases", "confirm", "-"]), b"{\"payment_id\": \"M\xFCller\"}\n").ok();
    assert!(latin.contains("published 1 line "), "{latin}");
    assert!(fed(&mut place.command(&["purchases", "confirm", "-"]), b"\n\r\n").ok().contains("published 0 lines"));
    place.drain();

    let purchases = place.run(&["purchases", "list", "--json"]).json_lines();
    let mut paid: Vec<&str> = purchases.iter().filter_map(|purchase| purchase["payment_id"].as_str()).collect();
    paid.sort_unstable();
    assert_eq!(paid, ["pay_1", "pay_2", "pay_4"]);
    let letter = |id: &str| place.run(&["dead-letters", "show", id, "--json"]).json_lines().remove(0);
    let letters: Vec<Value> = ["1", "2", "3"].map(letter).to_vec();
    let find = |part: &str| {
        letters.iter().find(|letter| letter["value"].as_str().is_some_and(|value| value.contains(part))).unwrap()
    };
    assert_eq!((&find("no json")["key"], &find("no json")["value"]), (&Value::Null, &json!("no json at all\r")));
    assert_eq!((&find("null")["key"], &find("null")["reason"]), (&Value::Null, &json!("invalid-field")));
    assert_eq!(find("ller")["reason"], "invalid-json");
    place.nothing_is_left_over(3);
}

#[test]
fn one_bad_line_among_ten_thousand_is_named_and_nothing_is_imported() {
    let place = Place::new();
    let line = |number: usize| match number {
        7_311 => {
            trainer("trn_7311", json!({ "availability": [{ "weekday": "tue", "from": "15:00", "until": "15:00" }] }))
        }
        _ => trainer(&format!("trn_{number}"), json!({})),
    };
    place.write_lines("roster.jsonl", (1..=10_000).map(line));
    let told = place.run(&["trainers", "import", "roster.jsonl"]).failed(1);
    assert!(told.contains("roster.jsonl: line 7311: /availability/0"), "{told}");
    assert!(told.contains("1 line of the file is wrong; nothing was imported"), "{told}");
    assert!(place.run(&["trainers", "list", "--json"]).json_lines().is_empty());
    place.drain();
    place.nothing_is_left_over(0);
}

#[test]
fn the_calendar_is_extended_as_of_a_date_once() {
    let place = Place::with_trainers(1);
    let mut long = coming("pay_1");
    long["plan"]["sessions"] = json!(40);
    place.confirm([long]);
    place.drain();
    let sessions = || place.run(&["sessions", "list", "--json"]).json_lines().len();
    assert_eq!(sessions(), 8, "four weeks of two");
    for (days, rows) in [(14, 8), (14 + 28, 16), (14 + 28, 16), (7, 16)] {
        place.run(&["sessions", "extend", "--as-of", &in_days(days)]).ok();
        assert_eq!(sessions(), rows, "as of {days} days from now");
    }
    let purchase = place.run(&["purchases", "list", "--json"]).json_lines().remove(0);
    assert_eq!(purchase["horizon"], in_days(14 + 28 + 28));
    place.drain();
    place.nothing_is_left_over(0);
}
