//! The store's tables in memory, and the one transaction. Pure: a commit yields new tables or an error.

use std::collections::BTreeMap;
use std::sync::Arc;

use caravan::platform::log::{NewRecord, TopicPartition};
use caravan::platform::rows::{DeadLetter, Position, Waiting};
use caravan::platform::transaction::{
    Advance, COMPLETED_SESSIONS_MAX, CommitError, Effects, NewAllocation, NewDeadLetter, NewPurchase, NewSession,
    NewWaitlisting, Redriven, TrainerEdit, TrainerTouch, Transaction, WindowExtension,
};
use caravan_domain::allocation::ReservedTime;
use caravan_domain::purchase::{Confirmation, PurchaseStatus};
use caravan_domain::trainer::{Closure, Trainer};
use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

use crate::planted::Planted;

/// A purchase with everything that belongs to it alone.
#[derive(Clone, Debug)]
pub(crate) struct PurchaseRow {
    pub(crate) id: Uuid,
    pub(crate) status: PurchaseStatus,
    pub(crate) created_at: Timestamp,
    pub(crate) confirmation: Confirmation,
    pub(crate) start_date: Option<Date>,
    pub(crate) horizon: Option<Date>,
    pub(crate) allocations: Vec<AllocationRow>,
    pub(crate) sessions: BTreeMap<u32, SessionRow>,
    /// How many waits began: what the events are counted against.
    pub(crate) waits: usize,
}

/// An allocation; all are active, as nothing ends one yet.
#[derive(Clone, Debug)]
pub(crate) struct AllocationRow {
    pub(crate) made: NewAllocation,
    /// The transaction it came with.
    pub(crate) revision: u64,
    /// The trainer as the roster had them when the allocation was applied.
    pub(crate) in_force: Option<Trainer>,
}

#[derive(Clone, Debug)]
pub(crate) struct SessionRow {
    pub(crate) trainer_id: String,
    pub(crate) session: NewSession,
    pub(crate) completed: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct TrainerRecord {
    pub(crate) trainer: Trainer,
    pub(crate) version: i64,
    pub(crate) roster_version: i64,
    pub(crate) share: Option<i64>,
    /// How often the roster's entry was written: what the events are counted against.
    pub(crate) edits: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) id: i64,
    pub(crate) record: NewRecord,
}

/// Bits of 64 weeks by quarter hour: which are taken, and in which a session starts.
pub(crate) type Reserved = BTreeMap<i64, (u64, u64)>;

/// Everything the store knows. Cloning it is cheap, so that a transaction can work on a copy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tables {
    /// Counts transactions.
    pub(crate) revision: u64,
    pub(crate) positions: BTreeMap<(String, TopicPartition), Position>,
    pub(crate) purchases: BTreeMap<Uuid, Arc<PurchaseRow>>,
    pub(crate) waitlist: BTreeMap<Uuid, Arc<Waiting>>,
    pub(crate) reservations: BTreeMap<String, Arc<Reserved>>,
    pub(crate) trainers: BTreeMap<String, Arc<TrainerRecord>>,
    pub(crate) closures: Arc<Vec<Closure>>,
    pub(crate) roster_version: i64,
    pub(crate) outbox: Vec<Arc<Pending>>,
    pub(crate) outbox_next: i64,
    pub(crate) dead_letters: Vec<Arc<DeadLetter>>,
    pub(crate) leases: BTreeMap<String, (String, Timestamp)>,
    pub(crate) cron_last: Option<Timestamp>,
}

fn conflict(what: String, trainers: Vec<String>) -> CommitError {
    CommitError::Conflict { what, trainers }
}

/// Whose time it is, as the key of its reservations.
pub(crate) fn party(kind: &str, id: &str) -> String {
    format!("{kind}:{id}")
}

impl Tables {
    /// The tables after a transaction, or why it is refused.
    pub(crate) fn after(&self, transaction: &Transaction, planted: Option<Planted>) -> Result<Self, CommitError> {
        let mut next = self.clone();
        next.advance(transaction.group, &transaction.advances, planted)?;
        next.apply(&transaction.effects, planted)?;
        for record in &transaction.outbox {
            next.tell(record.clone());
        }
        for letter in &transaction.dead_letters {
            next.set_aside(letter);
        }
        next.revision += 1;
        Ok(next)
    }

    /// Compare-and-set of positions alone.
    pub(crate) fn advance(
        &mut self,
        group: &str,
        advances: &[Advance],
        planted: Option<Planted>,
    ) -> Result<(), CommitError> {
        for step in advances {
            let key = (group.to_owned(), step.at);
            let Some(position) = self.positions.get_mut(&key) else {
                return Err(CommitError::PositionMoved(format!("{}/{}", step.at.topic, step.at.partition)));
            };
            if position.next_offset != step.from && planted != Some(Planted::PositionUnchecked) {
                return Err(CommitError::PositionMoved(format!("{}/{}", step.at.topic, step.at.partition)));
            }
            position.next_offset = step.to;
        }
        Ok(())
    }

    fn apply(&mut self, effects: &Effects, planted: Option<Planted>) -> Result<(), CommitError> {
        effects.purchases.iter().try_for_each(|new| self.add_purchase(new))?;
        effects.trainers.iter().try_for_each(|touch| self.touch(touch, planted))?;
        effects.allocations.iter().try_for_each(|new| self.allocate(new, planted))?;
        effects.waitlistings.iter().try_for_each(|new| self.waitlist(new))?;
        effects.windows.iter().try_for_each(|extension| self.extend(extension, planted))?;
        let refunded = !effects.refunds.is_empty() || !effects.settled.is_empty();
        let changed = !effects.session_changes.is_empty() || !effects.notes.is_empty();
        if refunded || changed || !effects.cancellations.is_empty() {
            return Err(CommitError::Refused("people change nothing in here".to_owned()));
        }
        if let Some(as_of) = effects.completed_as_of {
            self.complete(as_of);
        }
        self.edit_roster(effects)?;
        effects.redriven.iter().try_for_each(|redriven| self.redrive(redriven))?;
        self.cron_last = effects.cron_done.or(self.cron_last);
        for replay in &effects.replays {
            let position = Position { at: replay.at, topic_id: replay.topic_id, next_offset: replay.to };
            self.positions.insert((replay.group.clone(), replay.at), position);
        }
        Ok(())
    }

    fn add_purchase(&mut self, new: &NewPurchase) -> Result<(), CommitError> {
        if new.confirmation.payment_id.contains("refused") {
            return Err(CommitError::Refused(format!("purchase {} can't be written", new.id)));
        }
        let row = PurchaseRow {
            id: new.id,
            status: PurchaseStatus::Created,
            created_at: new.created_at,
            confirmation: new.confirmation.clone(),
            start_date: None,
            horizon: None,
            allocations: Vec::new(),
            sessions: BTreeMap::new(),
            waits: 0,
        };
        match self.purchases.insert(new.id, Arc::new(row)) {
            Some(_) => Err(conflict(format!("purchase {}", new.id), Vec::new())),
            None => Ok(()),
        }
    }

    /// A purchase that is about to change; `refusing` names the stage at which one made for it is refused.
    fn purchase(&mut self, id: Uuid, refusing: &str) -> Result<&mut PurchaseRow, CommitError> {
        let row = self.purchases.get_mut(&id).ok_or_else(|| conflict(format!("purchase {id}"), Vec::new()))?;
        if row.confirmation.metadata.get("refused").is_some_and(|stage| stage == refusing) {
            return Err(CommitError::Refused(format!("purchase {id} can't be written")));
        }
        Ok(Arc::make_mut(row))
    }

    fn touch(&mut self, touch: &TrainerTouch, planted: Option<Planted>) -> Result<(), CommitError> {
        let id = &touch.trainer_id;
        let moved = || conflict(format!("trainer {id}"), vec![id.clone()]);
        let record = Arc::make_mut(self.trainers.get_mut(id).ok_or_else(moved)?);
        let unchecked =
            [Some(Planted::TrainerVersionUnchecked), Some(Planted::ReservationsUnchecked)].contains(&planted);
        if record.version != touch.version && !unchecked {
            return Err(moved());
        }
        record.version += 1;
        record.share = Some(touch.share);
        Ok(())
    }

    fn allocate(&mut self, new: &NewAllocation, planted: Option<Planted>) -> Result<(), CommitError> {
        let revision = self.revision;
        let in_force = self.trainers.get(&new.trainer_id).map(|record| record.trainer.clone());
        for party in [party("trainer", &new.trainer_id), party("student", &new.student_id)] {
            if !self.reserve(&party, &new.reserved) && planted != Some(Planted::ReservationsUnchecked) {
                return Err(conflict(format!("the time of {party}"), vec![new.trainer_id.clone()]));
            }
        }
        self.purchase(new.purchase_id, "booking")?;
        let row = self.purchase(new.purchase_id, "allocation")?;
        if !matches!(row.status, PurchaseStatus::Created | PurchaseStatus::Waitlisted) {
            return Err(conflict(format!("purchase {}", new.purchase_id), Vec::new()));
        }
        row.status = PurchaseStatus::Allocated;
        row.start_date = Some(new.start_date);
        row.allocations.push(AllocationRow { made: new.clone(), revision, in_force });
        self.waitlist.remove(&new.purchase_id);
        Ok(())
    }

    /// Takes time of a party; false if some of it was taken.
    fn reserve(&mut self, party: &str, time: &[ReservedTime]) -> bool {
        let mut free = true;
        let taken = Arc::make_mut(self.reservations.entry(party.to_owned()).or_default());
        for row in time {
            let (busy, starts) = taken.entry(row.key).or_default();
            free &= *busy & row.busy == 0;
            *busy |= row.busy;
            *starts |= row.starts;
        }
        free
    }

    fn waitlist(&mut self, new: &NewWaitlisting) -> Result<(), CommitError> {
        let row = self.purchase(new.purchase_id, "allocation")?;
        match row.status {
            PurchaseStatus::Created => row.waits += 1,
            PurchaseStatus::Waitlisted => {}
            _ => return Err(conflict(format!("purchase {}", new.purchase_id), Vec::new())),
        }
        row.status = PurchaseStatus::Waitlisted;
        let waitlisted_at = self.waitlist.get(&new.purchase_id).map_or(new.waitlisted_at, |first| first.waitlisted_at);
        let waiting = Waiting {
            purchase_id: new.purchase_id,
            waitlisted_at,
            seen_version: new.seen_version,
            receipt: new.receipt.clone(),
        };
        self.waitlist.insert(new.purchase_id, Arc::new(waiting));
        Ok(())
    }

    fn extend(&mut self, extension: &WindowExtension, planted: Option<Planted>) -> Result<(), CommitError> {
        let id = extension.purchase_id;
        let row = self.purchase(id, "sessions")?;
        let moved = || conflict(format!("purchase {id}"), Vec::new());
        let active = row.allocations.last().is_some_and(|active| active.made.id == extension.allocation_id);
        let open = matches!(row.status, PurchaseStatus::Allocated | PurchaseStatus::Scheduled);
        if !active || !open || row.horizon != extension.from {
            return Err(moved());
        }
        row.status = PurchaseStatus::Scheduled;
        let lowered = planted == Some(Planted::HorizonLowered) && extension.from.is_some();
        row.horizon = Some(extension.until.saturating_sub(jiff::Span::new().days(if lowered { 20 } else { 0 })));
        for session in &extension.sessions {
            let trainer_id = extension.trainer_id.clone();
            let added = SessionRow { trainer_id, session: session.clone(), completed: false };
            if row.sessions.insert(session.ordinal, added).is_some() {
                return Err(moved());
            }
        }
        Ok(())
    }

    fn complete(&mut self, as_of: Timestamp) {
        let mut left = COMPLETED_SESSIONS_MAX;
        for row in self.purchases.values_mut() {
            let over = |session: &SessionRow| !session.completed && session.session.ends_at <= as_of;
            if !row.sessions.values().any(over) {
                continue;
            }
            let row = Arc::make_mut(row);
            for session in row.sessions.values_mut().filter(|session| over(session)).take(left) {
                session.completed = true;
                left -= 1;
            }
            let all = row.sessions.len() == usize::from(row.confirmation.plan.reserved_sessions());
            if row.status == PurchaseStatus::Scheduled && all && row.sessions.values().all(|session| session.completed)
            {
                row.status = PurchaseStatus::Completed;
            }
        }
    }

    fn edit_roster(&mut self, effects: &Effects) -> Result<(), CommitError> {
        if effects.roster.is_empty() && effects.closures.is_none() && !effects.look_again {
            return Ok(());
        }
        self.roster_version += 1;
        if let Some(closures) = &effects.closures {
            self.closures = Arc::new(closures.clone());
        }
        effects.roster.iter().try_for_each(|edit| self.edit(edit))
    }

    fn edit(&mut self, edit: &TrainerEdit) -> Result<(), CommitError> {
        let id = edit.trainer.trainer_id.clone();
        let was = self.trainers.get(&id);
        if was.map(|record| record.version) != edit.version {
            return Err(conflict(format!("trainer {id}"), vec![id]));
        }
        let record = TrainerRecord {
            trainer: edit.trainer.clone(),
            version: edit.version.map_or(1, |version| version + 1),
            roster_version: self.roster_version,
            share: was.and_then(|record| record.share),
            edits: was.map_or(0, |record| record.edits) + 1,
        };
        self.trainers.insert(id, Arc::new(record));
        Ok(())
    }

    fn redrive(&mut self, redriven: &Redriven) -> Result<(), CommitError> {
        let gone = || conflict(format!("dead letter {}", redriven.id), Vec::new());
        let letter = self.dead_letters.iter_mut().find(|letter| letter.id == redriven.id).ok_or_else(gone)?;
        if letter.redriven_at.is_some() {
            return Err(gone());
        }
        let letter = Arc::make_mut(letter);
        letter.redriven_at = Some(redriven.at);
        letter.repaired.clone_from(&redriven.repaired);
        Ok(())
    }

    pub(crate) fn tell(&mut self, record: NewRecord) {
        self.outbox_next += 1;
        self.outbox.push(Arc::new(Pending { id: self.outbox_next, record }));
    }

    fn set_aside(&mut self, new: &NewDeadLetter) {
        let id = self.dead_letters.len() as i64 + 1;
        let letter = DeadLetter {
            id,
            topic: new.at.topic,
            partition: new.at.partition,
            offset: new.offset,
            consumer_group: new.group.to_owned(),
            reason: new.reason.to_owned(),
            detail: new.detail.clone(),
            attempts: new.attempts,
            redrives: new.redrives,
            key: new.key.clone(),
            value: new.value.clone(),
            headers: new.headers.clone(),
            failed_at: new.failed_at,
            redriven_at: None,
            repaired: None,
        };
        let place =
            |letter: &DeadLetter| (letter.consumer_group.clone(), letter.topic, letter.partition, letter.offset);
        if self.dead_letters.iter().all(|other| place(other) != place(&letter)) {
            self.dead_letters.push(Arc::new(letter));
        }
    }
}
