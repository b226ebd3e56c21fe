//! What everybody has read goes after a while, and nothing else.

use caravan::workers::WorkerKind;
use caravan_domain::event::Topic;
use serde_json::json;

use crate::house::House;
use crate::sample::{payment, trainer};

#[tokio::test(flavor = "multi_thread")]
async fn records_past_their_retention_go_and_positions_stay_valid() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    house.pay(&[payment("pay_1", json!({}))]).await;
    house.hand_over([b"broken".to_vec()]).await;
    house.run().await;
    house.set_clock("2026-11-30T09:59:59Z");
    house.run().await;
    assert!(!house.records(Topic::PurchaseConfirmed).await.is_empty(), "a second too early");
    house.set_clock("2026-11-30T10:00:01Z");
    house.run().await;
    for topic in Topic::ALL {
        assert_eq!(house.records(topic).await, [], "{topic}");
    }
    house.nothing_is_left_over(&[("invalid-json", 1)]).await;

    house
        .pay(&[payment("pay_1", json!({})), payment("pay_2", json!({ "plan": { "start_date": "2027-02-02" } }))])
        .await;
    house.run().await;
    assert_eq!(house.purchases().await.len(), 2);
    assert_eq!(house.sessions("pay_2").await.len(), 6);
    house.nothing_is_left_over(&[("invalid-json", 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_group_has_not_read_is_kept_however_old_it_is() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    house.pay(&[payment("pay_1", json!({}))]).await;
    let purchase_alone = house.work(&[WorkerKind::Purchase]).workers;
    house.run_with(purchase_alone).await;
    house.set_clock("2027-01-23T10:00:00Z");
    let purchase_alone = house.work(&[WorkerKind::Purchase]).workers;
    house.run_with(purchase_alone).await;
    assert_eq!(house.records(Topic::PurchaseConfirmed).await, []);
    assert_eq!(house.records(Topic::PurchaseCreated).await.len(), 1);
    house.run().await;
    assert!(house.teacher("pay_1").await.starts_with("trn_1"));
    house.nothing_is_left_over(&[]).await;
}
