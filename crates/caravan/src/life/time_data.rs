//! Other time zone data: every lesson that it displaces keeps its local time, so its instant moves. Each purchase is one
//! transaction. Where the new time is taken, the session stays where it is, and is left to a person.

use std::collections::{BTreeMap, HashMap};

use caravan_domain::allocation::{Calendar, ReservedTime, reserved_time};
use caravan_domain::plan::Occurrence;
use caravan_domain::session::{SessionState, SessionStatus};
use caravan_domain::time_data::reserved_instead;
use jiff::Timestamp;
use serde::Serialize;

use super::{ChangeError, commit};
use crate::engine::worker::Outcome;
use crate::platform::Platform;
use crate::platform::rows::{Purchase, Session};
use crate::platform::transaction::CommitError;
use crate::time_data::{DisplacedPlan, Moved, Plans, TimeDataError, calendar, settle};
use crate::workers::changing::{self, Displaced, Order, Remark, Trainers};

/// What it is called in the timelines of the purchases it touches.
pub const KIND: &str = "time-data";
/// How often it is looked at anew: while others change the same things, and for what only shows once others have moved.
const ROUNDS_MAX: u32 = 20;

/// What a person asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who asks.
    pub actor: String,
    /// Why, in their words.
    pub reason: String,
}

/// What becomes of a session that is displaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remedy {
    /// It keeps its local time.
    Moves,
    /// Its new time is taken: it stays at its instant, and a person decides.
    Person,
}

/// A session that is displaced, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Settled {
    /// The session.
    #[serde(flatten)]
    pub moved: Moved,
    /// What becomes of it.
    pub remedy: Remedy,
}

/// What would become of everything that is displaced; nothing changes.
///
/// # Errors
/// [`ChangeError`].
pub async fn propose(platform: &Platform) -> Result<Vec<Settled>, ChangeError> {
    Ok(look(platform).await?.into_iter().flat_map(|step| step.settled).collect())
}

/// Settles everything that is displaced, each purchase in a transaction of its own, and notes the version then. Doing it
/// again does what is left.
///
/// # Errors
/// [`ChangeError`]; what was settled before it stays settled.
pub async fn apply(platform: &Platform, request: &Request) -> Result<Vec<Settled>, ChangeError> {
    let mut done = Vec::new();
    for round in 1..=ROUNDS_MAX {
        let steps = look(platform).await?;
        if steps.is_empty() {
            settle(platform).await?;
            return Ok(done);
        }
        for step in steps {
            if !write(platform, request, step.purchase, step.displaced, &step.trainers, round).await? {
                // Whoever changed something meanwhile may have taken or left time.
                break;
            }
            done.extend(step.settled);
        }
    }
    let what = "what time zone data displaces".to_owned();
    Err(CommitError::Conflict { what, trainers: Vec::new() }.into())
}

async fn write(
    platform: &Platform,
    request: &Request,
    purchase: Purchase,
    displaced: Vec<Displaced>,
    trainers: &Trainers,
    attempt: u32,
) -> Result<bool, ChangeError> {
    let order = Order {
        kind: KIND,
        actor: request.actor.clone(),
        reason: request.reason.clone(),
        overrides: Vec::new(),
        at: platform.clock.now(),
    };
    let mut outcome = Outcome::default();
    changing::displace(&mut outcome, &purchase, &order, displaced, trainers)?;
    Ok(commit(platform, outcome, attempt).await?)
}

impl From<TimeDataError> for ChangeError {
    fn from(error: TimeDataError) -> Self {
        match error {
            TimeDataError::Platform(error) => error.into(),
            told => Self::Unreadable(told.to_string()),
        }
    }
}

/// What follows for a purchase at once, with all that it was decided on.
struct Step {
    purchase: Purchase,
    displaced: Vec<Displaced>,
    trainers: Trainers,
    settled: Vec<Settled>,
}

/// A lesson that is to move, and when it was to start until now.
struct Shift {
    planned: Occurrence,
    was: Option<Timestamp>,
    in_calendar: bool,
}

impl Shift {
    fn old(&self) -> Option<Occurrence> {
        let starts_at = self.was?;
        let ends_at = starts_at.checked_add(self.planned.starts_at.duration_until(self.planned.ends_at)).ok()?;
        Some(Occurrence { starts_at, ends_at, ..self.planned })
    }
}

/// A purchase that is not settled yet.
struct Open {
    plan: DisplacedPlan,
    shifts: Vec<Shift>,
    /// What stays where it is whatever the plan says: it is over, or a person has put it there.
    stands: Vec<Displaced>,
    /// Where the step is that moves a part of it already.
    step: Option<usize>,
}

impl Open {
    fn read(plan: DisplacedPlan, rows: &BTreeMap<u32, Session>, now: Timestamp) -> Self {
        let (mut stands, mut lessons) = (Vec::new(), Vec::new());
        for lesson in &plan.plan {
            let row = rows.get(&lesson.ordinal);
            let is_fixed = plan.purchase.changed.contains_key(&lesson.ordinal);
            let is_over = lesson.starts_at <= now || row.is_some_and(|row| row.starts_at <= now);
            match row {
                Some(row) if is_fixed || is_over => {
                    let planned = if is_fixed { row.planned_starts_at } else { row.starts_at };
                    if planned != lesson.starts_at {
                        stands.push(standing(row, *lesson));
                    }
                }
                Some(row) if row.starts_at != lesson.starts_at => lessons.push(*lesson),
                _ if plan.lessons.contains(lesson) => lessons.push(*lesson),
                _ => {}
            }
        }
        let starts: HashMap<u32, Timestamp> = rows.iter().map(|(ordinal, row)| (*ordinal, row.starts_at)).collect();
        let was = reserved_instead(&lessons, &starts, &plan.plan, plan.reserved());
        let shift = |(planned, was): (Occurrence, Option<Timestamp>)| Shift {
            planned,
            // Where the calendar has it already no time is reserved for it.
            was: was.filter(|was| *was != planned.starts_at),
            in_calendar: starts.contains_key(&planned.ordinal),
        };
        let shifts = lessons.into_iter().zip(was).map(shift).collect();
        Self { plan, shifts, stands, step: None }
    }

    fn state(&self, at: &Occurrence) -> SessionState {
        let trainer_id = self.plan.trainer_id.clone();
        SessionState { trainer_id, starts_at: at.starts_at, ends_at: at.ends_at, status: SessionStatus::Scheduled }
    }

    fn displaced(&self, shift: &Shift, remedy: Remedy) -> Displaced {
        let before = shift.old().map(|old| self.state(&old));
        let planned = self.state(&shift.planned);
        let (after, remark) = match remedy {
            Remedy::Moves => (planned, Remark::Follows),
            Remedy::Person => (before.clone().unwrap_or(planned), Remark::Stays),
        };
        Displaced { planned: shift.planned, before, after, remark }
    }

    fn settled(&self, shift: &Shift, remedy: Remedy) -> Settled {
        Settled { moved: self.plan.moved(&shift.planned, shift.was, shift.in_calendar), remedy }
    }
}

fn standing(row: &Session, planned: Occurrence) -> Displaced {
    let state = SessionState {
        trainer_id: row.trainer_id.clone(),
        starts_at: row.starts_at,
        ends_at: row.ends_at,
        status: row.status,
    };
    Displaced { planned, before: Some(state.clone()), after: state, remark: Remark::Silent }
}

/// What follows for everything that is displaced, in the order in which it can be done.
async fn look(platform: &Platform) -> Result<Vec<Step>, ChangeError> {
    let now = platform.clock.now();
    let (mut plans, mut open, mut desk) = (Plans::new(platform), Vec::new(), Desk::default());
    while let Some(page) = plans.next().await? {
        let calendars = calendar(platform, &page).await?;
        for (plan, rows) in page.into_iter().zip(calendars) {
            desk.seat(&plan);
            open.push(Open::read(plan, &rows, now));
        }
    }
    Ok(desk.settle(open))
}

/// The time of everybody whose sessions are displaced, as it is with what was decided so far.
#[derive(Default)]
struct Desk {
    trainers: HashMap<String, Calendar>,
    known: Trainers,
    students: HashMap<String, Calendar>,
    steps: Vec<Step>,
}

impl Desk {
    fn seat(&mut self, plan: &DisplacedPlan) {
        let student = &plan.purchase.confirmation.student.id;
        self.trainers.entry(plan.trainer_id.clone()).or_insert_with(|| plan.trainer.clone());
        self.known.entry(plan.trainer_id.clone()).or_insert(plan.known);
        self.students.entry(student.clone()).or_insert_with(|| plan.student.clone());
    }

    /// Lessons that follow each other move into each other's time. So who can't move now may be able to once others have:
    /// first whole purchases, then what of them can, and only what then is left stays.
    fn settle(mut self, mut open: Vec<Open>) -> Vec<Step> {
        loop {
            let before = open.len();
            open = open.into_iter().filter_map(|open| self.whole(open)).collect();
            if open.len() < before {
                continue;
            }
            if !open.iter_mut().any(|open| self.partly(open)) {
                break;
            }
        }
        for open in open {
            self.stays(open);
        }
        self.steps
    }

    /// Moves all of it if that can be; else gives it back.
    fn whole(&mut self, mut open: Open) -> Option<Open> {
        let shifts: Vec<Shift> = std::mem::take(&mut open.shifts);
        if !self.moved(&open, &shifts) {
            open.shifts = shifts;
            return Some(open);
        }
        self.step(&mut open, &shifts, Remedy::Moves);
        None
    }

    /// Moves what of it can be moved.
    fn partly(&mut self, open: &mut Open) -> bool {
        let (mut can, mut left) = (Vec::new(), Vec::new());
        for shift in std::mem::take(&mut open.shifts) {
            let moved = self.moved(open, std::slice::from_ref(&shift));
            if moved { can.push(shift) } else { left.push(shift) }
        }
        open.shifts = left;
        if !can.is_empty() {
            self.step(open, &can, Remedy::Moves);
        }
        !can.is_empty()
    }

    fn stays(&mut self, mut open: Open) {
        // What has no time at all can't stay anywhere.
        let shifts: Vec<Shift> =
            std::mem::take(&mut open.shifts).into_iter().filter(|shift| shift.was.is_some()).collect();
        match open.step.and_then(|step| self.steps.get_mut(step)) {
            _ if shifts.is_empty() => {}
            // No time changes hands: it can be done with the rest.
            Some(step) => {
                step.displaced.extend(shifts.iter().map(|shift| open.displaced(shift, Remedy::Person)));
                step.settled.extend(shifts.iter().map(|shift| open.settled(shift, Remedy::Person)));
            }
            None => self.step(&mut open, &shifts, Remedy::Person),
        }
    }

    /// Gives these lessons their new time, if both are free then.
    fn moved(&mut self, open: &Open, shifts: &[Shift]) -> bool {
        let (trainer_id, student_id) = (&open.plan.trainer_id, &open.plan.purchase.confirmation.student.id);
        let trainer = self.trainers.entry(trainer_id.clone()).or_default();
        let student = self.students.entry(student_id.clone()).or_default();
        let old: Vec<ReservedTime> = reserved_time(shifts.iter().filter_map(Shift::old));
        let new: Vec<ReservedTime> = reserved_time(shifts.iter().map(|shift| shift.planned));
        let mut both = [trainer, student];
        both.iter_mut().for_each(|calendar| calendar.release(&old));
        let free = both.iter().all(|calendar| !calendar.overlaps(&new));
        both.iter_mut().for_each(|calendar| calendar.reserve(if free { &new } else { &old }));
        free
    }

    /// Writes down what follows for these lessons, and for what of the plan stands anyway.
    fn step(&mut self, open: &mut Open, shifts: &[Shift], remedy: Remedy) {
        let mut all: Vec<Displaced> = shifts.iter().map(|shift| open.displaced(shift, remedy)).collect();
        let settled = shifts.iter().map(|shift| open.settled(shift, remedy)).collect();
        all.append(&mut open.stands);
        let trainer_id = &open.plan.trainer_id;
        let known = self.known.entry(trainer_id.clone()).or_default();
        let trainers = Trainers::from([(trainer_id.clone(), *known)]);
        self.steps.push(Step { purchase: open.plan.purchase.clone(), displaced: all, trainers, settled });
        // What is decided next finds this done.
        known.version += i64::from(remedy == Remedy::Moves);
        open.plan.purchase.revision += 1;
        open.step = Some(self.steps.len() - 1);
    }
}
