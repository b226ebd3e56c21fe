//! Orders: plans kept before the customer pays.

use caravan_domain::access::Role;
use serde_json::json;

use super::{Api, wish};

#[tokio::test]
async fn an_order_is_kept_and_shown() {
    let api = Api::new().await;
    let made = api.post("/v1/orders").by(Role::Ingest).json(&wish()).send().await;
    let shown = made.with(201);
    let id = shown["order_id"].as_str().unwrap();
    assert!(id.starts_with("ord_"), "{id}");
    assert_eq!(made.header("location"), format!("/v1/orders/{id}"));
    assert_eq!((shown["status"].as_str(), shown["expires_at"].as_str()), (Some("open"), Some("2026-11-30T10:00:00Z")));
    for role in [Role::Ingest, Role::Read] {
        assert_eq!(api.get(&format!("/v1/orders/{id}")).by(role).send().await.with(200), shown);
    }
    api.house.set_clock("2026-12-01T10:00:00Z");
    assert_eq!(api.read(&format!("/v1/orders/{id}")).await["status"], "expired");
    api.get("/v1/orders/ord_7").by(Role::Read).send().await.problem(404);
    api.house.run().await;
    api.end(&[]).await;
}

#[tokio::test]
async fn what_is_wrong_with_an_order_is_told_by_its_field() {
    let api = Api::new().await;
    let mut order = wish();
    order["expires_at"] = json!("2026-11-23T09:00:00Z");
    order["plan"]["sessions"] = json!(501);
    let answer = api.post("/v1/orders").by(Role::Ingest).json(&order).send().await;
    answer.problem(422);
    let pointers: Vec<String> =
        answer.json()["errors"].as_array().unwrap().iter().map(|error| error["pointer"].to_string()).collect();
    assert_eq!(pointers, ["\"/expires_at\"", "\"/plan/sessions\""]);
    api.house.run().await;
    api.end(&[]).await;
}

#[tokio::test]
async fn an_order_nobody_pays_is_forgotten_long_after_it_expired() {
    let api = Api::new().await;
    let shown = api.post("/v1/orders").by(Role::Ingest).json(&wish()).send().await.with(201);
    let path = format!("/v1/orders/{}", shown["order_id"].as_str().unwrap());
    api.house.set_clock("2027-02-28T09:00:00Z");
    api.house.run().await;
    api.read(&path).await;
    api.house.set_clock("2027-03-01T10:00:00Z");
    api.house.run().await;
    api.get(&path).by(Role::Read).send().await.problem(404);
    api.end(&[]).await;
}
