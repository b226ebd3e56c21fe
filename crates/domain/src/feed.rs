//! Calendar feeds (RFC 5545, with the properties of RFC 7986): lessons as events that any calendar can subscribe to.
//!
//! Times are UTC. A subscriber shows them in the zone it is in; and as each lesson is an event of its own, no rule has to be
//! repeated over a change of the clocks, and no definition of a zone can differ from ours.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use uuid::Uuid;

use crate::session::SessionStatus;

/// Octets of a line (RFC 5545 section 3.1).
const LINE_OCTETS_MAX: usize = 75;
/// How often a subscriber is to look again.
const REFRESH: &str = "PT15M";
/// What made it.
const PRODUCT: &str = "-//Caravan//Caravan//EN";

/// Somebody's calendar.
#[derive(Clone, Debug)]
pub struct Feed<'a> {
    /// What subscribers call it.
    pub name: &'a str,
    /// The zone whose owner's calendar it is: an IANA name.
    pub time_zone: &'a str,
    /// What stands in it.
    pub lessons: &'a [Lesson],
}

/// A session, as an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lesson {
    /// Its id, for ever.
    pub session_id: Uuid,
    /// Start.
    pub starts_at: Timestamp,
    /// End.
    pub ends_at: Timestamp,
    /// The zone in which it is told, in its description, when it begins.
    pub time_zone: String,
    /// What it is, in a line.
    pub summary: String,
    /// What else there is to know.
    pub description: String,
    /// Where it stands.
    pub status: SessionStatus,
    /// Raised by whatever changes it.
    pub sequence: u32,
    /// Of when it is.
    pub changed_at: Timestamp,
    /// Who else is there.
    pub with: Option<Person>,
}

/// Somebody who is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Their name, if told.
    pub name: Option<String>,
    /// Their address, if told.
    pub email: Option<String>,
}

impl Feed<'_> {
    /// The calendar, as text.
    pub fn write(&self) -> String {
        let mut lines = Lines::default();
        for (name, value) in [
            ("BEGIN", "VCALENDAR"),
            ("VERSION", "2.0"),
            ("PRODID", PRODUCT),
            ("CALSCALE", "GREGORIAN"),
            ("METHOD", "PUBLISH"),
            ("REFRESH-INTERVAL;VALUE=DURATION", REFRESH),
            ("X-PUBLISHED-TTL", REFRESH),
        ] {
            lines.put(name, value);
        }
        lines.put_text("NAME", self.name);
        lines.put_text("X-WR-CALNAME", self.name);
        lines.put_text("X-WR-TIMEZONE", self.time_zone);
        for lesson in self.lessons {
            lesson.write(&mut lines);
        }
        lines.put("END", "VCALENDAR");
        lines.text
    }
}

impl Lesson {
    fn write(&self, lines: &mut Lines) {
        let status = if self.status == SessionStatus::Cancelled { "CANCELLED" } else { "CONFIRMED" };
        let free = if self.status == SessionStatus::Cancelled { "TRANSPARENT" } else { "OPAQUE" };
        lines.put("BEGIN", "VEVENT");
        lines.put("UID", &format!("{}@caravan", self.session_id));
        lines.put("DTSTAMP", &utc(self.changed_at));
        lines.put("SEQUENCE", &self.sequence.to_string());
        lines.put("DTSTART", &utc(self.starts_at));
        lines.put("DTEND", &utc(self.ends_at));
        lines.put("STATUS", status);
        lines.put("TRANSP", free);
        lines.put_text("SUMMARY", &self.summary);
        lines.put_text("DESCRIPTION", &self.told());
        lines.put("END", "VEVENT");
    }

    /// The description, with who else is there and when it begins where its owner lives.
    fn told(&self) -> String {
        let mut told = self.description.clone();
        if let Some(Person { name, email }) = &self.with {
            let who: Vec<&str> = name.iter().chain(email).map(String::as_str).collect();
            if !who.is_empty() {
                let _texts_take_all = write!(told, "\nWith {}", who.join(", "));
            }
        }
        if let Ok(zone) = TimeZone::get(&self.time_zone) {
            // The offset tells apart the two times of an hour that occurs twice.
            let local = self.starts_at.to_zoned(zone).strftime("%Y-%m-%d %H:%M %:z").to_string();
            let _texts_take_all = write!(told, "\n{local} {}", self.time_zone);
        }
        told
    }
}

/// An instant in UTC, in form 2 of RFC 5545 section 3.3.5.
fn utc(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Content lines, folded.
#[derive(Default)]
struct Lines {
    text: String,
}

impl Lines {
    /// Adds a property whose value is written as it is.
    fn put(&mut self, name: &str, value: &str) {
        fold(&mut self.text, &format!("{name}:{value}"));
    }

    /// Adds a property whose value is a text.
    fn put_text(&mut self, name: &str, text: &str) {
        self.put(name, &escaped(text));
    }
}

/// A text with what means something else escaped, and without characters that no calendar holds (RFC 5545 section 3.3.11).
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\\' | ';' | ',' => escaped.extend(['\\', char]),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' | '\r' => escaped.push_str("\\n"),
            char if char.is_control() && char != '\t' => {}
            char => escaped.push(char),
        }
    }
    escaped
}

/// Adds a line, going on in the next one after a space wherever it is too long; no character is torn apart.
fn fold(text: &mut String, line: &str) {
    let mut octets = 0;
    for char in line.chars() {
        if octets + char.len_utf8() > LINE_OCTETS_MAX {
            text.push_str("\r\n ");
            octets = 1;
        }
        text.push(char);
        octets += char.len_utf8();
    }
    text.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lesson() -> Lesson {
        Lesson {
            session_id: Uuid::from_u128(7),
            starts_at: "2026-12-01T11:30:00Z".parse().unwrap(),
            ends_at: "2026-12-01T12:30:00Z".parse().unwrap(),
            time_zone: "Asia/Kolkata".into(),
            summary: "python with Asha".into(),
            description: "Session 1 of 24, python beginner".into(),
            status: SessionStatus::Scheduled,
            sequence: 3,
            changed_at: "2026-11-23T10:00:00.5Z".parse().unwrap(),
            with: Some(Person { name: Some("Asha".into()), email: Some("asha@example.com".into()) }),
        }
    }

    #[test]
    fn a_feed_is_what_calendars_read() {
        let lessons = [lesson()];
        let feed = Feed { name: "Lessons of Ravi", time_zone: "Asia/Kolkata", lessons: &lessons };
        let expected = [
            "BEGIN:VCALENDAR",
            "VERSION:2.0",
            "PRODID:-//Caravan//Caravan//EN",
            "CALSCALE:GREGORIAN",
            "METHOD:PUBLISH",
            "REFRESH-INTERVAL;VALUE=DURATION:PT15M",
            "X-PUBLISHED-TTL:PT15M",
            "NAME:Lessons of Ravi",
            "X-WR-CALNAME:Lessons of Ravi",
            "X-WR-TIMEZONE:Asia/Kolkata",
            "BEGIN:VEVENT",
            "UID:00000000-0000-0000-0000-000000000007@caravan",
            "DTSTAMP:20261123T100000Z",
            "SEQUENCE:3",
            "DTSTART:20261201T113000Z",
            "DTEND:20261201T123000Z",
            "STATUS:CONFIRMED",
            "TRANSP:OPAQUE",
            "SUMMARY:python with Asha",
            "DESCRIPTION:Session 1 of 24\\, python beginner\\nWith Asha\\, asha@example.com",
            " \\n2026-12-01 17:00 +05:30 Asia/Kolkata",
            "END:VEVENT",
            "END:VCALENDAR",
            "",
        ];
        assert_eq!(feed.write(), expected.join("\r\n"));
    }

    #[test]
    fn an_instant_is_one_instant_whatever_the_clocks_do() {
        for (zone, starts_at, written, told) in [
            ("Europe/Berlin", "2026-10-25T00:30:00Z", "20261025T003000Z", "2026-10-25 02:30 +02:00"),
            ("Europe/Berlin", "2026-10-25T01:30:00Z", "20261025T013000Z", "2026-10-25 02:30 +01:00"),
            ("Europe/Berlin", "2027-03-28T01:00:00Z", "20270328T010000Z", "2027-03-28 03:00 +02:00"),
            // Its standard time is that of summer.
            ("Europe/Dublin", "2026-10-25T00:30:00Z", "20261025T003000Z", "2026-10-25 01:30 +01:00"),
            ("Europe/Dublin", "2026-10-25T01:30:00Z", "20261025T013000Z", "2026-10-25 01:30 +00:00"),
            // Its clocks change by half an hour.
            ("Australia/Lord_Howe", "2027-04-03T14:45:00Z", "20270403T144500Z", "2027-04-04 01:45 +11:00"),
            ("Australia/Lord_Howe", "2027-04-03T15:15:00Z", "20270403T151500Z", "2027-04-04 01:45 +10:30"),
            // Its clocks change for Ramadan.
            ("Africa/Casablanca", "2026-02-14T16:00:00Z", "20260214T160000Z", "2026-02-14 17:00 +01:00"),
            ("Africa/Casablanca", "2026-02-16T17:00:00Z", "20260216T170000Z", "2026-02-16 17:00 +00:00"),
            ("Asia/Kolkata", "2026-10-25T11:30:00Z", "20261025T113000Z", "2026-10-25 17:00 +05:30"),
        ] {
            let lessons = [Lesson { starts_at: starts_at.parse().unwrap(), time_zone: zone.into(), ..lesson() }];
            let text = Feed { name: "x", time_zone: zone, lessons: &lessons }.write().replace("\r\n ", "");
            assert!(text.contains(&format!("\r\nDTSTART:{written}\r\n")), "{zone} {text}");
            assert!(text.contains(&format!("\\n{told} {zone}\r\n")), "{zone} {text}");
        }
    }

    #[test]
    fn what_is_called_off_stays_and_leaves_its_time_free() {
        for (status, told, free) in [
            (SessionStatus::Scheduled, "CONFIRMED", "OPAQUE"),
            (SessionStatus::Completed, "CONFIRMED", "OPAQUE"),
            (SessionStatus::Missed, "CONFIRMED", "OPAQUE"),
            (SessionStatus::Cancelled, "CANCELLED", "TRANSPARENT"),
        ] {
            let lessons = [Lesson { status, ..lesson() }];
            let text = Feed { name: "x", time_zone: "UTC", lessons: &lessons }.write();
            assert!(
                text.contains(&format!("STATUS:{told}\r\n")) && text.contains(&format!("TRANSP:{free}\r\n")),
                "{text}"
            );
        }
    }

    #[test]
    fn texts_keep_their_lines_and_lose_what_could_steer() {
        for (text, expected) in [
            ("a;b,c\\d", "a\\;b\\,c\\\\d"),
            ("one\ntwo\r\nthree\rfour", "one\\ntwo\\nthree\\nfour"),
            ("tab\tbell\u{7}null\0", "tab\tbellnull"),
            ("BEGIN:VEVENT", "BEGIN:VEVENT"),
        ] {
            assert_eq!(escaped(text), expected);
        }
    }

    proptest! {
        #[test]
        fn folding_is_undone_by_unfolding(line in "[^\r\n]{0,400}") {
            let mut text = String::new();
            fold(&mut text, &line);
            prop_assert!(text.split("\r\n").all(|line| line.len() <= LINE_OCTETS_MAX));
            prop_assert_eq!(text.replace("\r\n ", ""), format!("{line}\r\n"));
        }

        #[test]
        fn no_text_makes_another_property(text: String) {
            let lessons = [Lesson { summary: text.clone(), description: text.clone(), ..lesson() }];
            let written = Feed { name: &text, time_zone: "UTC", lessons: &lessons }.write().replace("\r\n ", "");
            prop_assert_eq!(written.matches("\r\n").count(), 24 - 2);
            prop_assert!(!written.contains('\0'));
        }
    }
}
