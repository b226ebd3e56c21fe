//! The schema: made, brought up to date, or refused.

use std::sync::LazyLock;

use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::open_error::OpenError;
use crate::platform::rows::{SchemaVersion, time_data_version};

static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrator = sqlx::migrate!("src/platform/distributed/postgres/migrations");
    migrator.dangerous_set_table_name(MIGRATIONS_TABLE);
    migrator
});
const MIGRATIONS_TABLE: &str = "caravan_migrations";
/// The oldest server that is known to do, as `server_version_num`.
const SERVER_OLDEST: i32 = 150_000;
/// Foreign tables that are named in a refusal.
const NAMED_TABLES_MAX: usize = 3;

/// Makes sure that the current schema is ours and up to date.
pub(super) async fn prepare(connection: &mut PgConnection, create: bool, migrate: bool) -> Result<(), OpenError> {
    refuse_old_server(connection).await?;
    if !is_ours(connection).await? {
        let looked = refuse_foreign(connection).await;
        // Between the two looks another process may have made them.
        if looked.is_err() && !is_ours(connection).await? {
            return looked;
        }
        if !create {
            return Err(OpenError::Missing);
        }
    }
    if create || migrate {
        MIGRATOR.run(&mut *connection).await.map_err(|problem| OpenError::Migration(problem.to_string()))?;
        note_time_data(connection).await?;
    }
    refuse_other(connection).await
}

/// A database without plans has none that other time zone data could move.
async fn note_time_data(connection: &mut PgConnection) -> Result<(), OpenError> {
    const SQL: &str = "INSERT INTO time_data (version, noted_at) SELECT $1, now()
                       WHERE NOT EXISTS (SELECT 1 FROM purchases) ON CONFLICT DO NOTHING";
    sqlx::query(SQL).bind(time_data_version()).execute(connection).await?;
    Ok(())
}

/// The version found, and the one this program needs.
pub(super) async fn version(connection: &mut PgConnection) -> Result<SchemaVersion, sqlx::Error> {
    const SQL: &str = "SELECT coalesce(max(version), 0) FROM caravan_migrations";
    let found: i64 = sqlx::query_scalar(SQL).fetch_one(connection).await?;
    Ok(SchemaVersion { found, known: known() })
}

fn known() -> i64 {
    MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0)
}

async fn refuse_old_server(connection: &mut PgConnection) -> Result<(), OpenError> {
    let row = sqlx::query("SELECT current_setting('server_version_num')::int, current_setting('server_version')")
        .fetch_one(connection)
        .await?;
    let (number, found): (i32, String) = (row.try_get(0)?, row.try_get(1)?);
    if number < SERVER_OLDEST { Err(OpenError::OldServer { found }) } else { Ok(()) }
}

async fn is_ours(connection: &mut PgConnection) -> Result<bool, OpenError> {
    const SQL: &str = "SELECT EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1)";
    Ok(sqlx::query_scalar(SQL).bind(MIGRATIONS_TABLE).fetch_one(connection).await?)
}

/// Refuses a schema whose applied migrations are not those known here.
async fn refuse_other(connection: &mut PgConnection) -> Result<(), OpenError> {
    let sql = format!("SELECT version, checksum FROM {MIGRATIONS_TABLE}");
    let applied: Vec<(i64, Vec<u8>)> = sqlx::query_as(AssertSqlSafe(sql)).fetch_all(connection).await?;
    let newest = applied.iter().map(|(version, _)| *version).max().unwrap_or(0);
    if newest > known() {
        return Err(OpenError::Newer { found: newest, known: known() });
    }
    if newest < known() {
        return Err(OpenError::Older { found: newest, known: known() });
    }
    let known = |version: i64, checksum: &[u8]| {
        MIGRATOR.iter().any(|migration| migration.version == version && *migration.checksum == *checksum)
    };
    match applied.iter().find(|(version, checksum)| !known(*version, checksum)) {
        Some((version, _)) => Err(OpenError::OtherBuild { version: *version }),
        None => Ok(()),
    }
}

/// Refuses a schema with tables of others: they might be lost or mixed up with ours.
async fn refuse_foreign(connection: &mut PgConnection) -> Result<(), OpenError> {
    const SQL: &str = "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                       WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY 1";
    let tables: Vec<String> = sqlx::query_scalar(SQL).fetch_all(connection).await?;
    if tables.is_empty() {
        return Ok(());
    }
    let more = if tables.len() > NAMED_TABLES_MAX { ", …" } else { "" };
    let named = tables.iter().take(NAMED_TABLES_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    Err(OpenError::Foreign { tables: format!("{named}{more}") })
}
