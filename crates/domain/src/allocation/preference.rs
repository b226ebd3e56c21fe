//! Which of those who fit is best, in the order of `Terms`.

use std::cmp::Ordering;

use super::receipt::NEXT_BEST_MAX;

/// How many offers a search keeps: the best and the runners-up.
pub(crate) const OFFERS_MAX: usize = NEXT_BEST_MAX + 1;

/// A trainer who fits, with their best choice of slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Index of the trainer.
    pub(crate) trainer: u32,
    /// The student asked for them.
    pub(crate) preferred: bool,
    /// They taught the student this subject.
    pub(crate) previous: bool,
    /// The chosen slots, by rank from 0, ascending.
    pub(crate) slots: Vec<u8>,
    /// Dates their days off would skip.
    pub(crate) skipped: u16,
    /// The share they are judged by.
    pub(crate) share: i64,
}

impl Offer {
    /// Better first, all but the id: that is only looked up for equals.
    fn compare(&self, other: &Self) -> Ordering {
        self.compare_but_share(other).then(self.share.cmp(&other.share))
    }

    fn compare_but_share(&self, other: &Self) -> Ordering {
        (other.preferred.cmp(&self.preferred))
            .then(other.previous.cmp(&self.previous))
            .then_with(|| self.slots.cmp(&other.slots))
            .then(self.skipped.cmp(&other.skipped))
    }

    /// Whether taking this instead of `old` is no step back for those who asked for a trainer or had one.
    pub(crate) fn keeps_trainer_of(&self, old: &Self) -> bool {
        (self.preferred || !old.preferred) && (self.preferred || self.previous || !old.previous)
    }

    /// Whether the slots are liked as well and no more dates are skipped.
    pub(crate) fn keeps_slots_of(&self, old: &Self) -> bool {
        (&self.slots, self.skipped) <= (&old.slots, old.skipped)
    }
}

/// The best offers so far, best first.
#[derive(Debug)]
pub(crate) struct Best {
    offers: Vec<Offer>,
    max: usize,
}

impl Best {
    /// Nobody yet; room for `max`.
    pub(crate) fn of(max: usize) -> Self {
        Self { offers: Vec::with_capacity(max + 1), max }
    }

    /// How many it keeps.
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// The highest share with which an offer otherwise like this could still come in.
    pub(crate) fn share_max(&self, offer: &Offer) -> i64 {
        let last = self.offers.last().filter(|_| self.offers.len() >= self.max);
        last.map_or(i64::MAX, |last| match offer.compare_but_share(last) {
            Ordering::Less => i64::MAX,
            Ordering::Equal => last.share,
            Ordering::Greater => i64::MIN,
        })
    }

    /// Keeps an offer if it is among the best. Between equals the lower id wins.
    pub(crate) fn add<'a>(&mut self, offer: &Offer, id: impl Fn(u32) -> &'a str) {
        let better = |kept: &Offer| {
            let order = kept.compare(offer).then_with(|| id(kept.trainer).cmp(id(offer.trainer)));
            order.is_le()
        };
        if self.offers.len() >= self.max && self.offers.last().is_some_and(better) {
            return;
        }
        let at = self.offers.partition_point(better);
        if at < self.max {
            self.offers.insert(at, offer.clone());
            self.offers.truncate(self.max);
        }
    }

    /// The offers, best first.
    pub(crate) fn into_offers(self) -> Vec<Offer> {
        self.offers
    }
}
