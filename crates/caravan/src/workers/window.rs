//! Extending a purchase's window: the same for the session worker and the cron.

use caravan_domain::event::{Event, ScheduledSession, SessionsScheduled, Window};
use caravan_domain::plan::{Schedule, zone_named};
use caravan_domain::session::{SessionStatus, Standing, standing};
use caravan_domain::{ids, window};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use uuid::Uuid;

use crate::engine::worker::{Outcome, WorkError};
use crate::platform::rows::{Allocation, Purchase};
use crate::platform::transaction::{ChangedSession, NewSession, WindowExtension};

const SOURCE: &str = "/caravan/session";

/// How far windows reach.
#[derive(Clone, Copy)]
pub(super) struct Target {
    /// The UTC date it is, or is taken to be.
    pub(super) today: Date,
    /// How many days past it (or past a later start).
    pub(super) window_days: u16,
}

/// Raises the purchase's horizon to what it should be when it is `today`; whether it had to be
/// raised.
pub(super) fn extend(
    outcome: &mut Outcome,
    purchase: &Purchase,
    allocation: &Allocation,
    target: Target,
    now: Timestamp,
    parent: Option<&str>,
) -> Result<bool, WorkError> {
    // A plan whose rest begins anew later goes on as it did.
    let start = purchase.start_date.unwrap_or(allocation.start_date);
    let until = window::horizon(target.today, start, target.window_days);
    extend_to(outcome, purchase, allocation, until, now, parent)
}

/// Raises the purchase's horizon to `until`; whether it had to be raised.
pub(super) fn extend_to(
    outcome: &mut Outcome,
    purchase: &Purchase,
    allocation: &Allocation,
    until: Date,
    now: Timestamp,
    parent: Option<&str>,
) -> Result<bool, WorkError> {
    if purchase.horizon.is_some_and(|horizon| horizon >= until) {
        return Ok(false);
    }
    let from = purchase.horizon.unwrap_or(allocation.start_date);
    let zone = schedule(purchase, allocation)?.zone;
    // What people have changed meanwhile is put in the calendar as they changed it.
    let sessions: Vec<NewSession> = standing_between(purchase, allocation, from, until)?
        .into_iter()
        .map(|session| new_session(purchase, &zone, session))
        .collect();
    if !sessions.is_empty() {
        let id = ids::event_id(allocation.id, &format!("sessions-scheduled:{until}"));
        outcome.events.push(scheduled(id, purchase, allocation, Window { from, until }, &sessions, now, parent)?);
    }
    outcome.effects.windows.push(WindowExtension {
        purchase_id: purchase.id,
        allocation_id: allocation.id,
        trainer_id: allocation.trainer_id.clone(),
        // What a person changes meanwhile is to be put in the calendar as it is then.
        revision: Some(purchase.revision),
        from: purchase.horizon,
        until,
        at: now,
        sessions,
    });
    Ok(true)
}

pub(super) fn new_session(purchase: &Purchase, zone: &TimeZone, session: Standing) -> NewSession {
    let local_date = session.local_date(zone);
    let Standing { planned, state, changed } = session;
    // What an earlier allocation keeps is told apart like a change.
    let other = purchase.allocation.as_ref().is_some_and(|active| active.trainer_id != state.trainer_id);
    NewSession {
        id: ids::session_id(purchase.id, planned.ordinal),
        ordinal: planned.ordinal,
        local_date,
        starts_at: state.starts_at,
        ends_at: state.ends_at,
        changed: (changed || other).then_some(ChangedSession {
            trainer_id: state.trainer_id,
            status: state.status,
            planned_starts_at: planned.starts_at,
        }),
    }
}

/// A purchase's sessions as they stand; none before somebody is allocated.
///
/// # Errors
/// If the purchase can't be understood.
pub fn sessions_of(purchase: &Purchase) -> Result<Vec<Standing>, WorkError> {
    let Some(active) = &purchase.allocation else { return Ok(Vec::new()) };
    standing_between(purchase, active, Date::MIN, Date::MAX)
}

/// Those that are planned from a date on and before another, of the active allocation and of those before it.
fn standing_between(
    purchase: &Purchase,
    active: &Allocation,
    from: Date,
    until: Date,
) -> Result<Vec<Standing>, WorkError> {
    let mut sessions = Vec::new();
    for allocation in purchase.earlier.iter().chain([active]) {
        let plan = schedule(purchase, allocation)?;
        let planned = plan.occurrences().skip_while(|session| session.local_date < from);
        let planned = planned.take_while(|session| session.local_date < until);
        sessions.extend(standing(planned, &allocation.trainer_id, &purchase.changed));
    }
    Ok(sessions)
}

/// The plan as it was decided: nothing that changed since moves a session silently.
///
/// # Errors
/// If its zone is not known.
pub fn schedule(purchase: &Purchase, allocation: &Allocation) -> Result<Schedule, WorkError> {
    let confirmation = &purchase.confirmation;
    let zone = zone_named(&confirmation.student.time_zone).ok_or_else(|| {
        WorkError::Failed(format!("purchase {}: unknown zone {:?}", purchase.id, confirmation.student.time_zone))
    })?;
    Ok(Schedule {
        zone,
        start_date: allocation.start_date,
        slots: allocation.slots.clone(),
        first_ordinal: allocation.first_ordinal,
        sessions: allocation.sessions,
        minutes: allocation.minutes,
        skipped: allocation.skipped.iter().copied().collect(),
    })
}

/// Tells of sessions that are put in the calendar.
pub(super) fn scheduled(
    id: Uuid,
    purchase: &Purchase,
    allocation: &Allocation,
    window: Window,
    sessions: &[NewSession],
    now: Timestamp,
    parent: Option<&str>,
) -> Result<Event, WorkError> {
    let taught_by = |session: &NewSession| session.changed.as_ref().map(|changed| changed.trainer_id.clone());
    let is_on = |session: &&NewSession| {
        session.changed.as_ref().is_none_or(|changed| changed.status != SessionStatus::Cancelled)
    };
    let listed = |session: &NewSession| ScheduledSession {
        session_id: session.id,
        ordinal: session.ordinal,
        local_date: session.local_date,
        starts_at: session.starts_at,
        ends_at: session.ends_at,
        trainer_id: taught_by(session).filter(|trainer_id| *trainer_id != allocation.trainer_id),
    };
    let payload = SessionsScheduled {
        purchase_id: purchase.id,
        trainer_id: allocation.trainer_id.clone(),
        student_id: purchase.confirmation.student.id.clone(),
        time_zone: purchase.confirmation.student.time_zone.clone(),
        window,
        sessions: sessions.iter().filter(is_on).map(listed).collect(),
        metadata: purchase.confirmation.metadata.clone(),
    };
    Event::telling(&payload, id, now, SOURCE, parent).map_err(|error| WorkError::Failed(error.to_string()))
}
