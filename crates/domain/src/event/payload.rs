//! What Caravan's own events say, and reading them back.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::Topic;
use super::confirmation::{ID_CHARS, METADATA_CHARS_MAX, confirmation, metadata, optional, owned, plan, slot};
use crate::field::{DATE_MAX, DATE_MIN, Field, read_value};
use crate::plan::{Plan, Slot};
use crate::purchase::Confirmation;
use crate::rejection::Rejection;

/// Any date: what Caravan has decided once is not judged again.
const ANY_DATE: RangeInclusive<Date> = DATE_MIN..=DATE_MAX;
/// Slots, sessions and rules of one event are as many as a plan, a window or a policy has; this
/// only keeps a foreign record from being unreasonable.
const ENTRIES_MAX: usize = 10_000;

/// The data of an event on one of Caravan's topics.
pub trait Payload: Serialize + Sized {
    /// The topic it goes to.
    const TOPIC: Topic;

    /// The record key: what must stay in order with it.
    fn key(&self) -> String;

    /// Reads it from an opened record.
    fn decode(data: &Value) -> Result<Self, Rejection>;
}

fn decode_with<T>(data: &Value, read: impl FnOnce(Field<'_>) -> Option<T>) -> Result<T, Rejection> {
    read_value(data, |field| {
        field.object()?;
        read(field)
    })
    .map_err(|faults| Rejection::of_fields(&faults))
}

/// The `purchase_id` of an event that is about a purchase.
pub fn purchase_id_of(data: &Value) -> Result<Uuid, Rejection> {
    decode_with(data, |field| field.get("purchase_id").uuid())
}

/// The `allocation_id` of an event that is about an allocation.
pub fn allocation_id_of(data: &Value) -> Result<Uuid, Rejection> {
    decode_with(data, |field| field.get("allocation_id").uuid())
}

/// The `trainer_id` of an event that is about a trainer.
pub fn trainer_id_of(data: &Value) -> Result<String, Rejection> {
    decode_with(data, |field| owned(field.get("trainer_id"), ID_CHARS))
}

/// `purchase-created`: a payment has become a purchase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurchaseCreated {
    /// The purchase.
    pub purchase_id: Uuid,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// Every field of the confirmation.
    #[serde(flatten)]
    pub confirmation: Confirmation,
}

impl Payload for PurchaseCreated {
    const TOPIC: Topic = Topic::PurchaseCreated;

    fn key(&self) -> String {
        self.purchase_id.to_string()
    }

    fn decode(data: &Value) -> Result<Self, Rejection> {
        decode_with(data, |field| {
            let purchase_id = field.get("purchase_id").uuid();
            let created_at = field.get("created_at").timestamp();
            let confirmation = confirmation(field, ANY_DATE);
            Some(Self { purchase_id: purchase_id?, created_at: created_at?, confirmation: confirmation? })
        })
    }
}

/// `trainer-allocated`: a trainer's time is reserved for the whole plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainerAllocated {
    /// The purchase.
    pub purchase_id: Uuid,
    /// The allocation.
    pub allocation_id: Uuid,
    /// Who teaches.
    pub trainer_id: String,
    /// Who is taught.
    pub student_id: String,
    /// When it was decided.
    pub allocated_at: Timestamp,
    /// The first date a session may stand on, in the student's zone.
    pub start_date: Date,
    /// The `per_week` slots chosen, in the student's zone.
    pub slots: Vec<Slot>,
    /// The student's zone.
    pub time_zone: String,
    /// The plan as it was bought.
    pub plan: Plan,
    /// The shop's own texts.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

impl Payload for TrainerAllocated {
    const TOPIC: Topic = Topic::TrainerAllocated;

    fn key(&self) -> String {
        self.purchase_id.to_string()
    }

    fn decode(data: &Value) -> Result<Self, Rejection> {
        decode_with(data, |field| {
            let purchase_id = field.get("purchase_id").uuid();
            let allocation_id = field.get("allocation_id").uuid();
            let trainer_id = owned(field.get("trainer_id"), ID_CHARS);
            let student_id = owned(field.get("student_id"), ID_CHARS);
            let allocated_at = field.get("allocated_at").timestamp();
            let start_date = field.get("start_date").date(ANY_DATE);
            let slots = field.get("slots").array(1..=ENTRIES_MAX, slot);
            let time_zone = field.get("time_zone").zone();
            let plan = plan(field.get("plan"), ANY_DATE);
            let metadata = metadata(field.get("metadata"));
            Some(Self {
                purchase_id: purchase_id?,
                allocation_id: allocation_id?,
                trainer_id: trainer_id?,
                student_id: student_id?,
                allocated_at: allocated_at?,
                start_date: start_date?,
                slots: slots?,
                time_zone: time_zone?,
                plan: plan?,
                metadata,
            })
        })
    }
}

/// `purchase-waitlisted`: no trainer fits yet; once per wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurchaseWaitlisted {
    /// The purchase.
    pub purchase_id: Uuid,
    /// Who waits.
    pub student_id: String,
    /// Since when.
    pub waitlisted_at: Timestamp,
    /// Rule name -> how many trainers it ruled out first.
    pub reasons: BTreeMap<String, u32>,
    /// The shop's own texts.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

impl Payload for PurchaseWaitlisted {
    const TOPIC: Topic = Topic::PurchaseWaitlisted;

    fn key(&self) -> String {
        self.purchase_id.to_string()
    }

    fn decode(data: &Value) -> Result<Self, Rejection> {
        decode_with(data, |field| {
            let purchase_id = field.get("purchase_id").uuid();
            let student_id = owned(field.get("student_id"), ID_CHARS);
            let waitlisted_at = field.get("waitlisted_at").timestamp();
            let reasons = reasons(&field.get("reasons"));
            let metadata = metadata(field.get("metadata"));
            Some(Self {
                purchase_id: purchase_id?,
                student_id: student_id?,
                waitlisted_at: waitlisted_at?,
                reasons: reasons?,
                metadata,
            })
        })
    }
}

fn reasons(field: &Field<'_>) -> Option<BTreeMap<String, u32>> {
    let object = field.object()?;
    if object.len() > ENTRIES_MAX {
        return field.fault(format!("must have at most {ENTRIES_MAX} entries, has {}", object.len()));
    }
    object.keys().map(|rule| Some((rule.clone(), field.get(rule).whole(0..=i64::from(u32::MAX))?))).collect()
}

/// Dates that were put in the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The first date, inclusive.
    pub from: Date,
    /// The date after the last one: the purchase's horizon from now on.
    pub until: Date,
}

/// A session put in the calendar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledSession {
    /// The session.
    pub session_id: Uuid,
    /// Its number in the plan, from 1.
    pub ordinal: u32,
    /// The planned date, in the student's zone.
    pub local_date: Date,
    /// When it starts.
    pub starts_at: Timestamp,
    /// When it ends.
    pub ends_at: Timestamp,
    /// Who teaches it, if somebody else than the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trainer_id: Option<String>,
}

/// `sessions-scheduled`: a purchase's window was extended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionsScheduled {
    /// The purchase.
    pub purchase_id: Uuid,
    /// Who teaches.
    pub trainer_id: String,
    /// Who is taught.
    pub student_id: String,
    /// The student's zone.
    pub time_zone: String,
    /// By which dates the window grew.
    pub window: Window,
    /// The added sessions.
    pub sessions: Vec<ScheduledSession>,
    /// The shop's own texts.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

impl Payload for SessionsScheduled {
    const TOPIC: Topic = Topic::SessionsScheduled;

    fn key(&self) -> String {
        self.purchase_id.to_string()
    }

    fn decode(data: &Value) -> Result<Self, Rejection> {
        decode_with(data, |field| {
            let purchase_id = field.get("purchase_id").uuid();
            let trainer_id = owned(field.get("trainer_id"), ID_CHARS);
            let student_id = owned(field.get("student_id"), ID_CHARS);
            let time_zone = field.get("time_zone").zone();
            let window = window(&field.get("window"));
            let sessions = field.get("sessions").array(0..=ENTRIES_MAX, |session| scheduled_session(&session));
            let metadata = metadata(field.get("metadata"));
            Some(Self {
                purchase_id: purchase_id?,
                trainer_id: trainer_id?,
                student_id: student_id?,
                time_zone: time_zone?,
                window: window?,
                sessions: sessions?,
                metadata,
            })
        })
    }
}

fn window(field: &Field<'_>) -> Option<Window> {
    field.object()?;
    let from = field.get("from").date(ANY_DATE);
    let until = field.get("until").date(ANY_DATE);
    Some(Window { from: from?, until: until? })
}

fn scheduled_session(field: &Field<'_>) -> Option<ScheduledSession> {
    field.object()?;
    let session_id = field.get("session_id").uuid();
    let ordinal = field.get("ordinal").whole(1..=i64::from(u32::MAX));
    let local_date = field.get("local_date").date(ANY_DATE);
    let starts_at = field.get("starts_at").timestamp();
    let ends_at = field.get("ends_at").timestamp();
    let trainer_id = optional(field.get("trainer_id"), ID_CHARS);
    Some(ScheduledSession {
        session_id: session_id?,
        ordinal: ordinal?,
        local_date: local_date?,
        starts_at: starts_at?,
        ends_at: ends_at?,
        trainer_id,
    })
}

/// `trainer-changed`: a trainer's roster entry is another one now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainerChanged {
    /// The trainer.
    pub trainer_id: String,
    /// The roster's version that holds the change; it only grows.
    pub roster_version: i64,
    /// When it was changed.
    pub changed_at: Timestamp,
}

impl Payload for TrainerChanged {
    const TOPIC: Topic = Topic::TrainerChanged;

    fn key(&self) -> String {
        self.trainer_id.clone()
    }

    fn decode(data: &Value) -> Result<Self, Rejection> {
        decode_with(data, |field| {
            let trainer_id = owned(field.get("trainer_id"), ID_CHARS);
            let roster_version = field.get("roster_version").whole(0..=i64::MAX);
            let changed_at = field.get("changed_at").timestamp();
            Some(Self { trainer_id: trainer_id?, roster_version: roster_version?, changed_at: changed_at? })
        })
    }
}

/// `purchase-cancelled`: a purchase was called off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurchaseCancelled {
    /// The purchase.
    pub purchase_id: Uuid,
    /// Who is not taught any more.
    pub student_id: Option<String>,
    /// Who does not teach them any more, if somebody was allocated.
    pub trainer_id: Option<String>,
    /// When it was called off.
    pub cancelled_at: Timestamp,
    /// Why, in the words of who called it off.
    pub reason: String,
    /// The first date without sessions, in the student's zone.
    pub effective_from: Date,
    /// The shop's own texts.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

impl Payload for PurchaseCancelled {
    const TOPIC: Topic = Topic::PurchaseCancelled;

    fn key(&self) -> String {
        self.purchase_id.to_string()
    }

    fn decode(data: &Value) -> Result<Self, Rejection> {
        decode_with(data, |field| {
            let purchase_id = field.get("purchase_id").uuid();
            let cancelled_at = field.get("cancelled_at").timestamp();
            let student_id = optional(field.get("student_id"), ID_CHARS);
            let trainer_id = optional(field.get("trainer_id"), ID_CHARS);
            let reason = owned(field.get("reason"), 0..=METADATA_CHARS_MAX);
            let effective_from = field.get("effective_from").date(ANY_DATE);
            let metadata = metadata(field.get("metadata"));
            Some(Self {
                purchase_id: purchase_id?,
                student_id,
                trainer_id,
                cancelled_at: cancelled_at?,
                reason: reason?,
                effective_from: effective_from?,
                metadata,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use jiff::civil::date;
    use serde_json::json;

    use super::super::confirmation::tests::example;
    use super::*;

    const ID: Uuid = Uuid::from_u128(0x0160_dedd_cca0_578b_8ef9_108c_281d_0ad2);

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn texts() -> BTreeMap<String, String> {
        [("campaign".to_owned(), "diwali".to_owned())].into()
    }

    fn comes_back<P: Payload + PartialEq + Debug>(payload: &P, key: &str) -> Value {
        let value = serde_json::to_value(payload).unwrap();
        assert_eq!(P::decode(&value).as_ref(), Ok(payload));
        assert_eq!(payload.key(), key);
        value
    }

    #[test]
    fn a_created_purchase_has_every_field_of_its_confirmation() {
        let confirmation: Confirmation = serde_json::from_value(example()).unwrap();
        let created = PurchaseCreated { purchase_id: ID, created_at: at("2026-11-23T10:00:01Z"), confirmation };
        let value = comes_back(&created, &ID.to_string());
        let mut expected = example();
        expected["purchase_id"] = json!(ID);
        expected["created_at"] = json!("2026-11-23T10:00:01Z");
        assert_eq!(value, expected);
        assert_eq!(serde_json::from_value::<PurchaseCreated>(value).unwrap(), created);
    }

    #[test]
    fn the_others_have_the_fields_of_the_contract() {
        let plan: Plan = serde_json::from_value(example()["plan"].clone()).unwrap();
        let allocated = TrainerAllocated {
            purchase_id: ID,
            allocation_id: ID,
            trainer_id: "trn_7".into(),
            student_id: "stu_118".into(),
            allocated_at: at("2026-11-23T10:00:02Z"),
            start_date: date(2026, 12, 1),
            slots: plan.slots[..2].to_vec(),
            time_zone: "Asia/Kolkata".into(),
            plan,
            metadata: texts(),
        };
        let expected = json!({
            "purchase_id": ID, "allocation_id": ID, "trainer_id": "trn_7", "student_id": "stu_118",
            "allocated_at": "2026-11-23T10:00:02Z", "start_date": "2026-12-01",
            "slots": [{ "weekday": "tue", "at": "17:00" }, { "weekday": "thu", "at": "17:00" }],
            "time_zone": "Asia/Kolkata", "plan": example()["plan"], "metadata": { "campaign": "diwali" }
        });
        assert_eq!(comes_back(&allocated, &ID.to_string()), expected);

        let waitlisted = PurchaseWaitlisted {
            purchase_id: ID,
            student_id: "stu_118".into(),
            waitlisted_at: at("2026-11-23T10:00:02Z"),
            reasons: [("course".to_owned(), 3), ("time-off".to_owned(), 0)].into(),
            metadata: BTreeMap::new(),
        };
        let expected = json!({
            "purchase_id": ID, "student_id": "stu_118", "waitlisted_at": "2026-11-23T10:00:02Z",
            "reasons": { "course": 3, "time-off": 0 }, "metadata": {}
        });
        assert_eq!(comes_back(&waitlisted, &ID.to_string()), expected);

        let scheduled = SessionsScheduled {
            purchase_id: ID,
            trainer_id: "trn_7".into(),
            student_id: "stu_118".into(),
            time_zone: "Asia/Kolkata".into(),
            window: Window { from: date(2026, 12, 1), until: date(2026, 12, 29) },
            sessions: vec![ScheduledSession {
                session_id: ID,
                ordinal: 1,
                local_date: date(2026, 12, 1),
                starts_at: at("2026-12-01T11:30:00Z"),
                ends_at: at("2026-12-01T12:30:00Z"),
                trainer_id: None,
            }],
            metadata: texts(),
        };
        let expected = json!({
            "purchase_id": ID, "trainer_id": "trn_7", "student_id": "stu_118", "time_zone": "Asia/Kolkata",
            "window": { "from": "2026-12-01", "until": "2026-12-29" },
            "sessions": [{ "session_id": ID, "ordinal": 1, "local_date": "2026-12-01",
                           "starts_at": "2026-12-01T11:30:00Z", "ends_at": "2026-12-01T12:30:00Z" }],
            "metadata": { "campaign": "diwali" }
        });
        assert_eq!(comes_back(&scheduled, &ID.to_string()), expected);

        let changed =
            TrainerChanged { trainer_id: "trn_7".into(), roster_version: 3, changed_at: at("2026-11-23T10:00:02Z") };
        comes_back(&changed, "trn_7");

        let cancelled = PurchaseCancelled {
            purchase_id: ID,
            student_id: Some("stu_118".into()),
            trainer_id: None,
            cancelled_at: at("2026-11-23T10:00:02Z"),
            reason: "refunded".into(),
            effective_from: date(2026, 12, 2),
            metadata: texts(),
        };
        let expected = json!({
            "purchase_id": ID, "student_id": "stu_118", "trainer_id": null,
            "cancelled_at": "2026-11-23T10:00:02Z", "reason": "refunded",
            "effective_from": "2026-12-02", "metadata": { "campaign": "diwali" }
        });
        assert_eq!(comes_back(&cancelled, &ID.to_string()), expected);
    }

    #[test]
    fn ids_are_read_from_whatever_else_is_there() {
        let value = json!({ "purchase_id": ID, "allocation_id": ID, "trainer_id": "trn_7", "plan": 7 });
        assert_eq!(purchase_id_of(&value), Ok(ID));
        assert_eq!(allocation_id_of(&value), Ok(ID));
        assert_eq!(trainer_id_of(&value).as_deref(), Ok("trn_7"));
        for (value, detail) in [
            (json!({}), "/purchase_id: is missing"),
            (json!([]), "(whole value): must be an object, is an array"),
            (json!({ "purchase_id": 7 }), "/purchase_id: must be a hyphenated UUID, is a number"),
            (json!({ "purchase_id": ID.simple().to_string() }), "/purchase_id: must be a hyphenated UUID, is \"0160"),
        ] {
            let rejection = purchase_id_of(&value).unwrap_err();
            assert!(rejection.to_string().starts_with(&format!("invalid-field: {detail}")), "{rejection}");
        }
    }

    #[test]
    fn every_missing_field_is_named() {
        let detail = SessionsScheduled::decode(&json!({ "window": {}, "sessions": [{}] })).unwrap_err().detail;
        let pointers: Vec<_> = detail.split("; ").map(|fault| fault.trim_end_matches(": is missing")).collect();
        let expected = "/purchase_id /trainer_id /student_id /time_zone /window/from /window/until \
                        /sessions/0/session_id /sessions/0/ordinal /sessions/0/local_date /sessions/0/starts_at \
                        /sessions/0/ends_at";
        assert_eq!(pointers, expected.split(' ').collect::<Vec<_>>());
    }
}
