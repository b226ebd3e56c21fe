//! No double booking: nobody is in two lessons at once, what is reserved is what plans take, and
//! nobody teaches more in a week than they would.

use std::collections::{BTreeMap, BTreeSet};

use caravan_domain::allocation::Receipt;

use super::lessons::{Lesson, lessons, zone};
use crate::tables::{AllocationRow, PurchaseRow, party};
use crate::world::State;

const QUARTER_SECONDS: i64 = 900;
const WEEK_QUARTERS: i64 = 7 * 24 * 4;
const BLOCK_WEEKS: i64 = 64;

pub(super) fn check(state: &State, found: &mut Vec<String>) {
    let mut taken: BTreeMap<String, Vec<Lesson>> = BTreeMap::new();
    for (row, allocation) in allocations(state) {
        for party in [party("trainer", &allocation.made.trainer_id), party("student", &row.confirmation.student.id)] {
            taken.entry(party).or_default().extend(lessons(row, allocation));
        }
    }
    for (party, lessons) in &mut taken {
        lessons.sort_by_key(|lesson| lesson.starts_at);
        for pair in lessons.windows(2).filter(|pair| pair[1].starts_at < pair[0].ends_at) {
            found.push(format!("no-double-booking: {party} is in {:?} and {:?} at once", pair[0], pair[1]));
        }
    }
    let parties: BTreeSet<&String> = taken.keys().chain(state.tables.reservations.keys()).collect();
    for party in parties {
        let needed: BTreeSet<i64> = taken.get(party).into_iter().flatten().flat_map(quarters).collect();
        if reserved(state, party) != needed {
            found.push(format!("no-double-booking: what is reserved of {party} is not what their plans take"));
        }
    }
    check_weeks(state, found);
}

fn allocations(state: &State) -> impl Iterator<Item = (&PurchaseRow, &AllocationRow)> {
    state.tables.purchases.values().flat_map(|row| row.allocations.iter().map(|allocation| (&**row, allocation)))
}

fn quarters(lesson: &Lesson) -> std::ops::Range<i64> {
    let (from, until) = (lesson.starts_at.as_second(), lesson.ends_at.as_second());
    from.div_euclid(QUARTER_SECONDS)
        ..until.div_euclid(QUARTER_SECONDS) + i64::from(until.rem_euclid(QUARTER_SECONDS) > 0)
}

/// The quarter hours whose bits are set.
fn reserved(state: &State, party: &str) -> BTreeSet<i64> {
    let rows = state.tables.reservations.get(party).into_iter().flat_map(|rows| rows.iter());
    let bits = rows.flat_map(|(key, (busy, _))| {
        let (block, cell) = (key.div_euclid(WEEK_QUARTERS), key.rem_euclid(WEEK_QUARTERS));
        let set = (0..BLOCK_WEEKS).filter(move |week| busy >> week & 1 == 1);
        set.map(move |week| (block * BLOCK_WEEKS + week) * WEEK_QUARTERS + cell)
    });
    bits.collect()
}

/// When a plan was decided, each of its weeks was within the trainer's limit of that time.
fn check_weeks(state: &State, found: &mut Vec<String>) {
    let mut weeks: BTreeMap<(&str, (i16, i8)), Vec<u64>> = BTreeMap::new();
    let mut limits = Vec::new();
    for (row, allocation) in allocations(state) {
        let receipt: Receipt = serde_json::from_str(&allocation.made.receipt).unwrap_or_default();
        let Some(terms) = receipt.trainer else { continue };
        for lesson in lessons(row, allocation) {
            let local = lesson.starts_at.to_zoned(zone(&terms.time_zone)).date().iso_week_date();
            let week = (allocation.made.trainer_id.as_str(), (local.year(), local.week()));
            weeks.entry(week).or_default().push(allocation.revision);
            limits.push((week, allocation.revision, terms.max_sessions_per_week as usize));
        }
    }
    for (week, revision, limit) in limits {
        let then = weeks[&week].iter().filter(|other| **other <= revision).count();
        if then > limit {
            found.push(format!("whole-plan-fits: {week:?} had {then} sessions where {limit} is the limit"));
        }
    }
}
