//! What is paid and not fulfilled: why, in plain words, and what a person can do about it.

use std::fmt;

use jiff::civil::Date;
use serde::{Serialize, Serializer};

use crate::allocation::{Receipt, Rule};
use crate::purchase::PurchaseStatus;

/// What holds a paid purchase up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Nobody has decided yet who teaches.
    Undecided,
    /// Nobody teaches the course.
    CourseNotTaught,
    /// No trainer fits; of those who teach the course, this rules out most, if it is known.
    NobodyFits(Option<Rule>),
    /// A trainer's time is reserved, and no session stands in the calendar.
    NotScheduled,
    /// The calendar does not reach as far as it should.
    WindowBehind,
    /// Dates of a plan that runs until it is cancelled could not be reserved.
    SubscriptionClash,
    /// The payment's confirmation was set aside and never became a purchase.
    SetAside,
}

impl Cause {
    /// The name for machines, such as `undecided`. Names are only ever added.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Undecided => "undecided",
            Self::CourseNotTaught => "course-not-taught",
            Self::NobodyFits(_) => "nobody-fits",
            Self::NotScheduled => "not-scheduled",
            Self::WindowBehind => "window-behind",
            Self::SubscriptionClash => "subscription-clash",
            Self::SetAside => "set-aside",
        }
    }

    /// What holds up a purchase that stands so, with the receipt of why it waits; `None` if nothing does.
    pub fn of(status: PurchaseStatus, receipt: Option<&Receipt>) -> Option<Self> {
        match status {
            PurchaseStatus::Created => Some(Self::Undecided),
            PurchaseStatus::Waitlisted => Some(match receipt {
                Some(receipt) if !receipt.course_taught => Self::CourseNotTaught,
                receipt => Self::NobodyFits(receipt.and_then(strictest)),
            }),
            PurchaseStatus::Allocated => Some(Self::NotScheduled),
            PurchaseStatus::Scheduled => Some(Self::WindowBehind),
            PurchaseStatus::Completed | PurchaseStatus::Cancelled => None,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// The rule that rules out most of those who teach the course; where none of them takes new plans, that.
/// Of two that rule out as many it is the later one: whoever it rules out passed more rules.
pub fn strictest(receipt: &Receipt) -> Option<Rule> {
    let of_teachers = receipt.removed.iter().filter(|(rule, _)| !matches!(rule, Rule::Inactive | Rule::Course));
    let most = of_teachers.filter(|(_, number)| **number > 0).max_by_key(|(rule, number)| (**number, **rule));
    let inactive = receipt.removed.get(&Rule::Inactive).is_some_and(|number| *number > 0);
    most.map(|(rule, _)| *rule).or(inactive.then_some(Rule::Inactive))
}

/// Why a purchase of `course` that waits does so, and what to do.
pub fn waiting_words(cause: Cause, receipt: Option<&Receipt>, course: &str) -> Words {
    let rule = match cause {
        Cause::CourseNotTaught => {
            return Words::new(
                format!("nobody teaches the course: {course}"),
                "look for a misspelling, or import a trainer who teaches it: caravan trainers import FILE",
            );
        }
        Cause::NobodyFits(Some(rule)) => rule,
        _ => {
            return Words::new(
                format!("no trainer fits {course}; the reasons are not kept in a form that is known"),
                "caravan purchases show ID tells what is kept",
            );
        }
    };
    let number = receipt.and_then(|receipt| receipt.removed.get(&rule)).copied().unwrap_or(0);
    let (why, next) = obstacle(rule);
    let trainers = if number == 1 { "1 trainer" } else { &format!("{number} trainers") };
    Words::new(
        format!("no trainer fits; most of those who teach {course} are ruled out by {rule}: {trainers} {why}"),
        format!("{next}: caravan trainers import FILE; caravan purchases show ID tells all rules"),
    )
}

/// What a rule finds wrong with trainers, and what would help.
fn obstacle(rule: Rule) -> (&'static str, &'static str) {
    match rule {
        Rule::Inactive => ("taking no new plans", "set a trainer active, or import another one"),
        Rule::Course => ("not teaching it", "import a trainer who teaches it"),
        Rule::Language => {
            ("without a language in common", "import a trainer who speaks one of the student's languages")
        }
        Rule::Availability => ("not available at enough of the wished times", "widen a trainer's availability"),
        Rule::TimeOff => ("off on too many of the dates", "shorten a time off, or import another trainer"),
        Rule::TrainerBusy => ("busy at the wished times", "import another trainer for these times"),
        Rule::StudentBusy => (
            "clashing with the student's other sessions",
            "ask the student for other times; more trainers do not help, other availability may",
        ),
        Rule::WeeklyCapacity => ("without room in some week", "raise max_sessions_per_week, or import another trainer"),
    }
}

/// What is wrong, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// What is wrong.
    pub detail: String,
    /// What to do next.
    pub next: String,
}

impl Words {
    fn new(detail: impl Into<String>, next: impl Into<String>) -> Self {
        Self { detail: detail.into(), next: next.into() }
    }

    /// Nobody has decided yet who teaches.
    pub fn undecided() -> Self {
        Self::new(
            "recorded, but nobody decided yet who teaches: the allocation worker is not running or behind",
            "caravan groups shows its members and lag; start one: caravan run --workers allocation. If its lag is 0, \
             look for its record: caravan dead-letters list --waiting",
        )
    }

    /// There are no sessions yet with this trainer.
    pub fn not_scheduled(trainer_id: &str) -> Self {
        Self::new(
            format!(
                "allocated to {trainer_id}, but no session is in the calendar: the session worker is not running or behind"
            ),
            "caravan groups shows its members and lag; start one: caravan run --workers session. If its lag is 0, look \
             for its record: caravan dead-letters list --waiting",
        )
    }

    /// The calendar ends at `horizon` and should reach to `target`. `late` if the cron has not run since it was due;
    /// else it has passed over this one.
    pub fn window_behind(horizon: Date, target: Date, late: bool) -> Self {
        if late {
            return Self::new(
                format!("its calendar ends before {horizon} and should reach to {target}: the cron is late"),
                "run a session worker, which runs the cron: caravan run --workers session; or once by hand: caravan \
                 sessions extend",
            );
        }
        Self::new(
            format!("its calendar ends before {horizon} and should reach to {target}, though the cron has run"),
            "caravan sessions extend tries again and logs why it can't be extended",
        )
    }

    /// Dates of a plan without an end have no session, `dates` says which.
    pub fn subscription_clash(trainer_id: &str, dates: &str) -> Self {
        Self::new(
            format!("runs until it is cancelled, but {dates}: {trainer_id} or the student could not on these dates"),
            "caravan purchases show ID tells the rules; tell the student that there is no session then, or call it off \
             and sell it anew: caravan purchases cancel ID --reason TEXT",
        )
    }

    /// The confirmation is the dead letter `id`.
    pub fn set_aside(id: i64, reason: &str, detail: &str) -> Self {
        Self::new(
            format!("paid, never became a purchase: dead letter {id}, {reason}: {detail}"),
            format!(
                "caravan dead-letters show {id}; mend the value, then: caravan dead-letters redrive {id} --value FILE"
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn receipt(course_taught: bool, removed: &[(Rule, u32)]) -> Receipt {
        Receipt { candidates: 40, removed: removed.iter().copied().collect(), course_taught, ..Receipt::default() }
    }

    #[test]
    fn the_cause_follows_from_where_a_purchase_stands_and_why_it_waits() {
        use PurchaseStatus::{Allocated, Cancelled, Completed, Created, Scheduled, Waitlisted};
        let busy = receipt(true, &[(Rule::Course, 28), (Rule::Language, 1), (Rule::TrainerBusy, 11)]);
        let tied = receipt(true, &[(Rule::Language, 6), (Rule::WeeklyCapacity, 6), (Rule::Course, 28)]);
        let inactive = receipt(true, &[(Rule::Inactive, 2), (Rule::Course, 38)]);
        let misspelt = receipt(false, &[(Rule::Course, 40)]);
        for (status, receipt, expected) in [
            (Created, None, Some(Cause::Undecided)),
            (Waitlisted, Some(&busy), Some(Cause::NobodyFits(Some(Rule::TrainerBusy)))),
            (Waitlisted, Some(&tied), Some(Cause::NobodyFits(Some(Rule::WeeklyCapacity)))),
            (Waitlisted, Some(&inactive), Some(Cause::NobodyFits(Some(Rule::Inactive)))),
            (Waitlisted, Some(&misspelt), Some(Cause::CourseNotTaught)),
            (Waitlisted, None, Some(Cause::NobodyFits(None))),
            (Allocated, None, Some(Cause::NotScheduled)),
            (Scheduled, None, Some(Cause::WindowBehind)),
            (Completed, None, None),
            (Cancelled, Some(&misspelt), None),
        ] {
            assert_eq!(Cause::of(status, receipt), expected, "{status} {receipt:?}");
        }
    }

    #[test]
    fn a_wait_is_told_with_the_rule_how_many_it_rules_out_and_what_would_help() {
        for rule in Rule::ALL {
            let receipt = receipt(true, &[(rule, 7)]);
            let words = waiting_words(Cause::NobodyFits(Some(rule)), Some(&receipt), "python beginner");
            let expected = format!("those who teach python beginner are ruled out by {rule}: 7 trainers ");
            assert!(words.detail.contains(&expected), "{words:?}");
            assert!(words.next.contains("caravan trainers import"), "{words:?}");
        }
        let one = waiting_words(
            Cause::NobodyFits(Some(Rule::Language)),
            Some(&receipt(true, &[(Rule::Language, 1)])),
            "python beginner",
        );
        assert!(one.detail.ends_with("language: 1 trainer without a language in common"), "{one:?}");
        let nobody = waiting_words(Cause::CourseNotTaught, None, "pyhton beginner");
        assert_eq!(nobody.detail, "nobody teaches the course: pyhton beginner");
        assert!(waiting_words(Cause::NobodyFits(None), None, "x").next.contains("caravan purchases show"));
    }

    #[test]
    fn the_other_words_name_what_they_are_about_and_a_command() {
        for (words, named) in [
            (Words::undecided(), "allocation worker"),
            (Words::not_scheduled("trn_7"), "trn_7"),
            (Words::subscription_clash("trn_7", "no session is reserved on x"), "no session is reserved on x: trn_7"),
            (
                Words::window_behind(date(2026, 12, 29), date(2027, 1, 7), true),
                "2026-12-29 and should reach to 2027-01-07: the cron is late",
            ),
            (Words::window_behind(date(2026, 12, 29), date(2027, 1, 7), false), "though the cron has run"),
            (
                Words::set_aside(12, "invalid-field", "/plan: is missing"),
                "dead letter 12, invalid-field: /plan: is missing",
            ),
        ] {
            assert!(words.detail.contains(named), "{words:?}");
            assert!(words.next.contains("caravan "), "{words:?}");
        }
    }
}
