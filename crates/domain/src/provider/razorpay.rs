//! Reading Razorpay's events (<https://razorpay.com/docs/webhooks>).
//!
//! Amounts are in minor units by ISO 4217, also of currencies with no decimals and with three
//! (<https://razorpay.com/docs/payments/international-payments>).
//!
//! What a dispute takes is provisional until it is lost: Razorpay deducts it at the onset
//! (<https://razorpay.com/docs/payments/disputes/chargeback-fees-and-penalties>).
//!
//! Not read: `refund.created` (it may still fail) and `payment.authorized` (it may never be captured).

use iso_currency::Currency;
use jiff::Timestamp;
use serde_json::Value;

use super::{Payment, Provider, Report, STEM_CHARS, amount, began, dispute_words, given_back, order_id, words};
use crate::event::confirmation::{ID_CHARS, owned};
use crate::field::{Field, read_value};
use crate::refund::Refund;
use crate::rejection::Rejection;

/// Reads an event.
///
/// # Errors
/// The rejection names every wrong field of an event that would have to be understood.
pub fn read(body: &Value) -> Result<Vec<Report>, Rejection> {
    read_value(body, event).map_err(|faults| Rejection::of_fields(&faults))
}

fn event(field: Field<'_>) -> Option<Vec<Report>> {
    field.object()?;
    let kind = owned(field.get("event"), ID_CHARS)?;
    let read: fn(Field<'_>, Timestamp) -> Option<Option<Report>> = match kind.as_str() {
        "payment.captured" | "order.paid" => payment,
        "refund.processed" => refund,
        "payment.dispute.created" => opened_dispute,
        "payment.dispute.lost" => lost_dispute,
        _ => return Some(vec![Report::Ignored(kind)]),
    };
    let payload = field.get("payload");
    payload.object()?;
    let report = read(payload, field.get("created_at").unix_seconds()?)?;
    Some(vec![report.unwrap_or(Report::Ignored(kind))])
}

/// The entity of that kind which an event carries.
fn entity<'a>(payload: &Field<'a>, kind: &'a str) -> Field<'a> {
    payload.get(kind).get("entity")
}

fn payment(payload: Field<'_>, at: Timestamp) -> Option<Option<Report>> {
    let payment = entity(&payload, "payment");
    payment.object()?;
    let payment_id = owned(payment.get("id"), ID_CHARS);
    let amount = amount(&payment.get("amount"), &payment.get("currency"), 0, Currency::exponent);
    let of_its_order = || order_id(&entity(&payload, "order").get("notes"));
    // Without notes they are an empty array, in which nothing has a name.
    let order_id = order_id(&payment.get("notes")).or_else(of_its_order);
    let provider = Provider::Razorpay;
    Some(Some(Report::Paid(Payment { payment_id: payment_id?, order_id, amount: amount?, at, provider })))
}

/// A refund, unless it is of a payment that was authorized and never captured: Razorpay gives these back by itself
/// (<https://razorpay.com/docs/payments/refunds/auto-refunds>), and they never made a purchase.
fn refund(payload: Field<'_>, at: Timestamp) -> Option<Option<Report>> {
    let refund = entity(&payload, "refund");
    refund.object()?;
    if entity(&payload, "payment").get("captured").raw() == Some(&Value::Bool(false)) {
        return Some(None);
    }
    let payment_id = owned(refund.get("payment_id"), ID_CHARS);
    let refund_id = owned(refund.get("id"), ID_CHARS);
    let refunded_at = began(refund.get("created_at"), at);
    let amount = amount(&refund.get("amount"), &refund.get("currency"), 1, Currency::exponent);
    Some(Some(Report::GivenBack(given_back(payment_id?, refund_id?, refunded_at?, amount?))))
}

/// A dispute that has just begun, unless it only asks for information
/// (<https://razorpay.com/docs/payments/disputes#dispute-phases>).
fn opened_dispute(payload: Field<'_>, at: Timestamp) -> Option<Option<Report>> {
    let entity = entity(&payload, "dispute");
    entity.object()?;
    if entity.get("phase").raw().and_then(Value::as_str) == Some("retrieval") {
        return Some(None);
    }
    let begun = began(entity.get("created_at"), at);
    let refund = dispute(&entity, "opened", begun?)?;
    Some(Some(Report::GivenBack(Refund { provisional: true, ..refund })))
}

/// A dispute that is lost: the money stays where it is. That is another refund than the one that may return.
fn lost_dispute(payload: Field<'_>, at: Timestamp) -> Option<Option<Report>> {
    let entity = entity(&payload, "dispute");
    entity.object()?;
    let refund = dispute(&entity, "lost", at)?;
    Some(Some(Report::GivenBack(Refund { refund_id: format!("{}:lost", refund.refund_id), ..refund })))
}

/// What a dispute is about, under its own id.
fn dispute(entity: &Field<'_>, became: &str, at: Timestamp) -> Option<Refund> {
    let payment_id = owned(entity.get("payment_id"), ID_CHARS);
    let refund_id = owned(entity.get("id"), STEM_CHARS);
    let amount = amount(&entity.get("amount"), &entity.get("currency"), 1, Currency::exponent);
    let reason = Some(dispute_words(became, words(&entity.get("reason_code"))));
    Some(Refund { reason, ..given_back(payment_id?, refund_id?, at, amount?) })
}

#[cfg(test)]
mod tests;
