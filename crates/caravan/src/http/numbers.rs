//! Numbers for Prometheus: what the engine counts, and how far behind everything is when it is asked.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use caravan_domain::event::Topic;
use metrics::{describe_gauge, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::time::timeout;

use super::Process;
use crate::engine::numbers::{BATCH_SECONDS, BATCH_SECONDS_BOUNDS, describe};
use crate::lag::lags;
use crate::platform::{Platform, PlatformError};
use crate::workers::WorkerKind;

/// Records a worker has still to handle, by worker, topic and partition.
const LAG: &str = "caravan_lag_records";
/// Unpublished rows of the outbox, by topic.
const OUTBOX_ROWS: &str = "caravan_outbox_rows";
/// Age of the oldest of them in seconds, by topic.
const OUTBOX_AGE: &str = "caravan_outbox_age_seconds";
/// 1 if lag and outbox could be read for this answer.
const LOOKED: &str = "caravan_lag_up";
/// How often what was counted is tidied up, asked for or not.
const UPKEEP: Duration = Duration::from_secs(5);
/// How long looking may take.
const LOOK_WAIT: Duration = Duration::from_secs(5);

/// The recorder of this process.
pub(super) struct Numbers {
    handle: PrometheusHandle,
}

impl Numbers {
    /// Has everything counted from now on.
    pub(super) fn start() -> Result<Self, String> {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full(BATCH_SECONDS.to_owned()), &BATCH_SECONDS_BOUNDS)
            .map_err(|problem| problem.to_string())?;
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).map_err(|problem| problem.to_string())?;
        describe();
        describe_gauge!(LAG, "Records a worker has still to handle, by worker, topic and partition.");
        describe_gauge!(OUTBOX_ROWS, "Events not published yet, by topic.");
        describe_gauge!(OUTBOX_AGE, "Age of the oldest event not published yet, in seconds, by topic.");
        describe_gauge!(LOOKED, "1 if lag and outbox could be read for this answer.");
        let upkeep = handle.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(UPKEEP).await;
                upkeep.run_upkeep();
            }
        });
        Ok(Self { handle })
    }
}

/// `GET /metrics`
pub(super) async fn show(State(process): State<Arc<Process>>) -> impl IntoResponse {
    let looked = match process.platform.get() {
        Some(platform) => matches!(timeout(LOOK_WAIT, look(platform, &process.workers)).await, Ok(Ok(()))),
        None => false,
    };
    gauge!(LOOKED).set(if looked { 1.0 } else { 0.0 });
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], process.numbers.handle.render())
}

/// Notes the lag of these workers, and the outbox.
async fn look(platform: &Platform, workers: &[WorkerKind]) -> Result<(), PlatformError> {
    for lag in lags(platform).await?.into_iter().filter(|lag| workers.contains(&lag.worker)) {
        let (worker, topic, partition) = (lag.worker.spec().name, lag.topic.name(), lag.partition.to_string());
        gauge!(LAG, "worker" => worker, "topic" => topic, "partition" => partition).set(lag.records() as f64);
    }
    let depths = platform.store.outbox_depths().await?;
    let now = platform.clock.now();
    for topic in Topic::ALL {
        let depth = depths.iter().find(|depth| depth.topic == topic);
        let age = depth.map_or(0.0, |depth| now.duration_since(depth.oldest).as_secs_f64().max(0.0));
        gauge!(OUTBOX_ROWS, "topic" => topic.name()).set(depth.map_or(0, |depth| depth.rows) as f64);
        gauge!(OUTBOX_AGE, "topic" => topic.name()).set(age);
    }
    Ok(())
}
