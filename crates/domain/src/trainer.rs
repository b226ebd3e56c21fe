//! Trainers, as the roster describes them, and the days without lessons.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::plan::{TimeOfDay, Weekday};

mod roster;

pub use roster::{
    AVAILABILITY_MAX, CLOSURE_COLUMNS, CLOSURE_DAYS_MAX, COURSES_MAX, LEVELS_MAX, Patch, SESSIONS_PER_WEEK_MAX,
    TIME_OFF_MAX, TRAINER_COLUMNS, TrainerPatch, WEIGHT_MAX, closure_from_csv, closure_from_json, trainer_from_csv,
    trainer_from_json,
};

/// The weight of a trainer whose roster line names none: an equal share.
pub const WEIGHT_DEFAULT: u32 = 100;
/// Sessions a week of a trainer whose roster line names no limit.
pub const SESSIONS_PER_WEEK_DEFAULT: u32 = 40;

/// A subject with the levels a trainer teaches of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaughtCourse {
    /// Such as `python`.
    pub subject: String,
    /// Such as `beginner` and `intermediate`.
    pub levels: Vec<String>,
}

/// A weekly range of wall-clock time in the trainer's zone.
///
/// `until` may be `24:00`; an `until` before `from` means the next day (`22:00`-`02:00`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AvailableRange {
    /// The day it begins on.
    pub weekday: Weekday,
    /// When it begins, inclusive.
    pub from: TimeOfDay,
    /// When it ends, exclusive.
    pub until: TimeOfDay,
}

/// Days off, both ends inclusive, in the trainer's zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaysOff {
    /// The first day off.
    pub from: Date,
    /// The last day off.
    pub until: Date,
}

/// A trainer of the roster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trainer {
    /// The business's id of the trainer.
    pub trainer_id: String,
    /// Their name, if told.
    pub name: Option<String>,
    /// Their address, if told.
    pub email: Option<String>,
    /// IANA name of the zone their availability and days off are meant in.
    pub time_zone: String,
    /// Languages they teach in.
    pub languages: Vec<String>,
    /// What they teach.
    pub courses: Vec<TaughtCourse>,
    /// When they can teach, every week.
    pub availability: Vec<AvailableRange>,
    /// When they can't.
    pub time_off: Vec<DaysOff>,
    /// How many sessions they take in an ISO week, by local start date in their zone.
    pub max_sessions_per_week: u32,
    /// Their share of the work relative to others; 100 is an equal share.
    pub weight: u32,
    /// Whether they take new plans.
    pub active: bool,
}

/// Company-wide days without lessons, both ends inclusive, in each student's zone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Closure {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub until: Date,
    /// Such as `Diwali`.
    pub name: String,
}
