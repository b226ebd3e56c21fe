//! The distributed topology: PostgreSQL decides what has happened, Kafka tells of it, Redis answers
//! readers.
//!
//! Architecture invariants: every position and every effect is in PostgreSQL, in one transaction;
//! nothing is believed of Kafka but its records, and nothing of Redis at all.

use std::sync::Arc;

use super::clock::Clock;
use super::evidence::Evidence;
use super::floor::Floor;
use super::{Platform, PlatformError};

mod evidence;
mod floor;
mod installation;
pub mod kafka;
mod namespaces;
pub mod postgres;
pub mod redis;

pub use kafka::GroupProtocol;
pub use namespaces::{NamespaceHold, hold, remove_namespaces};
pub use postgres::OpenError;

use self::evidence::DistributedEvidence;
use self::floor::DistributedFloor;
use self::kafka::{KafkaEvidence, KafkaLog, KafkaOptions, Marks};
use self::postgres::{PostgresOptions, PostgresStore};
use self::redis::RedisCache;

/// Allocations and sessions have the place of their purchase (`purchases.seq`) above these bits of
/// their own `seq`.
const PLACE_BITS: u32 = 16;

/// Where the services are and what may be done to them.
#[derive(Clone, Debug)]
pub struct DistributedOptions {
    /// PostgreSQL, with user and password.
    pub postgres_url: String,
    /// Kafka's brokers: `host:port`, separated by commas.
    pub kafka_brokers: String,
    /// Properties for librdkafka.
    pub kafka_properties: Vec<(String, String)>,
    /// How consumer groups share partitions out.
    pub kafka_group_protocol: GroupProtocol,
    /// Replicas of topics that are created; 0 leaves it to the broker.
    pub kafka_replication_factor: u16,
    /// Redis.
    pub redis_url: String,
    /// Keeps this Caravan apart from others on the same services.
    pub namespace: Option<String>,
    /// Whether the schema is made if it is missing.
    pub create: bool,
    /// Whether an older schema is brought up to date.
    pub migrate: bool,
}

impl DistributedOptions {
    fn postgres(&self) -> PostgresOptions {
        let (url, namespace) = (self.postgres_url.clone(), self.namespace.clone());
        PostgresOptions { url, namespace, create: self.create, migrate: self.migrate }
    }

    fn kafka(&self) -> KafkaOptions {
        KafkaOptions {
            brokers: self.kafka_brokers.clone(),
            namespace: self.namespace.clone(),
            properties: self.kafka_properties.clone(),
            group_protocol: self.kafka_group_protocol,
            replication_factor: self.kafka_replication_factor,
        }
    }
}

/// A Caravan on services.
pub struct Distributed {
    options: DistributedOptions,
    store: Arc<PostgresStore>,
    log: Arc<KafkaLog>,
    cache: Arc<RedisCache>,
}

impl Distributed {
    /// Opens it. Only PostgreSQL has to answer: the others are waited for where they are needed.
    ///
    /// # Errors
    /// [`OpenError`]; see [`OpenError::is_temporary`].
    pub async fn open(options: DistributedOptions) -> Result<Self, OpenError> {
        let setting = |problem: PlatformError| OpenError::Setting(problem.to_string());
        let cache = Arc::new(RedisCache::open(&options.redis_url, options.namespace.as_deref()).map_err(setting)?);
        let store = Arc::new(PostgresStore::open(&options.postgres()).await?);
        let log = Arc::new(
            KafkaLog::open(options.kafka(), Marks::new(store.pool.clone()), store.presence.clone()).map_err(setting)?,
        );
        Ok(Self { options, store, log, cache })
    }

    /// The platform on it.
    pub fn platform(&self, clock: Arc<dyn Clock>) -> Platform {
        let (store, log, cache) = (Arc::clone(&self.store), Arc::clone(&self.log), Arc::clone(&self.cache));
        Platform { store, log, cache, clock }
    }

    /// A snapshot of everything as it is now, for an audit.
    ///
    /// # Errors
    /// If a service can't be read.
    pub async fn evidence(&self) -> Result<Box<dyn Evidence>, PlatformError> {
        let log = KafkaEvidence::of(Arc::clone(&self.log))?;
        Ok(Box::new(DistributedEvidence::take(&self.options.postgres(), log).await?))
    }

    /// What writes a run that is about to begin here once more, into `empty`.
    ///
    /// # Errors
    /// If one of the databases can't be opened.
    pub async fn floor(&self, empty: &Self) -> Result<Box<dyn Floor>, PlatformError> {
        let log = KafkaEvidence::of(Arc::clone(&self.log))?;
        Ok(Box::new(DistributedFloor::new(&self.store, &empty.store, log).await?))
    }

    /// Closes the connections. Not needed for anything to be durable.
    pub async fn close(&self) {
        self.store.close().await;
    }
}
