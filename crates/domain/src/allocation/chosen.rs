//! A plan with the trainer and the weekly times that people have chosen: the booking, or every rule against it.
//!
//! The rules are those by which [`Roster::allocate`](super::Roster::allocate) finds a trainer; here nothing is looked for.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use uuid::Uuid;

use super::calendar::quarters;
use super::{
    Booking, Calendar, JudgedTrainer, Policy, Receipt, Rule, Terms, reserved_time, share_increment as increment,
};
use crate::availability::Availability;
use crate::plan::{Occurrence, Slot, Weekday, dates_of, instants, zone_named};
use crate::purchase::Confirmation;
use crate::session::rules::{covers, is_off, speaks, teaches};
use crate::trainer::{Closure, Trainer};
use crate::window::first_bookable_date;

/// A plan with what people have chosen for it, and what must be known to judge that.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// Which purchase.
    pub purchase_id: Uuid,
    /// What was bought.
    pub confirmation: &'a Confirmation,
    /// The weekly times that were chosen.
    pub slots: &'a [Slot],
    /// The ordinal of the first session that is still to be planned: 1, unless others were held elsewhere.
    pub first_ordinal: u32,
    /// Who was chosen.
    pub trainer: &'a Trainer,
    /// Their reserved time.
    pub trainer_calendar: &'a Calendar,
    /// Their share of the work so far; `None` if they were never allocated.
    pub share: Option<i64>,
    /// The student's reserved time.
    pub student_calendar: &'a Calendar,
    /// Company-wide days without lessons.
    pub closures: &'a [Closure],
}

/// What stands against a choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Objection {
    /// As many slots as lessons a week must be chosen.
    SlotCount {
        /// How many were.
        chosen: usize,
        /// How many must be.
        per_week: u8,
    },
    /// Two slots are on the same day of the week.
    SameWeekday(Weekday),
    /// The student did not name this time.
    NotNamed(Slot),
    /// All sessions were held before.
    NothingLeft {
        /// From which session on it is to be planned.
        first_ordinal: u32,
        /// How many there are.
        sessions: u16,
    },
    /// The student's zone is not known.
    Zone(String),
    /// A rule rules the trainer out.
    Rule {
        /// Which.
        rule: Rule,
        /// Whom.
        trainer_id: String,
        /// The first session that breaks it, or the date that would have to be skipped, in the student's zone; nothing
        /// where it is not about a session.
        session: Option<(u32, Date, String)>,
    },
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SlotCount { chosen, per_week } => {
                write!(f, "slots: {per_week} a week were bought, {chosen} are chosen")
            }
            Self::SameWeekday(weekday) => write!(f, "slots: two of them are on {weekday}; each must be on another day"),
            Self::NotNamed(slot) => write!(f, "slots: {slot} is none of the times that the student named"),
            Self::NothingLeft { first_ordinal, sessions } => {
                write!(f, "first_ordinal: session {first_ordinal} is none of the {sessions} that were bought")
            }
            Self::Zone(zone) => write!(f, "the student's time zone {zone:?} is not known"),
            Self::Rule { rule, trainer_id, session } => {
                write!(f, "{rule}: trainer {trainer_id}")?;
                match session {
                    Some((ordinal, _, at)) => write!(f, ", session {ordinal} at {at}"),
                    None => Ok(()),
                }
            }
        }
    }
}

/// Judges what people have chosen.
///
/// # Errors
/// Everything that stands against it, each rule with the first session that breaks it.
pub fn judge_choice(choice: &Choice<'_>, policy: Policy, now: Timestamp) -> Result<Booking, Vec<Objection>> {
    let mut objections = formal_objections(choice);
    let confirmation = choice.confirmation;
    let zone = zone_named(&confirmation.student.time_zone);
    let Some(zone) = zone.filter(|_| objections.is_empty()) else {
        if objections.is_empty() {
            objections.push(Objection::Zone(confirmation.student.time_zone.clone()));
        }
        return Err(objections);
    };
    let judging = Judging::lay_out(choice, policy, &zone, now);
    let broken = Rule::ALL.into_iter().filter_map(|rule| judging.broken(rule));
    objections.extend(broken);
    if objections.is_empty() { Ok(judging.booking()) } else { Err(objections) }
}

/// What can be said without looking at anybody's time.
fn formal_objections(choice: &Choice<'_>) -> Vec<Objection> {
    let plan = &choice.confirmation.plan;
    let mut objections = Vec::new();
    if choice.slots.len() != usize::from(plan.per_week) {
        objections.push(Objection::SlotCount { chosen: choice.slots.len(), per_week: plan.per_week });
    }
    let mut weekdays = BTreeSet::new();
    let twice = choice.slots.iter().find(|slot| !weekdays.insert(slot.weekday.index()));
    objections.extend(twice.map(|slot| Objection::SameWeekday(slot.weekday)));
    let unnamed = choice.slots.iter().filter(|slot| !plan.slots.contains(slot));
    objections.extend(unnamed.map(|slot| Objection::NotNamed(*slot)));
    if plan.reserved_from(choice.first_ordinal).is_none() {
        let sessions = plan.sessions.unwrap_or(u16::MAX);
        objections.push(Objection::NothingLeft { first_ordinal: choice.first_ordinal, sessions });
    }
    objections
}

/// A choice with its lessons laid out.
struct Judging<'a> {
    choice: &'a Choice<'a>,
    policy: Policy,
    zone: &'a TimeZone,
    /// The trainer's.
    their_zone: Option<TimeZone>,
    start: Date,
    /// How many lessons there are to be.
    sessions: u16,
    lessons: Vec<Occurrence>,
    /// Dates without a lesson, as the company is closed.
    closed: Vec<Date>,
    /// Lessons that are not, as the trainer is off.
    off: Vec<Occurrence>,
}

impl<'a> Judging<'a> {
    fn lay_out(choice: &'a Choice<'a>, policy: Policy, zone: &'a TimeZone, now: Timestamp) -> Self {
        let plan = &choice.confirmation.plan;
        let their_zone = zone_named(&choice.trainer.time_zone);
        let start = first_bookable_date(plan.start_date, now, zone, policy.lead_days);
        let sessions = plan.reserved_from(choice.first_ordinal).unwrap_or_default();
        let mut judging =
            Self { choice, policy, zone, their_zone, start, sessions, lessons: vec![], closed: vec![], off: vec![] };
        for (date, slot) in dates_of(start, choice.slots) {
            if judging.lessons.len() == usize::from(sessions) {
                break;
            }
            judging.place(date, slot);
        }
        judging
    }

    fn place(&mut self, date: Date, slot: Slot) {
        if self.choice.closures.iter().any(|closure| covers(closure.from, closure.until, date)) {
            return self.closed.push(date);
        }
        let minutes = self.choice.confirmation.plan.minutes;
        let Some((starts_at, ends_at)) = instants(self.zone, date, slot.at, minutes) else { return };
        let ordinal = self.choice.first_ordinal + self.lessons.len() as u32;
        let lesson = Occurrence { ordinal, local_date: date, starts_at, ends_at };
        let off = self.their_zone.as_ref().is_some_and(|zone| is_off(self.choice.trainer, zone, &lesson));
        if off { self.off.push(lesson) } else { self.lessons.push(lesson) }
    }

    /// The objection of a rule, if it has one.
    fn broken(&self, rule: Rule) -> Option<Objection> {
        let Choice { trainer, confirmation, .. } = *self.choice;
        let by_the_first = match rule {
            Rule::Inactive => (!trainer.active || self.their_zone.is_none()).then_some(None),
            Rule::Course => (!teaches(trainer, &confirmation.course)).then_some(None),
            Rule::Language => (!speaks(trainer, &confirmation.student.languages)).then_some(None),
            Rule::Availability => self.unavailable().map(Some),
            Rule::TimeOff => self.too_long(),
            Rule::TrainerBusy => self.taken(self.choice.trainer_calendar).map(Some),
            Rule::StudentBusy => self.taken(self.choice.student_calendar).or_else(|| self.tangled()).map(Some),
            Rule::WeeklyCapacity => self.beyond_capacity().map(Some),
        };
        let told = |lesson: &Occurrence| (lesson.ordinal, lesson.local_date, self.shown(lesson));
        let rule = |session: Option<&Occurrence>| Objection::Rule {
            rule,
            trainer_id: trainer.trainer_id.clone(),
            session: session.map(told),
        };
        by_the_first.map(rule)
    }

    /// Such as `tue 2026-12-01 17:00 (Asia/Kolkata)`.
    fn shown(&self, lesson: &Occurrence) -> String {
        let local = lesson.starts_at.to_zoned(self.zone.clone());
        let time = local.strftime("%a %Y-%m-%d %H:%M").to_string().to_lowercase();
        format!("{time} ({})", self.choice.confirmation.student.time_zone)
    }

    fn unavailable(&self) -> Option<&Occurrence> {
        let zone = self.their_zone.as_ref()?;
        let available = Availability::compile(&self.choice.trainer.availability);
        self.lessons.iter().find(|lesson| !available.covers_session(zone, lesson.starts_at, lesson.ends_at))
    }

    fn too_long(&self) -> Option<Option<&Occurrence>> {
        match self.off.get(usize::from(self.policy.max_skipped)) {
            Some(first_too_many) => Some(Some(first_too_many)),
            None => (self.lessons.len() < usize::from(self.sessions)).then_some(None),
        }
    }

    fn taken(&self, calendar: &Calendar) -> Option<&Occurrence> {
        self.lessons.iter().find(|lesson| calendar.overlaps(&reserved_time([**lesson])))
    }

    /// A lesson that begins before the one before it has ended.
    fn tangled(&self) -> Option<&Occurrence> {
        let cells = |lesson: &Occurrence| quarters(lesson.starts_at.as_second(), lesson.ends_at.as_second());
        let pair = self.lessons.windows(2).find(|pair| cells(&pair[0]).end > cells(&pair[1]).start);
        pair.map(|pair| &pair[1])
    }

    /// The first lesson that the trainer's week has no room for.
    fn beyond_capacity(&self) -> Option<&Occurrence> {
        let zone = self.their_zone.as_ref()?;
        let monday = |at: Timestamp| {
            let date = zone.to_datetime(at).date();
            date.saturating_sub((Weekday::of(date).index() as i64).days())
        };
        let (first, last) = (self.lessons.first()?.starts_at.as_second(), self.lessons.last()?.starts_at.as_second());
        let mut weeks: HashMap<Date, u32> = HashMap::new();
        let theirs = self.choice.trainer_calendar.starts();
        for start in theirs.filter(|start| (first - WEEK_AND_MORE..=last + WEEK_AND_MORE).contains(start)) {
            *weeks.entry(monday(Timestamp::from_second(start).ok()?)).or_default() += 1;
        }
        self.lessons.iter().find(|lesson| {
            let week = weeks.entry(monday(lesson.starts_at)).or_default();
            *week += 1;
            *week > self.choice.trainer.max_sessions_per_week
        })
    }

    fn booking(&self) -> Booking {
        let Choice { confirmation, trainer, .. } = *self.choice;
        let rank = |slot: &Slot| confirmation.plan.slots.iter().position(|named| named == slot).unwrap_or(0);
        let mut slots = self.choice.slots.to_vec();
        slots.sort_by_key(rank);
        let off: Vec<Date> = self.off.iter().map(|lesson| lesson.local_date).collect();
        let mut skipped: Vec<Date> = self.closed.iter().chain(&off).copied().collect();
        skipped.sort_unstable();
        let share = self.choice.share.unwrap_or(0);
        let chosen = Terms {
            trainer_id: trainer.trainer_id.clone(),
            preferred: confirmation.preferred_trainer_id.as_ref() == Some(&trainer.trainer_id),
            previous: false,
            slot_ranks: slots.iter().map(|slot| rank(slot) as u16 + 1).collect(),
            skipped: off.len() as u32,
            share,
        };
        Booking {
            purchase_id: self.choice.purchase_id,
            student_id: confirmation.student.id.clone(),
            trainer_id: trainer.trainer_id.clone(),
            slots,
            start_date: self.start,
            skipped,
            reserved: reserved_time(self.lessons.iter().copied()),
            share_after: share + increment(self.sessions, trainer.weight),
            receipt: Receipt {
                by_hand: true,
                candidates: 1,
                course_taught: true,
                chosen: Some(chosen),
                trainer: Some(JudgedTrainer::from(trainer)),
                skipped_for_closures: self.closed.clone(),
                skipped_for_time_off: off,
                ..Receipt::default()
            },
        }
    }
}

/// Seconds around a plan within which others can share a week with it.
const WEEK_AND_MORE: i64 = 8 * 24 * 3600;

#[cfg(test)]
mod tests;
