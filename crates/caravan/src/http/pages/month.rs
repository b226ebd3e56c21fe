//! A purchase's lessons in a month: the student's days, with the trainer's time beside theirs.

use std::collections::BTreeMap;

use caravan_domain::plan::{Weekday, zone_named};
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::words::{city, held, time};
use crate::views::SessionRow;

/// Weeks are Monday to Sunday (ISO 8601).
const WEEK: usize = 7;

/// A month with lessons in it.
pub(super) struct Month {
    /// Such as `December 2026`.
    pub(super) name: String,
    /// The months beside it, as `2026-11`.
    pub(super) before: String,
    pub(super) behind: String,
    pub(super) weeks: Vec<Vec<DayOf>>,
    /// The cities whose times are shown.
    pub(super) student_city: String,
    pub(super) trainer_city: Option<String>,
}

/// A day of a month.
pub(super) struct DayOf {
    pub(super) date: Date,
    pub(super) number: i8,
    /// Whether it belongs to a month beside it.
    pub(super) is_other: bool,
    pub(super) is_today: bool,
    pub(super) lessons: Vec<LessonOf>,
}

/// A lesson on a day.
pub(super) struct LessonOf {
    pub(super) href: String,
    pub(super) time: String,
    /// The trainer's time, if it is another.
    pub(super) trainer_time: Option<String>,
    pub(super) ordinal: u32,
    pub(super) class: &'static str,
    pub(super) status: &'static str,
}

/// The month of `first` in the student's zone; `trainer_zone` is the name of the trainer's.
pub(super) fn month(
    sessions: &[SessionRow],
    first: Date,
    today: Date,
    zone: &TimeZone,
    trainer_zone: Option<&str>,
) -> Month {
    let first = first.first_of_month();
    let trainer = trainer_zone.and_then(zone_named);
    let mut by_date: BTreeMap<Date, Vec<LessonOf>> = BTreeMap::new();
    for session in sessions {
        let date = zone.to_datetime(session.starts_at).date();
        by_date.entry(date).or_default().push(lesson(session, zone, trainer.as_ref()));
    }
    let begins = first.saturating_sub((Weekday::of(first).index() as i64).days());
    let days = std::iter::successors(Some(begins), |date| date.tomorrow().ok());
    let days: Vec<Date> =
        days.take_while(|date| *date <= first.last_of_month() || Weekday::of(*date) != Weekday::Mon).collect();
    let mut day = |date: &Date| DayOf {
        date: *date,
        number: date.day(),
        is_other: date.first_of_month() != first,
        is_today: *date == today,
        lessons: by_date.remove(date).unwrap_or_default(),
    };
    let weeks = days.chunks(WEEK).map(|week| week.iter().map(&mut day).collect()).collect();
    let named = |date: Date| date.strftime("%Y-%m").to_string();
    Month {
        name: first.strftime("%B %Y").to_string(),
        before: named(first.saturating_sub(1.day())),
        behind: named(first.last_of_month().saturating_add(1.day())),
        weeks,
        student_city: city(zone.iana_name().unwrap_or("UTC")),
        trainer_city: trainer_zone.filter(|name| Some(*name) != zone.iana_name()).map(city),
    }
}

fn lesson(session: &SessionRow, zone: &TimeZone, trainer: Option<&TimeZone>) -> LessonOf {
    let differs = |trainer: &&TimeZone| trainer.to_datetime(session.starts_at) != zone.to_datetime(session.starts_at);
    LessonOf {
        href: format!("/purchases/{}/sessions/{}", session.purchase_id, session.ordinal),
        time: time(session.starts_at, zone),
        trainer_time: trainer.filter(differs).map(|trainer| time(session.starts_at, trainer)),
        ordinal: session.ordinal,
        class: session.status.name(),
        status: held(session.status),
    }
}

#[cfg(test)]
mod tests {
    use caravan_domain::session::SessionStatus;
    use jiff::civil::date;
    use uuid::Uuid;

    use super::*;

    fn session(starts_at: &str) -> SessionRow {
        SessionRow {
            session_id: Uuid::nil(),
            purchase_id: Uuid::nil(),
            trainer_id: "trn_7".to_owned(),
            student_id: "stu_1".to_owned(),
            ordinal: 1,
            local_date: date(2026, 12, 1),
            starts_at: starts_at.parse().unwrap(),
            ends_at: starts_at.parse().unwrap(),
            time_zone: "Europe/Berlin".to_owned(),
            status: SessionStatus::Scheduled,
            planned_starts_at: starts_at.parse().unwrap(),
        }
    }

    #[test]
    fn a_lesson_stands_on_the_students_day_with_both_times() {
        let berlin = zone_named("Europe/Berlin").unwrap();
        let month = month(
            &[session("2026-12-01T16:00:00Z")],
            date(2026, 12, 9),
            date(2026, 12, 1),
            &berlin,
            Some("Asia/Kolkata"),
        );
        let days: Vec<&DayOf> = month.weeks.iter().flatten().filter(|day| !day.lessons.is_empty()).collect();
        assert_eq!((days.len(), days[0].date, days[0].is_today), (1, date(2026, 12, 1), true));
        let lesson = &days[0].lessons[0];
        assert_eq!((lesson.time.as_str(), lesson.trainer_time.as_deref()), ("17:00", Some("21:30")));
        assert_eq!((month.name.as_str(), month.trainer_city.as_deref()), ("December 2026", Some("Kolkata")));
    }

    #[test]
    fn a_month_is_whole_weeks_from_monday_to_sunday() {
        let utc = TimeZone::UTC;
        for (first, weeks) in
            [(date(2026, 2, 1), 5), (date(2027, 2, 1), 4), (date(2026, 8, 1), 6), (date(2026, 12, 1), 5)]
        {
            let month = month(&[], first, first, &utc, None);
            assert_eq!(month.weeks.len(), weeks, "{first}");
            assert!(month.weeks.iter().all(|week| week.len() == WEEK && Weekday::of(week[0].date) == Weekday::Mon));
            let own = month.weeks.iter().flatten().filter(|day| !day.is_other).count();
            assert_eq!(own, first.days_in_month() as usize, "{first}");
        }
    }

    #[test]
    fn the_months_beside_it_are_named() {
        let month = month(&[], date(2026, 12, 31), date(2026, 12, 1), &TimeZone::UTC, None);
        assert_eq!((month.before.as_str(), month.behind.as_str()), ("2026-11", "2027-01"));
    }
}
