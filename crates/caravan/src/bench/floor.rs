//! The floor: the rows of the run, written again with nothing but the database in the way.

use std::time::Duration;

use crate::platform::PlatformError;
use crate::platform::floor::{Floor, Written};
use crate::progress::Progress;

/// Purchases with all that belongs to them, in one transaction: what a batch of the run holds.
const PURCHASES_AT_ONCE: usize = 500;

/// Writes it all; returns how much that was, and how long the writing alone took.
pub(super) async fn measure(floor: &mut dyn Floor, progress: &dyn Progress) -> Result<Written, PlatformError> {
    let mut all = Written { purchases: 0, allocated: 0, took: Duration::ZERO };
    while let Some(written) = floor.write_next(PURCHASES_AT_ONCE).await? {
        all.purchases += written.purchases;
        all.allocated += written.allocated;
        all.took += written.took;
        progress.advance(written.purchases as u64);
    }
    Ok(all)
}
