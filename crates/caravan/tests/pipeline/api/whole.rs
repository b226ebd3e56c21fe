//! The whole way: an order, a signed webhook, sessions, the trainer's calendar as an independent reader reads it, a refund, and
//! the calendar again.

use std::io::Write;
use std::process::{Command, Stdio};

use caravan_domain::access::Role;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Answer, Api, ravi, wish};
use crate::house::{House, NOW};

/// What a script answers, line by line; it is run by the Python that `scripts/python` sets up.
fn python(script: &str, arguments: &[&str], input: &str) -> Vec<Value> {
    let interpreter = std::env::var("CARAVAN_TEST_PYTHON")
        .expect("CARAVAN_TEST_PYTHON is not set: export CARAVAN_TEST_PYTHON=$(scripts/python), or run scripts/test");
    let script = format!("{}/tests/python/{script}", env!("CARGO_MANIFEST_DIR"));
    let mut child = Command::new(interpreter)
        .arg(script)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python runs");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the script failed");
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn stripe(api: &Api, kind: &str, object: Value) -> Answer {
    let at = NOW.parse::<Timestamp>().unwrap().as_second();
    let body = json!({ "id": "evt_1", "object": "event", "type": kind, "created": at, "data": { "object": object } })
        .to_string();
    // Signed by Stripe's own library.
    let signed = python("sign.py", &["stripe", "whsec_new", &at.to_string()], &body);
    let signature = signed[0]["signature"].as_str().unwrap().to_owned();
    api.post("/v1/webhooks/stripe").header("stripe-signature", signature).bytes(body).send().await
}

async fn calendar(api: &Api, url: &str) -> Vec<Value> {
    let path = &url[url.find("/v1/").unwrap()..];
    let shown = api.get(path).send().await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    python("read_calendar.py", &["Europe/Berlin"], &shown.text)
}

#[tokio::test]
async fn from_an_order_to_a_lesson_in_a_calendar_and_back() {
    let mut house = House::with(&[ravi()]).await;
    // As far as the change of the clocks in spring.
    house.policy.window_days = 200;
    let api = Api::of(house).await;
    let order = api.post("/v1/orders").by(Role::Ingest).json(&wish()).send().await.with(201);
    let metadata = json!({ "caravan_order_id": order["order_id"] });
    let intent = json!({ "id": "pi_1", "amount_received": 49_900, "currency": "eur", "metadata": metadata });
    assert_eq!(
        stripe(&api, "payment_intent.succeeded", intent).await.with(200)["outcomes"],
        json!(["the order is confirmed"])
    );
    api.house.run().await;

    let made = api.post("/v1/trainers/trn_7/calendar").by(Role::Operate).send().await.with(201);
    let url = made["url"].as_str().unwrap();
    let lessons = calendar(&api, url).await;
    assert_eq!(lessons.len(), 20);
    // 17:00 in Berlin, before the change of the clocks and after it.
    assert!(lessons.iter().all(|lesson| lesson["local"].as_str().unwrap().ends_with("T17:00:00")), "{lessons:#?}");
    assert_eq!(
        (lessons[0]["starts_at"].as_str(), lessons[19]["starts_at"].as_str()),
        (Some("2026-12-01T16:00:00Z"), Some("2027-04-13T15:00:00Z"))
    );
    assert!(lessons.iter().all(|lesson| lesson["status"] == "CONFIRMED" && lesson["summary"] == "python with Asha"));
    let sessions = api.house.sessions("pi_1").await;
    let uids: Vec<String> = sessions.iter().map(|session| format!("{}@caravan", session.id)).collect();
    assert_eq!(lessons.iter().map(|lesson| lesson["uid"].as_str().unwrap()).collect::<Vec<_>>(), uids);

    // The first lesson is held; then all is given back.
    api.house.set_clock("2026-12-02T10:00:00Z");
    api.house.run().await;
    api.house.set_clock(NOW);
    let refund =
        json!({ "id": "re_1", "amount": 49_900, "currency": "eur", "payment_intent": "pi_1", "status": "succeeded" });
    assert_eq!(stripe(&api, "refund.created", refund).await.with(200)["outcomes"], json!(["the refund is noted"]));
    api.house.set_clock("2026-12-02T10:00:00Z");
    api.house.run().await;
    let after = calendar(&api, url).await;
    assert_eq!(after.len(), 20);
    let statuses: Vec<&str> = after.iter().map(|lesson| lesson["status"].as_str().unwrap()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == "CANCELLED").count(), 19, "{statuses:?}");
    assert_eq!(statuses[0], "CONFIRMED");
    assert!(after.iter().zip(&lessons).all(|(now, before)| now["uid"] == before["uid"]));
    assert!(
        after.iter().zip(&lessons).skip(1).all(|(now, before)| now["sequence"].as_i64() > before["sequence"].as_i64())
    );
    let told = api.read(&format!("/v1/purchases/{}", caravan_domain::ids::purchase_id("pi_1", None))).await;
    let steps: Vec<&str> =
        told["timeline"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["paid", "recorded", "allocated", "scheduled", "cancelled"]);
    api.end(&[]).await;
}

#[tokio::test]
async fn nasty_texts_come_back_from_a_calendar_as_they_were() {
    let mut nasty = ravi();
    nasty["name"] = json!("Rävi; \\the, \"best\"\n😀 ".to_owned() + &"x".repeat(150));
    let api = Api::of(House::with(&[nasty.clone()]).await).await;
    let mut bought = super::confirmation("pay_1");
    bought["student"]["name"] = json!("שלום; a,b\\c 👩‍👩‍👧");
    api.house.pay(&[bought.clone()]).await;
    api.house.run().await;
    for (whose, name) in [("trainers/trn_7", &bought["student"]["name"]), ("students/stu_118", &nasty["name"])] {
        let made = api.post(&format!("/v1/{whose}/calendar")).by(Role::Operate).send().await.with(201);
        let lessons = calendar(&api, made["url"].as_str().unwrap()).await;
        assert_eq!(lessons[0]["summary"], format!("python with {}", name.as_str().unwrap()));
    }
    api.end(&[]).await;
}

#[tokio::test]
async fn what_razorpays_own_library_takes_is_taken() {
    let api = Api::of(House::with(&[ravi()]).await).await;
    let order = api.post("/v1/orders").by(Role::Ingest).json(&wish()).send().await.with(201);
    let body = json!({ "event": "payment.captured", "created_at": 1_795_428_000, "payload": { "payment": { "entity":
        { "id": "pay_1", "amount": 49_900, "currency": "EUR", "notes": { "caravan_order_id": order["order_id"] }, "created_at": 1_795_428_000 } } } });
    let body = body.to_string();
    let signed = python("sign.py", &["razorpay", "rzp_secret", "0"], &body);
    let signature = signed[0]["signature"].as_str().unwrap().to_owned();
    let answer = api.post("/v1/webhooks/razorpay").header("x-razorpay-signature", signature).bytes(body).send().await;
    assert_eq!(answer.with(200)["outcomes"], json!(["the order is confirmed"]));
    api.house.run().await;
    assert_eq!(api.house.teacher("pay_1").await, "trn_7: tue 17:00");
    api.end(&[]).await;
}
