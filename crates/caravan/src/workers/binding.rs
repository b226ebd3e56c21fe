//! Binding a trainer to a purchase: the same whoever chose them.

use caravan_domain::allocation::Booking;
use caravan_domain::event::{Event, TrainerAllocated};
use caravan_domain::ids;
use caravan_domain::purchase::Confirmation;
use jiff::Timestamp;

use crate::engine::worker::{Outcome, WorkError};
use crate::platform::transaction::NewAllocation;

pub(super) const SOURCE: &str = "/caravan/allocation";

/// What a trainer is bound to.
#[derive(Clone, Copy, Debug)]
pub struct Bound<'a> {
    /// What was bought.
    pub confirmation: &'a Confirmation,
    /// The purchase's revision that was looked at; `None` if it is recorded with the booking.
    pub revision: Option<i64>,
    /// 1 for the first allocation of the purchase.
    pub generation: u32,
    /// The ordinal of its first session: 1, unless others were held before it.
    pub first_ordinal: u32,
}

/// Writes a booking and tells of it. The trainer's version is to be stepped beside it.
///
/// # Errors
/// If it can't be written as JSON.
pub fn bind(
    outcome: &mut Outcome,
    bound: &Bound<'_>,
    booking: &Booking,
    now: Timestamp,
    parent: Option<&str>,
) -> Result<(), WorkError> {
    let payload = payload(bound, booking, now);
    let id = payload.allocation_id;
    outcome.events.push(allocated(&payload, now, parent)?);
    outcome.effects.allocations.push(NewAllocation {
        id,
        purchase_id: payload.purchase_id,
        student_id: payload.student_id,
        trainer_id: payload.trainer_id,
        revision: bound.revision,
        generation: bound.generation,
        slots: payload.slots,
        first_ordinal: bound.first_ordinal,
        sessions: payload.plan.reserved_from(bound.first_ordinal).unwrap_or_default(),
        start_date: booking.start_date,
        skipped: booking.skipped.clone(),
        reserved: booking.reserved.clone(),
        receipt: serde_json::to_string(&booking.receipt).map_err(unwritable)?,
        allocated_at: now,
        ordered: None,
    });
    Ok(())
}

/// What is told of an allocation.
pub(super) fn payload(bound: &Bound<'_>, booking: &Booking, now: Timestamp) -> TrainerAllocated {
    let confirmation = bound.confirmation;
    TrainerAllocated {
        purchase_id: booking.purchase_id,
        allocation_id: ids::allocation_id(booking.purchase_id, bound.generation),
        trainer_id: booking.trainer_id.clone(),
        student_id: confirmation.student.id.clone(),
        allocated_at: now,
        start_date: booking.start_date,
        slots: booking.slots.clone(),
        time_zone: confirmation.student.time_zone.clone(),
        plan: confirmation.plan.clone(),
        metadata: confirmation.metadata.clone(),
    }
}

/// Tells of an allocation.
///
/// # Errors
/// If it can't be written as JSON.
pub(super) fn allocated(payload: &TrainerAllocated, now: Timestamp, parent: Option<&str>) -> Result<Event, WorkError> {
    let event_id = ids::event_id(payload.allocation_id, "trainer-allocated");
    Event::telling(payload, event_id, now, SOURCE, parent).map_err(unwritable)
}

pub(super) fn unwritable(error: serde_json::Error) -> WorkError {
    WorkError::Failed(format!("could not be written as JSON: {error}"))
}
