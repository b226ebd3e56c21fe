//! Guarantee 5, occurrences: sessions stand exactly where the plan puts them.

use std::collections::BTreeSet;

use jiff::ToSpan;
use jiff::civil::Date;

use super::evidence::{Booked, Case, date, second, shown};
use super::report::Tally;
use super::wall::{date_at, touches};

/// What of the settings in force a decision is judged by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) lead_days: u16,
}

/// Judges a purchase whose time is booked.
pub(super) fn judge(booked: &Booked<'_>, limits: Limits, tally: &mut Tally) {
    start(booked, limits, tally);
    skipped(booked, tally);
    let (lessons, total) = (booked.lessons.len() as i64, booked.purchase.sessions_total);
    tally.must(lessons == total, &booked.purchase.id, || format!("its plan places {lessons} of {total} sessions"));
    let (bought, plan) = (booked.order.sessions, booked.purchase.sessions_total);
    tally
        .must(bought == plan, &booked.purchase.id, || format!("{bought} sessions were confirmed, its row says {plan}"));
    sessions(booked, tally);
}

/// Judges what can't be understood: nothing can be said of its sessions.
pub(super) fn judge_unreadable(case: &Case<'_>, problem: &str, tally: &mut Tally) {
    tally.must(false, case.id, || problem.to_owned());
}

fn start(booked: &Booked<'_>, limits: Limits, tally: &mut Tally) {
    let Booked { purchase, allocation, decision, order, .. } = booked;
    let start = decision.start;
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

fn earliest_start(booked: &Booked<'_>, limits: Limits) -> Option<Date> {
    let allocated_on = date_at(&booked.order.zone, second(&booked.allocation.allocated_at)?)?;
    allocated_on.checked_add(i64::from(limits.lead_days).days()).ok()
}

/// Every skipped date has its reason, and every date with a reason is skipped.
fn skipped(booked: &Booked<'_>, tally: &mut Tally) {
    let Booked { allocation, decision, judgement, order, .. } = booked;
    let closed: BTreeSet<Date> = judgement.skipped_for_closures.iter().copied().collect();
    let off: BTreeSet<Date> = judgement.skipped_for_time_off.iter().copied().collect();
    let told: BTreeSet<Date> = closed.union(&off).copied().collect();
    tally.must(told == decision.skipped, &allocation.id, || {
        format!("it skips {}, its receipt tells of {}", listed(&decision.skipped), listed(&told))
    });
    for date in &off {
        let only = super::wall::Calendar {
            zone: &order.zone,
            start: *date,
            slots: &decision.slots,
            skipped: &BTreeSet::new(),
            sessions: 1,
            minutes: order.minutes,
        };
        let explained = only.lessons().first().is_some_and(|lesson| {
            lesson.date == *date && touches(&judgement.terms.zone, lesson, &judgement.terms.time_off)
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
    for session in booked.sessions {
        let index = usize::try_from(session.ordinal - 1).ok();
        let Some(lesson) = index.and_then(|index| booked.lessons.get(index)) else {
            tally.must(false, &session.id, || format!("the plan has no session {}", session.ordinal));
            continue;
        };
        let off = booked.ending.is_some_and(|ending| !ending.keeps(lesson));
        tally.must(booked.ending.is_none() || off == (session.status == "cancelled"), &session.id, || {
            let is = if off { "called off" } else { "still to be held, or was" };
            format!("it is {}, but by the end of its purchase it is {is}", session.status)
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
