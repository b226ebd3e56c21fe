//! Life after allocation: what people change of purchases and sessions. Each change is one transaction, decided on
//! what was read before it and refused if that has changed meanwhile; then it is decided anew.

use std::collections::BTreeMap;
use std::time::Duration;

use caravan_domain::allocation::{Objection, Rule};
use caravan_domain::purchase::PurchaseStatus;
use caravan_domain::session::{SessionRule, SessionStatus};
use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

use crate::engine;
use crate::engine::worker::{Outcome, WorkError};
use crate::platform::rows::{Purchase, TrainerRow};
use crate::platform::transaction::CommitError;
use crate::platform::{Platform, PlatformError};
use crate::workers::changing::{Known, Trainers};

pub mod adopting;
pub mod allocating;
pub mod cancel;
pub mod conflicts;
pub mod leave;
mod places;
pub mod refunds;
pub mod replanning;
pub mod sessions;
pub mod time_data;
pub mod wondering;

/// How often it is tried while workers change the same things.
const ATTEMPTS_MAX: u32 = 20;
/// How long to wait before it is tried again.
const PAUSE: Duration = Duration::from_millis(25);

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// There is no such session in the calendar.
    #[error(
        "there is no session {0} in the calendar; `caravan sessions list` shows those there are, and sessions further ahead \
         stand in it once `caravan sessions extend --as-of DATE` has put them there"
    )]
    UnknownSession(Uuid),
    /// There is no such purchase.
    #[error("there is no purchase {0}; `caravan purchases list` shows those there are")]
    UnknownPurchase(Uuid),
    /// The purchase has, or had, a trainer.
    #[error("purchase {0} is {1}: only one that is created or waitlisted can be given a trainer")]
    Decided(Uuid, PurchaseStatus),
    /// Rules stand against a trainer and weekly times.
    #[error("against it: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Against(Vec<Objection>),
    /// There is no such trainer.
    #[error("there is no trainer {0:?}; `caravan trainers list` shows those there are")]
    UnknownTrainer(String),
    /// Nobody teaches the purchase yet.
    #[error(
        "purchase {0} has no trainer yet, so there is nothing to reassign; one is looked for whenever somebody could fit, \
         and `caravan purchases allocate` gives it one by hand"
    )]
    NoTrainerYet(Uuid),
    /// No session is left to be planned anew.
    #[error("purchase {0} has no session from {1} on: there is nothing to plan anew")]
    NothingLeft(Uuid, Date),
    /// Nobody is booked before that date.
    #[error("{from} is too early: the first date that can be planned anew is {first}, in the student's zone")]
    TooEarly {
        /// The date asked for.
        from: Date,
        /// The first that can be.
        first: Date,
    },
    /// Nobody can teach the rest.
    #[error("nobody can teach the rest of purchase {purchase_id} as asked, nothing has changed: {}", ruled_out(.rules))]
    NobodyFits {
        /// Which.
        purchase_id: Uuid,
        /// How many trainers each rule ruled out first.
        rules: BTreeMap<Rule, u32>,
    },
    /// So few sessions were held already.
    #[error(
        "{asked} sessions can't be: {kept} were held or stand before the change; to end the purchase there, see \
         `caravan purchases cancel --from`"
    )]
    TooFew {
        /// How many there were to be.
        asked: u32,
        /// How many are kept.
        kept: u32,
    },
    /// The amendment can't be used.
    #[error("{0}")]
    Amendment(String),
    /// The purchase has no plan that is under way.
    #[error("purchase {0} is {1}: its sessions can't be changed any more")]
    NotUnderWay(Uuid, PurchaseStatus),
    /// The session stands otherwise.
    #[error("session {session} is {status}: {why}")]
    NotSo {
        /// Which.
        session: Uuid,
        /// How it stands.
        status: SessionStatus,
        /// What would have to be.
        why: &'static str,
    },
    /// The time is over.
    #[error("{0} is over: a session can only be moved to a time that is still to come")]
    Past(Timestamp),
    /// The time is between the marks sessions start on.
    #[error("{0} is not on a quarter of an hour, as sessions must start")]
    OffMark(Timestamp),
    /// Rules stand against it.
    #[error("{}", told(.0))]
    Broken(Vec<SessionRule>),
    /// A plan without an end has no place at its end.
    #[error(
        "purchase {0} runs until it is cancelled: it has no end to add a session to; move the session instead, or call it \
         off without --makeup"
    )]
    Endless(Uuid),
    /// No place at the end of the plan.
    #[error("no date within {0} weeks after the plan's end suits trainer and student; move the session instead")]
    NoMakeup(usize),
    /// The store refuses, or can't be reached.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The store can't be read.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// The purchase can't be understood.
    #[error("{0}")]
    Unreadable(String),
}

impl From<WorkError> for ChangeError {
    fn from(error: WorkError) -> Self {
        match error {
            WorkError::Platform(error) => error.into(),
            WorkError::Failed(why) => Self::Unreadable(why),
        }
    }
}

/// Whom which rule ruled out.
fn ruled_out(rules: &BTreeMap<Rule, u32>) -> String {
    if rules.is_empty() {
        return "no other active trainer teaches this course in a language of the student's".to_owned();
    }
    rules.iter().map(|(rule, trainers)| format!("{rule} rules {trainers} out")).collect::<Vec<_>>().join(", ")
}

/// The rules that stand against something, and which of them can be overridden.
fn told(broken: &[SessionRule]) -> String {
    let named = |rules: &[SessionRule]| rules.iter().map(|rule| rule.name()).collect::<Vec<_>>().join(", ");
    let against = format!("against it: {}", named(broken));
    if broken.iter().all(|rule| rule.can_be_overridden()) {
        let options: Vec<String> = broken.iter().map(|rule| format!("--override {rule}")).collect();
        return format!("{against}; to decide against that: {}", options.join(" "));
    }
    let fixed: Vec<SessionRule> = broken.iter().copied().filter(|rule| !rule.can_be_overridden()).collect();
    format!("{against}; nobody can be in two places: {} can't be overridden", named(&fixed))
}

/// Writes what was decided; `false` if something changed meanwhile and it is to be decided anew.
async fn commit(platform: &Platform, outcome: Outcome, attempt: u32) -> Result<bool, CommitError> {
    let epoch = platform.store.epoch().await?;
    match engine::commit(platform, outcome, epoch).await {
        Ok(()) => Ok(true),
        Err(CommitError::Conflict { .. }) if attempt < ATTEMPTS_MAX => {
            platform.clock.sleep(PAUSE).await;
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// What is to be known of trainers whose work changes.
fn known(trainers: &[TrainerRow]) -> Trainers {
    let known = |row: &TrainerRow| Known { weight: row.trainer.weight, version: row.version };
    trainers.iter().map(|row| (row.trainer.trainer_id.clone(), known(row))).collect()
}

/// The purchase with this id, whose plan must be under way.
async fn under_way(platform: &Platform, id: Uuid) -> Result<Purchase, ChangeError> {
    let found = platform.store.purchases(&[id]).await?;
    let purchase =
        found.into_iter().next().ok_or_else(|| ChangeError::Unreadable(format!("there is no purchase {id}")))?;
    if purchase.allocation.is_none() {
        return Err(ChangeError::NotUnderWay(id, purchase.status));
    }
    Ok(purchase)
}

/// A date as people read it, with its day of the week.
pub fn day_shown(date: Date) -> String {
    date.strftime("%a %Y-%m-%d").to_string().to_lowercase()
}
