//! What payment providers report.

use caravan_domain::access::Role;
use caravan_domain::event::Topic;
use caravan_domain::ids::purchase_id;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Answer, Api, hmac, ravi, stripe_signature, wish};
use crate::house::{House, NOW};

/// An order, as its id.
async fn order(api: &Api, value: &Value) -> String {
    let shown = api.post("/v1/orders").by(Role::Ingest).json(value).send().await.with(201);
    shown["order_id"].as_str().unwrap().to_owned()
}

fn now() -> i64 {
    NOW.parse::<Timestamp>().unwrap().as_second()
}

fn stripe_event(kind: &str, object: Value) -> String {
    json!({ "id": "evt_1", "object": "event", "type": kind, "created": now(), "data": { "object": object } })
        .to_string()
}

fn session(order_id: &str, minor: i64) -> Value {
    json!({ "id": "cs_1", "object": "checkout.session", "mode": "payment", "payment_status": "paid", "payment_intent": "pi_1",
            "amount_total": minor, "currency": "eur", "metadata": { "caravan_order_id": order_id } })
}

fn intent(id: &str, order_id: &str) -> Value {
    json!({ "id": id, "object": "payment_intent", "amount_received": 49_900, "currency": "eur", "metadata": { "caravan_order_id": order_id } })
}

async fn stripe(api: &Api, body: &str) -> Answer {
    let signature = stripe_signature(body, "whsec_new", now());
    api.post("/v1/webhooks/stripe").header("stripe-signature", signature).bytes(body).send().await
}

async fn razorpay(api: &Api, event: &Value) -> Answer {
    let body = event.to_string();
    let signature = hmac("rzp_secret", &body);
    api.post("/v1/webhooks/razorpay").header("x-razorpay-signature", signature).bytes(body).send().await
}

#[tokio::test]
async fn two_reports_of_one_payment_are_one_purchase() {
    let api = Api::of(House::with(&[ravi()]).await).await;
    let id = order(&api, &wish()).await;
    for (event, outcome) in [
        (stripe_event("payment_intent.succeeded", intent("pi_1", &id)), "the order is confirmed"),
        (stripe_event("checkout.session.completed", session(&id, 49_900)), "known already"),
        (stripe_event("checkout.session.completed", session(&id, 49_900)), "known already"),
        (stripe_event("customer.created", json!({})), "ignored: customer.created"),
    ] {
        assert_eq!(stripe(&api, &event).await.with(200)["outcomes"], json!([outcome]), "{event}");
    }
    api.house.run().await;
    assert_eq!(api.house.teacher("pi_1").await, "trn_7: tue 17:00");
    let shown = api.read(&format!("/v1/orders/{id}")).await;
    assert_eq!(
        (shown["status"].as_str(), shown["purchase_id"].as_str()),
        (Some("paid"), Some(purchase_id("pi_1", None).to_string().as_str()))
    );
    assert_eq!(api.house.purchase("pi_1").await.confirmation.metadata["caravan_order_id"], id);
    api.end(&[]).await;
}

#[tokio::test]
async fn a_paid_order_is_honoured_even_if_it_had_expired() {
    let api = Api::of(House::with(&[ravi()]).await).await;
    let mut soon = wish();
    soon["expires_at"] = json!("2026-11-23T10:30:00Z");
    let id = order(&api, &soon).await;
    api.house.set_clock("2026-11-23T11:00:00Z");
    let event = stripe_event("payment_intent.succeeded", intent("pi_1", &id));
    let at = now() + 3_600;
    let signed = api.post("/v1/webhooks/stripe").header("stripe-signature", stripe_signature(&event, "whsec_new", at));
    assert_eq!(signed.bytes(event).send().await.with(200)["outcomes"], json!(["the order is confirmed"]));
    api.house.run().await;
    assert_eq!(api.house.teacher("pi_1").await, "trn_7: tue 17:00");
    api.end(&[]).await;
}

#[tokio::test]
async fn what_is_not_signed_by_the_provider_is_refused() {
    let api = Api::new().await;
    let event = stripe_event("payment_intent.succeeded", intent("pi_1", "ord_1"));
    let ask = |signature: String| {
        api.post("/v1/webhooks/stripe").header("stripe-signature", signature).bytes(event.clone()).send()
    };
    for (signature, words) in [
        (String::new(), "is missing"),
        ("nonsense".to_owned(), "not as the provider makes it"),
        (stripe_signature(&event, "whsec_wrong", now()), "no secret that is set signs this body"),
        (stripe_signature("{}", "whsec_new", now()), "no secret that is set signs this body"),
        (stripe_signature(&event, "whsec_new", now() - 301), "clock"),
        (stripe_signature(&event, "whsec_new", now() + 301), "clock"),
    ] {
        let told = ask(signature.clone()).await.problem(401);
        assert!(told.contains(words), "{signature}: {told}");
    }
    // Two secrets are taken at once, so that they can be changed.
    for secret in ["whsec_new", "whsec_old"] {
        ask(stripe_signature(&event, secret, now() - 300)).await.with(200);
    }
    let forged = api.post("/v1/webhooks/razorpay").header("x-razorpay-signature", hmac("wrong", "{}")).bytes("{}");
    forged.send().await.problem(401);
    let large = "x".repeat(10 << 20);
    api.post("/v1/webhooks/stripe").header("stripe-signature", "t=1,v1=00").bytes(large).send().await.problem(413);
    api.house.run().await;
    api.end(&[("unknown-order", 2)]).await;
}

#[tokio::test]
async fn what_can_not_be_matched_is_kept_for_a_person_and_counts_when_it_is_sent_again() {
    let api = Api::of(House::with(&[ravi()]).await).await;
    let id = order(&api, &wish()).await;
    let short = stripe_event("checkout.session.completed", session(&id, 100));
    assert_eq!(stripe(&api, &short).await.with(200)["outcomes"], json!(["set aside for a person: amount-mismatch"]));
    let unknown = stripe_event("payment_intent.succeeded", intent("pi_2", "ord_unknown"));
    assert_eq!(stripe(&api, &unknown).await.with(200)["outcomes"], json!(["set aside for a person: unknown-order"]));
    api.house.run().await;
    assert_eq!(api.house.purchases().await.len(), 0);
    let letters = api.house.dead_letters().await;
    let told: Vec<&str> = letters.iter().map(|letter| letter.reason.as_str()).collect();
    assert_eq!(told.len(), 2);
    let short = letters.iter().find(|letter| letter.reason == "amount-mismatch").unwrap();
    assert!(short.detail.contains("499.00 EUR was to be paid, but 1.00 EUR was paid"), "{}", short.detail);

    // Dry, then for good: sending it again is a person's word that it counts.
    let path = format!("/v1/dead-letters/{}/redrive", short.id);
    let dry = api.post(&path).by(Role::Operate).json(&json!({ "dry_run": true })).send().await.with(200);
    assert!(dry["outcome"].as_str().unwrap().starts_with("creates 1 purchase"), "{dry}");
    assert_eq!(api.post(&path).by(Role::Operate).send().await.with(200)["sent"], true);
    // The other one names what a person has to complete.
    let other = letters.iter().find(|letter| letter.reason == "unknown-order").unwrap();
    let mut repaired = wish();
    repaired["payment_id"] = json!("pi_2");
    repaired["confirmed_at"] = json!(NOW);
    let path = format!("/v1/dead-letters/{}/redrive", other.id);
    assert_eq!(
        api.post(&path).by(Role::Operate).json(&json!({ "value": repaired })).send().await.with(200)["sent"],
        true
    );
    api.house.run().await;
    assert_eq!(api.house.teacher("pi_1").await, "trn_7: tue 17:00");
    assert_eq!(api.house.purchase("pi_1").await.confirmation.amount.minor, 100);
    api.house.purchase("pi_2").await;
    api.end(&[("amount-mismatch", 1), ("unknown-order", 1)]).await;
}

#[tokio::test]
async fn an_order_that_takes_any_amount_is_paid_by_less() {
    let api = Api::of(House::with(&[ravi()]).await).await;
    let mut wanted = wish();
    wanted["accept_any_amount"] = json!(true);
    let id = order(&api, &wanted).await;
    let event = stripe_event("checkout.session.completed", session(&id, 44_910));
    assert_eq!(stripe(&api, &event).await.with(200)["outcomes"], json!(["the order is confirmed"]));
    api.house.run().await;
    assert_eq!(api.house.purchase("pi_1").await.confirmation.amount.minor, 44_910);
    api.end(&[]).await;
}

#[tokio::test]
async fn an_order_paid_twice_is_for_a_person() {
    let api = Api::of(House::with(&[ravi()]).await).await;
    let id = order(&api, &wish()).await;
    let paid = ["pi_1", "pi_2"].map(|intent_id| stripe_event("payment_intent.succeeded", intent(intent_id, &id)));
    let (one, other) = tokio::join!(stripe(&api, &paid[0]), stripe(&api, &paid[1]));
    let mut outcomes = [one, other].map(|answer| answer.with(200)["outcomes"][0].as_str().unwrap().to_owned());
    outcomes.sort();
    assert_eq!(outcomes, ["set aside for a person: order-paid-twice", "the order is confirmed"]);
    api.house.run().await;
    assert_eq!(api.house.purchases().await.len(), 1);
    api.end(&[("order-paid-twice", 1)]).await;
}

#[tokio::test]
async fn money_given_back_calls_off_and_a_dispute_is_for_a_person() {
    let api = Api::of(House::with(&[ravi()]).await).await;
    let mut second = wish();
    second["student"]["id"] = json!("stu_119");
    second["plan"]["slots"][0]["at"] = json!("18:00");
    let orders = [order(&api, &wish()).await, order(&api, &second).await];
    for (number, id) in orders.iter().enumerate() {
        stripe(&api, &stripe_event("payment_intent.succeeded", intent(&format!("pi_{number}"), id))).await.with(200);
    }
    api.house.run().await;
    let refund = json!({ "id": "re_1", "amount": 49_900, "currency": "eur", "payment_intent": "pi_0", "status": "succeeded", "created": now() });
    let dispute = json!({ "id": "dp_1", "amount": 49_900, "currency": "eur", "payment_intent": "pi_1", "reason": "fraudulent", "created": now() });
    for event in [stripe_event("refund.created", refund), stripe_event("charge.dispute.created", dispute.clone())] {
        assert_eq!(stripe(&api, &event).await.with(200)["outcomes"], json!(["the refund is noted"]));
    }
    api.house.run().await;
    assert_eq!(api.house.purchase("pi_0").await.status.name(), "cancelled");
    assert_eq!(api.house.purchase("pi_1").await.status.name(), "scheduled");
    let refunds = api.house.platform.store.list_refunds(&Default::default(), None, 9).await.unwrap();
    let held = refunds.iter().find(|(_, row)| row.refund.provisional).unwrap();
    assert_eq!((held.1.state.name(), held.1.refund.refund_id.as_str()), ("open", "dp_1"));
    let mut lost = dispute;
    lost["status"] = json!("lost");
    stripe(&api, &stripe_event("charge.dispute.closed", lost)).await.with(200);
    api.house.run().await;
    assert_eq!(api.house.purchase("pi_1").await.status.name(), "cancelled");
    api.end(&[]).await;
}

#[tokio::test]
async fn razorpay_reports_as_stripe_does() {
    let api = Api::of(House::with(&[ravi()]).await).await;
    let id = order(&api, &wish()).await;
    let payment = |notes: Value| json!({ "entity": { "id": "pay_1", "amount": 49_900, "currency": "EUR", "notes": notes, "created_at": now() } });
    let captured = json!({ "event": "payment.captured", "created_at": now(), "payload": { "payment": payment(json!({ "caravan_order_id": id })) } });
    let paid = json!({ "event": "order.paid", "created_at": now(), "payload": { "payment": payment(json!([])),
                       "order": { "entity": { "id": "order_1", "notes": { "caravan_order_id": id } } } } });
    assert_eq!(razorpay(&api, &captured).await.with(200)["outcomes"], json!(["the order is confirmed"]));
    assert_eq!(razorpay(&api, &paid).await.with(200)["outcomes"], json!(["known already"]));
    api.house.run().await;
    assert_eq!(api.house.teacher("pay_1").await, "trn_7: tue 17:00");
    let refund = json!({ "event": "refund.processed", "created_at": now(), "payload": { "refund": { "entity":
                         { "id": "rfnd_1", "amount": 49_900, "currency": "EUR", "payment_id": "pay_1", "created_at": now() } } } });
    assert_eq!(razorpay(&api, &refund).await.with(200)["outcomes"], json!(["the refund is noted"]));
    api.house.run().await;
    assert_eq!(api.house.purchase("pay_1").await.status.name(), "cancelled");
    api.end(&[]).await;
}

#[tokio::test]
async fn signed_nonsense_is_told_and_never_published() {
    let api = Api::new().await;
    for (body, status) in [("nonsense", 400), ("[]", 422), ("{\"type\":\"payment_intent.succeeded\",\"data\":{}}", 422)]
    {
        stripe(&api, body).await.problem(status);
    }
    razorpay(&api, &json!({ "event": "payment.captured" })).await.problem(422);
    assert_eq!(api.house.records(Topic::PurchaseConfirmed).await.len(), 0);
    api.house.run().await;
    api.end(&[]).await;
}
