//! A trainer is away: for each session that falls into it somebody stands in, else it moves within its week, else it is
//! made up for at the end of the plan, else it is left to a person as a conflict. The smallest change that can be made.

use caravan_domain::session::SessionState;
use caravan_domain::trainer::{DaysOff, Patch, Trainer, TrainerPatch};
use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

use super::{ChangeError, commit};
use crate::engine::worker::Outcome;
use crate::platform::Platform;
use crate::platform::transaction::CommitError;
use crate::roster::{Entry, ImportError, import_trainers};
use crate::workers::changing::{self, Order, Wish};

mod affected;
mod proposal;

/// What it is called in the timelines of the purchases it touches.
pub const KIND: &str = "trainer-leave";
/// How often it is looked at anew while workers change the same things.
const ROUNDS_MAX: u32 = 10;

/// What a person asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who is away.
    pub trainer_id: String,
    /// The first day, in their zone.
    pub from: Date,
    /// The last day; for good without one.
    pub until: Option<Date>,
    /// Who asks.
    pub actor: String,
    /// Why, in their words.
    pub reason: String,
}

impl Request {
    fn days(&self) -> DaysOff {
        DaysOff { from: self.from, until: self.until.unwrap_or(Date::constant(9999, 12, 31)) }
    }
}

/// What is proposed for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Somebody else teaches it, at its time.
    Substitute(SessionState),
    /// It is held at another time of the same week.
    Move(SessionState),
    /// It is not held; one at the end of the plan is held instead, at this time and date.
    Makeup(Timestamp, Date),
    /// Nothing suits: a person decides.
    Person,
}

impl Remedy {
    /// The name in JSON.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Substitute(_) => "substitute",
            Self::Move(_) => "move",
            Self::Makeup(..) => "makeup",
            Self::Person => "person",
        }
    }
}

/// A session that falls into the leave, and what is proposed for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Whose plan it is of.
    pub purchase_id: Uuid,
    /// Who is taught.
    pub student_id: String,
    /// Their zone.
    pub time_zone: String,
    /// The session.
    pub session_id: Uuid,
    /// Its number in the plan.
    pub ordinal: u32,
    /// How it stands.
    pub before: SessionState,
    /// What is proposed.
    pub remedy: Remedy,
}

/// What is proposed for everything that falls into a leave; nothing changes.
///
/// # Errors
/// [`ChangeError`].
pub async fn propose(platform: &Platform, request: &Request) -> Result<Vec<Proposal>, ChangeError> {
    let plans = look(platform, request).await?;
    Ok(plans.into_iter().flat_map(|plan| plan.proposals).collect())
}

/// Notes the leave in the roster and applies what is proposed, each purchase in a transaction of its own. Doing it again
/// does what is left. Returns what was done, and what is left to a person.
///
/// # Errors
/// [`ChangeError`]; what was applied before it stays applied.
pub async fn apply(platform: &Platform, request: &Request) -> Result<Vec<Proposal>, ChangeError> {
    note(platform, request).await?;
    let mut done = Vec::new();
    for round in 1.. {
        let mut lost = false;
        let mut left = Vec::new();
        for plan in look(platform, request).await? {
            if plan.wish.sessions.is_empty() {
                left.extend(plan.proposals);
                continue;
            }
            let order = Order {
                kind: KIND,
                actor: request.actor.clone(),
                reason: request.reason.clone(),
                overrides: Vec::new(),
                at: platform.clock.now(),
            };
            let mut outcome = Outcome::default();
            changing::change(&mut outcome, &plan.purchase, &order, plan.wish, &plan.trainers)?;
            if commit(platform, outcome, round).await? {
                done.extend(plan.proposals);
            } else {
                // Whoever changed something meanwhile may have changed what is best for the rest.
                lost = true;
                break;
            }
        }
        if !lost {
            done.extend(left);
            return Ok(done);
        }
        if round == ROUNDS_MAX {
            let what = format!("the calendar of trainer {}", request.trainer_id);
            return Err(CommitError::Conflict { what, trainers: Vec::new() }.into());
        }
    }
    unreachable!("the last round returns")
}

/// What follows for a purchase, with all that it was decided on.
struct Plan {
    purchase: crate::platform::rows::Purchase,
    wish: Wish,
    trainers: changing::Trainers,
    proposals: Vec<Proposal>,
}

async fn look(platform: &Platform, request: &Request) -> Result<Vec<Plan>, ChangeError> {
    let trainer = away(platform, request).await?;
    let affected = affected::affected(platform, &trainer, request).await?;
    proposal::plans(platform, &trainer, affected).await
}

/// The trainer as they are with the leave.
async fn away(platform: &Platform, request: &Request) -> Result<Trainer, ChangeError> {
    let found = platform.store.trainer_terms(std::slice::from_ref(&request.trainer_id)).await?;
    let (mut trainer, _) =
        found.into_iter().next().ok_or_else(|| ChangeError::UnknownTrainer(request.trainer_id.clone()))?;
    trainer.time_off.push(request.days());
    Ok(trainer)
}

/// Notes the leave in the roster, once.
async fn note(platform: &Platform, request: &Request) -> Result<(), ChangeError> {
    let found = platform.store.trainer_terms(std::slice::from_ref(&request.trainer_id)).await?;
    let (trainer, _) =
        found.into_iter().next().ok_or_else(|| ChangeError::UnknownTrainer(request.trainer_id.clone()))?;
    let days = request.days();
    if trainer.time_off.contains(&days) {
        return Ok(());
    }
    let mut time_off = trainer.time_off;
    time_off.push(days);
    time_off.sort_unstable_by_key(|off| (off.from, off.until));
    let content = TrainerPatch {
        trainer_id: Patch::Set(request.trainer_id.clone()),
        time_off: Patch::Set(time_off),
        ..TrainerPatch::default()
    };
    match import_trainers(platform, &[Entry { line: 1, content }]).await {
        Ok(_) => Ok(()),
        Err(ImportError::Commit(error)) => Err(error.into()),
        Err(error) => Err(ChangeError::Unreadable(error.to_string())),
    }
}
