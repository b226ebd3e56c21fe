//! A session that is added at the end of a plan, for one that was not held.

use std::collections::BTreeSet;

use jiff::civil::Date;

use crate::plan::{Occurrence, Schedule};

/// How many weeks after a plan's end are looked at.
pub const MAKEUP_WEEKS_MAX: usize = 26;

/// Where a session is added, and what the plan skips from then on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Makeup {
    /// The added session.
    pub at: Occurrence,
    /// All dates without a lesson, with those that were passed over.
    pub skipped: BTreeSet<Date>,
}

/// Adds one session at the end of a plan, on the first date of a chosen weekday that `fits`: those before it are skipped.
/// So the plan stays what it was, with one session more. `None` if no date within [`MAKEUP_WEEKS_MAX`] weeks does.
pub fn makeup(plan: &Schedule, fits: impl Fn(&Occurrence) -> bool) -> Option<Makeup> {
    let mut plan = Schedule { sessions: plan.sessions.checked_add(1)?, ..plan.clone() };
    for _ in 0..MAKEUP_WEEKS_MAX * plan.slots.len() {
        let at = plan.occurrences().last()?;
        if at.ordinal + 1 != plan.first_ordinal + u32::from(plan.sessions) {
            return None;
        }
        if fits(&at) {
            return Some(Makeup { at, skipped: plan.skipped });
        }
        plan.skipped.insert(at.local_date);
    }
    None
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::plan::{Slot, zone_named};

    #[test]
    fn it_is_the_first_date_after_the_end_that_fits_and_moves_no_other() {
        let slot = |weekday: &str| Slot { weekday: weekday.parse().unwrap(), at: "17:00".parse().unwrap() };
        let plan = Schedule {
            zone: zone_named("Asia/Kolkata").unwrap(),
            start_date: date(2026, 12, 1),
            slots: vec![slot("tue"), slot("thu")],
            first_ordinal: 3,
            sessions: 2,
            minutes: 60,
            skipped: [date(2026, 12, 3)].into(),
        };
        let before: Vec<Occurrence> = plan.occurrences().collect();
        let found = makeup(&plan, |at| at.local_date >= date(2026, 12, 15)).unwrap();
        assert_eq!((found.at.ordinal, found.at.local_date), (5, date(2026, 12, 15)));
        assert_eq!(found.skipped, [date(2026, 12, 3), date(2026, 12, 10)].into());
        let after = Schedule { sessions: 3, skipped: found.skipped, ..plan.clone() };
        let occurrences: Vec<Occurrence> = after.occurrences().collect();
        assert_eq!(occurrences[..2], before);
        assert_eq!(occurrences[2], found.at);
        assert_eq!(makeup(&plan, |_| false), None);
    }
}
