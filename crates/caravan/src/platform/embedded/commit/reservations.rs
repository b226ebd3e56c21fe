//! Reserved time. The database refuses what is taken already, whoever asks: see the upsert.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use sqlx::SqliteConnection;

use super::{trainers_changed, undo};
use crate::platform::embedded::bulk::{Bulk, json_list};
use crate::platform::embedded::reads::{STUDENT_PARTY, TRAINER_PARTY};
use crate::platform::embedded::sqlite::{Failure, commit_error, failure};
use crate::platform::transaction::{CommitError, NewAllocation};

/// `busy` may not be NULL, so a time that is taken already makes the statement fail.
static RESERVE: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::insert(
        "reservations",
        "party, key, busy, starts",
        "ON CONFLICT DO UPDATE SET busy = CASE WHEN busy & excluded.busy = 0 THEN busy | excluded.busy END,
                                   starts = starts | excluded.starts",
    )
});

/// A party's quarter hours of one key, gathered over the transaction.
#[derive(Clone, Copy, Default)]
struct Bits {
    busy: u64,
    starts: u64,
}

/// A row to reserve: party, key, and what is taken of it.
type Row = ((String, i64), Bits);

/// Reserves the time of every allocation, of its trainer and its student.
pub(super) async fn reserve(
    connection: &mut SqliteConnection,
    allocations: &[NewAllocation],
) -> Result<(), CommitError> {
    let rows = gathered(allocations)?;
    let reserved = RESERVE.run(connection, &rows, |query, ((party, key), bits)| {
        query.bind(party.as_str()).bind(*key).bind(bits.busy.cast_signed()).bind(bits.starts.cast_signed())
    });
    match reserved.await {
        Ok(_) => Ok(()),
        Err(error) if failure(&error) == Failure::NotNull => Err(taken(connection, allocations, &rows).await?),
        Err(error) => Err(commit_error(error)),
    }
}

/// The rows to reserve, sorted as the table is: neighbours land on the same page.
fn gathered(allocations: &[NewAllocation]) -> Result<Vec<Row>, CommitError> {
    let mut rows: BTreeMap<(String, i64), Bits> = BTreeMap::new();
    for allocation in allocations {
        for party in parties(allocation) {
            for time in &allocation.reserved {
                let bits = rows.entry((party.clone(), time.key)).or_default();
                if bits.busy & time.busy != 0 {
                    return Err(trainers_changed(BTreeSet::from([allocation.trainer_id.clone()])));
                }
                bits.busy |= time.busy;
                bits.starts |= time.starts;
            }
        }
    }
    Ok(rows.into_iter().collect())
}

fn parties(allocation: &NewAllocation) -> [String; 2] {
    [format!("{TRAINER_PARTY}{}", allocation.trainer_id), format!("{STUDENT_PARTY}{}", allocation.student_id)]
}

/// The conflict of reservations that did not go through: the trainers of all allocations that
/// touch a party whose time was taken before.
async fn taken(
    connection: &mut SqliteConnection,
    allocations: &[NewAllocation],
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
    let touches_taken =
        |allocation: &&NewAllocation| taken.is_empty() || parties(allocation).iter().any(|party| taken.contains(party));
    Ok(trainers_changed(
        allocations.iter().filter(touches_taken).map(|allocation| allocation.trainer_id.clone()).collect(),
    ))
}
