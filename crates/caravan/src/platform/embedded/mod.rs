//! The embedded topology: everything in one SQLite file.
//!
//! Architecture invariants: one connection writes, in transactions that hold the write lock from
//! their start; whatever else writes the file (commands in other processes) does so through the
//! same code. There is no broker, no server and no second file to keep in step with: a backup of
//! the one file is a backup of all.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

mod backup;
mod bulk;
mod cache;
mod changes;
mod commit;
mod desk;
mod evidence;
mod fetch;
mod floor;
mod installation;
mod leases;
mod lists;
mod lock;
mod log;
mod open_error;
#[cfg(test)]
mod plans;
mod reads;
mod rows;
mod schema;
mod sqlite;
mod store;
mod writer;

pub use super::rows::SchemaVersion;
pub use backup::BackupError;
pub use evidence::EmbeddedEvidence;
pub use floor::EmbeddedFloor;
pub use lock::{HeldBy, Holder, LockError, WorkersLock};
pub use log::PARTITIONS_MAX;
pub use open_error::OpenError;
pub use sqlite::SQLITE_OLDEST;

use self::cache::EmbeddedCache;
use self::changes::Changes;
use self::log::EmbeddedLog;
use self::sqlite::Role;
use self::store::EmbeddedStore;
use self::writer::Writer;
use super::clock::Clock;
use super::log::Log;
use super::{Platform, PlatformError};

/// The name of the database file, and of its lock, where there is no namespace.
const DEFAULT_NAME: &str = "caravan";
/// What the lock's file ends with, beside the database's.
const LOCK_EXTENSION: &str = "lock";
/// Characters of a namespace.
const NAMESPACE_CHARS_MAX: usize = 40;
/// Connections that read at the same time.
const READERS_MAX: u32 = 4;
/// How long a reader that nobody needs stays open.
const READER_IDLE: Duration = Duration::from_secs(60);
/// How long a caller waits for a reader before that counts as the database being busy.
const READER_WAIT: Duration = Duration::from_secs(10);

/// Where the data is and what may be done to it.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// The data directory.
    pub directory: PathBuf,
    /// Keeps this Caravan apart from others in the same directory.
    pub namespace: Option<String>,
    /// Whether the directory and the database are made if they are missing.
    pub create: bool,
    /// Whether an older schema is brought up to date.
    pub migrate: bool,
    /// Makes missing topics with so many partitions; `None` leaves the topics alone.
    pub partitions: Option<u32>,
}

impl OpenOptions {
    /// What commands usually want: create, migrate, no namespace, topics left alone.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), namespace: None, create: true, migrate: true, partitions: None }
    }

    /// The database file.
    ///
    /// # Errors
    /// [`OpenError::Namespace`].
    pub fn database_file(&self) -> Result<PathBuf, OpenError> {
        self.file("db")
    }

    fn lock_file(&self) -> Result<PathBuf, OpenError> {
        self.file(LOCK_EXTENSION)
    }

    fn file(&self, extension: &str) -> Result<PathBuf, OpenError> {
        let name = match &self.namespace {
            None => DEFAULT_NAME,
            Some(name) if is_namespace(name) => name,
            Some(name) => return Err(OpenError::Namespace(name.clone())),
        };
        // Absolute, so that no directory name looks like one of SQLite's URIs.
        let path = self.directory.join(format!("{name}.{extension}"));
        std::path::absolute(path).map_err(|problem| OpenError::Directory { directory: self.directory.clone(), problem })
    }

    fn create_directory(&self) -> Result<(), OpenError> {
        std::fs::create_dir_all(&self.directory)
            .map_err(|problem| OpenError::Directory { directory: self.directory.clone(), problem })
    }
}

fn is_namespace(name: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=NAMESPACE_CHARS_MAX).contains(&name.len()) && name.bytes().all(allowed) && name != DEFAULT_NAME
}

/// An opened data directory.
#[derive(Clone)]
pub struct Embedded {
    file: PathBuf,
    reads_as: Role,
    store: Arc<EmbeddedStore>,
    log: Arc<EmbeddedLog>,
    cache: Arc<EmbeddedCache>,
}

impl Embedded {
    /// Opens a data directory, as the options say making and migrating it first.
    ///
    /// # Errors
    /// What is wrong and what to do about it.
    pub async fn open(options: OpenOptions) -> Result<Self, OpenError> {
        let file = options.database_file()?;
        if file.to_str().is_none() {
            return Err(OpenError::Path(file));
        }
        if options.create {
            options.create_directory()?;
        }
        let reads_as = prepare(&file, &options).await?;
        let opened = Self::on(file, reads_as);
        if let Some(partitions) = options.partitions {
            opened.log.create_topics(partitions).await?;
        }
        Ok(opened)
    }

    fn on(file: PathBuf, reads_as: Role) -> Self {
        let reader = sqlite::options(&file, reads_as, false);
        let store = Arc::new(EmbeddedStore {
            writer: Arc::new(Writer::new(sqlite::options(&file, Role::Writer, false))),
            readers: SqlitePoolOptions::new()
                .min_connections(0)
                .max_connections(READERS_MAX)
                .idle_timeout(READER_IDLE)
                .acquire_timeout(READER_WAIT)
                .test_before_acquire(false)
                .connect_lazy_with(reader.clone()),
            changes: Changes::new(reader),
        });
        let log = Arc::new(EmbeddedLog::new(Arc::clone(&store)));
        Self { file, reads_as, store, log, cache: Arc::new(EmbeddedCache::default()) }
    }

    /// The platform on it.
    pub fn platform(&self, clock: Arc<dyn Clock>) -> Platform {
        let (store, log, cache) = (Arc::clone(&self.store), Arc::clone(&self.log), Arc::clone(&self.cache));
        Platform { store, log, cache, clock }
    }

    /// The database file.
    pub fn database_file(&self) -> &Path {
        &self.file
    }

    /// Copies the database, as of one moment and while it is used, to a file that isn't there
    /// yet. The copy, named `caravan.db` in a directory of its own, is a data directory.
    ///
    /// # Errors
    /// Says why there is no copy then.
    pub async fn backup(&self, target: &Path) -> Result<(), BackupError> {
        backup::backup(&self.file, target).await
    }

    /// Frees what an earlier process that ran workers may have left held when it died. It is gone:
    /// only one at a time has the lock.
    ///
    /// # Errors
    /// If the database can't be written.
    pub async fn take_over(&self, _lock: &WorkersLock) -> Result<(), PlatformError> {
        leases::free_all(&self.store.writer).await
    }

    /// Closes all connections, the last of which tidies the write-ahead log away. Not needed for
    /// anything to be durable.
    pub async fn close(&self) {
        self.store.changes.stop().await;
        self.store.readers.close().await;
        self.store.writer.close().await;
    }
}

/// Makes sure that there is a database of ours at the file; returns how it can be read.
async fn prepare(file: &Path, options: &OpenOptions) -> Result<Role, OpenError> {
    if !options.create && !file.exists() {
        return Err(OpenError::Missing(file.to_owned()));
    }
    match prepare_as(Role::Opener, file, options).await {
        Err(OpenError::ReadOnly(_)) if !options.create && is_whole(file) => {
            prepare_as(Role::Onlooker, file, options).await.map(|()| Role::Onlooker)
        }
        prepared => prepared.map(|()| Role::Reader),
    }
}

/// Whether everything is in the database file itself: there is no write-ahead log beside it, as
/// there would be if a process were using it.
fn is_whole(file: &Path) -> bool {
    let log = file.with_extension("db-wal");
    std::fs::metadata(log).map_or_else(|problem| problem.kind() == ErrorKind::NotFound, |found| found.len() == 0)
}

async fn prepare_as(role: Role, file: &Path, options: &OpenOptions) -> Result<(), OpenError> {
    let fail = |error: sqlx::Error| OpenError::of(file, &error);
    let mut connection = sqlite::options(file, role, options.create).connect().await.map_err(fail)?;
    refuse_old_library(&mut connection).await.map_err(fail)??;
    schema::prepare(&mut connection, file, options.migrate).await?;
    connection.close().await.map_err(fail)
}

async fn refuse_old_library(connection: &mut SqliteConnection) -> Result<Result<(), OpenError>, sqlx::Error> {
    let found = sqlite::library_version(connection).await?;
    if sqlite::is_recent_enough(&found) {
        return Ok(Ok(()));
    }
    let (major, minor, patch) = SQLITE_OLDEST;
    Ok(Err(OpenError::Library { found, needed: format!("{major}.{minor}.{patch}") }))
}
