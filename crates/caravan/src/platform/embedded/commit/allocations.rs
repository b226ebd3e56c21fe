//! Allocations: a trainer bound to a purchase. The time they take is `reservations`' matter.

use std::sync::LazyLock;

use caravan_domain::purchase::PurchaseStatus;
use sqlx::SqliteConnection;

use super::{count, purchases};
use crate::platform::embedded::bulk::{Bulk, json_list};
use crate::platform::embedded::rows::{PLACE_BITS, instant, json};
use crate::platform::embedded::sqlite::{Failure, commit_error, failure};
use crate::platform::transaction::{CommitError, NewAllocation, Replanned};

static ALLOCATED: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::with(
        "seq, start_date, generation, decided_on",
        "UPDATE purchases SET status = 'allocated', start_date = v.start_date, generations = v.generation,
                              revision = revision + 1
         FROM v WHERE purchases.seq = v.seq AND purchases.status IN ('created', 'waitlisted')
           AND purchases.revision = coalesce(v.decided_on, purchases.revision)",
    )
});
static BIND: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::insert(
        "allocations",
        "seq, id, purchase_id, trainer_id, student_id, generation, start_date, slots, skipped, receipt, allocated_at, \
         first_ordinal, sessions, ordered",
        "",
    )
});

/// Puts an allocation in the place of the active one; it and those before it keep their sessions before the new one's.
pub(super) async fn supersede(
    connection: &mut SqliteConnection,
    place: i64,
    replanned: &Replanned,
) -> Result<(), CommitError> {
    const SUPERSEDE: &str = "
        UPDATE allocations SET status = 'superseded', ordered = coalesce(ordered, ?4),
               sessions = max(0, min(coalesce(sessions, ?5), ?3 - first_ordinal))
        WHERE seq > ?1 AND seq < ?2 AND status IN ('active', 'superseded')";
    const PURCHASE: &str = "
        UPDATE purchases SET generations = ?2, start_date = coalesce(?3, start_date), horizon = coalesce(?4, horizon),
                             sessions_total = ?5 WHERE seq = ?1";
    sqlx::query(SUPERSEDE)
        .bind(place << PLACE_BITS)
        .bind((place + 1) << PLACE_BITS)
        .bind(replanned.allocation.first_ordinal)
        .bind(json(&replanned.ordered_before))
        .bind(replanned.ordered_before.plan.reserved_sessions())
        .execute(&mut *connection)
        .await
        .map_err(commit_error)?;
    sqlx::query(PURCHASE)
        .bind(place)
        .bind(replanned.allocation.generation)
        .bind(replanned.start_date.map(|date| date.to_string()))
        .bind(replanned.horizon.map(|date| date.to_string()))
        .bind(replanned.sessions_total)
        .execute(&mut *connection)
        .await
        .map_err(commit_error)?;
    if let Some(amended) = &replanned.amended {
        purchases::amend(connection, place, amended).await?;
    }
    insert(connection, &[(place, &replanned.allocation)]).await
}

/// An allocation and its purchase's place.
type Placed<'a> = (i64, &'a NewAllocation);

/// Binds trainers to purchases that wait for one.
pub(super) async fn bind(connection: &mut SqliteConnection, allocations: &[NewAllocation]) -> Result<(), CommitError> {
    if allocations.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = allocations.iter().map(|allocation| allocation.purchase_id).collect();
    let places = purchases::places(connection, &ids).await?;
    let placed: Vec<Placed<'_>> =
        allocations.iter().filter_map(|allocation| Some((*places.get(&allocation.purchase_id)?, allocation))).collect();
    let allocated = ALLOCATED
        .run(connection, &placed, |query, (place, allocation)| {
            query
                .bind(*place)
                .bind(allocation.start_date.to_string())
                .bind(allocation.generation)
                .bind(allocation.revision)
        })
        .await
        .map_err(commit_error)?;
    if allocated != count(allocations) {
        return Err(purchases::not_as_decided(connection, &ids, PurchaseStatus::Allocated.name()).await?);
    }
    insert(connection, &placed).await?;
    sqlx::query("DELETE FROM waitlist WHERE purchase_id IN (SELECT value FROM json_each(?1))")
        .bind(json_list(&ids))
        .execute(connection)
        .await
        .map_err(commit_error)?;
    Ok(())
}

async fn insert(connection: &mut SqliteConnection, placed: &[Placed<'_>]) -> Result<(), CommitError> {
    let bound = BIND.run(connection, placed, |query, (place, allocation)| {
        query
            .bind(place << PLACE_BITS | i64::from(allocation.generation))
            .bind(allocation.id.to_string())
            .bind(allocation.purchase_id.to_string())
            .bind(allocation.trainer_id.as_str())
            .bind(allocation.student_id.as_str())
            .bind(allocation.generation)
            .bind(allocation.start_date.to_string())
            .bind(json(&allocation.slots))
            .bind(json(&allocation.skipped))
            .bind(allocation.receipt.as_str())
            .bind(instant(allocation.allocated_at))
            .bind(allocation.first_ordinal)
            .bind(allocation.sessions)
            .bind(allocation.ordered.as_ref().map(json))
    });
    match bound.await {
        Ok(_) => Ok(()),
        Err(error) if failure(&error) == Failure::Unique => Err(CommitError::changed("the allocation of a purchase")),
        Err(error) => Err(commit_error(error)),
    }
}
