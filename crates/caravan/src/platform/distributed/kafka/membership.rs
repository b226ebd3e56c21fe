//! Membership in a consumer group: which partitions are ours, and telling how far we are.
//!
//! One thread owns the client: callbacks about the group run only while it polls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use caravan_domain::event::Topic;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use tokio::sync::watch;
use tracing::{debug, info, warn};

use super::hearing::Hearing;
use super::records::platform_error;
use super::settings::KafkaOptions;
use crate::platform::log::TopicPartition;

/// How long the thread waits for news of the group before it looks for orders.
const POLL: Duration = Duration::from_millis(50);
/// Commits to the group follow one another no sooner.
const COMMIT_EVERY: Duration = Duration::from_millis(200);
/// How long leaving may take; the brokers notice by themselves otherwise.
const LEAVE_MAX: Duration = Duration::from_secs(5);

/// What is known of our place in the group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Assignment {
    /// Steps whenever the partitions change.
    pub(super) generation: u64,
    /// The partitions that are ours.
    pub(super) partitions: BTreeSet<TopicPartition>,
}

enum Order {
    Commit(BTreeMap<TopicPartition, u64>),
    Leave,
}

/// A member of a group.
pub(super) struct Membership {
    orders: Sender<Order>,
    pub(super) assignment: watch::Receiver<Assignment>,
    pub(super) hearing: Hearing,
    thread: Option<JoinHandle<()>>,
}

impl Membership {
    /// Joins a group for some topics.
    pub(super) fn join(options: &KafkaOptions, group: &str, topics: &[Topic]) -> Result<Self, KafkaError> {
        let (known, assignment) = watch::channel(Assignment::default());
        let hearing = Hearing::default();
        let context = Context { options: options.clone(), known, hearing: hearing.clone(), outage: Arc::default() };
        let consumer: BaseConsumer<Context> = options.joining(group).create_with_context(context)?;
        let names: Vec<String> = topics.iter().map(|topic| options.physical(topic.name())).collect();
        consumer.subscribe(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
        let (orders, taken) = channel();
        let options = options.clone();
        let thread = std::thread::Builder::new()
            .name(format!("kafka {group}"))
            .spawn(move || keep(&consumer, &options, &taken))
            .map_err(|problem| KafkaError::ClientCreation(problem.to_string()))?;
        Ok(Self { orders, assignment, hearing, thread: Some(thread) })
    }

    /// Tells the group how far we are, soon.
    pub(super) fn commit(&self, positions: &BTreeMap<TopicPartition, u64>) {
        // A thread that has ended has left the group: there is nobody to tell.
        let _ = self.orders.send(Order::Commit(positions.clone()));
    }

    /// Leaves the group; returns when it is done or takes too long.
    pub(super) async fn leave(&mut self) {
        let _ = self.orders.send(Order::Leave);
        let Some(thread) = self.thread.take() else { return };
        let begun = Instant::now();
        while !thread.is_finished() && begun.elapsed() < LEAVE_MAX {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        // The thread ends by itself.
        let _ = self.orders.send(Order::Leave);
    }
}

/// Keeps the membership until it is told to leave.
fn keep(consumer: &BaseConsumer<Context>, options: &KafkaOptions, orders: &Receiver<Order>) {
    let mut waiting = BTreeMap::new();
    let mut committed = Instant::now();
    loop {
        match consumer.poll(POLL) {
            // Reading is another client's matter; what slips through before a partition is paused is its business too.
            Some(Ok(_)) | None => {}
            Some(Err(error)) => consumer.context().outage(&error),
        }
        loop {
            match orders.try_recv() {
                Ok(Order::Commit(positions)) => waiting.extend(positions),
                Err(TryRecvError::Empty) => break,
                Ok(Order::Leave) | Err(TryRecvError::Disconnected) => {
                    commit(consumer, options, &mut waiting, CommitMode::Sync);
                    consumer.unsubscribe();
                    return;
                }
            }
        }
        if !waiting.is_empty() && committed.elapsed() >= COMMIT_EVERY {
            commit(consumer, options, &mut waiting, CommitMode::Async);
            committed = Instant::now();
        }
    }
}

/// Tells how far we are in what is ours. A failure is not worth a word: nothing trusts it, and the
/// next one tells the same and more.
fn commit(
    consumer: &BaseConsumer<Context>,
    options: &KafkaOptions,
    positions: &mut BTreeMap<TopicPartition, u64>,
    mode: CommitMode,
) {
    let ours = consumer.context().known.borrow().partitions.clone();
    let mut list = TopicPartitionList::new();
    for (at, next) in std::mem::take(positions) {
        if ours.contains(&at) {
            let offset = Offset::Offset(next.cast_signed());
            let _ = list.add_partition_offset(&options.physical(at.topic.name()), at.partition as i32, offset);
        }
    }
    if list.count() > 0
        && let Err(problem) = consumer.commit(&list, mode)
    {
        debug!(%problem, "the group could not be told how far we are");
    }
}

/// What hears of the group.
struct Context {
    options: KafkaOptions,
    known: watch::Sender<Assignment>,
    hearing: Hearing,
    outage: Arc<Mutex<bool>>,
}

impl Context {
    /// One line when the brokers are out of reach or refuse us, one when they are back.
    fn outage(&self, problem: &KafkaError) {
        use RDKafkaErrorCode as Code;
        let code = problem.rdkafka_error_code();
        let away = matches!(code, Some(Code::AllBrokersDown | Code::BrokerTransportFailure | Code::Resolve));
        let refuses = matches!(code, Some(Code::Authentication | Code::SSL));
        let mut outage = self.outage.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if (away || refuses) && !std::mem::replace(&mut *outage, true) {
            warn!("waiting for Kafka: {}", self.hearing.silence(platform_error(problem)));
        } else {
            debug!(%problem, "Kafka");
        }
    }

    fn over(&self) {
        let mut outage = self.outage.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.hearing.answered();
        if std::mem::replace(&mut *outage, false) {
            info!("Kafka answers again");
        }
    }

    fn places(&self, list: &TopicPartitionList) -> BTreeSet<TopicPartition> {
        let place = |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
            let topic = self.options.logical(element.topic())?;
            Some(TopicPartition { topic, partition: element.partition().unsigned_abs() })
        };
        list.elements().iter().filter_map(place).collect()
    }
}

impl ClientContext for Context {
    fn log(&self, _level: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
        debug!(facility, "{message}");
    }

    fn error(&self, problem: KafkaError, reason: &str) {
        debug!(reason, "Kafka");
        self.hearing.hear(&problem, reason);
        self.outage(&problem);
    }
}

impl ConsumerContext for Context {
    /// Takes and gives partitions, and reads none of them.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, what: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let places = self.places(list);
        let steps = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
        let taken = what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let done = match (taken, steps) {
            (true, steps) => list.set_all_offsets(Offset::End).and_then(|()| match steps {
                true => consumer.incremental_assign(list),
                false => consumer.assign(list),
            }),
            (false, true) => consumer.incremental_unassign(list),
            (false, false) => consumer.unassign(),
        };
        if let Err(problem) = done.and_then(|()| if taken { consumer.pause(list) } else { Ok(()) }) {
            warn!(%problem, "the group's partitions could not be taken over");
        }
        self.over();
        self.known.send_modify(|known| {
            known.generation += 1;
            match (taken, steps) {
                (true, true) => known.partitions.extend(places),
                (true, false) => known.partitions = places,
                (false, true) => known.partitions.retain(|at| !places.contains(at)),
                (false, false) => known.partitions.clear(),
            }
        });
    }
}
