//! What the payment side gives back: all of it calls the purchase off, a part is for a person, and nothing of it is lost,
//! whenever it comes.

use std::sync::atomic::Ordering;

use caravan::life::refunds::{SettleError, SettledRefund, settle};
use caravan::platform::log::NewRecord;
use caravan::platform::rows::{RefundFilter, RefundRow};
use caravan_domain::event::{Headers, Topic};
use caravan_domain::ids::{purchase_id, refund_id};
use serde_json::{Value, json};

use crate::house::House;
use crate::sample::{payment, trainer};

/// What the sample's payment has cost.
const PAID: i64 = 149_900;

fn refund(payment_id: &str, refund_id: &str, minor: i64) -> Value {
    json!({
        "payment_id": payment_id, "refund_id": refund_id, "refunded_at": "2026-11-23T09:59:30Z",
        "amount": { "minor": minor, "currency": "INR" }, "reason": "moved abroad", "metadata": { "agent": "ann" },
    })
}

/// Money that is held back and may return.
fn held_back(payment_id: &str, refund_id: &str, minor: i64) -> Value {
    let mut held = refund(payment_id, refund_id, minor);
    held["provisional"] = json!(true);
    held
}

/// Hands refunds over as payment services do: bare JSON, keyed by the payment.
async fn give_back(house: &House, refunds: &[Value]) {
    let record = |refund: &Value| NewRecord {
        topic: Topic::PurchaseRefunded,
        key: refund["payment_id"].as_str().map(|id| id.as_bytes().to_vec()),
        value: Some(refund.to_string().into_bytes()),
        headers: Headers::new(),
        timestamp: house.platform.clock.now(),
    };
    house.publish(&refunds.iter().map(record).collect::<Vec<_>>()).await;
    house.run().await;
}

async fn refunds(house: &House) -> Vec<RefundRow> {
    let listed = house.platform.store.list_refunds(&RefundFilter::default(), None, 100).await.unwrap();
    listed.into_iter().map(|(_, row)| row).collect()
}

/// Where each refund stands, such as `re_1 open`.
async fn states(house: &House) -> Vec<String> {
    let mut states: Vec<String> =
        refunds(house).await.iter().map(|row| format!("{} {}", row.refund.refund_id, row.state)).collect();
    states.sort_unstable();
    states
}

/// What was changed of the purchase, such as `refunded`.
async fn changes(house: &House) -> Vec<String> {
    let changes = house.platform.store.changes_of(purchase_id("pay_1", None)).await.unwrap();
    changes.into_iter().map(|change| change.kind).collect()
}

async fn under_way() -> House {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    house.pay(&[payment("pay_1", json!({}))]).await;
    house.run().await;
    assert_eq!(house.teacher("pay_1").await, "trn_1: tue 17:00, thu 17:00");
    house
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_one_calls_the_purchase_off_from_today_on() {
    let house = under_way().await;
    // Thursday, half past five in Kolkata: the second lesson has begun.
    house.set_clock("2026-12-03T12:00:00Z");
    give_back(&house, &[refund("pay_1", "re_1", PAID)]).await;
    assert_eq!(house.purchase("pay_1").await.status.name(), "cancelled");
    assert_eq!(states(&house).await, ["re_1 applied"]);
    let change = &house.platform.store.changes_of(purchase_id("pay_1", None)).await.unwrap()[0];
    assert_eq!((change.kind.as_str(), change.actor.as_str()), ("cancelled", "purchase-refunded"));
    assert_eq!(change.reason, "refund re_1 of 1499.00 INR: moved abroad");
    assert_eq!(change.effective_from.unwrap().to_string(), "2026-12-03");
    let statuses: Vec<_> = house.sessions("pay_1").await.iter().map(|session| session.status.name()).collect();
    assert_eq!(statuses[1..], ["scheduled", "cancelled", "cancelled", "cancelled", "cancelled"]);
    assert_eq!(house.events(Topic::PurchaseCancelled, "pay_1").await.len(), 1);
    assert_eq!(house.events(Topic::PurchaseChanged, "pay_1").await, Vec::<Value>::new());
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_is_told_and_is_for_a_person_to_settle_once() {
    let house = under_way().await;
    let before = house.purchase("pay_1").await.revision;
    give_back(&house, &[refund("pay_1", "re_1", 500)]).await;
    let purchase = house.purchase("pay_1").await;
    assert_eq!((purchase.status.name(), purchase.revision), ("scheduled", before + 1));
    assert_eq!(changes(&house).await, ["refunded"]);
    let told = house.events(Topic::PurchaseChanged, "pay_1").await;
    let expected = json!({
        "purchase_id": purchase.id, "student_id": "stu_pay_1", "trainer_id": "trn_1", "revision": before + 1,
        "kind": "refunded", "changed_at": "2026-11-23T10:00:00Z", "actor": "purchase-refunded",
        "reason": "refund re_1 of 5.00 INR: moved abroad",
        "metadata": { "campaign": "diwali", "agent": "ann" },
    });
    assert_eq!(told, [expected]);

    let id = refund_id(purchase.id, "re_1");
    assert_eq!(states(&house).await, ["re_1 open"]);
    assert_eq!(settle(&house.platform, id, "ann", "a lesson less").await.unwrap(), SettledRefund::Now);
    assert_eq!(settle(&house.platform, id, "bob", "again").await.unwrap(), SettledRefund::Before);
    let row = refunds(&house).await.remove(0);
    let settled = row.settled.unwrap();
    assert_eq!((row.state.name(), settled.by.as_str(), settled.note.as_str()), ("settled", "ann", "a lesson less"));
    let unknown = settle(&house.platform, purchase.id, "ann", "x").await;
    assert!(matches!(unknown, Err(SettleError::Unknown(_))), "{unknown:?}");
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reported_twice_it_counts_once_and_reported_otherwise_the_first_stands() {
    let house = under_way().await;
    // Half of it, twice in one batch and once more later: it is not the whole.
    let half = refund("pay_1", "re_1", PAID / 2);
    give_back(&house, &[half.clone(), half.clone()]).await;
    give_back(&house, std::slice::from_ref(&half)).await;
    assert_eq!((states(&house).await, changes(&house).await), (vec!["re_1 open".into()], vec!["refunded".into()]));
    house.nothing_is_left_over(&[]).await;

    let mut euros = refund("pay_1", "re_1", PAID / 2);
    euros["amount"]["currency"] = json!("EUR");
    let mut foreign = euros.clone();
    foreign["refund_id"] = json!("re_2");
    give_back(&house, &[refund("pay_1", "re_1", 7), euros, foreign]).await;
    give_back(&house, &[refund("pay_1", "", 7)]).await;
    assert_eq!((states(&house).await, changes(&house).await), (vec!["re_1 open".into()], vec!["refunded".into()]));
    house.nothing_is_left_over(&[("conflicting-refund", 3), ("invalid-field", 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_its_payment_it_is_kept_and_no_trainer_is_ever_allocated() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    give_back(&house, &[refund("pay_1", "re_1", PAID), refund("pay_2", "re_2", 500), refund("pay_3", "re_3", 500)])
        .await;
    assert_eq!(states(&house).await, ["re_1 kept", "re_2 kept", "re_3 kept"]);
    let kept = settle(&house.platform, refund_id(purchase_id("pay_1", None), "re_1"), "ann", "x").await;
    assert!(matches!(kept, Err(SettleError::Kept(_))), "{kept:?}");
    house.nothing_is_left_over(&[]).await;

    house.pay(&[payment("pay_1", json!({})), payment("pay_2", json!({}))]).await;
    let stats = house.run().await;
    assert_eq!(states(&house).await, ["re_1 applied", "re_2 open", "re_3 kept"]);
    assert_eq!(house.teacher("pay_1").await, "cancelled");
    assert_eq!(changes(&house).await, ["cancelled"]);
    assert_eq!(house.events(Topic::TrainerAllocated, "pay_1").await, Vec::<Value>::new());
    assert_eq!(house.purchase("pay_1").await.generations, 0);
    assert_eq!(stats.worker("AllocationWorker").superseded.load(Ordering::Relaxed), 1);
    assert!(house.teacher("pay_2").await.starts_with("trn_1"));
    assert_eq!(house.events(Topic::PurchaseChanged, "pay_2").await[0]["revision"], 2);
    // Told again, it is the same.
    give_back(&house, &[refund("pay_1", "re_1", PAID)]).await;
    assert_eq!(states(&house).await, ["re_1 applied", "re_2 open", "re_3 kept"]);
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_kept_in_another_currency_than_the_payment_is_for_a_person() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    let mut euros = refund("pay_1", "re_1", PAID);
    euros["amount"]["currency"] = json!("EUR");
    give_back(&house, &[euros]).await;
    house.pay(&[payment("pay_1", json!({}))]).await;
    house.run().await;
    assert_eq!(states(&house).await, ["re_1 open"]);
    assert!(house.teacher("pay_1").await.starts_with("trn_1"));
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_one_batch_with_its_payment_it_is_applied_at_once() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    house.pay(&[payment("pay_1", json!({}))]).await;
    give_back(&house, &[refund("pay_1", "re_1", 100), refund("pay_1", "re_2", PAID - 100)]).await;
    assert_eq!(states(&house).await, ["re_1 applied", "re_2 applied"]);
    assert_eq!(house.purchase("pay_1").await.status.name(), "cancelled");
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_parts_that_make_it_whole_call_it_off() {
    let house = under_way().await;
    give_back(&house, &[refund("pay_1", "re_1", 100)]).await;
    give_back(&house, &[refund("pay_1", "re_2", PAID - 101)]).await;
    assert_eq!(states(&house).await, ["re_1 open", "re_2 open"]);
    give_back(&house, &[refund("pay_1", "re_3", 1)]).await;
    assert_eq!(states(&house).await, ["re_1 applied", "re_2 applied", "re_3 applied"]);
    assert_eq!(changes(&house).await, ["refunded", "refunded", "cancelled"]);
    assert_eq!(house.purchase("pay_1").await.status.name(), "cancelled");
    let applied = settle(&house.platform, refund_id(purchase_id("pay_1", None), "re_1"), "ann", "x").await;
    assert!(matches!(applied, Err(SettleError::Applied(_))), "{applied:?}");
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_what_is_over_a_full_one_is_for_a_person() {
    let house = under_way().await;
    house.set_clock("2027-01-10T10:00:00Z");
    house.run().await;
    give_back(&house, &[refund("pay_1", "re_1", PAID)]).await;
    assert_eq!(house.purchase("pay_1").await.status.name(), "completed");
    assert_eq!((states(&house).await, changes(&house).await), (vec!["re_1 open".into()], vec!["refunded".into()]));
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_setting_off_a_full_one_is_for_a_person_as_well() {
    let mut house = under_way().await;
    house.policy.full_refund_cancels = false;
    give_back(&house, &[refund("pay_1", "re_1", PAID)]).await;
    assert_eq!(house.purchase("pay_1").await.status.name(), "scheduled");
    assert_eq!((states(&house).await, changes(&house).await), (vec!["re_1 open".into()], vec!["refunded".into()]));
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_return_calls_nothing_off_and_is_for_a_person() {
    let house = under_way().await;
    give_back(&house, &[held_back("pay_1", "du_1", PAID), held_back("pay_1", "du_2", PAID)]).await;
    assert_eq!(house.purchase("pay_1").await.status.name(), "scheduled");
    assert_eq!((states(&house).await, changes(&house).await.len()), (vec!["du_1 open".into(), "du_2 open".into()], 2));
    let told = house.events(Topic::PurchaseChanged, "pay_1").await;
    let reason = "provisional refund du_1 of 1499.00 INR: moved abroad";
    assert_eq!((&told[0]["kind"], &told[0]["reason"]), (&json!("refunded"), &json!(reason)));
    // Nor does it help others to the whole.
    give_back(&house, &[refund("pay_1", "re_1", PAID - 1)]).await;
    assert_eq!(states(&house).await, ["du_1 open", "du_2 open", "re_1 open"]);

    let id = refund_id(purchase_id("pay_1", None), "du_1");
    assert_eq!(settle(&house.platform, id, "ann", "we go on").await.unwrap(), SettledRefund::Now);
    // A dispute that is lost is another refund; then nobody has anything to decide about the other any more.
    give_back(&house, &[refund("pay_1", "du_2:lost", PAID)]).await;
    assert_eq!(states(&house).await, ["du_1 settled", "du_2 applied", "du_2:lost applied", "re_1 applied"]);
    assert_eq!(house.purchase("pay_1").await.status.name(), "cancelled");
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_return_before_its_payment_is_kept_and_a_trainer_allocated_all_the_same() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    give_back(&house, &[held_back("pay_1", "du_1", PAID)]).await;
    assert_eq!(states(&house).await, ["du_1 kept"]);
    house.pay(&[payment("pay_1", json!({}))]).await;
    house.run().await;
    assert_eq!(states(&house).await, ["du_1 open"]);
    assert!(house.teacher("pay_1").await.starts_with("trn_1"));
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_it_may_return_is_part_of_what_was_reported_first() {
    let house = under_way().await;
    give_back(&house, &[held_back("pay_1", "du_1", PAID), held_back("pay_1", "du_1", PAID)]).await;
    give_back(&house, &[refund("pay_1", "du_1", PAID)]).await;
    assert_eq!(house.purchase("pay_1").await.status.name(), "scheduled");
    assert_eq!(states(&house).await, ["du_1 open"]);
    let detail = house.dead_letter().await.detail;
    assert!(detail.contains("with 149900 INR, provisional, this report says 149900 INR; the first stands"), "{detail}");
    house.nothing_is_left_over(&[("conflicting-refund", 1)]).await;
}
