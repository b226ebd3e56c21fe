//! What has happened to a purchase, from the payment on: when, by whom, and what went wrong on the way.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::platform::rows::{Bound, Change, DeadLetter, Purchase, Waiting};
use crate::workers::WorkerKind;

/// One thing that has happened to a purchase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// What it is called: `paid`, `recorded`, `waitlisted`, `allocated`, `scheduled`, `dead-letter`, or what a person did (`moved`,
    /// `cancelled` and so on).
    #[schema(examples("allocated"))]
    pub step: String,
    /// Which worker, or who.
    #[schema(examples("AllocationWorker"))]
    pub by: String,
    /// What happened, in words.
    pub what: String,
}

/// The steps of a purchase, oldest first.
pub(super) fn timeline(
    purchase: &Purchase,
    waiting: Option<&Waiting>,
    bound: &[Bound],
    changes: &[Change],
    letters: &[DeadLetter],
) -> Vec<Step> {
    let mut steps = vec![paid(purchase), recorded(purchase)];
    steps.extend(waiting.map(|waiting| {
        let what = "nobody fits the whole plan yet; looked at again whenever a change could help".to_owned();
        step(waiting.waitlisted_at, "waitlisted", WorkerKind::Allocation.spec().name, what)
    }));
    steps.extend(bound.iter().map(|bound| allocated(purchase, bound)));
    steps.extend(purchase.scheduled_at.map(|at| {
        let what = "the first sessions are in the calendar".to_owned();
        step(at, "scheduled", WorkerKind::Session.spec().name, what)
    }));
    steps.extend(changes.iter().map(changed));
    steps.extend(letters.iter().map(set_aside));
    // Some times are kept to the second; what comes of the other in the same one stands in the order of the way.
    steps.sort_by_key(|step| step.at.as_second());
    steps
}

fn step(at: Timestamp, step: &str, by: &str, what: String) -> Step {
    Step { at, step: step.to_owned(), by: by.to_owned(), what }
}

fn paid(purchase: &Purchase) -> Step {
    let confirmation = purchase.reported();
    let what = format!("payment {} of {}", confirmation.payment_id, confirmation.amount);
    step(confirmation.confirmed_at, "paid", "payment side", what)
}

fn recorded(purchase: &Purchase) -> Step {
    step(purchase.created_at, "recorded", WorkerKind::Purchase.spec().name, "the purchase is recorded".to_owned())
}

fn allocated(purchase: &Purchase, allocation: &Bound) -> Step {
    let slots: Vec<String> = allocation.slots.iter().map(ToString::to_string).collect();
    let from = match allocation.first_ordinal {
        1 => String::new(),
        ordinal => format!(", from session {ordinal} on"),
    };
    let zone = &purchase.confirmation.student.time_zone;
    let what = format!("{} teaches {} ({zone}){from}", allocation.trainer_id, slots.join(" and "));
    step(allocation.allocated_at, "allocated", WorkerKind::Allocation.spec().name, what)
}

fn changed(change: &Change) -> Step {
    let from = change.effective_from.map(|date| format!(" (from {date} on)")).unwrap_or_default();
    step(change.changed_at, &change.kind, &change.actor, format!("{}{from}: {}", change.kind, change.reason))
}

fn set_aside(letter: &DeadLetter) -> Step {
    let by = WorkerKind::ALL.map(WorkerKind::spec).into_iter().find(|spec| spec.group == letter.consumer_group);
    let attempts = super::counted(letter.attempts.into(), "attempt", "attempts");
    let again = match letter.redriven_at {
        Some(at) => format!("; sent again at {at:.0}"),
        None => format!("; see: caravan dead-letters show {}", letter.id),
    };
    let what = format!("{} set aside after {attempts}: {}: {}{again}", letter.topic, letter.reason, letter.detail);
    step(letter.failed_at, "dead-letter", by.map_or(&letter.consumer_group, |spec| spec.name), what)
}
