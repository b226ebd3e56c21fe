//! Reserved time, in the form the database keeps: bits for quarter hours, 64 weeks in a word.
//!
//! A weekly plan is a handful of rows, and whether a slot is free in all of its weeks is a few AND operations.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::plan::Occurrence;

/// Seconds in a cell.
pub const CELL_SECONDS: i64 = 15 * 60;
/// Cells in a week.
pub const WEEK_CELLS: i64 = 7 * 24 * 4;
/// Weeks in a block: the bits of a row.
pub const BLOCK_WEEKS: i64 = 64;

/// One quarter hour of the week over a block of 64 weeks.
///
/// Weeks and cells are counted in UTC from the Unix epoch (a Thursday).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReservedTime {
    /// `block * 672 + cell`.
    pub key: i64,
    /// Bit `w`: the cell is taken in week `w` of the block.
    pub busy: u64,
    /// Bit `w`: a session starts in that cell in that week.
    pub starts: u64,
}

impl ReservedTime {
    /// The least key of rows that can hold time from `at` on: those of its block begin with it.
    pub fn first_key(at: Timestamp) -> i64 {
        let week = at.as_second().div_euclid(CELL_SECONDS * WEEK_CELLS);
        week.div_euclid(BLOCK_WEEKS) * WEEK_CELLS
    }
}

/// A quarter hour's place: its row's key and its week's bit.
pub(crate) fn place(quarter: i64) -> (i64, u32) {
    let week = quarter.div_euclid(WEEK_CELLS);
    let key = week.div_euclid(BLOCK_WEEKS) * WEEK_CELLS + quarter.rem_euclid(WEEK_CELLS);
    (key, week.rem_euclid(BLOCK_WEEKS) as u32)
}

/// The quarter hour at a place: the inverse of [`place`].
pub(crate) fn quarter_at(key: i64, bit: u32) -> i64 {
    let week = key.div_euclid(WEEK_CELLS) * BLOCK_WEEKS + i64::from(bit);
    week * WEEK_CELLS + key.rem_euclid(WEEK_CELLS)
}

/// The quarter hours a time touches, from its floor to its ceiling; Unix seconds.
pub(crate) fn quarters(starts_at: i64, ends_at: i64) -> std::ops::Range<i64> {
    starts_at.div_euclid(CELL_SECONDS)..-((-ends_at).div_euclid(CELL_SECONDS))
}

/// The rows of these sessions, sorted by key. Every session takes each cell it touches.
pub fn reserved_time(occurrences: impl IntoIterator<Item = Occurrence>) -> Vec<ReservedTime> {
    reserved_seconds(
        occurrences.into_iter().map(|session| (session.starts_at.as_second(), session.ends_at.as_second())),
    )
}

/// As [`reserved_time`], from `(starts_at, ends_at)` in Unix seconds.
pub(crate) fn reserved_seconds(sessions: impl Iterator<Item = (i64, i64)>) -> Vec<ReservedTime> {
    let mut rows = Vec::new();
    for (starts_at, ends_at) in sessions {
        let touched = quarters(starts_at, ends_at);
        for quarter in touched.clone() {
            let (key, bit) = place(quarter);
            let starts = if quarter == touched.start { 1 << bit } else { 0 };
            rows.push(ReservedTime { key, busy: 1 << bit, starts });
        }
    }
    merged(rows)
}

/// Sorted by key, one row for each.
fn merged(mut rows: Vec<ReservedTime>) -> Vec<ReservedTime> {
    rows.sort_unstable_by_key(|row| row.key);
    rows.dedup_by(|next, kept| {
        let same = next.key == kept.key;
        if same {
            kept.busy |= next.busy;
            kept.starts |= next.starts;
        }
        same
    });
    rows.retain(|row| row.busy != 0);
    rows
}

/// Whose time it is doesn't matter here: a trainer's or a student's reserved time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calendar {
    rows: Vec<ReservedTime>,
}

impl Calendar {
    /// Takes rows in any order; rows with the same key are joined, empty ones dropped.
    pub fn from_rows(rows: Vec<ReservedTime>) -> Self {
        Self { rows: merged(rows) }
    }

    /// The rows, sorted by key; none is empty.
    pub fn rows(&self) -> &[ReservedTime] {
        &self.rows
    }

    /// Whether nothing is reserved.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The weeks in which this cell is taken.
    pub fn busy(&self, key: i64) -> u64 {
        self.rows.binary_search_by_key(&key, |row| row.key).map_or(0, |at| self.rows[at].busy)
    }

    /// Whether a session starts then, or within the quarter hour it is in.
    pub fn starts_at(&self, at: Timestamp) -> bool {
        let (key, bit) = place(at.as_second().div_euclid(CELL_SECONDS));
        self.rows.binary_search_by_key(&key, |row| row.key).is_ok_and(|row| self.rows[row].starts >> bit & 1 == 1)
    }

    /// When sessions start, in Unix seconds, in no particular order.
    pub fn starts(&self) -> impl Iterator<Item = i64> + '_ {
        super::shard::starts(&self.rows)
    }

    /// Whether any of this time is taken.
    pub fn overlaps(&self, time: &[ReservedTime]) -> bool {
        time.iter().any(|row| self.busy(row.key) & row.busy != 0)
    }

    /// Takes this time.
    pub fn reserve(&mut self, time: &[ReservedTime]) {
        self.rows.extend_from_slice(time);
        self.rows = merged(std::mem::take(&mut self.rows));
    }

    /// Gives this time back; rows that become empty go.
    pub fn release(&mut self, time: &[ReservedTime]) {
        for row in time {
            if let Ok(at) = self.rows.binary_search_by_key(&row.key, |row| row.key) {
                self.rows[at].busy &= !row.busy;
                self.rows[at].starts &= !row.starts;
            }
        }
        self.rows.retain(|row| row.busy != 0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sessions() -> impl Strategy<Value = Vec<(i64, i64)>> {
        prop::collection::vec((-300_000_000i64..4_000_000_000, 3i64..48), 0..20)
            .prop_map(|sessions| sessions.into_iter().map(|(start, pieces)| (start, start + pieces * 300)).collect())
    }

    #[test]
    fn the_epoch_is_bit_zero_of_key_zero() {
        assert_eq!(reserved_seconds([(0, 3600)].into_iter()).len(), 4);
        assert_eq!(place(0), (0, 0));
        assert_eq!(place(-1), (-1, 63));
        assert_eq!(place(672 * 64), (672, 0));
        assert_eq!(quarters(0, 20 * 60), 0..2);
        assert_eq!(quarters(-60, 60), -1..1);
    }

    proptest! {
        #[test]
        fn a_place_is_one_quarter_hour(quarter in -10_000_000i64..10_000_000) {
            let (key, bit) = place(quarter);
            prop_assert_eq!(quarter_at(key, bit), quarter);
        }

        #[test]
        fn every_touched_cell_is_taken_and_no_other(sessions in sessions()) {
            let rows = reserved_seconds(sessions.iter().copied());
            let touched: std::collections::BTreeSet<i64> =
                sessions.iter().flat_map(|&(start, end)| quarters(start, end)).collect();
            let taken: std::collections::BTreeSet<i64> = rows.iter()
                .flat_map(|row| (0..64).filter(|bit| row.busy >> bit & 1 == 1).map(|bit| quarter_at(row.key, bit)))
                .collect();
            prop_assert_eq!(touched, taken);
        }

        #[test]
        fn what_is_released_is_as_if_never_reserved(first in sessions(), second in sessions()) {
            let (first, second) = (reserved_seconds(first.into_iter()), reserved_seconds(second.into_iter()));
            let mut calendar = Calendar::from_rows(first.clone());
            prop_assume!(!calendar.overlaps(&second));
            let before = calendar.clone();
            calendar.reserve(&second);
            prop_assert!(second.is_empty() || calendar.overlaps(&second));
            calendar.release(&second);
            prop_assert_eq!(calendar, before);
        }
    }
}
