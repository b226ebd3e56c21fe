//! The log: topics of partitions of records, read by consumer groups.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use caravan_domain::event::{Headers, Topic};
use jiff::Timestamp;
use uuid::Uuid;

use super::PlatformError;

/// Partitions of a topic unless configured otherwise.
pub const PARTITIONS_DEFAULT: u32 = 3;

/// One partition of one topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic.
    pub topic: Topic,
    /// The partition, from 0.
    pub partition: u32,
}

/// A record to be appended. Its partition follows from its key, as in Java's client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// Where to.
    pub topic: Topic,
    /// What keeps related records in one partition and so in order.
    pub key: Option<Vec<u8>>,
    /// The bytes.
    pub value: Option<Vec<u8>>,
    /// Headers, in order.
    pub headers: Headers,
    /// When it happened; milliseconds are kept.
    pub timestamp: Timestamp,
}

/// A record of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it stands.
    pub at: TopicPartition,
    /// Its offset there. Offsets ascend and may have gaps.
    pub offset: u64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its bytes.
    pub value: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Headers,
    /// When it was appended, to the millisecond.
    pub timestamp: Timestamp,
}

/// The state of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionState {
    /// The offset of the first record still there.
    pub start: u64,
    /// The offset the next record will get.
    pub end: u64,
}

/// The state of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicState {
    /// Which.
    pub topic: Topic,
    /// Its identity: a topic that was deleted and made again has another.
    pub id: Uuid,
    /// Its partitions, by number.
    pub partitions: Vec<PartitionState>,
}

/// How much a fetch may bring.
#[derive(Clone, Copy, Debug)]
pub struct FetchLimit {
    /// Records, in all.
    pub records_max: usize,
    /// Bytes of keys, values and headers, in all; a single larger record still comes, alone.
    pub bytes_max: usize,
}

/// What a fetch brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// Records, in the order of their timestamps across partitions and of their offsets within
    /// one; none if there are none now.
    Records(Vec<Record>),
    /// Nothing: which partitions this member reads has changed, or where they begin and end. Ask
    /// for them and judge the positions again.
    Reassigned,
}

/// Who consumes as a member of a group, in words, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The consumer group, without the namespace.
    pub group: String,
    /// Which process, and since when or where.
    pub name: String,
}

/// What became of outbox rows that were relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relayed {
    /// They are in the log, and in the outbox until they are forgotten.
    Published,
    /// They are in the log and no longer in the outbox.
    Moved,
}

/// A log of topics.
#[async_trait]
pub trait Log: Send + Sync {
    /// Creates the topics that are missing; returns those it created.
    ///
    /// # Errors
    /// [`PlatformError::Broken`] if a topic is there with another number of partitions.
    async fn create_topics(&self, partitions: u32) -> Result<Vec<Topic>, PlatformError>;
    /// The topics that exist, by name.
    async fn topics(&self) -> Result<Vec<TopicState>, PlatformError>;
    /// Appends records in order; when it returns they are durable.
    ///
    /// If it fails, a part of them may have been appended all the same.
    async fn publish(&self, records: &[NewRecord]) -> Result<(), PlatformError>;
    /// Appends the records of these outbox rows in order. A log that lives in the store's own
    /// database moves them in one transaction.
    async fn relay(&self, ids: &[i64], records: &[NewRecord]) -> Result<Relayed, PlatformError> {
        debug_assert_eq!(ids.len(), records.len());
        self.publish(records).await?;
        Ok(Relayed::Published)
    }
    /// Joins a consumer group for some topics.
    async fn subscribe(&self, group: &str, topics: &[Topic]) -> Result<Box<dyn Subscription>, PlatformError>;
    /// Reads topics beside all groups: every partition of them, from wherever the caller asks; nobody is told how far.
    async fn follow(&self, topics: &[Topic]) -> Result<Box<dyn Subscription>, PlatformError>;
    /// Drops records older than `before` that every group in `consumed` (the least next offset of
    /// the groups that read a partition) has passed; returns how many.
    async fn trim(&self, consumed: &BTreeMap<TopicPartition, u64>, before: Timestamp) -> Result<u64, PlatformError>;
}

/// A member's place in a consumer group.
#[async_trait]
pub trait Subscription: Send {
    /// The partitions this member reads now.
    async fn assigned(&mut self) -> Result<Vec<TopicPartition>, PlatformError>;
    /// Records from these offsets on.
    async fn fetch(
        &mut self,
        from: &BTreeMap<TopicPartition, u64>,
        limit: FetchLimit,
    ) -> Result<Fetched, PlatformError>;
    /// Returns when there may be more to fetch or to do, at the latest after `at_most`.
    async fn wait(&mut self, at_most: Duration);
    /// Tells the log how far the group is, for people's tools; nothing trusts it.
    async fn acknowledge(&mut self, positions: &BTreeMap<TopicPartition, u64>) -> Result<(), PlatformError>;
    /// Leaves the group, so that others take over at once.
    async fn leave(&mut self) {}
}
