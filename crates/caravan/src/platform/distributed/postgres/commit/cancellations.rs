//! Purchases that are called off: what was not held yet leaves the calendar.

use sqlx::PgConnection;

use super::column;
use crate::platform::columns::instant;
use crate::platform::distributed::PLACE_BITS;
use crate::platform::distributed::postgres::errors::commit_error;
use crate::platform::transaction::{CommitError, EndedAllocation, NewCancellation};

/// Calls a purchase off that is still as it was decided on.
pub(super) async fn call_off(connection: &mut PgConnection, off: &NewCancellation) -> Result<(), CommitError> {
    const CANCEL: &str = "
        UPDATE purchases p SET status = 'cancelled', revision = p.revision + 1
        WHERE p.id = $1 AND p.status = $2 AND p.horizon IS NOT DISTINCT FROM $3::date AND p.revision = coalesce($5, p.revision)
          AND (SELECT a.id FROM allocations a WHERE a.seq >> 16 = p.seq AND a.status = 'active') IS NOT DISTINCT FROM $4
        RETURNING p.seq, p.revision";
    const NOTE: &str = "
        WITH gone AS (DELETE FROM waitlist WHERE purchase_id = $7)
        INSERT INTO purchase_changes (purchase, revision, kind, changed_at, actor, reason, effective_from)
        VALUES ($1, $2, 'cancelled', $3::timestamptz, $4, $5, $6::date)";
    let query = sqlx::query_as(CANCEL)
        .bind(off.purchase_id)
        .bind(off.status.name())
        .bind(off.horizon.map(|date| date.to_string()))
        .bind(off.allocation.as_ref().map(|ended| ended.id))
        .bind(off.revision);
    let cancelled: Option<(i64, i64)> = query.fetch_optional(&mut *connection).await.map_err(commit_error)?;
    let Some((place, revision)) = cancelled else {
        return Err(CommitError::changed(format!("purchase {}", off.purchase_id)));
    };
    sqlx::query(NOTE)
        .bind(place)
        .bind(revision)
        .bind(instant(off.ending.decided_at))
        .bind(&off.actor)
        .bind(&off.reason)
        .bind(off.ending.effective_from.to_string())
        .bind(off.purchase_id)
        .execute(&mut *connection)
        .await
        .map_err(commit_error)?;
    match &off.allocation {
        Some(ended) => end(connection, off, ended, place).await,
        None => Ok(()),
    }
}

/// Ends the allocation, and its sessions that are not held.
async fn end(
    connection: &mut PgConnection,
    off: &NewCancellation,
    ended: &EndedAllocation,
    place: i64,
) -> Result<(), CommitError> {
    const END: &str = "
        WITH off AS (UPDATE sessions SET status = 'cancelled' WHERE seq = ANY($4) AND status IN ('scheduled', 'completed')),
             earlier AS (UPDATE allocations SET ended_from = $2::date, ended_at = $3::timestamptz
                         WHERE seq > $1 << 16 AND seq < ($1 + 1) << 16 AND status = 'superseded')
        UPDATE allocations SET status = 'ended', ended_from = $2::date, ended_at = $3::timestamptz
        WHERE seq >> 16 = $1 AND status = 'active' AND coalesce(sessions, $5) = $5";
    let query = sqlx::query(END)
        .bind(place)
        .bind(off.ending.effective_from.to_string())
        .bind(instant(off.ending.decided_at))
        .bind(column(&ended.called_off, |ordinal| place << PLACE_BITS | i64::from(*ordinal)))
        .bind(i64::from(ended.sessions));
    match query.execute(connection).await.map_err(commit_error)?.rows_affected() {
        1 => Ok(()),
        // More of it was reserved meanwhile.
        _ => Err(CommitError::changed(format!("the allocation of purchase {}", off.purchase_id))),
    }
}
