//! Trainers and students with the plans that take their time.

use super::changed::{Change, Changes};
use super::evidence::{Decision, Ending, Judgement, Order, Terms, lessons, run_of};
use super::wall::{Lesson, Zones};
use crate::platform::evidence::{AllocationEvidence, PartyKind, PartyPage, PlanEvidence, ReservationEvidence};

/// A plan that takes a party's time.
#[derive(Clone, Debug)]
pub(super) struct PartyPlan<'a> {
    pub(super) allocation: &'a AllocationEvidence,
    pub(super) judgement: Judgement,
    pub(super) order: Order,
    /// Those that are held, or were, as the plan has them.
    pub(super) lessons: Vec<Lesson>,
    /// Those that people have changed, each as it stands.
    pub(super) changed: Vec<(Lesson, Change)>,
    /// When other time zone data first moved what was planned, as the row tells it.
    pub(super) displaced: Option<String>,
}

impl PartyPlan<'_> {
    /// All that take the party's time.
    pub(super) fn taken(&self) -> impl Iterator<Item = &Lesson> {
        self.lessons.iter().chain(self.changed.iter().map(|(lesson, _)| lesson))
    }
}

/// A trainer or a student.
#[derive(Clone, Debug)]
pub(super) struct Party<'a> {
    /// Such as `trainer:trn_7`.
    pub(super) name: String,
    /// Plans that can be understood; of the others the purchases' own judgement tells.
    pub(super) plans: Vec<PartyPlan<'a>>,
    pub(super) reservations: &'a [ReservationEvidence],
    /// A trainer's terms of today; `None` if the roster doesn't have them (or they can't be read).
    pub(super) today: Option<Terms>,
}

/// The parties of a page, each understood only when its turn comes.
pub(super) fn parties<'a>(
    kind: PartyKind,
    page: &'a PartyPage,
    zones: &'a mut Zones,
) -> impl Iterator<Item = Party<'a>> {
    let mut ids: Vec<&str> = page.plans.iter().map(|plan| plan.party.as_str()).collect();
    ids.extend(page.reservations.iter().map(|reservation| reservation.party.as_str()));
    ids.sort_unstable();
    ids.dedup();
    ids.into_iter().map(move |id| {
        let plans = run_of(&page.plans, id, |plan| &plan.party);
        let trainer = run_of(&page.trainers, id, |trainer| &trainer.id).first();
        Party {
            name: format!("{}:{id}", kind.name()),
            plans: plans.iter().filter_map(|plan| read(kind, plan, zones)).collect(),
            reservations: run_of(&page.reservations, id, |reservation| &reservation.party),
            today: trainer.and_then(|trainer| Terms::of_today(trainer, zones).ok()),
        }
    })
}

fn read<'a>(kind: PartyKind, plan: &'a PlanEvidence, zones: &mut Zones) -> Option<PartyPlan<'a>> {
    let order = Order::read(plan.confirmation.as_deref()?, zones).ok()?;
    let decision = Decision::read(&plan.allocation).ok()?;
    let judgement = Judgement::read(&plan.allocation.receipt, zones).ok()?;
    let changes = Changes::read(&plan.session_changes, &plan.displaced, zones).ok()?;
    let ending = Ending::read(&plan.allocation);
    let (mut as_planned, mut changed) = (Vec::new(), Vec::new());
    for planned in lessons(&order, &decision) {
        let Some((lesson, trainer_id)) = changes.standing(&planned, &plan.allocation.trainer_id, &order.zone) else {
            continue;
        };
        let is_theirs = kind == PartyKind::Student || trainer_id == plan.party;
        if !is_theirs || ending.is_some_and(|ending| !ending.keeps(&lesson)) {
            continue;
        }
        match changes.latest.get(&planned.ordinal) {
            Some(change) => changed.push((lesson, change.clone())),
            None => as_planned.push(lesson),
        }
    }
    Some(PartyPlan {
        allocation: &plan.allocation,
        judgement,
        order,
        lessons: as_planned,
        changed,
        displaced: changes.displaced,
    })
}
