//! Reading on from several partitions at once: which records are next is decided by their sizes
//! and times alone, so that no more bytes are read than are asked for.

use std::collections::{BTreeMap, VecDeque};

use sqlx::{AssertSqlSafe, SqliteConnection};

use super::bulk::json_list;
use super::log::{OFFSET_BITS, partitions, record_id};
use super::rows;
use super::sqlite::platform_error;
use crate::platform::PlatformError;
use crate::platform::log::{FetchLimit, Record, TopicPartition};

/// Of each of several partitions at least so many records are looked at.
const LOOK_RECORDS_MIN: usize = 64;

/// A record that is there, without its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Candidate {
    id: i64,
    timestamp: i64,
    bytes: usize,
}

/// The first records of a partition.
#[derive(Debug)]
struct Queue {
    at: TopicPartition,
    records: VecDeque<Candidate>,
    /// Whether others may come behind them.
    more: bool,
}

/// A partition with records to read: those with ids from `first` to before `behind`.
struct Unread {
    at: TopicPartition,
    first: i64,
    behind: i64,
}

/// Records from these offsets on, within the limits.
pub(super) async fn fetch(
    connection: &mut SqliteConnection,
    from: &BTreeMap<TopicPartition, u64>,
    limit: FetchLimit,
) -> Result<Vec<Record>, PlatformError> {
    let unread = unread(connection, from).await?;
    if unread.is_empty() || limit.records_max == 0 {
        return Ok(Vec::new());
    }
    let queues = look(connection, &unread, look_records(limit.records_max, unread.len())).await?;
    read(connection, &merged(queues, limit)).await
}

/// How many records of each partition are looked at: all that could be asked for of a single one,
/// of many about twice their part.
fn look_records(records_max: usize, partitions: usize) -> usize {
    records_max.min((2 * records_max / partitions.max(1)).max(LOOK_RECORDS_MIN))
}

/// The partitions that have records from these offsets on.
async fn unread(
    connection: &mut SqliteConnection,
    from: &BTreeMap<TopicPartition, u64>,
) -> Result<Vec<Unread>, PlatformError> {
    let mut unread = Vec::new();
    for partition in partitions(connection).await? {
        let Some(offset) = from.get(&partition.at) else { continue };
        if *offset < partition.end {
            let (first, behind) = (record_id(partition.id, *offset), record_id(partition.id, partition.end));
            unread.push(Unread { at: partition.at, first, behind });
        }
    }
    Ok(unread)
}

/// The first records of each partition, in its order.
async fn look(
    connection: &mut SqliteConnection,
    unread: &[Unread],
    records_max: usize,
) -> Result<Vec<Queue>, PlatformError> {
    let query = sqlx::query_as(AssertSqlSafe(look_sql(unread.len()))).bind(rows::limit(records_max));
    let query = unread.iter().fold(query, |query, part| query.bind(part.first).bind(part.behind));
    let found: Vec<(i64, i64, i64, i64)> = query.fetch_all(connection).await.map_err(platform_error)?;
    let mut queues: Vec<_> =
        unread.iter().map(|part| Queue { at: part.at, records: VecDeque::new(), more: false }).collect();
    for (place, id, timestamp, bytes) in found {
        if let Some(queue) = usize::try_from(place).ok().and_then(|place| queues.get_mut(place)) {
            queue.records.push_back(Candidate { id, timestamp, bytes: rows::number("length", bytes)? });
            queue.more = queue.records.len() == records_max;
        }
    }
    Ok(queues)
}

/// One query for any number of partitions. `octet_length` reads a value's header, not the value.
fn look_sql(partitions: usize) -> String {
    let one = |place: usize| {
        let (first, behind) = (place * 2 + 2, place * 2 + 3);
        format!(
            "SELECT * FROM (SELECT {place}, id, timestamp,
                 coalesce(octet_length(key), 0) + coalesce(octet_length(value), 0) + octet_length(headers)
             FROM log_records WHERE id >= ?{first} AND id < ?{behind} ORDER BY id LIMIT ?1)"
        )
    };
    (0..partitions).map(one).collect::<Vec<_>>().join("\nUNION ALL ")
}

/// Which records are next: of the partitions' first ones the earliest (then by topic and
/// partition), again and again, until a limit is reached or it can't be told which is next.
/// A larger first one comes alone.
fn merged(mut queues: Vec<Queue>, limit: FetchLimit) -> Vec<(TopicPartition, Candidate)> {
    let mut next = Vec::new();
    let mut bytes = 0_usize;
    while next.len() < limit.records_max && !queues.iter().any(|queue| queue.records.is_empty() && queue.more) {
        let earliest = queues.iter_mut().filter_map(|queue| Some((queue.records.front()?.timestamp, queue)));
        let Some((_, queue)) = earliest.min_by_key(|(timestamp, queue)| (*timestamp, queue.at)) else { break };
        let Some(candidate) = queue.records.pop_front() else { break };
        bytes = bytes.saturating_add(candidate.bytes);
        if bytes > limit.bytes_max && !next.is_empty() {
            break;
        }
        next.push((queue.at, candidate));
    }
    next
}

type Columns = (i64, Option<Vec<u8>>, Option<Vec<u8>>, String, i64);

/// Reads the chosen records, in the order they were chosen in.
async fn read(
    connection: &mut SqliteConnection,
    chosen: &[(TopicPartition, Candidate)],
) -> Result<Vec<Record>, PlatformError> {
    const SQL: &str = "SELECT r.id, r.key, r.value, r.headers, r.timestamp
                       FROM json_each(?1) AS chosen CROSS JOIN log_records r ON r.id = chosen.value ORDER BY chosen.id";
    let ids: Vec<_> = chosen.iter().map(|(_, candidate)| candidate.id).collect();
    let rows: Vec<Columns> =
        sqlx::query_as(SQL).bind(json_list(&ids)).fetch_all(connection).await.map_err(platform_error)?;
    let mut places = chosen.iter();
    let mut records = Vec::with_capacity(rows.len());
    for row in rows {
        // One that was dropped meanwhile is missing, and was consumed.
        if let Some((at, _)) = places.find(|(_, candidate)| candidate.id == row.0) {
            records.push(record(*at, row)?);
        }
    }
    Ok(records)
}

fn record(at: TopicPartition, (id, key, value, headers, timestamp): Columns) -> Result<Record, PlatformError> {
    let offset = rows::number("offset", id & ((1 << OFFSET_BITS) - 1))?;
    Ok(Record { at, offset, key, value, headers: rows::headers(&headers)?, timestamp: rows::milliseconds(timestamp)? })
}

#[cfg(test)]
mod tests {
    use caravan_domain::event::Topic;

    use super::*;

    /// Merges queues of `(timestamp, bytes)`, one for each partition; the answer names partition
    /// and place in its queue.
    fn order(queues: &[&[(i64, usize)]], records_max: usize, bytes_max: usize) -> Vec<(u32, i64)> {
        let at = |partition| TopicPartition { topic: Topic::PurchaseConfirmed, partition };
        let candidate =
            |(id, (timestamp, bytes)): (i64, &(i64, usize))| Candidate { id, timestamp: *timestamp, bytes: *bytes };
        let queue = |(partition, records): (u32, &&[(i64, usize)])| Queue {
            at: at(partition),
            records: (0..).zip(*records).map(candidate).collect(),
            more: false,
        };
        let next = merged((0..).zip(queues).map(queue).collect(), FetchLimit { records_max, bytes_max });
        next.into_iter().map(|(at, candidate)| (at.partition, candidate.id)).collect()
    }

    #[test]
    fn the_earliest_is_next_and_a_partition_keeps_its_order() {
        assert_eq!(order(&[&[(1, 1), (4, 1)], &[(2, 1), (3, 1)]], 9, 9), [(0, 0), (1, 0), (1, 1), (0, 1)]);
        assert_eq!(order(&[&[(5, 1)], &[(5, 1)]], 9, 9), [(0, 0), (1, 0)], "equal times: by partition");
        assert_eq!(order(&[&[(9, 1), (1, 1)], &[(5, 1)]], 9, 9), [(1, 0), (0, 0), (0, 1)], "a clock that went back");
    }

    #[test]
    fn limits_hold_and_a_large_record_comes_alone() {
        assert_eq!(order(&[&[(1, 1), (2, 1), (3, 1)]], 2, 9), [(0, 0), (0, 1)]);
        assert_eq!(order(&[&[(1, 4), (2, 5), (3, 1)]], 9, 9), [(0, 0), (0, 1)]);
        assert_eq!(order(&[&[(1, 99), (2, 1)]], 9, 9), [(0, 0)]);
        assert_eq!(order(&[&[], &[]], 9, 9), []);
    }

    #[test]
    fn what_has_not_been_looked_at_is_not_passed_over() {
        let at = |partition| TopicPartition { topic: Topic::PurchaseConfirmed, partition };
        let looked_at = |partition, timestamp, more| Queue {
            at: at(partition),
            records: [Candidate { id: 0, timestamp, bytes: 1 }].into(),
            more,
        };
        let limit = FetchLimit { records_max: 9, bytes_max: 9 };
        let places = |queues| merged(queues, limit).into_iter().map(|(at, _)| at.partition).collect::<Vec<_>>();
        assert_eq!(places(vec![looked_at(0, 1, true), looked_at(1, 2, false)]), [0]);
        assert_eq!(places(vec![looked_at(0, 2, true), looked_at(1, 1, false)]), [1, 0]);
    }

    #[test]
    fn one_partition_may_fill_a_fetch_and_many_share_it() {
        for (records_max, partitions, looked_at) in
            [(500, 1, 500), (500, 3, 333), (500, 21, 64), (10, 21, 10), (1, 1, 1)]
        {
            assert_eq!(look_records(records_max, partitions), looked_at);
        }
    }
}
