//! The warm index of all trainers.

use jiff::Timestamp;

use super::{Booking, Decision, Policy, Request, TrainerState};
use crate::trainer::{Closure, Trainer};

/// The warm picture of all trainers.
#[derive(Clone, Debug)]
pub struct Roster {
    #[allow(dead_code)]
    policy: Policy,
}

impl Roster {
    /// An empty roster.
    pub fn new(policy: Policy) -> Self {
        Self { policy }
    }
    /// Replaces the company-wide days without lessons.
    pub fn set_closures(&mut self, _closures: Vec<Closure>) {}
    /// Takes a trainer's state over, in place of an earlier one. A trainer whose zone is unknown counts as inactive.
    pub fn upsert(&mut self, _state: TrainerState) {}
    /// Forgets a trainer.
    pub fn remove(&mut self, _trainer_id: &str) {}
    /// How many trainers there are, active or not.
    pub fn len(&self) -> usize {
        0
    }
    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// A trainer as the roster knows them: without name and address.
    pub fn trainer(&self, _id: &str) -> Option<&Trainer> {
        None
    }
    /// A trainer's share of the work so far.
    pub fn share(&self, _id: &str) -> Option<i64> {
        None
    }
    /// One decision for each request, in the same order.
    pub fn allocate(&self, _batch: &[Request], _now: Timestamp) -> Vec<Decision> {
        Vec::new()
    }
    /// Takes over a booking that has been committed.
    pub fn book(&mut self, _booking: &Booking) {}
}
