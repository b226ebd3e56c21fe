//! Purchases as readers see them: one and a student's through the cache, lists from the database.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use caravan_domain::purchase::PurchaseStatus;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::IntoParams;
use uuid::Uuid;

use super::Site;
use super::asking::{Asked, Named, parsed};
use super::guard::in_json;
use super::paging::{Page, cursor};
use super::problem::Problem;
use super::shapes::{PurchasesPage, Refusals, SessionsOfPurchase, StudentShown};
use crate::platform::rows::{Cursor, PurchaseFilter};
use crate::views::{self, PurchaseRow, PurchaseWhole};

/// Which purchases.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Only with this status.
    #[param(pattern = "^(created|waitlisted|allocated|scheduled|completed|cancelled)$", example = "waitlisted")]
    status: Option<String>,
    /// Only of this student.
    student: Option<String>,
    /// Only those that this trainer teaches.
    trainer: Option<String>,
    /// Only those recorded on this UTC date or later.
    #[param(format = Date)]
    from: Option<String>,
    /// Only those recorded on this UTC date or before.
    #[param(format = Date)]
    until: Option<String>,
}

/// List purchases
#[utoipa::path(
    get, path = "/v1/purchases", tag = "Purchases", operation_id = "listPurchases",
    params(Wanted, Page),
    responses((status = 200, description = "Oldest first.", body = PurchasesPage), Refusals),
    security(("token" = ["read"]))
)]
pub(super) async fn list(
    State(site): State<Arc<Site>>,
    Asked(wanted): Asked<Wanted>,
    Asked(page): Asked<Page>,
) -> Result<Json<PurchasesPage>, Problem> {
    let status: Option<PurchaseStatus> = parsed("status", "a purchase's status", wanted.status.as_deref())?;
    let (from, until) = (day("from", wanted.from.as_deref())?, day("until", wanted.until.as_deref())?);
    let filter = PurchaseFilter {
        id: None,
        status,
        student_id: wanted.student,
        trainer_id: wanted.trainer,
        from: from.and_then(begin_of),
        until: until.and_then(|date| begin_of(date.saturating_add(1.day()))),
        newest_first: false,
    };
    let (rows, after) = (page.rows()?, page.after::<Cursor>()?);
    let found = site.platform()?.store.list_purchases(&filter, after, rows).await?;
    let next = found.last().filter(|_| found.len() == rows).map(|(place, _)| cursor(place));
    Ok(Json(PurchasesPage { purchases: found.iter().map(|(_, purchase)| PurchaseRow::from(purchase)).collect(), next }))
}

/// Show a purchase
///
/// With what has happened to it, its receipt, and its sessions that stand in the calendar.
#[utoipa::path(
    get, path = "/v1/purchases/{purchase_id}", tag = "Purchases", operation_id = "showPurchase",
    params(("purchase_id" = Uuid, Path, description = "As the answer to its confirmation told it.")),
    responses((status = 200, description = "The purchase.", body = PurchaseWhole), Refusals),
    security(("token" = ["read"]))
)]
pub(super) async fn show(State(site): State<Arc<Site>>, Named(id): Named<String>) -> Result<Response, Problem> {
    whole(&site, &id).await.map(json)
}

/// List a purchase's sessions
#[utoipa::path(
    get, path = "/v1/purchases/{purchase_id}/sessions", tag = "Purchases", operation_id = "listSessionsOfPurchase",
    params(("purchase_id" = Uuid, Path, description = "Which.")),
    responses((status = 200, description = "Those that stand in the calendar.", body = SessionsOfPurchase), Refusals),
    security(("token" = ["read"]))
)]
pub(super) async fn sessions(State(site): State<Arc<Site>>, Named(id): Named<String>) -> Result<Response, Problem> {
    // What is asked for is a part of the view that is cached.
    let view: Map<String, Value> = serde_json::from_slice(&whole(&site, &id).await?)
        .map_err(|problem| Problem::unavailable(format!("the purchase can't be read: {problem}")))?;
    let part: Map<String, Value> =
        view.into_iter().filter(|(name, _)| matches!(name.as_str(), "purchase_id" | "sessions")).collect();
    Ok(Json(part).into_response())
}

/// List a student's purchases
#[utoipa::path(
    get, path = "/v1/students/{student_id}/purchases", tag = "Purchases", operation_id = "listPurchasesOfStudent",
    params(("student_id" = String, Path, description = "The shop's id of the student.")),
    responses((status = 200, description = "Oldest first.", body = StudentShown), Refusals),
    security(("token" = ["read"]))
)]
pub(super) async fn of_student(State(site): State<Arc<Site>>, Named(id): Named<String>) -> Result<Response, Problem> {
    let view = views::student(site.platform()?, &id).await?;
    view.map(json).ok_or_else(|| Problem::not_found("this student has no purchases"))
}

async fn whole(site: &Site, id: &str) -> Result<Vec<u8>, Problem> {
    let id: Uuid = id.parse().map_err(|_| Problem::not_found("a purchase is asked for by its id, a UUID"))?;
    let view = views::purchase(site.platform()?, id).await?;
    view.ok_or_else(|| {
        Problem::not_found("there is no purchase with this id; one that was just confirmed takes a moment, one that was set aside is in /v1/dead-letters")
    })
}

/// A view as it is in the cache.
pub(super) fn json(view: Vec<u8>) -> Response {
    in_json(StatusCode::OK, view)
}

/// A date of a query.
pub(super) fn day(name: &str, text: Option<&str>) -> Result<Option<Date>, Problem> {
    parsed(name, "a date YYYY-MM-DD", text)
}

/// When a UTC date begins.
fn begin_of(date: Date) -> Option<Timestamp> {
    date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}
