//! One payment is one purchase, whoever reports it and however often.

use std::sync::atomic::Ordering;

use caravan::platform::transaction::{Effects, Replay, Transaction};
use caravan::workers::WorkerKind;
use caravan_domain::event::Topic;
use caravan_domain::ids::purchase_id;
use serde_json::{Value, json};

use crate::house::House;
use crate::sample::{payment, trainer};

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_reported_fifty_times_and_then_otherwise_is_one_purchase_and_one_dead_letter() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    let first = payment("pay_1", json!({}));
    house.pay(&vec![first.clone(); 50]).await;
    house.pay(&[payment("pay_1", json!({ "amount": { "minor": 1 } }))]).await;
    let stats = house.run().await;

    let counters = stats.worker("PurchaseWorker");
    let counted =
        [&counters.done, &counters.duplicates, &counters.dead_letters].map(|count| count.load(Ordering::SeqCst));
    assert_eq!(counted, [1, 49, 1]);
    assert_eq!(house.purchases().await.len(), 1);
    assert_eq!(house.purchase("pay_1").await.confirmation.amount.minor, 149_900);
    assert_eq!(house.events(Topic::PurchaseCreated, "pay_1").await.len(), 1);
    assert_eq!(house.sessions("pay_1").await.len(), 6);
    let letter = house.dead_letter().await;
    assert!(letter.detail.contains("differs in /amount; the first stands"), "{}", letter.detail);
    house.nothing_is_left_over(&[("conflicting-payment", 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_report_stands_even_if_a_later_one_says_it_was_paid_earlier() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    let first = payment("pay_1", json!({ "confirmed_at": "2026-11-23T09:00:00Z" }));
    let other = payment("pay_1", json!({ "confirmed_at": "2026-11-23T08:00:00Z", "amount": { "minor": 1 } }));
    house.pay(&[first, other]).await;
    house.run().await;
    assert_eq!(house.purchase("pay_1").await.confirmation.amount.minor, 149_900);
    house.nothing_is_left_over(&[("conflicting-payment", 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_two_reports_of_a_payment_conflict_is_student_course_plan_and_amount() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    house.pay(&[payment("pay_1", json!({}))]).await;
    house.run().await;
    let slots = json!([{ "weekday": "thu", "at": "17:00" }, { "weekday": "tue", "at": "17:00" }]);
    for (change, field) in [
        (json!({ "student": { "id": "stu_other" } }), Some("/student/id")),
        (json!({ "course": { "level": "advanced" } }), Some("/course")),
        (json!({ "plan": { "sessions": 7 } }), Some("/plan")),
        (json!({ "plan": { "slots": slots } }), Some("/plan")),
        (json!({ "amount": { "currency": "EUR" } }), Some("/amount")),
        (json!({ "student": { "name": "Asha", "email": "asha@example.com" } }), None),
        (json!({ "course": { "subject": " PYTHON" } }), None),
        (json!({ "confirmed_at": "2026-11-23T11:00:00Z", "metadata": {}, "payer": { "id": "usr_1" } }), None),
    ] {
        let before = house.dead_letters().await.len();
        house.pay(&[payment("pay_1", change.clone())]).await;
        house.run().await;
        let letters = house.dead_letters().await;
        let blamed = letters.get(before).map(|letter| letter.detail.clone());
        match field {
            Some(field) => assert!(blamed.unwrap().contains(&format!("differs in {field};")), "{change}"),
            None => assert_eq!(blamed, None, "{change}"),
        }
    }
    assert_eq!(house.purchases().await.len(), 1);
    house.nothing_is_left_over(&[("conflicting-payment", 5)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_item_of_a_payment_is_a_purchase_of_its_own() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    let of_item = |item: Value, at: &str| {
        let slots = json!([{ "weekday": "tue", "at": at }, { "weekday": "thu", "at": at }]);
        payment("pay_1", json!({ "item": item, "plan": { "slots": slots } }))
    };
    house.pay(&[of_item(json!("a"), "09:00"), of_item(json!("b"), "11:00"), of_item(json!(null), "13:00")]).await;
    house.pay(&[of_item(json!("a"), "09:00")]).await;
    house.run().await;
    let ids: Vec<_> = house.purchases().await.iter().map(|purchase| purchase.id).collect();
    let mut expected = [Some("a"), Some("b"), None].map(|item| purchase_id("pay_1", item)).to_vec();
    expected.sort_unstable();
    let mut found = ids.clone();
    found.sort_unstable();
    assert_eq!(found, expected);
    assert!(house.purchases().await.iter().all(|purchase| purchase.allocation.is_some()));
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_everything_again_changes_nothing() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    let payments: Vec<Value> =
        (0..5).map(|number| payment(&format!("pay_{number}"), json!({ "plan": { "sessions": 2 } }))).collect();
    house.pay(&payments).await;
    house.pay(&[payment("broken", json!({ "plan": { "sessions": 0 } }))]).await;
    house.run().await;
    let before = house.platform.store.totals().await.unwrap();
    let told = house.records(Topic::SessionsScheduled).await;

    rewind_all(&house).await;
    house.run().await;
    let after = house.platform.store.totals().await.unwrap();
    assert_eq!(after, before);
    assert_eq!(house.records(Topic::SessionsScheduled).await, told);
    house.nothing_is_left_over(&[("invalid-field", 1)]).await;
}

/// Every group goes back to the beginning of everything it reads.
async fn rewind_all(house: &House) {
    let mut replays = Vec::new();
    for topic in house.platform.log.topics().await.unwrap() {
        for kind in WorkerKind::ALL.into_iter().filter(|kind| kind.spec().topics.contains(&topic.topic)) {
            replays.extend((0..).zip(&topic.partitions).map(|(partition, state)| Replay {
                group: kind.spec().group.to_owned(),
                at: caravan::platform::log::TopicPartition { topic: topic.topic, partition },
                topic_id: topic.id,
                to: state.start,
            }));
        }
    }
    let effects = Effects { replays, ..Effects::default() };
    house.platform.store.commit(&Transaction { effects, ..Transaction::default() }).await.unwrap();
}
