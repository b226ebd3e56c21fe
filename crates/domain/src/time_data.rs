//! Other time zone data: governments change their clocks, and a plan that keeps its local times then means other instants
//! than those that were reserved for it.
//!
//! A plan is laid out anew whenever its lessons are needed. So before anything is done by other data than it was reserved
//! with, its lessons to come are compared with what is reserved.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

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

/// When displaced lessons were to start until now: those in the calendar tell it themselves, the others as far as it can be
/// told from what is reserved.
///
/// That is a start both have and no other lesson of the plan has: rather one that is as far away as the lessons in the
/// calendar have moved, else as most others of the plan could have moved, else the nearest.
pub fn reserved_instead(
    lessons: &[Occurrence],
    in_calendar: &HashMap<u32, Timestamp>,
    plan: &[Occurrence],
    reserved: Reserved<'_>,
) -> Vec<Option<Timestamp>> {
    let planned: HashSet<Timestamp> = plan.iter().map(|lesson| lesson.starts_at).collect();
    let both: Vec<Timestamp> =
        reserved.student.starts().filter_map(|second| Timestamp::from_second(second).ok()).collect();
    let both: Vec<Timestamp> =
        both.into_iter().filter(|at| reserved.trainer.starts_at(*at) && !planned.contains(at)).collect();
    let shift = |lesson: &Occurrence, at: Timestamp| lesson.starts_at.duration_since(at);
    let could_be = |lesson: &Occurrence| {
        let near: Vec<Timestamp> = both.iter().copied().filter(|at| shift(lesson, *at).abs() <= SHIFT_MAX).collect();
        near
    };
    let known: HashSet<SignedDuration> =
        lessons.iter().filter_map(|lesson| in_calendar.get(&lesson.ordinal).map(|at| shift(lesson, *at))).collect();
    let mut votes: HashMap<SignedDuration, usize> = HashMap::new();
    for lesson in lessons {
        could_be(lesson).into_iter().for_each(|at| *votes.entry(shift(lesson, at)).or_default() += 1);
    }
    let order = |lesson: &Occurrence, at: Timestamp| {
        let by = shift(lesson, at);
        (!known.contains(&by), Reverse(votes.get(&by).copied()), by.abs(), at)
    };
    let was = |lesson: &Occurrence| {
        let guess = || could_be(lesson).into_iter().min_by_key(|at| order(lesson, *at));
        in_calendar.get(&lesson.ordinal).copied().or_else(guess)
    };
    lessons.iter().map(was).collect()
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
        let none = HashMap::new();
        let starts = |plan: &[Occurrence]| plan.iter().map(|lesson| Some(lesson.starts_at)).collect::<Vec<_>>();
        assert_eq!(reserved_instead(&now, &none, &now, reserved), starts(&was));
        let nothing = Calendar::default();
        assert_eq!(reserved_instead(&now[..1], &none, &now, Reserved { trainer: &nothing, student: &student }), [None]);
    }

    #[test]
    fn what_stands_in_the_calendar_tells_how_far_the_others_were() {
        // The two have another plan together, nearer to where this one would be than it was.
        let was = plan("Asia/Kolkata");
        let mut calendar = Calendar::from_rows(reserved_time(was.clone()));
        calendar.reserve(&reserved_time(plan_at("Asia/Dubai", 18)));
        let reserved = Reserved { trainer: &calendar, student: &calendar };
        let now = plan("Asia/Dubai");
        let nearest = reserved_instead(&now, &HashMap::new(), &now, reserved);
        assert_eq!(nearest[0], Some(plan_at("Asia/Dubai", 18)[0].starts_at));
        let told = HashMap::from([(1, was[0].starts_at)]);
        let told = reserved_instead(&now, &told, &now, reserved);
        assert_eq!(told, was.iter().map(|lesson| Some(lesson.starts_at)).collect::<Vec<_>>());
    }
}
