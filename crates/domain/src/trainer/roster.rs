//! Reading the roster: what one JSON line or one CSV record says of a trainer or a closure, and
//! what becomes of a trainer by it.
//!
//! CSV is read as its JSON form, so both have the same bounds and name faults by the same
//! pointers: `/availability/0/from` is in the first range of the `availability` column.

use std::ops::RangeInclusive;

use jiff::civil::Date;
use serde_json::{Map, Value, json};

use super::{AvailableRange, Closure, DaysOff, SESSIONS_PER_WEEK_DEFAULT, TaughtCourse, Trainer, WEIGHT_DEFAULT};
use crate::event::confirmation::{
    COURSE_CHARS, EMAIL_CHARS, ID_CHARS, LANGUAGE_CHARS, LANGUAGES_MAX, NAME_CHARS, owned, weekday,
};
use crate::event::envelope::parse_json;
use crate::field::{DATE_MAX, DATE_MIN, Faults, Field, quoted, read_value};
use crate::plan::TimeOfDay;
use crate::rejection::FieldFault;

/// The fields of a trainer, which are also the columns of a CSV roster, in any order.
pub const TRAINER_COLUMNS: [&str; 11] = [
    "trainer_id",
    "name",
    "email",
    "time_zone",
    "languages",
    "courses",
    "availability",
    "time_off",
    "max_sessions_per_week",
    "weight",
    "active",
];
/// The fields of a closure, which are also the columns of a CSV file of them, in any order.
pub const CLOSURE_COLUMNS: [&str; 3] = ["from", "until", "name"];

/// Subjects of a trainer.
pub const COURSES_MAX: usize = 200;
/// Levels of one subject.
pub const LEVELS_MAX: usize = 50;
/// Weekly ranges of a trainer.
pub const AVAILABILITY_MAX: usize = 200;
/// Entries of `time_off`.
pub const TIME_OFF_MAX: usize = 1_000;
/// The most sessions a week a trainer can be said to take.
pub const SESSIONS_PER_WEEK_MAX: i64 = 1_000;
/// The greatest weight.
pub const WEIGHT_MAX: i64 = 10_000;
/// The longest closure, in days: a longer one is a slip of the year.
pub const CLOSURE_DAYS_MAX: i32 = 366;

/// Whether a trainer whose roster line doesn't say takes new plans.
const ACTIVE_DEFAULT: bool = true;
/// Spreadsheets put it before the first column's name.
const BYTE_ORDER_MARK: char = '\u{FEFF}';
const DATES: RangeInclusive<Date> = DATE_MIN..=DATE_MAX;

/// What a line says of one field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// Nothing: it stays as it is.
    #[default]
    Absent,
    /// It is there but empty: back to what a trainer has who was never given one.
    Cleared,
    /// Its new value.
    Set(T),
}

impl<T> Patch<T> {
    /// What the field is after this, if it `was` that and is `empty` when cleared.
    fn onto(self, was: T, empty: T) -> T {
        match self {
            Self::Absent => was,
            Self::Cleared => empty,
            Self::Set(value) => value,
        }
    }

    fn map<U>(self, into: impl FnOnce(T) -> U) -> Patch<U> {
        match self {
            Self::Absent => Patch::Absent,
            Self::Cleared => Patch::Cleared,
            Self::Set(value) => Patch::Set(into(value)),
        }
    }
}

/// What one line of a roster says of a trainer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrainerPatch {
    /// See [`Trainer::trainer_id`].
    pub trainer_id: Patch<String>,
    /// See [`Trainer::name`].
    pub name: Patch<String>,
    /// See [`Trainer::email`].
    pub email: Patch<String>,
    /// See [`Trainer::time_zone`].
    pub time_zone: Patch<String>,
    /// See [`Trainer::languages`].
    pub languages: Patch<Vec<String>>,
    /// See [`Trainer::courses`].
    pub courses: Patch<Vec<TaughtCourse>>,
    /// See [`Trainer::availability`].
    pub availability: Patch<Vec<AvailableRange>>,
    /// See [`Trainer::time_off`].
    pub time_off: Patch<Vec<DaysOff>>,
    /// See [`Trainer::max_sessions_per_week`].
    pub max_sessions_per_week: Patch<u32>,
    /// See [`Trainer::weight`].
    pub weight: Patch<u32>,
    /// See [`Trainer::active`].
    pub active: Patch<bool>,
}

impl TrainerPatch {
    /// Whom the line is about, if it says so.
    pub fn trainer_id(&self) -> Option<&str> {
        match &self.trainer_id {
            Patch::Set(id) => Some(id),
            Patch::Absent | Patch::Cleared => None,
        }
    }

    /// The trainer after this line. A new one (none `existing`) needs an id and a time zone.
    pub fn onto(self, existing: Option<Trainer>) -> Result<Trainer, Vec<FieldFault>> {
        let (trainer_id, time_zone) = self.essentials(existing.as_ref())?;
        let was = existing.unwrap_or_else(|| unsaid(trainer_id.clone(), time_zone.clone()));
        Ok(Trainer {
            trainer_id,
            name: self.name.map(Some).onto(was.name, None),
            email: self.email.map(Some).onto(was.email, None),
            time_zone,
            languages: self.languages.onto(was.languages, Vec::new()),
            courses: self.courses.onto(was.courses, Vec::new()),
            availability: self.availability.onto(was.availability, Vec::new()),
            time_off: self.time_off.onto(was.time_off, Vec::new()),
            max_sessions_per_week: self
                .max_sessions_per_week
                .onto(was.max_sessions_per_week, SESSIONS_PER_WEEK_DEFAULT),
            weight: self.weight.onto(was.weight, WEIGHT_DEFAULT),
            active: self.active.onto(was.active, ACTIVE_DEFAULT),
        })
    }

    /// The id and the time zone, which nobody can be without.
    fn essentials(&self, existing: Option<&Trainer>) -> Result<(String, String), Vec<FieldFault>> {
        let faults = Faults::default();
        let had_id = existing.map(|was| &was.trainer_id);
        let trainer_id = essential(&faults, "/trainer_id", &self.trainer_id, had_id);
        if let (Some(had), Some(has)) = (had_id, &trainer_id)
            && had != has
        {
            faults.report("/trainer_id", "must be the id of the trainer it is applied to");
        }
        let time_zone = essential(&faults, "/time_zone", &self.time_zone, existing.map(|was| &was.time_zone));
        faults.finish(trainer_id.zip(time_zone))
    }
}

fn essential(faults: &Faults, pointer: &str, patch: &Patch<String>, was: Option<&String>) -> Option<String> {
    let (found, problem) = match patch {
        Patch::Set(value) => (Some(value), ""),
        Patch::Absent => (was, "is missing"),
        Patch::Cleared => (None, "must not be empty"),
    };
    if found.is_none() {
        faults.report(pointer, problem);
    }
    found.cloned()
}

/// A trainer of whom nothing more was ever said.
fn unsaid(trainer_id: String, time_zone: String) -> Trainer {
    Trainer {
        trainer_id,
        name: None,
        email: None,
        time_zone,
        languages: Vec::new(),
        courses: Vec::new(),
        availability: Vec::new(),
        time_off: Vec::new(),
        max_sessions_per_week: SESSIONS_PER_WEEK_DEFAULT,
        weight: WEIGHT_DEFAULT,
        active: ACTIVE_DEFAULT,
    }
}

/// Reads a line of a JSON roster. Unknown fields are refused: a misspelt one would lose its data.
pub fn trainer_from_json(line: &[u8]) -> Result<TrainerPatch, Vec<FieldFault>> {
    read_value(&json_line(line)?, trainer)
}

/// Reads a record of a CSV roster by its header. An empty cell clears, a column that is not there
/// leaves as it is.
///
/// List columns are separated by `;`: a course is `python:beginner|intermediate` (its last colon
/// separates), an availability `tue 15:00-21:00`, a time off `2026-12-24..2026-12-26` or a single
/// date. `active` is true, yes or 1, or false, no or 0, in any case.
pub fn trainer_from_csv<'a>(
    header: impl IntoIterator<Item = &'a str>,
    record: impl IntoIterator<Item = &'a str>,
) -> Result<TrainerPatch, Vec<FieldFault>> {
    read_record(&TRAINER_COLUMNS, header, record, trainer_cell, trainer)
}

/// Reads a line of a JSON file of closures.
pub fn closure_from_json(line: &[u8]) -> Result<Closure, Vec<FieldFault>> {
    read_value(&json_line(line)?, closure)
}

/// Reads a record of a CSV file of closures by its header.
pub fn closure_from_csv<'a>(
    header: impl IntoIterator<Item = &'a str>,
    record: impl IntoIterator<Item = &'a str>,
) -> Result<Closure, Vec<FieldFault>> {
    read_record(&CLOSURE_COLUMNS, header, record, |cell| Some(cell.text.into()), closure)
}

fn json_line(line: &[u8]) -> Result<Value, Vec<FieldFault>> {
    parse_json(line).map_err(|problem| vec![FieldFault { pointer: String::new(), problem }])
}

fn trainer(field: Field<'_>) -> Option<TrainerPatch> {
    field.object_of(&TRAINER_COLUMNS)?;
    let trainer_id = patch(field.get("trainer_id"), |id| owned(id, ID_CHARS));
    let name = patch(field.get("name"), |name| owned(name, NAME_CHARS));
    let email = patch(field.get("email"), |email| owned(email, EMAIL_CHARS));
    let time_zone = patch(field.get("time_zone"), |zone| zone.zone());
    let languages = patch(field.get("languages"), |languages| {
        languages.array(1..=LANGUAGES_MAX, |language| owned(language, LANGUAGE_CHARS))
    });
    let courses = patch(field.get("courses"), |courses| courses.array(1..=COURSES_MAX, course));
    let availability = patch(field.get("availability"), |ranges| ranges.array(1..=AVAILABILITY_MAX, available_range));
    let time_off = patch(field.get("time_off"), |ranges| ranges.array(1..=TIME_OFF_MAX, days_off));
    let max_sessions_per_week =
        patch(field.get("max_sessions_per_week"), |number| number.whole(0..=SESSIONS_PER_WEEK_MAX));
    let weight = patch(field.get("weight"), |number| number.whole(1..=WEIGHT_MAX));
    let active = patch(field.get("active"), |active| active.boolean());
    Some(TrainerPatch {
        trainer_id: trainer_id?,
        name: name?,
        email: email?,
        time_zone: time_zone?,
        languages: languages?,
        courses: courses?,
        availability: availability?,
        time_off: time_off?,
        max_sessions_per_week: max_sessions_per_week?,
        weight: weight?,
        active: active?,
    })
}

fn patch<'a, T>(field: Field<'a>, read: impl FnOnce(Field<'a>) -> Option<T>) -> Option<Patch<T>> {
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(entries) => entries.is_empty(),
        _ => false,
    };
    match field.raw() {
        None => Some(Patch::Absent),
        Some(value) if empty(value) => Some(Patch::Cleared),
        Some(_) => read(field).map(Patch::Set),
    }
}

fn course(field: Field<'_>) -> Option<TaughtCourse> {
    field.object_of(&["subject", "levels"])?;
    let text = |field: Field<'_>| field.text_trimmed(COURSE_CHARS).map(str::to_owned);
    let subject = text(field.get("subject"));
    let levels = field.get("levels").array(1..=LEVELS_MAX, text);
    Some(TaughtCourse { subject: subject?, levels: levels? })
}

fn available_range(field: Field<'_>) -> Option<AvailableRange> {
    field.object_of(&["weekday", "from", "until"])?;
    let weekday = weekday(field.get("weekday"));
    let from = field.get("from").parsed("a time HH:MM from 00:00 to 23:59", |text| {
        text.parse().ok().filter(|from| *from < TimeOfDay::END_OF_DAY)
    });
    let until = field.get("until").parsed("a time HH:MM from 00:00 to 24:00", |text| text.parse().ok());
    let range = AvailableRange { weekday: weekday?, from: from?, until: until? };
    if range.from == range.until {
        return field.get("until").fault("must not equal from (a whole day is 00:00 to 24:00)");
    }
    Some(range)
}

fn days_off(field: Field<'_>) -> Option<DaysOff> {
    field.object_of(&["from", "until"])?;
    let (from, until) = dates(&field)?;
    Some(DaysOff { from, until })
}

fn closure(field: Field<'_>) -> Option<Closure> {
    field.object_of(&CLOSURE_COLUMNS)?;
    let name = owned(field.get("name"), NAME_CHARS);
    let dates = dates(&field);
    if let Some((from, until)) = dates {
        let days = (until - from).get_days() + 1;
        if days > CLOSURE_DAYS_MAX {
            field.get("until").fault::<()>(format!("must make at most {CLOSURE_DAYS_MAX} days, makes {days}"));
        }
    }
    let (from, until) = dates?;
    Some(Closure { from, until, name: name? })
}

/// Reads `from` and `until`, both inclusive.
fn dates(field: &Field<'_>) -> Option<(Date, Date)> {
    let from = field.get("from").date(DATES);
    let until = field.get("until").date(DATES);
    let (from, until) = (from?, until?);
    if until < from {
        return field.get("until").fault(format!("must not be before from, which is {from}, is {until}"));
    }
    Some((from, until))
}

/// One cell of a CSV record and where its faults go.
struct Cell<'a> {
    column: &'a str,
    text: &'a str,
    faults: &'a Faults,
}

impl Cell<'_> {
    fn fault(&self, problem: String) -> Option<Value> {
        self.faults.report(&format!("/{}", self.column), problem);
        None
    }

    /// The elements of a list column, each read by `read` or faulted as not looking like `shape`.
    fn list(&self, shape: &str, read: impl Fn(&str) -> Option<Value>) -> Option<Value> {
        let read = parts(self.text, ';').enumerate().map(|(index, element)| {
            let found = read(element);
            if found.is_none() {
                let problem = format!("must look like {shape}, is {}", quoted(element));
                self.faults.report(&format!("/{}/{index}", self.column), problem);
            }
            found
        });
        let read: Vec<Option<Value>> = read.collect();
        read.into_iter().collect::<Option<Vec<Value>>>().map(Value::Array)
    }
}

/// The parts of a list that are not blank.
fn parts(text: &str, separator: char) -> impl Iterator<Item = &str> {
    text.split(separator).map(str::trim).filter(|part| !part.is_empty())
}

/// Reads a CSV record as the object that its JSON form would be.
fn read_record<'a, T>(
    columns: &[&str],
    header: impl IntoIterator<Item = &'a str>,
    record: impl IntoIterator<Item = &'a str>,
    read_cell: impl Fn(&Cell<'_>) -> Option<Value>,
    read: impl FnOnce(Field<'_>) -> Option<T>,
) -> Result<T, Vec<FieldFault>> {
    let header: Vec<&str> = header.into_iter().map(|name| name.trim_start_matches(BYTE_ORDER_MARK).trim()).collect();
    let record: Vec<&str> = record.into_iter().map(str::trim).collect();
    let faults = Faults::default();
    check_header(&faults, columns, &header, record.len());
    let mut object = Map::new();
    for (column, text) in header.into_iter().zip(record).filter(|(column, _)| columns.contains(column)) {
        if let Some(value) = read_cell(&Cell { column, text, faults: &faults }) {
            object.insert(column.to_owned(), value);
        }
    }
    let value = Value::Object(object);
    let read = read(Field::root(&value, &faults));
    faults.finish(read)
}

fn check_header(faults: &Faults, columns: &[&str], header: &[&str], cells: usize) {
    for (index, column) in header.iter().enumerate() {
        if !columns.contains(column) {
            faults.report(&format!("/{column}"), format!("is not a known column, known are {}", columns.join(", ")));
        } else if header[..index].contains(column) {
            faults.report(&format!("/{column}"), "is in the header twice");
        }
    }
    if cells != header.len() {
        faults.report("", format!("must have {} cells as the header has, has {cells}", header.len()));
    }
}

fn trainer_cell(cell: &Cell<'_>) -> Option<Value> {
    if cell.text.is_empty() {
        return Some(Value::Null);
    }
    match cell.column {
        "languages" => Some(parts(cell.text, ';').collect()),
        "courses" => cell.list("python:beginner|intermediate", |text| {
            let (subject, levels) = text.rsplit_once(':')?;
            Some(json!({ "subject": subject.trim(), "levels": parts(levels, '|').collect::<Vec<_>>() }))
        }),
        "availability" => cell.list("tue 15:00-21:00", |text| {
            let (weekday, times) = text.split_once(char::is_whitespace)?;
            let (from, until) = times.split_once('-')?;
            Some(json!({ "weekday": weekday, "from": from.trim(), "until": until.trim() }))
        }),
        "time_off" => cell.list("2026-12-24..2026-12-26 or 2026-12-24", |text| {
            let (from, until) = text.split_once("..").unwrap_or((text, text));
            Some(json!({ "from": from.trim(), "until": until.trim() }))
        }),
        "max_sessions_per_week" | "weight" => match cell.text.parse::<i64>() {
            Ok(number) => Some(number.into()),
            Err(_) => cell.fault(format!("must be a whole number, is {}", quoted(cell.text))),
        },
        "active" => match cell.text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Some(true.into()),
            "false" | "no" | "0" => Some(false.into()),
            _ => cell.fault(format!("must be true or false, yes or no, 1 or 0, is {}", quoted(cell.text))),
        },
        _ => Some(cell.text.into()),
    }
}

#[cfg(test)]
mod tests;
