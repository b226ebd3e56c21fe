//! Everything a batch does, as one value: a store applies it whole or not at all.

use caravan_domain::allocation::ReservedTime;
use caravan_domain::cancellation::Ending;
use caravan_domain::event::Headers;
use caravan_domain::plan::Slot;
use caravan_domain::purchase::{Confirmation, Ordered, PurchaseStatus};
use caravan_domain::refund::{Refund, RefundState};
use caravan_domain::session::{SessionRule, SessionState, SessionStatus};
use caravan_domain::trainer::{Closure, Trainer};
use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

use super::desk::DeskEffects;
use super::log::{NewRecord, TopicPartition};

mod error;

pub use error::CommitError;

/// One transaction: positions, effects and events together.
#[derive(Clone, Debug, Default)]
pub struct Transaction {
    /// The consumer group whose positions advance; empty if none do.
    pub group: &'static str,
    /// Compare-and-set of each position.
    pub advances: Vec<Advance>,
    /// What changes in the tables.
    pub effects: Effects,
    /// What is to be told, in order.
    pub outbox: Vec<NewRecord>,
    /// Records set aside. The store adds a row for each; the record for the dead-letter queue is
    /// in `outbox`.
    pub dead_letters: Vec<NewDeadLetter>,
}

/// A position's step: it must be at `from`, it will be at `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    /// Which partition.
    pub at: TopicPartition,
    /// The next offset the group is at.
    pub from: u64,
    /// The next offset it will be at.
    pub to: u64,
}

/// What changes in the tables.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    /// Purchases to record. One that exists is a [`Conflict`](CommitError::Conflict).
    pub purchases: Vec<NewPurchase>,
    /// What the payment side gives back, by purchase; each must be as it was decided on, after `purchases` are recorded.
    pub refunds: Vec<RefundsChange>,
    /// Open refunds about which a person has decided.
    pub settled: Vec<Settlement>,
    /// Allocations; each purchase must be `created` or `waitlisted` and becomes `allocated`, and
    /// its waitlist row goes.
    pub allocations: Vec<NewAllocation>,
    /// Waitlistings; each purchase must be `created` or `waitlisted` and becomes `waitlisted`. The
    /// first waitlisting's time stands.
    pub waitlistings: Vec<NewWaitlisting>,
    /// Trainers whose calendar an allocation fills, sorted by id: compare-and-set of the version.
    pub trainers: Vec<TrainerTouch>,
    /// Windows that are extended; the purchase must be `allocated` or `scheduled` and becomes
    /// `scheduled`.
    pub windows: Vec<WindowExtension>,
    /// What people change of purchases' sessions; each purchase must be at the revision it was decided on.
    pub session_changes: Vec<SessionsChange>,
    /// Course or plan of purchases that have no trainer yet; each must be at the revision it was decided on.
    pub amendments: Vec<Amendment>,
    /// Plans without an end that are reserved further ahead; each purchase must be at the revision it was decided on.
    pub prolonged: Vec<Prolonged>,
    /// Purchases that are called off, after windows were extended; each must be as it was decided on.
    pub cancellations: Vec<NewCancellation>,
    /// What people decided of purchases, after allocations; each is a revision.
    pub notes: Vec<Note>,
    /// Time that is free again, before any is taken.
    pub freed: Vec<PartyTime>,
    /// Time that is taken beside that of allocations; taken time is a conflict.
    pub taken: Vec<PartyTime>,
    /// Trainers whose work changes otherwise than by an allocation. Those who wait are looked at again.
    pub loads: Vec<LoadShift>,
    /// Marks sessions that ended at or before this instant `completed`, and purchases whose last
    /// session that was; at most [`COMPLETED_SESSIONS_MAX`] sessions a transaction.
    pub completed_as_of: Option<Timestamp>,
    /// Trainers of an import, whole, with the version they were read at (`None`: must be new).
    pub roster: Vec<TrainerEdit>,
    /// The company-wide closures, whole, if they change.
    pub closures: Option<Vec<Closure>>,
    /// Raises the roster version even if no trainer or closure changed, so that the waitlist is
    /// looked at again. (Edits of trainers and closures raise it anyway.)
    pub look_again: bool,
    /// Marks dead letters as sent again.
    pub redriven: Vec<Redriven>,
    /// Notes that the cron's run that was due then is done.
    pub cron_done: Option<Timestamp>,
    /// Moves positions of groups by hand (replay).
    pub replays: Vec<Replay>,
    /// What is kept for those who come in over HTTP.
    pub desk: DeskEffects,
}

/// How many sessions one transaction marks `completed`.
pub const COMPLETED_SESSIONS_MAX: usize = 5_000;

/// A purchase to record.
#[derive(Clone, Debug)]
pub struct NewPurchase {
    /// Derived from the payment.
    pub id: Uuid,
    /// When it is recorded.
    pub created_at: Timestamp,
    /// What was confirmed.
    pub confirmation: Confirmation,
}

/// What the payment side gives back of a purchase.
#[derive(Clone, Debug)]
pub struct RefundsChange {
    /// Of which, whether it is recorded yet or not.
    pub purchase_id: Uuid,
    /// The purchase's revision that the decision was made on; `None` if it is not recorded.
    pub revision: Option<i64>,
    /// How many refunds of it were known.
    pub known: i64,
    /// New ones, each once.
    pub refunds: Vec<NewRefund>,
    /// Known ones that stand otherwise from now on.
    pub became: Vec<(RefundState, Vec<Uuid>)>,
    /// What is noted of the purchase, each at the next revision.
    pub notes: Vec<PurchaseNote>,
}

/// A refund to record.
#[derive(Clone, Debug)]
pub struct NewRefund {
    /// Derived from the purchase and the payment side's id.
    pub id: Uuid,
    /// As it was reported.
    pub refund: Refund,
    /// When it is recorded.
    pub recorded_at: Timestamp,
    /// Where it stands.
    pub state: RefundState,
}

/// Something noted of a purchase that changes neither its sessions nor its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurchaseNote {
    /// The purchase's revision after it.
    pub revision: i64,
    /// What it is called: `refunded` and so on.
    pub kind: &'static str,
    /// When it was decided.
    pub changed_at: Timestamp,
    /// Who or what decided.
    pub actor: String,
    /// Why, in words.
    pub reason: String,
}

/// What a person has decided about an open refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// Which.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// What, in their words.
    pub note: String,
}

/// A trainer bound to a purchase, with the time it takes.
#[derive(Clone, Debug)]
pub struct NewAllocation {
    /// Derived from the purchase and the generation.
    pub id: Uuid,
    /// Whose.
    pub purchase_id: Uuid,
    /// Whose time is reserved beside the trainer's.
    pub student_id: String,
    /// Who teaches.
    pub trainer_id: String,
    /// The purchase's revision that the decision was made on; `None` if any will do.
    pub revision: Option<i64>,
    /// 1 for the first allocation of the purchase.
    pub generation: u32,
    /// The chosen weekly times.
    pub slots: Vec<Slot>,
    /// The ordinal of its first session: 1, unless others were held before it.
    pub first_ordinal: u32,
    /// How many sessions it has.
    pub sessions: u16,
    /// The first bookable date.
    pub start_date: Date,
    /// Dates without a lesson.
    pub skipped: Vec<Date>,
    /// The time the whole plan takes, of the trainer and of the student alike.
    pub reserved: Vec<ReservedTime>,
    /// The receipt, as JSON.
    pub receipt: String,
    /// When.
    pub allocated_at: Timestamp,
    /// What it is made for, where that is not what the purchase says.
    pub ordered: Option<Ordered>,
}

/// A purchase nobody fits.
#[derive(Clone, Debug)]
pub struct NewWaitlisting {
    /// Whose.
    pub purchase_id: Uuid,
    /// When the wait began.
    pub waitlisted_at: Timestamp,
    /// The roster version the decision was made on.
    pub seen_version: i64,
    /// The receipt, as JSON.
    pub receipt: String,
}

/// A trainer's version steps by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainerTouch {
    /// Which.
    pub trainer_id: String,
    /// The version the decision was made on.
    pub version: i64,
    /// The share after it, see `caravan_domain::allocation`.
    pub share: i64,
}

/// A purchase's window is extended.
#[derive(Clone, Debug)]
pub struct WindowExtension {
    /// Whose.
    pub purchase_id: Uuid,
    /// The allocation that must still be the active one.
    pub allocation_id: Uuid,
    /// Who teaches.
    pub trainer_id: String,
    /// The revision the decision was made on, after what the same transaction decides before; `None` if any will do.
    pub revision: Option<i64>,
    /// The horizon the decision was made on; `None` before the first window.
    pub from: Option<Date>,
    /// The horizon after it, later than `from`.
    pub until: Date,
    /// When that was decided.
    pub at: Timestamp,
    /// The sessions added.
    pub sessions: Vec<NewSession>,
}

/// A purchase is called off.
#[derive(Clone, Debug)]
pub struct NewCancellation {
    /// Which.
    pub purchase_id: Uuid,
    /// The status the decision was made on, once windows of the same transaction are extended.
    pub status: PurchaseStatus,
    /// The horizon, likewise.
    pub horizon: Option<Date>,
    /// The active allocation, which ends.
    pub allocation: Option<EndedAllocation>,
    /// The revision, likewise: what is freed is where its sessions stood then. `None` where something else of the
    /// transaction compares it.
    pub revision: Option<i64>,
    /// From when on there are no sessions.
    pub ending: Ending,
    /// Who called it off.
    pub actor: String,
    /// Why, in their words.
    pub reason: String,
}

/// What a person decided of a purchase, for its timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Which.
    pub purchase_id: Uuid,
    /// What it is called: `allocated`.
    pub kind: &'static str,
    /// When it was decided.
    pub changed_at: Timestamp,
    /// Who decided.
    pub actor: String,
    /// Why, in their words.
    pub reason: String,
}

/// An allocation that ends before its plan does.
#[derive(Clone, Debug)]
pub struct EndedAllocation {
    /// Which.
    pub id: Uuid,
    /// How many sessions it had when that was decided.
    pub sessions: u16,
    /// The ordinals of its sessions that are not held.
    pub called_off: Vec<u32>,
}

/// Whose time it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// A trainer's.
    Trainer(String),
    /// A student's.
    Student(String),
}

/// Some of somebody's time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartyTime {
    /// Whose.
    pub party: Party,
    /// What of it.
    pub time: Vec<ReservedTime>,
}

/// A trainer's share of the work changes, and what is known of their calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadShift {
    /// Whose.
    pub trainer_id: String,
    /// The version the decision was made on; `None` if it does not depend on their other work.
    pub version: Option<i64>,
    /// What is added to their share, see `caravan_domain::allocation`; negative if work is taken from them.
    pub share: i64,
}

/// What a person changes of a purchase's sessions.
#[derive(Clone, Debug)]
pub struct SessionsChange {
    /// Whose.
    pub purchase_id: Uuid,
    /// The revision the decision was made on; the purchase is at the next one after it.
    pub revision: i64,
    /// The allocation that must still be the active one.
    pub allocation_id: Uuid,
    /// What it is called: `moved`, `cancelled-session` and so on.
    pub kind: &'static str,
    /// When it was decided.
    pub changed_at: Timestamp,
    /// Who decided.
    pub actor: String,
    /// Why, in their words.
    pub reason: String,
    /// The rules a person decided against.
    pub overrides: Vec<SessionRule>,
    /// The sessions, each once.
    pub sessions: Vec<SessionChange>,
    /// If sessions are added at the end of the plan.
    pub extended: Option<PlanExtension>,
    /// If the rest of the plan is planned anew.
    pub replanned: Option<Replanned>,
    /// Sessions that are put in the calendar at once, with who teaches them.
    pub added: Vec<(String, NewSession)>,
}

/// The rest of a plan is planned anew: the active allocation keeps its sessions before those of another, by which it is
/// superseded.
#[derive(Clone, Debug)]
pub struct Replanned {
    /// What the superseded allocation was made for.
    pub ordered_before: Ordered,
    /// The allocation in its place; its time is reserved beside it.
    pub allocation: NewAllocation,
    /// The course and the plan that count from now on, if a person amends them.
    pub amended: Option<Ordered>,
    /// How many sessions the purchase has with it; `None` if it runs until it is cancelled.
    pub sessions_total: Option<u32>,
    /// The purchase's first bookable date, if nothing was kept.
    pub start_date: Option<Date>,
    /// The purchase's horizon after it, not before the one it had.
    pub horizon: Option<Date>,
}

/// Course or plan of a purchase that has no trainer yet are amended; it must be at the revision it was decided on.
#[derive(Clone, Debug)]
pub struct Amendment {
    /// Which.
    pub purchase_id: Uuid,
    /// The revision the decision was made on.
    pub revision: i64,
    /// The course and the plan that count from now on.
    pub ordered: Ordered,
    /// When it was decided.
    pub changed_at: Timestamp,
    /// Who decided.
    pub actor: String,
    /// Why, in their words.
    pub reason: String,
}

/// What a person changes of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionChange {
    /// Its number in the plan.
    pub ordinal: u32,
    /// How it stood; one that is in the calendar must still stand so.
    pub before: SessionState,
    /// How it stands from now on.
    pub after: SessionState,
    /// The date it takes place on then, in the student's zone.
    pub local_date: Date,
    /// When the plan has it start.
    pub planned_starts_at: Timestamp,
    /// Whether it is in the calendar already.
    pub in_calendar: bool,
    /// The trainer as they were judged for it, as JSON, if they were.
    pub terms: Option<String>,
    /// What is kept of it.
    pub trace: Trace,
}

/// What is kept of a session that was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// It stands so whatever the plan says from now on.
    Stands,
    /// It goes where the plan goes from now on: what was kept of it before counts no more.
    Replanned,
    /// It only follows its plan: nothing is kept.
    Nothing,
}

/// A plan gets more sessions at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanExtension {
    /// How many sessions the allocation has from now on.
    pub sessions: u16,
    /// How many are added.
    pub added: u16,
    /// The dates without a lesson from now on.
    pub skipped: Vec<Date>,
}

/// A plan without an end is reserved further ahead.
#[derive(Clone, Debug)]
pub struct Prolonged {
    /// Whose.
    pub purchase_id: Uuid,
    /// The revision the decision was made on; the purchase is at the next one after it.
    pub revision: i64,
    /// The allocation that must still be the active one.
    pub allocation_id: Uuid,
    /// Who teaches.
    pub trainer_id: String,
    /// How many sessions the allocation has from now on.
    pub sessions: u16,
    /// The dates without a lesson from now on.
    pub skipped: Vec<Date>,
    /// Those added that stand in the calendar at once, as its window reaches beyond what was reserved before.
    pub in_calendar: Vec<NewSession>,
    /// What is noted of it, at the next revision.
    pub note: Option<PurchaseNote>,
}

/// A session to put in the calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSession {
    /// Derived from purchase and ordinal.
    pub id: Uuid,
    /// From 1.
    pub ordinal: u32,
    /// The planned date in the student's zone.
    pub local_date: Date,
    /// Start.
    pub starts_at: Timestamp,
    /// End.
    pub ends_at: Timestamp,
    /// If a person has changed it: who teaches, where it stands, and when the plan had it start.
    pub changed: Option<ChangedSession>,
}

/// How a session differs from its plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedSession {
    /// Who teaches.
    pub trainer_id: String,
    /// Where it stands.
    pub status: SessionStatus,
    /// When the plan had it start.
    pub planned_starts_at: Timestamp,
}

/// A trainer as they shall be.
#[derive(Clone, Debug)]
pub struct TrainerEdit {
    /// All of them.
    pub trainer: Trainer,
    /// The version they were read at; `None` if they were not there.
    pub version: Option<i64>,
}

/// A record set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDeadLetter {
    /// Where it stands.
    pub at: TopicPartition,
    /// Its offset.
    pub offset: u64,
    /// The group that set it aside.
    pub group: &'static str,
    /// The stable code.
    pub reason: &'static str,
    /// In words.
    pub detail: String,
    /// How often it was tried.
    pub attempts: u32,
    /// How often it had been sent again before.
    pub redrives: u32,
    /// The original key.
    pub key: Option<Vec<u8>>,
    /// The original value.
    pub value: Option<Vec<u8>>,
    /// The headers of the dead letter: the original ones and those that tell why.
    pub headers: Headers,
    /// When.
    pub failed_at: Timestamp,
}

/// A dead letter that is sent again.
#[derive(Clone, Debug)]
pub struct Redriven {
    /// Its id; it must not have been redriven before.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// The repaired value, if it was not sent as it was.
    pub repaired: Option<Vec<u8>>,
}

/// A position moved by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// The consumer group.
    pub group: String,
    /// The partition.
    pub at: TopicPartition,
    /// The topic's identity, which is noted anew.
    pub topic_id: Uuid,
    /// The next offset.
    pub to: u64,
}
