//! A consistent copy of the database while it is used.

use std::fs::File;
use std::path::{Path, PathBuf};

use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::sqlite::{Role, options, platform_error};
use crate::platform::PlatformError;

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Backups are never overwritten.
    #[error("{} is there already: a backup overwrites nothing. Name a file that is not there", .0.display())]
    Exists(PathBuf),
    /// The file can't be written.
    #[error("{} can't be written: {problem}", file.display())]
    Target {
        /// Which file.
        file: PathBuf,
        /// What the system says.
        problem: std::io::Error,
    },
    /// The copy is not sound, and was removed.
    #[error("the copy in {} was not sound ({problem}) and is removed: run caravan doctor", file.display())]
    Unsound {
        /// Which file.
        file: PathBuf,
        /// What the check said.
        problem: String,
    },
    /// The database can't be read, or the copy can't be finished.
    #[error("no backup was made: {0}")]
    Platform(#[from] PlatformError),
}

/// Copies `database` to `target`: as of one moment, checked, and durable when it returns.
pub(super) async fn backup(database: &Path, target: &Path) -> Result<(), BackupError> {
    // The file is made here, since only this refuses one that is there without a gap; SQLite
    // takes an empty one.
    match File::create_new(target) {
        Ok(_) => {}
        Err(problem) if problem.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(BackupError::Exists(target.to_owned()));
        }
        Err(problem) => return Err(BackupError::Target { file: target.to_owned(), problem }),
    }
    let copied = copy(database, target).await;
    if copied.is_err() {
        // Half a backup is none; what made it fail is what the caller hears of.
        let _ = std::fs::remove_file(target);
    }
    copied
}

async fn copy(database: &Path, target: &Path) -> Result<(), BackupError> {
    let text = target.to_str().ok_or_else(|| BackupError::Target {
        file: target.to_owned(),
        problem: std::io::Error::new(std::io::ErrorKind::InvalidInput, "its path is not UTF-8"),
    })?;
    // Not a reader: `query_only` forbids VACUUM INTO, too.
    let mut connection = options(database, Role::Writer, false).connect().await.map_err(platform_error)?;
    let copied = sqlx::query("VACUUM INTO ?1").bind(text).execute(&mut connection).await;
    close(connection).await?;
    copied.map_err(platform_error)?;
    check(target).await?;
    let synced = File::open(target).and_then(|file| file.sync_all()).and_then(|()| sync_directory(target));
    synced.map_err(|problem| BackupError::Target { file: target.to_owned(), problem })
}

/// Reads the whole copy and compares its tables with its indexes.
async fn check(target: &Path) -> Result<(), BackupError> {
    let unread = sqlx::sqlite::SqliteConnectOptions::new().filename(target).read_only(true).disable_statement_logging();
    let mut connection = unread.connect().await.map_err(platform_error)?;
    let said: String =
        sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_one(&mut connection).await.map_err(platform_error)?;
    close(connection).await?;
    if said == "ok" { Ok(()) } else { Err(BackupError::Unsound { file: target.to_owned(), problem: said }) }
}

async fn close(connection: SqliteConnection) -> Result<(), PlatformError> {
    connection.close().await.map_err(platform_error)
}

/// Makes the file's name as durable as its content.
fn sync_directory(file: &Path) -> std::io::Result<()> {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}
