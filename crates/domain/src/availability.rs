//! When a trainer can teach: weekly wall-clock time in the trainer's own zone.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use crate::plan::{DAY_MINUTES, Weekday};
use crate::trainer::AvailableRange;

/// Minutes in a week.
pub const WEEK_MINUTES: u16 = 7 * DAY_MINUTES;
/// A session during which the clocks change is looked at in pieces this long. Session lengths are multiples of it,
/// and clocks change on its marks.
pub const PIECE_MINUTES: u16 = 5;

/// Weekly ranges of wall-clock time, joined wherever they touch or overlap.
///
/// Minutes count from Monday 00:00. A range that is open over the end of the week goes on past [`WEEK_MINUTES`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Availability {
    /// Disjoint, sorted `(from, until)`; `from` lies in the week.
    ranges: Vec<(u16, u16)>,
    /// Every minute of the week: no start is too late to be covered.
    always: bool,
}

impl Availability {
    /// Joins the ranges of a roster line. A range that ends before it begins ends on the next day; one without length
    /// adds nothing.
    pub fn compile(ranges: &[AvailableRange]) -> Self {
        let mut pieces: Vec<(u16, u16)> = ranges.iter().flat_map(week_pieces).collect();
        pieces.sort_unstable();
        let mut joined: Vec<(u16, u16)> = Vec::with_capacity(pieces.len());
        for (from, until) in pieces {
            match joined.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(until),
                _ => joined.push((from, until)),
            }
        }
        let always = joined == [(0, WEEK_MINUTES)];
        join_over_the_week_end(&mut joined);
        Self { ranges: joined, always }
    }

    /// Whether the `minutes` from `minute` of this weekday on are all inside.
    pub fn covers(&self, weekday: Weekday, minute: u16, minutes: u16) -> bool {
        self.covers_week_minute(weekday.index() as u16 * DAY_MINUTES + minute, minutes)
    }

    /// As [`Availability::covers`], counting from Monday 00:00.
    pub fn covers_week_minute(&self, minute: u16, minutes: u16) -> bool {
        let inside = |start: u16| self.ranges.iter().any(|&(from, until)| from <= start && start + minutes <= until);
        self.always || inside(minute) || inside(minute + WEEK_MINUTES)
    }

    /// Whether every moment of a session, read as wall-clock time in the trainer's zone, is inside.
    pub fn covers_session(&self, zone: &TimeZone, starts_at: Timestamp, ends_at: Timestamp) -> bool {
        let minutes = ends_at.duration_since(starts_at).as_mins();
        if zone.to_offset(starts_at) == zone.to_offset(ends_at) {
            return self.covers_from(zone, starts_at, minutes);
        }
        (0..minutes).step_by(usize::from(PIECE_MINUTES)).all(|after| {
            let piece = (minutes - after).min(i64::from(PIECE_MINUTES));
            let starts_at = starts_at.checked_add(SignedDuration::from_mins(after));
            starts_at.is_ok_and(|starts_at| self.covers_from(zone, starts_at, piece))
        })
    }

    fn covers_from(&self, zone: &TimeZone, starts_at: Timestamp, minutes: i64) -> bool {
        let wall = zone.to_datetime(starts_at);
        let minute = wall.hour() as u16 * 60 + wall.minute() as u16;
        u16::try_from(minutes)
            .is_ok_and(|minutes| minutes <= WEEK_MINUTES && self.covers(Weekday::of(wall.date()), minute, minutes))
    }
}

/// The one or two parts of the week a range takes, cut at Sunday midnight.
fn week_pieces(range: &AvailableRange) -> impl Iterator<Item = (u16, u16)> + use<> {
    let day = range.weekday.index() as u16 * DAY_MINUTES;
    let (from, until) = (range.from.minutes(), range.until.minutes());
    let until = if until < from { until + DAY_MINUTES } else { until };
    let (from, until) = (day + from, day + until);
    let within = (from.min(WEEK_MINUTES), until.min(WEEK_MINUTES));
    let beyond = (from.max(WEEK_MINUTES) - WEEK_MINUTES, until.max(WEEK_MINUTES) - WEEK_MINUTES);
    [within, beyond].into_iter().filter(|(from, until)| from < until)
}

/// Lets the week's last range go on into its first, if they touch.
fn join_over_the_week_end(ranges: &mut [(u16, u16)]) {
    if let [first, .., last] = ranges
        && first.0 == 0
        && last.1 == WEEK_MINUTES
    {
        last.1 += first.1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::TimeOfDay;

    fn range(weekday: Weekday, from: &str, until: &str) -> AvailableRange {
        AvailableRange { weekday, from: from.parse().unwrap(), until: until.parse().unwrap() }
    }

    #[test]
    fn ranges_that_touch_join_also_across_midnight_and_the_week_end() {
        use Weekday::*;
        let availability = Availability::compile(&[
            range(Tue, "15:00", "18:00"),
            range(Tue, "18:00", "24:00"),
            range(Wed, "00:00", "01:00"),
            range(Thu, "22:00", "02:00"),
            range(Sun, "20:00", "24:00"),
            range(Mon, "00:00", "02:00"),
        ]);
        for (weekday, at, minutes, inside) in [
            (Tue, 15 * 60, 9 * 60, true),
            (Tue, 14 * 60 + 55, 60, false),
            (Tue, 23 * 60 + 30, 60, true),
            (Wed, 30, 60, false),
            (Thu, 23 * 60 + 30, 60, true),
            (Fri, 60, 60, true),
            (Fri, 60, 65, false),
            (Sun, 23 * 60 + 30, 60, true),
            (Sun, 23 * 60, 180, true),
            (Sun, 23 * 60, 185, false),
            (Mon, 60, 60, true),
        ] {
            assert_eq!(availability.covers(weekday, at, minutes), inside, "{weekday} {at} for {minutes}");
        }
    }

    #[test]
    fn the_whole_week_has_no_edge() {
        let all: Vec<_> = Weekday::ALL.map(|day| range(day, "00:00", "24:00")).into();
        assert!(Availability::compile(&all).covers(Weekday::Sun, 23 * 60 + 45, 240));
    }

    #[test]
    fn a_session_over_a_clock_change_is_read_moment_by_moment() {
        // Berlin, 2026-03-29: 02:00 becomes 03:00.
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let session: (Timestamp, Timestamp) =
            ("2026-03-29T00:30:00Z".parse().unwrap(), "2026-03-29T01:30:00Z".parse().unwrap());
        for (ranges, inside) in [
            (vec![range(Weekday::Sun, "01:30", "02:00"), range(Weekday::Sun, "03:00", "03:30")], true),
            (vec![range(Weekday::Sun, "01:30", "02:30")], false),
            (vec![range(Weekday::Sun, "01:00", "04:00")], true),
        ] {
            assert_eq!(Availability::compile(&ranges).covers_session(&berlin, session.0, session.1), inside);
        }
    }

    proptest! {
        #[test]
        fn covered_means_every_minute_is_in_some_range(
            ranges in prop::collection::vec((0usize..7, 0u16..96, 0u16..=96), 0..12),
            start in 0u16..672, pieces in 1u16..48,
        ) {
            let time = |quarter: u16| TimeOfDay::from_minutes(quarter * 15).unwrap();
            let ranges: Vec<_> = ranges.into_iter()
                .filter(|(_, from, until)| from != until)
                .map(|(day, from, until)| AvailableRange { weekday: Weekday::ALL[day], from: time(from), until: time(until) })
                .collect();
            let mut minutes_open = vec![false; usize::from(WEEK_MINUTES)];
            for range in &ranges {
                let (day, from, until) = (range.weekday.index() as u16 * 1440, range.from.minutes(), range.until.minutes());
                let length = if until < from { until + 1440 - from } else { until - from };
                (0..length).for_each(|after| minutes_open[usize::from((day + from + after) % WEEK_MINUTES)] = true);
            }
            let (start, minutes) = (start * 15, pieces * 5);
            let expected = (0..minutes).all(|after| minutes_open[usize::from((start + after) % WEEK_MINUTES)]);
            prop_assert_eq!(Availability::compile(&ranges).covers_week_minute(start, minutes), expected);
        }
    }
}
