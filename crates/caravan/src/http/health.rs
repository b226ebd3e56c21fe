//! Whether the process lives, and whether it does its work.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::Process;
use crate::engine::WorkerState;
use crate::platform::{Platform, PlatformError};
use crate::workers::WorkerKind;

/// How long a part may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(2);
/// What a part that does its work is said to be.
const OK: &str = "ok";

/// `GET /healthz`: it lives.
pub(super) async fn alive() -> Json<Value> {
    Json(json!({ "status": OK }))
}

/// `GET /readyz`: it writes, reads and consumes; each part is named, with what it waits for.
pub(super) async fn ready(State(process): State<Arc<Process>>) -> (StatusCode, Json<Value>) {
    let mut parts = Map::new();
    let mut ready = true;
    let mut say = |name: &str, needed: bool, state: Result<(), String>| {
        ready &= !needed || state.is_ok();
        parts.insert(name.to_owned(), state.err().unwrap_or_else(|| OK.to_owned()).into());
    };
    match process.platform.get() {
        Some(platform) => {
            let (database, log, cache) = look(platform).await;
            say("database", true, database);
            say("log", true, log);
            // Readers do without it; only forgetting answers needs it.
            say("cache", process.workers.contains(&WorkerKind::Cache), cache);
        }
        None => say("database", true, Err("waiting for it to answer".to_owned())),
    }
    for kind in &process.workers {
        let name = kind.spec().name;
        let state = match process.stats.worker(name).state() {
            WorkerState::Consuming => Ok(()),
            WorkerState::Starting => Err("starting".to_owned()),
            WorkerState::Waiting(problem) => Err(format!("waiting: {problem}")),
        };
        say(name, true, state);
    }
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": ready, "parts": parts })))
}

/// How database, log and cache answer.
async fn look(platform: &Platform) -> (Result<(), String>, Result<(), String>, Result<(), String>) {
    let database = answers(platform.store.probe());
    let log = answers(async { platform.log.topics().await.map(drop) });
    let cache = answers(async { platform.cache.token().await.map(drop) });
    tokio::join!(database, log, cache)
}

async fn answers(asked: impl Future<Output = Result<(), PlatformError>>) -> Result<(), String> {
    match timeout(ANSWER_WAIT, asked).await {
        Ok(answer) => answer.map_err(|problem| problem.to_string()),
        Err(_) => Err(format!("no answer in {} s", ANSWER_WAIT.as_secs())),
    }
}
