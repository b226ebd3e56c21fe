//! What people have changed of a purchase's sessions, as the rows tell it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use serde::Deserialize;

use super::evidence::{Order, Terms, TermsText, json, second, shown};
use super::report::Tally;
use super::wall::{Lesson, Zones, date_at, touches};

/// How a session stands that somebody has changed.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) trainer_id: String,
    /// In Unix seconds.
    pub(super) start: i64,
    /// In Unix seconds.
    pub(super) end: i64,
    pub(super) status: String,
    /// When it was changed, as the row tells it.
    pub(super) changed_at: String,
    /// The rules a person decided against.
    pub(super) overrides: Vec<String>,
    /// The trainer as they were judged for it.
    pub(super) terms: Option<Terms>,
    /// It was left where it was when other time zone data moved the rest of its plan.
    pub(super) stays: bool,
}

/// The changes of a purchase's sessions.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    /// The latest of each session, by ordinal.
    pub(super) latest: BTreeMap<i64, Change>,
    /// Each revision that changed sessions, and when.
    pub(super) each: BTreeSet<Revision>,
    /// When other time zone data first moved what was planned, as the row tells it.
    pub(super) displaced: Option<String>,
}

/// A revision that changed sessions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Revision {
    pub(super) revision: i64,
    /// As the row tells it.
    pub(super) changed_at: String,
}

/// Ordinal, revision, trainer, start, end, status, terms, when, overridden rules, and whether it went back to its plan.
#[derive(Deserialize)]
struct ChangeText(i64, i64, String, String, String, String, Option<String>, Option<String>, Option<String>, i64);

impl Changes {
    pub(super) fn read(text: &str, displaced: &str, zones: &mut Zones) -> Result<Self, String> {
        let mut rows: Vec<ChangeText> = json("changes of sessions", text)?;
        rows.sort_by_key(|row| (row.0, row.1));
        let displaced: BTreeMap<i64, String> =
            json::<Vec<(i64, String)>>("changes by time zone data", displaced)?.into_iter().collect();
        let each = displaced.iter();
        let each = each.map(|(revision, at)| Revision { revision: *revision, changed_at: at.clone() }).collect();
        let mut changes = Self { each, displaced: displaced.values().next().cloned(), ..Self::default() };
        for row in rows {
            let ChangeText(
                ordinal,
                revision,
                trainer_id,
                starts,
                ends,
                status,
                terms,
                changed_at,
                overrides,
                as_planned,
            ) = row;
            let missing = || format!("no note tells who changed session {ordinal} in revision {revision}");
            let unread = || format!("session {ordinal} was changed to {starts:?} until {ends:?}, which is no time");
            let terms =
                terms.map(|text| Terms::of(json::<TermsText>("terms of a change", &text)?, zones)).transpose()?;
            let change = Change {
                trainer_id,
                start: second(&starts).ok_or_else(unread)?,
                end: second(&ends).ok_or_else(unread)?,
                status,
                changed_at: changed_at.ok_or_else(missing)?,
                overrides: json("overridden rules", &overrides.ok_or_else(missing)?)?,
                terms,
                stays: displaced.contains_key(&revision),
            };
            let at = change.changed_at.clone();
            // A later change of the same place was judged no more; what was judged stays judged.
            let change = match changes.latest.remove(&ordinal) {
                Some(earlier) if change.terms.is_none() && earlier.stands_as(&change) => {
                    let stays = change.stays || earlier.stays;
                    let Change { terms, overrides, changed_at, .. } = earlier;
                    Change { terms, overrides, changed_at, stays, ..change }
                }
                _ => change,
            };
            changes.each.insert(Revision { revision, changed_at: at });
            if as_planned == 0 {
                changes.latest.insert(ordinal, change);
            }
        }
        Ok(changes)
    }

    /// Whether a lesson was judged by other clocks than those it lies by now.
    pub(super) fn by_other_clocks(&self, planned: &Lesson) -> bool {
        let since = self.displaced.as_deref().and_then(second);
        since.is_some_and(|since| planned.start > since)
            || self.latest.get(&planned.ordinal).is_some_and(|change| change.stays)
    }

    /// A lesson as it stands, with who teaches it; `None` if it was called off.
    pub(super) fn standing(&self, planned: &Lesson, trainer_id: &str, zone: &TimeZone) -> Option<(Lesson, String)> {
        let Some(change) = self.latest.get(&planned.ordinal) else { return Some((*planned, trainer_id.to_owned())) };
        (change.status != "cancelled").then(|| (change.lesson(planned, zone), change.trainer_id.clone()))
    }
}

impl Change {
    fn stands_as(&self, other: &Self) -> bool {
        (self.start, self.end, &self.trainer_id) == (other.start, other.end, &other.trainer_id)
    }

    /// The lesson at its changed time.
    pub(super) fn lesson(&self, planned: &Lesson, zone: &TimeZone) -> Lesson {
        let date =
            if self.start == planned.start { planned.date } else { date_at(zone, self.start).unwrap_or(planned.date) };
        Lesson { date, start: self.start, end: self.end, ..*planned }
    }

    /// Judges a changed session by the terms kept with the change, except for what a person decided against.
    pub(super) fn judge(&self, planned: &Lesson, trainer_id: &str, order: &Order, id: &str, tally: &mut Tally) {
        if self.status == "cancelled" {
            return;
        }
        let lesson = self.lesson(planned, &order.zone);
        let elsewhere = lesson != *planned || self.trainer_id != trainer_id;
        let Some(terms) = &self.terms else {
            let stays = self.stays && self.trainer_id == trainer_id;
            tally.must(!elsewhere || stays, id, || {
                format!("session {} was moved, and no terms tell by what it was judged", lesson.ordinal)
            });
            return;
        };
        tally.must(terms.trainer_id == self.trainer_id, id, || {
            format!("session {} is taught by {}, but {} was judged", lesson.ordinal, self.trainer_id, terms.trainer_id)
        });
        tally.must(lesson.end - lesson.start == planned.end - planned.start, id, || {
            format!("session {} was changed to another length", lesson.ordinal)
        });
        let at = shown(lesson.start);
        for (rule, holds) in [
            ("course", terms.courses.contains(&(order.subject.clone(), order.level.clone()))),
            ("language", terms.languages.iter().any(|language| order.languages.contains(language))),
            ("availability", terms.available.hold_throughout(&terms.zone, &lesson)),
            ("time-off", !touches(&terms.zone, &lesson, &terms.time_off)),
        ] {
            let decided = self.overrides.iter().any(|overridden| overridden == rule);
            tally.must(holds || decided, id, || {
                format!("session {} at {at} was put there against {rule}, and nobody decided so", lesson.ordinal)
            });
        }
    }
}
