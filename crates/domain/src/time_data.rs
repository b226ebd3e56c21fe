//! Other time zone data: governments change their clocks, and a plan that keeps its local times then means other instants
//! than those that were reserved for it.
//!
//! A plan is laid out anew whenever its lessons are needed. So before anything is done by other data than it was reserved
//! with, its lessons to come are compared with what is reserved.

use jiff::{SignedDuration, Timestamp};

use crate::allocation::Calendar;
use crate::plan::Occurrence;
use crate::session::Changed;

/// Further apart than this two instants are not one lesson before and after a change of a zone: none has ever changed by
/// more than a day.
const SHIFT_MAX: SignedDuration = SignedDuration::from_hours(25);

/// What is reserved of the two who meet.
#[derive(Clone, Copy, Debug)]
pub struct Reserved<'a> {
    /// The trainer's time.
    pub trainer: &'a Calendar,
    /// The student's time.
    pub student: &'a Calendar,
}

impl Reserved<'_> {
    /// Whether both have a session that starts then. One of them may have another one there: the two together hardly.
    fn starts_at(self, at: Timestamp) -> bool {
        self.trainer.starts_at(at) && self.student.starts_at(at)
    }
}

/// The lessons to come of a plan, as it is laid out now, that are not where time is reserved for them: they would move.
///
/// Those that a person has changed stand at instants that were chosen, and stay there.
pub fn displaced(plan: &[Occurrence], changed: &Changed, reserved: Reserved<'_>, now: Timestamp) -> Vec<Occurrence> {
    let to_come = plan.iter().filter(|lesson| lesson.starts_at > now && !changed.contains_key(&lesson.ordinal));
    to_come.filter(|lesson| !reserved.starts_at(lesson.starts_at)).copied().collect()
}

/// When a displaced lesson was to start until now, as far as that can be told from what is reserved: the start nearest to
/// it that both have and that is no other lesson of the plan.
pub fn reserved_instead(lesson: &Occurrence, plan: &[Occurrence], reserved: Reserved<'_>) -> Option<Timestamp> {
    let distance = |at: Timestamp| at.duration_since(lesson.starts_at).abs();
    let starts = reserved.student.starts().filter_map(|second| Timestamp::from_second(second).ok());
    let free = |at: &Timestamp| {
        distance(*at) <= SHIFT_MAX && reserved.trainer.starts_at(*at) && plan.iter().all(|other| other.starts_at != *at)
    };
    starts.filter(free).min_by_key(|at| (distance(*at), *at))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::civil::date;

    use super::*;
    use crate::allocation::reserved_time;
    use crate::plan::{Schedule, Slot, TimeOfDay, Weekday, zone_named};
    use crate::session::{SessionState, SessionStatus};

    /// Six lessons on Tuesdays and Thursdays at five.
    fn plan(zone: &str) -> Vec<Occurrence> {
        plan_at(zone, 17)
    }

    fn plan_at(zone: &str, hour: u16) -> Vec<Occurrence> {
        let slot = |weekday| Slot { weekday, at: TimeOfDay::from_minutes(hour * 60).unwrap() };
        let schedule = Schedule {
            zone: zone_named(zone).unwrap(),
            start_date: date(2026, 12, 1),
            slots: vec![slot(Weekday::Tue), slot(Weekday::Thu)],
            first_ordinal: 1,
            sessions: 6,
            minutes: 60,
            skipped: BTreeSet::new(),
        };
        schedule.occurrences().collect()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn ordinals(lessons: &[Occurrence]) -> Vec<u32> {
        lessons.iter().map(|lesson| lesson.ordinal).collect()
    }

    const BEFORE: &str = "2026-11-23T10:00:00Z";

    #[test]
    fn a_plan_whose_zone_is_as_it_was_stays() {
        let calendar = Calendar::from_rows(reserved_time(plan("Asia/Kolkata")));
        let reserved = Reserved { trainer: &calendar, student: &calendar };
        assert_eq!(displaced(&plan("Asia/Kolkata"), &Changed::new(), reserved, at(BEFORE)), []);
        // Another name for the same clocks.
        assert_eq!(displaced(&plan("Asia/Calcutta"), &Changed::new(), reserved, at(BEFORE)), []);
    }

    #[test]
    fn lessons_to_come_that_nobody_changed_are_displaced_by_other_clocks() {
        let calendar = Calendar::from_rows(reserved_time(plan("Asia/Kolkata")));
        let reserved = Reserved { trainer: &calendar, student: &calendar };
        let now = plan("Asia/Dubai");
        assert_eq!(ordinals(&displaced(&now, &Changed::new(), reserved, at(BEFORE))), [1, 2, 3, 4, 5, 6]);
        let state = |lesson: &Occurrence| SessionState {
            trainer_id: "trn_2".to_owned(),
            starts_at: lesson.starts_at,
            ends_at: lesson.ends_at,
            status: SessionStatus::Scheduled,
        };
        let changed = Changed::from([(4, state(&now[3]))]);
        assert_eq!(ordinals(&displaced(&now, &changed, reserved, at("2026-12-04T00:00:00Z"))), [3, 5, 6]);
    }

    #[test]
    fn another_session_of_the_trainers_does_not_hide_a_displaced_one() {
        // The next lesson of the trainer's is where this one would be an hour later.
        let student = Calendar::from_rows(reserved_time(plan("Europe/Berlin")));
        let mut trainer = student.clone();
        trainer.reserve(&reserved_time(plan_at("Europe/Berlin", 18)));
        let reserved = Reserved { trainer: &trainer, student: &student };
        let now = plan("Europe/London");
        assert_eq!(displaced(&now, &Changed::new(), reserved, at(BEFORE)).len(), 6);
    }

    #[test]
    fn the_time_until_now_is_the_nearest_that_both_have() {
        let was = plan("Asia/Kolkata");
        let mut student = Calendar::from_rows(reserved_time(was.clone()));
        let trainer = student.clone();
        // Nearer, with somebody else.
        student.reserve(&reserved_time(plan_at("Asia/Dubai", 15)));
        let now = plan("Asia/Dubai");
        let reserved = Reserved { trainer: &trainer, student: &student };
        for (lesson, was) in now.iter().zip(&was) {
            assert_eq!(reserved_instead(lesson, &now, reserved), Some(was.starts_at));
        }
        let nothing = Calendar::default();
        assert_eq!(reserved_instead(&now[0], &now, Reserved { trainer: &nothing, student: &student }), None);
    }
}
