//! PostgreSQL, Kafka and Redis for tests: a namespace of its own for each, gone with it.

use caravan::platform::distributed::{Distributed, DistributedOptions, GroupProtocol};
use uuid::Uuid;

/// A namespace on the services that the environment names.
pub(crate) struct Namespace(pub(crate) DistributedOptions);

impl Namespace {
    /// One that nobody has.
    pub(crate) fn new() -> Self {
        Self::with(GroupProtocol::Classic)
    }

    /// One whose groups share partitions out in this way.
    pub(crate) fn with(kafka_group_protocol: GroupProtocol) -> Self {
        Self::on(service("KAFKA_BROKERS"), kafka_group_protocol)
    }

    /// One on these brokers.
    pub(crate) fn on(kafka_brokers: String, kafka_group_protocol: GroupProtocol) -> Self {
        let mut random = Uuid::new_v4().simple().to_string();
        random.truncate(10);
        Self(DistributedOptions {
            postgres_url: service("POSTGRES_URL"),
            kafka_brokers,
            kafka_properties: Vec::new(),
            kafka_group_protocol,
            kafka_replication_factor: 0,
            redis_url: service("REDIS_URL"),
            namespace: Some(format!("test-{random}")),
            create: true,
            migrate: true,
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let options = self.0.clone();
        let removed = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(Distributed::remove(&options)).map_err(std::io::Error::other)
        });
        if let Err(problem) = removed.join().unwrap() {
            println!("{problem}");
        }
    }
}

/// What a variable names: `CARAVAN_TEST_…`, so that nothing else of the tests takes it for its own,
/// or else `CARAVAN_…`.
pub(crate) fn service(name: &str) -> String {
    let set = |prefix: &str| std::env::var(format!("{prefix}{name}")).ok();
    set("CARAVAN_TEST_").or_else(|| set("CARAVAN_")).unwrap_or_else(|| {
        panic!(
            "CARAVAN_TEST_{name} is not set: scripts/test starts the services, or: eval \"$(scripts/services start)\""
        )
    })
}
