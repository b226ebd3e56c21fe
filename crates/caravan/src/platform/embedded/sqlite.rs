//! SQLite itself: how connections are made, and what its failures mean.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, SqliteConnection};

use crate::platform::PlatformError;
use crate::platform::transaction::CommitError;

/// The oldest SQLite that keeps every commit: older ones can lose some when the write-ahead log
/// starts over.
pub const SQLITE_OLDEST: (u32, u32, u32) = (3, 51, 3);

/// How long a connection waits for another process that is writing.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait between two tries where SQLite itself doesn't wait.
const BUSY_STEP: Duration = Duration::from_millis(20);

/// The page size of the file: the block size of common file systems, so that what is torn off by
/// a crash is whole pages, and the least to write for one changed row.
const PAGE_BYTES: u32 = 4096;
/// Pages in the write-ahead log before a commit copies them back: rarely enough that commits
/// don't wait for it, at most 64 MiB.
const CHECKPOINT_PAGES: u32 = 16_000;
/// What the write-ahead log is cut down to when it starts over.
const JOURNAL_BYTES_MAX: u32 = 64 * 1024 * 1024;
/// The writer's page cache: the upper pages of every b-tree it inserts into.
const WRITER_CACHE_KIB: u32 = 32 * 1024;
/// A reader's page cache.
const READER_CACHE_KIB: u32 = 2 * 1024;
/// Prepared statements a connection keeps; bulk statements come in a few sizes each.
const STATEMENTS_MAX: usize = 200;
/// Rows a reader may be ahead of who takes them.
const ROW_BUFFER: usize = 512;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The one that writes.
    Writer,
    /// One of those beside it; it can't write.
    Reader,
    /// One that looks at a file first: it changes nothing by itself.
    Opener,
    /// One that reads a file which nobody is writing, where it may write nothing itself, not even
    /// the files that readers and a writer share.
    Onlooker,
}

/// How to open the database file in a role; `create` also makes it.
pub(super) fn options(file: &Path, role: Role, create: bool) -> SqliteConnectOptions {
    let cache_kib = if role == Role::Writer { WRITER_CACHE_KIB } else { READER_CACHE_KIB };
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(create)
        .page_size(PAGE_BYTES)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(false)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(STATEMENTS_MAX)
        .row_buffer_size(ROW_BUFFER)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.to_string())
        .pragma("journal_size_limit", JOURNAL_BYTES_MAX.to_string())
        .pragma("cache_size", format!("-{cache_kib}"))
        .pragma("temp_store", "memory")
        // An index made for one statement reads a whole table: never worth it for a few rows.
        .pragma("automatic_index", "off")
        .disable_statement_logging();
    match role {
        Role::Writer => options.journal_mode(SqliteJournalMode::Wal),
        Role::Reader => options.pragma("query_only", "on"),
        Role::Opener => options,
        Role::Onlooker => options.immutable(true),
    }
}

/// Makes a file keep a write-ahead log, which it remembers. SQLite does not wait for others itself
/// here.
pub(super) async fn enable_wal(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let mut waited = Duration::ZERO;
    loop {
        match sqlx::query("PRAGMA journal_mode = wal").execute(&mut *connection).await {
            Err(error) if failure(&error) == Failure::Busy && waited < BUSY_TIMEOUT => {
                tokio::time::sleep(BUSY_STEP).await;
                waited += BUSY_STEP;
            }
            done => return done.map(|_| ()),
        }
    }
}

/// The version of the linked library, such as `3.51.3`.
pub(super) async fn library_version(connection: &mut SqliteConnection) -> Result<String, sqlx::Error> {
    sqlx::query_scalar("SELECT sqlite_version()").fetch_one(connection).await
}

/// Whether a version is [`SQLITE_OLDEST`] or later.
pub(super) fn is_recent_enough(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next()) >= SQLITE_OLDEST
}

/// What a failure is about, by SQLite's primary result code (<https://sqlite.org/rescode.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Another process is writing for longer than we wait.
    Busy,
    /// No room left on the disk.
    Full,
    /// The file or its directory can't be written.
    ReadOnly,
    /// The file can't be opened.
    CantOpen,
    /// The disk fails.
    Io,
    /// No memory left.
    NoMemory,
    /// The file is damaged.
    Corrupt,
    /// The file is something else.
    NotADatabase,
    /// A row with such a key is there already.
    Unique,
    /// A column may not be NULL; reserving time relies on it.
    NotNull,
    /// The content breaks another rule of the schema.
    Content,
    /// The connection is gone.
    Connection,
    /// Anything else: the schema is not what this program knows.
    Other,
}

/// Tells what a failure is about.
pub(super) fn failure(error: &sqlx::Error) -> Failure {
    const UNIQUE: i32 = 2067;
    const PRIMARY_KEY: i32 = 1555;
    const ROW_ID: i32 = 2579;
    const NOT_NULL: i32 = 1299;
    let database = match error {
        sqlx::Error::Database(database) => database,
        sqlx::Error::Io(_) => return Failure::Io,
        sqlx::Error::PoolTimedOut => return Failure::Busy,
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => return Failure::Connection,
        _ => return Failure::Other,
    };
    let code = database.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or(1);
    match (code, code & 0xff) {
        (UNIQUE | PRIMARY_KEY | ROW_ID, _) => Failure::Unique,
        (NOT_NULL, _) => Failure::NotNull,
        (_, 5 | 6 | 9 | 15) => Failure::Busy,
        (_, 13) => Failure::Full,
        (_, 3 | 8 | 23) => Failure::ReadOnly,
        (_, 14) => Failure::CantOpen,
        (_, 10 | 22) => Failure::Io,
        (_, 7) => Failure::NoMemory,
        (_, 11) => Failure::Corrupt,
        (_, 26) => Failure::NotADatabase,
        (_, 18..=20) => Failure::Content,
        _ => Failure::Other,
    }
}

/// A failure of SQLite in words, as what callers decide on.
pub(super) fn platform_error(error: sqlx::Error) -> PlatformError {
    use PlatformError::{Broken, Environment};
    match failure(&error) {
        Failure::Busy => Environment(format!(
            "the database is busy: another process has been writing for more than {} s ({error})",
            BUSY_TIMEOUT.as_secs()
        )),
        Failure::Full => Environment(format!("the disk is full: free some space in the data directory ({error})")),
        Failure::ReadOnly => Environment(format!(
            "the database can't be written: check the permissions of the data directory and its files ({error})"
        )),
        Failure::CantOpen => Environment(format!(
            "the database file can't be opened: check that the data directory is there, and the permissions of it and its files \
             ({error})"
        )),
        Failure::Io => Environment(format!("the disk of the data directory fails ({error})")),
        Failure::NoMemory => Environment(format!("no memory left ({error})")),
        Failure::Connection => Environment(format!("the connection to the database is gone ({error})")),
        Failure::Corrupt => Broken(format!("the database file is damaged: restore a backup ({error})")),
        Failure::NotADatabase => Broken(format!("the database file is not an SQLite database ({error})")),
        Failure::Unique | Failure::NotNull | Failure::Content | Failure::Other => {
            Broken(format!("the database is not as this version of caravan knows it: run caravan doctor ({error})"))
        }
    }
}

/// A failure inside a transaction that no effect has a special meaning for.
pub(super) fn commit_error(error: sqlx::Error) -> CommitError {
    match failure(&error) {
        Failure::Unique | Failure::NotNull | Failure::Content => CommitError::Refused(error.to_string()),
        _ => CommitError::Platform(platform_error(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sqlite_that_can_lose_commits_is_too_old() {
        for (version, enough) in [
            ("3.51.3", true),
            ("3.51.10", true),
            ("3.52.0", true),
            ("4.0.0", true),
            ("3.51.2", false),
            ("3.9.9", false),
            ("", false),
        ] {
            assert_eq!(is_recent_enough(version), enough, "{version:?}");
        }
    }
}
