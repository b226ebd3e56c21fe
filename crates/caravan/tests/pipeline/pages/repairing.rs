//! What could not be handled is found, understood, repaired, tried and sent again.

use caravan_domain::access::Role;
use serde_json::json;

use super::super::api::{Api, ravi, stripe_signature, wish};
use super::school::too_long;
use super::{operator, served};
use crate::house::{House, NOW};

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_set_aside_is_repaired_tried_and_sent_again() {
    let api = served(House::with(&[ravi()]).await).await;
    let browser = operator(&api).await;
    browser.sees_waiting("Dead letters", 0).await;
    api.house.pay(&[too_long("pay_1")]).await;
    api.house.run().await;
    browser.sees_waiting("Dead letters", 1).await;

    browser.click("Dead letters").await;
    browser.sees("Something is missing or wrong in it").await;
    browser.sees("/plan/sessions: must be a whole number from 1 to 500, is 9999").await;
    browser.click(&api.house.dead_letter().await.id.to_string()).await;
    browser.sees("Send it again").await;
    browser.click("See what would happen").await;
    browser.sees("It would be set aside again").await;

    let value = browser.filled("What it says").await;
    assert!(value.contains("\"sessions\": 9999"), "{value}");
    browser.fill("What it says", &value.replace("9999", "20")).await;
    browser.click("See what would happen").await;
    browser.sees("It would become a purchase.").await;
    assert_eq!(api.house.purchases().await.len(), 0, "it was only tried");
    browser.click("Send again").await;
    browser.sees("ent again to purchase-confirmed, repaired").await;

    api.house.run().await;
    assert_eq!(api.house.teacher("pay_1").await, "trn_7: tue 17:00");
    browser.sees_waiting("Dead letters", 0).await;
    browser.click("Dead letters").await;
    browser.sees("Nothing is set aside that waits for you.").await;
    browser.tick("Also those that were sent again").await;
    browser.click("Show").await;
    browser.sees("pay_1").await;
    api.end(&[("invalid-field", 1)]).await;
}

/// An order is paid by less than it costs.
async fn pay_short(api: &Api, intent_id: &str) {
    let order = api.post("/v1/orders").by(Role::Ingest).json(&wish()).send().await.with(201);
    let metadata = json!({ "caravan_order_id": order["order_id"] });
    let intent = json!({ "id": intent_id, "amount_received": 100, "currency": "eur", "metadata": metadata });
    let at = NOW.parse::<jiff::Timestamp>().unwrap().as_second();
    let event = json!({ "id": format!("evt_{intent_id}"), "object": "event", "type": "payment_intent.succeeded",
                        "created": at, "data": { "object": intent } });
    let body = event.to_string();
    let signature = stripe_signature(&body, "whsec_new", at);
    let request = api.post("/v1/webhooks/stripe").header("stripe-signature", signature);
    request.bytes(body).send().await.with(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_was_set_aside_for_one_reason_is_sent_again_at_once() {
    let api = served(House::with(&[ravi()]).await).await;
    for intent_id in ["pi_1", "pi_2"] {
        pay_short(&api, intent_id).await;
    }
    api.house.pay(&[too_long("pay_3")]).await;
    api.house.run().await;
    let browser = operator(&api).await;
    browser.click("Dead letters").await;
    browser.sees_waiting("Dead letters", 3).await;

    browser.click_near("What if all are sent again?", "Something is missing or wrong in it").await;
    browser.sees("1 record would be set aside again").await;
    browser.click("Leave them").await;
    browser.does_not_see("would be set aside again").await;

    browser.click_near("What if all are sent again?", "Another amount was paid").await;
    browser.sees("2 records would become a purchase each").await;
    assert_eq!(api.house.purchases().await.len(), 0, "it was only tried");
    browser.click("Send 2 records again").await;
    browser.sees("2 records were sent again").await;
    api.house.run().await;
    assert_eq!(api.house.purchases().await.len(), 2);
    browser.sees_waiting("Dead letters", 1).await;
    browser.does_not_see("Another amount was paid 2").await;
    api.end(&[("amount-mismatch", 2), ("invalid-field", 1)]).await;
}
