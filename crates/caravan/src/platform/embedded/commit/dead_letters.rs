//! Records set aside, and those sent again.

use std::sync::LazyLock;

use sqlx::SqliteConnection;

use super::count;
use crate::platform::embedded::bulk::{Bulk, json_list};
use crate::platform::embedded::rows::{instant, stored};
use crate::platform::embedded::sqlite::commit_error;
use crate::platform::transaction::{CommitError, NewDeadLetter, Redriven};

static SET_ASIDE: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::insert(
        "dead_letters",
        "topic, partition, log_offset, consumer_group, reason, detail, attempts, redrives, key, value, headers, failed_at",
        "ON CONFLICT (consumer_group, topic, partition, log_offset) DO NOTHING",
    )
});
static REDRIVEN: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::with(
        "id, redriven_at, repaired",
        "UPDATE dead_letters SET redriven_at = v.redriven_at, repaired = v.repaired
         FROM v WHERE dead_letters.id = v.id AND dead_letters.redriven_at IS NULL",
    )
});

/// Notes the records; returns those that are noted already, because a replay has met them again:
/// their first note stands.
pub(super) async fn set_aside<'a>(
    connection: &mut SqliteConnection,
    dead_letters: &'a [NewDeadLetter],
) -> Result<Vec<&'a NewDeadLetter>, CommitError> {
    let noted = noted(connection, dead_letters).await?;
    SET_ASIDE
        .run(connection, dead_letters, |query, letter| {
            query
                .bind(letter.at.topic.name())
                .bind(letter.at.partition)
                .bind(stored(letter.offset))
                .bind(letter.group)
                .bind(letter.reason)
                .bind(letter.detail.as_str())
                .bind(letter.attempts)
                .bind(letter.redrives)
                .bind(letter.key.as_deref())
                .bind(letter.value.as_deref())
                .bind(letter.headers.to_json_text())
                .bind(instant(letter.failed_at))
        })
        .await
        .map_err(commit_error)?;
    Ok(noted)
}

/// Those of the records that a group has set aside before.
async fn noted<'a>(
    connection: &mut SqliteConnection,
    dead_letters: &'a [NewDeadLetter],
) -> Result<Vec<&'a NewDeadLetter>, CommitError> {
    const SQL: &str = "SELECT asked.key FROM json_each(?1) AS asked CROSS JOIN dead_letters d
                       ON d.consumer_group = asked.value ->> 0 AND d.topic = asked.value ->> 1
                      AND d.partition = asked.value ->> 2 AND d.log_offset = asked.value ->> 3";
    if dead_letters.is_empty() {
        return Ok(Vec::new());
    }
    let asked: Vec<_> = dead_letters
        .iter()
        .map(|letter| (letter.group, letter.at.topic.name(), letter.at.partition, letter.offset))
        .collect();
    let places: Vec<i64> =
        sqlx::query_scalar(SQL).bind(json_list(&asked)).fetch_all(connection).await.map_err(commit_error)?;
    Ok(places.into_iter().filter_map(|place| dead_letters.get(usize::try_from(place).ok()?)).collect())
}

/// Marks dead letters as sent again, which each is once.
pub(super) async fn mark_redriven(connection: &mut SqliteConnection, redriven: &[Redriven]) -> Result<(), CommitError> {
    let marked = REDRIVEN
        .run(connection, redriven, |query, letter| {
            query.bind(letter.id).bind(instant(letter.at)).bind(letter.repaired.as_deref())
        })
        .await
        .map_err(commit_error)?;
    let ids = || redriven.iter().map(|letter| letter.id.to_string()).collect::<Vec<_>>().join(", ");
    if marked == count(redriven) {
        Ok(())
    } else {
        Err(CommitError::changed(format!("one of the dead letters {}", ids())))
    }
}
