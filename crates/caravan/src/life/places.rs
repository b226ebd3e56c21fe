//! What must be known to judge a place for a session: trainers with their time, the student's time, the closures.

use caravan_domain::allocation::{Calendar, ReservedTime, reserved_time};
use caravan_domain::plan::Occurrence;
use caravan_domain::session::{Asked, Hours, SessionRule, Standing, broken_rules};
use caravan_domain::trainer::Closure;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::ChangeError;
use crate::platform::Platform;
use crate::platform::rows::{Purchase, TrainerRow};

/// Weeks begin up to this long before any of their sessions.
const WEEK: SignedDuration = SignedDuration::from_hours(8 * 24);

/// The student's side of a place: their time and what they want to learn.
pub(super) struct Learner<'a> {
    purchase: &'a Purchase,
    calendar: Calendar,
    closures: Vec<Closure>,
}

/// A trainer's side of a place.
pub(super) struct Teacher {
    pub(super) row: TrainerRow,
    pub(super) calendar: Calendar,
}

impl Teacher {
    /// From a trainer's row with their time.
    pub(super) fn of(mut row: TrainerRow) -> Self {
        let calendar = Calendar::from_rows(std::mem::take(&mut row.calendar));
        Self { row, calendar }
    }

    /// Their time without that of a session of theirs.
    pub(super) fn without(mut self, session: &Standing, zone: &TimeZone) -> Self {
        if session.state.trainer_id == self.row.trainer.trainer_id && session.state.takes_time() {
            self.calendar.release(&time_of(session, zone));
        }
        self
    }
}

impl<'a> Learner<'a> {
    /// Reads the student's time around an instant.
    pub(super) async fn read(platform: &Platform, purchase: &'a Purchase, at: Timestamp) -> Result<Self, ChangeError> {
        let student = std::slice::from_ref(&purchase.confirmation.student.id);
        let found = platform.store.student_calendars(student, week_before(at)).await?;
        let rows = found.into_iter().next().map(|(_, rows)| rows).unwrap_or_default();
        let closures = platform.store.closures().await?;
        Ok(Self { purchase, calendar: Calendar::from_rows(rows), closures })
    }

    /// Their time without that of a session.
    pub(super) fn without(mut self, session: &Standing, zone: &TimeZone) -> Self {
        if session.state.takes_time() {
            self.calendar.release(&time_of(session, zone));
        }
        self
    }

    /// The rules that stand against a place with a teacher.
    pub(super) fn broken(&self, teacher: &Teacher, at: Occurrence) -> Vec<SessionRule> {
        broken_rules(&Asked {
            trainer: &teacher.row.trainer,
            hours: &Hours::of(&teacher.row.trainer),
            trainer_calendar: &teacher.calendar,
            languages: &self.purchase.confirmation.student.languages,
            course: &self.purchase.confirmation.course,
            student_calendar: &self.calendar,
            closures: &self.closures,
            at,
        })
    }
}

/// Trainers with their time around an instant.
pub(super) async fn trainers(
    platform: &Platform,
    ids: &[String],
    at: Timestamp,
) -> Result<Vec<TrainerRow>, ChangeError> {
    let rows = platform.store.trainers(ids, week_before(at)).await?;
    match ids.iter().find(|id| !rows.iter().any(|row| row.trainer.trainer_id == **id)) {
        Some(missing) => Err(ChangeError::UnknownTrainer(missing.clone())),
        None => Ok(rows),
    }
}

fn week_before(at: Timestamp) -> Timestamp {
    at.saturating_sub(WEEK).unwrap_or(at)
}

fn time_of(session: &Standing, zone: &TimeZone) -> Vec<ReservedTime> {
    reserved_time([session.occurrence(zone)])
}
