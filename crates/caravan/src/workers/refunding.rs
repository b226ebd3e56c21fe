//! `purchase-refunded`: each refund is recorded once. When the whole is given back, the purchase is called off; anything
//! else is a matter for a person.

use std::collections::{BTreeMap, HashMap};

use caravan_domain::cancellation::Ending;
use caravan_domain::event::{Event, PurchaseChanged};
use caravan_domain::ids;
use caravan_domain::plan::zone_named;
use caravan_domain::purchase::{Amount, PurchaseStatus};
use caravan_domain::refund::{Refund, RefundState, is_whole};
use caravan_domain::rejection::{Reason, Rejection};
use jiff::Timestamp;
use uuid::Uuid;

use super::cancellation::{self, Order};
use crate::engine::worker::{Outcome, WorkError};
use crate::platform::rows::{Purchase, RefundRow};
use crate::platform::store::Reads;
use crate::platform::transaction::{NewRefund, PurchaseNote, RefundsChange};

const SOURCE: &str = "/caravan/purchases";
/// Who is noted for what follows from a refund.
const BY_THE_PAYMENT_SIDE: &str = "purchase-refunded";
/// What it is called in a purchase's changes.
const KIND: &str = "refunded";

/// What is known of the refunds of some purchases, and what a batch adds.
pub(super) struct Books {
    accounts: BTreeMap<Uuid, Account>,
    /// Whether a purchase whose whole is given back is called off.
    cancels: bool,
}

/// The refunds of one purchase.
#[derive(Default)]
struct Account {
    known: Vec<RefundRow>,
    new: Vec<Pending>,
}

/// A refund about which is to be decided.
#[derive(Clone)]
struct Pending {
    id: Uuid,
    refund: Refund,
    parent: Option<String>,
}

impl Books {
    /// What the store knows of these.
    pub(super) fn new(known: Vec<RefundRow>, cancels: bool) -> Self {
        let mut accounts = BTreeMap::<Uuid, Account>::new();
        for row in known {
            accounts.entry(row.purchase_id).or_default().known.push(row);
        }
        Self { accounts, cancels }
    }

    /// Takes a report; true if it is a repetition.
    ///
    /// # Errors
    /// The rejection of one that contradicts what is known.
    pub(super) fn report(
        &mut self,
        purchase_id: Uuid,
        paid: Option<&Amount>,
        refund: Refund,
        parent: Option<String>,
    ) -> Result<bool, Rejection> {
        let id = ids::refund_id(purchase_id, &refund.refund_id);
        let account = self.accounts.entry(purchase_id).or_default();
        let before = account.known.iter().map(|row| (row.id, &row.refund));
        let new = account.new.iter().map(|pending| (pending.id, &pending.refund));
        if let Some((_, first)) = before.chain(new).find(|(known, _)| *known == id) {
            return if first.agrees_with(&refund) { Ok(true) } else { Err(conflicting(purchase_id, first, &refund)) };
        }
        if let Some(paid) = paid.filter(|paid| paid.currency != refund.amount.currency) {
            return Err(in_another_currency(purchase_id, paid, &refund));
        }
        account.new.push(Pending { id, refund, parent });
        Ok(false)
    }

    /// Decides what follows from all that is new, for these purchases as they are recorded or are being recorded.
    pub(super) async fn close(
        self,
        outcome: &mut Outcome,
        purchases: &mut HashMap<Uuid, Purchase>,
        reads: &dyn Reads,
        now: Timestamp,
    ) -> Result<(), WorkError> {
        for (purchase_id, account) in self.accounts {
            let purchase = purchases.get_mut(&purchase_id);
            let kept = account.known.iter().any(|row| row.state == RefundState::Kept);
            if account.new.is_empty() && !(kept && purchase.is_some()) {
                continue;
            }
            let mut change = RefundsChange {
                purchase_id,
                revision: purchase.as_ref().map(|purchase| purchase.revision),
                known: account.known.len() as i64,
                refunds: Vec::new(),
                became: Vec::new(),
                notes: Vec::new(),
            };
            let states = match purchase {
                Some(purchase) => {
                    let mut ledger = Ledger { purchase, cancels: self.cancels, change: &mut change, now };
                    ledger.decide(outcome, &account, reads).await?
                }
                None => HashMap::new(),
            };
            for Pending { id, refund, .. } in account.new {
                let state = states.get(&id).copied().unwrap_or(RefundState::Kept);
                change.refunds.push(NewRefund { id, refund, recorded_at: now, state });
            }
            let known = |row: &RefundRow| Some((*states.get(&row.id)?, row.id));
            for (state, id) in account.known.iter().filter_map(known) {
                change.became.push((state, vec![id]));
            }
            outcome.effects.refunds.push(change);
        }
        Ok(())
    }
}

/// The refunds of a purchase whose payment is known.
struct Ledger<'a> {
    purchase: &'a mut Purchase,
    cancels: bool,
    change: &'a mut RefundsChange,
    now: Timestamp,
}

impl Ledger<'_> {
    /// Where refunds stand from now on, those that came before the payment first.
    async fn decide(
        &mut self,
        outcome: &mut Outcome,
        account: &Account,
        reads: &dyn Reads,
    ) -> Result<HashMap<Uuid, RefundState>, WorkError> {
        let paid = self.purchase.confirmation.amount.clone();
        let (kept, counted): (Vec<_>, Vec<_>) = account.known.iter().partition(|row| row.state == RefundState::Kept);
        let mut open: Vec<Uuid> = counted
            .iter()
            .filter(|row| row.state == RefundState::Open && row.refund.amount.currency == paid.currency)
            .map(|row| row.id)
            .collect();
        let mut all: Vec<Refund> = counted.iter().map(|row| row.refund.clone()).collect();
        let kept = kept.into_iter().map(|row| Pending { id: row.id, refund: row.refund.clone(), parent: None });
        let mut states = HashMap::new();
        for pending in kept.chain(account.new.iter().cloned()) {
            all.push(pending.refund.clone());
            let whole = pending.refund.counts_towards(&paid) && is_whole(&paid, &all);
            if whole && self.cancels && self.is_called_off(outcome, &pending, reads).await? {
                // Nobody has anything to decide about the parts any more.
                states.extend(open.drain(..).chain([pending.id]).map(|id| (id, RefundState::Applied)));
                continue;
            }
            self.note(outcome, &pending)?;
            states.insert(pending.id, RefundState::Open);
            if pending.refund.amount.currency == paid.currency {
                open.push(pending.id);
            }
        }
        Ok(states)
    }

    /// Calls the purchase off; false if there is nothing left of it to call off.
    async fn is_called_off(
        &mut self,
        outcome: &mut Outcome,
        pending: &Pending,
        reads: &dyn Reads,
    ) -> Result<bool, WorkError> {
        match self.purchase.status {
            PurchaseStatus::Cancelled => return Ok(true),
            PurchaseStatus::Completed => return Ok(false),
            _ => {}
        }
        let at = self.at();
        let ending = Ending { effective_from: self.today(at)?, decided_at: at };
        if cancellation::ends(self.purchase, ending)?.is_some_and(|off| off.ordinals.is_empty()) {
            return Ok(false);
        }
        let weights = cancellation::weights(self.purchase, reads, self.now).await?;
        let order = Order { ending, actor: BY_THE_PAYMENT_SIDE.to_owned(), reason: pending.refund.words() };
        cancellation::call_off(outcome, self.purchase, &weights, &order, at, pending.parent.as_deref())?;
        // That of the refunds is compared.
        if let Some(off) = outcome.effects.cancellations.last_mut() {
            off.revision = None;
        }
        self.purchase.status = PurchaseStatus::Cancelled;
        self.purchase.allocation = None;
        Ok(true)
    }

    /// Leaves a trace of a refund in the purchase's history, and tells of it.
    fn note(&mut self, outcome: &mut Outcome, pending: &Pending) -> Result<(), WorkError> {
        let changed_at = self.at();
        let purchase = &mut *self.purchase;
        purchase.revision += 1;
        let mut metadata = purchase.confirmation.metadata.clone();
        metadata.extend(pending.refund.metadata.clone());
        let payload = PurchaseChanged {
            purchase_id: purchase.id,
            student_id: purchase.confirmation.student.id.clone(),
            trainer_id: purchase.allocation.as_ref().map(|allocation| allocation.trainer_id.clone()),
            revision: purchase.revision,
            kind: KIND.to_owned(),
            changed_at,
            actor: BY_THE_PAYMENT_SIDE.to_owned(),
            reason: pending.refund.words(),
            metadata,
        };
        let id = ids::event_id(purchase.id, &format!("purchase-changed:{}", purchase.revision));
        let event = Event::telling(&payload, id, changed_at, SOURCE, pending.parent.as_deref());
        outcome.events.push(event.map_err(|error| WorkError::Failed(error.to_string()))?);
        self.change.notes.push(PurchaseNote {
            revision: payload.revision,
            kind: KIND,
            changed_at,
            actor: payload.actor,
            reason: payload.reason,
        });
        Ok(())
    }

    /// Not before the purchase is recorded, if both happen at once.
    fn at(&self) -> Timestamp {
        self.now.max(self.purchase.created_at)
    }

    fn today(&self, at: Timestamp) -> Result<jiff::civil::Date, WorkError> {
        let name = &self.purchase.confirmation.student.time_zone;
        let zone = zone_named(name)
            .ok_or_else(|| WorkError::Failed(format!("purchase {}: unknown zone {name:?}", self.purchase.id)))?;
        Ok(at.to_zoned(zone).date())
    }
}

fn conflicting(purchase_id: Uuid, first: &Refund, other: &Refund) -> Rejection {
    let shown = |refund: &Refund| {
        let Amount { minor, currency } = &refund.amount;
        format!("{minor} {currency}{}", if refund.provisional { ", provisional" } else { "" })
    };
    let detail = format!(
        "refund {:?} of purchase {purchase_id} was reported before with {}, this report says {}; the first stands",
        first.refund_id,
        shown(first),
        shown(other)
    );
    Rejection::new(Reason::ConflictingRefund, detail)
}

fn in_another_currency(purchase_id: Uuid, paid: &Amount, refund: &Refund) -> Rejection {
    let detail = format!(
        "refund {:?} is in {}, but purchase {purchase_id} was paid in {}",
        refund.refund_id, refund.amount.currency, paid.currency
    );
    Rejection::new(Reason::ConflictingRefund, detail)
}
