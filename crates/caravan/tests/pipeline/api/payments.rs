//! Payments that a shop confirms itself.

use caravan_domain::access::Role;
use caravan_domain::event::Topic;
use caravan_domain::ids::purchase_id;
use serde_json::{Value, json};

use super::{Api, confirmation, ravi};
use crate::house::House;

const PATH: &str = "/v1/purchase-confirmations";

#[tokio::test]
async fn a_confirmed_payment_becomes_a_purchase_once_however_often_it_is_reported() {
    let api = Api::of(House::with(&[ravi()]).await).await;
    let id = purchase_id("pay_1", None).to_string();
    for _ in 0..3 {
        let answer = api.post(PATH).by(Role::Ingest).json(&confirmation("pay_1")).send().await;
        assert_eq!(answer.header("location"), format!("/v1/purchases/{id}"));
        assert_eq!(answer.with(202)["purchase_id"], id.as_str());
    }
    api.house.run().await;
    assert_eq!(api.house.teacher("pay_1").await, "trn_7: tue 17:00");
    assert_eq!(api.house.records(Topic::PurchaseConfirmed).await.len(), 3);
    api.end(&[]).await;
}

#[tokio::test]
async fn the_trace_of_a_request_goes_on_in_what_it_leads_to() {
    let api = Api::of(House::with(&[ravi()]).await).await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    api.post(PATH).by(Role::Ingest).header("traceparent", trace).json(&confirmation("pay_1")).send().await.with(202);
    api.house.run().await;
    let told = api.house.records(Topic::SessionsScheduled).await;
    let carried = told[0].headers.get_text("traceparent").unwrap();
    assert!(carried.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"), "{carried}");
    api.end(&[]).await;
}

#[tokio::test]
async fn what_is_wrong_is_told_by_its_field_and_nothing_is_published() {
    let api = Api::new().await;
    for (change, pointer, words) in [
        (json!({ "plan": null }), "/plan", "is missing"),
        (json!({ "amount": { "minor": 1, "currency": "euro" } }), "/amount/currency", "ISO 4217"),
        (json!({ "payment_id": "x".repeat(201) }), "/payment_id", "1 to 200 characters"),
        (
            json!({ "student": { "id": "s", "time_zone": "Mars/Olympus", "languages": [] } }),
            "/student/time_zone",
            "IANA",
        ),
    ] {
        let mut value = confirmation("pay_1");
        value.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = api.post(PATH).by(Role::Ingest).json(&value).send().await;
        assert!(answer.problem(422).contains(words), "{}", answer.text);
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{}", answer.text);
    }
    for body in ["", "{", "[1", "nonsense", "\u{feff}{}"] {
        let answer =
            api.post(PATH).by(Role::Ingest).bytes(body).header("content-type", "application/json").send().await;
        assert!(answer.problem(400).contains("JSON"), "{body:?}: {}", answer.text);
    }
    let invalid = api.post(PATH).by(Role::Ingest).bytes([0xff, 0xfe]).send().await;
    assert!(invalid.problem(400).contains("UTF-8"));
    let form = api.post(PATH).by(Role::Ingest).bytes("a=b").header("content-type", "application/x-www-form-urlencoded");
    assert!(form.send().await.problem(415).contains("Content-Type: application/json"));
    assert_eq!(api.house.records(Topic::PurchaseConfirmed).await.len(), 0);
    api.house.run().await;
    api.end(&[]).await;
}

#[tokio::test]
async fn a_body_is_bounded() {
    let api = Api::new().await;
    let mut value = confirmation("pay_1");
    value["padding"] = json!("x".repeat(300 * 1024));
    let answer = api.post(PATH).by(Role::Ingest).json(&value).send().await;
    assert!(answer.problem(413).contains("262144 bytes at most"));
    api.house.run().await;
    api.end(&[]).await;
}

#[tokio::test]
async fn many_at_once_are_all_kept() {
    let api = Api::of(House::with(&[ravi()]).await).await;
    let posts = (0..64).map(|number| {
        let value: Value = confirmation(&format!("pay_{number}"));
        let asking = api.post(PATH).by(Role::Ingest).json(&value);
        asking.send()
    });
    for answer in futures::future::join_all(posts).await {
        answer.with(202);
    }
    api.house.run().await;
    assert_eq!(api.house.purchases().await.len(), 64);
    api.end(&[]).await;
}
