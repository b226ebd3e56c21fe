//! One lesson: how it stands, and moving it, calling it off, noting what became of it.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use caravan_domain::plan::zone_named;
use caravan_domain::session::{SessionRule, SessionStatus};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::fault::Fault;
use super::form::{Fields, Sent};
use super::frame::{Frame, Place, done, page, refused};
use super::purchase::find;
use super::sessions::urlencoded;
use super::visitor::{Visit, Visitor};
use super::words::{capital, city, held, moment};
use crate::http::Site;
use crate::http::asking::Named;
use crate::life::ChangeError;
use crate::life::sessions::{Act, Done, Request, When, change};
use crate::platform::Platform;
use crate::platform::rows::{Purchase, Session};

#[derive(Template)]
#[template(path = "session.html")]
struct Page {
    frame: Frame,
    purchase_id: Uuid,
    ordinal: u32,
    of: Option<u16>,
    course: String,
    student: String,
    trainer: String,
    trainer_href: String,
    /// When, in the business's time, the student's, the trainer's.
    times: Vec<(String, String)>,
    moved_from: Option<String>,
    status: &'static str,
    class: &'static str,
    can_move: bool,
    can_note: bool,
    /// What was filled in for a move.
    to: String,
    with: String,
    reason: String,
    /// Rules that stand against it, and whether a person may decide against each.
    against: Vec<Against>,
}

/// A rule that stands against a move.
struct Against {
    name: &'static str,
    words: &'static str,
    can_be_overridden: bool,
}

/// `GET /purchases/{id}/sessions/{ordinal}`
pub(super) async fn show(
    State(site): State<Arc<Site>>,
    Visit { visitor, platform }: Visit,
    Named(named): Named<(String, u32)>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let frame = Frame::of(&site, &visitor, &headers, Place::Sessions, &title(named.1)).await?.live();
    let (purchase, session) = look(&platform, named).await?;
    page(&shown(frame, &platform, &visitor, (&purchase, &session), None).await?)
}

fn title(ordinal: u32) -> String {
    format!("Lesson {ordinal}")
}

/// The lesson with this number.
async fn look(platform: &Platform, (id, ordinal): (String, u32)) -> Result<(Purchase, Session), Fault> {
    let purchase = find(platform, &id).await?;
    let found = platform.store.sessions_of(&[purchase.id]).await?;
    let session = found.into_iter().find(|session| session.ordinal == ordinal).ok_or_else(|| {
        Fault::not_found(format!(
            "lesson {ordinal} of this purchase does not stand in the calendar, or not yet: windows are extended every day"
        ))
    })?;
    Ok((purchase, session))
}

async fn shown(
    frame: Frame,
    platform: &Platform,
    visitor: &Visitor,
    (purchase, session): (&Purchase, &Session),
    refusal: Option<(&Fields, &ChangeError)>,
) -> Result<Page, Fault> {
    let trainer = platform.store.trainer_terms(std::slice::from_ref(&session.trainer_id)).await?.pop();
    let trainer = trainer.map(|(trainer, _)| trainer);
    let (student, fields) = (&purchase.confirmation.student, refusal.map(|(fields, _)| fields));
    let zone = zone_named(&session.time_zone).unwrap_or(TimeZone::UTC);
    let mut times =
        vec![(format!("{} (the student's time)", city(&session.time_zone)), moment(session.starts_at, &zone))];
    if let Some(trainer) = &trainer
        && let Some(zone) = zone_named(&trainer.time_zone)
    {
        times.push((format!("{} (the trainer's time)", city(&trainer.time_zone)), moment(session.starts_at, &zone)));
    }
    times.push((format!("{} (yours)", frame.zone), moment(session.starts_at, &visitor.zone)));
    let filled = |name: &str| fields.and_then(|fields| fields.raw(name)).map(str::to_owned);
    let has_begun = session.starts_at <= visitor.now;
    let is_planned = session.status == SessionStatus::Scheduled;
    Ok(Page {
        purchase_id: purchase.id,
        ordinal: session.ordinal,
        of: purchase.confirmation.plan.sessions,
        course: format!("{} {}", purchase.confirmation.course.subject, purchase.confirmation.course.level),
        student: student.name.as_deref().unwrap_or(&student.id).to_owned(),
        trainer_href: format!("/trainers/{}", urlencoded(&session.trainer_id)),
        trainer: trainer.and_then(|trainer| trainer.name).unwrap_or_else(|| session.trainer_id.clone()),
        times,
        moved_from: (session.planned_starts_at != session.starts_at).then(|| moment(session.planned_starts_at, &zone)),
        status: held(session.status),
        class: session.status.name(),
        can_move: visitor.operates() && is_planned && !has_begun,
        can_note: visitor.operates() && has_begun && session.status != SessionStatus::Cancelled,
        to: filled("to").unwrap_or_else(|| zone.to_datetime(session.starts_at).strftime("%Y-%m-%dT%H:%M").to_string()),
        with: filled("with").unwrap_or_default(),
        reason: filled("reason").unwrap_or_default(),
        against: refusal.map(|(_, refusal)| against(refusal)).unwrap_or_default(),
        frame: frame.refusing(refusal.map(|(_, refusal)| told(refusal))),
    })
}

fn against(refusal: &ChangeError) -> Vec<Against> {
    let ChangeError::Broken(rules) = refusal else { return Vec::new() };
    let of = |rule: &SessionRule| Against {
        name: rule.name(),
        words: words(*rule),
        can_be_overridden: rule.can_be_overridden(),
    };
    rules.iter().map(of).collect()
}

/// What a rule says against a lesson.
pub(super) const fn words(rule: SessionRule) -> &'static str {
    match rule {
        SessionRule::Inactive => "the trainer takes no work",
        SessionRule::Course => "the trainer does not teach this course",
        SessionRule::Language => "trainer and student share no language",
        SessionRule::Availability => "it lies outside the trainer's hours",
        SessionRule::TimeOff => "the trainer is off then",
        SessionRule::Closure => "the company is closed then",
        SessionRule::WeeklyCapacity => "the trainer has enough lessons in that week",
        SessionRule::TrainerBusy => "the trainer has another lesson then",
        SessionRule::StudentBusy => "the student has another lesson then",
    }
}

fn told(refusal: &ChangeError) -> String {
    match refusal {
        ChangeError::Broken(rules) => {
            let against: Vec<&str> = rules.iter().map(|rule| words(*rule)).collect();
            let what_next = match rules.iter().all(|rule| rule.can_be_overridden()) {
                true => "Tick what you decide against, and move it again.",
                false => "Nobody can be in two places: choose another time.",
            };
            format!("Not moved: {}. {what_next}", against.join("; "))
        }
        other => capital(&other.to_string()),
    }
}

/// `POST /purchases/{id}/sessions/{ordinal}`: the field `act` says what.
pub(super) async fn act(
    State(site): State<Arc<Site>>,
    Named(named): Named<(String, u32)>,
    headers: HeaderMap,
    Sent { visit: Visit { visitor, platform }, fields }: Sent,
) -> Result<Response, Fault> {
    let ordinal = named.1;
    let (purchase, session) = look(&platform, named).await?;
    let request = match request(&fields, &session, &visitor) {
        Ok(request) => request,
        Err(refusal) => {
            let problem = ChangeError::Unreadable(refusal);
            let frame = Frame::of(&site, &visitor, &headers, Place::Sessions, &title(ordinal)).await?;
            return refused(
                &shown(frame, &platform, &visitor, (&purchase, &session), Some((&fields, &problem))).await?,
            );
        }
    };
    match change(&platform, &request).await {
        Ok(ended) => Ok(done(&format!("/purchases/{}/sessions/{ordinal}", purchase.id), said(&ended, &session))),
        Err(problem @ (ChangeError::Platform(_) | ChangeError::Commit(_))) => Err(problem.into()),
        Err(problem) => {
            let frame = Frame::of(&site, &visitor, &headers, Place::Sessions, &title(ordinal)).await?;
            refused(&shown(frame, &platform, &visitor, (&purchase, &session), Some((&fields, &problem))).await?)
        }
    }
}

fn request(fields: &Fields, session: &Session, visitor: &Visitor) -> Result<Request, String> {
    let act = match fields.text("act").unwrap_or_default() {
        "move" => Act::Move { to: wall_clock(fields)?, trainer_id: fields.text("with").map(str::to_owned) },
        "cancel" => Act::Cancel { makeup: fields.has("makeup") },
        "complete" => Act::Complete,
        "missed" => Act::Missed,
        other => return Err(format!("nothing is called {other:?} that can be done with a lesson")),
    };
    let overrides: Result<Vec<SessionRule>, String> = fields.all("override").map(str::parse).collect();
    Ok(Request {
        session_id: session.id,
        purchase_id: Some(session.purchase_id),
        act,
        overrides: overrides?,
        actor: visitor.name.clone(),
        reason: fields.reason()?,
    })
}

/// The time on the student's wall that was filled in.
fn wall_clock(fields: &Fields) -> Result<Option<When>, String> {
    let read = |text: &str| {
        let local: Result<DateTime, _> = text.parse();
        local
            .map(When::Local)
            .map_err(|_| format!("the new time must be a day and a time such as 2026-12-31T17:00, is {text:?}"))
    };
    fields.text("to").map(read).transpose()
}

fn said(ended: &Done, session: &Session) -> String {
    let zone = zone_named(&session.time_zone).unwrap_or(TimeZone::UTC);
    match ended {
        Done::Before(_) => "It stood so before: nothing has changed.".to_owned(),
        Done::Now { after, makeup: Some((_, at)), .. } => {
            format!("{}. It is made up for on {}, in the student's time.", held(after.status), moment(*at, &zone))
        }
        Done::Now { before, after, .. } if before.status == after.status => {
            format!("Moved to {} in the student's time, with {}.", moment(after.starts_at, &zone), after.trainer_id)
        }
        Done::Now { after, .. } => format!("Noted: {}.", held(after.status).to_lowercase()),
    }
}
