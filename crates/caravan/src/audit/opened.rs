//! The audit's own way into a record.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use crate::platform::evidence::RecordEvidence;

/// What a record says: the value itself, or what a CloudEvent in structured mode carries. `None`
/// if it is not JSON.
pub(super) fn data_of(record: &RecordEvidence) -> Option<Value> {
    let mut value: Value = serde_json::from_slice(record.value.as_deref()?).ok()?;
    if !is_structured(record) {
        return Some(value);
    }
    match value.get("data_base64").and_then(Value::as_str) {
        Some(encoded) => serde_json::from_slice(&BASE64.decode(encoded).ok()?).ok(),
        None => value.get_mut("data").map(Value::take),
    }
}

fn is_structured(record: &RecordEvidence) -> bool {
    let mut headers = record.headers.iter().flat_map(|headers| headers.iter());
    headers.any(|header| {
        let text = header.value.as_deref().and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default();
        header.name.eq_ignore_ascii_case("content-type")
            && text.trim_start().to_ascii_lowercase().starts_with("application/cloudevents+json")
    })
}
