//! Trace context (W3C Trace Context level 1), so that a purchase can be followed from hop to hop.

use std::fmt;

use uuid::Uuid;

/// Lengths in hexadecimal digits, by W3C Trace Context section 3.2.2.
const TRACE_ID_DIGITS: usize = 32;
const SPAN_ID_DIGITS: usize = 16;
const FLAGS_DIGITS: usize = 2;

/// A span of a trace, as a `traceparent` of version 00 names it to whoever comes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// The trace's id, not 0.
    pub trace: u128,
    /// The span's id, not 0.
    pub span: u64,
    /// Flags; see [`Self::is_sampled`].
    pub flags: u8,
}

impl TraceContext {
    /// The flag of a trace whose spans are kept (W3C Trace Context section 3.2.2.5.1).
    pub const SAMPLED: u8 = 1;

    /// Reads a `traceparent`; anything but a valid one of version 00 is to be ignored
    /// (W3C Trace Context section 3.2.1).
    pub fn read(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.strip_prefix("00-")?.split('-');
        let (trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?);
        let (trace, span) = (hexadecimal(trace, TRACE_ID_DIGITS)?, hexadecimal(span, SPAN_ID_DIGITS)?);
        let (span, flags) = (u64::try_from(span).ok()?, u8::try_from(hexadecimal(flags, FLAGS_DIGITS)?).ok()?);
        // All zeros mean "no id" to the standard.
        (parts.next().is_none() && trace != 0 && span != 0).then_some(Self { trace, span, flags })
    }

    /// Whether whoever began the trace wants its spans to be kept.
    pub const fn is_sampled(self) -> bool {
        self.flags & Self::SAMPLED != 0
    }

    /// Another span of the same trace; 0, which is no id, counts as 1.
    pub const fn with_span(self, span: u64) -> Self {
        Self { span: if span == 0 { 1 } else { span }, ..self }
    }

    /// The same, its spans to be kept.
    pub const fn sampled(self) -> Self {
        Self { flags: self.flags | Self::SAMPLED, ..self }
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }
}

/// A number of exactly so many digits, in lower case as the standard has them.
fn hexadecimal(text: &str, digits: usize) -> Option<u128> {
    let is_one = text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_one { u128::from_str_radix(text, 16).ok() } else { None }
}

/// The text, if it is a `traceparent` of version 00; anything else is to be ignored
/// (W3C Trace Context section 3.2.1).
pub fn valid_traceparent(text: &str) -> Option<&str> {
    TraceContext::read(text).map(|_| text)
}

/// Where an event stands in its trace: a new span in its parent's trace, with the parent's flags, or
/// without a parent a new, unsampled trace. Both follow from the event's id, so a
/// republication has the same.
pub(super) fn context_for(event_id: Uuid, parent: Option<TraceContext>) -> TraceContext {
    let (trace_seed, span) = event_id.as_u64_pair();
    let begun = TraceContext { trace: u128::from(trace_seed) << 64 | u128::from(span.max(1)), span: 1, flags: 0 };
    parent.unwrap_or(begun).with_span(span)
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
            assert_eq!(context_for(id, parent.and_then(TraceContext::read)).to_string(), expected);
        }
    }

    #[test]
    fn what_is_read_is_written_again() {
        let context = TraceContext::read(PARENT).unwrap();
        assert_eq!((context.trace, context.span), (0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, 0x00f0_67aa_0ba9_02b7));
        assert_eq!(context.to_string(), PARENT);
    }

    #[test]
    fn a_trace_is_kept_if_its_flag_says_so_whatever_the_others_say() {
        for (flags, kept) in [("00", false), ("01", true), ("02", false), ("03", true), ("ff", true)] {
            let context = TraceContext::read(&format!("{}{flags}", &PARENT[..53])).unwrap();
            assert_eq!(context.is_sampled(), kept, "{flags}");
            assert!(context.sampled().is_sampled());
        }
    }

    proptest! {
        #[test]
        fn whatever_the_id_and_the_parent_the_child_is_valid(id: u128, parent: Option<String>) {
            let parent = parent.as_deref().and_then(TraceContext::read);
            let child = context_for(Uuid::from_u128(id), parent).to_string();
            prop_assert!(valid_traceparent(&child).is_some(), "{child}");
        }
    }
}
