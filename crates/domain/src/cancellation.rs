//! Calling a purchase off: which of its sessions are held all the same, and what time is free again.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::allocation::{ReservedTime, reserved_time};
use crate::plan::Occurrence;

/// From when on a plan has no sessions any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The first date without sessions, in the student's zone.
    pub effective_from: Date,
    /// When that was decided: what had begun by then is held.
    pub decided_at: Timestamp,
}

impl Ending {
    /// Whether a session stands in spite of it.
    pub fn keeps(&self, occurrence: &Occurrence) -> bool {
        occurrence.local_date < self.effective_from || occurrence.starts_at <= self.decided_at
    }
}

/// What ends of a plan. As occurrences are in the order of date and time, it is all from one on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalledOff {
    /// The ordinal of the first session that is not held; one past the last if all are.
    pub from_ordinal: u32,
    /// How many are not held.
    pub sessions: u16,
    /// The time that is free again, of the trainer and of the student alike.
    pub freed: Vec<ReservedTime>,
}

/// What an ending calls off of a plan's occurrences.
pub fn called_off(occurrences: impl IntoIterator<Item = Occurrence>, ending: Ending) -> CalledOff {
    let (kept, off): (Vec<_>, Vec<_>) = occurrences.into_iter().partition(|occurrence| ending.keeps(occurrence));
    let from_ordinal = off.first().map_or(kept.len() as u32 + 1, |first| first.ordinal);
    CalledOff { from_ordinal, sessions: off.len() as u16, freed: reserved_time(off) }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use jiff::civil::date;

    use super::*;

    /// A lesson of an hour each day at 12:00 UTC from 1 December on.
    fn lessons() -> impl Iterator<Item = Occurrence> {
        let first: Timestamp = "2026-12-01T12:00:00Z".parse().unwrap();
        (1..=5).map(move |ordinal| {
            let starts_at = first + SignedDuration::from_hours(24 * (i64::from(ordinal) - 1));
            let local_date = date(2026, 12, ordinal as i8);
            Occurrence { ordinal, local_date, starts_at, ends_at: starts_at + SignedDuration::from_hours(1) }
        })
    }

    #[test]
    fn what_comes_from_a_date_on_and_has_not_begun_is_called_off() {
        for (from, decided_at, from_ordinal) in [
            (date(2026, 12, 1), "2026-11-23T10:00:00Z", 1),
            (date(2026, 12, 3), "2026-11-23T10:00:00Z", 3),
            (date(2026, 12, 3), "2026-12-03T11:59:59Z", 3),
            (date(2026, 12, 3), "2026-12-03T12:00:00Z", 4),
            // A date that is over calls off nothing of the past.
            (date(2026, 12, 1), "2026-12-04T10:00:00Z", 4),
            (date(2027, 1, 1), "2026-12-04T10:00:00Z", 6),
        ] {
            let ending = Ending { effective_from: from, decided_at: decided_at.parse().unwrap() };
            let off = called_off(lessons(), ending);
            assert_eq!(
                (off.from_ordinal, u32::from(off.sessions)),
                (from_ordinal, 6 - from_ordinal),
                "{from} {decided_at}"
            );
            assert_eq!(off.freed, reserved_time(lessons().skip(from_ordinal as usize - 1)), "{from} {decided_at}");
        }
    }
}
