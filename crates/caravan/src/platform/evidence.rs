//! Evidence: what a store and a log hold, as it stands there, for the audit.
//!
//! Values come as the database's own texts and numbers, unread and unjudged: an audit that read
//! them with the code that wrote them could not find that code's mistakes. Everything pages in
//! the order of a key and by ranges of it, so that a row whose counterpart is missing still comes
//! with its neighbours.

use async_trait::async_trait;
use caravan_domain::event::Headers;

use super::PlatformError;

/// Everything an audit looks at, as of one moment: the store's side is one snapshot, and the log
/// is read no earlier than it.
#[async_trait]
pub trait Evidence: Send {
    /// How much there is, for people who wait.
    async fn amount(&mut self) -> Result<Amount, PlatformError>;
    /// The topics of the log.
    async fn topics(&mut self) -> Result<Vec<TopicEvidence>, PlatformError>;
    /// Gives the snapshot back.
    async fn close(self: Box<Self>);
    /// Records of a partition from an offset on, in order.
    async fn records(&mut self, place: &PartitionPlace, limit: usize) -> Result<Vec<RecordEvidence>, PlatformError>;
    /// Rows that wait to be published, from after this id on, with their ids.
    async fn outbox(&mut self, after: Option<i64>, limit: usize) -> Result<Vec<(i64, RecordEvidence)>, PlatformError>;
    /// The stored positions of every group.
    async fn positions(&mut self) -> Result<Vec<PositionEvidence>, PlatformError>;
    /// What has become of these purchases; those that don't exist are left out.
    async fn outcomes(&mut self, purchase_ids: &[String]) -> Result<Vec<OutcomeEvidence>, PlatformError>;
    /// Refunds, from after this place on.
    async fn refunds(&mut self, after: Option<i64>, limit: usize) -> Result<Vec<RefundEvidence>, PlatformError>;
    /// The refunds of these purchases, whether they exist or not.
    async fn refunds_of(&mut self, purchase_ids: &[String]) -> Result<Vec<RefundEvidence>, PlatformError>;
    /// Where dead letters of this topic's partition come from, with offsets in `from..until`.
    async fn set_aside(
        &mut self,
        topic: &str,
        partition: i64,
        from: i64,
        until: i64,
    ) -> Result<Vec<SetAsideEvidence>, PlatformError>;
    /// Dead letters, from after this id on.
    async fn dead_letters(
        &mut self,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<DeadLetterEvidence>, PlatformError>;
    /// Purchases, from after this id on, with everything that names them or lies between them.
    async fn purchases(&mut self, after: Option<&str>, limit: usize) -> Result<PurchasePage, PlatformError>;
    /// What the parties of one kind have taken, from after this id on.
    async fn parties(&mut self, kind: PartyKind, after: Option<&str>, limit: usize)
    -> Result<PartyPage, PlatformError>;
    /// Shows every session that is not cancelled, by party and then by start.
    async fn each_session_by(
        &mut self,
        kind: PartyKind,
        show: &mut (dyn FnMut(SpanEvidence) + Send),
    ) -> Result<(), PlatformError>;
    /// Company-wide days without lessons.
    async fn closures(&mut self) -> Result<Vec<ClosureEvidence>, PlatformError>;
    /// When the cron's last finished run was.
    async fn cron_last(&mut self) -> Result<Option<String>, PlatformError>;
}

/// Whose time is reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartyKind {
    /// Those who teach.
    Trainer,
    /// Those who are taught.
    Student,
}

impl PartyKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Trainer, Self::Student];

    /// The name, as reservations begin with it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trainer => "trainer",
            Self::Student => "student",
        }
    }
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Records of the log and rows of the outbox.
    pub records: u64,
    /// Purchases.
    pub purchases: u64,
    /// Trainers and students with time reserved, roughly.
    pub parties: u64,
    /// Sessions.
    pub sessions: u64,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicEvidence {
    /// Its name, without any namespace.
    pub name: String,
    /// Its identity.
    pub id: String,
    /// Its partitions.
    pub partitions: Vec<PartitionEvidence>,
}

/// A partition of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionEvidence {
    /// Its number.
    pub partition: i64,
    /// The offset of the first record still there.
    pub start: i64,
    /// The offset the next record will get.
    pub end: i64,
}

/// From where in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionPlace {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i64,
    /// The first offset wanted.
    pub from: i64,
}

/// A record of the log or of the outbox (there without a partition and offset).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordEvidence {
    /// The topic.
    pub topic: String,
    /// The partition; 0 in the outbox.
    pub partition: i64,
    /// The offset; 0 in the outbox.
    pub offset: i64,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub value: Option<Vec<u8>>,
    /// The headers, if they can be read.
    pub headers: Option<Headers>,
    /// In milliseconds since 1970 UTC.
    pub timestamp_ms: i64,
}

/// A group's stored position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionEvidence {
    /// The consumer group.
    pub group: String,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i64,
    /// The next offset.
    pub next_offset: i64,
    /// The identity of the topic it was taken on.
    pub topic_id: String,
}

/// What has become of a purchase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutcomeEvidence {
    /// Its id.
    pub id: String,
    /// Its status.
    pub status: String,
    /// What was confirmed, as JSON.
    pub confirmation: String,
    /// Its active allocation.
    pub allocation_id: Option<String>,
}

/// A refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundEvidence {
    /// Its place among all of them.
    pub place: i64,
    /// Its id.
    pub id: String,
    /// Its purchase's id.
    pub purchase_id: String,
    /// The payment side's id.
    pub refund_id: String,
    /// Whether it may be returned.
    pub provisional: bool,
    /// In minor units.
    pub amount: i64,
    /// Of what.
    pub currency: String,
    /// Its state.
    pub state: String,
}

/// Where a dead letter comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SetAsideEvidence {
    /// The group that set it aside.
    pub group: String,
    /// The record's offset.
    pub offset: i64,
}

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterEvidence {
    /// Its id.
    pub id: i64,
    /// Where the record stood.
    pub topic: String,
    /// Its partition.
    pub partition: i64,
    /// Its offset.
    pub offset: i64,
    /// The group that set it aside.
    pub group: String,
    /// The stable code.
    pub reason: String,
    /// The record's key.
    pub key: Option<Vec<u8>>,
    /// The record's value.
    pub value: Option<Vec<u8>>,
    /// The dead letter's headers, if they can be read.
    pub headers: Option<Headers>,
    /// When it was set aside.
    pub failed_at: String,
}

/// A page of purchases, each list in the order of the purchase's id.
#[derive(Clone, Debug, Default)]
pub struct PurchasePage {
    /// The purchases.
    pub purchases: Vec<PurchaseEvidence>,
    /// Allocations that name a purchase of the page, or one that would lie in it if it existed.
    pub allocations: Vec<AllocationEvidence>,
    /// Sessions, likewise, by ordinal within a purchase.
    pub sessions: Vec<SessionEvidence>,
    /// Purchases with a row on the waitlist, likewise.
    pub waiting: Vec<String>,
    /// From after which id the next page comes; `None` after the last.
    pub next: Option<String>,
}

/// A purchase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PurchaseEvidence {
    /// Its id.
    pub id: String,
    /// The payment.
    pub payment_id: String,
    /// Which of several purchases of it.
    pub item: Option<String>,
    /// Who is taught.
    pub student_id: String,
    /// Where it stands.
    pub status: String,
    /// The first date asked for.
    pub requested_start_date: String,
    /// The first bookable date.
    pub start_date: Option<String>,
    /// The end of its window.
    pub horizon: Option<String>,
    /// How many sessions were bought.
    pub sessions_total: Option<i64>,
    /// When it was recorded.
    pub created_at: String,
    /// What was confirmed, as JSON.
    pub confirmation: String,
    /// The course and the plan that people have put in their place, as JSON.
    pub amended: Option<String>,
    /// When it was called off, by the note that is kept of it.
    pub cancelled_at: Option<String>,
    /// What people have changed of its sessions, as a JSON list.
    pub session_changes: String,
    /// When other time zone data moved what was planned: revision and instant of each time, as a JSON list.
    pub displaced: String,
}

/// An allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllocationEvidence {
    /// Its id.
    pub id: String,
    /// Whose.
    pub purchase_id: String,
    /// Who teaches.
    pub trainer_id: String,
    /// Who is taught.
    pub student_id: String,
    /// `active`, `superseded` or `ended`.
    pub status: String,
    /// 1 for the purchase's first.
    pub generation: i64,
    /// The first bookable date.
    pub start_date: String,
    /// The chosen weekly times, as JSON.
    pub slots: String,
    /// Dates without a lesson, as JSON.
    pub skipped: String,
    /// The receipt, as JSON.
    pub receipt: String,
    /// When it was made.
    pub allocated_at: String,
    /// If it ended before its plan: the first date without sessions.
    pub ended_from: Option<String>,
    /// And when that was decided.
    pub ended_at: Option<String>,
    /// The ordinal of its first session.
    pub first_ordinal: i64,
    /// How many sessions it has; as many as were bought without a word of it.
    pub sessions: Option<i64>,
    /// The course and the plan it was made for, as JSON, where they are not those of the purchase.
    pub ordered: Option<String>,
}

/// A session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionEvidence {
    /// Its id.
    pub id: String,
    /// Whose.
    pub purchase_id: String,
    /// Who teaches.
    pub trainer_id: String,
    /// Its number.
    pub ordinal: i64,
    /// The planned date.
    pub local_date: String,
    /// Start.
    pub starts_at: String,
    /// End.
    pub ends_at: String,
    /// Where it stands.
    pub status: String,
    /// When the plan had it start, if that is another time.
    pub planned_starts_at: Option<String>,
}

/// A page of parties, each list in the order of the party's id.
#[derive(Clone, Debug, Default)]
pub struct PartyPage {
    /// Allocations that are active or ended before their plan, with their purchase, if it exists, under the party's id.
    pub plans: Vec<PlanEvidence>,
    /// Reserved time of these parties, by key within a party.
    pub reservations: Vec<ReservationEvidence>,
    /// The roster's entries of these parties; none for students.
    pub trainers: Vec<TrainerEvidence>,
    /// How many parties there are in the page.
    pub parties: usize,
    /// From after which id the next page comes; `None` after the last.
    pub next: Option<String>,
}

/// A party's plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanEvidence {
    /// The party's id, without its kind.
    pub party: String,
    /// The allocation.
    pub allocation: AllocationEvidence,
    /// What its purchase's confirmation says, as JSON, if the purchase exists.
    pub confirmation: Option<String>,
    /// The course and the plan that people have put in their place, as JSON.
    pub amended: Option<String>,
    /// What people have changed of the purchase's sessions, as a JSON list.
    pub session_changes: String,
    /// When other time zone data moved what was planned: revision and instant of each time, as a JSON list.
    pub displaced: String,
}

/// A row of reserved time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReservationEvidence {
    /// The party's id, without its kind.
    pub party: String,
    /// `block * 672 + cell`.
    pub key: i64,
    /// The weeks in which the cell is taken, as bits.
    pub busy: u64,
    /// The weeks in which a session starts in it, as bits.
    pub starts: u64,
}

/// A trainer as the roster has them now; lists as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrainerEvidence {
    /// The business's id.
    pub id: String,
    /// The zone.
    pub time_zone: String,
    /// Languages.
    pub languages: String,
    /// What they teach.
    pub courses: String,
    /// When they can teach.
    pub availability: String,
    /// When they can't.
    pub time_off: String,
    /// How many sessions they take in a week.
    pub max_sessions_per_week: i64,
}

/// A session as time taken of a party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanEvidence {
    /// The party's id, without its kind.
    pub party: String,
    /// The session.
    pub session_id: String,
    /// Start.
    pub starts_at: String,
    /// End.
    pub ends_at: String,
}

/// A closure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosureEvidence {
    /// The first day.
    pub from: String,
    /// The last day.
    pub until: String,
    /// Its name.
    pub name: String,
}
