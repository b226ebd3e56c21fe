//! What a dead letter carries, and how it is sent again.

use caravan::redrive::{Rehearsal, Rehearsals, send_again};
use caravan_domain::event::{Headers, Topic, refusal_headers};
use caravan_domain::ids::purchase_id;
use caravan_domain::rejection::{Reason, Rejection};
use serde_json::{Value, json};

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

/// Sets a payment aside that is in order but for what whoever published it says of it.
async fn with_a_refused_payment(value: Value) -> (House, Rejection) {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    let refusal = Rejection::new(Reason::AmountMismatch, "1499.00 INR was to be paid, but 1.00 INR was paid");
    let value = value.to_string().into_bytes();
    house.publish(&[house.record(Some(b"pay_1".to_vec()), value, refusal_headers(&refusal))]).await;
    house.run().await;
    (house, refusal)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_record_is_set_aside_for_the_very_reason_it_carries() {
    let (house, refusal) = with_a_refused_payment(payment("pay_1", json!({}))).await;
    let letter = house.dead_letter().await;
    assert_eq!((letter.reason.as_str(), &letter.detail), ("amount-mismatch", &refusal.detail));
    assert_eq!((letter.attempts, letter.headers.get_text("caravan-refused")), (1, Some("amount-mismatch")));
    assert!(house.purchases().await.is_empty());
    house.nothing_is_left_over(&[("amount-mismatch", 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sent_again_as_it_is_a_refused_record_counts_like_any_other() {
    let (house, _) = with_a_refused_payment(payment("pay_1", json!({}))).await;
    let letter = house.dead_letter().await;
    let foretold = Rehearsals::default().of(&house.platform, &letter, None).await.unwrap();
    assert_eq!(foretold, Rehearsal::MakesPurchase(purchase_id("pay_1", None)));
    send_again(&house.platform, &[letter], None).await.unwrap();
    house.run().await;
    assert!(house.teacher("pay_1").await.starts_with("trn_1"));
    house.nothing_is_left_over(&[("amount-mismatch", 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sent_again_a_refused_record_is_still_judged_and_can_be_mended() {
    let (house, _) = with_a_refused_payment(json!({ "payment_id": "pay_1" })).await;
    let letter = house.dead_letter().await;
    assert_eq!(letter.reason, "amount-mismatch");
    let foretold = Rehearsals::default().of(&house.platform, &letter, None).await.unwrap();
    assert!(
        matches!(&foretold, Rehearsal::SetAsideAgain(again) if again.reason == Reason::InvalidField),
        "{foretold:?}"
    );
    send_again(&house.platform, &[letter], None).await.unwrap();
    house.run().await;
    assert!(house.purchases().await.is_empty());

    let again = house.dead_letters().await.pop().unwrap();
    assert_eq!((again.reason.as_str(), again.redrives), ("invalid-field", 1));
    let mended = payment("pay_1", json!({})).to_string().into_bytes();
    let foretold = Rehearsals::default().of(&house.platform, &again, Some(&mended)).await.unwrap();
    assert_eq!(foretold, Rehearsal::MakesPurchase(purchase_id("pay_1", None)));
    send_again(&house.platform, &[again], Some(&mended)).await.unwrap();
    house.run().await;
    assert!(house.teacher("pay_1").await.starts_with("trn_1"));
    house.nothing_is_left_over(&[("amount-mismatch", 1), ("invalid-field", 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_reason_refuses_nothing() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    let mut headers = Headers::new();
    headers.push_text("caravan-refused", "because");
    let value = payment("pay_1", json!({})).to_string().into_bytes();
    house.publish(&[house.record(Some(b"pay_1".to_vec()), value, headers)]).await;
    house.run().await;
    assert_eq!(house.purchases().await.len(), 1);
    house.nothing_is_left_over(&[]).await;
}
