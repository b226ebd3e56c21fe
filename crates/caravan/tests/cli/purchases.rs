//! From payments to sessions, and the lists of both.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::{Place, payment};

#[test]
fn the_examples_go_from_payments_to_sessions() {
    let place = Place::with_examples();
    let purchases = place.run(&["purchases", "list", "--json"]).json_lines();
    assert_eq!(purchases.len(), 13);
    assert_eq!(purchases.iter().filter(|row| row["status"] == "scheduled").count(), 12);
    let fields = [
        "purchase_id",
        "payment_id",
        "item",
        "student_id",
        "status",
        "requested_start_date",
        "start_date",
        "sessions_total",
        "horizon",
        "trainer_id",
        "allocated_at",
        "slots",
    ];
    for field in fields {
        assert!(purchases.iter().all(|row| row.get(field).is_some()), "purchases have no {field}");
    }
    let waiting = purchases.iter().find(|row| row["status"] == "waitlisted").unwrap();
    assert_eq!(
        (&waiting["trainer_id"], &waiting["allocated_at"], &waiting["slots"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );

    let asha = purchases.iter().find(|row| row["payment_id"] == "pay_ex_01").unwrap();
    let id = asha["purchase_id"].as_str().unwrap();
    let sessions = place.run(&["sessions", "list", "--purchase", id, "--json"]).json_lines();
    let ordinals: Vec<_> = sessions.iter().map(|row| row["ordinal"].as_u64().unwrap()).collect();
    assert_eq!(ordinals, (1..=8).collect::<Vec<_>>());
    assert_eq!(sessions[0]["starts_at"], "2027-02-02T11:30:00Z");
    assert_eq!(sessions[0]["time_zone"], "Asia/Kolkata");

    let reasons: Vec<_> = place.run(&["dead-letters", "list", "--json"]).json_lines();
    let mut reasons: Vec<_> = reasons.iter().map(|row| row["reason"].as_str().unwrap()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["conflicting-payment", "invalid-field", "invalid-json"]);

    let shown = place.run(&["purchases", "show", "pay_ex_01"]).ok();
    assert!(shown.contains("3 of 14 trainers teach python beginner.") && shown.contains("was chosen"), "{shown}");
    let shown = place.run(&["purchases", "show", "pay_ex_15"]).ok();
    assert!(shown.contains("is it misspelt?"), "{shown}");
    assert_eq!(
        place.run(&["purchases", "show", id, "--json"]).json_lines()[0]["sessions"].as_array().unwrap().len(),
        8
    );

    let mut groups = place.run(&["groups", "--json"]).json_lines();
    assert_eq!(groups.pop(), Some(json!({"outbox": 0})));
    assert!(groups.iter().all(|row| row["lag"] == 0));
    assert_eq!(place.run(&["audit", "--json"]).json_lines().iter().filter(|row| row["violations"] == 0).count(), 7);
}

#[test]
fn lists_stop_at_their_limit_and_filters_filter() {
    let place = Place::with_examples();
    assert_eq!(place.run(&["purchases", "list", "--limit", "2", "--json"]).json_lines().len(), 2);
    assert_eq!(place.run(&["purchases", "list", "--limit", "2"]).ok().lines().count(), 3);
    assert_eq!(place.run(&["purchases", "list", "--student", "stu_118", "--json"]).json_lines().len(), 2);
    assert_eq!(place.run(&["purchases", "list", "--status", "waitlisted", "--json"]).json_lines().len(), 1);
    let days = ["sessions", "list", "--student", "stu_118", "--from", "2027-02-04", "--until", "2027-02-09", "--json"];
    let dates: Vec<Value> = place.run(&days).json_lines().iter().map(|row| row["local_date"].clone()).collect();
    assert_eq!(dates, ["2027-02-04", "2027-02-09"]);
}

#[test]
fn whatever_is_confirmed_is_published_and_ends_as_a_purchase_or_a_dead_letter() {
    let place = Place::new();
    let large = format!("{{\"payment_id\":\"large\",\"padding\":\"{}\"}}", "x".repeat(300 * 1024));
    let mut lines = Vec::new();
    for line in [payment("good").to_string().as_bytes(), b"", b"  \r", b"\xFF\xFE\x00", large.as_bytes(), b"{}"] {
        lines.extend_from_slice(line);
        lines.push(b'\n');
    }
    lines.extend(payment("without a line feed").to_string().as_bytes());
    assert_eq!(place.fed(&lines, &["purchases", "confirm", "-"]).ok(), "published 5 lines to purchase-confirmed\n");
    place.run(&["run", "--until-idle"]).ok();
    assert_eq!(place.run(&["purchases", "list", "--json"]).json_lines().len(), 2);
    let mut reasons: Vec<Value> =
        place.run(&["dead-letters", "list", "--json"]).json_lines().iter().map(|row| row["reason"].clone()).collect();
    reasons.sort_by_key(ToString::to_string);
    assert_eq!(reasons, ["invalid-field", "invalid-json", "value-too-large"]);
}

#[test]
fn a_purchase_is_called_off_once_with_who_and_why() {
    let place = Place::with_examples();
    let cancel = |more: &[&str]| place.run(&[&["purchases", "cancel", "pay_ex_01"], more].concat());
    assert!(cancel(&[]).failed(2).contains("--reason"));
    assert!(cancel(&["--reason", " "]).failed(2).contains("--reason must be a text of 1 to 500 characters"));
    assert!(cancel(&["--reason", "x", "--from", "soon"]).failed(2).contains("soon"));
    let unknown = place.run(&["purchases", "cancel", "pay_none", "--reason", "x"]).failed(1);
    assert!(unknown.contains("there is no purchase pay_none; see: caravan purchases list"), "{unknown}");

    let told = cancel(&["--reason", "moved abroad", "--from", "2027-02-11", "--by", "ann"]).ok();
    assert!(told.contains(" sessions are called off from 2027-02-11 on, 3 stand"), "{told}");
    assert!(cancel(&["--reason", "again"]).ok().contains("was called off before; nothing has changed"));
    place.run(&["run", "--until-idle"]).ok();
    let shown = place.run(&["purchases", "show", "pay_ex_01"]).ok();
    assert!(shown.contains("cancelled from 2027-02-11 on, by ann at ") && shown.contains(": moved abroad"), "{shown}");
    let whole = &place.run(&["purchases", "show", "pay_ex_01", "--json"]).json_lines()[0];
    assert_eq!((&whole["status"], &whole["changes"][0]["reason"]), (&json!("cancelled"), &json!("moved abroad")));
    let statuses: Vec<_> = whole["sessions"].as_array().unwrap().iter().map(|row| row["status"].clone()).collect();
    assert_eq!(statuses[..4], ["scheduled", "scheduled", "scheduled", "cancelled"]);
    place.run(&["audit"]).ok();
}

#[test]
fn students_move_in_and_one_who_waits_is_given_a_trainer() {
    let place = Place::with_examples();
    let slot = json!({ "weekday": "tue", "at": "08:00" });
    let mut line = payment("pay_moving");
    line["plan"]["slots"] = json!([slot]);
    line["plan"]["per_week"] = json!(1);
    line["allocation"] = json!({ "trainer_id": "trn_x", "slots": [slot] });
    line["first_ordinal"] = json!(2);
    let days = [json!({ "weekday": "tue", "from": "00:00", "until": "24:00" })];
    let (student, course) = (&line["student"], &line["course"]);
    let trainer = json!({
        "trainer_id": "trn_x", "time_zone": student["time_zone"], "languages": student["languages"], "availability": days,
        "courses": [{ "subject": course["subject"], "levels": [course["level"]] }],
    });
    place.write("x.jsonl", trainer.to_string());
    let file = place.write("students.jsonl", line.to_string());
    let adopt = |more: &[&str]| place.run(&[&["purchases", "adopt", &file], more].concat());
    let told = adopt(&[]).failed(1);
    assert!(told.contains("students.jsonl: line 1: there is no trainer \"trn_x\""), "{told}");
    assert!(told.contains("1 line of the file can't be adopted; nothing was written"), "{told}");
    let fault: Value = serde_json::from_str(adopt(&["--json"]).out.trim()).unwrap();
    assert_eq!((&fault["line"], &fault["pointer"]), (&json!(1), &json!("")));

    place.run(&["trainers", "import", "x.jsonl"]).ok();
    assert_eq!(adopt(&["--dry-run"]).ok(), "1 plan can be adopted, 0 there already; nothing was written\n");
    let row = &adopt(&["--json"]).json_lines()[0];
    assert_eq!((&row["payment_id"], &row["first_ordinal"]), (&json!("pay_moving"), &json!(2)));
    assert_eq!(adopt(&[]).ok(), "0 plans adopted, 1 there already\n");
    place.run(&["run", "--until-idle"]).ok();
    let shown = place.run(&["purchases", "show", "pay_moving"]).ok();
    assert!(shown.contains("trn_x was chosen by hand: wish 1, share of work 0."), "{shown}");
    place.run(&["audit"]).ok();

    let allocate = |more: &[&str]| {
        let given = ["purchases", "allocate", "pay_waits", "--trainer", "trn_x", "--by", "ann"];
        place.run(&[&given, more].concat())
    };
    let mut waits = payment("pay_waits");
    waits["student"]["id"] = json!("stu_waits");
    waits["student"]["languages"] = json!(["tlh"]);
    waits["plan"] = json!({ "start_date": "2027-02-02", "sessions": 2, "per_week": 1, "minutes": 60,
                            "slots": [{ "weekday": "tue", "at": "12:00" }] });
    place.fed(waits.to_string().as_bytes(), &["purchases", "confirm", "-"]).ok();
    place.run(&["run", "--until-idle"]).ok();
    assert!(allocate(&["--slots", "tue 12:00"]).failed(2).contains("--reason"));
    assert!(allocate(&["--slots", "noon", "--reason", "x"]).failed(2).contains("such as tue 17:00"));
    let told = allocate(&["--slots", "tue 12:00", "--reason", "x"]).failed(1);
    assert!(told.contains("against it: language: trainer trn_x"), "{told}");
    place.fed(br#"{"trainer_id": "trn_x", "languages": ["tlh"]}"#, &["trainers", "import", "-"]).ok();
    let told = allocate(&["--slots", "tue 12:00", "--reason", "she learnt it"]).ok();
    assert!(told.ends_with(": trn_x teaches it, tue 12:00, from 2027-02-02 on\n"), "{told}");
    assert!(allocate(&["--slots", "tue 12:00", "--reason", "x"]).ok().contains("teaches it at these times already"));
    let shown = place.run(&["purchases", "show", "pay_waits"]).ok();
    assert!(shown.contains("allocated, by ann at ") && shown.contains(": she learnt it"), "{shown}");
    place.run(&["run", "--until-idle"]).ok();
    place.run(&["audit"]).ok();
}

#[test]
fn refunds_are_reported_listed_and_settled_once() {
    let place = Place::with_examples();
    assert_eq!(place.run(&["refunds", "list"]).ok(), "no refunds\n");
    let refund = |payment_id: &str, refund_id: &str, minor: u64| {
        json!({
            "payment_id": payment_id, "refund_id": refund_id, "refunded_at": "2026-11-23T10:00:00Z",
            "amount": { "minor": minor, "currency": "INR" }, "reason": "ill for a week",
        })
    };
    let mut held = refund("pay_none", "re_2", 5);
    held["provisional"] = json!(true);
    let lines = [refund("pay_ex_01", "re_1", 1), held, json!({ "payment_id": "pay_ex_01" })];
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    assert_eq!(
        place.fed(lines.as_bytes(), &["refunds", "report", "-"]).ok(),
        "published 3 lines to purchase-refunded\n"
    );
    place.run(&["run", "--until-idle"]).ok();
    let listed = place.run(&["refunds", "list", "--json"]).json_lines();
    let provisional = |id: &str| &listed.iter().find(|line| line["refund_id"] == id).unwrap()["provisional"];
    assert_eq!((listed.len(), provisional("re_1"), provisional("re_2")), (2, &json!(false), &json!(true)));
    assert_eq!(place.run(&["refunds", "list", "--limit", "1", "--json"]).json_lines().len(), 1);
    let open = place.run(&["refunds", "list", "--open", "--json"]).json_lines();
    assert_eq!((open.len(), &open[0]["refund_id"], &open[0]["amount"]["minor"]), (1, &json!("re_1"), &json!(1)));
    let id = open[0]["id"].as_str().unwrap();

    let settle = |more: &[&str]| place.run(&[&["refunds", "settle"], more].concat());
    assert!(settle(&[id]).failed(2).contains("--note"));
    assert!(settle(&[id, "--note", " "]).failed(2).contains("--note must be a text of 1 to 500 characters"));
    let unknown = open[0]["purchase_id"].as_str().unwrap();
    assert!(settle(&[unknown, "--note", "x"]).failed(1).contains("see: caravan refunds list"));
    assert_eq!(settle(&[id, "--note", "a lesson more", "--by", "ann"]).ok(), format!("refund {id} is settled\n"));
    assert!(settle(&[id, "--note", "again"]).ok().contains("was settled before; nothing has changed"));
    let shown = place.run(&["refunds", "list"]).ok();
    assert!(
        shown.contains("a lesson more (ann)") && shown.contains("settled") && shown.contains("kept, provisional"),
        "{shown}"
    );
    let shown = place.run(&["purchases", "show", "pay_ex_01"]).ok();
    assert!(shown.contains("refunded, by purchase-refunded at ") && shown.contains("ill for a week"), "{shown}");
    place.run(&["audit"]).ok();
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let place = Place::new();
    assert!(place.run(&["purchases", "confirm", "absent.jsonl"]).failed(1).contains("absent.jsonl"));
    assert!(place.run(&["trainers", "import", "absent.csv"]).failed(1).contains("absent.csv"));
    assert!(!place.path("caravan-data").exists());
}

#[test]
fn windows_are_extended_once_for_a_day() {
    let place = Place::with_examples();
    let sessions = || place.run(&["sessions", "list", "--student", "stu_118", "--json"]).json_lines().len();
    let before = sessions();
    place.run(&["sessions", "extend", "--as-of", "2027-02-20"]).ok();
    let after = sessions();
    assert!(after > before, "{before} {after}");
    let again = place.run(&["sessions", "extend", "--as-of", "2027-02-20"]).ok();
    assert!(again.contains(": 0 sessions more, 0 completed"), "{again}");
    place.run(&["sessions", "extend"]).ok();
    assert_eq!(sessions(), after, "a window is never lowered");
    place.run(&["audit"]).ok();
}

#[test]
fn a_reader_that_leaves_ends_the_list_quietly() {
    let place = Place::with_examples();
    let mut command = place.command(&["sessions", "list", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(0), ""));
}

#[test]
fn nothing_is_coloured_that_is_not_on_a_terminal() {
    let place = Place::with_examples();
    for args in [
        &["purchases", "list"][..],
        &["groups"],
        &["doctor"],
        &["purchases", "show", "pay_ex_01"],
        &["run", "--until-idle"],
    ] {
        let ran = place.run(args);
        assert!(!ran.out.contains('\u{1b}') && !ran.err.contains('\u{1b}'), "{args:?}");
    }
}
