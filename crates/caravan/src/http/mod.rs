//! HTTP: payments and orders in, views and calendars out; health and numbers for monitors.
//!
//! Architecture invariants: everything but health, numbers on a loopback address, documentation and webhooks (which
//! are signed) needs a token. What comes in is judged here, so that whoever sends it is told at once, and handed over
//! to the log as any payment service would: the workers judge it again. Handlers ask no topology.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use tokio::net::TcpListener;
use tokio::sync::Mutex;

use crate::engine::{Policy, Stats, Stop};
use crate::intake::Intake;
use crate::overview::Watch;
use crate::platform::Platform;
use crate::platform::installation::Installation;
use crate::workers::WorkerKind;

mod asking;
mod auditing;
mod calendars;
mod confirmations;
mod dead_letters;
mod documentation;
mod events;
mod groups;
mod guard;
mod health;
mod idempotency;
mod numbers;
mod orders;
mod pages;
mod paging;
mod problem;
mod purchases;
mod routes;
mod serving;
mod sessions;
mod shapes;
pub mod signatures;
mod tail;
mod tokens;
mod traced;
mod trainers;
mod webhooks;

use auditing::Auditing;
use guard::Pace;
use idempotency::UnderWay;
use numbers::Numbers;
use pages::zone_of;
use problem::Problem;
use signatures::Secret;
use tail::Tail;
use tokens::Tokens;

pub use calendars::address as calendar_address;

/// What is served, and how.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The workers of this process.
    pub workers: Vec<WorkerKind>,
    /// The numbers its workers, or those beside it, work by.
    pub policy: Policy,
    /// Requests a token may make a minute; 0: as many as come.
    pub requests_per_minute_max: u32,
    /// The secrets Stripe's events may be signed with.
    pub stripe_secrets: Vec<Secret>,
    /// The secrets Razorpay's events may be signed with.
    pub razorpay_secrets: Vec<Secret>,
    /// What addresses that are given out begin with, such as `https://lessons.example.com`.
    pub public_url: Option<String>,
    /// The zone of the business, by its IANA name; that of the machine without one.
    pub time_zone: String,
}

/// What the handlers know of the process.
struct Site {
    options: Options,
    stats: Arc<Stats>,
    stop: Stop,
    /// What is open, once it is.
    open: OnceLock<Open>,
    numbers: Numbers,
    tokens: Tokens,
    pace: Pace,
    under_way: UnderWay,
    auditing: Arc<Auditing>,
    /// Held by whoever has the nightly job done by hand.
    extending: Arc<Mutex<()>>,
    /// Whether nobody but this machine can connect.
    is_private: bool,
}

/// What can be used once the database is open.
struct Open {
    platform: Platform,
    /// What is beneath the platform.
    installation: Arc<dyn Installation>,
    intake: Intake,
    tail: Tail,
    watch: Watch,
}

impl Site {
    fn open(&self) -> Result<&Open, Problem> {
        self.open.get().ok_or_else(Problem::not_open)
    }

    fn platform(&self) -> Result<&Platform, Problem> {
        self.open().map(|open| &open.platform)
    }
}

/// A server that listens.
pub struct Server {
    site: Arc<Site>,
    /// Where it listens.
    pub address: SocketAddr,
    /// Ends when everything under way is finished, after the stop.
    pub ended: tokio::task::JoinHandle<()>,
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
pub async fn serve(address: &str, options: Options, stats: Arc<Stats>, stop: Stop) -> Result<Server, ListenError> {
    let refused = |problem| ListenError::Address { address: address.to_owned(), problem };
    let place = if address.parse::<u16>().is_ok() { format!("127.0.0.1:{address}") } else { address.to_owned() };
    let listener = TcpListener::bind(&place).await.map_err(refused)?;
    let local = listener.local_addr().map_err(refused)?;
    let site = Arc::new(Site {
        pace: Pace::new(options.requests_per_minute_max),
        options,
        stats,
        stop: stop.clone(),
        open: OnceLock::new(),
        numbers: Numbers::start().map_err(ListenError::Numbers)?,
        tokens: Tokens::default(),
        under_way: UnderWay::default(),
        auditing: Arc::default(),
        extending: Arc::default(),
        is_private: local.ip().is_loopback(),
    });
    let ended = tokio::spawn(serving::serve(listener, routes::routes(Arc::clone(&site)), stop));
    Ok(Server { site, address: local, ended })
}

impl Server {
    /// The platform is open: what asks it, or what is beneath it, can be answered.
    pub fn opened(&self, platform: &Platform, installation: Arc<dyn Installation>) {
        let open = Open {
            platform: platform.clone(),
            installation,
            intake: Intake::open(platform.clone()),
            tail: Tail::of(platform.clone(), self.site.stop.clone()),
            watch: Watch::of(platform.clone(), zone_of(&self.site.options.time_zone), self.site.stop.clone()),
        };
        let _it_is_opened_once = self.site.open.set(open);
    }
}

/// The OpenAPI document of everything that is served, as JSON.
pub fn openapi() -> String {
    routes::document()
}
