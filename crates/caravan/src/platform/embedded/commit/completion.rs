//! Sessions that are over, purchases whose last one is, and the cron that looks for them.

use jiff::Timestamp;
use sqlx::SqliteConnection;

use crate::platform::embedded::bulk::json_list;
use crate::platform::embedded::rows::{instant, limit, second};
use crate::platform::embedded::sqlite::commit_error;
use crate::platform::transaction::{COMPLETED_SESSIONS_MAX, CommitError};

/// Marks sessions that ended at or before `at` completed, oldest first, and purchases that are
/// done with them.
pub(super) async fn complete(connection: &mut SqliteConnection, at: Timestamp) -> Result<(), CommitError> {
    // What ended at an instant started before it, so the index by start finds it.
    const SESSIONS: &str = "
        UPDATE sessions SET status = 'completed' WHERE seq IN (
            SELECT seq FROM sessions
            WHERE unixepoch(starts_at) >= (SELECT unixepoch(scheduled_from) FROM completion)
              AND unixepoch(starts_at) <= unixepoch(?1) AND ends_at <= ?1 AND status = 'scheduled'
            ORDER BY unixepoch(starts_at) LIMIT ?2)
        RETURNING seq >> 16";
    let query = sqlx::query_scalar(SESSIONS).bind(second(at)).bind(limit(COMPLETED_SESSIONS_MAX));
    let mut touched: Vec<i64> = query.fetch_all(&mut *connection).await.map_err(commit_error)?;
    if touched.is_empty() {
        return Ok(());
    }
    touched.sort_unstable();
    touched.dedup();
    finish(connection, &touched).await?;
    raise_scheduled_from(connection, at).await
}

/// Marks those of these purchases completed whose last session stands in the calendar and none is still to be held.
pub(super) async fn finish(connection: &mut SqliteConnection, places: &[i64]) -> Result<(), CommitError> {
    const FINISH: &str = "
        UPDATE purchases SET status = 'completed', revision = revision + 1
        WHERE seq IN (SELECT value FROM json_each(?1)) AND status = 'scheduled'
          AND EXISTS (SELECT 1 FROM sessions s WHERE s.seq = purchases.seq << 16 | purchases.sessions_total)
          AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.seq > purchases.seq << 16 AND s.seq < (purchases.seq + 1) << 16
                          AND s.status = 'scheduled')";
    sqlx::query(FINISH).bind(json_list(places)).execute(connection).await.map_err(commit_error)?;
    Ok(())
}

/// Moves the mark up to the first session that is still scheduled, at most to `at`.
async fn raise_scheduled_from(connection: &mut SqliteConnection, at: Timestamp) -> Result<(), CommitError> {
    const SQL: &str = "
        UPDATE completion SET scheduled_from = coalesce(
            (SELECT starts_at FROM sessions WHERE unixepoch(starts_at) >= unixepoch(completion.scheduled_from)
                AND unixepoch(starts_at) <= unixepoch(?1) AND status = 'scheduled'
             ORDER BY unixepoch(starts_at) LIMIT 1), ?1)";
    sqlx::query(SQL).bind(second(at)).execute(connection).await.map_err(commit_error)?;
    Ok(())
}

/// Notes that a session starting at `earliest` is scheduled, and none of those added before it.
pub(super) async fn note_scheduled(connection: &mut SqliteConnection, earliest: Timestamp) -> Result<(), CommitError> {
    sqlx::query("UPDATE completion SET scheduled_from = ?1 WHERE scheduled_from > ?1")
        .bind(second(earliest))
        .execute(connection)
        .await
        .map_err(commit_error)?;
    Ok(())
}

/// Notes that the run that was due then is done; an older one never takes its place.
pub(super) async fn note_cron(connection: &mut SqliteConnection, due: Timestamp) -> Result<(), CommitError> {
    const SQL: &str = "INSERT INTO cron (only, last_due) VALUES (1, ?1)
                       ON CONFLICT DO UPDATE SET last_due = max(last_due, excluded.last_due)";
    sqlx::query(SQL).bind(instant(due)).execute(connection).await.map_err(commit_error)?;
    Ok(())
}
