//! PostgreSQL, Redis, and librdkafka's mock cluster in Kafka's place: what can be tested where no Kafka can be fetched.
//!
//! Groups share partitions out by the protocol of Kafka 4: to the older one the mock cluster lets nobody in for seconds.

use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};

use caravan::platform::distributed::{DistributedOptions, GroupProtocol};
use caravan::platform::log::PARTITIONS_DEFAULT;
use caravan_domain::event::Topic;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::RDKafkaRespErr;

use crate::services::Namespace;

/// So that the partitions of a topic have different leaders.
const BROKERS: i32 = 3;

type Order = Box<dyn FnOnce(&MockCluster<'static, DefaultProducerContext>) + Send>;

/// The cluster of all tests of this process: to end one takes seconds. A thread keeps it, as it may not leave the one it
/// was made in.
struct Cluster {
    brokers: String,
    orders: Sender<Order>,
}

static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| {
    let (orders, taken) = channel::<Order>();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let cluster = MockCluster::new(BROKERS).unwrap();
        tell.send(cluster.bootstrap_servers()).unwrap();
        taken.iter().for_each(|order| order(&cluster));
    });
    Cluster { brokers: told.recv().unwrap(), orders }
});

impl Cluster {
    /// Returns when it is done.
    fn tell(&self, order: impl FnOnce(&MockCluster<'static, DefaultProducerContext>) + Send + 'static) {
        let (done, is_done) = channel();
        let order: Order = Box::new(move |cluster| {
            order(cluster);
            done.send(()).unwrap();
        });
        self.orders.send(order).unwrap();
        is_done.recv().unwrap();
    }
}

/// A namespace on the mock cluster, with its topics: the cluster has no answer to whoever wants them created.
pub(crate) struct Mocked {
    pub(crate) namespace: Namespace,
}

impl Mocked {
    pub(crate) fn new() -> Self {
        let namespace = Namespace::on(CLUSTER.brokers.clone(), GroupProtocol::Consumer);
        let topics = topics(&namespace.0);
        CLUSTER.tell(move |cluster| {
            for topic in &topics {
                cluster.create_topic(topic, PARTITIONS_DEFAULT.cast_signed(), 1).unwrap();
            }
        });
        Self { namespace }
    }
}

/// It has no answer to whoever wants topics deleted, either: it denies them, so that the rest of the namespace can go.
impl Drop for Mocked {
    fn drop(&mut self) {
        let topics = topics(&self.namespace.0);
        CLUSTER.tell(move |cluster| {
            for topic in &topics {
                cluster.topic_error(topic, RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).unwrap();
            }
        });
    }
}

fn topics(options: &DistributedOptions) -> [String; Topic::ALL.len()] {
    let namespace = options.namespace.as_deref().unwrap_or_default();
    Topic::ALL.map(|topic| format!("{namespace}.{}", topic.name()))
}
