//! Reading `purchase-refunded`, and what is told of a purchase that has changed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::Topic;
use super::confirmation::{AMOUNT_MINOR_MAX, ID_CHARS, METADATA_CHARS_MAX, amount_of, metadata, optional, owned};
use super::payload::Payload;
use crate::field::{Field, read_value};
use crate::refund::Refund;
use crate::rejection::{Reason, Rejection};

/// Reads the data of a `purchase-refunded` record.
///
/// Null counts as absent and unknown fields are ignored, as in a confirmation. The rejection names every wrong field.
pub fn decode_refund(data: &Value) -> Result<Refund, Rejection> {
    read_value(data, refund).map_err(|faults| Rejection::of_fields(&faults))
}

fn refund(field: Field<'_>) -> Option<Refund> {
    field.object()?;
    let payment_id = owned(field.get("payment_id"), ID_CHARS);
    let item = optional(field.get("item"), ID_CHARS);
    let refund_id = owned(field.get("refund_id"), ID_CHARS);
    let refunded_at = field.get("refunded_at").timestamp();
    let amount = amount_of(field.get("amount"), 1..=AMOUNT_MINOR_MAX);
    let provisional = field.get("provisional").present().map_or(Some(false), |provisional| provisional.boolean());
    let reason = optional(field.get("reason"), 0..=METADATA_CHARS_MAX);
    let metadata = metadata(field.get("metadata"));
    Some(Refund {
        payment_id: payment_id?,
        item,
        refund_id: refund_id?,
        refunded_at: refunded_at?,
        amount: amount?,
        provisional: provisional?,
        reason: reason.filter(|reason| !reason.trim().is_empty()),
        metadata,
    })
}

/// `purchase-changed`: something about a purchase is another than it was, beside its sessions and its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurchaseChanged {
    /// The purchase.
    pub purchase_id: Uuid,
    /// Who is taught.
    pub student_id: String,
    /// Who teaches, if somebody is allocated.
    pub trainer_id: Option<String>,
    /// The purchase's revision after it; of two events the one with the higher is later.
    pub revision: i64,
    /// What it was: `refunded` and so on.
    pub kind: String,
    /// When it was noted.
    pub changed_at: Timestamp,
    /// Who or what has changed it.
    pub actor: String,
    /// Why, in words.
    pub reason: String,
    /// The shop's own texts, and those of the change.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

impl Payload for PurchaseChanged {
    const TOPIC: Topic = Topic::PurchaseChanged;

    fn key(&self) -> String {
        self.purchase_id.to_string()
    }

    fn decode(data: &Value) -> Result<Self, Rejection> {
        Self::deserialize(data).map_err(|error| Rejection::new(Reason::InvalidField, error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn example() -> Value {
        json!({
            "payment_id": "pay_1", "item": "second", "refund_id": "re_1", "refunded_at": "2026-12-01T10:00:00Z",
            "amount": { "minor": 500, "currency": "INR" }, "provisional": true, "reason": "moved abroad", "metadata": { "agent": "ann" },
        })
    }

    #[test]
    fn a_refund_is_read_whole_and_with_as_little_as_there_must_be() {
        let refund = decode_refund(&example()).unwrap();
        assert_eq!((refund.payment_id.as_str(), refund.item.as_deref()), ("pay_1", Some("second")));
        assert_eq!((refund.refund_id.as_str(), refund.amount.minor), ("re_1", 500));
        assert_eq!((refund.reason.as_deref(), refund.metadata["agent"].as_str()), (Some("moved abroad"), "ann"));
        assert!(refund.provisional);
        let mut little = example();
        for name in ["item", "provisional", "reason", "metadata"] {
            little[name] = Value::Null;
        }
        let refund = decode_refund(&little).unwrap();
        assert_eq!((refund.item, refund.provisional, refund.reason, refund.metadata.len()), (None, false, None, 0));
    }

    #[test]
    fn what_encodes_decodes_to_the_same() {
        let refund = decode_refund(&example()).unwrap();
        let value = serde_json::to_value(&refund).unwrap();
        assert_eq!(value, example());
        assert_eq!(decode_refund(&value), Ok(refund));
    }

    #[test]
    fn every_wrong_field_is_named() {
        for (name, wrong, pointer) in [
            ("payment_id", json!(""), "/payment_id: "),
            ("item", json!(7), "/item: "),
            ("refund_id", Value::Null, "/refund_id: is missing"),
            ("refunded_at", json!("yesterday"), "/refunded_at: "),
            ("amount", json!({ "minor": 0, "currency": "INR" }), "/amount/minor: "),
            ("amount", json!({ "minor": 5, "currency": "rupees" }), "/amount/currency: "),
            ("provisional", json!("yes"), "/provisional: must be true or false"),
            ("reason", json!("x".repeat(501)), "/reason: "),
            ("metadata", json!([]), "/metadata: "),
        ] {
            let mut value = example();
            value[name] = wrong;
            let rejection = decode_refund(&value).unwrap_err();
            assert_eq!(rejection.reason, Reason::InvalidField);
            assert!(rejection.detail.contains(pointer), "{rejection} should name {pointer}");
        }
    }

    #[test]
    fn what_changed_comes_back() {
        let id = Uuid::from_u128(7);
        let changed = PurchaseChanged {
            purchase_id: id,
            student_id: "stu_118".into(),
            trainer_id: None,
            revision: 4,
            kind: "refunded".into(),
            changed_at: "2026-12-01T10:00:00Z".parse().unwrap(),
            actor: "purchase-refunded".into(),
            reason: "refund re_1 of 5.00 INR".into(),
            metadata: BTreeMap::new(),
        };
        let value = serde_json::to_value(&changed).unwrap();
        let expected = json!({
            "purchase_id": id, "student_id": "stu_118", "trainer_id": null, "revision": 4, "kind": "refunded",
            "changed_at": "2026-12-01T10:00:00Z", "actor": "purchase-refunded",
            "reason": "refund re_1 of 5.00 INR", "metadata": {},
        });
        assert_eq!(value, expected);
        assert_eq!(PurchaseChanged::decode(&value), Ok(changed));
        assert!(PurchaseChanged::decode(&json!({ "purchase_id": id })).is_err());
    }
}
