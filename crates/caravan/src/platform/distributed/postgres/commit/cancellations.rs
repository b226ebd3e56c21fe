//! Purchases that are called off: what was not held yet leaves the calendar, and its time is free again.

use sqlx::PgConnection;

use super::column;
use crate::platform::columns::instant;
use crate::platform::distributed::PLACE_BITS;
use crate::platform::distributed::postgres::errors::commit_error;
use crate::platform::reservations::{STUDENT_PARTY, TRAINER_PARTY};
use crate::platform::transaction::{CommitError, EndedAllocation, NewCancellation};

/// Calls a purchase off that is still as it was decided on.
pub(super) async fn call_off(connection: &mut PgConnection, off: &NewCancellation) -> Result<(), CommitError> {
    const CANCEL: &str = "
        UPDATE purchases p SET status = 'cancelled', revision = p.revision + 1
        WHERE p.id = $1 AND p.status = $2 AND p.horizon IS NOT DISTINCT FROM $3::date
          AND (SELECT a.id FROM allocations a WHERE a.seq >> 16 = p.seq AND a.status = 'active') IS NOT DISTINCT FROM $4
        RETURNING p.seq, p.revision";
    const NOTE: &str = "
        WITH gone AS (DELETE FROM waitlist WHERE purchase_id = $7)
        INSERT INTO purchase_changes (purchase, revision, kind, changed_at, actor, reason, effective_from)
        VALUES ($1, $2, 'cancelled', $3::timestamptz, $4, $5, $6::date)";
    // The trainer first, as whoever allocates them does.
    if let Some(ended) = &off.allocation {
        show_anew(connection, ended).await?;
    }
    let query = sqlx::query_as(CANCEL)
        .bind(off.purchase_id)
        .bind(off.status.name())
        .bind(off.horizon.map(|date| date.to_string()))
        .bind(off.allocation.as_ref().map(|ended| ended.id));
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

/// Takes the work from the trainer's share, and makes whoever allocates read their calendar again and look
/// at those who wait.
async fn show_anew(connection: &mut PgConnection, ended: &EndedAllocation) -> Result<(), CommitError> {
    const SHOW: &str = "
        WITH raised AS (UPDATE roster SET version = version + 1 RETURNING version)
        UPDATE trainers SET version = trainers.version + 1, share = share - $2, roster_version = raised.version
        FROM raised WHERE id = $1";
    sqlx::query(SHOW).bind(&ended.trainer_id).bind(ended.share_less).execute(connection).await.map_err(commit_error)?;
    Ok(())
}

/// Ends the allocation: its sessions that are not held, and the time they had.
async fn end(
    connection: &mut PgConnection,
    off: &NewCancellation,
    ended: &EndedAllocation,
    place: i64,
) -> Result<(), CommitError> {
    const END: &str = "
        WITH off AS (UPDATE sessions SET status = 'cancelled' WHERE seq >= $4 AND seq < $5 AND status IN ('scheduled', 'completed'))
        UPDATE allocations SET status = 'ended', ended_from = $2::date, ended_at = $3::timestamptz
        WHERE seq >> 16 = $1 AND status = 'active'";
    const FREE: &str = "
        WITH freed AS MATERIALIZED (
                 SELECT r.party, r.key, v.busy, v.starts
                 FROM UNNEST($3::bigint[], $4::bigint[], $5::bigint[]) AS v (key, busy, starts)
                 JOIN reservations r ON r.party IN ($1, $2) AND r.key = v.key ORDER BY r.party, r.key FOR UPDATE OF r)
        UPDATE reservations r SET busy = r.busy & ~f.busy, starts = r.starts & ~f.starts
        FROM freed f WHERE r.party = f.party AND r.key = f.key";
    const EMPTY: &str = "DELETE FROM reservations WHERE party IN ($1, $2) AND key = ANY($3) AND busy = 0";
    sqlx::query(END)
        .bind(place)
        .bind(off.ending.effective_from.to_string())
        .bind(instant(off.ending.decided_at))
        .bind(place << PLACE_BITS | i64::from(ended.called_off.from_ordinal))
        .bind((place + 1) << PLACE_BITS)
        .execute(&mut *connection)
        .await
        .map_err(commit_error)?;
    let (trainer, student) =
        (format!("{TRAINER_PARTY}{}", ended.trainer_id), format!("{STUDENT_PARTY}{}", ended.student_id));
    let freed = &ended.called_off.freed;
    let keys = column(freed, |time| time.key);
    sqlx::query(FREE)
        .bind(&trainer)
        .bind(&student)
        .bind(&keys)
        .bind(column(freed, |time| time.busy.cast_signed()))
        .bind(column(freed, |time| time.starts.cast_signed()))
        .execute(&mut *connection)
        .await
        .map_err(commit_error)?;
    sqlx::query(EMPTY).bind(trainer).bind(student).bind(keys).execute(connection).await.map_err(commit_error)?;
    Ok(())
}
