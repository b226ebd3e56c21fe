//! The purchases: found by whom or what, by how they stand, or simply the latest.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use caravan_domain::ids::purchase_id;
use caravan_domain::purchase::PurchaseStatus;
use jiff::ToSpan;
use jiff::civil::Date;
use serde::Deserialize;
use uuid::Uuid;

use super::fault::Fault;
use super::frame::{Frame, Place, page};
use super::sessions::urlencoded;
use super::visitor::{Visit, Visitor};
use super::words::{age, moment, standing};
use crate::http::Site;
use crate::http::asking::Asked;
use crate::http::paging;
use crate::platform::rows::{Cursor, DeadLetterFilter, Purchase, PurchaseFilter};
use crate::platform::{Platform, PlatformError};

/// Purchases of a page.
const PURCHASES_MAX: usize = 50;
/// Dead letters of a payment that are pointed at.
const LETTERS_MAX: usize = 5;

/// Which purchases.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    /// A purchase's id, a payment's, or a student's.
    q: Option<String>,
    status: Option<String>,
    trainer: Option<String>,
    from: Option<String>,
    until: Option<String>,
    after: Option<String>,
}

/// A purchase as a line of a list.
pub(super) struct Line {
    pub(super) href: String,
    pub(super) student: String,
    pub(super) student_id: String,
    pub(super) course: String,
    pub(super) plan: String,
    pub(super) trainer: Option<String>,
    pub(super) amount: String,
    pub(super) paid: String,
    pub(super) ago: String,
    pub(super) status: &'static str,
    pub(super) class: &'static str,
}

impl Line {
    pub(super) fn of(purchase: &Purchase, visitor: &Visitor) -> Self {
        let confirmation = &purchase.confirmation;
        let (student, plan) = (&confirmation.student, &confirmation.plan);
        Self {
            href: format!("/purchases/{}", purchase.id),
            student: student.name.as_deref().unwrap_or(&student.id).to_owned(),
            student_id: student.id.clone(),
            course: format!("{} {}", confirmation.course.subject, confirmation.course.level),
            plan: plan_in_words(plan),
            trainer: purchase.allocation.as_ref().map(|allocation| allocation.trainer_id.clone()),
            amount: purchase.reported().amount.to_string(),
            paid: moment(purchase.created_at, &visitor.zone),
            ago: age(purchase.created_at, visitor.now),
            status: standing(purchase.status),
            class: purchase.status.name(),
        }
    }
}

/// How much was bought, and how often it is.
pub(super) fn plan_in_words(plan: &caravan_domain::plan::Plan) -> String {
    let length = plan.sessions.map_or("lessons until called off".to_owned(), |sessions| match sessions {
        1 => "1 lesson".to_owned(),
        number => format!("{number} lessons"),
    });
    format!("{length} of {} minutes, {} a week", plan.minutes, plan.per_week)
}

#[derive(Template)]
#[template(path = "purchases.html")]
struct Page {
    frame: Frame,
    q: String,
    statuses: Vec<(&'static str, &'static str, bool)>,
    trainer: String,
    from: String,
    until: String,
    lines: Vec<Line>,
    /// Records of that payment that were set aside.
    letters: Vec<i64>,
    next: Option<String>,
    is_filtered: bool,
    operates: bool,
}

/// `GET /purchases`
pub(super) async fn list(
    State(site): State<Arc<Site>>,
    Visit { visitor, platform }: Visit,
    Asked(wanted): Asked<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let given = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let (q, trainer) = (given(wanted.q), given(wanted.trainer));
    let status: Option<PurchaseStatus> = given(wanted.status).and_then(|status| status.parse().ok());
    let (from, until) = (given(wanted.from), given(wanted.until));
    let days = days(from.as_deref(), until.as_deref(), &visitor);
    let (days, refusal) = days.map_or_else(|refusal| ((None, None), Some(refusal)), |days| (days, None));
    let named = match &q {
        Some(q) => named(&platform, q).await?,
        None => Vec::new(),
    };
    let filter = PurchaseFilter {
        status,
        student_id: q.clone(),
        trainer_id: trainer.clone(),
        from: days.0,
        until: days.1,
        newest_first: true,
        ..PurchaseFilter::default()
    };
    let after = wanted.after.as_deref().and_then(paging::read::<Cursor>);
    let found = platform.store.list_purchases(&filter, after, PURCHASES_MAX).await?;
    let next = found.last().filter(|_| found.len() == PURCHASES_MAX).map(|(last, _)| paging::cursor(last));
    let letters = match &q {
        Some(q) => letters(&platform, q).await?,
        None => Vec::new(),
    };
    let is_filtered = q.is_some() || status.is_some() || trainer.is_some() || from.is_some() || until.is_some();
    let line = |purchase: &Purchase| Line::of(purchase, &visitor);
    let lines = named.iter().chain(found.iter().map(|(_, purchase)| purchase)).map(line).collect();
    let frame = Frame::of(&site, &visitor, &headers, Place::Purchases, "Purchases").await?.live();
    page(&Page {
        frame: frame.refusing(refusal),
        q: q.unwrap_or_default(),
        statuses: PurchaseStatus::ALL.map(|one| (one.name(), standing(one), status == Some(one))).to_vec(),
        trainer: trainer.unwrap_or_default(),
        from: from.unwrap_or_default(),
        until: until.unwrap_or_default(),
        lines,
        letters,
        next: next.map(|next| urlencoded(&next)),
        is_filtered,
        operates: visitor.operates(),
    })
}

/// The days that were asked for, from midnight to midnight where the business is.
fn days(
    from: Option<&str>,
    until: Option<&str>,
    visitor: &Visitor,
) -> Result<(Option<jiff::Timestamp>, Option<jiff::Timestamp>), String> {
    let read = |text: &str| {
        text.parse::<Date>().map_err(|_| format!("{text:?} is no date such as 2026-12-31; showing all days"))
    };
    let midnight = |date: Date| date.to_zoned(visitor.zone.clone()).map(|zoned| zoned.timestamp()).ok();
    let from = from.map(read).transpose()?.and_then(midnight);
    let until = until.map(read).transpose()?.and_then(|date| midnight(date.saturating_add(1.day())));
    Ok((from, until))
}

/// The purchases that a text is the id of, or the payment of: `pay_1`, or `pay_1/item` where a payment has several.
async fn named(platform: &Platform, text: &str) -> Result<Vec<Purchase>, PlatformError> {
    let of_item = text.rsplit_once('/').map(|(payment_id, item)| purchase_id(payment_id, Some(item)));
    let ids: Vec<Uuid> = text.parse().ok().into_iter().chain([purchase_id(text, None)]).chain(of_item).collect();
    platform.store.purchases(&ids).await
}

/// What was set aside of a payment, or of a purchase.
async fn letters(platform: &Platform, text: &str) -> Result<Vec<i64>, PlatformError> {
    let filter = DeadLetterFilter { keys: vec![text.to_owned()], waiting: true, ..DeadLetterFilter::default() };
    let found = platform.store.list_dead_letters(&filter, None, LETTERS_MAX).await?;
    Ok(found.into_iter().map(|letter| letter.id).collect())
}
