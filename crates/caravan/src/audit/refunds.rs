//! Guarantee 2 for what is given back: whatever was reported is recorded, and what follows from it has followed.

use serde_json::Value;
use uuid::Uuid;

use super::report::Tally;
use crate::platform::evidence::{OutcomeEvidence, RefundEvidence};

/// Whether a report ended as a row that says the same.
pub(super) fn is_recorded(data: &Value, purchase_id: &str, refunds: &[RefundEvidence]) -> Result<(), String> {
    let named = data["refund_id"].as_str();
    let row = refunds.iter().find(|row| row.purchase_id == purchase_id && Some(row.refund_id.as_str()) == named);
    let row = row.ok_or_else(|| format!("no such refund of purchase {purchase_id} is recorded"))?;
    let amount = &data["amount"];
    let same = amount["minor"].as_i64() == Some(row.amount) && amount["currency"].as_str() == Some(&row.currency);
    if !same {
        return Err(format!("refund {} says another amount", row.id));
    }
    let same = data["provisional"].as_bool().unwrap_or(false) == row.provisional;
    if same { Ok(()) } else { Err(format!("refund {} says otherwise whether it may return", row.id)) }
}

/// Judges a refund by its purchase and by all refunds of it.
pub(super) fn judge(
    row: &RefundEvidence,
    refunds: &[RefundEvidence],
    purchase: Option<&OutcomeEvidence>,
    tally: &mut Tally,
) {
    let derived = Uuid::try_parse(&row.purchase_id)
        .map(|purchase| Uuid::new_v5(&purchase, format!("refund:{}", row.refund_id).as_bytes()).to_string());
    tally.must(derived.as_ref() == Ok(&row.id), &row.id, || "its id is not derived from its purchase".to_owned());
    let problem = match (row.state.as_str(), purchase) {
        ("kept", None) => None,
        ("kept", Some(_)) => Some("it is kept, though its payment is known".to_owned()),
        ("open" | "settled" | "applied", None) => Some(format!("it is {}, but there is no such purchase", row.state)),
        ("open" | "settled", Some(_)) => None,
        ("applied", Some(purchase)) if purchase.status != "cancelled" => {
            Some(format!("it is applied, but its purchase is {}", purchase.status))
        }
        ("applied", Some(purchase)) => {
            (!is_whole(purchase, refunds)).then(|| "it is applied, but less was given back than was paid".to_owned())
        }
        (other, _) => Some(format!("its state is {other:?}, which is none")),
    };
    tally.must(problem.is_none(), &row.id, || problem.unwrap_or_default());
}

fn is_whole(purchase: &OutcomeEvidence, refunds: &[RefundEvidence]) -> bool {
    let confirmed: Value = serde_json::from_str(&purchase.confirmation).unwrap_or(Value::Null);
    let (paid, currency) = (confirmed["amount"]["minor"].as_i64(), confirmed["amount"]["currency"].as_str());
    let theirs = refunds.iter().filter(|row| row.purchase_id == purchase.id && Some(row.currency.as_str()) == currency);
    let given: i128 = theirs.filter(|row| !row.provisional).map(|row| i128::from(row.amount)).sum();
    paid.is_some_and(|paid| paid > 0 && given >= i128::from(paid))
}
