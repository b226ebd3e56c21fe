//! What Caravan tells.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use caravan_domain::event::{
    ChangedSession, Payload, PurchaseCancelled, PurchaseChanged, PurchaseCreated, PurchaseWaitlisted, ScheduledSession,
    SessionsChanged, SessionsScheduled, Topic, TrainerAllocated, TrainerChanged, Window,
};
use caravan_domain::plan::Weekday;
use caravan_domain::purchase::{Confirmation, Payer};
use caravan_domain::session::{SessionState, SessionStatus};
use jiff::Timestamp;
use jiff::civil::{Date, date};
use serde_json::{Value, json};
use uuid::Uuid;

use super::document::{Document, problems};

const ID: Uuid = Uuid::from_u128(0x0160_dedd_cca0_578b_8ef9_108c_281d_0ad2);
const START: Date = date(2026, 12, 1);

/// An event with everything that can be in it, and one with as little as there can be.
struct Told {
    topic: Topic,
    full: Value,
    bare: Value,
    reads: fn(&Value) -> Result<(), String>,
}

fn told<P: Payload + Debug>(full: &P, bare: &P) -> Told {
    let value = |payload: &P| serde_json::to_value(payload).unwrap();
    let reads = |value: &Value| P::decode(value).map(drop).map_err(|rejection| rejection.to_string());
    Told { topic: P::TOPIC, full: value(full), bare: value(bare), reads }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn texts() -> BTreeMap<String, String> {
    [("campaign".to_owned(), "diwali".to_owned())].into()
}

fn bare() -> Confirmation {
    let bare = json!({
        "payment_id": "pay_1", "confirmed_at": "2026-11-23T10:00:00Z", "amount": { "minor": 0, "currency": "INR" },
        "student": { "id": "stu_1", "time_zone": "UTC", "languages": [] }, "course": { "subject": "a", "level": "b" },
        "plan": { "start_date": "2026-12-01", "sessions": null, "per_week": 1, "minutes": 15,
                  "slots": [{ "weekday": "mon", "at": "00:00" }] },
    });
    serde_json::from_value(bare).unwrap()
}

fn full() -> Confirmation {
    let mut full = bare();
    full.item = Some("second".into());
    (full.student.name, full.student.email) = (Some("Asha".into()), Some("asha@example.com".into()));
    full.student.languages = vec!["en".into()];
    full.payer = Some(Payer { id: "par_1".into(), name: Some("Uma".into()), email: Some("uma@example.com".into()) });
    full.plan.sessions = Some(24);
    full.preferred_trainer_id = Some("trn_7".into());
    full.metadata = texts();
    full
}

fn created() -> Told {
    let of = |confirmation| PurchaseCreated { purchase_id: ID, created_at: at("2026-11-23T10:00:01Z"), confirmation };
    told(&of(full()), &of(bare()))
}

fn allocated() -> Told {
    let of = |Confirmation { plan, metadata, .. }: Confirmation| TrainerAllocated {
        purchase_id: ID,
        allocation_id: ID,
        trainer_id: "trn_7".into(),
        student_id: "stu_1".into(),
        allocated_at: at("2026-11-23T10:00:02.123456789Z"),
        start_date: START,
        slots: plan.slots.clone(),
        time_zone: "UTC".into(),
        plan,
        metadata,
    };
    told(&of(full()), &of(bare()))
}

fn waitlisted() -> Told {
    let of = |reasons, metadata| PurchaseWaitlisted {
        purchase_id: ID,
        student_id: "stu_1".into(),
        waitlisted_at: at("2026-11-23T10:00:02Z"),
        reasons,
        metadata,
    };
    told(&of([("course".into(), u32::MAX)].into(), texts()), &of(BTreeMap::new(), BTreeMap::new()))
}

fn scheduled() -> Told {
    let of = |trainer_id: Option<String>, metadata| SessionsScheduled {
        purchase_id: ID,
        trainer_id: "trn_7".into(),
        student_id: "stu_1".into(),
        time_zone: "UTC".into(),
        window: Window { from: START, until: date(2026, 12, 29) },
        sessions: vec![ScheduledSession {
            session_id: ID,
            ordinal: u32::MAX,
            local_date: START,
            starts_at: at("2026-12-01T11:30:00Z"),
            ends_at: at("2026-12-01T12:30:00Z"),
            trainer_id,
        }],
        metadata,
    };
    told(&of(Some("trn_8".into()), texts()), &of(None, BTreeMap::new()))
}

fn cancelled() -> Told {
    let of = |id: Option<String>, metadata| PurchaseCancelled {
        purchase_id: ID,
        student_id: id.clone(),
        trainer_id: id,
        cancelled_at: at("2026-11-23T10:00:02Z"),
        reason: String::new(),
        effective_from: START,
        metadata,
    };
    told(&of(Some("x".into()), texts()), &of(None, BTreeMap::new()))
}

fn changed() -> Told {
    let of = |trainer_id, metadata| PurchaseChanged {
        purchase_id: ID,
        student_id: "stu_1".into(),
        trainer_id,
        revision: 2,
        kind: "refunded".into(),
        changed_at: at("2026-11-23T10:00:02Z"),
        actor: "payments".into(),
        reason: String::new(),
        metadata,
    };
    told(&of(Some("trn_7".into()), texts()), &of(None, BTreeMap::new()))
}

fn sessions_changed() -> Told {
    let state = SessionState {
        trainer_id: "trn_7".into(),
        starts_at: at("2026-12-01T11:30:00Z"),
        ends_at: at("2026-12-01T12:30:00Z"),
        status: SessionStatus::Scheduled,
    };
    let of = |before, overrides, metadata| SessionsChanged {
        purchase_id: ID,
        student_id: "stu_1".into(),
        time_zone: "UTC".into(),
        revision: 2,
        changed_at: at("2026-11-23T10:00:02Z"),
        cause: "session-moved".into(),
        actor: "ann".into(),
        reason: String::new(),
        overrides,
        sessions: vec![ChangedSession { session_id: ID, ordinal: 1, local_date: START, before, after: state.clone() }],
        metadata,
    };
    told(&of(Some(state.clone()), vec!["availability".into()], texts()), &of(None, Vec::new(), BTreeMap::new()))
}

fn trainer_changed() -> Told {
    let changed =
        TrainerChanged { trainer_id: "trn_7".into(), roster_version: i64::MAX, changed_at: at("2026-11-23T10:00:02Z") };
    told(&changed, &changed)
}

fn all() -> [Told; 8] {
    [created(), allocated(), waitlisted(), scheduled(), cancelled(), changed(), sessions_changed(), trainer_changed()]
}

fn payload(topic: Topic) -> String {
    format!("/components/messages/{topic}/payload")
}

#[test]
fn every_event_is_among_those_looked_at() {
    let from_outside = [Topic::PurchaseConfirmed, Topic::PurchaseRefunded, Topic::DeadLetterQueue];
    let looked_at = all().into_iter().map(|told| told.topic).chain(from_outside);
    assert_eq!(looked_at.collect::<BTreeSet<_>>(), Topic::ALL.into());
}

#[test]
fn what_is_told_is_all_described() {
    let document = Document::strict();
    for Told { topic, full, bare, .. } in all() {
        let schema = document.schema(&payload(topic));
        for value in [full, bare] {
            assert_eq!(problems(&schema, &value), [""; 0], "{topic} {value}");
            let mut more = value.clone();
            more["surprise"] = json!(1);
            assert!(!schema.is_valid(&more), "{topic} lets in what is not described");
        }
    }
}

#[test]
fn what_is_described_is_all_told() {
    let document = Document::read();
    for Told { topic, full, bare, .. } in all() {
        let pointer = payload(topic);
        assert_eq!(untold(&document, document.at(&pointer), &full, topic.name()), [""; 0]);
        // Of a cancellation that others publish less is asked.
        if topic != Topic::PurchaseCancelled {
            let required: BTreeSet<&str> =
                document.meant(&pointer)["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            assert_eq!(bare.as_object().unwrap().keys().map(String::as_str).collect::<BTreeSet<_>>(), required);
        }
    }
}

/// The places of members that a schema describes and a value does not have.
fn untold(document: &Document, schema: &Value, value: &Value, place: &str) -> Vec<String> {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return untold(document, document.at(&reference[1..]), value, place);
    }
    let mut missing = Vec::new();
    for part in ["allOf", "anyOf"].into_iter().filter_map(|name| schema.get(name)?.as_array()).flatten() {
        missing.extend(untold(document, part, value, place));
    }
    for (name, part) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let place = format!("{place}/{name}");
        match value.get(name) {
            Some(found) => missing.extend(untold(document, part, found, &place)),
            None => missing.push(place),
        }
    }
    if let (Some(part), Some(entries)) = (schema.get("items"), value.as_array()) {
        assert!(!entries.is_empty(), "{place} has nothing to look at");
        entries.iter().for_each(|entry| missing.extend(untold(document, part, entry, place)));
    }
    missing
}

#[test]
fn every_example_is_what_it_is_one_of() {
    let document = Document::strict();
    for Told { topic, reads, .. } in all() {
        let examples = document.at(&format!("/components/messages/{topic}/examples")).as_array().unwrap();
        assert!(!examples.is_empty());
        for example in examples {
            let value = &example["payload"];
            assert_eq!(problems(&document.schema(&payload(topic)), value), [""; 0], "{topic} {value}");
            assert_eq!(reads(value), Ok(()), "{topic}");
        }
    }
}

#[test]
fn every_name_of_a_fixed_set_is_described() {
    let document = Document::read();
    let weekdays = document.at("/components/schemas/slot/properties/weekday/enum");
    assert_eq!(*weekdays, json!(Weekday::ALL.map(Weekday::name)));
    let statuses = document.at("/components/schemas/session-state/properties/status/enum");
    assert_eq!(*statuses, json!(SessionStatus::ALL.map(SessionStatus::name)));
}
