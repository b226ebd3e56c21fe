//! All choices of slots for all plain trainers of a shard at once.
//!
//! For trainers without days off during the plan, a slot in a set of weekdays always has the same lessons: a *leg*. Who
//! holds a leg is a set of trainers, and who has any choice of a set of weekdays is the AND, over its weekdays, of the
//! OR of its legs; where slots overlap, the legs of neighbouring days are joined pair by pair.

use super::bits;
use super::lens::Lens;
use super::outline::{Outline, cells_of};

/// A slot with a number of lessons.
#[derive(Debug)]
struct Leg {
    slot: usize,
    lessons: usize,
    cells: Vec<(i64, u64)>,
}

/// A weekday of a set.
#[derive(Debug)]
struct LegDay {
    weekday: usize,
    /// Its slots, as bits.
    slots: u64,
    /// A leg for each slot, best liked first.
    legs: Vec<usize>,
}

/// A set of weekdays with its legs.
#[derive(Debug)]
struct LegSet {
    /// Monday first.
    days: Vec<LegDay>,
    /// Whether all lessons can be placed before the calendar ends.
    placeable: bool,
    /// Pairs of slots that overlap.
    clashes: Vec<(usize, usize)>,
}

/// The legs of a plan, the same for all trainers.
#[derive(Debug, Default)]
pub(crate) struct Legs {
    legs: Vec<Leg>,
    sets: Vec<LegSet>,
}

impl Legs {
    /// The legs of all sets of weekdays.
    pub(crate) fn of(outline: &Outline) -> Self {
        let mut legs = Self::default();
        for set in &outline.sets {
            let end = set.ends.first().copied().or(set.last).unwrap_or(0);
            let mut days = Vec::with_capacity(set.weekdays.len());
            for &weekday in &set.weekdays {
                let slots = outline.by_weekday[weekday];
                let leg = |slot: u32| legs.leg(outline, slot as usize, outline.slots[slot as usize].until(end));
                days.push(LegDay { weekday, slots, legs: bits::ones(slots).map(leg).collect() });
            }
            let ended = |&(one, other): &(u16, u16)| one <= end && other <= end;
            let tangles = outline.tangles.iter().filter(|tangle| {
                let within = |slot: usize| set.weekdays.contains(&outline.slots[slot].slot.weekday.index());
                let overlap = tangle.dates.as_ref().is_none_or(|dates| dates.iter().any(ended));
                within(tangle.one) && within(tangle.other) && overlap
            });
            let clashes = tangles.map(|tangle| (tangle.one, tangle.other)).collect();
            legs.sets.push(LegSet { days, placeable: !set.ends.is_empty(), clashes });
        }
        legs
    }

    fn leg(&mut self, outline: &Outline, slot: usize, lessons: usize) -> usize {
        let known = self.legs.iter().position(|leg| leg.slot == slot && leg.lessons == lessons);
        known.unwrap_or_else(|| {
            let cells = cells_of(&outline.slots[slot].starts[..lessons], outline.length);
            self.legs.push(Leg { slot, lessons, cells });
            self.legs.len() - 1
        })
    }
}

/// Who holds which legs.
pub(crate) struct Holders<'a> {
    legs: &'a Legs,
    /// By leg.
    holders: Vec<Vec<u64>>,
    /// Who has some choice left.
    alive: Vec<u64>,
    unplaceable: bool,
    clashing: bool,
}

impl<'a> Holders<'a> {
    /// Those of `trainers` who are available for the legs; `windows` says, by slot and window, who is.
    pub(crate) fn of(legs: &'a Legs, lens: &Lens, trainers: Vec<u64>, windows: &[Vec<Vec<u64>>]) -> Self {
        let available = |leg: &Leg| {
            let mut set = trainers.clone();
            for (window, who) in lens.slots[leg.slot].windows.iter().zip(&windows[leg.slot]) {
                if window.first < leg.lessons {
                    bits::and(&mut set, who);
                }
            }
            set
        };
        let holders = legs.legs.iter().map(available).collect();
        Self { legs, holders, alive: trainers, unplaceable: true, clashing: false }
    }

    /// Those who could be available for the first lessons, at least.
    pub(crate) fn of_first_lessons(legs: &'a Legs, lens: &Lens, trainers: Vec<u64>, windows: &[Vec<Vec<u64>>]) -> Self {
        let available = |leg: &Leg| {
            let mut set = trainers.clone();
            let first = lens.slots[leg.slot].window_of.first().filter(|_| leg.lessons > 0);
            first.into_iter().for_each(|&window| bits::and(&mut set, &windows[leg.slot][usize::from(window)]));
            set
        };
        let holders = legs.legs.iter().map(available).collect();
        Self { legs, holders, alive: trainers, unplaceable: true, clashing: false }
    }

    /// Drops those who have no choice left, and says how many.
    pub(crate) fn settle(&mut self) -> u32 {
        let before = bits::count(&self.alive);
        if before == 0 {
            return 0;
        }
        let mut alive = vec![0; self.alive.len()];
        for set in &self.legs.sets {
            bits::or(&mut alive, &self.holding(set, 0));
        }
        bits::and(&mut alive, &self.alive);
        self.alive = alive;
        before - bits::count(&self.alive)
    }

    /// Who has some choice left.
    pub(crate) fn alive(&self) -> &[u64] {
        &self.alive
    }

    /// Takes a trainer out.
    pub(crate) fn take_out(&mut self, at: usize) {
        bits::put(&mut self.alive, at, false);
    }

    /// From now on, sets that leave the calendar don't count.
    pub(crate) fn drop_unplaceable(&mut self) {
        self.unplaceable = false;
    }

    /// Drops whoever is busy on a leg: `drop_busy` removes them from a set, for some cells.
    pub(crate) fn drop_busy(&mut self, drop_busy: impl Fn(&[(i64, u64)], &mut [u64])) {
        for (leg, holders) in self.legs.legs.iter().zip(&mut self.holders) {
            bits::and(holders, &self.alive);
            if !bits::is_empty(holders) {
                drop_busy(&leg.cells, holders);
            }
        }
    }

    /// Drops the legs on which the student is busy; from now on, slots must not overlap either.
    pub(crate) fn drop_student_busy(&mut self, outline: &Outline, student_busy: &[Vec<u16>]) {
        self.clashing = true;
        for (leg, holders) in self.legs.legs.iter().zip(&mut self.holders) {
            let last = leg.lessons.checked_sub(1).map(|last| outline.slots[leg.slot].days[last]);
            if student_busy[leg.slot].first().is_some_and(|&busy| Some(busy) <= last) {
                holders.fill(0);
            }
        }
    }

    /// Hands out groups of trainers by the choice of slots that is best for them, best first, until there are at least
    /// `enough` trainers.
    pub(crate) fn each_tier(&self, per_week: usize, enough: usize, mut take: impl FnMut(&[u8], &[u64])) {
        let mut slots: Vec<usize> = self.legs.legs.iter().map(|leg| leg.slot).collect();
        slots.sort_unstable();
        slots.dedup();
        let mut descent = Descent { holders: self, slots: &slots, per_week, left: enough, take: &mut take };
        descent.down(&mut Vec::with_capacity(per_week), &self.alive, 0);
    }

    /// Who holds some choice of a set of weekdays with all of the `forced` slots.
    fn holding(&self, set: &LegSet, forced: u64) -> Vec<u64> {
        if !(set.placeable || self.unplaceable) {
            return vec![0; self.alive.len()];
        }
        if self.clashing && !set.clashes.is_empty() {
            return self.holding_without_clash(set, forced);
        }
        let mut all = self.alive.clone();
        let mut any = vec![0; self.alive.len()];
        for day in &set.days {
            any.fill(0);
            self.options(day, forced).for_each(|leg| bits::or(&mut any, &self.holders[leg]));
            bits::and(&mut all, &any);
            if bits::is_empty(&all) {
                break;
            }
        }
        all
    }

    /// A weekday's legs: only the forced one, if one is.
    fn options<'b>(&'b self, day: &'b LegDay, forced: u64) -> impl Iterator<Item = usize> + 'b {
        let wanted = if day.slots & forced == 0 { day.slots } else { day.slots & forced };
        day.legs.iter().copied().filter(move |&leg| wanted >> self.legs.legs[leg].slot & 1 == 1)
    }

    fn holding_without_clash(&self, set: &LegSet, forced: u64) -> Vec<u64> {
        let days = &set.days;
        let before = |at: usize| days.iter().any(|day| (day.weekday + 1) % 7 == days[at].weekday);
        let circle = days.len() == 7;
        let gap = (0..days.len()).find(|&at| !before(at)).unwrap_or(0);
        let firsts: Vec<usize> = self.options(&days[gap], forced).collect();
        // Where every day has a neighbour, the walk is made once for each choice of the first day.
        let groups: Vec<Vec<usize>> =
            if circle { firsts.into_iter().map(|leg| vec![leg]).collect() } else { vec![firsts] };
        let mut all = vec![0; self.alive.len()];
        for group in groups {
            let mut reached: Vec<(usize, Vec<u64>)> =
                group.iter().map(|&leg| (leg, self.holders[leg].clone())).collect();
            let mut weekday = days[gap].weekday;
            for step in 1..days.len() {
                let next = &days[(gap + step) % days.len()];
                let adjacent = next.weekday == (weekday + 1) % 7;
                let onto = self.options(next, forced).map(|leg| (leg, self.step(set, &reached, leg, adjacent)));
                reached = onto.collect();
                weekday = next.weekday;
            }
            for (leg, who) in &reached {
                if !circle || !self.clash(set, *leg, group[0]) {
                    bits::or(&mut all, who);
                }
            }
        }
        bits::and(&mut all, &self.alive);
        all
    }

    /// Who can go on to a leg from those reached on the day before.
    fn step(&self, set: &LegSet, reached: &[(usize, Vec<u64>)], leg: usize, adjacent: bool) -> Vec<u64> {
        let mut who = vec![0; self.alive.len()];
        for (from, holders) in reached {
            if !adjacent || !self.clash(set, *from, leg) {
                bits::or(&mut who, holders);
            }
        }
        bits::and(&mut who, &self.holders[leg]);
        who
    }

    fn clash(&self, set: &LegSet, one: usize, other: usize) -> bool {
        set.clashes.contains(&(self.legs.legs[one].slot, self.legs.legs[other].slot))
    }
}

/// A descent into ever longer choices, always to the best liked next slot first.
struct Descent<'a, 'b> {
    holders: &'a Holders<'a>,
    slots: &'a [usize],
    per_week: usize,
    left: usize,
    take: &'b mut dyn FnMut(&[u8], &[u64]),
}

impl Descent<'_, '_> {
    fn down(&mut self, chosen: &mut Vec<u8>, trainers: &[u64], from: usize) {
        if chosen.len() == self.per_week {
            (self.take)(chosen, trainers);
            self.left = self.left.saturating_sub(bits::count(trainers) as usize);
            return;
        }
        let mut rest = trainers.to_vec();
        for (at, &slot) in self.slots.iter().enumerate().skip(from) {
            if self.left == 0 || bits::is_empty(&rest) {
                return;
            }
            chosen.push(slot as u8);
            let with = self.extendable(chosen, &rest);
            if !bits::is_empty(&with) {
                bits::minus(&mut rest, &with);
                self.down(chosen, &with, at + 1);
            }
            chosen.pop();
        }
    }

    /// Who of `trainers` has a choice with all of the chosen slots.
    fn extendable(&self, chosen: &[u8], trainers: &[u64]) -> Vec<u64> {
        let forced = chosen.iter().fold(0u64, |mask, &slot| mask | 1 << slot);
        let mut all = vec![0; trainers.len()];
        for set in &self.holders.legs.sets {
            let of_day = |day: &LegDay| (forced & day.slots).count_ones() as usize;
            let one_a_day = set.days.iter().all(|day| of_day(day) <= 1);
            if one_a_day && set.days.iter().map(of_day).sum::<usize>() == chosen.len() {
                bits::or(&mut all, &self.holders.holding(set, forced));
            }
        }
        bits::and(&mut all, trainers);
        all
    }
}
