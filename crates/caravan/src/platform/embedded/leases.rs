//! Leases: who does what only one may do at a time.

use std::time::Duration;

use jiff::Timestamp;

use super::rows::instant;
use super::sqlite::platform_error;
use super::writer::Writer;
use crate::platform::PlatformError;

/// Takes or renews a lease until `now + ttl`; false while another holds it.
///
/// One held for longer than that was taken by a clock that has been set back since: nobody waits
/// for the old time to come again.
pub(super) async fn take(
    writer: &Writer,
    name: &str,
    holder: &str,
    now: Timestamp,
    ttl: Duration,
) -> Result<bool, PlatformError> {
    const SQL: &str = "INSERT INTO leases (name, holder, held_until) VALUES (?1, ?2, ?3)
        ON CONFLICT DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
        WHERE holder = excluded.holder OR held_until <= ?4 OR held_until > excluded.held_until";
    let until = now.saturating_add(ttl).unwrap_or(Timestamp::MAX);
    let mut writing = writer.begin().await.map_err(platform_error)?;
    let query = sqlx::query(SQL).bind(name.to_owned()).bind(holder.to_owned()).bind(instant(until)).bind(instant(now));
    let taken = query.execute(writing.connection()).await.map_err(platform_error)?.rows_affected() == 1;
    writing.commit().await.map_err(platform_error)?;
    Ok(taken)
}

/// Gives a lease back; one that another holds stays theirs.
pub(super) async fn give_back(writer: &Writer, name: &str, holder: &str) -> Result<(), PlatformError> {
    let mut writing = writer.begin().await.map_err(platform_error)?;
    sqlx::query("DELETE FROM leases WHERE name = ?1 AND holder = ?2")
        .bind(name.to_owned())
        .bind(holder.to_owned())
        .execute(writing.connection())
        .await
        .map_err(platform_error)?;
    writing.commit().await.map_err(platform_error)
}

/// Frees every lease: for whoever knows that nobody is left who holds one.
pub(super) async fn free_all(writer: &Writer) -> Result<(), PlatformError> {
    let mut writing = writer.begin().await.map_err(platform_error)?;
    sqlx::query("DELETE FROM leases").execute(writing.connection()).await.map_err(platform_error)?;
    writing.commit().await.map_err(platform_error)
}
