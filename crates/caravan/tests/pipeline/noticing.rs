//! What changes while a worker is at something else is noticed as soon as it looks up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use caravan::engine::worker::{Outcome, Spec, WorkError, Worker};
use caravan::engine::{self, Stats, Stop, Work};
use caravan::platform::log::Record;
use caravan::platform::store::Reads;
use caravan::workers::WorkerKind;
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::Notify;

use crate::house::House;
use crate::sample::{payment, trainer};

/// Long enough for whoever watches the database to have told of a change.
const DAWDLE: Duration = Duration::from_millis(300);
/// Less than the slow poll behind the wake-ups, which would find it, too.
const NOTICE_MAX: Duration = Duration::from_millis(900);

/// A worker that dawdles once, between having looked around and reading its records.
struct Dawdler {
    worker: Box<dyn Worker>,
    has_looked: Option<Arc<Notify>>,
}

#[async_trait]
impl Worker for Dawdler {
    fn spec(&self) -> Spec {
        self.worker.spec()
    }

    async fn handle(&mut self, batch: &[Record], reads: &dyn Reads, now: Timestamp) -> Result<Outcome, WorkError> {
        self.worker.handle(batch, reads, now).await
    }

    async fn look_around(&mut self, reads: &dyn Reads, now: Timestamp) -> Result<Option<Outcome>, WorkError> {
        let found = self.worker.look_around(reads, now).await?;
        if let (None, Some(has_looked)) = (&found, self.has_looked.take()) {
            has_looked.notify_one();
            tokio::time::sleep(DAWDLE).await;
        }
        Ok(found)
    }

    fn committed(&mut self) {
        self.worker.committed();
    }

    fn not_committed(&mut self) {
        self.worker.not_committed();
    }
}

/// A busy machine may be late once, a missing wake-up is always.
const TRIES: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_closure_that_comes_between_looking_around_and_reading_is_noticed_at_once() {
    let mut late = Vec::new();
    while late.len() < TRIES {
        match a_closure_is_noticed_after().await {
            noticed if noticed < NOTICE_MAX => return,
            noticed => late.push(noticed),
        }
    }
    panic!("noticed after {late:?}");
}

async fn a_closure_is_noticed_after() -> Duration {
    let off = json!([{ "from": "2026-12-01", "until": "2026-12-08" }]);
    let house = House::with(&[trainer("trn_1", json!({ "time_off": off }))]).await;
    house.pay(&[payment("pay_1", json!({}))]).await;
    house.run().await;
    assert_eq!(house.teacher("pay_1").await, "waitlisted");

    let has_looked = Arc::new(Notify::new());
    let worker = house.work(&[WorkerKind::Allocation]).workers.remove(0);
    let dawdler = Dawdler { worker, has_looked: Some(has_looked.clone()) };
    let work = Work { workers: vec![Box::new(dawdler)], until_idle: false, ..house.work(&[]) };
    let (stop, stats) = (Stop::new(), Arc::new(Stats::default()));
    let closing = async {
        has_looked.notified().await;
        house.close(&[json!({ "from": "2026-12-03", "until": "2026-12-03", "name": "Audit" })]).await;
        let closed = Instant::now();
        while house.purchase("pay_1").await.allocation.is_none() && closed.elapsed() < NOTICE_MAX * 10 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.request();
        closed.elapsed()
    };
    let (ran, noticed) = tokio::join!(engine::run(&house.platform, work, &house.policy, &stop, &stats), closing);
    ran.unwrap();
    house.run().await;
    house.nothing_is_left_over(&[]).await;
    noticed
}
