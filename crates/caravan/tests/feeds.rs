//! Calendar feeds, as somebody else's reader reads them: Python's `icalendar`.

use std::process::Command;

use caravan_domain::feed::{Feed, Lesson, Person};
use caravan_domain::session::SessionStatus;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use uuid::Uuid;

/// How many texts are made up.
const TEXTS: usize = 400;
/// How far apart the lessons around a change of the clocks begin.
const STEP: SignedDuration = SignedDuration::from_mins(15);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn lesson(number: usize) -> Lesson {
    Lesson {
        session_id: Uuid::from_u128(number as u128),
        starts_at: at("2026-12-01T11:30:00Z"),
        ends_at: at("2026-12-01T12:30:00Z"),
        time_zone: "UTC".into(),
        summary: "python with Asha".into(),
        description: "Session 1 of 24".into(),
        status: SessionStatus::Scheduled,
        sequence: 1,
        changed_at: at("2026-11-23T10:00:00Z"),
        with: None,
    }
}

/// What is read of a feed.
fn read(name: &str, time_zone: &str, lessons: &[Lesson]) -> Vec<Value> {
    let python = std::env::var("CARAVAN_TEST_PYTHON")
        .expect("CARAVAN_TEST_PYTHON is not set: export CARAVAN_TEST_PYTHON=$(scripts/python), or run scripts/test");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("calendar.ics");
    std::fs::write(&file, Feed { name, time_zone, lessons }.write()).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/read_feed.py");
    let output = Command::new(&python).arg(script).arg(&file).output().unwrap_or_else(|problem| {
        panic!("CARAVAN_TEST_PYTHON, {python}, can't be run, scripts/python prints one that can: {problem}")
    });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A text as a calendar holds it: its line breaks are all alike, and what steers a terminal is gone.
fn held(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").replace(|char: char| char.is_control() && !"\n\t".contains(char), "")
}

/// What is to be read of a lesson, whose description ends by itself in when it begins.
fn expected(name: &str, lesson: &Lesson) -> Value {
    let local = lesson.starts_at.to_zoned(TimeZone::get(&lesson.time_zone).unwrap());
    let local = local.strftime("%Y-%m-%d %H:%M %:z");
    json!({
        "calendar": held(name),
        "uid": format!("{}@caravan", lesson.session_id),
        "sequence": lesson.sequence,
        "status": if lesson.status == SessionStatus::Cancelled { "CANCELLED" } else { "CONFIRMED" },
        "changed_at": lesson.changed_at.to_string(),
        "starts_at": lesson.starts_at.to_string(),
        "ends_at": lesson.ends_at.to_string(),
        "summary": held(&lesson.summary),
        "description": held(&format!("{}\n{local} {}", lesson.description, lesson.time_zone)),
    })
}

/// That a feed is read as what was put in.
fn comes_back(name: &str, time_zone: &str, lessons: &[Lesson]) {
    let read = read(name, time_zone, lessons);
    assert_eq!(read.len(), lessons.len());
    for (read, lesson) in read.iter().zip(lessons) {
        assert_eq!(*read, expected(name, lesson), "{lesson:?}");
    }
}

#[test]
fn every_instant_around_a_change_of_the_clocks_is_read_as_it_is() {
    for zone in [
        "Europe/Berlin",
        "Europe/Dublin",
        "America/New_York",
        "America/Santiago",
        "Africa/Casablanca",
        "Asia/Kolkata",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
        "Pacific/Chatham",
        "UTC",
    ] {
        let rules = TimeZone::get(zone).unwrap();
        // Where the clocks never change, a day like any other.
        let mut changes: Vec<Timestamp> =
            rules.following(at("2025-01-01T00:00:00Z")).take(4).map(|change| change.timestamp()).collect();
        changes.push(at("2026-03-29T01:00:00Z"));
        let starts = changes.iter().flat_map(|change| (-12..=12).map(move |step| *change + STEP * step));
        let lessons: Vec<Lesson> = starts
            .enumerate()
            .map(|(number, starts_at)| Lesson {
                starts_at,
                ends_at: starts_at + SignedDuration::from_mins(60),
                time_zone: zone.into(),
                ..lesson(number)
            })
            .collect();
        comes_back("Lessons of Asha", zone, &lessons);
    }
}

#[test]
fn a_change_is_read_with_its_number_and_what_is_called_off_as_that() {
    let lessons: Vec<Lesson> = SessionStatus::ALL
        .into_iter()
        .zip([0, 1, 7, u32::MAX >> 1])
        .enumerate()
        .map(|(number, (status, sequence))| Lesson { status, sequence, ..lesson(number) })
        .collect();
    comes_back("Lessons of Asha", "UTC", &lessons);
}

#[test]
fn nasty_texts_come_back_as_they_were() {
    let long = "Müller-Lüdenscheidt ".repeat(15);
    let lessons: Vec<Lesson> = [
        "Asha; Ravi, and \\ others",
        "\\n is no line break, \\; no semicolon, \\\\ is two",
        "one\ntwo\r\nthree\rfour\n\nsix",
        " white space stands around it\t ",
        "😀👩‍👩‍👧‍👦🏳️‍🌈 and a flag: 🇮🇳",
        "שלום; עולם, \u{202e}reversed\u{202c} مرحبا",
        "BEGIN:VEVENT\r\nEND:VCALENDAR\r\n",
        "\"quoted\": it's 100% <b>bold</b>",
        "next line \u{85}, line separator \u{2028}, paragraph separator \u{2029}, byte order mark \u{feff}",
        "bell \u{7}, null \0, escape \u{1b}[31m",
        "x",
        "",
        &long,
        &"😀".repeat(300),
        &";".repeat(300),
        &"\n".repeat(300),
    ]
    .into_iter()
    .enumerate()
    .map(|(number, text)| Lesson { summary: text.into(), description: text.into(), ..lesson(number) })
    .collect();
    for lesson in &lessons {
        comes_back(&lesson.summary, "UTC", std::slice::from_ref(lesson));
    }
    comes_back("Lessons of Asha", "UTC", &lessons);
}

#[test]
fn whatever_the_text_it_comes_back() {
    let mut runner = TestRunner::deterministic();
    let texts = prop_oneof!["\\PC{0,120}", "[\\\\;,:\n\r\" nN=a]{0,120}", any::<String>()];
    let lessons: Vec<Lesson> = (0..TEXTS)
        .map(|number| {
            let mut text = || texts.new_tree(&mut runner).unwrap().current();
            Lesson { summary: text(), description: text(), ..lesson(number) }
        })
        .collect();
    comes_back("Lessons of Asha", "UTC", &lessons);
}

#[test]
fn who_is_there_is_told_in_the_description() {
    let with = Person { name: Some("Asha; \"the\nfirst\"".into()), email: Some("asha@example.com".into()) };
    let lessons = [Lesson { with: Some(with), ..lesson(1) }];
    let told = "Session 1 of 24\nWith Asha; \"the\nfirst\", asha@example.com\n2026-12-01 11:30 +00:00 UTC";
    assert_eq!(read("Lessons of Ravi", "UTC", &lessons)[0]["description"], told);
}
