//! Throwaway namespaces: who uses one, and how they are removed.

use std::sync::Arc;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, ConnectOptions};

use super::kafka::{KafkaLog, Marks};
use super::postgres::Presence;
use super::postgres::{OpenError, PostgresOptions, connect_options};
use super::{Distributed, DistributedOptions};

/// Keeps a namespace from being removed as long as it is there.
pub struct NamespaceHold {
    _connection: PgConnection,
}

const LOCK: &str = "SELECT pg_try_advisory_lock(hashtextextended('caravan/namespace/' || $1, 0))";

/// Holds the namespace of these options, if they have one.
///
/// # Errors
/// If the database can't be reached.
pub async fn hold(options: &DistributedOptions) -> Result<Option<NamespaceHold>, OpenError> {
    match &options.namespace {
        Some(namespace) => taken(options, namespace).await,
        None => Ok(None),
    }
}

/// The hold of a namespace; none if somebody has it.
async fn taken(options: &DistributedOptions, namespace: &str) -> Result<Option<NamespaceHold>, OpenError> {
    let mut connection = connect_options(&schemaless(options))?.connect().await?;
    let taken: bool = sqlx::query_scalar(LOCK).bind(namespace).fetch_one(&mut connection).await?;
    Ok(taken.then_some(NamespaceHold { _connection: connection }))
}

/// Removes the namespaces whose name is `unwanted` and that nobody holds, with their topics.
///
/// # Errors
/// If a service can't be reached.
pub async fn remove_namespaces(options: &DistributedOptions, unwanted: impl Fn(&str) -> bool) -> Result<(), OpenError> {
    const SCHEMAS: &str = "SELECT schemaname::text FROM pg_tables WHERE tablename = 'caravan_migrations'";
    let mut connection = connect_options(&schemaless(options))?.connect().await?;
    let found: Vec<String> = sqlx::query_scalar(SCHEMAS).fetch_all(&mut connection).await?;
    for namespace in found.into_iter().filter(|name| unwanted(name)) {
        let Some(_hold) = taken(options, &namespace).await? else { continue };
        remove(options, &namespace, &mut connection).await?;
    }
    Ok(())
}

/// The topics go first: what is left of an interruption is found again by the schema.
async fn remove(options: &DistributedOptions, namespace: &str, connection: &mut PgConnection) -> Result<(), OpenError> {
    let options = DistributedOptions { namespace: Some(namespace.to_owned()), ..options.clone() };
    let failed = |problem: crate::platform::PlatformError| OpenError::Unreachable(problem.to_string());
    let pool = sqlx::postgres::PgPoolOptions::new().connect_lazy_with(connect_options(&options.postgres())?);
    let log = Arc::new(KafkaLog::open(options.kafka(), Marks::new(pool), Presence::default()).map_err(failed)?);
    log.delete_topics().await.map_err(failed)?;
    let sql = format!("DROP SCHEMA \"{namespace}\" CASCADE");
    sqlx::query(AssertSqlSafe(sql)).execute(connection).await?;
    Ok(())
}

fn schemaless(options: &DistributedOptions) -> PostgresOptions {
    PostgresOptions { namespace: None, ..options.postgres() }
}

impl Distributed {
    /// Removes this namespace with everything in it; nothing happens without one.
    ///
    /// # Errors
    /// If a service can't be reached.
    pub async fn remove(options: &DistributedOptions) -> Result<(), OpenError> {
        let Some(namespace) = &options.namespace else { return Ok(()) };
        let mut connection = connect_options(&schemaless(options))?.connect().await?;
        remove(options, namespace, &mut connection).await
    }
}
