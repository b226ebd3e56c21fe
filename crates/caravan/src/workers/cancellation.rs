//! Calling a purchase off: the same for the command, and for the session worker when it is told of a
//! cancellation that the database does not know (it was put back, or others ask for it).

use caravan_domain::allocation::share_increment;
use caravan_domain::cancellation::{CalledOff, Ending, called_off};
use caravan_domain::event::{Event, PurchaseCancelled};
use caravan_domain::ids::event_id;
use caravan_domain::purchase::PurchaseStatus;
use jiff::{Timestamp, ToSpan};

use super::window;
use crate::engine::worker::{Outcome, WorkError};
use crate::platform::rows::{Allocation, Purchase};
use crate::platform::transaction::{EndedAllocation, NewCancellation};

const SOURCE: &str = "/caravan/purchases";

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Order {
    /// From when on there are no sessions.
    pub ending: Ending,
    /// Who asks.
    pub actor: String,
    /// Why, in their words.
    pub reason: String,
}

/// What of a purchase's plan an ending calls off; `None` if nobody is allocated yet.
///
/// # Errors
/// If the purchase can't be understood.
pub fn ends(purchase: &Purchase, ending: Ending) -> Result<Option<CalledOff>, WorkError> {
    let Some(allocation) = &purchase.allocation else { return Ok(None) };
    Ok(Some(called_off(window::schedule(purchase, allocation)?.occurrences(), ending)))
}

/// Calls a purchase off that is neither cancelled nor completed; `weight` is its trainer's.
///
/// # Errors
/// If the purchase can't be understood.
pub fn call_off(
    outcome: &mut Outcome,
    purchase: &Purchase,
    weight: u32,
    order: &Order,
    now: Timestamp,
    parent: Option<&str>,
) -> Result<(), WorkError> {
    let (mut status, mut horizon) = (purchase.status, purchase.horizon);
    let off = ends(purchase, order.ending)?;
    if let (Some(allocation), Some(off)) = (&purchase.allocation, &off)
        && let Some(until) = after_the_last_kept(purchase, allocation, off)?
        && window::extend_to(outcome, purchase, allocation, until, now, parent)?
    {
        (status, horizon) = (PurchaseStatus::Scheduled, Some(until));
    }
    let ended = |(allocation, called_off): (&Allocation, CalledOff)| EndedAllocation {
        id: allocation.id,
        trainer_id: allocation.trainer_id.clone(),
        student_id: purchase.confirmation.student.id.clone(),
        share_less: share_increment(called_off.sessions, weight),
        called_off,
    };
    outcome.events.push(told(purchase, order, parent)?);
    outcome.effects.cancellations.push(NewCancellation {
        purchase_id: purchase.id,
        status,
        horizon,
        allocation: purchase.allocation.as_ref().zip(off).map(ended),
        ending: order.ending,
        actor: order.actor.clone(),
        reason: order.reason.clone(),
    });
    Ok(())
}

/// The date after the last session that is held all the same: it must stand in the calendar, as nobody extends the window
/// of a purchase that is called off.
fn after_the_last_kept(
    purchase: &Purchase,
    allocation: &Allocation,
    off: &CalledOff,
) -> Result<Option<jiff::civil::Date>, WorkError> {
    let schedule = window::schedule(purchase, allocation)?;
    let last = schedule.occurrences().take_while(|occurrence| occurrence.ordinal < off.from_ordinal).last();
    Ok(last.map(|last| last.local_date.saturating_add(1.day())))
}

fn told(purchase: &Purchase, order: &Order, parent: Option<&str>) -> Result<Event, WorkError> {
    let at = order.ending.decided_at;
    let payload = PurchaseCancelled {
        purchase_id: purchase.id,
        student_id: Some(purchase.confirmation.student.id.clone()),
        trainer_id: purchase.allocation.as_ref().map(|allocation| allocation.trainer_id.clone()),
        cancelled_at: at,
        reason: order.reason.clone(),
        effective_from: order.ending.effective_from,
        metadata: purchase.confirmation.metadata.clone(),
    };
    let id = event_id(purchase.id, "purchase-cancelled");
    Event::telling(&payload, id, at, SOURCE, parent).map_err(|error| WorkError::Failed(error.to_string()))
}
