//! Guarantee 1, once: a payment is one purchase, at most one active allocation, one session for
//! each ordinal and one event for each thing that happened.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::changed::Changes;
use super::evidence::{Case, Ending};
use super::report::Tally;
use super::told::Told;
use crate::platform::evidence::{PurchaseEvidence, SessionEvidence};

/// Judges a purchase and what belongs to it.
pub(super) fn judge(case: &Case<'_>, changes: &Changes, tally: &mut Tally) {
    let Some(purchase) = case.purchase else { return orphans(case, tally) };
    let expected = purchase_id(&purchase.payment_id, purchase.item.as_deref());
    tally.must(purchase.id == expected.to_string(), &purchase.id, || {
        format!("the purchase of payment {} is {expected}", purchase.payment_id)
    });
    allocations(case, purchase, tally);
    tally.must(purchase.cancelled_at.is_some() == (purchase.status == "cancelled"), &purchase.id, || {
        let note = if purchase.cancelled_at.is_some() { "a note tells" } else { "no note tells" };
        format!("it is {} and {note} of its cancellation", purchase.status)
    });
    let on_waitlist = case.waiting == (purchase.status == "waitlisted");
    tally.must(on_waitlist, &purchase.id, || {
        let row = if case.waiting { "stands" } else { "doesn't stand" };
        format!("it is {} and {row} on the waitlist", purchase.status)
    });
    sessions(case, purchase, expected, changes, tally);
}

/// Judges whether each thing that happened was told by one event alone.
pub(super) fn judge_events(told: &Told, tally: &mut Tally) {
    told.each_happening(|about, happening, ids| {
        tally.must(ids == 1, about, || format!("{ids} events with different ce_id tell its {happening}"));
    });
    told.each_event(|ce_id, contents| {
        tally.must(contents == 1, ce_id, || format!("{contents} records with this ce_id say different things"));
    });
}

/// The purchase of a payment.
pub(super) fn purchase_id(payment_id: &str, item: Option<&str>) -> Uuid {
    let payment = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("urn:caravan:payment:{payment_id}").as_bytes());
    item.map_or(payment, |item| Uuid::new_v5(&payment, item.as_bytes()))
}

fn orphans(case: &Case<'_>, tally: &mut Tally) {
    let nothing = || format!("there is no purchase {}", case.id);
    for allocation in case.allocations {
        tally.must(false, &allocation.id, nothing);
    }
    for session in case.sessions {
        tally.must(false, &session.id, nothing);
    }
    if case.waiting {
        tally.must(false, case.id, || "it is on the waitlist, but there is no such purchase".to_owned());
    }
}

fn allocations(case: &Case<'_>, purchase: &PurchaseEvidence, tally: &mut Tally) {
    let active = case.active().len();
    // A status that is not known here may have its own rules.
    let fits = match purchase.status.as_str() {
        "created" | "waitlisted" | "cancelled" => active == 0,
        "allocated" | "scheduled" | "completed" => active == 1,
        _ => active <= 1,
    };
    tally.must(fits, &purchase.id, || format!("it is {} with {active} active allocations", purchase.status));
    let generations: BTreeSet<i64> = case.allocations.iter().map(|allocation| allocation.generation).collect();
    tally.must(generations.len() == case.allocations.len(), &purchase.id, || {
        "two of its allocations have the same generation".to_owned()
    });
    for allocation in case.allocations {
        tally.must(allocation.student_id == purchase.student_id, &allocation.id, || {
            format!("it is for student {}, its purchase for {}", allocation.student_id, purchase.student_id)
        });
    }
}

fn sessions(case: &Case<'_>, purchase: &PurchaseEvidence, purchase_id: Uuid, changes: &Changes, tally: &mut Tally) {
    let first = case.allocations.iter().map(|allocation| allocation.first_ordinal).min().unwrap_or(1);
    for (session, expected) in case.sessions.iter().zip(first..) {
        let ordinal = session.ordinal;
        tally.must(ordinal == expected, &session.id, || {
            format!("its ordinal is {ordinal} where {expected} should be, in purchase {}", purchase.id)
        });
        let total = purchase.sessions_total.unwrap_or(i64::MAX);
        tally.must(ordinal <= total, &session.id, || format!("its ordinal is {ordinal} of {total} sessions bought"));
        let id = Uuid::new_v5(&purchase_id, format!("session:{ordinal}").as_bytes());
        tally.must(session.id == id.to_string(), &session.id, || format!("session {ordinal} of its purchase is {id}"));
        let changed_to = changes.latest.get(&ordinal).map(|change| change.trainer_id.as_str());
        let right = match changed_to {
            Some(trainer_id) => trainer_id == session.trainer_id,
            None => taught_by_the_allocated(case, session),
        };
        tally.must(right, &session.id, || match changed_to {
            Some(trainer_id) => format!("{} teaches it, it was changed to {trainer_id}", session.trainer_id),
            None => format!("{} is not the trainer allocated to purchase {}", session.trainer_id, purchase.id),
        });
    }
}

/// A session that is over may have been held by the trainer of an earlier allocation.
fn taught_by_the_allocated(case: &Case<'_>, session: &SessionEvidence) -> bool {
    case.allocations.iter().any(|allocation| {
        let still_held = allocation.status == "active"
            || (allocation.status == "superseded" && Ending::read(allocation).is_none())
            || Ending::read(allocation).is_some_and(|ending| ending.keeps_session(session));
        let behind = allocation.sessions.map(|sessions| allocation.first_ordinal + sessions);
        let is_its = behind.is_none_or(|behind| session.ordinal < behind);
        allocation.trainer_id == session.trainer_id && is_its && (still_held || session.status != "scheduled")
    })
}
