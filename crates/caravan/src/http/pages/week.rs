//! A trainer's week as a picture: when they can teach, when they are off, and what they teach, in their own time.

use caravan_domain::plan::Weekday;
use caravan_domain::trainer::{AvailableRange, Trainer};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::words::{held, time};
use crate::platform::rows::Session;

/// The size of the picture, in its own units.
pub(super) const WIDTH: i32 = 740;
const LEFT: i32 = 40;
const TOP: i32 = 26;
const DAY_WIDTH: i32 = 100;
const HOUR_HEIGHT: i32 = 26;
const DAYS: i32 = 7;
/// Hours that are shown though nothing is in them.
const USUAL: (i32, i32) = (8, 20);
/// The least height of a lesson, so that its words fit.
const LESSON_MIN: i32 = 15;

/// A week.
pub(super) struct Week {
    pub(super) height: i32,
    pub(super) days: Vec<DayOf>,
    pub(super) hours: Vec<(i32, String)>,
    /// When they can teach.
    pub(super) open: Vec<Box>,
    pub(super) lessons: Vec<Lesson>,
    pub(super) before: Date,
    pub(super) behind: Date,
    pub(super) name: String,
}

/// A day's column.
pub(super) struct DayOf {
    pub(super) x: i32,
    pub(super) name: String,
    pub(super) is_off: bool,
}

/// A part of the picture.
pub(super) struct Box {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: i32,
    pub(super) height: i32,
}

/// A lesson in the picture.
pub(super) struct Lesson {
    pub(super) at: Box,
    pub(super) href: String,
    pub(super) label: String,
    pub(super) title: String,
    pub(super) class: &'static str,
}

/// The Monday of a date's week.
pub(super) fn monday(date: Date) -> Date {
    date.saturating_sub((Weekday::of(date).index() as i64).days())
}

/// From midnight to midnight of a week, where the trainer lives.
pub(super) fn bounds(monday: Date, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
    let midnight = |date: Date| date.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp());
    Some((midnight(monday)?, midnight(monday.checked_add(7.days()).ok()?)?))
}

/// The week that begins on this Monday.
pub(super) fn week(trainer: &Trainer, zone: &TimeZone, monday: Date, sessions: &[Session]) -> Week {
    let hours = shown_hours(trainer, zone, sessions);
    let date = |day: i32| monday.saturating_add(i64::from(day).days());
    let is_off = |date: Date| trainer.time_off.iter().any(|off| (off.from..=off.until).contains(&date));
    let day = |day: i32| DayOf {
        x: LEFT + day * DAY_WIDTH,
        name: date(day).strftime("%a %-d %b").to_string(),
        is_off: is_off(date(day)),
    };
    Week {
        height: TOP + (hours.1 - hours.0) * HOUR_HEIGHT,
        days: (0..DAYS).map(day).collect(),
        hours: (hours.0..hours.1).map(|hour| (TOP + (hour - hours.0) * HOUR_HEIGHT, format!("{hour:02}:00"))).collect(),
        open: trainer.availability.iter().flat_map(|range| open(range, hours)).collect(),
        lessons: sessions.iter().filter_map(|session| lesson(session, zone, monday, hours)).collect(),
        before: monday.saturating_sub(7.days()),
        behind: monday.saturating_add(7.days()),
        name: format!("{} to {}", date(0).strftime("%-d %b"), date(DAYS - 1).strftime("%-d %b %Y")),
    }
}

/// The hours that are shown: the usual ones, and those in which there is something.
fn shown_hours(trainer: &Trainer, zone: &TimeZone, sessions: &[Session]) -> (i32, i32) {
    let ranges = trainer.availability.iter().flat_map(|range| pieces(range).map(|(_, from, until)| (from, until)));
    let lessons = sessions.iter().map(|session| {
        let from = minute(zone, session.starts_at);
        (from, from + minutes(session))
    });
    let all = ranges.chain(lessons);
    let (first, last) =
        all.fold((USUAL.0 * 60, USUAL.1 * 60), |(first, last), (from, until)| (first.min(from), last.max(until)));
    (first / 60, ((last + 59) / 60).min(24))
}

fn minute(zone: &TimeZone, at: Timestamp) -> i32 {
    let wall = zone.to_datetime(at);
    i32::from(wall.hour()) * 60 + i32::from(wall.minute())
}

fn minutes(session: &Session) -> i32 {
    session.ends_at.duration_since(session.starts_at).as_mins() as i32
}

/// The one or two days a range is on: which, and from and until which minute.
fn pieces(range: &AvailableRange) -> impl Iterator<Item = (i32, i32, i32)> + use<> {
    let (day, from, until) =
        (range.weekday.index() as i32, i32::from(range.from.minutes()), i32::from(range.until.minutes()));
    let crosses = until < from;
    let first = (day, from, if crosses { 24 * 60 } else { until });
    let second = crosses.then_some(((day + 1) % DAYS, 0, until)).filter(|(_, from, until)| from < until);
    std::iter::once(first).chain(second)
}

fn open(range: &AvailableRange, hours: (i32, i32)) -> impl Iterator<Item = Box> + use<> {
    pieces(range).map(move |(day, from, until)| place(day, from, until - from, hours, 0))
}

fn place(day: i32, from: i32, minutes: i32, hours: (i32, i32), margin: i32) -> Box {
    let y = |minute: i32| TOP + (minute - hours.0 * 60) * HOUR_HEIGHT / 60;
    Box {
        x: LEFT + day * DAY_WIDTH + margin,
        y: y(from),
        width: DAY_WIDTH - 2 * margin,
        height: (y(from + minutes) - y(from)).max(1),
    }
}

fn lesson(session: &Session, zone: &TimeZone, monday: Date, hours: (i32, i32)) -> Option<Lesson> {
    let date = zone.to_datetime(session.starts_at).date();
    let day = monday.until(date).ok()?.get_days();
    if !(0..DAYS).contains(&day) {
        return None;
    }
    let mut at = place(day, minute(zone, session.starts_at), minutes(session), hours, 3);
    at.height = at.height.max(LESSON_MIN);
    Some(Lesson {
        at,
        href: format!("/purchases/{}/sessions/{}", session.purchase_id, session.ordinal),
        label: format!("{} {}", time(session.starts_at, zone), session.student_id),
        title: format!("{}, lesson {}: {}", session.student_id, session.ordinal, held(session.status)),
        class: session.status.name(),
    })
}

#[cfg(test)]
mod tests {
    use caravan_domain::trainer::trainer_from_json;
    use jiff::civil::date;

    use super::*;

    fn trainer(availability: &str) -> Trainer {
        let line = format!(r#"{{"trainer_id":"t","time_zone":"UTC","availability":[{availability}]}}"#);
        trainer_from_json(line.as_bytes()).unwrap().onto(None).unwrap()
    }

    #[test]
    fn a_week_begins_on_its_monday() {
        assert_eq!(monday(date(2026, 12, 6)), date(2026, 11, 30));
        assert_eq!(monday(date(2026, 11, 30)), date(2026, 11, 30));
    }

    #[test]
    fn hours_over_midnight_are_on_two_days_and_sundays_go_on_on_monday() {
        let night = trainer(r#"{"weekday":"sun","from":"22:00","until":"02:00"}"#);
        let week = week(&night, &TimeZone::UTC, date(2026, 11, 30), &[]);
        let places: Vec<(i32, i32, i32)> = week.open.iter().map(|at| (at.x, at.y, at.height)).collect();
        assert_eq!(places, [(640, TOP + 22 * HOUR_HEIGHT, 2 * HOUR_HEIGHT), (40, TOP, 2 * HOUR_HEIGHT)]);
    }

    #[test]
    fn the_usual_hours_are_shown_even_if_nothing_is_in_them() {
        let week = week(&trainer(""), &TimeZone::UTC, date(2026, 11, 30), &[]);
        assert_eq!((week.hours.first().unwrap().1.as_str(), week.hours.last().unwrap().1.as_str()), ("08:00", "19:00"));
    }
}
