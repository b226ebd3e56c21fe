//! Every bound of a confirmation: what lies on it is taken, what lies beyond it is set aside by
//! the field's name, and what stands behind it in the partition goes on.

use serde_json::{Map, Value, json};

use crate::house::House;
use crate::sample::{payment, trainer};

fn letters(count: usize) -> String {
    "ü".repeat(count)
}

/// Entries beside the one that the sample has.
fn entries(count: usize) -> Value {
    let entries: Map<String, Value> = (0..count).map(|number| (format!("key {number}"), json!("text"))).collect();
    entries.into()
}

fn slots(count: usize) -> Value {
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let slot = |number: usize| json!({ "weekday": days[number % 7], "at": format!("{:02}:15", number / 7) });
    (0..count).map(slot).collect()
}

fn one_slot(member: &str, value: Value) -> Value {
    let mut slot = json!({ "weekday": "tue", "at": "17:00" });
    slot[member] = value;
    json!({ "plan": { "per_week": 1, "slots": [slot] } })
}

/// A change of the sample payment, the field it is about, and a part of what must be said of it.
type Refused = (Value, &'static str, &'static str);

fn texts_and_money() -> Vec<Refused> {
    let email = format!("{}@example.com", letters(320));
    vec![
        (json!({ "payment_id": "" }), "/payment_id", "1 to 200 characters, is 0"),
        (json!({ "payment_id": letters(201) }), "/payment_id", "1 to 200 characters, is 201"),
        (json!({ "payment_id": 7 }), "/payment_id", "must be a text, is a number"),
        (json!({ "payment_id": null }), "/payment_id", "is missing"),
        (json!({ "payment_id": "pay\0" }), "/payment_id", "U+0000"),
        (json!({ "item": "" }), "/item", "1 to 200 characters"),
        (json!({ "item": letters(201) }), "/item", "1 to 200 characters"),
        (json!({ "confirmed_at": "2026-11-23" }), "/confirmed_at", "RFC 3339"),
        (json!({ "confirmed_at": "2026-02-30T00:00:00Z" }), "/confirmed_at", "RFC 3339"),
        (json!({ "confirmed_at": 1_795_428_000 }), "/confirmed_at", "is a number"),
        (json!({ "amount": null }), "/amount", "is missing"),
        (json!({ "amount": { "minor": -1 } }), "/amount/minor", "from 0 to"),
        (json!({ "amount": { "minor": 1.5 } }), "/amount/minor", "whole number"),
        (json!({ "amount": { "minor": "100" } }), "/amount/minor", "is a text"),
        (json!({ "amount": { "currency": "XXQ" } }), "/amount/currency", "ISO 4217"),
        (json!({ "amount": { "currency": "inr" } }), "/amount/currency", "ISO 4217"),
        (json!({ "student": [] }), "/student", "must be an object, is an array"),
        (json!({ "student": { "id": letters(201) } }), "/student/id", "1 to 200 characters"),
        (json!({ "student": { "name": letters(201) } }), "/student/name", "1 to 200 characters"),
        (json!({ "student": { "name": "A\0" } }), "/student/name", "U+0000"),
        (json!({ "student": { "email": email } }), "/student/email", "characters"),
        (json!({ "student": { "time_zone": "Asia/Atlantis" } }), "/student/time_zone", "IANA"),
        (json!({ "student": { "time_zone": "+05:30" } }), "/student/time_zone", "IANA"),
        (json!({ "student": { "languages": "en" } }), "/student/languages", "must be an array"),
        (json!({ "student": { "languages": ["en", 5] } }), "/student/languages/1", "is a number"),
        (json!({ "payer": { "name": "Dev" } }), "/payer/id", "is missing"),
        (json!({ "payer": { "id": "usr_1", "name": letters(201) } }), "/payer/name", "1 to 200 characters"),
        (json!({ "course": { "subject": "  " } }), "/course/subject", "1 to 200 characters, is 0"),
        (json!({ "course": { "level": letters(201) } }), "/course/level", "1 to 200 characters"),
        (json!({ "preferred_trainer_id": letters(201) }), "/preferred_trainer_id", "1 to 200 characters"),
        (json!({ "metadata": entries(20) }), "/metadata", "at most 20 entries"),
        (json!({ "metadata": { "note": letters(501) } }), "/metadata/note", "at most 500 characters"),
        (json!({ "metadata": { "a/b~c": 5 } }), "/metadata/a~1b~0c", "is a number"),
        (json!({ "metadata": { "note": "a\0" } }), "/metadata/note", "U+0000"),
    ]
}

fn plans() -> Vec<Refused> {
    let distinct = json!([{ "weekday": "tue", "at": "17:00" }, { "weekday": "tue", "at": "18:00" }]);
    vec![
        (json!({ "plan": null }), "/plan", "is missing"),
        (json!({ "plan": { "sessions": 0 } }), "/plan/sessions", "from 1 to 500"),
        (json!({ "plan": { "sessions": 501 } }), "/plan/sessions", "from 1 to 500, is 501"),
        (json!({ "plan": { "sessions": 24.0 } }), "/plan/sessions", "whole number"),
        (json!({ "plan": { "per_week": 0 } }), "/plan/per_week", "from 1 to 7"),
        (json!({ "plan": { "per_week": 8 } }), "/plan/per_week", "from 1 to 7"),
        (json!({ "plan": { "slots": distinct } }), "/plan/per_week", "distinct weekdays in slots, which are 1"),
        (json!({ "plan": { "minutes": 10 } }), "/plan/minutes", "15 to 240"),
        (json!({ "plan": { "minutes": 245 } }), "/plan/minutes", "15 to 240"),
        (json!({ "plan": { "minutes": 52 } }), "/plan/minutes", "multiple of 5"),
        (json!({ "plan": { "slots": [] } }), "/plan/slots", "1 to 50"),
        (json!({ "plan": { "slots": slots(51) } }), "/plan/slots", "1 to 50"),
        (one_slot("at", json!("17:10")), "/plan/slots/0/at", "15-minute mark"),
        (one_slot("at", json!("24:00")), "/plan/slots/0/at", "15-minute mark"),
        (one_slot("at", json!("5pm")), "/plan/slots/0/at", "HH:MM"),
        (one_slot("weekday", json!("tuesday")), "/plan/slots/0/weekday", "mon, tue"),
        (json!({ "plan": { "start_date": "2028-11-24" } }), "/plan/start_date", "2028-11-23"),
        (json!({ "plan": { "start_date": "2024-11-22" } }), "/plan/start_date", "2024-11-23"),
        (json!({ "plan": { "start_date": "9999-12-31" } }), "/plan/start_date", "2028-11-23"),
        (json!({ "plan": { "start_date": "+010000-01-01" } }), "/plan/start_date", "YYYY-MM-DD"),
        (json!({ "plan": { "start_date": "2026-02-29" } }), "/plan/start_date", "YYYY-MM-DD"),
    ]
}

fn on_the_bounds() -> Vec<Value> {
    vec![
        json!({ "item": letters(200) }),
        json!({ "amount": { "minor": 0, "currency": "JPY" } }),
        json!({ "amount": { "minor": i64::MAX } }),
        json!({ "student": { "id": letters(200), "name": letters(200) } }),
        json!({ "student": { "time_zone": "asia/kolkata" } }),
        json!({ "student": { "name": null, "email": null } }),
        json!({ "payer": { "id": "usr_1", "name": null, "email": null } }),
        json!({ "course": { "subject": "  PYTHON ", "level": "\tBeginner\n" } }),
        json!({ "metadata": entries(19) }),
        json!({ "metadata": { "note": letters(500), "empty": "", "none": null } }),
        json!({ "metadata": null, "preferred_trainer_id": null, "payer": null, "item": null }),
        json!({ "plan": { "sessions": 1, "minutes": 15 } }),
        json!({ "plan": { "sessions": 500, "per_week": 7, "minutes": 15, "slots": slots(50) } }),
        json!({ "plan": { "minutes": 240 } }),
        json!({ "plan": { "start_date": "2028-11-23" } }),
        json!({ "plan": { "start_date": "2024-11-23" } }),
        one_slot("at", json!("23:45")),
        one_slot("at", json!("00:00")),
        json!({ "unheard_of": { "by": ["this", "version"] } }),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_beyond_a_bound_is_set_aside_by_its_field_and_what_is_behind_it_goes_on() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    let refused = [texts_and_money(), plans()].concat();
    let broken = (0..).zip(&refused).map(|(number, (change, ..))| payment(&format!("bad_{number}"), change.clone()));
    let payments: Vec<Value> = broken.chain([payment("good", json!({}))]).collect();
    house.pay(&payments).await;
    house.run().await;

    let told: Vec<(Value, String)> = house
        .dead_letters()
        .await
        .into_iter()
        .map(|letter| (serde_json::from_slice(&letter.value.unwrap()).unwrap(), letter.detail))
        .collect();
    for (payment, (change, pointer, words)) in payments.iter().zip(&refused) {
        let (_, detail) =
            told.iter().find(|(value, _)| value == payment).unwrap_or_else(|| panic!("{change} was taken"));
        assert!(detail.starts_with(&format!("{pointer}: ")), "{change} should be blamed on {pointer}: {detail}");
        assert!(detail.contains(words), "{change} should be told {words:?}: {detail}");
        assert!(!detail.contains("; "), "only one field is wrong in {change}: {detail}");
    }
    assert_eq!(house.teacher("good").await, "trn_1: tue 17:00, thu 17:00");
    house.nothing_is_left_over(&[("invalid-field", refused.len() as u64)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_a_bound_is_taken() {
    let house = House::new().await;
    let allowed = on_the_bounds();
    let payments = (0..).zip(&allowed).map(|(number, change)| payment(&format!("pay_{number}"), change.clone()));
    house.pay(&payments.collect::<Vec<_>>()).await;
    let long = letters(200);
    house.pay(&[payment(&long, json!({ "student": { "id": "stu" } }))]).await;
    house.run().await;
    house.nothing_is_left_over(&[]).await;
    assert_eq!(house.purchases().await.len(), allowed.len() + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_field_is_named_at_once() {
    let house = House::new().await;
    let wrong =
        json!({ "amount": { "minor": -1 }, "student": { "id": null }, "plan": { "sessions": 0, "minutes": 7 } });
    house.pay(&[payment("pay_1", wrong)]).await;
    house.run().await;
    let detail = house.dead_letter().await.detail;
    for pointer in ["/amount/minor: ", "/student/id: ", "/plan/sessions: ", "/plan/minutes: "] {
        assert!(detail.contains(pointer), "{pointer} is not in {detail}");
    }
    house.nothing_is_left_over(&[("invalid-field", 1)]).await;
}
