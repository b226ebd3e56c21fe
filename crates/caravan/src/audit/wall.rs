//! The audit's own arithmetic of dates and clocks: slow, plain, and shared with nobody.

use std::collections::{BTreeSet, HashMap};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Minutes in a day.
pub(super) const DAY: i64 = 1_440;
/// Minutes in a week.
pub(super) const WEEK: i64 = 7 * DAY;
/// Far enough from a wall-clock time, in seconds, that no change of offset that matters to it lies
/// between: zones are at most 14 hours from UTC.
const PAST_ANY_CHANGE: i64 = 16 * 3_600;
/// How many days of a plan are looked at, 60 years: a plan that needs more never ends.
const DAYS_MAX: i64 = 22_000;

/// A weekly local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct WeeklyTime {
    /// Days since Monday.
    pub(super) weekday: i64,
    /// Minutes since midnight.
    pub(super) minute: i64,
}

/// One lesson of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lesson {
    /// From 1.
    pub(super) ordinal: i64,
    /// The planned date.
    pub(super) date: Date,
    /// In Unix seconds.
    pub(super) start: i64,
    /// In Unix seconds.
    pub(super) end: i64,
}

/// What decides when the lessons of a plan are.
#[derive(Clone, Debug)]
pub(super) struct Calendar<'a> {
    pub(super) zone: &'a TimeZone,
    pub(super) start: Date,
    pub(super) slots: &'a [WeeklyTime],
    pub(super) skipped: &'a BTreeSet<Date>,
    pub(super) first_ordinal: i64,
    pub(super) sessions: i64,
    pub(super) minutes: i64,
}

impl Calendar<'_> {
    /// Every lesson, day by day from the start date on.
    pub(super) fn lessons(&self) -> Vec<Lesson> {
        let mut lessons = Vec::new();
        let mut date = self.start;
        for _ in 0..DAYS_MAX {
            for slot in self.slots.iter().filter(|slot| slot.weekday == weekday_of(date)) {
                if self.skipped.contains(&date) || lessons.len() as i64 >= self.sessions {
                    continue;
                }
                let Some(start) = instant(self.zone, date, slot.minute) else { return lessons };
                let ordinal = lessons.len() as i64 + self.first_ordinal;
                lessons.push(Lesson { ordinal, date, start, end: start + self.minutes * 60 });
            }
            if lessons.len() as i64 >= self.sessions {
                break;
            }
            let Ok(next) = date.tomorrow() else { break };
            date = next;
        }
        lessons
    }
}

/// Days since Monday.
pub(super) fn weekday_of(date: Date) -> i64 {
    i64::from(date.weekday().to_monday_zero_offset())
}

/// When a wall clock in `zone` shows this, in Unix seconds: the earlier time if it does so twice,
/// and if it never does, the time it would show had the clocks not been put forward.
pub(super) fn instant(zone: &TimeZone, date: Date, minute: i64) -> Option<i64> {
    let shown = date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second() + minute * 60;
    let before = offset_at(zone, shown - PAST_ANY_CHANGE)?;
    let after = offset_at(zone, shown + PAST_ANY_CHANGE)?;
    let shows = |instant: i64| Some(offset_at(zone, instant)? == shown - instant);
    let mut found: Vec<i64> = Vec::with_capacity(2);
    for candidate in [shown - before, shown - after] {
        if shows(candidate)? {
            found.push(candidate);
        }
    }
    Some(found.into_iter().min().unwrap_or(shown - before))
}

fn offset_at(zone: &TimeZone, instant: i64) -> Option<i64> {
    Some(i64::from(zone.to_offset(Timestamp::from_second(instant).ok()?).seconds()))
}

/// The local date of an instant.
pub(super) fn date_at(zone: &TimeZone, instant: i64) -> Option<Date> {
    Some(zone.to_datetime(Timestamp::from_second(instant).ok()?).date())
}

/// The local dates a lesson touches, first and last.
pub(super) fn dates_touched(zone: &TimeZone, lesson: &Lesson) -> Option<(Date, Date)> {
    Some((date_at(zone, lesson.start)?, date_at(zone, lesson.end - 1)?))
}

/// Whether a lesson touches a day of these inclusive ranges.
pub(super) fn touches(zone: &TimeZone, lesson: &Lesson, ranges: &[(Date, Date)]) -> bool {
    dates_touched(zone, lesson)
        .is_none_or(|(first, last)| ranges.iter().any(|(from, until)| *from <= last && first <= *until))
}

/// The Monday of the date's ISO week.
pub(super) fn monday_of(date: Date) -> Date {
    date.checked_sub(weekday_of(date).days()).unwrap_or(date)
}

/// The minutes of a week in which something holds.
#[derive(Clone, Debug)]
pub(super) struct WeekMinutes(Vec<u64>);

impl WeekMinutes {
    /// None of them.
    pub(super) fn none() -> Self {
        Self(vec![0; (WEEK as usize).div_ceil(64)])
    }

    /// Adds the minutes from `from` on until `until` (an earlier `until` is the next day's) of a weekday.
    pub(super) fn add(&mut self, weekday: i64, from: i64, until: i64) {
        let end = if until <= from { until + DAY } else { until };
        for minute in from..end {
            let minute = (weekday * DAY + minute).rem_euclid(WEEK) as usize;
            self.0[minute / 64] |= 1 << (minute % 64);
        }
    }

    fn holds(&self, minute: usize) -> bool {
        self.0[minute / 64] >> (minute % 64) & 1 == 1
    }

    /// Whether it holds in every minute of a lesson, as a wall clock in `zone` shows them.
    pub(super) fn hold_throughout(&self, zone: &TimeZone, lesson: &Lesson) -> bool {
        let minutes = (lesson.end - lesson.start) / 60;
        let (Some(first), Some(last)) = (minute_of_week(zone, lesson.start), minute_of_week(zone, lesson.end - 60))
        else {
            return false;
        };
        let clocks_change = (first + minutes - 1).rem_euclid(WEEK) != last;
        (0..minutes).all(|passed| {
            let shown =
                if clocks_change { minute_of_week(zone, lesson.start + passed * 60) } else { Some(first + passed) };
            shown.is_some_and(|minute| self.holds(minute.rem_euclid(WEEK) as usize))
        })
    }
}

fn minute_of_week(zone: &TimeZone, instant: i64) -> Option<i64> {
    let shown = zone.to_datetime(Timestamp::from_second(instant).ok()?);
    Some(weekday_of(shown.date()) * DAY + i64::from(shown.hour()) * 60 + i64::from(shown.minute()))
}

/// Zones by name, each looked up once.
#[derive(Debug, Default)]
pub(super) struct Zones(HashMap<String, TimeZone>);

impl Zones {
    /// The zone with this name.
    pub(super) fn named(&mut self, name: &str) -> Result<TimeZone, String> {
        if let Some(zone) = self.0.get(name) {
            return Ok(zone.clone());
        }
        let zone = TimeZone::get(name).map_err(|_| format!("{name:?} is no time zone"))?;
        self.0.insert(name.to_owned(), zone.clone());
        Ok(zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skipped_time_moves_forward_and_a_repeated_one_is_the_earlier() {
        for (zone, date, minute, expected) in [
            ("Europe/Berlin", "2027-03-28", 150, "2027-03-28T01:30:00Z"),
            ("Europe/Berlin", "2027-10-31", 150, "2027-10-31T00:30:00Z"),
            ("Europe/Berlin", "2027-07-01", 1020, "2027-07-01T15:00:00Z"),
            ("America/New_York", "2027-03-14", 120, "2027-03-14T07:00:00Z"),
            ("America/New_York", "2027-11-07", 60, "2027-11-07T05:00:00Z"),
            ("Australia/Lord_Howe", "2027-10-03", 135, "2027-10-02T15:45:00Z"),
            ("Australia/Lord_Howe", "2027-04-04", 105, "2027-04-03T14:45:00Z"),
            ("Asia/Kathmandu", "2027-01-01", 0, "2026-12-31T18:15:00Z"),
        ] {
            let tz = TimeZone::get(zone).unwrap();
            let found = Timestamp::from_second(instant(&tz, date.parse().unwrap(), minute).unwrap()).unwrap();
            assert_eq!(found.to_string(), expected, "{zone} {date} {minute}");
        }
    }

    #[test]
    fn a_range_across_midnight_and_sunday_holds_throughout() {
        let mut minutes = WeekMinutes::none();
        minutes.add(6, 22 * 60, 2 * 60);
        let zone = TimeZone::UTC;
        let lesson = |start: &str, length: i64| {
            let start = start.parse::<Timestamp>().unwrap().as_second();
            Lesson { ordinal: 1, date: Date::constant(2027, 1, 3), start, end: start + length * 60 }
        };
        assert!(minutes.hold_throughout(&zone, &lesson("2027-01-03T22:00:00Z", 240)));
        assert!(!minutes.hold_throughout(&zone, &lesson("2027-01-03T22:05:00Z", 240)));
        assert!(!minutes.hold_throughout(&zone, &lesson("2027-01-03T21:59:00Z", 15)));
    }
}
