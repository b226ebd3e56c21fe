//! Where partitions begin and end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::settings::{ANSWER_WAIT, KafkaOptions};
use crate::platform::log::{PartitionState, TopicPartition};

/// How long a new leader of a partition is waited for.
const ELECTION_MAX: Duration = Duration::from_secs(5);
const ELECTION_STEP: Duration = Duration::from_millis(30);

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
    matches!(
        code,
        Some(
            Code::NotLeaderForPartition
                | Code::LeaderNotAvailable
                | Code::UnknownTopicOrPartition
                | Code::FencedLeaderEpoch
                | Code::UnknownLeaderEpoch
        )
    )
}
