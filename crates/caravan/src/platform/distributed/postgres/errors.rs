//! What PostgreSQL's failures mean.

use crate::platform::PlatformError;
use crate::platform::transaction::CommitError;

/// What a failure is about, by SQLSTATE (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The server can't be reached, goes down, or has dropped the connection.
    Connection,
    /// All connections are taken.
    Busy,
    /// No room left on the server's disk, or no memory.
    Full,
    /// The server only reads: a replica, or one that is being moved.
    ReadOnly,
    /// Another transaction was first: two waited for one another, or could not be put in an order.
    Race,
    /// A row with such a key is there already.
    Unique,
    /// The content breaks another rule of the schema, or can't be stored.
    Content,
    /// The role may not do that.
    Denied,
    /// Anything else: the schema is not what this program knows.
    Other,
}

/// Tells what a failure is about.
pub(super) fn failure(error: &sqlx::Error) -> Failure {
    let database = match error {
        sqlx::Error::Database(database) => database,
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
            return Failure::Connection;
        }
        sqlx::Error::Protocol(_) => return Failure::Connection,
        sqlx::Error::PoolTimedOut => return Failure::Busy,
        _ => return Failure::Other,
    };
    let code = database.code().unwrap_or_default();
    match &*code {
        "53100" | "53200" | "53400" | "58030" => Failure::Full,
        "53300" => Failure::Busy,
        // The second: a standby that is asked what only a primary knows.
        "25006" | "55000" => Failure::ReadOnly,
        "40001" | "40P01" | "55P03" | "23P01" => Failure::Race,
        "23505" => Failure::Unique,
        "42501" => Failure::Denied,
        // A statement that took too long, a transaction that idled too long.
        "57014" | "25P03" => Failure::Connection,
        code if code.starts_with("08") || code.starts_with("57P") => Failure::Connection,
        code if code.starts_with("22") || code.starts_with("23") => Failure::Content,
        _ => Failure::Other,
    }
}

/// A failure of PostgreSQL in words, as what callers decide on.
pub(in crate::platform::distributed) fn platform_error(error: sqlx::Error) -> PlatformError {
    use PlatformError::{Broken, Environment};
    match failure(&error) {
        Failure::Connection => Environment(format!("PostgreSQL can't be reached: is it running? ({error})")),
        Failure::Busy => Environment(format!(
            "PostgreSQL has no connection left for us: raise max_connections, or run fewer processes ({error})"
        )),
        Failure::Full => Environment(format!("PostgreSQL has no room left: free some on its disk ({error})")),
        Failure::ReadOnly => {
            Environment(format!("PostgreSQL only reads: is this a replica? Name the primary ({error})"))
        }
        Failure::Race => Environment(format!("another transaction was in the way ({error})")),
        Failure::Denied => Broken(format!("the database role may not do that: grant it what it needs ({error})")),
        Failure::Unique | Failure::Content | Failure::Other => {
            Broken(format!("the database is not as this version of caravan knows it: run caravan doctor ({error})"))
        }
    }
}

/// A failure inside a transaction that no effect has a special meaning for.
pub(super) fn commit_error(error: sqlx::Error) -> CommitError {
    match failure(&error) {
        Failure::Race => {
            CommitError::Conflict { what: format!("another transaction was first: it ({error})"), trainers: Vec::new() }
        }
        Failure::Unique | Failure::Content => CommitError::Refused(error.to_string()),
        _ => CommitError::Platform(platform_error(error)),
    }
}
