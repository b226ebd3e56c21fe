//! A trainer by hand: only where no rule stands against it.

use caravan::life::ChangeError;
use caravan::life::allocating::{Done, Request, allocate};
use caravan_domain::allocation::Policy;
use caravan_domain::event::Topic;
use caravan_domain::ids::purchase_id;
use serde_json::{Value, json};

use crate::house::House;
use crate::sample::{payment, trainer};

fn request(payment_id: &str, trainer_id: &str, slots: &[&str]) -> Request {
    Request {
        purchase_id: purchase_id(payment_id, None),
        trainer_id: trainer_id.to_owned(),
        slots: slots.iter().map(|slot| slot.parse().unwrap()).collect(),
        actor: "ann".to_owned(),
        reason: "agreed by phone".to_owned(),
    }
}

async fn by_hand(house: &House, payment_id: &str, trainer_id: &str, slots: &[&str]) -> Result<Done, ChangeError> {
    allocate(&house.platform, &request(payment_id, trainer_id, slots), Policy::default()).await
}

async fn refusal(house: &House, payment_id: &str, trainer_id: &str, slots: &[&str]) -> String {
    by_hand(house, payment_id, trainer_id, slots).await.unwrap_err().to_string()
}

/// Somebody who teaches what nobody asks for yet.
fn cobol(trainer_id: &str, changes: Value) -> Value {
    let mut trainer = trainer(trainer_id, changes);
    trainer["courses"] = json!([{ "subject": "cobol", "levels": ["beginner"] }]);
    trainer
}

const SLOTS: [&str; 2] = ["thu 17:00", "tue 17:00"];

#[tokio::test(flavor = "multi_thread")]
async fn one_who_waits_gets_the_trainer_that_a_person_chose() {
    let house = House::with(&[cobol("trn_1", json!({ "active": false }))]).await;
    house.pay(&[payment("pay_1", json!({ "course": { "subject": "cobol" } }))]).await;
    house.run().await;
    assert_eq!(house.teacher("pay_1").await, "waitlisted");
    assert_eq!(refusal(&house, "pay_1", "trn_1", &SLOTS).await, "against it: inactive: trainer trn_1");
    assert_eq!(house.teacher("pay_1").await, "waitlisted");

    house.employ(&[cobol("trn_1", json!({ "active": true }))]).await;
    let Done::Now(booking) = by_hand(&house, "pay_1", "trn_1", &SLOTS).await.unwrap() else { panic!("it waited") };
    assert_eq!(booking.start_date.to_string(), "2026-12-01");
    assert_eq!(by_hand(&house, "pay_1", "trn_1", &SLOTS).await.unwrap(), Done::Before);
    house.run().await;
    assert_eq!(house.teacher("pay_1").await, "trn_1: tue 17:00, thu 17:00");
    assert_eq!(house.dates("pay_1").await, ["12-01", "12-03", "12-08", "12-10", "12-15", "12-17"]);
    assert_eq!(house.events(Topic::TrainerAllocated, "pay_1").await.len(), 1);
    assert!(house.receipt("pay_1").await.by_hand);
    let changes = house.platform.store.changes_of(purchase_id("pay_1", None)).await.unwrap();
    let told: Vec<_> = changes.iter().map(|change| [&change.kind, &change.actor, &change.reason]).collect();
    assert_eq!(told, [["allocated", "ann", "agreed by phone"]]);
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_against_it_is_named_and_nothing_changes() {
    let house = House::with(&[trainer("trn_1", json!({})), cobol("trn_2", json!({}))]).await;
    house.pay(&[payment("pay_1", json!({}))]).await;
    house.run().await;
    house.pay(&[payment("pay_2", json!({ "student": { "id": "stu_pay_1" } }))]).await;
    house.run().await;
    assert_eq!(house.teacher("pay_2").await, "waitlisted");
    assert_eq!(
        refusal(&house, "pay_2", "trn_1", &SLOTS).await,
        "against it: trainer-busy: trainer trn_1, session 1 at tue 2026-12-01 17:00 (Asia/Kolkata); \
         student-busy: trainer trn_1, session 1 at tue 2026-12-01 17:00 (Asia/Kolkata)"
    );
    for (trainer_id, slots, expected) in [
        ("trn_2", &SLOTS[..], "course: trainer trn_2"),
        ("trn_1", &["mon 17:00", "tue 17:00"], "slots: mon 17:00 is none of the times that the student named"),
        ("trn_1", &["tue 17:00"], "slots: 2 a week were bought, 1 are chosen"),
        ("trn_9", &SLOTS, "there is no trainer \"trn_9\""),
    ] {
        let told = refusal(&house, "pay_2", trainer_id, slots).await;
        assert!(told.contains(expected), "{told}");
    }
    let told = refusal(&house, "pay_1", "trn_2", &SLOTS).await;
    assert!(told.ends_with("is scheduled: only one that is created or waitlisted can be given a trainer"), "{told}");
    assert!(refusal(&house, "pay_9", "trn_1", &SLOTS).await.starts_with("there is no purchase "));
    assert_eq!(house.teacher("pay_2").await, "waitlisted");
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_picture_is_older_looks_again() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    // Recorded, and not looked at yet.
    house.pay(&[payment("pay_1", json!({}))]).await;
    let work = house.work(&[caravan::workers::WorkerKind::Purchase]);
    let stop = caravan::engine::Stop::new();
    caravan::engine::run(&house.platform, work, &house.policy, &stop, &Default::default()).await.unwrap();
    assert_eq!(house.teacher("pay_1").await, "created");
    assert!(matches!(by_hand(&house, "pay_1", "trn_1", &SLOTS).await, Ok(Done::Now(_))));
    house.pay(&[payment("pay_2", json!({}))]).await;
    house.run().await;
    assert_eq!(house.teacher("pay_1").await, "trn_1: tue 17:00, thu 17:00");
    assert_eq!(house.teacher("pay_2").await, "waitlisted");
    house.nothing_is_left_over(&[]).await;
}
