//! A batch of requests, oldest first; an early one gives way if a later one would otherwise find nobody.

use jiff::{Timestamp, civil::Date};

use super::bits::ones;
use super::clock::iso_week;
use super::ledger::{Account, Ledger, Placed};
use super::outline::Outline;
use super::preference::{OFFERS_MAX, Offer};
use super::receipt::{JudgedTrainer, Receipt, Rule, Terms};
use super::roster::{Roster, place_of, rows_of};
use super::search::{Search, Verdict};
use super::{Booking, Decision, Request, Waitlisting};

/// How many bookings may give way one after the other.
const MOVES_DEEP_MAX: u32 = 3;
/// How many trainers are tried for one booking.
const TRAINERS_TRIED_MAX: usize = 12;
/// How many bookings may give way at once for one trainer.
const MOVES_WIDE_MAX: usize = 2;
/// How many bookings that could give way are looked at for one trainer.
const MOVABLE_MAX: usize = 16;
/// What may be asked on behalf of one request that found nobody: a question to one trainer counts once.
const QUESTIONS_PER_REQUEST_MAX: u32 = 2_000;
/// What may be asked on behalf of all such requests of a batch.
const QUESTIONS_PER_BATCH_MAX: u32 = 16_000;
/// What a question to all trainers counts.
const QUESTION_TO_ALL: u32 = 8;

/// Bookings that are being moved.
struct Moves {
    /// Requests that may not be asked to give way (again).
    locked: Vec<usize>,
    /// What a request had before each step: how to undo it.
    journal: Vec<(usize, Option<Placed>)>,
    /// How many questions may still be asked.
    left: u32,
}

impl Moves {
    /// Takes questions from the budget, if there are enough left.
    fn spend(&mut self, questions: u32) -> bool {
        let enough = self.left >= questions;
        self.left = if enough { self.left - questions } else { 0 };
        enough
    }
}

/// Bookings that might give way to a request with a trainer.
struct Attempt<'b> {
    request: usize,
    trainer: u32,
    group: &'b [usize],
    /// Whether those who move must like their new slots as well.
    alike: bool,
    /// How many more bookings may give way one after the other.
    depth: u32,
}

/// A batch being decided.
pub(crate) struct Batch<'a> {
    roster: &'a Roster,
    requests: &'a [Request],
    now: Timestamp,
    ledger: Ledger,
    receipts: Vec<Receipt>,
    /// Whose booking is not what it was when its receipt was made.
    moved: Vec<bool>,
    questions_left: u32,
}

impl<'a> Batch<'a> {
    /// A batch before its first decision.
    pub(crate) fn new(roster: &'a Roster, requests: &'a [Request], now: Timestamp) -> Self {
        Self {
            roster,
            requests,
            now,
            ledger: Ledger::new(requests.len()),
            receipts: vec![Receipt::default(); requests.len()],
            moved: vec![false; requests.len()],
            questions_left: QUESTIONS_PER_BATCH_MAX,
        }
    }

    /// Decides all requests.
    pub(crate) fn decide(mut self) -> Vec<Decision> {
        for request in 0..self.requests.len() {
            if !self.place_simply(request) {
                self.make_room(request);
            }
        }
        if self.moved.contains(&true) {
            self.look_again();
            for request in 0..self.requests.len() {
                if self.moved[request] {
                    self.write_receipt(request);
                }
            }
        }
        (0..self.requests.len()).map(|request| self.decision(request)).collect()
    }

    /// Books the best trainer, if there is one, and writes the receipt either way.
    fn place_simply(&mut self, request: usize) -> bool {
        let mut search = self.search(request);
        let verdict = search.ask_all(&self.ledger, OFFERS_MAX);
        self.receipts[request] = self.receipt(request, &search, &verdict);
        let Some(best) = verdict.offers.into_iter().next() else { return false };
        self.book(request, &search, best);
        true
    }

    /// After moves, those who found nobody may find somebody.
    fn look_again(&mut self) {
        loop {
            let waiting = (0..self.requests.len()).filter(|&request| self.ledger.placed(request).is_none());
            let placed = waiting.collect::<Vec<_>>().into_iter().filter(|&request| self.place_simply(request)).count();
            if placed == 0 {
                return;
            }
        }
    }

    fn make_room(&mut self, request: usize) {
        let budget = QUESTIONS_PER_REQUEST_MAX.min(self.questions_left);
        let mut moves = Moves { locked: vec![request], journal: Vec::new(), left: budget };
        if self.give_way(request, None, MOVES_DEEP_MAX, &mut moves) {
            moves.journal.iter().for_each(|&(request, _)| self.moved[request] = true);
        }
        self.questions_left -= budget - moves.left;
    }

    /// Places a request at the cost of others, which are placed elsewhere. `old` is the booking it gives up itself.
    fn give_way(&mut self, request: usize, old: Option<&Offer>, depth: u32, moves: &mut Moves) -> bool {
        let is_movable = |other: &usize| self.ledger.placed(*other).is_some() && !moves.locked.contains(other);
        let movable: Vec<usize> = (0..self.requests.len()).filter(is_movable).collect();
        if depth == 0 || movable.is_empty() || !moves.spend(QUESTION_TO_ALL) {
            return false;
        }
        let mut search = self.search(request);
        let aside = self.lift(&movable);
        let mut offers = search.ask_all(&self.ledger, TRAINERS_TRIED_MAX).offers;
        self.put_back(aside);
        offers.retain(|offer| old.is_none_or(|old| offer.keeps_trainer_of(old)));
        // First with as few moves as can be, and so that those who move like their slots as well as before.
        for (wide, alike) in (1..=MOVES_WIDE_MAX).flat_map(|wide| [(wide, true), (wide, false)]) {
            for trainer in offers.iter().map(|offer| offer.trainer) {
                for group in groups(&self.near(request, trainer, &movable), wide) {
                    let attempt = Attempt { request, trainer, group: &group, alike, depth };
                    if self.attempt(&attempt, &mut search, moves) {
                        return true;
                    }
                    if moves.left == 0 {
                        return false;
                    }
                }
            }
        }
        false
    }

    /// The bookings that may stand in the way with a trainer: theirs and the student's.
    fn near(&self, request: usize, trainer: u32, movable: &[usize]) -> Vec<usize> {
        let student = &self.requests[request].student_id;
        let stands = |other: &&usize| {
            let placed = self.ledger.placed(**other);
            placed.is_some_and(|placed| placed.offer.trainer == trainer || placed.student_id == *student)
        };
        movable.iter().filter(stands).copied().take(MOVABLE_MAX).collect()
    }

    fn attempt(&mut self, attempt: &Attempt<'_>, search: &mut Search<'a>, moves: &mut Moves) -> bool {
        let mark = moves.journal.len();
        let asides = self.lift(attempt.group);
        let olds: Vec<Offer> = asides.iter().map(|(_, placed)| placed.offer.clone()).collect();
        moves.journal.extend(asides.into_iter().map(|(other, placed)| (other, Some(placed))));
        for offer in self.alternatives(search, attempt.trainer, moves) {
            let inner = moves.journal.len();
            self.book(attempt.request, search, offer);
            moves.journal.push((attempt.request, None));
            moves.locked.extend_from_slice(attempt.group);
            let mut pairs = attempt.group.iter().zip(&olds);
            let all = pairs.all(|(&other, old)| self.replace(other, old, attempt, moves));
            moves.locked.truncate(moves.locked.len() - attempt.group.len());
            if all {
                return true;
            }
            self.undo(moves, inner);
        }
        self.undo(moves, mark);
        false
    }

    /// The best choice of slots with a trainer, and those without one of its slots.
    fn alternatives(&self, search: &mut Search<'a>, trainer: u32, moves: &mut Moves) -> Vec<Offer> {
        let mut ask = |allowed: u64| if moves.spend(1) { search.ask_one(trainer, &self.ledger, allowed) } else { None };
        let Some(first) = ask(u64::MAX) else { return Vec::new() };
        let mut offers = vec![first.clone()];
        for slot in &first.slots {
            let other = ask(!(1 << slot));
            offers.extend(other.filter(|other| !offers.contains(other)));
        }
        offers
    }

    /// Finds another place for a booking that gave way: only one that is liked as well, if the attempt says so.
    fn replace(&mut self, request: usize, old: &Offer, attempt: &Attempt<'_>, moves: &mut Moves) -> bool {
        if !moves.spend(QUESTION_TO_ALL) {
            return false;
        }
        let mut search = self.search(request);
        let best = search.ask_all(&self.ledger, 1).offers.into_iter().next();
        let keeps = |offer: &Offer| offer.keeps_trainer_of(old) && (!attempt.alike || offer.keeps_slots_of(old));
        if let Some(offer) = best.filter(keeps) {
            self.book(request, &search, offer);
            moves.journal.push((request, None));
            return true;
        }
        !attempt.alike && self.give_way(request, Some(old), attempt.depth - 1, moves)
    }

    fn lift(&mut self, requests: &[usize]) -> Vec<(usize, Placed)> {
        let placed = requests.iter().filter_map(|&request| Some((request, self.unbook(request)?)));
        placed.collect()
    }

    fn put_back(&mut self, placed: Vec<(usize, Placed)>) {
        placed.into_iter().for_each(|(request, placed)| self.enter(request, placed));
    }

    fn undo(&mut self, moves: &mut Moves, mark: usize) {
        for (request, before) in moves.journal.split_off(mark).into_iter().rev() {
            self.unbook(request);
            if let Some(placed) = before {
                self.enter(request, placed);
            }
        }
    }

    fn search(&self, request: usize) -> Search<'a> {
        Search::of(self.roster, &self.requests[request], self.now)
    }

    fn book(&mut self, request: usize, search: &Search<'_>, offer: Offer) {
        let Some(outline) = &search.outline else { return };
        let (shard, _) = place_of(offer.trainer);
        let lessons = Lessons::of(outline, &offer, &self.roster.member_at(offer.trainer).off);
        let clock = self.roster.clock(self.roster.shards()[shard].zone);
        let mut weeks: Vec<(i32, u16)> = Vec::new();
        for &starts_at in &lessons.starts {
            let week = iso_week(clock.wall(starts_at));
            match weeks.last_mut() {
                Some(last) if last.0 == week => last.1 += 1,
                _ => weeks.push((week, 1)),
            }
        }
        let placed = Placed {
            reserved: rows_of(&lessons.starts, outline.length),
            weeks,
            increment: search.increment(offer.trainer),
            level: search.level(&self.ledger),
            student_id: self.requests[request].student_id.clone(),
            slots: offer.slots.iter().map(|&slot| outline.slots[usize::from(slot)].slot).collect(),
            start_date: outline.start,
            offer,
        };
        self.enter(request, placed);
    }

    fn enter(&mut self, request: usize, placed: Placed) {
        let roster = self.roster;
        let member = roster.member_at(placed.offer.trainer);
        let account = Account { share: member.share, weight: member.trainer.weight, courses: &member.courses };
        self.ledger.place(request, placed, &account, |course| roster.peers(course));
    }

    fn unbook(&mut self, request: usize) -> Option<Placed> {
        let roster = self.roster;
        let member = roster.member_at(self.ledger.placed(request)?.offer.trainer);
        let account = Account { share: member.share, weight: member.trainer.weight, courses: &member.courses };
        self.ledger.unplace(request, &account, |course| roster.peers(course))
    }

    /// Writes the receipt of a booking that was moved, or made by moving others, as things stand now.
    fn write_receipt(&mut self, request: usize) {
        let Some(placed) = self.unbook(request) else { return };
        let mut search = self.search(request);
        let mut verdict = search.ask_all(&self.ledger, OFFERS_MAX + 1);
        verdict.offers.retain(|offer| offer.trainer != placed.offer.trainer);
        verdict.offers.insert(0, placed.offer.clone());
        verdict.offers.truncate(OFFERS_MAX);
        self.enter(request, placed);
        if let (Some(offer), Some((before, _))) = (verdict.offers.first_mut(), self.ledger.share_around(request)) {
            offer.share = before;
        }
        self.receipts[request] = self.receipt(request, &search, &verdict);
    }

    fn receipt(&self, request: usize, search: &Search<'_>, verdict: &Verdict) -> Receipt {
        let removed = Rule::ALL.into_iter().map(|rule| (rule, verdict.removed[rule as usize]));
        let mut terms = verdict.offers.iter().map(|offer| self.terms(offer));
        let mut receipt = Receipt {
            candidates: self.roster.len() as u32,
            removed: removed.filter(|&(_, trainers)| trainers > 0).collect(),
            course_taught: search.course.is_some_and(|course| self.roster.is_taught(course)),
            chosen: terms.next(),
            next_best: terms.collect(),
            ..Receipt::default()
        };
        if let (Some(offer), Some(outline)) = (verdict.offers.first(), &search.outline) {
            let member = self.roster.member_at(offer.trainer);
            let lessons = Lessons::of(outline, offer, &member.off);
            receipt.trainer = Some(JudgedTrainer::from(&member.trainer));
            receipt.skipped_for_closures = lessons.closed;
            receipt.skipped_for_time_off = lessons.off;
        }
        debug_assert_eq!(receipt.chosen.is_some(), receipt.trainer.is_some(), "request {request}");
        receipt
    }

    fn terms(&self, offer: &Offer) -> Terms {
        Terms {
            trainer_id: self.roster.member_at(offer.trainer).trainer.trainer_id.clone(),
            preferred: offer.preferred,
            previous: offer.previous,
            slot_ranks: offer.slots.iter().map(|&slot| u16::from(slot) + 1).collect(),
            skipped: u32::from(offer.skipped),
            share: offer.share,
        }
    }

    fn decision(&mut self, request: usize) -> Decision {
        let receipt = std::mem::take(&mut self.receipts[request]);
        let Request { purchase_id, student_id, .. } = &self.requests[request];
        let (purchase_id, student_id) = (*purchase_id, student_id.clone());
        let Some(placed) = self.ledger.placed(request) else {
            return Decision::Waitlisted(Waitlisting { purchase_id, student_id, receipt });
        };
        let mut skipped: Vec<Date> =
            receipt.skipped_for_closures.iter().chain(&receipt.skipped_for_time_off).copied().collect();
        skipped.sort_unstable();
        Decision::Allocated(Booking {
            purchase_id,
            student_id,
            trainer_id: self.roster.member_at(placed.offer.trainer).trainer.trainer_id.clone(),
            slots: placed.slots.clone(),
            start_date: placed.start_date,
            skipped,
            reserved: placed.reserved.clone(),
            share_after: self.ledger.share_around(request).map_or(0, |(_, after)| after),
            receipt,
        })
    }
}

/// The lessons of an offer, and the dates without one.
struct Lessons {
    starts: Vec<i64>,
    closed: Vec<Date>,
    off: Vec<Date>,
}

impl Lessons {
    fn of(outline: &Outline, offer: &Offer, days_off: &[(i64, i64)]) -> Self {
        let mask = offer.slots.iter().fold(0u64, |mask, &slot| mask | 1 << slot);
        let mut dates: Vec<(u16, i64)> = Vec::new();
        for slot in ones(mask) {
            let planned = &outline.slots[slot as usize];
            dates.extend(planned.days.iter().copied().zip(planned.starts.iter().copied()));
        }
        dates.sort_unstable();
        let mut lessons = Self { starts: Vec::with_capacity(outline.sessions), closed: Vec::new(), off: Vec::new() };
        let mut last = 0;
        for (day, starts_at) in dates {
            if lessons.starts.len() == outline.sessions {
                break;
            }
            last = day;
            if days_off.iter().any(|&(from, until)| starts_at < until && starts_at + outline.length > from) {
                lessons.off.push(outline.date(day));
            } else {
                lessons.starts.push(starts_at);
            }
        }
        let chosen = |day: &u16| {
            let weekday = outline.weekday(*day);
            offer.slots.iter().any(|&slot| outline.slots[usize::from(slot)].slot.weekday.index() == weekday)
        };
        let closed = (0..=last).filter(chosen).filter(|&day| outline.is_closed(day));
        lessons.closed = closed.map(|day| outline.date(day)).collect();
        lessons
    }
}

/// All groups of so many.
fn groups(requests: &[usize], size: usize) -> Vec<Vec<usize>> {
    match size {
        0 => vec![Vec::new()],
        _ => (requests.iter().enumerate())
            .flat_map(|(at, &first)| {
                groups(&requests[at + 1..], size - 1).into_iter().map(move |mut group| {
                    group.insert(0, first);
                    group
                })
            })
            .collect(),
    }
}
