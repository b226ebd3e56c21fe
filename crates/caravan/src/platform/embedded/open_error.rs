//! Why a data directory can't be opened, in words that say what to do next.

use std::path::PathBuf;

use super::sqlite::{Failure, failure};

/// Why a data directory can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The namespace is no name.
    #[error("{0:?} is no namespace: use 1 to 40 of the characters a-z, 0-9 and -, but not \"caravan\"")]
    Namespace(String),
    /// There is no database, and none is to be made.
    #[error("no database at {} yet: caravan migrate makes one", .0.display())]
    Missing(PathBuf),
    /// The directory can't be made or looked into.
    #[error("the data directory {} can't be used: {problem}. Choose another with --data, or mend it", directory.display())]
    Directory {
        /// Which.
        directory: PathBuf,
        /// What the system says.
        problem: std::io::Error,
    },
    /// The path is no text: SQLite takes UTF-8 only.
    #[error("the path {} is not UTF-8: choose another data directory with --data", .0.display())]
    Path(PathBuf),
    /// The file or its directory can't be written.
    #[error("{} can't be written: give this user the right to write the data directory and all files in it, or choose another with --data", .0.display())]
    ReadOnly(PathBuf),
    /// No room.
    #[error("the disk that holds {} is full: free some space and try again", .0.display())]
    DiskFull(PathBuf),
    /// The file is something else.
    #[error("{} is not an SQLite database: move it away, or choose another data directory with --data", .0.display())]
    NotADatabase(PathBuf),
    /// The file is damaged.
    #[error("{} is damaged: restore a backup made with caravan backup", .0.display())]
    Damaged(PathBuf),
    /// The database is somebody else's.
    #[error("{} holds tables that caravan did not make ({tables}): choose another data directory with --data", file.display())]
    Foreign {
        /// Which file.
        file: PathBuf,
        /// Some of the tables.
        tables: String,
    },
    /// A later caravan has migrated it.
    #[error("{} has schema version {found}, this caravan knows up to {known}: upgrade caravan", file.display())]
    TooNew {
        /// Which file.
        file: PathBuf,
        /// Its version.
        found: i64,
        /// The latest known here.
        known: i64,
    },
    /// It is to be migrated first.
    #[error("{} has schema version {found}, this caravan needs {known}: run caravan migrate", file.display())]
    TooOld {
        /// Which file.
        file: PathBuf,
        /// Its version.
        found: i64,
        /// The latest known here.
        known: i64,
    },
    /// A migration is recorded that is not the one known here by that number.
    #[error("{} was made by another build of caravan: its migration {version} is a different one. Use that build, or another data directory", file.display())]
    OtherBuild {
        /// Which file.
        file: PathBuf,
        /// The migration that differs.
        version: i64,
    },
    /// The linked SQLite is too old.
    #[error(
        "the SQLite library is {found}, but only {needed} and later keep every commit: use a caravan built with its own SQLite"
    )]
    Library {
        /// The linked version.
        found: String,
        /// The oldest accepted one.
        needed: String,
    },
    /// Another process holds the database for longer than we wait.
    #[error("{} is busy: another process has been writing it for long. Try again, or end that process", .0.display())]
    Busy(PathBuf),
    /// Anything else SQLite says.
    #[error("{} can't be opened: {problem}. caravan doctor looks closer", file.display())]
    Other {
        /// Which file.
        file: PathBuf,
        /// What SQLite says.
        problem: String,
    },
    /// The topics are not as configured.
    #[error(transparent)]
    Topics(#[from] crate::platform::PlatformError),
}

impl OpenError {
    /// What a failure of SQLite means while a file is opened.
    pub(super) fn of(file: &std::path::Path, error: &sqlx::Error) -> Self {
        let path = file.to_owned();
        match failure(error) {
            Failure::Busy => Self::Busy(path),
            Failure::Full => Self::DiskFull(path),
            Failure::ReadOnly | Failure::CantOpen => Self::ReadOnly(path),
            Failure::NotADatabase => Self::NotADatabase(path),
            Failure::Corrupt => Self::Damaged(path),
            _ => Self::Other { file: path, problem: error.to_string() },
        }
    }
}
