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

/// What was bought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The requested first date, in the student's zone.
    pub start_date: Date,
    /// How many lessons, 1 to 500.
    pub sessions: u16,
    /// How many of them in a week, 1 to 7.
    pub per_week: u8,
    /// How long each is, in minutes: 15 to 240, a multiple of 5.
    pub minutes: u16,
    /// The weekly times that suit the student, best first, each once.
    pub slots: Vec<Slot>,
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
        dates.take(usize::from(self.sessions)).zip(1..).filter_map(|((local_date, slot), ordinal)| {
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
