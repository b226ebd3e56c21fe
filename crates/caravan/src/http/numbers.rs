//! Numbers for Prometheus: what is counted as it happens, and what is looked up when it is asked for.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::Site;
use super::shapes::Refusals;
use crate::engine::numbers::{BATCH_SECONDS, BATCH_SECONDS_BOUNDS};
use crate::{engine, workers};

mod looks;
mod requests;

pub(super) use requests::Counted;

use looks::Looks;
use requests::{REQUEST_SECONDS, REQUEST_SECONDS_BOUNDS};

/// How often what was counted is tidied up, asked for or not.
const UPKEEP: Duration = Duration::from_secs(5);

/// The recorder of this process, whoever asked for it first.
static RECORDER: Mutex<Option<PrometheusHandle>> = Mutex::new(None);

/// What was counted in this process, and what was last found in the store.
pub(super) struct Numbers {
    handle: PrometheusHandle,
    looks: Looks,
}

impl Numbers {
    /// Has everything counted from now on, unless it is already.
    pub(super) fn start() -> Result<Self, String> {
        let mut recorder = RECORDER.lock().unwrap_or_else(PoisonError::into_inner);
        let handle = match recorder.take() {
            Some(handle) => handle,
            None => record()?,
        };
        *recorder = Some(handle.clone());
        let upkeep = handle.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(UPKEEP).await;
                upkeep.run_upkeep();
            }
        });
        Ok(Self { handle, looks: Looks::default() })
    }
}

/// Has everything counted from now on.
fn record() -> Result<PrometheusHandle, String> {
    let histograms = [(BATCH_SECONDS, &BATCH_SECONDS_BOUNDS[..]), (REQUEST_SECONDS, &REQUEST_SECONDS_BOUNDS[..])];
    let mut builder = PrometheusBuilder::new();
    for (name, bounds) in histograms {
        let refused = |problem: metrics_exporter_prometheus::BuildError| problem.to_string();
        builder = builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), bounds).map_err(refused)?;
    }
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|problem| problem.to_string())?;
    engine::numbers::describe();
    workers::numbers::describe();
    looks::describe();
    requests::describe();
    Ok(handle)
}

/// Numbers for Prometheus
///
/// On an address that only this machine can reach they need no token.
#[utoipa::path(
    get, path = "/metrics", tag = "System", operation_id = "metrics",
    responses((status = 200, description = "In Prometheus' text format.", body = String, content_type = "text/plain"), Refusals),
    security((), ("token" = ["read"]))
)]
pub(super) async fn show(State(site): State<Arc<Site>>) -> impl IntoResponse {
    site.numbers.looks.look(site.open.get().map(|open| &open.platform), &site.options).await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], site.numbers.handle.render())
}
