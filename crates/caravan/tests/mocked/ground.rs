//! The ground these tests stand on: a namespace on the services, Kafka among them a mock.

use std::sync::Arc;

use caravan::platform::Platform;
use caravan::platform::clock::Clock;
use caravan::platform::distributed::Distributed;
use caravan::platform::evidence::Evidence;
use caravan::platform::log::PARTITIONS_DEFAULT;

use crate::mocked_services::Mocked;

/// An opened namespace, removed with the test.
pub(crate) struct Ground {
    distributed: Distributed,
    _mocked: Mocked,
}

impl Ground {
    pub(crate) async fn new() -> Self {
        let mocked = Mocked::new();
        let distributed = Distributed::open(mocked.namespace.0.clone()).await.unwrap();
        distributed
            .platform(Arc::new(caravan::platform::clock::SystemClock))
            .log
            .create_topics(PARTITIONS_DEFAULT)
            .await
            .unwrap();
        Self { distributed, _mocked: mocked }
    }

    pub(crate) fn platform(&self, clock: Arc<dyn Clock>) -> Platform {
        self.distributed.platform(clock)
    }

    pub(crate) async fn evidence(&self) -> Box<dyn Evidence> {
        self.distributed.evidence().await.unwrap()
    }
}
