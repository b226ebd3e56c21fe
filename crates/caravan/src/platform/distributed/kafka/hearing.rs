//! What a client hears of its brokers. Its answers say only that none came; why is told beside them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::records::platform_error;
use crate::platform::PlatformError;

/// How long a client is listened to when it had no answer: what it has to tell is there already.
pub(super) const LISTEN: Duration = Duration::from_millis(50);

/// How OpenSSL begins to tell where it failed.
const OPENSSL: &str = ":SSL routines:";

/// What was heard last, since somebody answered.
#[derive(Clone, Default)]
pub(super) struct Hearing(Arc<Mutex<Option<Heard>>>);

#[derive(Clone, Debug)]
struct Heard {
    code: RDKafkaErrorCode,
    reason: String,
}

impl Hearing {
    fn heard(&self) -> MutexGuard<'_, Option<Heard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn hear(&self, problem: &KafkaError, reason: &str) {
        match problem.rdkafka_error_code() {
            // That none is left follows from what was told of each; where a partition ends says nothing of brokers.
            None
            | Some(
                RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::PartitionEOF | RDKafkaErrorCode::AutoOffsetReset,
            ) => {}
            Some(code) => *self.heard() = Some(Heard { code, reason: without_duration(reason).to_owned() }),
        }
    }

    /// What was heard before is over.
    pub(super) fn answered(&self) {
        *self.heard() = None;
    }

    /// A failure as what callers decide on, with what was heard if it says by itself only that nobody answers.
    pub(super) fn failure(&self, error: &KafkaError) -> PlatformError {
        if is_silence(error) { self.silence(platform_error(error)) } else { platform_error(error) }
    }

    /// Nobody answers: why, if that was heard.
    pub(super) fn silence(&self, otherwise: PlatformError) -> PlatformError {
        use RDKafkaErrorCode as Code;
        let Some(Heard { code, reason }) = self.heard().clone() else { return otherwise };
        match code {
            // What the client itself ran into while it asked is no answer.
            Code::Authentication | Code::SaslAuthenticationFailed if !reason.contains("Local: ") => {
                PlatformError::Broken(format!(
                    "Kafka refuses: check sasl.username, sasl.password and sasl.mechanism in kafka_properties ({reason})"
                ))
            }
            // A handshake that fails is sometimes told as a connection that broke, with OpenSSL's own words.
            code if code == Code::SSL || reason.contains(OPENSSL) => PlatformError::Environment(format!(
                "no secure connection to Kafka: check the brokers' certificates, and ssl.ca.location in kafka_properties \
                 ({reason})"
            )),
            _ => PlatformError::Environment(format!("{otherwise} ({reason})")),
        }
    }
}

impl ClientContext for Hearing {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(facility, "{message}");
    }

    /// That a partition is at its end is an error to the client: nothing to be loud about.
    fn error(&self, problem: KafkaError, reason: &str) {
        tracing::trace!(%problem, reason, "Kafka");
        self.hear(&problem, reason);
    }
}

impl ConsumerContext for Hearing {}

/// Whether a failure tells no more than that nobody answers.
fn is_silence(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::AllBrokersDown
                | Code::BrokerTransportFailure
                | Code::MessageTimedOut
                | Code::OperationTimedOut
                | Code::Resolve
                | Code::TimedOutQueue
        )
    )
}

/// Without the `(after 312ms in state …)` that the client ends with: the same reason is the same text.
fn without_duration(reason: &str) -> &str {
    reason.rsplit_once(" (after ").map_or(reason, |(reason, _)| reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: KafkaError = KafkaError::MetadataFetch(RDKafkaErrorCode::BrokerTransportFailure);

    fn told(hearing: &Hearing, error: &KafkaError) -> (bool, String) {
        let failure = hearing.failure(error);
        (matches!(failure, PlatformError::Broken(_)), failure.to_string())
    }

    #[test]
    fn a_refusal_is_no_silence_until_somebody_answers() {
        let hearing = Hearing::default();
        let reason = "broker:9093: SASL authentication error: Invalid password (after 3ms in state AUTH_REQ)";
        hearing.hear(&KafkaError::Global(RDKafkaErrorCode::Authentication), reason);
        hearing.hear(&KafkaError::Global(RDKafkaErrorCode::AllBrokersDown), "1/1 brokers are down");
        let (broken, text) = told(&hearing, &SILENCE);
        assert!(broken && text.contains("check sasl.username") && text.ends_with("Invalid password)"), "{text}");
        let other = KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopic);
        assert_eq!(told(&hearing, &other).1, platform_error(&other).to_string());
        hearing.answered();
        assert_eq!(told(&hearing, &SILENCE), (false, platform_error(&SILENCE).to_string()));
    }

    #[test]
    fn a_broken_connection_that_openssl_broke_is_no_secure_one() {
        let hearing = Hearing::default();
        let reason = "sasl_ssl://127.0.0.1:9093/bootstrap: error:0A000086:SSL routines::certificate verify failed";
        hearing.hear(&KafkaError::Global(RDKafkaErrorCode::BrokerTransportFailure), reason);
        let (broken, text) = told(&hearing, &SILENCE);
        assert!(!broken && text.contains("ssl.ca.location") && text.contains("certificate verify failed"), "{text}");
    }

    #[test]
    fn what_passes_by_itself_is_waited_for_with_its_reason() {
        for (code, expected) in
            [(RDKafkaErrorCode::SSL, "ssl.ca.location"), (RDKafkaErrorCode::BrokerTransportFailure, "can't be reached")]
        {
            let hearing = Hearing::default();
            hearing.hear(&KafkaError::Global(code), "why");
            let (broken, text) = told(&hearing, &SILENCE);
            assert!(!broken && text.contains(expected) && text.ends_with("(why)"), "{text}");
        }
    }
}
