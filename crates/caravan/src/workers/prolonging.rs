//! Plans that run until they are cancelled are kept reserved a year ahead: each date is judged once, by the rules for one
//! session, when its turn comes. What can't be reserved is skipped, and told.

use std::collections::{BTreeMap, HashMap};

use caravan_domain::allocation::{Calendar, reserved_time, share_increment};
use caravan_domain::event::{Event, PurchaseChanged, Window};
use caravan_domain::ids;
use caravan_domain::plan::{Occurrence, Schedule};
use caravan_domain::session::{Asked, Hours, broken_rules, standing};
use caravan_domain::subscription::{CLASH_KIND, Prolongation, clash_words, next_due, prolong, reserved_until};
use caravan_domain::trainer::Closure;
use caravan_domain::window::horizon;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tracing::error;

use super::window::{self, Target};
use crate::engine::worker::{Outcome, WorkError};
use crate::platform::rows::{Allocation, Purchase, TrainerRow};
use crate::platform::store::Store;
use crate::platform::transaction::{LoadShift, NewSession, Party, PartyTime, Prolonged, PurchaseNote};

const SOURCE: &str = "/caravan/purchases";
/// Who is noted for what could not be reserved.
const BY_THE_CRON: &str = "cron";
/// Weeks begin up to this long before any of their sessions, wherever they are.
const WEEK: SignedDuration = SignedDuration::from_hours(9 * 24);

/// A plan of which dates are to be judged.
struct Due<'a> {
    purchase: &'a Purchase,
    allocation: &'a Allocation,
    plan: Schedule,
    until: Date,
    first: Date,
}

/// What keeps these plans reserved as far ahead as they should be.
///
/// # Errors
/// If the store can't be read, or a purchase can't be understood.
pub(super) async fn decide(
    purchases: &[Purchase],
    target: Target,
    store: &dyn Store,
    now: Timestamp,
) -> Result<Outcome, WorkError> {
    let mut outcome = Outcome::default();
    let due = due(purchases, target)?;
    let Some(first) = due.iter().map(|due| due.first).min() else { return Ok(outcome) };
    let mut desk = Desk::read(&due, first, store).await?;
    for due in &due {
        desk.prolong(&mut outcome, due, now)?;
    }
    desk.finish(&mut outcome);
    Ok(outcome)
}

fn due(purchases: &[Purchase], target: Target) -> Result<Vec<Due<'_>>, WorkError> {
    let mut found = Vec::new();
    for purchase in purchases {
        let Some(allocation) = &purchase.allocation else { continue };
        let plan = window::schedule(purchase, allocation)?;
        let until = reserved_until(target.today, horizon(target.today, allocation.start_date, target.window_days));
        if let Some(first) = next_due(&plan, until) {
            found.push(Due { purchase, allocation, plan, until, first });
        }
    }
    Ok(found)
}

/// A trainer, with their time as it is with what was decided so far.
struct Teacher {
    row: TrainerRow,
    /// When they can teach, worked out once.
    hours: Hours,
    calendar: Calendar,
    /// Sessions more than before.
    added: u32,
}

/// What dates are judged by.
struct Desk {
    teachers: BTreeMap<String, Teacher>,
    students: HashMap<String, Calendar>,
    closures: Vec<Closure>,
}

impl Desk {
    async fn read(due: &[Due<'_>], first: Date, store: &dyn Store) -> Result<Self, WorkError> {
        let from = first.to_zoned(TimeZone::UTC).map_or(Timestamp::MIN, |midnight| midnight.timestamp());
        let from = from.saturating_sub(WEEK).unwrap_or(from);
        let each_once = |ids: Vec<&String>| {
            let mut ids: Vec<String> = ids.into_iter().cloned().collect();
            ids.sort_unstable();
            ids.dedup();
            ids
        };
        let trainers = each_once(due.iter().map(|due| &due.allocation.trainer_id).collect());
        let students = each_once(due.iter().map(|due| &due.purchase.confirmation.student.id).collect());
        let closures = store.closures().await?;
        let students = store.student_calendars(&students, from).await?;
        let teacher = |mut row: TrainerRow| {
            let calendar = Calendar::from_rows(std::mem::take(&mut row.calendar));
            (row.trainer.trainer_id.clone(), Teacher { hours: Hours::of(&row.trainer), row, calendar, added: 0 })
        };
        let teachers = store.trainers(&trainers, from).await?.into_iter().map(teacher).collect();
        let students = students.into_iter().map(|(id, rows)| (id, Calendar::from_rows(rows))).collect();
        Ok(Self { teachers, students, closures })
    }

    fn prolong(&mut self, outcome: &mut Outcome, due: &Due<'_>, now: Timestamp) -> Result<(), WorkError> {
        let Due { purchase, allocation, plan, until, .. } = due;
        let trainer_id = &allocation.trainer_id;
        let Some(teacher) = self.teachers.get_mut(trainer_id) else {
            error!(purchase = %purchase.id, "[Cron] it can't be reserved further ahead: there is no trainer {trainer_id:?}");
            return Ok(());
        };
        let student = self.students.entry(purchase.confirmation.student.id.clone()).or_default();
        let closures = &self.closures;
        let broken = |at: &Occurrence| {
            let broken = broken_rules(&Asked {
                trainer: &teacher.row.trainer,
                hours: &teacher.hours,
                trainer_calendar: &teacher.calendar,
                languages: &purchase.confirmation.student.languages,
                course: &purchase.confirmation.course,
                student_calendar: student,
                closures,
                at: *at,
            });
            if broken.is_empty() {
                let time = reserved_time([*at]);
                teacher.calendar.reserve(&time);
                student.reserve(&time);
                teacher.added += 1;
            }
            broken
        };
        match prolong(plan, *until, now, broken) {
            Some(found) => write(outcome, due, found, now),
            None => Ok(()),
        }
    }

    /// Trainers that have more to do than before.
    fn finish(self, outcome: &mut Outcome) {
        let with_more = self.teachers.into_iter().filter(|(_, teacher)| teacher.added > 0);
        outcome.effects.loads.extend(with_more.map(|(trainer_id, teacher)| LoadShift {
            trainer_id,
            version: Some(teacher.row.version),
            share: share_increment(1, teacher.row.trainer.weight) * i64::from(teacher.added),
        }));
    }
}

fn write(outcome: &mut Outcome, due: &Due<'_>, found: Prolongation, now: Timestamp) -> Result<(), WorkError> {
    let Due { purchase, allocation, plan, .. } = due;
    let time = reserved_time(found.added.iter().copied());
    if !time.is_empty() {
        let student = Party::Student(purchase.confirmation.student.id.clone());
        let trainer = Party::Trainer(allocation.trainer_id.clone());
        outcome.effects.taken.push(PartyTime { party: trainer, time: time.clone() });
        outcome.effects.taken.push(PartyTime { party: student, time });
    }
    let in_calendar = in_calendar(outcome, due, &found, now)?;
    let note = match found.clashes.as_slice() {
        [] => None,
        clashes => {
            Some(tell(outcome, purchase, clash_words(clashes, plan, &purchase.confirmation.student.time_zone), now)?)
        }
    };
    outcome.effects.prolonged.push(Prolonged {
        purchase_id: purchase.id,
        revision: purchase.revision,
        allocation_id: allocation.id,
        trainer_id: allocation.trainer_id.clone(),
        sessions: allocation.sessions.saturating_add(u16::try_from(found.added.len()).unwrap_or(u16::MAX)),
        skipped: found.skipped.into_iter().collect(),
        in_calendar,
        note,
    });
    Ok(())
}

/// Those that are added before the horizon: a window may be longer than a year, and the cron late.
fn in_calendar(
    outcome: &mut Outcome,
    due: &Due<'_>,
    found: &Prolongation,
    now: Timestamp,
) -> Result<Vec<NewSession>, WorkError> {
    let Due { purchase, allocation, plan, first, .. } = due;
    let Some(horizon) = purchase.horizon else { return Ok(Vec::new()) };
    let before = found.added.iter().copied().take_while(|at| at.local_date < horizon);
    let sessions: Vec<NewSession> = standing(before, &allocation.trainer_id, &purchase.changed)
        .map(|session| window::new_session(purchase, &plan.zone, session))
        .collect();
    if !sessions.is_empty() {
        let id = ids::event_id(allocation.id, &format!("sessions-prolonged:{}", purchase.revision + 1));
        let window = Window { from: *first, until: horizon };
        outcome.events.push(window::scheduled(id, purchase, allocation, window, &sessions, now, None)?);
    }
    Ok(sessions)
}

/// Leaves a trace of what clashes in the purchase's history, and tells of it.
fn tell(outcome: &mut Outcome, purchase: &Purchase, reason: String, now: Timestamp) -> Result<PurchaseNote, WorkError> {
    let revision = purchase.revision + 1;
    let payload = PurchaseChanged {
        purchase_id: purchase.id,
        student_id: purchase.confirmation.student.id.clone(),
        trainer_id: purchase.allocation.as_ref().map(|allocation| allocation.trainer_id.clone()),
        revision,
        kind: CLASH_KIND.to_owned(),
        changed_at: now,
        actor: BY_THE_CRON.to_owned(),
        reason,
        metadata: purchase.confirmation.metadata.clone(),
    };
    let id = ids::event_id(purchase.id, &format!("purchase-changed:{revision}"));
    let event = Event::telling(&payload, id, now, SOURCE, None);
    outcome.events.push(event.map_err(|error| WorkError::Failed(error.to_string()))?);
    let PurchaseChanged { actor, reason, .. } = payload;
    Ok(PurchaseNote { revision, kind: CLASH_KIND, changed_at: now, actor, reason })
}
