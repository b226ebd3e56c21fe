//! Reading a JSON value field by field, gathering every fault instead of stopping at the first.
//!
//! A [`Field`] is a place in the value, whether or not something stands there. Its readers give
//! the checked value, or report to the [`Faults`] they share and give `None`. Problems name the
//! bound and, where it can't be personal, what was found; texts without a fixed form (names,
//! addresses, ids) are never quoted.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::rc::Rc;

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::plan::zone_named;
use crate::rejection::FieldFault;

/// How many faults of one value are told; whoever mends these can see the rest then.
pub(crate) const FAULTS_MAX: usize = 20;
/// How much of a wrong value is quoted, in characters.
const QUOTE_CHARS_MAX: usize = 40;
/// How much of a pointer is told, in characters: keys of a map can be of any length.
const POINTER_CHARS_MAX: usize = 200;
/// The earliest date that is read: nothing Caravan plans is older, and every database knows it.
pub(crate) const DATE_MIN: Date = Date::constant(1970, 1, 1);
/// The latest date that is read, for ranges meant to have no end.
pub(crate) const DATE_MAX: Date = Date::constant(9999, 12, 31);
/// The first second that is no longer read as an instant (9999-01-01T00:00:00Z): every zone's
/// local time of an earlier one is still in the calendar.
const INSTANTS_END_SECOND: i64 = 253_370_764_800;
/// Digits of a second's fraction that are kept: nanoseconds.
const FRACTION_DIGITS_MAX: usize = 9;

/// The faults found so far in one value.
#[derive(Debug, Default)]
pub(crate) struct Faults(RefCell<Vec<FieldFault>>);

impl Faults {
    /// Adds a fault; beyond [`FAULTS_MAX`] it is dropped.
    pub(crate) fn report(&self, pointer: &str, problem: impl Into<String>) {
        let mut faults = self.0.borrow_mut();
        if faults.len() < FAULTS_MAX {
            faults.push(FieldFault { pointer: printable(pointer), problem: problem.into() });
        }
    }

    /// What was read, unless anything at all was wrong.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, Vec<FieldFault>> {
        let mut faults = self.0.into_inner();
        match value {
            Some(value) if faults.is_empty() => Ok(value),
            _ if faults.is_empty() => {
                faults.push(FieldFault { pointer: String::new(), problem: "can't be read".to_owned() });
                Err(faults)
            }
            _ => Err(faults),
        }
    }
}

/// Reads a whole value with `read`, which starts at the root field.
pub(crate) fn read_value<T>(value: &Value, read: impl FnOnce(Field<'_>) -> Option<T>) -> Result<T, Vec<FieldFault>> {
    let faults = Faults::default();
    let read = read(Field::root(value, &faults));
    faults.finish(read)
}

/// A step from a value into what it is made of. The pointer is put together from steps only where a fault is told: most
/// values have none.
#[derive(Debug)]
struct Step<'a> {
    before: Option<Rc<Step<'a>>>,
    to: Part<'a>,
}

/// What a step leads to.
#[derive(Debug)]
enum Part<'a> {
    /// The member of an object.
    Member(&'a str),
    /// The element of an array.
    Element(usize),
}

impl Step<'_> {
    /// The whole way, as a JSON pointer (RFC 6901 section 3).
    fn pointer(&self) -> String {
        let before = self.before.as_ref().map(|before| before.pointer()).unwrap_or_default();
        match self.to {
            Part::Member(name) => format!("{before}/{}", name.replace('~', "~0").replace('/', "~1")),
            Part::Element(index) => format!("{before}/{index}"),
        }
    }
}

/// A place in a JSON value: the way there and what stands there.
#[derive(Clone, Debug)]
pub(crate) struct Field<'a> {
    way: Option<Rc<Step<'a>>>,
    value: Option<&'a Value>,
    faults: &'a Faults,
}

impl<'a> Field<'a> {
    /// The whole value.
    pub(crate) fn root(value: &'a Value, faults: &'a Faults) -> Self {
        Self { way: None, value: Some(value), faults }
    }

    /// The member of this object with that name.
    pub(crate) fn get(&self, name: &'a str) -> Self {
        self.step(Part::Member(name), self.value.and_then(|value| value.get(name)))
    }

    /// The element of this array at that place.
    fn index(&self, index: usize) -> Self {
        self.step(Part::Element(index), self.value.and_then(|value| value.get(index)))
    }

    fn step(&self, to: Part<'a>, value: Option<&'a Value>) -> Self {
        Self { way: Some(Rc::new(Step { before: self.way.clone(), to })), value, faults: self.faults }
    }

    /// The field, if anything but null stands there.
    pub(crate) fn present(self) -> Option<Self> {
        if self.value.is_none_or(Value::is_null) { None } else { Some(self) }
    }

    /// What stands there, as it is.
    pub(crate) fn raw(&self) -> Option<&'a Value> {
        self.value
    }

    /// Reports a fault of this field; always `None`, to be returned.
    pub(crate) fn fault<T>(&self, problem: impl Into<String>) -> Option<T> {
        let pointer = self.way.as_ref().map(|step| step.pointer()).unwrap_or_default();
        self.faults.report(&pointer, problem);
        None
    }

    fn required(&self) -> Option<&'a Value> {
        match self.value {
            None | Some(Value::Null) => self.fault("is missing"),
            found => found,
        }
    }

    /// What `pick` takes out of the value, or the fault that it is not `wanted`.
    fn of_kind<T>(&self, wanted: impl Display, pick: impl FnOnce(&'a Value) -> Option<T>) -> Option<T> {
        let value = self.required()?;
        pick(value).or_else(|| self.fault(format!("must be {wanted}, is {}", kind(value))))
    }

    /// A JSON object.
    pub(crate) fn object(&self) -> Option<&'a Map<String, Value>> {
        self.of_kind("an object", Value::as_object)
    }

    /// A JSON object without any member but `known` ones.
    pub(crate) fn object_of(&self, known: &[&str]) -> Option<&'a Map<String, Value>> {
        let object = self.object()?;
        for name in object.keys().filter(|name| !known.contains(&name.as_str())) {
            self.get(name).fault::<()>(format!("is not a known field, known are {}", known.join(", ")));
        }
        Some(object)
    }

    /// A text of so many characters, without U+0000 (which no PostgreSQL text can hold).
    pub(crate) fn text(&self, chars: RangeInclusive<usize>) -> Option<&'a str> {
        let text = self.of_kind("a text", Value::as_str)?;
        match text_problem(text, text, &chars) {
            Some(problem) => self.fault(problem),
            None => Some(text),
        }
    }

    /// A text of so many characters not counting white space around it, which stays.
    pub(crate) fn text_trimmed(&self, chars: RangeInclusive<usize>) -> Option<&'a str> {
        let text = self.of_kind("a text", Value::as_str)?;
        match text_problem(text, text.trim(), &chars) {
            Some(problem) => self.fault(problem),
            None => Some(text),
        }
    }

    /// A text of a fixed form, that `parse` reads; else the fault that it must be `wanted`.
    pub(crate) fn parsed<T>(&self, wanted: impl Display, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.of_kind(&wanted, Value::as_str)?;
        parse(text).or_else(|| self.fault(format!("must be {wanted}, is {}", quoted(text))))
    }

    /// A whole number in a range. `24.0` and `"24"` are none.
    pub(crate) fn whole<T: TryFrom<i64>>(&self, range: RangeInclusive<i64>) -> Option<T> {
        let (least, most) = (range.start(), range.end());
        let number = self.of_kind(format_args!("a whole number from {least} to {most}"), Value::as_number)?;
        let inside = number.as_i64().filter(|whole| range.contains(whole)).and_then(|whole| T::try_from(whole).ok());
        inside.or_else(|| self.fault(format!("must be a whole number from {least} to {most}, is {number}")))
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self) -> Option<bool> {
        self.of_kind("true or false", Value::as_bool)
    }

    /// A date, strictly `YYYY-MM-DD`, in a range.
    pub(crate) fn date(&self, range: RangeInclusive<Date>) -> Option<Date> {
        let wanted = format_args!("a date YYYY-MM-DD from {} to {}", range.start(), range.end());
        self.parsed(wanted, |text| parse_date(text).filter(|date| range.contains(date)))
    }

    /// An instant in the form of RFC 3339, 1970 to 9998.
    pub(crate) fn timestamp(&self) -> Option<Timestamp> {
        self.parsed("a time with offset as in RFC 3339, from 1970 to 9998", parse_timestamp)
    }

    /// An instant as whole seconds since 1970 UTC, 1970 to 9998.
    pub(crate) fn unix_seconds(&self) -> Option<Timestamp> {
        self.whole(0..=INSTANTS_END_SECOND - 1).and_then(|second: i64| Timestamp::from_second(second).ok())
    }

    /// The name of a time zone of the IANA database, in its canonical case.
    pub(crate) fn zone(&self) -> Option<String> {
        self.parsed("an IANA time zone name such as Europe/Berlin", |text| {
            zone_named(text)?.iana_name().map(str::to_owned)
        })
    }

    /// A UUID in its usual hyphenated form.
    pub(crate) fn uuid(&self) -> Option<Uuid> {
        self.parsed("a hyphenated UUID", |text| {
            if text.len() == uuid::fmt::Hyphenated::LENGTH { Uuid::try_parse(text).ok() } else { None }
        })
    }

    /// An array of so many entries, each read by `read`; all are read even if one is wrong.
    pub(crate) fn array<T>(
        &self,
        entries: RangeInclusive<usize>,
        read: impl FnMut(Field<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let array = self.of_kind("an array", Value::as_array)?;
        if !entries.contains(&array.len()) {
            return self.fault(format!("must have {}, has {}", counted(&entries, "entries"), array.len()));
        }
        let read: Vec<Option<T>> = (0..array.len()).map(|index| self.index(index)).map(read).collect();
        read.into_iter().collect()
    }
}

/// What is wrong with a text, of which `measured` is the part that counts.
fn text_problem(text: &str, measured: &str, chars: &RangeInclusive<usize>) -> Option<String> {
    if text.contains('\0') {
        return Some("must not contain U+0000".to_owned());
    }
    // Bytes are never fewer than characters, so most texts need no counting.
    if !measured.is_empty() && measured.len() <= *chars.end() && *chars.start() <= 1 {
        return None;
    }
    let count = measured.chars().count();
    (!chars.contains(&count)).then(|| format!("must be {}, is {count}", counted(chars, "characters")))
}

/// A range in words: `1 to 50 entries`, `at most 500 characters`.
pub(crate) fn counted(range: &RangeInclusive<usize>, unit: &str) -> String {
    match (range.start(), range.end()) {
        (0, most) => format!("at most {most} {unit}"),
        (least, most) => format!("{least} to {most} {unit}"),
    }
}

/// A pointer that can stand in a header, a log line and a database whatever keys it is made of.
fn printable(pointer: &str) -> String {
    let short = pointer.len() <= POINTER_CHARS_MAX || pointer.chars().count() <= POINTER_CHARS_MAX;
    let clipped = pointer.chars().take(POINTER_CHARS_MAX);
    let mut printable: String = clipped.map(|char| if char.is_control() { '\u{FFFD}' } else { char }).collect();
    if !short {
        printable.push('…');
    }
    printable
}

/// The beginning of a text in quotes, with everything unprintable escaped.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTE_CHARS_MAX) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// What a JSON value is, in words.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(true) => "true",
        Value::Bool(false) => "false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Whether a text is made as a pattern says, in which `0` stands for any digit.
fn has_shape(text: &[u8], pattern: &[u8]) -> bool {
    let fits = |(found, wanted): (&u8, &u8)| if *wanted == b'0' { found.is_ascii_digit() } else { found == wanted };
    text.len() == pattern.len() && text.iter().zip(pattern).all(fits)
}

/// Reads `YYYY-MM-DD` (RFC 3339 `full-date`).
pub(crate) fn parse_date(text: &str) -> Option<Date> {
    if !has_shape(text.as_bytes(), b"0000-00-00") {
        return None;
    }
    Date::new(text[..4].parse().ok()?, text[5..7].parse().ok()?, text[8..].parse().ok()?).ok()
}

/// Reads an RFC 3339 `date-time` from 1970 on and before 9999, in UTC; of a fraction nanoseconds
/// are kept.
pub(crate) fn parse_timestamp(text: &str) -> Option<Timestamp> {
    // jiff reads more than RFC 3339 allows (bracketed zones, missing seconds), so the shape first.
    const SECONDS: usize = "0000-00-00T00:00:00".len();
    let (civil, rest) = text.split_at_checked(SECONDS)?;
    let shaped = [b"0000-00-00T00:00:00", b"0000-00-00t00:00:00", b"0000-00-00 00:00:00"];
    if !shaped.iter().any(|shape| has_shape(civil.as_bytes(), *shape)) {
        return None;
    }
    let (fraction, offset) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.find(|char: char| !char.is_ascii_digit())?),
        None => ("", rest),
    };
    if (fraction.is_empty() && rest.starts_with('.')) || !is_offset(offset) {
        return None;
    }
    let kept = &fraction[..fraction.len().min(FRACTION_DIGITS_MAX)];
    let point = if kept.is_empty() { "" } else { "." };
    let instant: Timestamp = format!("{civil}{point}{kept}{offset}").parse().ok()?;
    let inside = instant >= Timestamp::UNIX_EPOCH && instant.as_second() < INSTANTS_END_SECOND;
    inside.then_some(instant)
}

/// Whether a text is an RFC 3339 `time-offset`.
fn is_offset(text: &str) -> bool {
    let numeric = |sign: &[u8]| has_shape(text.as_bytes(), sign) && text[1..3] <= *"23" && text[4..] <= *"59";
    matches!(text, "Z" | "z") || numeric(b"+00:00") || numeric(b"-00:00")
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// What the one fault is that `read` finds in a value.
    fn problem_of<T>(value: Value, read: impl FnOnce(Field<'_>) -> Option<T>) -> String {
        let told = |faults: Vec<FieldFault>| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        read_value(&value, read).err().map(told).unwrap_or_default()
    }

    #[test]
    fn a_problem_names_the_bound_and_what_was_found() {
        let sessions = |field: Field<'_>| field.get("n").whole::<u16>(1..=500);
        for (value, problem) in [
            (json!({}), "/n: is missing"),
            (json!({ "n": null }), "/n: is missing"),
            (json!([1]), "/n: is missing"),
            (json!({ "n": "24" }), "/n: must be a whole number from 1 to 500, is a text"),
            (json!({ "n": 501 }), "/n: must be a whole number from 1 to 500, is 501"),
            (json!({ "n": 0 }), "/n: must be a whole number from 1 to 500, is 0"),
            (json!({ "n": 24.0 }), "/n: must be a whole number from 1 to 500, is 24.0"),
            (json!({ "n": u64::MAX }), "/n: must be a whole number from 1 to 500, is 18446744073709551615"),
            (json!({ "n": true }), "/n: must be a whole number from 1 to 500, is true"),
            (json!({ "n": [1] }), "/n: must be a whole number from 1 to 500, is an array"),
            (json!({ "n": {} }), "/n: must be a whole number from 1 to 500, is an object"),
            (json!({ "n": 500 }), ""),
        ] {
            assert_eq!(problem_of(value, sessions), problem);
        }
    }

    #[test]
    fn texts_are_counted_in_characters_and_never_quoted() {
        let name = |field: Field<'_>| field.text(1..=3).map(str::to_owned);
        for (value, problem) in [
            (json!("äöü"), ""),
            (json!("Asha"), "(whole value): must be 1 to 3 characters, is 4"),
            (json!(""), "(whole value): must be 1 to 3 characters, is 0"),
            (json!("a\0"), "(whole value): must not contain U+0000"),
            (json!(7), "(whole value): must be a text, is a number"),
        ] {
            assert_eq!(problem_of(value, name), problem);
        }
        let note = |field: Field<'_>| field.text(0..=3).map(str::to_owned);
        assert_eq!(problem_of(json!(""), note), "");
        assert_eq!(problem_of(json!("Asha"), note), "(whole value): must be at most 3 characters, is 4");
        let level = |field: Field<'_>| field.text_trimmed(1..=3).map(str::to_owned);
        assert_eq!(read_value(&json!(" abc "), level), Ok(" abc ".to_owned()));
        assert_eq!(problem_of(json!("   "), level), "(whole value): must be 1 to 3 characters, is 0");
    }

    #[test]
    fn every_fault_is_told_up_to_a_number() {
        let pair = |field: Field<'_>| {
            let (a, b) = (field.get("a").boolean(), field.get("b").uuid());
            a.zip(b)
        };
        assert_eq!(problem_of(json!({ "b": "x" }), pair), r#"/a: is missing; /b: must be a hyphenated UUID, is "x""#);
        let faults = read_value(&json!([0; 50].to_vec()), |field| field.array(0..=50, |entry| entry.boolean()));
        assert_eq!(faults.map_err(|faults| faults.len()), Err(FAULTS_MAX));
    }

    #[test]
    fn pointers_are_escaped_and_printable() {
        for (name, pointer) in [
            ("a/b~c", "/a~1b~0c".to_owned()),
            ("a\0\n", "/a\u{FFFD}\u{FFFD}".to_owned()),
            (&"ä".repeat(POINTER_CHARS_MAX), format!("/{}…", "ä".repeat(POINTER_CHARS_MAX - 1))),
        ] {
            let first = |field: Field<'_>| field.object()?.keys().next().and_then(|name| field.get(name).boolean());
            let faults = read_value(&json!({ name: 1 }), first).unwrap_err();
            assert_eq!(faults[0].pointer, pointer);
        }
        let nested = read_value(&json!([[1, "2"]]), |field| {
            field.array(1..=1, |row| row.array(1..=2, |cell| cell.whole::<i64>(0..=9)))
        });
        assert_eq!(nested.unwrap_err()[0].pointer, "/0/1");
    }

    #[test]
    fn a_quote_is_short_and_escaped() {
        for (text, expected) in [
            ("2026-13-01", "\"2026-13-01\"".to_owned()),
            ("a\"\0", "\"a\\\"\\0\"".to_owned()),
            (&"ü".repeat(41), format!("\"{}\"…", "ü".repeat(40))),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }

    #[test]
    fn dates_are_strict() {
        for (text, expected) in [
            ("2026-12-01", Some(date(2026, 12, 1))),
            ("2028-02-29", Some(date(2028, 2, 29))),
            ("2026-02-29", None),
            ("2026-13-01", None),
            ("2026-12-1", None),
            ("2026-12-01T00:00", None),
            ("20261201", None),
            ("+026-12-01", None),
            ("２026-12-0", None),
            ("", None),
        ] {
            assert_eq!(parse_date(text), expected, "{text:?}");
        }
    }

    #[test]
    fn instants_are_rfc_3339() {
        for (text, expected) in [
            ("2026-11-23T10:00:00Z", Some("2026-11-23T10:00:00Z")),
            ("2026-11-23t10:00:00z", Some("2026-11-23T10:00:00Z")),
            ("2026-11-23 10:00:00Z", Some("2026-11-23T10:00:00Z")),
            ("2026-11-23T15:30:00.25+05:30", Some("2026-11-23T10:00:00.25Z")),
            ("2026-11-23T10:00:00-00:00", Some("2026-11-23T10:00:00Z")),
            ("2026-11-23T10:00:00.1234567891234Z", Some("2026-11-23T10:00:00.123456789Z")),
            ("2016-12-31T23:59:60Z", Some("2016-12-31T23:59:59Z")),
            ("1970-01-01T00:00:00Z", Some("1970-01-01T00:00:00Z")),
            ("9998-12-31T23:59:59.999999999Z", Some("9998-12-31T23:59:59.999999999Z")),
            ("1969-12-31T23:59:59.5Z", None),
            ("9999-01-01T00:00:00Z", None),
            ("2026-11-23T10:00:00", None),
            ("2026-11-23T10:00Z", None),
            ("2026-11-23T24:00:00Z", None),
            ("2026-11-23T10:00:00.Z", None),
            ("2026-11-23T10:00:00,5Z", None),
            ("2026-11-23T10:00:00+0530", None),
            ("2026-11-23T10:00:00+24:00", None),
            ("2026-11-23T10:00:00+05:60", None),
            ("2026-11-23T10:00:00+05:30[Asia/Kolkata]", None),
            ("2026-02-30T10:00:00Z", None),
            ("2026-11-23", None),
            ("", None),
        ] {
            assert_eq!(parse_timestamp(text), expected.map(|utc| utc.parse().unwrap()), "{text:?}");
        }
    }

    #[test]
    fn seconds_since_1970_are_whole_and_within_the_calendar() {
        let second = |field: Field<'_>| field.unix_seconds();
        assert_eq!(read_value(&json!(1_795_428_000), second), Ok("2026-11-23T10:00:00Z".parse().unwrap()));
        assert_eq!(read_value(&json!(0), second), Ok(Timestamp::UNIX_EPOCH));
        for value in [json!(-1), json!(INSTANTS_END_SECOND), json!(1.5), json!("1795428000"), json!(null)] {
            assert!(read_value(&value, second).is_err(), "{value}");
        }
    }

    #[test]
    fn zones_have_iana_names() {
        for (text, expected) in [
            ("Asia/Kolkata", Some("Asia/Kolkata")),
            ("asia/kolkata", Some("Asia/Kolkata")),
            ("Asia/Calcutta", Some("Asia/Calcutta")),
            ("UTC", Some("UTC")),
            ("Etc/Unknown", None),
            ("Factory", None),
            ("CET-1CEST,M3.5.0,M10.5.0/3", None),
            ("+05:30", None),
            ("Mars/Olympus", None),
            ("../etc/passwd", None),
            ("", None),
        ] {
            let zone = read_value(&json!(text), |field| field.zone());
            assert_eq!(zone.ok().as_deref(), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_whatsoever_makes_it_panic(text: String, digits in "[0-9T:.Z+ -]{0,40}") {
            for text in [text, digits] {
                let _ = (parse_date(&text), parse_timestamp(&text), zone_named(&text), quoted(&text), printable(&text));
            }
        }

        #[test]
        fn what_jiff_prints_is_read(second in 0..INSTANTS_END_SECOND, nanosecond in 0..1_000_000_000_i32) {
            let instant = Timestamp::new(second, nanosecond).unwrap();
            prop_assert_eq!(parse_timestamp(&instant.to_string()), Some(instant));
        }
    }
}
