//! Publishing.

use std::sync::atomic::{AtomicU32, Ordering};

use caravan_domain::event::partition_for;
use futures::future::try_join_all;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord};

use super::hearing::Hearing;
use super::records::{owned_headers, platform_error};
use super::settings::KafkaOptions;
use crate::platform::PlatformError;
use crate::platform::log::NewRecord;

/// Publishes records, each to the partition that Java's client would choose.
pub(super) struct Publisher {
    producer: FutureProducer<Hearing>,
    hearing: Hearing,
    options: KafkaOptions,
    /// Records without a key are spread.
    next: AtomicU32,
}

impl Publisher {
    pub(super) fn new(options: &KafkaOptions) -> Result<Self, KafkaError> {
        let hearing = Hearing::default();
        let producer = options.producing().create_with_context(hearing.clone())?;
        Ok(Self { producer, hearing, options: options.clone(), next: AtomicU32::new(0) })
    }

    /// Publishes in order; when it returns, all of it is in the log. `partitions` tells how many a
    /// topic has.
    pub(super) async fn publish(
        &self,
        records: &[NewRecord],
        partitions: impl Fn(&NewRecord) -> u32,
    ) -> Result<(), PlatformError> {
        let mut underway = Vec::with_capacity(records.len());
        for record in records {
            let topic = self.options.physical(record.topic.name());
            let count = partitions(record).max(1);
            let spread = || self.next.fetch_add(1, Ordering::Relaxed) % count;
            let partition = partition_for(record.key.as_deref(), count).unwrap_or_else(spread);
            self.send(&topic, partition, record, &mut underway).await?;
        }
        self.delivered(underway).await
    }

    async fn send(
        &self,
        topic: &str,
        partition: u32,
        record: &NewRecord,
        underway: &mut Vec<DeliveryFuture>,
    ) -> Result<(), PlatformError> {
        let mut message = FutureRecord::<[u8], [u8]>::to(topic)
            .partition(i32::try_from(partition).unwrap_or(i32::MAX))
            .timestamp(record.timestamp.as_millisecond())
            .headers(owned_headers(&record.headers));
        message.key = record.key.as_deref();
        message.payload = record.value.as_deref();
        loop {
            match self.producer.send_result(message) {
                Ok(delivery) => {
                    underway.push(delivery);
                    return Ok(());
                }
                // The client's own queue is full: what is in it goes first.
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) if !underway.is_empty() => {
                    self.delivered(std::mem::take(underway)).await?;
                    message = again;
                }
                Err((error, _)) => return Err(platform_error(&error)),
            }
        }
    }

    /// Waits until all of it is in the log.
    async fn delivered(&self, underway: Vec<DeliveryFuture>) -> Result<(), PlatformError> {
        try_join_all(underway.into_iter().map(|delivery| self.one_delivered(delivery))).await?;
        self.hearing.answered();
        Ok(())
    }

    async fn one_delivered(&self, delivery: DeliveryFuture) -> Result<(), PlatformError> {
        match delivery.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err((error, _))) => Err(self.hearing.failure(&error)),
            Err(_) => Err(PlatformError::Environment("Kafka's client stopped in the middle of publishing".to_owned())),
        }
    }
}
