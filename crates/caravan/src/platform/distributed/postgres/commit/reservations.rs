//! Reserved time. The database refuses what is taken already, whoever asks: see the upsert.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::{column, count, undo};
use crate::platform::distributed::postgres::errors::commit_error;
use crate::platform::reservations::{Row, conflict, gathered, given_back};
use crate::platform::transaction::{CommitError, NewAllocation, PartyTime};

/// Reserves rows: party, key, and the bits that are busy and that start there. A row whose time is taken already is left
/// as it is, and so is missing from the count.
pub const RESERVE: &str = "
    INSERT INTO reservations AS r (party, key, busy, starts)
    SELECT * FROM UNNEST($1::text[], $2::bigint[], $3::bigint[], $4::bigint[])
    ON CONFLICT (party, key) DO UPDATE SET busy = r.busy | excluded.busy, starts = r.starts | excluded.starts
    WHERE r.busy & excluded.busy = 0";

/// Gives time back. Rows without any go.
pub(super) async fn free(connection: &mut PgConnection, freed: &[PartyTime]) -> Result<(), CommitError> {
    const FREE: &str = "
        WITH freed AS MATERIALIZED (
                 SELECT r.party, r.key, v.busy, v.starts
                 FROM UNNEST($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) AS v (party, key, busy, starts)
                 JOIN reservations r ON r.party = v.party AND r.key = v.key ORDER BY r.party, r.key FOR UPDATE OF r)
        UPDATE reservations r SET busy = r.busy & ~f.busy, starts = r.starts & ~f.starts
        FROM freed f WHERE r.party = f.party AND r.key = f.key";
    const EMPTY: &str = "DELETE FROM reservations r USING UNNEST($1::text[], $2::bigint[]) AS v (party, key)
                         WHERE r.party = v.party AND r.key = v.key AND r.busy = 0";
    let rows = given_back(freed);
    if rows.is_empty() {
        return Ok(());
    }
    let parties = column(&rows, |((party, _), _)| party.as_str());
    let keys = column(&rows, |((_, key), _)| *key);
    sqlx::query(FREE)
        .bind(&parties)
        .bind(&keys)
        .bind(column(&rows, |(_, bits)| bits.busy.cast_signed()))
        .bind(column(&rows, |(_, bits)| bits.starts.cast_signed()))
        .execute(&mut *connection)
        .await
        .map_err(commit_error)?;
    sqlx::query(EMPTY).bind(parties).bind(keys).execute(connection).await.map_err(commit_error)?;
    Ok(())
}

/// Reserves the time of every allocation, of its trainer and its student, and what is taken beside it.
pub(super) async fn reserve(
    connection: &mut PgConnection,
    allocations: &[NewAllocation],
    times: &[PartyTime],
) -> Result<(), CommitError> {
    let rows = gathered(allocations, times)?;
    if rows.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(RESERVE)
        .bind(column(&rows, |((party, _), _)| party.as_str()))
        .bind(column(&rows, |((_, key), _)| *key))
        .bind(column(&rows, |(_, bits)| bits.busy.cast_signed()))
        .bind(column(&rows, |(_, bits)| bits.starts.cast_signed()));
    let reserved = query.execute(&mut *connection).await.map_err(commit_error)?.rows_affected();
    if reserved == count(&rows) { Ok(()) } else { Err(taken(connection, allocations, times, &rows).await?) }
}

/// Asks whose time was taken before.
async fn taken(
    connection: &mut PgConnection,
    allocations: &[NewAllocation],
    times: &[PartyTime],
    rows: &[Row],
) -> Result<CommitError, CommitError> {
    const SQL: &str = "
        SELECT DISTINCT r.party FROM UNNEST($1::text[], $2::bigint[], $3::bigint[]) AS asked (party, key, busy)
        JOIN reservations r ON r.party = asked.party AND r.key = asked.key WHERE r.busy & asked.busy <> 0";
    // What this transaction itself has reserved must not count.
    undo(connection).await?;
    let query = sqlx::query_scalar(SQL)
        .bind(column(rows, |((party, _), _)| party.as_str()))
        .bind(column(rows, |((_, key), _)| *key))
        .bind(column(rows, |(_, bits)| bits.busy.cast_signed()));
    let taken: BTreeSet<String> = query.fetch_all(connection).await.map_err(commit_error)?.into_iter().collect();
    Ok(conflict(allocations, times, &taken))
}
