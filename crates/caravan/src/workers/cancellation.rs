//! Calling a purchase off: the same for the command, for the session worker when it is told of a cancellation that the
//! database does not know (it was put back, or others ask for it), and for the purchase worker when all is given back.

use std::collections::HashMap;

use caravan_domain::allocation::share_increment;
use caravan_domain::cancellation::{CalledOff, Ending, called_off};
use caravan_domain::event::{Event, PurchaseCancelled};
use caravan_domain::ids::event_id;
use caravan_domain::purchase::PurchaseStatus;
use jiff::{Timestamp, ToSpan};

use super::window;
use crate::engine::worker::{Outcome, WorkError};
use crate::platform::PlatformError;
use crate::platform::rows::{Allocation, Purchase};
use crate::platform::store::Reads;
use crate::platform::transaction::{EndedAllocation, LoadShift, NewCancellation, Party, PartyTime};

const SOURCE: &str = "/caravan/purchases";

/// The weights of trainers, by their ids.
pub type Weights = HashMap<String, u32>;

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
    let zone = window::schedule(purchase, allocation)?.zone;
    Ok(Some(called_off(window::sessions_of(purchase)?, &zone, ending)))
}

/// Everybody who teaches some of a purchase's sessions, as they stand.
pub fn trainers_of(purchase: &Purchase) -> Vec<String> {
    let changed = purchase.changed.values().map(|state| state.trainer_id.clone());
    let mut trainers: Vec<String> =
        purchase.allocation.iter().map(|allocation| allocation.trainer_id.clone()).chain(changed).collect();
    trainers.sort_unstable();
    trainers.dedup();
    trainers
}

/// The weights of those who teach some of it.
///
/// # Errors
/// If the store can't be read.
pub async fn weights(purchase: &Purchase, reads: &dyn Reads, now: Timestamp) -> Result<Weights, PlatformError> {
    let trainers = reads.trainers(&trainers_of(purchase), now).await?;
    Ok(trainers.into_iter().map(|row| (row.trainer.trainer_id, row.trainer.weight)).collect())
}

/// Calls a purchase off that is neither cancelled nor completed; `weights` are those of its trainers.
///
/// # Errors
/// If the purchase can't be understood.
pub fn call_off(
    outcome: &mut Outcome,
    purchase: &Purchase,
    weights: &Weights,
    order: &Order,
    now: Timestamp,
    parent: Option<&str>,
) -> Result<(), WorkError> {
    let (mut status, mut horizon) = (purchase.status, purchase.horizon);
    let off = ends(purchase, order.ending)?;
    // Nobody extends the window of a purchase that is called off: what is held all the same must stand in the calendar.
    let until = off.as_ref().and_then(|off| off.last_kept).map(|last| last.saturating_add(1.day()));
    if let (Some(allocation), Some(until)) = (&purchase.allocation, until)
        && window::extend_to(outcome, purchase, allocation, until, now, parent)?
    {
        (status, horizon) = (PurchaseStatus::Scheduled, Some(until));
    }
    outcome.events.push(told(purchase, order, parent)?);
    if let Some(off) = &off {
        free(outcome, purchase, off, weights);
    }
    let ended = |(allocation, off): (&Allocation, CalledOff)| EndedAllocation {
        id: allocation.id,
        sessions: allocation.sessions,
        called_off: off.ordinals,
    };
    let extended = outcome.effects.windows.iter().filter(|window| window.purchase_id == purchase.id).count();
    outcome.effects.cancellations.push(NewCancellation {
        purchase_id: purchase.id,
        status,
        horizon,
        allocation: purchase.allocation.as_ref().zip(off).map(ended),
        // Each extension of its window leads to a revision.
        revision: Some(purchase.revision + extended as i64),
        ending: order.ending,
        actor: order.actor.clone(),
        reason: order.reason.clone(),
    });
    Ok(())
}

/// Gives back the time and the share of the work that was for it.
fn free(outcome: &mut Outcome, purchase: &Purchase, off: &CalledOff, weights: &Weights) {
    let student = Party::Student(purchase.confirmation.student.id.clone());
    outcome.effects.freed.push(PartyTime { party: student, time: off.freed.clone() });
    for (trainer_id, (sessions, time)) in &off.freed_of {
        outcome.effects.freed.push(PartyTime { party: Party::Trainer(trainer_id.clone()), time: time.clone() });
        let share = -share_increment(*sessions, weights.get(trainer_id).copied().unwrap_or(0));
        outcome.effects.loads.push(LoadShift { trainer_id: trainer_id.clone(), version: None, share });
    }
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
