//! A plan that runs until it is cancelled: what is reserved of it ahead, and what can't be.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::{Span, Timestamp};

use crate::plan::{Occurrence, SUBSCRIPTION_WEEKS, Schedule, dates_of, instants, zone_named};
use crate::session::SessionRule;
use crate::session::rules::{covers, is_off};
use crate::trainer::{Closure, Trainer};

/// What a purchase's timeline calls it when dates could not be reserved.
pub const CLASH_KIND: &str = "subscription-clash";
/// Dates named in one sentence.
const NAMED_MAX: usize = 20;

/// What is added at the end of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prolongation {
    /// The lessons that are added, in date order.
    pub added: Vec<Occurrence>,
    /// All dates without a lesson from now on.
    pub skipped: BTreeSet<Date>,
    /// Those of them that a person is to be told of.
    pub clashes: Vec<Clash>,
}

/// A date on which something stands against the lesson.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    /// The lesson there would have been.
    pub at: Occurrence,
    /// What stands against it; nothing if its time was over.
    pub rules: Vec<SessionRule>,
}

/// The date before which a plan without an end is to be reserved when it is `today`; never before its `window` ends.
pub fn reserved_until(today: Date, window: Date) -> Date {
    today.saturating_add(Span::new().weeks(i64::from(SUBSCRIPTION_WEEKS))).max(window)
}

/// Adds what is missing before `until`. `broken` tells the rules that stand against a lesson; one it finds none against is
/// taken. `None` if every date was judged before.
///
/// Each date is judged once, when its turn comes: a lesson or a skipped date is what shows that it was.
pub fn prolong(
    plan: &Schedule,
    until: Date,
    now: Timestamp,
    mut broken: impl FnMut(&Occurrence) -> Vec<SessionRule>,
) -> Option<Prolongation> {
    let due = due(plan, until);
    if due.is_empty() {
        return None;
    }
    let mut found = Prolongation { added: Vec::new(), skipped: plan.skipped.clone(), clashes: Vec::new() };
    let first = plan.first_ordinal + u32::from(plan.sessions);
    for (local_date, slot) in due {
        let ordinal = first + found.added.len() as u32;
        let times = instants(&plan.zone, local_date, slot.at, plan.minutes);
        // Ordinals have 16 bits.
        let Some((starts_at, ends_at)) = times.filter(|_| ordinal <= u32::from(u16::MAX)) else { break };
        let at = Occurrence { ordinal, local_date, starts_at, ends_at };
        let is_over = starts_at <= now;
        let rules = if is_over { Vec::new() } else { broken(&at) };
        if rules.is_empty() && !is_over {
            found.added.push(at);
            continue;
        }
        found.skipped.insert(local_date);
        if !rules.iter().any(|rule| matches!(rule, SessionRule::Closure | SessionRule::TimeOff)) {
            found.clashes.push(Clash { at, rules });
        }
    }
    (!found.added.is_empty() || found.skipped.len() > plan.skipped.len()).then_some(found)
}

/// The first of the dates before `until` that are still to be judged.
pub fn next_due(plan: &Schedule, until: Date) -> Option<Date> {
    due(plan, until).first().map(|(date, _)| *date)
}

/// The dates before `until` that were not judged yet.
fn due(plan: &Schedule, until: Date) -> Vec<(Date, crate::plan::Slot)> {
    let dates = || dates_of(plan.start_date, &plan.slots);
    let placed = dates().filter(|(date, _)| !plan.skipped.contains(date)).nth(usize::from(plan.sessions).max(1) - 1);
    let judged = placed.map(|(date, _)| date).max(plan.skipped.last().copied());
    dates()
        .skip_while(|(date, _)| judged.is_some_and(|judged| *date <= judged))
        .take_while(|(date, _)| *date < until)
        .collect()
}

/// The dates to come that the cron has passed over and that are explained by neither a closure nor a day off: those
/// that `explained` does not hold of. What was skipped when the plan was allocated lies in its first year.
pub fn passed_over(plan: &Schedule, now: Timestamp, explained: impl Fn(&Occurrence) -> bool) -> Vec<Occurrence> {
    let first_year = plan.start_date.saturating_add(Span::new().weeks(i64::from(SUBSCRIPTION_WEEKS)));
    let lessons = plan.skipped.range(first_year..).filter_map(|date| {
        let (local_date, slot) = dates_of(*date, &plan.slots).next().filter(|(found, _)| found == date)?;
        let (starts_at, ends_at) = instants(&plan.zone, local_date, slot.at, plan.minutes)?;
        Some(Occurrence { ordinal: 0, local_date, starts_at, ends_at })
    });
    lessons.filter(|at| at.starts_at > now && !explained(at)).collect()
}

/// Whether a closure or a day off of the trainer says why there is no lesson then.
pub fn is_explained(at: &Occurrence, trainer: &Trainer, closures: &[Closure]) -> bool {
    let closed = closures.iter().any(|closure| covers(closure.from, closure.until, at.local_date));
    closed || zone_named(&trainer.time_zone).is_some_and(|zone| is_off(trainer, &zone, at))
}

/// Which dates clash with what, in words.
pub fn clash_words(clashes: &[Clash], plan: &Schedule, zone: &str) -> String {
    let told = |Clash { at, rules }: &Clash| {
        let rules: Vec<&str> = rules.iter().map(|rule| rule.name()).collect();
        let rules = if rules.is_empty() { "it was over already".to_owned() } else { rules.join(", ") };
        format!("{} ({rules})", shown(at, plan))
    };
    let named: Vec<String> = clashes.iter().take(NAMED_MAX).map(told).collect();
    format!("no session could be reserved on {}; times in {zone}", with_rest(&named, clashes.len()))
}

/// The same for people who look at what is left of it.
pub fn passed_over_words(dates: &[Occurrence], plan: &Schedule, zone: &str) -> String {
    let named: Vec<String> = dates.iter().take(NAMED_MAX).map(|at| shown(at, plan)).collect();
    format!("no session is reserved on {}; times in {zone}", with_rest(&named, dates.len()))
}

fn with_rest(named: &[String], all: usize) -> String {
    let more = all.saturating_sub(named.len());
    let rest = if more > 0 { format!(" and {more} more dates") } else { String::new() };
    format!("{}{rest}", named.join(", "))
}

fn shown(at: &Occurrence, plan: &Schedule) -> String {
    let local = plan.zone.to_datetime(at.starts_at);
    local.strftime("%a %Y-%m-%d %H:%M").to_string().to_lowercase()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;
    use crate::plan::Slot;

    fn plan(sessions: u16, skipped: &[Date]) -> Schedule {
        let slot = |text: &str| text.parse::<Slot>().unwrap();
        Schedule {
            zone: zone_named("Asia/Kolkata").unwrap(),
            start_date: date(2026, 12, 1),
            slots: vec![slot("tue 17:00"), slot("thu 10:00")],
            first_ordinal: 5,
            sessions,
            minutes: 60,
            skipped: skipped.iter().copied().collect(),
        }
    }

    fn now() -> Timestamp {
        "2026-11-30T10:00:00Z".parse().unwrap()
    }

    fn prolonged(plan: &Schedule, found: &Prolongation) -> Schedule {
        let sessions = plan.sessions + found.added.len() as u16;
        Schedule { sessions, skipped: found.skipped.clone(), ..plan.clone() }
    }

    #[test]
    fn it_is_reserved_a_year_ahead_or_as_far_as_the_window() {
        assert_eq!(reserved_until(date(2026, 12, 1), date(2026, 12, 29)), date(2027, 11, 30));
        assert_eq!(reserved_until(date(2026, 12, 1), date(2028, 1, 1)), date(2028, 1, 1));
    }

    #[test]
    fn dates_that_clash_are_skipped_and_told_and_closures_are_skipped_alone() {
        // 1, 3, 8 are there; 10, 15, 17, 22 are due.
        let before = plan(3, &[]);
        let broken = |at: &Occurrence| match at.local_date.day() {
            10 => vec![SessionRule::Closure],
            15 => vec![SessionRule::WeeklyCapacity, SessionRule::TrainerBusy],
            17 => vec![SessionRule::TimeOff, SessionRule::TrainerBusy],
            _ => vec![],
        };
        let found = prolong(&before, date(2026, 12, 24), now(), broken).unwrap();
        let added: Vec<(u32, Date)> = found.added.iter().map(|at| (at.ordinal, at.local_date)).collect();
        assert_eq!(added, [(8, date(2026, 12, 22))]);
        assert_eq!(found.skipped, [date(2026, 12, 10), date(2026, 12, 15), date(2026, 12, 17)].into());
        assert_eq!(
            clash_words(&found.clashes, &before, "Asia/Kolkata"),
            "no session could be reserved on tue 2026-12-15 17:00 (weekly-capacity, trainer-busy); times in Asia/Kolkata"
        );
        let after = prolonged(&before, &found);
        assert_eq!(after.occurrences().last(), found.added.last().copied());
        assert_eq!(after.occurrences().take(3).collect::<Vec<_>>(), before.occurrences().collect::<Vec<_>>());
        assert_eq!(prolong(&after, date(2026, 12, 24), now(), broken), None);
    }

    #[test]
    fn dates_at_the_end_that_were_skipped_are_not_judged_again() {
        let before = plan(3, &[date(2026, 12, 10), date(2026, 12, 15)]);
        assert_eq!(prolong(&before, date(2026, 12, 17), now(), |_| unreachable!()), None);
        assert_eq!(next_due(&before, date(2026, 12, 18)), Some(date(2026, 12, 17)));
        assert_eq!(next_due(&before, date(2026, 12, 17)), None);
    }

    #[test]
    fn nobody_is_booked_into_the_past() {
        let now = "2026-12-10T04:30:00Z".parse().unwrap();
        let found = prolong(&plan(3, &[]), date(2026, 12, 16), now, |_| vec![]).unwrap();
        assert_eq!((found.added.len(), found.clashes.len()), (1, 1));
        assert!(clash_words(&found.clashes, &plan(3, &[]), "x").contains("thu 2026-12-10 10:00 (it was over already)"));
    }

    #[test]
    fn what_clashes_is_found_again_from_the_dates_alone() {
        let skipped = [date(2026, 12, 3), date(2027, 12, 2), date(2027, 12, 7), date(2027, 12, 9)];
        let plan = plan(104, &skipped);
        let explained = |at: &Occurrence| at.local_date == date(2027, 12, 2);
        let at = |text: &str| passed_over(&plan, text.parse().unwrap(), explained);
        let of = |text| at(text).iter().map(|at| at.local_date).collect::<Vec<_>>();
        assert_eq!(of("2026-12-01T00:00:00Z"), [date(2027, 12, 7), date(2027, 12, 9)]);
        assert_eq!(of("2027-12-07T11:29:59Z"), [date(2027, 12, 7), date(2027, 12, 9)]);
        assert_eq!(of("2027-12-07T11:30:00Z"), [date(2027, 12, 9)]);
        let words = passed_over_words(&at("2027-12-08T00:00:00Z"), &plan, "Asia/Kolkata");
        assert_eq!(words, "no session is reserved on thu 2027-12-09 10:00; times in Asia/Kolkata");
    }

    #[test]
    fn ordinals_keep_to_their_bits() {
        let before = Schedule { first_ordinal: 65_530, ..plan(5, &[]) };
        let found = prolong(&before, date(2027, 12, 1), now(), |_| vec![]).unwrap();
        assert_eq!(found.added.last().map(|at| at.ordinal), Some(65_535));
        assert_eq!(prolong(&prolonged(&before, &found), date(2027, 12, 1), now(), |_| vec![]), None);
    }

    proptest! {
        /// Whether it is done at once, in steps or twice: each date before the end is a lesson or skipped, and judged once.
        #[test]
        fn steps_come_to_the_same_as_one(days in proptest::collection::vec(0_i64..120, 1..6), hash in 1_i64..7) {
            let broken = |at: &Occurrence| match i64::from(at.local_date.day_of_year()) % hash {
                1 => vec![SessionRule::TrainerBusy],
                2 => vec![SessionRule::Closure],
                _ => vec![],
            };
            let end = |days: i64| date(2026, 12, 1).saturating_add(Span::new().days(days));
            let step = |plan: Schedule, until: Date| match prolong(&plan, until, now(), broken) {
                Some(found) => prolonged(&plan, &found),
                None => plan,
            };
            let furthest = days.iter().copied().max().unwrap_or_default();
            let at_once = step(plan(3, &[]), end(furthest));
            let in_steps = days.iter().fold(plan(3, &[]), |plan, days| step(plan, end(*days)));
            prop_assert_eq!(&at_once, &in_steps);
            let lessons: BTreeSet<Date> = at_once.occurrences().map(|at| at.local_date).collect();
            let all = dates_of(at_once.start_date, &at_once.slots).map(|(date, _)| date).take_while(|date| *date < end(furthest));
            for date in all {
                prop_assert!(lessons.contains(&date) != at_once.skipped.contains(&date));
            }
        }
    }
}
