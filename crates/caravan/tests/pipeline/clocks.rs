//! A clock that is set: nothing is lost, nothing is lowered, nobody waits for the old time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use caravan::engine::cron::{DailyJob, Keep};
use caravan::engine::{self, Stats, Stop, Work};
use caravan::platform::Platform;
use caravan::platform::transaction::CommitError;
use caravan::workers::WorkerKind;
use jiff::Timestamp;
use serde_json::json;

use crate::house::House;
use crate::sample::{payment, trainer};

const DAY_BEFORE: &str = "2026-11-22T10:00:00Z";

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_a_day_stops_nothing() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    house.pay(&[payment("pay_1", json!({ "plan": { "start_date": "2026-11-20" } }))]).await;
    house.run().await;
    let horizon = house.purchase("pay_1").await.horizon;
    house
        .pay(&[payment("pay_2", json!({ "plan": { "slots": [{ "weekday": "mon", "at": "09:00" }], "per_week": 1 } }))])
        .await;
    house.set_clock(DAY_BEFORE);
    house
        .pay(&[payment("pay_3", json!({ "plan": { "slots": [{ "weekday": "wed", "at": "09:00" }], "per_week": 1 } }))])
        .await;
    house.run().await;
    for payment in ["pay_2", "pay_3"] {
        assert!(house.teacher(payment).await.starts_with("trn_1"), "{payment}");
    }
    assert_eq!(house.purchase("pay_1").await.horizon, horizon);
    house.nothing_is_left_over(&[]).await;
    house.set_clock("2026-11-23T11:00:00Z");
    house.run().await;
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_taken_by_a_later_clock_holds_nobody_up() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    let (now, ttl) = (house.platform.clock.now(), Duration::from_secs(120));
    assert!(house.platform.store.lease("cron", "an instance that died", now, ttl).await.unwrap());
    house.set_clock(DAY_BEFORE);
    house.pay(&[payment("pay_1", json!({}))]).await;
    house.run().await;
    assert_eq!(house.sessions("pay_1").await.len(), 6);
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_forward_books_nobody_into_the_past() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    house.pay(&[payment("pay_1", json!({}))]).await;
    house.set_clock("2027-01-01T20:00:00Z");
    house.run().await;
    // In Kolkata it is the 2nd already, so the 3rd is the first day, and Tuesday the 5th the first date.
    assert_eq!(house.purchase("pay_1").await.start_date.unwrap().to_string(), "2027-01-03");
    assert_eq!(house.dates("pay_1").await, ["01-05", "01-07", "01-12", "01-14", "01-19", "01-21"]);
    house.nothing_is_left_over(&[]).await;
}

/// A daily job that counts how often it is done.
struct Counted(Arc<dyn DailyJob>, AtomicUsize);

#[async_trait]
impl DailyJob for Counted {
    async fn run(&self, platform: &Platform, as_of: Timestamp, keep: &dyn Keep) -> Result<(), CommitError> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.run(platform, as_of, keep).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_clock_was_set_back_the_daily_job_is_done_once_and_not_at_every_look() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    house.pay(&[payment("pay_1", json!({}))]).await;
    house.run().await;
    house.set_clock(DAY_BEFORE);
    let usual = house.work(&WorkerKind::ALL);
    let job = Arc::new(Counted(usual.daily.unwrap(), AtomicUsize::new(0)));
    let work = Work { workers: usual.workers, daily: Some(job.clone()), until_idle: false, ..house.work(&[]) };
    let (stop, stats) = (Stop::new(), Arc::new(Stats::default()));
    let looks = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        stop.request();
    };
    let (ran, ()) = tokio::join!(engine::run(&house.platform, work, &house.policy, &stop, &stats), looks);
    ran.unwrap();
    assert_eq!(job.1.load(Ordering::SeqCst), 1);
    house.nothing_is_left_over(&[]).await;
}
