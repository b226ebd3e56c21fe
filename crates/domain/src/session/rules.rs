//! Whether one session can be taught by a trainer at a time: the rules a whole plan is judged by, asked of it alone.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde::Serialize;

use crate::allocation::{Calendar, reserved_time};
use crate::availability::Availability;
use crate::plan::{Occurrence, Weekday, zone_named};
use crate::purchase::{Course, alike};
use crate::trainer::{Closure, Trainer};

/// A rule that a session can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionRule {
    /// The trainer takes no work.
    Inactive,
    /// They don't teach this subject at this level.
    Course,
    /// They share no language with the student.
    Language,
    /// It lies outside their weekly availability.
    Availability,
    /// They are off then.
    TimeOff,
    /// The company is closed on its date.
    Closure,
    /// They would have too many sessions in that week.
    WeeklyCapacity,
    /// They have another session then.
    TrainerBusy,
    /// The student has another session then.
    StudentBusy,
}

impl SessionRule {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Inactive,
        Self::Course,
        Self::Language,
        Self::Availability,
        Self::TimeOff,
        Self::Closure,
        Self::WeeklyCapacity,
        Self::TrainerBusy,
        Self::StudentBusy,
    ];

    /// The name, that of the allocation's rule where there is one.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Course => "course",
            Self::Language => "language",
            Self::Availability => "availability",
            Self::TimeOff => "time-off",
            Self::Closure => "closure",
            Self::WeeklyCapacity => "weekly-capacity",
            Self::TrainerBusy => "trainer-busy",
            Self::StudentBusy => "student-busy",
        }
    }

    /// Whether a person may decide against it. Nobody can be in two places.
    pub const fn can_be_overridden(self) -> bool {
        !matches!(self, Self::TrainerBusy | Self::StudentBusy)
    }
}

impl fmt::Display for SessionRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for SessionRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = || Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|rule| rule.name() == text);
        found.ok_or_else(|| format!("unknown rule {text:?}, known are {}", known()))
    }
}

/// When a trainer teaches, worked out of their row once for however many sessions are asked about.
#[derive(Clone, Debug)]
pub struct Hours {
    /// `None` if their zone is not known: then they can't be asked for any time.
    zone: Option<TimeZone>,
    available: Availability,
}

impl Hours {
    /// Those of a trainer.
    pub fn of(trainer: &Trainer) -> Self {
        Self { zone: zone_named(&trainer.time_zone), available: Availability::compile(&trainer.availability) }
    }

    fn cover(&self, at: &Occurrence) -> bool {
        let inside = |zone: &TimeZone| self.available.covers_session(zone, at.starts_at, at.ends_at);
        self.zone.as_ref().is_some_and(inside)
    }
}

/// What is asked about a session.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// Who would teach it.
    pub trainer: &'a Trainer,
    /// When they teach.
    pub hours: &'a Hours,
    /// Their other sessions.
    pub trainer_calendar: &'a Calendar,
    /// Languages the student can be taught in.
    pub languages: &'a [String],
    /// What is taught.
    pub course: &'a Course,
    /// The student's other sessions.
    pub student_calendar: &'a Calendar,
    /// Company-wide days without lessons.
    pub closures: &'a [Closure],
    /// When it would be, and on which of the student's dates.
    pub at: Occurrence,
}

/// Every rule it would break, in their order; none if it can be taught so.
pub fn broken_rules(asked: &Asked<'_>) -> Vec<SessionRule> {
    let Asked { trainer, hours, at, .. } = asked;
    let zone = hours.zone.as_ref();
    let holds = |rule: SessionRule| match rule {
        SessionRule::Inactive => trainer.active,
        SessionRule::Course => teaches(trainer, asked.course),
        SessionRule::Language => speaks(trainer, asked.languages),
        SessionRule::Availability => hours.cover(at),
        SessionRule::TimeOff => zone.is_some_and(|zone| !is_off(trainer, zone, at)),
        SessionRule::Closure => {
            !asked.closures.iter().any(|closure| covers(closure.from, closure.until, at.local_date))
        }
        SessionRule::WeeklyCapacity => zone.is_some_and(|zone| has_room(asked, zone)),
        SessionRule::TrainerBusy => !asked.trainer_calendar.overlaps(&reserved_time([*at])),
        SessionRule::StudentBusy => !asked.student_calendar.overlaps(&reserved_time([*at])),
    };
    SessionRule::ALL.into_iter().filter(|rule| !holds(*rule)).collect()
}

/// Whether a trainer takes work of this kind at all, whenever it is.
pub fn is_able(trainer: &Trainer, languages: &[String], course: &Course) -> bool {
    trainer.active && teaches(trainer, course) && speaks(trainer, languages)
}

/// Whether a trainer who [is able](is_able) could take a session if they had nothing else to do.
pub fn has_hours(trainer: &Trainer, hours: &Hours, at: &Occurrence) -> bool {
    against_the_time(trainer, hours, at).is_none()
}

/// The first rule that a session contradicts which its trainer has already: what the roster says of them was changed.
pub fn contradiction(
    trainer: &Trainer,
    hours: &Hours,
    languages: &[String],
    course: &Course,
    at: &Occurrence,
) -> Option<SessionRule> {
    if !teaches(trainer, course) {
        return Some(SessionRule::Course);
    }
    if !speaks(trainer, languages) {
        return Some(SessionRule::Language);
    }
    against_the_time(trainer, hours, at)
}

fn against_the_time(trainer: &Trainer, hours: &Hours, at: &Occurrence) -> Option<SessionRule> {
    let Some(zone) = &hours.zone else { return Some(SessionRule::Availability) };
    if is_off(trainer, zone, at) {
        return Some(SessionRule::TimeOff);
    }
    (!hours.cover(at)).then_some(SessionRule::Availability)
}

pub(crate) fn teaches(trainer: &Trainer, course: &Course) -> bool {
    trainer.courses.iter().any(|taught| {
        alike(&taught.subject, &course.subject) && taught.levels.iter().any(|level| alike(level, &course.level))
    })
}

pub(crate) fn speaks(trainer: &Trainer, languages: &[String]) -> bool {
    trainer.languages.iter().any(|spoken| languages.iter().any(|language| alike(language, spoken)))
}

/// Whether it touches a day off, in the trainer's zone.
pub(crate) fn is_off(trainer: &Trainer, zone: &TimeZone, at: &Occurrence) -> bool {
    let last_moment = at.ends_at.checked_sub(SignedDuration::from_secs(1)).unwrap_or(at.ends_at);
    let (first, last) = (zone.to_datetime(at.starts_at).date(), zone.to_datetime(last_moment).date());
    trainer.time_off.iter().any(|off| off.from <= last && first <= off.until)
}

pub(crate) fn covers(from: Date, until: Date, date: Date) -> bool {
    (from..=until).contains(&date)
}

/// Whether the ISO week it starts in, in the trainer's zone, has room for one more.
fn has_room(asked: &Asked<'_>, zone: &TimeZone) -> bool {
    room(asked.trainer, asked.trainer_calendar, zone, asked.at.starts_at).is_some_and(|(_, room)| room > 0)
}

/// How many sessions more a trainer takes in the ISO week of an instant, in their zone, and when that week begins (Unix
/// seconds). `None` if their zone is not known.
pub fn room_in_week(trainer: &Trainer, hours: &Hours, calendar: &Calendar, at: Timestamp) -> Option<(i64, u32)> {
    room(trainer, calendar, hours.zone.as_ref()?, at)
}

fn room(trainer: &Trainer, calendar: &Calendar, zone: &TimeZone, at: Timestamp) -> Option<(i64, u32)> {
    let (monday, next) = week_of(zone, at)?;
    let in_week = calendar.starts().filter(|start| (monday..next).contains(start)).count();
    Some((monday, trainer.max_sessions_per_week.saturating_sub(in_week as u32)))
}

/// The instants between which the ISO week of an instant lies, in Unix seconds.
fn week_of(zone: &TimeZone, at: Timestamp) -> Option<(i64, i64)> {
    let date = zone.to_datetime(at).date();
    let monday = date.checked_sub((Weekday::of(date).index() as i64).days()).ok()?;
    let midnight = |date: Date| Some(date.to_zoned(zone.clone()).ok()?.timestamp().as_second());
    Some((midnight(monday)?, midnight(monday.checked_add(7.days()).ok()?)?))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::trainer::{AvailableRange, DaysOff, TaughtCourse};

    fn at(starts_at: &str, minutes: i64) -> Occurrence {
        let starts_at: Timestamp = starts_at.parse().unwrap();
        Occurrence {
            ordinal: 1,
            local_date: zone_named("Asia/Kolkata").unwrap().to_datetime(starts_at).date(),
            starts_at,
            ends_at: starts_at + SignedDuration::from_mins(minutes),
        }
    }

    /// In Kolkata, on Tuesdays and Wednesdays from three to nine.
    fn ravi() -> Trainer {
        let range =
            |weekday| AvailableRange { weekday, from: "15:00".parse().unwrap(), until: "21:00".parse().unwrap() };
        Trainer {
            trainer_id: "trn_7".into(),
            name: None,
            email: None,
            time_zone: "Asia/Kolkata".into(),
            languages: vec!["en".into()],
            courses: vec![TaughtCourse { subject: "Python ".into(), levels: vec!["beginner".into()] }],
            availability: vec![range(Weekday::Tue), range(Weekday::Wed)],
            time_off: vec![DaysOff { from: date(2026, 12, 22), until: date(2026, 12, 23) }],
            max_sessions_per_week: 2,
            weight: 100,
            active: true,
        }
    }

    struct World {
        trainer: Trainer,
        theirs: Vec<Occurrence>,
        students: Vec<Occurrence>,
        languages: Vec<String>,
        course: Course,
    }

    fn world() -> World {
        let course = Course { subject: "python".into(), level: "Beginner".into() };
        World { trainer: ravi(), theirs: vec![], students: vec![], languages: vec!["EN".into()], course }
    }

    fn broken(world: &World, at: Occurrence) -> String {
        let closures = [Closure { from: date(2026, 12, 30), until: date(2026, 12, 30), name: "party".into() }];
        let calendar = |taken: &[Occurrence]| Calendar::from_rows(reserved_time(taken.iter().copied()));
        let broken = broken_rules(&Asked {
            trainer: &world.trainer,
            hours: &Hours::of(&world.trainer),
            trainer_calendar: &calendar(&world.theirs),
            languages: &world.languages,
            course: &world.course,
            student_calendar: &calendar(&world.students),
            closures: &closures,
            at,
        });
        broken.iter().map(|rule| rule.name()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_rule_is_asked_of_the_session_alone() {
        // Half past eleven in UTC is five in Kolkata; 8 December is a Tuesday.
        for (starts_at, expected) in [
            ("2026-12-08T11:30:00Z", ""),
            ("2026-12-08T15:00:00Z", "availability"),
            ("2026-12-10T11:30:00Z", "availability"),
            ("2026-12-22T11:30:00Z", "time-off"),
            ("2026-12-23T11:30:00Z", "time-off"),
            ("2026-12-30T11:30:00Z", "closure"),
        ] {
            assert_eq!(broken(&world(), at(starts_at, 60)), expected, "{starts_at}");
        }
        let tuesday = || at("2026-12-08T11:30:00Z", 60);
        for (change, expected) in [
            ((|world: &mut World| world.trainer.active = false) as fn(&mut World), "inactive"),
            (|world| world.course.level = "expert".into(), "course"),
            (|world| world.languages = vec!["hi".into()], "language"),
            (|world| world.trainer.time_zone = "Nowhere".into(), "availability time-off weekly-capacity"),
            (|world| world.theirs = vec![at("2026-12-08T12:15:00Z", 30)], "trainer-busy"),
            (|world| world.theirs = vec![at("2026-12-08T12:30:00Z", 30)], ""),
            (|world| world.students = vec![at("2026-12-08T10:45:00Z", 60)], "student-busy"),
        ] {
            let mut world = world();
            change(&mut world);
            assert_eq!(broken(&world, tuesday()), expected);
        }
    }

    #[test]
    fn a_week_is_the_trainers_from_monday_to_sunday() {
        // Monday begins in Kolkata at half past six on Sunday evening, UTC.
        let with = |others: [&str; 2]| World { theirs: others.map(|start| at(start, 15)).to_vec(), ..world() };
        let tuesday = || at("2026-12-08T11:30:00Z", 60);
        assert_eq!(broken(&with(["2026-12-06T18:30:00Z", "2026-12-13T18:15:00Z"]), tuesday()), "weekly-capacity");
        assert_eq!(broken(&with(["2026-12-06T18:15:00Z", "2026-12-13T18:15:00Z"]), tuesday()), "");
        assert_eq!(broken(&with(["2026-12-06T18:30:00Z", "2026-12-13T18:30:00Z"]), tuesday()), "");
    }

    #[test]
    fn a_rule_is_its_name_and_nobody_is_in_two_places() {
        for rule in SessionRule::ALL {
            assert_eq!(rule.name().parse(), Ok(rule));
            assert_eq!(rule.can_be_overridden(), !rule.name().ends_with("busy"));
        }
        assert!("mood".parse::<SessionRule>().unwrap_err().contains("time-off"));
    }
}
