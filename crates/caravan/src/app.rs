//! The composition root: from settings to a platform. Nothing else asks which topology it is.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use caravan_domain::event::Topic;
use tokio::runtime::{Handle, RuntimeFlavor};
use tracing::{info, warn};

use crate::config::Settings;
use crate::engine::Stop;
use crate::platform::cache::NoCache;
use crate::platform::clock::SystemClock;
use crate::platform::distributed::{self, Distributed, DistributedOptions};
use crate::platform::embedded::{BackupError, Embedded, LockError, OpenError, OpenOptions};
use crate::platform::evidence::Evidence;
use crate::platform::floor::Floor;
use crate::platform::installation::Installation;
use crate::platform::rows::SchemaVersion;
use crate::platform::{Platform, PlatformError};
use crate::traces;
use crate::workers::WorkerKind;

mod claim;

pub use crate::platform::log::Member;
pub use claim::{Claim, claim_workers, lock_out_workers, remove_namespaces};

/// How long a start waits between two looks for the database.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// What tidying up may take: the next start does what is left of it.
const CLOSE_MAX: Duration = Duration::from_millis(900);

/// Where everything is.
enum Topology {
    /// In one directory of this machine.
    Embedded(Arc<Embedded>),
    /// In PostgreSQL, Kafka and Redis.
    Distributed(Arc<Distributed>),
}

/// An installation that is open.
pub struct App {
    /// What workers and commands use.
    pub platform: Platform,
    topology: Topology,
    namespace: Option<String>,
    partitions: u32,
}

/// Why an installation can't be used.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The directory or the database can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The services can't be used.
    #[error(transparent)]
    Services(#[from] distributed::OpenError),
    /// Another process runs workers.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Workers run that must not.
    #[error("{0}")]
    Running(String),
    /// There is no backup.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// Backups are another tool's matter.
    #[error(
        "caravan backup copies the file of the embedded topology. Back PostgreSQL up with its own tools, such as pg_dump \
         (see docs/operations.md): everything that was decided is in it"
    )]
    BackupElsewhere,
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
        match services(settings, true, true) {
            Some(options) => Self::distributed(options, settings).await,
            None => Self::embedded(options(settings, true, true), settings).await,
        }
    }

    /// As [`open`](Self::open), but services that can't be reached are waited for; `None` if `stop`
    /// was requested meanwhile.
    pub async fn open_when_reachable(settings: &Settings, stop: &Stop) -> Result<Option<Self>, AppError> {
        let mut waits = false;
        loop {
            match Self::open(settings).await {
                Ok(app) => {
                    if waits {
                        info!("the database answers");
                    }
                    return Ok(Some(app));
                }
                Err(AppError::Services(error)) if error.is_temporary() => {
                    if !std::mem::replace(&mut waits, true) {
                        warn!("waiting for the database: {error}");
                    }
                }
                Err(error) => return Err(error),
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                () = stop.requested() => return Ok(None),
            }
        }
    }

    /// Opens the installation, migrating it as needed; `None` if there is none yet.
    pub async fn open_existing(settings: &Settings) -> Result<Option<Self>, AppError> {
        Self::there(settings, true).await
    }

    /// Opens the installation as it is, changing nothing; `None` if there is none yet.
    pub async fn look(settings: &Settings) -> Result<Option<Self>, AppError> {
        Self::there(settings, false).await
    }

    async fn there(settings: &Settings, migrate: bool) -> Result<Option<Self>, AppError> {
        if let Some(services) = services(settings, false, migrate) {
            return match Self::distributed(services, settings).await {
                Err(AppError::Services(error)) if error.is_missing() => Ok(None),
                opened => opened.map(Some),
            };
        }
        let options = options(settings, false, migrate);
        if !options.database_file()?.exists() {
            return Ok(None);
        }
        Self::embedded(options, settings).await.map(Some)
    }

    async fn embedded(options: OpenOptions, settings: &Settings) -> Result<Self, AppError> {
        let embedded = Embedded::open(options).await?;
        let platform = embedded.platform(Arc::new(SystemClock));
        Ok(Self::of(platform, Topology::Embedded(Arc::new(embedded)), settings))
    }

    async fn distributed(options: DistributedOptions, settings: &Settings) -> Result<Self, AppError> {
        let distributed = Distributed::open(options).await?;
        let platform = distributed.platform(Arc::new(SystemClock));
        Ok(Self::of(platform, Topology::Distributed(Arc::new(distributed)), settings))
    }

    fn of(platform: Platform, topology: Topology, settings: &Settings) -> Self {
        let namespace = settings.namespace().map(str::to_owned);
        Self { platform, topology, namespace, partitions: settings.partitions }
    }

    /// Gives everything back, so that nothing is left beside the data. Not needed for anything to
    /// be durable.
    async fn close(&self) {
        match &self.topology {
            Topology::Embedded(embedded) => embedded.close().await,
            Topology::Distributed(distributed) => distributed.close().await,
        }
    }

    /// The platform, as a process that runs these workers may use it: where answers are cached in the process itself, it
    /// only keeps them if it is told what is outdated.
    pub fn platform_for(&self, workers: &[WorkerKind]) -> Platform {
        match &self.topology {
            Topology::Embedded(..) if !workers.contains(&WorkerKind::Cache) => {
                Platform { cache: Arc::new(NoCache), ..self.platform.clone() }
            }
            _ => self.platform.clone(),
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
        match &self.namespace {
            Some(namespace) => format!("{namespace}.{topic}"),
            None => topic.to_string(),
        }
    }

    /// The members of the workers' groups, in whatever process.
    pub async fn members(&self) -> Result<Vec<Member>, PlatformError> {
        self.installation().members(&WorkerKind::ALL.map(|kind| kind.spec().group)).await
    }

    /// What is beneath the platform.
    pub fn installation(&self) -> Arc<dyn Installation> {
        match &self.topology {
            Topology::Embedded(embedded) => embedded.clone(),
            Topology::Distributed(distributed) => distributed.clone(),
        }
    }

    /// The version of the database's schema, and the one this program needs.
    pub async fn schema_version(&self) -> Result<SchemaVersion, PlatformError> {
        self.installation().schema_version().await
    }

    /// What holds the data, with its version.
    pub async fn store_version(&self) -> Result<String, PlatformError> {
        self.installation().store_version().await
    }

    /// A snapshot of everything, for an audit.
    pub async fn evidence(&self) -> Result<Box<dyn Evidence>, PlatformError> {
        self.installation().snapshot().await
    }

    /// What writes once more, into an installation that is empty, what a run writes here.
    ///
    /// # Errors
    /// If the two are not of one topology.
    pub async fn floor(&self, empty: &Self) -> Result<Box<dyn Floor>, PlatformError> {
        match (&self.topology, &empty.topology) {
            (Topology::Embedded(run), Topology::Embedded(empty)) => Ok(Box::new(run.floor(empty).await?)),
            (Topology::Distributed(run), Topology::Distributed(empty)) => run.floor(empty).await,
            _ => Err(PlatformError::Broken("a floor is of the same topology as its run".to_owned())),
        }
    }

    /// The topology's name.
    pub fn topology_name(&self) -> &'static str {
        self.installation().topology()
    }

    /// Frees what a process that ran workers before may have left held when it died.
    pub async fn take_over(&self, claim: &Claim) -> Result<(), PlatformError> {
        match (&self.topology, claim) {
            (Topology::Embedded(embedded), Claim::Directory(lock)) => embedded.take_over(lock).await,
            // Others may be at work: what one of them held when it died ends by itself.
            _ => Ok(()),
        }
    }

    /// Copies the database to a file that must not be there yet, while everything runs.
    pub async fn backup(&self, file: &Path) -> Result<(), AppError> {
        match &self.topology {
            Topology::Embedded(embedded) => Ok(embedded.backup(file).await?),
            Topology::Distributed(_) => Err(AppError::BackupElsewhere),
        }
    }
}

impl Drop for App {
    /// Closes it. Whoever may read the data directory and not write it can only do so if the last
    /// process has left nothing beside the database.
    fn drop(&mut self) {
        let Ok(runtime) = Handle::try_current() else { return };
        // Elsewhere nobody could be waited for.
        if runtime.runtime_flavor() == RuntimeFlavor::MultiThread {
            let closing = async { tokio::time::timeout(CLOSE_MAX, self.close()).await };
            let _the_next_start_tidies_up = tokio::task::block_in_place(|| runtime.block_on(closing));
        }
    }
}

/// How traces of an installation with these settings are exported; `None` if they are not.
pub fn traces(settings: &Settings) -> Option<traces::Options> {
    let endpoint = traces::Endpoint::read(&settings.otlp_endpoint).ok().flatten()?;
    let system = if settings.names_services() { "kafka" } else { "caravan" };
    Some(traces::Options { endpoint, system, namespace: settings.namespace().map(str::to_owned) })
}

/// Where an installation with these settings is, in words.
pub fn place(settings: &Settings) -> String {
    match settings.names_services() {
        true => format!("at {}", settings.shown("postgres_url")),
        false => format!("in {}", settings.data.display()),
    }
}

fn options(settings: &Settings, create: bool, migrate: bool) -> OpenOptions {
    let namespace = settings.namespace().map(str::to_owned);
    OpenOptions { directory: settings.data.clone(), namespace, create, migrate, partitions: None }
}

/// How the services are used; `None` if the settings name none.
fn services(settings: &Settings, create: bool, migrate: bool) -> Option<DistributedOptions> {
    settings.names_services().then(|| DistributedOptions {
        postgres_url: settings.postgres_url.clone(),
        kafka_brokers: settings.kafka_brokers.clone(),
        kafka_properties: settings.kafka_properties(),
        kafka_group_protocol: settings.kafka_group_protocol,
        kafka_replication_factor: settings.kafka_replication_factor,
        redis_url: settings.redis_url.clone(),
        namespace: settings.namespace().map(str::to_owned),
        create,
        migrate,
    })
}
