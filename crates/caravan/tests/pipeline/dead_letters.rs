//! What a dead letter carries, and how it is sent again.

use caravan::redrive::send_again;
use caravan_domain::event::{Headers, Topic};
use serde_json::json;

use crate::house::{House, NOW};
use crate::sample::{payment, trainer};

const FOREIGN: [(&str, &str); 2] = [("x-shop", "berlin"), ("ce_id", "evt_1")];

/// Sets a broken payment aside, third in its partition.
async fn with_a_dead_letter() -> House {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    let mut headers = Headers::new();
    FOREIGN.iter().for_each(|(name, text)| headers.push_text(*name, *text));
    for _ in 0..2 {
        house.pay(&[payment("pay_1", json!({ "plan": { "sessions": 2 } }))]).await;
    }
    let broken = payment("pay_1", json!({ "item": "b", "plan": { "sessions": 999 } })).to_string().into_bytes();
    house.publish(&[house.record(Some(b"pay_1".to_vec()), broken, headers)]).await;
    house.run().await;
    house
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_keeps_the_record_and_tells_its_origin_and_its_failure() {
    let house = with_a_dead_letter().await;
    let letter = house.dead_letter().await;
    let queue = house.records(Topic::DeadLetterQueue).await;
    assert_eq!(queue.len(), 1, "one for each record set aside");
    let record = &queue[0];
    let original = payment("pay_1", json!({ "item": "b", "plan": { "sessions": 999 } })).to_string().into_bytes();
    assert_eq!((record.key.as_deref(), &record.value), (Some(b"pay_1".as_slice()), &Some(original)));
    for (name, text) in FOREIGN {
        assert_eq!(record.headers.get_text(name), Some(text), "{name} is kept");
    }

    let milliseconds = NOW.parse::<jiff::Timestamp>().unwrap().as_millisecond();
    let partition = i32::try_from(letter.partition).unwrap();
    for (name, bytes) in [
        ("kafka_dlt-original-topic", b"purchase-confirmed".to_vec()),
        ("kafka_dlt-original-partition", partition.to_be_bytes().to_vec()),
        ("kafka_dlt-original-offset", vec![0, 0, 0, 0, 0, 0, 0, 2]),
        ("kafka_dlt-original-timestamp", milliseconds.to_be_bytes().to_vec()),
        ("kafka_dlt-original-consumer-group", b"purchase-creation-workers".to_vec()),
        ("caravan-reason", b"invalid-field".to_vec()),
        ("caravan-detail", b"/plan/sessions: must be a whole number from 1 to 500, is 999".to_vec()),
        ("caravan-attempts", b"1".to_vec()),
        ("caravan-redrives", b"0".to_vec()),
        ("caravan-failed-at", NOW.as_bytes().to_vec()),
        ("kafka_dlt-exception-message", letter.detail.clone().into_bytes()),
    ] {
        assert_eq!(record.headers.get(name), Some(bytes.as_slice()), "{name}");
    }
    assert!(record.headers.get_text("kafka_dlt-exception-fqcn").is_some_and(|class| !class.is_empty()));
    assert_eq!(letter.headers, record.headers, "the row tells the same as the queue");
    house.nothing_is_left_over(&[("invalid-field", 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repaired_value_makes_the_purchase_and_the_original_is_kept_beside_it() {
    let house = with_a_dead_letter().await;
    let letter = house.dead_letter().await;
    let slots = json!([{ "weekday": "mon", "at": "08:00" }, { "weekday": "fri", "at": "08:00" }]);
    let repaired =
        payment("pay_1", json!({ "item": "b", "plan": { "sessions": 3, "slots": slots } })).to_string().into_bytes();
    send_again(&house.platform, std::slice::from_ref(&letter), Some(&repaired)).await.unwrap();
    house.run().await;

    assert_eq!(house.purchases().await.len(), 2);
    let kept = house.dead_letter().await;
    assert_eq!((kept.value, kept.repaired), (letter.value, Some(repaired)));
    assert!(kept.redriven_at.is_some());
    house.nothing_is_left_over(&[("invalid-field", 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redrives_are_counted_and_the_first_origin_survives_them() {
    let house = with_a_dead_letter().await;
    let first = house.dead_letter().await;
    for redrives in 1..=3_u32 {
        house.set_clock(&format!("2026-11-24T0{redrives}:00:00Z"));
        let latest = house.dead_letters().await.pop().unwrap();
        send_again(&house.platform, &[latest], None).await.unwrap();
        house.run().await;
        let again = house.dead_letters().await.pop().unwrap();
        assert_eq!(again.redrives, redrives);
        assert_eq!(again.headers.get_text("caravan-redrives"), Some(redrives.to_string().as_str()));
        assert_ne!(again.offset, first.offset, "it stands where it was sent again");
        for header in first.headers.iter().filter(|header| header.name.starts_with("kafka_dlt-original-")) {
            assert_eq!(again.headers.get(&header.name), header.value.as_deref(), "{}", header.name);
        }
        assert_eq!(again.headers.len(), first.headers.len(), "nothing is there twice");
        assert_eq!(
            again.headers.get_text("caravan-failed-at"),
            Some(format!("2026-11-24T0{redrives}:00:00Z").as_str())
        );
    }
    house.nothing_is_left_over(&[("invalid-field", 4)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_sent_again_once_whoever_asks() {
    let house = with_a_dead_letter().await;
    let letter = house.dead_letter().await;
    let letters = std::slice::from_ref(&letter);
    let (one, other) =
        tokio::join!(send_again(&house.platform, letters, None), send_again(&house.platform, letters, None));
    assert_ne!(one.unwrap(), other.unwrap());
    house.run().await;
    house.nothing_is_left_over(&[("invalid-field", 2)]).await;
}
