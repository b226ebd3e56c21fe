//! What people amend of a purchase: a JSON value with what of the course and of the plan is to be another than it is.

use caravan_domain::event::decode_confirmation;
use caravan_domain::purchase::{Confirmation, PurchaseStatus};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::life::ChangeError;
use crate::platform::rows::Purchase;

/// The largest file that is read.
pub const FILE_BYTES_MAX: u64 = 256 << 10;

/// What can be amended, by the confirmation's own names.
const FIELDS: [(&str, &[&str]); 2] =
    [("course", &["subject", "level"]), ("plan", &["start_date", "sessions", "per_week", "minutes", "slots"])];

/// The purchase's confirmation with what the file says, within the bounds of any confirmation.
pub(super) fn amended(file: &[u8], purchase: &Purchase, now: Timestamp) -> Result<Confirmation, ChangeError> {
    let wrong = |problem: String| ChangeError::Amendment(format!("the amendment can't be used: {problem}"));
    let given: Value = serde_json::from_slice(file).map_err(|error| wrong(format!("it is no JSON: {error}")))?;
    let given = given.as_object().filter(|given| !given.is_empty());
    let given = given.ok_or_else(|| wrong(r#"it must be an object with "course" or "plan" or both"#.to_owned()))?;
    let mut whole = serde_json::to_value(&purchase.confirmation).map_err(|error| wrong(error.to_string()))?;
    for (part, value) in given {
        let known = FIELDS.iter().find(|(name, _)| name == part).map(|(_, fields)| *fields);
        let known = known.ok_or_else(|| wrong(format!("/{part}: only /course and /plan can be amended")))?;
        let fields = value.as_object().ok_or_else(|| wrong(format!("/{part}: must be an object")))?;
        merge(&mut whole[part], part, fields, known).map_err(wrong)?;
    }
    let names_start = given.get("plan").is_some_and(|plan| plan.get("start_date").is_some());
    if names_start && !matches!(purchase.status, PurchaseStatus::Created | PurchaseStatus::Waitlisted) {
        return Err(wrong("/plan/start_date: its plan is under way; --from says when the rest begins anew".to_owned()));
    }
    // A start date that stays was judged when it was reported.
    let start = purchase.confirmation.plan.start_date.to_zoned(jiff::tz::TimeZone::UTC);
    let received_at = if names_start { now } else { start.map_or(now, |start| start.timestamp()) };
    decode_confirmation(&whole, received_at).map_err(|rejection| wrong(rejection.detail))
}

fn merge(into: &mut Value, part: &str, fields: &Map<String, Value>, known: &[&str]) -> Result<(), String> {
    for (name, value) in fields {
        if !known.contains(&name.as_str()) {
            return Err(format!("/{part}/{name}: there is no such field, known are {}", known.join(", ")));
        }
        into[name] = value.clone();
    }
    Ok(())
}
