//! What a person changes of a purchase's sessions: the same for one session and for all that a leave touches.

use std::collections::{BTreeMap, HashMap};

use caravan_domain::allocation::{JudgedTrainer, reserved_time, share_increment};
use caravan_domain::event::{ChangedSession, Event, SessionsChanged};
use caravan_domain::ids::{event_id, session_id};
use caravan_domain::plan::{Occurrence, Schedule};
use caravan_domain::session::{SessionRule, SessionState, Standing, standing};
use jiff::Timestamp;

use super::window;
use crate::engine::worker::{Outcome, WorkError};
use crate::platform::rows::{Allocation, Purchase};
use crate::platform::transaction::{
    LoadShift, NewSession, Party, PartyTime, PlanExtension, SessionChange, SessionsChange, Trace,
};

const SOURCE: &str = "/caravan/sessions";

/// Who wants something changed, and why.
#[derive(Clone, Debug)]
pub struct Order {
    /// What it is called in the purchase's timeline.
    pub kind: &'static str,
    /// Who decides.
    pub actor: String,
    /// Why, in their words.
    pub reason: String,
    /// The rules they decide against.
    pub overrides: Vec<SessionRule>,
    /// When.
    pub at: Timestamp,
}

/// How a session is to stand from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Which.
    pub ordinal: u32,
    /// How it stands.
    pub after: SessionState,
    /// The trainer as they were judged for it, if they were.
    pub terms: Option<JudgedTrainer>,
}

/// What changes of a purchase at once.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Sessions that stand otherwise.
    pub sessions: Vec<Wanted>,
    /// Sessions added at the end of the plan, and its trainer as they were judged for them.
    pub extension: Option<(PlanExtension, JudgedTrainer)>,
}

/// What is known of a trainer: their weight, and the version that was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Their weight.
    pub weight: u32,
    /// Advanced by whatever changes their work.
    pub version: i64,
}

/// What is known of the trainers whose work changes, by their ids.
pub type Trainers = HashMap<String, Known>;

/// Changes sessions of a purchase that has an active allocation.
///
/// # Errors
/// If the purchase can't be understood, or has no such session.
pub fn change(
    outcome: &mut Outcome,
    purchase: &Purchase,
    order: &Order,
    wish: Wish,
    trainers: &Trainers,
) -> Result<(), WorkError> {
    let unknown = |what: String| WorkError::Failed(format!("purchase {} has no {what}", purchase.id));
    let allocation = purchase.allocation.as_ref().ok_or_else(|| unknown("trainer".to_owned()))?;
    let (extension, judged) = wish.extension.unzip();
    let plan = extended(window::schedule(purchase, allocation)?, extension.as_ref());
    let now_or_added = window::sessions_of(purchase)?.into_iter().chain(standing(
        plan.occurrences(),
        &allocation.trainer_id,
        &purchase.changed,
    ));
    let sessions: BTreeMap<u32, Standing> = now_or_added.map(|session| (session.planned.ordinal, session)).collect();
    let mut changing = Changing { purchase, plan: &plan, changes: Vec::new(), told: Vec::new(), work: Work::default() };
    for wanted in wish.sessions {
        let ordinal = wanted.ordinal;
        let before = sessions.get(&ordinal).ok_or_else(|| unknown(format!("session {ordinal}")))?;
        changing.session(before, wanted)?;
    }
    let added = added(allocation, extension.as_ref());
    let new: Vec<&Standing> = added.filter_map(|ordinal| sessions.get(&ordinal)).collect();
    let in_calendar = new.iter().filter(|session| changing.is_in_calendar(session));
    let row = |session: &Standing| window::new_session(purchase, &plan.zone, session.clone());
    let new_sessions: Vec<(String, NewSession)> =
        in_calendar.map(|session| (session.state.trainer_id.clone(), row(session))).collect();
    for session in new {
        changing.add(session, judged.as_ref())?;
    }

    changing.put(outcome, order, trainers)?;
    if let Some(change) = outcome.effects.session_changes.last_mut() {
        (change.extended, change.added) = (extension, new_sessions);
    }
    Ok(())
}

/// A session whose plan means another instant by other clocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Displaced {
    /// Where the plan has it by the clocks as they are known now.
    pub planned: Occurrence,
    /// How it stood; `None` if no time was reserved for it.
    pub before: Option<SessionState>,
    /// How it stands.
    pub after: SessionState,
    /// What is kept and told of it.
    pub remark: Remark,
}

/// What is kept and told of a displaced session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remark {
    /// It follows its plan, now and whenever the clocks are changed again.
    Follows,
    /// It stays where it is, whatever the plan says, which a person is to look at.
    Stays,
    /// It stays where it is: it is over, or a person has put it there.
    Silent,
}

/// Puts the sessions of a purchase where its plan has them by other clocks.
///
/// # Errors
/// If the purchase can't be understood.
pub fn displace(
    outcome: &mut Outcome,
    purchase: &Purchase,
    order: &Order,
    displaced: Vec<Displaced>,
    trainers: &Trainers,
) -> Result<(), WorkError> {
    let missing = || WorkError::Failed(format!("purchase {} has no trainer", purchase.id));
    let plan = window::schedule(purchase, purchase.allocation.as_ref().ok_or_else(missing)?)?;
    let mut changing = Changing { purchase, plan: &plan, changes: Vec::new(), told: Vec::new(), work: Work::default() };
    for session in displaced {
        changing.displace(session)?;
    }
    changing.put(outcome, order, trainers)
}

/// The plan with the sessions that are added.
fn extended(plan: Schedule, extension: Option<&PlanExtension>) -> Schedule {
    match extension {
        Some(PlanExtension { sessions, skipped, .. }) => {
            Schedule { sessions: *sessions, skipped: skipped.iter().copied().collect(), ..plan }
        }
        None => plan,
    }
}

/// The ordinals that are added.
fn added(allocation: &Allocation, extension: Option<&PlanExtension>) -> std::ops::Range<u32> {
    let first = allocation.first_ordinal + u32::from(allocation.sessions);
    first..first + extension.map_or(0, |extension| u32::from(extension.added))
}

/// What a wish comes to, as it is gathered.
struct Changing<'a> {
    purchase: &'a Purchase,
    plan: &'a Schedule,
    changes: Vec<SessionChange>,
    told: Vec<ChangedSession>,
    work: Work,
}

impl Changing<'_> {
    fn session(&mut self, before: &Standing, wanted: Wanted) -> Result<(), WorkError> {
        let changed = Standing { planned: before.planned, state: wanted.after, changed: true };
        self.work.take_from(before, self.plan);
        self.work.give_to(&changed, self.plan);
        self.tell(Some(&before.state), &changed);
        let in_calendar = self.is_in_calendar(before);
        self.note(before.state.clone(), &changed, in_calendar, wanted.terms.as_ref())
    }

    /// What was planned there comes to stand somewhere else, or stays although its plan would have it elsewhere.
    fn displace(&mut self, displaced: Displaced) -> Result<(), WorkError> {
        let Displaced { planned, before, after, remark } = displaced;
        let is = Standing { planned, state: after, changed: true };
        if before.as_ref() != Some(&is.state) {
            if let Some(state) = before.clone() {
                self.work.take_from(&Standing { state, ..is.clone() }, self.plan);
            }
            self.work.give_to(&is, self.plan);
        }
        if remark != Remark::Silent {
            self.tell(before.as_ref(), &is);
        }
        let in_calendar = self.is_in_calendar(&is);
        self.note(before.unwrap_or_else(|| is.state.clone()), &is, in_calendar, None)?;
        if let Some(change) = self.changes.last_mut() {
            change.trace = if remark == Remark::Follows { Trace::Nothing } else { Trace::Stands };
        }
        Ok(())
    }

    /// Puts down what was gathered.
    fn put(self, outcome: &mut Outcome, order: &Order, trainers: &Trainers) -> Result<(), WorkError> {
        let Changing { purchase, changes, told, work, .. } = self;
        let missing = || WorkError::Failed(format!("purchase {} has no trainer", purchase.id));
        let allocation = purchase.allocation.as_ref().ok_or_else(missing)?;
        outcome.events.push(event(purchase, order, told)?);
        work.put(outcome, purchase, trainers);
        outcome.effects.session_changes.push(SessionsChange {
            purchase_id: purchase.id,
            revision: purchase.revision,
            allocation_id: allocation.id,
            kind: order.kind,
            changed_at: order.at,
            actor: order.actor.clone(),
            reason: order.reason.clone(),
            overrides: order.overrides.clone(),
            sessions: changes,
            extended: None,
            replanned: None,
            added: Vec::new(),
        });
        Ok(())
    }

    fn add(&mut self, session: &Standing, judged: Option<&JudgedTrainer>) -> Result<(), WorkError> {
        self.work.give_to(session, self.plan);
        self.tell(None, session);
        self.note(session.state.clone(), session, false, judged)
    }

    fn note(
        &mut self,
        before: SessionState,
        after: &Standing,
        in_calendar: bool,
        judged: Option<&JudgedTrainer>,
    ) -> Result<(), WorkError> {
        let terms = judged.map(serde_json::to_string).transpose();
        self.changes.push(SessionChange {
            ordinal: after.planned.ordinal,
            before,
            local_date: after.local_date(&self.plan.zone),
            after: after.state.clone(),
            planned_starts_at: after.planned.starts_at,
            in_calendar,
            terms: terms.map_err(|error| WorkError::Failed(error.to_string()))?,
            trace: Trace::Stands,
        });
        Ok(())
    }

    fn is_in_calendar(&self, session: &Standing) -> bool {
        self.purchase.horizon.is_some_and(|horizon| session.planned.local_date < horizon)
    }

    fn tell(&mut self, before: Option<&SessionState>, after: &Standing) {
        self.told.push(ChangedSession {
            session_id: session_id(self.purchase.id, after.planned.ordinal),
            ordinal: after.planned.ordinal,
            local_date: after.local_date(&self.plan.zone),
            before: before.cloned(),
            after: after.state.clone(),
        });
    }
}

/// Time and shares that change hands.
#[derive(Default)]
struct Work {
    freed: BTreeMap<Party, Vec<Occurrence>>,
    taken: BTreeMap<Party, Vec<Occurrence>>,
    /// Sessions more or fewer, by trainer.
    sessions: BTreeMap<String, i64>,
}

impl Work {
    fn take_from(&mut self, session: &Standing, plan: &Schedule) {
        if session.state.takes_time() {
            let trainer_id = &session.state.trainer_id;
            self.freed.entry(Party::Trainer(trainer_id.clone())).or_default().push(session.occurrence(&plan.zone));
            *self.sessions.entry(trainer_id.clone()).or_default() -= 1;
        }
    }

    fn give_to(&mut self, session: &Standing, plan: &Schedule) {
        if session.state.takes_time() {
            let trainer_id = &session.state.trainer_id;
            self.taken.entry(Party::Trainer(trainer_id.clone())).or_default().push(session.occurrence(&plan.zone));
            *self.sessions.entry(trainer_id.clone()).or_default() += 1;
        }
    }

    /// The student's time is that of all trainers together.
    fn put(self, outcome: &mut Outcome, purchase: &Purchase, trainers: &Trainers) {
        let student = || Party::Student(purchase.confirmation.student.id.clone());
        let rows = |by_party: &BTreeMap<Party, Vec<_>>| {
            let all: Vec<Occurrence> = by_party.values().flatten().copied().collect();
            let theirs = by_party.iter().map(|(party, time)| (party.clone(), reserved_time(time.iter().copied())));
            let mut rows: Vec<PartyTime> = theirs.map(|(party, time)| PartyTime { party, time }).collect();
            rows.push(PartyTime { party: student(), time: reserved_time(all) });
            rows.retain(|row| !row.time.is_empty());
            rows
        };
        outcome.effects.freed.extend(rows(&self.freed));
        outcome.effects.taken.extend(rows(&self.taken));
        for (trainer_id, sessions) in self.sessions {
            let known = trainers.get(&trainer_id).copied();
            let one = share_increment(1, known.unwrap_or_default().weight);
            let takes = self.taken.contains_key(&Party::Trainer(trainer_id.clone()));
            let version = known.filter(|_| takes).map(|known| known.version);
            outcome.effects.loads.push(LoadShift { trainer_id, version, share: one * sessions });
        }
    }
}

/// What is told of changed sessions.
pub(super) fn event(purchase: &Purchase, order: &Order, sessions: Vec<ChangedSession>) -> Result<Event, WorkError> {
    let revision = purchase.revision + 1;
    let payload = SessionsChanged {
        purchase_id: purchase.id,
        student_id: purchase.confirmation.student.id.clone(),
        time_zone: purchase.confirmation.student.time_zone.clone(),
        revision,
        changed_at: order.at,
        cause: order.kind.to_owned(),
        actor: order.actor.clone(),
        reason: order.reason.clone(),
        overrides: order.overrides.iter().map(|rule| rule.name().to_owned()).collect(),
        sessions,
        metadata: purchase.confirmation.metadata.clone(),
    };
    let id = event_id(purchase.id, &format!("sessions-changed:{revision}"));
    Event::telling(&payload, id, order.at, SOURCE, None).map_err(|error| WorkError::Failed(error.to_string()))
}
