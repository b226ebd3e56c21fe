//! Connections: how many, how slow a client may be, how much it may say before its request.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{debug, warn};

use crate::engine::Stop;

/// Connections at once: whoever comes beyond them waits to be let in.
const CONNECTIONS_MAX: usize = 1_024;
/// How long the head of a request may take to come, and a connection that nothing comes on stays open.
const HEAD_WAIT: Duration = Duration::from_secs(15);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Headers of a request.
const HEADERS_MAX: usize = 64;
/// How long requests under way may take when the process stops.
const FINISH_WAIT: Duration = Duration::from_secs(5);
/// The pause after a connection could not be accepted, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until stopped; then what is under way is finished.
pub(super) async fn serve(listener: TcpListener, routes: Router, stop: Stop) {
    let (graceful, room) = (GracefulShutdown::new(), Arc::new(Semaphore::new(CONNECTIONS_MAX)));
    loop {
        let accepted = async {
            // The semaphore is never closed.
            let permit = Arc::clone(&room).acquire_owned().await.ok();
            (permit, listener.accept().await)
        };
        tokio::select! {
            () = stop.requested() => break,
            (permit, accepted) = accepted => match accepted {
                Ok((stream, _)) => connect(stream, routes.clone(), permit, &graceful),
                Err(problem) => {
                    warn!(%problem, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    if tokio::time::timeout(FINISH_WAIT, graceful.shutdown()).await.is_err() {
        debug!("connections were closed in the middle of a request");
    }
}

fn connect(stream: TcpStream, routes: Router, permit: Option<OwnedSemaphorePermit>, graceful: &GracefulShutdown) {
    // An answer is written whole: nothing is won by waiting for more.
    let _as_it_is = stream.set_nodelay(true);
    let service = TowerToHyperService::new(routes);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(problem) = connection.await {
            debug!(%problem, "a connection ended");
        }
        drop(permit);
    });
}
