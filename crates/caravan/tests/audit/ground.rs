//! The ground these tests stand on: where the data lies, how it is damaged, and how it is put back.

use std::sync::Arc;

use caravan::platform::Platform;
use caravan::platform::clock::Clock;
use caravan::platform::evidence::{Evidence, PartitionPlace, RecordEvidence};

use crate::damages::Damage;

/// More records than a partition has.
const ALL: usize = 100_000;

/// Where a Caravan's data lies, on one of the topologies. It is removed with the test.
pub(crate) trait Ground {
    /// Rows of what stands in the log: id, key as a text, headers, topic, and place.
    const PLACED: &str;

    /// One on which nothing has happened yet.
    async fn empty() -> Self;

    fn platform(&self, clock: Arc<dyn Clock>) -> Platform;

    async fn evidence(&self) -> Box<dyn Evidence>;

    /// Keeps what is there now.
    async fn keep(&mut self);

    /// Puts back what was kept, whatever has been done to the database since.
    async fn put_back(&mut self);

    /// The damage as this database is told to do it, or why it can't be done.
    fn told(damage: &Damage) -> Result<Damage, &'static str>;

    /// What a query finds, as texts.
    async fn rows(&self, sql: &str) -> Vec<Vec<String>>;

    /// Does what a statement says; returns to how many rows.
    async fn execute(&self, sql: &str) -> u64;
}

pub(crate) async fn everything_in_the_log(ground: &impl Ground) -> Vec<RecordEvidence> {
    let mut evidence = ground.evidence().await;
    let mut records = Vec::new();
    for topic in evidence.topics().await.unwrap() {
        for state in topic.partitions {
            let place = PartitionPlace { topic: topic.name.clone(), partition: state.partition, from: state.start };
            records.extend(evidence.records(&place, ALL).await.unwrap());
        }
    }
    evidence.close().await;
    records
}
