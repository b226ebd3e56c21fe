//! What is looked up whenever numbers are asked for: how far behind everything is, and how much of it there is.

use std::time::Duration;

use caravan_domain::event::Topic;
use caravan_domain::purchase::PurchaseStatus;
use jiff::{SignedDuration, Timestamp};
use metrics::{describe_gauge, gauge};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::engine::Policy;
use crate::engine::cron::Schedule;
use crate::http::Options;
use crate::lag::lags;
use crate::platform::rows::UnfulfilledDepth;
use crate::platform::store::Store;
use crate::platform::{Platform, PlatformError};
use crate::stuck;
use crate::workers::WorkerKind;

/// Records a worker has still to handle, by worker, topic and partition.
const LAG: &str = "caravan_lag_records";
/// Unpublished rows of the outbox, by topic.
const OUTBOX_ROWS: &str = "caravan_outbox_rows";
/// Age of the oldest of them in seconds, by topic.
const OUTBOX_AGE: &str = "caravan_outbox_age_seconds";
/// 1 if lag and outbox could be read for this answer.
const LAG_UP: &str = "caravan_lag_up";
/// Purchases that are paid and not fulfilled, by status.
const UNFULFILLED: &str = "caravan_unfulfilled_purchases";
/// How long the oldest of them has waited for its next step, in seconds, by status.
const UNFULFILLED_AGE: &str = "caravan_oldest_unfulfilled_age_seconds";
/// How long the first run of the cron that was missed is overdue, in seconds.
const CRON_LATE: &str = "caravan_cron_late_seconds";
/// When the cron's last finished run was begun, in seconds since 1970; 0 before the first.
const CRON_LAST: &str = "caravan_cron_last_run_timestamp_seconds";
/// 1 if what is not fulfilled and the cron's last run could be read for this answer.
const UNFULFILLED_UP: &str = "caravan_unfulfilled_up";
/// Connections to the database, by pool and state.
const POOL: &str = "caravan_pool_connections";
/// How many there may be, by pool.
const POOL_MAX: &str = "caravan_pool_connections_max";

/// How long looking may take.
const LOOK_WAIT: Duration = Duration::from_secs(5);
/// How long what is not fulfilled counts as known: every purchase is looked at to know it.
const UNFULFILLED_KEPT: SignedDuration = SignedDuration::from_secs(10);
/// Where a purchase may stand that is paid and not fulfilled.
const UNFULFILLED_STATUSES: [PurchaseStatus; 4] =
    [PurchaseStatus::Created, PurchaseStatus::Waitlisted, PurchaseStatus::Allocated, PurchaseStatus::Scheduled];

/// Says what each number means, to the recorder that is installed.
pub(super) fn describe() {
    describe_gauge!(LAG, "Records a worker has still to handle, by worker, topic and partition.");
    describe_gauge!(OUTBOX_ROWS, "Events not published yet, by topic.");
    describe_gauge!(OUTBOX_AGE, "Age of the oldest event not published yet, in seconds, by topic.");
    describe_gauge!(LAG_UP, "1 if lag and outbox could be read for this answer.");
    describe_gauge!(UNFULFILLED, "Purchases that are paid and not fulfilled, by status.");
    describe_gauge!(
        UNFULFILLED_AGE,
        "How long the oldest of them has waited for its next step, in seconds, by status."
    );
    describe_gauge!(CRON_LATE, "How long the first run of the cron that was missed is overdue, in seconds.");
    describe_gauge!(CRON_LAST, "When the cron's last finished run was begun, in seconds since 1970.");
    describe_gauge!(
        UNFULFILLED_UP,
        "1 if what is not fulfilled and the cron's last run could be read for this answer."
    );
    describe_gauge!(POOL, "Connections to the database, by pool and state.");
    describe_gauge!(POOL_MAX, "How many connections to the database there may be, by pool.");
}

/// What was looked up, as far as it is kept.
#[derive(Default)]
pub(super) struct Looks {
    unfulfilled: Mutex<Kept>,
}

/// What was not fulfilled when it was last asked, and when that was.
#[derive(Default)]
struct Kept {
    asked_at: Option<Timestamp>,
    /// `None` if it could not be read.
    depths: Option<Vec<UnfulfilledDepth>>,
}

impl Kept {
    /// Whether it is old enough to be asked for again; a clock that was set back makes it so.
    fn is_outdated(&self, now: Timestamp) -> bool {
        self.asked_at.is_none_or(|at| at > now || now.duration_since(at) >= UNFULFILLED_KEPT)
    }
}

impl Looks {
    /// Notes how everything stands; of what can't be read in time, the last that could be stays.
    pub(super) async fn look(&self, platform: Option<&Platform>, options: &Options) {
        let (mut lag_up, mut unfulfilled_up) = (false, false);
        if let Some(platform) = platform {
            note_pools(&*platform.store);
            let behind = timeout(LOOK_WAIT, note_behind(platform, &options.workers));
            let unfulfilled = timeout(LOOK_WAIT, self.note_unfulfilled(platform, &options.policy));
            let (behind, unfulfilled) = tokio::join!(behind, unfulfilled);
            (lag_up, unfulfilled_up) = (matches!(behind, Ok(Ok(()))), matches!(unfulfilled, Ok(Ok(()))));
        }
        gauge!(LAG_UP).set(if lag_up { 1.0 } else { 0.0 });
        gauge!(UNFULFILLED_UP).set(if unfulfilled_up { 1.0 } else { 0.0 });
    }

    /// Notes the cron, and what waits for its next step.
    async fn note_unfulfilled(&self, platform: &Platform, policy: &Policy) -> Result<(), PlatformError> {
        let now = platform.clock.now();
        let schedule = Schedule::parse(&policy.cron).map_err(PlatformError::Broken)?;
        let last = platform.store.cron_last().await?;
        gauge!(CRON_LATE).set(schedule.overdue(last, now).as_secs_f64());
        gauge!(CRON_LAST).set(last.map_or(0.0, |last| last.as_duration().as_secs_f64()));
        let mut kept = self.unfulfilled.lock().await;
        if kept.is_outdated(now) {
            // Noted first: what takes too long is not asked for again at once.
            *kept = Kept { asked_at: Some(now), depths: None };
            kept.depths = Some(stuck::depths(platform, policy).await?);
        }
        let Some(depths) = &kept.depths else {
            return Err(PlatformError::Environment("it could not be read a moment ago".to_owned()));
        };
        for status in UNFULFILLED_STATUSES {
            let depth = depths.iter().find(|depth| depth.status == status);
            let purchases = depth.map_or(0, |depth| depth.purchases);
            gauge!(UNFULFILLED, "status" => status.name()).set(purchases as f64);
            gauge!(UNFULFILLED_AGE, "status" => status.name()).set(depth.map_or(0.0, |depth| age(depth.oldest, now)));
        }
        Ok(())
    }
}

/// Notes the lag of these workers, and the outbox.
async fn note_behind(platform: &Platform, workers: &[WorkerKind]) -> Result<(), PlatformError> {
    for lag in lags(platform).await?.into_iter().filter(|lag| workers.contains(&lag.worker)) {
        let (worker, topic, partition) = (lag.worker.spec().name, lag.topic.name(), lag.partition.to_string());
        gauge!(LAG, "worker" => worker, "topic" => topic, "partition" => partition).set(lag.records() as f64);
    }
    let depths = platform.store.outbox_depths().await?;
    let now = platform.clock.now();
    for topic in Topic::ALL {
        let depth = depths.iter().find(|depth| depth.topic == topic);
        gauge!(OUTBOX_ROWS, "topic" => topic.name()).set(depth.map_or(0, |depth| depth.rows) as f64);
        gauge!(OUTBOX_AGE, "topic" => topic.name()).set(depth.map_or(0.0, |depth| age(depth.oldest, now)));
    }
    Ok(())
}

/// Notes how the pools are used, which needs no connection.
fn note_pools(store: &dyn Store) {
    for used in store.pools() {
        gauge!(POOL, "pool" => used.pool, "state" => "idle").set(used.idle);
        gauge!(POOL, "pool" => used.pool, "state" => "in_use").set(used.in_use);
        gauge!(POOL_MAX, "pool" => used.pool).set(used.max);
    }
}

/// Seconds since then, of which a clock that was set back makes none.
fn age(since: Timestamp, now: Timestamp) -> f64 {
    now.duration_since(since).as_secs_f64().max(0.0)
}
