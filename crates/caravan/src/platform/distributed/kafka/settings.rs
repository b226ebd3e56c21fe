//! How the clients are set up.

use std::time::Duration;

use caravan_domain::event::Topic;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use serde::{Deserialize, Serialize};

/// How long a question to a broker may take.
pub(super) const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// The largest value that is published: a dead letter is a record with more headers.
const MESSAGE_BYTES_MAX: &str = "2097152";
/// What is read ahead of a worker, in each partition.
const PREFETCH_KIB: &str = "256";
/// How much of a partition comes at once.
const FETCH_BYTES: &str = "262144";
/// After this time without a sign of life a member's partitions go to others.
const SESSION_MS: &str = "10000";
const HEARTBEAT_MS: &str = "2000";

/// How members of a Kafka consumer group share its partitions out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupProtocol {
    /// Among themselves: every broker knows it.
    #[default]
    Classic,
    /// The broker does it (KIP-848, Kafka 4.0 and later): quicker, and without pauses for all.
    Consumer,
}

/// Where Kafka is and how it is used.
#[derive(Clone, Debug)]
pub struct KafkaOptions {
    /// Where to begin to ask: `host:port`, separated by commas.
    pub brokers: String,
    /// What topics and groups begin with.
    pub namespace: Option<String>,
    /// Properties for librdkafka.
    pub properties: Vec<(String, String)>,
    /// How groups share partitions out.
    pub group_protocol: GroupProtocol,
    /// Replicas of topics that are created; 0 leaves it to the broker.
    pub replication_factor: u16,
}

impl KafkaOptions {
    /// A topic's or group's name on the brokers.
    pub(super) fn physical(&self, name: &str) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}.{name}"),
            None => name.to_owned(),
        }
    }

    /// Which of our topics has this name on the brokers.
    pub(super) fn logical(&self, physical: &str) -> Option<Topic> {
        Topic::ALL.into_iter().find(|topic| self.physical(topic.name()) == physical)
    }

    fn base(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "caravan")
            .set("reconnect.backoff.max.ms", "1000")
            // Outages are told once, by us.
            .set("log.connection.close", "false")
            .set_log_level(RDKafkaLogLevel::Error);
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config
    }

    /// For questions about topics and for their creation.
    pub(super) fn asking(&self) -> ClientConfig {
        let mut config = self.base();
        config.set("group.id", self.physical("caravan-tools")).set("enable.auto.commit", "false");
        config
    }

    /// For publishing: once each, in order, and only done when every replica in sync has it.
    pub(super) fn producing(&self) -> ClientConfig {
        let mut config = self.base();
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "1")
            .set("message.max.bytes", MESSAGE_BYTES_MAX)
            .set("message.timeout.ms", "30000");
        config
    }

    /// For reading from given offsets on, outside any group.
    pub(super) fn reading(&self) -> ClientConfig {
        let mut config = self.base();
        config
            .set("group.id", self.physical("caravan-readers"))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("fetch.wait.max.ms", "250")
            .set("fetch.error.backoff.ms", "50")
            .set("fetch.queue.backoff.ms", "5")
            .set("enable.partition.eof", "true")
            .set("queued.max.messages.kbytes", PREFETCH_KIB)
            .set("fetch.message.max.bytes", FETCH_BYTES);
        config
    }

    /// For reading what is there, one partition after the other. A broker that waits for more of the last one answers
    /// nothing about the next.
    pub(super) fn reading_what_is_there(&self) -> ClientConfig {
        let mut config = self.reading();
        config.set("fetch.wait.max.ms", "10");
        config
    }

    /// For being a member of a group, without reading.
    pub(super) fn joining(&self, group: &str) -> ClientConfig {
        let mut config = self.base();
        config
            .set("group.id", self.physical(group))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("topic.metadata.refresh.interval.ms", "10000");
        match self.group_protocol {
            GroupProtocol::Classic => config
                .set("partition.assignment.strategy", "cooperative-sticky")
                .set("session.timeout.ms", SESSION_MS)
                .set("heartbeat.interval.ms", HEARTBEAT_MS),
            GroupProtocol::Consumer => config.set("group.protocol", "consumer"),
        };
        config
    }

    /// The properties of a topic that is created. What everybody has read and is old is trimmed by
    /// Caravan itself: a broker would also drop what nobody has read yet.
    pub(super) const TOPIC_PROPERTIES: [(&str, &str); 4] = [
        ("retention.ms", "-1"),
        ("cleanup.policy", "delete"),
        ("message.timestamp.type", "CreateTime"),
        ("max.message.bytes", MESSAGE_BYTES_MAX),
    ];
}
