//! One line of the log for each batch, for people: how much it was, what it began with, and what became of it.

use jiff::SignedDuration;
use tracing::info;

use super::consumer::Counts;
use super::worker::Spec;
use crate::platform::log::Record;

/// Characters of a key that are told.
const KEY_CHARS_MAX: usize = 80;

/// Tells of a batch that is committed.
pub(super) fn batch(spec: &Spec, records: &[Record], counts: &Counts, took: SignedDuration) {
    let Some(first) = records.first() else { return };
    let (key, more) = (name_of(first), records.len() - 1);
    let others = if more > 0 { format!(" and {more} more") } else { String::new() };
    info!(
        key,
        topic = first.at.topic.name(),
        partition = first.at.partition,
        offset = first.offset,
        records = records.len(),
        done = counts.done,
        duplicates = counts.duplicates,
        superseded = counts.superseded,
        dead_letters = counts.rejected,
        took_ms = took.as_millis(),
        "[{}] Handled {key}{others}",
        spec.name
    );
}

/// What a record is about: its key, which anybody may have written, else its place.
fn name_of(record: &Record) -> String {
    let key = record.key.as_deref().map(String::from_utf8_lossy).filter(|key| !key.is_empty());
    match key {
        Some(key) => key.chars().take(KEY_CHARS_MAX).flat_map(char::escape_debug).collect(),
        None => format!("{}/{}@{}", record.at.topic, record.at.partition, record.offset),
    }
}

#[cfg(test)]
mod tests {
    use caravan_domain::event::{Headers, Topic};
    use jiff::Timestamp;

    use super::*;
    use crate::platform::log::TopicPartition;

    #[test]
    fn a_record_is_named_by_its_key_however_it_was_written_or_by_its_place() {
        let long = "k".repeat(KEY_CHARS_MAX + 1);
        for (key, name) in [
            (Some(&b"pay_1"[..]), "pay_1"),
            (Some(b"pay\n\x1b[31m1"), "pay\\n\\u{1b}[31m1"),
            (Some(b"\xff"), "\u{fffd}"),
            (Some(long.as_bytes()), &long[1..]),
            (Some(b""), "purchase-confirmed/2@7"),
            (None, "purchase-confirmed/2@7"),
        ] {
            let at = TopicPartition { topic: Topic::PurchaseConfirmed, partition: 2 };
            let (key, headers) = (key.map(<[u8]>::to_vec), Headers::new());
            let record = Record { at, offset: 7, key, value: None, headers, timestamp: Timestamp::UNIX_EPOCH };
            assert_eq!(name_of(&record), name);
        }
    }
}
