//! Headers.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use caravan_domain::event::{
    DETAIL_CHARS_MAX, Event, Failure, Headers, Origin, Topic, TrainerChanged, dead_letter_headers, redrive_headers,
    refusal_headers,
};
use caravan_domain::ids::Epoch;
use caravan_domain::rejection::{Reason, Rejection};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::document::{Document, problems};

const DEAD_LETTER: &str = "/components/schemas/dead-letter-headers";
const RECEIVED: &str = "/components/schemas/received-headers";

/// Headers as the document shows them: octets that are no text are in base64.
fn shown(document: &Document, pointer: &str, headers: &Headers) -> Value {
    let is_binary = |name: &str| {
        let described = document.at(pointer).pointer(&format!("/properties/{name}/contentEncoding"));
        described.is_some_and(|encoding| encoding == "base64")
    };
    let shown: Map<String, Value> = headers
        .iter()
        .map(|header| {
            let value = header.value.as_deref().unwrap();
            let text = if is_binary(&header.name) {
                BASE64.encode(value)
            } else {
                String::from_utf8(value.to_vec()).expect("a text, or described as base64")
            };
            (header.name.clone(), json!(text))
        })
        .collect();
    Value::Object(shown)
}

fn rejection(reason: Reason) -> Rejection {
    Rejection::new(reason, "in words")
}

fn dead(original: &Headers, rejection: &Rejection) -> Headers {
    let origin = Origin {
        topic: Topic::PurchaseConfirmed.name(),
        partition: 1,
        offset: 42,
        timestamp_ms: 1_795_428_000_000,
        consumer_group: "purchase-creation-workers",
    };
    let failed_at = "2026-11-23T10:00:01Z".parse().unwrap();
    dead_letter_headers(original, &origin, &Failure { rejection, attempts: 1, failed_at })
}

#[test]
fn what_an_event_travels_with_is_described() {
    let document = Document::read();
    let changed_at = "2026-11-23T10:00:00Z".parse().unwrap();
    let payload = TrainerChanged { trainer_id: "trn_7".into(), roster_version: 3, changed_at };
    let event = Event::telling(&payload, Uuid::from_u128(7), changed_at, "/caravan/roster", None).unwrap();
    let pointer = format!("/components/messages/{}/headers", event.topic);
    let schema = document.schema(&pointer);
    let whole = event.headers(Epoch(Some(Uuid::from_u128(1))));
    let first = Event { trace: None, ..event }.headers(Epoch::default());
    let described: BTreeSet<String> = document.described(document.at(&pointer)).into_iter().collect();
    assert_eq!(described, whole.iter().map(|header| header.name.clone()).collect());
    for headers in [&whole, &first] {
        let shown = shown(&document, &pointer, headers);
        assert_eq!(problems(&schema, &shown), [""; 0], "{shown}");
        // Each of the required ones must be there.
        let required = document.at("/components/schemas/event-headers/required").as_array().unwrap();
        for name in required {
            let mut less = shown.clone();
            assert!(less.as_object_mut().unwrap().remove(name.as_str().unwrap()).is_some(), "{name} is not written");
            assert!(!schema.is_valid(&less), "{name}");
        }
    }
}

#[test]
fn what_a_dead_letter_travels_with_is_described() {
    let document = Document::read();
    let schema = document.schema(DEAD_LETTER);
    let described: BTreeSet<String> = document.described(document.at(DEAD_LETTER)).into_iter().collect();
    for reason in Reason::ALL {
        let headers = dead(&Headers::new(), &rejection(reason));
        let shown = shown(&document, DEAD_LETTER, &headers);
        assert_eq!(problems(&schema, &shown), [""; 0], "{shown}");
        assert_eq!(described, headers.iter().map(|header| header.name.clone()).collect());
    }
    let required = document.at(DEAD_LETTER)["required"].as_array().unwrap();
    assert_eq!(described, required.iter().map(|name| name.as_str().unwrap().to_owned()).collect());
    for name in ["caravan-detail", "kafka_dlt-exception-message"] {
        let bound = document.at(&format!("{DEAD_LETTER}/properties/{name}/maxLength"));
        assert_eq!(*bound, DETAIL_CHARS_MAX);
    }
}

#[test]
fn every_reason_is_described() {
    let document = Document::read();
    let described = document.at("/components/schemas/reason/anyOf").as_array().unwrap();
    let codes: Vec<&str> = described.iter().filter_map(|reason| reason.get("const")?.as_str()).collect();
    assert_eq!(codes, Reason::ALL.map(Reason::code));
    assert!(described.iter().all(|reason| reason["description"].is_string()));
}

#[test]
fn what_caravan_itself_writes_to_be_received_is_described() {
    let document = Document::read();
    let described = document.described(document.at(RECEIVED));
    let schema = document.schema(RECEIVED);
    for refused in Reason::ALL.map(|reason| refusal_headers(&rejection(reason))) {
        for headers in [&refused, &redrive_headers(&refused)] {
            let shown = shown(&document, RECEIVED, headers);
            assert_eq!(problems(&schema, &shown), [""; 0], "{shown}");
            assert!(headers.iter().all(|header| described.contains(&header.name)), "{shown}");
        }
    }
}
