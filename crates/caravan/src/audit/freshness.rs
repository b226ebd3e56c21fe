//! Guarantee 7, freshness: after the cache worker has handled an event, no reader gets older data.
//!
//! What a cache has answered leaves no trace, and the embedded one lives and dies with its
//! process, so an audit can only look at the worker's consumer group: every position stands where
//! the log is. That answers are fresh is held by the conformance suites.

use super::nothing_vanishes::judge_position;
use super::report::Tally;
use crate::platform::evidence::{PositionEvidence, TopicEvidence};

/// The cache worker's consumer group.
pub(super) const GROUP: &str = "cache-invalidation-workers";

/// Judges a position of the cache worker; every record it has handled counts as checked.
pub(super) fn judge(position: &PositionEvidence, topics: &[TopicEvidence], tally: &mut Tally) {
    judge_position(position, topics, tally);
    let partitions = topics.iter().filter(|topic| topic.name == position.topic).flat_map(|topic| &topic.partitions);
    let start = partitions.filter(|state| state.partition == position.partition).map(|state| state.start).next();
    let handled = position.next_offset - start.unwrap_or(position.next_offset);
    tally.count(u64::try_from(handled).unwrap_or(0));
}
