//! Why that trainer, or why none: what is kept with an allocation and shown to people.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::trainer::{AvailableRange, DaysOff, TaughtCourse, Trainer};

/// How many runners-up a receipt names.
pub const NEXT_BEST_MAX: usize = 5;

/// What rules a trainer out, in the order the rules are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// They take no new plans.
    Inactive,
    /// They don't teach this subject at this level.
    Course,
    /// They share no language with the student.
    Language,
    /// A session would lie outside their weekly availability.
    Availability,
    /// Their days off would skip too many dates, or the dates leave the calendar.
    TimeOff,
    /// They have another session then.
    TrainerBusy,
    /// The student has another session then; also one of this very plan.
    StudentBusy,
    /// They would have too many sessions in some week.
    WeeklyCapacity,
}

impl Rule {
    /// All of them, in order.
    pub const ALL: [Self; 8] = [
        Self::Inactive,
        Self::Course,
        Self::Language,
        Self::Availability,
        Self::TimeOff,
        Self::TrainerBusy,
        Self::StudentBusy,
        Self::WeeklyCapacity,
    ];

    /// The name in receipts and in `reasons` of `purchase-waitlisted`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Course => "course",
            Self::Language => "language",
            Self::Availability => "availability",
            Self::TimeOff => "time-off",
            Self::TrainerBusy => "trainer-busy",
            Self::StudentBusy => "student-busy",
            Self::WeeklyCapacity => "weekly-capacity",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a trainer is compared by; the order of the fields is the order of the comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Who.
    pub trainer_id: String,
    /// The student asked for them.
    pub preferred: bool,
    /// They taught the student this subject before.
    pub previous: bool,
    /// Ranks of the chosen slots among the student's, ascending; 1 is the best liked.
    pub slot_ranks: Vec<u16>,
    /// How many dates their days off would skip.
    pub skipped: u32,
    /// The share of work they are judged by; the lowest is next.
    pub share: i64,
}

/// A trainer as the roster described them when they were judged; without name and address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgedTrainer {
    /// Who.
    pub trainer_id: String,
    /// The zone the next fields are meant in.
    pub time_zone: String,
    /// Languages they teach in.
    pub languages: Vec<String>,
    /// What they teach.
    pub courses: Vec<TaughtCourse>,
    /// When they can teach.
    pub availability: Vec<AvailableRange>,
    /// When they can't.
    pub time_off: Vec<DaysOff>,
    /// How many sessions they take in an ISO week.
    pub max_sessions_per_week: u32,
    /// Their share of the work; 100 is an equal one.
    pub weight: u32,
}

impl From<&Trainer> for JudgedTrainer {
    fn from(trainer: &Trainer) -> Self {
        Self {
            trainer_id: trainer.trainer_id.clone(),
            time_zone: trainer.time_zone.clone(),
            languages: trainer.languages.clone(),
            courses: trainer.courses.clone(),
            availability: trainer.availability.clone(),
            time_off: trainer.time_off.clone(),
            max_sessions_per_week: trainer.max_sessions_per_week,
            weight: trainer.weight,
        }
    }
}

/// The record of a decision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// How many trainers the roster had.
    pub candidates: u32,
    /// How many of them each rule ruled out first; rules that ruled out nobody are not named.
    pub removed: BTreeMap<Rule, u32>,
    /// Whether anybody, active or not, teaches the course: if not, a person should look for a misspelling.
    pub course_taught: bool,
    /// The terms of the one who was chosen.
    pub chosen: Option<Terms>,
    /// The terms of the runners-up, best first.
    pub next_best: Vec<Terms>,
    /// What the chosen trainer was judged by.
    pub trainer: Option<JudgedTrainer>,
    /// Dates of the chosen weekdays without a lesson because of company closures.
    pub skipped_for_closures: Vec<Date>,
    /// Dates of the chosen weekdays without a lesson because the trainer is off.
    pub skipped_for_time_off: Vec<Date>,
}

/// What most stands in the way of a purchase that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Nobody teaches the course.
    NotTaught,
    /// All who teach it are inactive.
    AllInactive,
    /// A rule.
    Rule {
        /// Which: of those that rule out equally many the one that is asked first.
        rule: Rule,
        /// How many trainers it rules out.
        ruled_out: u32,
        /// How many active trainers teach the course.
        of: u32,
    },
}

impl Receipt {
    /// How many active trainers teach the course.
    pub fn teachers(&self) -> u32 {
        let removed = |rule| self.removed.get(&rule).copied().unwrap_or(0);
        self.candidates.saturating_sub(removed(Rule::Inactive)).saturating_sub(removed(Rule::Course))
    }

    /// What rules out most of those who teach the course; `None` if nothing does.
    pub fn obstacle(&self) -> Option<Obstacle> {
        let of = self.teachers();
        if !self.course_taught {
            return Some(Obstacle::NotTaught);
        }
        if of == 0 {
            return Some(Obstacle::AllInactive);
        }
        let rules = Rule::ALL.into_iter().filter(|rule| !matches!(rule, Rule::Inactive | Rule::Course));
        let counted = rules.filter_map(|rule| Some((rule, self.removed.get(&rule).copied()?)));
        let most = counted.rev().max_by_key(|(_, ruled_out)| *ruled_out)?;
        (most.1 > 0).then_some(Obstacle::Rule { rule: most.0, ruled_out: most.1, of })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(candidates: u32, removed: &[(Rule, u32)], course_taught: bool) -> Option<Obstacle> {
        let removed = removed.iter().copied().collect();
        Receipt { candidates, removed, course_taught, ..Receipt::default() }.obstacle()
    }

    #[test]
    fn the_obstacle_is_the_rule_that_rules_out_most_of_those_who_teach_the_course() {
        let rule = |rule, ruled_out, of| Some(Obstacle::Rule { rule, ruled_out, of });
        for (removed, expected) in [
            (vec![(Rule::Course, 30), (Rule::TrainerBusy, 7), (Rule::Language, 3)], rule(Rule::TrainerBusy, 7, 10)),
            (
                vec![(Rule::Inactive, 20), (Rule::Course, 18), (Rule::Language, 1), (Rule::TimeOff, 1)],
                rule(Rule::Language, 1, 2),
            ),
            (vec![(Rule::Course, 39)], None),
            (vec![(Rule::Inactive, 10), (Rule::Course, 30)], Some(Obstacle::AllInactive)),
        ] {
            assert_eq!(waits(40, &removed, true), expected, "{removed:?}");
        }
        assert_eq!(waits(40, &[(Rule::Course, 40)], false), Some(Obstacle::NotTaught));
        assert_eq!(waits(0, &[], false), Some(Obstacle::NotTaught));
    }
}
