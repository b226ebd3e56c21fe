//! Guarantee 5, occurrences: sessions stand exactly where the plan puts them.

use std::collections::BTreeSet;

use jiff::ToSpan;
use jiff::civil::Date;

use super::evidence::{Booked, Case, date, second, shown};
use super::report::Tally;
use super::wall::{Lesson, date_at, touches};
use crate::platform::evidence::SessionEvidence;

/// What of the settings in force a decision is judged by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) lead_days: u16,
}

/// Judges a purchase whose time is booked.
pub(super) fn judge(booked: &Booked<'_>, limits: Limits, tally: &mut Tally) {
    start(booked, limits, tally);
    skipped(booked, tally);
    if !booked.superseded {
        total(booked, tally);
    }
    sessions(booked, tally);
}

fn total(booked: &Booked<'_>, tally: &mut Tally) {
    let (placed, id) = (booked.first_ordinal() - 1 + booked.lessons.len() as i64, &booked.purchase.id);
    let (bought, added) = (booked.last_bought(), booked.added());
    let Some(total) = booked.purchase.sessions_total.filter(|_| !booked.order.endless) else {
        tally.must(booked.order.endless && booked.purchase.sessions_total.is_none(), id, || {
            "of what is bought without an end there is no total, of anything else there is one".to_owned()
        });
        return tally.must(placed == bought + added, id, || {
            format!("its plan places {placed} of the {} sessions that are reserved", bought + added)
        });
    };
    tally.must(placed == total, id, || format!("its plan places {placed} of {total} sessions"));
    tally.must(bought + added == total, id, || {
        format!("{bought} sessions were confirmed and {added} added, its row says {total}")
    });
}

/// Judges what can't be understood: nothing can be said of its sessions.
pub(super) fn judge_unreadable(case: &Case<'_>, problem: &str, tally: &mut Tally) {
    tally.must(false, case.id, || problem.to_owned());
}

fn start(booked: &Booked<'_>, limits: Limits, tally: &mut Tally) {
    let Booked { purchase, allocation, decision, order, .. } = booked;
    let start = decision.start;
    if booked.superseded || allocation.generation > 1 {
        return anew(booked, limits, tally);
    }
    tally.must(purchase.start_date.as_deref().and_then(date) == Some(start), &purchase.id, || {
        format!("its start date is {:?}, its allocation's {start}", purchase.start_date)
    });
    tally.must(date(&purchase.requested_start_date) == Some(order.requested), &purchase.id, || {
        format!(
            "{} was confirmed as requested start date, its row says {}",
            order.requested, purchase.requested_start_date
        )
    });
    let expected = earliest_start(booked, limits).map(|earliest| earliest.max(order.requested));
    tally.must(expected == Some(start), &purchase.id, || {
        let expected = expected.map_or_else(|| "unknown".to_owned(), |date| date.to_string());
        format!(
            "it starts on {start}; requested {}, allocated at {}, it should start on {expected}",
            order.requested, allocation.allocated_at
        )
    });
}

/// What was planned anew begins no earlier than a new plan could.
fn anew(booked: &Booked<'_>, limits: Limits, tally: &mut Tally) {
    let (start, id) = (booked.decision.start, &booked.allocation.id);
    let earliest = earliest_start(booked, limits);
    tally.must(earliest.is_some_and(|earliest| start >= earliest), id, || {
        format!("it starts on {start}, but was made at {}", booked.allocation.allocated_at)
    });
}

fn earliest_start(booked: &Booked<'_>, limits: Limits) -> Option<Date> {
    let allocated_on = date_at(&booked.order.zone, second(&booked.allocation.allocated_at)?)?;
    allocated_on.checked_add(i64::from(limits.lead_days).days()).ok()
}

/// Every skipped date has its reason, and every date with a reason is skipped.
fn skipped(booked: &Booked<'_>, tally: &mut Tally) {
    let Booked { allocation, decision, judgement, order, .. } = booked;
    let grows = booked.added() > 0 || order.endless;
    let closed: BTreeSet<Date> = judgement.skipped_for_closures.iter().copied().collect();
    let off: BTreeSet<Date> = judgement.skipped_for_time_off.iter().copied().collect();
    // A session that was added stands on the first date after the plan's end that suited.
    let end = booked.lessons.iter().rfind(|lesson| lesson.ordinal <= booked.last_bought()).map(|lesson| lesson.date);
    let passed_over = |date: &&Date| grows && end.is_some_and(|end| **date > end);
    let told: BTreeSet<Date> = closed.union(&off).chain(decision.skipped.iter().filter(passed_over)).copied().collect();
    let explained = if booked.superseded { told.is_subset(&decision.skipped) } else { told == decision.skipped };
    tally.must(explained, &allocation.id, || {
        format!("it skips {}, its receipt tells of {}", listed(&decision.skipped), listed(&told))
    });
    for date in &off {
        let only = super::wall::Calendar {
            zone: &order.zone,
            start: *date,
            slots: &decision.slots,
            skipped: &BTreeSet::new(),
            first_ordinal: 1,
            sessions: 1,
            minutes: order.minutes,
        };
        let explained = only.lessons().first().is_some_and(|lesson| {
            // By the clocks of its day a skipped date may have touched another day of the trainer's than by those of now.
            booked.changes.displaced.is_some()
                || lesson.date == *date && touches(&judgement.terms.zone, lesson, &judgement.terms.time_off)
        });
        tally.must(explained, &allocation.id, || format!("{date} is skipped, but the trainer was not off then"));
    }
}

fn listed(dates: &BTreeSet<Date>) -> String {
    if dates.is_empty() {
        return "no date".to_owned();
    }
    dates.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn sessions(booked: &Booked<'_>, tally: &mut Tally) {
    for session in booked.sessions.iter().filter(|session| booked.has(session)) {
        let index = usize::try_from(session.ordinal - booked.first_ordinal()).ok();
        let Some(planned) = index.and_then(|index| booked.lessons.get(index)) else {
            tally.must(false, &session.id, || format!("the plan has no session {}", session.ordinal));
            continue;
        };
        let change = booked.changes.latest.get(&planned.ordinal);
        let lesson = change.map_or(*planned, |change| change.lesson(planned, &booked.order.zone));
        status(booked, session, &lesson, tally);
        let moved_from = (lesson.start != planned.start).then_some(planned.start);
        tally.must(session.planned_starts_at.as_deref().map(second) == moved_from.map(Some), &session.id, || {
            let told = session.planned_starts_at.as_deref().unwrap_or("as it stands");
            format!("its row has it planned {told}, the plan at {}", shown(planned.start))
        });
        tally.must(date(&session.local_date) == Some(lesson.date), &session.id, || {
            format!("its local date is {}, the plan says {}", session.local_date, lesson.date)
        });
        tally.must(second(&session.starts_at) == Some(lesson.start), &session.id, || {
            format!("it starts at {}, the plan says {}", session.starts_at, shown(lesson.start))
        });
        tally.must(second(&session.ends_at) == Some(lesson.end), &session.id, || {
            format!("it ends at {}, the plan says {}", session.ends_at, shown(lesson.end))
        });
    }
}

/// A session is called off by a person, or by the end of its purchase; what is scheduled is completed in time.
fn status(booked: &Booked<'_>, session: &SessionEvidence, lesson: &Lesson, tally: &mut Tally) {
    let change = booked.changes.latest.get(&lesson.ordinal);
    let by_a_person = change.is_some_and(|change| change.status == "cancelled");
    let by_the_end = booked.ending.is_some_and(|ending| !ending.keeps(lesson));
    let is_off = session.status == "cancelled";
    tally.must(is_off == (by_a_person || by_the_end), &session.id, || {
        let is = if is_off { "nobody called it off" } else { "it was called off" };
        format!("it is {}, but {is}", session.status)
    });
    if let Some(change) = change.filter(|_| !is_off) {
        let fits = session.status == change.status || (change.status == "scheduled" && session.status == "completed");
        tally.must(fits, &session.id, || format!("it is {}, but was changed to {}", session.status, change.status));
    }
}
