//! Guarantee 6, rolling window: session rows are exactly the occurrences before the horizon, and
//! the horizon is as far as it was last raised.

use std::collections::BTreeSet;

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::evidence::{Booked, Case, date, second};
use super::report::Tally;
use super::wall::{Calendar, date_at};

/// How far ahead a plan without an end is reserved.
const YEAR_DAYS: i64 = 52 * 7;
/// How much of that may be missing: a run is said to be done when it began.
const LENIENT_DAYS: i64 = 2;

/// What horizons are judged by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    /// The setting in force. After it is raised, horizons reach it with the next run of the cron.
    pub(super) window_days: u16,
    /// The UTC date of the cron's last finished run.
    pub(super) last_run: Option<Date>,
}

/// Judges a purchase by its status alone.
pub(super) fn judge(case: &Case<'_>, tally: &mut Tally) {
    let Some(purchase) = case.purchase else { return };
    let (status, rows) = (purchase.status.as_str(), case.sessions.len());
    match status {
        "created" | "waitlisted" | "allocated" => {
            let bare = purchase.horizon.is_none() && rows == 0;
            let horizon = purchase.horizon.as_deref().unwrap_or("none");
            tally.must(bare, &purchase.id, || format!("it is {status} with horizon {horizon} and {rows} sessions"));
        }
        "completed" => {
            let open = case.sessions.iter().filter(|session| session.status == "scheduled").count();
            let last = case.sessions.iter().map(|session| session.ordinal).max();
            let over = last.is_some() && last == purchase.sessions_total && open == 0;
            tally.must(over, &purchase.id, || {
                let total = purchase.sessions_total.map_or_else(|| "endless".to_owned(), |total| total.to_string());
                format!("it is completed with {rows} of {total} sessions, {open} still scheduled")
            });
        }
        _ => {}
    }
}

/// Judges the horizon and the session rows of a purchase whose time is booked.
pub(super) fn judge_booked(booked: &Booked<'_>, reach: Reach, tally: &mut Tally) {
    let Booked { purchase, lessons, sessions, .. } = booked;
    match purchase.status.as_str() {
        "scheduled" | "completed" => {}
        // Called off before its first window.
        "cancelled" if purchase.horizon.is_some() || !sessions.is_empty() => {}
        _ => return,
    }
    let horizon = purchase.horizon.as_deref().and_then(date);
    tally.must(horizon.is_some(), &purchase.id, || format!("it is {} without a horizon", purchase.status));
    let Some(horizon) = horizon else { return };
    for lesson in lessons {
        let stands = sessions.iter().any(|session| session.ordinal == lesson.ordinal);
        let due = lesson.date < horizon;
        tally.must(stands == due, &purchase.id, || {
            let stands = if stands { "stands" } else { "doesn't stand" };
            format!(
                "its session {} of {} {stands} in the calendar, its horizon is {horizon}",
                lesson.ordinal, lesson.date
            )
        });
    }
    if purchase.status == "scheduled" && !booked.superseded {
        let least = least_horizon(booked, reach);
        tally.must(least.is_some_and(|least| horizon >= least), &purchase.id, || {
            let least = least.map_or_else(|| "unknown".to_owned(), |date| date.to_string());
            format!("its horizon is {horizon}, it should be {least} at least")
        });
    }
}

/// Judges whether a plan that runs until it is cancelled is reserved for a year from the cron's last run on: whether every
/// date was either given a lesson or skipped.
pub(super) fn judge_ahead(booked: &Booked<'_>, reach: Reach, tally: &mut Tally) {
    let Booked { purchase, order, decision, lessons, .. } = booked;
    let Some(last_run) = reach.last_run.filter(|_| order.endless && !booked.superseded) else { return };
    if !matches!(purchase.status.as_str(), "allocated" | "scheduled") {
        return;
    }
    let judged = lessons.last().map(|lesson| lesson.date).max(decision.skipped.last().copied());
    let until = last_run.saturating_add((YEAR_DAYS - LENIENT_DAYS).days());
    let next = Calendar {
        zone: &order.zone,
        start: judged.map_or(decision.start, |judged| judged.saturating_add(1.day())),
        slots: &decision.slots,
        skipped: &BTreeSet::new(),
        first_ordinal: 1,
        sessions: 1,
        minutes: order.minutes,
    };
    let missing = next.lessons().first().map(|lesson| lesson.date).filter(|date| *date < until);
    tally.must(missing.is_none(), &purchase.id, || {
        let date = missing.map(|date| date.to_string()).unwrap_or_default();
        format!("it runs until it is cancelled and should be reserved to {until}, but nothing is decided about {date}")
    });
}

fn least_horizon(booked: &Booked<'_>, reach: Reach) -> Option<Date> {
    let allocated_on = date_at(&TimeZone::UTC, second(&booked.allocation.allocated_at)?)?;
    let latest_run = reach.last_run.unwrap_or(allocated_on);
    // A plan whose rest begins anew goes on as it did: it is the cron that raises its horizon.
    let from = match booked.allocation.generation {
        1 => booked.decision.start.max(allocated_on).max(latest_run),
        _ => reach.last_run.max(booked.purchase.start_date.as_deref().and_then(date))?,
    };
    Some(from.saturating_add(i64::from(reach.window_days).days()))
}
