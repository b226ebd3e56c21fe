//! Allocations: a trainer bound to a purchase. The time they take is `reservations`' matter.

use caravan_domain::purchase::PurchaseStatus;
use sqlx::PgConnection;

use super::{column, count, purchases};
use crate::platform::columns::{instant, json};
use crate::platform::distributed::postgres::errors::{Failure, commit_error, failure};
use crate::platform::transaction::{CommitError, NewAllocation, Replanned};

/// Binds trainers to purchases that wait for one.
pub(super) async fn bind(connection: &mut PgConnection, allocations: &[NewAllocation]) -> Result<(), CommitError> {
    const ALLOCATED: &str = "
        WITH locked AS MATERIALIZED (
                 SELECT p.seq, p.status, v.start_date, v.generation, p.revision = coalesce(v.revision, p.revision) AS as_read
                 FROM UNNEST($1::uuid[], $2::text[], $3::bigint[], $4::bigint[]) AS v (id, start_date, generation, revision)
                 JOIN purchases p ON p.id = v.id ORDER BY p.seq FOR UPDATE OF p),
             gone AS (DELETE FROM waitlist WHERE purchase_id = ANY($1))
        UPDATE purchases p SET status = 'allocated', start_date = l.start_date::date, generations = l.generation,
                               revision = p.revision + 1
        FROM locked l WHERE p.seq = l.seq AND l.as_read AND l.status IN ('created', 'waitlisted')";
    if allocations.is_empty() {
        return Ok(());
    }
    let ids = column(allocations, |allocation| allocation.purchase_id);
    let query = sqlx::query(ALLOCATED)
        .bind(&ids)
        .bind(column(allocations, |allocation| allocation.start_date.to_string()))
        .bind(column(allocations, |allocation| i64::from(allocation.generation)))
        .bind(column(allocations, |allocation| allocation.revision));
    let allocated = query.execute(&mut *connection).await.map_err(commit_error)?.rows_affected();
    if allocated != count(allocations) {
        return Err(purchases::not_as_decided(connection, &ids, PurchaseStatus::Allocated).await?);
    }
    insert(connection, allocations).await
}

/// Puts an allocation in the place of the active one; it and those before it keep their sessions before the new one's.
pub(super) async fn supersede(
    connection: &mut PgConnection,
    place: i64,
    replanned: &Replanned,
) -> Result<(), CommitError> {
    const SUPERSEDE: &str = "
        UPDATE allocations SET status = 'superseded', ordered = coalesce(ordered, $3),
               sessions = greatest(0, least(coalesce(sessions, $4), $2 - first_ordinal))
        WHERE seq > $1 << 16 AND seq < ($1 + 1) << 16 AND status IN ('active', 'superseded')";
    const PURCHASE: &str = "
        UPDATE purchases SET generations = $2, start_date = coalesce($3::date, start_date), horizon = coalesce($4::date, horizon),
                             sessions_total = $5
        WHERE seq = $1";
    sqlx::query(SUPERSEDE)
        .bind(place)
        .bind(i64::from(replanned.allocation.first_ordinal))
        .bind(json(&replanned.ordered_before))
        .bind(i64::from(replanned.ordered_before.plan.reserved_sessions()))
        .execute(&mut *connection)
        .await
        .map_err(commit_error)?;
    sqlx::query(PURCHASE)
        .bind(place)
        .bind(i64::from(replanned.allocation.generation))
        .bind(replanned.start_date.map(|date| date.to_string()))
        .bind(replanned.horizon.map(|date| date.to_string()))
        .bind(replanned.sessions_total.map(i64::from))
        .execute(&mut *connection)
        .await
        .map_err(commit_error)?;
    if let Some(amended) = &replanned.amended {
        purchases::amend(connection, place, amended).await?;
    }
    insert(connection, std::slice::from_ref(&replanned.allocation)).await
}

async fn insert(connection: &mut PgConnection, allocations: &[NewAllocation]) -> Result<(), CommitError> {
    const BIND: &str = "
        INSERT INTO allocations (seq, id, purchase_id, trainer_id, student_id, generation, start_date, slots, skipped, receipt,
                                 allocated_at, first_ordinal, sessions, ordered)
        SELECT p.seq << 16 | v.generation, v.id, v.purchase_id, v.trainer_id, v.student_id, v.generation, v.start_date::date,
               v.slots, v.skipped, v.receipt, v.allocated_at::timestamptz, v.first_ordinal, v.sessions, v.ordered
        FROM UNNEST($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[],
                    $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::text[])
             AS v (id, purchase_id, trainer_id, student_id, generation, start_date, slots, skipped, receipt, allocated_at,
                   first_ordinal, sessions, ordered)
        JOIN purchases p ON p.id = v.purchase_id ORDER BY p.seq";
    let query = sqlx::query(BIND)
        .bind(column(allocations, |allocation| allocation.id))
        .bind(column(allocations, |allocation| allocation.purchase_id))
        .bind(column(allocations, |allocation| allocation.trainer_id.as_str()))
        .bind(column(allocations, |allocation| allocation.student_id.as_str()))
        .bind(column(allocations, |allocation| i64::from(allocation.generation)))
        .bind(column(allocations, |allocation| allocation.start_date.to_string()))
        .bind(column(allocations, |allocation| json(&allocation.slots)))
        .bind(column(allocations, |allocation| json(&allocation.skipped)))
        .bind(column(allocations, |allocation| allocation.receipt.as_str()))
        .bind(column(allocations, |allocation| instant(allocation.allocated_at)))
        .bind(column(allocations, |allocation| i64::from(allocation.first_ordinal)))
        .bind(column(allocations, |allocation| i64::from(allocation.sessions)))
        .bind(column(allocations, |allocation| allocation.ordered.as_ref().map(json)));
    match query.execute(connection).await {
        Ok(_) => Ok(()),
        Err(error) if failure(&error) == Failure::Unique => Err(CommitError::changed("the allocation of a purchase")),
        Err(error) => Err(commit_error(error)),
    }
}
