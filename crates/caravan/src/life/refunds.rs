//! What people decide about refunds that call nothing off by themselves, and refunds that they note.

use caravan_domain::refund::RefundState;
use uuid::Uuid;

use super::commit;
use crate::engine::worker::Outcome;
use crate::platform::rows::{RefundFilter, RefundRow};
use crate::platform::transaction::{CommitError, Settlement};
use crate::platform::{Platform, PlatformError};

mod by_hand;

pub use by_hand::{ByHand, Given, give_back};

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettledRefund {
    /// It is settled now.
    Now,
    /// It was settled before: nothing changed.
    Before,
}

/// Why a refund was not settled.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// There is no such refund.
    #[error("there is no refund {0}; see: caravan refunds list")]
    Unknown(Uuid),
    /// Its payment is not known yet.
    #[error("refund {0} came before its payment: it is decided when the payment is recorded")]
    Kept(Uuid),
    /// The purchase was called off because of it.
    #[error("refund {0} is applied: its purchase is called off, there is nothing left to decide")]
    Applied(Uuid),
    /// The store refuses, or can't be reached.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The store can't be read.
    #[error(transparent)]
    Platform(#[from] PlatformError),
}

/// Notes what a person has decided about an open refund, once.
///
/// # Errors
/// [`SettleError`]; then nothing has changed.
pub async fn settle(platform: &Platform, id: Uuid, by: &str, note: &str) -> Result<SettledRefund, SettleError> {
    for attempt in 1.. {
        let found = refund(platform, id).await?.ok_or(SettleError::Unknown(id))?;
        match found.state {
            RefundState::Open => {}
            RefundState::Settled => return Ok(SettledRefund::Before),
            RefundState::Kept => return Err(SettleError::Kept(id)),
            RefundState::Applied => return Err(SettleError::Applied(id)),
        }
        let mut outcome = Outcome::default();
        let at = platform.clock.now();
        outcome.effects.settled.push(Settlement { id, at, by: by.to_owned(), note: note.to_owned() });
        if commit(platform, outcome, attempt).await? {
            return Ok(SettledRefund::Now);
        }
    }
    unreachable!("the last attempt returns")
}

/// The refund with this id.
async fn refund(platform: &Platform, id: Uuid) -> Result<Option<RefundRow>, PlatformError> {
    let filter = RefundFilter { id: Some(id), ..RefundFilter::default() };
    let found = platform.store.list_refunds(&filter, None, 1).await?;
    Ok(found.into_iter().next().map(|(_, row)| row))
}
