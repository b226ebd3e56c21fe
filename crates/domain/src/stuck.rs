//! What is paid and not fulfilled: why, in plain words, and what a person can do about it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Date;
use serde::{Serialize, Serializer};

use crate::allocation::{Receipt, Rule};
use crate::purchase::PurchaseStatus;
use crate::rejection::Reason;

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

/// The one thing that most stands in the way of a trainer, for machines: a rule's name, or why none can be named.
pub fn obstacle_name(receipt: &Receipt) -> &'static str {
    match Cause::of(PurchaseStatus::Waitlisted, Some(receipt)) {
        Some(Cause::NobodyFits(Some(rule))) => rule.name(),
        Some(cause) => cause.name(),
        None => Cause::NobodyFits(None).name(),
    }
}

/// Everything that [`obstacle_name`] can answer.
pub fn obstacle_names() -> impl Iterator<Item = &'static str> {
    // Whoever does not teach the course is not counted among those a rule rules out.
    let rules = Rule::ALL.into_iter().filter(|rule| *rule != Rule::Course).map(Rule::name);
    rules.chain([Cause::CourseNotTaught.name(), Cause::NobodyFits(None).name()])
}

/// Why a purchase of `course` that waits does so, and what to do.
pub fn waiting_words(cause: Cause, receipt: Option<&Receipt>, course: &str) -> Words {
    let rule = match cause {
        Cause::CourseNotTaught => {
            return Words::new(
                format!("{}: {course}", NOT_TAUGHT.0),
                format!("{}: caravan trainers import FILE", NOT_TAUGHT.1),
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

/// What holds up purchases that wait, and how many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bottleneck {
    /// What holds them up.
    pub cause: Cause,
    /// The rule that rules out most of those who teach their courses, if it is one.
    pub rule: Option<Rule>,
    /// How many.
    pub purchases: u64,
    /// The same in words.
    pub detail: String,
    /// What would help.
    pub next: &'static str,
}

/// What holds up the purchases that wait with these receipts, by how many it holds up, most first.
pub fn bottlenecks(receipts: impl Iterator<Item = Receipt>) -> Vec<Bottleneck> {
    let mut held_up: BTreeMap<(bool, Option<Rule>), u64> = BTreeMap::new();
    for receipt in receipts {
        let rule = strictest(&receipt).filter(|_| receipt.course_taught);
        *held_up.entry((receipt.course_taught, rule)).or_default() += 1;
    }
    let mut found: Vec<Bottleneck> =
        held_up.into_iter().map(|((taught, rule), purchases)| bottleneck(taught, rule, purchases)).collect();
    found.sort_by_key(|bottleneck| Reverse(bottleneck.purchases));
    found
}

fn bottleneck(course_taught: bool, rule: Option<Rule>, purchases: u64) -> Bottleneck {
    let cause = if course_taught { Cause::NobodyFits(rule) } else { Cause::CourseNotTaught };
    let (detail, next) = match rule {
        Some(rule) => {
            let (why, next) = obstacle(rule);
            (format!("most of those who teach the course are ruled out by {rule}: {why}"), next)
        }
        None if course_taught => ("no trainer fits; the reasons are not kept".to_owned(), "look at each of them"),
        None => (NOT_TAUGHT.0.to_owned(), NOT_TAUGHT.1),
    };
    Bottleneck { cause, rule, purchases, detail, next }
}

/// What is wrong where nobody teaches a course, and what would help.
const NOT_TAUGHT: (&str, &str) =
    ("nobody teaches the course", "look for a misspelling, or import a trainer who teaches it");

/// What a rule finds wrong with trainers, such as `busy at the wished times`, and what would help.
pub fn obstacle(rule: Rule) -> (&'static str, &'static str) {
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
        let next = match reason.parse() {
            Ok(Reason::AmountMismatch | Reason::OrderPaidTwice) => {
                format!("give the money back, or if it counts all the same: caravan dead-letters redrive {id}")
            }
            _ => format!(
                "caravan dead-letters show {id}; mend the value, then: caravan dead-letters redrive {id} --value FILE"
            ),
        };
        Self::new(format!("paid, never became a purchase: dead letter {id}, {reason}: {detail}"), next)
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
    fn the_bottleneck_is_the_rule_that_rules_out_most_of_those_who_teach_the_course() {
        for (receipt, expected) in [
            (receipt(true, &[(Rule::Course, 28), (Rule::Language, 1), (Rule::TrainerBusy, 11)]), "trainer-busy"),
            (receipt(true, &[(Rule::Inactive, 2), (Rule::Course, 38)]), "inactive"),
            (receipt(false, &[(Rule::Course, 40)]), "course-not-taught"),
            (receipt(true, &[(Rule::Course, 40)]), "nobody-fits"),
        ] {
            assert_eq!(obstacle_name(&receipt), expected, "{receipt:?}");
        }
        for rule in Rule::ALL {
            let found = obstacle_name(&receipt(true, &[(rule, 1)]));
            assert!(obstacle_names().any(|known| known == found), "{rule}: {found}");
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
    fn what_holds_up_most_comes_first_with_what_would_help() {
        let of = |rule, others: &[(Rule, u32)]| receipt(true, &[&[(rule, 7)][..], others].concat());
        let misspelt = || receipt(false, &[(Rule::Course, 40)]);
        let unknown = || receipt(true, &[]);
        let waiting = [
            of(Rule::TimeOff, &[]),
            of(Rule::TrainerBusy, &[(Rule::Course, 30)]),
            misspelt(),
            of(Rule::TrainerBusy, &[(Rule::TimeOff, 3)]),
            unknown(),
            misspelt(),
            of(Rule::TrainerBusy, &[]),
        ];
        let found = bottlenecks(waiting.into_iter());
        let told: Vec<(Cause, u64)> = found.iter().map(|found| (found.cause, found.purchases)).collect();
        let expected = [
            (Cause::NobodyFits(Some(Rule::TrainerBusy)), 3),
            (Cause::CourseNotTaught, 2),
            (Cause::NobodyFits(None), 1),
            (Cause::NobodyFits(Some(Rule::TimeOff)), 1),
        ];
        assert_eq!(told, expected);
        assert_eq!(found[0].rule, Some(Rule::TrainerBusy));
        assert!(found[0].detail.ends_with("ruled out by trainer-busy: busy at the wished times"), "{found:?}");
        assert_eq!(found[0].next, "import another trainer for these times");
        assert_eq!((found[1].detail.as_str(), found[1].rule), ("nobody teaches the course", None));
        assert!(found[1].next.contains("misspelling"), "{found:?}");
        assert_eq!(bottlenecks([].into_iter()), []);
    }

    #[test]
    fn a_bottleneck_has_the_cause_that_each_of_its_purchases_has() {
        for rule in Rule::ALL {
            for taught in [true, false] {
                let receipt = receipt(taught, &[(rule, 7)]);
                let cause = Cause::of(PurchaseStatus::Waitlisted, Some(&receipt)).unwrap();
                let [found] = &bottlenecks([receipt].into_iter())[..] else { panic!("{rule}") };
                assert_eq!((found.cause, found.purchases), (cause, 1), "{rule} {taught}");
            }
        }
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

    #[test]
    fn of_a_payment_that_its_order_does_not_expect_a_person_says_whether_it_counts() {
        for (reason, counts) in
            [("amount-mismatch", true), ("order-paid-twice", true), ("unknown-order", false), ("a new one", false)]
        {
            let Words { detail, next } = Words::set_aside(7, reason, "why");
            assert_eq!(detail, format!("paid, never became a purchase: dead letter 7, {reason}: why"));
            assert_eq!(next.ends_with("redrive 7"), counts, "{reason}: {next}");
            assert_eq!(next.ends_with("redrive 7 --value FILE"), !counts, "{reason}: {next}");
        }
    }
}
