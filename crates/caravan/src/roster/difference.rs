//! What is other about a trainer than it was, field by field, as people read it.

use caravan_domain::trainer::{AvailableRange, DaysOff, TRAINER_COLUMNS, TaughtCourse, Trainer};
use jiff::civil::Date;

/// A field of a trainer that is other than it was. Where there is nothing, the text is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The field, named as in a roster file.
    pub field: &'static str,
    /// What it was.
    pub before: String,
    /// What it is.
    pub after: String,
}

/// The fields in which a trainer differs from before; of a new one all that say something. The id, by which they are
/// known, is not among them.
pub fn differences(before: Option<&Trainer>, after: &Trainer) -> Vec<Difference> {
    let before = before.map(words).unwrap_or_default();
    let pairs = TRAINER_FIELDS.into_iter().zip(before).zip(words(after));
    let pairs = pairs.map(|((field, before), after)| Difference { field, before, after });
    pairs.filter(|difference| difference.before != difference.after).collect()
}

/// The fields of a trainer but the id, named and in the order as in a roster file.
pub const TRAINER_FIELDS: [&str; TRAINER_COLUMNS.len() - 1] = {
    let [_trainer_id, fields @ ..] = TRAINER_COLUMNS;
    fields
};

/// What each of [`TRAINER_FIELDS`] says.
fn words(trainer: &Trainer) -> [String; TRAINER_FIELDS.len()] {
    [
        trainer.name.clone().unwrap_or_default(),
        trainer.email.clone().unwrap_or_default(),
        trainer.time_zone.clone(),
        trainer.languages.join(", "),
        listed(&trainer.courses, course),
        listed(&trainer.availability, range),
        listed(&trainer.time_off, days),
        trainer.max_sessions_per_week.to_string(),
        trainer.weight.to_string(),
        if trainer.active { "yes" } else { "no" }.to_owned(),
    ]
}

fn listed<T>(entries: &[T], words: impl Fn(&T) -> String) -> String {
    entries.iter().map(words).collect::<Vec<_>>().join(", ")
}

fn course(taught: &TaughtCourse) -> String {
    format!("{} ({})", taught.subject, taught.levels.join(", "))
}

fn range(range: &AvailableRange) -> String {
    let day = range.weekday.name();
    format!("{}{} {}–{}", day[..1].to_uppercase(), &day[1..], range.from, range.until)
}

fn days(off: &DaysOff) -> String {
    match (off.from, off.until) {
        (from, until) if from == until => from.to_string(),
        // Who is away for good is off until the last day there is.
        (from, until) if until == Date::MAX => format!("from {from} on"),
        (from, until) => format!("{from} to {until}"),
    }
}

#[cfg(test)]
mod tests {
    use caravan_domain::trainer::trainer_from_json;
    use serde_json::{Value, json};

    use super::*;

    fn trainer(changes: &Value) -> Trainer {
        let was = json!({
            "trainer_id": "trn_1", "name": "Ravi", "time_zone": "Asia/Kolkata", "languages": ["en"],
            "courses": [{ "subject": "Python", "levels": ["beginner"] }],
            "availability": [{ "weekday": "mon", "from": "09:00", "until": "17:00" }],
        });
        let was = trainer_from_json(was.to_string().as_bytes()).unwrap().onto(None).unwrap();
        trainer_from_json(changes.to_string().as_bytes()).unwrap().onto(Some(was)).unwrap()
    }

    #[test]
    fn each_field_is_told_as_people_read_it() {
        let day = |weekday: &str| json!({ "weekday": weekday, "from": "09:00", "until": "17:00" });
        let course =
            json!([{ "subject": "Python", "levels": ["beginner", "advanced"] }, { "subject": "Go", "levels": ["a"] }]);
        let off = |from: &str, until: &str| json!({ "from": from, "until": until });
        let away = [off("2026-12-24", "2026-12-31"), off("2027-01-26", "2027-01-26"), off("2027-06-01", "9999-12-31")];
        for (field, changed, before, after) in [
            ("name", json!("Ravi Rao"), "Ravi", "Ravi Rao"),
            ("name", json!(null), "Ravi", ""),
            ("email", json!("ravi@example.com"), "", "ravi@example.com"),
            ("time_zone", json!("Europe/Berlin"), "Asia/Kolkata", "Europe/Berlin"),
            ("languages", json!(["en", "hi"]), "en", "en, hi"),
            ("courses", course, "Python (beginner)", "Python (beginner, advanced), Go (a)"),
            ("availability", json!([day("mon"), day("tue")]), "Mon 09:00–17:00", "Mon 09:00–17:00, Tue 09:00–17:00"),
            ("time_off", json!(away), "", "2026-12-24 to 2026-12-31, 2027-01-26, from 2027-06-01 on"),
            ("max_sessions_per_week", json!(12), "40", "12"),
            ("weight", json!(50), "100", "50"),
            ("active", json!(false), "yes", "no"),
        ] {
            let found = differences(Some(&trainer(&json!({}))), &trainer(&json!({ (field): changed })));
            assert_eq!(found, [Difference { field, before: before.to_owned(), after: after.to_owned() }]);
        }
    }

    #[test]
    fn who_is_as_before_differs_in_nothing_and_who_is_new_in_all_that_is_said_of_them() {
        let ravi = trainer(&json!({}));
        assert_eq!(differences(Some(&ravi), &ravi), []);
        let new = differences(None, &ravi);
        let fields: Vec<&str> = new.iter().map(|difference| difference.field).collect();
        let said =
            ["name", "time_zone", "languages", "courses", "availability", "max_sessions_per_week", "weight", "active"];
        assert_eq!(fields, said);
        assert!(new.iter().all(|difference| difference.before.is_empty()), "{new:?}");
    }
}
