//! Trainers whose calendar fills: whoever decided on an older state loses.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::{column, count, undo};
use crate::platform::distributed::postgres::errors::commit_error;
use crate::platform::transaction::{CommitError, TrainerTouch};

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
