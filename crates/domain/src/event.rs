//! What travels on the topics: which topics there are, what a record must look like to be read,
//! and how what Caravan emits is written (CloudEvents 1.0, Kafka protocol binding 1.0.2).

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::Epoch;

mod adoption;
mod changes;
pub(crate) mod confirmation;
mod dead_letter;
pub(crate) mod envelope;
mod headers;
mod partition;
mod payload;
mod refund;
mod refusal;
mod trace;

pub use adoption::{Adoption, adoption_from_json};
pub use changes::{ChangedSession, SessionsChanged};
pub use confirmation::{
    AMOUNT_MINOR_MAX, COURSE_CHARS_MAX, EMAIL_CHARS_MAX, ID_CHARS_MAX, LANGUAGE_CHARS_MAX, LANGUAGES_MAX,
    METADATA_CHARS_MAX, METADATA_ENTRIES_MAX, MINUTES_MAX, MINUTES_MIN, MINUTES_STEP, NAME_CHARS_MAX, PER_WEEK_MAX,
    SESSIONS_MAX, SLOTS_LISTED_MAX, SLOTS_MAX, START_YEARS_MAX, decode_confirmation, payment_id_of, read_confirmation,
};
pub use dead_letter::{DETAIL_CHARS_MAX, Failure, Origin, dead_letter_headers, redrive_headers, redrives_of};
pub use envelope::{Envelope, VALUE_BYTES_MAX, open, trace_of};
pub use headers::{Header, Headers};
pub use partition::{murmur2, partition_for};
pub use payload::{
    Payload, PurchaseCancelled, PurchaseCreated, PurchaseWaitlisted, ScheduledSession, SessionsScheduled,
    TrainerAllocated, TrainerChanged, Window, allocation_id_of, purchase_id_of, trainer_id_of,
};
pub use refund::{PurchaseChanged, decode_refund};
pub use refusal::{refusal_headers, refusal_of};
pub use trace::{TraceContext, valid_traceparent};

/// The extension attribute of events that are not told in the first epoch, as a header.
const EPOCH_HEADER: &str = "ce_caravanepoch";

/// A topic Caravan reads or writes; its name is also the type of the events on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// A payment service has confirmed a payment.
    PurchaseConfirmed,
    /// A payment service has given a payment back, or a part of it.
    PurchaseRefunded,
    /// A payment has become a purchase.
    PurchaseCreated,
    /// A trainer's time is reserved for a purchase.
    TrainerAllocated,
    /// No trainer fits a purchase yet.
    PurchaseWaitlisted,
    /// Sessions were put in the calendar.
    SessionsScheduled,
    /// A purchase was called off.
    PurchaseCancelled,
    /// Something else about a purchase has changed.
    PurchaseChanged,
    /// A person has changed sessions.
    SessionsChanged,
    /// A trainer's roster entry has changed.
    TrainerChanged,
    /// Records set aside.
    DeadLetterQueue,
}

impl Topic {
    /// All of them, in the order a purchase meets them.
    pub const ALL: [Self; 11] = [
        Self::PurchaseConfirmed,
        Self::PurchaseRefunded,
        Self::PurchaseCreated,
        Self::TrainerAllocated,
        Self::PurchaseWaitlisted,
        Self::SessionsScheduled,
        Self::PurchaseCancelled,
        Self::PurchaseChanged,
        Self::SessionsChanged,
        Self::TrainerChanged,
        Self::DeadLetterQueue,
    ];

    /// The name without any namespace, such as `purchase-confirmed`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PurchaseConfirmed => "purchase-confirmed",
            Self::PurchaseRefunded => "purchase-refunded",
            Self::PurchaseCreated => "purchase-created",
            Self::TrainerAllocated => "trainer-allocated",
            Self::PurchaseWaitlisted => "purchase-waitlisted",
            Self::SessionsScheduled => "sessions-scheduled",
            Self::PurchaseCancelled => "purchase-cancelled",
            Self::PurchaseChanged => "purchase-changed",
            Self::SessionsChanged => "sessions-changed",
            Self::TrainerChanged => "trainer-changed",
            Self::DeadLetterQueue => "dead-letter-queue",
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Topic {
    type Err = UnknownTopic;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|topic| topic.name() == text).ok_or_else(|| UnknownTopic(text.to_owned()))
    }
}

/// A name that is no topic's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown topic {0:?}, known are {known}", known = Topic::ALL.map(Topic::name).join(", "))]
pub struct UnknownTopic(pub String);

/// An event on its way out: what was decided, ready to be published as often as it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The same on every republication.
    pub id: Uuid,
    /// Where it goes, and its type.
    pub topic: Topic,
    /// The record's key.
    pub key: String,
    /// When it happened.
    pub time: Timestamp,
    /// Who tells it: a URI reference, such as `/caravan/allocation`.
    pub source: String,
    /// Where it stands in which trace, if it is part of one.
    pub trace: Option<TraceContext>,
    /// The span that caused it; nothing where its trace begins with it.
    pub cause: Option<TraceContext>,
    /// The payload, as JSON.
    pub data: String,
}

impl Event {
    /// The event that tells a payload; `parent` is the `traceparent` of what caused it.
    ///
    /// Fails only if the payload can't be written as JSON.
    pub fn telling<P: Payload>(
        payload: &P,
        id: Uuid,
        time: Timestamp,
        source: impl Into<String>,
        parent: Option<&str>,
    ) -> Result<Self, serde_json::Error> {
        let cause = parent.and_then(TraceContext::read);
        Ok(Self {
            id,
            topic: P::TOPIC,
            key: payload.key(),
            time,
            source: source.into(),
            trace: Some(trace::context_for(id, cause)),
            cause,
            data: serde_json::to_string(payload)?,
        })
    }

    /// The record headers of this event in binary mode (CloudEvents Kafka binding section 3.2), as it
    /// is told in `epoch`. One that is not the first is named by an extension, `caravanepoch`.
    pub fn headers(&self, epoch: Epoch) -> Headers {
        let mut headers = Headers::new();
        headers.push_text("ce_specversion", "1.0");
        headers.push_text("ce_id", epoch.event_id(self.id).to_string());
        headers.push_text("ce_source", self.source.as_str());
        headers.push_text("ce_type", self.topic.name());
        headers.push_text("ce_subject", self.key.as_str());
        headers.push_text("ce_time", self.time.to_string());
        if let Epoch(Some(epoch)) = epoch {
            headers.push_text(EPOCH_HEADER, epoch.to_string());
        }
        headers.push_text("content-type", "application/json");
        if let Some(trace) = &self.trace {
            headers.push_text("traceparent", trace.to_string());
        }
        headers
    }
}

/// The epoch that a record says it was told in; without a word of it, the first.
pub fn epoch_of(headers: &Headers) -> Epoch {
    Epoch(headers.get_text(EPOCH_HEADER).and_then(|epoch| epoch.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_its_name() {
        for topic in Topic::ALL {
            assert_eq!(topic.name().parse(), Ok(topic));
            assert_eq!(topic.to_string(), topic.name());
            assert_eq!(serde_json::to_value(topic).unwrap(), topic.name());
            assert_eq!(serde_json::from_value::<Topic>(topic.name().into()).unwrap(), topic);
        }
        let error = "purchase_confirmed".parse::<Topic>().unwrap_err().to_string();
        assert!(
            error.contains("purchase_confirmed") && error.contains("purchase-confirmed, purchase-refunded"),
            "{error}"
        );
    }

    #[test]
    fn an_event_travels_in_binary_mode() {
        let payload = TrainerChanged {
            trainer_id: "trn_7".into(),
            roster_version: 3,
            changed_at: "2026-11-23T10:00:00Z".parse().unwrap(),
        };
        let id = Uuid::from_u128(0x7b65_5217_5cc2_577b_8f09_d0d7_2b62_f269);
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let event = Event::telling(&payload, id, payload.changed_at, "/caravan/roster", Some(parent)).unwrap();
        assert_eq!(event.data, r#"{"trainer_id":"trn_7","roster_version":3,"changed_at":"2026-11-23T10:00:00Z"}"#);
        let headers = event.headers(Epoch::default());
        let texts: Vec<_> =
            headers.iter().map(|header| (&*header.name, headers.get_text(&header.name).unwrap())).collect();
        assert_eq!(
            texts,
            [
                ("ce_specversion", "1.0"),
                ("ce_id", "7b655217-5cc2-577b-8f09-d0d72b62f269"),
                ("ce_source", "/caravan/roster"),
                ("ce_type", "trainer-changed"),
                ("ce_subject", "trn_7"),
                ("ce_time", "2026-11-23T10:00:00Z"),
                ("content-type", "application/json"),
                ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-8f09d0d72b62f269-01"),
            ]
        );
        let opened = open(Some(event.data.as_bytes()), &headers).unwrap();
        assert_eq!(opened.id, Some(id.to_string()));
        assert_eq!(TrainerChanged::decode(&opened.data), Ok(payload));

        let epoch = Epoch(Some(Uuid::from_u128(1)));
        let retold = event.headers(epoch);
        assert_eq!(retold.get_text("ce_id"), Some(epoch.event_id(id).to_string().as_str()));
        assert_eq!(retold.get_text("ce_caravanepoch"), Some("00000000-0000-0000-0000-000000000001"));
        assert_eq!((epoch_of(&retold), epoch_of(&headers)), (epoch, Epoch::default()));
    }
}
