//! PostgreSQL, Kafka and Redis: the two sides connect on their own, as two processes do.

use std::sync::Arc;

use caravan::platform::clock::SystemClock;
use caravan::platform::distributed::Distributed;
use caravan::platform::log::PARTITIONS_DEFAULT;

use crate::services::Namespace;
use crate::world::World;

pub(crate) async fn world() -> World {
    let namespace = Namespace::new();
    let here = Distributed::open(namespace.0.clone()).await.unwrap().platform(Arc::new(SystemClock));
    let beside = Distributed::open(namespace.0.clone()).await.unwrap().platform(Arc::new(SystemClock));
    here.log.create_topics(PARTITIONS_DEFAULT).await.unwrap();
    World { here, beside, _kept: Box::new(namespace) }
}
