//! What workers count for monitoring beside what the engine counts of each.

use caravan_domain::allocation::Receipt;
use caravan_domain::stuck::{obstacle_name, obstacle_names};
use metrics::describe_counter;

use crate::engine::worker::Tally;

/// Purchases that came to wait for a trainer, by the rule that most stood in the way.
const WAITLISTED_TOTAL: &str = "caravan_waitlisted_total";

/// A purchase was allocated by the worker, at once or after a wait.
pub(super) const ALLOCATED: Tally = Tally { counter: "caravan_allocated_total", label: None };

/// A purchase came to wait.
pub(super) fn waitlisted(receipt: &Receipt) -> Tally {
    by_rule(obstacle_name(receipt))
}

/// Everything the allocation worker counts.
pub(super) fn of_allocation() -> Vec<Tally> {
    obstacle_names().map(by_rule).chain([ALLOCATED]).collect()
}

fn by_rule(rule: &'static str) -> Tally {
    Tally { counter: WAITLISTED_TOTAL, label: Some(("rule", rule)) }
}

/// Says what each number means, to the recorder that is installed.
pub fn describe() {
    describe_counter!(ALLOCATED.counter, "Purchases the allocation worker found a trainer for.");
    describe_counter!(WAITLISTED_TOTAL, "Purchases that came to wait for a trainer, by the rule that rules out most.");
}
