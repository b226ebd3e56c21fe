//! What is to be told.

use caravan_domain::event::Topic;
use sqlx::PgConnection;

use super::column;
use crate::platform::distributed::postgres::errors::commit_error;
use crate::platform::log::NewRecord;
use crate::platform::transaction::{CommitError, NewDeadLetter};

/// Adds records to the outbox, in order, without those that tell of a dead letter once more.
///
/// This comes last in a transaction: whoever tells of the same purchase waits for its row first, so
/// the ids of what is told of one purchase ascend in the order of the commits.
pub(super) async fn append(
    connection: &mut PgConnection,
    records: &[NewRecord],
    told: &[&NewDeadLetter],
) -> Result<(), CommitError> {
    const APPEND: &str = "
        INSERT INTO outbox (topic, key, value, headers, timestamp)
        SELECT topic, key, value, headers, timestamp
        FROM UNNEST($1::text[], $2::bytea[], $3::bytea[], $4::text[], $5::bigint[]) WITH ORDINALITY
             AS v (topic, key, value, headers, timestamp, place) ORDER BY place";
    let tells_again = |record: &NewRecord| told.iter().any(|letter| tells_of(record, letter));
    let records: Vec<_> = records.iter().filter(|record| !tells_again(record)).collect();
    if records.is_empty() {
        return Ok(());
    }
    sqlx::query(APPEND)
        .bind(column(&records, |record| record.topic.name()))
        .bind(column(&records, |record| record.key.as_deref()))
        .bind(column(&records, |record| record.value.as_deref()))
        .bind(column(&records, |record| record.headers.to_json_text()))
        .bind(column(&records, |record| record.timestamp.as_millisecond()))
        .execute(connection)
        .await
        .map_err(commit_error)?;
    Ok(())
}

/// Whether a record is the one on the dead-letter queue for a dead letter: the headers name the
/// group, topic, partition and offset.
fn tells_of(record: &NewRecord, letter: &NewDeadLetter) -> bool {
    record.topic == Topic::DeadLetterQueue && record.headers == letter.headers && record.value == letter.value
}
