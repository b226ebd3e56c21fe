//! Reading beside all groups: every partition, from wherever the caller asks.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use super::reader::{Read, Reader};
use super::records::platform_error;
use super::settings::KafkaOptions;
use crate::platform::PlatformError;
use crate::platform::log::{FetchLimit, Fetched, Subscription, TopicPartition};

/// A reader that belongs to no group.
pub(super) struct KafkaFollower {
    partitions: Vec<TopicPartition>,
    reader: Reader,
}

impl KafkaFollower {
    pub(super) fn new(options: &KafkaOptions, partitions: Vec<TopicPartition>) -> Result<Self, PlatformError> {
        Ok(Self { partitions, reader: Reader::new(options).map_err(|error| platform_error(&error))? })
    }
}

#[async_trait]
impl Subscription for KafkaFollower {
    async fn assigned(&mut self) -> Result<Vec<TopicPartition>, PlatformError> {
        self.reader.forget();
        Ok(self.partitions.clone())
    }

    async fn fetch(
        &mut self,
        from: &BTreeMap<TopicPartition, u64>,
        limit: FetchLimit,
    ) -> Result<Fetched, PlatformError> {
        if from.is_empty() {
            return Ok(Fetched::Records(Vec::new()));
        }
        match self.reader.read(from, limit).await? {
            Read::OutOfRange => Ok(Fetched::Reassigned),
            Read::Records(records) => Ok(Fetched::Records(records)),
        }
    }

    async fn wait(&mut self, at_most: Duration) {
        self.reader.wait(at_most).await;
    }

    async fn acknowledge(&mut self, _positions: &BTreeMap<TopicPartition, u64>) -> Result<(), PlatformError> {
        // There is no group to tell.
        Ok(())
    }
}
