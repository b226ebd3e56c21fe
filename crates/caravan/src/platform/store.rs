//! The store: what has happened. Reads for workers and people, one commit for the engine.

use std::any::Any;
use std::time::Duration;

use async_trait::async_trait;
use caravan_domain::allocation::ReservedTime;
use caravan_domain::ids::Epoch;
use caravan_domain::trainer::{Closure, Trainer};
use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

use super::PlatformError;
use super::desk::{Answer, AnswerKey, Digest, Feed, OrderRow, SignIn, Stale, Token};
use super::log::NewRecord;
use super::rows::{
    Bound, Change, Cursor, DeadLetter, DeadLetterFilter, LetterGroup, OutboxDepth, PoolUse, Position, Purchase,
    PurchaseFilter, RefundFilter, RefundRow, RosterChanges, Session, SessionFilter, SessionPlace, Standings, TimeData,
    Totals, TrainerRow, Unfulfilled, UnfulfilledDepth, UnfulfilledFilter, Waiting, WaitingWork,
};
use super::transaction::{CommitError, Party, Transaction};

/// What a worker may read. Each call answers for many at once, in one round trip or a few.
#[async_trait]
pub trait Reads: Send + Sync {
    /// The purchases with these ids that exist, in no particular order.
    async fn purchases(&self, ids: &[Uuid]) -> Result<Vec<Purchase>, PlatformError>;
    /// What is known to be given back of these purchases, whether they exist or not, in the order of its recording.
    async fn refunds(&self, purchase_ids: &[Uuid]) -> Result<Vec<RefundRow>, PlatformError>;
    /// For each `(student, subject)` (the subject folded) the trainer of the student's latest
    /// allocation of that subject, where there is one.
    async fn previous_trainers(
        &self,
        asked: &[(String, String)],
    ) -> Result<Vec<((String, String), String)>, PlatformError>;
    /// The time reserved of these students; those without any are left out. Of rows before the
    /// block of `from` (see [`ReservedTime::first_key`]) none comes: the past only grows.
    async fn student_calendars(
        &self,
        ids: &[String],
        from: Timestamp,
    ) -> Result<Vec<(String, Vec<ReservedTime>)>, PlatformError>;
    /// The roster version alone.
    async fn roster_version(&self) -> Result<i64, PlatformError>;
    /// The trainers that changed after `since` (all with `None`) with their calendars from the
    /// block of `from` on, and the closures, as of one moment.
    async fn roster_changes(&self, since: Option<i64>, from: Timestamp) -> Result<RosterChanges, PlatformError>;
    /// These trainers as they are now, with their calendars from the block of `from` on.
    async fn trainers(&self, ids: &[String], from: Timestamp) -> Result<Vec<TrainerRow>, PlatformError>;
    /// Purchases under way whose plan runs until it is cancelled, by id, from after this id on.
    async fn subscriptions(&self, after: Option<Uuid>, limit: usize) -> Result<Vec<Purchase>, PlatformError>;
    /// Purchases on the waitlist that were judged on an older roster than `version`, oldest first.
    async fn waiting_below(&self, version: i64, limit: usize) -> Result<Vec<Purchase>, PlatformError>;
    /// Purchases `allocated` or `scheduled` with an active allocation whose horizon (or, where
    /// there is none yet, nothing) is before what it should be today, in the order of their ids
    /// from after `after` on: `horizon < max(today, start_date) + window_days`. Those without a
    /// horizon are left out: the session worker gives them their first window.
    async fn windows_due(
        &self,
        today: Date,
        window_days: u16,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Purchase>, PlatformError>;
    /// How many sessions still `scheduled` ended at or before then (counting stops at a bound).
    async fn ended_sessions(&self, as_of: Timestamp) -> Result<u64, PlatformError>;
    /// The stored positions of a group.
    async fn positions(&self, group: &str) -> Result<Vec<Position>, PlatformError>;
}

/// What people and tools read beside it: lists page by a cursor, in a stable order.
#[async_trait]
pub trait Lists: Send + Sync {
    /// Purchases, oldest first or newest first, as the filter says: those behind `after` in that direction.
    async fn list_purchases(
        &self,
        filter: &PurchaseFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<(Cursor, Purchase)>, PlatformError>;
    /// Purchases that are paid and not fulfilled, by since when: those behind `after`, the last of the page before.
    /// They are `created` or `allocated` (since [`UnfulfilledFilter::before`] or earlier), `waitlisted` (since
    /// whenever), or `scheduled` with a horizon behind `max(today, start_date) + window_days`.
    async fn list_unfulfilled(
        &self,
        filter: &UnfulfilledFilter,
        after: Option<&Unfulfilled>,
        limit: usize,
    ) -> Result<Vec<Unfulfilled>, PlatformError>;
    /// How many [`list_unfulfilled`](Self::list_unfulfilled) would list, by status; statuses without any are left out.
    /// Every purchase is looked at.
    async fn unfulfilled_depths(&self, filter: &UnfulfilledFilter) -> Result<Vec<UnfulfilledDepth>, PlatformError>;
    /// Plans under way that run until they are cancelled and of which dates could not be reserved, `since` when that was last
    /// noted, oldest first, from after this one on.
    async fn list_clashing(&self, after: Option<&Unfulfilled>, limit: usize)
    -> Result<Vec<Unfulfilled>, PlatformError>;
    /// Sessions by start, then purchase, then ordinal: those behind `after`, the place of the last of the page before.
    async fn list_sessions(
        &self,
        filter: &SessionFilter,
        after: Option<SessionPlace>,
        limit: usize,
    ) -> Result<Vec<Session>, PlatformError>;
    /// The session with this id, if it stands in the calendar. There is no index for it: it is looked for.
    async fn session(&self, id: Uuid) -> Result<Option<Session>, PlatformError>;
    /// The sessions of these purchases that stand in the calendar, in no particular order.
    async fn sessions_of(&self, purchase_ids: &[Uuid]) -> Result<Vec<Session>, PlatformError>;
    /// Dead letters by id; the cursor is the id.
    async fn list_dead_letters(
        &self,
        filter: &DeadLetterFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, PlatformError>;
    /// Refunds, in the order of their recording.
    async fn list_refunds(
        &self,
        filter: &RefundFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<(Cursor, RefundRow)>, PlatformError>;
    /// Trainers by id, from after this id on.
    async fn list_trainers(&self, after: Option<&str>, limit: usize) -> Result<Vec<(Trainer, i64)>, PlatformError>;
    /// The trainers with these ids and their versions, without calendars.
    async fn trainer_terms(&self, ids: &[String]) -> Result<Vec<(Trainer, i64)>, PlatformError>;
    /// The purchases under way with sessions of these trainers': those allocated to them, and those of others in which they
    /// teach, or taught, a session that was changed.
    async fn taught_by(&self, trainer_ids: &[String]) -> Result<Vec<Purchase>, PlatformError>;
    /// The closures, by date.
    async fn closures(&self) -> Result<Vec<Closure>, PlatformError>;
    /// The waitlist rows of those of these purchases that wait, in no particular order.
    async fn waiting(&self, purchase_ids: &[Uuid]) -> Result<Vec<Waiting>, PlatformError>;
    /// The waitlist by since when, then purchase, oldest first: those behind `after`, the last of the page before.
    async fn list_waiting(&self, after: Option<(Timestamp, Uuid)>, limit: usize)
    -> Result<Vec<Waiting>, PlatformError>;
    /// The receipt of a purchase's active allocation, as JSON.
    async fn receipt(&self, purchase_id: Uuid) -> Result<Option<String>, PlatformError>;
    /// The allocations a purchase has had, oldest first.
    async fn bound(&self, purchase_id: Uuid) -> Result<Vec<Bound>, PlatformError>;
    /// What people changed of a purchase, oldest first.
    async fn changes_of(&self, purchase_id: Uuid) -> Result<Vec<Change>, PlatformError>;
    /// All stored positions, with their group.
    async fn all_positions(&self) -> Result<Vec<(String, Position)>, PlatformError>;
    /// What waits in the outbox, by topic; topics without rows are left out.
    async fn outbox_depths(&self) -> Result<Vec<OutboxDepth>, PlatformError>;
    /// How the purchases stand that were recorded between each of these bounds and the next: from the one on, before the other.
    /// The bounds ascend, and there is one answer fewer than there are bounds.
    async fn recorded(&self, bounds: &[Timestamp]) -> Result<Vec<Standings>, PlatformError>;
    /// What waits for a person.
    async fn waiting_work(&self) -> Result<WaitingWork, PlatformError>;
    /// The dead letters that were not sent again, by reason and topic, those that are most first.
    async fn dead_letters_waiting(&self) -> Result<Vec<LetterGroup>, PlatformError>;
    /// Numbers of the whole.
    async fn totals(&self) -> Result<Totals, PlatformError>;
}

/// What is read for those who come in over HTTP.
#[async_trait]
pub trait Desk: Send + Sync {
    /// All tokens, revoked ones too, oldest first.
    async fn tokens(&self) -> Result<Vec<Token>, PlatformError>;
    /// The sign-in whose secret is known by this, expired or not.
    async fn sign_in(&self, digest: &Digest) -> Result<Option<SignIn>, PlatformError>;
    /// The feeds of somebody, or of all, revoked ones too, oldest first.
    async fn feeds(&self, party: Option<&Party>) -> Result<Vec<Feed>, PlatformError>;
    /// The feed whose secret is known by this, revoked or not.
    async fn feed(&self, digest: &Digest) -> Result<Option<Feed>, PlatformError>;
    /// The orders with these ids that exist, in no particular order.
    async fn orders(&self, ids: &[String]) -> Result<Vec<OrderRow>, PlatformError>;
    /// The orders that these payments have paid, in no particular order.
    async fn orders_paid_by(&self, payment_ids: &[String]) -> Result<Vec<OrderRow>, PlatformError>;
    /// The answers that are kept under these, in no particular order.
    async fn answers(&self, keys: &[AnswerKey]) -> Result<Vec<Answer>, PlatformError>;
}

/// A row of the outbox.
#[derive(Clone, Debug)]
pub struct OutboxRow {
    /// Its id, to forget it by.
    pub id: i64,
    /// What is to be published.
    pub record: NewRecord,
}

/// Outbox rows that are this caller's to publish.
pub struct OutboxClaim {
    /// The oldest rows; none while another process publishes.
    pub rows: Vec<OutboxRow>,
    /// Keeps other processes from publishing until it is dropped, which is to be after the rows
    /// are forgotten: so what belongs together is published in its order.
    pub hold: Option<Box<dyn Any + Send + Sync>>,
}

/// The store.
#[async_trait]
pub trait Store: Reads + Lists + Desk {
    /// Applies a transaction whole or not at all; when it returns, it is durable.
    ///
    /// A position that is not stored yet counts as being at `from`, whatever that is, once.
    async fn commit(&self, transaction: &Transaction) -> Result<(), CommitError>;
    /// Notes the positions of partitions that the group has none for yet.
    async fn begin_positions(&self, group: &str, positions: &[Position]) -> Result<(), PlatformError>;
    /// The oldest outbox rows.
    /// At most `limit` of them, and fewer if they are large: what is read at once is bounded.
    async fn outbox(&self, limit: usize) -> Result<Vec<OutboxRow>, PlatformError>;
    /// Claims the oldest outbox rows for publishing, as [`outbox`](Self::outbox) shows them. A store
    /// that only one process at a time publishes from needs no hold.
    async fn claim_outbox(&self, limit: usize) -> Result<OutboxClaim, PlatformError> {
        Ok(OutboxClaim { rows: self.outbox(limit).await?, hold: None })
    }
    /// Forgets outbox rows that were published.
    async fn forget(&self, ids: &[i64]) -> Result<(), PlatformError>;
    /// Takes or renews a lease for `holder` until `now + ttl`; false while another holds it.
    async fn lease(&self, name: &str, holder: &str, now: Timestamp, ttl: Duration) -> Result<bool, PlatformError>;
    /// Gives a lease back.
    async fn release(&self, name: &str, holder: &str) -> Result<(), PlatformError>;
    /// The due time of the cron's last finished run.
    async fn cron_last(&self) -> Result<Option<Timestamp>, PlatformError>;
    /// How often something may have changed in the store, as far as this process has noticed. Asked
    /// before looking, it tells [`changed_since`](Self::changed_since) what was looked at.
    async fn changes(&self) -> u64;
    /// Returns when [`changes`](Self::changes) is no longer `seen`, at the latest after `at_most`.
    async fn changed_since(&self, seen: u64, at_most: Duration);
    /// The epoch it lives in: another one after it was put back to an earlier copy of itself. A store
    /// that its log is a part of goes back with it, and stays in its first.
    async fn epoch(&self) -> Result<Epoch, PlatformError> {
        Ok(Epoch::default())
    }
    /// Begins another epoch: for a person who knows that an earlier copy was put back, where the store
    /// can't notice by itself. False where there is nothing to begin.
    async fn begin_epoch(&self) -> Result<bool, PlatformError> {
        Ok(false)
    }
    /// With which time zone data the plans under way were last compared; `None` if they never were.
    async fn time_data(&self) -> Result<Option<TimeData>, PlatformError>;
    /// Notes that plans were compared with the data of this `version`; `seen` is what was noted before that. False if
    /// another process has noted something meanwhile.
    async fn note_time_data(&self, seen: Option<&str>, version: &str, at: Timestamp) -> Result<bool, PlatformError>;
    /// Forgets answers, orders and sign-ins that are stale, at most `limit` of each. Returns how many.
    async fn forget_desk(&self, stale: Stale, limit: usize) -> Result<u64, PlatformError>;
    /// How its pools of connections are used at this moment.
    fn pools(&self) -> Vec<PoolUse> {
        Vec::new()
    }
    /// Whether a transaction can be written now; tells failures of the store from those of a record.
    async fn probe(&self) -> Result<(), PlatformError>;
}
