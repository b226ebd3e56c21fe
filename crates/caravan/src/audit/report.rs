//! What an audit found.

use std::fmt;

use serde_json::json;

/// How many offending ids are shown unless asked otherwise.
pub const IDS_SHOWN_DEFAULT: usize = 20;

/// A guarantee, by the name people and scripts know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Guarantee {
    /// One payment is one purchase, one allocation, one session for each ordinal, one event for each happening.
    Once,
    /// Every record consumed ends as its effect or as a dead letter.
    NothingVanishes,
    /// Nobody's time is taken twice, and what is taken is reserved.
    NoDoubleBooking,
    /// A trainer teaches the whole plan, by the terms they were judged by.
    WholePlanFits,
    /// Sessions are exactly where the plan puts them.
    Occurrences,
    /// Session rows are exactly the occurrences before the horizon.
    RollingWindow,
    /// The cache's consumer stands where the log is.
    Freshness,
}

impl Guarantee {
    /// All of them, in the order they are promised.
    pub const ALL: [Self; 7] = [
        Self::Once,
        Self::NothingVanishes,
        Self::NoDoubleBooking,
        Self::WholePlanFits,
        Self::Occurrences,
        Self::RollingWindow,
        Self::Freshness,
    ];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::NothingVanishes => "nothing-vanishes",
            Self::NoDoubleBooking => "no-double-booking",
            Self::WholePlanFits => "whole-plan-fits",
            Self::Occurrences => "occurrences",
            Self::RollingWindow => "rolling-window",
            Self::Freshness => "freshness",
        }
    }
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// An offending thing and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What it is about: a purchase, session or allocation id, `trainer:ID`, `topic/partition@offset` and the like.
    pub id: String,
    /// What is wrong, in words.
    pub words: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.id, self.words)
    }
}

/// Problems of one kind: all counted, the first ones kept.
#[derive(Clone, Debug)]
pub struct Tally {
    /// How many statements were checked.
    pub checked: u64,
    /// How many of them do not hold.
    pub broken: u64,
    /// The first of those.
    pub problems: Vec<Problem>,
    kept_max: usize,
}

impl Tally {
    /// Nothing checked yet; keeps this many problems.
    pub fn new(kept_max: usize) -> Self {
        Self { checked: 0, broken: 0, problems: Vec::new(), kept_max }
    }

    /// Notes a statement about `id`; `words` say what is wrong if it does not hold.
    pub fn must(&mut self, holds: bool, id: impl fmt::Display, words: impl FnOnce() -> String) {
        self.checked += 1;
        if !holds {
            self.broken += 1;
            if self.problems.len() < self.kept_max {
                self.problems.push(Problem { id: id.to_string(), words: words() });
            }
        }
    }

    /// Counts statements that were checked elsewhere and hold.
    pub fn count(&mut self, checked: u64) {
        self.checked += checked;
    }

    /// The ids of the problems kept, each once.
    pub fn ids(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = Vec::new();
        for problem in &self.problems {
            if !ids.contains(&problem.id.as_str()) {
                ids.push(&problem.id);
            }
        }
        ids
    }

    /// How many problems were counted but not kept.
    pub fn more(&self) -> u64 {
        self.broken - self.problems.len() as u64
    }
}

/// Everything an audit found.
#[derive(Clone, Debug)]
pub struct Report {
    /// Each guarantee with its problems, in the order they are promised.
    pub findings: Vec<(Guarantee, Tally)>,
    /// Sessions that the roster or the closures of today contradict. Not violations: they are for
    /// people to decide about.
    pub conflicts: Tally,
}

impl Report {
    /// Nothing checked yet; keeps this many problems of each guarantee.
    pub fn new(kept_max: usize) -> Self {
        let findings = Guarantee::ALL.map(|guarantee| (guarantee, Tally::new(kept_max)));
        Self { findings: findings.into(), conflicts: Tally::new(kept_max) }
    }

    /// The tally of a guarantee.
    pub fn of(&mut self, guarantee: Guarantee) -> &mut Tally {
        &mut self.findings[guarantee as usize].1
    }

    /// The guarantees that don't hold.
    pub fn broken(&self) -> Vec<Guarantee> {
        self.findings.iter().filter(|(_, tally)| tally.broken > 0).map(|(guarantee, _)| *guarantee).collect()
    }

    /// One JSON object a line: each guarantee, then the conflicts.
    pub fn json_lines(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            self.findings.iter().map(|(guarantee, tally)| finding_json(*guarantee, tally)).collect();
        let conflicts = &self.conflicts;
        lines.push(
            json!({ "conflicts": conflicts.broken, "ids": conflicts.ids(), "problems": words(conflicts) }).to_string(),
        );
        lines
    }

    /// Lines for people.
    pub fn text_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (guarantee, tally) in &self.findings {
            let verdict = if tally.broken == 0 { "ok    " } else { "BROKEN" };
            let (checked, broken) = (tally.checked, tally.broken);
            lines.push(format!("{verdict} {guarantee:<18} {checked:>9} checked  {broken:>6} violations"));
            lines.extend(listed(tally));
        }
        if self.conflicts.broken > 0 {
            let count = self.conflicts.broken;
            lines.push(format!(
                "note   {count} sessions are in conflict with today's roster or closures (not violations)"
            ));
            lines.extend(listed(&self.conflicts));
        }
        lines
    }
}

fn finding_json(guarantee: Guarantee, tally: &Tally) -> String {
    json!({
        "guarantee": guarantee.name(), "checked": tally.checked, "violations": tally.broken,
        "ids": tally.ids(), "problems": words(tally),
    })
    .to_string()
}

fn words(tally: &Tally) -> Vec<String> {
    tally.problems.iter().map(Problem::to_string).collect()
}

fn listed(tally: &Tally) -> Vec<String> {
    let mut lines: Vec<String> = tally.problems.iter().map(|problem| format!("         {problem}")).collect();
    if tally.more() > 0 {
        lines.push(format!("         and {} more", tally.more()));
    }
    lines
}
