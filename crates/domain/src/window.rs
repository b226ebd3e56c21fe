//! The rolling window: which of a plan's occurrences stand in the calendar.

use jiff::civil::Date;
use jiff::{Span, Timestamp, tz::TimeZone};

/// How far past today (or past a later start) sessions are put in the calendar, in days.
pub const WINDOW_DAYS_DEFAULT: u16 = 28;

/// The UTC date of an instant: what "today" means to the window, wherever the student lives.
pub fn today(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

/// The horizon a purchase should have: `max(today, start) + window_days`.
///
/// The horizon is exclusive: session rows are exactly the occurrences whose planned local date is
/// before it. Callers raise a stored horizon to this and never lower it.
pub fn horizon(today: Date, start: Date, window_days: u16) -> Date {
    today.max(start).saturating_add(Span::new().days(i64::from(window_days)))
}

/// The first date a plan can start on: nobody is booked before the day
/// that is `lead_days` after `now` in the student's own zone, and not before the requested start.
pub fn first_bookable_date(requested: Date, now: Timestamp, zone: &TimeZone, lead_days: u16) -> Date {
    let today = now.to_zoned(zone.clone()).date();
    requested.max(today.saturating_add(Span::new().days(i64::from(lead_days))))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_horizon_follows_the_later_of_today_and_start() {
        for (today, start, days, expected) in [
            (date(2026, 11, 23), date(2026, 12, 1), 28, date(2026, 12, 29)),
            (date(2026, 12, 10), date(2026, 12, 1), 28, date(2027, 1, 7)),
            (date(2026, 12, 1), date(2026, 12, 1), 7, date(2026, 12, 8)),
            (date(9999, 12, 31), date(2026, 12, 1), 28, date(9999, 12, 31)),
        ] {
            assert_eq!(horizon(today, start, days), expected);
        }
    }

    #[test]
    fn nobody_is_booked_before_tomorrow_in_their_own_zone() {
        let kolkata = TimeZone::get("Asia/Kolkata").unwrap();
        let now: Timestamp = "2026-11-30T19:00:00Z".parse().unwrap(); // 00:30 on 1 December there
        assert_eq!(first_bookable_date(date(2026, 12, 1), now, &kolkata, 1), date(2026, 12, 2));
        assert_eq!(first_bookable_date(date(2026, 12, 9), now, &kolkata, 1), date(2026, 12, 9));
    }
}
