//! The roster, and what a trainer teaches.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use caravan_domain::trainer::trainer_from_json;
use serde_json::Value;

use super::Site;
use super::asking::{Asked, Named, Raw, fault, json};
use super::confirmations::be_json;
use super::paging::{Page, cursor};
use super::problem::Problem;
use super::purchases;
use super::shapes::{Refusals, TrainerAsked, TrainerChanged, TrainerSessions, TrainersPage};
use crate::life::conflicts::conflicts_of;
use crate::roster::{Entry, ImportError, Imported, import_trainers};
use crate::views;

/// List trainers
#[utoipa::path(
    get, path = "/v1/trainers", tag = "Trainers", operation_id = "listTrainers",
    params(Page),
    responses((status = 200, description = "By id.", body = TrainersPage), Refusals),
    security(("token" = ["read"]))
)]
pub(super) async fn list(
    State(site): State<Arc<Site>>,
    Asked(page): Asked<Page>,
) -> Result<Json<TrainersPage>, Problem> {
    let (rows, after) = (page.rows()?, page.after::<(String,)>()?);
    let found = site.platform()?.store.list_trainers(after.as_ref().map(|(id,)| id.as_str()), rows).await?;
    let next = found.last().filter(|_| found.len() == rows).map(|(last, _)| cursor(&(&last.trainer_id,)));
    Ok(Json(TrainersPage { trainers: found.into_iter().map(|(trainer, _)| trainer).collect(), next }))
}

/// Add or change a trainer
///
/// As a line of a roster would: an absent field stays as it is, a null or empty one clears. Sessions to come that contradict it
/// stand as they are, and are listed.
#[utoipa::path(
    put, path = "/v1/trainers/{trainer_id}", tag = "Trainers", operation_id = "putTrainer",
    params(("trainer_id" = String, Path, description = "The business's id of the trainer.", min_length = 1, max_length = 200)),
    request_body = TrainerAsked,
    responses((status = 200, description = "As they are now.", body = TrainerChanged), (status = 201, description = "New.", body = TrainerChanged), Refusals),
    security(("token" = ["operate"]))
)]
pub(super) async fn put(
    State(site): State<Arc<Site>>,
    Named(id): Named<String>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<(StatusCode, Json<TrainerChanged>), Problem> {
    let platform = site.platform()?;
    be_json(&headers)?;
    let Value::Object(mut line) = json(&body)? else { return Err(fault("", "must be an object")) };
    if line.get("trainer_id").is_some_and(|told| *told != Value::String(id.clone())) {
        return Err(fault("/trainer_id", "must be the one in the path, or be left out"));
    }
    line.insert("trainer_id".to_owned(), Value::String(id.clone()));
    let patch = trainer_from_json(Value::Object(line).to_string().as_bytes()).map_err(Problem::of_fields)?;
    let imported = import_trainers(platform, &[Entry { line: 1, content: patch }]).await.map_err(refused)?;
    let (status, outcome) = match imported {
        Imported { new: 1, .. } => (StatusCode::CREATED, "new"),
        Imported { changed: 1, .. } => (StatusCode::OK, "changed"),
        _ => (StatusCode::OK, "unchanged"),
    };
    let conflicts = conflicts_of(platform, std::slice::from_ref(&id))
        .await
        .map_err(|problem| Problem::unavailable(format!("changed, but its conflicts can't be listed: {problem}")))?;
    let found = platform.store.trainer_terms(&[id]).await?.pop();
    let (trainer, _) = found.ok_or_else(|| Problem::conflict("the trainer is gone; try again"))?;
    Ok((status, Json(TrainerChanged { outcome, trainer, conflicts })))
}

fn refused(error: ImportError) -> Problem {
    match error {
        ImportError::Faults(faults) => Problem::of_fields(faults.into_iter().map(|fault| fault.fault).collect()),
        ImportError::Contended => Problem::conflict(error.to_string()),
        ImportError::Commit(error) => error.into(),
    }
}

/// List a trainer's sessions
#[utoipa::path(
    get, path = "/v1/trainers/{trainer_id}/sessions", tag = "Trainers", operation_id = "listSessionsOfTrainer",
    params(("trainer_id" = String, Path, description = "Which.")),
    responses((status = 200, description = "From today (UTC) on, by their start.", body = TrainerSessions), Refusals),
    security(("token" = ["read"]))
)]
pub(super) async fn sessions(State(site): State<Arc<Site>>, Named(id): Named<String>) -> Result<Response, Problem> {
    let view = views::trainer(site.platform()?, &id).await?;
    view.map(purchases::json).ok_or_else(|| Problem::not_found("the roster has no such trainer"))
}
