//! All trainers, asked about one plan.
//!
//! Most trainers differ only in bits: whoever has no days off during the plan and room in every week either has a slot
//! until a date or hasn't, so whole shards are answered by AND and OR. The others are judged one by one.

use std::collections::HashMap;

use jiff::{Timestamp, tz::TimeZone};

use super::Request;
use super::bits;
use super::judge::{Candidate, Fit, Question, busy_days, judge};
use super::ledger::Ledger;
use super::lens::{Lens, SlotLens};
use super::outline::{Outline, cells_of};
use super::preference::{Best, Offer};
use super::receipt::Rule;
use super::roster::{Roster, index_of, place_of};
use super::shard::Shard;
use super::share::{self, Level};
use super::tiers::{Holders, Legs};
use crate::window::first_bookable_date;

/// By slot and window of the lens: who of a shard is available.
type Windows = Vec<Vec<Vec<u64>>>;

/// A request, laid out.
pub(crate) struct Search<'a> {
    roster: &'a Roster,
    request: &'a Request,
    /// `None` if the student's zone is unknown.
    pub(crate) outline: Option<Outline>,
    pub(crate) course: Option<u32>,
    languages: Vec<u32>,
    preferred: Option<u32>,
    previous: Option<u32>,
    cells: Vec<Vec<(i64, u64)>>,
    legs: Legs,
    lenses: Vec<Option<Lens>>,
    /// By shard: what was found out about it for the sake of one trainer.
    known_windows: HashMap<usize, Windows>,
}

/// What became of all trainers.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// How many each rule ruled out first, by [`Rule::ALL`].
    pub(crate) removed: [u32; Rule::ALL.len()],
    /// The best who fit, best first.
    pub(crate) offers: Vec<Offer>,
}

impl Verdict {
    fn remove(&mut self, rule: Rule, trainers: u32) {
        self.removed[rule as usize] += trainers;
    }
}

impl<'a> Search<'a> {
    /// Lays a request out.
    pub(crate) fn of(roster: &'a Roster, request: &'a Request, now: Timestamp) -> Self {
        let policy = roster.policy();
        let outline = TimeZone::get(&request.time_zone).ok().map(|zone| {
            let start = first_bookable_date(request.plan.start_date, now, &zone, policy.lead_days);
            let known = roster.known_clock(&request.time_zone);
            Outline::of(&request.plan, start, &zone, known, roster.closures(), policy.max_skipped)
        });
        let cells =
            outline.iter().flat_map(|outline| outline.slots.iter().map(|slot| cells_of(&slot.starts, outline.length)));
        let cells = cells.collect();
        let index = |id: &Option<String>| id.as_ref().and_then(|id| roster.index(id));
        Self {
            roster,
            request,
            course: roster.course_number(&request.course),
            languages: roster.language_numbers(&request.languages),
            preferred: index(&request.preferred_trainer_id),
            previous: index(&request.previous_trainer_id),
            legs: outline.as_ref().map(Legs::of).unwrap_or_default(),
            outline,
            cells,
            lenses: (0..roster.zone_count()).map(|_| None).collect(),
            known_windows: HashMap::new(),
        }
    }

    /// Asks everybody, keeping the best `offers_max`.
    pub(crate) fn ask_all(&mut self, ledger: &Ledger, offers_max: usize) -> Verdict {
        let mut verdict = Verdict { removed: [0; Rule::ALL.len()], offers: Vec::new() };
        let mut best = Best::of(offers_max);
        let student_busy = self.student_busy(ledger);
        for (number, shard) in self.roster.shards().iter().enumerate() {
            let Some(candidates) = self.candidates(shard, &mut verdict) else { continue };
            if self.outline.is_none() {
                verdict.remove(Rule::Availability, bits::count(&candidates));
                continue;
            }
            self.look_from(shard.zone);
            self.ask_shard(number, shard, candidates, ledger, &student_busy, &mut verdict, &mut best);
        }
        verdict.offers = best.into_offers();
        verdict
    }

    /// Asks one trainer, on some of the slots only.
    pub(crate) fn ask_one(&mut self, trainer: u32, ledger: &Ledger, allowed: u64) -> Option<Offer> {
        let (number, at) = place_of(trainer);
        let shard = &self.roster.shards()[number];
        self.outline.as_ref()?;
        let fits = self.candidates(shard, &mut Verdict { removed: Default::default(), offers: Vec::new() })?;
        if !bits::has(&fits, usize::from(at)) {
            return None;
        }
        self.look_from(shard.zone);
        let student_busy = self.student_busy(ledger);
        if !self.known_windows.contains_key(&number) {
            self.known_windows.insert(number, self.windows(shard));
        }
        let windows = self.known_windows.get(&number)?;
        let fit = self.judge(number, at, ledger, &student_busy, windows, allowed)?.ok()?;
        Some(self.offer(trainer, fit, ledger))
    }

    /// The trainers of a shard who are active, teach the course and speak a language; counts the others.
    fn candidates(&self, shard: &Shard, verdict: &mut Verdict) -> Option<Vec<u64>> {
        let mut set = shard.active().to_vec();
        let active = bits::count(&set);
        verdict.remove(Rule::Inactive, shard.len() as u32 - active);
        match self.course.and_then(|course| shard.course(course)) {
            Some(teach) => bits::and(&mut set, teach),
            None => set.fill(0),
        }
        let teach = bits::count(&set);
        verdict.remove(Rule::Course, active - teach);
        if teach == 0 {
            return None;
        }
        let mut speak = vec![0; shard.words];
        let languages = self.languages.iter().filter_map(|&language| shard.language(language));
        languages.for_each(|language| bits::or(&mut speak, language));
        bits::and(&mut set, &speak);
        let left = bits::count(&set);
        verdict.remove(Rule::Language, teach - left);
        (left > 0).then_some(set)
    }

    #[allow(clippy::too_many_arguments)]
    fn ask_shard(
        &self,
        number: usize,
        shard: &Shard,
        candidates: Vec<u64>,
        ledger: &Ledger,
        student_busy: &[Vec<u16>],
        verdict: &mut Verdict,
        best: &mut Best,
    ) {
        let windows = self.windows(shard);
        let special = self.special(number, shard, &candidates);
        let unavailable = self.surely_unavailable(shard, &special, &windows);
        verdict.remove(Rule::Availability, bits::count(&unavailable));
        for at in bits::members(&special).filter(|&at| !bits::has(&unavailable, at)) {
            let at = at as u16;
            match self.judge(number, at, ledger, student_busy, &windows, u64::MAX) {
                Some(Ok(fit)) => best.add(self.offer(index_of(number, at), fit, ledger), |index| self.id(index)),
                Some(Err(rule)) => verdict.remove(rule, 1),
                None => {}
            }
        }
        let mut plain = candidates;
        bits::minus(&mut plain, &special);
        if !bits::is_empty(&plain) {
            self.ask_plain(number, shard, plain, ledger, student_busy, &windows, verdict, best);
        }
    }

    /// Those who have to be judged one by one: days off during the plan, or asked for by name.
    fn special(&self, number: usize, shard: &Shard, candidates: &[u64]) -> Vec<u64> {
        let mut special = vec![0; shard.words];
        let Some(outline) = &self.outline else { return special };
        let Some((first, last)) = outline.extent() else { return special };
        let mut off = candidates.to_vec();
        bits::and(&mut off, shard.with_days_off());
        for at in bits::members(&off) {
            let during = |&(from, until): &(i64, i64)| from < last && until > first;
            let off = shard.member(at as u16).is_some_and(|member| member.off.iter().any(during));
            if off {
                bits::put(&mut special, at, true);
            }
        }
        for (at_shard, at) in [self.preferred, self.previous].into_iter().flatten().map(place_of) {
            if at_shard == number && bits::has(candidates, usize::from(at)) {
                bits::put(&mut special, usize::from(at), true);
            }
        }
        special
    }

    #[allow(clippy::too_many_arguments)]
    fn ask_plain(
        &self,
        number: usize,
        shard: &Shard,
        plain: Vec<u64>,
        ledger: &Ledger,
        student_busy: &[Vec<u16>],
        windows: &[Vec<Vec<u64>>],
        verdict: &mut Verdict,
        best: &mut Best,
    ) {
        let (Some(outline), Some(lens)) = (&self.outline, &self.lenses[shard.zone]) else { return };
        let mut holders = Holders::of(&self.legs, lens, plain, windows);
        verdict.remove(Rule::Availability, holders.settle());
        if bits::is_empty(holders.alive()) {
            return;
        }
        holders.drop_unplaceable();
        verdict.remove(Rule::TimeOff, holders.settle());
        let touched = ledger.touched(index_of(number, 0)..index_of(number + 1, 0));
        let touched = touched.map(|(index, touched)| (usize::from(place_of(index).1), touched));
        let touched: Vec<_> = touched.filter(|&(at, _)| bits::has(holders.alive(), at)).collect();
        holders.drop_busy(|cells, set| {
            shard.drop_busy(set, cells);
            for (at, touched) in &touched {
                if cells.iter().any(|&(key, weeks)| touched.calendar.busy(key) & weeks != 0) {
                    bits::put(set, *at, false);
                }
            }
        });
        verdict.remove(Rule::TrainerBusy, holders.settle());
        holders.drop_student_busy(outline, student_busy);
        verdict.remove(Rule::StudentBusy, holders.settle());
        let level = self.level(ledger);
        let sessions = self.request.plan.sessions;
        let (mut weight, mut increment) = (0, share::increment(sessions, 0));
        let none_touched = touched.is_empty();
        self.ask_narrow(number, &mut holders, ledger, student_busy, windows, verdict, best);
        holders.each_tier(outline.per_week, best.max(), |slots, trainers| {
            let mut offer =
                Offer { trainer: 0, preferred: false, previous: false, slots: slots.to_vec(), skipped: 0, share: 0 };
            let mut share_max = best.share_max(&offer);
            for at in bits::members(trainers) {
                let index = index_of(number, at as u16);
                let standing = shard.standing(at);
                let share = if none_touched { standing.share } else { self.own_share(index, standing.share, ledger) };
                if standing.weight != weight {
                    (weight, increment) = (standing.weight, share::increment(sessions, standing.weight));
                }
                let share = share::effective(share, level, increment);
                if share <= share_max {
                    (offer.trainer, offer.share) = (index, share);
                    best.add(offer.clone(), |index| self.id(index));
                    share_max = best.share_max(&offer);
                }
            }
        });
    }

    /// Those of a set who work when the first lessons would be, but aren't available for enough of them.
    fn surely_unavailable(&self, shard: &Shard, set: &[u64], windows: &[Vec<Vec<u64>>]) -> Vec<u64> {
        let mut unavailable = set.to_vec();
        let (Some(outline), Some(lens)) = (&self.outline, &self.lenses[shard.zone]) else { return unavailable };
        let firsts = || outline.slots.iter().filter_map(|slot| slot.starts.first().copied());
        let (Some(first), Some(last)) = (firsts().min(), firsts().max()) else { return vec![0; set.len()] };
        let during = |&(from, until): &(i64, i64)| from < last + outline.length && until > first;
        for at in bits::members(set) {
            if shard.member(at as u16).is_none_or(|member| member.off.iter().any(during)) {
                bits::put(&mut unavailable, at, false);
            }
        }
        let mut hopeful = Holders::of_first_lessons(&self.legs, lens, unavailable.clone(), windows);
        hopeful.settle();
        bits::minus(&mut unavailable, hopeful.alive());
        unavailable
    }

    /// Judges those of the remaining who have narrow weeks, and takes them out.
    #[allow(clippy::too_many_arguments)]
    fn ask_narrow(
        &self,
        number: usize,
        holders: &mut Holders<'_>,
        ledger: &Ledger,
        student_busy: &[Vec<u16>],
        windows: &[Vec<Vec<u64>>],
        verdict: &mut Verdict,
        best: &mut Best,
    ) {
        let shard = &self.roster.shards()[number];
        let needed = self.lenses[shard.zone].as_ref().map_or(0, |lens| lens.week_max as i32);
        let added =
            |at: usize| ledger.trainer(index_of(number, at as u16)).map_or(0, |touched| i32::from(touched.peak()));
        let untouched = ledger.is_empty();
        let is_narrow = |at: &usize| shard.headroom(*at) - if untouched { 0 } else { added(*at) } < needed;
        for at in bits::members(holders.alive()).filter(is_narrow).collect::<Vec<_>>() {
            holders.take_out(at);
            match self.judge(number, at as u16, ledger, student_busy, windows, u64::MAX) {
                Some(Ok(fit)) => best.add(self.offer(index_of(number, at as u16), fit, ledger), |index| self.id(index)),
                Some(Err(rule)) => verdict.remove(rule, 1),
                None => {}
            }
        }
    }

    /// By slot and window: who is available.
    fn windows(&self, shard: &Shard) -> Windows {
        let Some(lens) = &self.lenses[shard.zone] else { return Vec::new() };
        let available = |pieces: &[(u16, u16)]| {
            let mut set = shard.active().to_vec();
            shard.keep_available(&mut set, pieces);
            set
        };
        let of_slot = |slot: &SlotLens| slot.windows.iter().map(|window| available(&window.pieces)).collect::<Vec<_>>();
        lens.slots.iter().map(of_slot).collect()
    }

    fn judge(
        &self,
        number: usize,
        at: u16,
        ledger: &Ledger,
        student_busy: &[Vec<u16>],
        windows: &[Vec<Vec<u64>>],
        allowed: u64,
    ) -> Option<Result<Fit, Rule>> {
        let shard = &self.roster.shards()[number];
        let member = shard.member(at)?;
        let touched = ledger.trainer(index_of(number, at));
        let (outline, lens) = (self.outline.as_ref()?, self.lenses[shard.zone].as_ref()?);
        let question = Question { outline, lens, cells: &self.cells, student_busy, windows, allowed };
        Some(judge(&question, &Candidate { shard, at, member, touched }))
    }

    fn offer(&self, trainer: u32, fit: Fit, ledger: &Ledger) -> Offer {
        Offer {
            trainer,
            preferred: self.preferred == Some(trainer),
            previous: self.previous == Some(trainer),
            slots: fit.slots,
            skipped: fit.skipped,
            share: self.share(trainer, ledger),
        }
    }

    /// What the plan adds to a trainer's share.
    pub(crate) fn increment(&self, trainer: u32) -> i64 {
        share::increment(self.request.plan.sessions, self.roster.member_at(trainer).trainer.weight)
    }

    /// The level of the plan's course.
    pub(crate) fn level(&self, ledger: &Ledger) -> Option<Level> {
        let course = self.course?;
        ledger.peers(course, self.roster.peers(course)).level(self.request.plan.sessions)
    }

    /// The share a trainer is judged by.
    fn share(&self, trainer: u32, ledger: &Ledger) -> i64 {
        let share = self.own_share(trainer, self.roster.member_at(trainer).share, ledger);
        share::effective(share, self.level(ledger), self.increment(trainer))
    }

    /// A trainer's share with what the batch has added.
    fn own_share(&self, trainer: u32, before: Option<i64>, ledger: &Ledger) -> Option<i64> {
        ledger.trainer(trainer).map_or(before, |touched| touched.share)
    }

    fn id(&self, trainer: u32) -> &str {
        &self.roster.member_at(trainer).trainer.trainer_id
    }

    fn look_from(&mut self, zone: usize) {
        if let (Some(outline), None) = (&self.outline, &self.lenses[zone]) {
            self.lenses[zone] = Some(Lens::of(outline, self.roster.clock(zone)));
        }
    }

    /// By slot, the dates on which the student has something else.
    fn student_busy(&self, ledger: &Ledger) -> Vec<Vec<u16>> {
        let Some(outline) = &self.outline else { return Vec::new() };
        let before = &self.request.student_calendar;
        let batch = ledger.student(&self.request.student_id);
        let busy = |key: i64| before.busy(key) | batch.map_or(0, |calendar| calendar.busy(key));
        let slots = self.cells.iter().enumerate();
        slots.map(|(slot, cells)| busy_days(outline, slot, cells, busy)).collect()
    }
}
