//! What payment providers report by webhook: payments and refunds, in Caravan's own terms.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use iso_currency::Currency;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::confirmation::{ID_CHARS, optional};
use crate::event::{AMOUNT_MINOR_MAX, ID_CHARS_MAX};
use crate::field::Field;
use crate::purchase::Amount;
use crate::refund::Refund;
use crate::rejection::Rejection;

pub mod razorpay;
pub mod stripe;

/// Under this name a provider's object carries the order it pays, in its `metadata` (Stripe) or `notes` (Razorpay), and a
/// purchase made of an order carries it in its own metadata.
pub const ORDER_ID_KEY: &str = "caravan_order_id";
/// How much of a provider's reason is kept, in characters: with Caravan's own words it fits where a reason stands.
const REASON_CHARS_MAX: usize = 400;
/// Characters of a provider's id that another id is made of: with a word behind it, it is still one.
const STEM_CHARS: RangeInclusive<usize> = 1..=ID_CHARS_MAX - 10;

/// A payment provider whose webhooks can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Stripe, <https://docs.stripe.com/webhooks>.
    Stripe,
    /// Razorpay, <https://razorpay.com/docs/webhooks>.
    Razorpay,
}

impl Provider {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Stripe, Self::Razorpay];

    /// The name as it stands in addresses, settings and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stripe => "stripe",
            Self::Razorpay => "razorpay",
        }
    }
}

impl Provider {
    /// Reads the body of one of its webhook requests.
    ///
    /// # Errors
    /// The rejection names every wrong field of an event that would have to be understood.
    pub fn read(self, body: &Value) -> Result<Vec<Report>, Rejection> {
        match self {
            Self::Stripe => stripe::read(body),
            Self::Razorpay => razorpay::read(body),
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Provider {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|provider| provider.name() == text);
        found.ok_or_else(|| {
            format!("unknown payment provider {text:?}, known are {}", Self::ALL.map(Self::name).join(", "))
        })
    }
}

/// Money that has come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// The provider's id of the payment; a repeat has the same.
    pub payment_id: String,
    /// The order that it pays, if it names one.
    pub order_id: Option<String>,
    /// What was paid, in minor units by the currency's ISO 4217 exponent.
    pub amount: Amount,
    /// When.
    pub at: Timestamp,
    /// Who reports it.
    pub provider: Provider,
}

/// What one event of a provider's says; one can tell of several refunds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// Money has come in.
    Paid(Payment),
    /// Money was given back.
    GivenBack(Refund),
    /// Nothing that matters to a purchase; the type of the event.
    Ignored(String),
}

/// The order that an object names among its own texts.
fn order_id(texts: &Field<'_>) -> Option<String> {
    optional(texts.get(ORDER_ID_KEY), ID_CHARS)
}

/// A refund of which nothing else is known.
fn given_back(payment_id: String, refund_id: String, refunded_at: Timestamp, amount: Amount) -> Refund {
    Refund {
        payment_id,
        item: None,
        refund_id,
        refunded_at,
        amount,
        provisional: false,
        reason: None,
        metadata: BTreeMap::new(),
    }
}

/// When an entity began, or else when the event was told.
fn began(field: Field<'_>, told_at: Timestamp) -> Option<Timestamp> {
    field.present().map_or(Some(told_at), |created| created.unix_seconds())
}

/// What has become of a dispute, and why there is one.
fn dispute_words(became: &str, reason: Option<String>) -> String {
    reason.map_or_else(|| format!("dispute {became}"), |reason| format!("dispute {became}: {reason}"))
}

/// A provider's reason in words, such as `requested by customer`.
fn words(field: &Field<'_>) -> Option<String> {
    let text = field.raw()?.as_str()?;
    let words: String = text.chars().filter(|char| *char != '\0').take(REASON_CHARS_MAX).collect();
    let words = words.replace('_', " ").trim().to_owned();
    (!words.is_empty()).then_some(words)
}

/// Reads an amount of at least so many minor units, which the provider writes with so many decimals.
fn amount(
    minor: &Field<'_>,
    currency: &Field<'_>,
    least: i64,
    decimals: impl FnOnce(Currency) -> Option<u16>,
) -> Option<Amount> {
    let currency =
        currency.parsed("an ISO 4217 code such as EUR", |text| Currency::from_code(&text.to_ascii_uppercase()));
    let written: Option<i64> = minor.whole(least..=AMOUNT_MINOR_MAX);
    let (currency, written) = (currency?, written?);
    let code = currency.code().to_owned();
    match rescaled(written, decimals(currency), currency.exponent()) {
        Some(minor) => Some(Amount { minor, currency: code }),
        None => minor
            .fault(format!("must be whole minor units of {code} by ISO 4217, is {written} as the provider writes it")),
    }
}

/// An amount written with other decimals, if it stays whole.
fn rescaled(written: i64, from: Option<u16>, to: Option<u16>) -> Option<i64> {
    if from == to {
        return Some(written);
    }
    let (from, to) = (from?, to?);
    let factor = 10_i64.checked_pow(u32::from(from.abs_diff(to)))?;
    if from < to {
        return written.checked_mul(factor);
    }
    (written % factor == 0).then(|| written / factor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_provider_is_its_name() {
        for provider in Provider::ALL {
            assert_eq!(provider.name().parse(), Ok(provider));
            assert_eq!(provider.to_string(), provider.name());
            assert_eq!(serde_json::to_value(provider).unwrap(), provider.name());
        }
        let error = "paypal".parse::<Provider>().unwrap_err();
        assert_eq!(error, "unknown payment provider \"paypal\", known are stripe, razorpay");
    }

    #[test]
    fn an_amount_with_other_decimals_stays_the_same_money() {
        for (written, from, to, expected) in [
            (500, Some(2), Some(2), Some(500)),
            (500, Some(2), Some(0), Some(5)),
            (501, Some(2), Some(0), None),
            (5, Some(0), Some(2), Some(500)),
            (0, Some(0), Some(2), Some(0)),
            (i64::MAX, Some(0), Some(2), None),
            (7, None, None, Some(7)),
            (7, Some(2), None, None),
            (1, Some(0), Some(u16::MAX), None),
        ] {
            assert_eq!(rescaled(written, from, to), expected, "{written} {from:?} {to:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_rescaled_comes_back(written in 0..=i64::MAX, from in 0_u16..5, to in 0_u16..5) {
            if let Some(minor) = rescaled(written, Some(from), Some(to)) {
                prop_assert_eq!(rescaled(minor, Some(to), Some(from)), Some(written));
            }
        }
    }
}
