//! Refunds: what the payment side gives back of a purchase, and when that is the whole of it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::purchase::Amount;

/// Characters of the words a refund is noted with.
const WORDS_CHARS_MAX: usize = 500;

/// The value of `purchase-refunded`, validated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refund {
    /// The payment provider's id of the payment.
    pub payment_id: String,
    /// Which of several purchases of the payment.
    pub item: Option<String>,
    /// The payment provider's id of the refund; a repeat has the same.
    pub refund_id: String,
    /// When it was given back.
    pub refunded_at: Timestamp,
    /// What was given back.
    pub amount: Amount,
    /// Whether it is only held back and may return, as what is disputed. Then it never counts towards the whole.
    pub provisional: bool,
    /// Why, if told.
    pub reason: Option<String>,
    /// The payment side's own texts.
    pub metadata: BTreeMap<String, String>,
}

impl Refund {
    /// Whether it gives back something of what was paid, for good.
    pub fn counts_towards(&self, paid: &Amount) -> bool {
        !self.provisional && self.amount.currency == paid.currency
    }

    /// Whether another report of the same refund says the same.
    pub fn agrees_with(&self, other: &Self) -> bool {
        self.amount == other.amount && self.provisional == other.provisional
    }

    /// What it is in words, for whoever reads what was changed because of it.
    pub fn words(&self) -> String {
        let why = self.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let what = if self.provisional { "provisional refund" } else { "refund" };
        let words = format!("{what} {} of {}{why}", self.refund_id, self.amount);
        words.chars().take(WORDS_CHARS_MAX).collect()
    }
}

/// Where a refund stands.
///
/// ```text
/// kept -> applied      open -> settled
///   +---> open           +---> applied
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefundState {
    /// Its payment is not known yet.
    Kept,
    /// A person is to decide what follows: of a part, or of what may return.
    Open,
    /// The whole was given back, and the purchase is called off.
    Applied,
    /// A person has decided.
    Settled,
}

impl RefundState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Kept, Self::Open, Self::Applied, Self::Settled];

    /// The state as it stands in tables and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Open => "open",
            Self::Applied => "applied",
            Self::Settled => "settled",
        }
    }
}

impl fmt::Display for RefundState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for RefundState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|state| state.name() == text);
        found.ok_or_else(|| format!("unknown refund state {text:?}"))
    }
}

/// Whether refunds give back all that was paid. What is given back in another currency or may return does not count, and
/// of what cost nothing nothing can be given back.
pub fn is_whole<'a>(paid: &Amount, refunds: impl IntoIterator<Item = &'a Refund>) -> bool {
    let counted = refunds.into_iter().filter(|refund| refund.counts_towards(paid));
    let sum: i128 = counted.map(|refund| i128::from(refund.amount.minor)).sum();
    paid.minor > 0 && sum >= i128::from(paid.minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(minor: i64, currency: &str) -> Amount {
        Amount { minor, currency: currency.to_owned() }
    }

    fn refund(minor: i64, currency: &str) -> Refund {
        Refund {
            payment_id: "pay_1".into(),
            item: None,
            refund_id: "re_1".into(),
            refunded_at: Timestamp::UNIX_EPOCH,
            amount: amount(minor, currency),
            provisional: false,
            reason: None,
            metadata: BTreeMap::new(),
        }
    }

    #[test]
    fn the_whole_is_given_back_when_the_sum_reaches_what_was_paid() {
        for (paid, refunds, whole) in [
            (100, vec![(100, "INR")], true),
            (100, vec![(99, "INR")], false),
            (100, vec![(60, "INR"), (40, "INR")], true),
            (100, vec![(60, "INR"), (60, "INR")], true),
            (100, vec![(60, "INR"), (40, "EUR")], false),
            (i64::MAX, vec![(i64::MAX, "INR"), (i64::MAX, "INR")], true),
            (100, vec![], false),
            (0, vec![], false),
            (0, vec![(1, "INR")], false),
        ] {
            let refunds: Vec<Refund> = refunds.into_iter().map(|(minor, currency)| refund(minor, currency)).collect();
            assert_eq!(is_whole(&amount(paid, "INR"), &refunds), whole, "{paid} {refunds:?}");
        }
    }

    #[test]
    fn what_may_return_never_counts_towards_the_whole() {
        let held = Refund { provisional: true, ..refund(100, "INR") };
        assert!(!is_whole(&amount(100, "INR"), [&held, &held]));
        assert!(!is_whole(&amount(100, "INR"), [&held, &refund(99, "INR")]));
        assert!(is_whole(&amount(100, "INR"), [&held, &refund(100, "INR")]));
        assert_eq!(held.words(), "provisional refund re_1 of 1.00 INR");
    }

    #[test]
    fn another_report_agrees_if_amount_and_finality_are_the_same() {
        let first = refund(100, "INR");
        assert!(first.agrees_with(&Refund { reason: Some("other words".into()), ..first.clone() }));
        for other in [refund(99, "INR"), refund(100, "EUR"), Refund { provisional: true, ..first.clone() }] {
            assert!(!first.agrees_with(&other), "{other:?}");
        }
    }

    #[test]
    fn a_state_is_its_name() {
        for state in RefundState::ALL {
            assert_eq!(state.name().parse(), Ok(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
        assert!("gone".parse::<RefundState>().is_err());
    }

    #[test]
    fn its_words_are_bounded() {
        let mut refund = refund(500, "INR");
        assert_eq!(refund.words(), "refund re_1 of 5.00 INR");
        refund.reason = Some("ü".repeat(500));
        assert!(refund.words().starts_with("refund re_1 of 5.00 INR: ü"));
        assert_eq!(refund.words().chars().count(), WORDS_CHARS_MAX);
    }
}
