//! The audit finds nothing on data that the workers made, and finds every damage that is done to
//! it: in the guarantee it breaks, by the id of what was damaged, and nowhere else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use caravan::audit::{self, Guarantee, Options, Report, Silent};
use caravan::engine::{Policy, Stats, Stop};
use caravan::platform::Platform;
use caravan::platform::clock::Clock;
use caravan::platform::embedded::{Embedded, OpenOptions};
use caravan::platform::log::{NewRecord, TopicPartition};
use caravan::platform::transaction::{Effects, TrainerEdit, Transaction};
use caravan::workers::{self, RunOptions, WorkerKind};
use caravan_domain::event::{Headers, Topic, payment_id_of};
use caravan_domain::trainer::{Closure, Trainer};
use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Row, SqliteConnection};

mod damages;

use damages::{DAMAGES, Damage, PLACED, UNDER_WAY};

const FIRST_DAY: &str = "2026-11-23T10:00:00Z";
/// Seven weeks later: short plans are over, windows were extended.
const LATER: &str = "2027-01-11T10:00:00Z";
const PURCHASES: usize = 30;
/// Longer than that, so that what happened is still told by the log.
const RETENTION: Duration = Duration::from_secs(365 * 24 * 3_600);
/// More problems than any damage makes.
const ALL: usize = 100_000;

struct At(Timestamp);

#[async_trait]
impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

fn trainer(number: usize, zone: &str) -> Trainer {
    let days = ["mon", "tue", "wed", "thu", "fri", "sat"];
    let availability: Vec<Value> =
        days.iter().map(|day| json!({ "weekday": day, "from": "08:00", "until": "21:00" })).collect();
    let off = if number == 1 { json!([{ "from": "2026-12-08", "until": "2026-12-08" }]) } else { json!([]) };
    serde_json::from_value(json!({
        "trainer_id": format!("trn_{number}"), "name": "Ravi", "email": null, "time_zone": zone,
        "languages": ["en"], "courses": [{ "subject": "Python", "levels": ["beginner"] }],
        "availability": availability, "time_off": off, "max_sessions_per_week": 40, "weight": 100, "active": true,
    }))
    .unwrap()
}

fn payment(number: usize) -> Value {
    let zone = if number.is_multiple_of(2) { "Asia/Kolkata" } else { "Europe/Berlin" };
    // The first asks for the trainer who is off on one of the dates.
    let preferred = (number == 1).then_some("trn_1");
    json!({
        "payment_id": format!("pay_{number}"), "confirmed_at": FIRST_DAY,
        "amount": { "minor": 149_900, "currency": "INR" },
        "student": { "id": format!("stu_{}", number % 25), "time_zone": zone, "languages": ["en", "hi"] },
        "course": { "subject": "python", "level": if number == 7 { "wizard" } else { "beginner" } },
        "plan": {
            "start_date": if number.is_multiple_of(3) { "2027-03-02" } else { "2026-12-01" },
            "sessions": if number.is_multiple_of(5) { 4 } else { 24 }, "per_week": 2, "minutes": 45,
            "slots": [
                { "weekday": "tue", "at": "17:00" }, { "weekday": "thu", "at": "17:00" },
                { "weekday": "sat", "at": "10:15" }, { "weekday": "mon", "at": "12:00" },
                { "weekday": "fri", "at": "11:30" },
            ],
        },
        "preferred_trainer_id": preferred, "metadata": { "campaign": "diwali" },
    })
}

/// Payments as they come: most good, one twice, some broken.
fn payments() -> Vec<Vec<u8>> {
    let mut values: Vec<Vec<u8>> = (1..=PURCHASES).map(|number| payment(number).to_string().into_bytes()).collect();
    values.push(payment(2).to_string().into_bytes());
    let mut conflicting = payment(3);
    conflicting["amount"]["minor"] = json!(1);
    values.push(conflicting.to_string().into_bytes());
    let mut wrong = payment(99);
    wrong["plan"]["sessions"] = json!(501);
    values.push(wrong.to_string().into_bytes());
    values.push(b"{\"payment_id\": \"pay_98\"".to_vec());
    values
}

async fn open(directory: &Path) -> Embedded {
    Embedded::open(OpenOptions::new(directory)).await.unwrap()
}

async fn run_workers(platform: &Platform) {
    let options = RunOptions {
        workers: WorkerKind::ALL.to_vec(),
        until_idle: true,
        policy: Policy { log_retention: RETENTION, ..Policy::default() },
        instance: "test".to_owned(),
    };
    workers::run(platform, options, &Stop::new(), &Arc::new(Stats::default())).await.unwrap();
}

async fn publish(platform: &Platform) {
    let record = |value: Vec<u8>| NewRecord {
        topic: Topic::PurchaseConfirmed,
        key: payment_id_of(&value).map(String::into_bytes),
        value: Some(value),
        headers: Headers::new(),
        timestamp: platform.clock.now(),
    };
    platform.log.publish(&payments().into_iter().map(record).collect::<Vec<_>>()).await.unwrap();
}

async fn employ(platform: &Platform) {
    let zones = ["Europe/Berlin", "Europe/Berlin", "Asia/Kolkata", "Asia/Kolkata", "Asia/Kolkata", "Europe/Berlin"];
    let roster = (1..).zip(zones).map(|(number, zone)| TrainerEdit { trainer: trainer(number, zone), version: None });
    let day: jiff::civil::Date = "2026-12-25".parse().unwrap();
    let effects = Effects {
        roster: roster.collect(),
        closures: Some(vec![Closure { from: day, until: day, name: "Christmas".to_owned() }]),
        ..Effects::default()
    };
    platform.store.commit(&Transaction { effects, ..Transaction::default() }).await.unwrap();
}

/// A data directory on which everything has happened as it should.
async fn healthy(directory: &Path) {
    let embedded = open(&directory.join("made")).await;
    let platform = embedded.platform(Arc::new(At(FIRST_DAY.parse().unwrap())));
    platform.log.create_topics(3).await.unwrap();
    employ(&platform).await;
    publish(&platform).await;
    run_workers(&platform).await;
    run_workers(&embedded.platform(Arc::new(At(LATER.parse().unwrap())))).await;
    // One file without a write-ahead log beside it: it can be copied as it is.
    embedded.backup(&directory.join("caravan.db")).await.unwrap();
    embedded.close().await;
}

async fn audited(directory: &Path) -> Report {
    let embedded = open(directory).await;
    let mut evidence = embedded.evidence().await.unwrap();
    let now = LATER.parse().unwrap();
    let options = Options { window_days: 28, lead_days: 1, max_skipped: 2, ids_shown: ALL, now };
    let report = audit::run(&mut evidence, &options, &Silent).await.unwrap();
    drop(evidence);
    embedded.close().await;
    report
}

async fn connect(directory: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(directory.join("caravan.db")).connect().await.unwrap()
}

fn copy(from: &Path, name: &str) -> PathBuf {
    let directory = from.join(name);
    std::fs::create_dir(&directory).unwrap();
    std::fs::copy(from.join("caravan.db"), directory.join("caravan.db")).unwrap();
    directory
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_workers_made_holds_every_guarantee() {
    let directory = tempfile::tempdir().unwrap();
    healthy(directory.path()).await;
    let report = audited(directory.path()).await;
    assert_eq!(report.broken(), [], "{:#?}", report.text_lines());
    assert_eq!(report.conflicts.broken, 0, "{:#?}", report.conflicts.problems);
    for (guarantee, tally) in &report.findings {
        assert!(tally.checked > 20, "{guarantee} was checked {} times", tally.checked);
    }

    let mut connection = connect(directory.path()).await;
    let statuses: Vec<(String, i64)> = sqlx::query_as("SELECT status, count(*) FROM purchases GROUP BY 1 ORDER BY 1")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert_eq!(statuses, [("completed".to_owned(), 4), ("scheduled".to_owned(), 25), ("waitlisted".to_owned(), 1)]);
    let skipping: i64 =
        sqlx::query_scalar("SELECT count(*) FROM allocations WHERE receipt ->> '$.skipped_for_time_off' <> '[]'")
            .fetch_one(&mut connection)
            .await
            .unwrap();
    assert!(skipping > 0, "no plan skips a day off");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_retention_has_dropped_is_not_missed() {
    let directory = tempfile::tempdir().unwrap();
    healthy(directory.path()).await;
    let embedded = open(directory.path()).await;
    let platform = embedded.platform(Arc::new(At(LATER.parse().unwrap())));
    let mut ends = BTreeMap::new();
    for topic in platform.log.topics().await.unwrap() {
        for (partition, state) in (0..).zip(&topic.partitions) {
            ends.insert(TopicPartition { topic: topic.topic, partition }, state.end);
        }
    }
    let dropped = platform.log.trim(&ends, LATER.parse().unwrap()).await.unwrap();
    assert!(dropped > 100, "{dropped} records were dropped");
    let report = audited(directory.path()).await;
    assert_eq!(report.broken(), [], "{:#?}", report.text_lines());
}

/// Does the damage; returns the ids that must be told, by guarantee.
async fn harm(damage: &Damage, directory: &Path) -> BTreeMap<Guarantee, String> {
    let mut connection = connect(directory).await;
    let find = damage.find.replace("{UNDER_WAY}", UNDER_WAY).replace("{PLACED}", PLACED);
    let found = sqlx::query(AssertSqlSafe(find))
        .fetch_one(&mut connection)
        .await
        .unwrap_or_else(|error| panic!("{}: {error}", damage.what));
    let texts: Vec<String> = (0..found.len())
        .map(|column| found.try_get::<String, _>(column).unwrap_or_else(|_| found.get::<i64, _>(column).to_string()))
        .collect();
    let mut touched = 0;
    for statement in damage.statements {
        let query = sqlx::query(AssertSqlSafe(*statement));
        let query = if statement.contains("?1") { query.bind(&texts[0]) } else { query };
        touched += query
            .execute(&mut connection)
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", damage.what))
            .rows_affected();
    }
    assert!(touched > 0, "{}: nothing was damaged", damage.what);
    damage.breaks.iter().copied().zip(texts.into_iter().skip(1)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_damage_breaks_its_guarantees_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    healthy(directory.path()).await;
    let mut wrong = Vec::new();
    for (number, damage) in DAMAGES.iter().enumerate() {
        let damaged = copy(directory.path(), &number.to_string());
        let expected = harm(damage, &damaged).await;
        let report = audited(&damaged).await;
        if report.broken() != damage.breaks {
            wrong.push(format!(
                "{}: broken are {:?}\n{}",
                damage.what,
                report.broken(),
                report.text_lines().join("\n")
            ));
        }
        for (guarantee, tally) in &report.findings {
            if let Some(id) = expected.get(guarantee)
                && !tally.ids().contains(&id.as_str())
            {
                wrong.push(format!("{}: {guarantee} does not name {id}, but {:?}", damage.what, tally.ids()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} damages:\n{}", wrong.len(), DAMAGES.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_after_an_allocation_is_a_conflict_and_no_violation() {
    let directory = tempfile::tempdir().unwrap();
    healthy(directory.path()).await;
    for (number, change) in [
        "UPDATE trainers SET time_off = '[{\"from\":\"2027-01-01\",\"until\":\"2027-12-31\"}]'",
        "UPDATE trainers SET availability = '[]'",
        "UPDATE trainers SET max_sessions_per_week = 1",
        "UPDATE trainers SET languages = '[\"fi\"]'",
        "UPDATE trainers SET courses = '[]'",
        "UPDATE trainers SET time_zone = 'Pacific/Auckland'",
        "DELETE FROM trainers",
        "INSERT INTO closures (from_date, until_date, name) VALUES ('2027-02-01', '2027-02-28', 'Renovation')",
    ]
    .into_iter()
    .enumerate()
    {
        let changed = copy(directory.path(), &number.to_string());
        sqlx::query(change).execute(&mut connect(&changed).await).await.unwrap();
        let report = audited(&changed).await;
        assert_eq!(report.broken(), [], "{change}");
        assert!(report.conflicts.broken > 0, "{change}");
        let last: Value = serde_json::from_str(report.json_lines().last().unwrap()).unwrap();
        assert_eq!(last["conflicts"], json!(report.conflicts.broken), "{change}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_problems_are_all_counted_and_some_of_them_shown() {
    let directory = tempfile::tempdir().unwrap();
    healthy(directory.path()).await;
    let sql = "UPDATE sessions SET local_date = '2031-01-01'";
    let shifted = sqlx::query(sql).execute(&mut connect(directory.path()).await).await.unwrap().rows_affected();
    let embedded = open(directory.path()).await;
    let mut evidence = embedded.evidence().await.unwrap();
    let now = LATER.parse().unwrap();
    let options = Options { window_days: 28, lead_days: 1, max_skipped: 2, ids_shown: 3, now };
    let report = audit::run(&mut evidence, &options, &Silent).await.unwrap();
    let lines: Vec<Value> = report.json_lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = lines.iter().filter_map(|line| line["guarantee"].as_str()).collect();
    assert_eq!(names, Guarantee::ALL.map(Guarantee::name));
    assert_eq!(lines[4]["violations"], json!(shifted));
    assert_eq!(lines[4]["ids"].as_array().unwrap().len(), 3);
    assert!(report.text_lines().iter().any(|line| line.contains(&format!("and {} more", shifted - 3))));
}
