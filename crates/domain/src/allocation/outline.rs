//! A plan's dates, before anybody is asked: everything that doesn't depend on the trainer.
//!
//! Without days off, the dates of a slot depend only on the *set* of weekdays chosen, so the many choices of slots fall
//! into at most 35 sets. With days off, a plan that skips `k` dates ends where the set's `sessions + k`-th open date is.
//! Dates are counted in days from the start date.

use jiff::civil::Date;
use jiff::{Span, tz::TimeZone};

use super::calendar::{place, quarters};
use super::clock::{Clock, DAY_SECONDS, day_number};
use crate::plan::{DAY_MINUTES, PLAN_DAYS_MAX, Plan, Slot, Weekday};

/// How many slots of a plan are looked at. Plans have at most 50.
pub(crate) const SLOTS_MAX: usize = 64;
/// A day no plan reaches.
pub(crate) const NEVER: u16 = u16::MAX;
/// Days that are kept free at the end of the calendar, so that every lesson's instants exist.
const CALENDAR_MARGIN_DAYS: i64 = 4;

/// A plan laid out from its first bookable date on.
#[derive(Debug)]
pub(crate) struct Outline {
    /// The first date a lesson may stand on.
    pub(crate) start: Date,
    /// How many lessons.
    pub(crate) sessions: usize,
    /// How many slots are chosen.
    pub(crate) per_week: usize,
    /// How many dates days off may skip.
    pub(crate) max_skipped: usize,
    /// Seconds of a lesson.
    pub(crate) length: i64,
    /// The slots, best liked first.
    pub(crate) slots: Vec<PlannedSlot>,
    /// Every set of `per_week` weekdays that has slots.
    pub(crate) sets: Vec<WeekdaySet>,
    /// The slots of each weekday, as bits.
    pub(crate) by_weekday: [u64; 7],
    /// Pairs of slots that can't both be chosen.
    pub(crate) tangles: Vec<Tangle>,
    /// Closed days, for [`Outline::is_closed`].
    closed: Vec<(i64, i64)>,
    first_day: i64,
}

/// A slot with its open dates: as many as any choice could need.
#[derive(Debug)]
pub(crate) struct PlannedSlot {
    /// The weekly local time.
    pub(crate) slot: Slot,
    /// Open dates, ascending.
    pub(crate) days: Vec<u16>,
    /// When the lesson of each starts, Unix seconds.
    pub(crate) starts: Vec<i64>,
}

impl PlannedSlot {
    /// How many of its dates are not after `day`.
    pub(crate) fn until(&self, day: u16) -> usize {
        self.days.partition_point(|&open| open <= day)
    }
}

/// A choice of weekdays.
#[derive(Debug)]
pub(crate) struct WeekdaySet {
    /// Monday first.
    pub(crate) weekdays: Vec<usize>,
    /// The last date if `k` dates are skipped, for each `k` the policy allows and the calendar has room for; empty if
    /// the plan can't be placed even without skipping.
    pub(crate) ends: Vec<u16>,
    /// The last date looked at when days off would skip more than allowed.
    pub(crate) last: Option<u16>,
}

/// Two slots that overlap.
#[derive(Debug)]
pub(crate) struct Tangle {
    /// The earlier.
    pub(crate) one: usize,
    /// The one of the next day.
    pub(crate) other: usize,
    /// The pairs of dates on which they do; `None`: every week, as their wall-clock times overlap.
    pub(crate) dates: Option<Vec<(u16, u16)>>,
}

impl Outline {
    /// Lays a plan out from `start` on. `closures` are sorted, disjoint day numbers, both ends inclusive; `known` is the
    /// zone's clock if there is one already.
    pub(crate) fn of(
        plan: &Plan,
        start: Date,
        zone: &TimeZone,
        known: Option<&Clock>,
        closures: &[(i64, i64)],
        max_skipped: u16,
    ) -> Self {
        let first_day = day_number(start);
        let closed = closures.iter().copied().filter(|&(_, until)| until >= first_day).collect();
        let mut slots: Vec<Slot> = Vec::with_capacity(plan.slots.len());
        plan.slots.iter().filter(|slot| slot.at.minutes() < DAY_MINUTES).for_each(|slot| {
            if !slots.contains(slot) && slots.len() < SLOTS_MAX {
                slots.push(*slot);
            }
        });
        let mut outline = Self {
            start,
            sessions: usize::from(plan.reserved_sessions().max(1)),
            per_week: usize::from(plan.per_week),
            max_skipped: usize::from(max_skipped),
            length: i64::from(plan.minutes) * 60,
            slots: Vec::new(),
            sets: Vec::new(),
            by_weekday: [0; 7],
            tangles: Vec::new(),
            closed,
            first_day,
        };
        let open = outline.open_days(&slots);
        outline.sets = outline.weekday_sets(&slots, &open);
        outline.slots = outline.planned(&slots, &open, zone, known);
        for (at, slot) in slots.iter().enumerate() {
            outline.by_weekday[slot.weekday.index()] |= 1 << at;
        }
        outline.tangles = outline.tangles_of(plan.minutes);
        outline
    }

    /// The date this many days after the start.
    pub(crate) fn date(&self, day: u16) -> Date {
        self.start.saturating_add(Span::new().days(i64::from(day)))
    }

    /// The day of the week, Monday 0.
    pub(crate) fn weekday(&self, day: u16) -> usize {
        (Weekday::of(self.start).index() + usize::from(day)) % 7
    }

    /// Whether the company is closed on a day.
    pub(crate) fn is_closed(&self, day: u16) -> bool {
        let day = self.first_day + i64::from(day);
        let at = self.closed.partition_point(|&(_, until)| until < day);
        self.closed.get(at).is_some_and(|&(from, _)| from <= day)
    }

    /// The first and last instant any choice could touch.
    pub(crate) fn extent(&self) -> Option<(i64, i64)> {
        let first = self.slots.iter().filter_map(|slot| slot.starts.first()).min()?;
        let last = self.slots.iter().filter_map(|slot| slot.starts.last()).max()?;
        Some((*first, last + self.length))
    }

    /// Open dates of every weekday that has slots, as many as any choice could need.
    fn open_days(&self, slots: &[Slot]) -> [Vec<u16>; 7] {
        let mut open: [Vec<u16>; 7] = Default::default();
        let wanted: [bool; 7] = std::array::from_fn(|day| slots.iter().any(|slot| slot.weekday.index() == day));
        if self.per_week == 0 || wanted.iter().filter(|wanted| **wanted).count() < self.per_week {
            return open;
        }
        let room = (day_number(Date::MAX) - CALENDAR_MARGIN_DAYS - self.first_day).clamp(0, PLAN_DAYS_MAX as i64);
        for day in 0..room as u16 {
            if day % 7 == 0 && self.is_enough(&open, &wanted) {
                break;
            }
            let weekday = self.weekday(day);
            if wanted[weekday] && !self.is_closed(day) {
                open[weekday].push(day);
            }
        }
        open
    }

    /// Whether even the weekdays with the fewest dates have enough.
    fn is_enough(&self, open: &[Vec<u16>; 7], wanted: &[bool; 7]) -> bool {
        let mut counts: Vec<usize> = (0..7).filter(|&day| wanted[day]).map(|day| open[day].len()).collect();
        counts.sort_unstable();
        counts.iter().take(self.per_week).sum::<usize>() >= self.sessions + self.max_skipped
    }

    fn weekday_sets(&self, slots: &[Slot], open: &[Vec<u16>; 7]) -> Vec<WeekdaySet> {
        let wanted = slots.iter().fold(0u8, |mask, slot| mask | 1 << slot.weekday.index());
        let sets = (1u8..128).filter(|set| set & !wanted == 0 && set.count_ones() as usize == self.per_week);
        sets.map(|set| {
            let weekdays: Vec<usize> = (0..7).filter(|day| set >> day & 1 == 1).collect();
            let mut dates: Vec<u16> = weekdays.iter().flat_map(|&day| open[day].iter().copied()).collect();
            dates.sort_unstable();
            dates.truncate(self.sessions + self.max_skipped);
            let ends = dates.get(self.sessions - 1..).unwrap_or_default().to_vec();
            WeekdaySet { weekdays, ends, last: dates.last().copied() }
        })
        .collect()
    }

    fn planned(
        &self,
        slots: &[Slot],
        open: &[Vec<u16>; 7],
        zone: &TimeZone,
        known: Option<&Clock>,
    ) -> Vec<PlannedSlot> {
        let last_of = |weekday: usize| {
            let sets = self.sets.iter().filter(|set| set.weekdays.contains(&weekday));
            sets.filter_map(|set| set.last).max()
        };
        let lasts: [Option<u16>; 7] = std::array::from_fn(last_of);
        let days_max = lasts.iter().flatten().max().map_or(0, |&day| i64::from(day));
        let midnight = self.first_day * DAY_SECONDS;
        let new = || Clock::between(zone, midnight - 3 * DAY_SECONDS, midnight + (days_max + 4) * DAY_SECONDS);
        let laid_out = if known.is_none() { Some(new()) } else { None };
        let Some(clock) = known.or(laid_out.as_ref()) else { return Vec::new() };
        let plan_slot = |slot: &Slot| {
            let weekday = slot.weekday.index();
            let last = lasts[weekday];
            let days: Vec<u16> = open[weekday].iter().copied().take_while(|&day| Some(day) <= last).collect();
            let at = midnight + i64::from(slot.at.minutes()) * 60;
            let starts = days.iter().map(|&day| clock.instant(at + i64::from(day) * DAY_SECONDS)).collect();
            PlannedSlot { slot: *slot, days, starts }
        };
        slots.iter().map(plan_slot).collect()
    }

    fn tangles_of(&self, minutes: u16) -> Vec<Tangle> {
        let mut tangles = Vec::new();
        for (one, before) in self.slots.iter().enumerate() {
            for (other, after) in self.slots.iter().enumerate() {
                if after.slot.weekday.index() != (before.slot.weekday.index() + 1) % 7 {
                    continue;
                }
                if before.slot.at.minutes() + minutes > DAY_MINUTES + after.slot.at.minutes() {
                    tangles.push(Tangle { one, other, dates: None });
                    continue;
                }
                let dates = self.overlapping(before, after);
                if !dates.is_empty() {
                    tangles.push(Tangle { one, other, dates: Some(dates) });
                }
            }
        }
        tangles
    }

    /// The neighbouring dates on which two slots take a quarter hour in common, as happens when clocks change.
    fn overlapping(&self, before: &PlannedSlot, after: &PlannedSlot) -> Vec<(u16, u16)> {
        let mut overlapping = Vec::new();
        let mut next = 0;
        for (&day, &starts_at) in before.days.iter().zip(&before.starts) {
            while after.days.get(next).is_some_and(|&other| other <= day) {
                next += 1;
            }
            let Some((&other, &other_starts)) = after.days.get(next).zip(after.starts.get(next)) else { break };
            let (one, two) = (quarters(starts_at, starts_at + self.length), quarters(other_starts, other_starts + 1));
            if other == day + 1 && one.end > two.start {
                overlapping.push((day, other));
            }
        }
        overlapping
    }
}

/// Which weeks' cells the first `count` lessons of a slot take: `(key, bits)`, each key once.
pub(crate) fn cells_of(starts: &[i64], length: i64) -> Vec<(i64, u64)> {
    let mut rows: Vec<(i64, u64)> = Vec::new();
    let mut recent: Vec<usize> = Vec::new();
    for &starts_at in starts {
        for (nth, quarter) in quarters(starts_at, starts_at + length).enumerate() {
            let (key, bit) = place(quarter);
            let guess = recent.get(nth).copied().filter(|&row| rows[row].0 == key);
            let row = guess.or_else(|| rows.iter().position(|row| row.0 == key)).unwrap_or_else(|| {
                rows.push((key, 0));
                rows.len() - 1
            });
            rows[row].1 |= 1 << bit;
            if nth < recent.len() { recent[nth] = row } else { recent.push(row) }
        }
    }
    rows
}
