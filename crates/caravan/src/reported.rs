//! What payment providers report, matched with the orders it is about: each report becomes a record of the log, or is
//! known already, or is nothing to us.

use std::fmt;

use caravan_domain::event::{Headers, Topic, refusal_headers};
use caravan_domain::provider::{Payment, Report};
use caravan_domain::purchase::Confirmation;
use caravan_domain::refund::Refund;
use caravan_domain::rejection::{Reason, Rejection};
use serde::Serialize;
use serde_json::{Value, json};

use crate::intake::{Entry, Intake};
use crate::platform::desk::{DeskEffects, OrderPaid, OrderRow, Paid};
use crate::platform::log::NewRecord;
use crate::platform::transaction::CommitError;
use crate::platform::{Platform, PlatformError};

/// How often a report is matched anew while others change the order it is about.
const ATTEMPTS_MAX: u32 = 5;

/// What became of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handled {
    /// The payment's order is confirmed.
    Confirmed,
    /// The payment has paid its order before.
    KnownAlready,
    /// The refund is handed over.
    Refunded,
    /// It can't be matched, and is set aside for a person.
    SetAside(Reason),
    /// Events of this type are nothing to us.
    Ignored(String),
}

impl fmt::Display for Handled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Confirmed => f.write_str("the order is confirmed"),
            Self::KnownAlready => f.write_str("known already"),
            Self::Refunded => f.write_str("the refund is noted"),
            Self::SetAside(reason) => write!(f, "set aside for a person: {reason}"),
            Self::Ignored(kind) => write!(f, "ignored: {kind}"),
        }
    }
}

/// Hands reports in; when it returns, they are durable. `trace` are the headers of the request that belong to a trace.
///
/// # Errors
/// If they can't be kept; the provider is to report them again.
pub async fn hand_in(
    platform: &Platform,
    intake: &Intake,
    reports: Vec<Report>,
    trace: &Headers,
) -> Result<Vec<Handled>, CommitError> {
    let mut handled = Vec::with_capacity(reports.len());
    for report in reports {
        handled.push(hand_in_one(platform, intake, &report, trace).await?);
    }
    Ok(handled)
}

async fn hand_in_one(
    platform: &Platform,
    intake: &Intake,
    report: &Report,
    trace: &Headers,
) -> Result<Handled, CommitError> {
    let mut attempt = 1;
    loop {
        let (entry, handled) = match report {
            Report::Ignored(kind) => return Ok(Handled::Ignored(kind.clone())),
            Report::GivenBack(refund) => (given_back(platform, refund.clone(), trace).await?, Handled::Refunded),
            Report::Paid(payment) => match matched(platform, payment, trace).await? {
                Some(matched) => matched,
                None => return Ok(Handled::KnownAlready),
            },
        };
        match intake.hand_in(entry).await {
            Ok(()) => return Ok(handled),
            Err(CommitError::Conflict { .. }) if attempt < ATTEMPTS_MAX => attempt += 1,
            Err(refusal) => return Err(refusal),
        }
    }
}

/// The refund's record. Of which purchase of its payment it is, the order says.
async fn given_back(platform: &Platform, mut refund: Refund, trace: &Headers) -> Result<Entry, PlatformError> {
    let paid = platform.store.orders_paid_by(std::slice::from_ref(&refund.payment_id)).await?.pop();
    refund.item = paid.and_then(|row| row.order.item);
    let key = refund.payment_id.clone();
    let record = record(platform, Topic::PurchaseRefunded, key, &refund, trace.clone())?;
    Ok(Entry { records: vec![record], ..Entry::default() })
}

/// What a payment comes to; `None` if it has paid its order before.
async fn matched(
    platform: &Platform,
    payment: &Payment,
    trace: &Headers,
) -> Result<Option<(Entry, Handled)>, PlatformError> {
    let Some(row) = ordered(platform, payment).await? else {
        let rejection = Rejection::new(Reason::UnknownOrder, unknown(payment));
        return set_aside(platform, payment, &bare(payment), &rejection, trace).map(Some);
    };
    match &row.paid {
        Some(paid) if paid.payment_id == payment.payment_id => return Ok(None),
        Some(paid) => {
            let detail = format!(
                "order {} was paid before by payment {:?}; give this one back, or send it again to have a second purchase",
                row.id, paid.payment_id
            );
            let rejection = Rejection::new(Reason::OrderPaidTwice, detail);
            let confirmation = row.order.confirmation(payment);
            return set_aside(platform, payment, &confirmation, &rejection, trace).map(Some);
        }
        None => {}
    }
    match row.order.paid(payment) {
        Ok(confirmation) => Ok(Some((confirmed(platform, row.id, confirmation, trace)?, Handled::Confirmed))),
        Err(mismatch) => {
            let detail = format!("order {}: {mismatch}; send it again to take it as it was paid", row.id);
            let rejection = Rejection::new(Reason::AmountMismatch, detail);
            let confirmation = row.order.confirmation(payment);
            set_aside(platform, payment, &confirmation, &rejection, trace).map(Some)
        }
    }
}

/// The order a payment is for: the one it names, or else the one it has paid.
async fn ordered(platform: &Platform, payment: &Payment) -> Result<Option<OrderRow>, PlatformError> {
    match &payment.order_id {
        Some(id) => Ok(platform.store.orders(std::slice::from_ref(id)).await?.pop()),
        None => Ok(platform.store.orders_paid_by(std::slice::from_ref(&payment.payment_id)).await?.pop()),
    }
}

fn unknown(payment: &Payment) -> String {
    match &payment.order_id {
        Some(id) => format!("payment {:?} names the order {id:?}, which is not known", payment.payment_id),
        None => format!(
            "payment {:?} names no order: hand `caravan_order_id` over as metadata (docs/connect.md says where)",
            payment.payment_id
        ),
    }
}

/// What is known of a payment without an order, to be completed by a person.
fn bare(payment: &Payment) -> Value {
    json!({ "payment_id": payment.payment_id, "confirmed_at": payment.at, "amount": payment.amount,
            "metadata": { "caravan_order_id": payment.order_id } })
}

/// The order is paid.
fn confirmed(
    platform: &Platform,
    id: String,
    confirmation: Confirmation,
    trace: &Headers,
) -> Result<Entry, PlatformError> {
    let payment_id = confirmation.payment_id.clone();
    let record = record(platform, Topic::PurchaseConfirmed, payment_id.clone(), &confirmation, trace.clone())?;
    let paid = OrderPaid { id, paid: Paid { payment_id, at: platform.clock.now() } };
    Ok(Entry { records: vec![record], desk: DeskEffects { paid: vec![paid], ..DeskEffects::default() } })
}

/// A record that its worker sets aside, with the reason that it carries.
fn set_aside(
    platform: &Platform,
    payment: &Payment,
    value: &impl Serialize,
    rejection: &Rejection,
    trace: &Headers,
) -> Result<(Entry, Handled), PlatformError> {
    let headers: Headers = trace.iter().chain(refusal_headers(rejection).iter()).cloned().collect();
    let record = record(platform, Topic::PurchaseConfirmed, payment.payment_id.clone(), value, headers)?;
    Ok((Entry { records: vec![record], ..Entry::default() }, Handled::SetAside(rejection.reason)))
}

/// What is told of a payment or a refund, as its record.
///
/// # Errors
/// If it is no JSON, which nothing that is reported comes to.
pub(crate) fn record(
    platform: &Platform,
    topic: Topic,
    key: String,
    value: &impl Serialize,
    headers: Headers,
) -> Result<NewRecord, PlatformError> {
    let value = serde_json::to_vec(value)
        .map_err(|problem| PlatformError::Broken(format!("a report of payment {key:?} is no JSON: {problem}")))?;
    let timestamp = platform.clock.now();
    Ok(NewRecord { topic, key: Some(key.into_bytes()), value: Some(value), headers, timestamp })
}
