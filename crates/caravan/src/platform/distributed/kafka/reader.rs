//! Reading on from given offsets, in the order of the records' times.
//!
//! Every partition has a queue of its own in the client, which fetches ahead of each no more than
//! [`PREFETCH_KIB`](super::settings): so the earliest record is found by looking at the first of
//! each, and one that is far behind can't fill the memory with the others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{join_all, select, select_all};
use rdkafka::consumer::stream_consumer::StreamPartitionQueue;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::edges::edges;
use super::hearing::{Hearing, LISTEN};
use super::records::{platform_error, record};
use super::settings::KafkaOptions;
use crate::platform::PlatformError;
use crate::platform::log::{FetchLimit, PartitionState, Record, TopicPartition};

/// How long a partition that has more, and has not sent any of it yet, holds up the others.
const HELD_UP_MAX: Duration = Duration::from_secs(3);

/// A partition, as far as it has come.
struct Partition {
    at: TopicPartition,
    queue: StreamPartitionQueue<Hearing>,
    /// The first record that is not handed out, once it has come.
    next: Option<Record>,
    /// The offset after the last record handed out, or where reading began.
    handed: u64,
    /// The offset after the last record that came.
    came: u64,
    /// Where the partition ended when reading began: up to there its records are known to come.
    end: u64,
    /// All that was there has come, even if no record stands right before the end.
    at_end: bool,
    /// The offset that is asked for is not there.
    out_of_range: bool,
    /// The others have waited for it long enough.
    late: bool,
    /// What is wrong with the topic itself, until somebody is told.
    problem: Option<PlatformError>,
}

impl Partition {
    /// Whether it is known to have records of which none has come, and others may still wait for them.
    fn is_held_up(&self) -> bool {
        let may_come = self.came < self.end && !self.at_end && !self.out_of_range && !self.late;
        may_come && self.next.is_none() && self.problem.is_none()
    }

    /// Returns when its next record is there, or known not to come.
    async fn settle(&mut self) {
        while self.is_held_up() {
            self.hear().await;
        }
    }

    /// Returns when there is something to look at.
    async fn arrive(&mut self) {
        while self.next.is_none() && !self.out_of_range && self.problem.is_none() {
            self.hear().await;
        }
    }

    /// Takes in the next thing that comes, whenever that is.
    async fn hear(&mut self) {
        let came = self.queue.recv().await.map(|message| record(self.at.topic, &message));
        match came {
            // What an earlier assignment still sends is older than where this one began.
            Ok(record) if record.offset >= self.came => {
                self.came = record.offset + 1;
                self.next = Some(record);
                self.late = false;
            }
            Ok(_) => {}
            Err(KafkaError::PartitionEOF(_)) => self.at_end = true,
            Err(error) if is_out_of_range(&error) => self.out_of_range = true,
            Err(error) if is_passing(&error) => self.problem = Some(platform_error(&error)),
            Err(error) => tracing::debug!(%error, "Kafka"),
        }
    }

    /// Takes in what is there already.
    fn look(&mut self) -> Result<(), PlatformError> {
        let _ = self.arrive().now_or_never();
        self.problem.take().map_or(Ok(()), Err)
    }

    fn hand_out(&mut self) -> Option<Record> {
        let record = self.next.take()?;
        self.handed = record.offset + 1;
        Some(record)
    }
}

/// A client that reads.
pub(super) struct Reader {
    consumer: Arc<StreamConsumer<Hearing>>,
    options: KafkaOptions,
    partitions: BTreeMap<TopicPartition, Partition>,
}

/// What reading came to.
pub(super) enum Read {
    /// Records.
    Records(Vec<Record>),
    /// An offset is not there any more, or not there yet.
    OutOfRange,
}

impl Reader {
    pub(super) fn new(options: &KafkaOptions) -> Result<Self, KafkaError> {
        Self::with(options, &options.reading())
    }

    /// One that is not to wait for more records than there are.
    pub(super) fn of_what_is_there(options: &KafkaOptions) -> Result<Self, KafkaError> {
        Self::with(options, &options.reading_what_is_there())
    }

    fn with(options: &KafkaOptions, config: &ClientConfig) -> Result<Self, KafkaError> {
        let consumer = Arc::new(config.create_with_context(Hearing::default())?);
        Ok(Self { consumer, options: options.clone(), partitions: BTreeMap::new() })
    }

    /// Forgets where it was: the next read begins anew.
    pub(super) fn forget(&mut self) {
        self.partitions.clear();
    }

    /// Records from these offsets on, within the limits.
    pub(super) async fn read(
        &mut self,
        from: &BTreeMap<TopicPartition, u64>,
        limit: FetchLimit,
    ) -> Result<Read, PlatformError> {
        if !self.is_at(from) {
            self.begin(from).await?;
        }
        self.serve();
        self.partitions.values_mut().try_for_each(Partition::look)?;
        let records = self.take(limit).await?;
        if self.partitions.values().any(|partition| partition.out_of_range) {
            self.forget();
            return Ok(Read::OutOfRange);
        }
        Ok(Read::Records(records))
    }

    /// The first record from each of these offsets on, of those partitions that have any.
    pub(super) async fn firsts(
        &mut self,
        from: &BTreeMap<TopicPartition, u64>,
    ) -> Result<BTreeMap<TopicPartition, Record>, PlatformError> {
        self.begin(from).await?;
        self.hold_up(Instant::now()).await?;
        let first = |(at, partition): (&TopicPartition, &mut Partition)| Some((*at, partition.hand_out()?));
        Ok(self.partitions.iter_mut().filter_map(first).collect())
    }

    fn is_at(&self, from: &BTreeMap<TopicPartition, u64>) -> bool {
        self.partitions.len() == from.len()
            && from.iter().all(|(at, offset)| self.partitions.get(at).is_some_and(|found| found.handed == *offset))
    }

    /// Reads from there on. Where it ends is asked once: what comes later comes in its own time.
    async fn begin(&mut self, from: &BTreeMap<TopicPartition, u64>) -> Result<(), PlatformError> {
        let failed = |error: KafkaError| platform_error(&error);
        self.forget();
        let edges = self.edges(from.keys().copied().collect()).await?;
        let mut list = TopicPartitionList::new();
        let mut partitions = BTreeMap::new();
        for (at, offset) in from {
            let topic = self.options.physical(at.topic.name());
            let edge = edges.get(at).copied().unwrap_or(PartitionState { start: *offset, end: *offset });
            // What was trimmed is a gap. Whether anybody may pass over it is judged before reading begins.
            let start = edge.start.max(*offset);
            // Before it is assigned: no record goes astray into the queue that all would share.
            let Some(queue) = self.consumer.split_partition_queue(&topic, at.partition as i32) else {
                return Err(PlatformError::Environment(format!("Kafka's client knows no partition {at:?}")));
            };
            list.add_partition_offset(&topic, at.partition as i32, Offset::Offset(start.cast_signed()))
                .map_err(failed)?;
            let partition = Partition {
                at: *at,
                queue,
                next: None,
                handed: *offset,
                came: start,
                end: edge.end,
                at_end: false,
                out_of_range: false,
                late: false,
                problem: None,
            };
            partitions.insert(*at, partition);
        }
        self.consumer.assign(&list).map_err(failed)?;
        self.partitions = partitions;
        Ok(())
    }

    /// Where these partitions begin and end now.
    async fn edges(&self, at: Vec<TopicPartition>) -> Result<BTreeMap<TopicPartition, PartitionState>, PlatformError> {
        let (consumer, options) = (Arc::clone(&self.consumer), self.options.clone());
        // The client's answers block.
        let asked = tokio::task::spawn_blocking(move || edges(&*consumer, &options, at));
        let edges = asked.await.map_err(|died| PlatformError::Environment(died.to_string()))?;
        if edges.is_err() {
            let listened = async { while self.consumer.recv().await.is_err() {} };
            let _ = tokio::time::timeout(LISTEN, listened).await;
        }
        let hearing = self.consumer.context();
        edges.inspect(|_| hearing.answered()).map_err(|error| hearing.failure(&error))
    }

    /// Lets the client tell what is not about one partition. What keeps it from its brokers it
    /// mends itself.
    fn serve(&self) {
        while let Some(told) = self.consumer.recv().now_or_never() {
            if let Err(error) = told {
                tracing::debug!(%error, "Kafka");
            }
        }
    }

    /// Waits until no partition holds up the others, at most [`HELD_UP_MAX`] after `begun`; those that still do are
    /// not waited for again before they have sent something.
    async fn hold_up(&mut self, begun: Instant) -> Result<(), PlatformError> {
        if !self.partitions.values().any(Partition::is_held_up) {
            return Ok(());
        }
        let settled = join_all(self.partitions.values_mut().map(Partition::settle));
        let left = HELD_UP_MAX.saturating_sub(begun.elapsed());
        let in_time = tokio::time::timeout(left, settled).await.is_ok();
        for partition in self.partitions.values_mut() {
            partition.late |= !in_time && partition.is_held_up();
        }
        self.partitions.values_mut().try_for_each(Partition::look)
    }

    /// Hands out the earliest records. A larger first one comes alone.
    async fn take(&mut self, limit: FetchLimit) -> Result<Vec<Record>, PlatformError> {
        let (mut taken, mut bytes, begun) = (Vec::new(), 0_usize, Instant::now());
        while taken.len() < limit.records_max {
            self.hold_up(begun).await?;
            let first = |partition: &&mut Partition| partition.next.as_ref().map(|next| (next.timestamp, next.at));
            let earliest = self.partitions.values_mut().filter(|partition| partition.next.is_some()).min_by_key(first);
            let Some(partition) = earliest else { break };
            let more = partition.next.as_ref().map_or(0, size);
            if bytes.saturating_add(more) > limit.bytes_max && !taken.is_empty() {
                break;
            }
            bytes += more;
            taken.extend(partition.hand_out());
            partition.look()?;
        }
        Ok(taken)
    }

    /// Whether everything that was there when reading began has come.
    pub(super) fn has_all(&self, at: TopicPartition) -> bool {
        self.partitions.get(&at).is_none_or(|partition| partition.at_end || partition.came >= partition.end)
    }

    /// Whether the partition ends before an offset now.
    pub(super) async fn ended_before(&self, at: TopicPartition, offset: u64) -> Result<bool, PlatformError> {
        Ok(self.edges(vec![at]).await?.get(&at).is_none_or(|edge| edge.end <= offset))
    }

    /// Returns when a record has come, at the latest after `at_most`.
    pub(super) async fn wait(&mut self, at_most: Duration) {
        if self.partitions.is_empty() {
            return tokio::time::sleep(at_most).await;
        }
        let arrivals = select_all(self.partitions.values_mut().map(|partition| Box::pin(partition.arrive())));
        let told = std::pin::pin!(self.consumer.recv());
        // Whichever it is: the next read tells.
        let _ = tokio::time::timeout(at_most, select(arrivals, told)).await;
    }
}

/// Bytes a record counts.
fn size(record: &Record) -> usize {
    let of = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
    let headers: usize = record.headers.iter().map(|header| header.name.len() + of(&header.value)).sum();
    of(&record.key) + of(&record.value) + headers
}

fn is_out_of_range(error: &KafkaError) -> bool {
    matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange))
}

/// Whether the topic itself is out of reach; of a broker that is away the client thinks itself.
fn is_passing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownPartition
        )
    )
}
