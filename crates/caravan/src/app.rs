//! The composition root: from settings to a platform. Nothing else asks which topology it is.

use std::path::Path;
use std::sync::Arc;

use caravan_domain::event::Topic;

use crate::config::Settings;
use crate::platform::clock::{Clock, SystemClock};
use crate::platform::embedded::{
    BackupError, Embedded, Holder, LockError, OpenError, OpenOptions, SchemaVersion, WorkersLock,
};
use crate::platform::evidence::Evidence;
use crate::platform::floor::Floor;
use crate::platform::{Platform, PlatformError};
use crate::workers::WorkerKind;

/// Where everything is.
pub enum Topology {
    /// In one directory of this machine.
    Embedded(Embedded),
}

/// An installation that is open.
pub struct App {
    /// What workers and commands use.
    pub platform: Platform,
    topology: Topology,
    options: OpenOptions,
    partitions: u32,
}

/// Why an installation can't be used.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The settings name services that this program can't use.
    #[error(
        "--postgres, --kafka and --redis ask for the distributed topology, but this build of caravan has only the \
         embedded one: leave all three out"
    )]
    NoSuchTopology,
    /// The directory or the database can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Another process runs workers.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// There is no backup.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// A file can't be removed.
    #[error("can't remove {file}: {problem}")]
    Remove {
        /// Which.
        file: String,
        /// Why not.
        problem: String,
    },
    /// The platform failed.
    #[error(transparent)]
    Platform(#[from] PlatformError),
}

impl App {
    /// Opens the installation, making or migrating it as needed.
    pub async fn open(settings: &Settings) -> Result<Self, AppError> {
        Self::embedded(options(settings, true, true)?, settings.partitions).await
    }

    /// Opens the installation, migrating it as needed; `None` if there is none yet.
    pub async fn open_existing(settings: &Settings) -> Result<Option<Self>, AppError> {
        Self::there(options(settings, false, true)?, settings.partitions).await
    }

    /// Opens the installation as it is, changing nothing; `None` if there is none yet.
    pub async fn look(settings: &Settings) -> Result<Option<Self>, AppError> {
        Self::there(options(settings, false, false)?, settings.partitions).await
    }

    async fn there(options: OpenOptions, partitions: u32) -> Result<Option<Self>, AppError> {
        if !options.database_file()?.exists() {
            return Ok(None);
        }
        Self::embedded(options, partitions).await.map(Some)
    }

    async fn embedded(options: OpenOptions, partitions: u32) -> Result<Self, AppError> {
        let embedded = Embedded::open(options.clone()).await?;
        let platform = embedded.platform(Arc::new(SystemClock));
        Ok(Self { platform, topology: Topology::Embedded(embedded), options, partitions })
    }

    /// Gives everything back, so that nothing is left beside the database file. Not needed for
    /// anything to be durable.
    pub async fn close(self) {
        match self.topology {
            Topology::Embedded(embedded) => embedded.close().await,
        }
    }

    /// Creates the topics if any is missing.
    ///
    /// # Errors
    /// If those there have another number of partitions than the ones to be created.
    pub async fn ensure_topics(&self) -> Result<(), PlatformError> {
        if self.platform.log.topics().await?.len() < Topic::ALL.len() {
            self.platform.log.create_topics(self.partitions).await?;
        }
        Ok(())
    }

    /// A topic's name as the log has it, with the namespace.
    pub fn physical_name(&self, topic: Topic) -> String {
        match &self.options.namespace {
            Some(namespace) => format!("{namespace}.{topic}"),
            None => topic.to_string(),
        }
    }

    /// The workers that run now, in whatever process.
    pub fn running_workers(&self) -> Result<Vec<WorkerKind>, AppError> {
        let holder = WorkersLock::holder(&self.options)?.and_then(|held| held.holder);
        let names = holder.map(|holder| holder.workers).unwrap_or_default();
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Who runs workers, in words.
    pub fn holder(&self) -> Result<Option<String>, AppError> {
        let Some(held) = WorkersLock::holder(&self.options)? else { return Ok(None) };
        Ok(Some(match held.holder {
            Some(Holder { pid, started_at, workers }) => {
                format!("{} in process {pid} since {started_at:.0}", workers.join(", "))
            }
            None => "another process has the lock".to_owned(),
        }))
    }

    /// The version of the database's schema, and the one this program needs.
    pub async fn schema_version(&self) -> Result<SchemaVersion, PlatformError> {
        match &self.topology {
            Topology::Embedded(embedded) => embedded.schema_version().await,
        }
    }

    /// What holds the data, with its version.
    pub fn store_version(&self) -> String {
        match &self.topology {
            Topology::Embedded(_) => {
                let version = libsqlite3_sys::SQLITE_VERSION.to_str().unwrap_or("of unknown version");
                format!("SQLite {version}")
            }
        }
    }

    /// A snapshot of everything, for an audit.
    pub async fn evidence(&self) -> Result<Box<dyn Evidence>, PlatformError> {
        match &self.topology {
            Topology::Embedded(embedded) => Ok(Box::new(embedded.evidence().await?)),
        }
    }

    /// What writes once more, into an installation that is empty, what a run writes here.
    pub async fn floor(&self, empty: &Self) -> Result<Box<dyn Floor>, PlatformError> {
        match (&self.topology, &empty.topology) {
            (Topology::Embedded(run), Topology::Embedded(empty)) => Ok(Box::new(run.floor(empty).await?)),
        }
    }

    /// The topology's name.
    pub fn topology_name(&self) -> &'static str {
        match &self.topology {
            Topology::Embedded(_) => "embedded",
        }
    }

    /// Frees what a process that ran workers before may have left held when it died.
    pub async fn take_over(&self, lock: &WorkersLock) -> Result<(), PlatformError> {
        match &self.topology {
            Topology::Embedded(embedded) => embedded.take_over(lock).await,
        }
    }

    /// Copies the database to a file that must not be there yet, while everything runs.
    pub async fn backup(&self, file: &Path) -> Result<(), AppError> {
        match &self.topology {
            Topology::Embedded(embedded) => Ok(embedded.backup(file).await?),
        }
    }
}

/// Makes this process the one that runs these workers, until the lock is dropped.
///
/// # Errors
/// Names the process that is it already.
pub fn lock_workers(settings: &Settings, workers: &[WorkerKind]) -> Result<WorkersLock, AppError> {
    lock(&options(settings, true, true)?, workers.iter().map(|kind| kind.name().to_owned()).collect())
}

/// Keeps workers from running while something else is done.
///
/// # Errors
/// Names the process that runs workers.
pub fn lock_out_workers(settings: &Settings, for_what: &str) -> Result<WorkersLock, AppError> {
    lock(&options(settings, false, true)?, vec![for_what.to_owned()])
}

fn lock(options: &OpenOptions, workers: Vec<String>) -> Result<WorkersLock, AppError> {
    let holder = Holder { pid: std::process::id(), started_at: SystemClock.now(), workers };
    Ok(WorkersLock::acquire(options, &holder)?)
}

/// Removes the namespaces whose name is `unwanted` and whose workers don't run.
///
/// # Errors
/// If a file of them can't be removed.
pub fn remove_namespaces(settings: &Settings, unwanted: impl Fn(&str) -> bool) -> Result<(), AppError> {
    let Ok(entries) = std::fs::read_dir(&settings.data) else { return Ok(()) };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(namespace) = name.to_str().and_then(|name| name.strip_suffix(DATABASE_SUFFIX)) else { continue };
        if unwanted(namespace) {
            remove_namespace(&Settings { namespace: namespace.to_owned(), ..settings.clone() })?;
        }
    }
    Ok(())
}

/// What the names of database files end with.
const DATABASE_SUFFIX: &str = ".db";

fn remove_namespace(settings: &Settings) -> Result<(), AppError> {
    let options = options(settings, false, false)?;
    let Ok(_lock) = lock(&options, vec!["removal".to_owned()]) else { return Ok(()) };
    let database = options.database_file()?;
    // The database goes first: what is left of an interruption belongs to nothing.
    for ending in ["", "-wal", "-shm"] {
        let mut file = database.clone().into_os_string();
        file.push(ending);
        remove(Path::new(&file))?;
    }
    remove(&database.with_extension("lock"))
}

fn remove(file: &Path) -> Result<(), AppError> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(AppError::Remove { file: file.display().to_string(), problem: error.to_string() })
        }
        _ => Ok(()),
    }
}

fn options(settings: &Settings, create: bool, migrate: bool) -> Result<OpenOptions, AppError> {
    if settings.names_services() {
        return Err(AppError::NoSuchTopology);
    }
    Ok(OpenOptions {
        directory: settings.data.clone(),
        namespace: settings.namespace().map(str::to_owned),
        create,
        migrate,
        partitions: None,
    })
}
