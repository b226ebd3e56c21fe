//! Everything in one file: the two sides are opened on their own, as two processes do.

use std::sync::Arc;

use caravan::platform::clock::SystemClock;
use caravan::platform::embedded::{Embedded, OpenOptions};
use caravan::platform::log::PARTITIONS_DEFAULT;

use crate::world::World;

pub(crate) async fn world() -> World {
    let directory = tempfile::tempdir().unwrap();
    let options = OpenOptions { partitions: Some(PARTITIONS_DEFAULT), ..OpenOptions::new(directory.path()) };
    let here = Embedded::open(options.clone()).await.unwrap().platform(Arc::new(SystemClock));
    let beside = Embedded::open(options).await.unwrap().platform(Arc::new(SystemClock));
    World { here, beside, _kept: Box::new(directory) }
}
