//! Sessions that are over, purchases whose last one is, and the cron that looks for them.

use jiff::Timestamp;
use sqlx::PgConnection;

use crate::platform::columns::{instant, limit, second};
use crate::platform::distributed::postgres::errors::commit_error;
use crate::platform::transaction::{COMPLETED_SESSIONS_MAX, CommitError};

/// Marks sessions that ended at or before `at` completed, oldest first, and purchases that are
/// done with them.
pub(super) async fn complete(connection: &mut PgConnection, at: Timestamp) -> Result<(), CommitError> {
    // What ended at an instant started before it, so the index by start finds it.
    const SESSIONS: &str = "
        WITH over AS MATERIALIZED (
            SELECT seq FROM sessions
            WHERE starts_at >= (SELECT scheduled_from FROM completion) AND starts_at <= $1::timestamptz
              AND ends_at <= $1::timestamptz AND status = 'scheduled'
            ORDER BY starts_at LIMIT $2)
        UPDATE sessions SET status = 'completed' WHERE seq IN (SELECT seq FROM over) RETURNING seq >> 16";
    // First of all: whoever schedules sessions meanwhile is seen, or waits until the mark is moved.
    sqlx::query("SELECT scheduled_from FROM completion FOR UPDATE")
        .execute(&mut *connection)
        .await
        .map_err(commit_error)?;
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
pub(super) async fn finish(connection: &mut PgConnection, places: &[i64]) -> Result<(), CommitError> {
    const FINISH: &str = "
        WITH locked AS MATERIALIZED (SELECT seq FROM purchases WHERE seq = ANY($1) ORDER BY seq FOR UPDATE)
        UPDATE purchases p SET status = 'completed', revision = p.revision + 1
        FROM locked l WHERE l.seq = p.seq AND p.status = 'scheduled'
          AND EXISTS (SELECT 1 FROM sessions s WHERE s.seq = (p.seq << 16 | p.sessions_total))
          AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.seq > p.seq << 16 AND s.seq < (p.seq + 1) << 16
                          AND s.status = 'scheduled')";
    sqlx::query(FINISH).bind(places).execute(connection).await.map_err(commit_error)?;
    Ok(())
}

/// Moves the mark up to the first session that is still scheduled, at most to `at`.
async fn raise_scheduled_from(connection: &mut PgConnection, at: Timestamp) -> Result<(), CommitError> {
    const SQL: &str = "
        UPDATE completion SET scheduled_from = coalesce(
            (SELECT starts_at FROM sessions WHERE starts_at >= completion.scheduled_from AND starts_at <= $1::timestamptz
                AND status = 'scheduled' ORDER BY starts_at LIMIT 1), $1::timestamptz)";
    sqlx::query(SQL).bind(second(at)).execute(connection).await.map_err(commit_error)?;
    Ok(())
}

/// Notes that a session starting at `earliest` is scheduled, and none of those added before it.
pub(super) async fn note_scheduled(connection: &mut PgConnection, earliest: Timestamp) -> Result<(), CommitError> {
    // Whoever raises the mark meanwhile has not seen these sessions: it must wait, or be waited for.
    const SQL: &str = "WITH here AS MATERIALIZED (SELECT scheduled_from FROM completion FOR SHARE)
                       SELECT scheduled_from > $1::timestamptz FROM here";
    let lower: Option<bool> =
        sqlx::query_scalar(SQL).bind(second(earliest)).fetch_optional(&mut *connection).await.map_err(commit_error)?;
    if lower == Some(true) {
        sqlx::query("UPDATE completion SET scheduled_from = $1::timestamptz WHERE scheduled_from > $1::timestamptz")
            .bind(second(earliest))
            .execute(connection)
            .await
            .map_err(commit_error)?;
    }
    Ok(())
}

/// Notes that the run that was due then is done; an older one never takes its place.
pub(super) async fn note_cron(connection: &mut PgConnection, due: Timestamp) -> Result<(), CommitError> {
    const SQL: &str = "INSERT INTO cron (last_due) VALUES ($1::timestamptz)
                       ON CONFLICT (only_row) DO UPDATE SET last_due = greatest(cron.last_due, excluded.last_due)";
    sqlx::query(SQL).bind(instant(due)).execute(connection).await.map_err(commit_error)?;
    Ok(())
}
