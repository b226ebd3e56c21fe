//! The log in memory: everything ever appended is kept for the checks, trimmed or not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use caravan::platform::PlatformError;
use caravan::platform::log::{
    FetchLimit, Fetched, Log, NewRecord, PartitionState, Record, Subscription, TopicPartition, TopicState,
};
use caravan_domain::event::{Headers, Topic, partition_for};
use jiff::Timestamp;
use rand::RngExt;
use uuid::Uuid;

use crate::planted::Planted;
use crate::world::{Handle, State, trouble};

/// How likely an offset is left out, as Kafka's transaction markers do.
const GAP: f64 = 0.05;

pub(crate) struct Partition {
    /// The first offset still there.
    pub(crate) start: u64,
    /// Every record there ever was.
    pub(crate) records: Vec<Arc<Record>>,
}

impl Partition {
    pub(crate) fn end(&self) -> u64 {
        self.records.last().map_or(0, |record| record.offset + 1)
    }

    fn from(&self, offset: u64) -> &[Arc<Record>] {
        let from = offset.max(self.start);
        &self.records[self.records.partition_point(|record| record.offset < from)..]
    }
}

pub(crate) struct TopicLog {
    pub(crate) id: Uuid,
    pub(crate) partitions: Vec<Partition>,
}

#[derive(Default)]
pub(crate) struct LogState {
    pub(crate) topics: BTreeMap<Topic, TopicLog>,
    /// The processes in each group, in order.
    members: BTreeMap<String, Vec<usize>>,
}

impl LogState {
    /// Every record ever appended to a topic.
    pub(crate) fn history(&self, topic: Topic) -> impl Iterator<Item = &Arc<Record>> {
        self.topics.get(&topic).into_iter().flat_map(|log| &log.partitions).flat_map(|partition| &partition.records)
    }

    pub(crate) fn partition(&self, at: TopicPartition) -> Option<&Partition> {
        self.topics.get(&at.topic)?.partitions.get(at.partition as usize)
    }
}

fn append(state: &mut State, new: &NewRecord) {
    let count = state.log.topics.get(&new.topic).map_or(0, |log| log.partitions.len() as u32);
    let drawn = state.dice.random_range(0..count.max(1));
    let partition = partition_for(new.key.as_deref(), count).unwrap_or(drawn);
    let gap = u64::from(state.chance(GAP));
    let mut headers = new.headers.clone();
    if state.planted == Some(Planted::FreshEventId) {
        headers = with_fresh_id(state, headers);
    }
    let at = TopicPartition { topic: new.topic, partition };
    let Some(log) = state.log.topics.get_mut(&new.topic) else { return };
    let Some(place) = log.partitions.get_mut(partition as usize) else { return };
    let record = Record {
        at,
        offset: place.end() + gap,
        key: new.key.clone(),
        value: new.value.clone(),
        headers,
        timestamp: Timestamp::from_millisecond(new.timestamp.as_millisecond()).unwrap_or(new.timestamp),
    };
    place.records.push(Arc::new(record));
    state.changed();
}

fn with_fresh_id(state: &mut State, mut headers: Headers) -> Headers {
    let id = Uuid::from_u128(state.dice.random());
    for header in headers.0.iter_mut().filter(|header| header.name == "ce_id") {
        header.value = Some(id.to_string().into_bytes());
    }
    headers
}

#[async_trait]
impl Log for Handle {
    async fn create_topics(&self, partitions: u32) -> Result<Vec<Topic>, PlatformError> {
        self.call("log.create_topics", |state| {
            let missing: Vec<Topic> =
                Topic::ALL.into_iter().filter(|topic| !state.log.topics.contains_key(topic)).collect();
            for topic in &missing {
                let id = Uuid::from_u128(state.dice.random());
                let partitions = (0..partitions).map(|_| Partition { start: 0, records: Vec::new() }).collect();
                state.log.topics.insert(*topic, TopicLog { id, partitions });
            }
            Ok(missing)
        })
        .await
    }

    async fn topics(&self) -> Result<Vec<TopicState>, PlatformError> {
        self.call("log.topics", |state| {
            let states = state.log.topics.iter().map(|(topic, log)| TopicState {
                topic: *topic,
                id: log.id,
                partitions: log
                    .partitions
                    .iter()
                    .map(|partition| PartitionState { start: partition.start, end: partition.end() })
                    .collect(),
            });
            Ok(states.collect())
        })
        .await
    }

    async fn publish(&self, records: &[NewRecord]) -> Result<(), PlatformError> {
        self.call("log.publish", |state| {
            let (duplicated, fails) = (state.faults.duplicated, state.faults.call_fails);
            for record in records {
                if !state.log.topics.contains_key(&record.topic) {
                    return Err(trouble("nobody has created the topic yet"));
                }
                if state.chance(fails) {
                    return Err(trouble("broker away in the middle"));
                }
                append(state, record);
                if state.chance(duplicated) {
                    append(state, record);
                }
            }
            Ok(())
        })
        .await
    }

    async fn subscribe(&self, group: &str, topics: &[Topic]) -> Result<Box<dyn Subscription>, PlatformError> {
        self.call("log.subscribe", |state| {
            let members = state.log.members.entry(group.to_owned()).or_default();
            members.push(self.process);
            members.sort_unstable();
            let (handle, group) = (self.clone(), group.to_owned());
            let member = Member { handle, group, topics: topics.to_vec(), changes: 0, known: Vec::new() };
            Ok(Box::new(member) as Box<dyn Subscription>)
        })
        .await
    }

    async fn follow(&self, topics: &[Topic]) -> Result<Box<dyn Subscription>, PlatformError> {
        self.subscribe("nobody", topics).await
    }

    async fn trim(&self, consumed: &BTreeMap<TopicPartition, u64>, before: Timestamp) -> Result<u64, PlatformError> {
        self.call("log.trim", |state| {
            let mut dropped = 0;
            for (at, passed) in consumed {
                let Some(log) = state.log.topics.get_mut(&at.topic) else { continue };
                let Some(partition) = log.partitions.get_mut(at.partition as usize) else { continue };
                let old = |record: &&Arc<Record>| record.offset < *passed && record.timestamp < before;
                let gone = partition.from(0).iter().take_while(old).last().map(|record| record.offset + 1);
                if let Some(start) = gone {
                    dropped += start - partition.start;
                    partition.start = start;
                }
            }
            Ok(dropped)
        })
        .await
    }
}

/// A member of a group.
struct Member {
    handle: Handle,
    group: String,
    topics: Vec<Topic>,
    /// What it had seen of the world when it last fetched.
    changes: u64,
    /// The members there were when partitions were shared out.
    known: Vec<usize>,
}

impl Member {
    fn share(&self, state: &State) -> Vec<TopicPartition> {
        let all = self.topics.iter().flat_map(|topic| {
            let count = state.log.topics.get(topic).map_or(0, |log| log.partitions.len() as u32);
            (0..count).map(|partition| TopicPartition { topic: *topic, partition })
        });
        let place = self.known.iter().position(|member| *member == self.handle.process).unwrap_or(0);
        let mine = |number: usize| !state.faults.shared_out || number % self.known.len().max(1) == place;
        all.enumerate().filter(|(number, _)| mine(*number)).map(|(_, at)| at).collect()
    }

    fn members(&self, state: &State) -> Vec<usize> {
        state.log.members.get(&self.group).cloned().unwrap_or_default()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut state = self.handle.state();
        let Some(members) = state.log.members.get_mut(&self.group) else { return };
        if let Some(place) = members.iter().position(|member| *member == self.handle.process) {
            members.remove(place);
        }
    }
}

#[async_trait]
impl Subscription for Member {
    async fn assigned(&mut self) -> Result<Vec<TopicPartition>, PlatformError> {
        let handle = self.handle.clone();
        handle
            .call("log.assigned", |state| {
                self.known = self.members(state);
                Ok(self.share(state))
            })
            .await
    }

    async fn fetch(
        &mut self,
        from: &BTreeMap<TopicPartition, u64>,
        limit: FetchLimit,
    ) -> Result<Fetched, PlatformError> {
        let handle = self.handle.clone();
        handle
            .call("log.fetch", |state| {
                if state.faults.shared_out && self.members(state) != self.known {
                    return Ok(Fetched::Reassigned);
                }
                self.changes = state.changes;
                Ok(Fetched::Records(fetch(state, from, limit)))
            })
            .await
    }

    async fn wait(&mut self, at_most: Duration) {
        self.handle.notice(self.changes, at_most).await;
    }

    async fn acknowledge(&mut self, _positions: &BTreeMap<TopicPartition, u64>) -> Result<(), PlatformError> {
        self.handle.call("log.acknowledge", |_| Ok(())).await
    }
}

/// Merges the partitions by timestamp; in trouble, in any order.
fn fetch(state: &mut State, from: &BTreeMap<TopicPartition, u64>, limit: FetchLimit) -> Vec<Record> {
    let mut queues: Vec<Vec<Arc<Record>>> = from
        .iter()
        .filter_map(|(at, offset)| Some(state.log.partition(*at)?.from(*offset)))
        .map(|records| records.iter().take(limit.records_max).rev().cloned().collect())
        .collect();
    let (mut fetched, mut bytes) = (Vec::new(), 0);
    while fetched.len() < limit.records_max {
        queues.retain(|queue| !queue.is_empty());
        let reordered = state.faults.reordered;
        let next = if state.chance(reordered) {
            (!queues.is_empty()).then(|| state.dice.random_range(0..queues.len()))
        } else {
            (0..queues.len()).min_by_key(|&queue| queues[queue].last().map(|record| (record.timestamp, record.at)))
        };
        let Some(record) = next.and_then(|queue| queues[queue].pop()) else { break };
        bytes += size_of_record(&record);
        if bytes > limit.bytes_max && !fetched.is_empty() {
            break;
        }
        fetched.push((*record).clone());
    }
    fetched
}

fn size_of_record(record: &Record) -> usize {
    let headers = record.headers.iter().map(|header| header.name.len() + header.value.as_ref().map_or(0, Vec::len));
    record.key.as_ref().map_or(0, Vec::len) + record.value.as_ref().map_or(0, Vec::len) + headers.sum::<usize>()
}
