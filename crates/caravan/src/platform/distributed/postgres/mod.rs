//! The store on PostgreSQL: what has happened.
//!
//! Architecture invariant: `READ COMMITTED` and compare-and-set in every statement are all that
//! keeps transactions of any number of processes apart; nothing is locked longer than a commit takes.

use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use caravan_domain::ids::Epoch;
use jiff::Timestamp;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool, Postgres};
use uuid::Uuid;

mod changes;
mod commit;
mod desk;
mod epochs;
mod errors;
mod leases;
mod lists;
mod open_error;
#[cfg(test)]
mod plans;
mod presence;
mod reads;
mod rows;
mod schema;
mod transactions;

/// How time is reserved.
pub use commit::RESERVE;
pub use open_error::OpenError;
pub use presence::{Presence, Present};

use self::changes::Changes;
use self::errors::platform_error;
pub(super) use self::errors::platform_error as store_error;
use super::super::PlatformError;
use crate::platform::columns::{self, headers, instant, limit as rows_max, milliseconds, parsed, stored};
use crate::platform::desk::Stale;
use crate::platform::log::{Member, NewRecord};
use crate::platform::rows::{PoolUse, Position, SchemaVersion, TimeData};
use crate::platform::store::{OutboxClaim, OutboxRow, Store};
use crate::platform::transaction::{CommitError, Transaction};

/// Connections of a process.
const CONNECTIONS_MAX: u32 = 10;
/// How long a caller waits for a connection before that counts as the database being busy.
const CONNECTION_WAIT: Duration = Duration::from_secs(10);
/// How long a connection that nobody needs stays open.
const CONNECTION_IDLE: Duration = Duration::from_secs(300);
/// Bytes of outbox rows that are read at once.
const OUTBOX_BYTES_MAX: i64 = 2 << 20;
/// A process that stands still in the middle of publishing holds the others up no longer.
const PUBLISHING_MAX: &str = "SET LOCAL idle_in_transaction_session_timeout = '30s'";

/// Where the database is and what may be done to it.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// Where, and as whom.
    pub url: String,
    /// The schema; the role's own without one.
    pub namespace: Option<String>,
    /// Whether what is missing is made.
    pub create: bool,
    /// Whether an older schema is brought up to date.
    pub migrate: bool,
}

/// The store of a distributed Caravan.
pub struct PostgresStore {
    pub(super) pool: PgPool,
    /// The groups that this process is in.
    pub(super) presence: Presence,
    changes: Changes,
    schema: String,
}

impl PostgresStore {
    /// Opens it.
    ///
    /// # Errors
    /// [`OpenError`]; see [`OpenError::is_temporary`].
    pub async fn open(options: &PostgresOptions) -> Result<Self, OpenError> {
        let connect = connect_options(options)?;
        let mut connection = connect.connect().await?;
        if let Some(namespace) = options.namespace.as_deref().filter(|_| options.create) {
            create_schema(&mut connection, namespace).await?;
        }
        let schema: Option<String> =
            sqlx::query_scalar("SELECT current_schema()::text").fetch_one(&mut connection).await?;
        let schema = schema.ok_or(OpenError::Missing)?;
        schema::prepare(&mut connection, options.create, options.migrate).await?;
        // All has been said and done on it.
        let _ = connection.close().await;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(CONNECTION_WAIT)
            .idle_timeout(CONNECTION_IDLE)
            .connect_lazy_with(connect);
        let presence = Presence::default();
        let changes = Changes::new(pool.clone(), realm(&schema), presence.clone());
        Ok(Self { pool, presence, changes, schema })
    }

    /// All rows of one query.
    pub(super) async fn fetch(&self, query: Query<'_, Postgres, PgArguments>) -> Result<Vec<PgRow>, PlatformError> {
        query.fetch_all(&self.pool).await.map_err(platform_error)
    }

    /// The schema's version, found and known.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn schema_version(&self) -> Result<SchemaVersion, PlatformError> {
        let mut connection = self.pool.acquire().await.map_err(platform_error)?;
        schema::version(&mut connection).await.map_err(platform_error)
    }

    /// The server's version, such as `15.8`.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn server_version(&self) -> Result<String, PlatformError> {
        let query = sqlx::query_scalar("SELECT current_setting('server_version')");
        query.fetch_one(&self.pool).await.map_err(platform_error)
    }

    /// The members of these groups that are in touch with the database.
    pub(super) async fn members(&self, groups: &[&str]) -> Result<Vec<Member>, PlatformError> {
        presence::members(&self.pool, &realm(&self.schema), groups).await
    }

    /// The options of a connection of its own.
    pub(super) fn connect_options(&self) -> PgConnectOptions {
        self.pool.connect_options().as_ref().clone()
    }

    /// Closes all connections. Not needed for anything to be durable.
    pub async fn close(&self) {
        self.changes.stop();
        self.pool.close().await;
    }

    async fn read_outbox(&self, connection: &mut PgConnection, limit: usize) -> Result<Vec<OutboxRow>, PlatformError> {
        const SQL: &str = "
            SELECT id, topic, key, value, headers, timestamp FROM (
                SELECT *, sum(coalesce(octet_length(value), 0) + octet_length(headers)) OVER (ORDER BY id) AS bytes,
                       row_number() OVER (ORDER BY id) AS place
                FROM (SELECT * FROM outbox ORDER BY id LIMIT $1) AS oldest) AS summed
            WHERE bytes <= $2 OR place = 1 ORDER BY id";
        let query = sqlx::query(SQL).bind(rows_max(limit)).bind(OUTBOX_BYTES_MAX);
        query.fetch_all(connection).await.map_err(platform_error)?.iter().map(outbox_row).collect()
    }
}

/// What channels and locks of an installation are named by.
fn realm(schema: &str) -> String {
    format!("caravan/{schema}")
}

/// How to connect to a database; every connection is in the namespace's schema.
pub(super) fn connect_options(options: &PostgresOptions) -> Result<PgConnectOptions, OpenError> {
    let connect = PgConnectOptions::from_str(&options.url).map_err(|problem| OpenError::Url(problem.to_string()))?;
    let connect = connect
        .application_name("caravan")
        .options([("timezone", "UTC"), ("default_transaction_isolation", "read committed")])
        // One record or thousands: a plan kept for both fits neither, and compiling costs more than it saves.
        .options([("plan_cache_mode", "force_custom_plan"), ("jit", "off")])
        // Of a machine that is gone nobody takes leave: what its sessions hold is free after a minute.
        .options([("tcp_keepalives_idle", "30"), ("tcp_keepalives_interval", "10"), ("tcp_keepalives_count", "3")])
        .disable_statement_logging();
    Ok(match &options.namespace {
        Some(namespace) => connect.options([("search_path", format!("\"{namespace}\""))]),
        None => connect,
    })
}

async fn create_schema(connection: &mut PgConnection, namespace: &str) -> Result<(), OpenError> {
    // A namespace is letters, digits and hyphens. Two that create it at once: the second finds it there.
    let sql = format!("CREATE SCHEMA IF NOT EXISTS \"{namespace}\"");
    match sqlx::query(AssertSqlSafe(sql)).execute(connection).await {
        Err(error) if errors::failure(&error) != errors::Failure::Unique => Err(error.into()),
        _ => Ok(()),
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn commit(&self, transaction: &Transaction) -> Result<(), CommitError> {
        commit::commit(&self.pool, transaction).await?;
        self.changes.tick().await;
        Ok(())
    }

    async fn begin_positions(&self, group: &str, positions: &[Position]) -> Result<(), PlatformError> {
        const SQL: &str = "
            INSERT INTO positions (consumer_group, topic, partition, next_offset, topic_id)
            SELECT $1, v.* FROM UNNEST($2::text[], $3::bigint[], $4::bigint[], $5::uuid[]) AS v (topic, partition, next, id)
            ORDER BY v.topic, v.partition ON CONFLICT DO NOTHING";
        let column = |value: fn(&Position) -> i64| positions.iter().map(value).collect::<Vec<_>>();
        sqlx::query(SQL)
            .bind(group)
            .bind(positions.iter().map(|position| position.at.topic.name()).collect::<Vec<_>>())
            .bind(column(|position| i64::from(position.at.partition)))
            .bind(column(|position| stored(position.next_offset)))
            .bind(positions.iter().map(|position| position.topic_id).collect::<Vec<Uuid>>())
            .execute(&self.pool)
            .await
            .map_err(platform_error)?;
        Ok(())
    }

    async fn outbox(&self, limit: usize) -> Result<Vec<OutboxRow>, PlatformError> {
        let mut connection = self.pool.acquire().await.map_err(platform_error)?;
        self.read_outbox(&mut connection, limit).await
    }

    async fn claim_outbox(&self, limit: usize) -> Result<OutboxClaim, PlatformError> {
        const CLAIM: &str = "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))";
        let mut hold = transactions::begin(&self.pool).await.map_err(platform_error)?;
        let query = sqlx::query_scalar(CLAIM).bind(format!("caravan/{}/outbox", self.schema));
        let claimed: bool = query.fetch_one(&mut *hold).await.map_err(platform_error)?;
        if !claimed {
            return Ok(OutboxClaim { rows: Vec::new(), hold: None });
        }
        sqlx::query(PUBLISHING_MAX).execute(&mut *hold).await.map_err(platform_error)?;
        let rows = self.read_outbox(&mut hold, limit).await?;
        Ok(OutboxClaim { rows, hold: Some(Box::new(hold)) })
    }

    async fn forget(&self, ids: &[i64]) -> Result<(), PlatformError> {
        sqlx::query("DELETE FROM outbox WHERE id = ANY($1)")
            .bind(ids)
            .execute(&self.pool)
            .await
            .map_err(platform_error)?;
        Ok(())
    }

    async fn lease(&self, name: &str, holder: &str, now: Timestamp, ttl: Duration) -> Result<bool, PlatformError> {
        leases::take(&self.pool, name, holder, now, ttl).await
    }

    async fn release(&self, name: &str, holder: &str) -> Result<(), PlatformError> {
        leases::give_back(&self.pool, name, holder).await
    }

    async fn cron_last(&self) -> Result<Option<Timestamp>, PlatformError> {
        let rows = self.fetch(sqlx::query("SELECT caravan_instant(last_due) FROM cron")).await?;
        let last = rows.first().map(rows::decoded::<(String,)>).transpose()?;
        last.map(|(due,)| parsed("cron.last_due", &due)).transpose()
    }

    async fn changes(&self) -> u64 {
        self.changes.count().await
    }

    async fn changed_since(&self, seen: u64, at_most: Duration) {
        self.changes.since(seen, at_most).await;
    }

    async fn epoch(&self) -> Result<Epoch, PlatformError> {
        epochs::current(&self.pool).await
    }

    async fn begin_epoch(&self) -> Result<bool, PlatformError> {
        epochs::renew(&self.pool).await.map(|()| true)
    }

    async fn time_data(&self) -> Result<Option<TimeData>, PlatformError> {
        const SQL: &str = "SELECT version, caravan_instant(noted_at) FROM time_data";
        self.fetch(sqlx::query(SQL)).await?.first().map(|row| columns::time_data(rows::decoded(row)?)).transpose()
    }

    async fn note_time_data(&self, seen: Option<&str>, version: &str, at: Timestamp) -> Result<bool, PlatformError> {
        const SQL: &str =
            "INSERT INTO time_data (version, noted_at) VALUES ($2, $3::timestamptz) ON CONFLICT (only_row)
            DO UPDATE SET version = excluded.version, noted_at = excluded.noted_at WHERE time_data.version = $1";
        let query = sqlx::query(SQL).bind(seen).bind(version).bind(instant(at));
        Ok(query.execute(&self.pool).await.map_err(platform_error)?.rows_affected() == 1)
    }

    async fn forget_desk(&self, stale: Stale, limit: usize) -> Result<u64, PlatformError> {
        desk::forget(self, stale, limit).await
    }

    fn pools(&self) -> Vec<PoolUse> {
        let max = self.pool.options().get_max_connections();
        vec![PoolUse::of("postgres", self.pool.size(), self.pool.num_idle(), max)]
    }

    async fn probe(&self) -> Result<(), PlatformError> {
        // The same value again: the row is written all the same, which is what is asked.
        sqlx::query("UPDATE roster SET version = version").execute(&self.pool).await.map_err(platform_error)?;
        Ok(())
    }
}

fn outbox_row(row: &PgRow) -> Result<OutboxRow, PlatformError> {
    type Columns = (i64, String, Option<Vec<u8>>, Option<Vec<u8>>, String, i64);
    let (id, topic, key, value, text, timestamp): Columns = rows::decoded(row)?;
    let record = NewRecord {
        topic: parsed("topic", &topic)?,
        key,
        value,
        headers: headers(&text)?,
        timestamp: milliseconds(timestamp)?,
    };
    Ok(OutboxRow { id, record })
}
