//! How values read on pages: days, times, ages, states.

use caravan_domain::plan::zone_named;
use caravan_domain::purchase::PurchaseStatus;
use caravan_domain::session::SessionStatus;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Hours and minutes of a day.
const TIME: &str = "%H:%M";
/// A day of this year or the next ones.
const DAY: &str = "%a %-d %b %Y";

/// The business's zone: the one that is set, else that of the machine, else UTC.
pub(in crate::http) fn zone_of(name: &str) -> TimeZone {
    zone_named(name).or_else(|| zone_named(TimeZone::system().iana_name()?)).unwrap_or(TimeZone::UTC)
}

/// What a zone is called.
pub(super) fn zone_name(zone: &TimeZone) -> String {
    zone.iana_name().unwrap_or("UTC").to_owned()
}

/// An instant as it is written in a `datetime` attribute.
pub(super) fn machine(at: Timestamp) -> String {
    format!("{at:.0}")
}

/// A day and a time of day in a zone.
pub(super) fn moment(at: Timestamp, zone: &TimeZone) -> String {
    format!("{} {}", day(at, zone), time(at, zone))
}

/// The day of an instant in a zone.
pub(super) fn day(at: Timestamp, zone: &TimeZone) -> String {
    date(zone.to_datetime(at).date())
}

/// The time of day of an instant in a zone.
pub(super) fn time(at: Timestamp, zone: &TimeZone) -> String {
    zone.to_datetime(at).strftime(TIME).to_string()
}

/// A day.
pub(super) fn date(date: Date) -> String {
    date.strftime(DAY).to_string()
}

/// A time of day where somebody else lives, with the day if it is another one there: `13:30 in Asia/Kolkata`.
pub(super) fn elsewhere(at: Timestamp, here: &TimeZone, there: &str) -> Option<String> {
    let zone = zone_named(there)?;
    let (ours, theirs) = (here.to_datetime(at), zone.to_datetime(at));
    if ours == theirs {
        return None;
    }
    let day = if ours.date() == theirs.date() { String::new() } else { theirs.strftime("%a ").to_string() };
    Some(format!("{day}{} in {}", theirs.strftime(TIME), city(there)))
}

/// What a zone is called in short.
pub(super) fn city(zone: &str) -> String {
    zone.rsplit('/').next().unwrap_or(zone).replace('_', " ")
}

/// How long ago, or how long still, in the largest unit that says enough.
pub(super) fn age(since: Timestamp, now: Timestamp) -> String {
    lasting(now.duration_since(since))
}

/// A length of time in the largest unit that says enough.
pub(super) fn lasting(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let counted = |number: i64, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
    match seconds {
        0..=59 => counted(seconds, "second"),
        60..=3_599 => counted(seconds / 60, "minute"),
        3_600..=86_399 => counted(seconds / 3_600, "hour"),
        _ => counted(seconds / 86_400, "day"),
    }
}

/// A number with its thousands apart.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// So many of something: `1 lesson`, `2 000 lessons`.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// What a purchase's status means.
pub(super) const fn standing(status: PurchaseStatus) -> &'static str {
    match status {
        PurchaseStatus::Created => "Recorded",
        PurchaseStatus::Waitlisted => "Waits for a trainer",
        PurchaseStatus::Allocated => "Has a trainer",
        PurchaseStatus::Scheduled => "Lessons planned",
        PurchaseStatus::Completed => "Completed",
        PurchaseStatus::Cancelled => "Called off",
    }
}

/// What a session's status means.
pub(super) const fn held(status: SessionStatus) -> &'static str {
    match status {
        SessionStatus::Scheduled => "Planned",
        SessionStatus::Completed => "Held",
        SessionStatus::Missed => "Missed",
        SessionStatus::Cancelled => "Called off",
    }
}

/// A word with a capital.
pub(super) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_length_of_time_is_told_in_one_unit() {
        for (seconds, text) in [
            (-5, "0 seconds"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "1 minute"),
            (7_199, "1 hour"),
            (86_400, "1 day"),
            (864_000, "10 days"),
        ] {
            assert_eq!(lasting(SignedDuration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_time_elsewhere_is_told_where_it_differs() {
        let berlin = zone_named("Europe/Berlin").unwrap();
        let evening = at("2026-12-01T21:00:00Z");
        assert_eq!(elsewhere(evening, &berlin, "Asia/Kolkata").as_deref(), Some("Wed 02:30 in Kolkata"));
        assert_eq!(elsewhere(evening, &berlin, "America/New_York").as_deref(), Some("16:00 in New York"));
        assert_eq!(elsewhere(evening, &berlin, "Europe/Paris"), None);
        assert_eq!(elsewhere(evening, &berlin, "Mars/Olympus"), None);
    }

    #[test]
    fn a_day_and_a_time_are_those_of_the_zone() {
        let kolkata = zone_named("Asia/Kolkata").unwrap();
        assert_eq!(moment(at("2026-12-01T20:00:00Z"), &kolkata), "Wed 2 Dec 2026 01:30");
    }
}
