//! What Caravan receives: a schema and the decoder refuse the same, as far as a schema can say it.

use caravan_domain::event::{
    AMOUNT_MINOR_MAX, COURSE_CHARS_MAX, EMAIL_CHARS_MAX, ID_CHARS_MAX, LANGUAGE_CHARS_MAX, LANGUAGES_MAX,
    METADATA_CHARS_MAX, METADATA_ENTRIES_MAX, MINUTES_MAX, MINUTES_MIN, MINUTES_STEP, NAME_CHARS_MAX, PER_WEEK_MAX,
    Payload as _, PurchaseCancelled, SESSIONS_MAX, SLOTS_LISTED_MAX, SLOTS_MAX, Topic, decode_confirmation,
    decode_refund,
};
use serde_json::{Map, Value, json};

use super::document::{Document, problems};

const SCHEMAS: &str = "/components/schemas";
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

fn refusal(topic: Topic, value: &Value) -> Option<String> {
    let received_at = "2026-11-23T10:00:00Z".parse().unwrap();
    let refused = match topic {
        Topic::PurchaseConfirmed => decode_confirmation(value, received_at).err(),
        Topic::PurchaseRefunded => decode_refund(value).err(),
        Topic::PurchaseCancelled => PurchaseCancelled::decode(value).err(),
        _ => panic!("nobody else writes to {topic}"),
    };
    refused.map(|rejection| rejection.to_string())
}

/// A value of each topic, with everything that can be in it.
fn full(topic: Topic) -> Value {
    match topic {
        Topic::PurchaseConfirmed => json!({
            "payment_id": "pay_1", "item": "second", "confirmed_at": "2026-11-23T10:00:00Z",
            "amount": { "minor": 1_499_900, "currency": "INR" },
            "student": { "id": "stu_118", "name": "Asha", "email": "asha@example.com", "time_zone": "Asia/Kolkata",
                         "languages": ["en", "hi"] },
            "payer": { "id": "par_1", "name": "Uma", "email": "uma@example.com" },
            "course": { "subject": "python", "level": "beginner" },
            "plan": { "start_date": "2026-12-01", "sessions": 24, "per_week": 1, "minutes": 60,
                      "slots": DAYS.map(|weekday| json!({ "weekday": weekday, "at": "17:00" })) },
            "preferred_trainer_id": "trn_7",
            "metadata": { "campaign": "diwali" },
        }),
        Topic::PurchaseRefunded => json!({
            "payment_id": "pay_1", "item": "second", "refund_id": "re_1", "refunded_at": "2026-12-01T10:00:00Z",
            "amount": { "minor": 500, "currency": "INR" }, "reason": "moved abroad", "provisional": true,
            "metadata": { "agent": "ann" },
        }),
        _ => json!({
            "purchase_id": "0160dedd-cca0-578b-8ef9-108c281d0ad2", "student_id": "stu_118", "trainer_id": "trn_7",
            "cancelled_at": "2026-12-01T10:00:00Z", "reason": "moved abroad", "effective_from": "2026-12-02",
            "metadata": { "agent": "ann" },
        }),
    }
}

/// The value with something else at a JSON pointer; with nothing there for `None`.
fn with(mut value: Value, pointer: &str, other: Option<Value>) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let place = value.pointer_mut(parent).unwrap_or_else(|| panic!("there is no {parent}"));
    match (place, other) {
        (Value::Array(entries), Some(other)) => entries[name.parse::<usize>().unwrap()] = other,
        (Value::Object(members), Some(other)) => drop(members.insert(name.to_owned(), other)),
        (Value::Object(members), None) => drop(members.remove(name)),
        (place, _) => panic!("{place} has no members"),
    }
    value
}

fn x(count: usize) -> Value {
    json!("ü".repeat(count))
}

/// Texts of so many characters, and of one more.
fn chars(pointer: &'static str, max: usize) -> [(&'static str, Value, bool); 3] {
    [(pointer, x(max), true), (pointer, x(max + 1), false), (pointer, json!("a\0"), false)]
}

/// As [`chars`], of which one must be there.
fn filled(pointer: &'static str, max: usize) -> Vec<(&'static str, Value, bool)> {
    let mut edges = chars(pointer, max).to_vec();
    edges.extend([(pointer, x(1), true), (pointer, x(0), false), (pointer, json!(7), false)]);
    edges
}

fn whole(pointer: &'static str, min: i64, max: i64, step: i64) -> [(&'static str, Value, bool); 4] {
    [
        (pointer, json!(min), true),
        (pointer, json!(min - step), false),
        (pointer, json!(max), true),
        (pointer, json!(i128::from(max) + i128::from(step)), false),
    ]
}

fn entries(count: usize) -> Map<String, Value> {
    (0..count).map(|number| (number.to_string(), x(1))).collect()
}

fn metadata() -> Vec<(&'static str, Value, bool)> {
    let key = |count| Value::Object([("ü".repeat(count), json!("x"))].into_iter().collect());
    let mut edges = chars("/metadata/key", METADATA_CHARS_MAX).to_vec();
    edges.extend([
        ("/metadata", json!(entries(METADATA_ENTRIES_MAX)), true),
        ("/metadata", json!(entries(METADATA_ENTRIES_MAX + 1)), false),
        ("/metadata", key(METADATA_CHARS_MAX), true),
        ("/metadata", key(METADATA_CHARS_MAX + 1), false),
        ("/metadata", key(0), false),
        ("/metadata", json!({ "a\0": "x" }), false),
        ("/metadata", json!([]), false),
        ("/metadata/key", json!(""), true),
        ("/metadata/key", Value::Null, true),
        ("/metadata/key", json!(7), false),
    ]);
    edges
}

/// What stands at the edges of what is taken, and whether it is taken still.
fn edges(topic: Topic) -> Vec<(&'static str, Value, bool)> {
    let mut edges = metadata();
    match topic {
        Topic::PurchaseConfirmed => edges.extend(confirmation()),
        Topic::PurchaseRefunded => {
            for pointer in ["/payment_id", "/item", "/refund_id"] {
                edges.extend(filled(pointer, ID_CHARS_MAX));
            }
            edges.extend(whole("/amount/minor", 1, AMOUNT_MINOR_MAX, 1));
            edges.extend(chars("/reason", METADATA_CHARS_MAX));
            edges.extend([
                ("/reason", x(0), true),
                ("/refunded_at", json!("2026-12-01"), false),
                ("/amount/currency", json!("inr"), false),
                ("/provisional", json!(false), true),
                ("/provisional", json!("true"), false),
                ("/provisional", json!(1), false),
            ]);
        }
        _ => {
            for pointer in ["/student_id", "/trainer_id"] {
                edges.extend(filled(pointer, ID_CHARS_MAX));
            }
            edges.extend(chars("/reason", METADATA_CHARS_MAX));
            edges.extend([
                ("/reason", x(0), true),
                ("/purchase_id", json!("0160dedd"), false),
                ("/purchase_id", json!("0160DEDD-CCA0-578B-8EF9-108C281D0AD2"), true),
                ("/cancelled_at", json!("2026-12-01"), false),
                ("/effective_from", json!("2026-13-02"), false),
            ]);
        }
    }
    edges
}

fn confirmation() -> Vec<(&'static str, Value, bool)> {
    let slots = |count| json!(vec![json!({ "weekday": "tue", "at": "17:00" }); count]);
    let padded = |count: usize| json!(format!(" \t{}\n", "ü".repeat(count)));
    let mut edges = Vec::new();
    for pointer in ["/payment_id", "/item", "/student/id", "/payer/id", "/preferred_trainer_id"] {
        edges.extend(filled(pointer, ID_CHARS_MAX));
    }
    for pointer in ["/student/name", "/payer/name"] {
        edges.extend(filled(pointer, NAME_CHARS_MAX));
    }
    for pointer in ["/student/email", "/payer/email"] {
        edges.extend(filled(pointer, EMAIL_CHARS_MAX));
    }
    for pointer in ["/course/subject", "/course/level"] {
        edges.extend(filled(pointer, COURSE_CHARS_MAX));
        edges.extend([
            (pointer, padded(COURSE_CHARS_MAX), true),
            (pointer, padded(COURSE_CHARS_MAX + 1), false),
            (pointer, padded(1), true),
            (pointer, padded(0), false),
            (pointer, json!("two words"), true),
        ]);
    }
    edges.extend(filled("/student/languages/0", LANGUAGE_CHARS_MAX));
    edges.extend(whole("/amount/minor", 0, AMOUNT_MINOR_MAX, 1));
    edges.extend(whole("/plan/sessions", 1, SESSIONS_MAX, 1));
    edges.extend(whole("/plan/per_week", 1, PER_WEEK_MAX, 1));
    edges.extend(whole("/plan/minutes", MINUTES_MIN, MINUTES_MAX, i64::from(MINUTES_STEP)));
    edges.extend([
        ("/student/languages", json!(vec!["en"; LANGUAGES_MAX]), true),
        ("/student/languages", json!(vec!["en"; LANGUAGES_MAX + 1]), false),
        ("/student/languages", json!([]), true),
        ("/student/time_zone", json!(""), false),
        ("/plan/sessions", Value::Null, true),
        ("/plan/sessions", json!("24"), false),
        ("/plan/minutes", json!(MINUTES_MIN + 1), false),
        ("/plan/slots", slots(1), true),
        ("/plan/slots", slots(0), false),
        ("/plan/slots", slots(SLOTS_LISTED_MAX), true),
        ("/plan/slots", slots(SLOTS_LISTED_MAX + 1), false),
        ("/plan/slots/0/at", json!("00:00"), true),
        ("/plan/slots/0/at", json!("23:45"), true),
        ("/plan/slots/0/at", json!("24:00"), false),
        ("/plan/slots/0/at", json!("17:10"), false),
        ("/plan/slots/0/at", json!("7:00"), false),
        ("/plan/slots/0/weekday", json!("Tue"), false),
        ("/plan/start_date", json!("2026-02-30"), false),
        ("/plan/start_date", json!("2026-12-1"), false),
        ("/confirmed_at", json!("2026-11-23T15:30:00.123456+05:30"), true),
        ("/confirmed_at", json!("2026-11-23T15:30:00"), false),
        ("/amount/currency", json!("inr"), false),
        ("/amount/currency", json!("RUPEE"), false),
        ("/student", json!([]), false),
        ("/payer", json!("Uma"), false),
    ]);
    edges
}

#[test]
fn the_decoder_and_the_schema_refuse_the_same() {
    let document = Document::read();
    for topic in [Topic::PurchaseConfirmed, Topic::PurchaseRefunded, Topic::PurchaseCancelled] {
        let schema = document.schema(&format!("/components/messages/{topic}/payload"));
        for (pointer, other, taken) in edges(topic) {
            let value = with(full(topic), pointer, Some(other));
            let (refusal, problems) = (refusal(topic, &value), problems(&schema, &value));
            assert_eq!(refusal.is_none(), taken, "{topic} {pointer} {refusal:?} {value}");
            assert_eq!(problems.is_empty(), taken, "{topic} {pointer} {problems:?} {value}");
        }
    }
}

#[test]
fn what_must_be_there_is_what_is_required_and_all_else_may_be_null_or_absent() {
    let document = Document::read();
    for (topic, place, schema) in [
        (Topic::PurchaseConfirmed, "", "purchase-confirmed"),
        (Topic::PurchaseConfirmed, "/amount", "amount"),
        (Topic::PurchaseConfirmed, "/student", "student"),
        (Topic::PurchaseConfirmed, "/payer", "payer"),
        (Topic::PurchaseConfirmed, "/course", "course"),
        (Topic::PurchaseConfirmed, "/plan", "plan"),
        (Topic::PurchaseConfirmed, "/plan/slots/0", "slot"),
        (Topic::PurchaseRefunded, "", "purchase-refunded"),
        (Topic::PurchaseCancelled, "", "purchase-cancelled"),
    ] {
        let whole = document.schema(&format!("/components/messages/{topic}/payload"));
        let part = document.at(&format!("{SCHEMAS}/{schema}"));
        let required = part["required"].as_array().unwrap();
        for name in part["properties"].as_object().unwrap().keys() {
            let pointer = format!("{place}/{name}");
            let is_required = required.iter().any(|required| required == name);
            // Null is a number of sessions: there is no end to them.
            let nothing = if pointer == "/plan/sessions" { vec![None] } else { vec![None, Some(Value::Null)] };
            for nothing in nothing {
                let value = with(full(topic), &pointer, nothing);
                assert_eq!(refusal(topic, &value).is_some(), is_required, "{topic} {pointer}");
                assert_eq!(!whole.is_valid(&value), is_required, "{topic} {pointer}");
            }
        }
    }
}

#[test]
fn whatever_else_is_there_is_ignored() {
    let document = Document::read();
    for topic in [Topic::PurchaseConfirmed, Topic::PurchaseRefunded, Topic::PurchaseCancelled] {
        let value = with(full(topic), "/surprise", Some(json!({ "a": 1 })));
        assert_eq!(refusal(topic, &value), None);
        assert!(document.schema(&format!("/components/messages/{topic}/payload")).is_valid(&value));
        // All that is described stands in the value, so nothing of it goes unlooked at.
        let members = full(topic);
        let described = document.described(document.at(&format!("{SCHEMAS}/{topic}")));
        let unknown: Vec<&String> = described.iter().filter(|name| members.get(name).is_none()).collect();
        assert!(unknown.is_empty(), "{topic} {unknown:?}");
    }
}

#[test]
fn what_no_schema_can_say_is_said_in_words() {
    let document = Document::read();
    let schema = document.schema("/components/messages/purchase-confirmed/payload");
    let different: Vec<Value> = (0..=SLOTS_MAX)
        .map(|number| json!({ "weekday": DAYS[number % 7], "at": format!("{:02}:00", number / 7) }))
        .collect();
    let slots = format!("at most {SLOTS_MAX} different ones");
    for (pointer, other, place, words) in [
        ("/plan/slots", json!(different), "plan/properties/slots", slots.as_str()),
        ("/plan/slots", json!([different[0], different[7]]), "plan/properties/per_week", "the distinct weekdays"),
        ("/plan/start_date", json!("2028-11-24"), "purchase-confirmed/properties/plan", "within two years"),
        ("/student/time_zone", json!("Mars/Olympus"), "time-zone", "IANA"),
        ("/amount/currency", json!("XQX"), "amount/properties/currency", "ISO 4217"),
    ] {
        let mut value = with(full(Topic::PurchaseConfirmed), pointer, Some(other));
        value["plan"]["per_week"] = if words.contains("weekdays") { json!(2) } else { json!(1) };
        assert!(schema.is_valid(&value), "{pointer}");
        assert!(refusal(Topic::PurchaseConfirmed, &value).is_some(), "{pointer}");
        let described = document.at(&format!("{SCHEMAS}/{place}/description")).as_str().unwrap();
        assert!(described.contains(words), "{described}");
    }
}

#[test]
fn every_bound_is_that_of_the_code() {
    let document = Document::read();
    let course = format!(r"^\s*[^\s\u0000]([^\u0000]{{0,{}}}[^\s\u0000])?\s*$", COURSE_CHARS_MAX - 2);
    for (pointer, bound) in [
        ("id/maxLength", json!(ID_CHARS_MAX)),
        ("id-or-null/maxLength", json!(ID_CHARS_MAX)),
        ("name-or-null/maxLength", json!(NAME_CHARS_MAX)),
        ("email-or-null/maxLength", json!(EMAIL_CHARS_MAX)),
        ("student/properties/languages/maxItems", json!(LANGUAGES_MAX)),
        ("student/properties/languages/items/maxLength", json!(LANGUAGE_CHARS_MAX)),
        ("course/properties/subject/pattern", json!(course)),
        ("course/properties/level/pattern", json!(course)),
        ("metadata-received/maxProperties", json!(METADATA_ENTRIES_MAX)),
        ("metadata-received/propertyNames/maxLength", json!(METADATA_CHARS_MAX)),
        ("metadata-received/additionalProperties/maxLength", json!(METADATA_CHARS_MAX)),
        ("metadata/maxProperties", json!(METADATA_ENTRIES_MAX)),
        ("metadata/additionalProperties/maxLength", json!(METADATA_CHARS_MAX)),
        ("amount/properties/minor/minimum", json!(0)),
        ("amount/properties/minor/maximum", json!(AMOUNT_MINOR_MAX)),
        ("purchase-refunded/properties/reason/maxLength", json!(METADATA_CHARS_MAX)),
        ("purchase-cancelled/properties/reason/maxLength", json!(METADATA_CHARS_MAX)),
        ("plan/properties/sessions/maximum", json!(SESSIONS_MAX)),
        ("plan/properties/per_week/maximum", json!(PER_WEEK_MAX)),
        ("plan/properties/minutes/minimum", json!(MINUTES_MIN)),
        ("plan/properties/minutes/maximum", json!(MINUTES_MAX)),
        ("plan/properties/minutes/multipleOf", json!(MINUTES_STEP)),
        ("plan/properties/slots/maxItems", json!(SLOTS_LISTED_MAX)),
    ] {
        assert_eq!(*document.at(&format!("{SCHEMAS}/{pointer}")), bound, "{pointer}");
    }
}

#[test]
fn every_example_is_taken() {
    let document = Document::read();
    for topic in [Topic::PurchaseConfirmed, Topic::PurchaseRefunded] {
        let schema = document.schema(&format!("/components/messages/{topic}/payload"));
        let examples = document.at(&format!("/components/messages/{topic}/examples")).as_array().unwrap();
        assert!(examples.len() > 1);
        for value in examples.iter().map(|example| &example["payload"]) {
            assert_eq!(problems(&schema, value), [""; 0], "{topic} {value}");
            assert_eq!(refusal(topic, value), None, "{topic} {value}");
        }
    }
}
