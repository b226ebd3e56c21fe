//! What is paid and not fulfilled is found with its cause, and no more once it is fulfilled.

use caravan::redrive::send_again;
use caravan::stuck::{Search, Stuck};
use caravan::workers::WorkerKind;
use jiff::SignedDuration;
use serde_json::json;

use crate::house::House;
use crate::sample::{payment, trainer};

async fn search(house: &House, older_than: Option<SignedDuration>) -> Vec<Stuck> {
    let mut search = Search::new(&house.platform, &house.policy, older_than).unwrap();
    let mut found = Vec::new();
    while let Some(stuck) = search.next(usize::MAX).await.unwrap() {
        found.push(stuck);
    }
    found
}

/// Such as `pay_1 undecided 360`.
fn told(found: &[Stuck]) -> Vec<String> {
    let line = |stuck: &Stuck| {
        format!("{} {} {}", stuck.payment_id.as_deref().unwrap_or("-"), stuck.cause.name(), stuck.age_seconds)
    };
    found.iter().map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_worker_has_taken_on_is_late_after_five_minutes() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    house.pay(&[payment("pay_1", json!({}))]).await;
    house.run_only(&[WorkerKind::Purchase]).await;
    house.set_clock("2026-11-23T10:04:59Z");
    assert_eq!(search(&house, None).await, []);
    house.set_clock("2026-11-23T10:06:00Z");
    let found = search(&house, None).await;
    assert_eq!(told(&found), ["pay_1 undecided 360"]);
    assert!(found[0].next.contains("caravan run --workers allocation"), "{found:?}");
    assert_eq!(
        (found[0].student_id.as_deref(), found[0].purchase_id),
        (Some("stu_pay_1"), Some(house.purchase("pay_1").await.id))
    );
    assert_eq!(search(&house, Some(SignedDuration::from_mins(7))).await, []);
    assert_eq!(search(&house, Some(SignedDuration::from_mins(1))).await.len(), 1);

    house.run_only(&[WorkerKind::Purchase, WorkerKind::Allocation]).await;
    assert_eq!(search(&house, None).await, []);
    house.set_clock("2026-11-23T10:12:00Z");
    let found = search(&house, None).await;
    assert_eq!(told(&found), ["pay_1 unscheduled 360"]);
    assert!(found[0].next.contains("caravan run --workers session"), "{found:?}");
    house.run().await;
    assert_eq!(search(&house, None).await, []);
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_the_cron_should_have_extended_is_behind() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    house.pay(&[payment("pay_1", json!({ "plan": { "sessions": 20 } }))]).await;
    house.run().await;
    // Until the second day of lessons the first window, four weeks from the first, is enough; and the cron takes a while.
    for fresh in ["2026-12-01T23:00:00Z", "2026-12-02T02:10:00Z"] {
        house.set_clock(fresh);
        assert_eq!(search(&house, None).await, [], "{fresh}");
    }
    house.set_clock("2026-12-02T03:00:00Z");
    let found = search(&house, None).await;
    assert_eq!(told(&found), ["pay_1 window-behind 10800"]);
    assert!(
        found[0].detail.contains("ends at 2026-12-29") && found[0].next.contains("caravan sessions extend"),
        "{found:?}"
    );
    house.run().await;
    assert_eq!(search(&house, None).await, []);
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_told_with_what_stands_in_the_way() {
    let busy = json!({ "languages": ["fr"] });
    let house = House::with(&[
        trainer("trn_1", busy.clone()),
        trainer("trn_2", busy),
        trainer("trn_3", json!({ "availability": [] })),
    ])
    .await;
    house.pay(&[payment("pay_1", json!({})), payment("pay_2", json!({ "course": { "subject": "pythno" } }))]).await;
    house.run().await;
    let mut found = search(&house, None).await;
    found.sort_by(|a, b| a.payment_id.cmp(&b.payment_id));
    assert_eq!(told(&found), ["pay_1 waitlisted 0", "pay_2 waitlisted 0"]);
    assert_eq!(found[0].detail, "2 of 3 who teach python beginner: language (no language in common)");
    assert_eq!(found[1].detail, "nobody teaches pythno beginner");
    assert!(found.iter().all(|stuck| stuck.next.contains("caravan trainers import")), "{found:?}");
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_was_set_aside_is_stuck_until_it_is_a_purchase() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    let broken = payment("pay_2", json!({ "item": "b", "plan": { "sessions": 999 } }));
    house.pay(&[payment("pay_1", json!({})), broken]).await;
    // It is paid and recorded already: another student's report of it is nobody's lesson.
    house.pay(&[payment("pay_1", json!({ "student": { "id": "stu_other" } }))]).await;
    house.hand_over([b"{".to_vec()]).await;
    house.run().await;
    house.set_clock("2026-11-23T11:00:00Z");
    let mut found = search(&house, None).await;
    found.sort_by(|a, b| a.payment_id.cmp(&b.payment_id));
    assert_eq!(told(&found), ["- dead-letter 3600", "pay_2 dead-letter 3600"]);
    let letters = house.dead_letters().await;
    let letter = letters.iter().find(|letter| letter.reason == "invalid-field").unwrap();
    assert!(
        found[1]
            .detail
            .starts_with(&format!("paid, never became a purchase: dead letter {}, invalid-field: ", letter.id)),
        "{found:?}"
    );
    assert_eq!((found[1].student_id.as_deref(), found[0].purchase_id), (Some("stu_pay_2"), None));
    assert_eq!(search(&house, Some(SignedDuration::from_hours(2))).await, []);

    let slots = json!([{ "weekday": "mon", "at": "08:00" }, { "weekday": "fri", "at": "08:00" }]);
    let repaired = payment("pay_2", json!({ "item": "b", "plan": { "slots": slots } })).to_string().into_bytes();
    send_again(&house.platform, std::slice::from_ref(letter), Some(&repaired)).await.unwrap();
    house.run().await;
    assert_eq!(told(&search(&house, None).await), ["- dead-letter 3600"]);
    house.nothing_is_left_over(&[("conflicting-payment", 1), ("invalid-field", 1), ("invalid-json", 1)]).await;
}
