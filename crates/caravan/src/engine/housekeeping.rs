//! Keeps what is kept bounded: records everybody has handled go after the retention, and so do answers that nobody can ask
//! for any more, orders that nobody has paid, and sign-ins that have expired.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::select;
use tracing::{info, warn};

use super::worker::Spec;
use super::{Policy, RunError, Stop};
use crate::platform::desk::{ANSWERS_KEPT, Stale};
use crate::platform::log::TopicPartition;
use crate::platform::{Platform, PlatformError};

/// How long orders are kept after they have expired without being paid.
const ORDERS_KEPT: Duration = Duration::from_secs(90 * 24 * 3600);
/// Rows that are forgotten in one transaction: others wait for it that long.
const FORGOTTEN_MAX: usize = 2_000;
/// How often it looks.
const EVERY: Duration = Duration::from_secs(600);

/// Runs until stopped. A failure is told and tried again at the next turn.
pub(crate) async fn run(platform: Platform, readers: Vec<Spec>, policy: Policy, stop: Stop) -> Result<(), RunError> {
    // First of all: a process that leaves when it is idle may never be there for a second turn.
    loop {
        match trim(&platform, &readers, policy.log_retention).await {
            Ok(0) => {}
            Ok(records) => info!(records, "dropped log records past their retention"),
            Err(problem) => warn!(%problem, "could not drop old log records; trying again later"),
        }
        match forget(&platform).await {
            Ok(0) => {}
            Ok(rows) => info!(rows, "forgot old answers, orders that nobody has paid, and expired sign-ins"),
            Err(problem) => warn!(%problem, "could not forget old answers, orders and sign-ins; trying again later"),
        }
        select(platform.clock.sleep(EVERY), std::pin::pin!(stop.requested())).await;
        if stop.is_requested() {
            return Ok(());
        }
    }
}

/// Forgets answers that are not kept any more, orders long past their expiry, and expired sign-ins; returns how many.
async fn forget(platform: &Platform) -> Result<u64, PlatformError> {
    let now = platform.clock.now();
    let before = |kept: Duration| now.saturating_sub(kept).unwrap_or(jiff::Timestamp::MIN);
    let stale = Stale { answers: before(ANSWERS_KEPT), orders: before(ORDERS_KEPT), sign_ins: now };
    let mut forgotten = 0;
    loop {
        let rows = platform.store.forget_desk(stale, FORGOTTEN_MAX).await?;
        forgotten += rows;
        if rows < FORGOTTEN_MAX as u64 {
            return Ok(forgotten);
        }
    }
}

/// Drops what is past its retention and handled by everybody; returns how many records.
async fn trim(platform: &Platform, readers: &[Spec], retention: Duration) -> Result<u64, PlatformError> {
    let mut consumed = BTreeMap::new();
    for topic in platform.log.topics().await? {
        for (partition, state) in (0..).zip(&topic.partitions) {
            consumed.insert(TopicPartition { topic: topic.topic, partition }, state.end);
        }
    }
    for reader in readers {
        let positions = platform.store.positions(reader.group).await?;
        for (at, least) in consumed.iter_mut().filter(|(at, _)| reader.topics.contains(&at.topic)) {
            let read = positions.iter().find(|position| position.at == *at).map_or(0, |position| position.next_offset);
            *least = read.min(*least);
        }
    }
    let before = platform.clock.now().saturating_sub(retention).unwrap_or(jiff::Timestamp::MIN);
    platform.log.trim(&consumed, before).await
}
