//! The rest of a purchase planned anew: somebody else teaches it, or it is another course or plan. What was held, or stands
//! before the date, stays; nothing changes unless all of the rest fits.

use caravan::life::ChangeError;
use caravan::life::cancel::{self, Cancelled};
use caravan::life::replanning::{Done, Request, Wish, replan};
use caravan::life::sessions::{Act, Request as SessionRequest, change};
use caravan_domain::allocation::Policy;
use caravan_domain::event::Topic;
use caravan_domain::ids::{purchase_id, session_id};
use serde_json::{Value, json};

use crate::house::House;
use crate::sample::payment;

use super::changing::{calendar, on};

/// A plan of six lessons with trn_1, on Tuesdays and Thursdays at five in Kolkata; trn_2 comes on Thursdays and Fridays.
async fn under_way() -> House {
    let house = House::with(&[on("trn_1", &["tue", "thu"], json!({}))]).await;
    let slots = json!({ "plan": { "slots": [
        { "weekday": "tue", "at": "17:00" }, { "weekday": "thu", "at": "17:00" }, { "weekday": "fri", "at": "18:00" }
    ] } });
    house.pay(&[payment("pay_1", slots)]).await;
    house.run().await;
    house.employ(&[on("trn_2", &["thu", "fri"], json!({}))]).await;
    house.run().await;
    house
}

fn asked(wish: Wish, from: Option<&str>) -> Request {
    Request {
        purchase_id: purchase_id("pay_1", None),
        wish,
        from: from.map(|from| from.parse().unwrap()),
        actor: "ann".to_owned(),
        reason: "moves away".to_owned(),
    }
}

fn instead_of(trainer_id: &str) -> Wish {
    Wish::Reassign { instead_of: Some(trainer_id.to_owned()), trainer_id: None }
}

fn amended(value: &Value) -> Wish {
    Wish::Amend(value.to_string().into_bytes())
}

async fn done(house: &House, wish: Wish, from: Option<&str>) -> Done {
    replan(&house.platform, &asked(wish, from), Policy::default()).await.unwrap()
}

async fn refused(house: &House, wish: Wish, from: Option<&str>) -> ChangeError {
    replan(&house.platform, &asked(wish, from), Policy::default()).await.unwrap_err()
}

async fn at_the_end(house: &House, held: usize) {
    house.set_clock("2027-06-01T10:00:00Z");
    house.run().await;
    assert_eq!(house.purchase("pay_1").await.status.name(), "completed");
    let held_now = house.sessions("pay_1").await.iter().filter(|session| session.status.name() == "completed").count();
    assert_eq!(held_now, held);
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_teaches_the_rest_and_what_stands_before_the_date_stays() {
    let house = under_way().await;
    let moved = done(&house, instead_of("trn_1"), Some("2026-12-08")).await;
    assert!(matches!(moved, Done::Replanned { first_ordinal: 3, to_hold: 4, .. }), "{moved:?}");
    assert!(matches!(done(&house, instead_of("trn_1"), Some("2026-12-08")).await, Done::Before));
    house.run().await;
    let expected = [
        "1 12-01 17:00 trn_1 scheduled",
        "2 12-03 17:00 trn_1 scheduled",
        "3 12-10 17:00 trn_2 scheduled",
        "4 12-11 18:00 trn_2 scheduled",
        "5 12-17 17:00 trn_2 scheduled",
        "6 12-18 18:00 trn_2 scheduled",
    ];
    assert_eq!(calendar(&house).await, expected);
    assert_eq!(house.teacher("pay_1").await, "trn_2: thu 17:00, fri 18:00");
    house.nothing_is_left_over(&[]).await;
    // What they kept is told with the rest, and can still be changed.
    let told = house.events(Topic::SessionsChanged, "pay_1").await;
    assert_eq!((&told[0]["cause"], told[0]["sessions"].as_array().unwrap().len()), (&json!("reassigned"), 4));
    assert_eq!(house.events(Topic::TrainerAllocated, "pay_1").await.len(), 2);
    let off = SessionRequest {
        session_id: session_id(purchase_id("pay_1", None), 2),
        purchase_id: None,
        act: Act::Cancel { makeup: true },
        overrides: Vec::new(),
        actor: "ann".to_owned(),
        reason: "flu".to_owned(),
    };
    change(&house.platform, &off).await.unwrap();
    house.run().await;
    assert_eq!(calendar(&house).await[1], "2 12-03 17:00 trn_1 cancelled");
    assert_eq!(calendar(&house).await[6], "7 12-24 17:00 trn_2 scheduled");
    house.nothing_is_left_over(&[]).await;
    at_the_end(&house, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_were_held_or_called_off_stay_so() {
    let house = under_way().await;
    let off = SessionRequest {
        session_id: session_id(purchase_id("pay_1", None), 5),
        purchase_id: None,
        act: Act::Cancel { makeup: true },
        overrides: Vec::new(),
        actor: "ann".to_owned(),
        reason: "a school trip".to_owned(),
    };
    change(&house.platform, &off).await.unwrap();
    house.set_clock("2026-12-04T10:00:00Z");
    house.run().await;
    // The seventh was added for the fifth.
    let moved = done(&house, instead_of("trn_1"), None).await;
    assert!(matches!(moved, Done::Replanned { first_ordinal: 3, to_hold: 4, .. }), "{moved:?}");
    house.run().await;
    let expected = [
        "1 12-01 17:00 trn_1 completed",
        "2 12-03 17:00 trn_1 completed",
        "3 12-10 17:00 trn_2 scheduled",
        "4 12-11 18:00 trn_2 scheduled",
        "5 12-17 17:00 trn_2 cancelled",
        "6 12-18 18:00 trn_2 scheduled",
        "7 12-24 17:00 trn_2 scheduled",
    ];
    assert_eq!(calendar(&house).await, expected);
    house.nothing_is_left_over(&[]).await;
    at_the_end(&house, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_can_be_given_back_again_and_again_and_called_off() {
    let house = under_way().await;
    done(&house, instead_of("trn_1"), Some("2026-12-15")).await;
    house.run().await;
    // Earlier than the change before: what the first allocation kept is planned anew as well.
    let back = Wish::Reassign { instead_of: Some("trn_2".to_owned()), trainer_id: Some("trn_1".to_owned()) };
    done(&house, back, Some("2026-12-02")).await;
    house.run().await;
    let expected = [
        "1 12-01 17:00 trn_1 scheduled",
        "2 12-03 17:00 trn_1 scheduled",
        "3 12-08 17:00 trn_1 scheduled",
        "4 12-10 17:00 trn_1 scheduled",
        "5 12-15 17:00 trn_1 scheduled",
        "6 12-17 17:00 trn_1 scheduled",
    ];
    assert_eq!(calendar(&house).await, expected);
    house.nothing_is_left_over(&[]).await;
    done(&house, instead_of("trn_1"), Some("2026-12-10")).await;
    house.run().await;
    // From a date on that lies in what an earlier allocation kept.
    let request = cancel::Request {
        from: Some("2026-12-05".parse().unwrap()),
        actor: "ann".to_owned(),
        reason: "refunded".to_owned(),
    };
    let off = cancel::cancel(&house.platform, purchase_id("pay_1", None), &request).await.unwrap();
    assert!(matches!(off, Cancelled::Now { called_off: 4, .. }), "{off:?}");
    house.run().await;
    let statuses: Vec<String> = calendar(&house).await.iter().map(|line| line[14..].to_owned()).collect();
    let expected = [
        "trn_1 scheduled",
        "trn_1 scheduled",
        "trn_1 cancelled",
        "trn_2 cancelled",
        "trn_2 cancelled",
        "trn_2 cancelled",
    ];
    assert_eq!(statuses, expected);
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_changes_unless_the_whole_rest_fits() {
    let house = House::with(&[on("trn_1", &["tue", "thu"], json!({}))]).await;
    house.pay(&[payment("pay_1", json!({}))]).await;
    house.run().await;
    let before = calendar(&house).await;
    let nobody = refused(&house, instead_of("trn_1"), None).await.to_string();
    assert!(nobody.contains("no other active trainer teaches this course"), "{nobody}");
    house.employ(&[on("trn_2", &["tue"], json!({}))]).await;
    house.run().await;
    let nobody = refused(&house, instead_of("trn_1"), None).await.to_string();
    assert!(nobody.ends_with("availability rules 1 out"), "{nobody}");
    for (wish, from, why) in [
        (
            instead_of("trn_1"),
            Some("2026-11-23"),
            "is too early: the first date that can be planned anew is 2026-11-24",
        ),
        (instead_of("trn_1"), Some("2027-12-01"), "has no session from 2027-12-01 on"),
        (
            Wish::Reassign { instead_of: None, trainer_id: Some("trn_9".to_owned()) },
            None,
            "there is no trainer \"trn_9\"",
        ),
        (amended(&json!({ "plan": { "sesions": 3 } })), None, "/plan/sesions: there is no such field"),
        (amended(&json!({ "plan": { "minutes": 7 } })), None, "/plan/minutes"),
        (amended(&json!({ "student": { "id": "x" } })), None, "/student: only /course and /plan can be amended"),
        (amended(&json!({ "plan": { "start_date": "2026-12-10" } })), None, "its plan is under way"),
        (amended(&json!({ "plan": { "sessions": 2 } })), Some("2026-12-10"), "3 were held or stand before the change"),
        (Wish::Amend(b"[]".to_vec()), None, "it must be an object"),
        (Wish::Amend(b"{".to_vec()), None, "it is no JSON"),
    ] {
        let told = refused(&house, wish, from).await.to_string();
        assert!(told.contains(why), "{told}");
    }
    assert_eq!(calendar(&house).await, before);
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rest_of_a_plan_becomes_longer_shorter_and_another_course() {
    let house = under_way().await;
    house
        .employ(&[on("trn_3", &["tue", "thu"], json!({ "courses": [{ "subject": "chess", "levels": ["beginner"] }] }))])
        .await;
    house.run().await;
    let longer = json!({ "plan": { "sessions": 8, "minutes": 90 } });
    let moved = done(&house, amended(&longer), Some("2026-12-08")).await;
    assert!(matches!(moved, Done::Replanned { first_ordinal: 3, to_hold: 6, .. }), "{moved:?}");
    assert!(matches!(done(&house, amended(&longer), Some("2026-12-08")).await, Done::Before));
    house.run().await;
    let lengths: Vec<i64> = {
        let sessions = house.sessions("pay_1").await;
        sessions.iter().map(|session| session.ends_at.duration_since(session.starts_at).as_mins()).collect()
    };
    assert_eq!(lengths, [60, 60, 90, 90, 90, 90, 90, 90]);
    assert_eq!(house.teacher("pay_1").await, "trn_1: tue 17:00, thu 17:00");
    house.nothing_is_left_over(&[]).await;
    let chess = json!({ "course": { "subject": "chess", "level": "beginner" }, "plan": { "sessions": 5 } });
    done(&house, amended(&chess), Some("2026-12-10")).await;
    house.run().await;
    // Those that stood in the calendar are called off there.
    let expected = [
        "1 12-01 17:00 trn_1 scheduled",
        "2 12-03 17:00 trn_1 scheduled",
        "3 12-08 17:00 trn_1 scheduled",
        "4 12-10 17:00 trn_3 scheduled",
        "5 12-15 17:00 trn_3 scheduled",
        "6 12-17 17:00 trn_3 cancelled",
        "7 12-22 17:00 trn_3 cancelled",
        "8 12-24 17:00 trn_3 cancelled",
    ];
    assert_eq!(calendar(&house).await, expected);
    let purchase = house.purchase("pay_1").await;
    assert_eq!(
        (purchase.confirmation.course.subject.as_str(), purchase.reported().course.subject.as_str()),
        ("chess", "python")
    );
    // The payment reported again is the same payment.
    let slots = json!({ "plan": { "slots": [
        { "weekday": "tue", "at": "17:00" }, { "weekday": "thu", "at": "17:00" }, { "weekday": "fri", "at": "18:00" }
    ] } });
    house.pay(&[payment("pay_1", slots)]).await;
    house.run().await;
    house.nothing_is_left_over(&[]).await;
    at_the_end(&house, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_end_of_a_plan_moves_where_only_its_length_changes() {
    let house = under_way().await;
    done(&house, instead_of("trn_1"), Some("2026-12-15")).await;
    house.run().await;
    let before = calendar(&house).await;
    let longer = done(&house, amended(&json!({ "plan": { "sessions": 8 } })), None).await;
    assert!(matches!(longer, Done::Replanned { first_ordinal: 6, to_hold: 3, .. }), "{longer:?}");
    house.run().await;
    assert_eq!(calendar(&house).await[..6], before);
    house.nothing_is_left_over(&[]).await;
    let shorter = done(&house, amended(&json!({ "plan": { "sessions": 5 } })), None).await;
    assert!(matches!(shorter, Done::Replanned { first_ordinal: 5, to_hold: 1, .. }), "{shorter:?}");
    house.run().await;
    assert_eq!(calendar(&house).await[..5], before[..5]);
    house.nothing_is_left_over(&[]).await;
    at_the_end(&house, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_that_waits_is_amended_and_looked_at_again() {
    let house = House::with(&[on("trn_1", &["tue", "thu"], json!({}))]).await;
    house.pay(&[payment("pay_1", json!({ "course": { "subject": "pyton", "level": "beginner" } }))]).await;
    house.run().await;
    assert_eq!(house.teacher("pay_1").await, "waitlisted");
    assert!(matches!(refused(&house, instead_of("trn_1"), None).await, ChangeError::NoTrainerYet(_)));
    let python = json!({ "course": { "subject": "python" }, "plan": { "start_date": "2026-12-10", "sessions": 3 } });
    assert!(matches!(done(&house, amended(&python), None).await, Done::Amended));
    assert!(matches!(done(&house, amended(&python), None).await, Done::Before));
    house.run().await;
    let expected = ["1 12-10 17:00 trn_1 scheduled", "2 12-15 17:00 trn_1 scheduled", "3 12-17 17:00 trn_1 scheduled"];
    assert_eq!(calendar(&house).await, expected);
    let told = house.events(Topic::PurchaseChanged, "pay_1").await;
    assert_eq!((&told[0]["kind"], &told[0]["actor"]), (&json!("amended"), &json!("ann")));
    house.nothing_is_left_over(&[]).await;
    at_the_end(&house, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_has_not_begun_is_given_away_whole() {
    let house = House::with(&[on("trn_1", &["tue", "thu"], json!({}))]).await;
    house.pay(&[payment("pay_1", json!({ "plan": { "start_date": "2027-02-03", "sessions": 24 } }))]).await;
    house.run().await;
    house.employ(&[on("trn_2", &["tue", "thu"], json!({}))]).await;
    house.run().await;
    // Not before it was to begin; and later only if nothing is skipped by that.
    for (from, start) in [(None, "2027-02-03"), (Some("2027-02-04"), "2027-02-04")] {
        done(&house, Wish::Reassign { instead_of: None, trainer_id: None }, from).await;
        house.run().await;
        assert_eq!(house.purchase("pay_1").await.start_date, Some(start.parse().unwrap()));
        assert_eq!(house.dates("pay_1").await[0], "02-04");
        house.nothing_is_left_over(&[]).await;
    }
    house.nothing_is_left_over(&[]).await;
    house.set_clock("2027-03-20T10:00:00Z");
    house.run().await;
    house.nothing_is_left_over(&[]).await;
    at_the_end(&house, 24).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_without_an_end_changes_hands_gets_an_end_and_loses_it_again() {
    let house = House::with(&[on("trn_1", &["tue", "thu"], json!({}))]).await;
    house.pay(&[payment("pay_1", json!({ "plan": { "sessions": null } }))]).await;
    house.run().await;
    house.employ(&[on("trn_2", &["tue", "thu"], json!({}))]).await;
    house.set_clock("2027-01-20T10:00:00Z");
    house.run().await;
    let moved = done(&house, instead_of("trn_1"), Some("2027-02-01")).await;
    // A year from then on.
    assert!(matches!(moved, Done::Replanned { first_ordinal: 19, to_hold: 104, .. }), "{moved:?}");
    house.run().await;
    house.nothing_is_left_over(&[]).await;
    house.set_clock("2027-04-20T10:00:00Z");
    house.run().await;
    assert_eq!(house.teacher("pay_1").await, "trn_2: tue 17:00, thu 17:00");
    house.nothing_is_left_over(&[]).await;
    for sessions in [json!(60), json!(null), json!(70)] {
        done(&house, amended(&json!({ "plan": { "sessions": sessions } })), None).await;
        house.run().await;
        assert_eq!(json!(house.purchase("pay_1").await.confirmation.plan.sessions), sessions);
        house.nothing_is_left_over(&[]).await;
    }
    house.set_clock("2028-06-01T10:00:00Z");
    house.run().await;
    assert_eq!(house.purchase("pay_1").await.status.name(), "completed");
    assert_eq!(house.sessions("pay_1").await.len(), 70);
    house.nothing_is_left_over(&[]).await;
}
