//! Conflicts: sessions to come that today's roster or closures contradict. They are listed, and
//! never moved: a person decides.

use std::collections::{HashMap, HashSet};
use std::fmt;

use jiff::civil::Date;
use uuid::Uuid;

use super::evidence::{Terms, shown};
use super::party::{Party, PartyPlan};
use super::report::Tally;
use super::wall::{Lesson, date_at, monday_of, touches};

/// Looks at the sessions of a trainer that start at `now` (Unix seconds) or later.
pub(super) fn find(party: &Party<'_>, closures: &[(Date, Date)], now: i64, tally: &mut Tally) {
    let mut lessons: Vec<(&PartyPlan<'_>, &Lesson)> =
        party.plans.iter().flat_map(|plan| plan.taken().map(move |lesson| (plan, lesson))).collect();
    lessons.sort_by_key(|(_, lesson)| lesson.start);
    let too_many = party.today.as_ref().map(|today| beyond_the_limit(&lessons, today)).unwrap_or_default();
    for (index, (plan, lesson)) in lessons.into_iter().enumerate().filter(|(_, (_, lesson))| lesson.start >= now) {
        let found = contradiction(party, plan, lesson, closures).or_else(|| {
            too_many.contains(&index).then(|| "the trainer's week has more sessions than their limit today".to_owned())
        });
        tally.must(found.is_none(), SessionOf(plan, lesson), || {
            format!("at {} with {}: {}", shown(lesson.start), party.name, found.unwrap_or_default())
        });
    }
}

fn contradiction(
    party: &Party<'_>,
    plan: &PartyPlan<'_>,
    lesson: &Lesson,
    closures: &[(Date, Date)],
) -> Option<String> {
    let decided = |rule: &str| {
        let change = plan.changed.iter().find(|(changed, _)| changed.ordinal == lesson.ordinal);
        change.is_some_and(|(_, change)| change.overrides.iter().any(|overridden| overridden == rule))
    };
    if !decided("closure") && closures.iter().any(|(from, until)| (*from..=*until).contains(&lesson.date)) {
        return Some("a closure covers its date".to_owned());
    }
    let Some(today) = &party.today else { return Some("the roster doesn't have the trainer".to_owned()) };
    if !(decided("course") || decided("language"))
        && let Err(unsuited) = today.suit(&plan.order)
    {
        return Some(unsuited);
    }
    if !decided("time-off") && touches(&today.zone, lesson, &today.time_off) {
        return Some("the trainer is off".to_owned());
    }
    let available = decided("availability") || today.available.hold_throughout(&today.zone, lesson);
    (!available).then(|| "it is outside the trainer's availability".to_owned())
}

/// Which of these lessons are too many in their week: its latest.
fn beyond_the_limit(lessons: &[(&PartyPlan<'_>, &Lesson)], today: &Terms) -> HashSet<usize> {
    let mut weeks = HashMap::<Date, i64>::new();
    let mut beyond = HashSet::new();
    for (index, (_, lesson)) in lessons.iter().enumerate() {
        let Some(date) = date_at(&today.zone, lesson.start) else { continue };
        let count = weeks.entry(monday_of(date)).or_default();
        *count += 1;
        if *count > today.sessions_per_week_max {
            beyond.insert(index);
        }
    }
    beyond
}

/// The id the session has, or will have once it stands in the calendar; made when it is shown.
struct SessionOf<'a>(&'a PartyPlan<'a>, &'a Lesson);

impl fmt::Display for SessionOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(plan, lesson) = self;
        match plan.allocation.purchase_id.parse::<Uuid>() {
            Ok(id) => Uuid::new_v5(&id, format!("session:{}", lesson.ordinal).as_bytes()).fmt(f),
            Err(_) => f.write_str(&plan.allocation.purchase_id),
        }
    }
}
