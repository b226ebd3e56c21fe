//! Reading Stripe's events (<https://docs.stripe.com/api/events/types>).
//!
//! A payment's id is its PaymentIntent's. A Checkout Session without one (nothing was to be paid, or it began a
//! subscription, whose payments hang on its invoices) is a payment under its own id; refunds and later payments of a
//! subscription do not name the Session, so they are not told to belong to it.
//!
//! What a dispute takes is provisional until it is lost. An inquiry before one
//! (<https://docs.stripe.com/disputes/how-disputes-work>) takes nothing.
//!
//! Not read: `refund.failed` (a refund that had succeeded comes back to the account), `charge.dispute.funds_reinstated`
//! (nobody's decision about what was held back is undone) and events in the thin format
//! (<https://docs.stripe.com/webhooks#thin-events>), which say nothing but ids.

use iso_currency::Currency;
use jiff::Timestamp;
use serde_json::Value;

use super::{Payment, Provider, Report, STEM_CHARS, amount, began, dispute_words, given_back, order_id, words};
use crate::event::confirmation::{ID_CHARS, owned};
use crate::field::{Field, read_value};
use crate::order::ORDER_ID_PREFIX;
use crate::purchase::Amount;
use crate::refund::Refund;
use crate::rejection::Rejection;

/// Refunds in the list of a charge: a page of Stripe's has at most so many.
const REFUNDS_LISTED_MAX: usize = 100;

/// Whole units, <https://docs.stripe.com/currencies#zero-decimal>. UGX stands in that list too, but as a special case
/// below it is written with two decimals, which are always `00`; so is ISK.
const ZERO_DECIMAL: [Currency; 15] = [
    Currency::BIF,
    Currency::CLP,
    Currency::DJF,
    Currency::GNF,
    Currency::JPY,
    Currency::KMF,
    Currency::KRW,
    Currency::MGA,
    Currency::PYG,
    Currency::RWF,
    Currency::VND,
    Currency::VUV,
    Currency::XAF,
    Currency::XOF,
    Currency::XPF,
];
/// Thousandths, <https://docs.stripe.com/currencies#three-decimal>.
const THREE_DECIMAL: [Currency; 5] = [Currency::BHD, Currency::JOD, Currency::KWD, Currency::OMR, Currency::TND];

/// How many decimals Stripe writes an amount with. They are not always those of ISO 4217: MGA has two there, ISK and UGX
/// none.
fn decimals(currency: Currency) -> Option<u16> {
    Some(match currency {
        whole if ZERO_DECIMAL.contains(&whole) => 0,
        thousandths if THREE_DECIMAL.contains(&thousandths) => 3,
        _ => 2,
    })
}

/// Reads an event.
///
/// # Errors
/// The rejection names every wrong field of an event that would have to be understood.
pub fn read(body: &Value) -> Result<Vec<Report>, Rejection> {
    read_value(body, event).map_err(|faults| Rejection::of_fields(&faults))
}

fn event(field: Field<'_>) -> Option<Vec<Report>> {
    field.object()?;
    let kind = owned(field.get("type"), ID_CHARS)?;
    let read: fn(Field<'_>, Timestamp) -> Option<Vec<Report>> = match kind.as_str() {
        "checkout.session.completed" => completed_session,
        "checkout.session.async_payment_succeeded" => session,
        "payment_intent.succeeded" => payment_intent,
        "refund.created" | "refund.updated" | "charge.refund.updated" => refund,
        "charge.refunded" => charge,
        "charge.dispute.created" => opened_dispute,
        "charge.dispute.funds_withdrawn" => disputed,
        "charge.dispute.closed" => closed_dispute,
        _ => return Some(vec![Report::Ignored(kind)]),
    };
    let object = field.get("data").get("object");
    object.object()?;
    let mut reports = read(object, field.get("created").unix_seconds()?)?;
    if reports.is_empty() {
        reports.push(Report::Ignored(kind));
    }
    Some(reports)
}

/// A Session whose payment may still be on its way, as with bank debits: then another event follows.
fn completed_session(object: Field<'_>, at: Timestamp) -> Option<Vec<Report>> {
    match object.get("payment_status").text(ID_CHARS)? {
        "paid" | "no_payment_required" => session(object, at),
        _ => Some(Vec::new()),
    }
}

/// A Session that is paid. One in `setup` mode only keeps a card for later.
fn session(object: Field<'_>, at: Timestamp) -> Option<Vec<Report>> {
    if !matches!(object.get("mode").raw().and_then(Value::as_str), None | Some("payment" | "subscription")) {
        return Some(Vec::new());
    }
    let payment_id = reference(&object.get("payment_intent")).or_else(|| owned(object.get("id"), ID_CHARS));
    let order_id = order_id(&object.get("metadata")).or_else(|| client_reference(&object));
    let amount = amount(&object.get("amount_total"), &object.get("currency"), 0, decimals);
    paid(payment_id?, order_id, amount?, at)
}

fn payment_intent(object: Field<'_>, at: Timestamp) -> Option<Vec<Report>> {
    let payment_id = owned(object.get("id"), ID_CHARS);
    let order_id = order_id(&object.get("metadata"));
    let amount = amount(&object.get("amount_received"), &object.get("currency"), 0, decimals);
    paid(payment_id?, order_id, amount?, at)
}

fn paid(payment_id: String, order_id: Option<String>, amount: Amount, at: Timestamp) -> Option<Vec<Report>> {
    Some(vec![Report::Paid(Payment { payment_id, order_id, amount, at, provider: Provider::Stripe })])
}

/// The order in the field that Payment Links and hosted buttons have for it. What does not look like one is the shop's own.
fn client_reference(object: &Field<'_>) -> Option<String> {
    let text = object.get("client_reference_id").raw()?.as_str()?;
    let fits = ID_CHARS.contains(&text.chars().count()) && !text.contains('\0');
    (fits && text.starts_with(ORDER_ID_PREFIX)).then(|| text.to_owned())
}

/// A refund that has succeeded; of others another event follows, or nothing was given back. One without a payment (of a
/// customer's balance) is nobody's purchase.
fn refund(object: Field<'_>, at: Timestamp) -> Option<Vec<Report>> {
    object.object()?;
    if object.get("status").raw().and_then(Value::as_str) != Some("succeeded") {
        return Some(Vec::new());
    }
    let Some(payment_id) = payment_of(&object) else { return Some(Vec::new()) };
    let refund_id = owned(object.get("id"), ID_CHARS);
    let refunded_at = began(object.get("created"), at);
    let amount = amount(&object.get("amount"), &object.get("currency"), 1, decimals);
    let reason = words(&object.get("reason"));
    let refund = given_back(payment_id, refund_id?, refunded_at?, amount?);
    Some(vec![Report::GivenBack(Refund { reason, ..refund })])
}

/// A charge of which something was given back. It lists its refunds up to version 2022-11-15 of the API, or where the
/// endpoint expands them; without them it only says how much it is altogether, which is a refund when that is the whole.
fn charge(object: Field<'_>, at: Timestamp) -> Option<Vec<Report>> {
    let listed = object.get("refunds").get("data");
    if listed.raw().and_then(Value::as_array).is_some_and(|refunds| !refunds.is_empty()) {
        let each = listed.array(0..=REFUNDS_LISTED_MAX, |object| refund(object, at))?;
        return Some(each.into_iter().flatten().collect());
    }
    if !object.get("refunded").boolean()? {
        return Some(Vec::new());
    }
    let charge_id = owned(object.get("id"), STEM_CHARS);
    let payment_id = reference(&object.get("payment_intent")).or_else(|| charge_id.clone());
    let amount = amount(&object.get("amount_refunded"), &object.get("currency"), 1, decimals);
    let refund_id = format!("{}:whole", charge_id?);
    Some(vec![Report::GivenBack(given_back(payment_id?, refund_id, at, amount?))])
}

/// A dispute that has just begun, unless it is but an inquiry; if that becomes one, the money's withdrawal tells of it.
fn opened_dispute(object: Field<'_>, at: Timestamp) -> Option<Vec<Report>> {
    let status = object.get("status").raw().and_then(Value::as_str);
    if status.is_some_and(|status| status.starts_with("warning_")) {
        return Some(Vec::new());
    }
    disputed(object, at)
}

/// A dispute that has taken the money, which may return.
fn disputed(object: Field<'_>, at: Timestamp) -> Option<Vec<Report>> {
    let begun = began(object.get("created"), at);
    let refund = dispute(&object, "opened", begun?)?;
    Some(vec![Report::GivenBack(Refund { provisional: true, ..refund })])
}

/// A dispute that is over. If it is lost the money stays where it is: that is another refund than the one that may return.
fn closed_dispute(object: Field<'_>, at: Timestamp) -> Option<Vec<Report>> {
    if object.get("status").text(ID_CHARS)? != "lost" {
        return Some(Vec::new());
    }
    let refund = dispute(&object, "lost", at)?;
    Some(vec![Report::GivenBack(Refund { refund_id: format!("{}:lost", refund.refund_id), ..refund })])
}

/// What a dispute is about, under its own id.
fn dispute(object: &Field<'_>, became: &str, at: Timestamp) -> Option<Refund> {
    let payment_id = payment_of(object).or_else(|| owned(object.get("charge"), ID_CHARS));
    let refund_id = owned(object.get("id"), STEM_CHARS);
    let amount = amount(&object.get("amount"), &object.get("currency"), 1, decimals);
    let reason = Some(dispute_words(became, words(&object.get("reason"))));
    Some(Refund { reason, ..given_back(payment_id?, refund_id?, at, amount?) })
}

/// The payment that a refund or a dispute is of: its PaymentIntent, or a charge that was made without one.
fn payment_of(object: &Field<'_>) -> Option<String> {
    reference(&object.get("payment_intent")).or_else(|| reference(&object.get("charge")))
}

/// The id of another object: as it is, or of the object where it is expanded
/// (<https://docs.stripe.com/api/expanding_objects>).
fn reference(field: &Field<'_>) -> Option<String> {
    let field = field.clone().present()?;
    let id = field.get("id");
    owned(if field.raw().is_some_and(Value::is_object) { id } else { field }, ID_CHARS)
}

#[cfg(test)]
mod tests;
