//! `caravan run`: workers until they are stopped, or until nothing is left to do.

use std::io::Write;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use caravan::access::first_token;
use caravan::app::{App, claim_workers};
use caravan::config::{Loaded, Settings};
use caravan::engine::{Stats, Stop};
use caravan::http::{self, ListenError, Server};
use caravan::workers::{self, RunOptions, WorkerKind};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};
use uuid::Uuid;

use super::args::RunArgs;
use super::failure::Failure;
use super::{remark, time_data};

/// What stopping may take; then it ends in the middle of a batch, which loses nothing.
const STOP_MAX: Duration = Duration::from_secs(9);
/// The exit status of a process that was asked twice to stop.
const STOPPED_AT_ONCE: i32 = 1;

pub(crate) async fn run(loaded: &Loaded, args: RunArgs) -> Result<(), Failure> {
    let settings = &loaded.settings;
    let workers = chosen(args.workers);
    let claim = claim_workers(settings, &workers).await?;
    let stop = Stop::new();
    stop_on_signals(&stop)?;
    let stats = Arc::new(Stats::default());
    let server = door(loaded, args.until_idle, &workers, &stats, &stop).await?;
    let Some(app) = App::open_when_reachable(settings, &stop).await? else { return Ok(()) };
    time_data::settled(&app).await?;
    if let Some(server) = &server {
        open_door(&app, server, &workers).await?;
    }
    if let Err(problem) = app.take_over(&claim).await {
        warn!(%problem, "what an earlier process may have left held stays held until it ends by itself");
    }
    let options = options(settings, workers.clone(), args.until_idle);
    tokio::select! {
        ended = workers::run(&app.platform, options, &stop, &stats) => ended.map_err(|error| Failure::work(error.to_string()))?,
        () = too_late(&stop) => {
            warn!(seconds = STOP_MAX.as_secs(), "stopped in the middle of a batch; it is done again at the next start");
        }
    }
    for kind in workers {
        tell(kind, &stats);
    }
    close_door(server, &stop).await;
    Ok(())
}

/// The server, unless there is to be none. Where nobody has said where to serve, a place that is taken is no reason to
/// fail: another process serves there.
async fn door(
    loaded: &Loaded,
    until_idle: bool,
    workers: &[WorkerKind],
    stats: &Arc<Stats>,
    stop: &Stop,
) -> Result<Option<Server>, Failure> {
    let asked_for = !loaded.is_default("listen");
    let Some(address) = loaded.settings.listen().filter(|_| asked_for || !until_idle) else { return Ok(None) };
    match listen(&loaded.settings, address, workers, stats, stop).await {
        Ok(server) => Ok(Some(server)),
        Err(problem) if asked_for => Err(Failure::work(problem.to_string())),
        Err(problem) => {
            info!("HTTP is not served by this process: {problem}");
            Ok(None)
        }
    }
}

/// Lets the server use what is open, and tells the first token where there never was one.
pub(crate) async fn open_door(app: &App, server: &Server, workers: &[WorkerKind]) -> Result<(), Failure> {
    app.ensure_topics().await?;
    if let Some(token) = first_token(&app.platform).await? {
        // Not a log line: it is a secret.
        let mut out = std::io::stdout().lock();
        let _nobody_may_read_it =
            writeln!(out, "first admin token (shown this once): {token}").and_then(|()| out.flush());
    }
    server.opened(&app.platform_for(workers), app.installation());
    Ok(())
}

/// Lets what is under way be finished.
pub(crate) async fn close_door(server: Option<Server>, stop: &Stop) {
    let Some(server) = server else { return };
    stop.request();
    let _it_ends_anyway = server.ended.await;
}

pub(crate) async fn listen(
    settings: &Settings,
    address: &str,
    workers: &[WorkerKind],
    stats: &Arc<Stats>,
    stop: &Stop,
) -> Result<Server, ListenError> {
    let server = http::serve(address, settings.http(workers.to_vec()), stats.clone(), stop.clone()).await?;
    info!(address = %server.address, "listening");
    Ok(server)
}

/// How workers are run by these settings, under a name of this process alone.
pub(crate) fn options(settings: &Settings, workers: Vec<WorkerKind>, until_idle: bool) -> RunOptions {
    let identity = Uuid::new_v4();
    let instance = format!("{}-{:08x}", process::id(), identity.as_fields().0);
    RunOptions { workers, until_idle, policy: settings.policy(identity.as_u64_pair().1), instance }
}

/// The workers that were named, each once; all if none was.
fn chosen(mut named: Vec<WorkerKind>) -> Vec<WorkerKind> {
    named.sort();
    named.dedup();
    if named.is_empty() { WorkerKind::ALL.to_vec() } else { named }
}

/// Returns when the stop has been requested for too long.
pub(crate) async fn too_late(stop: &Stop) {
    stop.requested().await;
    tokio::time::sleep(STOP_MAX).await;
}

/// The first SIGTERM or SIGINT requests the stop, the second ends the process.
pub(crate) fn stop_on_signals(stop: &Stop) -> Result<(), Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::work(format!("can't listen to signals: {error}")));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let stop = stop.clone();
    tokio::spawn(async move {
        either(&mut terminate, &mut interrupt).await;
        info!("stopping after the batch in hand; another signal stops at once");
        stop.request();
        either(&mut terminate, &mut interrupt).await;
        remark("stopped at once");
        process::exit(STOPPED_AT_ONCE);
    });
    Ok(())
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

fn tell(kind: WorkerKind, stats: &Stats) {
    use std::sync::atomic::Ordering::Relaxed;
    let name = kind.spec().name;
    let counters = stats.worker(name);
    info!(
        records = counters.records.load(Relaxed),
        done = counters.done.load(Relaxed),
        duplicates = counters.duplicates.load(Relaxed),
        superseded = counters.superseded.load(Relaxed),
        dead_letters = counters.dead_letters.load(Relaxed),
        "[{name}] Stopped"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_those_named_each_once_and_all_if_none_is() {
        assert_eq!(chosen(Vec::new()), WorkerKind::ALL);
        assert_eq!(
            chosen(vec![WorkerKind::Session, WorkerKind::Purchase, WorkerKind::Session]),
            [WorkerKind::Purchase, WorkerKind::Session]
        );
    }
}
