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
    /// Where all wait but the one that is next, unless somebody waits for them.
    queue: Mutex<()>,
    idle: Mutex<Option<SqliteConnection>>,
}

impl Writer {
    /// A writer that connects when it is first needed.
    pub(super) fn new(options: SqliteConnectOptions) -> Self {
        Self { options, queue: Mutex::default(), idle: Mutex::new(None) }
    }

    /// Begins a transaction that holds the database's write lock from the start, so that it can't
    /// fail half-way because another process wrote.
    pub(super) async fn begin(&self) -> Result<WriteTransaction<'_>, sqlx::Error> {
        let _next = self.queue.lock().await;
        self.begin_for_somebody().await
    }

    /// Begins one that somebody waits for: beside the one under way and the one that is next it waits for none, however many
    /// workers have batches to write.
    pub(super) async fn begin_for_somebody(&self) -> Result<WriteTransaction<'_>, sqlx::Error> {
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex as Shared};

    use tokio::task::{JoinHandle, yield_now};

    use super::*;

    /// Has one wait for its turn, and note it when it comes.
    async fn wait(writer: &Arc<Writer>, name: &'static str, told: &Arc<Shared<Vec<&'static str>>>) -> JoinHandle<()> {
        let (writer, told) = (Arc::clone(writer), Arc::clone(told));
        let waiting = tokio::spawn(async move {
            let begun = match name {
                "a person" => writer.begin_for_somebody().await,
                _ => writer.begin().await,
            };
            told.lock().unwrap().push(name);
            begun.unwrap().commit().await.unwrap();
        });
        // On one thread it has run as far as it can before we go on.
        yield_now().await;
        waiting
    }

    #[tokio::test]
    async fn whoever_somebody_waits_for_has_one_other_before_it() {
        let writer = Arc::new(Writer::new(SqliteConnectOptions::new().in_memory(true)));
        let told = Arc::default();
        let under_way = writer.begin().await.unwrap();
        let mut waiting = Vec::new();
        for name in ["first", "second", "third", "a person"] {
            waiting.push(wait(&writer, name, &told).await);
        }
        under_way.commit().await.unwrap();
        for one in waiting {
            one.await.unwrap();
        }
        assert_eq!(*told.lock().unwrap(), ["first", "a person", "second", "third"]);
    }
}
