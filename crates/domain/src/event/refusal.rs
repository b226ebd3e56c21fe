//! Records that whoever publishes them knows to be no use as they are, such as a payment whose order is not known: they are
//! published all the same, to be set aside where people look for what was paid and became no purchase.

use super::{DETAIL_CHARS_MAX, Headers, redrives_of};
use crate::rejection::{Reason, Rejection};

const REFUSED: &str = "caravan-refused";
const REFUSED_DETAIL: &str = "caravan-refused-detail";

/// The headers of a record that is to be set aside for that reason.
pub fn refusal_headers(rejection: &Rejection) -> Headers {
    let mut headers = Headers::new();
    headers.push_text(REFUSED, rejection.reason.code());
    headers.push_text(REFUSED_DETAIL, rejection.detail.chars().take(DETAIL_CHARS_MAX).collect::<String>());
    headers
}

/// Why a record is to be set aside, by its headers: not once a person has sent it again, whose word it is that it counts.
/// What is no [`Reason`] is none.
pub fn refusal_of(headers: &Headers) -> Option<Rejection> {
    let reason: Reason = headers.get_text(REFUSED)?.parse().ok()?;
    if redrives_of(headers) > 0 {
        return None;
    }
    let detail = headers.get_text(REFUSED_DETAIL).unwrap_or_default();
    Some(Rejection::new(reason, detail.chars().take(DETAIL_CHARS_MAX).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::headers::tests::any_headers;
    use super::super::redrive_headers;
    use super::*;

    fn refusal() -> Rejection {
        Rejection::new(Reason::AmountMismatch, "5.00 INR was to be paid, but 4.00 INR was paid")
    }

    #[test]
    fn a_refusal_travels_as_it_is() {
        let headers = refusal_headers(&refusal());
        assert_eq!(headers.get_text("caravan-refused"), Some("amount-mismatch"));
        assert_eq!(headers.get_text("caravan-refused-detail"), Some(refusal().detail.as_str()));
        for reason in Reason::ALL {
            let rejection = Rejection { reason, ..refusal() };
            assert_eq!(refusal_of(&refusal_headers(&rejection)), Some(rejection));
        }
    }

    #[test]
    fn a_record_that_was_sent_again_counts() {
        let again = redrive_headers(&refusal_headers(&refusal()));
        assert_eq!(again.get_text("caravan-refused"), Some("amount-mismatch"), "it is kept for whoever looks");
        assert_eq!(refusal_of(&again), None);
    }

    #[test]
    fn what_is_no_reason_refuses_nothing() {
        for code in ["", "amount_mismatch", "AMOUNT-MISMATCH", "because"] {
            let mut headers = Headers::new();
            headers.push_text(REFUSED, code);
            assert_eq!(refusal_of(&headers), None, "{code}");
        }
        let mut headers = Headers::new();
        headers.push(REFUSED, Some(vec![0xff]));
        assert_eq!(refusal_of(&headers), None);
        assert_eq!(refusal_of(&Headers::new()), None);
    }

    #[test]
    fn a_detail_may_be_absent_and_is_clipped() {
        let mut headers = Headers::new();
        headers.push_text(REFUSED, "unknown-order");
        assert_eq!(refusal_of(&headers), Some(Rejection::new(Reason::UnknownOrder, "")));
        let long = Rejection::new(Reason::UnknownOrder, "ü".repeat(DETAIL_CHARS_MAX + 1));
        let read = refusal_of(&refusal_headers(&long)).unwrap();
        assert_eq!(read.detail, "ü".repeat(DETAIL_CHARS_MAX));
    }

    proptest! {
        #[test]
        fn no_headers_whatsoever_make_it_panic(mut headers in any_headers(), detail: Vec<u8>, reason in 0..Reason::ALL.len()) {
            let _ = refusal_of(&headers);
            headers.push_text(REFUSED, Reason::ALL[reason].code());
            headers.push(REFUSED_DETAIL, Some(detail));
            let _ = refusal_of(&headers);
        }
    }
}
