//! Whether the process lives, and whether it does its work.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::Site;
use crate::engine::WorkerState;
use crate::platform::{Platform, PlatformError};
use crate::workers::WorkerKind;

/// How long a part may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(2);
/// What a part that does its work is said to be.
const OK: &str = "ok";

/// It lives
#[utoipa::path(
    get, path = "/healthz", tag = "System", operation_id = "healthz",
    responses((status = 200, description = "The process lives.", body = Object)),
    security(())
)]
pub(super) async fn alive() -> Json<Value> {
    Json(json!({ "status": OK }))
}

/// It works
///
/// It writes, reads and consumes; each part is named, with what it waits for.
#[utoipa::path(
    get, path = "/readyz", tag = "System", operation_id = "readyz",
    responses(
        (status = 200, description = "Every part does its work.", body = Object),
        (status = 503, description = "Some part does not.", body = Object)
    ),
    security(())
)]
pub(super) async fn ready(State(site): State<Arc<Site>>) -> (StatusCode, Json<Value>) {
    let found = parts(&site).await;
    let ready = found.iter().all(Part::is_well);
    let told = |part: Part| (part.name.to_owned(), part.state.err().unwrap_or_else(|| OK.to_owned()).into());
    let parts: Map<String, Value> = found.into_iter().map(told).collect();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": ready, "parts": parts })))
}

/// What the process works with, or a worker of it.
pub(super) struct Part {
    pub(super) name: &'static str,
    /// Whether the process can't do its work without it.
    pub(super) is_needed: bool,
    /// What it waits for, if it doesn't do its work.
    pub(super) state: Result<(), String>,
}

impl Part {
    fn needed(name: &'static str, state: Result<(), String>) -> Self {
        Self { name, is_needed: true, state }
    }

    /// Whether nothing fails because of it.
    pub(super) fn is_well(&self) -> bool {
        !self.is_needed || self.state.is_ok()
    }
}

/// Every part of the process, and how it does.
pub(super) async fn parts(site: &Site) -> Vec<Part> {
    let mut parts = match site.open.get() {
        Some(open) => {
            let (database, log, cache) = look(&open.platform).await;
            // Readers do without it; only forgetting answers needs it.
            let is_needed = site.options.workers.contains(&WorkerKind::Cache);
            let cache = Part { name: "cache", is_needed, state: cache };
            vec![Part::needed("database", database), Part::needed("log", log), cache]
        }
        None => vec![Part::needed("database", Err("waiting for it to answer".to_owned()))],
    };
    parts.extend(site.options.workers.iter().map(|kind| {
        let name = kind.spec().name;
        let state = match site.stats.worker(name).state() {
            WorkerState::Consuming => Ok(()),
            WorkerState::Starting => Err("starting".to_owned()),
            WorkerState::Waiting(problem) => Err(format!("waiting: {problem}")),
        };
        Part::needed(name, state)
    }));
    parts
}

/// How database, log and cache answer.
async fn look(platform: &Platform) -> (Result<(), String>, Result<(), String>, Result<(), String>) {
    let database = answers(platform.store.probe());
    let log = answers(async { platform.log.topics().await.map(drop) });
    let cache = answers(async { platform.cache.token().await.map(drop) });
    tokio::join!(database, log, cache)
}

/// What is answered, unless that takes too long.
pub(super) async fn answers<T>(asked: impl Future<Output = Result<T, PlatformError>>) -> Result<T, String> {
    match timeout(ANSWER_WAIT, asked).await {
        Ok(answer) => answer.map_err(|problem| problem.to_string()),
        Err(_) => Err(format!("no answer in {} s", ANSWER_WAIT.as_secs())),
    }
}
