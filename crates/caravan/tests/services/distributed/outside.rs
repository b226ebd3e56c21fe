//! An outside client that is not ours: kcat hands payments over and reads what comes of them.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::site::Site;
use crate::place::coming;

/// Hands a value over, with these options of kcat's.
fn produce(site: &Site, options: &[&str], value: &str) {
    let topic = site.physical("purchase-confirmed");
    let brokers = &site.namespace.0.kafka_brokers;
    let mut kcat = Command::new("kcat");
    kcat.args(["-P", "-b", brokers, "-t", &topic]).args(options).stdin(Stdio::piped());
    let mut child = kcat.spawn().expect("kcat is there: scripts/services installs it");
    child.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

/// Everything on a topic: headers and value of each record.
fn consume(site: &Site, topic: &str) -> Vec<(String, Value)> {
    let topic = site.physical(topic);
    let format = "%h\t%s\n";
    let args = ["-C", "-b", &site.namespace.0.kafka_brokers, "-t", &topic, "-o", "beginning", "-e", "-q", "-f", format];
    let read = Command::new("kcat").args(args).output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let record = |line: &str| {
        let (headers, value) = line.split_once('\t').unwrap();
        (headers.to_owned(), serde_json::from_str(value).unwrap_or(Value::Null))
    };
    String::from_utf8(read.stdout).unwrap().lines().map(record).collect()
}

#[test]
fn kcat_hands_payments_over_bare_and_as_cloudevents_and_reads_sessions_and_dead_letters() {
    let site = Site::with_trainers(2);
    produce(&site, &["-k", "pay_bare"], &coming("pay_bare").to_string());
    let headers = [
        "ce_specversion=1.0",
        "ce_id=4711",
        "ce_source=/shop",
        "ce_type=purchase-confirmed",
        "ce_subject=pay_event",
        "ce_time=2026-11-23T10:00:00Z",
        "content-type=application/json",
    ];
    let with_headers: Vec<&str> = headers.iter().flat_map(|header| ["-H", header]).chain(["-k", "pay_event"]).collect();
    produce(&site, &with_headers, &coming("pay_event").to_string());
    produce(&site, &["-k", "pay_broken"], "{\"payment_id\": \"pay_broken\"}");
    site.place.drain();

    let scheduled = consume(&site, "sessions-scheduled");
    let mut students: Vec<&Value> = scheduled.iter().map(|(_, value)| &value["student_id"]).collect();
    students.sort_by_key(|student| student.to_string());
    assert_eq!(students, [&json!("stu_pay_bare"), &json!("stu_pay_event")]);
    assert!(scheduled.iter().all(|(headers, _)| headers.contains("ce_type=sessions-scheduled")), "{scheduled:?}");
    let letters = consume(&site, "dead-letter-queue");
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0].1, json!({"payment_id": "pay_broken"}), "its bytes are the original's");
    site.accounts_for(2, 1);
}

#[test]
fn kafkas_own_tool_shows_the_four_groups_without_lag() {
    let site = Site::with_trainers(2);
    site.pay("a", 10, 1);
    site.place.drain();
    let Ok(tools) = std::env::var("CARAVAN_TEST_SERVICES_BIN").or_else(|_| std::env::var("CARAVAN_SERVICES_BIN"))
    else {
        panic!("CARAVAN_SERVICES_BIN names Kafka's own commands: eval \"$(scripts/services start)\"");
    };
    for group in [
        "purchase-creation-workers",
        "trainer-allocation-workers",
        "session-scheduling-workers",
        "cache-invalidation-workers",
    ] {
        let mut tool = Command::new(format!("{tools}/kafka-consumer-groups"));
        let group = site.physical(group);
        tool.args(["--bootstrap-server", &site.namespace.0.kafka_brokers, "--describe", "--group", &group]);
        let shown = crate::place::finished(&mut tool).ok();
        let rows: Vec<Vec<&str>> = shown
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .filter(|columns| columns.first() == Some(&group.as_str()))
            .collect();
        assert!(!rows.is_empty(), "{shown}");
        // GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG
        assert!(rows.iter().all(|columns| columns[5] == "0" || columns[5] == "-" && columns[4] == "0"), "{shown}");
    }
}
