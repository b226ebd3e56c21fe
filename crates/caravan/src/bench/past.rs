//! A history: plans that were bought, taught and are over before the measurement begins.
//!
//! Nobody is booked into the past, so the past is lived through: the workers run with clocks of
//! earlier years, oldest first, and what they booked is completed by the cron of today.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::workload::{SESSIONS_PER_WEEK, START_DAYS};
use super::{Bench, BenchError};
use crate::platform::Platform;
use crate::platform::clock::Clock;
use crate::platform::log::TopicPartition;

/// How full a trainer's weeks may get: the history shall not lack trainers either.
const SESSIONS_PER_TRAINER_AND_WEEK: u64 = 5;
/// Days between the starts of two epochs.
const EPOCH_DAYS: i64 = START_DAYS + 30;

/// A clock that goes after the real one.
struct Earlier {
    clock: Arc<dyn Clock>,
    by: SignedDuration,
}

#[async_trait]
impl Clock for Earlier {
    fn now(&self) -> Timestamp {
        self.clock.now().saturating_sub(self.by).unwrap_or(Timestamp::MIN)
    }

    async fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }
}

/// Lives through as many purchases as asked for.
pub(super) async fn live_through(bench: &Bench<'_>) -> Result<(), BenchError> {
    let total = u64::from(bench.options.history);
    let size = epoch_purchases(bench);
    let epochs = total.div_ceil(size);
    for epoch in 0..epochs {
        let numbers = epoch * size..total.min((epoch + 1) * size);
        let by = days_back(bench, epochs - epoch);
        let clock = Arc::new(Earlier { clock: bench.platform.clock.clone(), by: SignedDuration::from_hours(by * 24) });
        let platform = Platform { clock, ..bench.platform.clone() };
        bench.publish(&platform, "past", numbers.clone()).await?;
        bench.run_until_idle(&platform).await?;
        bench.progress.advance(numbers.end - numbers.start);
    }
    // The cron of today ends what the past has begun.
    bench.run_until_idle(bench.platform).await?;
    trim(bench.platform).await
}

fn epoch_purchases(bench: &Bench<'_>) -> u64 {
    let weeks = START_DAYS as u64 / 7;
    let sessions = u64::from(bench.options.trainers) * weeks * SESSIONS_PER_TRAINER_AND_WEEK;
    (sessions / u64::from(bench.options.sessions)).max(1)
}

/// The last epoch's last plan is over before today.
fn days_back(bench: &Bench<'_>, epochs: u64) -> i64 {
    let plan_weeks = i64::from(bench.options.sessions.div_ceil(u16::from(SESSIONS_PER_WEEK))) + 4;
    i64::try_from(epochs).unwrap_or(i64::MAX).saturating_mul(EPOCH_DAYS) + plan_weeks * 7
}

/// Drops the log of the past, as retention has by today.
async fn trim(platform: &Platform) -> Result<(), BenchError> {
    let mut consumed = BTreeMap::new();
    for topic in platform.log.topics().await? {
        for (partition, state) in (0..).zip(&topic.partitions) {
            consumed.insert(TopicPartition { topic: topic.topic, partition }, state.end);
        }
    }
    platform.log.trim(&consumed, platform.clock.now()).await?;
    Ok(())
}
