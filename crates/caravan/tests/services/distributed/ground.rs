//! The ground these tests stand on: a namespace on the services.

use std::sync::Arc;

use caravan::platform::Platform;
use caravan::platform::clock::Clock;
use caravan::platform::distributed::Distributed;
use caravan::platform::evidence::Evidence;
use caravan::platform::log::PARTITIONS_DEFAULT;

use crate::services::Namespace;

/// An opened namespace, removed with the test.
pub(crate) struct Ground {
    distributed: Distributed,
    _namespace: Namespace,
}

impl Ground {
    pub(crate) async fn new() -> Self {
        let namespace = Namespace::new();
        let distributed = Distributed::open(namespace.0.clone()).await.unwrap();
        distributed
            .platform(Arc::new(caravan::platform::clock::SystemClock))
            .log
            .create_topics(PARTITIONS_DEFAULT)
            .await
            .unwrap();
        Self { distributed, _namespace: namespace }
    }

    pub(crate) fn platform(&self, clock: Arc<dyn Clock>) -> Platform {
        self.distributed.platform(clock)
    }

    pub(crate) async fn evidence(&self) -> Box<dyn Evidence> {
        self.distributed.evidence().await.unwrap()
    }
}
