//! The roster, over HTTP.

use caravan_domain::access::Role;
use caravan_domain::event::Topic;
use serde_json::json;

use super::{Api, confirmation, ravi};

#[tokio::test]
async fn a_trainer_is_added_and_changed_as_by_a_line_of_a_roster() {
    let api = Api::new().await;
    api.house.pay(&[confirmation("pay_1")]).await;
    api.house.run().await;
    assert_eq!(api.house.teacher("pay_1").await, "waitlisted");
    let put = |body| api.put("/v1/trainers/trn_7").by(Role::Operate).json(&body).send();
    let mut new = ravi();
    new.as_object_mut().unwrap().remove("trainer_id");
    let answer = put(new.clone()).await.with(201);
    assert_eq!((answer["outcome"].as_str(), answer["trainer"]["trainer_id"].as_str()), (Some("new"), Some("trn_7")));
    api.house.run().await;
    assert_eq!(api.house.teacher("pay_1").await, "trn_7: tue 17:00");
    assert_eq!(put(new).await.with(200)["outcome"], "unchanged");
    let changed = put(json!({ "name": "Ravi K." })).await.with(200);
    assert_eq!(
        (changed["outcome"].as_str(), changed["trainer"]["languages"][0].as_str()),
        (Some("changed"), Some("en"))
    );
    // What contradicts it is listed, never moved.
    let off = put(json!({ "time_off": [{ "from": "2026-12-08", "until": "2026-12-08" }] })).await.with(200);
    assert_eq!(off["conflicts"][0]["rule"], "time-off", "{off}");
    assert_eq!(api.read("/v1/trainers").await["trainers"][0]["name"], "Ravi K.");
    api.house.run().await;
    assert_eq!(api.house.records(Topic::TrainerChanged).await.len(), 3);
    api.end(&[]).await;
}

#[tokio::test]
async fn what_is_wrong_with_a_trainer_is_told_by_its_field() {
    let api = Api::new().await;
    let put = |body| api.put("/v1/trainers/trn_7").by(Role::Operate).json(&body).send();
    for (body, pointer) in [
        (json!({}), "/time_zone"),
        (json!({ "time_zone": "Mars/Olympus" }), "/time_zone"),
        (json!({ "time_zone": "UTC", "weight": -1 }), "/weight"),
        (json!({ "time_zone": "UTC", "trainer_id": "trn_8" }), "/trainer_id"),
        (json!([]), ""),
    ] {
        let answer = put(body.clone()).await;
        answer.problem(422);
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{body}: {}", answer.text);
    }
    api.house.run().await;
    api.end(&[]).await;
}
