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

use Guarantee::{Freshness, NoDoubleBooking, NothingVanishes, Occurrences, Once, RollingWindow, WholePlanFits};

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

/// What is damaged, and what must be found.
struct Damage {
    /// In words.
    what: &'static str,
    /// Finds what to damage: the first column is `?1` of the statements, the others are the ids
    /// that must be told, one for each guarantee below.
    find: &'static str,
    /// The damage.
    statements: &'static [&'static str],
    /// The guarantees that must not hold any more; all others must.
    breaks: &'static [Guarantee],
}

/// A plan under way: it has sessions, and more to come.
const UNDER_WAY: &str = "(SELECT p.* FROM purchases p WHERE p.status = 'scheduled'
    AND (SELECT count(*) FROM sessions s WHERE s.purchase_id = p.id) BETWEEN 4 AND p.sessions_total - 8 ORDER BY p.id LIMIT 1)";
/// Records with their topic and place.
const PLACED: &str = "(SELECT r.*, p.topic, p.topic || '/' || p.partition || '@' || (r.id & ((1 << 40) - 1)) AS place
    FROM log_records r JOIN log_partitions p ON p.id = r.id >> 40)";

const DAMAGES: &[Damage] = &[
    Damage {
        what: "a session in the middle is gone",
        find: "SELECT s.id, t.id, p.id FROM {UNDER_WAY} p JOIN sessions s ON s.purchase_id = p.id AND s.ordinal = 2
               JOIN sessions t ON t.purchase_id = p.id AND t.ordinal = 3",
        statements: &["DELETE FROM sessions WHERE id = ?1"],
        breaks: &[Once, RollingWindow],
    },
    Damage {
        what: "the latest session is gone",
        find: "SELECT s.id, p.id FROM {UNDER_WAY} p JOIN sessions s ON s.purchase_id = p.id ORDER BY s.ordinal DESC LIMIT 1",
        statements: &["DELETE FROM sessions WHERE id = ?1"],
        breaks: &[RollingWindow],
    },
    Damage {
        what: "a session starts later",
        find: "SELECT s.id, s.id FROM {UNDER_WAY} p JOIN sessions s ON s.purchase_id = p.id AND s.ordinal = 2",
        statements: &["UPDATE sessions SET starts_at = strftime('%Y-%m-%dT%H:%M:%SZ', starts_at, '+15 minutes') WHERE id = ?1"],
        breaks: &[Occurrences],
    },
    Damage {
        what: "a session ends later",
        find: "SELECT s.id, s.id FROM {UNDER_WAY} p JOIN sessions s ON s.purchase_id = p.id AND s.ordinal = 2",
        statements: &["UPDATE sessions SET ends_at = strftime('%Y-%m-%dT%H:%M:%SZ', ends_at, '+5 minutes') WHERE id = ?1"],
        breaks: &[Occurrences],
    },
    Damage {
        what: "a session has another local date",
        find: "SELECT s.id, s.id FROM {UNDER_WAY} p JOIN sessions s ON s.purchase_id = p.id AND s.ordinal = 2",
        statements: &["UPDATE sessions SET local_date = '2026-12-31' WHERE id = ?1"],
        breaks: &[Occurrences],
    },
    Damage {
        what: "a session's start is no time",
        find: "SELECT s.id, s.id, s.id FROM {UNDER_WAY} p JOIN sessions s ON s.purchase_id = p.id AND s.ordinal = 2",
        statements: &["UPDATE sessions SET starts_at = 'soon' WHERE id = ?1"],
        breaks: &[NoDoubleBooking, Occurrences],
    },
    Damage {
        what: "a session is moved into another one of the same trainer",
        find: "SELECT s.id, s.id, s.id FROM {UNDER_WAY} p JOIN sessions s ON s.purchase_id = p.id AND s.ordinal = 1",
        statements: &["UPDATE sessions SET
            starts_at = (SELECT strftime('%Y-%m-%dT%H:%M:%SZ', o.starts_at, '+10 minutes') FROM sessions o
                         WHERE o.trainer_id = sessions.trainer_id AND o.purchase_id <> sessions.purchase_id ORDER BY 1 LIMIT 1),
            ends_at = (SELECT strftime('%Y-%m-%dT%H:%M:%SZ', o.starts_at, '+20 minutes') FROM sessions o
                         WHERE o.trainer_id = sessions.trainer_id AND o.purchase_id <> sessions.purchase_id ORDER BY 1 LIMIT 1)
            WHERE id = ?1"],
        breaks: &[NoDoubleBooking, Occurrences],
    },
    Damage {
        what: "a session has another trainer",
        find: "SELECT s.id, s.id FROM {UNDER_WAY} p JOIN sessions s ON s.purchase_id = p.id AND s.status = 'scheduled' LIMIT 1",
        statements: &["UPDATE sessions SET trainer_id = 'trn_nobody' WHERE id = ?1"],
        breaks: &[Once],
    },
    Damage {
        what: "a session has an id of its own",
        find: "SELECT s.id, '00000000-0000-4000-8000-000000000000' FROM {UNDER_WAY} p
               JOIN sessions s ON s.purchase_id = p.id AND s.ordinal = 2",
        statements: &["UPDATE sessions SET id = '00000000-0000-4000-8000-000000000000' WHERE id = ?1"],
        breaks: &[Once],
    },
    Damage {
        what: "there is a session beyond the last one",
        find: "SELECT p.id, 'extra', 'extra', 'extra' FROM {UNDER_WAY} p",
        statements: &["INSERT INTO sessions (purchase_id, ordinal, id, trainer_id, local_date, starts_at, ends_at)
            SELECT id, sessions_total + 1, 'extra', (SELECT trainer_id FROM allocations WHERE purchase_id = ?1),
                   '2031-01-01', '2031-01-01T10:00:00Z', '2031-01-01T10:45:00Z' FROM purchases WHERE id = ?1"],
        breaks: &[Once, NothingVanishes, Occurrences],
    },
    Damage {
        what: "a session belongs to no purchase",
        find: "SELECT s.id, s.id, p.id FROM {UNDER_WAY} p JOIN sessions s ON s.purchase_id = p.id ORDER BY s.ordinal DESC LIMIT 1",
        statements: &["UPDATE sessions SET purchase_id = 'ffffffff-ffff-5fff-8fff-ffffffffffff' WHERE id = ?1"],
        breaks: &[Once, RollingWindow],
    },
    Damage {
        what: "a horizon is raised without sessions",
        find: "SELECT p.id, p.id FROM {UNDER_WAY} p",
        statements: &["UPDATE purchases SET horizon = date(horizon, '+30 days') WHERE id = ?1"],
        breaks: &[RollingWindow],
    },
    Damage {
        what: "a horizon is lowered",
        find: "SELECT p.id, p.id FROM {UNDER_WAY} p",
        statements: &["UPDATE purchases SET horizon = date(horizon, '-10 days') WHERE id = ?1"],
        breaks: &[RollingWindow],
    },
    Damage {
        what: "a horizon was not raised by the cron",
        find: "SELECT p.id, p.id FROM {UNDER_WAY} p",
        statements: &[
            "UPDATE purchases SET horizon = (SELECT local_date FROM sessions WHERE purchase_id = ?1 ORDER BY ordinal DESC LIMIT 1)
             WHERE id = ?1",
            "DELETE FROM sessions WHERE purchase_id = ?1 AND local_date >= (SELECT horizon FROM purchases WHERE id = ?1)",
        ],
        breaks: &[RollingWindow],
    },
    Damage {
        what: "a horizon is gone",
        find: "SELECT p.id, p.id FROM {UNDER_WAY} p",
        statements: &["UPDATE purchases SET horizon = NULL WHERE id = ?1"],
        breaks: &[RollingWindow],
    },
    Damage {
        what: "a reservation is gone",
        find: "SELECT party, party FROM reservations WHERE party LIKE 'trainer:%' AND starts <> 0 LIMIT 1",
        statements: &["DELETE FROM reservations WHERE party = ?1
                       AND key = (SELECT min(key) FROM reservations WHERE party = ?1)"],
        breaks: &[NoDoubleBooking],
    },
    Damage {
        what: "one week of a reservation is gone",
        find: "SELECT party, party FROM reservations WHERE party LIKE 'student:%' AND starts = 0 LIMIT 1",
        statements: &["UPDATE reservations SET busy = busy & (busy - 1) WHERE party = ?1 AND starts = 0"],
        breaks: &[NoDoubleBooking],
    },
    Damage {
        what: "time is reserved that no plan takes",
        find: "SELECT party, party FROM reservations LIMIT 1",
        statements: &["UPDATE reservations SET busy = busy | 1 WHERE party = ?1"],
        breaks: &[NoDoubleBooking],
    },
    Damage {
        what: "a start in the reserved time is gone",
        find: "SELECT party, party FROM reservations WHERE starts <> 0 LIMIT 1",
        statements: &["UPDATE reservations SET starts = 0 WHERE party = ?1"],
        breaks: &[NoDoubleBooking],
    },
    Damage {
        what: "time is reserved of somebody who has no plan",
        find: "SELECT 'student:nobody', 'student:nobody'",
        statements: &["INSERT INTO reservations VALUES (?1, 5, 1, 1)"],
        breaks: &[NoDoubleBooking],
    },
    Damage {
        what: "time is reserved of neither a trainer nor a student",
        find: "SELECT 'room 7', 'student:room 7'",
        statements: &["INSERT INTO reservations VALUES (?1, 5, 1, 1)"],
        breaks: &[NoDoubleBooking],
    },
    Damage {
        what: "a purchase is created again",
        find: "SELECT p.id, p.id, r.place, p.id FROM {UNDER_WAY} p
               JOIN {PLACED} r ON r.topic = 'purchase-created' AND CAST(r.key AS TEXT) = p.id",
        statements: &["UPDATE purchases SET status = 'created' WHERE id = ?1"],
        breaks: &[Once, NothingVanishes, RollingWindow],
    },
    Damage {
        what: "a purchase is allocated again",
        find: "SELECT p.id, r.place, p.id FROM {UNDER_WAY} p
               JOIN {PLACED} r ON r.topic = 'trainer-allocated' AND CAST(r.key AS TEXT) = p.id",
        statements: &["UPDATE purchases SET status = 'allocated' WHERE id = ?1"],
        breaks: &[NothingVanishes, RollingWindow],
    },
    Damage {
        what: "a purchase is completed before its last session",
        find: "SELECT p.id, p.id FROM {UNDER_WAY} p",
        statements: &["UPDATE purchases SET status = 'completed' WHERE id = ?1"],
        breaks: &[RollingWindow],
    },
    Damage {
        what: "a session of a completed purchase is scheduled",
        find: "SELECT id, id FROM purchases WHERE status = 'completed' LIMIT 1",
        statements: &["UPDATE sessions SET status = 'scheduled' WHERE purchase_id = ?1 AND ordinal = 1"],
        breaks: &[RollingWindow],
    },
    Damage {
        what: "an allocation is gone",
        find: "SELECT p.id, p.id, 'trainer:' || a.trainer_id FROM {UNDER_WAY} p JOIN allocations a ON a.purchase_id = p.id",
        statements: &["DELETE FROM allocations WHERE purchase_id = ?1"],
        breaks: &[Once, NoDoubleBooking],
    },
    Damage {
        what: "an allocation has ended",
        find: "SELECT p.id, p.id, 'student:' || p.student_id FROM {UNDER_WAY} p",
        statements: &["UPDATE allocations SET status = 'ended' WHERE purchase_id = ?1"],
        breaks: &[Once, NoDoubleBooking],
    },
    Damage {
        what: "a purchase has two active allocations",
        find: "SELECT p.id, p.id, '00000000-0000-4000-8000-000000000000', '00000000-0000-4000-8000-000000000000'
               FROM {UNDER_WAY} p",
        statements: &[
            "DROP INDEX allocations_active",
            "INSERT INTO allocations (id, purchase_id, trainer_id, student_id, generation, start_date, slots, skipped, receipt, allocated_at)
             SELECT '00000000-0000-4000-8000-000000000000', purchase_id, trainer_id, student_id, 2, start_date, slots, skipped,
                    receipt, allocated_at FROM allocations WHERE purchase_id = ?1",
        ],
        breaks: &[Once, NothingVanishes, NoDoubleBooking],
    },
    Damage {
        what: "an allocation is for another student",
        find: "SELECT a.id, a.id, 'student:stu_other' FROM {UNDER_WAY} p JOIN allocations a ON a.purchase_id = p.id",
        statements: &["UPDATE allocations SET student_id = 'stu_other' WHERE id = ?1"],
        breaks: &[Once, NoDoubleBooking],
    },
    Damage {
        what: "a slot is another one",
        find: "SELECT a.id, 'trainer:' || a.trainer_id, a.id, s.id FROM {UNDER_WAY} p
               JOIN allocations a ON a.purchase_id = p.id JOIN sessions s ON s.purchase_id = p.id AND s.ordinal = 1",
        statements: &["UPDATE allocations SET slots = json_set(slots, '$[0].at', '03:15', '$[1].at', '03:15') WHERE id = ?1"],
        breaks: &[NoDoubleBooking, WholePlanFits, Occurrences],
    },
    Damage {
        what: "a slot is missing",
        find: "SELECT a.id, 'trainer:' || a.trainer_id, a.id, s.id, p.id FROM {UNDER_WAY} p
               JOIN allocations a ON a.purchase_id = p.id JOIN sessions s ON s.purchase_id = p.id AND s.ordinal = 3",
        statements: &["UPDATE allocations SET slots = json_remove(slots, '$[1]') WHERE id = ?1"],
        breaks: &[NoDoubleBooking, WholePlanFits, Occurrences, RollingWindow],
    },
    Damage {
        what: "a plan starts before it was allocated",
        find: "SELECT p.id, 'trainer:' || a.trainer_id, p.id, p.id FROM {UNDER_WAY} p JOIN allocations a ON a.purchase_id = p.id",
        statements: &[
            "UPDATE allocations SET start_date = '2026-11-03' WHERE purchase_id = ?1",
            "UPDATE purchases SET start_date = '2026-11-03' WHERE id = ?1",
        ],
        breaks: &[NoDoubleBooking, Occurrences, RollingWindow],
    },
    Damage {
        what: "a purchase's start date is not its allocation's",
        find: "SELECT p.id, p.id FROM {UNDER_WAY} p",
        statements: &["UPDATE purchases SET start_date = '2026-12-02' WHERE id = ?1"],
        breaks: &[Occurrences],
    },
    Damage {
        what: "a day off is not skipped",
        find: "SELECT id, 'trainer:' || trainer_id, id, id, purchase_id FROM allocations
               WHERE receipt ->> '$.skipped_for_time_off' <> '[]' LIMIT 1",
        statements: &["UPDATE allocations SET skipped = receipt ->> '$.skipped_for_closures' WHERE id = ?1"],
        breaks: &[NoDoubleBooking, WholePlanFits, Occurrences, RollingWindow],
    },
    Damage {
        what: "a date is skipped without a reason",
        find: "SELECT a.id, 'trainer:' || a.trainer_id, a.id, p.id FROM {UNDER_WAY} p JOIN allocations a ON a.purchase_id = p.id",
        statements: &["UPDATE allocations SET skipped = json_insert(skipped, '$[#]',
            (SELECT local_date FROM sessions s WHERE s.purchase_id = allocations.purchase_id AND s.ordinal = 2)) WHERE id = ?1"],
        breaks: &[NoDoubleBooking, Occurrences, RollingWindow],
    },
    Damage {
        what: "more dates are skipped for time off than allowed",
        find: "SELECT id, id, id FROM allocations WHERE receipt ->> '$.skipped_for_time_off' <> '[]' LIMIT 1",
        statements: &["UPDATE allocations SET receipt = json_set(receipt, '$.skipped_for_time_off',
            json('[\"2026-12-08\",\"2026-12-09\",\"2026-12-10\"]')) WHERE id = ?1"],
        breaks: &[WholePlanFits, Occurrences],
    },
    Damage {
        what: "a trainer was allowed fewer sessions a week",
        find: "SELECT a.id, a.id FROM {UNDER_WAY} p JOIN allocations a ON a.purchase_id = p.id",
        statements: &["UPDATE allocations SET receipt = json_set(receipt, '$.trainer.max_sessions_per_week', 1) WHERE id = ?1"],
        breaks: &[WholePlanFits],
    },
    Damage {
        what: "a trainer was not available",
        find: "SELECT a.id, a.id FROM {UNDER_WAY} p JOIN allocations a ON a.purchase_id = p.id",
        statements: &["UPDATE allocations SET receipt = json_set(receipt, '$.trainer.availability',
            json('[{\"weekday\":\"sun\",\"from\":\"22:00\",\"until\":\"02:00\"}]')) WHERE id = ?1"],
        breaks: &[WholePlanFits],
    },
    Damage {
        what: "a trainer's zone was another",
        find: "SELECT a.id, a.id FROM {UNDER_WAY} p JOIN allocations a ON a.purchase_id = p.id",
        statements: &["UPDATE allocations SET receipt = json_set(receipt, '$.trainer.time_zone', 'Pacific/Auckland') WHERE id = ?1"],
        breaks: &[WholePlanFits],
    },
    Damage {
        what: "a trainer was off",
        find: "SELECT a.id, a.id FROM {UNDER_WAY} p JOIN allocations a ON a.purchase_id = p.id",
        statements: &["UPDATE allocations SET receipt = json_set(receipt, '$.trainer.time_off',
            json('[{\"from\":\"2026-01-01\",\"until\":\"2028-01-01\"}]')) WHERE id = ?1"],
        breaks: &[WholePlanFits],
    },
    Damage {
        what: "a trainer does not teach the course",
        find: "SELECT a.id, a.id FROM {UNDER_WAY} p JOIN allocations a ON a.purchase_id = p.id",
        statements: &["UPDATE allocations SET receipt = json_set(receipt, '$.trainer.courses[0].levels[0]', 'expert') WHERE id = ?1"],
        breaks: &[WholePlanFits],
    },
    Damage {
        what: "trainer and student can't talk",
        find: "SELECT a.id, a.id FROM {UNDER_WAY} p JOIN allocations a ON a.purchase_id = p.id",
        statements: &["UPDATE allocations SET receipt = json_set(receipt, '$.trainer.languages[0]', 'fi') WHERE id = ?1"],
        breaks: &[WholePlanFits],
    },
    Damage {
        what: "a receipt is of another trainer",
        find: "SELECT a.id, a.id FROM {UNDER_WAY} p JOIN allocations a ON a.purchase_id = p.id",
        statements: &["UPDATE allocations SET receipt = json_set(receipt, '$.trainer.trainer_id', 'trn_other') WHERE id = ?1"],
        breaks: &[WholePlanFits],
    },
    Damage {
        what: "a receipt can't be read",
        find: "SELECT a.id, 'trainer:' || a.trainer_id, p.id FROM {UNDER_WAY} p JOIN allocations a ON a.purchase_id = p.id",
        statements: &["UPDATE allocations SET receipt = '{' WHERE id = ?1"],
        breaks: &[NoDoubleBooking, Occurrences],
    },
    Damage {
        what: "a purchase has more sessions than were confirmed",
        find: "SELECT p.id, p.id FROM {UNDER_WAY} p",
        statements: &["UPDATE purchases SET sessions_total = sessions_total + 1 WHERE id = ?1"],
        breaks: &[Occurrences],
    },
    Damage {
        what: "a purchase is of another payment",
        find: "SELECT p.id, p.id FROM {UNDER_WAY} p",
        statements: &["UPDATE purchases SET payment_id = 'pay_other' WHERE id = ?1"],
        breaks: &[Once],
    },
    Damage {
        what: "a purchase says something else than its payment",
        find: "SELECT p.id, r.place FROM {UNDER_WAY} p
               JOIN {PLACED} r ON r.topic = 'purchase-confirmed' AND CAST(r.key AS TEXT) = p.payment_id",
        statements: &["UPDATE purchases SET confirmation = json_set(confirmation, '$.amount.minor', 5) WHERE id = ?1"],
        breaks: &[NothingVanishes],
    },
    Damage {
        what: "a purchase that waits is gone",
        find: "SELECT p.id, p.id, r.place FROM purchases p
               JOIN {PLACED} r ON r.topic = 'purchase-confirmed' AND CAST(r.key AS TEXT) = p.payment_id
               WHERE p.status = 'waitlisted'",
        statements: &["DELETE FROM purchases WHERE id = ?1"],
        breaks: &[Once, NothingVanishes],
    },
    Damage {
        what: "a purchase that is allocated is gone",
        find: "SELECT p.id, s.id, r.place, 'trainer:' || s.trainer_id FROM {UNDER_WAY} p
               JOIN sessions s ON s.purchase_id = p.id AND s.ordinal = 1
               JOIN {PLACED} r ON r.topic = 'trainer-allocated' AND CAST(r.key AS TEXT) = p.id",
        statements: &["DELETE FROM purchases WHERE id = ?1"],
        breaks: &[Once, NothingVanishes, NoDoubleBooking],
    },
    Damage {
        what: "a purchase that waits is not on the waitlist",
        find: "SELECT purchase_id, purchase_id FROM waitlist",
        statements: &["DELETE FROM waitlist WHERE purchase_id = ?1"],
        breaks: &[Once],
    },
    Damage {
        what: "a dead letter is gone",
        find: "SELECT id, topic || '/' || partition || '@' || log_offset FROM dead_letters WHERE reason = 'invalid-json'",
        statements: &["DELETE FROM dead_letters WHERE id = ?1"],
        breaks: &[NothingVanishes],
    },
    Damage {
        what: "a conflicting payment is no dead letter",
        find: "SELECT id, topic || '/' || partition || '@' || log_offset FROM dead_letters WHERE reason = 'conflicting-payment'",
        statements: &["DELETE FROM dead_letters WHERE id = ?1"],
        breaks: &[NothingVanishes],
    },
    Damage {
        what: "a dead letter has another value than on the queue",
        find: "SELECT id, 'dead-letter:' || id FROM dead_letters WHERE reason = 'invalid-field'",
        statements: &["UPDATE dead_letters SET value = X'7B7D' WHERE id = ?1"],
        breaks: &[NothingVanishes],
    },
    Damage {
        what: "a position is beyond the end of the log",
        find: "SELECT '', consumer_group || ' ' || topic || '/' || partition FROM positions
               WHERE consumer_group = 'purchase-creation-workers' AND partition = 1",
        statements: &["UPDATE positions SET next_offset = next_offset + 1
                       WHERE consumer_group = 'purchase-creation-workers' AND partition = 1"],
        breaks: &[NothingVanishes],
    },
    Damage {
        what: "a position is of another topic of the same name",
        find: "SELECT '', consumer_group || ' ' || topic || '/' || partition FROM positions
               WHERE consumer_group = 'session-scheduling-workers' AND topic = 'trainer-allocated' AND partition = 0",
        statements: &["UPDATE positions SET topic_id = '00000000-0000-4000-8000-000000000000'
                       WHERE consumer_group = 'session-scheduling-workers' AND topic = 'trainer-allocated' AND partition = 0"],
        breaks: &[NothingVanishes],
    },
    Damage {
        what: "the cache worker's position is beyond the end of the log",
        find: "SELECT '', 'cache-invalidation-workers purchase-created/2'",
        statements: &["UPDATE positions SET next_offset = next_offset + 1
                       WHERE consumer_group = 'cache-invalidation-workers' AND topic = 'purchase-created' AND partition = 2"],
        breaks: &[Freshness],
    },
    Damage {
        what: "a creation is told by two events",
        find: "SELECT r.id, p.id FROM {UNDER_WAY} p JOIN {PLACED} r ON r.topic = 'purchase-created' AND CAST(r.key AS TEXT) = p.id",
        statements: &["INSERT INTO outbox (topic, key, value, headers, timestamp)
            SELECT 'purchase-created', key, value, json_replace(headers, '$[1][1]', '00000000-0000-4000-8000-000000000000'), timestamp
            FROM log_records WHERE id = ?1"],
        breaks: &[Once],
    },
    Damage {
        what: "the same sessions are told by two events",
        find: "SELECT r.id, p.id FROM {UNDER_WAY} p JOIN {PLACED} r ON r.topic = 'sessions-scheduled' AND CAST(r.key AS TEXT) = p.id
               ORDER BY r.id LIMIT 1",
        statements: &["INSERT INTO outbox (topic, key, value, headers, timestamp)
            SELECT 'sessions-scheduled', key, value, json_replace(headers, '$[1][1]', '00000000-0000-4000-8000-000000000000'), timestamp
            FROM log_records WHERE id = ?1"],
        breaks: &[Once],
    },
    Damage {
        what: "an event is republished with another content",
        find: "SELECT r.id, r.headers ->> '$[1][1]' FROM {UNDER_WAY} p
               JOIN {PLACED} r ON r.topic = 'trainer-allocated' AND CAST(r.key AS TEXT) = p.id",
        statements: &["INSERT INTO outbox (topic, key, value, headers, timestamp)
            SELECT 'trainer-allocated', key, CAST(value || ' ' AS BLOB), headers, timestamp FROM log_records WHERE id = ?1"],
        breaks: &[Once],
    },
    Damage {
        what: "a purchase was never told of",
        find: "SELECT r.id, p.id FROM {UNDER_WAY} p JOIN {PLACED} r ON r.topic = 'purchase-created' AND CAST(r.key AS TEXT) = p.id",
        statements: &["DELETE FROM log_records WHERE id = ?1"],
        breaks: &[NothingVanishes],
    },
    Damage {
        what: "an allocation was never told of",
        find: "SELECT r.id, a.id FROM {UNDER_WAY} p JOIN allocations a ON a.purchase_id = p.id
               JOIN {PLACED} r ON r.topic = 'trainer-allocated' AND CAST(r.key AS TEXT) = p.id",
        statements: &["DELETE FROM log_records WHERE id = ?1"],
        breaks: &[NothingVanishes],
    },
    Damage {
        what: "sessions were never told of",
        find: "SELECT r.id, s.id FROM {UNDER_WAY} p JOIN sessions s ON s.purchase_id = p.id AND s.ordinal = 1
               JOIN {PLACED} r ON r.topic = 'sessions-scheduled' AND CAST(r.key AS TEXT) = p.id ORDER BY r.id LIMIT 1",
        statements: &["DELETE FROM log_records WHERE id = ?1"],
        breaks: &[NothingVanishes],
    },
];

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
