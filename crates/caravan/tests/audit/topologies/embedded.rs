//! Everything in one file, which is copied to be put back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use caravan::platform::Platform;
use caravan::platform::clock::Clock;
use caravan::platform::embedded::{Embedded, OpenOptions};
use caravan::platform::evidence::Evidence;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Row, SqliteConnection};
use tempfile::TempDir;

use crate::damages::Damage;
use crate::ground::Ground;

/// A data directory, which is another one each time it is put back.
pub(crate) struct Data {
    embedded: Embedded,
    directory: TempDir,
    put_back: usize,
}

impl Data {
    /// The data directory that is in use.
    fn now(&self) -> PathBuf {
        self.directory.path().join(self.put_back.to_string())
    }

    fn kept(&self) -> PathBuf {
        self.directory.path().join("kept.db")
    }

    async fn connect(&self) -> SqliteConnection {
        SqliteConnectOptions::new().filename(self.now().join("caravan.db")).connect().await.unwrap()
    }
}

async fn open(directory: &Path) -> Embedded {
    Embedded::open(OpenOptions::new(directory)).await.unwrap()
}

impl Ground for Data {
    const PLACED: &str =
        "(SELECT r.id, CAST(r.key AS TEXT) AS key, r.headers, p.topic, p.topic || '/' || p.partition || '@' || (r.id & ((1 << 40) - 1)) AS place
        FROM log_records r JOIN log_partitions p ON p.id = r.id >> 40)";

    async fn empty() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { embedded: open(&directory.path().join("0")).await, directory, put_back: 0 }
    }

    fn platform(&self, clock: Arc<dyn Clock>) -> Platform {
        self.embedded.platform(clock)
    }

    async fn evidence(&self) -> Box<dyn Evidence> {
        Box::new(self.embedded.evidence().await.unwrap())
    }

    async fn keep(&mut self) {
        // One file without a write-ahead log beside it: it can be copied as it is.
        self.embedded.backup(&self.kept()).await.unwrap();
        self.put_back().await;
    }

    async fn put_back(&mut self) {
        self.embedded.close().await;
        self.put_back += 1;
        std::fs::create_dir(self.now()).unwrap();
        std::fs::copy(self.kept(), self.now().join("caravan.db")).unwrap();
        self.embedded = open(&self.now()).await;
    }

    fn told(damage: &Damage) -> Result<Damage, &'static str> {
        Ok(*damage)
    }

    async fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let query = sqlx::query(AssertSqlSafe(sql));
        let found = query.fetch_all(&mut self.connect().await).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let text = |row: &sqlx::sqlite::SqliteRow, column| {
            row.try_get::<String, usize>(column).unwrap_or_else(|_| row.get::<i64, usize>(column).to_string())
        };
        found.iter().map(|row| (0..row.len()).map(|column| text(row, column)).collect()).collect()
    }

    async fn execute(&self, sql: &str) -> u64 {
        let query = sqlx::query(AssertSqlSafe(sql));
        let done = query.execute(&mut self.connect().await).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        done.rows_affected()
    }
}
