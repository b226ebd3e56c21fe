//! The cron: reserves plans without an end further ahead, extends every window that is due, and marks what is over.

use async_trait::async_trait;
use caravan_domain::window::today;
use jiff::Timestamp;
use tracing::{error, info};

use super::{prolonging, window};
use crate::engine::cron::{ByHand, DailyJob, Keep};
use crate::engine::worker::{Outcome, WorkError};
use crate::engine::{self, Policy};
use crate::platform::rows::Purchase;
use crate::platform::transaction::{CommitError, Effects, Transaction};
use crate::platform::{Platform, PlatformError};

/// How many purchases are extended in one transaction.
const BATCH: usize = 500;

/// The daily job.
pub struct ExtendWindows {
    window_days: u16,
}

impl ExtendWindows {
    /// By this policy.
    pub fn new(policy: &Policy) -> Self {
        Self { window_days: policy.window_days }
    }

    /// Keeps plans that run until they are cancelled reserved ahead; returns how many got sessions or dates to skip.
    async fn prolong_all(&self, platform: &Platform, as_of: Timestamp, keep: &dyn Keep) -> Result<usize, CommitError> {
        let (mut after, mut prolonged, mut limit) = (None, 0, BATCH);
        let target = window::Target { today: today(as_of), window_days: self.window_days };
        loop {
            let page = platform.store.subscriptions(after, limit).await?;
            let Some(last) = page.last().map(|purchase| purchase.id) else { return Ok(prolonged) };
            let epoch = platform.store.epoch().await?;
            let outcome =
                prolonging::decide(&page, target, &*platform.store, platform.clock.now()).await.map_err(broken)?;
            let found = outcome.effects.prolonged.len();
            let written = match found {
                0 => Ok(()),
                _ => engine::commit(platform, outcome, epoch).await,
            };
            match written {
                Ok(()) => {
                    prolonged += found;
                    (after, limit) = (Some(last), BATCH);
                }
                // Somebody else changed one of them, or took a trainer's time: it is decided anew, with fewer to lose over.
                Err(CommitError::Conflict { .. }) => limit = (page.len() / 2).max(1),
                Err(CommitError::Refused(_)) if page.len() > 1 => limit = page.len() / 2,
                Err(CommitError::Refused(why)) => {
                    error!(purchase = %last, "[Cron] it can't be reserved further ahead: {why}");
                    after = Some(last);
                }
                Err(error) => return Err(error),
            }
            keep.keep().await?;
        }
    }

    /// Extends the windows that are due as of then; returns how many purchases that were.
    async fn extend_all(&self, platform: &Platform, as_of: Timestamp, keep: &dyn Keep) -> Result<usize, CommitError> {
        let (mut after, mut extended, mut limit) = (None, 0, BATCH);
        let target = window::Target { today: today(as_of), window_days: self.window_days };
        loop {
            let due = platform.store.windows_due(target.today, target.window_days, after, limit).await?;
            let Some(last) = due.last().map(|purchase| purchase.id) else { return Ok(extended) };
            let epoch = platform.store.epoch().await?;
            let outcome = extensions(&due, target, platform.clock.now()).map_err(broken)?;
            let windows = outcome.effects.windows.len();
            match engine::commit(platform, outcome, epoch).await {
                Ok(()) => {
                    extended += windows;
                    (after, limit) = (Some(last), BATCH);
                }
                // Whoever else extended one of them meanwhile did the same: what is left is looked up anew.
                Err(CommitError::Conflict { .. }) => after = None,
                // One that can't be written holds no other up: it is found, told and left out.
                Err(CommitError::Refused(_)) if due.len() > 1 => limit = due.len() / 2,
                Err(CommitError::Refused(why)) => {
                    error!(purchase = %last, "[Cron] its window can't be extended: {why}");
                    after = Some(last);
                }
                Err(error) => return Err(error),
            }
            keep.keep().await?;
        }
    }

    /// Marks the sessions that are over, until there are none left to mark; returns how many.
    async fn complete_all(&self, platform: &Platform, as_of: Timestamp, keep: &dyn Keep) -> Result<u64, CommitError> {
        let mut completed = 0;
        loop {
            let ended = platform.store.ended_sessions(as_of).await?;
            if ended == 0 {
                return Ok(completed);
            }
            let effects = Effects { completed_as_of: Some(as_of), ..Effects::default() };
            platform.store.commit(&Transaction { effects, ..Transaction::default() }).await?;
            completed += ended;
            keep.keep().await?;
        }
    }

    /// All of it, as if now were `as_of`.
    async fn work(&self, platform: &Platform, as_of: Timestamp, keep: &dyn Keep) -> Result<Done, CommitError> {
        // First, so that what is to stand in the calendar is reserved by then.
        let prolonged = self.prolong_all(platform, as_of, keep).await?;
        let extended = self.extend_all(platform, as_of, keep).await?;
        let completed = self.complete_all(platform, as_of, keep).await?;
        // A day that passed moves the first bookable date of those who wait: they may fit now.
        let effects = Effects { look_again: true, ..Effects::default() };
        platform.store.commit(&Transaction { effects, ..Transaction::default() }).await?;
        info!(purchases = extended, prolonged, completed, as_of = %as_of, "[Cron] extended windows");
        Ok(Done { extended, prolonged, completed })
    }
}

/// What a run of the cron has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Purchases that got sessions.
    pub extended: usize,
    /// Plans without an end that were reserved further ahead.
    pub prolonged: usize,
    /// Sessions that were over and are marked so.
    pub completed: u64,
}

#[async_trait]
impl DailyJob for ExtendWindows {
    async fn run(&self, platform: &Platform, as_of: Timestamp, keep: &dyn Keep) -> Result<(), CommitError> {
        self.work(platform, as_of, keep).await.map(drop)
    }
}

/// The cron once, by hand, as if now were `as_of`.
///
/// # Errors
/// The store's; what was done before it stays done, and repeating is safe.
pub async fn run_once(platform: &Platform, policy: &Policy, as_of: Timestamp) -> Result<Done, CommitError> {
    ExtendWindows::new(policy).work(platform, as_of, &ByHand).await
}

/// The cron once, by hand, as of now, in place of the one that is due.
///
/// # Errors
/// As of [`run_once`].
pub async fn run_now(platform: &Platform, policy: &Policy) -> Result<Done, CommitError> {
    let now = platform.clock.now();
    let done = run_once(platform, policy, now).await?;
    let effects = Effects { cron_done: Some(now), ..Effects::default() };
    platform.store.commit(&Transaction { effects, ..Transaction::default() }).await?;
    Ok(done)
}

/// What extends the windows of these purchases.
fn extensions(due: &[Purchase], target: window::Target, now: Timestamp) -> Result<Outcome, WorkError> {
    let mut outcome = Outcome::default();
    for purchase in due {
        let Some(allocation) = &purchase.allocation else { continue };
        window::extend(&mut outcome, purchase, allocation, target, now, None)?;
    }
    Ok(outcome)
}

fn broken(error: WorkError) -> CommitError {
    match error {
        WorkError::Platform(error) => error.into(),
        WorkError::Failed(why) => PlatformError::Broken(why).into(),
    }
}
