//! The views of the contract, read through the cache.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tracing::warn;
use uuid::Uuid;

use super::Process;
use super::problem::problem;
use crate::platform::PlatformError;
use crate::views;

/// `GET /v1/purchases/{id}`
pub(super) async fn purchase(State(process): State<Arc<Process>>, Path(id): Path<String>) -> Response {
    let Some(platform) = process.platform.get() else { return not_open() };
    let Ok(purchase_id) = id.parse::<Uuid>() else {
        return problem(StatusCode::NOT_FOUND, "a purchase is asked for by its id, a UUID");
    };
    answer(views::purchase(platform, purchase_id).await, "there is no purchase with this id")
}

/// `GET /v1/students/{id}/purchases`
pub(super) async fn student(State(process): State<Arc<Process>>, Path(id): Path<String>) -> Response {
    let Some(platform) = process.platform.get() else { return not_open() };
    answer(views::student(platform, &id).await, "this student has no purchases")
}

/// `GET /v1/trainers/{id}/sessions`
pub(super) async fn trainer(State(process): State<Arc<Process>>, Path(id): Path<String>) -> Response {
    let Some(platform) = process.platform.get() else { return not_open() };
    answer(views::trainer(platform, &id).await, "the roster has no such trainer")
}

fn not_open() -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, "the database is not open yet; see /readyz")
}

fn answer(view: Result<Option<Vec<u8>>, PlatformError>, missing: &str) -> Response {
    match view {
        Ok(Some(body)) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Ok(None) => problem(StatusCode::NOT_FOUND, missing),
        Err(error) => {
            warn!(problem = %error, "a reader could not be answered");
            problem(StatusCode::SERVICE_UNAVAILABLE, "the database can't be read; see /readyz")
        }
    }
}
