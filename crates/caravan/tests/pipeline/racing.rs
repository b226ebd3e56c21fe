//! Two people change the same purchase at the same moment, while workers go on with it: each change is there whole, or
//! refused.

use caravan::life::ChangeError;
use caravan::life::cancel::{self, CancelError, Cancelled};
use caravan::life::leave::{self, KIND};
use caravan::life::sessions::{self, Act, Done, When};
use caravan::platform::log::NewRecord;
use caravan::platform::rows::Session;
use caravan_domain::event::{Headers, Topic};
use caravan_domain::session::SessionStatus;
use jiff::SignedDuration;
use jiff::civil::date;
use serde_json::json;

use crate::house::House;
use crate::sample::{payment, trainer};

use super::shift::Shift;

/// How often the same two race.
const ROUNDS: usize = 12;

fn asked(session: &Session, act: Act) -> sessions::Request {
    let (actor, reason) = ("ann".to_owned(), "she wants it so".to_owned());
    sessions::Request { session_id: session.id, purchase_id: None, act, overrides: Vec::new(), actor, reason }
}

/// To the day after, when nobody else is taught.
fn a_day_later(session: &Session) -> Act {
    let to = When::At(session.starts_at + SignedDuration::from_hours(24));
    Act::Move { to: Some(to), trainer_id: None }
}

/// Whether it changed something; refused it must be for a reason that the other one has made.
fn changed(done: Result<Done, ChangeError>) -> bool {
    match done {
        Ok(Done::Now { .. }) => true,
        Ok(Done::Before(_)) | Err(ChangeError::NotUnderWay(..) | ChangeError::NotSo { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

async fn kinds(house: &House, payment_id: &str) -> Vec<String> {
    let id = house.purchase(payment_id).await.id;
    let mut kinds: Vec<String> =
        house.platform.store.changes_of(id).await.unwrap().into_iter().map(|change| change.kind).collect();
    kinds.sort_unstable();
    kinds
}

/// Plans one after another through the day, all paid for at once while the races go on.
async fn under_way() -> (House, Shift) {
    let house = House::with(&[trainer("trn_1", json!({})), trainer("trn_2", json!({}))]).await;
    let plan = |number: usize| {
        let slots = ["tue", "thu"].map(|day| json!({ "weekday": day, "at": format!("{:02}:00", 6 + number % 16) }));
        json!({ "plan": { "sessions": 8, "slots": slots } })
    };
    let payments: Vec<_> = (0..ROUNDS).map(|number| payment(&format!("pay_{number}"), plan(number))).collect();
    house.pay(&payments).await;
    let workers = Shift::begin(&house);
    workers.rests(&house).await;
    (house, workers)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_and_the_end_of_its_purchase() {
    let (house, workers) = under_way().await;
    let mut moved = 0;
    for number in 0..ROUNDS {
        let id = format!("pay_{number}");
        let third = house.sessions(&id).await.swap_remove(2);
        let purchase = house.purchase(&id).await.id;
        // The workers have something to do with it as well: it is given back, and its window goes on.
        if number % 3 == 0 {
            let refund = json!({
                "payment_id": id, "refund_id": "re_1", "refunded_at": "2026-11-23T09:59:30Z",
                "amount": { "minor": 149_900, "currency": "INR" },
            });
            let record = NewRecord {
                topic: Topic::PurchaseRefunded,
                key: Some(id.clone().into_bytes()),
                value: Some(refund.to_string().into_bytes()),
                headers: Headers::new(),
                timestamp: house.platform.clock.now(),
            };
            house.publish(&[record]).await;
        }
        let to_move = asked(&third, a_day_later(&third));
        let ending = cancel::Request { from: None, actor: "bob".to_owned(), reason: "moved abroad".to_owned() };
        let (done, ended) = tokio::join!(
            sessions::change(&house.platform, &to_move),
            cancel::cancel(&house.platform, purchase, &ending)
        );
        let done = changed(done);
        let by_a_person = match ended {
            Ok(Cancelled::Now { .. }) => true,
            Ok(Cancelled::Before) => false,
            Err(CancelError::Completed(_) | CancelError::NothingLeft(..)) => panic!("it has not begun"),
            Err(error) => panic!("{error}"),
        };
        workers.rests(&house).await;
        assert!(by_a_person || number % 3 == 0, "somebody has called it off");
        let expected = if done { vec!["cancelled", "session-moved"] } else { vec!["cancelled"] };
        let mut kinds = kinds(&house, &id).await;
        kinds.retain(|kind| kind != "refunded");
        assert_eq!(kinds, expected, "{id}");
        let off = house.sessions(&id).await.iter().all(|session| session.status == SessionStatus::Cancelled);
        assert!(off, "{id}");
        moved += usize::from(done);
    }
    println!("{moved} of {ROUNDS} were moved before they were called off");
    workers.ends().await;
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leave_and_changes_of_what_falls_into_it() {
    let (house, workers) = under_way().await;
    let mut theirs = Vec::new();
    for number in 0..ROUNDS {
        let second = house.sessions(&format!("pay_{number}")).await.swap_remove(1);
        if second.trainer_id == "trn_1" {
            theirs.push((format!("pay_{number}"), second));
        }
    }
    assert!(theirs.len() >= 3, "{theirs:?}");
    let week = theirs[0].1.local_date;
    let away = leave::Request {
        trainer_id: "trn_1".to_owned(),
        from: week,
        until: Some(week),
        actor: "ann".to_owned(),
        reason: "flu".to_owned(),
    };
    let orders: Vec<_> = theirs
        .iter()
        .enumerate()
        .map(|(number, (_, session))| {
            let act = if number % 2 == 0 { Act::Cancel { makeup: true } } else { Act::Cancel { makeup: false } };
            asked(session, act)
        })
        .collect();
    let changes = futures::future::join_all(orders.iter().map(|order| sessions::change(&house.platform, order)));
    let new = payment("pay_new", json!({ "plan": { "start_date": date(2026, 12, 1) } }));
    let payments = [new];
    let (left, done, ()) = tokio::join!(leave::apply(&house.platform, &away), changes, house.pay(&payments));
    left.unwrap();
    workers.rests(&house).await;
    for ((id, session), done) in theirs.iter().zip(done) {
        let cancelled = changed(done);
        let after = house.platform.store.session(session.id).await.unwrap().unwrap();
        assert!(
            cancelled || after.trainer_id != "trn_1" || after.status == SessionStatus::Cancelled,
            "{id}: {after:?}"
        );
        let kinds = kinds(&house, id).await;
        let times = |kind: &str| kinds.iter().filter(|found| *found == kind).count();
        assert!(times(KIND) <= 1, "{id}: {kinds:?}");
        assert_eq!(times("session-cancelled"), usize::from(cancelled), "{id}: {kinds:?}");
    }
    workers.ends().await;
    house.nothing_is_left_over(&[]).await;
}
