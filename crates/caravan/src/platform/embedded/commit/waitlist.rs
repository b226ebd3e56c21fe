//! Purchases nobody fits yet.

use std::sync::LazyLock;

use caravan_domain::purchase::PurchaseStatus;
use sqlx::SqliteConnection;

use super::{count, purchases};
use crate::platform::embedded::bulk::Bulk;
use crate::platform::embedded::rows::instant;
use crate::platform::embedded::sqlite::commit_error;
use crate::platform::transaction::{CommitError, NewWaitlisting};

static WAITLISTED: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::with(
        "id",
        "UPDATE purchases SET status = 'waitlisted', revision = revision + 1
         FROM v WHERE purchases.id = v.id AND purchases.status IN ('created', 'waitlisted')",
    )
});
/// The wait began when it began; what was last seen and why nobody fitted is the latest.
static WAIT: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::insert(
        "waitlist",
        "purchase_id, waitlisted_at, seen_version, receipt",
        "ON CONFLICT DO UPDATE SET seen_version = excluded.seen_version, receipt = excluded.receipt",
    )
});

/// Puts purchases on the waitlist, or notes that those on it were looked at again.
pub(super) async fn wait(
    connection: &mut SqliteConnection,
    waitlistings: &[NewWaitlisting],
) -> Result<(), CommitError> {
    let waitlisted = WAITLISTED
        .run(connection, waitlistings, |query, waiting| query.bind(waiting.purchase_id.to_string()))
        .await
        .map_err(commit_error)?;
    if waitlisted != count(waitlistings) {
        let ids: Vec<_> = waitlistings.iter().map(|waiting| waiting.purchase_id).collect();
        return Err(purchases::not_as_decided(connection, &ids, PurchaseStatus::Waitlisted.name()).await?);
    }
    WAIT.run(connection, waitlistings, |query, waiting| {
        query
            .bind(waiting.purchase_id.to_string())
            .bind(instant(waiting.waitlisted_at))
            .bind(waiting.seen_version)
            .bind(waiting.receipt.as_str())
    })
    .await
    .map_err(commit_error)?;
    Ok(())
}
