//! HTTP: health, numbers, and the views readers are answered with.
//!
//! Architecture invariant: nothing here writes. Views name people, so they are only served where
//! nobody else can listen: on a loopback address.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::engine::{Stats, Stop};
use crate::platform::Platform;
use crate::workers::WorkerKind;

mod health;
mod numbers;
mod problem;
mod reading;

use numbers::Numbers;

/// What the handlers know of the process.
struct Process {
    /// Its workers.
    workers: Vec<WorkerKind>,
    stats: Arc<Stats>,
    /// The platform, once it is open.
    platform: OnceLock<Platform>,
    numbers: Numbers,
}

/// A server that listens.
pub struct Server {
    process: Arc<Process>,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is none, or taken.
    #[error("can't listen on {address:?}: {problem}; give another as --listen HOST:PORT, such as 127.0.0.1:8080")]
    Address {
        /// As it was given.
        address: String,
        /// Why not.
        problem: std::io::Error,
    },
    /// Numbers are counted for somebody else already.
    #[error("metrics are already being recorded: {0}")]
    Numbers(String),
}

/// Listens on `address` (`HOST:PORT`, or a port alone on loopback) and answers until `stop` is requested.
///
/// # Errors
/// If the address can't be listened on.
pub async fn serve(
    address: &str,
    workers: Vec<WorkerKind>,
    stats: Arc<Stats>,
    stop: Stop,
) -> Result<Server, ListenError> {
    let refused = |problem| ListenError::Address { address: address.to_owned(), problem };
    let place = if address.parse::<u16>().is_ok() { format!("127.0.0.1:{address}") } else { address.to_owned() };
    let listener = TcpListener::bind(&place).await.map_err(refused)?;
    let local = listener.local_addr().map_err(refused)?;
    let numbers = Numbers::start().map_err(ListenError::Numbers)?;
    let process = Arc::new(Process { workers, stats, platform: OnceLock::new(), numbers });
    let routes = routes(Arc::clone(&process), local.ip().is_loopback());
    tokio::spawn(async move {
        let served = axum::serve(listener, routes).with_graceful_shutdown(async move { stop.requested().await });
        if let Err(problem) = served.await {
            tracing::error!(%problem, "HTTP is no longer served; restart to have it again");
        }
    });
    Ok(Server { process, address: local })
}

impl Server {
    /// The platform is open: what asks it can be answered.
    pub fn opened(&self, platform: &Platform) {
        let _ = self.process.platform.set(platform.clone());
    }
}

fn routes(process: Arc<Process>, private: bool) -> Router {
    let mut routes = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(numbers::show));
    if private {
        routes = routes
            .route("/v1/purchases/{id}", get(reading::purchase))
            .route("/v1/students/{id}/purchases", get(reading::student))
            .route("/v1/trainers/{id}/sessions", get(reading::trainer));
    }
    routes.fallback(problem::nothing_here).with_state(process)
}
