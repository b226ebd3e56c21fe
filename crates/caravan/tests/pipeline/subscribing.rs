//! Plans that run until they are cancelled: reserved a year ahead, kept so by the cron, and told where they can't be.

use caravan::life::ChangeError;
use caravan::life::adopting::adopt;
use caravan::life::allocating;
use caravan::life::cancel::{CancelError, Cancelled, Request, cancel};
use caravan::life::leave;
use caravan::life::sessions::{self, Act};
use caravan::platform::log::NewRecord;
use caravan::redrive::send_again;
use caravan::stuck::{OLDER_THAN_DEFAULT, Search, Stuck};
use caravan::views::PurchaseRow;
use caravan::workers::cron;
use caravan_domain::allocation::Policy;
use caravan_domain::event::{Headers, Topic};
use caravan_domain::ids::{purchase_id, session_id};
use caravan_domain::purchase::PurchaseStatus;
use jiff::civil::{Date, Weekday, date};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::house::House;
use crate::sample::{payment, trainer};

/// On Tuesdays and Thursdays at five in Kolkata, from 1 December on.
fn endless(payment_id: &str) -> Value {
    payment(payment_id, json!({ "plan": { "sessions": null } }))
}

/// Room for one plan of these slots.
fn one_place() -> Value {
    let ranges = ["tue", "thu"].map(|day| json!({ "weekday": day, "from": "17:00", "until": "18:00" }));
    trainer("trn_1", json!({ "availability": ranges }))
}

/// At noon, with everything done that is to be done by then.
async fn on(house: &House, day: &str) {
    house.set_clock(&format!("{day}T12:00:00Z"));
    house.run().await;
}

/// How many Tuesdays and Thursdays there are from 1 December 2026 until a year after a day.
fn a_year_after(day: &str) -> usize {
    let (start, until) = ("2026-12-01".parse::<Date>().unwrap(), day.parse::<Date>().unwrap() + 52.weeks());
    let days = std::iter::successors(Some(start), |date| date.tomorrow().ok()).take_while(|date| *date < until);
    days.filter(|date| matches!(date.weekday(), Weekday::Tuesday | Weekday::Thursday)).count()
}

async fn reserved(house: &House, payment_id: &str) -> (usize, Vec<String>) {
    let allocation = house.purchase(payment_id).await.allocation.unwrap();
    (allocation.sessions.into(), allocation.skipped.iter().map(ToString::to_string).collect())
}

async fn stuck(house: &House) -> Vec<Stuck> {
    let mut search = Search::begin(&house.platform, &house.policy, OLDER_THAN_DEFAULT).await.unwrap();
    let mut found = Vec::new();
    while let Some(one) = search.next().await.unwrap() {
        found.push(one);
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_a_year_ahead_until_it_is_called_off_and_then_everything_is_free() {
    let house = House::with(&[one_place()]).await;
    house.close(&[json!({ "from": "2027-12-23", "until": "2027-12-23", "name": "party" })]).await;
    house.pay(&[endless("pay_1")]).await;
    house.run().await;
    // The whole first year was judged: nobody else gets any of it.
    house.pay(&[endless("pay_2")]).await;
    house.run().await;
    assert_eq!(house.teacher("pay_1").await, "trn_1: tue 17:00, thu 17:00");
    assert_eq!(house.teacher("pay_2").await, "waitlisted");
    assert_eq!(reserved(&house, "pay_1").await, (104, vec![]));
    assert_eq!(PurchaseRow::from(&house.purchase("pay_1").await).sessions_total, None);
    assert_eq!(house.dates("pay_1").await.len(), 8);
    for day in ["2026-12-01", "2026-12-02", "2026-12-09", "2026-12-31", "2027-03-01", "2027-06-07"] {
        on(&house, day).await;
        let (sessions, skipped) = reserved(&house, "pay_1").await;
        assert_eq!(sessions + skipped.len(), a_year_after(day), "on {day}");
        // Once more, and late: nothing more.
        let before = house.purchase("pay_1").await.revision;
        for as_of in [day, "2026-12-01"] {
            let as_of: Timestamp = format!("{as_of}T13:00:00Z").parse().unwrap();
            cron::run_once(&house.platform, &house.policy, as_of).await.unwrap();
        }
        house.run().await;
        assert_eq!(house.purchase("pay_1").await.revision, before, "on {day}");
    }
    let (sessions, skipped) = reserved(&house, "pay_1").await;
    assert_eq!(skipped, ["2027-12-23"], "a closure is skipped as ever");
    let noted = house.platform.store.changes_of(purchase_id("pay_1", None)).await.unwrap();
    assert_eq!(noted, [], "and nobody is told");
    let ordinals: Vec<u32> = house.sessions("pay_1").await.iter().map(|session| session.ordinal).collect();
    assert_eq!(ordinals, (1..=ordinals.len() as u32).collect::<Vec<_>>());
    house.nothing_is_left_over(&[]).await;

    let request = Request { from: None, actor: "ann".to_owned(), reason: "moved abroad".to_owned() };
    let off = cancel(&house.platform, purchase_id("pay_1", None), &request).await.unwrap();
    let Cancelled::Now { called_off, kept, .. } = off else { panic!("{off:?}") };
    assert_eq!(usize::from(called_off + kept), sessions);
    on(&house, "2027-06-08").await;
    assert_eq!(house.purchase("pay_1").await.status, PurchaseStatus::Cancelled);
    assert_eq!(house.teacher("pay_2").await, "trn_1: tue 17:00, thu 17:00", "all of the next year is free");
    on(&house, "2027-08-01").await;
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_never_over_by_itself_and_a_cron_that_was_late_for_long_books_nobody_into_the_past() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    house.pay(&[endless("pay_1")]).await;
    house.run().await;
    on(&house, "2028-06-01").await;
    let purchase = house.purchase("pay_1").await;
    assert_eq!(purchase.status, PurchaseStatus::Scheduled);
    let sessions = house.sessions("pay_1").await;
    let late = date(2027, 11, 30)..date(2028, 6, 1);
    assert!(sessions.iter().all(|session| !late.contains(&session.local_date)), "{sessions:?}");
    assert!(sessions.iter().any(|session| session.local_date >= late.end));
    let told = house.events(Topic::PurchaseChanged, "pay_1").await;
    assert_eq!(told.len(), 1);
    let reason = told[0]["reason"].as_str().unwrap();
    assert!(
        reason.contains("tue 2027-11-30 17:00 (it was over already)") && reason.contains(" more dates"),
        "{reason}"
    );
    assert_eq!(stuck(&house).await, [], "nobody can do anything about it any more");
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clashes_is_skipped_and_told_once_a_year_early() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    // A single lesson in just over a year, at a time that is not reserved yet.
    let single = json!({ "plan": { "start_date": "2027-12-07", "sessions": 1, "per_week": 1,
                                   "slots": [{ "weekday": "tue", "at": "17:30" }] } });
    house.pay(&[endless("pay_1")]).await;
    house.run().await;
    house.pay(&[payment("pay_2", single)]).await;
    house.run().await;
    assert_eq!(house.teacher("pay_2").await, "trn_1: tue 17:30");
    on(&house, "2026-12-05").await;
    assert_eq!(stuck(&house).await, []);
    on(&house, "2026-12-10").await;
    on(&house, "2026-12-11").await;
    let (sessions, skipped) = reserved(&house, "pay_1").await;
    assert_eq!((sessions, skipped), (a_year_after("2026-12-11") - 1, vec!["2027-12-07".to_owned()]));
    let told = house.events(Topic::PurchaseChanged, "pay_1").await;
    let expected = "no session could be reserved on tue 2027-12-07 17:00 (trainer-busy); times in Asia/Kolkata";
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (&told[0]["kind"], &told[0]["actor"], &told[0]["reason"], &told[0]["trainer_id"]),
        (&json!("subscription-clash"), &json!("cron"), &json!(expected), &json!("trn_1"))
    );
    let changes = house.platform.store.changes_of(purchase_id("pay_1", None)).await.unwrap();
    let noted: Vec<_> = changes.iter().map(|change| (change.kind.as_str(), change.reason.as_str())).collect();
    assert_eq!(noted, [("subscription-clash", expected)]);

    let found = stuck(&house).await;
    let causes: Vec<_> = found.iter().map(|one| (one.payment_id.as_deref(), one.cause.name(), one.since)).collect();
    assert_eq!(causes, [(Some("pay_1"), "subscription-clash", changes[0].changed_at)]);
    assert!(found[0].detail.contains("no session is reserved on tue 2027-12-07 17:00"), "{found:?}");
    let id = purchase_id("pay_1", None).to_string();
    assert!(found[0].next.contains(&format!("purchases show {id}")), "{found:?}");
    house.nothing_is_left_over(&[]).await;
    // Once the company is closed then, there is nothing to tell any more.
    house.close(&[json!({ "from": "2027-12-06", "until": "2027-12-08", "name": "party" })]).await;
    house.run().await;
    assert_eq!(stuck(&house).await, []);
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_want_the_last_place_of_a_week_one_gets_it() {
    // Four a week, and two plans of two; then three.
    let with_room = |most: u32| trainer("trn_1", json!({ "max_sessions_per_week": most }));
    let evening = json!({ "plan": { "sessions": null, "slots": [{ "weekday": "tue", "at": "19:00" },
                                                                { "weekday": "thu", "at": "19:00" }] } });
    let house = House::with(&[with_room(4)]).await;
    house.pay(&[endless("pay_1"), payment("pay_2", evening)]).await;
    house.run().await;
    house.employ(&[with_room(3)]).await;
    on(&house, "2026-12-14").await;
    let mut told = 0;
    for payment_id in ["pay_1", "pay_2"] {
        let (sessions, skipped) = reserved(&house, payment_id).await;
        assert_eq!(sessions + skipped.len(), a_year_after("2026-12-14"));
        for event in house.events(Topic::PurchaseChanged, payment_id).await {
            assert!(event["reason"].as_str().unwrap().contains("(weekly-capacity)"), "{event}");
        }
        told += skipped.len();
    }
    assert_eq!(told, 2, "one lesson of each of two weeks");
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_longer_than_a_year_is_reserved_to_its_end_and_stands_in_the_calendar() {
    let mut house = House::with(&[trainer("trn_1", json!({}))]).await;
    house.policy.window_days = 500;
    house.pay(&[endless("pay_1")]).await;
    house.run().await;
    on(&house, "2026-11-24").await;
    let told = house.events(Topic::SessionsScheduled, "pay_1").await;
    let listed: usize = told.iter().map(|event| event["sessions"].as_array().map_or(0, Vec::len)).sum();
    assert_eq!((told.len(), listed), (2, house.sessions("pay_1").await.len()), "each session is told once");
    on(&house, "2026-12-03").await;
    let purchase = house.purchase("pay_1").await;
    assert_eq!(purchase.horizon.unwrap().to_string(), "2028-04-16");
    let sessions = house.sessions("pay_1").await;
    assert_eq!(sessions.len(), usize::from(purchase.allocation.unwrap().sessions));
    assert_eq!(sessions.last().unwrap().local_date.to_string(), "2028-04-13");
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_has_no_end_to_make_up_at() {
    let house = House::with(&[one_place()]).await;
    house.pay(&[endless("pay_1")]).await;
    house.run().await;
    let asked = |makeup| sessions::Request {
        session_id: session_id(purchase_id("pay_1", None), 2),
        purchase_id: None,
        act: Act::Cancel { makeup },
        overrides: Vec::new(),
        actor: "ann".to_owned(),
        reason: "a school trip".to_owned(),
    };
    let refused = sessions::change(&house.platform, &asked(true)).await.unwrap_err();
    assert!(matches!(refused, ChangeError::Endless(_)) && refused.to_string().contains("no end"), "{refused}");
    sessions::change(&house.platform, &asked(false)).await.unwrap();
    let leave = leave::Request {
        trainer_id: "trn_1".to_owned(),
        from: "2026-12-08".parse().unwrap(),
        until: Some("2026-12-08".parse().unwrap()),
        actor: "ann".to_owned(),
        reason: "flu".to_owned(),
    };
    let proposed = leave::propose(&house.platform, &leave).await.unwrap();
    let remedies: Vec<_> = proposed.iter().map(|proposal| proposal.remedy.clone()).collect();
    assert_eq!(remedies, [leave::Remedy::Person]);
    on(&house, "2027-01-05").await;
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_runs_elsewhere_moves_in_with_whichever_session_is_next() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    let slot = json!({ "weekday": "tue", "at": "17:00" });
    let line = payment(
        "pay_1",
        json!({
            "plan": { "start_date": "2026-09-01", "sessions": null, "per_week": 1, "slots": [slot] },
            "allocation": { "trainer_id": "trn_1", "slots": [slot] }, "first_ordinal": 700,
        }),
    );
    let rows = adopt(&house.platform, line.to_string().as_bytes(), Policy::default(), false).await.unwrap();
    assert_eq!((rows[0].first_ordinal, rows[0].sessions), (700, 52));
    on(&house, "2026-12-02").await;
    let ordinals: Vec<u32> = house.sessions("pay_1").await.iter().map(|session| session.ordinal).collect();
    assert_eq!(ordinals[..3], [700, 701, 702]);
    assert_eq!(reserved(&house, "pay_1").await.0, 54);

    // What is left out is not what has no end.
    let mut missing = endless("pay_2");
    missing["plan"].as_object_mut().unwrap().remove("sessions");
    house.pay(&[missing]).await;
    house.run().await;
    assert_eq!(house.dead_letter().await.detail, "/plan/sessions: is missing");
    house.nothing_is_left_over(&[("invalid-field", 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_can_give_it_a_trainer_and_no_end_that_is_too_far_away_is_forgotten() {
    let mut ravi = trainer("trn_1", json!({}));
    ravi["courses"] = json!([{ "subject": "cobol", "levels": ["beginner"] }]);
    let house = House::new().await;
    house.pay(&[payment("pay_1", json!({ "course": { "subject": "cobol" }, "plan": { "sessions": null } }))]).await;
    house.run().await;
    house.employ(&[ravi]).await;
    let request = allocating::Request {
        purchase_id: purchase_id("pay_1", None),
        trainer_id: "trn_1".to_owned(),
        slots: ["tue 17:00", "thu 17:00"].map(|slot| slot.parse().unwrap()).to_vec(),
        actor: "ann".to_owned(),
        reason: "agreed by phone".to_owned(),
    };
    allocating::allocate(&house.platform, &request, Policy::default()).await.unwrap();
    house.run().await;
    assert_eq!(reserved(&house, "pay_1").await, (104, vec![]));

    let from = Some(date(2028, 1, 1));
    let request = Request { from, actor: "ann".to_owned(), reason: "moved abroad".to_owned() };
    let refused = cancel(&house.platform, purchase_id("pay_1", None), &request).await.unwrap_err();
    assert!(matches!(refused, CancelError::NotReservedYet(..)), "{refused}");
    let told = json!({ "purchase_id": purchase_id("pay_1", None), "cancelled_at": "2026-11-23T10:00:00Z",
                       "reason": "moved abroad", "effective_from": "2028-01-01" });
    let key = Some(purchase_id("pay_1", None).to_string().into_bytes());
    let record = house.record(key, told.to_string().into_bytes(), Headers::new());
    house.publish(&[NewRecord { topic: Topic::PurchaseCancelled, ..record }]).await;
    house.run().await;
    let letter = house.dead_letter().await;
    assert!(letter.detail.contains("has no session from 2028-01-01 on yet"), "{}", letter.detail);
    // When its time has come it counts.
    on(&house, "2027-01-12").await;
    send_again(&house.platform, &[letter], None).await.unwrap();
    house.run().await;
    assert_eq!(house.purchase("pay_1").await.status, PurchaseStatus::Cancelled);
    house.nothing_is_left_over(&[("invalid-field", 1)]).await;
}
