//! Leases: who does what only one may do at a time.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::PgPool;

use super::errors::platform_error;
use crate::platform::PlatformError;
use crate::platform::columns::instant;

/// Takes or renews a lease until `now + ttl`; false while another holds it.
///
/// One held for longer than that was taken by a clock that has been set back since: nobody waits
/// for the old time to come again.
pub(super) async fn take(
    pool: &PgPool,
    name: &str,
    holder: &str,
    now: Timestamp,
    ttl: Duration,
) -> Result<bool, PlatformError> {
    const SQL: &str = "INSERT INTO leases (name, holder, held_until) VALUES ($1, $2, $3::timestamptz)
        ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
        WHERE leases.holder = excluded.holder OR leases.held_until <= $4::timestamptz
           OR leases.held_until > excluded.held_until";
    let until = now.saturating_add(ttl).unwrap_or(Timestamp::MAX);
    let query = sqlx::query(SQL).bind(name).bind(holder).bind(instant(until)).bind(instant(now));
    Ok(query.execute(pool).await.map_err(platform_error)?.rows_affected() == 1)
}

/// Gives a lease back; one that another holds stays theirs.
pub(super) async fn give_back(pool: &PgPool, name: &str, holder: &str) -> Result<(), PlatformError> {
    sqlx::query("DELETE FROM leases WHERE name = $1 AND holder = $2")
        .bind(name)
        .bind(holder)
        .execute(pool)
        .await
        .map_err(platform_error)?;
    Ok(())
}
