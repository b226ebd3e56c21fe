//! Planning the rest of a purchase anew: another allocation begins where the one before it ends.

use std::collections::BTreeMap;

use caravan_domain::allocation::{Booking, reserved_time, share_increment};
use caravan_domain::event::{ChangedSession, Event, PurchaseChanged, Window};
use caravan_domain::ids;
use caravan_domain::plan::{Occurrence, Schedule};
use caravan_domain::purchase::{Confirmation, Ordered};
use caravan_domain::rest::Rest;
use caravan_domain::session::{SessionState, SessionStatus, Standing};
use jiff::ToSpan;
use jiff::civil::Date;
use uuid::Uuid;

use super::binding::{self, Bound, unwritable};
use super::changing::{self, Order, Trainers};
use super::window;
use crate::engine::worker::{Outcome, WorkError};
use crate::platform::rows::{Allocation, Purchase};
use crate::platform::transaction::{
    ChangedSession as Differs, LoadShift, NewAllocation, NewSession, Party, PartyTime, Replanned, SessionChange,
    SessionsChange, Trace,
};

const SOURCE: &str = "/caravan/purchases";

/// What was decided about the rest of a purchase.
#[derive(Clone, Copy, Debug)]
pub struct Anew<'a> {
    /// The purchase as it stands.
    pub purchase: &'a Purchase,
    /// What is planned anew.
    pub rest: &'a Rest,
    /// Who teaches it from then on, and when.
    pub booking: &'a Booking,
    /// The purchase as it is from now on.
    pub confirmation: &'a Confirmation,
    /// The last session that is to be held: those behind it that stand in the calendar already are called off.
    pub last_held: u32,
    /// The last session there is.
    pub last: u32,
    /// Whether course or plan are others than before.
    pub amended: bool,
    /// The new trainer's share of the work without the rest.
    pub share_before: i64,
}

/// Writes it and tells of it; `trainers` are all whose work changes, with their weights.
///
/// # Errors
/// If the purchase can't be understood, or there is no room in the calendar for all sessions.
pub fn replan(outcome: &mut Outcome, anew: &Anew<'_>, order: &Order, trainers: &Trainers) -> Result<(), WorkError> {
    let Anew { purchase, .. } = *anew;
    let unknown = || WorkError::Failed(format!("purchase {} has no trainer", purchase.id));
    let active = purchase.allocation.as_ref().ok_or_else(unknown)?;
    let laid_out = LaidOut::of(anew, active)?;
    let id = ids::allocation_id(purchase.id, purchase.generations + 1);
    let (changes, told) = laid_out.changes(anew);
    let new = laid_out.new_sessions(anew);

    let generation = purchase.generations + 1;
    let revision = Some(purchase.revision);
    let bound = Bound { confirmation: anew.confirmation, revision, generation, first_ordinal: anew.rest.first_ordinal };
    let payload = binding::payload(&bound, anew.booking, order.at);
    outcome.events.push(binding::allocated(&payload, order.at, None)?);
    if !told.is_empty() {
        outcome.events.push(changing::event(purchase, order, told)?);
    }
    outcome.events.extend(laid_out.scheduled(anew, order, id, &new)?);
    if anew.amended {
        outcome.events.push(amended(purchase, Some(&anew.booking.trainer_id), order)?);
    }
    laid_out.hand_over(outcome, anew, trainers);
    outcome.effects.session_changes.push(SessionsChange {
        purchase_id: purchase.id,
        revision: purchase.revision,
        allocation_id: active.id,
        kind: order.kind,
        changed_at: order.at,
        actor: order.actor.clone(),
        reason: order.reason.clone(),
        overrides: Vec::new(),
        sessions: changes,
        extended: None,
        replanned: Some(replanned(anew, active, order, id, laid_out.horizon)?),
        added: new.into_iter().map(|session| (anew.booking.trainer_id.clone(), session)).collect(),
    });
    Ok(())
}

/// What is told when people amend course or plan; `trainer_id` is who teaches it then.
///
/// # Errors
/// If it can't be written as JSON.
pub fn amended(purchase: &Purchase, trainer_id: Option<&str>, order: &Order) -> Result<Event, WorkError> {
    let payload = PurchaseChanged {
        purchase_id: purchase.id,
        student_id: purchase.confirmation.student.id.clone(),
        trainer_id: trainer_id.map(str::to_owned),
        revision: purchase.revision + 1,
        kind: order.kind.to_owned(),
        changed_at: order.at,
        actor: order.actor.clone(),
        reason: order.reason.clone(),
        metadata: purchase.confirmation.metadata.clone(),
    };
    let id = ids::event_id(purchase.id, &format!("purchase-changed:{}", payload.revision));
    Event::telling(&payload, id, order.at, SOURCE, None).map_err(unwritable)
}

/// The rest by its new plan.
struct LaidOut {
    plan: Schedule,
    occurrences: BTreeMap<u32, Occurrence>,
    /// As it is from now on.
    horizon: Option<Date>,
}

impl LaidOut {
    fn of(anew: &Anew<'_>, active: &Allocation) -> Result<Self, WorkError> {
        let Anew { purchase, rest, booking, confirmation, last, .. } = *anew;
        let sessions = u16::try_from(last + 1 - rest.first_ordinal).unwrap_or(u16::MAX);
        let plan = Schedule {
            start_date: booking.start_date,
            slots: booking.slots.clone(),
            first_ordinal: rest.first_ordinal,
            sessions,
            minutes: confirmation.plan.minutes,
            skipped: booking.skipped.iter().copied().collect(),
            ..window::schedule(purchase, active)?
        };
        let occurrences: BTreeMap<u32, Occurrence> = plan.occurrences().map(|at| (at.ordinal, at)).collect();
        if occurrences.len() != usize::from(sessions) {
            return Err(WorkError::Failed(format!(
                "the calendar has no room for the rest of purchase {}",
                purchase.id
            )));
        }
        // What stands in the calendar stays there, wherever it moves.
        let there = rest.sessions.iter().filter(|session| is_in_calendar(purchase, session));
        let last_there = there.filter_map(|session| occurrences.get(&session.planned.ordinal)).next_back();
        let reach = last_there.map(|at| at.local_date.saturating_add(1.day()));
        let horizon = purchase.horizon.map(|horizon| reach.map_or(horizon, |reach| horizon.max(reach)));
        Ok(Self { plan, occurrences, horizon })
    }

    fn is_off(anew: &Anew<'_>, ordinal: u32) -> bool {
        ordinal > anew.last_held || anew.rest.is_off(ordinal)
    }

    /// Those that are to be held.
    fn held<'a>(&'a self, anew: &'a Anew<'_>) -> impl Iterator<Item = Occurrence> + 'a {
        self.occurrences.values().copied().filter(|at| !Self::is_off(anew, at.ordinal))
    }

    /// What changes of sessions that stand in the calendar or that people have changed, and what is told of it.
    fn changes(&self, anew: &Anew<'_>) -> (Vec<SessionChange>, Vec<ChangedSession>) {
        let purchase = anew.purchase;
        let (mut changes, mut told) = (Vec::new(), Vec::new());
        for session in &anew.rest.sessions {
            let ordinal = session.planned.ordinal;
            let in_calendar = is_in_calendar(purchase, session);
            let Some(at) = self.occurrences.get(&ordinal) else { continue };
            let off = Self::is_off(anew, ordinal);
            let after = SessionState {
                trainer_id: anew.booking.trainer_id.clone(),
                starts_at: at.starts_at,
                ends_at: at.ends_at,
                status: if off { SessionStatus::Cancelled } else { SessionStatus::Scheduled },
            };
            if !(in_calendar || session.changed || off) || (after == session.state && !session.changed) {
                continue;
            }
            told.push(ChangedSession {
                session_id: ids::session_id(purchase.id, ordinal),
                ordinal,
                local_date: at.local_date,
                before: Some(session.state.clone()),
                after: after.clone(),
            });
            changes.push(SessionChange {
                ordinal,
                before: session.state.clone(),
                after,
                local_date: at.local_date,
                planned_starts_at: at.starts_at,
                in_calendar,
                terms: None,
                trace: if off { Trace::Stands } else { Trace::Replanned },
            });
        }
        (changes, told)
    }

    /// What stands before the horizon now and was not in the calendar.
    fn new_sessions(&self, anew: &Anew<'_>) -> Vec<NewSession> {
        let Some(horizon) = self.horizon else { return Vec::new() };
        let there = |ordinal: u32| {
            let session = anew.rest.sessions.iter().find(|session| session.planned.ordinal == ordinal);
            session.is_some_and(|session| is_in_calendar(anew.purchase, session))
        };
        let due = self.occurrences.values().filter(|at| at.local_date < horizon && !there(at.ordinal));
        let row = |at: &Occurrence| NewSession {
            id: ids::session_id(anew.purchase.id, at.ordinal),
            ordinal: at.ordinal,
            local_date: at.local_date,
            starts_at: at.starts_at,
            ends_at: at.ends_at,
            changed: Self::is_off(anew, at.ordinal).then(|| Differs {
                trainer_id: anew.booking.trainer_id.clone(),
                status: SessionStatus::Cancelled,
                planned_starts_at: at.starts_at,
            }),
        };
        due.map(row).collect()
    }

    fn scheduled(
        &self,
        anew: &Anew<'_>,
        order: &Order,
        id: Uuid,
        new: &[NewSession],
    ) -> Result<Option<Event>, WorkError> {
        let (Some(first), Some(until)) = (new.first(), self.horizon) else { return Ok(None) };
        let Booking { trainer_id, start_date, slots, .. } = anew.booking;
        let allocation = Allocation {
            id,
            trainer_id: trainer_id.clone(),
            allocated_at: order.at,
            start_date: *start_date,
            slots: slots.clone(),
            first_ordinal: self.plan.first_ordinal,
            sessions: self.plan.sessions,
            minutes: self.plan.minutes,
            skipped: Vec::new(),
        };
        let window = Window { from: first.local_date, until };
        let id = ids::event_id(id, &format!("sessions-scheduled:{until}"));
        window::scheduled(id, anew.purchase, &allocation, window, new, order.at, None).map(Some)
    }

    /// Time and shares of the work change hands.
    fn hand_over(&self, outcome: &mut Outcome, anew: &Anew<'_>, trainers: &Trainers) {
        let Anew { purchase, rest, booking, .. } = *anew;
        let student = || Party::Student(purchase.confirmation.student.id.clone());
        let mut freed: BTreeMap<Party, Vec<Occurrence>> = BTreeMap::new();
        let mut shares: BTreeMap<&str, i64> = BTreeMap::new();
        let weight = |id: &str| trainers.get(id).copied().unwrap_or_default().weight;
        for session in rest.to_hold() {
            let (id, at) = (session.state.trainer_id.as_str(), session.occurrence(&self.plan.zone));
            freed.entry(Party::Trainer(id.to_owned())).or_default().push(at);
            freed.entry(student()).or_default().push(at);
            *shares.entry(id).or_default() -= share_increment(1, weight(id));
        }
        let free = |(party, time): (Party, Vec<Occurrence>)| PartyTime { party, time: reserved_time(time) };
        outcome.effects.freed.extend(freed.into_iter().map(free));
        let held: Vec<Occurrence> = self.held(anew).collect();
        for party in [Party::Trainer(booking.trainer_id.clone()), student()] {
            outcome.effects.taken.push(PartyTime { party, time: reserved_time(held.iter().copied()) });
        }
        let own = weight(&booking.trainer_id);
        let not_held = share_increment(self.plan.sessions - held.len() as u16, own);
        *shares.entry(&booking.trainer_id).or_default() += booking.share_after - not_held - anew.share_before;
        for (id, share) in shares {
            let version = trainers.get(id).filter(|_| id == booking.trainer_id).map(|known| known.version);
            outcome.effects.loads.push(LoadShift { trainer_id: id.to_owned(), version, share });
        }
    }
}

fn is_in_calendar(purchase: &Purchase, session: &Standing) -> bool {
    purchase.horizon.is_some_and(|horizon| session.planned.local_date < horizon)
}

fn replanned(
    anew: &Anew<'_>,
    active: &Allocation,
    order: &Order,
    id: Uuid,
    horizon: Option<Date>,
) -> Result<Replanned, WorkError> {
    let Anew { purchase, rest, booking, confirmation, last, .. } = *anew;
    let mut ordered: Ordered = confirmation.ordered();
    let sessions_total = ordered.plan.sessions.map(|_| last);
    ordered.plan.sessions = sessions_total.map(|total| u16::try_from(total).unwrap_or(u16::MAX));
    let first = purchase.earlier.first().unwrap_or(active).first_ordinal;
    let nothing_kept = rest.first_ordinal == first;
    let allocation = NewAllocation {
        id,
        purchase_id: purchase.id,
        student_id: purchase.confirmation.student.id.clone(),
        trainer_id: booking.trainer_id.clone(),
        revision: None,
        generation: purchase.generations + 1,
        slots: booking.slots.clone(),
        first_ordinal: rest.first_ordinal,
        sessions: u16::try_from(last + 1 - rest.first_ordinal).unwrap_or(u16::MAX),
        start_date: booking.start_date,
        skipped: booking.skipped.clone(),
        reserved: Vec::new(),
        receipt: serde_json::to_string(&booking.receipt).map_err(unwritable)?,
        allocated_at: order.at,
        ordered: Some(ordered),
    };
    Ok(Replanned {
        ordered_before: purchase.confirmation.ordered(),
        allocation,
        amended: anew.amended.then(|| confirmation.ordered()),
        sessions_total,
        start_date: nothing_kept.then_some(booking.start_date),
        horizon,
    })
}
