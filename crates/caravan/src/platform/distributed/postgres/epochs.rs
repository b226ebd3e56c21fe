//! Epochs: noticing that the database was put back to an earlier copy of itself.
//!
//! The data remembers where it lived: in which cluster (`system_identifier`), on which of its
//! timelines (PostgreSQL begins another one after a recovery to a point in time and after a
//! standby was promoted, which may have lost commits), in which database, in which table. What
//! `pg_restore` brings back lies in other tables than it remembers. Only a copy of the files of the
//! whole cluster remembers what is true of it: that one has to be said (`caravan migrate --restored`).

use caravan_domain::ids::Epoch;
use sqlx::PgPool;
use uuid::Uuid;

use super::errors::platform_error;
use crate::platform::PlatformError;

/// The epoch; another one if the data lives elsewhere than it remembers.
pub(super) async fn current(pool: &PgPool) -> Result<Epoch, PlatformError> {
    const LOOK: &str = "
        SELECT epoch, identity, concat_ws('/', (SELECT system_identifier FROM pg_control_system()),
               left(pg_walfile_name(pg_current_wal_lsn()), 8),
               (SELECT oid FROM pg_database WHERE datname = current_database()), tableoid)
        FROM epochs";
    let (epoch, remembered, found): (Option<Uuid>, String, String) =
        sqlx::query_as(LOOK).fetch_one(pool).await.map_err(platform_error)?;
    if remembered == found {
        return Ok(Epoch(epoch));
    }
    begin(pool, &remembered, &found).await
}

/// Begins another epoch, whatever the data remembers.
pub(super) async fn renew(pool: &PgPool) -> Result<(), PlatformError> {
    const RENEW: &str = "UPDATE epochs SET epoch = $1";
    sqlx::query(RENEW).bind(Uuid::new_v4()).execute(pool).await.map_err(platform_error)?;
    Ok(())
}

/// Remembers where the data lives now; that is another epoch, unless it is the first look at it, or another process was here.
async fn begin(pool: &PgPool, remembered: &str, found: &str) -> Result<Epoch, PlatformError> {
    const BEGIN: &str = "UPDATE epochs SET identity = $2, epoch = coalesce($3, epoch) WHERE identity = $1";
    const BEGUN: &str = "SELECT epoch FROM epochs";
    let next = (!remembered.is_empty()).then(Uuid::new_v4);
    let query = sqlx::query(BEGIN).bind(remembered).bind(found).bind(next);
    let begun = query.execute(pool).await.map_err(platform_error)?.rows_affected() == 1;
    if begun && let Some(epoch) = next {
        tracing::warn!(
            %epoch,
            "this database was put back from a copy, or moved: what it decides from now on is told under new event ids"
        );
    }
    Ok(Epoch(sqlx::query_scalar(BEGUN).fetch_one(pool).await.map_err(platform_error)?))
}
