//! The floor of a run: how fast its rows can be written with nothing but the database in the way.

use std::time::Duration;

use async_trait::async_trait;
use caravan_domain::allocation::{ReservedTime, reserved_time};
use caravan_domain::plan::{Schedule, Slot};
use caravan_domain::purchase::Confirmation;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::PlatformError;
use super::columns::{from_json, parsed, unreadable};

/// Writes again, into an empty database of the same schema and durability, what a run has written:
/// in large batches, on one connection, and without any rule.
#[async_trait]
pub trait Floor: Send {
    /// How many bytes of the run's database are in use.
    async fn database_bytes(&mut self) -> Result<u64, PlatformError>;
    /// The run begins: what is there already is none of it.
    async fn note_start(&mut self) -> Result<(), PlatformError>;
    /// The run has ended: what comes later is none of it.
    async fn note_end(&mut self) -> Result<(), PlatformError>;
    /// Writes what the run wrote for its next purchases, at most this many; `None` if there are
    /// none left.
    async fn write_next(&mut self, purchases: usize) -> Result<Option<Written>, PlatformError>;
}

/// What was written at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// How many purchases with all that belongs to them.
    pub purchases: usize,
    /// How many of them have a trainer.
    pub allocated: usize,
    /// How long writing took, without the reading before it.
    pub took: Duration,
}

/// The time that an allocation took, from what is kept of it and of its purchase as texts and JSON.
pub(super) fn reserved(
    confirmation: &str,
    start_date: &str,
    slots: &str,
    skipped: &str,
) -> Result<Vec<ReservedTime>, PlatformError> {
    let confirmation: Confirmation = from_json("a confirmation", confirmation)?;
    let zone = TimeZone::get(&confirmation.student.time_zone).map_err(|problem| unreadable("a time zone", problem))?;
    let skipped: Vec<Date> = from_json("skipped dates", skipped)?;
    let schedule = Schedule {
        zone,
        start_date: parsed("a start date", start_date)?,
        slots: from_json::<Vec<Slot>>("slots", slots)?,
        first_ordinal: 1,
        sessions: confirmation.plan.reserved_sessions(),
        minutes: confirmation.plan.minutes,
        skipped: skipped.into_iter().collect(),
    };
    Ok(reserved_time(schedule.occurrences()))
}
