//! What brokers refuse, told instead of taken for done. The mock cluster refuses whatever it does not know.

use std::collections::BTreeMap;

use caravan::platform::PlatformError;
use jiff::Timestamp;

use crate::topologies::mocked::world;
use crate::world::{AT, record};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_stay_are_not_counted_as_dropped() {
    let world = world().await;
    let log = &world.here.log;
    let records: Vec<_> = (0..30).map(|number| record(AT.topic, None, &number.to_string())).collect();
    log.publish(&records).await.unwrap();
    let refused = log.trim(&BTreeMap::from([(AT, 10)]), Timestamp::MAX).await;
    assert!(
        matches!(&refused, Err(PlatformError::Environment(problem)) if problem.contains("purchase-confirmed/0")),
        "{refused:?}"
    );
}
