//! Trainers whose calendar fills: whoever decided on an older state loses.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::{column, count, undo};
use crate::platform::distributed::postgres::errors::commit_error;
use crate::platform::transaction::{CommitError, LoadShift, TrainerTouch};

/// Steps the version of each trainer by one.
pub(super) async fn touch(connection: &mut PgConnection, touches: &[TrainerTouch]) -> Result<(), CommitError> {
    const TOUCH: &str = "
        WITH locked AS MATERIALIZED (SELECT id FROM trainers WHERE id = ANY($1) ORDER BY id FOR UPDATE)
        UPDATE trainers t SET version = t.version + 1, share = v.share
        FROM UNNEST($1::text[], $2::bigint[], $3::bigint[]) AS v (id, version, share) JOIN locked l ON l.id = v.id
        WHERE t.id = v.id AND t.version = v.version";
    if touches.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(TOUCH)
        .bind(column(touches, |touch| touch.trainer_id.as_str()))
        .bind(column(touches, |touch| touch.version))
        .bind(column(touches, |touch| touch.share));
    let touched = query.execute(&mut *connection).await.map_err(commit_error)?.rows_affected();
    if touched == count(touches) {
        return Ok(());
    }
    let read_at: Vec<_> = touches.iter().map(|touch| (touch.trainer_id.as_str(), touch.version)).collect();
    Err(not_at(connection, &read_at).await?)
}

/// Changes trainers' shares of the work, and makes whoever allocates read their calendars again and look at those
/// who wait.
pub(super) async fn shift(connection: &mut PgConnection, loads: &[LoadShift]) -> Result<(), CommitError> {
    const SHIFT: &str = "
        WITH locked AS MATERIALIZED (SELECT id, version FROM trainers WHERE id = ANY($1) ORDER BY id FOR UPDATE),
             raised AS (UPDATE roster SET version = version + 1 RETURNING version)
        UPDATE trainers t SET version = t.version + 1, share = coalesce(t.share, 0) + v.share, roster_version = raised.version
        FROM (SELECT id, max(version) AS version, sum(share)::bigint AS share
              FROM UNNEST($1::text[], $2::bigint[], $3::bigint[]) AS asked (id, version, share) GROUP BY id) AS v
        JOIN locked l ON l.id = v.id AND l.version = coalesce(v.version, l.version), raised
        WHERE t.id = v.id RETURNING t.id";
    if loads.is_empty() {
        return Ok(());
    }
    let query = sqlx::query_scalar(SHIFT)
        .bind(column(loads, |load| load.trainer_id.as_str()))
        .bind(column(loads, |load| load.version))
        .bind(column(loads, |load| load.share));
    let shifted: BTreeSet<String> =
        query.fetch_all(&mut *connection).await.map_err(commit_error)?.into_iter().collect();
    let lost = loads.iter().filter(|load| load.version.is_some() && !shifted.contains(&load.trainer_id));
    let lost: Vec<_> = lost.map(|load| (load.trainer_id.as_str(), load.version.unwrap_or_default())).collect();
    if lost.is_empty() { Ok(()) } else { Err(not_at(connection, &lost).await?) }
}

/// The conflict of the trainers that are no longer at the version they were read at.
pub(super) async fn not_at(connection: &mut PgConnection, read_at: &[(&str, i64)]) -> Result<CommitError, CommitError> {
    const SQL: &str = "SELECT asked.id FROM UNNEST($1::text[], $2::bigint[]) AS asked (id, version)
                       LEFT JOIN trainers t ON t.id = asked.id WHERE t.version IS DISTINCT FROM asked.version";
    undo(connection).await?;
    let query =
        sqlx::query_scalar(SQL).bind(column(read_at, |(id, _)| *id)).bind(column(read_at, |(_, version)| *version));
    let mut trainers: BTreeSet<String> = query.fetch_all(connection).await.map_err(commit_error)?.into_iter().collect();
    if trainers.is_empty() {
        // One was named twice: all of them are to be looked at again.
        trainers = read_at.iter().map(|(id, _)| (*id).to_owned()).collect();
    }
    Ok(CommitError::trainers_changed(trainers))
}
