//! Calling a purchase off: which of its sessions are held all the same, and what time is free again.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::allocation::{ReservedTime, reserved_time};
use crate::plan::Occurrence;
use crate::session::Standing;

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

/// What ends of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CalledOff {
    /// The ordinals of the sessions that are not held, ascending; without those that were called off before.
    pub ordinals: Vec<u32>,
    /// The time of the student that is free again.
    pub freed: Vec<ReservedTime>,
    /// The same time by trainer, and how many sessions of theirs it was.
    pub freed_of: BTreeMap<String, (u16, Vec<ReservedTime>)>,
    /// The planned date of the last session that is held, or was.
    pub last_kept: Option<Date>,
}

/// What an ending calls off of a plan's sessions, as they stand; `zone` is the student's.
pub fn called_off(sessions: impl IntoIterator<Item = Standing>, zone: &TimeZone, ending: Ending) -> CalledOff {
    let mut off = CalledOff::default();
    let (mut all, mut by_trainer) = (Vec::new(), BTreeMap::<String, Vec<Occurrence>>::new());
    for session in sessions.into_iter().filter(|session| session.state.takes_time()) {
        let occurrence = session.occurrence(zone);
        if ending.keeps(&occurrence) {
            off.last_kept = off.last_kept.max(Some(session.planned.local_date));
            continue;
        }
        off.ordinals.push(occurrence.ordinal);
        all.push(occurrence);
        by_trainer.entry(session.state.trainer_id).or_default().push(occurrence);
    }
    off.freed = reserved_time(all);
    let freed = |theirs: Vec<Occurrence>| (theirs.len() as u16, reserved_time(theirs));
    off.freed_of = by_trainer.into_iter().map(|(trainer_id, theirs)| (trainer_id, freed(theirs))).collect();
    off
}

#[cfg(test)]
pub(crate) mod tests {
    use jiff::SignedDuration;
    use jiff::civil::date;

    use super::*;
    use crate::session::{Changed, SessionState, SessionStatus, standing};

    /// A lesson of an hour each day at 12:00 UTC from 1 December on.
    pub(crate) fn lessons() -> impl Iterator<Item = Occurrence> {
        let first: Timestamp = "2026-12-01T12:00:00Z".parse().unwrap();
        (1..=5).map(move |ordinal| {
            let starts_at = first + SignedDuration::from_hours(24 * (i64::from(ordinal) - 1));
            let local_date = date(2026, 12, ordinal as i8);
            Occurrence { ordinal, local_date, starts_at, ends_at: starts_at + SignedDuration::from_hours(1) }
        })
    }

    fn off_of(changed: &Changed, from: Date, decided_at: &str) -> CalledOff {
        let ending = Ending { effective_from: from, decided_at: decided_at.parse().unwrap() };
        called_off(standing(lessons(), "trn_1", changed), &TimeZone::UTC, ending)
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
            let off = off_of(&Changed::new(), from, decided_at);
            assert_eq!(off.ordinals, (from_ordinal..=5).collect::<Vec<u32>>(), "{from} {decided_at}");
            let expected = reserved_time(lessons().skip(from_ordinal as usize - 1));
            assert_eq!(off.freed, expected, "{from} {decided_at}");
            let theirs = off.freed_of.get("trn_1").cloned().unwrap_or_default();
            assert_eq!(theirs, (off.ordinals.len() as u16, expected), "{from} {decided_at}");
            let kept = (from_ordinal > 1).then(|| date(2026, 12, from_ordinal as i8 - 1));
            assert_eq!(off.last_kept, kept, "{from} {decided_at}");
        }
    }

    #[test]
    fn what_was_changed_is_called_off_as_it_stands() {
        let at = |ordinal: usize| lessons().nth(ordinal - 1).unwrap();
        let stands = |trainer_id: &str, ordinal: usize, status| SessionState {
            trainer_id: trainer_id.to_owned(),
            starts_at: at(ordinal).starts_at + SignedDuration::from_mins(90),
            ends_at: at(ordinal).ends_at + SignedDuration::from_mins(90),
            status,
        };
        let changed = Changed::from([
            // Moved to the fifth day, to the second day with another trainer, and called off.
            (2, stands("trn_1", 5, SessionStatus::Scheduled)),
            (4, stands("trn_2", 2, SessionStatus::Scheduled)),
            (5, stands("trn_1", 5, SessionStatus::Cancelled)),
        ]);
        let off = off_of(&changed, date(2026, 12, 3), "2026-11-23T10:00:00Z");
        assert_eq!(off.ordinals, [2, 3]);
        assert_eq!(off.last_kept, Some(date(2026, 12, 4)), "the fourth is held, though on the second day");
        let trainers: Vec<(&str, u16)> = off.freed_of.iter().map(|(id, theirs)| (id.as_str(), theirs.0)).collect();
        assert_eq!(trainers, [("trn_1", 2)]);
    }
}
