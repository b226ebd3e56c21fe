//! Purchases nobody fits yet.

use caravan_domain::purchase::PurchaseStatus;
use sqlx::PgConnection;

use super::{column, count, purchases};
use crate::platform::columns::instant;
use crate::platform::distributed::postgres::errors::commit_error;
use crate::platform::transaction::{CommitError, NewWaitlisting};

/// Puts purchases on the waitlist, or notes that those on it were looked at again.
pub(super) async fn wait(connection: &mut PgConnection, waitlistings: &[NewWaitlisting]) -> Result<(), CommitError> {
    const WAITLISTED: &str = "
        WITH locked AS MATERIALIZED (SELECT seq FROM purchases WHERE id = ANY($1) ORDER BY seq FOR UPDATE)
        UPDATE purchases p SET status = 'waitlisted', revision = p.revision + 1
        FROM locked l WHERE l.seq = p.seq AND p.status IN ('created', 'waitlisted')";
    // The wait began when it began; what was last seen and why nobody fitted is the latest.
    const WAIT: &str = "
        INSERT INTO waitlist (purchase_id, waitlisted_at, seen_version, receipt)
        SELECT v.id, v.since::timestamptz, v.seen, v.receipt
        FROM UNNEST($1::uuid[], $2::text[], $3::bigint[], $4::text[]) AS v (id, since, seen, receipt) ORDER BY v.id
        ON CONFLICT (purchase_id) DO UPDATE SET seen_version = excluded.seen_version, receipt = excluded.receipt";
    if waitlistings.is_empty() {
        return Ok(());
    }
    let ids = column(waitlistings, |waiting| waiting.purchase_id);
    let waitlisted =
        sqlx::query(WAITLISTED).bind(&ids).execute(&mut *connection).await.map_err(commit_error)?.rows_affected();
    if waitlisted != count(waitlistings) {
        return Err(purchases::not_as_decided(connection, &ids, PurchaseStatus::Waitlisted).await?);
    }
    sqlx::query(WAIT)
        .bind(&ids)
        .bind(column(waitlistings, |waiting| instant(waiting.waitlisted_at)))
        .bind(column(waitlistings, |waiting| waiting.seen_version))
        .bind(column(waitlistings, |waiting| waiting.receipt.as_str()))
        .execute(connection)
        .await
        .map_err(commit_error)?;
    Ok(())
}
