//! How far each consumer group is, for people and for those who wait until all is done.

use caravan_domain::event::Topic;

use crate::platform::log::TopicState;
use crate::platform::rows::Position;
use crate::platform::{Platform, PlatformError};
use crate::workers::WorkerKind;

/// A group's place in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lag {
    /// Whose.
    pub worker: WorkerKind,
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub partition: u32,
    /// The offset of the first record still there.
    pub start: u64,
    /// The offset the next record will get.
    pub end: u64,
    /// The offset of the next record the group handles; `None` if it never read the partition.
    pub committed: Option<u64>,
    /// Why the group can't go on from there, if it can't.
    pub lost: Option<&'static str>,
}

impl Lag {
    /// Records that are still to be handled.
    pub fn records(&self) -> u64 {
        self.end.saturating_sub(self.committed.unwrap_or(self.start))
    }
}

/// The places of every worker's group in the topics it consumes.
pub async fn lags(platform: &Platform) -> Result<Vec<Lag>, PlatformError> {
    let topics = platform.log.topics().await?;
    let mut lags = Vec::new();
    for worker in WorkerKind::ALL {
        let spec = worker.spec();
        let positions = platform.store.positions(spec.group).await?;
        for topic in topics.iter().filter(|topic| spec.topics.contains(&topic.topic)) {
            lags.extend((0..).zip(&topic.partitions).map(|(partition, _)| lag(worker, topic, partition, &positions)));
        }
    }
    Ok(lags)
}

fn lag(worker: WorkerKind, topic: &TopicState, partition: u32, positions: &[Position]) -> Lag {
    let state = topic.partitions[partition as usize];
    let position =
        positions.iter().find(|position| position.at.topic == topic.topic && position.at.partition == partition);
    let lost = position.and_then(|position| {
        if position.topic_id != topic.id {
            Some("was taken on a topic that has been deleted and made again")
        } else if position.next_offset < state.start {
            Some("is before the log's start")
        } else if position.next_offset > state.end {
            Some("is beyond the log's end")
        } else {
            None
        }
    });
    let committed = position.map(|position| position.next_offset);
    Lag { worker, topic: topic.topic, partition, start: state.start, end: state.end, committed, lost }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::platform::log::{PartitionState, TopicPartition};

    #[test]
    fn a_lag_counts_from_the_position_or_the_logs_start_and_a_lost_position_is_told() {
        let topic = Topic::PurchaseConfirmed;
        let id = Uuid::from_u128(1);
        let state = TopicState { topic, id, partitions: vec![PartitionState { start: 10, end: 20 }] };
        for (stored, records, lost) in [
            (None, 10, false),
            (Some((id, 10)), 10, false),
            (Some((id, 20)), 0, false),
            (Some((id, 9)), 11, true),
            (Some((id, 21)), 0, true),
            (Some((Uuid::from_u128(2), 15)), 5, true),
        ] {
            let positions: Vec<Position> = stored
                .map(|(topic_id, next_offset)| Position {
                    at: TopicPartition { topic, partition: 0 },
                    topic_id,
                    next_offset,
                })
                .into_iter()
                .collect();
            let lag = lag(WorkerKind::Purchase, &state, 0, &positions);
            assert_eq!((lag.records(), lag.lost.is_some()), (records, lost), "{stored:?}");
        }
    }
}
