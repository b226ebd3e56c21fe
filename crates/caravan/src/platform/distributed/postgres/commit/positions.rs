//! Positions: compare-and-set in the transaction whose effects they stand for.

use sqlx::PgConnection;
use uuid::Uuid;

use super::{column, count, undo};
use crate::platform::columns::stored;
use crate::platform::distributed::postgres::errors::commit_error;
use crate::platform::transaction::{Advance, CommitError, Replay};

/// Advances every position from where it must be. One that is not stored yet is begun.
pub(super) async fn advance(
    connection: &mut PgConnection,
    group: &str,
    advances: &[Advance],
) -> Result<(), CommitError> {
    const ADVANCE: &str = "
        UPDATE positions p SET next_offset = v.to_offset
        FROM UNNEST($2::text[], $3::bigint[], $4::bigint[], $5::bigint[]) AS v (topic, partition, from_offset, to_offset)
        WHERE p.consumer_group = $1 AND p.topic = v.topic AND p.partition = v.partition AND p.next_offset = v.from_offset";
    const BEGIN: &str = "
        INSERT INTO positions (consumer_group, topic, partition, next_offset, topic_id)
        SELECT $1, v.topic, v.partition, v.to_offset, coalesce((SELECT id FROM log_topics WHERE name = v.topic), $5)
        FROM UNNEST($2::text[], $3::bigint[], $4::bigint[]) AS v (topic, partition, to_offset)
        ORDER BY v.topic, v.partition ON CONFLICT DO NOTHING";
    if advances.is_empty() {
        return Ok(());
    }
    let topics = column(advances, |advance| advance.at.topic.name());
    let partitions = column(advances, |advance| i64::from(advance.at.partition));
    let until = column(advances, |advance| stored(advance.to));
    let query = sqlx::query(ADVANCE)
        .bind(group)
        .bind(&topics)
        .bind(&partitions)
        .bind(column(advances, |advance| stored(advance.from)))
        .bind(&until);
    let advanced = query.execute(&mut *connection).await.map_err(commit_error)?.rows_affected();
    if advanced == count(advances) {
        return Ok(());
    }
    let query = sqlx::query(BEGIN).bind(group).bind(&topics).bind(&partitions).bind(&until).bind(Uuid::nil());
    let begun = query.execute(&mut *connection).await.map_err(commit_error)?.rows_affected();
    if advanced + begun == count(advances) { Ok(()) } else { Err(moved(connection, group, advances).await?) }
}

/// Names the positions that are not where they were.
async fn moved(connection: &mut PgConnection, group: &str, advances: &[Advance]) -> Result<CommitError, CommitError> {
    const SQL: &str = "SELECT topic, partition, next_offset FROM positions WHERE consumer_group = $1";
    undo(connection).await?;
    let stored: Vec<(String, i64, i64)> =
        sqlx::query_as(SQL).bind(group).fetch_all(connection).await.map_err(commit_error)?;
    Ok(CommitError::positions_moved(group, advances, &stored))
}

/// Puts positions where people want them.
pub(super) async fn replay(connection: &mut PgConnection, replays: &[Replay]) -> Result<(), CommitError> {
    const MOVE: &str = "
        INSERT INTO positions (consumer_group, topic, partition, next_offset, topic_id)
        SELECT * FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::uuid[]) AS v (g, t, p, n, i)
        ORDER BY v.g, v.t, v.p
        ON CONFLICT (consumer_group, topic, partition)
        DO UPDATE SET next_offset = excluded.next_offset, topic_id = excluded.topic_id";
    if replays.is_empty() {
        return Ok(());
    }
    sqlx::query(MOVE)
        .bind(column(replays, |replay| replay.group.as_str()))
        .bind(column(replays, |replay| replay.at.topic.name()))
        .bind(column(replays, |replay| i64::from(replay.at.partition)))
        .bind(column(replays, |replay| stored(replay.to)))
        .bind(column(replays, |replay| replay.topic_id))
        .execute(connection)
        .await
        .map_err(commit_error)?;
    Ok(())
}
