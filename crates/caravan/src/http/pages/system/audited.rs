//! The audit on the page: how far it is, and what the last one has found.

use super::super::visitor::Visitor;
use super::super::words::{age, counted, grouped, lasting, moment};
use crate::audit::{Guarantee, Report, Tally};
use crate::http::auditing::{Audits, Ended, Running, Step};

/// The audit that is under way, and the last one.
pub(super) struct Audit {
    pub(super) running: Option<UnderWay>,
    pub(super) last: Option<Last>,
}

/// An audit that is under way.
pub(super) struct UnderWay {
    pub(super) lasting: String,
    pub(super) by: String,
    pub(super) step: String,
    /// In percent of the step.
    pub(super) share: Option<u64>,
}

/// An audit that has ended.
pub(super) struct Last {
    pub(super) moment: String,
    pub(super) age: String,
    pub(super) took: String,
    pub(super) by: String,
    pub(super) found: Result<Found, String>,
}

/// What an audit has found.
pub(super) struct Found {
    pub(super) is_kept: bool,
    pub(super) words: String,
    pub(super) findings: Vec<Finding>,
    /// Sessions that contradict the roster, which is no violation.
    pub(super) conflicts: Option<String>,
}

/// A guarantee, and what contradicts it.
pub(super) struct Finding {
    pub(super) name: &'static str,
    pub(super) words: &'static str,
    pub(super) class: &'static str,
    pub(super) verdict: String,
    pub(super) checked: String,
    pub(super) problems: Vec<String>,
    /// Problems that were counted and not kept.
    pub(super) more: Option<String>,
}

impl Audit {
    pub(super) fn of(audits: &Audits, visitor: &Visitor) -> Self {
        Self {
            running: audits.running.as_deref().map(|running| under_way(running, visitor)),
            last: audits.last.as_deref().map(|ended| last(ended, visitor)),
        }
    }
}

fn under_way(running: &Running, visitor: &Visitor) -> UnderWay {
    let step = running.step();
    UnderWay {
        lasting: lasting(visitor.now.duration_since(running.since)),
        by: running.by.clone(),
        step: step.name.map_or_else(|| "takes a snapshot".to_owned(), |name| format!("looks at {name}")),
        share: share(step),
    }
}

/// How much of a step is done, in percent; how much there is to do is known roughly.
fn share(step: Step) -> Option<u64> {
    (step.amount > 0).then(|| (step.done.saturating_mul(100) / step.amount).min(100))
}

fn last(ended: &Ended, visitor: &Visitor) -> Last {
    Last {
        moment: moment(ended.at, &visitor.zone),
        age: age(ended.at, visitor.now),
        took: lasting(ended.at.duration_since(ended.since)),
        by: ended.by.clone(),
        found: ended.found.as_ref().map(found).map_err(Clone::clone),
    }
}

fn found(report: &Report) -> Found {
    let broken = report.broken().len();
    let conflicts = report.conflicts.broken;
    Found {
        is_kept: broken == 0,
        words: match broken {
            0 => "Every guarantee is kept.".to_owned(),
            broken => format!("{} not kept.", counted(broken as u64, "guarantee is", "guarantees are")),
        },
        findings: report.findings.iter().map(|(guarantee, tally)| finding(*guarantee, tally)).collect(),
        conflicts: (conflicts > 0).then(|| counted(conflicts, "session contradicts", "sessions contradict")),
    }
}

fn finding(guarantee: Guarantee, tally: &Tally) -> Finding {
    Finding {
        name: guarantee.name(),
        words: promise(guarantee),
        class: if tally.broken == 0 { "good" } else { "bad" },
        verdict: match tally.broken {
            0 => "kept".to_owned(),
            broken => counted(broken, "violation", "violations"),
        },
        checked: grouped(tally.checked),
        problems: tally.problems.iter().map(ToString::to_string).collect(),
        more: (tally.more() > 0).then(|| format!("and {} more", grouped(tally.more()))),
    }
}

/// What a guarantee promises.
const fn promise(guarantee: Guarantee) -> &'static str {
    match guarantee {
        Guarantee::Once => {
            "What is paid once happens once: one purchase, one allocation, each lesson and each event once"
        }
        Guarantee::NothingVanishes => "Nothing that came in is lost: it had its effect, or it is set aside",
        Guarantee::NoDoubleBooking => "Nobody has two lessons at a time",
        Guarantee::WholePlanFits => "Who teaches a plan can teach all of it",
        Guarantee::Occurrences => "Lessons are when their plans put them",
        Guarantee::RollingWindow => "The calendar reaches as far ahead as it should",
        Guarantee::Freshness => "What readers are shown is what is recorded",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_guarantee_is_told_in_words_of_its_own() {
        let words: HashSet<&str> = Guarantee::ALL.into_iter().map(promise).collect();
        assert_eq!(words.len(), Guarantee::ALL.len());
    }

    #[test]
    fn a_violation_is_told_with_what_it_is_about() {
        let mut report = Report::new(1);
        report.of(Guarantee::Once).must(true, "p1", String::new);
        for id in ["p2", "p3"] {
            report.of(Guarantee::NoDoubleBooking).must(false, id, || "is taught twice at once".to_owned());
        }
        let found = found(&report);
        assert!(!found.is_kept && found.words.starts_with("1 guarantee is not kept"), "{}", found.words);
        let finding = &found.findings[Guarantee::NoDoubleBooking as usize];
        assert_eq!((finding.class, finding.verdict.as_str()), ("bad", "2 violations"));
        assert_eq!(finding.problems, ["p2: is taught twice at once"]);
        assert_eq!(finding.more.as_deref(), Some("and 1 more"));
        assert_eq!(found.findings[Guarantee::Once as usize].class, "good");
    }

    #[test]
    fn conflicts_with_the_roster_break_no_guarantee() {
        let mut report = Report::new(1);
        report.conflicts.must(false, "s1", || "on a day off".to_owned());
        let found = found(&report);
        assert_eq!((found.is_kept, found.conflicts.as_deref()), (true, Some("1 session contradicts")));
    }

    #[test]
    fn a_step_is_never_more_than_done() {
        let step = |amount, done| share(Step { name: Some("records"), amount, done });
        assert_eq!([step(0, 0), step(200, 50), step(10, 15)], [None, Some(25), Some(100)]);
    }
}
