//! Purchases to record.

use std::collections::HashMap;
use std::sync::LazyLock;

use caravan_domain::purchase::{Ordered, PurchaseStatus};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::count;
use super::notes::{self, Decided};
use crate::platform::embedded::bulk::{Bulk, json_list};
use crate::platform::embedded::rows::{instant, json};
use crate::platform::embedded::sqlite::commit_error;
use crate::platform::transaction::{Amendment, CommitError, NewPurchase};

static RECORD: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::insert(
        "purchases",
        "seq, id, payment_id, item, student_id, status, subject, level, time_zone, requested_start_date, \
         sessions_total, created_at",
        "ON CONFLICT (id) DO NOTHING",
    )
});
static CONFIRM: LazyLock<Bulk> = LazyLock::new(|| Bulk::insert("confirmations", "seq, confirmation", ""));

/// Records purchases that must be new.
pub(super) async fn record(connection: &mut SqliteConnection, purchases: &[NewPurchase]) -> Result<(), CommitError> {
    if purchases.is_empty() {
        return Ok(());
    }
    let last: i64 = sqlx::query_scalar("SELECT coalesce(max(seq), 0) FROM purchases")
        .fetch_one(&mut *connection)
        .await
        .map_err(commit_error)?;
    let numbered: Vec<_> = (last + 1..).zip(purchases).collect();
    let recorded = RECORD
        .run(connection, &numbered, |query, (seq, purchase)| {
            let confirmed = &purchase.confirmation;
            let course = confirmed.course.key();
            query
                .bind(*seq)
                .bind(purchase.id.to_string())
                .bind(confirmed.payment_id.as_str())
                .bind(confirmed.item.as_deref())
                .bind(confirmed.student.id.as_str())
                .bind(PurchaseStatus::Created.name())
                .bind(course.subject)
                .bind(course.level)
                .bind(confirmed.student.time_zone.as_str())
                .bind(confirmed.plan.start_date.to_string())
                .bind(confirmed.plan.sessions)
                .bind(instant(purchase.created_at))
        })
        .await
        .map_err(commit_error)?;
    let missing = count(purchases) - recorded;
    if missing > 0 {
        return Err(CommitError::changed(format!("{missing} of the purchases to record are there already: they")));
    }
    let confirmed = CONFIRM
        .run(connection, &numbered, |query, (seq, purchase)| query.bind(*seq).bind(json(&purchase.confirmation)));
    confirmed.await.map_err(commit_error)?;
    Ok(())
}

/// Amends course or plan of a purchase that has no trainer yet and is still at the revision it was decided on.
pub(super) async fn amend_waiting(connection: &mut SqliteConnection, amendment: &Amendment) -> Result<(), CommitError> {
    const STEP: &str = "
        UPDATE purchases SET revision = revision + 1, sessions_total = ?3
        WHERE id = ?1 AND revision = ?2 AND status IN ('created', 'waitlisted') RETURNING seq";
    let query = sqlx::query_scalar(STEP)
        .bind(amendment.purchase_id.to_string())
        .bind(amendment.revision)
        .bind(amendment.ordered.plan.sessions);
    let place: Option<i64> = query.fetch_optional(&mut *connection).await.map_err(commit_error)?;
    let Some(place) = place else {
        return Err(CommitError::changed(format!("purchase {}", amendment.purchase_id)));
    };
    amend(connection, place, &amendment.ordered).await?;
    let Amendment { changed_at, actor, reason, .. } = amendment;
    let decided = Decided { kind: "amended", at: *changed_at, actor, reason };
    notes::keep(connection, place, amendment.revision + 1, &decided).await
}

/// Writes the course and the plan that count from now on; what was reported stays.
pub(super) async fn amend(connection: &mut SqliteConnection, place: i64, ordered: &Ordered) -> Result<(), CommitError> {
    const PURCHASE: &str = "UPDATE purchases SET subject = ?2, level = ?3, requested_start_date = ?4 WHERE seq = ?1";
    let course = ordered.course.key();
    sqlx::query("UPDATE confirmations SET amended = ?2 WHERE seq = ?1")
        .bind(place)
        .bind(json(ordered))
        .execute(&mut *connection)
        .await
        .map_err(commit_error)?;
    sqlx::query(PURCHASE)
        .bind(place)
        .bind(course.subject)
        .bind(course.level)
        .bind(ordered.plan.start_date.to_string())
        .execute(connection)
        .await
        .map_err(commit_error)?;
    Ok(())
}

/// The places (`purchases.seq`) of those of these purchases that exist.
pub(super) async fn places(connection: &mut SqliteConnection, ids: &[Uuid]) -> Result<HashMap<Uuid, i64>, CommitError> {
    const SQL: &str =
        "SELECT asked.key, p.seq FROM json_each(?1) AS asked CROSS JOIN purchases p ON p.id = asked.value";
    let query = sqlx::query_as(SQL).bind(json_list(ids));
    let found: Vec<(i64, i64)> = query.fetch_all(connection).await.map_err(commit_error)?;
    let place = |(asked, seq): (i64, i64)| Some((*ids.get(usize::try_from(asked).ok()?)?, seq));
    Ok(found.into_iter().filter_map(place).collect())
}

/// The conflict of purchases that are not in the status the decision was made on, named.
pub(super) async fn not_as_decided(
    connection: &mut SqliteConnection,
    ids: &[Uuid],
    became: &str,
) -> Result<CommitError, CommitError> {
    const SQL: &str = "SELECT asked.value, p.status FROM json_each(?1) AS asked
                       LEFT JOIN purchases p ON p.id = asked.value WHERE p.status IS NOT ?2 LIMIT 3";
    let found: Vec<(String, Option<String>)> =
        sqlx::query_as(SQL).bind(json_list(ids)).bind(became).fetch_all(connection).await.map_err(commit_error)?;
    let words: Vec<_> = found
        .into_iter()
        .map(|(id, status)| match status {
            Some(status) => format!("purchase {id} (now {status})"),
            None => format!("purchase {id} (not there)"),
        })
        .collect();
    Ok(CommitError::changed(if words.is_empty() {
        format!("a purchase that was to become {became}")
    } else {
        words.join(", ")
    }))
}
