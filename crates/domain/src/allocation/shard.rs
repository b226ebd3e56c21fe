//! Up to some thousand trainers of one zone, indexed by what is asked of them.
//!
//! Facts about trainers stand in columns of bits, one bit for each trainer, so that a question about everybody is a few
//! AND operations. Reserved time stands the other way round: for each cell, who has it, in which weeks.

use std::collections::{BTreeMap, HashMap};

use super::bits::{self, WORD_BITS};
use super::calendar::{Calendar, ReservedTime, WEEK_CELLS, quarter_at};
use super::clock::{Clock, iso_week};
use crate::availability::{Availability, WEEK_MINUTES};
use crate::trainer::Trainer;

/// Trainers in a shard: its columns stay in a processor's cache, and inserting into a posting stays cheap.
pub(crate) const SHARD_TRAINERS_MAX: usize = 4096;
/// Looking one trainer up in a posting costs as much as passing so many of them by.
const LOOKUP_COST: usize = 16;
/// Minutes in a cell of the availability columns.
const COLUMN_MINUTES: u16 = 15;
/// Cells of the week.
const COLUMN_CELLS: usize = (WEEK_MINUTES / COLUMN_MINUTES) as usize;
/// For each cell: is its beginning covered for 5, for 10, for all of its 15 minutes.
const COLUMN_DEPTHS: usize = 3;

/// What trainers are compared by when all else is equal.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Standing {
    /// The work they have been given.
    pub(crate) share: Option<i64>,
    /// Their weight.
    pub(crate) weight: u32,
}

/// A trainer in a shard.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// Without name and address.
    pub(crate) trainer: Trainer,
    /// Whether they take plans: active, and their zone is known.
    pub(crate) active: bool,
    /// The work they have been given.
    pub(crate) share: Option<i64>,
    /// Their courses' numbers.
    pub(crate) courses: Vec<u32>,
    /// Their languages' numbers.
    pub(crate) languages: Vec<u32>,
    /// Days off, as sorted, disjoint instants, the end exclusive.
    pub(crate) off: Vec<(i64, i64)>,
    /// How many sessions they have in which week.
    pub(crate) loads: Loads,
}

/// Sessions by ISO week.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loads {
    first: i32,
    counts: Vec<u16>,
}

impl Loads {
    /// Counts the sessions of a calendar by the clock of the trainer's zone.
    pub(crate) fn of(calendar: &Calendar, clock: &Clock) -> Self {
        let mut loads = Self::default();
        let mut weeks: Vec<i32> = starts(calendar.rows()).map(|second| iso_week(clock.wall(second))).collect();
        weeks.sort_unstable();
        weeks.into_iter().for_each(|week| loads.add(week, 1));
        loads
    }

    /// The sessions of a week.
    pub(crate) fn get(&self, week: i32) -> u16 {
        let at = usize::try_from(i64::from(week) - i64::from(self.first)).ok();
        at.and_then(|at| self.counts.get(at)).copied().unwrap_or(0)
    }

    /// Adds sessions to a week.
    pub(crate) fn add(&mut self, week: i32, sessions: u16) {
        if self.counts.is_empty() {
            self.first = week;
        }
        if week < self.first {
            let more = (self.first - week) as usize;
            self.counts.splice(0..0, std::iter::repeat_n(0, more));
            self.first = week;
        }
        let at = (week - self.first) as usize;
        if at >= self.counts.len() {
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] = self.counts[at].saturating_add(sessions);
    }

    /// The busiest week's sessions.
    pub(crate) fn peak(&self) -> u16 {
        self.counts.iter().copied().max().unwrap_or(0)
    }
}

/// When the sessions of these rows start, Unix seconds.
pub(crate) fn starts(rows: &[ReservedTime]) -> impl Iterator<Item = i64> + '_ {
    rows.iter().flat_map(|row| bits::ones(row.starts).map(|bit| quarter_at(row.key, bit) * super::CELL_SECONDS))
}

/// Who has a cell, and in which weeks of the block.
#[derive(Clone, Debug, Default)]
struct Posting {
    /// Ascending.
    who: Vec<u16>,
    /// As `who`.
    busy: Vec<u64>,
}

impl Posting {
    fn get(&self, at: u16) -> u64 {
        self.who.binary_search(&at).map_or(0, |found| self.busy[found])
    }

    fn add(&mut self, at: u16, busy: u64) {
        match self.who.binary_search(&at) {
            Ok(found) => self.busy[found] |= busy,
            Err(place) => {
                self.who.insert(place, at);
                self.busy.insert(place, busy);
            }
        }
    }

    fn forget(&mut self, at: u16) {
        if let Ok(found) = self.who.binary_search(&at) {
            self.who.remove(found);
            self.busy.remove(found);
        }
    }
}

/// The columns.
#[derive(Clone, Debug)]
pub(crate) struct Shard {
    /// Which of the roster's zones.
    pub(crate) zone: usize,
    /// Words in a column.
    pub(crate) words: usize,
    members: Vec<Option<Member>>,
    free: Vec<u16>,
    active: Vec<u64>,
    off: Vec<u64>,
    courses: HashMap<u32, Vec<u64>>,
    languages: HashMap<u32, Vec<u64>>,
    /// `(cell * depths + depth) * words`.
    available: Vec<u64>,
    /// By block, then by cell.
    reserved: BTreeMap<i64, Vec<Posting>>,
    /// How many more sessions fit into the busiest week; negative if it has too many.
    headroom: Vec<i32>,
    /// As the members', where many are compared.
    standing: Vec<Standing>,
}

impl Shard {
    /// An empty shard of a zone.
    pub(crate) fn new(zone: usize) -> Self {
        Self {
            zone,
            words: 1,
            members: Vec::new(),
            free: Vec::new(),
            active: vec![0],
            off: vec![0],
            courses: HashMap::new(),
            languages: HashMap::new(),
            available: vec![0; COLUMN_CELLS * COLUMN_DEPTHS],
            reserved: BTreeMap::new(),
            headroom: Vec::new(),
            standing: Vec::new(),
        }
    }

    /// How many trainers there are.
    pub(crate) fn len(&self) -> usize {
        self.members.len() - self.free.len()
    }

    /// Whether there is no place left.
    pub(crate) fn is_full(&self) -> bool {
        self.len() >= SHARD_TRAINERS_MAX
    }

    /// The trainer at a place.
    pub(crate) fn member(&self, at: u16) -> Option<&Member> {
        self.members.get(usize::from(at))?.as_ref()
    }

    /// Changes the trainer's share.
    pub(crate) fn set_share(&mut self, at: u16, share: i64) {
        if let Some(Some(member)) = self.members.get_mut(usize::from(at)) {
            member.share = Some(share);
            self.standing[usize::from(at)].share = Some(share);
        }
    }

    /// Puts a trainer into a free place. The shard must not be full.
    pub(crate) fn insert(&mut self, member: Member, availability: &Availability, calendar: &Calendar) -> u16 {
        let at = self.free.pop().unwrap_or_else(|| {
            self.members.push(None);
            self.headroom.push(0);
            self.standing.push(Standing::default());
            (self.members.len() - 1) as u16
        });
        let place = usize::from(at);
        self.widen(place / WORD_BITS + 1);
        bits::put(&mut self.active, place, member.active);
        bits::put(&mut self.off, place, !member.off.is_empty());
        let words = self.words;
        for course in &member.courses {
            bits::put(self.courses.entry(*course).or_insert_with(|| vec![0; words]), place, true);
        }
        for language in &member.languages {
            bits::put(self.languages.entry(*language).or_insert_with(|| vec![0; words]), place, true);
        }
        self.set_available(place, |minute, minutes| availability.covers_week_minute(minute, minutes));
        calendar.rows().iter().for_each(|row| self.posting(row.key).add(at, row.busy));
        self.headroom[place] = headroom(&member);
        self.standing[place] = Standing { share: member.share, weight: member.trainer.weight };
        self.members[place] = Some(member);
        at
    }

    /// Empties a place.
    pub(crate) fn remove(&mut self, at: u16) -> Option<Member> {
        let place = usize::from(at);
        let member = self.members.get_mut(place)?.take()?;
        self.free.push(at);
        bits::put(&mut self.active, place, false);
        bits::put(&mut self.off, place, false);
        for column in self.courses.values_mut().chain(self.languages.values_mut()) {
            bits::put(column, place, false);
        }
        self.set_available(place, |_, _| false);
        self.reserved.values_mut().flatten().for_each(|posting| posting.forget(at));
        Some(member)
    }

    /// Takes time of a trainer; `weeks` are the ISO weeks its sessions are in.
    pub(crate) fn reserve(&mut self, at: u16, time: &[ReservedTime], weeks: impl Iterator<Item = i32>) {
        time.iter().for_each(|row| self.posting(row.key).add(at, row.busy));
        if let Some(Some(member)) = self.members.get_mut(usize::from(at)) {
            weeks.for_each(|week| member.loads.add(week, 1));
            self.headroom[usize::from(at)] = headroom(member);
        }
    }

    /// Who takes plans.
    pub(crate) fn active(&self) -> &[u64] {
        &self.active
    }

    /// Who teaches a course.
    pub(crate) fn course(&self, course: u32) -> Option<&[u64]> {
        self.courses.get(&course).map(Vec::as_slice)
    }

    /// Who speaks a language.
    pub(crate) fn language(&self, language: u32) -> Option<&[u64]> {
        self.languages.get(&language).map(Vec::as_slice)
    }

    /// Who has days off.
    pub(crate) fn with_days_off(&self) -> &[u64] {
        &self.off
    }

    /// How many more sessions fit into a trainer's busiest week.
    pub(crate) fn headroom(&self, at: usize) -> i32 {
        self.headroom[at]
    }

    /// A trainer's share and weight.
    pub(crate) fn standing(&self, at: usize) -> Standing {
        self.standing[at]
    }

    /// The weeks in which a trainer has a cell.
    pub(crate) fn busy(&self, at: u16, key: i64) -> u64 {
        self.find(key).map_or(0, |posting| posting.get(at))
    }

    /// Removes from a set everybody who isn't available for these parts of the week.
    ///
    /// Clocks have been ahead of or behind UTC by quarter hours since 1972, so a lesson that starts on a mark of its
    /// own zone starts on one everywhere.
    pub(crate) fn keep_available(&self, set: &mut [u64], pieces: &[(u16, u16)]) {
        for &(minute, minutes) in pieces {
            let mut cell = usize::from(minute / COLUMN_MINUTES);
            let mut left = minutes + minute % COLUMN_MINUTES;
            while left > 0 {
                let depth = usize::from(left.min(COLUMN_MINUTES).div_ceil(5)) - 1;
                let column = (cell % COLUMN_CELLS * COLUMN_DEPTHS + depth) * self.words;
                bits::and(set, &self.available[column..column + self.words]);
                left = left.saturating_sub(COLUMN_MINUTES);
                cell += 1;
            }
        }
    }

    /// Removes from a set everybody who has one of these cells in one of these weeks.
    pub(crate) fn drop_busy(&self, set: &mut [u64], cells: &[(i64, u64)]) {
        let mut left = bits::count(set) as usize;
        let mut busy_then = vec![0; set.len()];
        for &(key, weeks) in cells {
            let Some(posting) = self.find(key) else { continue };
            if left * LOOKUP_COST < posting.who.len() {
                let is_busy = |&at: &usize| posting.get(at as u16) & weeks != 0;
                for at in bits::members(set).filter(is_busy).collect::<Vec<_>>() {
                    bits::put(set, at, false);
                    left -= 1;
                }
                continue;
            }
            // Word by word: who is ascending.
            let (mut word, mut bits) = (0, 0);
            for (&at, &busy) in posting.who.iter().zip(&posting.busy) {
                let at = usize::from(at);
                if at / WORD_BITS != word {
                    busy_then[word] |= bits;
                    (word, bits) = (at / WORD_BITS, 0);
                }
                bits |= u64::from(busy & weeks != 0) << (at % WORD_BITS);
            }
            busy_then[word] |= bits;
        }
        bits::minus(set, &busy_then);
    }

    fn find(&self, key: i64) -> Option<&Posting> {
        self.reserved.get(&key.div_euclid(WEEK_CELLS))?.get(key.rem_euclid(WEEK_CELLS) as usize)
    }

    fn posting(&mut self, key: i64) -> &mut Posting {
        let cells = self.reserved.entry(key.div_euclid(WEEK_CELLS));
        let cells = cells.or_insert_with(|| vec![Posting::default(); WEEK_CELLS as usize]);
        &mut cells[key.rem_euclid(WEEK_CELLS) as usize]
    }

    fn set_available(&mut self, place: usize, covers: impl Fn(u16, u16) -> bool) {
        for cell in 0..COLUMN_CELLS {
            for depth in 0..COLUMN_DEPTHS {
                let covered = covers(cell as u16 * COLUMN_MINUTES, (depth as u16 + 1) * 5);
                let column = (cell * COLUMN_DEPTHS + depth) * self.words;
                bits::put(&mut self.available[column..column + self.words], place, covered);
            }
        }
    }

    /// Makes the columns at least this many words long; doubling, so that growing stays cheap.
    fn widen(&mut self, words: usize) {
        if words <= self.words {
            return;
        }
        let wider = words.next_power_of_two();
        let mut available = vec![0; COLUMN_CELLS * COLUMN_DEPTHS * wider];
        for (new, old) in available.chunks_exact_mut(wider).zip(self.available.chunks_exact(self.words)) {
            new[..self.words].copy_from_slice(old);
        }
        self.available = available;
        self.active.resize(wider, 0);
        self.off.resize(wider, 0);
        self.courses.values_mut().chain(self.languages.values_mut()).for_each(|column| column.resize(wider, 0));
        self.words = wider;
    }
}

fn headroom(member: &Member) -> i32 {
    let max = i32::try_from(member.trainer.max_sessions_per_week).unwrap_or(i32::MAX);
    max.saturating_sub(i32::from(member.loads.peak()))
}
