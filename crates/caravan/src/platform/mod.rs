//! What Caravan needs of the world, as four small traits, and the rooms that answer them.
//!
//! Architecture invariant: nothing outside the composition root ([`crate::app`]) asks which
//! topology it runs on. Every room passes the same conformance suites.

use std::sync::Arc;

pub mod cache;
pub mod clock;
mod columns;
pub mod desk;
pub mod distributed;
pub mod embedded;
pub mod evidence;
pub mod floor;
pub mod installation;
pub mod log;
mod reservations;
pub mod rows;
pub mod store;
pub mod transaction;

use cache::Cache;
use clock::Clock;
use log::Log;
use store::Store;

/// A store, a log, a cache and a clock that belong together.
#[derive(Clone)]
pub struct Platform {
    /// What has happened.
    pub store: Arc<dyn Store>,
    /// What is told.
    pub log: Arc<dyn Log>,
    /// What readers may be answered from.
    pub cache: Arc<dyn Cache>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// Why the platform could not do something.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PlatformError {
    /// What surrounds us is at fault (database busy, disk full, broker away): the same call can
    /// succeed later, so callers wait it out and never blame a record for it.
    #[error("{0}")]
    Environment(String),
    /// The data or the schema is not as it must be: waiting won't help, a person has to look.
    #[error("{0}")]
    Broken(String),
}
