//! Where a group goes on reading, and what can be wrong with that.

use std::collections::BTreeMap;

use crate::platform::log::{TopicPartition, TopicState};
use crate::platform::rows::Position;

/// A stored position that does not fit the log. Going on anywhere would skip or repeat records
/// silently, so a person decides.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "group {group} can't go on in {topic}/{partition}: its position {position} {problem}. \
     Decide where it goes on: caravan groups replay {group} --topic {topic} --partition {partition} \
     --to earliest (repeats are harmless), or --to latest (skips what is there)",
    topic = at.topic, partition = at.partition
)]
pub struct LostPosition {
    group: String,
    at: TopicPartition,
    position: u64,
    problem: String,
}

/// The positions to read from, and those to note first because the group has none there yet.
pub(crate) struct Start {
    pub(crate) from: BTreeMap<TopicPartition, u64>,
    pub(crate) new: Vec<Position>,
}

/// Judges a group's stored positions against the log: an unknown partition begins at its start.
pub(crate) fn judge(
    group: &str,
    assigned: &[TopicPartition],
    topics: &[TopicState],
    stored: &[Position],
) -> Result<Start, LostPosition> {
    let mut start = Start { from: BTreeMap::new(), new: Vec::new() };
    for at in assigned {
        let Some((topic, state)) = topics
            .iter()
            .find(|topic| topic.topic == at.topic)
            .and_then(|topic| Some((topic, topic.partitions.get(at.partition as usize)?)))
        else {
            continue;
        };
        let lost = |position, problem: String| LostPosition { group: group.to_owned(), at: *at, position, problem };
        match stored.iter().find(|position| position.at == *at) {
            None => {
                start.new.push(Position { at: *at, topic_id: topic.id, next_offset: state.start });
                start.from.insert(*at, state.start);
            }
            Some(position) if position.topic_id != topic.id => {
                let problem = "was taken on a topic of that name that has been deleted and made again".to_owned();
                return Err(lost(position.next_offset, problem));
            }
            Some(position) if position.next_offset < state.start => {
                let problem = format!("is before the log's start {}, so records are gone unread", state.start);
                return Err(lost(position.next_offset, problem));
            }
            Some(position) if position.next_offset > state.end => {
                let problem =
                    format!("is beyond the log's end {}: the log or the database is from another time", state.end);
                return Err(lost(position.next_offset, problem));
            }
            Some(position) => {
                start.from.insert(*at, position.next_offset);
            }
        }
    }
    Ok(start)
}

#[cfg(test)]
mod tests {
    use caravan_domain::event::Topic;
    use uuid::Uuid;

    use super::*;
    use crate::platform::log::PartitionState;

    const AT: TopicPartition = TopicPartition { topic: Topic::PurchaseConfirmed, partition: 0 };

    fn judged(stored: Option<(Uuid, u64)>) -> Result<Vec<u64>, String> {
        let id = Uuid::from_u128(1);
        let topics = [TopicState { topic: AT.topic, id, partitions: vec![PartitionState { start: 10, end: 20 }] }];
        let stored: Vec<_> =
            stored.map(|(topic_id, next_offset)| Position { at: AT, topic_id, next_offset }).into_iter().collect();
        judge("purchase-creation-workers", &[AT], &topics, &stored)
            .map(|start| start.from.into_values().collect())
            .map_err(|lost| lost.to_string())
    }

    #[test]
    fn a_position_inside_the_log_goes_on_and_a_missing_one_begins_at_the_start() {
        for (stored, from) in [(None, 10), (Some(10), 10), (Some(15), 15), (Some(20), 20)] {
            assert_eq!(judged(stored.map(|offset| (Uuid::from_u128(1), offset))), Ok(vec![from]));
        }
    }

    #[test]
    fn a_position_outside_the_log_is_refused_with_the_command_that_settles_it() {
        for (topic_id, offset, problem) in
            [(1, 9, "before the log's start"), (1, 21, "beyond the log's end"), (2, 15, "made again")]
        {
            let refusal = judged(Some((Uuid::from_u128(topic_id), offset))).unwrap_err();
            assert!(refusal.contains(problem), "{refusal}");
            assert!(refusal.contains("caravan groups replay purchase-creation-workers --topic purchase-confirmed"));
        }
    }
}
