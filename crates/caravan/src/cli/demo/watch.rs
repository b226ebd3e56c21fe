//! How long it takes from the payment to the sessions, as somebody outside sees it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use caravan::platform::log::{FetchLimit, Fetched, Subscription, TopicPartition};
use caravan::platform::{Platform, PlatformError};
use caravan_domain::event::Topic;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Reads along without a place of its own.
const GROUP: &str = "demo-watch";
const LIMIT: FetchLimit = FetchLimit { records_max: 1_000, bytes_max: 8 << 20 };
/// How long it waits for more.
const WAIT: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
struct Times {
    begun: HashMap<Uuid, Instant>,
    taken: Vec<Duration>,
}

/// The times of purchases between their payment and their sessions.
#[derive(Clone, Debug, Default)]
pub(super) struct Latencies(Arc<Mutex<Times>>);

impl Latencies {
    /// These payments are published now; of a repeat, the first counts.
    pub(super) fn begin(&self, purchases: impl Iterator<Item = Uuid>) {
        let (mut times, now) = (self.0.lock().unwrap_or_else(PoisonError::into_inner), Instant::now());
        for id in purchases {
            times.begun.entry(id).or_insert(now);
        }
    }

    /// The sessions of this purchase were seen.
    fn end(&self, purchase: Uuid, now: Instant) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(begun) = times.begun.remove(&purchase) {
            times.taken.push(now.duration_since(begun));
        }
    }

    /// The time that this share of them took at most (nearest rank); `None` if there are none.
    pub(super) fn percentile(&self, percent: usize) -> Option<Duration> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).taken.clone();
        taken.sort_unstable();
        let rank = (taken.len() * percent).div_ceil(100).max(1);
        taken.get(rank - 1).copied()
    }
}

/// Follows `sessions-scheduled` while the demo goes on.
pub(super) struct Watch {
    latencies: Latencies,
    following: JoinHandle<Result<(), PlatformError>>,
}

impl Watch {
    pub(super) async fn start(platform: Platform) -> Result<Self, PlatformError> {
        let mut subscription = platform.log.subscribe(GROUP, &[Topic::SessionsScheduled]).await?;
        let from = subscription.assigned().await?.into_iter().map(|at| (at, 0)).collect();
        let latencies = Latencies::default();
        let following = tokio::spawn(follow(subscription, from, latencies.clone()));
        Ok(Self { latencies, following })
    }

    pub(super) fn latencies(&self) -> Latencies {
        self.latencies.clone()
    }

    /// Gives what is there already `rest` to be seen, and stops.
    pub(super) async fn finish(self, rest: Duration) -> Latencies {
        tokio::time::sleep(rest).await;
        self.following.abort();
        self.latencies
    }
}

async fn follow(
    mut subscription: Box<dyn Subscription>,
    mut from: BTreeMap<TopicPartition, u64>,
    latencies: Latencies,
) -> Result<(), PlatformError> {
    loop {
        let Fetched::Records(records) = subscription.fetch(&from, LIMIT).await? else {
            subscription.assigned().await?;
            continue;
        };
        let now = Instant::now();
        for record in &records {
            from.insert(record.at, record.offset + 1);
            let key = record.key.as_deref().and_then(|key| Uuid::try_parse_ascii(key).ok());
            if let Some(purchase) = key {
                latencies.end(purchase, now);
            }
        }
        if records.is_empty() {
            subscription.wait(WAIT).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_time_that_many_took_at_most() {
        let latencies = Latencies::default();
        assert_eq!(latencies.percentile(50), None);
        latencies.0.lock().unwrap().taken = (1..=200).rev().map(Duration::from_millis).collect();
        for (percent, millis) in [(50, 100), (99, 198), (100, 200)] {
            assert_eq!(latencies.percentile(percent), Some(Duration::from_millis(millis)));
        }
    }

    #[test]
    fn a_repeated_payment_counts_from_its_first_report_and_once() {
        let (latencies, id) = (Latencies::default(), Uuid::from_u128(1));
        latencies.begin([id, id].into_iter());
        latencies.end(id, Instant::now());
        latencies.end(id, Instant::now());
        assert_eq!(latencies.0.lock().unwrap().taken.len(), 1);
    }
}
