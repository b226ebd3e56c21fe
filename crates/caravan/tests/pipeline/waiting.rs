//! The waitlist: only who can't be placed waits, and nobody waits in vain.

use caravan_domain::event::Topic;
use serde_json::{Value, json};

use crate::house::House;
use crate::sample::{payment, trainer};

/// Room for one plan of the sample's first two slots, and for nothing else.
fn room_for_one(subject: &str) -> Value {
    let ranges = ["tue", "thu"].map(|day| json!({ "weekday": day, "from": "17:00", "until": "18:00" }));
    json!({ "courses": [{ "subject": subject, "levels": ["beginner"] }], "availability": ranges })
}

fn cobol() -> Value {
    json!({ "course": { "subject": "cobol" } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_course_nobody_teaches_is_marked_and_placed_once_somebody_does() {
    let house = House::with(&[trainer("trn_1", json!({})), trainer("trn_2", json!({ "active": false }))]).await;
    house.pay(&[payment("pay_1", cobol())]).await;
    house.run().await;
    assert_eq!(house.teacher("pay_1").await, "waitlisted");
    let receipt = house.receipt("pay_1").await;
    assert!(!receipt.course_taught);
    assert_eq!((receipt.candidates, receipt.chosen), (2, None));
    let told = house.events(Topic::PurchaseWaitlisted, "pay_1").await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["reasons"], json!({ "course": 1, "inactive": 1 }));
    assert_eq!(
        (&told[0]["student_id"], &told[0]["waitlisted_at"]),
        (&json!("stu_pay_1"), &json!("2026-11-23T10:00:00Z"))
    );

    house.employ(&[trainer("trn_3", room_for_one("Cobol"))]).await;
    house.run().await;
    assert_eq!(house.teacher("pay_1").await, "trn_3: tue 17:00, thu 17:00");
    assert_eq!(house.sessions("pay_1").await.len(), 6);
    assert!(house.platform.store.waiting(&[house.purchase("pay_1").await.id]).await.unwrap().is_empty());
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_longest_is_placed_first_and_before_anybody_newer() {
    let house = House::new().await;
    for (day, id) in (23..).zip(["zz_oldest", "mm_older", "bb_old"]) {
        house.set_clock(&format!("2026-11-{day}T10:00:00Z"));
        house.pay(&[payment(id, json!({}))]).await;
        house.run().await;
        assert_eq!(house.teacher(id).await, "waitlisted");
    }
    for (number, placed) in (1..).zip(["zz_oldest", "mm_older", "bb_old", "aa_new"]) {
        if number == 1 {
            house.pay(&[payment("aa_new", json!({ "preferred_trainer_id": "trn_1" }))]).await;
        }
        house.employ(&[trainer(&format!("trn_{number}"), room_for_one("python"))]).await;
        house.run().await;
        assert_eq!(house.teacher(placed).await, format!("trn_{number}: tue 17:00, thu 17:00"), "{placed}");
        let waiting = house.purchases().await.iter().filter(|purchase| purchase.allocation.is_none()).count();
        assert_eq!(waiting, 4 - number);
    }
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_is_told_once_however_often_it_is_looked_at() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    house.pay(&[payment("pay_1", cobol())]).await;
    house.run().await;
    let since = house.platform.store.waiting(&[house.purchase("pay_1").await.id]).await.unwrap().remove(0);
    for day in 24..28 {
        house.set_clock(&format!("2026-11-{day}T10:00:00Z"));
        house.employ(&[trainer("trn_1", json!({ "name": format!("Ravi {day}") }))]).await;
        house.run().await;
    }
    let now = house.platform.store.waiting(&[house.purchase("pay_1").await.id]).await.unwrap().remove(0);
    assert_eq!(now.waitlisted_at, since.waitlisted_at);
    assert!(now.seen_version > since.seen_version, "it was looked at again");
    assert_eq!(house.events(Topic::PurchaseWaitlisted, "pay_1").await.len(), 1);
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_passes_can_end_a_wait() {
    let off = json!([{ "from": "2026-12-01", "until": "2026-12-18" }]);
    let house = House::with(&[trainer("trn_1", json!({ "time_off": off }))]).await;
    house.pay(&[payment("pay_1", json!({ "plan": { "sessions": 3 } }))]).await;
    house.run().await;
    assert_eq!(house.teacher("pay_1").await, "waitlisted");
    house.set_clock("2026-12-12T10:00:00Z");
    house.run().await;
    assert_eq!(
        house.teacher("pay_1").await,
        "trn_1: tue 17:00, thu 17:00",
        "only two dates are skipped from the 13th on"
    );
    assert_eq!(house.dates("pay_1").await, ["12-22", "12-24", "12-29"]);
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closure_can_end_a_wait() {
    let off = json!([{ "from": "2026-12-01", "until": "2026-12-08" }]);
    let house = House::with(&[trainer("trn_1", json!({ "time_off": off }))]).await;
    house.pay(&[payment("pay_1", json!({}))]).await;
    house.run().await;
    assert_eq!(house.teacher("pay_1").await, "waitlisted");
    house.close(&[json!({ "from": "2026-12-03", "until": "2026-12-03", "name": "Audit" })]).await;
    house.run().await;
    assert_eq!(house.teacher("pay_1").await, "trn_1: tue 17:00, thu 17:00");
    house.nothing_is_left_over(&[]).await;
}
