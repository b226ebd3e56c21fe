//! The audit that is begun from a page: one at a time, in the background. What the last one found stays to be seen.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::Site;
use crate::audit::{self, IDS_SHOWN_DEFAULT, Options, Progress, Report};
use crate::engine::Stop;
use crate::platform::PlatformError;
use crate::platform::clock::Clock;
use crate::platform::installation::Installation;

/// The audits of a process.
#[derive(Default)]
pub(super) struct Auditing(Mutex<Audits>);

/// What there is to tell of audits.
#[derive(Clone, Default)]
pub(super) struct Audits {
    pub(super) running: Option<Arc<Running>>,
    pub(super) last: Option<Arc<Ended>>,
}

/// An audit that is under way.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) since: Timestamp,
    /// Who has begun it.
    pub(super) by: String,
    step: Mutex<Step>,
}

/// How far an audit is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// What is looked at; nothing while the snapshot is taken.
    pub(super) name: Option<&'static str>,
    /// How much of it there is, roughly, and how much was looked at.
    pub(super) amount: u64,
    pub(super) done: u64,
}

/// An audit that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) since: Timestamp,
    pub(super) at: Timestamp,
    pub(super) by: String,
    /// What it found, or why it found nothing.
    pub(super) found: Result<Report, String>,
}

impl Running {
    /// How far it is.
    pub(super) fn step(&self) -> Step {
        *self.step.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Running {
    fn begin(&self, step: &'static str, amount: u64) {
        *self.step.lock().unwrap_or_else(PoisonError::into_inner) = Step { name: Some(step), amount, done: 0 };
    }

    fn advance(&self, amount: u64) {
        self.step.lock().unwrap_or_else(PoisonError::into_inner).done += amount;
    }
}

impl Auditing {
    /// The audit that is under way, and the last that has ended.
    pub(super) fn audits(&self) -> Audits {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Audits> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that an audit begins; none does while another is under way.
    fn claim(&self, by: &str, since: Timestamp) -> Option<Arc<Running>> {
        let mut audits = self.lock();
        if audits.running.is_some() {
            return None;
        }
        let running = Arc::new(Running { since, by: by.to_owned(), step: Mutex::default() });
        audits.running = Some(Arc::clone(&running));
        Some(running)
    }

    fn end(&self, running: &Running, at: Timestamp, found: Result<Report, String>) {
        let mut audits = self.lock();
        audits.running = None;
        audits.last = Some(Arc::new(Ended { since: running.since, at, by: running.by.clone(), found }));
    }
}

/// Begins an audit; `false` if one is under way already.
pub(super) fn begin(site: &Site, by: &str, installation: Arc<dyn Installation>, clock: Arc<dyn Clock>) -> bool {
    let now = clock.now();
    let Some(running) = site.auditing.claim(by, now) else { return false };
    let policy = &site.options.policy;
    let options = Options {
        window_days: policy.window_days,
        lead_days: policy.lead_days,
        max_skipped: policy.max_skipped,
        ids_shown: IDS_SHOWN_DEFAULT,
        now,
    };
    let (auditing, stop, progress) = (Arc::clone(&site.auditing), site.stop.clone(), Arc::clone(&running));
    let work = tokio::spawn(async move { report(&*installation, &options, &progress, &stop).await });
    tokio::spawn(async move {
        // Whatever becomes of it, the next one can begin.
        let found = work.await.unwrap_or_else(|lost| Err(lost.to_string()));
        auditing.end(&running, clock.now(), found);
    });
    true
}

async fn report(
    installation: &dyn Installation,
    options: &Options,
    progress: &Running,
    stop: &Stop,
) -> Result<Report, String> {
    let judged = async {
        let mut evidence = installation.snapshot().await?;
        let report = audit::run(evidence.as_mut(), options, progress).await;
        evidence.close().await;
        report
    };
    tokio::select! {
        report = judged => report.map_err(|problem: PlatformError| problem.to_string()),
        () = stop.requested() => Err("the process was stopped".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn one_audit_is_under_way_at_a_time_and_the_last_stays_to_be_seen() {
        let auditing = Auditing::default();
        let running = auditing.claim("asha", at("2026-12-01T10:00:00Z")).unwrap();
        assert!(auditing.claim("ravi", at("2026-12-01T10:00:01Z")).is_none());

        auditing.end(&running, at("2026-12-01T10:00:12Z"), Err("the database is away".to_owned()));
        let last = auditing.audits().last.unwrap();
        assert_eq!(
            (last.by.as_str(), last.found.as_ref().err().map(String::as_str)),
            ("asha", Some("the database is away"))
        );

        assert!(auditing.claim("ravi", at("2026-12-01T10:00:13Z")).is_some());
        let audits = auditing.audits();
        assert_eq!(audits.running.map(|running| running.by.clone()).as_deref(), Some("ravi"));
        assert_eq!(audits.last.map(|last| last.by.clone()).as_deref(), Some("asha"));
    }

    #[test]
    fn how_far_it_is_is_told_step_by_step() {
        let auditing = Auditing::default();
        let running = auditing.claim("asha", at("2026-12-01T10:00:00Z")).unwrap();
        assert_eq!(running.step(), Step::default());
        running.begin("records", 10);
        running.advance(4);
        running.advance(3);
        assert_eq!(running.step(), Step { name: Some("records"), amount: 10, done: 7 });
        running.begin("purchases", 5);
        assert_eq!(running.step(), Step { name: Some("purchases"), amount: 5, done: 0 });
    }
}
