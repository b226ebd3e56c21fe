//! The rest of a plan, when it is planned anew: what is kept, and with which session the rest begins.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::purchase::Confirmation;
use crate::session::rules::{speaks, teaches};
use crate::session::{SessionStatus, Standing};
use crate::trainer::Trainer;

/// The part of a plan that is planned anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    /// The ordinal it begins with: every session before it is kept as it stands.
    pub first_ordinal: u32,
    /// Its sessions as they stand, also those that were called off.
    pub sessions: Vec<Standing>,
}

impl Rest {
    /// Its sessions that take time.
    pub fn to_hold(&self) -> impl Iterator<Item = &Standing> {
        self.sessions.iter().filter(|session| session.state.takes_time())
    }

    /// Whether its session with this ordinal was called off; it stays so.
    pub fn is_off(&self, ordinal: u32) -> bool {
        self.sessions.iter().any(|session| session.planned.ordinal == ordinal && !session.state.takes_time())
    }
}

/// What of a plan's sessions, as they stand, is planned anew from a date on, in the student's zone.
///
/// Kept is what has begun, and what stands before the date; and with it every session of a lower number, so that the
/// ordinals of the rest follow upon each other.
pub fn rest_of(sessions: Vec<Standing>, zone: &TimeZone, from: Date, now: Timestamp) -> Rest {
    let is_over = |session: &Standing| {
        let noted = matches!(session.state.status, SessionStatus::Completed | SessionStatus::Missed);
        noted || session.state.starts_at <= now
    };
    let is_kept = |session: &&Standing| is_over(session) || session.local_date(zone) < from;
    let last_kept = sessions.iter().filter(is_kept).map(|session| session.planned.ordinal).max();
    let first = sessions.first().map_or(1, |session| session.planned.ordinal);
    let first_ordinal = last_kept.map_or(first, |last| last + 1);
    let sessions = sessions.into_iter().filter(|session| session.planned.ordinal >= first_ordinal).collect();
    Rest { first_ordinal, sessions }
}

/// Whether a trainer could teach it at all, whenever it is: active, the course and a language theirs.
pub fn suits(trainer: &Trainer, confirmation: &Confirmation) -> bool {
    trainer.active && teaches(trainer, &confirmation.course) && speaks(trainer, &confirmation.student.languages)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::cancellation::tests::lessons;
    use crate::session::{Changed, SessionState, standing};

    fn first_of(changed: &Changed, from: Date, now: &str) -> u32 {
        let sessions = standing(lessons(), "trn_1", changed).collect();
        let rest = rest_of(sessions, &TimeZone::UTC, from, now.parse().unwrap());
        assert!(rest.sessions.iter().all(|session| session.planned.ordinal >= rest.first_ordinal));
        assert_eq!(rest.sessions.len(), 6 - rest.first_ordinal as usize);
        rest.first_ordinal
    }

    fn at(ordinal: usize, status: SessionStatus) -> SessionState {
        let lesson = lessons().nth(ordinal - 1).unwrap();
        SessionState { trainer_id: "trn_1".into(), starts_at: lesson.starts_at, ends_at: lesson.ends_at, status }
    }

    #[test]
    fn what_has_begun_or_stands_before_the_date_is_kept() {
        for (from, now, first) in [
            (date(2026, 12, 1), "2026-11-23T10:00:00Z", 1),
            (date(2026, 12, 3), "2026-11-23T10:00:00Z", 3),
            (date(2026, 12, 1), "2026-12-02T12:00:00Z", 3),
            (date(2026, 12, 1), "2026-12-02T11:59:00Z", 2),
            (date(2027, 1, 1), "2026-11-23T10:00:00Z", 6),
        ] {
            assert_eq!(first_of(&Changed::new(), from, now), first, "{from} {now}");
        }
    }

    #[test]
    fn a_session_moved_ahead_keeps_those_of_lower_numbers() {
        use SessionStatus::{Cancelled, Scheduled};
        let (from, now) = (date(2026, 12, 3), "2026-11-23T10:00:00Z");
        assert_eq!(first_of(&Changed::from([(4, at(2, Scheduled))]), from, now), 5);
        // Moved behind the date with a low number: it belongs to the rest, and so do those behind it.
        assert_eq!(first_of(&Changed::from([(2, at(5, Scheduled))]), from, now), 2);
        let changed = Changed::from([(4, at(4, Cancelled))]);
        let rest =
            rest_of(standing(lessons(), "trn_1", &changed).collect(), &TimeZone::UTC, from, now.parse().unwrap());
        assert_eq!((rest.is_off(4), rest.is_off(5), rest.to_hold().count()), (true, false, 2));
    }
}
