//! The schema: what is in a database file, and bringing it up to date.

use std::path::Path;
use std::sync::LazyLock;

use jiff::Timestamp;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Connection, SqliteConnection};

use super::open_error::OpenError;
use super::sqlite::enable_wal;
use crate::platform::columns::instant;
use crate::platform::rows::{SchemaVersion, time_data_version};

/// The table that says which migrations were applied; its own name, so that a database of another
/// program that migrates in the same way isn't taken for ours.
const MIGRATIONS_TABLE: &str = "caravan_migrations";
/// Foreign tables named in a refusal.
const NAMED_TABLES_MAX: usize = 5;

static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrator = sqlx::migrate!("src/platform/embedded/migrations");
    migrator.dangerous_set_table_name(MIGRATIONS_TABLE);
    migrator
});

/// The latest version this program knows.
fn known() -> i64 {
    MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// The version of a database file.
pub(super) async fn version(connection: &mut SqliteConnection) -> Result<SchemaVersion, sqlx::Error> {
    let found = match table_exists(connection).await? {
        true => sqlx::query_scalar("SELECT max(version) FROM caravan_migrations").fetch_one(connection).await?,
        false => None,
    };
    Ok(SchemaVersion { found: found.unwrap_or(0), known: known() })
}

/// Checks a file and, if `migrate`, brings it up to date; in one transaction, so that of two
/// processes that do it at once one waits for the other, and a crash leaves it as it was.
pub(super) async fn prepare(connection: &mut SqliteConnection, file: &Path, migrate: bool) -> Result<(), OpenError> {
    let fail = |error: sqlx::Error| OpenError::of(file, &error);
    let mut found = version(connection).await.map_err(fail)?;
    if found.found == 0
        && let Err(foreign) = refuse_foreign(connection, file).await
    {
        // Between the two looks another process may have made them.
        found = version(connection).await.map_err(fail)?;
        if found.found == 0 {
            return Err(foreign);
        }
    }
    if found.found == found.known {
        return same_migrations(connection, file).await;
    }
    if found.found > found.known {
        return Err(OpenError::TooNew { file: file.to_owned(), found: found.found, known: found.known });
    }
    if !migrate && found.found < found.known {
        return Err(too_old(file, found));
    }
    enable_wal(connection).await.map_err(fail)?;
    let mut alone = connection.begin_with("BEGIN IMMEDIATE").await.map_err(fail)?;
    MIGRATOR.run_direct(None, &mut *alone, false).await.map_err(|error| migration_error(file, error))?;
    note_time_data(&mut alone).await.map_err(fail)?;
    alone.commit().await.map_err(fail)
}

/// A database without plans has none that other time zone data could move.
async fn note_time_data(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    const SQL: &str = "INSERT INTO time_data (only, version, noted_at) SELECT 1, ?1, ?2
                       WHERE NOT EXISTS (SELECT 1 FROM purchases) AND NOT EXISTS (SELECT 1 FROM time_data)";
    let query = sqlx::query(SQL).bind(time_data_version()).bind(instant(Timestamp::now()));
    query.execute(connection).await?;
    Ok(())
}

fn too_old(file: &Path, version: SchemaVersion) -> OpenError {
    match version.found {
        0 => OpenError::Missing(file.to_owned()),
        found => OpenError::TooOld { file: file.to_owned(), found, known: version.known },
    }
}

fn migration_error(file: &Path, error: MigrateError) -> OpenError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => OpenError::of(file, &error),
        MigrateError::VersionMismatch(version) | MigrateError::VersionMissing(version) => {
            OpenError::OtherBuild { file: file.to_owned(), version }
        }
        other => OpenError::Other { file: file.to_owned(), problem: other.to_string() },
    }
}

async fn table_exists(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let found: Option<i64> = sqlx::query_scalar("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1")
        .bind(MIGRATIONS_TABLE)
        .fetch_optional(connection)
        .await?;
    Ok(found.is_some())
}

/// Refuses a file whose applied migrations are not those known here.
async fn same_migrations(connection: &mut SqliteConnection, file: &Path) -> Result<(), OpenError> {
    let applied: Vec<(i64, Vec<u8>)> = sqlx::query_as("SELECT version, checksum FROM caravan_migrations")
        .fetch_all(connection)
        .await
        .map_err(|error| OpenError::of(file, &error))?;
    let known = |version: i64, checksum: &[u8]| {
        MIGRATOR.iter().any(|migration| migration.version == version && *migration.checksum == *checksum)
    };
    match applied.iter().find(|(version, checksum)| !known(*version, checksum)) {
        Some((version, _)) => Err(OpenError::OtherBuild { file: file.to_owned(), version: *version }),
        None => Ok(()),
    }
}

/// Refuses a file with tables of others: they might be lost or mixed up with ours.
async fn refuse_foreign(connection: &mut SqliteConnection, file: &Path) -> Result<(), OpenError> {
    const SQL: &str = "SELECT name FROM sqlite_schema
                       WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> ?1 ORDER BY name";
    let tables: Vec<String> = sqlx::query_scalar(SQL)
        .bind(MIGRATIONS_TABLE)
        .fetch_all(connection)
        .await
        .map_err(|error| OpenError::of(file, &error))?;
    if tables.is_empty() {
        return Ok(());
    }
    let more = if tables.len() > NAMED_TABLES_MAX { ", …" } else { "" };
    let named = tables.iter().take(NAMED_TABLES_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    Err(OpenError::Foreign { file: file.to_owned(), tables: format!("{named}{more}") })
}
