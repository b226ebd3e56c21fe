//! The rolling window: session rows are exactly the occurrences before the horizon.

use caravan::workers::cron;
use caravan_domain::event::Topic;
use caravan_domain::purchase::PurchaseStatus;
use serde_json::{Value, json};

use crate::house::House;
use crate::sample::{payment, trainer};

/// A plan of 30 lessons on Tuesdays and Thursdays from 1 December on.
async fn with_a_long_plan() -> House {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    house.pay(&[payment("pay_1", json!({ "plan": { "sessions": 30 } }))]).await;
    house.run().await;
    house
}

async fn extend(house: &House, as_of: &str) {
    let midnight = format!("{as_of}T00:00:00Z").parse().unwrap();
    cron::run_once(&house.platform, &house.policy, midnight).await.unwrap();
    house.run().await;
}

async fn horizon(house: &House) -> String {
    house.purchase("pay_1").await.horizon.unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_window_reaches_four_weeks_past_the_start() {
    let house = with_a_long_plan().await;
    assert_eq!(horizon(&house).await, "2026-12-29");
    assert_eq!(house.dates("pay_1").await, ["12-01", "12-03", "12-08", "12-10", "12-15", "12-17", "12-22", "12-24"]);
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn extending_raises_the_horizon_once_for_a_day_and_never_lowers_it() {
    let house = with_a_long_plan().await;
    for (as_of, expected, rows) in [
        ("2026-11-23", "2026-12-29", 8),
        ("2026-12-01", "2026-12-29", 8),
        ("2026-12-02", "2026-12-30", 9),
        ("2026-12-10", "2027-01-07", 11),
        ("2026-12-10", "2027-01-07", 11),
        ("2026-12-05", "2027-01-07", 11),
        ("2026-11-01", "2027-01-07", 11),
        ("2027-06-01", "2027-06-29", 30),
        ("2027-06-01", "2027-06-29", 30),
    ] {
        extend(&house, as_of).await;
        assert_eq!(
            (horizon(&house).await.as_str(), house.sessions("pay_1").await.len()),
            (expected, rows),
            "as of {as_of}"
        );
    }
    let ordinals: Vec<u32> = house.sessions("pay_1").await.iter().map(|session| session.ordinal).collect();
    assert_eq!(ordinals, (1..=30).collect::<Vec<_>>());

    let told = house.events(Topic::SessionsScheduled, "pay_1").await;
    let windows: Vec<_> = told.iter().map(|event| event["window"].clone()).collect();
    let window = |from: &str, until: &str| json!({ "from": from, "until": until });
    let expected = [
        ("2026-12-01", "2026-12-29"),
        ("2026-12-29", "2026-12-30"),
        ("2026-12-30", "2027-01-07"),
        ("2027-01-07", "2027-06-29"),
    ];
    assert_eq!(windows, expected.map(|(from, until)| window(from, until)), "one for each time it is really extended");
    let listed: usize = told.iter().map(|event| event["sessions"].as_array().map_or(0, Vec::len)).sum();
    assert_eq!(listed, 30, "each session is told once");
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_is_completed_and_a_purchase_with_its_last_session() {
    let house = with_a_long_plan().await;
    let completed = async || {
        let sessions = house.sessions("pay_1").await;
        sessions.iter().filter(|session| session.status.name() == "completed").count()
    };
    house.set_clock("2026-12-08T12:29:59Z");
    house.run().await;
    assert_eq!(completed().await, 2, "the third ends a second later");
    extend(&house, "2026-12-09").await;
    assert_eq!(completed().await, 3);
    assert_eq!(house.purchase("pay_1").await.status, PurchaseStatus::Scheduled);
    house.set_clock("2027-06-01T10:00:00Z");
    house.run().await;
    assert_eq!(completed().await, 30);
    assert_eq!(house.purchase("pay_1").await.status, PurchaseStatus::Completed);
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missed_run_of_the_cron_is_caught_up_at_the_next_start() {
    let house = with_a_long_plan().await;
    house.set_clock("2026-12-15T01:00:00Z");
    house.run().await;
    assert_eq!(horizon(&house).await, "2027-01-12", "the run of the 14th and those before were missed");
    house.set_clock("2026-12-15T01:59:59Z");
    house.run().await;
    assert_eq!(horizon(&house).await, "2027-01-12");
    house.set_clock("2026-12-16T02:00:00Z");
    house.run().await;
    assert_eq!(horizon(&house).await, "2027-01-13");
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plan_tells_and_what_its_rows_say_is_the_same() {
    let house = with_a_long_plan().await;
    let told = house.events(Topic::SessionsScheduled, "pay_1").await.remove(0);
    let rows: Vec<Value> = house
        .sessions("pay_1")
        .await
        .iter()
        .map(|session| {
            json!({ "session_id": session.id, "ordinal": session.ordinal, "local_date": session.local_date,
                    "starts_at": session.starts_at, "ends_at": session.ends_at })
        })
        .collect();
    assert_eq!(told["sessions"], json!(rows));
    assert_eq!(told["sessions"][0]["starts_at"], "2026-12-01T11:30:00Z");
    assert_eq!(
        (&told["trainer_id"], &told["student_id"], &told["time_zone"]),
        (&json!("trn_1"), &json!("stu_pay_1"), &json!("Asia/Kolkata"))
    );
    house.nothing_is_left_over(&[]).await;
}
