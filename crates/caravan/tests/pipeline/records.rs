//! What a record may look like, and what no record can do to those behind it.

use caravan_domain::event::{Headers, Topic, partition_for};
use serde_json::json;

use crate::house::House;
use crate::sample::{payment, trainer};

const PARTITIONS: u32 = 3;
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn headers(pairs: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::new();
    pairs.iter().for_each(|(name, text)| headers.push_text(*name, *text));
    headers
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_json_are_set_aside_with_the_place() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    let whole = payment("pay_1", json!({})).to_string().into_bytes();
    let truncated = whole[..whole.len() / 2].to_vec();
    let mut latin = payment("pay_2", json!({ "student": { "name": "Zoe" } })).to_string().into_bytes();
    let name = latin.windows(3).position(|bytes| bytes == b"Zoe").unwrap();
    latin[name + 2] = 0xEB;
    let two = [whole.clone(), whole.clone()].concat();
    let wrong = [truncated, latin, two, b"".to_vec(), vec![0; 100], b"[".repeat(10_000), b"NaN".to_vec()];
    let count = wrong.len();
    house.hand_over(wrong.iter().cloned()).await;
    house.hand_over([whole]).await;
    house.run().await;

    let told: Vec<_> = house.dead_letters().await.into_iter().map(|letter| (letter.value, letter.detail)).collect();
    for (value, words) in
        wrong.into_iter().zip(["EOF", "not UTF-8 at byte", "trailing", "EOF", "line 1", "recursion", "line 1"])
    {
        let found = told.iter().find(|(found, _)| found.as_ref() == Some(&value)).map(|(_, detail)| detail);
        assert!(found.is_some_and(|detail| detail.contains(words)), "{words}: {found:?}");
    }
    assert_eq!(house.teacher("pay_1").await, "trn_1: tue 17:00, thu 17:00");
    house.nothing_is_left_over(&[("invalid-json", count as u64)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_is_no_object_is_set_aside_as_a_whole() {
    let house = House::new().await;
    let values = ["[]", "null", "true", "5", "\"pay_1\""];
    house.hand_over(values.map(|value| value.as_bytes().to_vec())).await;
    house.run().await;
    for letter in house.dead_letters().await {
        assert!(letter.detail.starts_with("(whole value): "), "{}", letter.detail);
    }
    house.nothing_is_left_over(&[("invalid-field", values.len() as u64)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_without_a_value_is_set_aside() {
    let house = House::new().await;
    let record = house.record(Some(b"pay_1".to_vec()), Vec::new(), Headers::new());
    house.publish(&[caravan::platform::log::NewRecord { value: None, ..record }]).await;
    house.run().await;
    assert_eq!(house.dead_letter().await.value, None);
    house.nothing_is_left_over(&[("invalid-json", 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_of_256_kib_is_taken_and_a_larger_one_is_kept_whole_in_the_dead_letters() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    let padded = |id: &str, bytes: usize| {
        let payment = payment(id, json!({ "padding": "" })).to_string();
        let padding = "x".repeat(bytes - payment.len());
        payment.replace("\"padding\":\"\"", &format!("\"padding\":\"{padding}\"")).into_bytes()
    };
    let large = padded("pay_2", 300 * 1024);
    house.hand_over([padded("pay_1", 256 * 1024), large.clone(), padded("pay_3", 256 * 1024 + 1)]).await;
    house.run().await;
    assert_eq!(house.purchases().await.len(), 1);
    let letters = house.dead_letters().await;
    let letter = letters.iter().find(|letter| letter.value.as_ref() == Some(&large)).expect("kept whole");
    assert_eq!(letter.detail, "the value has 307200 bytes, at most 262144 are read");
    assert!(house.records(Topic::DeadLetterQueue).await.iter().any(|record| record.value.as_ref() == Some(&large)));
    house.nothing_is_left_over(&[("value-too-large", 2)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_at_the_head_of_each_partition_stops_nobody_behind_it() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    let keys: Vec<String> = (0..60).map(|number| format!("pay_{number}")).collect();
    let in_partition =
        |partition| keys.iter().filter(move |key| partition_for(Some(key.as_bytes()), PARTITIONS) == Some(partition));
    for partition in 0..PARTITIONS {
        let key = in_partition(partition).next().unwrap();
        house.publish(&[house.record(Some(key.clone().into_bytes()), b"\xFF".to_vec(), Headers::new())]).await;
    }
    for partition in 0..PARTITIONS {
        for key in in_partition(partition).take(3) {
            house.pay(&[payment(key, json!({ "plan": { "sessions": 1 } }))]).await;
        }
    }
    house.run().await;
    let heads: Vec<_> = house.dead_letters().await.iter().map(|letter| (letter.partition, letter.offset)).collect();
    assert_eq!(heads, [(0, 0), (1, 0), (2, 0)]);
    assert_eq!(house.purchases().await.len(), 9);
    house.nothing_is_left_over(&[("invalid-json", 3)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmation_is_read_in_binary_mode_in_structured_mode_and_bare() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    let bare = |id: &str| payment(id, json!({})).to_string().into_bytes();
    let structured = |id: &str| {
        let event = json!({ "specversion": "1.0", "id": "evt_2", "source": "/shop", "type": "purchase-confirmed",
            "traceparent": TRACE, "data": payment(id, json!({})) });
        event.to_string().into_bytes()
    };
    let binary = headers(&[
        ("ce_specversion", "1.0"),
        ("ce_id", "evt_1"),
        ("ce_source", "/shop"),
        ("ce_type", "purchase-confirmed"),
        ("content-type", "application/json"),
        ("traceparent", TRACE),
    ]);
    let media_type = headers(&[("content-type", "application/cloudevents+json; charset=UTF-8")]);
    house
        .publish(&[
            house.record(Some(b"pay_binary".to_vec()), bare("pay_binary"), binary),
            house.record(Some(b"pay_structured".to_vec()), structured("pay_structured"), media_type),
            house.record(None, bare("pay_bare"), Headers::new()),
        ])
        .await;
    house.run().await;

    assert_eq!(house.purchases().await.len(), 3);
    let trace_id = TRACE.split('-').nth(1).unwrap();
    for topic in [Topic::PurchaseCreated, Topic::TrainerAllocated, Topic::SessionsScheduled] {
        for record in house.records(topic).await {
            let text = |name: &str| record.headers.get_text(name).unwrap_or_else(|| panic!("{topic} without {name}"));
            let data: serde_json::Value = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
            let traced = data["student_id"] != "stu_pay_bare" && data["student"]["id"] != "stu_pay_bare";
            assert_eq!(text("traceparent").contains(trace_id), traced, "{topic} {data}");
            assert_eq!(data["metadata"]["campaign"], "diwali", "{topic} echoes the metadata");
            assert_eq!(text("ce_type"), topic.name());
            assert_eq!(text("ce_subject").as_bytes(), record.key.as_deref().unwrap());
            assert_eq!(data["purchase_id"], text("ce_subject"));
            assert_eq!((text("ce_specversion"), text("content-type")), ("1.0", "application/json"));
            assert!(text("ce_time").parse::<jiff::Timestamp>().is_ok() && !text("ce_source").is_empty());
        }
    }
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_another_topic_that_makes_no_sense_is_set_aside_by_every_group_that_reads_it() {
    let house = House::new().await;
    let stray = |topic: Topic, value: &str| caravan::platform::log::NewRecord {
        topic,
        ..house.record(Some(b"stray".to_vec()), value.as_bytes().to_vec(), Headers::new())
    };
    let unknown = "0160dedd-cca0-578b-8ef9-108c281d0ad2";
    house
        .publish(&[
            stray(Topic::PurchaseCreated, "not json"),
            stray(Topic::PurchaseCreated, &json!({ "purchase_id": unknown }).to_string()),
            stray(Topic::TrainerAllocated, &json!({ "purchase_id": "7" }).to_string()),
            stray(Topic::TrainerChanged, &json!({ "trainer_id": 5 }).to_string()),
        ])
        .await;
    house.run().await;
    let set_aside: Vec<String> = house
        .dead_letters()
        .await
        .iter()
        .map(|letter| format!("{} {} {}", letter.consumer_group, letter.topic, letter.reason))
        .collect();
    for expected in [
        "trainer-allocation-workers purchase-created invalid-json",
        "cache-invalidation-workers purchase-created invalid-json",
        "trainer-allocation-workers purchase-created unknown-purchase",
        "session-scheduling-workers trainer-allocated invalid-field",
        "trainer-allocation-workers trainer-changed invalid-field",
    ] {
        assert!(set_aside.iter().any(|line| line == expected), "{expected} is not in {set_aside:#?}");
    }
    house.nothing_is_left_over(&[("invalid-field", 2), ("invalid-json", 2), ("unknown-purchase", 1)]).await;
}
