//! `Idempotency-Key`: the same request twice is one effect and one answer.

use caravan_domain::access::Role;
use caravan_domain::event::Topic;
use serde_json::{Value, json};

use super::{Answer, Api, confirmation, ravi, wish};
use crate::house::House;

const ORDERS: &str = "/v1/orders";

async fn order(api: &Api, key: &str, body: &Value) -> Answer {
    api.post(ORDERS).by(Role::Ingest).header("idempotency-key", key).json(body).send().await
}

#[tokio::test]
async fn the_same_key_and_body_get_the_first_answer_again() {
    let api = Api::new().await;
    let first = order(&api, "\"8e03978e\"", &wish()).await;
    assert_eq!(first.header("idempotency-replayed"), "");
    // With or without its quotes it is the same key.
    for key in ["\"8e03978e\"", "8e03978e"] {
        let again = order(&api, key, &wish()).await;
        assert_eq!((again.status, again.text.as_str()), (201, first.text.as_str()));
        assert_eq!(again.header("location"), first.header("location"));
        assert_eq!(again.header("idempotency-replayed"), "true");
    }
    assert_ne!(order(&api, "another", &wish()).await.with(201)["order_id"], first.json()["order_id"]);
    let admin = api.post(ORDERS).by(Role::Admin).header("idempotency-key", "8e03978e").json(&wish()).send().await;
    assert_ne!(admin.with(201)["order_id"], first.json()["order_id"], "a key is one token's own");
    api.house.run().await;
    api.end(&[]).await;
}

#[tokio::test]
async fn a_key_is_not_for_another_request() {
    let api = Api::new().await;
    order(&api, "k", &wish()).await.with(201);
    let mut other = wish();
    other["amount"]["minor"] = json!(1);
    assert!(order(&api, "k", &other).await.problem(422).contains("used for another request"));
    let confirmed = api.post("/v1/purchase-confirmations").by(Role::Ingest).header("idempotency-key", "k");
    assert!(confirmed.json(&confirmation("pay_1")).send().await.problem(422).contains("used for another request"));
    for key in ["\"open", "", &"k".repeat(256)] {
        assert!(order(&api, key, &wish()).await.problem(400).contains("Idempotency-Key must be"), "{key:?}");
    }
    assert_eq!(api.house.records(Topic::PurchaseConfirmed).await.len(), 0);
    api.house.run().await;
    api.end(&[]).await;
}

#[tokio::test]
async fn of_many_at_once_with_one_key_one_has_an_effect() {
    let api = Api::of(House::with(&[ravi()]).await).await;
    let value = confirmation("pay_1");
    let posts = (0..20).map(|_| {
        let asking = api.post("/v1/purchase-confirmations").by(Role::Ingest).header("idempotency-key", "k");
        asking.json(&value).send()
    });
    let answers = futures::future::join_all(posts).await;
    for answer in &answers {
        match answer.status {
            202 => {}
            409 => assert!(answer.problem(409).contains("being answered right now")),
            _ => panic!("{answer:?}"),
        }
    }
    assert!(answers.iter().any(|answer| answer.status == 202));
    api.house.run().await;
    assert_eq!(api.house.records(Topic::PurchaseConfirmed).await.len(), 1);
    api.end(&[]).await;
}

#[tokio::test]
async fn an_answer_is_forgotten_after_a_day() {
    let api = Api::new().await;
    let first = order(&api, "k", &wish()).await.with(201);
    api.house.set_clock("2026-11-24T09:59:59Z");
    assert_eq!(order(&api, "k", &wish()).await.with(201), first);
    api.house.set_clock("2026-11-24T10:00:01Z");
    api.house.run().await;
    assert_ne!(order(&api, "k", &wish()).await.with(201)["order_id"], first["order_id"]);
    api.end(&[]).await;
}
