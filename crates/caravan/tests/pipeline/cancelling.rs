//! Purchases that are called off: what has begun is held, what comes after a date is not, and the time
//! goes to those who wait.

use caravan::life::cancel::{CancelError, Cancelled, Request, cancel};
use caravan::platform::log::NewRecord;
use caravan_domain::event::{Headers, Topic};
use caravan_domain::ids::purchase_id;
use jiff::civil::Date;
use serde_json::{Value, json};

use crate::house::House;
use crate::sample::{payment, trainer};

/// Room for one plan of the sample's slots.
fn one_place() -> Value {
    let ranges = ["tue", "thu"].map(|day| json!({ "weekday": day, "from": "17:00", "until": "18:00" }));
    trainer("trn_1", json!({ "availability": ranges }))
}

fn asked(from: Option<&str>) -> Request {
    let from = from.map(|date| date.parse::<Date>().unwrap());
    Request { from, actor: "ann".to_owned(), reason: "moved abroad".to_owned() }
}

async fn call_off(house: &House, payment_id: &str, from: Option<&str>) -> Cancelled {
    cancel(&house.platform, purchase_id(payment_id, None), &asked(from)).await.unwrap()
}

/// The status of each session row.
async fn statuses(house: &House, payment_id: &str) -> String {
    let sessions = house.sessions(payment_id).await;
    sessions.iter().map(|session| session.status.name()).collect::<Vec<_>>().join(" ")
}

fn now(effective_from: &str, called_off: u16, kept: u16) -> Cancelled {
    Cancelled::Now { effective_from: effective_from.parse().unwrap(), called_off, kept }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_under_way_keeps_what_was_held_and_makes_room_for_whoever_waits() {
    let house = House::with(&[one_place()]).await;
    house.pay(&[payment("pay_1", json!({})), payment("pay_2", json!({}))]).await;
    house.run().await;
    let (taught, waits) =
        if house.teacher("pay_1").await == "waitlisted" { ("pay_2", "pay_1") } else { ("pay_1", "pay_2") };
    assert_eq!(house.teacher(waits).await, "waitlisted");

    // Thursday, half past five: the second lesson has begun.
    house.set_clock("2026-12-03T12:00:00Z");
    assert_eq!(call_off(&house, taught, None).await, now("2026-12-03", 4, 2));
    assert_eq!(call_off(&house, taught, None).await, Cancelled::Before);
    house.run().await;
    assert_eq!(house.teacher(taught).await, "cancelled");
    assert_eq!(statuses(&house, taught).await, "completed scheduled cancelled cancelled cancelled cancelled");
    assert_eq!(house.teacher(waits).await, "trn_1: tue 17:00, thu 17:00");
    assert_eq!(house.dates(waits).await, ["12-08", "12-10", "12-15", "12-17", "12-22", "12-24"]);
    let told = house.events(Topic::PurchaseCancelled, taught).await;
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0]["reason"], &told[0]["effective_from"]), (&json!("moved abroad"), &json!("2026-12-03")));
    // Whoever keeps answers about the student or the trainer knows that they are outdated.
    assert_eq!((&told[0]["student_id"], &told[0]["trainer_id"]), (&json!(format!("stu_{taught}")), &json!("trn_1")));
    house.nothing_is_left_over(&[]).await;

    house.set_clock("2027-01-10T10:00:00Z");
    house.run().await;
    assert_eq!(statuses(&house, taught).await, "completed completed cancelled cancelled cancelled cancelled");
    assert_eq!(house.purchase(taught).await.status.name(), "cancelled");
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_later_date_everything_before_it_still_stands_in_the_calendar() {
    let house = House::with(&[one_place()]).await;
    house.pay(&[payment("pay_1", json!({ "plan": { "sessions": 24 } }))]).await;
    house.run().await;
    assert_eq!(house.sessions("pay_1").await.len(), 8, "four weeks");
    assert_eq!(call_off(&house, "pay_1", Some("2027-01-12")).await, now("2027-01-12", 12, 12));
    house.run().await;
    assert_eq!(statuses(&house, "pay_1").await, ["scheduled"; 12].join(" "));
    assert_eq!(house.dates("pay_1").await.last().unwrap(), "01-07");
    house.nothing_is_left_over(&[]).await;

    house.set_clock("2027-02-10T10:00:00Z");
    house.run().await;
    assert_eq!(statuses(&house, "pay_1").await, ["completed"; 12].join(" "));
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_it_starts_nothing_of_it_is_left_and_no_replay_brings_it_back() {
    let house = House::with(&[one_place()]).await;
    house.pay(&[payment("pay_1", json!({}))]).await;
    house.run().await;
    assert_eq!(call_off(&house, "pay_1", None).await, now("2026-11-23", 6, 0));
    // The shop reports the payment again, and everything that was told is told again.
    house.pay(&[payment("pay_1", json!({}))]).await;
    let told = house.records(Topic::TrainerAllocated).await;
    let again = told.into_iter().map(|record| NewRecord {
        topic: record.at.topic,
        key: record.key,
        value: record.value,
        headers: record.headers,
        timestamp: record.timestamp,
    });
    house.publish(&again.collect::<Vec<_>>()).await;
    house.run().await;
    assert_eq!(house.teacher("pay_1").await, "cancelled");
    assert_eq!(statuses(&house, "pay_1").await, ["cancelled"; 6].join(" "));
    house.pay(&[payment("pay_2", json!({}))]).await;
    house.run().await;
    assert_eq!(house.teacher("pay_2").await, "trn_1: tue 17:00, thu 17:00");
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_can_be_called_off_and_what_is_over_or_unknown_cannot() {
    let house = House::with(&[one_place()]).await;
    house.pay(&[payment("pay_1", json!({})), payment("pay_2", json!({ "course": { "subject": "cobol" } }))]).await;
    house.run().await;
    assert_eq!(call_off(&house, "pay_2", None).await, now("2026-11-23", 6, 0));
    house.employ(&[trainer("trn_2", json!({ "courses": [{ "subject": "cobol", "levels": ["beginner"] }] }))]).await;
    house.run().await;
    assert_eq!(house.teacher("pay_2").await, "cancelled");

    house.set_clock("2027-01-10T10:00:00Z");
    house.run().await;
    let refused = cancel(&house.platform, purchase_id("pay_1", None), &asked(None)).await;
    assert!(matches!(refused, Err(CancelError::Completed(_))), "{refused:?}");
    let refused = cancel(&house.platform, purchase_id("pay_9", None), &asked(None)).await;
    assert!(matches!(refused, Err(CancelError::Unknown(_))), "{refused:?}");
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_date_that_is_over_and_one_after_the_last_lesson_call_nothing_off() {
    let house = House::with(&[one_place()]).await;
    house.pay(&[payment("pay_1", json!({}))]).await;
    house.run().await;
    house.set_clock("2026-12-17T14:00:00Z");
    let id = purchase_id("pay_1", None);
    let refused = cancel(&house.platform, id, &asked(Some("2026-12-16"))).await;
    assert!(matches!(refused, Err(CancelError::Past { .. })), "{refused:?}");
    for from in [None, Some("2027-01-01")] {
        let refused = cancel(&house.platform, id, &asked(from)).await;
        assert!(matches!(refused, Err(CancelError::NothingLeft(..))), "{refused:?}");
    }
    house.run().await;
    assert_eq!(house.purchase("pay_1").await.status.name(), "completed");
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_only_the_log_tells_of_counts_as_well() {
    let house = House::with(&[one_place()]).await;
    house.pay(&[payment("pay_1", json!({})), payment("pay_2", json!({ "course": { "subject": "cobol" } }))]).await;
    house.run().await;
    let ids = ["pay_1", "pay_2"].map(|payment| purchase_id(payment, None));
    let told = ids.map(|id| {
        let value = json!({
            "purchase_id": id, "cancelled_at": "2026-12-03T12:00:00Z", "reason": "refunded", "effective_from": "2026-12-03",
        });
        NewRecord {
            topic: Topic::PurchaseCancelled,
            key: Some(id.to_string().into_bytes()),
            value: Some(value.to_string().into_bytes()),
            headers: Headers::new(),
            timestamp: house.platform.clock.now(),
        }
    });
    house.set_clock("2026-12-04T10:00:00Z");
    house.publish(&[told.to_vec(), told.to_vec()].concat()).await;
    house.run().await;
    assert_eq!(house.teacher("pay_1").await, "cancelled");
    assert_eq!(statuses(&house, "pay_1").await, "completed completed cancelled cancelled cancelled cancelled");
    assert_eq!(house.teacher("pay_2").await, "cancelled");
    let changes = house.platform.store.changes_of(ids[0]).await.unwrap();
    assert_eq!((changes.len(), changes[0].reason.as_str()), (1, "refunded"));
    house.nothing_is_left_over(&[]).await;
}
