//! The warm index of all trainers.

use std::collections::HashMap;

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::batch::Batch;
use super::calendar::reserved_seconds;
use super::clock::{Clock, DAY_SECONDS, day_number, iso_week};
use super::shard::{Loads, Member, SHARD_TRAINERS_MAX, Shard, starts};
use super::share::Peers;
use super::{Booking, Decision, Policy, Request, TrainerState};
use crate::availability::Availability;
use crate::purchase::{Course, folded};
use crate::trainer::{Closure, DaysOff, Trainer};

/// Clocks are laid out ahead for these years; beyond them they still answer, but slower.
const CLOCK_YEARS: (i16, i16) = (2015, 2075);

/// The warm picture of all trainers: what they teach, when, and which of their time is taken.
///
/// ```
/// use caravan_domain::allocation::{Policy, Roster};
///
/// let roster = Roster::new(Policy::default());
/// assert!(roster.allocate(&[], jiff::Timestamp::UNIX_EPOCH).is_empty());
/// ```
#[derive(Clone, Debug)]
pub struct Roster {
    policy: Policy,
    closures: Vec<(i64, i64)>,
    zones: Vec<Clock>,
    zone_numbers: HashMap<String, Option<usize>>,
    shards: Vec<Shard>,
    /// `shard * SHARD_TRAINERS_MAX + place`
    indices: HashMap<String, u32>,
    courses: HashMap<Course, u32>,
    languages: HashMap<String, u32>,
    /// By course: those who teach it, active or not.
    taught: Vec<u32>,
    /// By course: the shares of those who are active.
    peers: Vec<Peers>,
}

impl Roster {
    /// An empty roster.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            closures: Vec::new(),
            zones: Vec::new(),
            zone_numbers: HashMap::new(),
            shards: Vec::new(),
            indices: HashMap::new(),
            courses: HashMap::new(),
            languages: HashMap::new(),
            taught: Vec::new(),
            peers: Vec::new(),
        }
    }

    /// Replaces the company-wide days without lessons. Bookings that were made keep their dates.
    pub fn set_closures(&mut self, closures: Vec<Closure>) {
        let days = closures.iter().map(|closure| (day_number(closure.from), day_number(closure.until)));
        self.closures = joined(days.filter(|(from, until)| from <= until).collect(), 1);
    }

    /// Takes a trainer's state over, in place of an earlier one. A trainer whose zone is unknown counts as inactive.
    pub fn upsert(&mut self, state: TrainerState) {
        self.remove(&state.trainer.trainer_id);
        let zone = self.zone(&state.trainer.time_zone);
        let active = state.trainer.active && zone.is_some();
        // Somebody without a known zone has to stand somewhere.
        let zone = zone.or_else(|| self.zone("UTC")).unwrap_or(0);
        let member = self.member(state.trainer, active, state.share, &state.calendar, zone);
        let availability = Availability::compile(&member.trainer.availability);
        let trainer_id = member.trainer.trainer_id.clone();
        self.count(&member, 1);
        let shard = self.shards.iter().position(|shard| shard.zone == zone && !shard.is_full());
        let shard = shard.unwrap_or_else(|| {
            self.shards.push(Shard::new(zone));
            self.shards.len() - 1
        });
        let at = self.shards[shard].insert(member, &availability, &state.calendar);
        self.indices.insert(trainer_id, index_of(shard, at));
    }

    /// Forgets a trainer.
    pub fn remove(&mut self, trainer_id: &str) {
        let Some(index) = self.indices.remove(trainer_id) else { return };
        let (shard, at) = place_of(index);
        if let Some(member) = self.shards[shard].remove(at) {
            self.count(&member, -1);
        }
    }

    /// How many trainers there are, active or not.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// A trainer as the roster knows them: without name and address.
    pub fn trainer(&self, trainer_id: &str) -> Option<&Trainer> {
        self.index(trainer_id).map(|index| &self.member_at(index).trainer)
    }

    /// A trainer's share of the work so far: sessions times [`super::SHARE_PER_SESSION`], by weight.
    pub fn share(&self, trainer_id: &str) -> Option<i64> {
        self.index(trainer_id).and_then(|index| self.member_at(index).share)
    }

    /// One decision for each request, in the same order. Requests come oldest first; `now` says which dates can still
    /// be booked.
    pub fn allocate(&self, batch: &[Request], now: Timestamp) -> Vec<Decision> {
        Batch::new(self, batch, now).decide()
    }

    /// Takes over a booking that has been committed. Bookings of one batch are taken over in its order.
    pub fn book(&mut self, booking: &Booking) {
        let Some(index) = self.index(&booking.trainer_id) else { return };
        let (shard, at) = place_of(index);
        let clock = &self.zones[self.shards[shard].zone];
        let weeks: Vec<i32> = starts(&booking.reserved).map(|second| iso_week(clock.wall(second))).collect();
        let member = self.member_at(index);
        let (before, active, courses) = (member.share, member.active, member.courses.clone());
        let weight = member.trainer.weight;
        self.shards[shard].reserve(at, &booking.reserved, weeks.into_iter());
        self.shards[shard].set_share(at, booking.share_after);
        for course in courses.iter().filter(|_| active) {
            self.peers[*course as usize].change(weight, before, Some(booking.share_after));
        }
    }

    pub(crate) fn policy(&self) -> Policy {
        self.policy
    }

    /// Closed days as sorted, disjoint day numbers, both ends inclusive.
    pub(crate) fn closures(&self) -> &[(i64, i64)] {
        &self.closures
    }

    pub(crate) fn shards(&self) -> &[Shard] {
        &self.shards
    }

    pub(crate) fn clock(&self, zone: usize) -> &Clock {
        &self.zones[zone]
    }

    /// The clock of a zone, if some trainer lives there.
    pub(crate) fn known_clock(&self, zone: &str) -> Option<&Clock> {
        self.zone_numbers.get(zone).copied().flatten().map(|number| &self.zones[number])
    }

    pub(crate) fn zone_count(&self) -> usize {
        self.zones.len()
    }

    pub(crate) fn index(&self, trainer_id: &str) -> Option<u32> {
        self.indices.get(trainer_id).copied()
    }

    /// The trainer with this index, which must be one the roster gave out.
    pub(crate) fn member_at(&self, index: u32) -> &Member {
        let (shard, at) = place_of(index);
        self.shards[shard].member(at).expect("an index names a trainer")
    }

    pub(crate) fn course_number(&self, course: &Course) -> Option<u32> {
        self.courses.get(&course.key()).copied()
    }

    pub(crate) fn language_numbers(&self, languages: &[String]) -> Vec<u32> {
        languages.iter().filter_map(|language| self.languages.get(&folded(language)).copied()).collect()
    }

    /// Whether anybody teaches a course.
    pub(crate) fn is_taught(&self, course: u32) -> bool {
        self.taught[course as usize] > 0
    }

    pub(crate) fn peers(&self, course: u32) -> Peers {
        self.peers[course as usize]
    }

    fn zone(&mut self, name: &str) -> Option<usize> {
        if let Some(known) = self.zone_numbers.get(name) {
            return *known;
        }
        let clock = TimeZone::get(name).ok().map(|zone| {
            let year = |year: i16| day_number(Date::constant(year, 1, 1)) * DAY_SECONDS;
            Clock::between(&zone, year(CLOCK_YEARS.0), year(CLOCK_YEARS.1))
        });
        let number = clock.map(|clock| {
            self.zones.push(clock);
            self.zones.len() - 1
        });
        self.zone_numbers.insert(name.to_owned(), number);
        number
    }

    fn member(
        &mut self,
        trainer: Trainer,
        active: bool,
        share: Option<i64>,
        calendar: &super::Calendar,
        zone: usize,
    ) -> Member {
        let mut courses: Vec<u32> = Vec::new();
        for taught in &trainer.courses {
            for level in &taught.levels {
                let course = Course { subject: taught.subject.clone(), level: level.clone() }.key();
                courses.push(self.number_course(course));
            }
        }
        courses.sort_unstable();
        courses.dedup();
        let languages = trainer.languages.iter().map(|language| {
            let next = self.languages.len() as u32;
            *self.languages.entry(folded(language)).or_insert(next)
        });
        let languages = languages.collect();
        let clock = &self.zones[zone];
        let off = days_off(&trainer.time_off, clock);
        let loads = Loads::of(calendar, clock);
        let trainer = Trainer { name: None, email: None, ..trainer };
        Member { trainer, active, share, courses, languages, off, loads }
    }

    fn number_course(&mut self, course: Course) -> u32 {
        let next = self.courses.len() as u32;
        let number = *self.courses.entry(course).or_insert(next);
        if number == next {
            self.taught.push(0);
            self.peers.push(Peers::default());
        }
        number
    }

    /// Counts a trainer in, or out.
    fn count(&mut self, member: &Member, by: i32) {
        for &course in &member.courses {
            let course = course as usize;
            self.taught[course] = self.taught[course].saturating_add_signed(by);
            if member.active {
                let (before, after) = if by > 0 { (None, member.share) } else { (member.share, None) };
                self.peers[course].change(member.trainer.weight, before, after);
            }
        }
    }
}

/// A trainer's index, from their shard and place.
pub(crate) fn index_of(shard: usize, at: u16) -> u32 {
    (shard * SHARD_TRAINERS_MAX) as u32 + u32::from(at)
}

/// The shard and place of a trainer's index.
pub(crate) fn place_of(index: u32) -> (usize, u16) {
    (index as usize / SHARD_TRAINERS_MAX, (index as usize % SHARD_TRAINERS_MAX) as u16)
}

/// Days off as instants, from the first midnight to the one after the last day.
fn days_off(time_off: &[DaysOff], clock: &Clock) -> Vec<(i64, i64)> {
    let midnight = |day: i64| clock.instant(day * DAY_SECONDS);
    let days = time_off.iter().filter(|off| off.from <= off.until);
    joined(days.map(|off| (midnight(day_number(off.from)), midnight(day_number(off.until) + 1))).collect(), 0)
}

/// Sorted ranges; those that overlap or are no more than `gap` apart are joined.
fn joined(mut ranges: Vec<(i64, i64)>, gap: i64) -> Vec<(i64, i64)> {
    ranges.sort_unstable();
    ranges.dedup_by(|next, kept| {
        let touches = next.0 <= kept.1.saturating_add(gap);
        if touches {
            kept.1 = kept.1.max(next.1);
        }
        touches
    });
    ranges
}

/// The rows of lessons that start at these seconds.
pub(crate) fn rows_of(starts: &[i64], length: i64) -> Vec<super::ReservedTime> {
    reserved_seconds(starts.iter().map(|&starts_at| (starts_at, starts_at + length)))
}
