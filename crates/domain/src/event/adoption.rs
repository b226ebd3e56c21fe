//! Reading what is adopted: plans that are under way elsewhere already.

use jiff::Timestamp;
use serde_json::Value;

use super::confirmation::{ID_CHARS, SESSIONS_MAX, SLOTS_LISTED_MAX, confirmation, owned, slot, start_dates};
use crate::event::envelope::parse_json;
use crate::field::read_value;
use crate::plan::Slot;
use crate::purchase::Confirmation;
use crate::rejection::FieldFault;

/// A purchase whose trainer and weekly times are settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// What was bought, as on `purchase-confirmed`.
    pub confirmation: Confirmation,
    /// Who teaches.
    pub trainer_id: String,
    /// When, each week.
    pub slots: Vec<Slot>,
    /// The first session that is still to be planned; those before it were held elsewhere.
    pub first_ordinal: u32,
}

/// The first session to be planned of a plan without an end: more than anybody has held, and so that many can follow.
pub(crate) const FIRST_ORDINAL_MAX: i64 = 30_000;

/// Reads a line of a file of adoptions at that time: a confirmation with `allocation` and `first_ordinal` (1 if absent).
///
/// # Errors
/// Every wrong field.
pub fn adoption_from_json(line: &[u8], read_at: Timestamp) -> Result<Adoption, Vec<FieldFault>> {
    let whole: Value = parse_json(line).map_err(|problem| vec![FieldFault { pointer: String::new(), problem }])?;
    read_value(&whole, |field| {
        let confirmation = confirmation(field.clone(), start_dates(read_at));
        let allocation = field.get("allocation");
        let (trainer_id, slots) = match allocation.object() {
            Some(_) => (
                owned(allocation.get("trainer_id"), ID_CHARS),
                allocation.get("slots").array(1..=SLOTS_LISTED_MAX, slot),
            ),
            None => (None, None),
        };
        let endless = confirmation.as_ref().is_some_and(|confirmation| confirmation.plan.is_subscription());
        let first_max = if endless { FIRST_ORDINAL_MAX } else { SESSIONS_MAX };
        let first = field.get("first_ordinal");
        let first_ordinal = first.present().map_or(Some(1), |first| first.whole(1..=first_max));
        Some(Adoption {
            confirmation: confirmation?,
            trainer_id: trainer_id?,
            slots: slots?,
            first_ordinal: first_ordinal?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{
        "payment_id": "pay_1", "confirmed_at": "2026-09-01T10:00:00Z", "amount": { "minor": 1, "currency": "INR" },
        "student": { "id": "stu_1", "time_zone": "Asia/Kolkata", "languages": ["en"] },
        "course": { "subject": "python", "level": "beginner" },
        "plan": { "start_date": "2026-09-01", "sessions": 24, "per_week": 1, "minutes": 60,
                  "slots": [{ "weekday": "tue", "at": "17:00" }] },
        "allocation": { "trainer_id": "trn_7", "slots": [{ "weekday": "tue", "at": "17:00" }] },
        "first_ordinal": 9 }"#;

    fn read(line: &str) -> Result<Adoption, Vec<String>> {
        let read = adoption_from_json(line.as_bytes(), "2026-11-23T10:00:00Z".parse().unwrap());
        read.map_err(|faults| faults.into_iter().map(|fault| fault.pointer).collect())
    }

    #[test]
    fn a_line_is_a_confirmation_with_who_and_when() {
        let adoption = read(LINE).unwrap();
        assert_eq!((adoption.trainer_id.as_str(), adoption.first_ordinal), ("trn_7", 9));
        assert_eq!(adoption.slots, adoption.confirmation.plan.slots);
        assert_eq!(read(&LINE.replace("first_ordinal", "other")).unwrap().first_ordinal, 1);
        // What has no end may have gone on for longer than any other plan.
        let line = LINE
            .replace("\"sessions\": 24", "\"sessions\": null")
            .replace("\"first_ordinal\": 9", "\"first_ordinal\": 901");
        assert_eq!(read(&line).unwrap().first_ordinal, 901);
    }

    #[test]
    fn every_wrong_field_is_named() {
        for (from, to, pointer) in [
            ("\"first_ordinal\": 9", "\"first_ordinal\": 0", "/first_ordinal"),
            ("\"first_ordinal\": 9", "\"first_ordinal\": \"x\"", "/first_ordinal"),
            ("\"trainer_id\": \"trn_7\"", "\"trainer_id\": 7", "/allocation/trainer_id"),
            ("\"allocation\"", "\"allocated\"", "/allocation"),
            ("\"INR\"", "\"inr\"", "/amount/currency"),
            ("{", "[", ""),
        ] {
            assert_eq!(read(&LINE.replacen(from, to, 1)).unwrap_err(), [pointer], "{to}");
        }
    }
}
