//! `purchase-confirmed` becomes a purchase, once.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use caravan_domain::event::{Event, PurchaseCreated, Topic, decode_confirmation};
use caravan_domain::ids;
use caravan_domain::purchase::Confirmation;
use caravan_domain::rejection::{Reason, Rejection};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::read_all;
use crate::engine::worker::{Outcome, Spec, WorkError, Worker};
use crate::platform::log::Record;
use crate::platform::store::Reads;
use crate::platform::transaction::NewPurchase;

/// The purchase worker's fixed facts.
pub const SPEC: Spec = Spec {
    name: "PurchaseWorker",
    group: "purchase-creation-workers",
    topics: &[Topic::PurchaseConfirmed],
    linger: Duration::ZERO,
    looks_around: false,
};
const SOURCE: &str = "/caravan/purchase";

/// A confirmation that was read, with the purchase it is.
struct Read {
    id: Uuid,
    confirmation: Confirmation,
}

/// Records purchases. A payment reported again is the same purchase; reported again with another
/// content, the first stands and the other is set aside.
pub struct PurchaseWorker;

#[async_trait]
impl Worker for PurchaseWorker {
    fn spec(&self) -> Spec {
        SPEC
    }

    async fn handle(&mut self, batch: &[Record], reads: &dyn Reads, now: Timestamp) -> Result<Outcome, WorkError> {
        let mut outcome = Outcome::default();
        let reports = read_all(batch, &mut outcome, |record, envelope| {
            let confirmation = decode_confirmation(&envelope.data, record.timestamp)?;
            let id = ids::purchase_id(&confirmation.payment_id, confirmation.item.as_deref());
            Ok(Read { id, confirmation })
        });
        let ids: Vec<Uuid> = reports.iter().map(|(_, _, read)| read.id).collect();
        let mut known: HashMap<Uuid, Confirmation> =
            reads.purchases(&ids).await?.into_iter().map(|purchase| (purchase.id, purchase.confirmation)).collect();
        let mut new = Vec::new();
        for (index, traceparent, read) in reports {
            match known.get(&read.id) {
                Some(first) if first.agrees_with(&read.confirmation) => outcome.duplicates += 1,
                Some(first) => outcome.rejected.push((index, conflicting(read.id, first, &read.confirmation))),
                None => {
                    known.insert(read.id, read.confirmation.clone());
                    new.push((index, traceparent, read));
                }
            }
        }
        // Of payments that came in the same millisecond, the one that was made first is first.
        new.sort_by_key(|(index, _, read)| (batch[*index].timestamp, read.confirmation.confirmed_at, *index));
        for (index, traceparent, read) in new {
            // A microsecond apart, so that the order of a batch is kept for good.
            let created_at = now + SignedDuration::from_micros(outcome.done as i64);
            let purchase = NewPurchase { id: read.id, created_at, confirmation: read.confirmation };
            record(&mut outcome, purchase, traceparent.as_deref())
                .map_err(|error| WorkError::Failed(format!("record {index} of the batch: {error}")))?;
            outcome.done += 1;
        }
        Ok(outcome)
    }
}

/// Records a purchase, and tells of it.
///
/// # Errors
/// If it can't be written as JSON.
pub fn record(outcome: &mut Outcome, purchase: NewPurchase, parent: Option<&str>) -> Result<(), serde_json::Error> {
    let NewPurchase { id, created_at, confirmation } = purchase;
    let payload = PurchaseCreated { purchase_id: id, created_at, confirmation };
    let event_id = ids::event_id(id, "purchase-created");
    outcome.events.push(Event::telling(&payload, event_id, created_at, SOURCE, parent)?);
    outcome.effects.purchases.push(NewPurchase { id, created_at, confirmation: payload.confirmation });
    Ok(())
}

/// Names what differs, without the personal data in it.
fn conflicting(id: Uuid, first: &Confirmation, other: &Confirmation) -> Rejection {
    let differs = [
        ("/student/id", first.student.id != other.student.id),
        ("/course", first.course.key() != other.course.key()),
        ("/plan", first.plan != other.plan),
        ("/amount", first.amount != other.amount),
    ];
    let fields: Vec<&str> = differs.iter().filter(|(_, differs)| *differs).map(|(field, _)| *field).collect();
    let detail = format!(
        "payment {:?} was reported before as purchase {id}; this report differs in {}; the first stands",
        first.payment_id,
        fields.join(", ")
    );
    Rejection::new(Reason::ConflictingPayment, detail)
}
