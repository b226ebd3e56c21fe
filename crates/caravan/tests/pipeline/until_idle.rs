//! `--until-idle` leaves when nothing is left to do, and not before.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use caravan::engine::cron::{DailyJob, Keep};
use caravan::engine::worker::{Outcome, Spec, WorkError, Worker};
use caravan::engine::{self, Stats, Stop, Work};
use caravan::platform::Platform;
use caravan::platform::log::Record;
use caravan::platform::store::Reads;
use caravan::platform::transaction::CommitError;
use caravan::workers::WorkerKind;
use caravan_domain::event::Topic;
use jiff::Timestamp;
use serde_json::json;

use crate::house::House;
use crate::sample::{payment, trainer};

/// Long enough for whoever only waits a moment to have left.
const SLOW: Duration = Duration::from_millis(300);

/// A worker that takes its time to look around.
struct Slow(Box<dyn Worker>);

#[async_trait]
impl Worker for Slow {
    fn spec(&self) -> Spec {
        self.0.spec()
    }

    async fn handle(&mut self, batch: &[Record], reads: &dyn Reads, now: Timestamp) -> Result<Outcome, WorkError> {
        self.0.handle(batch, reads, now).await
    }

    async fn look_around(&mut self, reads: &dyn Reads, now: Timestamp) -> Result<Option<Outcome>, WorkError> {
        tokio::time::sleep(SLOW).await;
        self.0.look_around(reads, now).await
    }

    fn committed(&mut self) {
        self.0.committed();
    }

    fn not_committed(&mut self) {
        self.0.not_committed();
    }
}

/// A daily job that is done when the workers have long been idle.
struct Late(Arc<dyn DailyJob>);

#[async_trait]
impl DailyJob for Late {
    async fn run(&self, platform: &Platform, as_of: Timestamp, keep: &dyn Keep) -> Result<(), CommitError> {
        tokio::time::sleep(SLOW * 3).await;
        self.0.run(platform, as_of, keep).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_until_the_waitlist_was_looked_at_again() {
    let off = json!([{ "from": "2026-12-01", "until": "2026-12-18" }]);
    let house = House::with(&[trainer("trn_1", json!({ "time_off": off }))]).await;
    house.pay(&[payment("pay_1", json!({ "plan": { "sessions": 3 } }))]).await;
    house.run().await;
    assert_eq!(house.teacher("pay_1").await, "waitlisted");

    house.set_clock("2026-12-12T10:00:00Z");
    let usual = house.work(&WorkerKind::ALL);
    let slow = |worker: Box<dyn Worker>| {
        if worker.spec().name == "AllocationWorker" { Box::new(Slow(worker)) } else { worker }
    };
    let work = Work {
        workers: usual.workers.into_iter().map(slow).collect(),
        daily: usual.daily.map(|job| Arc::new(Late(job)) as Arc<dyn DailyJob>),
        ..usual
    };
    engine::run(&house.platform, work, &house.policy, &Stop::new(), &Arc::new(Stats::default())).await.unwrap();
    assert_eq!(house.sessions("pay_1").await.len(), 3);
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_run_alone_leave_the_rest_to_the_others() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    house.pay(&[payment("pay_1", json!({}))]).await;
    for (kind, status) in [
        (WorkerKind::Session, None),
        (WorkerKind::Purchase, Some("created")),
        (WorkerKind::Allocation, Some("allocated")),
        (WorkerKind::Session, Some("scheduled")),
    ] {
        let work = house.work(&[kind]);
        engine::run(&house.platform, work, &house.policy, &Stop::new(), &Arc::new(Stats::default())).await.unwrap();
        assert_eq!(house.platform.store.totals().await.unwrap().outbox, 0, "{kind:?} has published what it tells");
        let found = house.purchases().await.first().map(|purchase| purchase.status.to_string());
        assert_eq!(found.as_deref(), status, "{kind:?}");
    }
    let work = house.work(&[WorkerKind::Cache]);
    engine::run(&house.platform, work, &house.policy, &Stop::new(), &Arc::new(Stats::default())).await.unwrap();
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_house_is_left_at_once() {
    let house = House::new().await;
    house.run().await;
    assert_eq!(house.records(Topic::PurchaseCreated).await, []);
    house.nothing_is_left_over(&[]).await;
}
