//! How everything stands, at a glance: what waits for a person, what the workers do, how the last days went.
//!
//! It is looked once for all who want to know, and no more often than costs little: of whatever takes long no look begins
//! before a hundred times as long has passed since the last.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use caravan_domain::event::Topic;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use tokio::sync::{Mutex as Turn, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::warn;

use crate::engine::Stop;
use crate::lag::lags;
use crate::life::conflicts::{Conflict, conflicts_of_and_with};
use crate::platform::rows::{LetterGroup, OutboxDepth, Standings, WaitingWork};
use crate::platform::{Platform, PlatformError};
use crate::workers::WorkerKind;

/// Days that are shown, today among them.
pub const DAYS: usize = 14;
/// Conflicts that are kept with all that is known of them, the earliest first.
pub const CONFLICTS_KEPT: usize = 500;
/// How old a look may be.
const FRESH: Duration = Duration::from_millis(400);
/// How long whoever begins to look for conflicts waits for them, before what was found last is shown.
const CONFLICTS_WAIT: Duration = Duration::from_millis(100);
/// How long the log may take to say how far it goes.
const LOG_WAIT: Duration = Duration::from_secs(1);
/// How long it is waited for a change, at the most.
const CHANGE_WAIT: Duration = Duration::from_secs(5);
/// The pause after nothing could be read.
const PAUSE: Duration = Duration::from_secs(1);
/// A look that took so long is followed by a pause this many times as long.
const PAUSES: u32 = 100;
/// Over how long rates are taken.
const RATE_OVER: Duration = Duration::from_secs(60);
/// Trainers whose conflicts are looked for at once.
const TRAINERS_AT_ONCE: usize = 50;

/// How much waits for a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// What the store has of it.
    pub work: WaitingWork,
    /// Sessions to come that contradict the roster or the closures; `None` until they were looked for.
    pub conflicts: Option<u64>,
}

/// A day, and what became of what was paid on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// In the business's zone.
    pub date: Date,
    /// The purchases recorded on it, as they stand now.
    pub standings: Standings,
}

/// What a worker does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage {
    /// Which.
    pub worker: WorkerKind,
    /// Records it has still to handle.
    pub lag: u64,
    /// Records it has handled a minute, over the last one.
    pub per_minute: f64,
    /// Records it has set aside that wait.
    pub dead_letters: u64,
    /// Whether it can't go on from where it was.
    pub is_lost: bool,
}

/// How everything stood at some moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// When.
    pub at: Timestamp,
    /// What waits for a person.
    pub counts: Counts,
    /// The last days, today last.
    pub days: Vec<Day>,
    /// The workers, in the order of the way; why nothing can be said of them, if the log does not answer.
    pub stages: Result<Vec<Stage>, String>,
    /// Events not published yet.
    pub outbox: u64,
}

/// Sessions to come that contradict the roster.
#[derive(Clone, Debug, Default)]
pub struct Conflicts {
    /// When it was looked for them; `None` if never.
    pub at: Option<Timestamp>,
    /// How many there are.
    pub number: u64,
    /// The earliest of them.
    pub kept: Vec<Conflict>,
}

/// Something that was read, and when it may be read again.
struct Paced<T> {
    value: T,
    again: Instant,
}

impl<T> Paced<T> {
    fn read(value: T, began: Instant) -> Self {
        let took = began.elapsed();
        Self { value, again: Instant::now() + (took * PAUSES).max(FRESH) }
    }

    fn is_due(&self) -> bool {
        Instant::now() >= self.again
    }
}

/// What was read last.
#[derive(Default)]
struct Seen {
    look: Option<(Instant, Arc<Look>)>,
    days: Option<Paced<Vec<Day>>>,
    conflicts: Option<Paced<Arc<Conflicts>>>,
    /// The look for conflicts that is under way.
    looking: Option<JoinHandle<Result<Paced<Arc<Conflicts>>, PlatformError>>>,
    /// What the workers had handled, and when; the oldest first.
    handled: VecDeque<(Instant, BTreeMap<&'static str, u64>)>,
}

impl Seen {
    /// The last look, if it is not too old.
    fn fresh(&self) -> Option<&Arc<Look>> {
        self.look.as_ref().filter(|(at, _)| at.elapsed() < FRESH).map(|(_, look)| look)
    }
}

/// Looks for all who want to know.
pub struct Watch {
    inner: Arc<Inner>,
}

struct Inner {
    platform: Platform,
    zone: TimeZone,
    stop: Stop,
    seen: Turn<Seen>,
    /// Those who follow.
    followed: Mutex<Weak<watch::Sender<Option<Arc<Look>>>>>,
}

impl Watch {
    /// Looks at this platform; days begin as they do in `zone`.
    pub fn of(platform: Platform, zone: TimeZone, stop: Stop) -> Self {
        Self { inner: Arc::new(Inner { platform, zone, stop, seen: Turn::default(), followed: Mutex::default() }) }
    }

    /// How everything stands, a moment old at most.
    ///
    /// # Errors
    /// If that can't be read.
    pub async fn look(&self) -> Result<Arc<Look>, PlatformError> {
        self.inner.look().await
    }

    /// How much waits for a person. It asks the store alone: pages show it though the log is away.
    ///
    /// # Errors
    /// If that can't be read.
    pub async fn counts(&self) -> Result<Counts, PlatformError> {
        let mut seen = self.inner.seen.lock().await;
        if let Some(look) = seen.fresh() {
            return Ok(look.counts);
        }
        let conflicts = self.inner.conflicts(&mut seen).await?;
        Ok(counts(self.inner.platform.store.waiting_work().await?, &conflicts))
    }

    /// What contradicts the roster; as it was found last, where looking takes long.
    ///
    /// # Errors
    /// If it can't be read.
    pub async fn conflicts(&self) -> Result<Arc<Conflicts>, PlatformError> {
        let mut seen = self.inner.seen.lock().await;
        self.inner.conflicts(&mut seen).await
    }

    /// Follows how everything stands, as it changes. It is looked as long as somebody follows.
    pub fn follow(&self) -> watch::Receiver<Option<Arc<Look>>> {
        let mut followed = self.inner.followed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = followed.upgrade() {
            return sender.subscribe();
        }
        let (sender, receiver) = watch::channel(None);
        let sender = Arc::new(sender);
        *followed = Arc::downgrade(&sender);
        tokio::spawn(Arc::clone(&self.inner).keep_looking(sender));
        receiver
    }
}

impl Inner {
    async fn keep_looking(self: Arc<Self>, sender: Arc<watch::Sender<Option<Arc<Look>>>>) {
        let mut is_blind = false;
        while sender.receiver_count() > 0 && !self.stop.is_requested() {
            let changes = self.platform.store.changes().await;
            match self.look().await {
                Ok(look) => {
                    is_blind = false;
                    sender.send_replace(Some(look));
                }
                Err(problem) => {
                    if !std::mem::replace(&mut is_blind, true) {
                        warn!(%problem, "the dashboard can't see how everything stands; trying again until it does");
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
            tokio::time::sleep(FRESH).await;
            tokio::select! {
                () = self.platform.store.changed_since(changes, CHANGE_WAIT) => {}
                () = self.stop.requested() => {}
            }
        }
    }

    async fn look(&self) -> Result<Arc<Look>, PlatformError> {
        let mut seen = self.seen.lock().await;
        if let Some(look) = seen.fresh() {
            return Ok(Arc::clone(look));
        }
        let now = self.platform.clock.now();
        let store = &self.platform.store;
        let (work, letters, outbox) =
            tokio::try_join!(store.waiting_work(), store.dead_letters_waiting(), store.outbox_depths())?;
        let stages = self.stages(&mut seen, &letters).await;
        let days = self.days(&mut seen, now).await?;
        let conflicts = self.conflicts(&mut seen).await?;
        let counts = counts(work, &conflicts);
        let look = Arc::new(Look { at: now, counts, days, stages, outbox: waiting(&outbox) });
        seen.look = Some((Instant::now(), Arc::clone(&look)));
        Ok(look)
    }

    async fn stages(&self, seen: &mut Seen, letters: &[LetterGroup]) -> Result<Vec<Stage>, String> {
        let lags = match timeout(LOG_WAIT, lags(&self.platform)).await {
            Ok(lags) => lags.map_err(|problem| problem.to_string())?,
            Err(_) => return Err(format!("no answer in {} s", LOG_WAIT.as_secs())),
        };
        let of = |worker: WorkerKind| lags.iter().filter(move |lag| lag.worker == worker);
        let handled = |worker| of(worker).map(|lag| lag.committed.unwrap_or(lag.start)).sum();
        let totals = WorkerKind::ALL.map(|worker| (worker.spec().name, handled(worker))).into_iter().collect();
        note(&mut seen.handled, totals);
        let stage = |worker: WorkerKind| Stage {
            worker,
            lag: of(worker).map(|lag| lag.records()).sum(),
            per_minute: per_minute(&seen.handled, worker.spec().name),
            dead_letters: set_aside(letters, worker.spec().topics),
            is_lost: of(worker).any(|lag| lag.lost.is_some()),
        };
        Ok(WorkerKind::ALL.into_iter().map(stage).collect())
    }

    async fn days(&self, seen: &mut Seen, now: Timestamp) -> Result<Vec<Day>, PlatformError> {
        let today = now.to_zoned(self.zone.clone()).date();
        let is_todays = |days: &[Day]| days.last().is_some_and(|day| day.date == today);
        if let Some(days) = seen.days.as_ref().filter(|days| !days.is_due() && is_todays(&days.value)) {
            return Ok(days.value.clone());
        }
        let began = Instant::now();
        let dates: Vec<Date> = (0..DAYS).rev().map(|ago| today.saturating_sub((ago as i64).days())).collect();
        let midnight = |date: Date| date.to_zoned(self.zone.clone()).map_or(now, |midnight| midnight.timestamp());
        let ends = dates.last().map(|last| midnight(last.saturating_add(1.day())));
        let bounds: Vec<Timestamp> = dates.iter().map(|date| midnight(*date)).chain(ends).collect();
        let recorded = self.platform.store.recorded(&bounds).await?;
        let days: Vec<Day> = dates.into_iter().zip(recorded).map(|(date, standings)| Day { date, standings }).collect();
        seen.days = Some(Paced::read(days.clone(), began));
        Ok(days)
    }

    /// As they were found last: looking again goes on beside, where it takes long.
    async fn conflicts(&self, seen: &mut Seen) -> Result<Arc<Conflicts>, PlatformError> {
        if seen.conflicts.as_ref().is_none_or(Paced::is_due) {
            let wait = if seen.looking.is_some() { Duration::ZERO } else { CONFLICTS_WAIT };
            let looking = seen.looking.get_or_insert_with(|| tokio::spawn(look_for_conflicts(self.platform.clone())));
            if let Ok(ended) = timeout(wait, looking).await {
                seen.looking = None;
                let found = ended.unwrap_or_else(|stopped| Err(PlatformError::Broken(stopped.to_string())));
                seen.conflicts = Some(found?);
            }
        }
        Ok(seen.conflicts.as_ref().map(|found| Arc::clone(&found.value)).unwrap_or_default())
    }
}

async fn look_for_conflicts(platform: Platform) -> Result<Paced<Arc<Conflicts>>, PlatformError> {
    let began = Instant::now();
    let found = all_conflicts(&platform).await?;
    Ok(Paced::read(Arc::new(found), began))
}

async fn all_conflicts(platform: &Platform) -> Result<Conflicts, PlatformError> {
    let mut all = Conflicts { at: Some(platform.clock.now()), ..Conflicts::default() };
    let closures = platform.store.closures().await?;
    let mut after: Option<String> = None;
    loop {
        let page = platform.store.list_trainers(after.as_deref(), TRAINERS_AT_ONCE).await?;
        let ids: Vec<String> = page.into_iter().map(|(trainer, _)| trainer.trainer_id).collect();
        let Some(last) = ids.last() else { return Ok(all) };
        after = Some(last.clone());
        let found = conflicts_of_and_with(platform, &ids, &closures).await.map_err(|problem| match problem {
            crate::life::ChangeError::Platform(problem) => problem,
            other => PlatformError::Broken(other.to_string()),
        })?;
        all.number += found.len() as u64;
        all.kept.extend(found);
        all.kept.sort_by_key(|conflict| (conflict.starts_at, conflict.session_id));
        all.kept.truncate(CONFLICTS_KEPT);
    }
}

fn counts(work: WaitingWork, conflicts: &Conflicts) -> Counts {
    Counts { work, conflicts: conflicts.at.map(|_| conflicts.number) }
}

fn waiting(outbox: &[OutboxDepth]) -> u64 {
    outbox.iter().map(|depth| depth.rows).sum()
}

fn set_aside(letters: &[LetterGroup], topics: &[Topic]) -> u64 {
    letters.iter().filter(|group| topics.contains(&group.topic)).map(|group| group.letters).sum()
}

/// Notes what was handled by now, and forgets what is longer ago than rates are taken over.
fn note(handled: &mut VecDeque<(Instant, BTreeMap<&'static str, u64>)>, totals: BTreeMap<&'static str, u64>) {
    let now = Instant::now();
    handled.push_back((now, totals));
    while handled.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= RATE_OVER) {
        handled.pop_front();
    }
}

/// Records a minute, from the first that is known to the last.
fn per_minute(handled: &VecDeque<(Instant, BTreeMap<&'static str, u64>)>, worker: &str) -> f64 {
    let (Some((began, first)), Some((ended, last))) = (handled.front(), handled.back()) else { return 0.0 };
    let of = |totals: &BTreeMap<&'static str, u64>| totals.get(worker).copied().unwrap_or(0);
    let seconds = ended.duration_since(*began).as_secs_f64();
    if seconds == 0.0 { 0.0 } else { of(last).saturating_sub(of(first)) as f64 * 60.0 / seconds }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_what_was_handled_over_the_last_minute() {
        let began = Instant::now();
        let at = |seconds: u64, total: u64| (began + Duration::from_secs(seconds), BTreeMap::from([("w", total)]));
        for (handled, rate) in [
            (vec![], 0.0),
            (vec![at(0, 100)], 0.0),
            (vec![at(0, 100), at(30, 160)], 120.0),
            (vec![at(0, 100), at(30, 160), at(60, 160)], 60.0),
            // A topic that was made anew begins again.
            (vec![at(0, 100), at(60, 0)], 0.0),
        ] {
            assert_eq!(per_minute(&handled.into_iter().collect(), "w"), rate);
        }
        assert_eq!(per_minute(&[at(0, 1), at(1, 2)].into_iter().collect(), "another"), 0.0);
    }

    #[test]
    fn what_takes_long_is_not_read_again_before_a_hundred_times_as_long() {
        let quick = Paced::read((), Instant::now());
        assert!(!quick.is_due() && quick.again <= Instant::now() + FRESH);
        let began = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
        assert!(Paced::read((), began).again >= Instant::now() + Duration::from_secs(99));
    }
}
