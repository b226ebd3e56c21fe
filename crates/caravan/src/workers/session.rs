//! `trainer-allocated` puts the first window of sessions in the calendar.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use caravan_domain::cancellation::Ending;
use caravan_domain::event::{Payload, PurchaseCancelled, Topic, allocation_id_of, purchase_id_of};
use caravan_domain::ids;
use caravan_domain::purchase::PurchaseStatus;
use caravan_domain::rejection::{Reason, Rejection};
use caravan_domain::window::today;
use jiff::Timestamp;
use uuid::Uuid;

use super::cancellation::{self, Order};
use super::{read_all, window};
use crate::engine::worker::{Outcome, Spec, WorkError, Worker};
use crate::platform::log::Record;
use crate::platform::rows::Purchase;
use crate::platform::store::Reads;

/// The session worker's fixed facts.
pub const SPEC: Spec = Spec {
    name: "SessionWorker",
    group: "session-scheduling-workers",
    topics: &[Topic::TrainerAllocated, Topic::PurchaseCancelled],
    linger: Duration::ZERO,
    looks_around: false,
};

/// Schedules sessions. It acts on the allocation's row, not on the record: a record about an
/// allocation that is no longer the active one changes nothing.
pub struct SessionWorker {
    window_days: u16,
}

impl SessionWorker {
    /// A worker that fills windows of this many days.
    pub fn new(window_days: u16) -> Self {
        Self { window_days }
    }
}

#[async_trait]
impl Worker for SessionWorker {
    fn spec(&self) -> Spec {
        SPEC
    }

    async fn handle(&mut self, batch: &[Record], reads: &dyn Reads, now: Timestamp) -> Result<Outcome, WorkError> {
        let mut outcome = Outcome::default();
        let told = read_all(batch, &mut outcome, |record, envelope| {
            let purchase_id = purchase_id_of(&envelope.data)?;
            Ok((
                purchase_id,
                match record.at.topic {
                    Topic::TrainerAllocated => Told::Allocated(allocation_id_of(&envelope.data)?),
                    _ => Told::Cancelled(PurchaseCancelled::decode(&envelope.data)?),
                },
            ))
        });
        let ids: Vec<Uuid> = told.iter().map(|(_, _, (purchase_id, _))| *purchase_id).collect();
        let mut purchases: HashMap<Uuid, Purchase> =
            reads.purchases(&ids).await?.into_iter().map(|purchase| (purchase.id, purchase)).collect();
        for (index, traceparent, (purchase_id, told)) in told {
            let Some(purchase) = purchases.get_mut(&purchase_id) else {
                outcome.rejected.push((index, unknown_purchase(purchase_id)));
                continue;
            };
            match told {
                Told::Allocated(id) if !was_made(purchase, id) => {
                    outcome.rejected.push((index, unknown_allocation(purchase, id)));
                }
                Told::Allocated(id) => self.schedule(&mut outcome, purchase, id, now, traceparent.as_deref())?,
                Told::Cancelled(told) => {
                    let refused = call_off(&mut outcome, purchase, told, reads, now, traceparent.as_deref()).await?;
                    outcome.rejected.extend(refused.map(|rejection| (index, rejection)));
                }
            }
        }
        Ok(outcome)
    }
}

impl SessionWorker {
    fn schedule(
        &self,
        outcome: &mut Outcome,
        purchase: &mut Purchase,
        allocation_id: Uuid,
        now: Timestamp,
        parent: Option<&str>,
    ) -> Result<(), WorkError> {
        let Some(allocation) = purchase.allocation.clone().filter(|active| active.id == allocation_id) else {
            outcome.superseded += 1;
            return Ok(());
        };
        let target = window::Target { today: today(now), window_days: self.window_days };
        if window::extend(outcome, purchase, &allocation, target, now, parent)? {
            outcome.done += 1;
            // The same allocation told twice in one batch extends once.
            purchase.horizon = outcome.effects.windows.last().map(|extension| extension.until);
            purchase.status = PurchaseStatus::Scheduled;
        } else {
            outcome.duplicates += 1;
        }
        Ok(())
    }
}

/// What a record tells of a purchase.
enum Told {
    Allocated(Uuid),
    Cancelled(PurchaseCancelled),
}

/// Who is noted for a cancellation that the log alone knows of.
const BY_THE_LOG: &str = "purchase-cancelled";

/// The command that cancels changes the rows with what it tells. A purchase that goes on all the same was put back with
/// the database, or others ask for its end: what it is told counts.
async fn call_off(
    outcome: &mut Outcome,
    purchase: &mut Purchase,
    told: PurchaseCancelled,
    reads: &dyn Reads,
    now: Timestamp,
    parent: Option<&str>,
) -> Result<Option<Rejection>, WorkError> {
    let ending = Ending { effective_from: told.effective_from, decided_at: told.cancelled_at };
    let over = matches!(purchase.status, PurchaseStatus::Cancelled | PurchaseStatus::Completed);
    let nothing_left = cancellation::ends(purchase, ending)?.is_some_and(|off| off.ordinals.is_empty());
    if nothing_left && !over && purchase.confirmation.plan.is_subscription() {
        return Ok(Some(not_reserved_yet(purchase, ending)));
    }
    if over || nothing_left {
        outcome.superseded += 1;
        return Ok(None);
    }
    let weights = cancellation::weights(purchase, reads, now).await?;
    let order = Order { ending, actor: BY_THE_LOG.to_owned(), reason: told.reason };
    cancellation::call_off(outcome, purchase, &weights, &order, now, parent)?;
    outcome.done += 1;
    purchase.status = PurchaseStatus::Cancelled;
    purchase.allocation = None;
    Ok(None)
}

/// The rejection of an end that lies beyond what is reserved of a plan without one: it must not be forgotten.
fn not_reserved_yet(purchase: &Purchase, ending: Ending) -> Rejection {
    let (id, from) = (purchase.id, ending.effective_from);
    let detail = format!(
        "/effective_from: purchase {id} runs until it is cancelled and has no session from {from} on yet, as it is reserved for \
         a year ahead; redrive it when that date is less than a year away"
    );
    Rejection::new(Reason::InvalidField, detail)
}

/// Whether this is one of the allocations the purchase has had.
fn was_made(purchase: &Purchase, allocation_id: Uuid) -> bool {
    (1..=purchase.generations).any(|generation| ids::allocation_id(purchase.id, generation) == allocation_id)
}

/// The rejection of a record about a purchase that is not there.
pub(super) fn unknown_purchase(id: Uuid) -> Rejection {
    Rejection::new(
        Reason::UnknownPurchase,
        format!(
            "purchase {id} is not in the database; if it was restored from a backup, replay purchase-confirmed first"
        ),
    )
}

fn unknown_allocation(purchase: &Purchase, allocation_id: Uuid) -> Rejection {
    let detail = format!("purchase {} never had the allocation {allocation_id}", purchase.id);
    Rejection::new(Reason::UnknownAllocation, detail)
}
