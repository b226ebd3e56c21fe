//! A refund that a person notes: it stands beside those that are known, or is refused.

use std::collections::BTreeMap;

use caravan_domain::event::{Headers, METADATA_CHARS_MAX, Topic, decode_refund};
use caravan_domain::purchase::Amount;
use caravan_domain::refund::Refund;

use crate::intake::{Entry, Intake};
use crate::platform::Platform;
use crate::platform::rows::Purchase;
use crate::reported::record;

/// A refund that a person notes, as no payment provider reports it.
#[derive(Clone, Debug)]
pub struct ByHand<'a> {
    /// Its number, of its own.
    pub refund_id: &'a str,
    /// What was given back.
    pub amount: Amount,
    /// Whether it is only held back.
    pub provisional: bool,
    /// Who notes it.
    pub actor: &'a str,
    /// Why it was given back.
    pub reason: &'a str,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// It is handed in, and durable.
    Now,
    /// It was noted before: nothing is to be done.
    Before,
}

/// Hands in a refund that a person notes.
///
/// # Errors
/// In words, if it contradicts what is known, is none as the payment side could report it, or can't be kept.
pub async fn give_back(
    platform: &Platform,
    intake: &Intake,
    purchase: &Purchase,
    noted: &ByHand<'_>,
) -> Result<Given, String> {
    let reported = purchase.reported();
    let refund = Refund {
        payment_id: reported.payment_id.clone(),
        item: reported.item.clone(),
        refund_id: noted.refund_id.to_owned(),
        refunded_at: platform.clock.now(),
        amount: noted.amount.clone(),
        provisional: noted.provisional,
        reason: Some(format!("noted by {}: {}", noted.actor, noted.reason).chars().take(METADATA_CHARS_MAX).collect()),
        metadata: BTreeMap::new(),
    };
    let known = platform.store.refunds(&[purchase.id]).await.map_err(|problem| problem.to_string())?;
    let known: Vec<&Refund> = known.iter().map(|row| &row.refund).collect();
    if is_known(&refund, &known, &reported.amount)? {
        return Ok(Given::Before);
    }
    let told = serde_json::to_value(&refund).map_err(|problem| problem.to_string())?;
    decode_refund(&told).map_err(|rejection| rejection.detail)?;
    let key = refund.payment_id.clone();
    let record = record(platform, Topic::PurchaseRefunded, key, &refund, Headers::new());
    let record = record.map_err(|problem| problem.to_string())?;
    let entry = Entry { records: vec![record], ..Entry::default() };
    intake.hand_in(entry).await.map_err(|problem| problem.to_string())?;
    Ok(Given::Now)
}

/// Whether a refund is noted already, of those known of a purchase that so much was paid for.
///
/// # Errors
/// In words, if it can't be one beside them.
fn is_known(refund: &Refund, known: &[&Refund], paid: &Amount) -> Result<bool, String> {
    if let Some(first) = known.iter().find(|first| first.refund_id == refund.refund_id) {
        let held_back = if first.provisional { ", only held back" } else { "" };
        return match first.agrees_with(refund) {
            true => Ok(true),
            false => Err(format!(
                "refund {:?} is noted already, of {}{held_back}: give this one a number of its own",
                refund.refund_id, first.amount
            )),
        };
    }
    let given: i64 = known.iter().filter(|first| first.counts_towards(paid)).map(|first| first.amount.minor).sum();
    let left = Amount { minor: paid.minor.saturating_sub(given).max(0), currency: paid.currency.clone() };
    match refund.amount.minor {
        0 => Err("what was given back must be more than nothing".to_owned()),
        minor if minor > left.minor => {
            Err(format!("{} is more than what is left of the payment: {left} of {paid}", refund.amount))
        }
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn euros(minor: i64) -> Amount {
        Amount { minor, currency: "EUR".to_owned() }
    }

    fn refund(refund_id: &str, minor: i64, provisional: bool) -> Refund {
        Refund {
            payment_id: "pay_1".to_owned(),
            item: None,
            refund_id: refund_id.to_owned(),
            refunded_at: Timestamp::UNIX_EPOCH,
            amount: euros(minor),
            provisional,
            reason: None,
            metadata: BTreeMap::new(),
        }
    }

    #[test]
    fn a_refund_by_hand_stands_beside_those_that_are_known() {
        let (part, held_back) = (refund("part", 20_000, false), refund("dispute", 49_900, true));
        let known = [&part, &held_back];
        for (noted, expected) in [
            (refund("rest", 29_900, false), Ok(false)),
            (refund("another dispute", 29_900, true), Ok(false)),
            (refund("part", 20_000, false), Ok(true)),
            (refund("part", 20_001, false), Err("of 200.00 EUR: give this one a number of its own")),
            (refund("dispute", 49_900, false), Err("of 499.00 EUR, only held back: give this one a number of its own")),
            (
                refund("all", 49_900, false),
                Err("499.00 EUR is more than what is left of the payment: 299.00 EUR of 499.00 EUR"),
            ),
            (refund("none", 0, false), Err("more than nothing")),
        ] {
            let told = is_known(&noted, &known, &euros(49_900));
            match expected {
                Ok(expected) => assert_eq!(told, Ok(expected), "{}", noted.refund_id),
                Err(words) => assert!(told.as_ref().is_err_and(|told| told.contains(words)), "{told:?}"),
            }
        }
    }
}
