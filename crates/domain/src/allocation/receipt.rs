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
    /// Whether people chose trainer and slots: then nobody else was asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_hand: bool,
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

/// How many trainers a rule ruled out, and how many it left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The rule.
    pub rule: Rule,
    /// How many it ruled out of those that the rules before it had left.
    pub removed: u32,
    /// How many it left.
    pub left: u32,
}

impl Receipt {
    /// How the rules narrowed the roster down, one after the other; those that ruled out nobody are not named.
    pub fn funnel(&self) -> Vec<Step> {
        let mut left = self.candidates;
        let step = |(&rule, &removed): (&Rule, &u32)| {
            left = left.saturating_sub(removed);
            Step { rule, removed, left }
        };
        self.removed.iter().map(step).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_funnel_tells_how_many_each_rule_left() {
        let removed = BTreeMap::from([(Rule::TrainerBusy, 5), (Rule::Course, 28), (Rule::WeeklyCapacity, 1)]);
        let receipt = Receipt { candidates: 40, removed, course_taught: true, ..Receipt::default() };
        let steps: Vec<(Rule, u32, u32)> =
            receipt.funnel().into_iter().map(|step| (step.rule, step.removed, step.left)).collect();
        assert_eq!(steps, [(Rule::Course, 28, 12), (Rule::TrainerBusy, 5, 7), (Rule::WeeklyCapacity, 1, 6)]);
    }

    #[test]
    fn a_kept_receipt_that_does_not_add_up_leaves_nobody() {
        let receipt = Receipt { candidates: 1, removed: BTreeMap::from([(Rule::Course, 2)]), ..Receipt::default() };
        assert_eq!(receipt.funnel()[0].left, 0);
    }
}
