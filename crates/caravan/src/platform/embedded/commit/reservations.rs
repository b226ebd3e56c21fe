//! Reserved time. The database refuses what is taken already, whoever asks: see the upsert.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use sqlx::SqliteConnection;

use super::undo;
use crate::platform::embedded::bulk::{Bulk, json_list};
use crate::platform::embedded::sqlite::{Failure, commit_error, failure};
use crate::platform::reservations::{Row, conflict, gathered, given_back};
use crate::platform::transaction::{CommitError, NewAllocation, PartyTime};

/// `busy` may not be NULL, so a time that is taken already makes the statement fail.
static RESERVE: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::insert(
        "reservations",
        "party, key, busy, starts",
        "ON CONFLICT DO UPDATE SET busy = CASE WHEN busy & excluded.busy = 0 THEN busy | excluded.busy END,
                                   starts = starts | excluded.starts",
    )
});

static FREE: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::with(
        "party, key, busy, starts",
        "UPDATE reservations SET busy = reservations.busy & ~v.busy, starts = reservations.starts & ~v.starts
         FROM v WHERE reservations.party = v.party AND reservations.key = v.key",
    )
});
static EMPTY: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::with("party, key", "DELETE FROM reservations WHERE (party, key) IN (SELECT party, key FROM v) AND busy = 0")
});

/// Gives time back. Rows without any go.
pub(super) async fn free(connection: &mut SqliteConnection, freed: &[PartyTime]) -> Result<(), CommitError> {
    let rows = given_back(freed);
    FREE.run(connection, &rows, |query, ((party, key), bits)| {
        query.bind(party.as_str()).bind(*key).bind(bits.busy.cast_signed()).bind(bits.starts.cast_signed())
    })
    .await
    .map_err(commit_error)?;
    EMPTY
        .run(connection, &rows, |query, ((party, key), _)| query.bind(party.as_str()).bind(*key))
        .await
        .map_err(commit_error)?;
    Ok(())
}

/// Reserves the time of every allocation, of its trainer and its student, and what is taken beside it.
pub(super) async fn reserve(
    connection: &mut SqliteConnection,
    allocations: &[NewAllocation],
    times: &[PartyTime],
) -> Result<(), CommitError> {
    let rows = gathered(allocations, times)?;
    let reserved = RESERVE.run(connection, &rows, |query, ((party, key), bits)| {
        query.bind(party.as_str()).bind(*key).bind(bits.busy.cast_signed()).bind(bits.starts.cast_signed())
    });
    match reserved.await {
        Ok(_) => Ok(()),
        Err(error) if failure(&error) == Failure::NotNull => Err(taken(connection, allocations, times, &rows).await?),
        Err(error) => Err(commit_error(error)),
    }
}

/// Asks whose time was taken before.
async fn taken(
    connection: &mut SqliteConnection,
    allocations: &[NewAllocation],
    times: &[PartyTime],
    rows: &[Row],
) -> Result<CommitError, CommitError> {
    const SQL: &str = "SELECT DISTINCT r.party FROM json_each(?1) AS asked
                       CROSS JOIN reservations r ON r.party = asked.value ->> 0 AND r.key = asked.value ->> 1
                       WHERE r.busy & (asked.value ->> 2) <> 0";
    // What this transaction itself has reserved must not count.
    undo(connection).await?;
    let asked: Vec<_> = rows.iter().map(|((party, key), bits)| (party, key, bits.busy.cast_signed())).collect();
    let query = sqlx::query_scalar(SQL).bind(json_list(&asked));
    let taken: BTreeSet<String> = query.fetch_all(connection).await.map_err(commit_error)?.into_iter().collect();
    Ok(conflict(allocations, times, &taken))
}
