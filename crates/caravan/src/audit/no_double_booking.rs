//! Guarantee 3, no double booking: nobody's time is taken twice, and what is reserved is exactly
//! what the active plans take.

use std::collections::BTreeMap;

use super::evidence::{second, shown};
use super::party::Party;
use super::report::Tally;
use crate::platform::evidence::{PartyKind, ReservationEvidence, SpanEvidence};

/// Seconds in a cell of reserved time.
const CELL: i64 = 900;
/// Cells in a week.
const WEEK: i64 = 672;
/// Weeks in a row of reserved time.
const WEEKS: i64 = 64;

/// A row's bits: the weeks a cell is taken in, and those a session starts in.
type Bits = (u64, u64);

/// Judges the time of a trainer or of a student.
pub(super) fn judge(party: &Party<'_>, tally: &mut Tally) {
    let taken = time_taken(party, tally);
    let mut reserved = BTreeMap::new();
    for ReservationEvidence { key, busy, starts, .. } in party.reservations {
        reserved.insert(*key, (*busy, *starts));
    }
    let mut keys: Vec<i64> = taken.keys().chain(reserved.keys()).copied().collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let takes = taken.get(&key).copied().unwrap_or_default();
        let holds = reserved.get(&key).copied().unwrap_or_default();
        tally.must(takes == holds, &party.name, || difference(key, takes, holds));
    }
}

/// The rows that the party's plans should have, counting on the way what two of them take.
fn time_taken(party: &Party<'_>, tally: &mut Tally) -> BTreeMap<i64, Bits> {
    let mut rows: BTreeMap<i64, Bits> = BTreeMap::new();
    for plan in &party.plans {
        for lesson in plan.taken() {
            let first = lesson.start.div_euclid(CELL);
            let mut free = true;
            for quarter in first..(lesson.end + CELL - 1).div_euclid(CELL) {
                let (key, bit) = (key_of(quarter), bit_of(quarter));
                let row = rows.entry(key).or_default();
                free &= row.0 & bit == 0;
                row.0 |= bit;
                row.1 |= if quarter == first { bit } else { 0 };
            }
            tally.must(free, &plan.allocation.id, || {
                format!("its session {} at {} takes time of {} twice", lesson.ordinal, shown(lesson.start), party.name)
            });
        }
    }
    rows
}

fn key_of(quarter: i64) -> i64 {
    quarter.div_euclid(WEEK).div_euclid(WEEKS) * WEEK + quarter.rem_euclid(WEEK)
}

fn bit_of(quarter: i64) -> u64 {
    1 << quarter.div_euclid(WEEK).rem_euclid(WEEKS)
}

/// The first quarter hour in which two rows differ, in words.
fn difference(key: i64, takes: Bits, holds: Bits) -> String {
    let time = |bits: u64| {
        let week = key.div_euclid(WEEK) * WEEKS + i64::from(bits.trailing_zeros());
        shown((week * WEEK + key.rem_euclid(WEEK)) * CELL)
    };
    if holds.0 & !takes.0 != 0 {
        format!("{} is reserved (key {key}), but no active plan takes it", time(holds.0 & !takes.0))
    } else if takes.0 & !holds.0 != 0 {
        format!("a plan takes {} (key {key}), but it is not reserved", time(takes.0 & !holds.0))
    } else {
        format!("the start noted in the quarter hour of {} (key {key}) is wrong", time(takes.1 ^ holds.1))
    }
}

/// Judges sessions as they come, by party and then by start.
#[derive(Debug)]
pub(super) struct Spans {
    kind: PartyKind,
    party: String,
    /// The end of what was seen of the party so far, and whose that is.
    latest: Option<(i64, String)>,
}

impl Spans {
    pub(super) fn of(kind: PartyKind) -> Self {
        Self { kind, party: String::new(), latest: None }
    }

    pub(super) fn judge(&mut self, span: SpanEvidence, tally: &mut Tally) {
        if span.party != self.party {
            self.party = span.party;
            self.latest = None;
        }
        let (Some(start), Some(end)) = (second(&span.starts_at), second(&span.ends_at)) else {
            return tally
                .must(false, &span.session_id, || format!("{} or {} is no time", span.starts_at, span.ends_at));
        };
        let overlapped = self.latest.as_ref().filter(|(latest, _)| start < *latest);
        tally.must(overlapped.is_none(), &span.session_id, || {
            let other = overlapped.map_or("", |(_, other)| other);
            format!("it overlaps session {other} of the same {} {}", self.kind.name(), self.party)
        });
        if self.latest.as_ref().is_none_or(|(latest, _)| *latest < end) {
            self.latest = Some((end, span.session_id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_inside_a_longer_one_that_is_not_its_neighbour_overlaps() {
        let mut tally = Tally::new(9);
        let mut spans = Spans::of(PartyKind::Trainer);
        for (party, id, starts_at, ends_at) in [
            ("a", "long", "2027-01-01T10:00:00Z", "2027-01-01T14:00:00Z"),
            ("a", "short", "2027-01-01T10:30:00Z", "2027-01-01T11:00:00Z"),
            ("a", "inside", "2027-01-01T13:00:00Z", "2027-01-01T13:15:00Z"),
            ("a", "after", "2027-01-01T14:00:00Z", "2027-01-01T15:00:00Z"),
            ("b", "other", "2027-01-01T14:30:00Z", "2027-01-01T15:00:00Z"),
        ] {
            let [party, session_id, starts_at, ends_at] = [party, id, starts_at, ends_at].map(str::to_owned);
            spans.judge(SpanEvidence { party, session_id, starts_at, ends_at }, &mut tally);
        }
        assert_eq!(tally.ids(), ["short", "inside"]);
    }
}
