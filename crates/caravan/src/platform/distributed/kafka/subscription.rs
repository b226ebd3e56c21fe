//! A member's place in a consumer group.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use caravan_domain::event::Topic;

use super::marks::{Mark, Marks};
use super::membership::Membership;
use super::reader::{Read, Reader};
use super::records::{fingerprint, platform_error};
use super::settings::KafkaOptions;
use crate::platform::PlatformError;
use crate::platform::distributed::postgres::Present;
use crate::platform::log::{FetchLimit, Fetched, Record, Subscription, TopicPartition};

/// How long the group may take to let us in, before that is told.
const JOIN_WAIT: Duration = Duration::from_secs(15);
/// Marks are moved on no sooner than this.
const MARK_EVERY: Duration = Duration::from_secs(2);

/// A member of a group that reads what the group gives it, from where it is told to.
pub(super) struct KafkaSubscription {
    options: KafkaOptions,
    marks: Marks,
    membership: Membership,
    reader: Reader,
    /// The generation of the assignment the caller knows.
    known: u64,
    /// The last record handed out of each partition.
    last: BTreeMap<TopicPartition, Mark>,
    marked: Option<Instant>,
    _present: Present,
}

impl KafkaSubscription {
    pub(super) fn join(
        options: &KafkaOptions,
        marks: Marks,
        present: Present,
        group: &str,
        topics: &[Topic],
    ) -> Result<Self, PlatformError> {
        let failed = |error| platform_error(&error);
        let membership = Membership::join(options, group, topics).map_err(failed)?;
        let reader = Reader::new(options).map_err(failed)?;
        let (options, last) = (options.clone(), BTreeMap::new());
        Ok(Self { options, marks, membership, reader, known: 0, last, marked: None, _present: present })
    }

    /// Gives every topic another identity of which a marked record is not where it was.
    async fn verify(&self, at: &[TopicPartition]) -> Result<(), PlatformError> {
        let marks = self.marks.of(at).await?;
        if marks.is_empty() {
            return Ok(());
        }
        let mut probe = Reader::new(&self.options).map_err(|error| platform_error(&error))?;
        let found = probe.firsts(&marks.iter().map(|(at, mark)| (*at, mark.offset)).collect()).await?;
        for (at, mark) in marks {
            let stands = match found.get(&at) {
                // Another offset: the marked record was trimmed.
                Some(found) => found.offset != mark.offset || fingerprint(found) == mark.fingerprint,
                // If the partition is as long, it has only not come in time.
                None => !probe.ended_before(at, mark.offset).await?,
            };
            if !stands {
                self.marks.renew(at.topic).await?;
            }
        }
        Ok(())
    }

    /// The marks of what is handled, by these positions.
    fn handled(&self, positions: &BTreeMap<TopicPartition, u64>) -> BTreeMap<TopicPartition, Mark> {
        let is_handled =
            |(at, mark): &(&TopicPartition, &Mark)| positions.get(at).is_some_and(|next| mark.offset < *next);
        self.last.iter().filter(is_handled).map(|(at, mark)| (*at, *mark)).collect()
    }
}

#[async_trait]
impl Subscription for KafkaSubscription {
    async fn assigned(&mut self) -> Result<Vec<TopicPartition>, PlatformError> {
        let mut assignment = self.membership.assignment.clone();
        let joining = assignment.wait_for(|known| known.generation > 0);
        if tokio::time::timeout(JOIN_WAIT, joining).await.map(|_| ()).is_err() {
            let problem = "Kafka has not let us into the consumer group yet".to_owned();
            return Err(self.membership.hearing.silence(PlatformError::Environment(problem)));
        }
        let known = assignment.borrow().clone();
        let partitions: Vec<TopicPartition> = known.partitions.into_iter().collect();
        self.verify(&partitions).await?;
        self.known = known.generation;
        self.reader.forget();
        Ok(partitions)
    }

    async fn fetch(
        &mut self,
        from: &BTreeMap<TopicPartition, u64>,
        limit: FetchLimit,
    ) -> Result<Fetched, PlatformError> {
        if self.membership.assignment.borrow().generation != self.known {
            return Ok(Fetched::Reassigned);
        }
        if from.is_empty() {
            return Ok(Fetched::Records(Vec::new()));
        }
        match self.reader.read(from, limit).await? {
            Read::OutOfRange => Ok(Fetched::Reassigned),
            Read::Records(records) => {
                let mark = |record: &Record| Mark { offset: record.offset, fingerprint: fingerprint(record) };
                let last: BTreeMap<TopicPartition, &Record> =
                    records.iter().map(|record| (record.at, record)).collect();
                self.last.extend(last.into_iter().map(|(at, record)| (at, mark(record))));
                Ok(Fetched::Records(records))
            }
        }
    }

    async fn wait(&mut self, at_most: Duration) {
        let mut assignment = self.membership.assignment.clone();
        let known = self.known;
        tokio::select! {
            () = self.reader.wait(at_most) => {}
            _ = assignment.wait_for(|now| now.generation != known) => {}
        }
    }

    async fn acknowledge(&mut self, positions: &BTreeMap<TopicPartition, u64>) -> Result<(), PlatformError> {
        self.membership.commit(positions);
        if self.marked.is_none_or(|marked| marked.elapsed() >= MARK_EVERY) {
            self.marks.set(&self.handled(positions)).await?;
            self.marked = Some(Instant::now());
        }
        Ok(())
    }

    async fn leave(&mut self) {
        self.membership.leave().await;
    }
}
