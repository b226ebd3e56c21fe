//! What is to be told.

use std::sync::LazyLock;

use caravan_domain::event::Topic;
use sqlx::SqliteConnection;

use crate::platform::embedded::bulk::Bulk;
use crate::platform::embedded::sqlite::commit_error;
use crate::platform::log::NewRecord;
use crate::platform::transaction::{CommitError, NewDeadLetter};

static APPEND: LazyLock<Bulk> = LazyLock::new(|| Bulk::insert("outbox", "topic, key, value, headers, timestamp", ""));

/// Adds records to the outbox, in order, without those that tell of a dead letter once more.
pub(super) async fn append(
    connection: &mut SqliteConnection,
    records: &[NewRecord],
    told: &[&NewDeadLetter],
) -> Result<(), CommitError> {
    let tells_again = |record: &NewRecord| told.iter().any(|letter| tells_of(record, letter));
    let records: Vec<_> = records.iter().filter(|record| !tells_again(record)).collect();
    APPEND
        .run(connection, &records, |query, record| {
            query
                .bind(record.topic.name())
                .bind(record.key.as_deref())
                .bind(record.value.as_deref())
                .bind(record.headers.to_json_text())
                .bind(record.timestamp.as_millisecond())
        })
        .await
        .map_err(commit_error)?;
    Ok(())
}

/// Whether a record is the one on the dead-letter queue for a dead letter: the headers name the
/// group, topic, partition and offset.
fn tells_of(record: &NewRecord, letter: &NewDeadLetter) -> bool {
    record.topic == Topic::DeadLetterQueue && record.headers == letter.headers && record.value == letter.value
}
