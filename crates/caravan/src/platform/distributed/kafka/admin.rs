//! The log as a whole: topics, publishing, trimming, and who reads.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use caravan_domain::event::Topic;
use jiff::Timestamp;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::edges::edges;
use super::follower::KafkaFollower;
use super::hearing::{Hearing, LISTEN};
use super::marks::Marks;
use super::publish::Publisher;
use super::records::platform_error;
use super::settings::{ANSWER_WAIT, KafkaOptions};
use super::subscription::KafkaSubscription;
use crate::platform::PlatformError;
use crate::platform::distributed::postgres::Presence;
use crate::platform::log::{Log, Member, NewRecord, PartitionState, Subscription, TopicPartition, TopicState};

/// How long the brokers may take to make a new topic ready.
const TOPICS_READY_MAX: Duration = Duration::from_secs(20);
/// How often that is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The log on Kafka.
pub struct KafkaLog {
    options: KafkaOptions,
    marks: Marks,
    presence: Presence,
    asking: Arc<BaseConsumer<Hearing>>,
    admin: AdminClient<DefaultClientContext>,
    publisher: Publisher,
    /// Partitions of our topics, as last seen.
    counts: Mutex<BTreeMap<Topic, u32>>,
}

impl KafkaLog {
    /// Sets the clients up; whether a broker answers shows later.
    ///
    /// # Errors
    /// If the settings can't be used.
    pub fn open(options: KafkaOptions, marks: Marks, presence: Presence) -> Result<Self, PlatformError> {
        let broken = |error: KafkaError| platform_error(&error);
        let asking = Arc::new(options.asking().create_with_context(Hearing::default()).map_err(broken)?);
        let admin = options.asking().create().map_err(broken)?;
        let publisher = Publisher::new(&options).map_err(broken)?;
        Ok(Self { options, marks, presence, asking, admin, publisher, counts: Mutex::default() })
    }

    /// How it was opened.
    pub(in crate::platform::distributed) fn options(&self) -> &KafkaOptions {
        &self.options
    }

    /// Asks the brokers something, off the runtime: the client's answers block.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&BaseConsumer<Hearing>) -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, PlatformError> {
        let asking = Arc::clone(&self.asking);
        let answer = tokio::task::spawn_blocking(move || {
            let answer = question(&asking);
            answer.inspect(|_| asking.context().answered()).map_err(|error| {
                // The client tells of its brokers to who polls it; it has no records to tell of.
                while asking.poll(LISTEN).is_some() {}
                asking.context().failure(&error)
            })
        });
        answer.await.map_err(|died| PlatformError::Environment(died.to_string()))?
    }

    /// Our topics that exist, with how many partitions each has.
    pub(super) async fn partition_counts(&self) -> Result<BTreeMap<Topic, u32>, PlatformError> {
        let options = self.options.clone();
        let counts: BTreeMap<Topic, u32> = self
            .ask(move |asking| {
                let metadata = asking.fetch_metadata(None, ANSWER_WAIT)?;
                let ours = metadata.topics().iter().filter(|topic| topic.error().is_none());
                let ready = ours.filter(|topic| topic.partitions().iter().all(|partition| partition.error().is_none()));
                Ok(ready
                    .filter_map(|topic| Some((options.logical(topic.name())?, topic.partitions().len() as u32)))
                    .filter(|(_, count)| *count > 0)
                    .collect())
            })
            .await?;
        self.counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone_from(&counts);
        Ok(counts)
    }

    /// Where these partitions begin and end.
    pub(super) async fn edges(
        &self,
        at: Vec<TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, PartitionState>, PlatformError> {
        let options = self.options.clone();
        self.ask(move |asking| edges(asking, &options, at)).await
    }

    async fn create(&self, missing: &[Topic], partitions: u32) -> Result<(), PlatformError> {
        let names: Vec<String> = missing.iter().map(|topic| self.options.physical(topic.name())).collect();
        let replicas = match self.options.replication_factor {
            0 => -1,
            count => i32::from(count),
        };
        let new = |name| {
            let topic = NewTopic::new(name, partitions as i32, TopicReplication::Fixed(replicas));
            KafkaOptions::TOPIC_PROPERTIES.into_iter().fold(topic, |topic, (key, value)| topic.set(key, value))
        };
        let topics: Vec<NewTopic<'_>> = names.iter().map(|name| new(name)).collect();
        let created =
            self.admin.create_topics(&topics, &AdminOptions::new().operation_timeout(Some(ANSWER_WAIT))).await;
        for outcome in created.map_err(|error| platform_error(&error))? {
            match outcome {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => {
                    let problem = platform_error(&KafkaError::AdminOp(code)).to_string();
                    return Err(PlatformError::Environment(format!("topic {name} can't be created: {problem}")));
                }
            }
        }
        Ok(())
    }

    async fn until_ready(&self) -> Result<(), PlatformError> {
        let begun = Instant::now();
        while self.partition_counts().await?.len() < Topic::ALL.len() {
            if begun.elapsed() > TOPICS_READY_MAX {
                return Err(PlatformError::Environment("Kafka's new topics are not ready yet".to_owned()));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// The members of groups, as far as the brokers tell.
    ///
    /// # Errors
    /// If no broker answers.
    pub async fn members(&self, groups: &[&str]) -> Result<Vec<Member>, PlatformError> {
        let wanted: Vec<(String, String)> =
            groups.iter().map(|group| (self.options.physical(group), (*group).to_owned())).collect();
        self.ask(move |asking| {
            let list = asking.fetch_group_list(None, ANSWER_WAIT)?;
            let mut members = Vec::new();
            for group in list.groups() {
                let Some((_, name)) = wanted.iter().find(|(physical, _)| physical == group.name()) else { continue };
                let member = |info: &rdkafka::groups::GroupMemberInfo| Member {
                    group: name.clone(),
                    name: format!("{} at {}", info.client_id(), info.client_host().trim_start_matches('/')),
                };
                members.extend(group.members().iter().map(member));
            }
            Ok(members)
        })
        .await
    }

    /// Deletes a throwaway namespace's topics.
    ///
    /// # Errors
    /// If no broker answers.
    pub async fn delete_topics(&self) -> Result<(), PlatformError> {
        if self.options.namespace.is_none() {
            return Ok(());
        }
        let there = self.partition_counts().await?;
        let names: Vec<String> = there.keys().map(|topic| self.options.physical(topic.name())).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        if !names.is_empty() {
            let deleted = self.admin.delete_topics(&names, &AdminOptions::new().operation_timeout(Some(ANSWER_WAIT)));
            deleted.await.map_err(|error| platform_error(&error))?;
        }
        Ok(())
    }

    fn known_count(&self, topic: Topic) -> Option<u32> {
        self.counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(&topic).copied()
    }
}

#[async_trait]
impl Log for KafkaLog {
    async fn create_topics(&self, partitions: u32) -> Result<Vec<Topic>, PlatformError> {
        let there = self.partition_counts().await?;
        if let Some((topic, count)) = there.iter().find(|(_, count)| **count != partitions) {
            return Err(PlatformError::Broken(format!(
                "topic {} has {count} partitions, not {partitions}: keys would change their partition. Configure \
                 partitions = {count}, or use another namespace",
                self.options.physical(topic.name())
            )));
        }
        let missing: Vec<Topic> = Topic::ALL.into_iter().filter(|topic| !there.contains_key(topic)).collect();
        if !missing.is_empty() {
            self.create(&missing, partitions).await?;
            self.until_ready().await?;
        }
        // Also of topics that others have made: a position may be stored before anybody asks for them.
        self.marks.topic_ids(&Topic::ALL).await?;
        Ok(missing)
    }

    async fn topics(&self) -> Result<Vec<TopicState>, PlatformError> {
        let counts = self.partition_counts().await?;
        let places = counts
            .iter()
            .flat_map(|(topic, count)| (0..*count).map(|partition| TopicPartition { topic: *topic, partition }));
        let edges = self.edges(places.collect()).await?;
        let names: Vec<Topic> = counts.keys().copied().collect();
        let ids = self.marks.topic_ids(&names).await?;
        let state = |(topic, count): (&Topic, &u32)| {
            let partitions =
                (0..*count).filter_map(|partition| edges.get(&TopicPartition { topic: *topic, partition }).copied());
            TopicState {
                topic: *topic,
                id: ids.get(topic).copied().unwrap_or_default(),
                partitions: partitions.collect(),
            }
        };
        let mut states: Vec<TopicState> = counts.iter().map(state).collect();
        states.sort_by_key(|state| state.topic.name());
        Ok(states)
    }

    async fn publish(&self, records: &[NewRecord]) -> Result<(), PlatformError> {
        if records.iter().any(|record| self.known_count(record.topic).is_none()) {
            self.partition_counts().await?;
        }
        if let Some(lost) = records.iter().find(|record| self.known_count(record.topic).is_none()) {
            let name = self.options.physical(lost.topic.name());
            return Err(PlatformError::Environment(format!(
                "topic {name} is not there: caravan topics create makes it"
            )));
        }
        self.publisher.publish(records, |record| self.known_count(record.topic).unwrap_or(1)).await
    }

    async fn subscribe(&self, group: &str, topics: &[Topic]) -> Result<Box<dyn Subscription>, PlatformError> {
        let subscription =
            KafkaSubscription::join(&self.options, self.marks.clone(), self.presence.enter(group), group, topics)?;
        Ok(Box::new(subscription))
    }

    async fn follow(&self, topics: &[Topic]) -> Result<Box<dyn Subscription>, PlatformError> {
        let there = self.topics().await?.into_iter().filter(|state| topics.contains(&state.topic));
        let all = |state: TopicState| {
            (0..).take(state.partitions.len()).map(move |partition| TopicPartition { topic: state.topic, partition })
        };
        Ok(Box::new(KafkaFollower::new(&self.options, there.flat_map(all).collect())?))
    }

    async fn trim(&self, consumed: &BTreeMap<TopicPartition, u64>, before: Timestamp) -> Result<u64, PlatformError> {
        let edges = self.edges(consumed.keys().copied().collect()).await?;
        let (options, consumed) = (self.options.clone(), consumed.clone());
        let until: Vec<(TopicPartition, u64)> = self
            .ask(move |asking| {
                let mut asked = TopicPartitionList::new();
                for at in consumed.keys() {
                    let offset = Offset::Offset(before.as_millisecond());
                    asked.add_partition_offset(&options.physical(at.topic.name()), at.partition as i32, offset)?;
                }
                let young = asking.offsets_for_times(asked, ANSWER_WAIT)?;
                let until = |(at, next): (&TopicPartition, &u64)| {
                    let found = young.find_partition(&options.physical(at.topic.name()), at.partition as i32)?;
                    // Where nothing is that young, all of it is old.
                    let first_young = found.offset().to_raw().filter(|offset| *offset >= 0).map(i64::unsigned_abs);
                    Some((*at, first_young.map_or(*next, |young| young.min(*next))))
                };
                Ok(consumed.iter().filter_map(until).collect())
            })
            .await?;
        let mut dropped = 0;
        let mut list = TopicPartitionList::new();
        for (at, until) in until {
            let Some(edge) = edges.get(&at).filter(|edge| edge.start < until) else { continue };
            let until = until.min(edge.end);
            dropped += until - edge.start;
            let offset = Offset::Offset(until.cast_signed());
            list.add_partition_offset(&self.options.physical(at.topic.name()), at.partition as i32, offset)
                .map_err(|error| platform_error(&error))?;
        }
        if dropped > 0 {
            let deleted = self.admin.delete_records(&list, &AdminOptions::new().operation_timeout(Some(ANSWER_WAIT)));
            all_deleted(&deleted.await.map_err(|error| platform_error(&error))?)?;
        }
        Ok(dropped)
    }
}

/// Each partition has an outcome of its own.
fn all_deleted(outcomes: &TopicPartitionList) -> Result<(), PlatformError> {
    for outcome in outcomes.elements() {
        if let Some(code) = outcome.error().err().and_then(|error| error.rdkafka_error_code()) {
            let place = format!("{}/{}", outcome.topic(), outcome.partition());
            let problem = platform_error(&KafkaError::AdminOp(code));
            return Err(PlatformError::Environment(format!("records of {place} can't be deleted: {problem}")));
        }
    }
    Ok(())
}
