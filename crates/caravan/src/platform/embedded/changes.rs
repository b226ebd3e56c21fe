//! Notices that something was written, by this process or by another.

use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};
use tokio::sync::{OnceCell, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// How often the file is looked at for what other processes wrote. One look costs some
/// microseconds: SQLite compares a counter in shared memory.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// [`Changes::changed`] also answers for changes this long before it was called: between a
/// caller's read and its call one may have come.
const OVERLAP: Duration = Duration::from_millis(50);

/// Ticks whenever something may have been written.
///
/// Commits of this process tick at once. What other processes write is seen by a task that starts
/// when somebody first waits, and ends with this value.
pub(super) struct Changes {
    ticks: watch::Sender<Instant>,
    options: SqliteConnectOptions,
    watching: OnceCell<AbortHandle>,
}

impl Changes {
    /// Watches the database these options open.
    pub(super) fn new(options: SqliteConnectOptions) -> Arc<Self> {
        let (ticks, _) = watch::channel(Instant::now());
        Arc::new(Self { ticks, options, watching: OnceCell::new() })
    }

    /// Tells everybody that something was written.
    pub(super) fn tick(&self) {
        self.ticks.send_replace(Instant::now());
    }

    /// A receiver that has seen everything up to now.
    pub(super) async fn subscribe(&self) -> watch::Receiver<Instant> {
        self.watch_others().await;
        self.ticks.subscribe()
    }

    /// Returns after the next change, at the latest after `at_most`.
    pub(super) async fn changed(&self, at_most: Duration) {
        let mut ticks = self.subscribe().await;
        let since = ticks.borrow_and_update().elapsed();
        let at_most = if since < OVERLAP { at_most.min(OVERLAP - since) } else { at_most };
        // Both ends mean the same to the caller: look again.
        let _ = tokio::time::timeout(at_most, ticks.changed()).await;
    }

    /// Stops looking for what other processes write.
    pub(super) fn stop(&self) {
        if let Some(task) = self.watching.get() {
            task.abort();
        }
    }

    async fn watch_others(&self) {
        self.watching
            .get_or_init(|| async {
                let task = tokio::spawn(watch_others(self.options.clone(), self.ticks.clone()));
                task.abort_handle()
            })
            .await;
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Looks until it is aborted. Whatever was written before the first look, and whenever looking
/// fails, counts as a change: one look too many costs little, one too few keeps work waiting.
async fn watch_others(options: SqliteConnectOptions, ticks: watch::Sender<Instant>) {
    let mut connection = None;
    let mut seen = None;
    loop {
        let version = version(&options, &mut connection).await;
        if version.is_none() || version != seen {
            ticks.send_replace(Instant::now());
        }
        seen = version;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A number that differs when another connection has committed since it was last asked for on
/// this one (<https://sqlite.org/pragma.html#pragma_data_version>); `None` if it can't be had now.
async fn version(options: &SqliteConnectOptions, connection: &mut Option<SqliteConnection>) -> Option<i64> {
    let mut current = match connection.take() {
        Some(current) => current,
        None => options.connect().await.ok()?,
    };
    let version = sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut current).await.ok()?;
    *connection = Some(current);
    Some(version)
}
