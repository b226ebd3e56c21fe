//! Reading on from given offsets, in the order of the records' times.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use caravan_domain::event::Topic;
use rdkafka::consumer::{Consumer, ConsumerContext, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use super::records::{platform_error, record};
use super::settings::{ANSWER_WAIT, KafkaOptions};
use crate::platform::PlatformError;
use crate::platform::log::{FetchLimit, PartitionState, Record, TopicPartition};

/// How long a partition that has more, and has not sent any of it yet, holds up the others.
const HELD_UP_MAX: Duration = Duration::from_secs(3);
/// How long to wait for a record when some may be on their way.
const NEXT_WAIT: Duration = Duration::from_millis(20);

/// How long a new leader of a partition is waited for.
const ELECTION_MAX: Duration = Duration::from_secs(5);
const ELECTION_STEP: Duration = Duration::from_millis(30);

/// What stands on a partition, as far as it has come.
#[derive(Debug, Default)]
struct Queue {
    records: VecDeque<Record>,
    bytes: usize,
    /// The offset after the last record handed out, or where reading began.
    handed: u64,
    /// The offset after the last record that came.
    came: u64,
    /// Where the partition ended when reading began: up to there its records are known to come.
    end: u64,
}

/// A client that reads.
pub(super) struct Reader {
    consumer: Arc<StreamConsumer>,
    options: KafkaOptions,
    queues: BTreeMap<TopicPartition, Queue>,
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
        let consumer = Arc::new(options.reading().create()?);
        Ok(Self { consumer, options: options.clone(), queues: BTreeMap::new() })
    }

    /// Forgets where it was: the next read begins anew.
    pub(super) fn forget(&mut self) {
        self.queues.clear();
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
        if self.gather(limit).await? {
            return Ok(Read::Records(self.take(limit)));
        }
        self.forget();
        Ok(Read::OutOfRange)
    }

    fn is_at(&self, from: &BTreeMap<TopicPartition, u64>) -> bool {
        self.queues.len() == from.len()
            && from.iter().all(|(at, offset)| self.queues.get(at).is_some_and(|queue| queue.handed == *offset))
    }

    /// Reads from there on. Where it ends is asked once: what comes later comes in its own time.
    async fn begin(&mut self, from: &BTreeMap<TopicPartition, u64>) -> Result<(), PlatformError> {
        let failed = |error: KafkaError| platform_error(&error);
        let edges = self.edges(from.keys().copied().collect()).await?;
        let mut list = TopicPartitionList::new();
        let mut queues = BTreeMap::new();
        for (at, offset) in from {
            let topic = self.options.physical(at.topic.name());
            let edge = edges.get(at).copied().unwrap_or(PartitionState { start: *offset, end: *offset });
            // What was trimmed is a gap. Whether anybody may pass over it is judged before reading begins.
            let start = edge.start.max(*offset);
            list.add_partition_offset(&topic, at.partition as i32, Offset::Offset(start.cast_signed()))
                .map_err(failed)?;
            queues.insert(*at, Queue { handed: *offset, came: start, end: edge.end, ..Queue::default() });
        }
        self.consumer.assign(&list).map_err(failed)?;
        self.queues = queues;
        Ok(())
    }

    /// Where these partitions begin and end now.
    async fn edges(&self, at: Vec<TopicPartition>) -> Result<BTreeMap<TopicPartition, PartitionState>, PlatformError> {
        let (consumer, options) = (Arc::clone(&self.consumer), self.options.clone());
        // The client's answers block.
        let asked = tokio::task::spawn_blocking(move || edges(&*consumer, &options, at));
        let edges = asked.await.map_err(|died| PlatformError::Environment(died.to_string()))?;
        edges.map_err(|error| platform_error(&error))
    }

    /// Waits for what is on its way, and takes in what has come; false if an offset is not there.
    async fn gather(&mut self, limit: FetchLimit) -> Result<bool, PlatformError> {
        let begun = Instant::now();
        loop {
            let full = self.records() >= limit.records_max || self.bytes() >= limit.bytes_max;
            let held_up = self.is_held_up() && begun.elapsed() < HELD_UP_MAX;
            if full && !held_up {
                return Ok(true);
            }
            let wait = if held_up { NEXT_WAIT } else { Duration::ZERO };
            match tokio::time::timeout(wait, self.consumer.recv()).await {
                Ok(Ok(message)) => {
                    let Some(topic) = self.options.logical(message.topic()) else { continue };
                    let record = record(topic, &message);
                    drop(message);
                    self.keep(record);
                }
                Ok(Err(error)) => match is_out_of_range(&error) {
                    true => return Ok(false),
                    false if is_passing(&error) => return Err(platform_error(&error)),
                    false => tracing::debug!(%error, "Kafka"),
                },
                Err(_) if held_up => {}
                Err(_) => return Ok(true),
            }
        }
    }

    fn keep(&mut self, record: Record) {
        let Some(queue) = self.queues.get_mut(&record.at) else { return };
        // What an earlier assignment still sends is older than where this one began, or comes again.
        if record.offset >= queue.came {
            queue.came = record.offset + 1;
            queue.bytes += size(&record);
            queue.records.push_back(record);
        }
    }

    fn records(&self) -> usize {
        self.queues.values().map(|queue| queue.records.len()).sum()
    }

    fn bytes(&self) -> usize {
        self.queues.values().map(|queue| queue.bytes).sum()
    }

    /// Whether a partition is known to have records that have not come.
    fn is_held_up(&self) -> bool {
        self.queues.values().any(|queue| queue.records.is_empty() && queue.came < queue.end)
    }

    /// Hands out the earliest records. A larger first one comes alone.
    fn take(&mut self, limit: FetchLimit) -> Vec<Record> {
        let mut taken: Vec<Record> = Vec::new();
        let mut bytes = 0_usize;
        // Waited for long enough, a partition that sends nothing holds nobody up.
        let waits = !self.is_held_up();
        while taken.len() < limit.records_max && !(waits && self.is_held_up()) {
            let fronts = self.queues.iter().filter_map(|(at, queue)| Some((queue.records.front()?.timestamp, *at)));
            let Some((_, at)) = fronts.min() else { break };
            let Some(queue) = self.queues.get_mut(&at) else { break };
            let next = queue.records.front().map_or(0, size);
            if bytes.saturating_add(next) > limit.bytes_max && !taken.is_empty() {
                break;
            }
            bytes += next;
            queue.bytes -= next;
            if let Some(record) = queue.records.pop_front() {
                queue.handed = record.offset + 1;
                taken.push(record);
            }
        }
        taken
    }

    /// Whether the partition ended before an offset when reading began.
    pub(super) fn ends_before(&self, at: TopicPartition, offset: u64) -> bool {
        self.queues.get(&at).is_some_and(|queue| queue.end <= offset)
    }

    /// Whether the partition ends before an offset now.
    pub(super) async fn ended_before(&self, at: TopicPartition, offset: u64) -> Result<bool, PlatformError> {
        Ok(self.edges(vec![at]).await?.get(&at).is_none_or(|edge| edge.end <= offset))
    }

    /// Returns when a record has come, at the latest after `at_most`.
    pub(super) async fn wait(&mut self, at_most: Duration) {
        if self.queues.is_empty() {
            return tokio::time::sleep(at_most).await;
        }
        if let Ok(Ok(message)) = tokio::time::timeout(at_most, self.consumer.recv()).await {
            let kept = self.options.logical(message.topic()).map(|topic: Topic| record(topic, &message));
            drop(message);
            if let Some(record) = kept {
                self.keep(record);
            }
        }
    }
}

/// Where partitions begin and end. Blocks; a leader that is being elected is waited for.
pub(super) fn edges<C: ConsumerContext>(
    client: &impl Consumer<C>,
    options: &KafkaOptions,
    at: Vec<TopicPartition>,
) -> Result<BTreeMap<TopicPartition, PartitionState>, KafkaError> {
    let starts = offsets(client, options, &at, Offset::Beginning)?;
    let ends = offsets(client, options, &at, Offset::End)?;
    Ok(at
        .into_iter()
        .zip(starts.into_iter().zip(ends))
        .map(|(at, (start, end))| (at, PartitionState { start, end }))
        .collect())
}

/// The first or the next offset of each of these partitions, in their order, by one question to each broker.
fn offsets<C: ConsumerContext>(
    client: &impl Consumer<C>,
    options: &KafkaOptions,
    at: &[TopicPartition],
    which: Offset,
) -> Result<Vec<u64>, KafkaError> {
    let mut asked = TopicPartitionList::with_capacity(at.len());
    for place in at {
        asked.add_partition_offset(&options.physical(place.topic.name()), place.partition as i32, which)?;
    }
    let begun = Instant::now();
    loop {
        // Asked by time, the beginning and the end are times of their own (ListOffsets: -2 and -1).
        let answer = client.offsets_for_times(asked.clone(), ANSWER_WAIT).and_then(|found| {
            at.iter()
                .map(|place| offset_in(&found, &options.physical(place.topic.name()), place.partition as i32))
                .collect()
        });
        match answer {
            Err(error) if is_election(&error) && begun.elapsed() < ELECTION_MAX => std::thread::sleep(ELECTION_STEP),
            answer => return answer,
        }
    }
}

fn offset_in(found: &TopicPartitionList, topic: &str, partition: i32) -> Result<u64, KafkaError> {
    let missing = || KafkaError::OffsetFetch(RDKafkaErrorCode::UnknownTopicOrPartition);
    let element = found.find_partition(topic, partition).ok_or_else(missing)?;
    element.error()?;
    element.offset().to_raw().and_then(|offset| u64::try_from(offset).ok()).ok_or_else(missing)
}

/// Whether a partition has no leader yet, or another than the client believes.
fn is_election(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    let code = error.rdkafka_error_code();
    matches!(code, Some(Code::NotLeaderForPartition | Code::LeaderNotAvailable | Code::UnknownTopicOrPartition))
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
