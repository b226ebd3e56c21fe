//! The floor: the rows of the run, written again with nothing but the database in the way.

use std::time::Duration;

use crate::platform::PlatformError;
use crate::platform::floor::{Floor, Written};
use crate::progress::Progress;

/// Writes it all, with as many purchases and all that belongs to them in one transaction as a
/// batch of the run holds; returns how much that was, and how long the writing alone took.
pub(super) async fn measure(
    floor: &mut dyn Floor,
    purchases_at_once: usize,
    progress: &dyn Progress,
) -> Result<Written, PlatformError> {
    let mut all = Written { purchases: 0, allocated: 0, took: Duration::ZERO };
    while let Some(written) = floor.write_next(purchases_at_once).await? {
        all.purchases += written.purchases;
        all.allocated += written.allocated;
        all.took += written.took;
        progress.advance(written.purchases as u64);
    }
    Ok(all)
}
