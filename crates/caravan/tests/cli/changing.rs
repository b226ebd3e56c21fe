//! One session by hand, and a trainer who is away.

use serde_json::{Value, json};

use crate::{Place, payment};

fn roster(place: &Place, ids: &[&str]) -> String {
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let availability = days.map(|day| json!({ "weekday": day, "from": "00:00", "until": "24:00" }));
    let line = |id: &&str| {
        json!({ "trainer_id": id, "time_zone": "UTC", "languages": ["de"], "availability": availability,
                "courses": [{ "subject": "piano", "levels": ["beginner"] }] })
    };
    place.write("trainers.jsonl", ids.iter().map(|id| format!("{}\n", line(id))).collect::<String>())
}

/// A plan with trn_1 that begins in the future.
fn under_way() -> (Place, Vec<Value>) {
    let place = Place::new();
    place.run(&["trainers", "import", &roster(&place, &["trn_1"])]).ok();
    let file = place.write("payments.jsonl", format!("{}\n", payment("pay_1")));
    place.run(&["purchases", "confirm", &file]).ok();
    place.run(&["run", "--until-idle"]).ok();
    let sessions = place.run(&["sessions", "list", "--json"]).json_lines();
    assert!(sessions.len() > 2, "{sessions:?}");
    (place, sessions)
}

fn id(session: &Value) -> &str {
    session["session_id"].as_str().unwrap()
}

#[test]
fn a_session_is_moved_and_called_off_with_who_and_why() {
    let (place, sessions) = under_way();
    let to = sessions[1]["starts_at"].as_str().unwrap().replace(":30:00Z", ":45:00Z");
    let moved =
        place.run(&["sessions", "move", id(&sessions[1]), "--to", &to, "--reason", "a trip", "--by", "ann"]).ok();
    assert!(moved.contains("was") && moved.contains("is"), "{moved}");
    let again = place.run(&["sessions", "move", id(&sessions[1]), "--to", &to, "--reason", "a trip"]).ok();
    assert!(again.contains("stands so already"), "{again}");
    let off = place.run(&["sessions", "cancel", id(&sessions[0]), "--makeup", "--reason", "ill"]).ok();
    assert!(off.contains("instead, at the end of the plan"), "{off}");
    place.run(&["run", "--until-idle"]).ok();
    let shown = place.run(&["purchases", "show", "pay_1"]).ok();
    assert!(shown.contains("session-moved, by ann") && shown.contains(": a trip"), "{shown}");
    let after = place.run(&["sessions", "list", "--json"]).json_lines();
    let of = |ordinal: u64| after.iter().find(|session| session["ordinal"] == ordinal).unwrap().clone();
    assert_eq!((of(1)["status"].as_str(), of(2)["starts_at"].as_str()), (Some("cancelled"), Some(to.as_str())));
    assert_eq!(of(2)["planned_starts_at"], sessions[1]["starts_at"]);
    place.run(&["audit"]).ok();
}

#[test]
fn what_stands_against_it_is_told_with_what_can_be_done() {
    let (place, sessions) = under_way();
    let ever = |id: &str| place.run(&["sessions", "complete", id]).failed(1);
    assert!(ever(id(&sessions[0])).contains("has not begun yet"));
    assert!(ever("7b655217-5cc2-577b-8f09-d0d72b62f269").contains("there is no session"));
    let to = ["--to", "2020-01-01T17:00", "--reason", "x"];
    let args = [&["sessions", "move", id(&sessions[0])][..], &to[..]].concat();
    assert!(place.run(&args).failed(1).contains("is over"));
    let never =
        ["sessions", "move", id(&sessions[0]), "--trainer", "trn_1", "--reason", "x", "--override", "student-busy"];
    assert!(place.run(&never).failed(2).contains("nobody can be in two places"));
    let when = ["sessions", "move", id(&sessions[0]), "--to", "tomorrow", "--reason", "x"];
    assert!(place.run(&when).failed(2).contains("must be a time"));
    assert!(place.run(&["sessions", "move", id(&sessions[0]), "--reason", "x"]).failed(2).contains("--to"));
}

#[test]
fn a_leave_is_shown_before_it_is_made_and_made_once() {
    let (place, sessions) = under_way();
    let leave = |more: &[&str]| place.run(&[&["trainers", "leave", "trn_1", "--from", "2020-01-01"], more].concat());
    let planned = leave(&["--plan"]).ok();
    assert!(planned.contains("nothing was changed"), "{planned}");
    place.run(&["trainers", "import", &roster(&place, &["trn_2"])]).ok();
    let planned = leave(&["--plan", "--json"]).json_lines();
    assert!(planned.iter().all(|line| line["remedy"] == "substitute"), "{planned:?}");
    assert!(planned.len() >= sessions.len());
    let made = leave(&["--reason", "moves away"]).ok();
    assert!(made.contains("nothing is left to a person"), "{made}");
    assert_eq!(leave(&["--reason", "moves away", "--json"]).ok(), "");
    place.run(&["run", "--until-idle"]).ok();
    let after = place.run(&["sessions", "list", "--trainer", "trn_2", "--json"]).json_lines();
    assert_eq!(after.len(), sessions.len());
    place.run(&["audit"]).ok();
    assert!(
        place.run(&["trainers", "leave", "trn_9", "--from", "2026-12-01", "--plan"]).failed(1).contains("no trainer")
    );
    leave(&[]).failed(2);
}

#[test]
fn an_import_lists_what_it_contradicts() {
    let (place, sessions) = under_way();
    let line = json!({ "trainer_id": "trn_1", "time_off": [{ "from": "2020-01-01", "until": "2099-01-01" }] });
    let file = place.write("off.jsonl", format!("{line}\n"));
    let told = place.run(&["trainers", "import", &file]).ok();
    assert!(told.contains("contradict") && told.contains(id(&sessions[0])) && told.contains("time-off"), "{told}");
}

#[test]
fn a_plan_without_an_end_says_so_and_has_nothing_to_make_up_at() {
    let place = Place::new();
    place.run(&["trainers", "import", &roster(&place, &["trn_1"])]).ok();
    let mut endless = payment("pay_1");
    endless["plan"]["sessions"] = Value::Null;
    let file = place.write("payments.jsonl", format!("{endless}\n"));
    place.run(&["purchases", "confirm", &file]).ok();
    place.run(&["run", "--until-idle"]).ok();
    let listed = place.run(&["purchases", "list", "--json"]).json_lines();
    assert_eq!((&listed[0]["status"], &listed[0]["sessions_total"]), (&"scheduled".into(), &Value::Null));
    let shown = place.run(&["purchases", "show", "pay_1"]).ok();
    assert!(shown.contains("sessions until cancelled of 30 minutes, 1 a week"), "{shown}");
    assert!(shown.contains("52 reserved so far"), "{shown}");
    let sessions = place.run(&["sessions", "list", "--json"]).json_lines();
    let cancel =
        |more: &[&str]| place.run(&[&["sessions", "cancel", id(&sessions[1]), "--reason", "x"], more].concat());
    let refused = cancel(&["--makeup"]).failed(1);
    assert!(refused.contains("runs until it is cancelled: it has no end to add a session to"), "{refused}");
    cancel(&[]).ok();
    place.run(&["sessions", "extend", "--as-of", "2027-04-01"]).ok();
    assert!(place.run(&["purchases", "show", "pay_1"]).ok().contains("61 reserved so far"));
    place.run(&["run", "--until-idle"]).ok();
    assert!(place.run(&["stuck", "--json"]).json_lines().is_empty());
    place.run(&["audit"]).ok();
}

#[test]
fn the_rest_of_a_plan_changes_hands_and_is_amended() {
    let (place, _) = under_way();
    let reassign = |more: &[&str]| place.run(&[&["purchases", "reassign", "pay_1", "--by", "ann"], more].concat());
    assert!(reassign(&[]).failed(2).contains("--reason"));
    let told = reassign(&["--instead-of", "trn_1", "--reason", "moves away"]).failed(1);
    assert!(told.contains("nothing has changed") && told.contains("no other active trainer"), "{told}");
    place.run(&["trainers", "import", &roster(&place, &["trn_2"])]).ok();
    let told = reassign(&["--instead-of", "trn_1", "--reason", "moves away"]).ok();
    assert!(told.contains("planned anew from session 1 on, with trn_2"), "{told}");
    let again = reassign(&["--instead-of", "trn_1", "--reason", "moves away"]).ok();
    assert!(again.contains("is so already; nothing has changed"), "{again}");

    let amend = |file: &str| place.fed(file.as_bytes(), &["purchases", "amend", "pay_1", "-", "--reason", "paid more"]);
    let told = amend(r#"{"plan": {"weeks": 3}}"#).failed(1);
    assert!(told.contains("/plan/weeks: there is no such field"), "{told}");
    let before = place.run(&["purchases", "list", "--json"]).json_lines()[0]["sessions_total"].as_u64().unwrap();
    let more = format!("{{\"plan\": {{\"sessions\": {}}}}}", before + 2);
    assert!(amend(&more).ok().contains("with trn_2"));
    assert!(amend(&more).ok().contains("is so already"));
    place.run(&["run", "--until-idle"]).ok();
    let row = &place.run(&["purchases", "list", "--json"]).json_lines()[0];
    assert_eq!((&row["trainer_id"], &row["sessions_total"]), (&json!("trn_2"), &json!(before + 2)));
    let shown = place.run(&["purchases", "show", "pay_1"]).ok();
    assert!(shown.contains("reassigned, by ann") && shown.contains("amended, by "), "{shown}");
    place.run(&["audit"]).ok();
}

#[test]
fn days_without_lessons_that_come_later_name_what_they_contradict() {
    let (place, sessions) = under_way();
    let date = sessions[0]["local_date"].as_str().unwrap();
    let closure = format!("{{\"from\": \"{date}\", \"until\": \"{date}\", \"name\": \"Late\"}}\n");
    let told = place.fed(closure.as_bytes(), &["closures", "import", "-"]).ok();
    assert!(told.contains("1 session to come contradicts it") && told.contains(id(&sessions[0])), "{told}");
}
