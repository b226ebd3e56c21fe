//! Purchases that are called off: what was not held yet leaves the calendar.

use sqlx::SqliteConnection;

use crate::platform::embedded::bulk::json_list;
use crate::platform::embedded::rows::{PLACE_BITS, instant};
use crate::platform::embedded::sqlite::commit_error;
use crate::platform::transaction::{CommitError, EndedAllocation, NewCancellation};

/// Calls a purchase off that is still as it was decided on.
pub(super) async fn call_off(connection: &mut SqliteConnection, off: &NewCancellation) -> Result<(), CommitError> {
    const CANCEL: &str = "
        UPDATE purchases SET status = 'cancelled', revision = revision + 1
        WHERE id = ?1 AND status = ?2 AND horizon IS ?3 AND revision = coalesce(?5, revision)
          AND (SELECT a.id FROM allocations a WHERE a.seq > purchases.seq << 16 AND a.seq < (purchases.seq + 1) << 16
               AND a.status = 'active') IS ?4
        RETURNING seq, revision";
    const NOTE: &str = "
        INSERT INTO purchase_changes (purchase, revision, kind, changed_at, actor, reason, effective_from)
        VALUES (?1, ?2, 'cancelled', ?3, ?4, ?5, ?6)";
    let query = sqlx::query_as(CANCEL)
        .bind(off.purchase_id.to_string())
        .bind(off.status.name())
        .bind(off.horizon.map(|date| date.to_string()))
        .bind(off.allocation.as_ref().map(|ended| ended.id.to_string()))
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
        .execute(&mut *connection)
        .await
        .map_err(commit_error)?;
    sqlx::query("DELETE FROM waitlist WHERE purchase_id = ?1")
        .bind(off.purchase_id.to_string())
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
    connection: &mut SqliteConnection,
    off: &NewCancellation,
    ended: &EndedAllocation,
    place: i64,
) -> Result<(), CommitError> {
    const SESSIONS: &str =
        "UPDATE sessions SET status = 'cancelled' WHERE seq IN (SELECT ?1 | value FROM json_each(?2))
                            AND status IN ('scheduled', 'completed')";
    const END: &str = "UPDATE allocations SET status = 'ended', ended_from = ?3, ended_at = ?4
                       WHERE seq > ?1 AND seq < ?2 AND status = 'active' AND coalesce(sessions, ?5) = ?5";
    const EARLIER: &str = "UPDATE allocations SET ended_from = ?3, ended_at = ?4
                           WHERE seq > ?1 AND seq < ?2 AND status = 'superseded'";
    let (from, until) = (place << PLACE_BITS, (place + 1) << PLACE_BITS);
    sqlx::query(SESSIONS)
        .bind(from)
        .bind(json_list(&ended.called_off))
        .execute(&mut *connection)
        .await
        .map_err(commit_error)?;
    let ends = |sql| {
        let (from_date, decided_at) = (off.ending.effective_from.to_string(), instant(off.ending.decided_at));
        sqlx::query(sql).bind(from).bind(until).bind(from_date).bind(decided_at)
    };
    ends(EARLIER).execute(&mut *connection).await.map_err(commit_error)?;
    let query = ends(END).bind(ended.sessions);
    match query.execute(&mut *connection).await.map_err(commit_error)?.rows_affected() {
        1 => Ok(()),
        // More of it was reserved meanwhile.
        _ => Err(CommitError::changed(format!("the allocation of purchase {}", off.purchase_id))),
    }
}
