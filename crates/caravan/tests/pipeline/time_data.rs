//! Other time zone data moves no session silently: what it would move is found before anything is laid out by it.

use caravan::time_data::{Moved, Search, TimeDataError, bundled, settle};
use jiff::SignedDuration;
use serde_json::json;

use crate::house::{House, NOW};
use crate::sample::{payment, trainer};

const OLDER: &str = "UPDATE time_data SET version = '2001a'";

/// As if the data knew other clocks for the zone of `pay_1`'s student.
fn exchanged(from: &str, to: &str) -> String {
    format!(
        "UPDATE confirmations SET confirmation = replace(confirmation, '{from}', '{to}') WHERE confirmation LIKE '%\"pay_1\"%';
         UPDATE purchases SET time_zone = '{to}' WHERE payment_id = 'pay_1'"
    )
}

async fn house() -> House {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    let berlin = json!({ "student": { "time_zone": "Europe/Berlin" }, "plan": { "sessions": 20 } });
    house.pay(&[payment("pay_1", json!({ "plan": { "sessions": 20 } })), payment("pay_2", berlin)]).await;
    house.run().await;
    house
}

async fn version(house: &House) -> Option<String> {
    house.platform.store.time_data().await.unwrap().map(|found| found.version)
}

async fn search(house: &House) -> Vec<Moved> {
    let (mut search, mut found) = (Search::new(&house.platform), Vec::new());
    while let Some(page) = search.next().await.unwrap() {
        found.extend(page);
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_moves_nothing_is_noted() {
    let house = house().await;
    assert_eq!(version(&house).await.as_deref(), Some(bundled()), "a new database knows its data");
    for unknown in [OLDER, "DELETE FROM time_data"] {
        house.ground.execute(unknown).await;
        settle(&house.platform).await.unwrap();
        let noted = house.platform.store.time_data().await.unwrap().unwrap();
        assert_eq!((noted.version.as_str(), noted.noted_at), (bundled(), NOW.parse().unwrap()), "{unknown}");
    }
    assert_eq!(search(&house).await, []);
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_moves_sessions_is_refused_with_each_of_them_and_changes_nothing() {
    let house = house().await;
    let before = house.sessions("pay_1").await;
    house.ground.execute(&exchanged("Asia/Kolkata", "Asia/Dubai")).await;
    settle(&house.platform).await.expect("where the version is the one noted nothing is laid out");
    house.ground.execute(OLDER).await;
    let refused = settle(&house.platform).await.unwrap_err();
    let TimeDataError::Moves { sessions, purchases, recorded, .. } = &refused else { panic!("{refused}") };
    assert_eq!((*sessions, *purchases, recorded.as_str()), (20, 1, "2001a"));
    let told = refused.to_string();
    assert!(told.contains("would move 20 sessions of 1 purchase that were planned with 2001a"), "{told}");
    assert!(told.contains("`caravan time-data list`") && told.contains("go back to the program before"), "{told}");
    assert_eq!(version(&house).await.as_deref(), Some("2001a"));

    let moved = search(&house).await;
    assert_eq!(moved.iter().map(|moved| moved.ordinal).collect::<Vec<_>>(), (1..=20).collect::<Vec<u32>>());
    assert_eq!(moved.iter().filter(|moved| moved.in_calendar).count(), before.len());
    for (found, row) in moved.iter().zip(&before) {
        assert_eq!((found.session_id, found.starts_at), (row.id, Some(row.starts_at)));
    }
    for found in &moved {
        let until_now = found.starts_at.expect("time is reserved for it");
        assert_eq!(found.would_start_at.duration_since(until_now), SignedDuration::from_mins(90), "{found:?}");
        assert_eq!((found.trainer_id.as_str(), found.time_zone.as_str()), ("trn_1", "Asia/Dubai"));
    }
    // What is over can't move any more.
    house.set_clock("2026-12-10T00:00:00Z");
    assert_eq!(search(&house).await.first().map(|moved| moved.ordinal), Some(4));
    house.set_clock(NOW);
    let after = house.sessions("pay_1").await;
    assert!(before.iter().zip(&after).all(|(before, after)| before.starts_at == after.starts_at));

    house.ground.execute(&exchanged("Asia/Dubai", "Asia/Kolkata")).await;
    settle(&house.platform).await.unwrap();
    assert_eq!(version(&house).await.as_deref(), Some(bundled()));
    house.nothing_is_left_over(&[]).await;
}
