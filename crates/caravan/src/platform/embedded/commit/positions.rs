//! Positions: compare-and-set in the transaction whose effects they stand for.

use std::sync::LazyLock;

use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{count, undo};
use crate::platform::embedded::bulk::Bulk;
use crate::platform::embedded::rows::stored;
use crate::platform::embedded::sqlite::commit_error;
use crate::platform::transaction::{Advance, CommitError, Replay};

static ADVANCE: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::with(
        "consumer_group, topic, partition, from_offset, to_offset",
        "UPDATE positions SET next_offset = v.to_offset FROM v
         WHERE positions.consumer_group = v.consumer_group AND positions.topic = v.topic
           AND positions.partition = v.partition AND positions.next_offset = v.from_offset",
    )
});
/// Only for positions that are not stored yet. Their topic's identity is the log's.
static BEGIN: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::with(
        "consumer_group, topic, partition, to_offset, unknown_topic_id",
        "INSERT INTO positions (consumer_group, topic, partition, next_offset, topic_id)
         SELECT v.consumer_group, v.topic, v.partition, v.to_offset,
                coalesce((SELECT id FROM log_topics WHERE name = v.topic), v.unknown_topic_id)
         FROM v WHERE true ON CONFLICT DO NOTHING",
    )
});
static MOVE: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::insert(
        "positions",
        "consumer_group, topic, partition, next_offset, topic_id",
        "ON CONFLICT DO UPDATE SET next_offset = excluded.next_offset, topic_id = excluded.topic_id",
    )
});

/// Advances every position from where it must be.
pub(super) async fn advance(
    connection: &mut SqliteConnection,
    group: &str,
    advances: &[Advance],
) -> Result<(), CommitError> {
    if advances.is_empty() {
        return Ok(());
    }
    let advanced = ADVANCE
        .run(connection, advances, |query, advance| {
            query
                .bind(group)
                .bind(advance.at.topic.name())
                .bind(advance.at.partition)
                .bind(stored(advance.from))
                .bind(stored(advance.to))
        })
        .await
        .map_err(commit_error)?;
    if advanced == count(advances) {
        return Ok(());
    }
    let unknown = Uuid::nil().to_string();
    let begun = BEGIN
        .run(connection, advances, |query, advance| {
            query
                .bind(group)
                .bind(advance.at.topic.name())
                .bind(advance.at.partition)
                .bind(stored(advance.to))
                .bind(unknown.as_str())
        })
        .await
        .map_err(commit_error)?;
    if advanced + begun == count(advances) { Ok(()) } else { Err(moved(connection, group, advances).await?) }
}

/// Names the positions that are not where they were.
async fn moved(
    connection: &mut SqliteConnection,
    group: &str,
    advances: &[Advance],
) -> Result<CommitError, CommitError> {
    const SQL: &str = "SELECT topic, partition, next_offset FROM positions WHERE consumer_group = ?1";
    undo(connection).await?;
    let stored: Vec<(String, i64, i64)> =
        sqlx::query_as(SQL).bind(group).fetch_all(connection).await.map_err(commit_error)?;
    Ok(CommitError::positions_moved(group, advances, &stored))
}

/// Puts positions where people want them.
pub(super) async fn replay(connection: &mut SqliteConnection, replays: &[Replay]) -> Result<(), CommitError> {
    MOVE.run(connection, replays, |query, replay| {
        query
            .bind(replay.group.as_str())
            .bind(replay.at.topic.name())
            .bind(replay.at.partition)
            .bind(stored(replay.to))
            .bind(replay.topic_id.to_string())
    })
    .await
    .map_err(commit_error)?;
    Ok(())
}
