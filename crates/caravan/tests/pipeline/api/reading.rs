//! What readers are shown.

use caravan_domain::access::Role;
use caravan_domain::ids::purchase_id;
use serde_json::{Value, json};

use super::{Api, confirmation, ravi};
use crate::house::House;

/// With this many purchases of students who share a trainer, each at its own hour.
async fn with_purchases(number: usize) -> Api {
    let api = Api::of(House::with(&[ravi()]).await).await;
    let slots = ["mon", "tue", "wed", "thu", "fri"]
        .iter()
        .flat_map(|day| (14..19).map(move |hour| (*day, format!("{hour}:00"))));
    for (index, (day, at)) in slots.take(number).enumerate() {
        let mut value = confirmation(&format!("pay_{index}"));
        value["student"]["id"] = json!(format!("stu_{}", index % 3));
        value["plan"]["sessions"] = json!(4);
        value["plan"]["slots"] = json!([{ "weekday": day, "at": at }]);
        api.house.pay(&[value]).await;
    }
    api.house.run().await;
    api
}

/// Every row of a list, page by page.
async fn pages(api: &Api, path: &str, name: &str, limit: usize) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut cursor = String::new();
    loop {
        let joint = if path.contains('?') { '&' } else { '?' };
        let page = api.read(&format!("{path}{joint}limit={limit}{cursor}")).await;
        let found = page[name].as_array().unwrap().clone();
        assert!(found.len() <= limit, "{path}");
        rows.extend(found);
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return rows,
        }
    }
}

#[tokio::test]
async fn lists_page_by_a_cursor_and_are_filtered() {
    let api = with_purchases(10).await;
    let all = pages(&api, "/v1/purchases", "purchases", 100).await;
    assert_eq!(all.len(), 10);
    for limit in [1, 3, 10] {
        assert_eq!(pages(&api, "/v1/purchases", "purchases", limit).await, all, "{limit}");
    }
    for (query, rows) in [
        ("status=scheduled", 10),
        ("status=waitlisted", 0),
        ("student=stu_0", 4),
        ("trainer=trn_7", 10),
        ("trainer=nobody", 0),
        ("from=2026-11-23&until=2026-11-23", 10),
        ("from=2026-11-24", 0),
        ("until=2026-11-22", 0),
        ("student=stu_0&status=scheduled&trainer=trn_7&from=2026-11-01", 4),
    ] {
        assert_eq!(pages(&api, &format!("/v1/purchases?{query}"), "purchases", 3).await.len(), rows, "{query}");
    }
    let sessions = pages(&api, "/v1/sessions", "sessions", 1_000).await;
    assert_eq!(sessions.len(), 40);
    assert_eq!(pages(&api, "/v1/sessions", "sessions", 7).await, sessions);
    let starts: Vec<&str> = sessions.iter().map(|session| session["starts_at"].as_str().unwrap()).collect();
    assert!(starts.is_sorted());
    for (query, rows) in [
        ("student=stu_0", 16),
        ("trainer=trn_7", 40),
        ("status=cancelled", 0),
        ("status=scheduled", 40),
        ("from=2026-12-01&until=2026-12-01", 5),
        (&format!("purchase={}", purchase_id("pay_0", None)), 4),
    ] {
        assert_eq!(pages(&api, &format!("/v1/sessions?{query}"), "sessions", 3).await.len(), rows, "{query}");
    }
    api.end(&[]).await;
}

#[tokio::test]
async fn what_can_not_be_asked_for_is_told() {
    let api = Api::new().await;
    for (path, words) in [
        ("/v1/purchases?limit=0", "limit must be"),
        ("/v1/purchases?limit=1001", "limit must be"),
        ("/v1/purchases?limit=many", "limit"),
        ("/v1/purchases?cursor=nonsense", "cursor"),
        ("/v1/purchases?cursor=%F0%9F%98%80", "cursor"),
        ("/v1/sessions?cursor=MQ", "cursor"),
        ("/v1/trainers?cursor=MQ", "cursor"),
        ("/v1/dead-letters?cursor=WyJhIl0", "cursor"),
        ("/v1/purchases?status=lost", "status must be"),
        ("/v1/purchases?from=yesterday", "from must be a date"),
        ("/v1/sessions?until=2026-02-30", "until must be a date"),
        ("/v1/sessions?purchase=7", "purchase must be"),
        ("/v1/dead-letters?topic=everything", "topic must be"),
        ("/v1/dead-letters?waiting=perhaps", "waiting"),
    ] {
        let told = api.get(path).by(Role::Read).send().await.problem(400);
        assert!(told.contains(words), "{path}: {told}");
    }
    for path in [
        "/v1/purchases/7",
        "/v1/purchases/00000000-0000-4000-8000-000000000000",
        "/v1/students/x/purchases",
        "/v1/trainers/x/sessions",
        "/v1/dead-letters/x",
        "/v1/dead-letters/7",
        "/v1/trainers/%ff/sessions",
    ] {
        api.get(path).by(Role::Read).send().await.problem(404);
    }
    api.house.run().await;
    api.end(&[]).await;
}

#[tokio::test]
async fn a_purchase_shows_what_has_happened_to_it_and_why() {
    let api = with_purchases(1).await;
    let path = format!("/v1/purchases/{}", purchase_id("pay_0", None));
    let shown = api.read(&path).await;
    assert_eq!(shown["status"], "scheduled");
    assert_eq!(api.read(&path).await, shown, "the second from the cache");
    let steps: Vec<(&str, &str)> = shown["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (step["step"].as_str().unwrap(), step["by"].as_str().unwrap()))
        .collect();
    let expected = [
        ("paid", "payment side"),
        ("recorded", "PurchaseWorker"),
        ("allocated", "AllocationWorker"),
        ("scheduled", "SessionWorker"),
    ];
    assert_eq!(steps, expected);
    assert_eq!(shown["explanation"][0], "1 of 1 trainer teaches python beginner.");
    let part = api.read(&format!("{path}/sessions")).await;
    assert_eq!(part["sessions"], shown["sessions"]);
    let of_student = api.read("/v1/students/stu_0/purchases").await;
    assert_eq!(of_student["purchases"][0]["purchase_id"], shown["purchase_id"]);
    assert_eq!(api.read("/v1/trainers/trn_7/sessions").await["sessions"].as_array().unwrap().len(), 4);
    api.end(&[]).await;
}

#[tokio::test]
async fn what_went_wrong_on_the_way_is_in_the_timeline_at_once() {
    let api = with_purchases(1).await;
    let path = format!("/v1/purchases/{}", purchase_id("pay_0", None));
    let steps = async || {
        let shown = api.read(&path).await;
        let steps = shown["timeline"].as_array().unwrap().clone();
        steps
            .into_iter()
            .map(|step| format!("{}: {}", step["step"].as_str().unwrap(), step["what"].as_str().unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(steps().await.len(), 4);
    // The same payment, for another plan: the first stands, and readers of a cached answer are told.
    let mut other = confirmation("pay_0");
    other["plan"]["sessions"] = json!(7);
    api.house.set_clock("2026-11-23T10:05:00Z");
    api.house.pay(&[other]).await;
    api.house.run().await;
    let last = steps().await.pop().unwrap();
    assert!(
        last.starts_with("dead-letter: purchase-confirmed set aside after 1 attempt: conflicting-payment"),
        "{last}"
    );
    let letter = api.house.dead_letter().await;
    let path = format!("/v1/dead-letters/{}/redrive", letter.id);
    api.post(&path).by(Role::Operate).json(&json!([null, false])).send().await.problem(400);
    api.post(&path).by(Role::Operate).json(&json!({ "value": confirmation("pay_0") })).send().await.with(200);
    api.house.run().await;
    let told = steps().await;
    assert!(
        told.iter()
            .any(|step| step.contains("conflicting-payment") && step.contains("sent again at 2026-11-23T10:05:00Z")),
        "{told:?}"
    );
    api.end(&[("conflicting-payment", 2)]).await;
}

#[tokio::test]
async fn dead_letters_and_groups_are_shown() {
    let api = Api::new().await;
    api.house.hand_over([b"nonsense".to_vec(), b"{}".to_vec()]).await;
    api.house.run().await;
    let letters = api.read("/v1/dead-letters").await;
    let reasons: Vec<&Value> =
        letters["dead_letters"].as_array().unwrap().iter().map(|letter| &letter["reason"]).collect();
    assert_eq!(reasons.len(), 2);
    assert_eq!(pages(&api, "/v1/dead-letters", "dead_letters", 1).await.len(), 2);
    for (query, rows) in
        [("reason=invalid-json", 1), ("topic=purchase-confirmed", 2), ("topic=trainer-changed", 0), ("waiting=true", 2)]
    {
        assert_eq!(
            api.read(&format!("/v1/dead-letters?{query}")).await["dead_letters"].as_array().unwrap().len(),
            rows,
            "{query}"
        );
    }
    let one = &letters["dead_letters"][0];
    assert_eq!(&api.read(&format!("/v1/dead-letters/{}", one["id"])).await, one);
    let groups = api.read("/v1/groups").await;
    assert_eq!(groups["outbox"], 0);
    let rows = groups["groups"].as_array().unwrap();
    assert!(rows.iter().all(|row| row["lag"] == 0), "{groups}");
    assert!(rows.iter().any(|row| row["group"] == "purchase-creation-workers" && row["topic"] == "purchase-confirmed"));
    api.end(&[("invalid-json", 1), ("invalid-field", 1)]).await;
}
