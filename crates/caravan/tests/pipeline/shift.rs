//! Workers that go on from one day to the next, as a service's do: on brokers it takes them seconds to begin.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use caravan::engine::{self, RunError, Stats, Stop, Work};
use caravan::lag::lags;
use caravan::workers::WorkerKind;
use tokio::task::JoinHandle;

use crate::house::House;

/// Something that takes longer to come to rest hangs.
const REST_MAX: Duration = Duration::from_secs(120);
/// When the daily job is due, in UTC.
const DUE_HOUR: i8 = 2;

/// Workers at work.
pub(crate) struct Shift {
    stop: Stop,
    stats: Arc<Stats>,
    running: JoinHandle<Result<(), RunError>>,
}

impl Shift {
    pub(crate) fn begin(house: &House) -> Self {
        let (stop, stats) = (Stop::new(), Arc::new(Stats::default()));
        let work = Work { until_idle: false, ..house.work(&WorkerKind::ALL) };
        let (platform, policy, until, counting) =
            (house.platform.clone(), house.policy.clone(), stop.clone(), stats.clone());
        let running = tokio::spawn(async move { engine::run(&platform, work, &policy, &until, &counting).await });
        Self { stop, stats, running }
    }

    /// Is dropped in the middle of what it does.
    pub(crate) async fn dies(self) {
        self.running.abort();
        assert!(self.running.await.is_err_and(|error| error.is_cancelled()), "it had ended before");
    }

    /// Finishes what it has in hand.
    pub(crate) async fn ends(self) {
        self.stop.request();
        self.running.await.unwrap().unwrap();
    }

    /// Waits until there is nothing left to do.
    pub(crate) async fn rests(&self, house: &House) {
        let began = Instant::now();
        while !self.is_at_rest(house).await {
            assert!(!self.running.is_finished(), "the workers have stopped");
            assert!(began.elapsed() < REST_MAX, "it does not come to rest: {:?}", lags(&house.platform).await);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What one worker emits is seen in the outbox or at a log's end: two equal looks, with an empty outbox between them.
    async fn is_at_rest(&self, house: &House) -> bool {
        let Some(before) = self.ends_if_idle(house).await else { return false };
        let store = &house.platform.store;
        let version = store.roster_version().await.unwrap();
        store.outbox(1).await.unwrap().is_empty()
            && store.waiting_below(version, 1).await.unwrap().is_empty()
            && has_run(house).await
            && self.ends_if_idle(house).await == Some(before)
    }

    async fn ends_if_idle(&self, house: &House) -> Option<Vec<u64>> {
        let idle = |worker: WorkerKind| self.stats.worker(worker.spec().name).idle.load(Ordering::SeqCst);
        if !WorkerKind::ALL.into_iter().all(idle) {
            return None;
        }
        let lags = lags(&house.platform).await.unwrap();
        let ends = lags.iter().map(|lag| lag.end).collect();
        (lags.iter().all(|lag| lag.records() == 0) && WorkerKind::ALL.into_iter().all(idle)).then_some(ends)
    }
}

/// Whether the daily job that was due today is done.
async fn has_run(house: &House) -> bool {
    let now = house.platform.clock.now().to_zoned(jiff::tz::TimeZone::UTC);
    let due = now.date().at(DUE_HOUR, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
    house.platform.store.cron_last().await.unwrap().is_some_and(|last| last >= due)
}
