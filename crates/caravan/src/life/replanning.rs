//! Planning the rest of a purchase anew: with another trainer, or with another course or plan. A purchase nobody teaches
//! yet is only amended; it is looked at again then.

use caravan_domain::allocation::{Booking, Calendar, Decision, Policy, reserved_time, share_increment};
use caravan_domain::allocation::{Request as Asked, Roster, TrainerState};
use caravan_domain::plan::{Plan, zone_named};
use caravan_domain::purchase::{Confirmation, PurchaseStatus};
use caravan_domain::rest::{Rest, rest_of, suits};
use caravan_domain::session::Standing;
use caravan_domain::window::first_bookable_date;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::{ChangeError, commit, known};
use crate::engine::worker::Outcome;
use crate::platform::Platform;
use crate::platform::rows::{Purchase, TrainerRow};
use crate::platform::transaction::Amendment;
use crate::workers::allocation::first_matter;
use crate::workers::cancellation::trainers_of;
use crate::workers::changing::Order;
use crate::workers::replanning::{self, Anew};
use crate::workers::window::sessions_of;

mod amendment;

pub use amendment::FILE_BYTES_MAX;

/// Trainers read at once.
const PAGE: usize = 1_000;

/// What is asked for.
#[derive(Clone, Debug)]
pub enum Wish {
    /// Somebody else teaches the rest.
    Reassign {
        /// Who does not teach it any more: who teaches it now without one. If somebody else does already, nothing changes.
        instead_of: Option<String>,
        /// Who shall teach it: whoever fits best without one.
        trainer_id: Option<String>,
    },
    /// The rest is another course, or another plan.
    Amend(Vec<u8>),
}

/// What a person asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which purchase.
    pub purchase_id: Uuid,
    /// What of it.
    pub wish: Wish,
    /// The first date that is planned anew, in the student's zone. Without one it is the first that can be; the end of the
    /// plan, where only its length changes.
    pub from: Option<Date>,
    /// Who asks.
    pub actor: String,
    /// Why, in their words.
    pub reason: String,
}

/// What became of it.
#[derive(Clone, Debug)]
pub enum Done {
    /// The rest is planned so now.
    Replanned {
        /// Who teaches it, and when.
        booking: Box<Booking>,
        /// The first session of it.
        first_ordinal: u32,
        /// How many sessions are still to be held.
        to_hold: usize,
    },
    /// It waits for a trainer with its new terms.
    Amended,
    /// It was so before: nothing changed.
    Before,
}

/// Plans the rest of a purchase anew, all of it or nothing.
///
/// # Errors
/// [`ChangeError`]; then nothing has changed.
pub async fn replan(platform: &Platform, request: &Request, policy: Policy) -> Result<Done, ChangeError> {
    for attempt in 1.. {
        let found = platform.store.purchases(&[request.purchase_id]).await?;
        let purchase = found.into_iter().next().ok_or(ChangeError::UnknownPurchase(request.purchase_id))?;
        let Some((outcome, done)) = decide(platform, request, &purchase, policy).await? else {
            return Ok(Done::Before);
        };
        if commit(platform, outcome, attempt).await? {
            return Ok(done);
        }
    }
    unreachable!("the last attempt returns")
}

/// What follows from the request now; `None` if it is so already.
async fn decide(
    platform: &Platform,
    request: &Request,
    purchase: &Purchase,
    policy: Policy,
) -> Result<Option<(Outcome, Done)>, ChangeError> {
    let now = platform.clock.now();
    let order = Order {
        kind: match request.wish {
            Wish::Reassign { .. } => "reassigned",
            Wish::Amend(_) => "amended",
        },
        actor: request.actor.clone(),
        reason: request.reason.clone(),
        overrides: Vec::new(),
        at: now,
    };
    let waits = matches!(purchase.status, PurchaseStatus::Created | PurchaseStatus::Waitlisted);
    if !waits && !PurchaseStatus::UNDER_WAY.contains(&purchase.status) {
        return Err(ChangeError::NotUnderWay(purchase.id, purchase.status));
    }
    let confirmation = match &request.wish {
        Wish::Amend(file) => amendment::amended(file, purchase, now)?,
        Wish::Reassign { .. } if waits => return Err(ChangeError::NoTrainerYet(purchase.id)),
        Wish::Reassign { instead_of, trainer_id } => {
            if is_reassigned(purchase, instead_of.as_deref(), trainer_id.as_deref()) {
                return Ok(None);
            }
            purchase.confirmation.clone()
        }
    };
    let amends = confirmation != purchase.confirmation;
    match request.wish {
        Wish::Amend(_) if !amends => Ok(None),
        Wish::Amend(_) if waits => amend(purchase, &confirmation, &order).map(|outcome| Some((outcome, Done::Amended))),
        _ => {
            let desk = Desk::read(platform, request, purchase, confirmation, policy, now).await?;
            desk.decide(purchase, &order, amends).map(Some)
        }
    }
}

fn is_reassigned(purchase: &Purchase, instead_of: Option<&str>, trainer_id: Option<&str>) -> bool {
    let teaches = purchase.allocation.as_ref().map(|allocation| allocation.trainer_id.as_str());
    let given_away = instead_of.is_some_and(|away| teaches != Some(away));
    given_away && (trainer_id.is_none() || trainer_id == teaches)
}

/// A purchase that waits is amended, and looked at again.
fn amend(purchase: &Purchase, confirmation: &Confirmation, order: &Order) -> Result<Outcome, ChangeError> {
    let mut outcome = Outcome::default();
    outcome.events.push(replanning::amended(purchase, None, order)?);
    outcome.effects.look_again = true;
    outcome.effects.amendments.push(Amendment {
        purchase_id: purchase.id,
        revision: purchase.revision,
        ordered: confirmation.ordered(),
        changed_at: order.at,
        actor: order.actor.clone(),
        reason: order.reason.clone(),
    });
    Ok(outcome)
}

/// Everything that the rest is planned from.
struct Desk {
    now: Timestamp,
    confirmation: Confirmation,
    from: Date,
    rest: Rest,
    last_held: u32,
    last: u32,
    /// Those who could teach it, and those who teach it now; without the time that is planned anew.
    trainers: Vec<TrainerRow>,
    calendars: Vec<Calendar>,
    student: Calendar,
    candidates: Vec<String>,
    preferred: Option<String>,
    roster: Roster,
}

impl Desk {
    async fn read(
        platform: &Platform,
        request: &Request,
        purchase: &Purchase,
        confirmation: Confirmation,
        policy: Policy,
        now: Timestamp,
    ) -> Result<Self, ChangeError> {
        let name = &confirmation.student.time_zone;
        let zone = zone_named(name)
            .ok_or_else(|| ChangeError::Unreadable(format!("purchase {}: unknown zone {name:?}", purchase.id)))?;
        let sessions = sessions_of(purchase)?;
        let only_length = request.from.is_none() && differs_in_length_alone(&purchase.confirmation, &confirmation);
        let asked = if only_length { end_of(purchase, &confirmation, &sessions, &zone) } else { request.from };
        let first = first_bookable_date(Date::MIN, now, &zone, policy.lead_days);
        let from = match asked {
            Some(from) if from < first && request.from.is_some() => return Err(ChangeError::TooEarly { from, first }),
            Some(from) => from.max(first),
            None => first,
        };
        let rest = rest_of(sessions, &zone, from, now);
        let (last_held, last) = extent(purchase, &confirmation, &rest, from)?;
        let teaches = purchase.allocation.as_ref().map(|allocation| allocation.trainer_id.clone());
        let (candidates, preferred) = match &request.wish {
            Wish::Reassign { trainer_id: Some(only), .. } => (vec![only.clone()], None),
            Wish::Reassign { .. } => {
                let all = candidates(platform, &confirmation).await?;
                let preferred =
                    confirmation.preferred_trainer_id.clone().filter(|preferred| Some(preferred) != teaches.as_ref());
                (all.into_iter().filter(|id| Some(id) != teaches.as_ref()).collect(), preferred)
            }
            // Who teaches it goes on if they can.
            Wish::Amend(_) => (candidates(platform, &confirmation).await?, teaches),
        };
        let mut ids: Vec<String> = candidates.iter().cloned().chain(trainers_of(purchase)).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut trainers = Vec::with_capacity(ids.len());
        for ids in ids.chunks(PAGE) {
            trainers.extend(platform.store.trainers(ids, first_matter(now)).await?);
        }
        let missing = candidates.iter().find(|id| !trainers.iter().any(|row| row.trainer.trainer_id == **id));
        if let Some(missing) = missing {
            return Err(ChangeError::UnknownTrainer(missing.clone()));
        }
        let calendars = trainers.iter_mut().map(|row| Calendar::from_rows(std::mem::take(&mut row.calendar))).collect();
        let students = std::slice::from_ref(&confirmation.student.id);
        let student = platform.store.student_calendars(students, first_matter(now)).await?;
        let student = Calendar::from_rows(student.into_iter().flat_map(|(_, rows)| rows).collect());
        let mut roster = Roster::new(policy);
        roster.set_closures(platform.store.closures().await?);
        let mut desk = Self {
            now,
            confirmation,
            from,
            rest,
            last_held,
            last,
            trainers,
            calendars,
            student,
            candidates,
            preferred,
            roster,
        };
        desk.free(&zone);
        Ok(desk)
    }

    /// Frees the time that is planned anew, and the shares of the work that go with it.
    fn free(&mut self, zone: &TimeZone) {
        let sessions: Vec<Standing> = self.rest.to_hold().cloned().collect();
        for session in sessions {
            let time = reserved_time([session.occurrence(zone)]);
            self.student.release(&time);
            let place = self.trainers.iter().position(|row| row.trainer.trainer_id == session.state.trainer_id);
            if let Some(place) = place {
                self.calendars[place].release(&time);
                let row = &mut self.trainers[place];
                row.share = row.share.map(|share| share - share_increment(1, row.trainer.weight));
            }
        }
    }

    fn decide(mut self, purchase: &Purchase, order: &Order, amended: bool) -> Result<(Outcome, Done), ChangeError> {
        for (row, calendar) in self.trainers.iter().zip(&self.calendars) {
            if self.candidates.contains(&row.trainer.trainer_id) {
                let (trainer, calendar) = (row.trainer.clone(), calendar.clone());
                self.roster.upsert(TrainerState { trainer, calendar, share: row.share });
            }
        }
        let booking = match self.roster.allocate(&[self.asked(purchase)], self.now).pop() {
            Some(Decision::Allocated(booking)) => booking,
            Some(Decision::Waitlisted(waitlisting)) => {
                let rules = waitlisting.receipt.removed;
                return Err(ChangeError::NobodyFits { purchase_id: purchase.id, rules });
            }
            None => return Err(ChangeError::Unreadable(format!("purchase {}: nothing was decided", purchase.id))),
        };
        let row = self.trainers.iter().find(|row| row.trainer.trainer_id == booking.trainer_id);
        let anew = Anew {
            purchase,
            rest: &self.rest,
            booking: &booking,
            confirmation: &self.confirmation,
            last_held: self.last_held,
            last: self.last,
            amended,
            share_before: row.and_then(|row| row.share).unwrap_or(0),
        };
        let mut outcome = Outcome::default();
        replanning::replan(&mut outcome, &anew, order, &known(&self.trainers))?;
        let (first_ordinal, last_held) = (self.rest.first_ordinal, self.last_held);
        let to_hold = (first_ordinal..=last_held).filter(|ordinal| !self.rest.is_off(*ordinal)).count();
        Ok((outcome, Done::Replanned { booking: Box::new(booking), first_ordinal, to_hold }))
    }

    fn asked(&self, purchase: &Purchase) -> Asked {
        let Confirmation { student, course, plan, .. } = &self.confirmation;
        let sessions = u16::try_from(self.last + 1 - self.rest.first_ordinal).unwrap_or(u16::MAX);
        Asked {
            purchase_id: purchase.id,
            student_id: student.id.clone(),
            time_zone: student.time_zone.clone(),
            languages: student.languages.clone(),
            course: course.clone(),
            plan: Plan { start_date: self.from.max(plan.start_date), sessions: Some(sessions), ..plan.clone() },
            preferred_trainer_id: self.preferred.clone(),
            previous_trainer_id: None,
            student_calendar: self.student.clone(),
        }
    }
}

/// The last session that is to be held, and the last that there is: those that stand in the calendar already and are not to
/// be held any more are called off.
fn extent(
    purchase: &Purchase,
    confirmation: &Confirmation,
    rest: &Rest,
    from: Date,
) -> Result<(u32, u32), ChangeError> {
    let Some(last) = rest.sessions.last().map(|session| session.planned.ordinal) else {
        return Err(ChangeError::NothingLeft(purchase.id, from));
    };
    let kept = rest.first_ordinal - 1;
    let is_there = |session: &&Standing| {
        session.changed || purchase.horizon.is_some_and(|horizon| session.planned.local_date < horizon)
    };
    let last_there = rest.sessions.iter().filter(is_there).map(|session| session.planned.ordinal).max().unwrap_or(0);
    let Some(last_held) = last_held(purchase, confirmation, last) else {
        // Without an end: reserved a year ahead, and no less than there is.
        let last = last_there.max(kept + u32::from(confirmation.plan.reserved_sessions()));
        return Ok((last, last));
    };
    if last_held <= kept {
        return Err(ChangeError::TooFew { asked: last_held, kept });
    }
    Ok((last_held, last_held.max(last_there)))
}

/// The last session that is to be held, where the plan has an end; `last` is the last that there is.
fn last_held(purchase: &Purchase, confirmation: &Confirmation, last: u32) -> Option<u32> {
    let now = u32::from(confirmation.plan.sessions?);
    match purchase.confirmation.plan.sessions {
        None => Some(now),
        // With those that were added for others.
        Some(before) => Some((last + now).saturating_sub(u32::from(before))),
    }
}

/// Whether it becomes longer or shorter and is the same otherwise: then nothing has to move before its end.
fn differs_in_length_alone(before: &Confirmation, after: &Confirmation) -> bool {
    let mut as_long = before.clone();
    as_long.plan.sessions = after.plan.sessions;
    as_long == *after && before != after
}

/// The date of the last session that stands before and after its length is changed.
fn end_of(purchase: &Purchase, confirmation: &Confirmation, sessions: &[Standing], zone: &TimeZone) -> Option<Date> {
    let last = sessions.last()?.planned.ordinal;
    let stays = last_held(purchase, confirmation, last).map_or(last, |held| held.min(last));
    let session = sessions.iter().find(|session| session.planned.ordinal == stays)?;
    Some(session.local_date(zone))
}

/// Those who teach the course in a language of the student's.
async fn candidates(platform: &Platform, confirmation: &Confirmation) -> Result<Vec<String>, ChangeError> {
    let mut found = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = platform.store.list_trainers(after.as_deref(), PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        after = Some(last.trainer_id.clone());
        let able = page.iter().filter(|(trainer, _)| suits(trainer, confirmation));
        found.extend(able.map(|(trainer, _)| trainer.trainer_id.clone()));
    }
}
