//! What allocations reserve, as rows of whichever database: a trainer's and a student's quarter
//! hours, gathered over a transaction.

use std::collections::{BTreeMap, BTreeSet};

use super::transaction::{CommitError, NewAllocation};

/// What the party of a trainer's time begins with.
pub(super) const TRAINER_PARTY: &str = "trainer:";
/// What the party of a student's time begins with.
pub(super) const STUDENT_PARTY: &str = "student:";

/// A party's quarter hours of one key.
#[derive(Clone, Copy, Default)]
pub(super) struct Bits {
    pub(super) busy: u64,
    pub(super) starts: u64,
}

/// A row to reserve: party, key, and what is taken of it.
pub(super) type Row = ((String, i64), Bits);

/// The rows to reserve, in the order of the keys: that of the table, so that neighbours land on the
/// same page, and that of the locks.
///
/// # Errors
/// A conflict if two of the allocations want the same time.
pub(super) fn gathered(allocations: &[NewAllocation]) -> Result<Vec<Row>, CommitError> {
    let mut rows: BTreeMap<(String, i64), Bits> = BTreeMap::new();
    for allocation in allocations {
        for party in parties(allocation) {
            for time in &allocation.reserved {
                let bits = rows.entry((party.clone(), time.key)).or_default();
                if bits.busy & time.busy != 0 {
                    return Err(CommitError::trainers_changed(BTreeSet::from([allocation.trainer_id.clone()])));
                }
                bits.busy |= time.busy;
                bits.starts |= time.starts;
            }
        }
    }
    Ok(rows.into_iter().collect())
}

/// The conflict of reservations that did not go through: the trainers of all allocations that
/// touch a party whose time was taken before; of all, if nobody's was.
pub(super) fn conflict(allocations: &[NewAllocation], taken: &BTreeSet<String>) -> CommitError {
    let touches_taken =
        |allocation: &&NewAllocation| taken.is_empty() || parties(allocation).iter().any(|party| taken.contains(party));
    CommitError::trainers_changed(
        allocations.iter().filter(touches_taken).map(|allocation| allocation.trainer_id.clone()).collect(),
    )
}

fn parties(allocation: &NewAllocation) -> [String; 2] {
    [format!("{TRAINER_PARTY}{}", allocation.trainer_id), format!("{STUDENT_PARTY}{}", allocation.student_id)]
}
