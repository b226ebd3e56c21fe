//! Changing one session by hand: another time or trainer, calling it off, noting that it was held or missed.

use caravan_domain::allocation::JudgedTrainer;
use caravan_domain::plan::{Occurrence, SLOT_MARK_MINUTES, Schedule};
use caravan_domain::session::{MAKEUP_WEEKS_MAX, SessionRule, SessionState, SessionStatus, Standing, makeup};
use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::places::{self, Learner, Teacher};
use super::{ChangeError, commit, known, under_way};
use crate::engine::worker::Outcome;
use crate::platform::rows::{Allocation, Purchase, Session, TrainerRow};
use crate::platform::transaction::PlanExtension;
use crate::platform::{Platform, PlatformError};
use crate::workers::changing::{self, Order, Wanted, Wish};
use crate::workers::window::{schedule, sessions_of};

/// When a session is to take place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// An instant.
    At(Timestamp),
    /// A wall-clock time in the student's zone.
    Local(DateTime),
}

/// What is to become of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// It takes place at another time, or with another trainer.
    Move {
        /// When; at its own time without one.
        to: Option<When>,
        /// Who teaches; who teaches it now without one.
        trainer_id: Option<String>,
    },
    /// It is not held.
    Cancel {
        /// Whether another one is added at the end of the plan instead.
        makeup: bool,
    },
    /// It was held.
    Complete,
    /// Its time passed, and it was not held.
    Missed,
}

impl Act {
    /// What it is called in the purchase's timeline.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Move { .. } => "session-moved",
            Self::Cancel { .. } => "session-cancelled",
            Self::Complete => "session-completed",
            Self::Missed => "session-missed",
        }
    }
}

/// What a person asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which session.
    pub session_id: Uuid,
    /// The purchase it is of, from who knows it: then it is looked for among the sessions of that one alone.
    pub purchase_id: Option<Uuid>,
    /// What of it.
    pub act: Act,
    /// The rules they decide against.
    pub overrides: Vec<SessionRule>,
    /// Who asks.
    pub actor: String,
    /// Why, in their words.
    pub reason: String,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// It stands so now.
    Now {
        /// How it stood.
        before: SessionState,
        /// How it stands.
        after: SessionState,
        /// The date and time of the session that was added instead.
        makeup: Option<(Date, Timestamp)>,
    },
    /// It stood so before: nothing changed.
    Before(SessionState),
}

/// Changes a session.
///
/// # Errors
/// [`ChangeError`]; then nothing has changed.
pub async fn change(platform: &Platform, request: &Request) -> Result<Done, ChangeError> {
    for attempt in 1.. {
        let session = asked_for(platform, request).await?.ok_or(ChangeError::UnknownSession(request.session_id))?;
        let purchase = under_way(platform, session.purchase_id).await?;
        let (outcome, done) = match decide(platform, request, purchase, &session).await? {
            Some(decided) => decided,
            None => return Ok(Done::Before(state_of(&session))),
        };
        if commit(platform, outcome, attempt).await? {
            return Ok(done);
        }
    }
    unreachable!("the last attempt returns")
}

async fn asked_for(platform: &Platform, request: &Request) -> Result<Option<Session>, PlatformError> {
    let Some(purchase_id) = request.purchase_id else { return platform.store.session(request.session_id).await };
    let sessions = platform.store.sessions_of(&[purchase_id]).await?;
    Ok(sessions.into_iter().find(|session| session.id == request.session_id))
}

fn state_of(session: &Session) -> SessionState {
    SessionState {
        trainer_id: session.trainer_id.clone(),
        starts_at: session.starts_at,
        ends_at: session.ends_at,
        status: session.status,
    }
}

/// What follows from the request now; `None` if the session stands so already.
async fn decide(
    platform: &Platform,
    request: &Request,
    mut purchase: Purchase,
    session: &Session,
) -> Result<Option<(Outcome, Done)>, ChangeError> {
    let now = platform.clock.now();
    let before = state_of(session);
    let Some(after) = wanted(request, &purchase, &before, now)? else { return Ok(None) };
    // The calendar knows what the cron has marked since.
    purchase.changed.insert(session.ordinal, before.clone());
    let allocation = purchase.allocation.clone().ok_or(ChangeError::NotUnderWay(purchase.id, purchase.status))?;
    let plan = schedule(&purchase, &allocation)?;
    let standing = sessions_of(&purchase)?.into_iter().find(|found| found.planned.ordinal == session.ordinal);
    let standing = standing.ok_or(ChangeError::UnknownSession(session.id))?;

    let mut ids = vec![before.trainer_id.clone(), after.trainer_id.clone(), allocation.trainer_id.clone()];
    ids.sort_unstable();
    ids.dedup();
    let rows = places::trainers(platform, &ids, now.min(before.starts_at)).await?;
    let asked = Question { platform, purchase: &purchase, plan: &plan, standing: &standing, rows: &rows, now };
    let mut wanted = Wanted { ordinal: session.ordinal, after: after.clone(), terms: None };
    let (mut extension, mut made_up, mut overrides) = (None, None, Vec::new());
    match request.act {
        Act::Move { .. } => {
            overrides = asked.moved(&after, &request.overrides).await?;
            wanted.terms = Some(JudgedTrainer::from(&asked.teacher(&after.trainer_id)?.row.trainer));
        }
        Act::Cancel { makeup: true } if purchase.confirmation.plan.is_subscription() => {
            return Err(ChangeError::Endless(purchase.id));
        }
        Act::Cancel { makeup: true } => {
            let (added, at) = asked.made_up(&allocation).await?;
            extension = Some((added, JudgedTrainer::from(&asked.teacher(&allocation.trainer_id)?.row.trainer)));
            made_up = Some((at.local_date, at.starts_at));
        }
        Act::Cancel { makeup: false } | Act::Complete | Act::Missed => {}
    }
    let wish = Wish { sessions: vec![wanted], extension };
    let order = Order {
        kind: request.act.kind(),
        actor: request.actor.clone(),
        reason: request.reason.clone(),
        overrides,
        at: now,
    };
    let mut outcome = Outcome::default();
    changing::change(&mut outcome, &purchase, &order, wish, &known(&rows))?;
    Ok(Some((outcome, Done::Now { before, after, makeup: made_up })))
}

/// How the session is to stand, if that is another way than it does; refused where it has to stand otherwise first.
fn wanted(
    request: &Request,
    purchase: &Purchase,
    before: &SessionState,
    now: Timestamp,
) -> Result<Option<SessionState>, ChangeError> {
    use SessionStatus::{Cancelled, Completed, Missed, Scheduled};
    let refused = |why| Err(ChangeError::NotSo { session: request.session_id, status: before.status, why });
    let has_begun = before.starts_at <= now;
    let becomes = |status| Ok(Some(SessionState { status, ..before.clone() }));
    match (&request.act, before.status) {
        (Act::Cancel { .. }, Cancelled) | (Act::Complete, Completed) | (Act::Missed, Missed) => Ok(None),
        (_, Cancelled) => refused("what was called off is not changed any more"),
        (Act::Move { .. } | Act::Cancel { .. }, _) if has_begun || before.status != Scheduled => {
            refused("it has begun or is over; note what became of it with `caravan sessions complete` or `missed`")
        }
        (Act::Complete | Act::Missed, _) if !has_begun => refused("it has not begun yet"),
        (Act::Complete, _) => becomes(Completed),
        (Act::Missed, _) => becomes(Missed),
        (Act::Cancel { .. }, _) => becomes(Cancelled),
        (Act::Move { to, trainer_id }, _) => {
            let starts_at = to.map_or(Ok(before.starts_at), |when| instant(when, purchase))?;
            let length = before.starts_at.duration_until(before.ends_at);
            let ends_at = starts_at.saturating_add(length).unwrap_or(starts_at);
            let trainer_id = trainer_id.clone().unwrap_or_else(|| before.trainer_id.clone());
            let after = SessionState { trainer_id, starts_at, ends_at, status: Scheduled };
            if after == *before {
                return Ok(None);
            }
            let mark = SignedDuration::from_mins(i64::from(SLOT_MARK_MINUTES)).as_secs();
            match starts_at {
                at if at <= now => Err(ChangeError::Past(at)),
                at if at.as_second() % mark != 0 || at.subsec_nanosecond() != 0 => Err(ChangeError::OffMark(at)),
                _ => Ok(Some(after)),
            }
        }
    }
}

fn instant(when: When, purchase: &Purchase) -> Result<Timestamp, ChangeError> {
    let local = match when {
        When::At(at) => return Ok(at),
        When::Local(local) => local,
    };
    let name = &purchase.confirmation.student.time_zone;
    let zone = caravan_domain::plan::zone_named(name)
        .ok_or_else(|| ChangeError::Unreadable(format!("purchase {}: unknown zone {name:?}", purchase.id)))?;
    let at = zone.to_ambiguous_timestamp(local).compatible();
    at.map_err(|_| ChangeError::Unreadable(format!("{local} is no time that can be told")))
}

/// What a session's change is judged by.
struct Question<'a> {
    platform: &'a Platform,
    purchase: &'a Purchase,
    plan: &'a Schedule,
    standing: &'a Standing,
    rows: &'a [TrainerRow],
    now: Timestamp,
}

impl Question<'_> {
    /// The rules it is moved against, all of which must have been named.
    async fn moved(&self, after: &SessionState, overrides: &[SessionRule]) -> Result<Vec<SessionRule>, ChangeError> {
        let moved = Standing { planned: self.standing.planned, state: after.clone(), changed: true };
        let teacher = self.teacher(&after.trainer_id)?;
        let broken = self.learner().await?.broken(&teacher, moved.occurrence(&self.plan.zone));
        let decided = |rule: &SessionRule| rule.can_be_overridden() && overrides.contains(rule);
        let left: Vec<SessionRule> = broken.iter().copied().filter(|rule| !decided(rule)).collect();
        if left.is_empty() { Ok(broken) } else { Err(ChangeError::Broken(left)) }
    }

    /// The session that is added at the end of the plan, and what that makes of the plan.
    async fn made_up(&self, allocation: &Allocation) -> Result<(PlanExtension, Occurrence), ChangeError> {
        let teacher = self.teacher(&allocation.trainer_id)?;
        let learner = self.learner().await?;
        let now = self.now;
        let fits = |at: &Occurrence| at.starts_at > now && learner.broken(&teacher, *at).is_empty();
        let found = makeup(self.plan, fits).ok_or(ChangeError::NoMakeup(MAKEUP_WEEKS_MAX))?;
        let (sessions, skipped) = (allocation.sessions + 1, found.skipped.into_iter().collect());
        Ok((PlanExtension { sessions, added: 1, skipped }, found.at))
    }

    async fn learner(&self) -> Result<Learner<'_>, ChangeError> {
        let around = self.now.min(self.standing.state.starts_at);
        let learner = Learner::read(self.platform, self.purchase, around).await?;
        Ok(learner.without(self.standing, &self.plan.zone))
    }

    fn teacher(&self, id: &str) -> Result<Teacher, ChangeError> {
        let row = self.rows.iter().find(|row| row.trainer.trainer_id == id);
        let row = row.ok_or_else(|| ChangeError::UnknownTrainer(id.to_owned()))?;
        Ok(Teacher::of(row.clone()).without(self.standing, &self.plan.zone))
    }
}
