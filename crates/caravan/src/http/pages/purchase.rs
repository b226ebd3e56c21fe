//! One purchase: what has happened to it, when its lessons are, why that trainer, and what can be done with it.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use caravan_domain::allocation::Policy;
use caravan_domain::plan::{Slot, zone_named};
use caravan_domain::purchase::{Amount, PurchaseStatus};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use uuid::Uuid;

use super::fault::Fault;
use super::form::{Fields, Sent};
use super::frame::{Frame, Place, done, not_done, page};
use super::month::{Month, month};
use super::purchases::plan_in_words;
use super::sessions::urlencoded;
use super::visitor::{Visit, Visitor};
use super::words::{counted, date, elsewhere, machine, moment, standing};
use crate::engine;
use crate::http::Site;
use crate::http::asking::{Asked, Named};
use crate::intake::Intake;
use crate::life::cancel::{self, Cancelled, cancel};
use crate::life::refunds::{ByHand, Given, give_back};
use crate::life::replanning::{self, Wish, replan};
use crate::life::{ChangeError, allocating};
use crate::platform::Platform;
use crate::platform::rows::Purchase;
use crate::views::{self, PurchaseWhole};
use crate::workers::allocation::rules;

/// Which month is looked at.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    month: Option<String>,
}

/// A thing that has happened.
struct StepShown {
    class: String,
    machine: String,
    at: String,
    by: String,
    what: String,
}

#[derive(Template)]
#[template(path = "purchase.html")]
struct Page {
    frame: Frame,
    id: Uuid,
    payment: String,
    item: Option<String>,
    amount: String,
    currency: String,
    paid: String,
    status: &'static str,
    class: &'static str,
    student: String,
    student_id: String,
    student_zone: String,
    student_now: Option<String>,
    languages: String,
    course: String,
    plan: String,
    wishes: Vec<String>,
    slots: Vec<String>,
    starts: Option<String>,
    trainer: Option<(String, String)>,
    horizon: Option<String>,
    because: Vec<String>,
    steps: Vec<StepShown>,
    month: Month,
    sessions: String,
    can: Can,
    /// What follows from a refund.
    refund_follows: &'static str,
    today: Date,
}

/// What can be done with a purchase that stands so.
struct Can {
    cancel: bool,
    reassign: bool,
    allocate: bool,
    amend: bool,
    /// Money can be given back whatever became of it.
    give_back: bool,
}

/// What follows once all that was paid is given back.
fn whole_refund(policy: &engine::Policy, can: &Can) -> &'static str {
    match can.cancel && policy.full_refund_cancels {
        true => "All of it calls the purchase off; a part waits for a decision",
        false => "It waits for a decision",
    }
}

impl Can {
    fn of(status: PurchaseStatus, visitor: &Visitor) -> Self {
        use PurchaseStatus::{Allocated, Created, Scheduled, Waitlisted};
        let operates = visitor.operates();
        Self {
            cancel: operates && matches!(status, Created | Waitlisted | Allocated | Scheduled),
            reassign: operates && matches!(status, Allocated | Scheduled),
            allocate: operates && matches!(status, Created | Waitlisted),
            amend: operates && matches!(status, Created | Waitlisted | Allocated | Scheduled),
            give_back: operates,
        }
    }
}

/// `GET /purchases/{id}`
pub(super) async fn show(
    State(site): State<Arc<Site>>,
    Visit { visitor, platform }: Visit,
    Named(id): Named<String>,
    Asked(wanted): Asked<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let purchase = find(&platform, &id).await?;
    let whole = views::whole(&*platform.store, &purchase).await?;
    let trainer_id = purchase.allocation.as_ref().map(|allocation| allocation.trainer_id.clone());
    let trainer = platform.store.trainer_terms(trainer_id.as_slice()).await?.pop().map(|(trainer, _)| trainer);
    let frame = Frame::of(&site, &visitor, &headers, Place::Purchases, "Purchase").await?.live();
    let confirmation = &purchase.confirmation;
    let student = &confirmation.student;
    let zone = zone_named(&student.time_zone).unwrap_or(TimeZone::UTC);
    let today = visitor.now.to_zoned(zone.clone()).date();
    let shown =
        wanted.month.and_then(|month| format!("{month}-01").parse().ok()).unwrap_or_else(|| begins(&whole, today));
    let trainer_zone = trainer.as_ref().map(|trainer| trainer.time_zone.as_str());
    let reported = purchase.reported();
    let can = Can::of(purchase.status, &visitor);
    page(&Page {
        id: purchase.id,
        payment: reported.payment_id.clone(),
        item: reported.item.clone(),
        amount: reported.amount.to_string(),
        currency: reported.amount.currency.clone(),
        paid: moment(reported.confirmed_at, &visitor.zone),
        status: standing(purchase.status),
        class: purchase.status.name(),
        student: student.name.as_deref().unwrap_or(&student.id).to_owned(),
        student_id: student.id.clone(),
        student_zone: student.time_zone.clone(),
        student_now: elsewhere(visitor.now, &visitor.zone, &student.time_zone),
        languages: student.languages.join(", "),
        course: format!("{} {}", confirmation.course.subject, confirmation.course.level),
        plan: format!("{}, from {}", plan_in_words(&confirmation.plan), date(confirmation.plan.start_date)),
        wishes: confirmation.plan.slots.iter().map(slot).collect(),
        slots: purchase.allocation.iter().flat_map(|allocation| &allocation.slots).map(slot).collect(),
        starts: purchase.start_date.map(date),
        trainer: trainer_id.map(|id| {
            let name = trainer.as_ref().and_then(|trainer| trainer.name.clone());
            (format!("/trainers/{}", urlencoded(&id)), name.unwrap_or(id))
        }),
        horizon: purchase.horizon.map(date),
        steps: whole.timeline.iter().map(|step| step_shown(step, &visitor)).collect(),
        month: month(&whole.sessions, shown, today, &zone, trainer_zone),
        sessions: planned(&whole),
        because: whole.explanation,
        refund_follows: whole_refund(&site.options.policy, &can),
        can,
        today,
        frame,
    })
}

/// The purchase with this id.
pub(super) async fn find(platform: &Platform, id: &str) -> Result<Purchase, Fault> {
    let missing = || Fault::not_found(format!("there is no purchase {id}; look for it under Purchases"));
    let id: Uuid = id.parse().map_err(|_| missing())?;
    platform.store.purchases(&[id]).await?.pop().ok_or_else(missing)
}

/// The month that is shown first: this one, or the first with lessons.
fn begins(whole: &PurchaseWhole, today: Date) -> Date {
    let first = whole.sessions.first().map(|session| session.local_date);
    let last = whole.sessions.last().map(|session| session.local_date);
    match (first, last) {
        (Some(first), Some(last)) => today.clamp(first, last.max(first)),
        _ => whole.row.start_date.unwrap_or(whole.row.requested_start_date).max(today),
    }
}

fn planned(whole: &PurchaseWhole) -> String {
    let stand = counted(whole.sessions.len() as u64, "lesson stands", "lessons stand");
    match whole.row.sessions_total {
        Some(total) => format!("{stand} in the calendar, of {total}"),
        None => format!("{stand} in the calendar; the plan goes on until it is called off"),
    }
}

/// A weekly time as people say it, such as `Tue 17:00`.
pub(super) fn slot(slot: &Slot) -> String {
    super::words::capital(&slot.to_string())
}

fn step_shown(step: &views::Step, visitor: &Visitor) -> StepShown {
    StepShown {
        class: step.step.clone(),
        machine: machine(step.at),
        at: moment(step.at, &visitor.zone),
        by: step.by.clone(),
        what: step.what.clone(),
    }
}

/// `POST /purchases/{id}`: the field `act` says what.
pub(super) async fn act(
    State(site): State<Arc<Site>>,
    Named(id): Named<String>,
    Sent { visit: Visit { visitor, platform }, fields }: Sent,
) -> Result<Response, Fault> {
    let purchase = find(&platform, &id).await?;
    let place = format!("/purchases/{}", purchase.id);
    let intake = &site.open()?.intake;
    let asking = Asking { platform: &platform, intake, purchase: &purchase, fields: &fields, actor: &visitor.name };
    let policy = rules(&site.options.policy);
    let ended = match fields.text("act").unwrap_or_default() {
        "cancel" => asking.cancel().await,
        "reassign" => asking.reassign(policy).await,
        "allocate" => asking.allocate(policy).await,
        "amend" => asking.amend(policy).await,
        "give-back" => asking.give_back().await,
        other => {
            return Err(Fault::bad_request(format!("nothing is called {other:?} that can be done with a purchase")));
        }
    };
    Ok(match ended {
        Ok(said) => done(&place, said),
        Err(refusal) => not_done(&place, refusal),
    })
}

/// What somebody asks to be done; each answers with what was done, or with why it was not.
struct Asking<'a> {
    platform: &'a Platform,
    intake: &'a Intake,
    purchase: &'a Purchase,
    fields: &'a Fields,
    actor: &'a str,
}

impl Asking<'_> {
    async fn cancel(&self) -> Result<String, String> {
        let from = self.fields.date("from", "the first day without lessons")?;
        let request = cancel::Request { from, actor: self.actor.to_owned(), reason: self.fields.reason()? };
        match cancel(self.platform, self.purchase.id, &request).await.map_err(|error| error.to_string())? {
            Cancelled::Before => Ok("It was called off before: nothing has changed.".to_owned()),
            Cancelled::Now { effective_from, called_off, kept } => Ok(format!(
                "Called off from {} on: {} not held, {kept} kept.",
                date(effective_from),
                counted(called_off.into(), "lesson is", "lessons are")
            )),
        }
    }

    async fn reassign(&self, policy: Policy) -> Result<String, String> {
        let trainer_id = self.fields.text("trainer").map(str::to_owned);
        self.replan(Wish::Reassign { instead_of: None, trainer_id }, policy).await
    }

    async fn amend(&self, policy: Policy) -> Result<String, String> {
        let amendment = self.fields.text("amendment").unwrap_or_default();
        self.replan(Wish::Amend(amendment.as_bytes().to_vec()), policy).await
    }

    async fn replan(&self, wish: Wish, policy: Policy) -> Result<String, String> {
        let request = replanning::Request {
            purchase_id: self.purchase.id,
            wish,
            from: self.fields.date("from", "the first day that is planned anew")?,
            actor: self.actor.to_owned(),
            reason: self.fields.reason()?,
        };
        match replan(self.platform, &request, policy).await.map_err(told)? {
            replanning::Done::Before => Ok("It was so before: nothing has changed.".to_owned()),
            replanning::Done::Amended => Ok("It waits for a trainer with its new terms.".to_owned()),
            replanning::Done::Replanned { booking, first_ordinal, to_hold } => Ok(format!(
                "Planned anew: {} teaches it from lesson {first_ordinal} on, {}, {} still to be held.",
                booking.trainer_id,
                booking.slots.iter().map(slot).collect::<Vec<_>>().join(", "),
                counted(to_hold as u64, "lesson", "lessons")
            )),
        }
    }

    /// A refund that no payment provider reports, as one in cash.
    async fn give_back(&self) -> Result<String, String> {
        let amount = self.fields.text("amount").ok_or("say how much was given back")?;
        let amount = Amount::of_major(amount, &self.purchase.reported().amount.currency);
        let amount = amount.map_err(|problem| format!("what was given back {problem}"))?;
        let reason = self.fields.reason()?;
        let noted = ByHand {
            refund_id: self.fields.text("refund_id").ok_or("say what the refund's number is")?,
            amount: amount.clone(),
            provisional: self.fields.has("provisional"),
            actor: self.actor,
            reason: &reason,
        };
        match give_back(self.platform, self.intake, self.purchase, &noted).await? {
            Given::Now => Ok(format!("Noted: {amount} given back. What follows from it shows here in a moment.")),
            Given::Before => Ok("It was noted before: nothing has changed.".to_owned()),
        }
    }

    async fn allocate(&self, policy: Policy) -> Result<String, String> {
        let slots: Result<Vec<Slot>, &str> = self.fields.all("slot").map(str::parse).collect();
        let slots = slots.map_err(|problem| format!("a weekly time {problem}"))?;
        let trainer_id = self.fields.text("trainer").ok_or("say which trainer shall teach it")?.to_owned();
        let request = allocating::Request {
            purchase_id: self.purchase.id,
            trainer_id,
            slots,
            actor: self.actor.to_owned(),
            reason: self.fields.reason()?,
        };
        match allocating::allocate(self.platform, &request, policy).await.map_err(told)? {
            allocating::Done::Before => Ok("They teach it at these times already.".to_owned()),
            allocating::Done::Now(booking) => {
                Ok(format!("{} teaches it from {} on.", booking.trainer_id, date(booking.start_date)))
            }
        }
    }
}

fn told(error: ChangeError) -> String {
    super::words::capital(&error.to_string())
}
