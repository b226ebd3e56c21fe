//! Trainers whose calendar fills: whoever decided on an older state loses.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use sqlx::SqliteConnection;

use super::{count, undo};
use crate::platform::embedded::bulk::{Bulk, json_list};
use crate::platform::embedded::sqlite::commit_error;
use crate::platform::transaction::{CommitError, LoadShift, TrainerTouch};

static TOUCH: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::with(
        "id, version, share",
        "UPDATE trainers SET version = trainers.version + 1, share = v.share FROM v
         WHERE trainers.id = v.id AND trainers.version = v.version",
    )
});

/// Steps the version of each trainer by one.
pub(super) async fn touch(connection: &mut SqliteConnection, touches: &[TrainerTouch]) -> Result<(), CommitError> {
    let touched = TOUCH
        .run(connection, touches, |query, touch| {
            query.bind(touch.trainer_id.as_str()).bind(touch.version).bind(touch.share)
        })
        .await
        .map_err(commit_error)?;
    if touched == count(touches) {
        return Ok(());
    }
    let read_at: Vec<_> = touches.iter().map(|touch| (touch.trainer_id.as_str(), touch.version)).collect();
    Err(not_at(connection, &read_at).await?)
}

/// Changes trainers' shares of the work, and makes whoever allocates read their calendars again and look at those
/// who wait.
pub(super) async fn shift(connection: &mut SqliteConnection, loads: &[LoadShift]) -> Result<(), CommitError> {
    const SHIFT: &str = "
        UPDATE trainers SET version = version + 1, share = coalesce(share, 0) + ?2,
               roster_version = (SELECT version FROM roster) WHERE id = ?1 AND version = coalesce(?3, version)";
    if loads.is_empty() {
        return Ok(());
    }
    sqlx::query("UPDATE roster SET version = version + 1").execute(&mut *connection).await.map_err(commit_error)?;
    for load in loads {
        let query = sqlx::query(SHIFT).bind(load.trainer_id.as_str()).bind(load.share).bind(load.version);
        let shifted = query.execute(&mut *connection).await.map_err(commit_error)?.rows_affected();
        if let (0, Some(version)) = (shifted, load.version) {
            return Err(not_at(connection, &[(load.trainer_id.as_str(), version)]).await?);
        }
    }
    Ok(())
}

/// The conflict of the trainers that are no longer at the version they were read at.
pub(super) async fn not_at(
    connection: &mut SqliteConnection,
    read_at: &[(&str, i64)],
) -> Result<CommitError, CommitError> {
    const SQL: &str = "SELECT asked.value ->> 0 FROM json_each(?1) AS asked
                       LEFT JOIN trainers t ON t.id = asked.value ->> 0 WHERE t.version IS NOT asked.value ->> 1";
    undo(connection).await?;
    let query = sqlx::query_scalar(SQL).bind(json_list(read_at));
    let mut trainers: BTreeSet<String> = query.fetch_all(connection).await.map_err(commit_error)?.into_iter().collect();
    if trainers.is_empty() {
        // One was named twice: all of them are to be looked at again.
        trainers = read_at.iter().map(|(id, _)| (*id).to_owned()).collect();
    }
    Ok(CommitError::trainers_changed(trainers))
}
