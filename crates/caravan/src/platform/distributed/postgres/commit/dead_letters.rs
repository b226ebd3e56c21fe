//! Records set aside, and those sent again.

use sqlx::PgConnection;

use super::{column, count};
use crate::platform::columns::{instant, stored};
use crate::platform::distributed::postgres::errors::commit_error;
use crate::platform::transaction::{CommitError, NewDeadLetter, Redriven};

/// Notes the records; returns those that are noted already, because a replay has met them again:
/// their first note stands.
pub(super) async fn set_aside<'a>(
    connection: &mut PgConnection,
    letters: &'a [NewDeadLetter],
) -> Result<Vec<&'a NewDeadLetter>, CommitError> {
    const SET_ASIDE: &str = "
        WITH v AS (
            SELECT * FROM UNNEST($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[],
                                 $8::bigint[], $9::bytea[], $10::bytea[], $11::text[], $12::text[]) WITH ORDINALITY
            AS v (topic, partition, log_offset, consumer_group, reason, detail, attempts, redrives, key, value, headers,
                  failed_at, place)),
        added AS (
            INSERT INTO dead_letters (topic, partition, log_offset, consumer_group, reason, detail, attempts, redrives, key,
                                      value, headers, failed_at)
            SELECT topic, partition, log_offset, consumer_group, reason, detail, attempts, redrives, key, value, headers,
                   failed_at::timestamptz
            FROM v ORDER BY place ON CONFLICT (consumer_group, topic, partition, log_offset) DO NOTHING
            RETURNING consumer_group, topic, partition, log_offset)
        SELECT v.place FROM v WHERE (v.consumer_group, v.topic, v.partition, v.log_offset)
            NOT IN (SELECT consumer_group, topic, partition, log_offset FROM added)";
    if letters.is_empty() {
        return Ok(Vec::new());
    }
    let query = sqlx::query_scalar(SET_ASIDE)
        .bind(column(letters, |letter| letter.at.topic.name()))
        .bind(column(letters, |letter| i64::from(letter.at.partition)))
        .bind(column(letters, |letter| stored(letter.offset)))
        .bind(column(letters, |letter| letter.group))
        .bind(column(letters, |letter| letter.reason))
        .bind(column(letters, |letter| letter.detail.as_str()))
        .bind(column(letters, |letter| i64::from(letter.attempts)))
        .bind(column(letters, |letter| i64::from(letter.redrives)))
        .bind(column(letters, |letter| letter.key.as_deref()))
        .bind(column(letters, |letter| letter.value.as_deref()))
        .bind(column(letters, |letter| letter.headers.to_json_text()))
        .bind(column(letters, |letter| instant(letter.failed_at)));
    let noted: Vec<i64> = query.fetch_all(connection).await.map_err(commit_error)?;
    Ok(noted.into_iter().filter_map(|place| letters.get(usize::try_from(place - 1).ok()?)).collect())
}

/// Marks dead letters as sent again, which each is once.
pub(super) async fn mark_redriven(connection: &mut PgConnection, redriven: &[Redriven]) -> Result<(), CommitError> {
    const REDRIVEN: &str = "
        UPDATE dead_letters d SET redriven_at = v.redriven_at::timestamptz, repaired = v.repaired
        FROM UNNEST($1::bigint[], $2::text[], $3::bytea[]) AS v (id, redriven_at, repaired)
        WHERE d.id = v.id AND d.redriven_at IS NULL";
    if redriven.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(REDRIVEN)
        .bind(column(redriven, |letter| letter.id))
        .bind(column(redriven, |letter| instant(letter.at)))
        .bind(column(redriven, |letter| letter.repaired.as_deref()));
    let marked = query.execute(connection).await.map_err(commit_error)?.rows_affected();
    let ids = || redriven.iter().map(|letter| letter.id.to_string()).collect::<Vec<_>>().join(", ");
    if marked == count(redriven) {
        Ok(())
    } else {
        Err(CommitError::changed(format!("one of the dead letters {}", ids())))
    }
}
