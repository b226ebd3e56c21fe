//! Calling purchases off, by hand: each is one transaction, and doing it twice changes nothing more.

use caravan_domain::cancellation::Ending;
use caravan_domain::plan::zone_named;
use caravan_domain::purchase::PurchaseStatus;
use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

use super::commit;
use crate::engine::worker::{Outcome, WorkError};
use crate::platform::rows::Purchase;
use crate::platform::transaction::CommitError;
use crate::platform::{Platform, PlatformError};
use crate::workers::cancellation::{self, Order, Weights};
use crate::workers::window::sessions_of;

/// What a person asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The first date without sessions, in the student's zone; today there without one.
    pub from: Option<Date>,
    /// Who asks.
    pub actor: String,
    /// Why, in their words.
    pub reason: String,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It is called off now.
    Now {
        /// The first date without sessions, in the student's zone.
        effective_from: Date,
        /// How many sessions are called off.
        called_off: u16,
        /// How many were held, or are still to be held before that date.
        kept: u16,
    },
    /// It was called off before: nothing changed.
    Before,
}

/// Why a purchase was not called off.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// There is no such purchase.
    #[error("there is no purchase {0}")]
    Unknown(Uuid),
    /// All its sessions are over.
    #[error("purchase {0} is completed: all its sessions are over, there is nothing left to call off")]
    Completed(Uuid),
    /// The date is over.
    #[error("{from} is over: in the student's zone it is {today}, and what was held can't be called off")]
    Past {
        /// The date asked for.
        from: Date,
        /// The student's date.
        today: Date,
    },
    /// All sessions are held before the date.
    #[error("purchase {0} has no session from {1} on: there is nothing to call off")]
    NothingLeft(Uuid, Date),
    /// A plan without an end is not reserved as far ahead.
    #[error(
        "purchase {0} runs until it is cancelled and is reserved for a year ahead: it has no session from {1} on yet; call it \
         off from an earlier date, or again when that date is less than a year away"
    )]
    NotReservedYet(Uuid, Date),
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

impl From<WorkError> for CancelError {
    fn from(error: WorkError) -> Self {
        match error {
            WorkError::Platform(error) => error.into(),
            WorkError::Failed(why) => Self::Unreadable(why),
        }
    }
}

/// Calls a purchase off: its sessions from a date on are cancelled, its time is free again, and those who
/// wait are looked at again.
///
/// # Errors
/// [`CancelError`]; then nothing has changed.
pub async fn cancel(platform: &Platform, id: Uuid, request: &Request) -> Result<Cancelled, CancelError> {
    for attempt in 1.. {
        let found = platform.store.purchases(&[id]).await?;
        let purchase = found.first().ok_or(CancelError::Unknown(id))?;
        match purchase.status {
            PurchaseStatus::Cancelled => return Ok(Cancelled::Before),
            PurchaseStatus::Completed => return Err(CancelError::Completed(id)),
            _ => {}
        }
        let now = platform.clock.now();
        let weights = cancellation::weights(purchase, &*platform.store, now).await?;
        let (outcome, cancelled) = decide(purchase, &weights, request, now)?;
        if commit(platform, outcome, attempt).await? {
            return Ok(cancelled);
        }
    }
    unreachable!("the last attempt returns")
}

/// What follows from calling it off now.
fn decide(
    purchase: &Purchase,
    weights: &Weights,
    request: &Request,
    now: Timestamp,
) -> Result<(Outcome, Cancelled), CancelError> {
    let confirmation = &purchase.confirmation;
    let zone = zone_named(&confirmation.student.time_zone).ok_or_else(|| {
        CancelError::Unreadable(format!("purchase {}: unknown zone {:?}", purchase.id, confirmation.student.time_zone))
    })?;
    let today = now.to_zoned(zone).date();
    let effective_from = request.from.unwrap_or(today);
    if effective_from < today {
        return Err(CancelError::Past { from: effective_from, today });
    }
    let ending = Ending { effective_from, decided_at: now };
    let sessions = match purchase.allocation {
        Some(_) => sessions_of(purchase)?.iter().filter(|session| session.state.takes_time()).count() as u16,
        None => confirmation.plan.reserved_sessions(),
    };
    let off = cancellation::ends(purchase, ending)?.map_or(sessions, |off| off.ordinals.len() as u16);
    if off == 0 {
        let why =
            if confirmation.plan.is_subscription() { CancelError::NotReservedYet } else { CancelError::NothingLeft };
        return Err(why(purchase.id, effective_from));
    }
    let order = Order { ending, actor: request.actor.clone(), reason: request.reason.clone() };
    let mut outcome = Outcome::default();
    cancellation::call_off(&mut outcome, purchase, weights, &order, now, None)?;
    Ok((outcome, Cancelled::Now { effective_from, called_off: off, kept: sessions - off }))
}
