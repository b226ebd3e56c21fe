//! A plan and its occurrences: how many lessons, how often, how long, and exactly when.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Minutes in a day.
pub const DAY_MINUTES: u16 = 24 * 60;
/// Slots stand on marks of this many minutes.
pub const SLOT_MARK_MINUTES: u16 = 15;
/// How many dates the walk over a plan may look at: about 40 years. Closures without end would
/// otherwise send it out of the calendar.
pub const PLAN_DAYS_MAX: usize = 15_000;
/// How many weeks of a plan that runs until it is cancelled are reserved ahead.
pub const SUBSCRIPTION_WEEKS: u16 = 52;

/// A day of the week, Monday first as in ISO 8601.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weekday {
    #[allow(missing_docs)]
    Mon,
    #[allow(missing_docs)]
    Tue,
    #[allow(missing_docs)]
    Wed,
    #[allow(missing_docs)]
    Thu,
    #[allow(missing_docs)]
    Fri,
    #[allow(missing_docs)]
    Sat,
    #[allow(missing_docs)]
    Sun,
}

impl Weekday {
    /// All seven, Monday first.
    pub const ALL: [Self; 7] = [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];

    /// The weekday of a date.
    pub fn of(date: Date) -> Self {
        Self::ALL[date.weekday().to_monday_zero_offset() as usize]
    }

    /// Days since Monday, 0 to 6.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The three-letter name, such as `tue`.
    pub const fn name(self) -> &'static str {
        ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][self as usize]
    }
}

impl fmt::Display for Weekday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Weekday {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|day| day.name() == text).ok_or("must be one of mon, tue, wed, thu, fri, sat, sun")
    }
}

/// A wall-clock time of day to the minute, `00:00` to `24:00` (the latter only as an end).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// Midnight at the end of a day.
    pub const END_OF_DAY: Self = Self(DAY_MINUTES);

    /// The time this many minutes after midnight, if there is one.
    pub const fn from_minutes(minutes: u16) -> Option<Self> {
        if minutes <= DAY_MINUTES { Some(Self(minutes)) } else { None }
    }

    /// Minutes since midnight, 0 to 1440.
    pub const fn minutes(self) -> u16 {
        self.0
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl FromStr for TimeOfDay {
    type Err = &'static str;

    /// Reads `HH:MM`, 24-hour, two digits each.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const SHAPE: &str = "must be a time HH:MM from 00:00 to 24:00";
        let bytes = text.as_bytes();
        let two = |at: usize| match (bytes[at], bytes[at + 1]) {
            (tens @ b'0'..=b'9', ones @ b'0'..=b'9') => Some(u16::from(tens - b'0') * 10 + u16::from(ones - b'0')),
            _ => None,
        };
        if bytes.len() != 5 || bytes[2] != b':' {
            return Err(SHAPE);
        }
        match (two(0), two(3)) {
            (Some(hours), Some(minutes)) if minutes < 60 => Self::from_minutes(hours * 60 + minutes).ok_or(SHAPE),
            _ => Err(SHAPE),
        }
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        time.to_string()
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// A weekly local time in the student's zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Slot {
    /// The day of the week.
    pub weekday: Weekday,
    /// The start, on a 15-minute mark.
    pub at: TimeOfDay,
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.weekday, self.at)
    }
}

impl FromStr for Slot {
    type Err = &'static str;

    /// Reads it as it is printed, such as `tue 17:00`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (weekday, at) = text.trim().split_once(' ').ok_or("must be a day and a time such as tue 17:00")?;
        Ok(Self { weekday: weekday.parse()?, at: at.trim_start().parse()? })
    }
}

/// What was bought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The requested first date, in the student's zone.
    pub start_date: Date,
    /// How many lessons, 1 to 500; `None` if it runs until it is cancelled. It may be null, but not be left out.
    #[serde(deserialize_with = "Option::deserialize")]
    pub sessions: Option<u16>,
    /// How many of them in a week, 1 to 7.
    pub per_week: u8,
    /// How long each is, in minutes: 15 to 240, a multiple of 5.
    pub minutes: u16,
    /// The weekly times that suit the student, best first, each once.
    pub slots: Vec<Slot>,
}

impl Plan {
    /// Whether it runs until it is cancelled.
    pub const fn is_subscription(&self) -> bool {
        self.sessions.is_none()
    }

    /// How many lessons are reserved at first: all, or those of [`SUBSCRIPTION_WEEKS`].
    pub fn reserved_sessions(&self) -> u16 {
        self.sessions.unwrap_or(u16::from(self.per_week) * SUBSCRIPTION_WEEKS)
    }

    /// The same if those before `first_ordinal` were held elsewhere; `None` if that leaves nothing.
    pub fn reserved_from(&self, first_ordinal: u32) -> Option<u16> {
        let before = u16::try_from(first_ordinal.checked_sub(1)?).ok()?;
        match self.sessions {
            Some(sessions) => sessions.checked_sub(before).filter(|left| *left > 0),
            None => {
                let reserved = self.reserved_sessions();
                before.checked_add(reserved).map(|_| reserved)
            }
        }
    }
}

/// One planned lesson.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// Its number in the plan, from 1, in date order.
    pub ordinal: u32,
    /// The planned date in the student's zone.
    pub local_date: Date,
    /// When it starts.
    pub starts_at: Timestamp,
    /// When it ends.
    pub ends_at: Timestamp,
}

/// A plan with everything decided: which slots, from when, without which dates.
///
/// Its occurrences depend on nothing else, so whoever computes them, whenever, gets the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The student's zone.
    pub zone: TimeZone,
    /// The first date a lesson may stand on.
    pub start_date: Date,
    /// The chosen slots, on different weekdays.
    pub slots: Vec<Slot>,
    /// The ordinal of its first lesson: 1, unless others were held before it.
    pub first_ordinal: u32,
    /// How many lessons.
    pub sessions: u16,
    /// How long each is, in minutes.
    pub minutes: u16,
    /// Dates on which there is no lesson: closures and the trainer's days off, as they were known
    /// when the plan was allocated.
    pub skipped: BTreeSet<Date>,
}

impl Schedule {
    /// The lessons in date order: from the start date inclusive, each date of a chosen weekday
    /// that is not skipped, until all are placed (fewer only if the dates leave the calendar).
    pub fn occurrences(&self) -> impl Iterator<Item = Occurrence> + '_ {
        let dates = dates_of(self.start_date, &self.slots).filter(|(date, _)| !self.skipped.contains(date));
        dates.take(usize::from(self.sessions)).zip(self.first_ordinal..).filter_map(|((local_date, slot), ordinal)| {
            let (starts_at, ends_at) = instants(&self.zone, local_date, slot.at, self.minutes)?;
            Some(Occurrence { ordinal, local_date, starts_at, ends_at })
        })
    }
}

/// Every date from `start` on whose weekday one of `slots` (different weekdays) has, with that
/// slot; at most [`PLAN_DAYS_MAX`] days far, and never out of the calendar.
pub fn dates_of(start: Date, slots: &[Slot]) -> impl Iterator<Item = (Date, Slot)> + use<> {
    let mut by_weekday = [None; 7];
    for slot in slots {
        by_weekday[slot.weekday.index()] = Some(*slot);
    }
    let days = std::iter::successors(Some(start), |date| date.tomorrow().ok()).take(PLAN_DAYS_MAX);
    days.filter_map(move |date| Some((date, by_weekday[Weekday::of(date).index()]?)))
}

/// The zone with this IANA name, in any case, from the database that travels in the binary.
///
/// Nothing else names a zone: no POSIX string, no offset, and neither `Etc/Unknown` nor `Factory`,
/// which stand for "not set".
pub fn zone_named(name: &str) -> Option<TimeZone> {
    static BUNDLED: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);
    let zone = BUNDLED.get(name).ok()?;
    let set = !zone.is_unknown() && zone.iana_name().is_some_and(|name| name != "Factory");
    set.then_some(zone)
}

/// When a lesson planned for a local time starts and ends.
///
/// A local time that a change of the clocks skips moves forward by the gap; one that occurs twice
/// is the earlier (RFC 5545 section 3.3.5 reads local times the same way). `None` outside the
/// calendar.
pub fn instants(zone: &TimeZone, date: Date, at: TimeOfDay, minutes: u16) -> Option<(Timestamp, Timestamp)> {
    let midnight = DateTime::from_parts(date, Time::midnight());
    let wall = midnight.checked_add(SignedDuration::from_mins(i64::from(at.minutes()))).ok()?;
    let starts_at = zone.to_ambiguous_timestamp(wall).compatible().ok()?;
    let ends_at = starts_at.checked_add(SignedDuration::from_mins(i64::from(minutes))).ok()?;
    Some((starts_at, ends_at))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn slot(text: &str) -> Slot {
        let (weekday, at) = text.split_once(' ').unwrap();
        Slot { weekday: weekday.parse().unwrap(), at: at.parse().unwrap() }
    }

    fn schedule(zone: &str, start_date: Date, slots: &[&str], sessions: u16) -> Schedule {
        Schedule {
            zone: zone_named(zone).unwrap(),
            start_date,
            slots: slots.iter().map(|text| slot(text)).collect(),
            first_ordinal: 1,
            sessions,
            minutes: 60,
            skipped: BTreeSet::new(),
        }
    }

    fn planned(schedule: &Schedule) -> Vec<String> {
        schedule
            .occurrences()
            .map(|found| format!("{} {} {}", found.ordinal, found.local_date, found.starts_at))
            .collect()
    }

    #[test]
    fn a_plan_without_an_end_is_reserved_for_a_year_and_null_says_so() {
        let text =
            |sessions: &str| format!(r#"{{"start_date":"2026-12-01",{sessions}"per_week":2,"minutes":60,"slots":[]}}"#);
        let read = |sessions: &str| serde_json::from_str::<Plan>(&text(sessions));
        assert!(read("").unwrap_err().to_string().contains("sessions"));
        let (counted, endless) = (read(r#""sessions":24,"#).unwrap(), read(r#""sessions":null,"#).unwrap());
        assert_eq!(serde_json::to_string(&endless).unwrap(), text(r#""sessions":null,"#));
        assert_eq!((counted.is_subscription(), endless.is_subscription()), (false, true));
        for (plan, first_ordinal, reserved) in [
            (&counted, 1, Some(24)),
            (&counted, 24, Some(1)),
            (&counted, 25, None),
            (&counted, 0, None),
            (&endless, 1, Some(104)),
            (&endless, 9_000, Some(104)),
            (&endless, 65_500, None),
            (&endless, 0, None),
            (&endless, u32::MAX, None),
        ] {
            assert_eq!(plan.reserved_from(first_ordinal), reserved, "{first_ordinal}");
        }
    }

    #[test]
    fn lessons_follow_in_date_order_from_the_start_date_on() {
        // 1 December 2026 is a Tuesday; Kolkata is always 5:30 ahead.
        let expected = [
            "1 2026-12-01 2026-12-01T11:30:00Z",
            "2 2026-12-03 2026-12-03T04:30:00Z",
            "3 2026-12-08 2026-12-08T11:30:00Z",
            "4 2026-12-10 2026-12-10T04:30:00Z",
            "5 2026-12-15 2026-12-15T11:30:00Z",
        ];
        for (start_date, slots) in [
            (date(2026, 12, 1), ["tue 17:00", "thu 10:00"]),
            (date(2026, 12, 1), ["thu 10:00", "tue 17:00"]),
            (date(2026, 11, 27), ["tue 17:00", "thu 10:00"]),
        ] {
            assert_eq!(planned(&schedule("Asia/Kolkata", start_date, &slots, 5)), expected, "{start_date} {slots:?}");
        }
    }

    #[test]
    fn a_skipped_date_moves_the_rest_and_no_ordinal_is_left_out() {
        let mut plan = schedule("UTC", date(2026, 12, 1), &["tue 17:00", "thu 10:00"], 4);
        // The Tuesday, and a Wednesday that no lesson would stand on anyway.
        plan.skipped = [date(2026, 12, 8), date(2026, 12, 9)].into();
        let expected = [
            "1 2026-12-01 2026-12-01T17:00:00Z",
            "2 2026-12-03 2026-12-03T10:00:00Z",
            "3 2026-12-10 2026-12-10T10:00:00Z",
            "4 2026-12-15 2026-12-15T17:00:00Z",
        ];
        assert_eq!(planned(&plan), expected);
    }

    #[test]
    fn a_local_time_moves_over_a_gap_and_is_the_earlier_of_two() {
        for (zone, day, at, starts_at) in [
            // Berlin: 02:00 to 03:00 is skipped on 28 March 2027, 02:00 to 03:00 twice on 25 October 2026.
            ("Europe/Berlin", date(2027, 3, 28), "01:45", "2027-03-28T00:45:00Z"),
            ("Europe/Berlin", date(2027, 3, 28), "02:00", "2027-03-28T01:00:00Z"),
            ("Europe/Berlin", date(2027, 3, 28), "02:30", "2027-03-28T01:30:00Z"),
            ("Europe/Berlin", date(2027, 3, 28), "03:00", "2027-03-28T01:00:00Z"),
            ("Europe/Berlin", date(2026, 10, 25), "01:45", "2026-10-24T23:45:00Z"),
            ("Europe/Berlin", date(2026, 10, 25), "02:00", "2026-10-25T00:00:00Z"),
            ("Europe/Berlin", date(2026, 10, 25), "02:30", "2026-10-25T00:30:00Z"),
            ("Europe/Berlin", date(2026, 10, 25), "03:00", "2026-10-25T02:00:00Z"),
            // New York: 02:00 to 03:00 is skipped on 14 March 2027, 01:00 to 02:00 twice on 1 November 2026.
            ("America/New_York", date(2027, 3, 14), "01:45", "2027-03-14T06:45:00Z"),
            ("America/New_York", date(2027, 3, 14), "02:30", "2027-03-14T07:30:00Z"),
            ("America/New_York", date(2027, 3, 14), "03:00", "2027-03-14T07:00:00Z"),
            ("America/New_York", date(2026, 11, 1), "01:30", "2026-11-01T05:30:00Z"),
            ("America/New_York", date(2026, 11, 1), "02:00", "2026-11-01T07:00:00Z"),
            // Lord Howe moves by half an hour: 02:00 to 02:30 is skipped on 4 October 2026, 01:30 to 02:00
            // twice on 4 April 2027.
            ("Australia/Lord_Howe", date(2026, 10, 4), "01:45", "2026-10-03T15:15:00Z"),
            ("Australia/Lord_Howe", date(2026, 10, 4), "02:00", "2026-10-03T15:30:00Z"),
            ("Australia/Lord_Howe", date(2026, 10, 4), "02:15", "2026-10-03T15:45:00Z"),
            ("Australia/Lord_Howe", date(2026, 10, 4), "02:30", "2026-10-03T15:30:00Z"),
            ("Australia/Lord_Howe", date(2027, 4, 4), "01:30", "2027-04-03T14:30:00Z"),
            ("Australia/Lord_Howe", date(2027, 4, 4), "01:45", "2027-04-03T14:45:00Z"),
            ("Australia/Lord_Howe", date(2027, 4, 4), "02:00", "2027-04-03T15:30:00Z"),
        ] {
            let weekday = Weekday::of(day);
            let plan = schedule(zone, day, &[&format!("{weekday} {at}")], 1);
            assert_eq!(planned(&plan), [format!("1 {day} {starts_at}")], "{zone} {day} {at}");
        }
    }

    #[test]
    fn a_lesson_keeps_its_local_time_and_its_length_over_a_change() {
        let plan = schedule("Europe/Berlin", date(2027, 3, 21), &["sun 01:30"], 3);
        let expected = [
            "1 2027-03-21 2027-03-21T00:30:00Z",
            "2 2027-03-28 2027-03-28T00:30:00Z",
            "3 2027-04-04 2027-04-03T23:30:00Z",
        ];
        assert_eq!(planned(&plan), expected);
        for found in plan.occurrences() {
            assert_eq!(found.starts_at.duration_until(found.ends_at), SignedDuration::from_mins(60));
        }
    }

    #[test]
    fn a_plan_ends_with_the_calendar() {
        // The last instant there is stands on Thursday, 30 December 9999.
        let last = planned(&schedule("UTC", date(9999, 12, 24), &["thu 17:00", "fri 17:00"], 500));
        assert_eq!(last, ["1 9999-12-24 9999-12-24T17:00:00Z", "2 9999-12-30 9999-12-30T17:00:00Z"]);
        let mut closed = schedule("UTC", date(2026, 12, 1), &["tue 17:00"], 500);
        closed.skipped = dates_of(closed.start_date, &closed.slots).map(|(date, _)| date).collect();
        assert_eq!(planned(&closed), Vec::<String>::new());
        assert_eq!(planned(&schedule("UTC", date(2026, 12, 1), &[], 500)), Vec::<String>::new());
    }

    #[test]
    fn times_of_day_are_hours_and_minutes() {
        for (text, minutes) in [
            ("00:00", Some(0)),
            ("09:05", Some(545)),
            ("23:59", Some(1439)),
            ("24:00", Some(1440)),
            ("24:01", None),
            ("25:00", None),
            ("12:60", None),
            ("9:05", None),
            ("09-05", None),
            ("09:5x", None),
            ("", None),
            ("ü:000", None),
        ] {
            assert_eq!(text.parse::<TimeOfDay>().ok().map(TimeOfDay::minutes), minutes, "{text:?}");
        }
    }

    const ZONES: &[&str] = &["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"];

    prop_compose! {
        fn any_schedule()(
            zone in proptest::sample::select(ZONES),
            start_day in 0..4_000_i64,
            times in proptest::collection::btree_map(0..7_usize, 0..96_u16, 1..=7),
            sessions in 1..=60_u16,
            skipped_days in proptest::collection::btree_set(0..4_200_i64, 0..60),
        ) -> Schedule {
            let day = |days: i64| date(2020, 1, 1).checked_add(SignedDuration::from_hours(24 * days)).unwrap();
            let slots = times.into_iter().map(|(weekday, quarter)| {
                let at = TimeOfDay::from_minutes(quarter * SLOT_MARK_MINUTES).unwrap();
                Slot { weekday: Weekday::ALL[weekday], at }
            });
            Schedule {
                zone: zone_named(zone).unwrap(),
                start_date: day(start_day),
                slots: slots.collect(),
                first_ordinal: 1,
                sessions,
                minutes: 60,
                skipped: skipped_days.into_iter().map(day).collect(),
            }
        }
    }

    proptest! {
        #[test]
        fn every_lesson_stands_where_the_plan_says(plan in any_schedule()) {
            let found: Vec<_> = plan.occurrences().collect();
            prop_assert_eq!(found.len(), usize::from(plan.sessions));
            prop_assert!(found.iter().zip(1..).all(|(lesson, ordinal)| lesson.ordinal == ordinal));
            prop_assert!(found.is_sorted_by(|one, next| one.local_date < next.local_date));
            for lesson in &found {
                prop_assert!(lesson.local_date >= plan.start_date && !plan.skipped.contains(&lesson.local_date));
                let slot = plan.slots.iter().find(|slot| slot.weekday == Weekday::of(lesson.local_date));
                let local = lesson.starts_at.to_zoned(plan.zone.clone()).datetime();
                let wanted = DateTime::from_parts(lesson.local_date, Time::midnight())
                    .checked_add(SignedDuration::from_mins(i64::from(slot.unwrap().at.minutes())))
                    .unwrap();
                // Later only by a gap, which is an hour at most in these zones.
                let moved = wanted.duration_until(local);
                prop_assert!((0..=3600).contains(&moved.as_secs()), "{} stands at {}", wanted, local);
            }
        }

        #[test]
        fn no_text_whatsoever_makes_it_panic(text: String) {
            let _ = (text.parse::<TimeOfDay>(), text.parse::<Weekday>(), zone_named(&text));
        }

        #[test]
        fn what_is_printed_is_read(minutes in 0..=DAY_MINUTES) {
            let time = TimeOfDay::from_minutes(minutes).unwrap();
            prop_assert_eq!(time.to_string().parse(), Ok(time));
        }

        #[test]
        fn no_time_leaves_the_calendar_with_a_panic(days in 0..3_652_058_i64, minutes in 0..=DAY_MINUTES, long: u16) {
            let day = Date::constant(1, 1, 1).saturating_add(SignedDuration::from_hours(24 * days));
            let at = TimeOfDay::from_minutes(minutes).unwrap();
            for zone in ["Pacific/Apia", "Europe/Berlin", "Pacific/Kiritimati"] {
                let _ = instants(&zone_named(zone).unwrap(), day, at, long);
            }
        }
    }
}
