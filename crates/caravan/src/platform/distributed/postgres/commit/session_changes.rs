//! What people change of sessions: the rows that tell of it, and the calendar.

use sqlx::PgConnection;

use super::{allocations, column, completion, count, windows};
use crate::platform::columns::{instant, json, second};
use crate::platform::distributed::PLACE_BITS;
use crate::platform::distributed::postgres::errors::commit_error;
use crate::platform::transaction::{CommitError, PlanExtension, SessionChange, SessionsChange, Trace};

/// Changes sessions of a purchase that is still at the revision it was decided on.
pub(super) async fn change(connection: &mut PgConnection, change: &SessionsChange) -> Result<(), CommitError> {
    const STEP: &str = "
        UPDATE purchases p SET revision = p.revision + 1, sessions_total = p.sessions_total + $4
        WHERE p.id = $1 AND p.revision = $2 AND p.status IN ('allocated', 'scheduled', 'completed')
          AND (SELECT a.id FROM allocations a WHERE a.seq >> 16 = p.seq AND a.status = 'active') = $3
        RETURNING p.seq";
    let query = sqlx::query_scalar(STEP)
        .bind(change.purchase_id)
        .bind(change.revision)
        .bind(change.allocation_id)
        .bind(change.extended.as_ref().map_or(0, |extended| i64::from(extended.added)));
    let place: Option<i64> = query.fetch_optional(&mut *connection).await.map_err(commit_error)?;
    let Some(place) = place else {
        return Err(CommitError::changed(format!("purchase {}", change.purchase_id)));
    };
    note(connection, change, place).await?;
    if let Some(replanned) = &change.replanned {
        allocations::supersede(connection, place, replanned).await?;
    }
    apply(connection, change, place).await?;
    if let Some(extended) = &change.extended {
        extend(connection, extended, place).await?;
    }
    let added: Vec<_> = change
        .added
        .iter()
        .map(|(trainer_id, session)| (place, change.purchase_id, trainer_id.as_str(), session))
        .collect();
    windows::put(connection, &added).await?;
    completion::finish(connection, &[place]).await
}

/// Keeps who changed what, and why.
async fn note(connection: &mut PgConnection, change: &SessionsChange, place: i64) -> Result<(), CommitError> {
    const NOTE: &str = "
        INSERT INTO purchase_changes (purchase, revision, kind, changed_at, actor, reason, overrides)
        VALUES ($1, $2, $3, $4::timestamptz, $5, $6, $7)";
    const SESSIONS: &str = "
        INSERT INTO session_changes (seq, revision, before_trainer_id, before_starts_at, before_ends_at, before_status,
                                     trainer_id, starts_at, ends_at, status, terms, as_planned)
        SELECT v.seq, $2, v.before_trainer_id, v.before_starts_at::timestamptz, v.before_ends_at::timestamptz, v.before_status,
               v.trainer_id, v.starts_at::timestamptz, v.ends_at::timestamptz, v.status, v.terms, v.as_planned
        FROM UNNEST($1::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
                    $11::text[], $12::bigint[])
             AS v (seq, before_trainer_id, before_starts_at, before_ends_at, before_status, trainer_id, starts_at, ends_at, status,
                   terms, as_planned)";
    let revision = change.revision + 1;
    let overrides: Vec<&str> = change.overrides.iter().map(|rule| rule.name()).collect();
    sqlx::query(NOTE)
        .bind(place)
        .bind(revision)
        .bind(change.kind)
        .bind(instant(change.changed_at))
        .bind(&change.actor)
        .bind(&change.reason)
        .bind(json(&overrides))
        .execute(&mut *connection)
        .await
        .map_err(commit_error)?;
    let sessions: Vec<&SessionChange> =
        change.sessions.iter().filter(|session| session.trace != Trace::Nothing).collect();
    let sessions = sessions.as_slice();
    sqlx::query(SESSIONS)
        .bind(column(sessions, |session| place << PLACE_BITS | i64::from(session.ordinal)))
        .bind(revision)
        .bind(column(sessions, |session| session.before.trainer_id.as_str()))
        .bind(column(sessions, |session| second(session.before.starts_at)))
        .bind(column(sessions, |session| second(session.before.ends_at)))
        .bind(column(sessions, |session| session.before.status.name()))
        .bind(column(sessions, |session| session.after.trainer_id.as_str()))
        .bind(column(sessions, |session| second(session.after.starts_at)))
        .bind(column(sessions, |session| second(session.after.ends_at)))
        .bind(column(sessions, |session| session.after.status.name()))
        .bind(column(sessions, |session| session.terms.as_deref()))
        .bind(column(sessions, |session| i64::from(session.trace == Trace::Replanned)))
        .execute(connection)
        .await
        .map_err(commit_error)?;
    Ok(())
}

/// Changes what stands in the calendar.
async fn apply(connection: &mut PgConnection, change: &SessionsChange, place: i64) -> Result<(), CommitError> {
    // A session that is over is completed by the cron, in its own time.
    const SQL: &str = "
        UPDATE sessions s SET trainer_id = v.trainer_id, starts_at = v.starts_at::timestamptz, ends_at = v.ends_at::timestamptz,
               status = v.status, local_date = v.local_date::date,
               planned_starts_at = nullif(v.planned::timestamptz, v.starts_at::timestamptz)
        FROM UNNEST($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                    $10::text[])
             AS v (seq, before_trainer_id, before_starts_at, before_status, trainer_id, starts_at, ends_at, status, local_date,
                   planned)
        WHERE s.seq = v.seq AND s.trainer_id = v.before_trainer_id AND s.starts_at = v.before_starts_at::timestamptz
          AND (s.status = v.before_status OR s.status = 'completed' AND v.before_status = 'scheduled')";
    let there: Vec<&SessionChange> = change.sessions.iter().filter(|session| session.in_calendar).collect();
    let query = sqlx::query(SQL)
        .bind(column(&there, |session| place << PLACE_BITS | i64::from(session.ordinal)))
        .bind(column(&there, |session| session.before.trainer_id.as_str()))
        .bind(column(&there, |session| second(session.before.starts_at)))
        .bind(column(&there, |session| session.before.status.name()))
        .bind(column(&there, |session| session.after.trainer_id.as_str()))
        .bind(column(&there, |session| second(session.after.starts_at)))
        .bind(column(&there, |session| second(session.after.ends_at)))
        .bind(column(&there, |session| session.after.status.name()))
        .bind(column(&there, |session| session.local_date.to_string()))
        .bind(column(&there, |session| second(session.planned_starts_at)));
    let changed = query.execute(&mut *connection).await.map_err(commit_error)?.rows_affected();
    if changed != count(&there) {
        return Err(CommitError::changed(format!("a session of purchase {}", change.purchase_id)));
    }
    match there.iter().map(|session| session.after.starts_at).min() {
        Some(earliest) => completion::note_scheduled(connection, earliest).await,
        None => Ok(()),
    }
}

/// Adds sessions at the end of the plan.
async fn extend(connection: &mut PgConnection, extended: &PlanExtension, place: i64) -> Result<(), CommitError> {
    sqlx::query("UPDATE allocations SET sessions = $2, skipped = $3 WHERE seq >> 16 = $1 AND status = 'active'")
        .bind(place)
        .bind(i64::from(extended.sessions))
        .bind(json(&extended.skipped))
        .execute(connection)
        .await
        .map_err(commit_error)?;
    Ok(())
}
