//! Leaving when there is nothing left to do.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::select;

use super::cron::CaughtUp;
use super::worker::Spec;
use super::{RunError, Stats, Stop};
use crate::platform::{Platform, PlatformError};

/// How long it waits between looks if nothing changes.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Requests the stop once the workers' lags and the outbox are empty and the cron has caught up.
pub(crate) async fn watch(
    platform: Platform,
    specs: Vec<Spec>,
    caught_up: CaughtUp,
    stop: Stop,
    stats: Arc<Stats>,
) -> Result<(), RunError> {
    while !stop.is_requested() {
        match caught_up.is_noted() && is_idle(&platform, &specs, &stats).await? {
            true => stop.request(),
            false => {
                select(platform.clock.sleep(LOOK_AGAIN), std::pin::pin!(stop.requested())).await;
            }
        }
    }
    Ok(())
}

/// Whether nothing is under way. Two equal looks at the logs with an empty outbox between them:
/// what one worker emits is seen in the outbox or at a log's end, never in neither.
async fn is_idle(platform: &Platform, specs: &[Spec], stats: &Stats) -> Result<bool, RunError> {
    let all_idle = || specs.iter().all(|spec| stats.worker(spec.name).idle.load(Ordering::SeqCst));
    let look = async || -> Result<Option<Vec<u64>>, PlatformError> {
        // Asking the log costs more than asking the workers.
        if !all_idle() {
            return Ok(None);
        }
        Ok(lag_free_ends(platform, specs).await?.filter(|_| all_idle()))
    };
    let answer = async || -> Result<bool, PlatformError> {
        let Some(before) = look().await? else { return Ok(false) };
        let outbox_empty = platform.store.outbox(1).await?.is_empty();
        Ok(outbox_empty && look().await? == Some(before))
    };
    match answer().await {
        Ok(idle) => Ok(idle),
        Err(PlatformError::Environment(_)) => Ok(false),
        Err(broken) => Err(broken.into()),
    }
}

/// The end offsets of everything the workers read, if they have read it all.
async fn lag_free_ends(platform: &Platform, specs: &[Spec]) -> Result<Option<Vec<u64>>, PlatformError> {
    let topics = platform.log.topics().await?;
    for spec in specs {
        let positions = platform.store.positions(spec.group).await?;
        for topic in topics.iter().filter(|topic| spec.topics.contains(&topic.topic)) {
            for (partition, state) in (0..).zip(&topic.partitions) {
                let read = positions
                    .iter()
                    .find(|position| position.at.topic == topic.topic && position.at.partition == partition)
                    .map_or(state.start, |position| position.next_offset);
                if read < state.end {
                    return Ok(None);
                }
            }
        }
    }
    Ok(Some(topics.iter().flat_map(|topic| topic.partitions.iter().map(|state| state.end)).collect()))
}
