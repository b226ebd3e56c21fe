//! Other time zone data moves no session silently: what it would move is found before anything is laid out by it.

use std::time::Duration;

use caravan::life::sessions::{self, Act, When};
use caravan::life::time_data::{self, Remedy, Request, Settled};
use caravan::time_data::{Moved, Search, TimeDataError, bundled, settle};
use caravan_domain::event::Topic;
use caravan_domain::session::SessionStatus;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::house::{House, NOW};
use crate::sample::{payment, trainer};

pub(crate) const OLDER: &str = "UPDATE time_data SET version = '2001a'";

/// As if the data knew other clocks for the zone of this payment's student.
pub(crate) fn exchanged_of(payment_id: &str, from: &str, to: &str) -> String {
    format!(
        "UPDATE confirmations SET confirmation = replace(confirmation, '{from}', '{to}') WHERE confirmation LIKE '%\"{payment_id}\"%';
         UPDATE purchases SET time_zone = '{to}' WHERE payment_id = '{payment_id}';"
    )
}

fn exchanged(from: &str, to: &str) -> String {
    exchanged_of("pay_1", from, to)
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
    assert!(told.contains("`caravan time-data list`") && told.contains("`caravan time-data apply`"), "{told}");
    assert!(told.contains("go back to the program before"), "{told}");
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

pub(crate) fn request() -> Request {
    Request { actor: "ann".to_owned(), reason: "one zone from now on".to_owned() }
}

/// The other data has come: the clocks of these payments' students go by `Asia/Dubai`, 90 minutes later.
async fn displace(house: &House, payments: &[&str]) {
    for payment in payments {
        house.ground.execute(&exchanged_of(payment, "Asia/Kolkata", "Asia/Dubai")).await;
    }
    house.ground.execute(OLDER).await;
}

async fn apply(house: &House) -> Vec<Settled> {
    time_data::apply(&house.platform, &request()).await.unwrap()
}

async fn starts(house: &House, payment: &str) -> Vec<(u32, Timestamp)> {
    house.sessions(payment).await.iter().map(|session| (session.ordinal, session.starts_at)).collect()
}

fn later(starts: &[(u32, Timestamp)], minutes: i64) -> Vec<(u32, Timestamp)> {
    starts.iter().map(|(ordinal, at)| (*ordinal, *at + SignedDuration::from_mins(minutes))).collect()
}

async fn noted(house: &House, payment: &str) -> usize {
    let id = house.purchase(payment).await.id;
    let changes = house.platform.store.changes_of(id).await.unwrap();
    changes.iter().filter(|change| change.kind == time_data::KIND).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_displaced_keeps_its_local_time_and_follows_the_next_change_too() {
    let house = house().await;
    let (before, other) = (starts(&house, "pay_1").await, starts(&house, "pay_2").await);
    displace(&house, &["pay_1"]).await;
    let proposed = time_data::propose(&house.platform).await.unwrap();
    assert_eq!((starts(&house, "pay_1").await, noted(&house, "pay_1").await), (before.clone(), 0), "nothing changes");
    let done = apply(&house).await;
    assert_eq!(done, proposed);
    assert_eq!(done.len(), 20);
    assert!(done.iter().all(|session| session.remedy == Remedy::Moves), "{done:#?}");
    assert_eq!(version(&house).await.as_deref(), Some(bundled()));
    assert_eq!(starts(&house, "pay_1").await, later(&before, 90));
    assert_eq!(starts(&house, "pay_2").await, other);
    for session in house.sessions("pay_1").await {
        assert_eq!(session.planned_starts_at, session.starts_at);
        assert_eq!(session.ends_at.duration_since(session.starts_at), SignedDuration::from_mins(60));
    }
    assert!(house.purchase("pay_1").await.changed.is_empty(), "nobody has fixed anything");
    assert_eq!(apply(&house).await, [], "it is done");
    assert_eq!(noted(&house, "pay_1").await, 1);
    house.run().await;
    let told = house.events(Topic::SessionsChanged, "pay_1").await;
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0]["cause"], &told[0]["actor"]), (&json!("time-data"), &json!("ann")));
    let sessions = told[0]["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 20);
    assert_eq!(sessions[0]["before"]["starts_at"], before[0].1.to_string());
    assert_eq!(sessions[0]["after"]["starts_at"], later(&before, 90)[0].1.to_string());
    house.nothing_is_left_over(&[]).await;

    // The next change moves them again, and windows go on by it.
    house.ground.execute(&exchanged("Asia/Dubai", "Asia/Karachi")).await;
    house.ground.execute(OLDER).await;
    assert_eq!(apply(&house).await.len(), 20);
    assert_eq!(starts(&house, "pay_1").await, later(&before, 30));
    house.set_clock("2026-12-20T10:00:00Z");
    house.run().await;
    assert!(house.sessions("pay_1").await.len() > before.len());
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_new_time_is_taken_a_session_stays_and_is_left_to_a_person() {
    let house = house().await;
    // On two Thursdays the trainer teaches somebody else when the lessons would be.
    let slots = json!([{ "weekday": "thu", "at": "14:00" }]);
    let plan = json!({ "start_date": "2026-12-03", "sessions": 2, "per_week": 1, "slots": slots });
    house.pay(&[payment("pay_3", json!({ "student": { "time_zone": "Europe/Berlin" }, "plan": plan }))]).await;
    house.run().await;
    let before = starts(&house, "pay_1").await;
    displace(&house, &["pay_1"]).await;
    let done = apply(&house).await;
    let left = |settled: &[Settled]| -> Vec<u32> {
        settled.iter().filter(|found| found.remedy == Remedy::Person).map(|found| found.moved.ordinal).collect()
    };
    assert_eq!((done.len(), left(&done)), (20, vec![2, 4]));
    let stays = |(index, at): (usize, &(u32, Timestamp))| match before[index].0 {
        2 | 4 => before[index],
        _ => *at,
    };
    let expected: Vec<_> = later(&before, 90).iter().enumerate().map(stays).collect();
    assert_eq!(starts(&house, "pay_1").await, expected);
    assert_eq!(house.purchase("pay_1").await.changed.keys().copied().collect::<Vec<_>>(), [2, 4]);
    assert_eq!((noted(&house, "pay_1").await, version(&house).await.as_deref()), (1, Some(bundled())));
    house.run().await;
    house.nothing_is_left_over(&[]).await;
    // The person finds another time for one of them.
    let second = house.sessions("pay_1").await[1].clone();
    let request = sessions::Request {
        session_id: second.id,
        purchase_id: None,
        act: Act::Move { to: Some(When::Local("2026-12-04T17:00:00".parse().unwrap())), trainer_id: None },
        overrides: Vec::new(),
        actor: "ann".to_owned(),
        reason: "the Thursday is taken".to_owned(),
    };
    sessions::change(&house.platform, &request).await.unwrap();
    house.run().await;
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lessons_that_follow_each_other_move_one_after_another() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    // Each would move into the time of the next.
    let hours = ["15:30", "17:00", "18:30", "20:00"];
    let names: Vec<String> = (0..hours.len()).map(|number| format!("pay_{number}")).collect();
    let plan =
        |at: &str| json!({ "plan": { "slots": [{ "weekday": "tue", "at": at }, { "weekday": "thu", "at": at }] } });
    let payments: Vec<_> = names.iter().zip(hours).map(|(name, at)| payment(name, plan(at))).collect();
    house.pay(&payments).await;
    house.run().await;
    let mut before = Vec::new();
    for name in &names {
        before.push(starts(&house, name).await);
    }
    displace(&house, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let done = apply(&house).await;
    assert!(done.iter().all(|session| session.remedy == Remedy::Moves), "{done:#?}");
    for (name, before) in names.iter().zip(&before) {
        assert_eq!((starts(&house, name).await, noted(&house, name).await), (later(before, 90), 1), "{name}");
    }
    house.run().await;
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_and_what_a_person_has_put_somewhere_stays_there() {
    let house = house().await;
    house.set_clock("2026-12-10T00:00:00Z");
    house.run().await;
    let all = house.sessions("pay_1").await;
    let change = async |session_id, act| {
        let (actor, reason) = ("ann".to_owned(), "so it was".to_owned());
        let request = sessions::Request { session_id, purchase_id: None, act, overrides: Vec::new(), actor, reason };
        sessions::change(&house.platform, &request).await.unwrap();
    };
    change(all[1].id, Act::Missed).await;
    let to = Some(When::At("2026-12-18T09:00:00Z".parse().unwrap()));
    change(all[5].id, Act::Move { to, trainer_id: None }).await;
    change(all[6].id, Act::Cancel { makeup: false }).await;
    house.run().await;
    let before = starts(&house, "pay_1").await;
    displace(&house, &["pay_1"]).await;
    let done: Vec<u32> = apply(&house).await.iter().map(|session| session.moved.ordinal).collect();
    assert_eq!(done, (4..=20).filter(|ordinal| ![6, 7].contains(ordinal)).collect::<Vec<u32>>());
    let expected: Vec<_> = before
        .iter()
        .map(|(ordinal, at)| match ordinal {
            1..=3 | 6 | 7 => (*ordinal, *at),
            _ => (*ordinal, *at + SignedDuration::from_mins(90)),
        })
        .collect();
    assert_eq!(starts(&house, "pay_1").await, expected);
    let statuses: Vec<SessionStatus> = house.sessions("pay_1").await.iter().map(|session| session.status).collect();
    assert_eq!(statuses[1], SessionStatus::Missed);
    assert_eq!((statuses[5], statuses[6]), (SessionStatus::Scheduled, SessionStatus::Cancelled));
    house.run().await;
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_done_once_whoever_does_it_and_however_often_it_breaks_off() {
    let house = House::with(&[trainer("trn_1", json!({})), trainer("trn_2", json!({}))]).await;
    let days = [("mon", "wed"), ("tue", "thu"), ("fri", "sat")];
    let names: Vec<String> = (0..12).map(|number| format!("pay_{}", 100 + number)).collect();
    let plan = |number: usize| {
        let ((one, other), at) = (days[number % 3], ["08:00", "11:00", "14:00", "17:00"][number / 3]);
        json!({ "plan": { "slots": [{ "weekday": one, "at": at }, { "weekday": other, "at": at }] } })
    };
    house.pay(&names.iter().enumerate().map(|(number, name)| payment(name, plan(number))).collect::<Vec<_>>()).await;
    house.run().await;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    displace(&house, &names).await;
    let request = request();
    let mut broke_off = 0;
    for millis in 1..40 {
        let one = time_data::apply(&house.platform, &request);
        broke_off += u32::from(tokio::time::timeout(Duration::from_millis(millis), one).await.is_err());
        if version(&house).await.as_deref() == Some(bundled()) {
            break;
        }
    }
    assert!(broke_off > 0, "it was never broken off");
    let (one, other) =
        tokio::join!(time_data::apply(&house.platform, &request), time_data::apply(&house.platform, &request));
    one.unwrap();
    other.unwrap();
    for name in &names {
        assert_eq!(noted(&house, name).await, 1, "{name}");
    }
    house.run().await;
    house.nothing_is_left_over(&[]).await;
}
