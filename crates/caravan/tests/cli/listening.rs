//! `--listen`: health, numbers and views, as a monitor or a reader asks for them.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::{Place, Running, example, until};

/// Where a process listens, as its log says.
pub(crate) fn address(running: &Running) -> String {
    let log = running.log();
    let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let told = lines.find_map(|line| Some(line["address"].as_str()?.to_owned()));
    told.unwrap_or_else(|| panic!("it does not say where it listens: {log}"))
}

/// Status, content type and body of what is answered to whoever shows no token.
fn get(address: &str, path: &str) -> (u16, String, String) {
    get_with(address, path, "")
}

/// Status, content type and body of what is answered to whoever shows this token.
fn get_with(address: &str, path: &str, token: &str) -> (u16, String, String) {
    let shown = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: caravan\r\n{shown}Connection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
    let kind = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-type: ").map(str::to_owned));
    (status, kind.unwrap_or_default(), body.to_owned())
}

fn get_json(address: &str, path: &str) -> (u16, Value) {
    let (status, _, body) = get(address, path);
    (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{path}: {body}")))
}

#[test]
fn a_process_tells_whether_it_lives_and_works() {
    let place = Place::new();
    let running = place.start(&["run", "--workers", "purchase,cache", "--listen", "127.0.0.1:0"]);
    let at = address(&running);
    assert_eq!(get_json(&at, "/healthz"), (200, json!({"status": "ok"})));
    until("it is ready", || get_json(&at, "/readyz").0 == 200);
    let parts = json!({"database": "ok", "log": "ok", "cache": "ok", "PurchaseWorker": "ok", "CacheWorker": "ok"});
    assert_eq!(get_json(&at, "/readyz").1, json!({"ready": true, "parts": parts}));
}

#[test]
fn numbers_are_told_by_worker_and_topic() {
    let place = Place::new();
    let running = place.start(&["run", "--listen", "127.0.0.1:0"]);
    let at = address(&running);
    place.run(&["trainers", "import", &example("roster.csv")]).ok();
    place.run(&["purchases", "confirm", &example("purchases.jsonl")]).ok();
    let numbers = || get(&at, "/metrics").2;
    let holds = |numbers: &str, line: &str| numbers.lines().any(|there| there == line);
    let all = r#"caravan_records_total{worker="PurchaseWorker",topic="purchase-confirmed"} 17"#;
    until("all payments are counted", || {
        let numbers = numbers();
        holds(&numbers, all) && holds(&numbers, r#"caravan_outbox_rows{topic="sessions-scheduled"} 0"#)
    });
    let numbers = numbers();
    for line in [
        r#"caravan_outcomes_total{worker="PurchaseWorker",outcome="done"} 13"#,
        r#"caravan_outcomes_total{worker="PurchaseWorker",outcome="duplicate"} 1"#,
        r#"caravan_lag_records{worker="PurchaseWorker",topic="purchase-confirmed",partition="2"} 0"#,
        "caravan_lag_up 1",
        "# TYPE caravan_batch_seconds histogram",
    ] {
        assert!(holds(&numbers, line), "{line} is not in:\n{numbers}");
    }
    for part in [
        r#"caravan_dead_letters_total{worker="PurchaseWorker",topic="purchase-confirmed",reason=""#,
        "caravan_outbox_age_seconds{",
        "caravan_published_total{",
    ] {
        assert!(numbers.contains(part), "{part} is not in:\n{numbers}");
    }
}

#[test]
fn a_purchase_a_student_and_a_trainer_can_be_read() {
    let place = Place::with_examples();
    let running = place.start(&["run", "--listen", "0"]);
    let at = address(&running);
    until("it is ready", || get_json(&at, "/readyz").0 == 200);
    let token = place.run(&["tokens", "create", "--role", "read"]).ok().trim().to_owned();
    let rows = place.run(&["purchases", "list", "--json"]).json_lines();
    let row = rows.iter().find(|row| row["status"] == "scheduled").unwrap();
    let text = |field: &str| row[field].as_str().unwrap().to_owned();

    let shown: Value =
        serde_json::from_str(&place.run(&["purchases", "show", &text("purchase_id"), "--json"]).ok()).unwrap();
    for _ in 0..2 {
        let (status, kind, body) = get_with(&at, &format!("/v1/purchases/{}", text("purchase_id")), &token);
        assert_eq!((status, kind.as_str()), (200, "application/json"));
        assert_eq!(
            serde_json::from_str::<Value>(&body).unwrap(),
            shown,
            "the first from the database, the next from the cache"
        );
    }
    let student = read(&at, &format!("/v1/students/{}/purchases", text("student_id")), &token);
    assert!(student["purchases"].as_array().unwrap().contains(row), "{student}");
    let trainer = read(&at, &format!("/v1/trainers/{}/sessions", text("trainer_id")), &token);
    assert_eq!(trainer["trainer"]["trainer_id"], row["trainer_id"]);
    assert!(trainer["sessions"].as_array().unwrap().contains(&shown["sessions"][0]), "{trainer}");

    for path in [
        "/v1/purchases/nonsense",
        "/v1/purchases/00000000-0000-4000-8000-000000000000",
        "/v1/students/nobody/purchases",
        "/v1/trainers/nobody/sessions",
        "/nowhere",
    ] {
        let (status, kind, body) = get_with(&at, path, &token);
        assert_eq!((status, kind.as_str()), (404, "application/problem+json"), "{path}: {body}");
    }
}

/// What whoever shows this token reads.
fn read(address: &str, path: &str, token: &str) -> Value {
    let (_, _, body) = get_with(address, path, token);
    serde_json::from_str(&body).unwrap_or_else(|_| panic!("{path}: {body}"))
}

#[test]
fn what_names_people_needs_a_token_and_numbers_too_where_others_can_listen() {
    let place = Place::with_examples();
    let running = place.start(&["run", "--listen", "0.0.0.0:0"]);
    let at = address(&running).replace("0.0.0.0", "127.0.0.1");
    until("it is ready", || get_json(&at, "/readyz").0 == 200);
    for path in ["/v1/students/stu_118/purchases", "/metrics"] {
        assert_eq!(get(&at, path).0, 401, "{path}");
    }
    let token = place.run(&["tokens", "create", "--role", "read"]).ok().trim().to_owned();
    assert_eq!(get_with(&at, "/metrics", &token).0, 200);
}

#[test]
fn an_address_that_is_taken_is_named() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refusal = place.run(&["run", "--listen", &address]).failed(1);
    assert!(refusal.contains(&address) && refusal.contains("--listen"), "{refusal}");
    place.run(&["run", "--listen", "nowhere"]).failed(1);
}
