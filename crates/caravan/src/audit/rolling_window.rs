//! Guarantee 6, rolling window: session rows are exactly the occurrences before the horizon, and
//! the horizon is as far as it was last raised.

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::evidence::{Booked, Case, date, second};
use super::report::Tally;
use super::wall::date_at;

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
            let over = last == Some(purchase.sessions_total) && open == 0;
            tally.must(over, &purchase.id, || {
                format!("it is completed with {rows} of {} sessions, {open} still scheduled", purchase.sessions_total)
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
