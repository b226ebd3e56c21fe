//! Why the database can't be used.

use super::errors::{Failure, failure, platform_error};

/// Why the services of the distributed topology can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL is none.
    #[error("--postgres is not a URL such as postgres://user:password@host:5432/database ({0})")]
    Url(String),
    /// The server can't be reached or answers that it can't serve us now.
    #[error("{0}")]
    Unreachable(String),
    /// The server refuses us.
    #[error("PostgreSQL refuses: {0}")]
    Refused(String),
    /// The server is too old.
    #[error("PostgreSQL {found} is too old: 15 or later is needed")]
    OldServer {
        /// Its version.
        found: String,
    },
    /// There is no Caravan in the schema yet.
    #[error("there is no Caravan in this database yet: caravan migrate makes it")]
    Missing,
    /// The schema is somebody else's.
    #[error(
        "the database holds tables that Caravan did not make ({tables}): give it a schema of its own with --namespace NAME, \
         or another database"
    )]
    Foreign {
        /// Some of them.
        tables: String,
    },
    /// The schema is of a later version of the program.
    #[error("the database has schema version {found}, this caravan knows {known}: use a newer caravan")]
    Newer {
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The schema is to be brought up to date first.
    #[error("the database has schema version {found}, this caravan needs {known}: run caravan migrate")]
    Older {
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The schema was made by another build that called itself the same.
    #[error("migration {version} of the database is not the one this caravan has: it was made by another build")]
    OtherBuild {
        /// Which migration.
        version: i64,
    },
    /// A migration failed; nothing of it was applied.
    #[error("the database could not be brought up to date: {0}")]
    Migration(String),
    /// Kafka's or Redis's settings can't be used.
    #[error("{0}")]
    Setting(String),
}

impl OpenError {
    /// Whether waiting may help.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }

    /// Whether nothing is there yet.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }
}

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> Self {
        match failure(&error) {
            Failure::Connection | Failure::Busy | Failure::Full | Failure::ReadOnly | Failure::Race => {
                Self::Unreachable(platform_error(error).to_string())
            }
            _ => Self::Refused(error.to_string()),
        }
    }
}
