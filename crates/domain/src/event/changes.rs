//! What is told of people's changes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::Topic;
use super::payload::Payload;
use crate::rejection::{Reason, Rejection};
use crate::session::SessionState;

/// `sessions-changed`: a person has changed sessions of a purchase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionsChanged {
    /// The purchase.
    pub purchase_id: Uuid,
    /// Who is taught.
    pub student_id: String,
    /// The student's zone.
    pub time_zone: String,
    /// The purchase's revision after it; of two events the one with the higher is later.
    pub revision: i64,
    /// When it was decided.
    pub changed_at: Timestamp,
    /// What was done: `moved`, `cancelled`, `completed`, `missed` and so on.
    pub cause: String,
    /// Who decided.
    pub actor: String,
    /// Why, in their words.
    pub reason: String,
    /// The names of the rules they decided against.
    #[serde(default)]
    pub overrides: Vec<String>,
    /// The sessions, before and after.
    pub sessions: Vec<ChangedSession>,
    /// The shop's own texts.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// A session before and after a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedSession {
    /// The session.
    pub session_id: Uuid,
    /// Its number in the plan.
    pub ordinal: u32,
    /// The date it takes place on, in the student's zone.
    pub local_date: Date,
    /// How it stood; null if it was added.
    pub before: Option<SessionState>,
    /// How it stands.
    pub after: SessionState,
}

impl Payload for SessionsChanged {
    const TOPIC: Topic = Topic::SessionsChanged;

    fn key(&self) -> String {
        self.purchase_id.to_string()
    }

    fn decode(data: &Value) -> Result<Self, Rejection> {
        Self::deserialize(data).map_err(|error| Rejection::new(Reason::InvalidField, error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use serde_json::json;

    use super::*;
    use crate::session::SessionStatus;

    #[test]
    fn it_tells_each_session_before_and_after() {
        let id = Uuid::from_u128(0x0160_dedd_cca0_578b_8ef9_108c_281d_0ad2);
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let state = |starts_at: &str, ends_at: &str| SessionState {
            trainer_id: "trn_7".into(),
            starts_at: at(starts_at),
            ends_at: at(ends_at),
            status: SessionStatus::Scheduled,
        };
        let changed = SessionsChanged {
            purchase_id: id,
            student_id: "stu_118".into(),
            time_zone: "Asia/Kolkata".into(),
            revision: 4,
            changed_at: at("2026-12-01T10:00:00Z"),
            cause: "moved".into(),
            actor: "ann".into(),
            reason: "a school trip".into(),
            overrides: vec!["availability".into()],
            sessions: vec![ChangedSession {
                session_id: id,
                ordinal: 3,
                local_date: date(2026, 12, 9),
                before: Some(state("2026-12-08T11:30:00Z", "2026-12-08T12:30:00Z")),
                after: state("2026-12-09T11:30:00Z", "2026-12-09T12:30:00Z"),
            }],
            metadata: BTreeMap::new(),
        };
        let value = serde_json::to_value(&changed).unwrap();
        let expected = json!({
            "purchase_id": id, "student_id": "stu_118", "time_zone": "Asia/Kolkata", "revision": 4,
            "changed_at": "2026-12-01T10:00:00Z", "cause": "moved", "actor": "ann", "reason": "a school trip",
            "overrides": ["availability"],
            "sessions": [{
                "session_id": id, "ordinal": 3, "local_date": "2026-12-09",
                "before": { "trainer_id": "trn_7", "starts_at": "2026-12-08T11:30:00Z",
                            "ends_at": "2026-12-08T12:30:00Z", "status": "scheduled" },
                "after": { "trainer_id": "trn_7", "starts_at": "2026-12-09T11:30:00Z",
                           "ends_at": "2026-12-09T12:30:00Z", "status": "scheduled" },
            }],
            "metadata": {},
        });
        assert_eq!(value, expected);
        assert_eq!(SessionsChanged::decode(&value), Ok(changed));
        let refused = SessionsChanged::decode(&json!({ "purchase_id": id })).unwrap_err();
        assert!(refused.to_string().starts_with("invalid-field: "), "{refused}");
    }
}
