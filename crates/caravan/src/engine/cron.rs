//! The daily job: when it is due, and that one instance at a time does it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::select;
use jiff::{SignedDuration, Timestamp};
use tracing::{info, warn};

use super::backoff::Backoff;
use super::{Policy, RunError, Stats, Stop};
use crate::platform::transaction::{CommitError, Effects, Transaction};
use crate::platform::{Platform, PlatformError};

/// The lease's name.
const LEASE: &str = "cron";
/// How long an instance that died holds up the others.
const LEASE_TTL: Duration = Duration::from_secs(120);
/// How often the clock is looked at: a clock that is set, or a machine that slept, is noticed.
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// What is to be done daily.
#[async_trait]
pub trait DailyJob: Send + Sync {
    /// Does it, as if now were `as_of`; safe to repeat at any time. `keep` renews the lease
    /// and is called between batches.
    async fn run(&self, platform: &Platform, as_of: Timestamp, keep: &dyn Keep) -> Result<(), CommitError>;
}

/// Keeps a lease while a long job goes on.
#[async_trait]
pub trait Keep: Send + Sync {
    /// Renews it; an error if it was lost.
    async fn keep(&self) -> Result<(), PlatformError>;
}

/// Needs no lease: a person runs the job by hand beside whatever else runs.
pub struct ByHand;

#[async_trait]
impl Keep for ByHand {
    async fn keep(&self) -> Result<(), PlatformError> {
        Ok(())
    }
}

/// Set once the job has been found done for today.
#[derive(Clone, Debug, Default)]
pub(crate) struct CaughtUp(Arc<AtomicBool>);

impl CaughtUp {
    pub(crate) fn note(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_noted(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// When the job runs: five crontab fields, in UTC.
#[derive(Debug)]
pub struct Schedule(cronexpr::Crontab);

impl Schedule {
    /// Reads the five fields, such as `0 2 * * *`.
    ///
    /// # Errors
    /// Says what is wrong with them.
    pub fn parse(fields: &str) -> Result<Self, String> {
        let wrong = |why: &dyn std::fmt::Display| {
            format!(
                "cron {fields:?} is not a schedule of five fields, such as \"0 2 * * *\" (minute hour day month weekday, UTC): {why}"
            )
        };
        if fields.split_whitespace().count() != 5 {
            return Err(wrong(&"it has another number of fields"));
        }
        cronexpr::parse_crontab(&format!("{fields} UTC")).map(Self).map_err(|error| wrong(&error))
    }

    /// Whether a run is due at `now`, the last one having been done as of `last`. A last run in
    /// the future (the clock was set back) counts as none: repeating is harmless, waiting is not.
    pub fn is_due(&self, last: Option<Timestamp>, now: Timestamp) -> bool {
        match last {
            Some(last) if last <= now => self.next_after(last).is_some_and(|next| next <= now),
            _ => true,
        }
    }

    /// How long the first run that was missed since `last` is overdue at `now`; zero if none was. Before the first run of
    /// all, and after a clock was set back, nothing is known to be missed: the job is due at once.
    pub fn overdue(&self, last: Option<Timestamp>, now: Timestamp) -> SignedDuration {
        let missed = last.filter(|last| *last <= now).and_then(|last| self.next_after(last));
        missed.map_or(SignedDuration::ZERO, |due| now.duration_since(due).max(SignedDuration::ZERO))
    }

    /// The next due time after `after`; `None` if there is none.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let next = self.0.find_next(after.to_string().as_str()).ok()?;
        Some(next.timestamp())
    }
}

/// The cron of one process.
pub(crate) struct Cron {
    pub(crate) platform: Platform,
    pub(crate) job: Arc<dyn DailyJob>,
    pub(crate) policy: Policy,
    pub(crate) instance: String,
    pub(crate) stats: Arc<Stats>,
}

impl Cron {
    /// Does the job whenever it is due, and at once if a run was missed, until stopped.
    pub(crate) async fn run(self, stop: Stop, caught_up: CaughtUp) -> Result<(), RunError> {
        let mut done_here = None;
        let schedule = Schedule::parse(&self.policy.cron).map_err(RunError::Broken)?;
        let mut backoff = Backoff::new(&self.policy, 2_000);
        while !stop.is_requested() {
            match self.run_if_due(&schedule, &mut done_here).await {
                Ok(true) => {
                    backoff.reset();
                    caught_up.note();
                    select(self.platform.clock.sleep(LOOK_EVERY), std::pin::pin!(stop.requested())).await;
                }
                Ok(false) => {
                    let _ = backoff.pause(&self.platform, &stop, "another instance runs the cron", "cron").await;
                }
                Err(CommitError::Platform(PlatformError::Broken(problem))) => return Err(RunError::Broken(problem)),
                Err(problem) => {
                    let _ = backoff.pause(&self.platform, &stop, &problem.to_string(), "cron").await;
                }
            }
        }
        Ok(())
    }

    /// Returns whether the job is done for now; false if another instance is at it. `done_here`
    /// is when this process did it last.
    async fn run_if_due(&self, schedule: &Schedule, done_here: &mut Option<Timestamp>) -> Result<bool, CommitError> {
        let now = self.platform.clock.now();
        let stored = self.platform.store.cron_last().await?;
        // A stored run in the future stays there until its time comes again; once is enough meanwhile.
        let last = if stored > Some(now) { done_here.or(stored) } else { stored };
        if !schedule.is_due(last, now) {
            return Ok(true);
        }
        if !self.platform.store.lease(LEASE, &self.instance, now, LEASE_TTL).await? {
            return Ok(false);
        }
        let done = self.run_leased(schedule, now).await;
        if let Err(problem) = self.platform.store.release(LEASE, &self.instance).await {
            warn!(%problem, "could not give the cron's lease back; it ends by itself");
        }
        done.map(|()| {
            *done_here = Some(now);
            true
        })
    }

    async fn run_leased(&self, schedule: &Schedule, now: Timestamp) -> Result<(), CommitError> {
        // Another instance may have finished it between the look and the lease.
        if !schedule.is_due(self.platform.store.cron_last().await?, now) {
            return Ok(());
        }
        self.job.run(&self.platform, now, self).await?;
        // Before the commit, which wakes them all.
        self.stats.disturb();
        let effects = Effects { cron_done: Some(now), ..Effects::default() };
        self.platform.store.commit(&Transaction { effects, ..Transaction::default() }).await?;
        let next = schedule.next_after(now).map(|next| next.to_string());
        info!(next, "[Cron] done");
        Ok(())
    }
}

#[async_trait]
impl Keep for Cron {
    async fn keep(&self) -> Result<(), PlatformError> {
        let now = self.platform.clock.now();
        match self.platform.store.lease(LEASE, &self.instance, now, LEASE_TTL).await? {
            true => Ok(()),
            false => Err(PlatformError::Environment("the cron's lease went to another instance".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_due_once_a_day_and_after_an_outage_and_after_the_clock_was_set_back() {
        let schedule = Schedule::parse("0 2 * * *").unwrap();
        for (last, now, due) in [
            (None, "2026-11-23T10:00:00Z", true),
            (Some("2026-11-23T02:00:01Z"), "2026-11-23T10:00:00Z", false),
            (Some("2026-11-23T02:00:01Z"), "2026-11-24T01:59:59Z", false),
            (Some("2026-11-23T02:00:01Z"), "2026-11-24T02:00:00Z", true),
            (Some("2026-11-10T02:00:01Z"), "2026-11-24T01:00:00Z", true),
            (Some("2026-11-24T02:00:01Z"), "2026-11-23T12:00:00Z", true),
        ] {
            let last = last.map(|text: &str| text.parse().unwrap());
            assert_eq!(schedule.is_due(last, now.parse().unwrap()), due, "{last:?} {now}");
        }
    }

    #[test]
    fn a_run_is_overdue_since_the_first_one_that_was_missed() {
        let schedule = Schedule::parse("0 2 * * *").unwrap();
        for (last, now, seconds) in [
            (None, "2026-11-23T10:00:00Z", 0),
            (Some("2026-11-23T02:00:01Z"), "2026-11-24T01:59:59Z", 0),
            (Some("2026-11-23T02:00:01Z"), "2026-11-24T02:00:00Z", 0),
            (Some("2026-11-23T02:00:01Z"), "2026-11-24T03:00:05Z", 3_605),
            (Some("2026-11-21T02:00:01Z"), "2026-11-24T02:00:00Z", 2 * 24 * 3_600),
            (Some("2026-11-24T02:00:01Z"), "2026-11-23T12:00:00Z", 0),
        ] {
            let last = last.map(|text: &str| text.parse().unwrap());
            let overdue = schedule.overdue(last, now.parse().unwrap());
            assert_eq!(overdue.as_secs(), seconds, "{last:?} {now}");
        }
    }

    #[test]
    fn a_schedule_that_is_none_is_refused_with_an_example() {
        for fields in ["", "0 2 * *", "61 2 * * *", "0 2 * * * UTC"] {
            assert!(Schedule::parse(fields).unwrap_err().contains("0 2 * * *"), "{fields}");
        }
    }
}
