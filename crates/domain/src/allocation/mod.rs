//! Who teaches a plan: hard rules first, then preference, then fairness.
//!
//! A [`Roster`] is the warm picture of all trainers. [`Roster::allocate`] is pure: it answers a batch of requests
//! without changing anything, and [`Roster::book`] takes over a booking once it has been committed.

mod batch;
mod bits;
mod calendar;
mod chosen;
mod clock;
mod judge;
mod ledger;
mod lens;
mod outline;
mod preference;
mod receipt;
mod roster;
mod search;
mod shard;
mod share;
mod tiers;

#[cfg(test)]
mod fairness_tests;
#[cfg(test)]
mod tests;

use jiff::civil::Date;
use uuid::Uuid;

pub use calendar::{BLOCK_WEEKS, CELL_SECONDS, Calendar, ReservedTime, WEEK_CELLS, reserved_time};
pub use chosen::{Choice, Objection, judge_choice};
pub use receipt::{JudgedTrainer, NEXT_BEST_MAX, Receipt, Rule, Step, Terms};
pub use roster::Roster;
pub use share::{SHARE_PER_SESSION, increment as share_increment};

use crate::plan::{Plan, Slot};
use crate::purchase::Course;
use crate::trainer::Trainer;

/// How many dates a trainer's days off may skip before they are ruled out.
pub const SKIPPED_DEFAULT: u16 = 2;
/// How many days after today a plan may start.
pub const LEAD_DAYS_DEFAULT: u16 = 1;

/// What the business may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How many dates a trainer's days off may skip; dates that closures skip anyway don't count.
    pub max_skipped: u16,
    /// How many days after today, in the student's zone, a plan may start.
    pub lead_days: u16,
}

impl Default for Policy {
    fn default() -> Self {
        Self { max_skipped: SKIPPED_DEFAULT, lead_days: LEAD_DAYS_DEFAULT }
    }
}

/// A trainer as the database has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainerState {
    /// The roster's description.
    pub trainer: Trainer,
    /// Their reserved time.
    pub calendar: Calendar,
    /// Their share of the work so far; `None` if they were never allocated.
    pub share: Option<i64>,
}

/// A purchase that wants a trainer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Which purchase.
    pub purchase_id: Uuid,
    /// Who is taught.
    pub student_id: String,
    /// IANA name of the student's zone.
    pub time_zone: String,
    /// Languages the student can be taught in.
    pub languages: Vec<String>,
    /// What is taught.
    pub course: Course,
    /// How often and when.
    pub plan: Plan,
    /// The trainer the student asked for.
    pub preferred_trainer_id: Option<String>,
    /// Who taught the student this subject before.
    pub previous_trainer_id: Option<String>,
    /// The student's time that was reserved before this batch.
    pub student_calendar: Calendar,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // nearly all are allocated
pub enum Decision {
    /// A trainer has all of the plan's time.
    Allocated(Booking),
    /// Nobody fits yet.
    Waitlisted(Waitlisting),
}

/// A trainer for a plan, and the time it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booking {
    /// Which purchase.
    pub purchase_id: Uuid,
    /// Who is taught.
    pub student_id: String,
    /// Who teaches.
    pub trainer_id: String,
    /// The chosen slots, best liked first, on different weekdays, in the student's zone.
    pub slots: Vec<Slot>,
    /// The first date a lesson may stand on, in the student's zone.
    pub start_date: Date,
    /// Dates of the chosen weekdays, up to the last lesson, on which there is none.
    pub skipped: Vec<Date>,
    /// The time it takes, of the trainer and of the student alike.
    pub reserved: Vec<ReservedTime>,
    /// The trainer's share once this is theirs.
    pub share_after: i64,
    /// Why this trainer.
    pub receipt: Receipt,
}

/// A purchase that has to wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waitlisting {
    /// Which purchase.
    pub purchase_id: Uuid,
    /// Whose.
    pub student_id: String,
    /// Why nobody.
    pub receipt: Receipt,
}
