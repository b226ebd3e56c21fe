//! Data on which everything has happened as it should: payments go in, trainers are employed, all workers run, and seven
//! weeks later again; then a session of one plan is moved, the rest of two is planned anew, and another is called off. One
//! plan has moved in, and one has no end.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use caravan::engine::{Policy, Stats, Stop};
use caravan::life::adopting;
use caravan::life::cancel;
use caravan::life::replanning::{self, Wish};
use caravan::life::sessions::{self, Act, When};
use caravan::platform::Platform;
use caravan::platform::clock::Clock;
use caravan::platform::log::NewRecord;
use caravan::platform::rows::SessionFilter;
use caravan::platform::transaction::{Effects, TrainerEdit, Transaction};
use caravan::workers::{self, RunOptions, WorkerKind};
use caravan_domain::event::{Headers, Topic, payment_id_of};
use caravan_domain::ids::purchase_id;
use caravan_domain::trainer::{Closure, Trainer};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::ground::Ground;

const FIRST_DAY: &str = "2026-11-23T10:00:00Z";
/// Seven weeks later: short plans are over, windows were extended.
pub(crate) const LATER: &str = "2027-01-11T10:00:00Z";
const PURCHASES: usize = 30;
/// The payment of the plan that is called off: some of its sessions were held.
const CALLED_OFF: &str = "pay_4";
/// The payment of the plan of which a session is moved.
const MOVED: &str = "pay_8";
/// The payments of plans whose rest is planned anew.
const GIVEN_AWAY: &str = "pay_14";
const GIVEN_AWAY_NUMBER: usize = 14;
const LENGTHENED: &str = "pay_16";
/// Longer than that, so that what happened is still told by the log.
const RETENTION: Duration = Duration::from_secs(365 * 24 * 3_600);

pub(crate) struct At(Timestamp);

impl At {
    pub(crate) fn time(text: &str) -> Arc<Self> {
        Arc::new(Self(text.parse().unwrap()))
    }
}

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

/// What is given away is at times that nobody else asks for: whoever takes it keeps them.
fn slots(number: usize) -> Value {
    if number == GIVEN_AWAY_NUMBER {
        return json!([{ "weekday": "wed", "at": "17:00" }, { "weekday": "fri", "at": "17:00" }]);
    }
    json!([
        { "weekday": "tue", "at": "17:00" }, { "weekday": "thu", "at": "17:00" },
        { "weekday": "sat", "at": "10:15" }, { "weekday": "mon", "at": "12:00" },
        { "weekday": "fri", "at": "11:30" },
    ])
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
            "slots": slots(number),
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

async fn run_workers(platform: &Platform) {
    let options = RunOptions {
        workers: WorkerKind::ALL.to_vec(),
        until_idle: true,
        policy: Policy { log_retention: RETENTION, ..Policy::default() },
        instance: "test".to_owned(),
    };
    workers::run(platform, options, &Stop::new(), &Arc::new(Stats::default())).await.unwrap();
}

async fn publish(platform: &Platform, payments: &[Vec<u8>]) {
    publish_to(platform, Topic::PurchaseConfirmed, payments).await;
}

async fn publish_to(platform: &Platform, topic: Topic, payments: &[Vec<u8>]) {
    let record = |value: &Vec<u8>| NewRecord {
        topic,
        key: payment_id_of(value).map(String::into_bytes),
        value: Some(value.clone()),
        headers: Headers::new(),
        timestamp: platform.clock.now(),
    };
    platform.log.publish(&payments.iter().map(record).collect::<Vec<_>>()).await.unwrap();
}

async fn employ(platform: &Platform) {
    // Enough of them, in whatever order purchases come.
    let zones = ["Europe/Berlin", "Asia/Kolkata"].into_iter().cycle().take(8);
    let roster = (1..).zip(zones).map(|(number, zone)| TrainerEdit { trainer: trainer(number, zone), version: None });
    let day: jiff::civil::Date = "2026-12-25".parse().unwrap();
    let effects = Effects {
        roster: roster.collect(),
        closures: Some(vec![Closure { from: day, until: day, name: "Christmas".to_owned() }]),
        ..Effects::default()
    };
    platform.store.commit(&Transaction { effects, ..Transaction::default() }).await.unwrap();
}

/// A plan that is under way elsewhere moves in.
async fn adopt(platform: &Platform) {
    let mut moving = payment(2);
    let slot = json!({ "weekday": "fri", "at": "19:00" });
    moving["payment_id"] = json!("pay_moving");
    moving["student"]["id"] = json!("stu_moving");
    moving["plan"] = json!({
        "start_date": "2026-10-23", "sessions": 16, "per_week": 1, "minutes": 45, "slots": [slot],
    });
    moving["allocation"] = json!({ "trainer_id": "trn_2", "slots": [slot] });
    moving["first_ordinal"] = json!(5);
    adopting::adopt(platform, moving.to_string().as_bytes(), Default::default(), false).await.unwrap();
}

/// A plan that runs until it is cancelled, at a time that nobody else asks for.
fn endless() -> Vec<u8> {
    let mut payment = payment(4);
    payment["payment_id"] = json!("pay_endless");
    payment["student"]["id"] = json!("stu_endless");
    let slot = json!({ "weekday": "sat", "at": "18:00" });
    payment["plan"] = json!({
        "start_date": "2026-12-01", "sessions": null, "per_week": 1, "minutes": 45, "slots": [slot],
    });
    payment.to_string().into_bytes()
}

/// One plan that is under way ends.
async fn call_off(platform: &Platform) {
    let request = cancel::Request { from: None, actor: "ann".to_owned(), reason: "moved abroad".to_owned() };
    cancel::cancel(platform, purchase_id(CALLED_OFF, None), &request).await.unwrap();
}

/// One session to come is moved.
async fn move_one(platform: &Platform) {
    let filter = SessionFilter { purchase_id: Some(purchase_id(MOVED, None)), ..SessionFilter::default() };
    let sessions = platform.store.list_sessions(&filter, None, 100).await.unwrap();
    let session = sessions.iter().find(|session| session.starts_at > platform.clock.now()).unwrap();
    let evening = session.local_date.at(20, 0, 0, 0);
    let request = sessions::Request {
        session_id: session.id,
        purchase_id: None,
        act: Act::Move { to: Some(When::Local(evening)), trainer_id: None },
        overrides: Vec::new(),
        actor: "ann".to_owned(),
        reason: "a school trip".to_owned(),
    };
    sessions::change(platform, &request).await.unwrap();
}

/// The rest of one plan that is under way is given to somebody else, that of another becomes longer.
async fn plan_anew(platform: &Platform) {
    for (payment_id, wish) in [
        (GIVEN_AWAY, Wish::Reassign { instead_of: None, trainer_id: None }),
        (LENGTHENED, Wish::Amend(br#"{"plan": {"sessions": 26}}"#.to_vec())),
    ] {
        let request = replanning::Request {
            purchase_id: purchase_id(payment_id, None),
            wish,
            from: None,
            actor: "ann".to_owned(),
            reason: "agreed by phone".to_owned(),
        };
        replanning::replan(platform, &request, Default::default()).await.unwrap();
    }
}

/// All of what was called off is given back, a part of what is over, and something that nobody knows of.
async fn give_back(platform: &Platform) {
    let refunds = [(CALLED_OFF, 149_900), ("pay_5", 500), ("pay_unknown", 500)].map(|(payment_id, minor)| {
        let refund = json!({
            "payment_id": payment_id, "refund_id": "re_1", "refunded_at": LATER,
            "amount": { "minor": minor, "currency": "INR" },
        });
        refund.to_string().into_bytes()
    });
    publish_to(platform, Topic::PurchaseRefunded, &refunds).await;
}

/// A ground on which everything has happened as it should, kept to be put back.
pub(crate) async fn healthy<G: Ground>() -> G {
    let mut ground = G::empty().await;
    let platform = ground.platform(At::time(FIRST_DAY));
    platform.log.create_topics(3).await.unwrap();
    employ(&platform).await;
    adopt(&platform).await;
    let payments = payments();
    // The first alone: nobody has taken the time that it asks for.
    for payments in [&payments[..1], &payments[1..], &[endless()]] {
        publish(&platform, payments).await;
        run_workers(&platform).await;
    }
    let later = ground.platform(At::time(LATER));
    run_workers(&later).await;
    move_one(&later).await;
    plan_anew(&later).await;
    // Last, so that nobody takes the time that becomes free.
    call_off(&later).await;
    give_back(&later).await;
    run_workers(&later).await;
    ground.keep().await;
    ground
}
