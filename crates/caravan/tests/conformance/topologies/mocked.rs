//! PostgreSQL, librdkafka's mock cluster and Redis: the two sides connect on their own, as two processes do.

use std::sync::Arc;

use caravan::platform::clock::SystemClock;
use caravan::platform::distributed::Distributed;
use caravan::platform::log::PARTITIONS_DEFAULT;

use crate::mocked_services::Mocked;
use crate::world::World;

pub(crate) async fn world() -> World {
    let mocked = Mocked::new();
    let options = &mocked.namespace.0;
    let here = Distributed::open(options.clone()).await.unwrap().platform(Arc::new(SystemClock));
    let beside = Distributed::open(options.clone()).await.unwrap().platform(Arc::new(SystemClock));
    assert_eq!(here.log.create_topics(PARTITIONS_DEFAULT).await.unwrap(), [], "all of them are there");
    World { here, beside, _kept: Box::new(mocked) }
}
