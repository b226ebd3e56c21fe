//! All trainers, asked about one plan.
//!
//! Most trainers differ only in bits: whoever has no days off during the plan and room in every week either has a slot
//! until a date or hasn't, so whole shards are answered by AND and OR. The others are judged one by one.

use std::collections::HashMap;

use jiff::{Timestamp, tz::TimeZone};

use super::Request;
use super::bits;
use super::judge::{Candidate, Fit, Question, busy_days, judge};
use super::ledger::{Ledger, Touched};
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

/// A verdict in the making.
struct Poll {
    removed: [u32; Rule::ALL.len()],
    best: Best,
}

impl Poll {
    fn of(offers_max: usize) -> Self {
        Self { removed: [0; Rule::ALL.len()], best: Best::of(offers_max) }
    }

    fn remove(&mut self, rule: Rule, trainers: u32) {
        self.removed[rule as usize] += trainers;
    }
}

/// A shard, a plan seen from its zone, and what stands in the way.
struct Scene<'s> {
    number: usize,
    shard: &'s Shard,
    outline: &'s Outline,
    lens: &'s Lens,
    ledger: &'s Ledger,
    student_busy: &'s [Vec<u16>],
    windows: &'s Windows,
}

impl Scene<'_> {
    fn index(&self, at: usize) -> u32 {
        index_of(self.number, at as u16)
    }

    /// The trainers of the shard the batch has given something, and who are in a set.
    fn touched(&self, set: &[u64]) -> Vec<(usize, &Touched)> {
        let touched = self.ledger.touched(self.index(0)..index_of(self.number + 1, 0));
        let touched = touched.map(|(index, touched)| (usize::from(place_of(index).1), touched));
        touched.filter(|&(at, _)| bits::has(set, at)).collect()
    }

    /// How many more sessions surely fit into any week of a trainer.
    fn headroom(&self, at: usize) -> i32 {
        let added = self.ledger.trainer(self.index(at)).map_or(0, |touched| i32::from(touched.peak()));
        self.shard.headroom(at) - added
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
        let mut poll = Poll::of(offers_max);
        let student_busy = self.student_busy(ledger);
        for (number, shard) in self.roster.shards().iter().enumerate() {
            let Some(candidates) = self.candidates(shard, &mut poll) else { continue };
            self.look_from(shard.zone);
            let windows = self.windows(shard);
            match self.scene(number, ledger, &student_busy, &windows) {
                Some(scene) => self.ask_shard(&scene, candidates, &mut poll),
                None => poll.remove(Rule::Availability, bits::count(&candidates)),
            }
        }
        Verdict { removed: poll.removed, offers: poll.best.into_offers() }
    }

    /// Asks one trainer, on some of the slots only.
    pub(crate) fn ask_one(&mut self, trainer: u32, ledger: &Ledger, allowed: u64) -> Option<Offer> {
        let (number, at) = place_of(trainer);
        let shard = &self.roster.shards()[number];
        if !bits::has(&self.candidates(shard, &mut Poll::of(0))?, usize::from(at)) {
            return None;
        }
        self.look_from(shard.zone);
        if !self.known_windows.contains_key(&number) {
            self.known_windows.insert(number, self.windows(shard));
        }
        let student_busy = self.student_busy(ledger);
        let scene = self.scene(number, ledger, &student_busy, self.known_windows.get(&number)?)?;
        let fit = self.judge(&scene, at, allowed)?.ok()?;
        Some(self.offer(trainer, fit, ledger))
    }

    /// A shard from whose zone the plan has been looked at; `None` if the student's zone is unknown.
    fn scene<'s>(
        &'s self,
        number: usize,
        ledger: &'s Ledger,
        student_busy: &'s [Vec<u16>],
        windows: &'s Windows,
    ) -> Option<Scene<'s>> {
        let shard = &self.roster.shards()[number];
        let (outline, lens) = (self.outline.as_ref()?, self.lenses[shard.zone].as_ref()?);
        Some(Scene { number, shard, outline, lens, ledger, student_busy, windows })
    }

    /// The trainers of a shard who are active, teach the course and speak a language; counts the others.
    fn candidates(&self, shard: &Shard, poll: &mut Poll) -> Option<Vec<u64>> {
        let mut set = shard.active().to_vec();
        let active = bits::count(&set);
        poll.remove(Rule::Inactive, shard.len() as u32 - active);
        match self.course.and_then(|course| shard.course(course)) {
            Some(teach) => bits::and(&mut set, teach),
            None => set.fill(0),
        }
        let teach = bits::count(&set);
        poll.remove(Rule::Course, active - teach);
        if teach == 0 {
            return None;
        }
        let mut speak = vec![0; shard.words];
        let languages = self.languages.iter().filter_map(|&language| shard.language(language));
        languages.for_each(|language| bits::or(&mut speak, language));
        bits::and(&mut set, &speak);
        let left = bits::count(&set);
        poll.remove(Rule::Language, teach - left);
        (left > 0).then_some(set)
    }

    fn ask_shard(&self, scene: &Scene<'_>, candidates: Vec<u64>, poll: &mut Poll) {
        let mut special = self.special(scene, &candidates);
        let mut plain = candidates;
        bits::minus(&mut plain, &special);
        let unavailable = self.surely_unavailable(scene, &special);
        poll.remove(Rule::Availability, bits::count(&unavailable));
        bits::minus(&mut special, &unavailable);
        self.judge_each(scene, bits::members(&special), poll);
        if !bits::is_empty(&plain) {
            self.ask_plain(scene, plain, poll);
        }
    }

    /// Those who have to be judged one by one: days off during the plan, or asked for by name.
    fn special(&self, scene: &Scene<'_>, candidates: &[u64]) -> Vec<u64> {
        let mut special = vec![0; candidates.len()];
        let Some((first, last)) = scene.outline.extent() else { return special };
        let during = |&(from, until): &(i64, i64)| from < last && until > first;
        let mut off = candidates.to_vec();
        bits::and(&mut off, scene.shard.with_days_off());
        for at in bits::members(&off) {
            let is_off = scene.shard.member(at as u16).is_some_and(|member| member.off.iter().any(during));
            bits::put(&mut special, at, is_off);
        }
        for (number, at) in [self.preferred, self.previous].into_iter().flatten().map(place_of) {
            let at = usize::from(at);
            if number == scene.number && bits::has(candidates, at) {
                bits::put(&mut special, at, true);
            }
        }
        special
    }

    /// Those of a set who work when the first lessons would be, but aren't available for enough of them.
    fn surely_unavailable(&self, scene: &Scene<'_>, set: &[u64]) -> Vec<u64> {
        let mut unavailable = set.to_vec();
        let firsts = || scene.outline.slots.iter().filter_map(|slot| slot.starts.first().copied());
        let (Some(first), Some(last)) = (firsts().min(), firsts().max()) else { return vec![0; set.len()] };
        let during = |&(from, until): &(i64, i64)| from < last + scene.outline.length && until > first;
        for at in bits::members(set) {
            if scene.shard.member(at as u16).is_none_or(|member| member.off.iter().any(during)) {
                bits::put(&mut unavailable, at, false);
            }
        }
        let mut hopeful = Holders::of_first_lessons(&self.legs, scene.lens, unavailable.clone(), scene.windows);
        hopeful.settle();
        bits::minus(&mut unavailable, hopeful.alive());
        unavailable
    }

    /// Asks those without days off, all at once.
    fn ask_plain(&self, scene: &Scene<'_>, plain: Vec<u64>, poll: &mut Poll) {
        let mut holders = Holders::of(&self.legs, scene.lens, plain, scene.windows);
        poll.remove(Rule::Availability, holders.settle());
        if bits::is_empty(holders.alive()) {
            return;
        }
        holders.drop_unplaceable();
        poll.remove(Rule::TimeOff, holders.settle());
        let touched = scene.touched(holders.alive());
        holders.drop_busy(|cells, set| {
            scene.shard.drop_busy(set, cells);
            for (at, touched) in &touched {
                if cells.iter().any(|&(key, weeks)| touched.calendar.busy(key) & weeks != 0) {
                    bits::put(set, *at, false);
                }
            }
        });
        poll.remove(Rule::TrainerBusy, holders.settle());
        holders.drop_student_busy(scene.outline, scene.student_busy);
        poll.remove(Rule::StudentBusy, holders.settle());
        self.ask_narrow(scene, &mut holders, poll);
        let enough = poll.best.max();
        holders
            .each_tier(scene.outline.per_week, enough, |slots, who| self.offer_all(scene, slots, who, &mut poll.best));
    }

    /// Judges those of the remaining who have narrow weeks, and takes them out.
    fn ask_narrow(&self, scene: &Scene<'_>, holders: &mut Holders<'_>, poll: &mut Poll) {
        let needed = scene.lens.week_max as i32;
        let narrow: Vec<usize> = bits::members(holders.alive()).filter(|&at| scene.headroom(at) < needed).collect();
        narrow.iter().for_each(|&at| holders.take_out(at));
        self.judge_each(scene, narrow.into_iter(), poll);
    }

    fn judge_each(&self, scene: &Scene<'_>, who: impl Iterator<Item = usize>, poll: &mut Poll) {
        for at in who {
            match self.judge(scene, at as u16, u64::MAX) {
                Some(Ok(fit)) => {
                    poll.best.add(&self.offer(scene.index(at), fit, scene.ledger), |index| self.id(index));
                }
                Some(Err(rule)) => poll.remove(rule, 1),
                None => {}
            }
        }
    }

    /// Offers the same slots with each of many trainers: only their shares differ.
    fn offer_all(&self, scene: &Scene<'_>, slots: &[u8], trainers: &[u64], best: &mut Best) {
        let mut offer =
            Offer { trainer: 0, preferred: false, previous: false, slots: slots.to_vec(), skipped: 0, share: 0 };
        let (level, sessions) = (self.level(scene.ledger), self.request.plan.reserved_sessions());
        let (mut weight, mut increment) = (0, share::increment(sessions, 0));
        let untouched = scene.ledger.is_empty();
        let mut share_max = best.share_max(&offer);
        for at in bits::members(trainers) {
            let (index, standing) = (scene.index(at), scene.shard.standing(at));
            let own = if untouched { standing.share } else { own_share(index, standing.share, scene.ledger) };
            if standing.weight != weight {
                (weight, increment) = (standing.weight, share::increment(sessions, standing.weight));
            }
            let share = share::effective(own, level, increment);
            if share <= share_max {
                (offer.trainer, offer.share) = (index, share);
                best.add(&offer, |index| self.id(index));
                share_max = best.share_max(&offer);
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

    fn judge(&self, scene: &Scene<'_>, at: u16, allowed: u64) -> Option<Result<Fit, Rule>> {
        let &Scene { shard, outline, lens, student_busy, windows, .. } = scene;
        let candidate =
            Candidate { shard, at, member: shard.member(at)?, touched: scene.ledger.trainer(scene.index(at.into())) };
        let question = Question { outline, lens, cells: &self.cells, student_busy, windows, allowed };
        Some(judge(&question, &candidate))
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
        share::increment(self.request.plan.reserved_sessions(), self.roster.member_at(trainer).trainer.weight)
    }

    /// The level of the plan's course.
    pub(crate) fn level(&self, ledger: &Ledger) -> Option<Level> {
        let course = self.course?;
        ledger.peers(course, self.roster.peers(course)).level(self.request.plan.reserved_sessions())
    }

    /// The share a trainer is judged by.
    fn share(&self, trainer: u32, ledger: &Ledger) -> i64 {
        let share = own_share(trainer, self.roster.member_at(trainer).share, ledger);
        share::effective(share, self.level(ledger), self.increment(trainer))
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

/// A trainer's share, with what the batch has added.
fn own_share(trainer: u32, before: Option<i64>, ledger: &Ledger) -> Option<i64> {
    ledger.trainer(trainer).map_or(before, |touched| touched.share)
}
