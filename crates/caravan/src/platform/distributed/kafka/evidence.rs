//! The log as evidence: records from an offset on, in order.

use std::collections::BTreeMap;
use std::sync::Arc;

use caravan_domain::event::Topic;

use super::admin::KafkaLog;
use super::reader::{Read, Reader};
use super::records::platform_error;
use crate::platform::PlatformError;
use crate::platform::evidence::{PartitionEvidence, PartitionPlace, RecordEvidence, TopicEvidence};
use crate::platform::log::{FetchLimit, Log, Record, TopicPartition};

/// Bytes that are read at once.
const BYTES_MAX: usize = 16 << 20;

/// What stands in the log, for an audit.
pub struct KafkaEvidence {
    log: Arc<KafkaLog>,
    reader: Reader,
    /// Where each partition ended when it was first looked at.
    ends: BTreeMap<TopicPartition, u64>,
}

impl KafkaEvidence {
    /// The evidence of this log.
    ///
    /// # Errors
    /// If the settings can't be used.
    pub fn of(log: Arc<KafkaLog>) -> Result<Self, PlatformError> {
        let reader = Reader::of_what_is_there(log.options()).map_err(|error| platform_error(&error))?;
        Ok(Self { log, reader, ends: BTreeMap::new() })
    }

    /// Records in the log.
    ///
    /// # Errors
    /// If no broker answers.
    pub async fn amount(&mut self) -> Result<u64, PlatformError> {
        let topics = self.log.topics().await?;
        Ok(topics.iter().flat_map(|topic| &topic.partitions).map(|state| state.end - state.start).sum())
    }

    /// The topics, whose identities are the database's matter.
    ///
    /// # Errors
    /// If no broker answers.
    pub async fn topics(&mut self) -> Result<Vec<TopicEvidence>, PlatformError> {
        let mut topics = Vec::new();
        for topic in self.log.topics().await? {
            let mut partitions = Vec::new();
            for (partition, state) in (0_u32..).zip(&topic.partitions) {
                self.ends.insert(TopicPartition { topic: topic.topic, partition }, state.end);
                let (start, end) = (state.start.cast_signed(), state.end.cast_signed());
                partitions.push(PartitionEvidence { partition: i64::from(partition), start, end });
            }
            topics.push(TopicEvidence { name: topic.topic.to_string(), id: String::new(), partitions });
        }
        Ok(topics)
    }

    /// Records of a partition from an offset on, in order.
    ///
    /// # Errors
    /// If no broker answers.
    pub async fn records(
        &mut self,
        place: &PartitionPlace,
        limit: usize,
    ) -> Result<Vec<RecordEvidence>, PlatformError> {
        let Ok(topic) = place.topic.parse::<Topic>() else { return Ok(Vec::new()) };
        let Ok(partition) = u32::try_from(place.partition) else { return Ok(Vec::new()) };
        let at = TopicPartition { topic, partition };
        let mut from = place.from.unsigned_abs();
        let end = match self.ends.get(&at) {
            Some(end) => *end,
            None => self.log.edges(vec![at]).await?.get(&at).map_or(0, |edge| edge.end),
        };
        let mut records: Vec<RecordEvidence> = Vec::new();
        while from < end && records.len() < limit {
            let limit = FetchLimit { records_max: limit - records.len(), bytes_max: BYTES_MAX };
            match self.reader.read(&BTreeMap::from([(at, from)]), limit).await? {
                Read::OutOfRange => break,
                // Nothing but marks of transactions stands before the end.
                Read::Records(found) if found.is_empty() && self.reader.has_all(at) => break,
                Read::Records(found) if found.is_empty() => {
                    return Err(PlatformError::Environment(format!("Kafka sends no records of {topic}/{partition}")));
                }
                Read::Records(found) => {
                    from = found.last().map_or(from, |last| last.offset + 1);
                    records.extend(found.into_iter().map(evidence));
                }
            }
        }
        Ok(records)
    }
}

fn evidence(record: Record) -> RecordEvidence {
    RecordEvidence {
        topic: record.at.topic.to_string(),
        partition: i64::from(record.at.partition),
        offset: record.offset.cast_signed(),
        key: record.key,
        value: record.value,
        timestamp_ms: record.timestamp.as_millisecond(),
        headers: Some(record.headers),
    }
}
