//! What a batch has booked so far, on top of the roster.

use std::collections::{BTreeMap, HashMap};

use jiff::civil::Date;

use super::calendar::{Calendar, ReservedTime};
use super::preference::Offer;
use super::share::{self, Level, Peers};
use crate::plan::Slot;

/// A request's booking within the batch.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    /// With whom, on which slots.
    pub(crate) offer: Offer,
    /// Those slots, and the first date a lesson may stand on.
    pub(crate) slots: Vec<Slot>,
    pub(crate) start_date: Date,
    /// The time it takes.
    pub(crate) reserved: Vec<ReservedTime>,
    /// Its sessions by ISO week in the trainer's zone.
    pub(crate) weeks: Vec<(i32, u16)>,
    /// What it adds to the trainer's share.
    pub(crate) increment: i64,
    /// The peers' level it was judged by.
    pub(crate) level: Option<Level>,
    /// Whose it is.
    pub(crate) student_id: String,
}

/// A trainer that the batch has given something.
#[derive(Clone, Debug, Default)]
pub(crate) struct Touched {
    /// Time taken in this batch.
    pub(crate) calendar: Calendar,
    /// Sessions added in this batch.
    pub(crate) weeks: BTreeMap<i32, u16>,
    /// The requests, ascending.
    pub(crate) requests: Vec<usize>,
    /// Their share before the batch.
    share_before: Option<i64>,
    /// Their share now.
    pub(crate) share: Option<i64>,
}

impl Touched {
    /// The most sessions added to any week.
    pub(crate) fn peak(&self) -> u16 {
        self.weeks.values().copied().max().unwrap_or(0)
    }
}

/// The bookings of a batch.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    placed: Vec<Option<Placed>>,
    trainers: BTreeMap<u32, Touched>,
    students: HashMap<String, Calendar>,
    peers: HashMap<u32, Peers>,
}

/// What the ledger has to know of a trainer it touches.
pub(crate) struct Account<'a> {
    /// Their share before the batch.
    pub(crate) share: Option<i64>,
    /// Their weight.
    pub(crate) weight: u32,
    /// The courses whose level their share counts for.
    pub(crate) courses: &'a [u32],
}

impl Ledger {
    /// An empty ledger for so many requests.
    pub(crate) fn new(requests: usize) -> Self {
        Self { placed: vec![None; requests], ..Self::default() }
    }

    /// Whether nobody has been given anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.trainers.is_empty()
    }

    /// A request's booking.
    pub(crate) fn placed(&self, request: usize) -> Option<&Placed> {
        self.placed[request].as_ref()
    }

    /// What the batch has given a trainer.
    pub(crate) fn trainer(&self, index: u32) -> Option<&Touched> {
        self.trainers.get(&index)
    }

    /// The touched trainers with an index in this range.
    pub(crate) fn touched(&self, range: std::ops::Range<u32>) -> impl Iterator<Item = (u32, &Touched)> {
        self.trainers.range(range).map(|(index, touched)| (*index, touched))
    }

    /// What the batch has taken of a student's time.
    pub(crate) fn student(&self, student_id: &str) -> Option<&Calendar> {
        self.students.get(student_id)
    }

    /// The trainers of a course, who were `base` before the batch.
    pub(crate) fn peers(&self, course: u32, base: Peers) -> Peers {
        self.peers.get(&course).copied().unwrap_or(base)
    }

    /// The share a trainer had before this request's booking, which must be theirs, and has after it.
    pub(crate) fn share_around(&self, request: usize) -> Option<(i64, i64)> {
        let placed = self.placed(request)?;
        let touched = self.trainer(placed.offer.trainer)?;
        let earlier: Vec<usize> = touched.requests.iter().copied().take_while(|&other| other < request).collect();
        let before = share::effective(self.share_of(touched.share_before, &earlier), placed.level, placed.increment);
        Some((before, before + placed.increment))
    }

    /// Adds a booking.
    pub(crate) fn place(&mut self, request: usize, placed: Placed, account: &Account<'_>, base: impl Fn(u32) -> Peers) {
        let index = placed.offer.trainer;
        let new = || Touched { share_before: account.share, share: account.share, ..Touched::default() };
        let touched = self.trainers.entry(index).or_insert_with(new);
        touched.calendar.reserve(&placed.reserved);
        placed.weeks.iter().for_each(|&(week, sessions)| *touched.weeks.entry(week).or_default() += sessions);
        let at = touched.requests.partition_point(|&other| other < request);
        touched.requests.insert(at, request);
        self.students.entry(placed.student_id.clone()).or_default().reserve(&placed.reserved);
        self.placed[request] = Some(placed);
        self.settle(index, account, base);
    }

    /// Takes a booking back.
    pub(crate) fn unplace(
        &mut self,
        request: usize,
        account: &Account<'_>,
        base: impl Fn(u32) -> Peers,
    ) -> Option<Placed> {
        let placed = self.placed[request].take()?;
        let index = placed.offer.trainer;
        if let Some(touched) = self.trainers.get_mut(&index) {
            touched.calendar.release(&placed.reserved);
            for (week, sessions) in &placed.weeks {
                touched.weeks.entry(*week).and_modify(|count| *count -= sessions);
            }
            touched.requests.retain(|&other| other != request);
        }
        if let Some(calendar) = self.students.get_mut(&placed.student_id) {
            calendar.release(&placed.reserved);
        }
        self.settle(index, account, base);
        Some(placed)
    }

    /// Works a trainer's share out anew, and with it the level of their courses.
    fn settle(&mut self, index: u32, account: &Account<'_>, base: impl Fn(u32) -> Peers) {
        let Some(touched) = self.trainers.get(&index) else { return };
        let (before, after) = (touched.share, self.share_of(touched.share_before, &touched.requests));
        for course in account.courses {
            self.peers.entry(*course).or_insert_with(|| base(*course)).change(account.weight, before, after);
        }
        if let Some(touched) = self.trainers.get_mut(&index) {
            touched.share = after;
        }
    }

    fn share_of(&self, before: Option<i64>, requests: &[usize]) -> Option<i64> {
        let placed = requests.iter().filter_map(|&request| self.placed(request));
        placed.fold(before, |share, placed| {
            Some(share::effective(share, placed.level, placed.increment) + placed.increment)
        })
    }
}
