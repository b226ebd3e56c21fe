//! Plans without an end that are reserved further ahead: what the allocation has from now on, and what is noted of it.

use std::sync::LazyLock;

use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{count, purchases, windows};
use crate::platform::embedded::bulk::Bulk;
use crate::platform::embedded::rows::{instant, json};
use crate::platform::embedded::sqlite::commit_error;
use crate::platform::transaction::{CommitError, NewSession, Prolonged, PurchaseNote};

static STEP: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::with(
        "seq, revision, allocation_id",
        "UPDATE purchases SET revision = v.revision + 1
         FROM v WHERE purchases.seq = v.seq AND purchases.revision = v.revision
           AND purchases.sessions_total IS NULL AND purchases.status IN ('allocated', 'scheduled')
           AND (SELECT a.id FROM allocations a
                WHERE a.seq > v.seq << 16 AND a.seq < (v.seq + 1) << 16 AND a.status = 'active') = v.allocation_id",
    )
});
static RESERVED: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::with(
        "seq, sessions, skipped",
        "UPDATE allocations SET sessions = v.sessions, skipped = v.skipped
         FROM v WHERE allocations.seq > v.seq << 16 AND allocations.seq < (v.seq + 1) << 16 AND allocations.status = 'active'",
    )
});
static NOTE: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::insert("purchase_changes", "purchase, revision, kind, changed_at, actor, reason", ""));

/// Reserves plans further ahead that are still as they were decided on. Their time is taken apart from this.
pub(super) async fn prolong(connection: &mut SqliteConnection, prolonged: &[Prolonged]) -> Result<(), CommitError> {
    if prolonged.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = prolonged.iter().map(|one| one.purchase_id).collect();
    let places = purchases::places(connection, &ids).await?;
    let placed: Vec<(i64, &Prolonged)> =
        prolonged.iter().filter_map(|one| Some((*places.get(&one.purchase_id)?, one))).collect();
    let stepped = STEP.run(connection, &placed, |query, (place, one)| {
        query.bind(*place).bind(one.revision).bind(one.allocation_id.to_string())
    });
    if stepped.await.map_err(commit_error)? != count(prolonged) {
        return Err(CommitError::changed("a purchase that runs until it is cancelled"));
    }
    let reserved = RESERVED
        .run(connection, &placed, |query, (place, one)| query.bind(*place).bind(one.sessions).bind(json(&one.skipped)));
    reserved.await.map_err(commit_error)?;
    let notes: Vec<(i64, &PurchaseNote)> =
        placed.iter().filter_map(|(place, one)| Some((*place, one.note.as_ref()?))).collect();
    let noted = NOTE.run(connection, &notes, |query, (place, note)| {
        query
            .bind(*place)
            .bind(note.revision)
            .bind(note.kind)
            .bind(instant(note.changed_at))
            .bind(note.actor.clone())
            .bind(note.reason.clone())
    });
    noted.await.map_err(commit_error)?;
    let in_calendar: Vec<(i64, Uuid, &str, &NewSession)> = placed
        .iter()
        .flat_map(|(place, one)| {
            one.in_calendar.iter().map(|session| (*place, one.purchase_id, one.trainer_id.as_str(), session))
        })
        .collect();
    windows::put_changed(connection, &in_calendar).await
}
