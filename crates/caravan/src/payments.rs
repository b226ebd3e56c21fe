//! What a record that should have become a purchase says of its payment, as far as it can be read.

use caravan_domain::event::{open, payment_id_of, redrive_headers};
use caravan_domain::ids::purchase_id;
use serde_json::Value;
use uuid::Uuid;

use crate::platform::rows::DeadLetter;

/// A payment as a dead letter tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reported {
    /// The payment's id, if it can be read; else the record's key, which payment services make of it.
    pub payment_id: Option<String>,
    /// Whose it is, if that can be read.
    pub student_id: Option<String>,
    /// The purchase it would have become; `None` if that can't be known.
    pub purchase_id: Option<Uuid>,
}

impl Reported {
    /// What a dead letter of a confirmed payment tells.
    pub fn by(letter: &DeadLetter) -> Self {
        let envelope = open(letter.value.as_deref(), &redrive_headers(&letter.headers)).ok();
        if let Some(found) = envelope.as_ref().and_then(|envelope| Self::of(&envelope.data)) {
            return found;
        }
        let key = || String::from_utf8(letter.key.clone()?).ok().filter(|key| !key.is_empty());
        let payment_id = letter.value.as_deref().and_then(payment_id_of).or_else(key);
        let purchase_id = payment_id.as_deref().map(|id| purchase_id(id, None));
        Self { payment_id, student_id: None, purchase_id }
    }

    fn of(data: &Value) -> Option<Self> {
        let payment_id = data.get("payment_id")?.as_str()?;
        let known = match data.get("item").unwrap_or(&Value::Null) {
            Value::Null => Some(purchase_id(payment_id, None)),
            Value::String(item) => Some(purchase_id(payment_id, Some(item))),
            _ => None,
        };
        let student_id = data.pointer("/student/id").and_then(Value::as_str).map(str::to_owned);
        Some(Self { payment_id: Some(payment_id.to_owned()), student_id, purchase_id: known })
    }
}

#[cfg(test)]
mod tests {
    use caravan_domain::event::{Headers, Topic};
    use jiff::Timestamp;

    use super::*;

    fn reported(key: Option<&str>, value: &str, media_type: Option<&str>) -> Reported {
        let mut headers = Headers::new();
        media_type.iter().for_each(|text| headers.push_text("content-type", *text));
        Reported::by(&DeadLetter {
            id: 1,
            topic: Topic::PurchaseConfirmed,
            partition: 0,
            offset: 0,
            consumer_group: String::new(),
            reason: String::new(),
            detail: String::new(),
            attempts: 1,
            redrives: 0,
            key: key.map(|key| key.as_bytes().to_vec()),
            value: Some(value.as_bytes().to_vec()),
            headers,
            failed_at: Timestamp::UNIX_EPOCH,
            redriven_at: None,
            repaired: None,
        })
    }

    #[test]
    fn a_payment_is_read_from_whatever_can_be_read() {
        let (whole, item) = (Some(purchase_id("pay_1", None)), Some(purchase_id("pay_1", Some("b"))));
        let structured = Some("application/cloudevents+json");
        for (key, value, media_type, payment_id, purchase_id) in [
            (None, r#"{"payment_id": "pay_1", "plan": 7}"#, None, Some("pay_1"), whole),
            (Some("other"), r#"{"payment_id": "pay_1", "item": "b"}"#, None, Some("pay_1"), item),
            (None, r#"{"payment_id": "pay_1", "item": 7}"#, None, Some("pay_1"), None),
            (Some("pay_1"), "{", None, Some("pay_1"), whole),
            (Some("pay_1"), r#"{"payment_id": 7}"#, None, Some("pay_1"), whole),
            (
                None,
                r#"{"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": {"payment_id": "pay_1", "item": "b"}}"#,
                structured,
                Some("pay_1"),
                item,
            ),
            (None, "[]", None, None, None),
        ] {
            let found = reported(key, value, media_type);
            assert_eq!((found.payment_id.as_deref(), found.purchase_id), (payment_id, purchase_id), "{key:?} {value}");
        }
        let student = reported(None, r#"{"payment_id": "pay_1", "student": {"id": "stu_1"}}"#, None).student_id;
        assert_eq!(student.as_deref(), Some("stu_1"));
    }
}
