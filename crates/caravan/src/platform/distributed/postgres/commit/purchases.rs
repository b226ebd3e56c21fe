//! Purchases to record.

use std::collections::HashMap;

use caravan_domain::purchase::{Ordered, PurchaseStatus};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{column, count};
use crate::platform::columns::{instant, json};
use crate::platform::distributed::postgres::errors::commit_error;
use crate::platform::transaction::{Amendment, CommitError, NewPurchase};

/// Records purchases that must be new.
pub(super) async fn record(connection: &mut PgConnection, purchases: &[NewPurchase]) -> Result<(), CommitError> {
    const RECORD: &str = "
        WITH v AS (
            SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                                 $9::bigint[], $10::text[], $11::text[]) WITH ORDINALITY
            AS v (id, payment_id, item, student_id, subject, level, time_zone, requested, total, created_at, confirmation, place)),
        recorded AS (
            INSERT INTO purchases (id, payment_id, item, student_id, status, subject, level, time_zone, requested_start_date,
                                   sessions_total, created_at)
            SELECT id, payment_id, item, student_id, 'created', subject, level, time_zone, requested::date, total,
                   created_at::timestamptz
            FROM v ORDER BY place ON CONFLICT (id) DO NOTHING RETURNING seq, id)
        INSERT INTO confirmations (seq, confirmation)
        SELECT DISTINCT ON (r.seq) r.seq, v.confirmation FROM recorded r JOIN v ON v.id = r.id ORDER BY r.seq, v.place";
    if purchases.is_empty() {
        return Ok(());
    }
    let of = |purchase: &NewPurchase| purchase.confirmation.course.key();
    let query = sqlx::query(RECORD)
        .bind(column(purchases, |purchase| purchase.id))
        .bind(column(purchases, |purchase| purchase.confirmation.payment_id.clone()))
        .bind(column(purchases, |purchase| purchase.confirmation.item.clone()))
        .bind(column(purchases, |purchase| purchase.confirmation.student.id.clone()))
        .bind(column(purchases, |purchase| of(purchase).subject))
        .bind(column(purchases, |purchase| of(purchase).level))
        .bind(column(purchases, |purchase| purchase.confirmation.student.time_zone.clone()))
        .bind(column(purchases, |purchase| purchase.confirmation.plan.start_date.to_string()))
        .bind(column(purchases, |purchase| purchase.confirmation.plan.sessions.map(i64::from)))
        .bind(column(purchases, |purchase| instant(purchase.created_at)))
        .bind(column(purchases, |purchase| json(&purchase.confirmation)));
    let recorded = query.execute(connection).await.map_err(commit_error)?.rows_affected();
    match count(purchases) - recorded {
        0 => Ok(()),
        missing => Err(CommitError::changed(format!("{missing} of the purchases to record are there already: they"))),
    }
}

/// Amends course or plan of a purchase that has no trainer yet and is still at the revision it was decided on.
pub(super) async fn amend_waiting(connection: &mut PgConnection, amendment: &Amendment) -> Result<(), CommitError> {
    const STEP: &str = "
        UPDATE purchases SET revision = revision + 1, sessions_total = $3
        WHERE id = $1 AND revision = $2 AND status IN ('created', 'waitlisted') RETURNING seq";
    let query = sqlx::query_scalar(STEP)
        .bind(amendment.purchase_id)
        .bind(amendment.revision)
        .bind(amendment.ordered.plan.sessions.map(i64::from));
    let place: Option<i64> = query.fetch_optional(&mut *connection).await.map_err(commit_error)?;
    let Some(place) = place else {
        return Err(CommitError::changed(format!("purchase {}", amendment.purchase_id)));
    };
    amend(connection, place, &amendment.ordered).await?;
    const NOTE: &str = "INSERT INTO purchase_changes (purchase, revision, kind, changed_at, actor, reason)
                        VALUES ($1, $2, 'amended', $3::timestamptz, $4, $5)";
    sqlx::query(NOTE)
        .bind(place)
        .bind(amendment.revision + 1)
        .bind(instant(amendment.changed_at))
        .bind(&amendment.actor)
        .bind(&amendment.reason)
        .execute(connection)
        .await
        .map_err(commit_error)?;
    Ok(())
}

/// Writes the course and the plan that count from now on; what was reported stays.
pub(super) async fn amend(connection: &mut PgConnection, place: i64, ordered: &Ordered) -> Result<(), CommitError> {
    const AMEND: &str = "
        WITH confirmed AS (UPDATE confirmations SET amended = $2 WHERE seq = $1)
        UPDATE purchases SET subject = $3, level = $4, requested_start_date = $5::date WHERE seq = $1";
    let course = ordered.course.key();
    sqlx::query(AMEND)
        .bind(place)
        .bind(json(ordered))
        .bind(course.subject)
        .bind(course.level)
        .bind(ordered.plan.start_date.to_string())
        .execute(connection)
        .await
        .map_err(commit_error)?;
    Ok(())
}

/// The places (`purchases.seq`) of those of these purchases that exist.
pub(super) async fn places(connection: &mut PgConnection, ids: &[Uuid]) -> Result<HashMap<Uuid, i64>, CommitError> {
    const SQL: &str = "SELECT p.id, p.seq FROM purchases p WHERE p.id = ANY($1)";
    let query = sqlx::query_as(SQL).bind(ids);
    let found: Vec<(Uuid, i64)> = query.fetch_all(connection).await.map_err(commit_error)?;
    Ok(found.into_iter().collect())
}

/// The conflict of purchases that are not in the status the decision was made on, named.
pub(super) async fn not_as_decided(
    connection: &mut PgConnection,
    ids: &[Uuid],
    became: PurchaseStatus,
) -> Result<CommitError, CommitError> {
    const SQL: &str = "SELECT asked.id::text, p.status FROM UNNEST($1::uuid[]) AS asked (id)
                       LEFT JOIN purchases p ON p.id = asked.id WHERE p.status IS DISTINCT FROM $2 LIMIT 3";
    let query = sqlx::query_as(SQL).bind(ids).bind(became.name());
    let found: Vec<(String, Option<String>)> = query.fetch_all(connection).await.map_err(commit_error)?;
    let words: Vec<_> = found
        .into_iter()
        .map(|(id, status)| match status {
            Some(status) => format!("purchase {id} (now {status})"),
            None => format!("purchase {id} (not there)"),
        })
        .collect();
    let became = became.name();
    Ok(CommitError::changed(if words.is_empty() {
        format!("a purchase that was to become {became}")
    } else {
        words.join(", ")
    }))
}
