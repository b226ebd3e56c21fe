//! A zone's clock over some years, for the many conversions a search needs.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// Seconds in a day.
pub(crate) const DAY_SECONDS: i64 = 24 * 60 * 60;

/// The offsets of a zone from UTC between two instants; all times are Unix seconds, wall-clock times are counted as if
/// they were UTC.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    zone: TimeZone,
    /// From when (Unix seconds) which offset (seconds) holds, ascending; the first from the beginning of time.
    spans: Vec<(i64, i64)>,
    from: i64,
    until: i64,
}

impl Clock {
    /// The clock from one instant to another; outside of them it still answers, but slower.
    pub(crate) fn between(zone: &TimeZone, from: i64, until: i64) -> Self {
        let instant = |second: i64| timestamp(second);
        let mut spans = vec![(i64::MIN, i64::from(zone.to_offset(instant(from)).seconds()))];
        for change in zone.following(instant(from)) {
            let (at, offset) = (change.timestamp().as_second(), i64::from(change.offset().seconds()));
            if at > until {
                break;
            }
            if spans.last().is_some_and(|&(_, last)| last != offset) {
                spans.push((at, offset));
            }
        }
        Self { zone: zone.clone(), spans, from, until }
    }

    /// Seconds ahead of UTC at an instant.
    pub(crate) fn offset(&self, second: i64) -> i64 {
        if second < self.from || second >= self.until {
            return i64::from(self.zone.to_offset(timestamp(second)).seconds());
        }
        self.spans[self.spans.partition_point(|&(from, _)| from <= second) - 1].1
    }

    /// The offset at an instant, and the instant until which it surely holds.
    pub(crate) fn offset_until(&self, second: i64) -> (i64, i64) {
        if second < self.from || second >= self.until {
            return (self.offset(second), second + 1);
        }
        let next = self.spans.partition_point(|&(from, _)| from <= second);
        (self.spans[next - 1].1, self.spans.get(next).map_or(self.until, |span| span.0.min(self.until)))
    }

    /// The wall-clock time at an instant.
    pub(crate) fn wall(&self, second: i64) -> i64 {
        second + self.offset(second)
    }

    /// The instant of a wall-clock time, read as [`crate::plan::instants`] does: moved forward by the gap if the clock
    /// skips it, the earlier if it occurs twice.
    pub(crate) fn instant(&self, wall: i64) -> i64 {
        if wall - DAY_SECONDS < self.from || wall + DAY_SECONDS >= self.until {
            return self.instant_outside(wall);
        }
        let ends = |at: usize| self.spans.get(at + 1).map_or(i64::MAX, |next| next.0 + self.spans[at].1);
        // Offsets are less than a day, so the span is found near the one a day before.
        let near = self.spans.partition_point(|&(from, _)| from <= wall - DAY_SECONDS) - 1;
        let first = (near..self.spans.len()).find(|&at| wall < ends(at)).unwrap_or(near);
        let (from, offset) = self.spans[first];
        let skipped = first > 0 && wall < from + offset;
        wall - if skipped { self.spans[first - 1].1 } else { offset }
    }

    fn instant_outside(&self, wall: i64) -> i64 {
        let civil = TimeZone::UTC.to_datetime(timestamp(wall));
        self.zone.to_ambiguous_timestamp(civil).compatible().map_or(wall, Timestamp::as_second)
    }
}

/// The instant, kept inside the calendar.
fn timestamp(second: i64) -> Timestamp {
    Timestamp::from_second(second.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second())).unwrap_or_default()
}

/// Days from 1970-01-01 to a date.
pub(crate) fn day_number(date: Date) -> i64 {
    date.duration_since(Date::constant(1970, 1, 1)).as_secs().div_euclid(DAY_SECONDS)
}

/// The ISO week a wall-clock time is in, counted from the week of 1970-01-01 (which began on a Monday, 1969-12-29).
pub(crate) fn iso_week(wall: i64) -> i32 {
    (wall.div_euclid(DAY_SECONDS) + 3).div_euclid(7) as i32
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;
    use crate::plan::{TimeOfDay, instants};

    #[test]
    fn weeks_begin_on_monday() {
        let week = |date: Date| iso_week(day_number(date) * DAY_SECONDS);
        assert_eq!(week(date(1970, 1, 1)), 0);
        assert_eq!(week(date(1970, 1, 4)), 0);
        assert_eq!(week(date(1970, 1, 5)), 1);
        assert_eq!(week(date(2026, 11, 22)) + 1, week(date(2026, 11, 23)));
    }

    proptest! {
        #[test]
        fn it_reads_local_times_as_the_plan_does(
            zone in prop::sample::select(vec![
                "Asia/Kolkata", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca",
                "America/Santiago", "Asia/Kathmandu", "Pacific/Apia",
            ]),
            days in -200i32..3_000, quarter in 0u16..96,
        ) {
            let zone = TimeZone::get(zone).unwrap();
            let date = date(2026, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap();
            let clock = Clock::between(&zone, 1_767_000_000, 1_900_000_000);
            let at = TimeOfDay::from_minutes(quarter * 15).unwrap();
            let (starts_at, _) = instants(&zone, date, at, 60).unwrap();
            let wall = day_number(date) * DAY_SECONDS + i64::from(at.minutes()) * 60;
            prop_assert_eq!(clock.instant(wall), starts_at.as_second());
            prop_assert_eq!(clock.offset(starts_at.as_second()), i64::from(zone.to_offset(starts_at).seconds()));
        }
    }
}
