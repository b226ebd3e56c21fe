//! The headers of a dead letter: where the record came from and why it was set aside, in the form
//! of Spring for Apache Kafka (`KafkaHeaders.DLT_*`) and in texts of Caravan's own.

use jiff::Timestamp;

use super::{Header, Headers};
use crate::rejection::Rejection;

/// How much of a detail a header holds, in characters.
pub const DETAIL_CHARS_MAX: usize = 8_000;

const ORIGINAL_TOPIC: &str = "kafka_dlt-original-topic";
const ORIGINAL_PARTITION: &str = "kafka_dlt-original-partition";
const ORIGINAL_OFFSET: &str = "kafka_dlt-original-offset";
const ORIGINAL_TIMESTAMP: &str = "kafka_dlt-original-timestamp";
const ORIGINAL_CONSUMER_GROUP: &str = "kafka_dlt-original-consumer-group";
const ORIGIN: [&str; 5] =
    [ORIGINAL_TOPIC, ORIGINAL_PARTITION, ORIGINAL_OFFSET, ORIGINAL_TIMESTAMP, ORIGINAL_CONSUMER_GROUP];

const EXCEPTION_PREFIX: &str = "kafka_dlt-exception-";
const EXCEPTION_CLASS: &str = "kafka_dlt-exception-fqcn";
const EXCEPTION_MESSAGE: &str = "kafka_dlt-exception-message";
const REJECTION_CLASS: &str = "caravan.Rejection";

const REASON: &str = "caravan-reason";
const DETAIL: &str = "caravan-detail";
const ATTEMPTS: &str = "caravan-attempts";
const REDRIVES: &str = "caravan-redrives";
const FAILED_AT: &str = "caravan-failed-at";

/// Where a record was consumed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The topic, as the broker names it.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The record's timestamp, in milliseconds since 1970 UTC.
    pub timestamp_ms: i64,
    /// The consumer group that set it aside.
    pub consumer_group: &'a str,
}

impl Origin<'_> {
    fn headers(&self) -> [(&'static str, Vec<u8>); 5] {
        [
            (ORIGINAL_TOPIC, self.topic.into()),
            (ORIGINAL_PARTITION, self.partition.to_be_bytes().into()),
            (ORIGINAL_OFFSET, self.offset.to_be_bytes().into()),
            (ORIGINAL_TIMESTAMP, self.timestamp_ms.to_be_bytes().into()),
            (ORIGINAL_CONSUMER_GROUP, self.consumer_group.into()),
        ]
    }
}

/// How a record failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure<'a> {
    /// Why it was set aside.
    pub rejection: &'a Rejection,
    /// How often it was tried, at least once.
    pub attempts: u32,
    /// When it was set aside.
    pub failed_at: Timestamp,
}

/// The headers of the dead letter of a record: its own, then where it came from and why it failed.
///
/// Of a record that was redriven the first origin stands; what was said of its last failure is
/// replaced. Each of these headers is there once, whatever the record carried.
pub fn dead_letter_headers(original: &Headers, origin: &Origin<'_>, failure: &Failure<'_>) -> Headers {
    let first_origin = carried_origin(original).unwrap_or_else(|| origin.headers());
    let mut headers: Headers = original.iter().filter(|header| !is_ours(&header.name)).cloned().collect();
    for (name, value) in first_origin {
        headers.push(name, Some(value));
    }
    let detail: String = failure.rejection.detail.chars().take(DETAIL_CHARS_MAX).collect();
    headers.push_text(EXCEPTION_CLASS, REJECTION_CLASS);
    headers.push_text(EXCEPTION_MESSAGE, detail.as_str());
    headers.push_text(REASON, failure.rejection.reason.code());
    headers.push_text(DETAIL, detail);
    headers.push_text(ATTEMPTS, failure.attempts.to_string());
    headers.push_text(REDRIVES, redrives_of(original).to_string());
    headers.push_text(FAILED_AT, failure.failed_at.to_string());
    headers
}

/// The headers to send a dead letter again with: its origin and one more redrive, but no failure.
pub fn redrive_headers(stored: &Headers) -> Headers {
    let stays = |header: &&Header| ORIGIN.contains(&header.name.as_str()) || !is_ours(&header.name);
    let mut headers: Headers = stored.iter().filter(stays).cloned().collect();
    headers.push_text(REDRIVES, redrives_of(stored).saturating_add(1).to_string());
    headers
}

/// How often a record was sent again, by its headers.
pub fn redrives_of(headers: &Headers) -> u32 {
    headers.get_text(REDRIVES).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn is_ours(name: &str) -> bool {
    ORIGIN.contains(&name)
        || name.starts_with(EXCEPTION_PREFIX)
        || [REASON, DETAIL, ATTEMPTS, REDRIVES, FAILED_AT].contains(&name)
}

/// The origin a record carries, if it is whole: half of one with half of another would mislead.
fn carried_origin(headers: &Headers) -> Option<[(&'static str, Vec<u8>); 5]> {
    let first = |name: &str, bytes: Option<usize>| {
        let value = headers.iter().find(|header| header.name == name)?.value.clone()?;
        let fits = bytes.map_or_else(|| std::str::from_utf8(&value).is_ok(), |bytes| value.len() == bytes);
        fits.then_some(value)
    };
    Some([
        (ORIGINAL_TOPIC, first(ORIGINAL_TOPIC, None)?),
        (ORIGINAL_PARTITION, first(ORIGINAL_PARTITION, Some(size_of::<i32>()))?),
        (ORIGINAL_OFFSET, first(ORIGINAL_OFFSET, Some(size_of::<i64>()))?),
        (ORIGINAL_TIMESTAMP, first(ORIGINAL_TIMESTAMP, Some(size_of::<i64>()))?),
        (ORIGINAL_CONSUMER_GROUP, first(ORIGINAL_CONSUMER_GROUP, None)?),
    ])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::headers::tests::any_headers;
    use super::*;
    use crate::rejection::Reason;

    const FIRST: Origin<'_> = Origin {
        topic: "purchase-confirmed",
        partition: 1,
        offset: 42,
        timestamp_ms: 1_795_428_000_000,
        consumer_group: "purchase-creation-workers",
    };

    fn headers(pairs: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::new();
        pairs.iter().for_each(|(name, text)| headers.push_text(*name, *text));
        headers
    }

    fn dead(original: &Headers, origin: &Origin<'_>, detail: &str, attempts: u32) -> Headers {
        let rejection = Rejection::new(Reason::InvalidField, detail);
        let failed_at = "2026-11-23T10:00:01Z".parse().unwrap();
        dead_letter_headers(original, origin, &Failure { rejection: &rejection, attempts, failed_at })
    }

    #[test]
    fn a_dead_letter_tells_where_it_is_from_and_why() {
        let letter = dead(&headers(&[("ce_id", "7"), ("ce_id", "8")]), &FIRST, "/plan: is missing", 1);
        let mut expected =
            headers(&[("ce_id", "7"), ("ce_id", "8"), ("kafka_dlt-original-topic", "purchase-confirmed")]);
        expected.push("kafka_dlt-original-partition", Some(vec![0, 0, 0, 1]));
        expected.push("kafka_dlt-original-offset", Some(vec![0, 0, 0, 0, 0, 0, 0, 42]));
        expected.push("kafka_dlt-original-timestamp", Some(1_795_428_000_000_i64.to_be_bytes().to_vec()));
        for (name, text) in [
            ("kafka_dlt-original-consumer-group", "purchase-creation-workers"),
            ("kafka_dlt-exception-fqcn", "caravan.Rejection"),
            ("kafka_dlt-exception-message", "/plan: is missing"),
            ("caravan-reason", "invalid-field"),
            ("caravan-detail", "/plan: is missing"),
            ("caravan-attempts", "1"),
            ("caravan-redrives", "0"),
            ("caravan-failed-at", "2026-11-23T10:00:01Z"),
        ] {
            expected.push_text(name, text);
        }
        assert_eq!(letter, expected);
    }

    #[test]
    fn the_first_origin_survives_redrives() {
        let again = Origin { partition: 2, offset: 99, consumer_group: "others", ..FIRST };
        let letter = dead(&headers(&[("ce_id", "7")]), &FIRST, "first", 1);
        let redriven = redrive_headers(&letter);
        assert_eq!(redrives_of(&redriven), 1);
        for gone in ["caravan-reason", "caravan-detail", "caravan-attempts", "caravan-failed-at", EXCEPTION_CLASS] {
            assert_eq!(redriven.get(gone), None, "{gone}");
        }
        let second = dead(&redriven, &again, "second", 5);
        for (name, bytes) in FIRST.headers() {
            assert_eq!(second.get(name), Some(&*bytes), "{name}");
        }
        for (name, text) in [("ce_id", "7"), (DETAIL, "second"), (ATTEMPTS, "5"), (REDRIVES, "1")] {
            assert_eq!(second.get_text(name), Some(text), "{name}");
        }
        assert_eq!(second.len(), letter.len());
        assert_eq!(redrives_of(&redrive_headers(&second)), 2);
    }

    #[test]
    fn an_origin_that_is_not_whole_is_replaced() {
        let mut carried = headers(&[("kafka_dlt-original-topic", "elsewhere"), ("kafka_dlt-original-offset", "1")]);
        carried.push("kafka_dlt-original-partition", None);
        let letter = dead(&carried, &FIRST, "", 1);
        for (name, bytes) in FIRST.headers() {
            assert_eq!(letter.get(name), Some(&*bytes), "{name}");
        }
    }

    #[test]
    fn a_long_detail_is_clipped() {
        let letter = dead(&Headers::new(), &FIRST, &"ü".repeat(DETAIL_CHARS_MAX + 1), 1);
        assert_eq!(letter.get_text(DETAIL).map(|detail| detail.chars().count()), Some(DETAIL_CHARS_MAX));
    }

    proptest! {
        #[test]
        fn whatever_a_record_carries_nothing_of_ours_is_there_twice(
            foreign in any_headers(),
            ours in proptest::collection::vec((proptest::sample::select(ALL_OURS), any::<Option<Vec<u8>>>()), 0..20),
        ) {
            let mut carried = foreign.clone();
            ours.into_iter().for_each(|(name, value)| carried.push(name, value));
            let letter = dead(&carried, &FIRST, "detail", 1);
            for name in ALL_OURS {
                prop_assert_eq!(letter.iter().filter(|header| header.name == *name).count(), 1, "{}", name);
            }
            prop_assert_eq!(letter.len(), foreign.len() + ALL_OURS.len());
            let again = redrive_headers(&letter);
            prop_assert_eq!(again.len(), foreign.len() + ORIGIN.len() + 1);
        }
    }

    const ALL_OURS: &[&str] = &[
        ORIGINAL_TOPIC,
        ORIGINAL_PARTITION,
        ORIGINAL_OFFSET,
        ORIGINAL_TIMESTAMP,
        ORIGINAL_CONSUMER_GROUP,
        EXCEPTION_CLASS,
        EXCEPTION_MESSAGE,
        REASON,
        DETAIL,
        ATTEMPTS,
        REDRIVES,
        FAILED_AT,
    ];
}
