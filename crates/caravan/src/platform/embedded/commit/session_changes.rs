//! What people change of sessions: the rows that tell of it, and the calendar.

use std::sync::LazyLock;

use sqlx::SqliteConnection;

use super::{allocations, completion, count, windows};
use crate::platform::embedded::bulk::{Bulk, json_list};
use crate::platform::embedded::rows::{PLACE_BITS, instant, json, second};
use crate::platform::embedded::sqlite::commit_error;
use crate::platform::transaction::{CommitError, PlanExtension, SessionChange, SessionsChange, Trace};

static NOTE: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::insert(
        "session_changes",
        "seq, revision, before_trainer_id, before_starts_at, before_ends_at, before_status, \
         trainer_id, starts_at, ends_at, status, terms, as_planned",
        "",
    )
});
/// A session that is over is completed by the cron, in its own time.
static CHANGE: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::with(
        "seq, before_trainer_id, before_starts_at, before_status, trainer_id, starts_at, ends_at, status, local_date, planned",
        "UPDATE sessions SET trainer_id = v.trainer_id, starts_at = v.starts_at, ends_at = v.ends_at, status = v.status,
                local_date = v.local_date, planned_starts_at = nullif(v.planned, v.starts_at)
         FROM v WHERE sessions.seq = v.seq AND sessions.trainer_id = v.before_trainer_id
           AND sessions.starts_at = v.before_starts_at
           AND (sessions.status = v.before_status OR sessions.status = 'completed' AND v.before_status = 'scheduled')",
    )
});

/// Changes sessions of a purchase that is still at the revision it was decided on.
pub(super) async fn change(connection: &mut SqliteConnection, change: &SessionsChange) -> Result<(), CommitError> {
    const STEP: &str = "
        UPDATE purchases SET revision = revision + 1, sessions_total = sessions_total + ?4
        WHERE id = ?1 AND revision = ?2 AND status IN ('allocated', 'scheduled', 'completed')
          AND (SELECT a.id FROM allocations a WHERE a.seq > purchases.seq << 16 AND a.seq < (purchases.seq + 1) << 16
               AND a.status = 'active') IS ?3
        RETURNING seq";
    let query = sqlx::query_scalar(STEP)
        .bind(change.purchase_id.to_string())
        .bind(change.revision)
        .bind(change.allocation_id.to_string())
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
    windows::put_changed(connection, &added).await?;
    completion::finish(connection, &[place]).await
}

/// Keeps who changed what, and why.
async fn note(connection: &mut SqliteConnection, change: &SessionsChange, place: i64) -> Result<(), CommitError> {
    const SQL: &str = "
        INSERT INTO purchase_changes (purchase, revision, kind, changed_at, actor, reason, overrides)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let revision = change.revision + 1;
    let overrides: Vec<&str> = change.overrides.iter().map(|rule| rule.name()).collect();
    sqlx::query(SQL)
        .bind(place)
        .bind(revision)
        .bind(change.kind)
        .bind(instant(change.changed_at))
        .bind(change.actor.as_str())
        .bind(change.reason.as_str())
        .bind(json_list(&overrides))
        .execute(&mut *connection)
        .await
        .map_err(commit_error)?;
    let standing: Vec<&SessionChange> =
        change.sessions.iter().filter(|session| session.trace != Trace::Nothing).collect();
    NOTE.run(connection, &standing, |query, session| {
        let SessionChange { ordinal, before, after, terms, .. } = session;
        query
            .bind(place << PLACE_BITS | i64::from(*ordinal))
            .bind(revision)
            .bind(before.trainer_id.clone())
            .bind(second(before.starts_at))
            .bind(second(before.ends_at))
            .bind(before.status.name())
            .bind(after.trainer_id.clone())
            .bind(second(after.starts_at))
            .bind(second(after.ends_at))
            .bind(after.status.name())
            .bind(terms.clone())
            .bind(i64::from(session.trace == Trace::Replanned))
    })
    .await
    .map_err(commit_error)?;
    Ok(())
}

/// Changes what stands in the calendar.
async fn apply(connection: &mut SqliteConnection, change: &SessionsChange, place: i64) -> Result<(), CommitError> {
    let there: Vec<&SessionChange> = change.sessions.iter().filter(|session| session.in_calendar).collect();
    let changed = CHANGE
        .run(connection, &there, |query, session| {
            let SessionChange { ordinal, before, after, local_date, planned_starts_at, .. } = session;
            query
                .bind(place << PLACE_BITS | i64::from(*ordinal))
                .bind(before.trainer_id.clone())
                .bind(second(before.starts_at))
                .bind(before.status.name())
                .bind(after.trainer_id.clone())
                .bind(second(after.starts_at))
                .bind(second(after.ends_at))
                .bind(after.status.name())
                .bind(local_date.to_string())
                .bind(second(*planned_starts_at))
        })
        .await
        .map_err(commit_error)?;
    if changed != count(&there) {
        return Err(CommitError::changed(format!("a session of purchase {}", change.purchase_id)));
    }
    match there.iter().map(|session| session.after.starts_at).min() {
        Some(earliest) => completion::note_scheduled(connection, earliest).await,
        None => Ok(()),
    }
}

/// Adds sessions at the end of the plan.
async fn extend(connection: &mut SqliteConnection, extended: &PlanExtension, place: i64) -> Result<(), CommitError> {
    const SQL: &str =
        "UPDATE allocations SET sessions = ?3, skipped = ?4 WHERE seq > ?1 AND seq < ?2 AND status = 'active'";
    sqlx::query(SQL)
        .bind(place << PLACE_BITS)
        .bind((place + 1) << PLACE_BITS)
        .bind(extended.sessions)
        .bind(json(&extended.skipped))
        .execute(connection)
        .await
        .map_err(commit_error)?;
    Ok(())
}
