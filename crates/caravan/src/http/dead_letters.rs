//! Records that were set aside.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use caravan_domain::event::Topic;
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use super::Site;
use super::asking::{Asked, Named, Raw, json, parsed};
use super::confirmations::be_json;
use super::paging::{Page, cursor};
use super::problem::Problem;
use super::shapes::{DeadLetterShown, DeadLettersPage, RedriveAsked, Redriven, Refusals};
use crate::platform::Platform;
use crate::platform::rows::{Cursor, DeadLetter, DeadLetterFilter};
use crate::redrive::{Rehearsals, Sent, send_again};

/// Dead letters of a page: each may be large.
const LETTERS_MAX: usize = 50;

/// Which dead letters.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Only with this reason, such as `invalid-field`.
    reason: Option<String>,
    /// Only records of this topic.
    topic: Option<String>,
    /// Only those not sent again yet.
    waiting: Option<bool>,
}

/// List dead letters
///
/// At most 50 a page, as each may be large.
#[utoipa::path(
    get, path = "/v1/dead-letters", tag = "Dead letters", operation_id = "listDeadLetters",
    params(Wanted, Page),
    responses((status = 200, description = "By id.", body = DeadLettersPage), Refusals),
    security(("token" = ["read"]))
)]
pub(super) async fn list(
    State(site): State<Arc<Site>>,
    Asked(wanted): Asked<Wanted>,
    Asked(page): Asked<Page>,
) -> Result<Json<DeadLettersPage>, Problem> {
    let topic: Option<Topic> = parsed("topic", "a topic's name", wanted.topic.as_deref())?;
    let waiting = wanted.waiting.unwrap_or(false);
    let filter = DeadLetterFilter { reason: wanted.reason, topic, waiting, ..DeadLetterFilter::default() };
    let (rows, after) = (page.rows()?.min(LETTERS_MAX), page.after::<Cursor>()?);
    let found = site.platform()?.store.list_dead_letters(&filter, after, rows).await?;
    let next = found.last().filter(|_| found.len() == rows).map(|last| cursor(&last.id));
    Ok(Json(DeadLettersPage { dead_letters: found.into_iter().map(shown).collect(), next }))
}

/// Show a dead letter
#[utoipa::path(
    get, path = "/v1/dead-letters/{id}", tag = "Dead letters", operation_id = "showDeadLetter",
    params(("id" = i64, Path, description = "Which.")),
    responses((status = 200, description = "The dead letter.", body = DeadLetterShown), Refusals),
    security(("token" = ["read"]))
)]
pub(super) async fn show(
    State(site): State<Arc<Site>>,
    Named(id): Named<String>,
) -> Result<Json<DeadLetterShown>, Problem> {
    named(site.platform()?, &id).await.map(shown).map(Json)
}

/// Send a dead letter again
///
/// To where it came from, as it was or repaired; once, however often it is asked for.
#[utoipa::path(
    post, path = "/v1/dead-letters/{id}/redrive", tag = "Dead letters", operation_id = "redriveDeadLetter",
    params(("id" = i64, Path, description = "Which.")),
    request_body(content = Option<RedriveAsked>, description = "Nothing, or how.", content_type = "application/json"),
    responses((status = 200, description = "What became of it.", body = Redriven), Refusals),
    security(("token" = ["operate"]))
)]
pub(super) async fn redrive(
    State(site): State<Arc<Site>>,
    Named(id): Named<String>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<Json<Redriven>, Problem> {
    let platform = site.platform()?;
    let asked = asked(&headers, &body)?;
    let letter = named(platform, &id).await?;
    let repaired = asked.value.as_ref().map(ToString::to_string).map(String::into_bytes);
    if asked.dry_run {
        let fate = Rehearsals::default().of(platform, &letter, repaired.as_deref()).await?;
        return Ok(Json(Redriven { id: letter.id, sent: false, outcome: fate.to_string() }));
    }
    let sent = send_again(platform, std::slice::from_ref(&letter), repaired.as_deref()).await?;
    let (sent, outcome) = match sent.into_iter().next() {
        Some((_, Sent::Now(topic))) => (true, format!("sent again to {topic}")),
        Some((_, Sent::Before(at))) => (false, format!("already sent again at {at:.0}: nothing was done")),
        None => return Err(Problem::conflict("the dead letter is gone; try again")),
    };
    Ok(Json(Redriven { id: letter.id, sent, outcome }))
}

/// How a dead letter is to be sent again; as it was, if nothing is said.
fn asked(headers: &HeaderMap, body: &[u8]) -> Result<RedriveAsked, Problem> {
    if body.is_empty() {
        return Ok(RedriveAsked::default());
    }
    be_json(headers)?;
    let body = json(body)?;
    // An array would be read as the fields in their order.
    let read = if body.is_array() { Err("it is an array".to_owned()) } else { read(body) };
    read.map_err(|problem| {
        Problem::bad_request(format!("the body must be an object of `value` and `dry_run`, or empty: {problem}"))
    })
}

fn read(body: Value) -> Result<RedriveAsked, String> {
    let asked: Result<Option<RedriveAsked>, _> = serde_json::from_value(body);
    asked.map(Option::unwrap_or_default).map_err(|problem| problem.to_string())
}

async fn named(platform: &Platform, id: &str) -> Result<DeadLetter, Problem> {
    let missing = || Problem::not_found("there is no such dead letter; see /v1/dead-letters");
    let id: i64 = id.parse().map_err(|_| missing())?;
    let filter = DeadLetterFilter { ids: vec![id], ..DeadLetterFilter::default() };
    platform.store.list_dead_letters(&filter, None, 1).await?.pop().ok_or_else(missing)
}

fn shown(letter: DeadLetter) -> DeadLetterShown {
    let text = |bytes: Option<Vec<u8>>| bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    DeadLetterShown {
        id: letter.id,
        topic: letter.topic,
        partition: letter.partition,
        offset: letter.offset,
        consumer_group: letter.consumer_group,
        reason: letter.reason,
        detail: letter.detail,
        attempts: letter.attempts,
        redrives: letter.redrives,
        failed_at: letter.failed_at,
        redriven_at: letter.redriven_at,
        key: text(letter.key),
        value: text(letter.value),
    }
}
