//! Trace context (W3C Trace Context level 1), so that a purchase can be followed from hop to hop.

use uuid::Uuid;

/// Lengths in hexadecimal digits, by W3C Trace Context section 3.2.2.
const TRACE_ID_DIGITS: usize = 32;
const SPAN_ID_DIGITS: usize = 16;
const FLAGS_DIGITS: usize = 2;

/// The parts of a valid `traceparent`: trace id, parent (span) id and flags.
fn parts(traceparent: &str) -> Option<(&str, &str, &str)> {
    let mut parts = traceparent.strip_prefix("00-")?.split('-');
    let (trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?);
    let valid = parts.next().is_none()
        && is_id(trace, TRACE_ID_DIGITS)
        && is_id(span, SPAN_ID_DIGITS)
        && is_hex(flags, FLAGS_DIGITS);
    valid.then_some((trace, span, flags))
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// All zeros mean "no id" to the standard.
fn is_id(text: &str, digits: usize) -> bool {
    is_hex(text, digits) && text.bytes().any(|byte| byte != b'0')
}

/// The text, if it is a `traceparent` of version 00; anything else is to be ignored
/// (W3C Trace Context section 3.2.1).
pub fn valid_traceparent(text: &str) -> Option<&str> {
    parts(text).map(|_| text)
}

/// The `traceparent` of an event: a new span in its parent's trace, with the parent's flags, or
/// without a valid parent a new, unsampled trace. Both follow from the event's id, so a
/// republication has the same.
pub fn traceparent_for(event_id: Uuid, parent: Option<&str>) -> String {
    let (trace_seed, span_seed) = event_id.as_u64_pair();
    let span = span_seed.max(1);
    match parent.and_then(parts) {
        Some((trace, _, flags)) => format!("00-{trace}-{span:016x}-{flags}"),
        None => format!("00-{:032x}-{span:016x}-00", (u128::from(trace_seed) << 64) | u128::from(span)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn only_the_standard_shape_is_a_traceparent() {
        for (text, valid) in [
            (PARENT, true),
            ("", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", false),
            ("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-00", false),
            ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01", false),
            (" 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
        ] {
            assert_eq!(valid_traceparent(text).is_some(), valid, "{text:?}");
        }
    }

    #[test]
    fn a_child_stays_in_its_parents_trace() {
        let id = Uuid::from_u128(0x7b65_5217_5cc2_577b_8f09_d0d7_2b62_f269);
        for (parent, expected) in [
            (Some(PARENT), "00-4bf92f3577b34da6a3ce929d0e0e4736-8f09d0d72b62f269-01"),
            (None, "00-7b6552175cc2577b8f09d0d72b62f269-8f09d0d72b62f269-00"),
            (Some("nonsense"), "00-7b6552175cc2577b8f09d0d72b62f269-8f09d0d72b62f269-00"),
        ] {
            assert_eq!(traceparent_for(id, parent), expected);
        }
    }

    proptest! {
        #[test]
        fn whatever_the_id_and_the_parent_the_child_is_valid(id: u128, parent: Option<String>) {
            let child = traceparent_for(Uuid::from_u128(id), parent.as_deref());
            prop_assert!(valid_traceparent(&child).is_some(), "{child}");
        }
    }
}
