//! The calendar as a list: the lessons of some days, of whomever.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use caravan_domain::session::SessionStatus;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use serde::Deserialize;
use uuid::Uuid;

use super::fault::Fault;
use super::frame::{Frame, Place, page};
use super::visitor::{Visit, Visitor};
use super::words::{date, day, elsewhere, held, machine, time};
use crate::http::Site;
use crate::http::asking::Asked;
use crate::http::paging;
use crate::platform::rows::{Purchase, Session, SessionFilter, SessionPlace};
use crate::platform::{Platform, PlatformError};

/// Lessons of a page.
const LESSONS_MAX: usize = 100;
/// Days that can be looked at at once.
const DAYS_MAX: i64 = 31;

/// A lesson as a line of a list.
pub(super) struct Lesson {
    pub(super) href: String,
    pub(super) machine: String,
    pub(super) day: String,
    pub(super) time: String,
    pub(super) until: String,
    /// The time where the student lives, if it is another.
    pub(super) student_time: Option<String>,
    /// The time where the trainer lives, if it is another.
    pub(super) trainer_time: Option<String>,
    pub(super) student: String,
    pub(super) student_href: String,
    pub(super) trainer: String,
    pub(super) trainer_href: String,
    pub(super) course: String,
    pub(super) ordinal: u32,
    pub(super) of: Option<u16>,
    pub(super) status: &'static str,
    pub(super) class: &'static str,
    pub(super) is_now: bool,
}

/// Lessons with the names of those who meet, read at once for all.
pub(super) async fn lessons(
    platform: &Platform,
    sessions: Vec<Session>,
    visitor: &Visitor,
) -> Result<Vec<Lesson>, PlatformError> {
    let ids: HashSet<Uuid> = sessions.iter().map(|session| session.purchase_id).collect();
    let trainer_ids: HashSet<&str> = sessions.iter().map(|session| session.trainer_id.as_str()).collect();
    let trainer_ids: Vec<String> = trainer_ids.into_iter().map(str::to_owned).collect();
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let (purchases, trainers) =
        tokio::try_join!(platform.store.purchases(&ids), platform.store.trainer_terms(&trainer_ids))?;
    let purchases: HashMap<Uuid, Purchase> = purchases.into_iter().map(|purchase| (purchase.id, purchase)).collect();
    let trainers: HashMap<String, (String, String)> = trainers
        .into_iter()
        .map(|(trainer, _)| {
            (trainer.trainer_id.clone(), (trainer.name.unwrap_or(trainer.trainer_id), trainer.time_zone))
        })
        .collect();
    let lesson = |session: &Session| {
        lesson(session, purchases.get(&session.purchase_id), trainers.get(&session.trainer_id), visitor)
    };
    Ok(sessions.iter().map(lesson).collect())
}

fn lesson(
    session: &Session,
    purchase: Option<&Purchase>,
    trainer: Option<&(String, String)>,
    visitor: &Visitor,
) -> Lesson {
    let confirmation = purchase.map(|purchase| &purchase.confirmation);
    let student = confirmation.and_then(|confirmation| confirmation.student.name.as_deref());
    let course = confirmation.map(|confirmation| &confirmation.course);
    Lesson {
        href: format!("/purchases/{}/sessions/{}", session.purchase_id, session.ordinal),
        machine: machine(session.starts_at),
        day: day(session.starts_at, &visitor.zone),
        time: time(session.starts_at, &visitor.zone),
        until: time(session.ends_at, &visitor.zone),
        student_time: elsewhere(session.starts_at, &visitor.zone, &session.time_zone),
        trainer_time: trainer.and_then(|(_, zone)| elsewhere(session.starts_at, &visitor.zone, zone)),
        student: student.unwrap_or(&session.student_id).to_owned(),
        student_href: format!("/purchases/{}", session.purchase_id),
        trainer: trainer.map_or(&session.trainer_id, |(name, _)| name).clone(),
        trainer_href: format!("/trainers/{}", urlencoded(&session.trainer_id)),
        course: course.map(|course| format!("{} {}", course.subject, course.level)).unwrap_or_default(),
        ordinal: session.ordinal,
        of: confirmation.and_then(|confirmation| confirmation.plan.sessions),
        status: held(session.status),
        class: session.status.name(),
        is_now: session.status == SessionStatus::Scheduled
            && (session.starts_at..session.ends_at).contains(&visitor.now),
    }
}

/// A text as it stands in a path.
pub(super) fn urlencoded(text: &str) -> String {
    askama::filters::urlencode_strict(text).map(|encoded| encoded.to_string()).unwrap_or_default()
}

/// Which lessons.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    from: Option<String>,
    until: Option<String>,
    status: Option<String>,
    student: Option<String>,
    trainer: Option<String>,
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "sessions.html")]
struct Page {
    frame: Frame,
    from: Date,
    until: Date,
    /// The days before, and after.
    before: (Date, Date),
    behind: (Date, Date),
    statuses: Vec<(&'static str, &'static str, bool)>,
    student: String,
    trainer: String,
    days: Vec<(String, Vec<Lesson>)>,
    next: Option<String>,
}

/// `GET /sessions`
pub(super) async fn list(
    State(site): State<Arc<Site>>,
    Visit { visitor, platform }: Visit,
    Asked(wanted): Asked<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let today = visitor.now.to_zoned(visitor.zone.clone()).date();
    let given =
        |text: &Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    let (from, from_refused) = read_day(given(&wanted.from), today);
    let (until, until_refused) = read_day(given(&wanted.until), from);
    let until = until.clamp(from, from.saturating_add(DAYS_MAX.days()));
    let status: Option<SessionStatus> = given(&wanted.status).and_then(|status| status.parse().ok());
    let (student, trainer) = (given(&wanted.student), given(&wanted.trainer));
    let filter = SessionFilter {
        student_id: student.clone(),
        trainer_id: trainer.clone(),
        status,
        starting: Some((midnight(from, &visitor), midnight(until.saturating_add(1.day()), &visitor))),
        ..SessionFilter::default()
    };
    let after = wanted.after.as_deref().and_then(paging::read::<(Timestamp, Uuid, u32)>);
    let after = after.map(|(starts_at, purchase_id, ordinal)| SessionPlace { starts_at, purchase_id, ordinal });
    let found = platform.store.list_sessions(&filter, after, LESSONS_MAX).await?;
    let next = found.last().filter(|_| found.len() == LESSONS_MAX).map(|last| {
        let place = last.place();
        paging::cursor(&(place.starts_at, place.purchase_id, place.ordinal))
    });
    let lessons = lessons(&platform, found, &visitor).await?;
    let days = i64::from(from.until(until).map_or(0, |span| span.get_days())) + 1;
    let frame = Frame::of(&site, &visitor, &headers, Place::Sessions, "Sessions").await?.live();
    let moved = |by: i64| (from.saturating_add(by.days()), until.saturating_add(by.days()));
    page(&Page {
        frame: frame.refusing(from_refused.or(until_refused)),
        from,
        until,
        before: moved(-days),
        behind: moved(days),
        statuses: SessionStatus::ALL.map(|one| (one.name(), held(one), status == Some(one))).to_vec(),
        student: student.unwrap_or_default(),
        trainer: trainer.unwrap_or_default(),
        days: by_day(lessons),
        next,
    })
}

/// A day that was asked for, else the `usual` one; with what is wrong with what was asked for.
fn read_day(text: Option<String>, usual: Date) -> (Date, Option<String>) {
    let Some(text) = text else { return (usual, None) };
    match text.parse() {
        Ok(date) => (date, None),
        Err(_) => (usual, Some(format!("{text:?} is no date such as 2026-12-31; showing {}", date(usual)))),
    }
}

fn midnight(date: Date, visitor: &Visitor) -> Timestamp {
    date.to_zoned(visitor.zone.clone()).map_or(visitor.now, |zoned| zoned.timestamp())
}

fn by_day(lessons: Vec<Lesson>) -> Vec<(String, Vec<Lesson>)> {
    let mut days: Vec<(String, Vec<Lesson>)> = Vec::new();
    for lesson in lessons {
        match days.last_mut() {
            Some((day, of_day)) if *day == lesson.day => of_day.push(lesson),
            _ => days.push((lesson.day.clone(), vec![lesson])),
        }
    }
    days
}
