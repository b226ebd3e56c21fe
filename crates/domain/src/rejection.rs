//! Why a record was set aside: a stable code for machines and a sentence for people.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The stable code of a rejection, as it stands in the `caravan-reason` header and in
/// `dead_letters.reason`. Codes are only ever added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The value is not JSON in UTF-8 (RFC 8259).
    InvalidJson,
    /// A field is missing, of the wrong type or out of bounds.
    InvalidField,
    /// The value is larger than any value may be.
    ValueTooLarge,
    /// The payment was reported before with another student, course, plan or amount.
    ConflictingPayment,
    /// The refund was reported before with another amount, or is in another currency than its payment.
    ConflictingRefund,
    /// The record names a purchase that the database does not have.
    UnknownPurchase,
    /// The record names an allocation that the database does not have.
    UnknownAllocation,
    /// The payment is of an order that is not kept, or not any more.
    UnknownOrder,
    /// Another amount was paid than the order says, or in another currency.
    AmountMismatch,
    /// The order was paid before, by another payment.
    OrderPaidTwice,
    /// The record fails whenever it runs alone, while others succeed.
    ProcessingFailed,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::InvalidJson,
        Self::InvalidField,
        Self::ValueTooLarge,
        Self::ConflictingPayment,
        Self::ConflictingRefund,
        Self::UnknownPurchase,
        Self::UnknownAllocation,
        Self::UnknownOrder,
        Self::AmountMismatch,
        Self::OrderPaidTwice,
        Self::ProcessingFailed,
    ];

    /// The code as text, such as `invalid-json`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidJson => "invalid-json",
            Self::InvalidField => "invalid-field",
            Self::ValueTooLarge => "value-too-large",
            Self::ConflictingPayment => "conflicting-payment",
            Self::ConflictingRefund => "conflicting-refund",
            Self::UnknownPurchase => "unknown-purchase",
            Self::UnknownAllocation => "unknown-allocation",
            Self::UnknownOrder => "unknown-order",
            Self::AmountMismatch => "amount-mismatch",
            Self::OrderPaidTwice => "order-paid-twice",
            Self::ProcessingFailed => "processing-failed",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Reason {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|reason| reason.code() == text);
        found.ok_or_else(|| format!("unknown reason {text:?}"))
    }
}

/// One field that is wrong: where it is (JSON pointer, RFC 6901) and what it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldFault {
    /// JSON pointer into the value; empty for the value as a whole.
    pub pointer: String,
    /// What is wrong and what is allowed, in words.
    pub problem: String,
}

impl fmt::Display for FieldFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pointer = if self.pointer.is_empty() { "(whole value)" } else { &self.pointer };
        write!(f, "{pointer}: {}", self.problem)
    }
}

/// A record's rejection: no retry of the same bytes could help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct Rejection {
    /// The stable code.
    pub reason: Reason,
    /// What is wrong, in words: for fields, each by its JSON pointer and bound.
    pub detail: String,
}

impl Rejection {
    /// Builds a rejection from its code and its words.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    /// Builds the rejection of a value whose fields are wrong; the detail names each of them.
    pub fn of_fields(faults: &[FieldFault]) -> Self {
        let detail = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        Self::new(Reason::InvalidField, detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_its_code() {
        for reason in Reason::ALL {
            assert_eq!(reason.code().parse(), Ok(reason));
            assert_eq!(reason.to_string(), reason.code());
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.code());
        }
        assert!("Invalid-Json".parse::<Reason>().is_err());
    }
}
