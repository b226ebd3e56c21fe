//! The ground these tests stand on: a data directory.

use std::path::Path;
use std::sync::Arc;

use caravan::platform::Platform;
use caravan::platform::clock::Clock;
use caravan::platform::embedded::{Embedded, OpenOptions};
use caravan::platform::evidence::Evidence;
use caravan::platform::installation::Installation;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tempfile::TempDir;

/// An opened data directory.
pub(crate) struct Ground {
    pub(crate) embedded: Arc<Embedded>,
    _directory: Option<TempDir>,
}

impl Ground {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ground = Self::open(OpenOptions::new(directory.path())).await;
        Self { _directory: Some(directory), ..ground }
    }

    /// One that other tests may know of, too.
    pub(crate) async fn open(options: OpenOptions) -> Self {
        let embedded = Embedded::open(OpenOptions { partitions: Some(3), ..options }).await.unwrap();
        Self { embedded: Arc::new(embedded), _directory: None }
    }

    /// What a backup has written, opened in this directory.
    pub(crate) async fn restored(backup: &Path, directory: &Path) -> Self {
        std::fs::create_dir_all(directory).unwrap();
        std::fs::copy(backup, directory.join("caravan.db")).unwrap();
        Self::open(OpenOptions::new(directory)).await
    }

    pub(crate) fn platform(&self, clock: Arc<dyn Clock>) -> Platform {
        self.embedded.platform(clock)
    }

    /// What is beneath the platform.
    pub(crate) fn installation(&self) -> Arc<dyn Installation> {
        self.embedded.clone()
    }

    /// Changes rows behind everybody's back.
    pub(crate) async fn execute(&self, sql: &str) {
        let options = SqliteConnectOptions::new().filename(self.embedded.database_file());
        let mut connection = options.connect().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    pub(crate) async fn evidence(&self) -> Box<dyn Evidence> {
        Box::new(self.embedded.evidence().await.unwrap())
    }
}
