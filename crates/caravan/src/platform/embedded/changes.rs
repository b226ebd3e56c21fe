//! Notices that something was written, by this process or by another.

use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};
use tokio::sync::{Mutex, Notify, OnceCell, watch};
use tokio::task::JoinHandle;

/// How often the file is looked at for what other processes wrote. One look costs some
/// microseconds: SQLite compares a counter in shared memory.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Ticks whenever something may have been written.
///
/// Commits of this process tick at once. What other processes write is seen by a task that starts
/// when somebody first waits, and ends with this value.
pub(super) struct Changes {
    ticks: watch::Sender<u64>,
    options: SqliteConnectOptions,
    watching: OnceCell<Watching>,
}

/// The task that looks at the file.
struct Watching {
    stop: Arc<Notify>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Changes {
    /// Watches the database these options open.
    pub(super) fn new(options: SqliteConnectOptions) -> Arc<Self> {
        let (ticks, _) = watch::channel(0);
        Arc::new(Self { ticks, options, watching: OnceCell::new() })
    }

    /// Tells everybody that something was written.
    pub(super) fn tick(&self) {
        self.ticks.send_modify(|count| *count += 1);
    }

    /// A receiver that has seen everything up to now.
    pub(super) async fn subscribe(&self) -> watch::Receiver<u64> {
        self.watch_others().await;
        self.ticks.subscribe()
    }

    /// How many ticks there have been.
    pub(super) async fn count(&self) -> u64 {
        self.watch_others().await;
        *self.ticks.borrow()
    }

    /// Returns when that is no longer `seen`, at the latest after `at_most`.
    pub(super) async fn since(&self, seen: u64, at_most: Duration) {
        self.watch_others().await;
        let mut ticks = self.ticks.subscribe();
        // Both ends mean the same to the caller: look again.
        let _ = tokio::time::timeout(at_most, ticks.wait_for(|count| *count != seen)).await;
    }

    /// Stops looking for what other processes write, and closes the connection that did.
    pub(super) async fn stop(&self) {
        let Some(watching) = self.watching.get() else { return };
        watching.stop.notify_one();
        if let Some(task) = watching.task.lock().await.take() {
            // Nothing depends on how it ended.
            let _ = task.await;
        }
    }

    async fn watch_others(&self) {
        self.watching
            .get_or_init(|| async {
                let stop = Arc::new(Notify::new());
                let task = tokio::spawn(watch_others(self.options.clone(), self.ticks.clone(), Arc::clone(&stop)));
                Watching { stop, task: Mutex::new(Some(task)) }
            })
            .await;
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        if let Some(watching) = self.watching.get() {
            watching.stop.notify_one();
        }
    }
}

/// Looks until it is stopped. Whatever was written before the first look, and whenever looking
/// fails, counts as a change: one look too many costs little, one too few keeps work waiting.
async fn watch_others(options: SqliteConnectOptions, ticks: watch::Sender<u64>, stop: Arc<Notify>) {
    let mut connection = None;
    let mut seen = None;
    loop {
        let version = version(&options, &mut connection).await;
        if version.is_none() || version != seen {
            ticks.send_modify(|count| *count += 1);
        }
        seen = version;
        if tokio::time::timeout(LOOK_EVERY, stop.notified()).await.is_ok() {
            break;
        }
    }
    if let Some(connection) = connection {
        // It only read.
        let _ = sqlx::Connection::close(connection).await;
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
