//! Reading `purchase-confirmed`: every bound of the contract, each refused with its field.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;

use iso_currency::Currency;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use crate::field::{Field, counted, read_value};
use crate::plan::{Plan, SLOT_MARK_MINUTES, Slot, TimeOfDay, Weekday};
use crate::purchase::{Amount, Confirmation, Course, Payer, Student};
use crate::rejection::{FieldFault, Rejection};

/// Characters of an id.
pub const ID_CHARS_MAX: usize = 200;
/// Characters of a person's name.
pub const NAME_CHARS_MAX: usize = 200;
/// Characters of a mail address (RFC 3696 erratum 1690: 64 + 1 + 255).
pub const EMAIL_CHARS_MAX: usize = 320;
/// Languages of a student.
pub const LANGUAGES_MAX: usize = 50;
/// Characters of a language tag (BCP 47 section 4.4.1).
pub const LANGUAGE_CHARS_MAX: usize = 35;
/// Characters of a subject and of a level, not counting white space around them.
pub const COURSE_CHARS_MAX: usize = 200;
/// Entries of `metadata`.
pub const METADATA_ENTRIES_MAX: usize = 20;
/// Characters of a key and of a value of `metadata`.
pub const METADATA_CHARS_MAX: usize = 500;
/// Minor units of an amount.
pub const AMOUNT_MINOR_MAX: i64 = i64::MAX;
/// Lessons of a plan.
pub const SESSIONS_MAX: i64 = 500;
/// Lessons a week.
pub const PER_WEEK_MAX: i64 = 7;
/// Minutes of the shortest lesson.
pub const MINUTES_MIN: i64 = 15;
/// Minutes of the longest lesson.
pub const MINUTES_MAX: i64 = 240;
/// Lessons last a multiple of this many minutes.
pub const MINUTES_STEP: u16 = 5;
/// Different slots of a plan.
pub const SLOTS_MAX: usize = 50;
/// Slots as they are listed, before those given twice are counted once.
pub const SLOTS_LISTED_MAX: usize = 500;
/// Years between the day of receipt and the start date, either way.
pub const START_YEARS_MAX: i64 = 2;

pub(crate) const ID_CHARS: RangeInclusive<usize> = 1..=ID_CHARS_MAX;
pub(crate) const NAME_CHARS: RangeInclusive<usize> = 1..=NAME_CHARS_MAX;
pub(crate) const EMAIL_CHARS: RangeInclusive<usize> = 1..=EMAIL_CHARS_MAX;
pub(crate) const LANGUAGE_CHARS: RangeInclusive<usize> = 1..=LANGUAGE_CHARS_MAX;
pub(crate) const COURSE_CHARS: RangeInclusive<usize> = 1..=COURSE_CHARS_MAX;

/// Reads the data of a `purchase-confirmed` record received at that time, as [`read_confirmation`] does.
///
/// The rejection names every wrong field (the first twenty).
pub fn decode_confirmation(data: &Value, received_at: Timestamp) -> Result<Confirmation, Rejection> {
    read_confirmation(data, received_at).map_err(|faults| Rejection::of_fields(&faults))
}

/// Reads a confirmation received at that time.
///
/// Null counts as absent, unknown fields are ignored, and a slot given twice counts once, at its
/// better rank.
///
/// # Errors
/// Every wrong field (the first twenty).
pub fn read_confirmation(data: &Value, received_at: Timestamp) -> Result<Confirmation, Vec<FieldFault>> {
    let start_dates = start_dates(received_at);
    read_value(data, |field| confirmation(field, start_dates))
}

/// The start dates that are taken on the UTC date of an instant.
pub(crate) fn start_dates(received_at: Timestamp) -> RangeInclusive<Date> {
    let today = received_at.to_zoned(TimeZone::UTC).date();
    let years = Span::new().years(START_YEARS_MAX);
    today.saturating_sub(years)..=today.saturating_add(years)
}

/// Reads a confirmation whose start date lies in a range.
pub(crate) fn confirmation(field: Field<'_>, start_dates: RangeInclusive<Date>) -> Option<Confirmation> {
    field.object()?;
    let payment_id = owned(field.get("payment_id"), ID_CHARS);
    let item = optional(field.get("item"), ID_CHARS);
    let confirmed_at = field.get("confirmed_at").timestamp();
    let amount = amount(field.get("amount"));
    let student = student(field.get("student"));
    let payer = field.get("payer").present().and_then(payer);
    let course = course(field.get("course"));
    let plan = plan(field.get("plan"), start_dates);
    let preferred_trainer_id = optional(field.get("preferred_trainer_id"), ID_CHARS);
    let metadata = metadata(field.get("metadata"));
    Some(Confirmation {
        payment_id: payment_id?,
        item,
        confirmed_at: confirmed_at?,
        amount: amount?,
        student: student?,
        payer,
        course: course?,
        plan: plan?,
        preferred_trainer_id,
        metadata,
    })
}

/// A required text.
pub(crate) fn owned(field: Field<'_>, chars: RangeInclusive<usize>) -> Option<String> {
    field.text(chars).map(str::to_owned)
}

/// A text that may be absent.
pub(crate) fn optional(field: Field<'_>, chars: RangeInclusive<usize>) -> Option<String> {
    field.present().and_then(|field| owned(field, chars))
}

/// An amount that may be 0.
pub(crate) fn amount(field: Field<'_>) -> Option<Amount> {
    amount_of(field, 0..=AMOUNT_MINOR_MAX)
}

/// An amount within bounds, in minor units.
pub(crate) fn amount_of(field: Field<'_>, minor: RangeInclusive<i64>) -> Option<Amount> {
    field.object()?;
    let minor = field.get("minor").whole(minor);
    let currency = field.get("currency").parsed("an ISO 4217 code in capitals such as EUR", |text| {
        let known = text.bytes().all(|byte| byte.is_ascii_uppercase()) && Currency::from_code(text).is_some();
        known.then(|| text.to_owned())
    });
    Some(Amount { minor: minor?, currency: currency? })
}

/// Reads who is taught.
pub(crate) fn student(field: Field<'_>) -> Option<Student> {
    field.object()?;
    let id = owned(field.get("id"), ID_CHARS);
    let name = optional(field.get("name"), NAME_CHARS);
    let email = optional(field.get("email"), EMAIL_CHARS);
    let time_zone = field.get("time_zone").zone();
    let languages = field.get("languages").array(0..=LANGUAGES_MAX, |language| owned(language, LANGUAGE_CHARS));
    Some(Student { id: id?, name, email, time_zone: time_zone?, languages: languages? })
}

/// Reads who pays.
pub(crate) fn payer(field: Field<'_>) -> Option<Payer> {
    field.object()?;
    let id = owned(field.get("id"), ID_CHARS);
    let name = optional(field.get("name"), NAME_CHARS);
    let email = optional(field.get("email"), EMAIL_CHARS);
    Some(Payer { id: id?, name, email })
}

/// Reads what is taught.
pub(crate) fn course(field: Field<'_>) -> Option<Course> {
    field.object()?;
    let subject = field.get("subject").text_trimmed(COURSE_CHARS);
    let level = field.get("level").text_trimmed(COURSE_CHARS);
    Some(Course { subject: subject?.to_owned(), level: level?.to_owned() })
}

/// Reads a plan whose start date lies in a range.
pub(crate) fn plan(field: Field<'_>, start_dates: RangeInclusive<Date>) -> Option<Plan> {
    field.object()?;
    let start_date = field.get("start_date").date(start_dates);
    let sessions = sessions(field.get("sessions"));
    let minutes = minutes(field.get("minutes"));
    let slots = distinct_slots(field.get("slots"));
    let per_week = per_week(field.get("per_week"), slots.as_deref());
    Some(Plan { start_date: start_date?, sessions: sessions?, per_week: per_week?, minutes: minutes?, slots: slots? })
}

/// How many lessons; null where there is no end to them. A field that is left out is missing all the same.
fn sessions(field: Field<'_>) -> Option<Option<u16>> {
    match field.raw() {
        Some(Value::Null) => Some(None),
        _ => field.whole(1..=SESSIONS_MAX).map(Some),
    }
}

fn minutes(field: Field<'_>) -> Option<u16> {
    let minutes: u16 = field.whole(MINUTES_MIN..=MINUTES_MAX)?;
    if minutes.is_multiple_of(MINUTES_STEP) {
        return Some(minutes);
    }
    field.fault(format!("must be a multiple of {MINUTES_STEP} from {MINUTES_MIN} to {MINUTES_MAX}, is {minutes}"))
}

fn per_week(field: Field<'_>, slots: Option<&[Slot]>) -> Option<u8> {
    let per_week: u8 = field.whole(1..=PER_WEEK_MAX)?;
    let weekdays = slots?.iter().map(|slot| slot.weekday.index()).collect::<BTreeSet<_>>().len();
    if usize::from(per_week) <= weekdays {
        return Some(per_week);
    }
    field.fault(format!("must be no more than the distinct weekdays in slots, which are {weekdays}, is {per_week}"))
}

fn distinct_slots(field: Field<'_>) -> Option<Vec<Slot>> {
    let mut seen = BTreeSet::new();
    let mut slots = field.array(0..=SLOTS_LISTED_MAX, slot)?;
    slots.retain(|slot| seen.insert(*slot));
    if (1..=SLOTS_MAX).contains(&slots.len()) {
        return Some(slots);
    }
    field.fault(format!("must have {}, has {}", counted(&(1..=SLOTS_MAX), "different entries"), slots.len()))
}

/// Reads one slot.
pub(crate) fn slot(field: Field<'_>) -> Option<Slot> {
    field.object()?;
    let weekday = weekday(field.get("weekday"));
    let at = field.get("at").parsed("a time HH:MM on a 15-minute mark from 00:00 to 23:45", |text| {
        let at: TimeOfDay = text.parse().ok()?;
        (at < TimeOfDay::END_OF_DAY && at.minutes().is_multiple_of(SLOT_MARK_MINUTES)).then_some(at)
    });
    Some(Slot { weekday: weekday?, at: at? })
}

pub(crate) fn weekday(field: Field<'_>) -> Option<Weekday> {
    field.parsed("one of mon, tue, wed, thu, fri, sat, sun", |text| text.parse().ok())
}

/// Reads `metadata`; null and absent entries are none.
pub(crate) fn metadata(field: Field<'_>) -> BTreeMap<String, String> {
    let Some(field) = field.present() else { return BTreeMap::new() };
    let Some(object) = field.object() else { return BTreeMap::new() };
    if object.len() > METADATA_ENTRIES_MAX {
        field.fault::<()>(format!("must have at most {METADATA_ENTRIES_MAX} entries, has {}", object.len()));
        return BTreeMap::new();
    }
    let entries = object.keys().filter_map(|key| {
        metadata_key(&field, key)?;
        Some((key.clone(), optional(field.get(key), 0..=METADATA_CHARS_MAX)?))
    });
    entries.collect()
}

/// Reports a wrong key at the map itself, where a pointer to it might not be printable.
fn metadata_key(field: &Field<'_>, key: &str) -> Option<()> {
    let chars = key.chars().count();
    if key.contains('\0') {
        return field.fault("must not contain U+0000 in a key");
    }
    if !(1..=METADATA_CHARS_MAX).contains(&chars) {
        return field.fault(format!("must have keys of 1 to {METADATA_CHARS_MAX} characters, has one of {chars}"));
    }
    Some(())
}

/// The `payment_id` of a value that may not be valid otherwise, for the record's key: a text that
/// an id can be, in the top-level object.
pub fn payment_id_of(bytes: &[u8]) -> Option<String> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let found = deserializer.deserialize_map(PaymentIdVisitor).ok()?;
    deserializer.end().ok()?;
    found.filter(|id| ID_CHARS.contains(&id.chars().count()) && !id.contains('\0'))
}

/// Looks at one member only, so that a line of any size takes no memory.
struct PaymentIdVisitor;

impl<'de> Visitor<'de> for PaymentIdVisitor {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<String>, A::Error> {
        let mut found = None;
        while let Some(name) = map.next_key::<String>()? {
            if name == "payment_id" {
                // Of a member given twice the last stands, as for the decoder.
                found = map.next_value::<Value>()?.as_str().map(str::to_owned);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
pub(crate) mod tests;
