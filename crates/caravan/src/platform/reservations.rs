//! What a transaction reserves, as rows of whichever database: trainers' and students' quarter hours.

use std::collections::{BTreeMap, BTreeSet};

use super::transaction::{CommitError, NewAllocation, Party, PartyTime};

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
/// A conflict if two of them want the same time.
pub(super) fn gathered(allocations: &[NewAllocation], taken: &[PartyTime]) -> Result<Vec<Row>, CommitError> {
    let mut rows: BTreeMap<(String, i64), Bits> = BTreeMap::new();
    let wanted = allocations
        .iter()
        .flat_map(|allocation| parties(allocation).into_iter().map(|party| (party, allocation.reserved.as_slice())));
    for (party, reserved) in wanted.chain(taken.iter().map(|theirs| (name(&theirs.party), theirs.time.as_slice()))) {
        for time in reserved {
            let bits = rows.entry((party.clone(), time.key)).or_default();
            if bits.busy & time.busy != 0 {
                return Err(conflict(allocations, taken, &BTreeSet::from([party])));
            }
            bits.busy |= time.busy;
            bits.starts |= time.starts;
        }
    }
    Ok(rows.into_iter().collect())
}

/// The rows of time that is given back, in the order of the keys.
pub(super) fn given_back(freed: &[PartyTime]) -> Vec<Row> {
    let mut rows: BTreeMap<(String, i64), Bits> = BTreeMap::new();
    for theirs in freed {
        for time in &theirs.time {
            let bits = rows.entry((name(&theirs.party), time.key)).or_default();
            bits.busy |= time.busy;
            bits.starts |= time.starts;
        }
    }
    rows.into_iter().collect()
}

/// The conflict of reservations that did not go through: the trainers of all that touches a party
/// whose time was taken before; of all, if nobody's was.
pub(super) fn conflict(allocations: &[NewAllocation], times: &[PartyTime], taken: &BTreeSet<String>) -> CommitError {
    let touches_taken =
        |allocation: &&NewAllocation| taken.is_empty() || parties(allocation).iter().any(|party| taken.contains(party));
    let of_allocations = allocations.iter().filter(touches_taken).map(|allocation| allocation.trainer_id.clone());
    let of_times = times.iter().filter_map(|theirs| match &theirs.party {
        Party::Trainer(id) if taken.is_empty() || taken.contains(&name(&theirs.party)) => Some(id.clone()),
        _ => None,
    });
    let trainers: BTreeSet<String> = of_allocations.chain(of_times).collect();
    if trainers.is_empty() {
        let parties: Vec<&str> = taken.iter().map(String::as_str).collect();
        return CommitError::changed(format!("the time of {}", parties.join(", ")));
    }
    CommitError::trainers_changed(trainers)
}

/// A party as rows name it.
pub(super) fn name(party: &Party) -> String {
    match party {
        Party::Trainer(id) => format!("{TRAINER_PARTY}{id}"),
        Party::Student(id) => format!("{STUDENT_PARTY}{id}"),
    }
}

/// Whose time a row's party is.
pub(super) fn party(name: &str) -> Option<Party> {
    let trainer = name.strip_prefix(TRAINER_PARTY).map(|id| Party::Trainer(id.to_owned()));
    trainer.or_else(|| name.strip_prefix(STUDENT_PARTY).map(|id| Party::Student(id.to_owned())))
}

fn parties(allocation: &NewAllocation) -> [String; 2] {
    [format!("{TRAINER_PARTY}{}", allocation.trainer_id), format!("{STUDENT_PARTY}{}", allocation.student_id)]
}
