//! The relay: publishes what transactions have written to the outbox, then forgets it.
//!
//! A crash between the two publishes again, under the same event ids; consumers know repeats.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::select;

use tracing::debug;

use super::backoff::Backoff;
use super::{Policy, RunError, Stats, Stop, numbers};
use crate::platform::log::Relayed;
use crate::platform::store::OutboxClaim;
use crate::platform::{Platform, PlatformError};

/// Rows that are published at once: those of a few batches, since each worker adds its own.
const ROWS_MAX: usize = 10_000;
/// The slow poll behind the wake-ups.
const IDLE_WAIT: Duration = Duration::from_secs(1);

/// Runs until stopped; what is left in the outbox then is published by the next run.
pub(crate) async fn run(platform: Platform, policy: Policy, stop: Stop, stats: Arc<Stats>) -> Result<(), RunError> {
    let mut backoff = Backoff::new(&policy, 1_000);
    let mut published = Vec::new();
    while !stop.is_requested() {
        let seen = platform.store.changes().await;
        match relay_once(&platform, ROWS_MAX, &mut published).await {
            Ok(0) => {
                backoff.reset();
                select(platform.store.changed_since(seen, IDLE_WAIT), std::pin::pin!(stop.requested())).await;
            }
            Ok(count) => {
                debug!(events = count, "[Relay] Published");
                backoff.reset();
                stats.published.fetch_add(count as u64, Ordering::Relaxed);
            }
            Err(PlatformError::Environment(problem)) => {
                let _ = backoff.pause(&platform, &stop, &problem, "relay").await;
            }
            Err(broken) => return Err(broken.into()),
        }
    }
    Ok(())
}

/// Publishes the oldest rows of the outbox; returns how many. `published` keeps the ids of rows
/// that are published and could not be forgotten yet, so that they are not published again.
///
/// # Errors
/// The platform's; the rows stay in the outbox then.
pub async fn relay_once(
    platform: &Platform,
    rows_max: usize,
    published: &mut Vec<i64>,
) -> Result<usize, PlatformError> {
    forget(platform, published).await?;
    let OutboxClaim { rows, hold } = platform.store.claim_outbox(rows_max).await?;
    if rows.is_empty() {
        return Ok(0);
    }
    let (ids, records): (Vec<_>, Vec<_>) = rows.into_iter().map(|row| (row.id, row.record)).unzip();
    if platform.log.relay(&ids, &records).await? == Relayed::Published {
        *published = ids;
        forget(platform, published).await?;
    }
    drop(hold);
    numbers::published(&records);
    Ok(records.len())
}

async fn forget(platform: &Platform, published: &mut Vec<i64>) -> Result<(), PlatformError> {
    if !published.is_empty() {
        platform.store.forget(published).await?;
        published.clear();
    }
    Ok(())
}
