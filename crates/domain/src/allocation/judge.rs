//! One trainer, judged exactly: the first rule after which no choice of slots remains, or the best choice.
//!
//! For a set of weekdays and a number of skipped dates the last date is known (see [`super::outline`]). Up to it, each
//! slot either holds or fails by itself; together, the slots must skip just that number of dates, must not overlap, and
//! must fit into the weeks. Slots of a weekday that skip as much and take the same of the narrow weeks are alike, so
//! that few combinations of *kinds* stand for all combinations of slots.
//!
//! A choice whose days off would skip too many dates has no last date. For `availability` it is judged by the dates it
//! would have had without them, less those that are off.

use super::bits::{has, ones};
use super::ledger::Touched;
use super::lens::Lens;
use super::outline::{NEVER, Outline, WeekdaySet};
use super::receipt::Rule;
use super::shard::{Member, Shard};

/// How many combinations of kinds of slots are tried for a trainer, a set of weekdays and a number of skipped dates.
/// Slots of a weekday are of one kind, or of two or three where days off or weeks end between them, so this is out of
/// reach but for plans made to reach it.
pub(crate) const KIND_COMBINATIONS_MAX: u32 = 20_000;

/// A choice of slots that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fit {
    /// By rank from 0, ascending.
    pub(crate) slots: Vec<u8>,
    /// Dates skipped by days off.
    pub(crate) skipped: u16,
}

/// Whom to judge.
pub(crate) struct Candidate<'a> {
    /// Where they stand.
    pub(crate) shard: &'a Shard,
    /// At which place.
    pub(crate) at: u16,
    /// What the roster knows of them.
    pub(crate) member: &'a Member,
    /// What the batch has given them.
    pub(crate) touched: Option<&'a Touched>,
}

impl Candidate<'_> {
    fn busy(&self, key: i64) -> u64 {
        self.shard.busy(self.at, key) | self.touched.map_or(0, |touched| touched.calendar.busy(key))
    }

    fn room(&self, week: i32) -> i64 {
        let added = self.touched.and_then(|touched| touched.weeks.get(&week)).copied().unwrap_or(0);
        let load = i64::from(self.member.loads.get(week)) + i64::from(added);
        i64::from(self.member.trainer.max_sessions_per_week) - load
    }
}

/// The question: a plan in the trainer's zone.
pub(crate) struct Question<'a> {
    /// The plan.
    pub(crate) outline: &'a Outline,
    /// In their zone.
    pub(crate) lens: &'a Lens,
    /// For each slot the cells it takes, all of its dates together.
    pub(crate) cells: &'a [Vec<(i64, u64)>],
    /// For each slot the dates on which the student has something else.
    pub(crate) student_busy: &'a [Vec<u16>],
    /// For each slot and window of the lens, who of the shard is available.
    pub(crate) windows: &'a [Vec<Vec<u64>>],
    /// The slots that may be chosen.
    pub(crate) allowed: u64,
}

/// What is known of a slot for this trainer.
#[derive(Default)]
struct View {
    /// Dates the days off skip.
    off: Vec<u16>,
    /// The first other date that fails, by rule.
    unavailable: u16,
    trainer_busy: u16,
    student_busy: u16,
}

impl View {
    /// The first date on which a rule up to this one fails.
    fn first_failure(&self, rule: Rule) -> u16 {
        match rule {
            Rule::TimeOff => self.unavailable,
            Rule::TrainerBusy => self.unavailable.min(self.trainer_busy),
            _ => self.unavailable.min(self.trainer_busy).min(self.student_busy),
        }
    }

    fn skipped_until(&self, day: u16) -> usize {
        self.off.partition_point(|&off| off <= day)
    }
}

/// Judges a trainer whose course and language fit.
pub(crate) fn judge(question: &Question<'_>, candidate: &Candidate<'_>) -> Result<Fit, Rule> {
    let views = question.views(candidate);
    let first_day = |slot: usize| question.outline.slots[slot].days.first().copied().unwrap_or(NEVER);
    let holds_once = |slot: &usize| views[*slot].unavailable > first_day(*slot) || first_day(*slot) == NEVER;
    let live = (0..views.len()).filter(holds_once).fold(0, |all, slot| all | 1 << slot);
    let mut bench = Bench { question, candidate, views, live };
    if !bench.any(Rule::TimeOff) {
        return Err(if bench.any_too_long() { Rule::TimeOff } else { Rule::Availability });
    }
    bench.look_into_calendars();
    if let Some(fit) = bench.best(Rule::WeeklyCapacity) {
        return Ok(fit);
    }
    let rules = [Rule::TrainerBusy, Rule::StudentBusy];
    Err(rules.into_iter().find(|&rule| !bench.any(rule)).unwrap_or(Rule::WeeklyCapacity))
}

impl Question<'_> {
    fn views(&self, candidate: &Candidate<'_>) -> Vec<View> {
        let view = |slot: usize| {
            let off = self.days_off(slot, candidate);
            let windows = &self.lens.slots[slot].window_of;
            let fails = |nth: usize| !has(&self.windows[slot][usize::from(windows[nth])], usize::from(candidate.at));
            let all_hold = self.windows[slot].iter().all(|window| has(window, usize::from(candidate.at)));
            let next = |first| (first..windows.len()).find(|&nth| fails(nth));
            let unavailable = if all_hold { NEVER } else { self.first(slot, &off, next) };
            View { off, unavailable, trainer_busy: NEVER, student_busy: NEVER }
        };
        (0..self.outline.slots.len()).map(view).collect()
    }

    /// The first date, not off, of the lessons `next` finds from a lesson on.
    fn first(&self, slot: usize, off: &[u16], next: impl Fn(usize) -> Option<usize>) -> u16 {
        let days = &self.outline.slots[slot].days;
        let mut from = 0;
        while let Some(nth) = next(from) {
            if off.binary_search(&days[nth]).is_err() {
                return days[nth];
            }
            from = nth + 1;
        }
        NEVER
    }

    /// The dates of a slot on which a lesson would touch a day off.
    fn days_off(&self, slot: usize, candidate: &Candidate<'_>) -> Vec<u16> {
        let planned = &self.outline.slots[slot];
        let mut days = Vec::new();
        for &(from, until) in &candidate.member.off {
            let first = planned.starts.partition_point(|&starts_at| starts_at + self.outline.length <= from);
            let touched = planned.starts[first..].iter().take_while(|&&starts_at| starts_at < until).count();
            days.extend_from_slice(&planned.days[first..first + touched]);
        }
        days.dedup();
        days
    }
}

/// The dates of a slot whose lessons take one of the cells that `busy` reports, ascending.
pub(crate) fn busy_days(outline: &Outline, slot: usize, cells: &[(i64, u64)], busy: impl Fn(i64) -> u64) -> Vec<u16> {
    let planned = &outline.slots[slot];
    let mut days = Vec::new();
    for &(key, weeks) in cells {
        for bit in ones(busy(key) & weeks) {
            // The lesson that takes this quarter hour is the last that starts no later than within it.
            let quarter = super::calendar::quarter_at(key, bit);
            let after = (quarter + 1) * super::CELL_SECONDS;
            let lesson = planned.starts.partition_point(|&starts_at| starts_at < after);
            days.extend(lesson.checked_sub(1).map(|lesson| planned.days[lesson]));
        }
    }
    days.sort_unstable();
    days.dedup();
    days
}

/// A trainer on the bench, with all that was found out about the slots.
struct Bench<'a> {
    question: &'a Question<'a>,
    candidate: &'a Candidate<'a>,
    views: Vec<View>,
    /// The slots whose first lesson is available: the others are never chosen but by those who are off then.
    live: u64,
}

/// For each weekday the slot that is liked best, ascending.
struct BestByDay {
    slots: Vec<u8>,
    /// Whether any other choice skips as many dates.
    skips_alike: bool,
}

/// Slots of a weekday that are alike.
struct Kind {
    skipped: usize,
    /// Lessons in each of the narrow weeks.
    lessons: Vec<u8>,
    slots: u64,
}

impl Bench<'_> {
    fn look_into_calendars(&mut self) {
        let outline = self.question.outline;
        for (slot, view) in self.views.iter_mut().enumerate() {
            if self.live >> slot & 1 == 0 {
                continue;
            }
            let free = |day: &u16| view.off.binary_search(day).is_err();
            let busy = busy_days(outline, slot, &self.question.cells[slot], |key| self.candidate.busy(key));
            view.trainer_busy = busy.into_iter().find(free).unwrap_or(NEVER);
            view.student_busy = self.question.student_busy[slot].iter().copied().find(free).unwrap_or(NEVER);
        }
    }

    /// Whether some choice holds up to this rule.
    fn any(&self, rule: Rule) -> bool {
        self.choices(rule).next().is_some()
    }

    /// The best choice: slots liked best, then fewest dates skipped.
    fn best(&self, rule: Rule) -> Option<Fit> {
        self.choices(rule).min_by(|one, other| (&one.slots, one.skipped).cmp(&(&other.slots, other.skipped)))
    }

    /// The best choice of each set of weekdays and number of skipped dates.
    fn choices(&self, rule: Rule) -> impl Iterator<Item = Fit> + '_ {
        let most: usize =
            self.views.iter().map(|view| view.off.len()).max().unwrap_or(0) * self.question.outline.per_week;
        let sets = self.question.outline.sets.iter();
        sets.flat_map(move |set| {
            let ends = set.ends.iter().copied().enumerate().take(most + 1);
            ends.filter_map(move |(skipped, end)| self.choice(set, skipped, end, rule))
        })
    }

    /// Whether some choice is available on the dates it would have without days off, but days off skip too many.
    fn any_too_long(&self) -> bool {
        self.question.outline.sets.iter().any(|set| {
            let plain_end = set.ends.first().copied().or(set.last).unwrap_or(0);
            let most_skipped = |&weekday: &usize| {
                let open = self.slots_of(weekday).filter(|&slot| self.views[slot].unavailable > plain_end);
                open.map(|slot| self.views[slot].skipped_until(set.last.unwrap_or(0))).max()
            };
            let total = set.weekdays.iter().map(most_skipped).sum::<Option<usize>>();
            total.is_some_and(|total| total >= set.ends.len())
        })
    }

    /// The slots of a weekday that may be chosen.
    fn slots_of(&self, weekday: usize) -> impl Iterator<Item = usize> + use<> {
        ones(self.question.outline.by_weekday[weekday] & self.question.allowed).map(|slot| slot as usize)
    }

    fn choice(&self, set: &WeekdaySet, skipped: usize, end: u16, rule: Rule) -> Option<Fit> {
        let liked = self.best_by_day(set, skipped, end, rule)?;
        let narrow = if rule >= Rule::WeeklyCapacity { self.narrow_weeks(end) } else { Vec::new() };
        let clashes = if rule >= Rule::StudentBusy { self.clashes(end) } else { Vec::new() };
        if liked.skips_alike && narrow.is_empty() && clashes.is_empty() {
            return Some(Fit { slots: liked.slots, skipped: skipped as u16 });
        }
        let kinds: Vec<Vec<Kind>> =
            set.weekdays.iter().map(|&day| self.kinds(day, skipped, end, rule, &narrow)).collect();
        let mut walk = Walk { kinds: &kinds, clashes: &clashes, weekdays: &set.weekdays, tried: 0, best: None };
        let room: Vec<i64> = narrow.iter().map(|&(_, room)| room).collect();
        walk.down(0, skipped, &room, &mut Vec::with_capacity(7));
        Some(Fit { slots: walk.best?, skipped: skipped as u16 })
    }

    /// The best liked slot of every weekday that holds by itself; `None` if a weekday has none, or the skipped dates
    /// can't add up.
    fn best_by_day(&self, set: &WeekdaySet, skipped: usize, end: u16, rule: Rule) -> Option<BestByDay> {
        let mut slots = Vec::with_capacity(set.weekdays.len());
        let (mut least, mut most) = (0, 0);
        for &weekday in &set.weekdays {
            let mut bounds: Option<(usize, usize)> = None;
            for slot in self.slots_of(weekday) {
                let Some(skips) = self.skips(slot, skipped, end, rule) else { continue };
                if bounds.is_none() {
                    slots.push(slot as u8);
                }
                bounds = bounds.map_or(Some((skips, skips)), |(least, most)| Some((least.min(skips), most.max(skips))));
            }
            let bounds = bounds?;
            (least, most) = (least + bounds.0, most + bounds.1);
        }
        slots.sort_unstable();
        (least..=most).contains(&skipped).then_some(BestByDay { slots, skips_alike: least == most })
    }

    /// How many dates a slot skips up to the last one, if it holds by itself until then.
    fn skips(&self, slot: usize, skipped: usize, end: u16, rule: Rule) -> Option<usize> {
        let view = &self.views[slot];
        let skips = view.skipped_until(end);
        let holds = view.first_failure(rule) > end && skips <= skipped;
        // The last date is one with a lesson.
        (holds && view.off.binary_search(&end).is_err()).then_some(skips)
    }

    /// Weeks into which not just any choice of slots fits, and how many lessons do.
    fn narrow_weeks(&self, end: u16) -> Vec<(i32, i64)> {
        let (outline, lens) = (self.question.outline, self.question.lens);
        let headroom = i64::from(self.candidate.shard.headroom(usize::from(self.candidate.at)));
        let added = self.candidate.touched.map_or(0, |touched| i64::from(touched.peak()));
        if headroom - added >= lens.week_max as i64 {
            return Vec::new();
        }
        let ends = |slot: usize| outline.slots[slot].until(end).checked_sub(1);
        let slots = || (0..lens.slots.len()).filter(|&slot| ends(slot).is_some());
        let first = slots().map(|slot| lens.slots[slot].week_of[0]).min();
        let last = slots().filter_map(|slot| Some(lens.slots[slot].week_of[ends(slot)?])).max();
        let weeks = first.zip(last).map_or(0..0, |(first, last)| first..last + 1);
        let rooms = weeks.map(|week| (week, self.candidate.room(week)));
        rooms.filter(|&(_, room)| room < lens.week_max as i64).collect()
    }

    fn kinds(&self, weekday: usize, skipped: usize, end: u16, rule: Rule, narrow: &[(i32, i64)]) -> Vec<Kind> {
        let mut kinds: Vec<Kind> = Vec::new();
        for slot in self.slots_of(weekday) {
            let Some(off) = self.skips(slot, skipped, end, rule) else { continue };
            let lessons = self.lessons(slot, end, narrow);
            match kinds.iter_mut().find(|kind| kind.skipped == off && kind.lessons == lessons) {
                Some(kind) => kind.slots |= 1 << slot,
                None => kinds.push(Kind { skipped: off, lessons, slots: 1 << slot }),
            }
        }
        kinds
    }

    /// A slot's lessons in each of the narrow weeks.
    fn lessons(&self, slot: usize, end: u16, narrow: &[(i32, i64)]) -> Vec<u8> {
        let mut lessons = vec![0; narrow.len()];
        if narrow.is_empty() {
            return lessons;
        }
        let planned = &self.question.outline.slots[slot];
        for nth in 0..planned.until(end) {
            let week = self.question.lens.slots[slot].week_of[nth];
            let place = narrow.binary_search_by_key(&week, |&(week, _)| week);
            if let Ok(at) = place
                && self.views[slot].off.binary_search(&planned.days[nth]).is_err()
            {
                lessons[at] += 1;
            }
        }
        lessons
    }

    /// For each slot, the slots it would overlap with; empty if there are none.
    fn clashes(&self, end: u16) -> Vec<u64> {
        let outline = self.question.outline;
        if outline.tangles.is_empty() {
            return Vec::new();
        }
        let mut clashes = vec![0; outline.slots.len()];
        let taught = |slot: usize, day: u16| day <= end && self.views[slot].off.binary_search(&day).is_err();
        for tangle in &outline.tangles {
            let both = |&(one, other): &(u16, u16)| taught(tangle.one, one) && taught(tangle.other, other);
            if tangle.dates.as_ref().is_none_or(|dates| dates.iter().any(both)) {
                clashes[tangle.one] |= 1 << tangle.other;
                clashes[tangle.other] |= 1 << tangle.one;
            }
        }
        clashes
    }
}

/// A walk over the combinations of kinds, one weekday after the other.
struct Walk<'a> {
    kinds: &'a [Vec<Kind>],
    clashes: &'a [u64],
    weekdays: &'a [usize],
    tried: u32,
    best: Option<Vec<u8>>,
}

impl Walk<'_> {
    fn down(&mut self, depth: usize, skips_left: usize, room: &[i64], chosen: &mut Vec<u64>) {
        let kinds = self.kinds;
        let Some(here) = kinds.get(depth) else {
            if skips_left == 0 {
                self.settle(chosen);
            }
            return;
        };
        let rest = |least: bool| {
            let of = |kinds: &Vec<Kind>| {
                let skips = kinds.iter().map(|kind| kind.skipped);
                if least { skips.min() } else { skips.max() }.unwrap_or(0)
            };
            kinds[depth + 1..].iter().map(of).sum::<usize>()
        };
        let (least, most) = (rest(true), rest(false));
        for kind in here {
            let skips = kind.skipped + least <= skips_left && skips_left <= kind.skipped + most;
            let fits = kind.lessons.iter().zip(room).all(|(&lessons, &room)| i64::from(lessons) <= room.max(0));
            self.tried += 1;
            if !skips || !fits || self.tried > KIND_COMBINATIONS_MAX {
                continue;
            }
            let left: Vec<i64> = room.iter().zip(&kind.lessons).map(|(room, &used)| room - i64::from(used)).collect();
            chosen.push(kind.slots);
            self.down(depth + 1, skips_left - kind.skipped, &left, chosen);
            chosen.pop();
        }
    }

    fn settle(&mut self, options: &[u64]) {
        let slots = best_liked(self.weekdays, options, self.clashes);
        if let Some(slots) = slots
            && self.best.as_ref().is_none_or(|best| slots < *best)
        {
            self.best = Some(slots);
        }
    }
}

/// The best liked choice of one slot for each weekday, no two of which clash.
fn best_liked(weekdays: &[usize], options: &[u64], clashes: &[u64]) -> Option<Vec<u8>> {
    let mut options = options.to_vec();
    if !clashes.is_empty() {
        if !consistent(weekdays, &options, clashes) {
            return None;
        }
        for slot in ones(options.iter().fold(0, |all, some| all | some)) {
            let Some(at) = options.iter().position(|option| option >> slot & 1 == 1) else { continue };
            let before = std::mem::replace(&mut options[at], 1 << slot);
            if !consistent(weekdays, &options, clashes) {
                options[at] = before & !(1 << slot);
            }
        }
    }
    let mut slots: Vec<u8> = options.iter().map(|option| option.trailing_zeros() as u8).collect();
    slots.sort_unstable();
    Some(slots)
}

/// Whether one slot can be chosen for each weekday so that no neighbours clash, Sunday and Monday included.
fn consistent(weekdays: &[usize], options: &[u64], clashes: &[u64]) -> bool {
    let circle = weekdays.len() == 7;
    // Where every day has a neighbour, the first day's choice is made beforehand; else the walk begins after a gap.
    let gap = (0..weekdays.len()).find(|&at| !weekdays.contains(&((weekdays[at] + 6) % 7))).unwrap_or(0);
    let order: Vec<usize> = (0..weekdays.len()).map(|step| (gap + step) % weekdays.len()).collect();
    let firsts: Vec<u64> =
        if circle { ones(options[0]).map(|slot| 1 << slot).collect() } else { vec![options[order[0]]] };
    firsts.into_iter().any(|first| {
        let mut reached = first;
        for pair in order.windows(2) {
            let neighbours = weekdays[pair[1]] == (weekdays[pair[0]] + 1) % 7;
            reached = step(reached, options[pair[1]], clashes, neighbours);
        }
        reached != 0 && (!circle || step(reached, first, clashes, true) != 0)
    })
}

/// The options that don't clash with all of the slots reached on the day before.
fn step(reached: u64, options: u64, clashes: &[u64], neighbours: bool) -> u64 {
    if reached == 0 || !neighbours {
        return if reached == 0 { 0 } else { options };
    }
    let holds = |slot: &u32| reached & !clashes[*slot as usize] != 0;
    ones(options).filter(holds).fold(0, |all, slot| all | 1 << slot)
}
