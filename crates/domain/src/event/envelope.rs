//! Opening a record: CloudEvents 1.0 over Kafka in binary or structured mode, or bare JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use super::{Headers, TraceContext, valid_traceparent};
use crate::field::{Field, read_value};
use crate::rejection::{FieldFault, Reason, Rejection};

/// The largest value a record may have: 256 KiB.
pub const VALUE_BYTES_MAX: usize = 256 * 1024;

/// How a structured event's media type begins (CloudEvents Kafka binding section 3.3).
const STRUCTURED: &str = "application/cloudevents+json";
/// How the media type of several events in one record begins (CloudEvents JSON format section 4).
const BATCH: &str = "application/cloudevents-batch";

/// What a record carries, out of its wrapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// The event's data. Pointers into it start here, also in structured mode.
    pub data: Value,
    /// W3C trace context, if there is a valid one.
    pub traceparent: Option<String>,
    /// The event's id, if it has one.
    pub id: Option<String>,
}

/// Opens a record.
///
/// In structured mode, told by the media type, the value is the event with its data inside;
/// otherwise the value is the data, whether CloudEvents headers are there or not.
pub fn open(value: Option<&[u8]>, headers: &Headers) -> Result<Envelope, Rejection> {
    let media_type = media_type(headers);
    if begins_with(media_type, BATCH) {
        return Err(whole_value("must be a single event, is a batch of events"));
    }
    let value = parse(value)?;
    if begins_with(media_type, STRUCTURED) {
        return structured(value, headers);
    }
    let id = headers.get_text("ce_id").map(str::to_owned);
    Ok(Envelope { data: value, traceparent: header_traceparent(headers), id })
}

/// Where a record stands in which trace, as [`open`] finds it, if it is part of one.
pub fn trace_of(value: Option<&[u8]>, headers: &Headers) -> Option<TraceContext> {
    let traceparent = match begins_with(media_type(headers), STRUCTURED) {
        true => open(value, headers).ok()?.traceparent,
        false => header_traceparent(headers),
    };
    TraceContext::read(traceparent.as_deref()?)
}

/// Header names are case-sensitive to Kafka but not to the HTTP libraries producers copy from.
fn media_type(headers: &Headers) -> &str {
    let header = headers.iter().rev().find(|header| header.name.eq_ignore_ascii_case("content-type"));
    let value = header.and_then(|header| header.value.as_deref()).unwrap_or_default();
    std::str::from_utf8(value).unwrap_or_default().trim_start()
}

fn begins_with(text: &str, beginning: &str) -> bool {
    text.get(..beginning.len()).is_some_and(|found| found.eq_ignore_ascii_case(beginning))
}

fn header_traceparent(headers: &Headers) -> Option<String> {
    headers.get_text("traceparent").and_then(valid_traceparent).map(str::to_owned)
}

fn parse(value: Option<&[u8]>) -> Result<Value, Rejection> {
    let bytes = value.ok_or_else(|| Rejection::new(Reason::InvalidJson, "the record has no value (a tombstone)"))?;
    if bytes.len() > VALUE_BYTES_MAX {
        let detail = format!("the value has {} bytes, at most {VALUE_BYTES_MAX} are read", bytes.len());
        return Err(Rejection::new(Reason::ValueTooLarge, detail));
    }
    parse_json(bytes).map_err(|problem| Rejection::new(Reason::InvalidJson, problem))
}

/// Parses JSON; the problem names its position, and nothing of what stands there.
pub(crate) fn parse_json(bytes: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("not UTF-8 at byte {}", error.valid_up_to() + 1))?;
    serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))
}

fn whole_value(problem: &str) -> Rejection {
    Rejection::of_fields(&[FieldFault { pointer: String::new(), problem: problem.to_owned() }])
}

fn structured(mut event: Value, headers: &Headers) -> Result<Envelope, Rejection> {
    let encoded = read_value(&event, check_structured).map_err(|faults| Rejection::of_fields(&faults))?;
    let text_of = |name: &str| event.get(name).and_then(Value::as_str).map(str::to_owned);
    let own_traceparent = text_of("traceparent").filter(|text| valid_traceparent(text).is_some());
    let id = text_of("id");
    let data = match encoded {
        Some(bytes) => parse_json(&bytes)
            .map_err(|problem| Rejection::new(Reason::InvalidJson, format!("/data_base64: {problem}")))?,
        None => event.get_mut("data").map(Value::take).unwrap_or_default(),
    };
    Ok(Envelope { data, traceparent: own_traceparent.or_else(|| header_traceparent(headers)), id })
}

/// Checks what Caravan needs of a structured event (CloudEvents JSON format section 3): its
/// version and exactly one form of data. Gives the bytes of base64 data.
fn check_structured(event: Field<'_>) -> Option<Option<Vec<u8>>> {
    event.object()?;
    let version =
        event.get("specversion").parsed("a CloudEvents version 1.x", |text| text.starts_with("1.").then_some(()));
    let plain = event.get("data").present();
    let encoded = match (&plain, event.get("data_base64").present()) {
        (Some(_), Some(both)) => both.fault("must not stand beside data"),
        (None, None) => event.get("data").fault("is missing"),
        (Some(_), None) => Some(None),
        (None, Some(encoded)) => encoded.parsed("base64 (RFC 4648)", |text| BASE64.decode(text).ok()).map(Some),
    };
    version.and(encoded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(pairs: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::new();
        pairs.iter().for_each(|(name, text)| headers.push_text(*name, *text));
        headers
    }

    fn typed(media_type: &str) -> Headers {
        headers(&[("content-type", media_type)])
    }

    #[test]
    fn every_mode_gives_the_same_data() {
        let base64 = BASE64.encode(r#"{"a":1}"#);
        let encoded = format!(r#"{{"specversion":"1.0","id":"7","traceparent":"{TRACE}","data_base64":"{base64}"}}"#);
        let plain = format!(r#"{{"specversion":"1.0","id":"7","traceparent":"{TRACE}","data":{{"a":1}}}}"#);
        let binary = headers(&[("ce_id", "7"), ("traceparent", TRACE), ("content-type", "application/json")]);
        for (value, headers) in [
            (r#"{"a":1}"#, binary),
            (&plain, typed("application/cloudevents+json")),
            (&plain, typed("Application/CloudEvents+JSON; charset=UTF-8")),
            (&plain, headers(&[("Content-Type", "application/cloudevents+json")])),
            (&encoded, typed("application/cloudevents+json")),
        ] {
            let expected = Envelope { data: json!({"a": 1}), traceparent: Some(TRACE.into()), id: Some("7".into()) };
            assert_eq!(open(Some(value.as_bytes()), &headers), Ok(expected), "{headers:?}");
            assert_eq!(trace_of(Some(value.as_bytes()), &headers), TraceContext::read(TRACE), "{headers:?}");
        }
        let bare = open(Some(b"{\"a\":1}"), &Headers::new());
        assert_eq!(bare, Ok(Envelope { data: json!({"a": 1}), traceparent: None, id: None }));
    }

    #[test]
    fn what_cannot_be_opened_is_refused_with_its_place() {
        let large = vec![b' '; VALUE_BYTES_MAX + 1];
        let deep = vec![b'['; 1000];
        let structured = typed("application/cloudevents+json");
        let bare = Headers::new();
        for (value, headers, reason, detail) in [
            (None, &bare, "invalid-json", "tombstone"),
            (Some(&b""[..]), &bare, "invalid-json", "line 1 column 0"),
            (Some(b"{\"a\":"), &bare, "invalid-json", "line 1 column 5"),
            (Some(b"{\"a\xff\":1}"), &bare, "invalid-json", "not UTF-8 at byte 4"),
            (Some(b"\"\\ud800\""), &bare, "invalid-json", "column"),
            (Some(b"1 2"), &bare, "invalid-json", "column 3"),
            (Some(&deep), &bare, "invalid-json", "recursion limit exceeded at line 1 column 128"),
            (Some(&large), &bare, "value-too-large", "262145 bytes, at most 262144"),
            (
                Some(b"[]"),
                &typed("application/cloudevents-batch+json"),
                "invalid-field",
                "(whole value): must be a single",
            ),
            (Some(b"[]"), &structured, "invalid-field", "(whole value): must be an object, is an array"),
            (Some(b"{\"data\":1}"), &structured, "invalid-field", "/specversion: is missing"),
            (Some(b"{\"specversion\":\"0.3\"}"), &structured, "invalid-field", "1.x, is \"0.3\"; /data: is missing"),
            (Some(b"{\"specversion\":\"1.0\",\"data\":null}"), &structured, "invalid-field", "/data: is missing"),
            (
                Some(b"{\"specversion\":\"1.0\",\"data\":1,\"data_base64\":\"MQ==\"}"),
                &structured,
                "invalid-field",
                "/data_base64: must not stand beside data",
            ),
            (
                Some(b"{\"specversion\":\"1.0\",\"data_base64\":\"?\"}"),
                &structured,
                "invalid-field",
                "/data_base64: must be",
            ),
            (
                Some(b"{\"specversion\":\"1.0\",\"data_base64\":\"ew==\"}"),
                &structured,
                "invalid-json",
                "/data_base64: not JSON",
            ),
        ] {
            let rejection = open(value, headers).unwrap_err();
            assert_eq!(rejection.reason.code(), reason, "{rejection}");
            assert!(rejection.detail.contains(detail), "{rejection} should tell {detail:?}");
        }
        assert!(open(Some(&[&large[..VALUE_BYTES_MAX - 1], b"1"].concat()), &bare).is_ok());
    }

    #[test]
    fn a_malformed_traceparent_is_ignored() {
        let opened = open(Some(b"1"), &headers(&[("traceparent", "00-xyz")]));
        assert_eq!(opened.map(|envelope| envelope.traceparent), Ok(None));
    }

    proptest! {
        #[test]
        fn no_bytes_whatsoever_make_it_panic(value: Option<Vec<u8>>, structured: bool, other: Vec<u8>) {
            let mut headers = if structured { typed("application/cloudevents+json") } else { Headers::new() };
            headers.push("traceparent", Some(other.clone()));
            let _ = open(value.as_deref(), &headers);
            headers.push("content-type", Some(other));
            let _ = open(value.as_deref(), &headers);
        }
    }
}
