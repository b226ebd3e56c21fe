//! The log as tables: real partitions, real offsets, and groups that read them.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use caravan_domain::event::{Topic, partition_for};
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, SqliteConnection};
use tokio::sync::watch;
use uuid::Uuid;

use super::bulk::{Bulk, json_list};
use super::changes::Changes;
use super::sqlite::platform_error;
use super::store::{EmbeddedStore, forget};
use super::writer::{WriteTransaction, Writer};
use super::{fetch, rows};
use crate::platform::PlatformError;
use crate::platform::log::{
    FetchLimit, Fetched, Log, NewRecord, PartitionState, Relayed, Subscription, TopicPartition, TopicState,
};

/// Bits of a record's id that are its offset: a partition can have a trillion records.
pub(super) const OFFSET_BITS: u32 = 40;
/// Partitions a topic may have: more than that is a typing error.
pub const PARTITIONS_MAX: u32 = 1_000;
/// Records one transaction drops: others wait for it that long.
const TRIM_RECORDS_MAX: usize = 2_000;

static APPEND: LazyLock<Bulk> = LazyLock::new(|| Bulk::insert("log_records", "id, key, value, headers, timestamp", ""));
static RAISE_END: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::with(
        "id, end_offset",
        "UPDATE log_partitions SET end_offset = v.end_offset FROM v WHERE log_partitions.id = v.id",
    )
});
static CREATE: LazyLock<Bulk> = LazyLock::new(|| Bulk::insert("log_partitions", "topic, partition", ""));

/// The log of an embedded Caravan.
pub(super) struct EmbeddedLog {
    writer: Arc<Writer>,
    store: Arc<EmbeddedStore>,
    changes: Arc<Changes>,
    /// Where the next record without a key goes: they take turns.
    turn: AtomicU32,
}

/// A partition's row.
pub(super) struct Partition {
    pub(super) id: i64,
    pub(super) at: TopicPartition,
    start: u64,
    pub(super) end: u64,
}

impl EmbeddedLog {
    /// The log in the same file as the store.
    pub(super) fn new(store: Arc<EmbeddedStore>) -> Self {
        let (writer, changes) = (Arc::clone(&store.writer), Arc::clone(&store.changes));
        Self { writer, store, changes, turn: AtomicU32::new(0) }
    }

    /// Appends records, and forgets the outbox rows they come from, in one transaction.
    async fn write(&self, outbox_ids: &[i64], records: &[NewRecord]) -> Result<(), PlatformError> {
        if records.is_empty() {
            return Ok(());
        }
        let mut writing = self.writer.begin().await.map_err(platform_error)?;
        let mut written = self.append(&mut writing, records).await;
        if written.is_ok() && !outbox_ids.is_empty() {
            written = forget(writing.connection(), outbox_ids).await;
        }
        match written {
            Ok(()) => writing.commit().await.map_err(platform_error)?,
            Err(problem) => {
                writing.rollback().await;
                return Err(problem);
            }
        }
        self.changes.tick();
        Ok(())
    }

    async fn append(&self, writing: &mut WriteTransaction<'_>, records: &[NewRecord]) -> Result<(), PlatformError> {
        let mut partitions = partitions(writing.connection()).await?;
        let mut placed = Vec::with_capacity(records.len());
        let places: HashMap<TopicPartition, usize> =
            partitions.iter().enumerate().map(|(index, row)| (row.at, index)).collect();
        let counts = counts(&partitions);
        for record in records {
            let place = self.partition(record, &counts)?;
            let row =
                places.get(&place).and_then(|index| partitions.get_mut(*index)).ok_or_else(|| missing(record.topic))?;
            placed.push((record_id(row.id, row.end), record));
            row.end += 1;
        }
        // As the table is sorted: neighbours are appended to the same page.
        placed.sort_unstable_by_key(|(id, _)| *id);
        insert(writing.connection(), &placed, &partitions).await.map_err(platform_error)
    }

    fn partition(&self, record: &NewRecord, counts: &BTreeMap<Topic, u32>) -> Result<TopicPartition, PlatformError> {
        let partitions = *counts.get(&record.topic).ok_or_else(|| missing(record.topic))?;
        let by_turn = || self.turn.fetch_add(1, Ordering::Relaxed) % partitions.max(1);
        let partition = partition_for(record.key.as_deref(), partitions).unwrap_or_else(by_turn);
        Ok(TopicPartition { topic: record.topic, partition })
    }
}

fn missing(topic: Topic) -> PlatformError {
    PlatformError::Broken(format!("there is no topic {topic}: create the topics with caravan topics create"))
}

/// The id of the record at an offset of a partition.
pub(super) fn record_id(partition_id: i64, offset: u64) -> i64 {
    partition_id << OFFSET_BITS | rows::stored(offset)
}

fn counts(partitions: &[Partition]) -> BTreeMap<Topic, u32> {
    let mut counts = BTreeMap::new();
    for partition in partitions {
        *counts.entry(partition.at.topic).or_default() += 1;
    }
    counts
}

/// All partitions, by topic and number.
pub(super) async fn partitions(connection: &mut SqliteConnection) -> Result<Vec<Partition>, PlatformError> {
    const SQL: &str =
        "SELECT id, topic, partition, start_offset, end_offset FROM log_partitions ORDER BY topic, partition";
    let rows: Vec<(i64, String, i64, i64, i64)> =
        sqlx::query_as(SQL).fetch_all(connection).await.map_err(platform_error)?;
    rows.into_iter()
        .map(|(id, topic, partition, start, end)| {
            let at = rows::topic_partition(&topic, partition)?;
            Ok(Partition { id, at, start: rows::number("start_offset", start)?, end: rows::number("end_offset", end)? })
        })
        .collect()
}

async fn insert(
    connection: &mut SqliteConnection,
    placed: &[(i64, &NewRecord)],
    partitions: &[Partition],
) -> Result<(), sqlx::Error> {
    APPEND
        .run(connection, placed, |query, (id, record)| {
            query
                .bind(*id)
                .bind(record.key.as_deref())
                .bind(record.value.as_deref())
                .bind(record.headers.to_json_text())
                .bind(record.timestamp.as_millisecond())
        })
        .await?;
    let appended: Vec<_> =
        partitions.iter().filter(|row| placed.iter().any(|(id, _)| id >> OFFSET_BITS == row.id)).collect();
    RAISE_END.run(connection, &appended, |query, row| query.bind(row.id).bind(rows::stored(row.end))).await?;
    Ok(())
}

#[async_trait]
impl Log for EmbeddedLog {
    async fn create_topics(&self, partitions: u32) -> Result<Vec<Topic>, PlatformError> {
        if !(1..=PARTITIONS_MAX).contains(&partitions) {
            return Err(PlatformError::Broken(format!(
                "a topic has from 1 to {PARTITIONS_MAX} partitions, not {partitions}"
            )));
        }
        let mut writing = self.writer.begin().await.map_err(platform_error)?;
        match create_topics(writing.connection(), partitions).await {
            Ok(created) => {
                writing.commit().await.map_err(platform_error)?;
                self.changes.tick();
                Ok(created)
            }
            Err(problem) => {
                writing.rollback().await;
                Err(problem)
            }
        }
    }

    async fn topics(&self) -> Result<Vec<TopicState>, PlatformError> {
        let mut connection = self.store.reader().await?;
        let mut moment = sqlx::Connection::begin(&mut *connection).await.map_err(platform_error)?;
        let ids = topic_ids(&mut moment).await?;
        let partitions = partitions(&mut moment).await?;
        moment.rollback().await.map_err(platform_error)?;
        Ok(ids
            .into_iter()
            .map(|(topic, id)| TopicState { topic, id, partitions: states(&partitions, topic) })
            .collect())
    }

    async fn publish(&self, records: &[NewRecord]) -> Result<(), PlatformError> {
        self.write(&[], records).await
    }

    async fn relay(&self, ids: &[i64], records: &[NewRecord]) -> Result<Relayed, PlatformError> {
        self.write(ids, records).await?;
        Ok(Relayed::Moved)
    }

    async fn subscribe(&self, _group: &str, topics: &[Topic]) -> Result<Box<dyn Subscription>, PlatformError> {
        let ticks = self.changes.subscribe().await;
        Ok(Box::new(EmbeddedSubscription { store: Arc::clone(&self.store), topics: topics.to_vec(), ticks }))
    }

    async fn follow(&self, topics: &[Topic]) -> Result<Box<dyn Subscription>, PlatformError> {
        // Nobody shares partitions here, so that a group is but a name.
        self.subscribe("", topics).await
    }

    async fn trim(&self, consumed: &BTreeMap<TopicPartition, u64>, before: Timestamp) -> Result<u64, PlatformError> {
        let mut dropped = 0;
        for (at, next) in consumed {
            loop {
                let mut writing = self.writer.begin().await.map_err(platform_error)?;
                let chunk = trim_some(writing.connection(), *at, *next, before).await.map_err(platform_error)?;
                writing.commit().await.map_err(platform_error)?;
                dropped += chunk as u64;
                if chunk < TRIM_RECORDS_MAX {
                    break;
                }
            }
        }
        Ok(dropped)
    }
}

async fn topic_ids(connection: &mut SqliteConnection) -> Result<Vec<(Topic, Uuid)>, PlatformError> {
    let rows: Vec<(String, String)> = sqlx::query_as("SELECT name, id FROM log_topics ORDER BY name")
        .fetch_all(connection)
        .await
        .map_err(platform_error)?;
    rows.iter().map(|(name, id)| Ok((rows::parsed("topic", name)?, rows::parsed("topic id", id)?))).collect()
}

fn states(partitions: &[Partition], topic: Topic) -> Vec<PartitionState> {
    let of_topic = partitions.iter().filter(|partition| partition.at.topic == topic);
    of_topic.map(|partition| PartitionState { start: partition.start, end: partition.end }).collect()
}

async fn create_topics(connection: &mut SqliteConnection, wanted: u32) -> Result<Vec<Topic>, PlatformError> {
    let present = counts(&partitions(connection).await?);
    if let Some((topic, count)) = present.iter().find(|(_, count)| **count != wanted) {
        return Err(PlatformError::Broken(format!(
            "topic {topic} has {count} partitions, not {wanted}: keys would change their partition. \
             Configure {count} partitions, or use another data directory or namespace"
        )));
    }
    let created: Vec<_> = Topic::ALL.into_iter().filter(|topic| !present.contains_key(topic)).collect();
    for topic in &created {
        sqlx::query("INSERT INTO log_topics (name, id) VALUES (?1, ?2)")
            .bind(topic.name())
            .bind(Uuid::new_v4().to_string())
            .execute(&mut *connection)
            .await
            .map_err(platform_error)?;
        let numbers: Vec<_> = (0..wanted).collect();
        CREATE
            .run(connection, &numbers, |query, number| query.bind(topic.name()).bind(*number))
            .await
            .map_err(platform_error)?;
    }
    Ok(created)
}

/// Drops records from a partition's start up to the first that is not consumed or not old.
async fn trim_some(
    connection: &mut SqliteConnection,
    at: TopicPartition,
    next: u64,
    before: Timestamp,
) -> Result<usize, sqlx::Error> {
    const PARTITION: &str =
        "SELECT id, start_offset, end_offset FROM log_partitions WHERE topic = ?1 AND partition = ?2";
    const RECORDS: &str = "SELECT id, timestamp FROM log_records WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3";
    let found: Option<(i64, i64, i64)> =
        sqlx::query_as(PARTITION).bind(at.topic.name()).bind(at.partition).fetch_optional(&mut *connection).await?;
    let Some((partition, start, end)) = found else { return Ok(0) };
    let first = partition << OFFSET_BITS | start;
    let behind = partition << OFFSET_BITS | rows::stored(next).min(end);
    let records: Vec<(i64, i64)> = sqlx::query_as(RECORDS)
        .bind(first)
        .bind(behind)
        .bind(rows::limit(TRIM_RECORDS_MAX))
        .fetch_all(&mut *connection)
        .await?;
    let old: Vec<_> = records.iter().map_while(|(id, at)| (*at < before.as_millisecond()).then_some(*id)).collect();
    let Some(last) = old.last() else { return Ok(0) };
    sqlx::query("DELETE FROM log_records WHERE id >= ?1 AND id <= ?2")
        .bind(first)
        .bind(last)
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE log_partitions SET start_offset = ?2 WHERE id = ?1")
        .bind(partition)
        .bind(last - (partition << OFFSET_BITS) + 1)
        .execute(connection)
        .await?;
    Ok(old.len())
}

/// A member of a group: alone in it, since one process at a time runs workers.
struct EmbeddedSubscription {
    store: Arc<EmbeddedStore>,
    topics: Vec<Topic>,
    ticks: watch::Receiver<u64>,
}

#[async_trait]
impl Subscription for EmbeddedSubscription {
    async fn assigned(&mut self) -> Result<Vec<TopicPartition>, PlatformError> {
        const SQL: &str = "SELECT topic, partition FROM log_partitions
                           WHERE topic IN (SELECT value FROM json_each(?1)) ORDER BY topic, partition";
        let names: Vec<_> = self.topics.iter().map(|topic| topic.name()).collect();
        let rows = self.store.fetch(sqlx::query(AssertSqlSafe(SQL)).bind(json_list(&names))).await?;
        rows.iter()
            .map(|row| {
                let (topic, partition): (String, i64) = rows::decoded(row)?;
                rows::topic_partition(&topic, partition)
            })
            .collect()
    }

    async fn fetch(
        &mut self,
        from: &BTreeMap<TopicPartition, u64>,
        limit: FetchLimit,
    ) -> Result<Fetched, PlatformError> {
        let mut connection = self.store.reader().await?;
        fetch::fetch(&mut connection, from, limit).await.map(Fetched::Records)
    }

    async fn wait(&mut self, at_most: Duration) {
        // Ends at once if anything changed since the last wait ended, however long ago the caller read.
        // Both ends mean the same to the caller: look again.
        let _ = tokio::time::timeout(at_most, self.ticks.changed()).await;
    }

    async fn acknowledge(&mut self, _positions: &BTreeMap<TopicPartition, u64>) -> Result<(), PlatformError> {
        // People's tools read the same table of positions as we do.
        Ok(())
    }
}
