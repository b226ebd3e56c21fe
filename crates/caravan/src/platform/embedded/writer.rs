//! The one connection that writes, and its transactions.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};
use tokio::sync::{Mutex, MutexGuard};

/// Hands out the writing connection, to one transaction at a time.
///
/// A connection whose transaction did not end as it should is dropped, which rolls back whatever
/// it held; the next transaction opens another. So neither a cancelled caller nor a failed
/// rollback can leave a transaction open.
pub(super) struct Writer {
    options: SqliteConnectOptions,
    idle: Mutex<Option<SqliteConnection>>,
}

impl Writer {
    /// A writer that connects when it is first needed.
    pub(super) fn new(options: SqliteConnectOptions) -> Self {
        Self { options, idle: Mutex::new(None) }
    }

    /// Begins a transaction that holds the database's write lock from the start, so that it can't
    /// fail half-way because another process wrote.
    pub(super) async fn begin(&self) -> Result<WriteTransaction<'_>, sqlx::Error> {
        let mut idle = self.idle.lock().await;
        let mut connection = match idle.take() {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        if let Err(error) = sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await {
            // An error leaves no transaction behind, except if the connection itself is ill.
            if super::sqlite::failure(&error) == super::sqlite::Failure::Busy {
                *idle = Some(connection);
            }
            return Err(error);
        }
        Ok(WriteTransaction { idle, connection })
    }

    /// Closes the connection; a later transaction opens another.
    pub(super) async fn close(&self) {
        if let Some(connection) = self.idle.lock().await.take() {
            // All is committed: a failure to close loses nothing.
            let _ = sqlx::Connection::close(connection).await;
        }
    }
}

/// A transaction under way. Dropped before [`commit`](Self::commit) returned, nothing of it stays.
pub(super) struct WriteTransaction<'a> {
    idle: MutexGuard<'a, Option<SqliteConnection>>,
    connection: SqliteConnection,
}

impl WriteTransaction<'_> {
    /// What statements run on.
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// Makes it durable.
    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        sqlx::query("COMMIT").execute(&mut self.connection).await?;
        *self.idle = Some(self.connection);
        Ok(())
    }

    /// Undoes it, and keeps the connection if that works.
    pub(super) async fn rollback(mut self) {
        if sqlx::query("ROLLBACK").execute(&mut self.connection).await.is_ok() {
            *self.idle = Some(self.connection);
        }
    }
}
