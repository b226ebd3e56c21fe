//! Payments that a shop confirms itself.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use caravan_domain::event::{Headers, Topic, read_confirmation, valid_traceparent};
use caravan_domain::ids::purchase_id;

use super::asking::{Raw, json};
use super::idempotency::{Attempt, Begun, KeyHeader, answered, begin, reply};
use super::problem::Problem;
use super::shapes::{Accepted, Confirmation, Refusals};
use super::tokens::Caller;
use super::traced::TRACEPARENT;
use super::{Open, Site};
use crate::intake::Entry;
use crate::platform::log::NewRecord;
use crate::platform::transaction::CommitError;

/// Where payments are confirmed.
pub(super) const PATH: &str = "/v1/purchase-confirmations";

/// Confirm a payment
///
/// Hands a confirmed payment over. It is judged at once; what is taken is durable when the answer comes, and becomes a purchase in
/// a moment. The same payment may be reported as often as you like: it is one purchase.
#[utoipa::path(
    post, path = "/v1/purchase-confirmations", tag = "Payments", operation_id = "confirmPurchase",
    params(KeyHeader),
    request_body = Confirmation,
    responses((status = 202, description = "Taken.", body = Accepted), Refusals),
    security(("token" = ["ingest"]))
)]
pub(super) async fn confirm(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<Response, Problem> {
    let open = site.open()?;
    be_json(&headers)?;
    let attempt = match begin(&site, caller, &headers, (&Method::POST, PATH, &body)).await? {
        Begun::Answered(answer) => return Ok(answer),
        Begun::New(attempt) => attempt,
    };
    let now = open.platform.clock.now();
    let confirmation = read_confirmation(&json(&body)?, now).map_err(Problem::of_fields)?;
    let id = purchase_id(&confirmation.payment_id, confirmation.item.as_deref());
    let record = NewRecord {
        topic: Topic::PurchaseConfirmed,
        key: Some(confirmation.payment_id.into_bytes()),
        value: Some(body.to_vec()),
        headers: trace_of(&headers),
        timestamp: now,
    };
    let answer = Accepted { purchase_id: id, status: "accepted", href: format!("/v1/purchases/{id}") };
    let answer = serde_json::to_string(&answer).unwrap_or_default();
    let entry = Entry { records: vec![record], ..Entry::default() };
    hand_in(open, entry, attempt, StatusCode::ACCEPTED, answer).await
}

/// Hands an entry in together with its answer; of two requests with one key that came at once, the second gets the
/// first's answer.
pub(super) async fn hand_in(
    open: &Open,
    mut entry: Entry,
    attempt: Option<Attempt<'_>>,
    status: StatusCode,
    body: String,
) -> Result<Response, Problem> {
    let now = open.platform.clock.now();
    entry.desk.answers.extend(attempt.as_ref().map(|attempt| attempt.answer(status, &body, now)));
    match (open.intake.hand_in(entry).await, &attempt) {
        (Ok(()), _) => Ok(reply(status, body)),
        (Err(CommitError::Conflict { what, .. }), Some(attempt)) => {
            let given = answered(&open.platform, attempt).await?;
            given.ok_or_else(|| Problem::conflict(format!("{what} changed meanwhile; try again")))
        }
        (Err(refusal), _) => Err(refusal.into()),
    }
}

/// The trace a request is part of, for the record it becomes (W3C Trace Context).
pub(super) fn trace_of(headers: &HeaderMap) -> Headers {
    let mut carried = Headers::new();
    let given = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok());
    if let Some(trace) = given.and_then(valid_traceparent) {
        carried.push_text(TRACEPARENT.as_str(), trace);
    }
    carried
}

/// A body is JSON, and says so if it says anything.
pub(super) fn be_json(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(given) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let media_type =
        given.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media_type == "application/json" || (media_type.starts_with("application/") && media_type.ends_with("+json")) {
        return Ok(());
    }
    let detail = "the body must be JSON: send `Content-Type: application/json`; nothing was kept";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail))
}
