//! Guarantee 4, the whole plan fits: every session of it, judged by the terms kept with its
//! allocation. What the roster says today is [conflicts](super::conflicts)' business.

use std::collections::{BTreeSet, HashMap};

use jiff::civil::Date;

use super::evidence::{Booked, Terms, second, shown};
use super::party::PartyPlan;
use super::report::Tally;
use super::wall::{Lesson, WEEK, WeeklyTime, date_at, monday_of, touches};

/// Judges one plan.
pub(super) fn judge(booked: &Booked<'_>, max_skipped: u16, tally: &mut Tally) {
    let Booked { allocation, order, judgement, .. } = booked;
    let terms = &judgement.terms;
    let id = &allocation.id;
    tally.must(terms.trainer_id == allocation.trainer_id, id, || {
        format!("it is of {}, its receipt judges {}", allocation.trainer_id, terms.trainer_id)
    });
    let suited = terms.suit(order);
    tally.must(suited.is_ok(), id, || suited.err().unwrap_or_default());
    slots(booked, tally);
    let off = judgement.skipped_for_time_off.len();
    tally.must(off <= usize::from(max_skipped), id, || {
        format!("{off} dates are skipped for time off, {max_skipped} are allowed")
    });
    every_lesson(booked, tally);
}

fn every_lesson(booked: &Booked<'_>, tally: &mut Tally) {
    let (terms, id) = (&booked.judgement.terms, &booked.allocation.id);
    // What was added was judged by the roster of its own day.
    // Nor is a lesson judged by the clocks it was planned by, once they are known to go otherwise.
    let last_bought = booked.last_bought();
    // And what people have changed is judged by the change.
    let changes = &booked.changes;
    let is_changed = |lesson: &Lesson| changes.latest.contains_key(&lesson.ordinal) || changes.by_other_clocks(lesson);
    // What was called off with its purchase is not laid out again by whatever clocks.
    let is_off = |lesson: &Lesson| booked.ending.is_some_and(|ending| !ending.keeps(lesson));
    let judged = |lesson: &&Lesson| lesson.ordinal <= last_bought && !is_changed(lesson) && !is_off(lesson);
    for lesson in booked.lessons.iter().filter(judged) {
        tally.must(terms.available.hold_throughout(&terms.zone, lesson), id, || {
            format!(
                "session {} at {} is outside the availability it was judged by",
                lesson.ordinal,
                shown(lesson.start)
            )
        });
        tally.must(!touches(&terms.zone, lesson, &terms.time_off), id, || {
            format!("session {} at {} is on a day off", lesson.ordinal, shown(lesson.start))
        });
    }
    let changed =
        booked.lessons.iter().filter_map(|lesson| Some((lesson, booked.changes.latest.get(&lesson.ordinal)?)));
    for (lesson, change) in changed {
        change.judge(lesson, &booked.allocation.trainer_id, &booked.order, id, tally);
    }
    for lesson in booked.lessons.iter().filter(|lesson| lesson.ordinal > last_bought) {
        // What keeps a plan without an end a year ahead is judged by conflicts: its terms are not kept.
        let judged = booked.order.endless || booked.changes.latest.contains_key(&lesson.ordinal);
        tally.must(judged, id, || {
            format!("session {} was added, and nothing tells by what it was judged", lesson.ordinal)
        });
    }
    for pair in booked.lessons.windows(2) {
        tally.must(pair[0].end <= pair[1].start, id, || {
            format!("sessions {} and {} of its plan overlap", pair[0].ordinal, pair[1].ordinal)
        });
    }
}

fn slots(booked: &Booked<'_>, tally: &mut Tally) {
    let (order, chosen, id) = (&booked.order, &booked.decision.slots, &booked.allocation.id);
    tally.must(chosen.len() as i64 == order.per_week, id, || {
        format!("{} slots are chosen, {} a week were bought", chosen.len(), order.per_week)
    });
    let weekdays: BTreeSet<i64> = chosen.iter().map(|slot| slot.weekday).collect();
    tally.must(weekdays.len() == chosen.len(), id, || "two of its slots are on the same weekday".to_owned());
    let offered = chosen.iter().all(|slot| order.offered.contains(slot));
    tally.must(offered, id, || "one of its slots is none that the student named".to_owned());
    tally.must(!any_overlap(chosen, order.minutes), id, || "two of its slots overlap".to_owned());
}

/// Whether two weekly times, this long each, overlap, also across the end of the week.
fn any_overlap(slots: &[WeeklyTime], minutes: i64) -> bool {
    let place = |slot: &WeeklyTime| slot.weekday * super::wall::DAY + slot.minute;
    let mut pairs = slots.iter().enumerate().flat_map(|(index, a)| slots[index + 1..].iter().map(move |b| (a, b)));
    pairs.any(|(a, b)| {
        let apart = (place(a) - place(b)).rem_euclid(WEEK);
        apart.min(WEEK - apart) < minutes
    })
}

/// Judges a trainer's weeks: when a plan was allocated, with all that was there before it, no week
/// it touches had more sessions than its own terms allow.
///
/// A limit that was lowered later binds the later plans only.
pub(super) fn judge_weeks(plans: &[PartyPlan<'_>], tally: &mut Tally) {
    let mut in_order: Vec<Taking<'_>> = plans.iter().flat_map(takings).collect();
    in_order.sort_by_key(|taking| taking.at);
    let mut weeks = HashMap::new();
    let mut counted = 0;
    for together in in_order.chunk_by(|a, b| a.at == b.at) {
        let zone = &together[0].terms.zone;
        if counted > 0 && in_order[counted - 1].terms.zone != *zone {
            weeks = weeks_of(in_order[..counted].iter().flat_map(|taking| taking.lessons.iter().copied()), zone);
        }
        for (monday, count) in weeks_of(together.iter().flat_map(|taking| taking.lessons.iter().copied()), zone) {
            *weeks.entry(monday).or_default() += count;
        }
        counted += together.len();
        for taking in together {
            weeks_hold(taking, &weeks, tally);
        }
    }
}

/// Sorts behind every instant.
const AFTER_ALL: &str = "~";

/// Time that was taken of a trainer at once: a plan's, or that of a session somebody moved there.
struct Taking<'a> {
    at: &'a str,
    terms: &'a Terms,
    lessons: Vec<&'a Lesson>,
    allocation_id: &'a str,
    /// A person decided against the limit, or it is not known which it was.
    overridden: bool,
}

fn takings<'a>(plan: &'a PartyPlan<'_>) -> impl Iterator<Item = Taking<'a>> {
    let (moved, as_planned): (Vec<_>, Vec<_>) = plan.changed.iter().partition(|(_, change)| change.terms.is_some());
    // What other clocks have moved was not judged again: nobody is to blame for a week that is full now.
    let since = plan.displaced.as_deref().and_then(second);
    let (displaced, there): (Vec<&Lesson>, Vec<&Lesson>) =
        plan.lessons.iter().partition(|lesson| since.is_some_and(|since| lesson.start > since));
    let of_plan = |at: &'a str, lessons: Vec<&'a Lesson>, overridden: bool| Taking {
        at,
        terms: &plan.judgement.terms,
        lessons,
        allocation_id: &plan.allocation.id,
        overridden,
    };
    // When those that keep a plan without an end a year ahead were added, and by which limit, is not kept.
    let first_added = plan.allocation.first_ordinal + plan.order.sessions;
    let all = there.into_iter().chain(as_planned.into_iter().map(|(lesson, _)| lesson));
    let (added, bought): (Vec<_>, Vec<_>) = all.partition(|lesson| plan.order.endless && lesson.ordinal >= first_added);
    let of_displaced = plan.displaced.as_deref().map(|at| of_plan(at, displaced, true));
    let of_plan = [of_plan(&plan.allocation.allocated_at, bought, false), of_plan(AFTER_ALL, added, true)];
    let of_moved = moved.into_iter().map(|(lesson, change)| Taking {
        at: &change.changed_at,
        terms: change.terms.as_ref().unwrap_or(&plan.judgement.terms),
        lessons: vec![lesson],
        allocation_id: &plan.allocation.id,
        overridden: change.overrides.iter().any(|rule| rule == "weekly-capacity"),
    });
    of_plan.into_iter().chain(of_displaced).chain(of_moved)
}

fn weeks_hold(taking: &Taking<'_>, weeks: &HashMap<Date, i64>, tally: &mut Tally) {
    let Taking { terms, lessons, allocation_id, .. } = taking;
    let own = weeks_of(lessons.iter().copied(), &terms.zone);
    let mut touched: Vec<Date> = own.into_keys().collect();
    touched.sort_unstable();
    for monday in touched {
        let (count, most) = (weeks.get(&monday).copied().unwrap_or_default(), terms.sessions_per_week_max);
        tally.must(count <= most || taking.overridden, allocation_id, || {
            format!("in the week of {monday} {} has {count} sessions, {most} were allowed", terms.trainer_id)
        });
    }
}

/// How many lessons start in each ISO week, named by its Monday, in `zone`.
pub(super) fn weeks_of<'a>(
    lessons: impl IntoIterator<Item = &'a Lesson>,
    zone: &jiff::tz::TimeZone,
) -> HashMap<Date, i64> {
    let mut weeks = HashMap::new();
    for date in lessons.into_iter().filter_map(|lesson| date_at(zone, lesson.start)) {
        *weeks.entry(monday_of(date)).or_default() += 1;
    }
    weeks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_overlap_across_midnight_and_the_end_of_the_week() {
        let slot = |weekday, minute| WeeklyTime { weekday, minute };
        assert!(any_overlap(&[slot(5, 1410), slot(6, 0)], 60));
        assert!(any_overlap(&[slot(0, 0), slot(6, 1410)], 60));
        assert!(!any_overlap(&[slot(0, 0), slot(6, 1380)], 60));
        assert!(!any_overlap(&[slot(0, 600), slot(1, 600), slot(2, 600)], 240));
    }
}
