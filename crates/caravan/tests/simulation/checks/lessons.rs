//! A plan's lessons, worked out anew from the contract's words.

use caravan_domain::plan::Slot;
use jiff::civil::{Date, time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};

use crate::tables::{AllocationRow, PurchaseRow};

/// One lesson.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lesson {
    pub(super) ordinal: u32,
    pub(super) date: Date,
    pub(super) starts_at: Timestamp,
    pub(super) ends_at: Timestamp,
}

/// The zone of this name.
pub(super) fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("a zone the workload names")
}

/// All lessons of an allocated purchase.
pub(super) fn lessons(row: &PurchaseRow, allocation: &AllocationRow) -> Vec<Lesson> {
    let (plan, made) = (&row.confirmation.plan, &allocation.made);
    let zone = zone(&row.confirmation.student.time_zone);
    let mut lessons = Vec::new();
    let mut date = made.start_date;
    while lessons.len() < usize::from(plan.reserved_sessions()) {
        if let Some(slot) = slot_of(&made.slots, date)
            && !made.skipped.contains(&date)
        {
            let minutes = i8::try_from(slot.at.minutes() % 60).unwrap_or(0);
            let hours = i8::try_from(slot.at.minutes() / 60).unwrap_or(0);
            let wall = date.to_datetime(time(hours, minutes, 0, 0));
            // `to_zoned` moves a skipped time forward by the gap and takes the earlier of two.
            let starts_at = wall.to_zoned(zone.clone()).expect("a time within the calendar").timestamp();
            let ends_at = starts_at + SignedDuration::from_mins(i64::from(plan.minutes));
            lessons.push(Lesson { ordinal: lessons.len() as u32 + 1, date, starts_at, ends_at });
        }
        date = date.saturating_add(Span::new().days(1));
    }
    lessons
}

/// The chosen slot on this date's weekday.
pub(super) fn slot_of(slots: &[Slot], date: Date) -> Option<&Slot> {
    const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let name = NAMES[date.weekday().to_monday_zero_offset() as usize];
    slots.iter().find(|slot| slot.weekday.name() == name)
}
