//! Guarantee 4, the whole plan fits: every session of it, judged by the terms kept with its
//! allocation. What the roster says today is [conflicts](super::conflicts)' business.

use std::collections::{BTreeSet, HashMap};

use jiff::civil::Date;

use super::evidence::{Booked, shown};
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
    for lesson in &booked.lessons {
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
    let mut in_order: Vec<&PartyPlan<'_>> = plans.iter().collect();
    in_order.sort_by_key(|plan| plan.allocation.allocated_at.as_str());
    let mut weeks = HashMap::new();
    let mut counted = 0;
    for together in in_order.chunk_by(|a, b| a.allocation.allocated_at == b.allocation.allocated_at) {
        let zone = &together[0].judgement.terms.zone;
        if counted > 0 && in_order[counted - 1].judgement.terms.zone != *zone {
            weeks = weeks_of(in_order[..counted].iter().flat_map(|plan| &plan.lessons), zone);
        }
        for (monday, count) in weeks_of(together.iter().flat_map(|plan| &plan.lessons), zone) {
            *weeks.entry(monday).or_default() += count;
        }
        counted += together.len();
        for plan in together {
            weeks_hold(plan, &weeks, tally);
        }
    }
}

fn weeks_hold(plan: &PartyPlan<'_>, weeks: &HashMap<Date, i64>, tally: &mut Tally) {
    let terms = &plan.judgement.terms;
    let own = weeks_of(&plan.lessons, &terms.zone);
    let mut touched: Vec<Date> = own.into_keys().collect();
    touched.sort_unstable();
    for monday in touched {
        let (count, most) = (weeks.get(&monday).copied().unwrap_or_default(), terms.sessions_per_week_max);
        tally.must(count <= most, &plan.allocation.id, || {
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
