//! Plans without an end that are reserved further ahead: what the allocation has from now on, and what is noted of it.

use sqlx::PgConnection;
use uuid::Uuid;

use super::{column, count, purchases, windows};
use crate::platform::columns::{instant, json};
use crate::platform::distributed::postgres::errors::commit_error;
use crate::platform::transaction::{CommitError, NewSession, Prolonged, PurchaseNote};

/// Reserves plans further ahead that are still as they were decided on. Their time is taken apart from this.
pub(super) async fn prolong(connection: &mut PgConnection, prolonged: &[Prolonged]) -> Result<(), CommitError> {
    const STEP: &str = "
        WITH locked AS MATERIALIZED (
            SELECT p.seq, p.status, p.sessions_total, p.revision, v.revision AS seen, v.allocation_id
            FROM UNNEST($1::bigint[], $2::bigint[], $3::uuid[]) AS v (seq, revision, allocation_id)
            JOIN purchases p ON p.seq = v.seq ORDER BY p.seq FOR UPDATE OF p)
        UPDATE purchases p SET revision = l.seen + 1
        FROM locked l JOIN allocations a ON a.seq >> 16 = l.seq AND a.status = 'active' AND a.id = l.allocation_id
        WHERE p.seq = l.seq AND l.revision = l.seen AND l.sessions_total IS NULL AND l.status IN ('allocated', 'scheduled')";
    const RESERVED: &str = "
        UPDATE allocations a SET sessions = v.sessions, skipped = v.skipped
        FROM UNNEST($1::bigint[], $2::bigint[], $3::text[]) AS v (seq, sessions, skipped)
        WHERE a.seq >> 16 = v.seq AND a.status = 'active'";
    const NOTE: &str = "
        INSERT INTO purchase_changes (purchase, revision, kind, changed_at, actor, reason)
        SELECT v.purchase, v.revision, v.kind, v.changed_at::timestamptz, v.actor, v.reason
        FROM UNNEST($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[])
             AS v (purchase, revision, kind, changed_at, actor, reason)";
    if prolonged.is_empty() {
        return Ok(());
    }
    let places = purchases::places(connection, &column(prolonged, |one| one.purchase_id)).await?;
    let mut placed: Vec<(i64, &Prolonged)> =
        prolonged.iter().filter_map(|one| Some((*places.get(&one.purchase_id)?, one))).collect();
    placed.sort_by_key(|(place, _)| *place);
    let query = sqlx::query(STEP)
        .bind(column(&placed, |(place, _)| *place))
        .bind(column(&placed, |(_, one)| one.revision))
        .bind(column(&placed, |(_, one)| one.allocation_id));
    if query.execute(&mut *connection).await.map_err(commit_error)?.rows_affected() != count(prolonged) {
        return Err(CommitError::changed("a purchase that runs until it is cancelled"));
    }
    let query = sqlx::query(RESERVED)
        .bind(column(&placed, |(place, _)| *place))
        .bind(column(&placed, |(_, one)| i64::from(one.sessions)))
        .bind(column(&placed, |(_, one)| json(&one.skipped)));
    query.execute(&mut *connection).await.map_err(commit_error)?;
    let notes: Vec<(i64, &PurchaseNote)> =
        placed.iter().filter_map(|(place, one)| Some((*place, one.note.as_ref()?))).collect();
    if !notes.is_empty() {
        let query = sqlx::query(NOTE)
            .bind(column(&notes, |(place, _)| *place))
            .bind(column(&notes, |(_, note)| note.revision))
            .bind(column(&notes, |(_, note)| note.kind))
            .bind(column(&notes, |(_, note)| instant(note.changed_at)))
            .bind(column(&notes, |(_, note)| note.actor.as_str()))
            .bind(column(&notes, |(_, note)| note.reason.as_str()));
        query.execute(&mut *connection).await.map_err(commit_error)?;
    }
    let in_calendar: Vec<(i64, Uuid, &str, &NewSession)> = placed
        .iter()
        .flat_map(|(place, one)| {
            one.in_calendar.iter().map(|session| (*place, one.purchase_id, one.trainer_id.as_str(), session))
        })
        .collect();
    windows::put(connection, &in_calendar).await
}
