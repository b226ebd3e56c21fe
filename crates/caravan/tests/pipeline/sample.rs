//! A payment and a trainer that fit each other; tests change what they are about.

use serde_json::{Value, json};

/// A confirmed payment with these members changed, at any depth.
pub(crate) fn payment(payment_id: &str, changes: Value) -> Value {
    changed(
        json!({
            "payment_id": payment_id,
            "confirmed_at": "2026-11-23T09:59:00Z",
            "amount": { "minor": 149_900, "currency": "INR" },
            "student": { "id": format!("stu_{payment_id}"), "time_zone": "Asia/Kolkata", "languages": ["en", "hi"] },
            "course": { "subject": "python", "level": "beginner" },
            "plan": {
                "start_date": "2026-12-01", "sessions": 6, "per_week": 2, "minutes": 60,
                "slots": [{ "weekday": "tue", "at": "17:00" }, { "weekday": "thu", "at": "17:00" }],
            },
            "metadata": { "campaign": "diwali" },
        }),
        changes,
    )
}

/// A line of a roster with these members changed: always available, in the payment's zone.
pub(crate) fn trainer(trainer_id: &str, changes: Value) -> Value {
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let availability = days.map(|day| json!({ "weekday": day, "from": "00:00", "until": "24:00" }));
    changed(
        json!({
            "trainer_id": trainer_id, "name": "Ravi", "time_zone": "Asia/Kolkata", "languages": ["en"],
            "courses": [{ "subject": "Python", "levels": ["Beginner"] }],
            "availability": availability, "time_off": [], "max_sessions_per_week": 60,
        }),
        changes,
    )
}

/// `base` with the members of `changes`; an array is changed whole.
fn changed(mut base: Value, changes: Value) -> Value {
    match (base.as_object_mut(), changes) {
        (Some(members), Value::Object(changes)) => {
            for (name, change) in changes {
                let was = members.remove(&name).unwrap_or_default();
                members.insert(name, changed(was, change));
            }
            base
        }
        (_, change) => change,
    }
}
