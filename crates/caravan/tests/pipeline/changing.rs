//! One session by hand: moved, given to somebody else, called off, missed. The plan goes on around it, and no run of the
//! cron takes it back.

use caravan::life::ChangeError;
use caravan::life::sessions::{Act, Done, Request, When, change};
use caravan_domain::event::Topic;
use caravan_domain::ids::{purchase_id, session_id};
use caravan_domain::session::SessionRule;
use serde_json::{Value, json};

use crate::house::House;
use crate::sample::{payment, trainer};

/// One who is available on these days from three to nine.
pub(crate) fn on(trainer_id: &str, days: &[&str], more: Value) -> Value {
    let ranges: Vec<Value> =
        days.iter().map(|day| json!({ "weekday": day, "from": "15:00", "until": "21:00" })).collect();
    let mut changes = json!({ "availability": ranges });
    changes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    trainer(trainer_id, changes)
}

/// A plan of six lessons with trn_1, on Tuesdays and Thursdays at five in Kolkata.
async fn under_way() -> House {
    let house = House::with(&[on("trn_1", &["tue", "wed", "thu"], json!({}))]).await;
    house.pay(&[payment("pay_1", json!({}))]).await;
    house.run().await;
    house.employ(&[on("trn_2", &["tue", "thu", "fri"], json!({}))]).await;
    house.run().await;
    house
}

fn asked(ordinal: u32, act: Act, overrides: &[SessionRule]) -> Request {
    Request {
        session_id: session_id(purchase_id("pay_1", None), ordinal),
        purchase_id: None,
        act,
        overrides: overrides.to_vec(),
        actor: "ann".to_owned(),
        reason: "a school trip".to_owned(),
    }
}

fn to(local: &str) -> Act {
    Act::Move { to: Some(When::Local(local.parse().unwrap())), trainer_id: None }
}

fn given_to(trainer_id: &str) -> Act {
    Act::Move { to: None, trainer_id: Some(trainer_id.to_owned()) }
}

async fn done(house: &House, ordinal: u32, act: Act) -> Done {
    change(&house.platform, &asked(ordinal, act, &[])).await.unwrap()
}

async fn refused(house: &House, ordinal: u32, act: Act, overrides: &[SessionRule]) -> ChangeError {
    change(&house.platform, &asked(ordinal, act, overrides)).await.unwrap_err()
}

/// The sessions in the order of their ordinals, such as `1 12-01 17:00 trn_1 scheduled`.
pub(crate) async fn calendar(house: &House) -> Vec<String> {
    let mut sessions = house.sessions("pay_1").await;
    sessions.sort_by_key(|session| session.ordinal);
    let zone = caravan_domain::plan::zone_named("Asia/Kolkata").unwrap();
    let line = |session: &caravan::platform::rows::Session| {
        let starts = session.starts_at.to_zoned(zone.clone()).strftime("%m-%d %H:%M").to_string();
        format!("{} {starts} {} {}", session.ordinal, session.trainer_id, session.status)
    };
    sessions.iter().map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_session_keeps_its_plan_beside_it_and_no_cron_takes_it_back() {
    let house = under_way().await;
    let Done::Now { before, after, makeup: None } = done(&house, 3, to("2026-12-09T18:00")).await else { panic!() };
    assert_eq!(
        (before.starts_at.to_string().as_str(), after.starts_at.to_string().as_str()),
        ("2026-12-08T11:30:00Z", "2026-12-09T12:30:00Z")
    );
    assert!(matches!(done(&house, 3, to("2026-12-09T18:00")).await, Done::Before(_)), "it stands so already");
    house.set_clock("2026-12-02T10:00:00Z");
    house.run().await;
    let expected = [
        "1 12-01 17:00 trn_1 completed",
        "2 12-03 17:00 trn_1 scheduled",
        "3 12-09 18:00 trn_1 scheduled",
        "4 12-10 17:00 trn_1 scheduled",
        "5 12-15 17:00 trn_1 scheduled",
        "6 12-17 17:00 trn_1 scheduled",
    ];
    assert_eq!(calendar(&house).await, expected);
    let moved = house.sessions("pay_1").await.into_iter().find(|session| session.ordinal == 3).unwrap();
    assert_eq!(
        (moved.planned_starts_at.to_string(), moved.local_date.to_string()),
        ("2026-12-08T11:30:00Z".into(), "2026-12-09".into())
    );

    let changes = house.platform.store.changes_of(purchase_id("pay_1", None)).await.unwrap();
    let noted: Vec<(&str, &str, &str)> =
        changes.iter().map(|change| (change.kind.as_str(), change.actor.as_str(), change.reason.as_str())).collect();
    assert_eq!(noted, [("session-moved", "ann", "a school trip")]);
    let told = house.events(Topic::SessionsChanged, "pay_1").await;
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0]["revision"], &told[0]["cause"]), (&json!(changes[0].revision), &json!("session-moved")));
    assert_eq!(told[0]["sessions"][0]["before"]["starts_at"], "2026-12-08T11:30:00Z");
    assert_eq!(told[0]["sessions"][0]["after"]["starts_at"], "2026-12-09T12:30:00Z");
    house.nothing_is_left_over(&[]).await;

    // The time it had can be booked, the time it has can't.
    let wish = |at: &str, day: &str| json!({ "plan": { "sessions": 1, "per_week": 1, "start_date": "2026-12-08", "slots": [{ "weekday": day, "at": at }] }, "preferred_trainer_id": "trn_1" });
    house.pay(&[payment("pay_2", wish("17:00", "tue")), payment("pay_3", wish("18:30", "wed"))]).await;
    house.run().await;
    assert_eq!(house.teacher("pay_2").await, "trn_1: tue 17:00");
    assert_eq!(house.teacher("pay_3").await, "waitlisted");
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_given_to_somebody_else_is_in_their_calendar() {
    let house = under_way().await;
    done(&house, 2, given_to("trn_2")).await;
    house.run().await;
    assert_eq!(calendar(&house).await[1], "2 12-03 17:00 trn_2 scheduled");
    let filter = caravan::platform::rows::SessionFilter { trainer_id: Some("trn_2".to_owned()), ..Default::default() };
    let theirs = house.platform.store.list_sessions(&filter, None, 10).await.unwrap();
    assert_eq!(theirs.iter().map(|session| session.ordinal).collect::<Vec<_>>(), [2]);
    house.nothing_is_left_over(&[]).await;
    // And back again.
    done(&house, 2, given_to("trn_1")).await;
    house.run().await;
    assert_eq!(calendar(&house).await[1], "2 12-03 17:00 trn_1 scheduled");
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_stand_against_a_move_and_a_person_may_decide_against_all_but_two() {
    let house = under_way().await;
    house.close(&[json!({ "from": "2026-12-09", "until": "2026-12-09", "name": "party" })]).await;
    for (act, overrides, expected) in [
        (to("2026-12-09T18:00"), vec![], "against it: closure; to decide against that: --override closure"),
        (to("2026-12-08T21:00"), vec![], "against it: availability; to decide"),
        (to("2026-12-10T17:30"), vec![SessionRule::Availability], "can't be overridden"),
        (to("2026-11-20T17:00"), vec![], "is over"),
        (to("2026-12-08T17:10"), vec![], "not on a quarter of an hour"),
        (given_to("trn_9"), vec![], "there is no trainer \"trn_9\""),
        (Act::Complete, vec![], "it has not begun yet"),
        (Act::Missed, vec![], "it has not begun yet"),
    ] {
        let told = refused(&house, 3, act.clone(), &overrides).await.to_string();
        assert!(told.contains(expected), "{act:?}: {told}");
    }
    let request = asked(3, to("2026-12-08T21:00"), &[SessionRule::Availability, SessionRule::Closure]);
    assert!(matches!(change(&house.platform, &request).await.unwrap(), Done::Now { .. }));
    house.run().await;
    let changes = house.platform.store.changes_of(purchase_id("pay_1", None)).await.unwrap();
    // What was not in the way was not overridden.
    assert_eq!(changes[0].overrides, ["availability"]);
    assert_eq!(calendar(&house).await[2], "3 12-08 21:00 trn_1 scheduled");
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_called_off_is_made_up_for_at_the_end_of_the_plan() {
    // Off on what would be the next date.
    let off = json!({ "time_off": [{ "from": "2026-12-22", "until": "2026-12-22" }] });
    let house = House::with(&[on("trn_1", &["tue", "wed", "thu"], off)]).await;
    house.pay(&[payment("pay_1", json!({}))]).await;
    house.run().await;
    let Done::Now { makeup, .. } = done(&house, 2, Act::Cancel { makeup: true }).await else { panic!() };
    assert_eq!(makeup.unwrap().0.to_string(), "2026-12-24");
    assert!(matches!(done(&house, 2, Act::Cancel { makeup: true }).await, Done::Before(_)));
    done(&house, 6, Act::Cancel { makeup: false }).await;
    house.run().await;
    let expected = [
        "1 12-01 17:00 trn_1 scheduled",
        "2 12-03 17:00 trn_1 cancelled",
        "3 12-08 17:00 trn_1 scheduled",
        "4 12-10 17:00 trn_1 scheduled",
        "5 12-15 17:00 trn_1 scheduled",
        "6 12-17 17:00 trn_1 cancelled",
        "7 12-24 17:00 trn_1 scheduled",
    ];
    assert_eq!(calendar(&house).await, expected);
    assert!(refused(&house, 2, to("2026-12-02T17:00"), &[]).await.to_string().contains("called off"));
    house.nothing_is_left_over(&[]).await;

    house.set_clock("2026-12-23T10:00:00Z");
    house.run().await;
    assert_eq!(house.purchase("pay_1").await.status.name(), "scheduled", "one is owed");
    assert!(refused(&house, 1, Act::Cancel { makeup: true }, &[]).await.to_string().contains("has begun or is over"));
    house.set_clock("2026-12-25T10:00:00Z");
    house.run().await;
    assert_eq!(house.purchase("pay_1").await.status.name(), "completed");
    done(&house, 7, Act::Missed).await;
    done(&house, 7, Act::Missed).await;
    assert_eq!(calendar(&house).await[6], "7 12-24 17:00 trn_1 missed");
    done(&house, 7, Act::Complete).await;
    house.run().await;
    assert_eq!(calendar(&house).await[6], "7 12-24 17:00 trn_1 completed");
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_last_session_is_called_off_the_purchase_is_over() {
    let house = under_way().await;
    house.set_clock("2026-12-16T10:00:00Z");
    house.run().await;
    assert_eq!(house.purchase("pay_1").await.status.name(), "scheduled");
    done(&house, 6, Act::Cancel { makeup: false }).await;
    house.run().await;
    assert_eq!(house.purchase("pay_1").await.status.name(), "completed");
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_added_beyond_the_window_comes_into_the_calendar_in_its_time() {
    let house = House::with(&[on("trn_1", &["tue", "wed", "thu"], json!({}))]).await;
    house.pay(&[payment("pay_1", json!({ "plan": { "sessions": 12 } }))]).await;
    house.run().await;
    assert_eq!(house.sessions("pay_1").await.len(), 8, "four weeks");
    let Done::Now { makeup, .. } = done(&house, 2, Act::Cancel { makeup: true }).await else { panic!() };
    assert_eq!(makeup.unwrap().0.to_string(), "2027-01-12");
    house.run().await;
    assert_eq!(house.sessions("pay_1").await.len(), 8);
    assert_eq!(house.purchase("pay_1").await.allocation.unwrap().sessions, 13);
    house.nothing_is_left_over(&[]).await;
    house.set_clock("2027-01-13T10:00:00Z");
    house.run().await;
    assert_eq!(calendar(&house).await.last().unwrap(), "13 01-12 17:00 trn_1 completed");
    assert_eq!(house.purchase("pay_1").await.status.name(), "completed");
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_that_was_changed_is_called_off_as_it_stands() {
    let house = under_way().await;
    // The second is with somebody else, the third was moved behind the end, the sixth before it.
    done(&house, 2, given_to("trn_2")).await;
    done(&house, 3, to("2026-12-23T17:00")).await;
    done(&house, 6, to("2026-12-09T17:00")).await;
    let request = caravan::life::cancel::Request {
        from: Some("2026-12-10".parse().unwrap()),
        actor: "ann".to_owned(),
        reason: "moved abroad".to_owned(),
    };
    let off = caravan::life::cancel::cancel(&house.platform, purchase_id("pay_1", None), &request).await.unwrap();
    assert!(matches!(off, caravan::life::cancel::Cancelled::Now { called_off: 3, kept: 3, .. }), "{off:?}");
    house.run().await;
    let expected = [
        "1 12-01 17:00 trn_1 scheduled",
        "2 12-03 17:00 trn_2 scheduled",
        "3 12-23 17:00 trn_1 cancelled",
        "4 12-10 17:00 trn_1 cancelled",
        "5 12-15 17:00 trn_1 cancelled",
        "6 12-09 17:00 trn_1 scheduled",
    ];
    assert_eq!(calendar(&house).await, expected);
    assert!(refused(&house, 1, to("2026-12-02T17:00"), &[]).await.to_string().contains("is cancelled"));
    house.nothing_is_left_over(&[]).await;
    house.set_clock("2027-01-10T10:00:00Z");
    house.run().await;
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_found_by_its_purchase_as_without_it_and_by_no_other() {
    let house = under_way().await;
    house.pay(&[payment("pay_2", json!({ "course": { "subject": "cobol" } }))]).await;
    house.run().await;
    let (mine, other) = (purchase_id("pay_1", None), purchase_id("pay_2", None));
    let named = |ordinal, act, purchase_id| Request { purchase_id, ..asked(ordinal, act, &[]) };
    for wrong in [other, purchase_id("never_paid", None)] {
        let refused = change(&house.platform, &named(2, given_to("trn_2"), Some(wrong))).await.unwrap_err();
        assert!(matches!(refused, ChangeError::UnknownSession(_)), "{refused}");
    }
    assert_eq!(house.platform.store.changes_of(mine).await.unwrap(), []);
    let by = [(2, Some(mine)), (4, None)];
    for (ordinal, purchase_id) in by {
        let done = change(&house.platform, &named(ordinal, given_to("trn_2"), purchase_id)).await.unwrap();
        assert!(matches!(done, Done::Now { .. }), "{done:?}");
    }
    for (ordinal, purchase_id) in by {
        let done = change(&house.platform, &named(ordinal, given_to("trn_2"), purchase_id)).await.unwrap();
        assert!(matches!(done, Done::Before(_)), "{done:?}");
    }
    let calendar = calendar(&house).await;
    assert_eq!([&calendar[1], &calendar[3]], ["2 12-03 17:00 trn_2 scheduled", "4 12-10 17:00 trn_2 scheduled"]);
    house.run().await;
    house.nothing_is_left_over(&[]).await;
}
