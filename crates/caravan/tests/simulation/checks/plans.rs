//! Each purchase by itself: its lessons, its window, its status, and whether its trainer may teach it.

use std::collections::BTreeSet;

use caravan_domain::allocation::Receipt;
use caravan_domain::purchase::PurchaseStatus;
use caravan_domain::trainer::AvailableRange;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use serde_json::Value;
use uuid::Uuid;

use super::lessons::{Lesson, lessons, slot_of, zone};
use crate::simulation::policy;
use crate::tables::{AllocationRow, PurchaseRow};
use crate::world::State;

const WEEK_MINUTES: i64 = 7 * 24 * 60;

pub(super) fn check(state: &State, found: &mut Vec<String>) {
    for row in state.tables.purchases.values() {
        let mut wrong = |guarantee: &str, what: String| found.push(format!("{guarantee}: purchase {}: {what}", row.id));
        if row.allocations.len() > 1 {
            wrong("once", format!("{} active allocations", row.allocations.len()));
        }
        check_status(state, row, &mut wrong);
        let Some(allocation) = row.allocations.last() else { continue };
        let planned = lessons(row, allocation);
        check_sessions(row, allocation, &planned, &mut wrong);
        check_window(state, row, &mut wrong);
        check_choice(row, allocation, &mut wrong);
        check_terms(row, allocation, &planned, &mut wrong);
    }
}

fn check_status(state: &State, row: &PurchaseRow, wrong: &mut impl FnMut(&str, String)) {
    let stage = row.confirmation.metadata.get("refused").map(String::as_str);
    let waits = state.tables.waitlist.contains_key(&row.id);
    let expected = match (row.allocations.is_empty(), row.horizon) {
        _ if waits => PurchaseStatus::Waitlisted,
        (true, _) => PurchaseStatus::Created,
        (false, None) => PurchaseStatus::Allocated,
        (false, Some(_)) => {
            let all = row.sessions.len() == usize::from(row.confirmation.plan.reserved_sessions());
            let over = all && row.sessions.values().all(|session| session.completed);
            if over { PurchaseStatus::Completed } else { PurchaseStatus::Scheduled }
        }
    };
    if row.status != expected {
        wrong("once", format!("is {}, and should be {expected}", row.status));
    }
    let stuck = match row.status {
        PurchaseStatus::Created => stage != Some("allocation"),
        PurchaseStatus::Allocated => stage != Some("sessions"),
        _ => false,
    };
    if stuck {
        wrong("nothing-vanishes", format!("is {} for ever", row.status));
    }
}

/// The rows are the lessons before the horizon, and nothing else.
fn check_sessions(
    row: &PurchaseRow,
    allocation: &AllocationRow,
    planned: &[Lesson],
    wrong: &mut impl FnMut(&str, String),
) {
    let due: Vec<&Lesson> = planned.iter().filter(|one| row.horizon.is_some_and(|until| one.date < until)).collect();
    if due.len() != row.sessions.len() {
        let (has, until) = (row.sessions.len(), row.horizon);
        wrong("rolling-window", format!("has {has} sessions, and {} before its horizon {until:?}", due.len()));
    }
    for (lesson, (ordinal, held)) in due.iter().zip(&row.sessions) {
        let session = &held.session;
        let id = Uuid::new_v5(&row.id, format!("session:{ordinal}").as_bytes());
        let as_planned = (session.ordinal, session.local_date, session.starts_at, session.ends_at)
            == (lesson.ordinal, lesson.date, lesson.starts_at, lesson.ends_at);
        if !as_planned || session.id != id || *ordinal != lesson.ordinal {
            wrong("occurrences", format!("session {session:?} should be {lesson:?}"));
        }
        if held.trainer_id != allocation.made.trainer_id {
            wrong("occurrences", format!("session {ordinal} is another trainer's"));
        }
    }
}

/// The horizon is where today's cron must have put it, and not further than any day there was.
fn check_window(state: &State, row: &PurchaseRow, wrong: &mut impl FnMut(&str, String)) {
    let (Some(horizon), Some(start), Some(cron)) = (row.horizon, row.start_date, state.tables.cron_last) else {
        return;
    };
    let days = Span::new().days(i64::from(policy().window_days));
    let reach = |today: Timestamp| today.to_zoned(TimeZone::UTC).date().max(start).saturating_add(days);
    if horizon > reach(state.latest) || (horizon < reach(cron) && row.status != PurchaseStatus::Completed) {
        wrong("rolling-window", format!("its horizon is {horizon}, and should be {}", reach(cron)));
    }
    for (ordinal, held) in &row.sessions {
        if held.completed != (held.session.ends_at <= cron) && (!held.completed || held.session.ends_at > state.latest)
        {
            wrong("rolling-window", format!("session {ordinal} is over or not otherwise than the cron left it"));
        }
    }
}

/// The slots and dates are among those the student gave.
fn check_choice(row: &PurchaseRow, allocation: &AllocationRow, wrong: &mut impl FnMut(&str, String)) {
    let (plan, made) = (&row.confirmation.plan, &allocation.made);
    let weekdays: BTreeSet<&str> = made.slots.iter().map(|slot| slot.weekday.name()).collect();
    if weekdays.len() != usize::from(plan.per_week) || made.slots.len() != weekdays.len() {
        wrong("whole-plan-fits", format!("has slots {:?} for {} a week", made.slots, plan.per_week));
    }
    if made.slots.iter().any(|slot| !plan.slots.contains(slot)) {
        wrong("whole-plan-fits", "has a slot that was not asked for".to_owned());
    }
    let tomorrow = made.allocated_at.to_zoned(zone(&row.confirmation.student.time_zone)).date().tomorrow();
    if Some(made.start_date) != tomorrow.ok().map(|tomorrow| tomorrow.max(plan.start_date)) {
        wrong("occurrences", format!("starts on {}, decided at {}", made.start_date, made.allocated_at));
    }
    if Some(made.start_date) != row.start_date {
        wrong("occurrences", "starts on another date than its allocation".to_owned());
    }
}

/// The terms it was judged by were those in force, and the whole plan lies within them.
fn check_terms(
    row: &PurchaseRow,
    allocation: &AllocationRow,
    planned: &[Lesson],
    wrong: &mut impl FnMut(&str, String),
) {
    const FIT: &str = "whole-plan-fits";
    let receipt: Receipt = serde_json::from_str(&allocation.made.receipt).unwrap_or_default();
    let (Some(terms), Some(in_force)) = (&receipt.trainer, &allocation.in_force) else {
        return wrong(FIT, "its receipt tells no trainer".to_owned());
    };
    let judged = serde_json::to_value(terms).unwrap_or_default();
    let held = serde_json::to_value(in_force).unwrap_or_default();
    let differing = |fields: &Value| -> Vec<String> {
        let fields = fields.as_object().into_iter().flatten();
        fields.filter(|(name, value)| held[name.as_str()] != **value).map(|(name, _)| name.clone()).collect()
    };
    let differing = differing(&judged);
    if !differing.is_empty() || !in_force.active {
        wrong(FIT, format!("was judged by other terms than {}'s in force: {differing:?}", terms.trainer_id));
    }
    let trainer_zone = zone(&terms.time_zone);
    let free = minutes_free(&terms.availability);
    let outside = planned.iter().find(|lesson| !inside(&free, &trainer_zone, lesson));
    if let Some(lesson) = outside {
        wrong(FIT, format!("{lesson:?} is outside the availability"));
    }
    for lesson in planned {
        let (from, until) = (local(&trainer_zone, lesson.starts_at), local(&trainer_zone, last_moment(lesson)));
        if terms.time_off.iter().any(|off| from.date() <= off.until && until.date() >= off.from) {
            wrong(FIT, format!("{lesson:?} is on a day off"));
        }
    }
    check_skipped(allocation, &receipt, wrong);
    let course = row.confirmation.course.key();
    let taught = |name: &str, wanted: &str| name.trim().to_lowercase() == wanted;
    let teaches = terms.courses.iter().any(|one| {
        taught(&one.subject, &course.subject) && one.levels.iter().any(|level| taught(level, &course.level))
    });
    let speaks = terms.languages.iter().any(|language| row.confirmation.student.languages.contains(language));
    if !teaches || !speaks {
        wrong(FIT, format!("{} can't teach it", terms.trainer_id));
    }
}

/// Each skipped date would have had a lesson, and has a reason not to.
fn check_skipped(allocation: &AllocationRow, receipt: &Receipt, wrong: &mut impl FnMut(&str, String)) {
    let off = receipt.skipped_for_time_off.len();
    let reasons = receipt.skipped_for_closures.iter().chain(&receipt.skipped_for_time_off);
    let explained: BTreeSet<_> = reasons.copied().collect();
    let skipped: BTreeSet<_> = allocation.made.skipped.iter().copied().collect();
    let placed = skipped.iter().all(|date| slot_of(&allocation.made.slots, *date).is_some());
    if explained != skipped || !placed || off > usize::from(policy().max_skipped) {
        wrong("occurrences", format!("skips {skipped:?}, explained are {explained:?}"));
    }
}

/// The minutes of the week somebody is available in, by their own clock.
fn minutes_free(ranges: &[AvailableRange]) -> BTreeSet<i64> {
    let mut free = BTreeSet::new();
    for range in ranges {
        let begin = range.weekday.index() as i64 * 24 * 60;
        let (from, until) = (i64::from(range.from.minutes()), i64::from(range.until.minutes()));
        let until = if until < from { until + 24 * 60 } else { until };
        free.extend((from..until).map(|minute| (begin + minute) % WEEK_MINUTES));
    }
    free
}

fn inside(free: &BTreeSet<i64>, zone: &TimeZone, lesson: &Lesson) -> bool {
    let minutes = lesson.starts_at.duration_until(lesson.ends_at).as_mins();
    (0..minutes).all(|minute| {
        let wall = local(zone, lesson.starts_at + SignedDuration::from_mins(minute));
        let day = i64::from(wall.date().weekday().to_monday_zero_offset());
        free.contains(&(day * 24 * 60 + i64::from(wall.hour()) * 60 + i64::from(wall.minute())))
    })
}

fn local(zone: &TimeZone, instant: Timestamp) -> jiff::civil::DateTime {
    instant.to_zoned(zone.clone()).datetime()
}

fn last_moment(lesson: &Lesson) -> Timestamp {
    lesson.ends_at - SignedDuration::from_secs(1)
}
