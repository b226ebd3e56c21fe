//! `purchase-confirmed` becomes a purchase, once; `purchase-refunded` gives it back, or a part of it.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use caravan_domain::event::{
    Event, PurchaseCreated, Topic, decode_confirmation, decode_refund, redrives_of, refusal_of,
};
use caravan_domain::ids;
use caravan_domain::purchase::{Confirmation, PurchaseStatus};
use caravan_domain::refund::Refund;
use caravan_domain::rejection::{Reason, Rejection};
use caravan_domain::session::Changed;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::read_all;
use super::refunding::Books;
use crate::engine::Policy;
use crate::engine::worker::{Outcome, Spec, WorkError, Worker};
use crate::platform::cache::CacheKey;
use crate::platform::log::Record;
use crate::platform::rows::Purchase;
use crate::platform::store::Reads;
use crate::platform::transaction::NewPurchase;

/// The purchase worker's fixed facts.
pub const SPEC: Spec = Spec {
    name: "PurchaseWorker",
    group: "purchase-creation-workers",
    topics: &[Topic::PurchaseConfirmed, Topic::PurchaseRefunded],
    linger: Duration::ZERO,
    looks_around: false,
};
const SOURCE: &str = "/caravan/purchase";
/// The revision of a purchase that was just recorded.
const REVISION_FIRST: i64 = 1;

/// A report that was read, of a payment or of a refund.
#[expect(clippy::large_enum_variant, reason = "nearly all are confirmations: a box would cost each of them")]
enum Report {
    Confirmed(Confirmation),
    Refunded(Refund),
}

impl Report {
    /// The purchase it is about.
    fn purchase_id(&self) -> Uuid {
        match self {
            Self::Confirmed(Confirmation { payment_id, item, .. })
            | Self::Refunded(Refund { payment_id, item, .. }) => ids::purchase_id(payment_id, item.as_deref()),
        }
    }
}

/// A confirmation of a payment that is not known yet.
struct New {
    index: usize,
    traceparent: Option<String>,
    id: Uuid,
    confirmation: Confirmation,
}

/// Records purchases. A payment reported again is the same purchase; reported again with another
/// content, the first stands and the other is set aside. Likewise with refunds, whichever of the two comes first.
pub struct PurchaseWorker {
    full_refund_cancels: bool,
}

impl PurchaseWorker {
    /// A worker that does as the policy says when all of a payment is given back.
    pub fn new(policy: &Policy) -> Self {
        Self { full_refund_cancels: policy.full_refund_cancels }
    }
}

#[async_trait]
impl Worker for PurchaseWorker {
    fn spec(&self) -> Spec {
        SPEC
    }

    async fn handle(&mut self, batch: &[Record], reads: &dyn Reads, now: Timestamp) -> Result<Outcome, WorkError> {
        let mut outcome = Outcome::default();
        let reports = read_all(batch, &mut outcome, |record, envelope| match record.at.topic {
            Topic::PurchaseRefunded => decode_refund(&envelope.data).map(Report::Refunded),
            _ => match refusal_of(&record.headers) {
                Some(rejection) => Err(rejection),
                None => decode_confirmation(&envelope.data, record.timestamp).map(Report::Confirmed),
            },
        });
        let ids: Vec<Uuid> = reports.iter().map(|(_, _, report)| report.purchase_id()).collect();
        // That it was sent again is told with its purchase, even if it changes nothing.
        let again = reports.iter().zip(&ids).filter(|((index, ..), _)| redrives_of(&batch[*index].headers) > 0);
        outcome.invalidated = again.map(|(_, id)| CacheKey::Purchase(id.to_string())).collect();
        let mut known: HashMap<Uuid, Purchase> =
            reads.purchases(&ids).await?.into_iter().map(|purchase| (purchase.id, purchase)).collect();
        let mut books = Books::new(reads.refunds(&ids).await?, self.full_refund_cancels);
        let (mut new, mut refunds) = (Vec::new(), Vec::new());
        for ((index, traceparent, report), id) in reports.into_iter().zip(ids) {
            match report {
                Report::Refunded(refund) => refunds.push((index, traceparent, id, refund)),
                Report::Confirmed(confirmation) => match known.get(&id).map(Purchase::reported) {
                    Some(first) if first.agrees_with(&confirmation) => outcome.duplicates += 1,
                    Some(first) => outcome.rejected.push((index, conflicting(id, first, &confirmation))),
                    None => {
                        known.insert(id, unrecorded(id, confirmation.clone(), now));
                        new.push(New { index, traceparent, id, confirmation });
                    }
                },
            }
        }
        // Of payments that came in the same millisecond, the one that was made first is first.
        new.sort_by_key(|new| (batch[new.index].timestamp, new.confirmation.confirmed_at, new.index));
        for new in new {
            // A microsecond apart, so that the order of a batch is kept for good.
            let created_at = now + SignedDuration::from_micros(outcome.done as i64);
            if let Some(purchase) = known.get_mut(&new.id) {
                purchase.created_at = created_at;
            }
            let New { index, id, confirmation, traceparent } = new;
            let purchase = NewPurchase { id, created_at, confirmation };
            record(&mut outcome, purchase, traceparent.as_deref())
                .map_err(|error| WorkError::Failed(format!("record {index} of the batch: {error}")))?;
            outcome.done += 1;
        }
        for (index, traceparent, id, refund) in refunds {
            let paid = known.get(&id).map(|purchase| &purchase.confirmation.amount);
            match books.report(id, paid, refund, traceparent) {
                Ok(true) => outcome.duplicates += 1,
                Ok(false) => outcome.done += 1,
                Err(rejection) => outcome.rejected.push((index, rejection)),
            }
        }
        books.close(&mut outcome, &mut known, reads, now).await?;
        Ok(outcome)
    }
}

/// A purchase as it is once this batch has recorded it.
fn unrecorded(id: Uuid, confirmation: Confirmation, created_at: Timestamp) -> Purchase {
    Purchase {
        id,
        status: PurchaseStatus::Created,
        created_at,
        confirmation,
        reported: None,
        start_date: None,
        horizon: None,
        scheduled_at: None,
        allocation: None,
        earlier: Vec::new(),
        generations: 0,
        revision: REVISION_FIRST,
        changed: Changed::new(),
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
