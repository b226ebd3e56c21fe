//! Giving a purchase a trainer by hand, where no rule stands against it.

use caravan_domain::allocation::{Booking, Calendar, Choice, Policy, judge_choice};
use caravan_domain::plan::Slot;
use caravan_domain::purchase::PurchaseStatus;
use uuid::Uuid;

use super::{ChangeError, commit};
use crate::engine::worker::Outcome;
use crate::platform::Platform;
use crate::platform::rows::Purchase;
use crate::platform::transaction::{Note, TrainerTouch};
use crate::workers::allocation::first_matter;
use crate::workers::binding::{Bound, bind};

/// What a person asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which purchase.
    pub purchase_id: Uuid,
    /// Who shall teach it.
    pub trainer_id: String,
    /// When, each week.
    pub slots: Vec<Slot>,
    /// Who asks.
    pub actor: String,
    /// Why, in their words.
    pub reason: String,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// They teach it now.
    Now(Box<Booking>),
    /// They taught it at these times before: nothing changed.
    Before,
}

/// Gives a purchase that waits for a trainer this one.
///
/// # Errors
/// [`ChangeError`]; then nothing has changed.
pub async fn allocate(platform: &Platform, request: &Request, policy: Policy) -> Result<Done, ChangeError> {
    for attempt in 1.. {
        let found = platform.store.purchases(&[request.purchase_id]).await?;
        let purchase = found.into_iter().next().ok_or(ChangeError::UnknownPurchase(request.purchase_id))?;
        if stands_so(&purchase, request) {
            return Ok(Done::Before);
        }
        if !matches!(purchase.status, PurchaseStatus::Created | PurchaseStatus::Waitlisted) {
            return Err(ChangeError::Decided(purchase.id, purchase.status));
        }
        let (outcome, booking) = decide(platform, request, &purchase, policy).await?;
        if commit(platform, outcome, attempt).await? {
            return Ok(Done::Now(Box::new(booking)));
        }
    }
    unreachable!("the last attempt returns")
}

fn stands_so(purchase: &Purchase, request: &Request) -> bool {
    purchase.allocation.as_ref().is_some_and(|allocation| {
        allocation.trainer_id == request.trainer_id && same_slots(&allocation.slots, &request.slots)
    })
}

/// Whether these are the same weekly times, in any order.
pub(super) fn same_slots(some: &[Slot], others: &[Slot]) -> bool {
    some.len() == others.len() && some.iter().all(|slot| others.contains(slot))
}

async fn decide(
    platform: &Platform,
    request: &Request,
    purchase: &Purchase,
    policy: Policy,
) -> Result<(Outcome, Booking), ChangeError> {
    let (now, store, confirmation) = (platform.clock.now(), &platform.store, &purchase.confirmation);
    let trainers = store.trainers(std::slice::from_ref(&request.trainer_id), first_matter(now)).await?;
    let mut row = trainers.into_iter().next().ok_or_else(|| ChangeError::UnknownTrainer(request.trainer_id.clone()))?;
    let student = store.student_calendars(std::slice::from_ref(&confirmation.student.id), first_matter(now)).await?;
    let choice = Choice {
        purchase_id: purchase.id,
        confirmation,
        slots: &request.slots,
        first_ordinal: 1,
        trainer: &row.trainer,
        trainer_calendar: &Calendar::from_rows(std::mem::take(&mut row.calendar)),
        share: row.share,
        student_calendar: &Calendar::from_rows(student.into_iter().flat_map(|(_, rows)| rows).collect()),
        closures: &store.closures().await?,
    };
    let booking = judge_choice(&choice, policy, now).map_err(ChangeError::Against)?;
    let mut outcome = Outcome::default();
    let bound = Bound {
        confirmation,
        revision: Some(purchase.revision),
        generation: purchase.generations + 1,
        first_ordinal: 1,
    };
    bind(&mut outcome, &bound, &booking, now, None)?;
    outcome.effects.trainers.push(TrainerTouch {
        trainer_id: booking.trainer_id.clone(),
        version: row.version,
        share: booking.share_after,
    });
    outcome.effects.notes.push(Note {
        purchase_id: purchase.id,
        kind: "allocated",
        changed_at: now,
        actor: request.actor.clone(),
        reason: request.reason.clone(),
    });
    Ok((outcome, booking))
}
