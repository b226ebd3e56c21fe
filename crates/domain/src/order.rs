//! An order: a plan kept before the customer pays, and the confirmation that a payment makes of it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::METADATA_ENTRIES_MAX;
use crate::event::confirmation::{ID_CHARS, amount, course, metadata, optional, payer, plan, start_dates, student};
use crate::field::{Field, read_value};
use crate::plan::Plan;
use crate::provider::{ORDER_ID_KEY, Payment};
use crate::purchase::{Amount, Confirmation, Course, Payer, Student};
use crate::rejection::{FieldFault, Reason, Rejection};

/// How an order's id begins.
pub const ORDER_ID_PREFIX: &str = "ord_";
/// Days an order can be paid unless it says otherwise.
pub const ORDER_DAYS_DEFAULT: i64 = 7;
/// Days an order can be paid at most: the longest year.
pub const ORDER_DAYS_MAX: i64 = 366;

/// What a customer is about to pay for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Which of several purchases of one payment.
    pub item: Option<String>,
    /// What is to be paid.
    pub amount: Amount,
    /// Whether any amount of that currency will do, as with a discount the shop does not know beforehand.
    #[serde(default)]
    pub accept_any_amount: bool,
    /// Who is to be taught.
    pub student: Student,
    /// Who pays, if somebody else.
    pub payer: Option<Payer>,
    /// What is to be taught.
    pub course: Course,
    /// What is bought.
    pub plan: Plan,
    /// The trainer the student asks for.
    pub preferred_trainer_id: Option<String>,
    /// The shop's own texts, echoed in every later event.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// An order as it is placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRequest {
    /// What is to be kept.
    pub order: Order,
    /// Until when it can be paid.
    pub expires_at: Timestamp,
}

/// Reads an order placed at that time, as [`read_order`] does.
///
/// The rejection names every wrong field (the first twenty).
pub fn decode_order(data: &Value, now: Timestamp) -> Result<OrderRequest, Rejection> {
    read_order(data, now).map_err(|faults| Rejection::of_fields(&faults))
}

/// Reads an order placed at that time: a confirmation without what only a payment can tell.
///
/// Null counts as absent and unknown fields are ignored, as in a confirmation. The start date is one that a confirmation
/// may have now and still when the order expires.
///
/// # Errors
/// Every wrong field (the first twenty).
pub fn read_order(data: &Value, now: Timestamp) -> Result<OrderRequest, Vec<FieldFault>> {
    read_value(data, |field| request(field, now))
}

fn request(field: Field<'_>, now: Timestamp) -> Option<OrderRequest> {
    field.object()?;
    let item = optional(field.get("item"), ID_CHARS);
    let amount = amount(field.get("amount"));
    let accept_any_amount = field.get("accept_any_amount").present().map_or(Some(false), |any| any.boolean());
    let student = student(field.get("student"));
    let payer = field.get("payer").present().and_then(payer);
    let course = course(field.get("course"));
    let expires_at = expiry(field.get("expires_at"), now);
    let plan = plan(field.get("plan"), start_dates_until(now, expires_at));
    let preferred_trainer_id = optional(field.get("preferred_trainer_id"), ID_CHARS);
    let metadata = metadata(field.get("metadata"));
    let order = Order {
        item,
        amount: amount?,
        accept_any_amount: accept_any_amount?,
        student: student?,
        payer,
        course: course?,
        plan: plan?,
        preferred_trainer_id,
        metadata,
    };
    Some(OrderRequest { order, expires_at: expires_at? })
}

fn expiry(field: Field<'_>, now: Timestamp) -> Option<Timestamp> {
    let ahead = |days: i64| now.checked_add(SignedDuration::from_hours(days * 24)).unwrap_or(Timestamp::MAX);
    let Some(field) = field.present() else { return Some(ahead(ORDER_DAYS_DEFAULT)) };
    let (expires_at, latest) = (field.timestamp()?, ahead(ORDER_DAYS_MAX));
    if now < expires_at && expires_at <= latest {
        return Some(expires_at);
    }
    field.fault(format!(
        "must be later than {now} and no more than {ORDER_DAYS_MAX} days ahead (until {latest}), is {expires_at}"
    ))
}

/// The start dates that a confirmation may have at both ends of an order's life.
fn start_dates_until(now: Timestamp, expires_at: Option<Timestamp>) -> RangeInclusive<Date> {
    let (first, last) = (start_dates(expires_at.unwrap_or(now)), start_dates(now));
    *first.start()..=*last.end()
}

impl Order {
    /// The confirmation that a payment makes of it: the amount is what was really paid, and the order's id stands in the
    /// metadata if there is room.
    ///
    /// # Errors
    /// [`Mismatch`] if something else was paid than the order says.
    pub fn paid(&self, payment: &Payment) -> Result<Confirmation, Mismatch> {
        let same = self.amount.currency == payment.amount.currency
            && (self.accept_any_amount || self.amount.minor == payment.amount.minor);
        if !same {
            return Err(Mismatch { ordered: self.amount.clone(), paid: payment.amount.clone() });
        }
        Ok(self.confirmation(payment))
    }

    /// The confirmation that a payment makes of it, whatever was paid.
    pub fn confirmation(&self, payment: &Payment) -> Confirmation {
        Confirmation {
            payment_id: payment.payment_id.clone(),
            item: self.item.clone(),
            confirmed_at: payment.at,
            amount: payment.amount.clone(),
            student: self.student.clone(),
            payer: self.payer.clone(),
            course: self.course.clone(),
            plan: self.plan.clone(),
            preferred_trainer_id: self.preferred_trainer_id.clone(),
            metadata: self.metadata_with(payment.order_id.as_deref()),
        }
    }

    fn metadata_with(&self, order_id: Option<&str>) -> BTreeMap<String, String> {
        let mut metadata = self.metadata.clone();
        let has_room = metadata.len() < METADATA_ENTRIES_MAX || metadata.contains_key(ORDER_ID_KEY);
        if let Some(order_id) = order_id.filter(|_| has_room) {
            metadata.insert(ORDER_ID_KEY.to_owned(), order_id.to_owned());
        }
        metadata
    }
}

/// Something else was paid than the order says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What was to be paid.
    pub ordered: Amount,
    /// What was paid.
    pub paid: Amount,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ordered, paid) = (&self.ordered, &self.paid);
        write!(f, "{ordered} was to be paid, but {paid} was paid, ")?;
        let more = paid.minor.saturating_sub(ordered.minor);
        let difference = Amount { minor: more.saturating_abs(), currency: paid.currency.clone() };
        match (paid.currency == ordered.currency, more) {
            (false, _) => f.write_str("which is another currency"),
            (true, 0..) => write!(f, "which is {difference} too much"),
            (true, _) => write!(f, "which is {difference} too little"),
        }
    }
}

impl std::error::Error for Mismatch {}

impl From<Mismatch> for Rejection {
    fn from(mismatch: Mismatch) -> Self {
        Self::new(Reason::AmountMismatch, mismatch.to_string())
    }
}

#[cfg(test)]
mod tests;
