//! Records as Kafka has them.

use caravan_domain::event::{Headers, Topic};
use jiff::Timestamp;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Header, Headers as _, Message, OwnedHeaders};
use uuid::Uuid;

use crate::platform::PlatformError;
use crate::platform::log::{Record, TopicPartition};

/// A record, from what came.
pub(super) fn record(topic: Topic, message: &BorrowedMessage<'_>) -> Record {
    let at = TopicPartition { topic, partition: message.partition().unsigned_abs() };
    let milliseconds = message.timestamp().to_millis().unwrap_or_default();
    Record {
        at,
        offset: message.offset().unsigned_abs(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers(message),
        timestamp: Timestamp::from_millisecond(milliseconds).unwrap_or_default(),
    }
}

fn headers(message: &BorrowedMessage<'_>) -> Headers {
    let mut headers = Headers::new();
    for header in message.headers().into_iter().flat_map(|all| all.iter()) {
        headers.push(header.key, header.value.map(<[u8]>::to_vec));
    }
    headers
}

/// Headers, as they are published.
pub(super) fn owned_headers(headers: &Headers) -> OwnedHeaders {
    headers.iter().fold(OwnedHeaders::new_with_capacity(headers.len()), |owned, header| {
        owned.insert(Header { key: &header.name, value: header.value.as_deref() })
    })
}

/// Tells a record from another at the same offset of a topic that was made again.
pub(super) fn fingerprint(record: &Record) -> i64 {
    let mut bytes = record.timestamp.as_millisecond().to_be_bytes().to_vec();
    bytes.extend(record.key.as_deref().unwrap_or_default());
    bytes.push(0);
    bytes.extend(record.value.as_deref().unwrap_or_default());
    Uuid::new_v5(&Uuid::NAMESPACE_OID, &bytes).as_u64_pair().0.cast_signed()
}

/// A failure of Kafka as what callers decide on. Nearly all of it is waited out: brokers come and go.
pub(super) fn platform_error(error: &KafkaError) -> PlatformError {
    use RDKafkaErrorCode as Code;
    match error.rdkafka_error_code() {
        Some(
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::SaslAuthenticationFailed
            | Code::Authentication
            | Code::MessageSizeTooLarge
            | Code::InvalidTopic
            | Code::PolicyViolation,
        ) => PlatformError::Broken(format!("Kafka refuses: {error}")),
        _ => match error {
            // Without the value: it may be a password under a name that is misspelt.
            KafkaError::ClientConfig(_, problem, _, _) | KafkaError::ClientCreation(problem) => {
                PlatformError::Broken(format!("Kafka's settings can't be used: check kafka_properties ({problem})"))
            }
            _ => PlatformError::Environment(format!("Kafka can't be reached or is not ready: {error}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;
    use rdkafka::consumer::BaseConsumer;

    use super::*;

    #[test]
    fn a_property_that_is_misspelt_is_named_without_its_value() {
        let config = ClientConfig::new().set("sasl.pasword", "s3cret").clone();
        let refused = config.create::<BaseConsumer>().map(|_| ()).unwrap_err();
        let told = platform_error(&refused).to_string();
        assert!(told.contains("sasl.pasword") && told.contains("kafka_properties"), "{told}");
        assert!(!told.contains("s3cret"), "{told}");
    }
}
