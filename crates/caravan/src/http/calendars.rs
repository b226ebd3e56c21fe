//! Calendars to subscribe to (RFC 5545), at addresses that can't be guessed and can be revoked.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use caravan_domain::access::Role;
use caravan_domain::feed::{Feed as Calendar, Lesson, Person};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use utoipa::IntoParams;
use uuid::Uuid;

use super::Site;
use super::asking::{Asked, Named};
use super::guard;
use super::problem::Problem;
use super::shapes::{CalendarShown, CalendarsShown, Refusals};
use crate::access::{create_feed, digest_of, revoke_feed};
use crate::platform::desk::Feed;
use crate::platform::rows::{Purchase, PurchaseFilter, Session, SessionFilter};
use crate::platform::transaction::{CommitError, Party};
use crate::platform::{Platform, PlatformError};

/// The media type.
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("text/calendar; charset=utf-8");
/// Days that are over and still shown.
const PAST_DAYS: i32 = 30;
/// Sessions of a calendar, the earliest first.
const SESSIONS_MAX: usize = 5_000;

/// The secret of an address.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Key {
    /// The secret in the address; without it, a token with the role `read` is needed.
    key: Option<String>,
}

/// A trainer's calendar
///
/// Sessions that stand in it, from 30 days ago on. With the secret of its address, or with a token.
#[utoipa::path(
    get, path = "/v1/trainers/{trainer_id}/calendar.ics", tag = "Calendars", operation_id = "calendarOfTrainer",
    params(("trainer_id" = String, Path, description = "Whose."), Key),
    responses((status = 200, description = "The calendar.", body = String, content_type = "text/calendar"), (status = 304, description = "As it was."), Refusals),
    security((), ("token" = ["read"]))
)]
pub(super) async fn of_trainer(
    State(site): State<Arc<Site>>,
    Named(id): Named<String>,
    Asked(key): Asked<Key>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let party = Party::Trainer(id);
    let platform = may_see(&site, &party, key, &headers).await?;
    let (Party::Trainer(id) | Party::Student(id)) = &party;
    let found = platform.store.trainer_terms(std::slice::from_ref(id)).await?.pop();
    let (trainer, _) = found.ok_or_else(|| Problem::not_found("the roster has no such trainer"))?;
    let name = trainer.name.as_deref().unwrap_or(&trainer.trainer_id).to_owned();
    calendar(platform, &party, &format!("Lessons of {name}"), &trainer.time_zone, &headers).await
}

/// A student's calendar
///
/// Sessions that stand in it, from 30 days ago on. With the secret of its address, or with a token.
#[utoipa::path(
    get, path = "/v1/students/{student_id}/calendar.ics", tag = "Calendars", operation_id = "calendarOfStudent",
    params(("student_id" = String, Path, description = "Whose."), Key),
    responses((status = 200, description = "The calendar.", body = String, content_type = "text/calendar"), (status = 304, description = "As it was."), Refusals),
    security((), ("token" = ["read"]))
)]
pub(super) async fn of_student(
    State(site): State<Arc<Site>>,
    Named(id): Named<String>,
    Asked(key): Asked<Key>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let party = Party::Student(id.clone());
    let platform = may_see(&site, &party, key, &headers).await?;
    let filter = PurchaseFilter { student_id: Some(id), ..PurchaseFilter::default() };
    let known = platform.store.list_purchases(&filter, None, 1).await?.pop();
    let (_, purchase) = known.ok_or_else(|| Problem::not_found("this student has no purchases"))?;
    let student = purchase.confirmation.student;
    let name = student.name.as_deref().unwrap_or(&student.id).to_owned();
    calendar(platform, &party, &format!("Lessons of {name}"), &student.time_zone, &headers).await
}

/// Lets in whoever knows the secret of an address of this calendar, or has a token for it.
async fn may_see<'a>(
    site: &'a Site,
    party: &Party,
    Key { key }: Key,
    headers: &HeaderMap,
) -> Result<&'a Platform, Problem> {
    let platform = site.platform()?;
    if let Some(key) = key {
        let feed = platform.store.feed(&digest_of(&key)).await?;
        let is_valid = feed.is_some_and(|feed| feed.party == *party && feed.revoked_at.is_none());
        let gone = || Problem::not_found("there is no calendar at this address, or no more; ask for another one");
        return if is_valid { Ok(platform) } else { Err(gone()) };
    }
    match guard::caller(site, platform, headers).await? {
        caller if caller.role.allows(Role::Read) => Ok(platform),
        _ => Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", "this needs a token with the role read")),
    }
}

async fn calendar(
    platform: &Platform,
    party: &Party,
    name: &str,
    time_zone: &str,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let text = written(platform, party, name, time_zone).await?;
    let digest = Sha256::digest(text.as_bytes());
    let tag: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{tag}\"");
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut response =
        match known.is_some_and(|known| known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag)) {
            true => StatusCode::NOT_MODIFIED.into_response(),
            false => ([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response(),
        };
    let said = response.headers_mut();
    said.extend(HeaderValue::from_str(&tag).ok().map(|tag| (header::ETAG, tag)));
    said.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    Ok(response)
}

/// The calendar of somebody, as text.
async fn written(platform: &Platform, party: &Party, name: &str, time_zone: &str) -> Result<String, PlatformError> {
    let today = platform.clock.now().to_zoned(TimeZone::UTC).date();
    let mut filter = SessionFilter { from: Some(today.saturating_sub(PAST_DAYS.days())), ..SessionFilter::default() };
    match party {
        Party::Trainer(id) => filter.trainer_id = Some(id.clone()),
        Party::Student(id) => filter.student_id = Some(id.clone()),
    }
    let sessions = platform.store.list_sessions(&filter, None, SESSIONS_MAX).await?;
    let mut ids: Vec<Uuid> = sessions.iter().map(|session| session.purchase_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let purchases: HashMap<Uuid, Purchase> =
        platform.store.purchases(&ids).await?.into_iter().map(|purchase| (purchase.id, purchase)).collect();
    let mut teaching: Vec<String> = sessions.iter().map(|session| session.trainer_id.clone()).collect();
    teaching.sort_unstable();
    teaching.dedup();
    let trainers: HashMap<String, Person> = platform
        .store
        .trainer_terms(&teaching)
        .await?
        .into_iter()
        .map(|(trainer, _)| (trainer.trainer_id.clone(), Person { name: trainer.name, email: trainer.email }))
        .collect();
    let lessons: Vec<Lesson> = sessions
        .iter()
        .filter_map(|session| Some(lesson(session, purchases.get(&session.purchase_id)?, &trainers, party, time_zone)))
        .collect();
    Ok(Calendar { name, time_zone, lessons: &lessons }.write())
}

fn lesson(
    session: &Session,
    purchase: &Purchase,
    trainers: &HashMap<String, Person>,
    party: &Party,
    time_zone: &str,
) -> Lesson {
    let (student, course) = (&purchase.confirmation.student, &purchase.confirmation.course);
    let with = match party {
        Party::Trainer(_) => Some(Person { name: student.name.clone(), email: student.email.clone() }),
        Party::Student(_) => trainers.get(&session.trainer_id).cloned(),
    };
    let whom = match party {
        Party::Trainer(_) => student.name.as_deref().unwrap_or(&student.id),
        Party::Student(_) => {
            trainers.get(&session.trainer_id).and_then(|person| person.name.as_deref()).unwrap_or(&session.trainer_id)
        }
    };
    let total = match purchase.confirmation.plan.sessions {
        Some(total) => format!(" of {total}"),
        None => String::new(),
    };
    Lesson {
        session_id: session.id,
        starts_at: session.starts_at,
        ends_at: session.ends_at,
        time_zone: time_zone.to_owned(),
        summary: format!("{} with {whom}", course.subject),
        description: format!("Session {}{total}, {} {}", session.ordinal, course.subject, course.level),
        status: session.status,
        // Whatever changes a session raises its purchase's revision.
        sequence: u32::try_from(purchase.revision).unwrap_or(u32::MAX),
        changed_at: changed_at(purchase),
        with,
    }
}

/// When the plan a session is of was made: the same for as long as it is the same plan.
fn changed_at(purchase: &Purchase) -> Timestamp {
    let allocated = purchase.allocation.as_ref().map(|allocation| allocation.allocated_at);
    purchase.scheduled_at.or(allocated).unwrap_or(purchase.created_at)
}

/// Make an address of a trainer's calendar
///
/// It can't be guessed, and is shown once. Whoever has it sees the calendar, until it is revoked.
#[utoipa::path(
    post, path = "/v1/trainers/{trainer_id}/calendar", tag = "Calendars", operation_id = "makeCalendarOfTrainer",
    params(("trainer_id" = String, Path, description = "Whose.")),
    responses((status = 201, description = "The address.", body = CalendarShown), Refusals),
    security(("token" = ["operate"]))
)]
pub(super) async fn make_of_trainer(
    State(site): State<Arc<Site>>,
    Named(id): Named<String>,
    headers: HeaderMap,
) -> Result<(StatusCode, Json<CalendarShown>), Problem> {
    answer(make(&site, Party::Trainer(id), &headers).await?)
}

/// Make an address of a student's calendar
///
/// It can't be guessed, and is shown once. Whoever has it sees the calendar, until it is revoked.
#[utoipa::path(
    post, path = "/v1/students/{student_id}/calendar", tag = "Calendars", operation_id = "makeCalendarOfStudent",
    params(("student_id" = String, Path, description = "Whose.")),
    responses((status = 201, description = "The address.", body = CalendarShown), Refusals),
    security(("token" = ["operate"]))
)]
pub(super) async fn make_of_student(
    State(site): State<Arc<Site>>,
    Named(id): Named<String>,
    headers: HeaderMap,
) -> Result<(StatusCode, Json<CalendarShown>), Problem> {
    answer(make(&site, Party::Student(id), &headers).await?)
}

fn answer((feed, url): (Feed, String)) -> Result<(StatusCode, Json<CalendarShown>), Problem> {
    Ok((StatusCode::CREATED, Json(shown(feed, Some(url)))))
}

/// Makes an address of somebody's calendar, which it returns.
///
/// # Errors
/// If there is nobody of that id, or it can't be kept.
pub(super) async fn make(site: &Site, party: Party, headers: &HeaderMap) -> Result<(Feed, String), Problem> {
    be_known(site.platform()?, &party).await?;
    let (feed, secret) = create_feed(site.platform()?, party).await?;
    let base = site.options.public_url.clone().or_else(|| {
        let host = headers.get(header::HOST)?.to_str().ok()?;
        Some(format!("http://{host}"))
    });
    let url = address(base.as_deref().unwrap_or_default(), &feed.party, &secret);
    Ok((feed, url))
}

async fn be_known(platform: &Platform, party: &Party) -> Result<(), Problem> {
    let (is_known, unknown) = match party {
        Party::Trainer(id) => {
            let found = platform.store.trainer_terms(std::slice::from_ref(id)).await?;
            (!found.is_empty(), "the roster has no such trainer")
        }
        Party::Student(id) => {
            let filter = PurchaseFilter { student_id: Some(id.clone()), ..PurchaseFilter::default() };
            let found = platform.store.list_purchases(&filter, None, 1).await?;
            (!found.is_empty(), "this student has no purchases")
        }
    };
    is_known.then_some(()).ok_or_else(|| Problem::not_found(unknown))
}

/// The address of a calendar, with its secret.
pub fn address(base: &str, party: &Party, secret: &str) -> String {
    let (whose, id) = match party {
        Party::Trainer(id) => ("trainers", id),
        Party::Student(id) => ("students", id),
    };
    format!("{}/v1/{whose}/{}/calendar.ics?key={secret}", base.trim_end_matches('/'), escaped(id))
}

/// A text as a part of a path (RFC 3986 section 2.3: what is unreserved stays).
fn escaped(text: &str) -> String {
    let part = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(part).collect()
}

/// List addresses of calendars
#[utoipa::path(
    get, path = "/v1/calendars", tag = "Calendars", operation_id = "listCalendars",
    responses((status = 200, description = "Without their secrets, oldest first.", body = CalendarsShown), Refusals),
    security(("token" = ["operate"]))
)]
pub(super) async fn list(State(site): State<Arc<Site>>) -> Result<Json<CalendarsShown>, Problem> {
    let feeds = site.platform()?.store.feeds(None).await?;
    Ok(Json(CalendarsShown { calendars: feeds.into_iter().map(|feed| shown(feed, None)).collect() }))
}

/// Revoke an address of a calendar
#[utoipa::path(
    delete, path = "/v1/calendars/{calendar_id}", tag = "Calendars", operation_id = "revokeCalendar",
    params(("calendar_id" = Uuid, Path, description = "Which.")),
    responses((status = 204, description = "Nobody sees anything there any more."), Refusals),
    security(("token" = ["operate"]))
)]
pub(super) async fn revoke(State(site): State<Arc<Site>>, Named(id): Named<String>) -> Result<StatusCode, Problem> {
    let missing = || Problem::not_found("there is no such address; see /v1/calendars");
    let id: Uuid = id.parse().map_err(|_| missing())?;
    match revoke_feed(site.platform()?, id).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(CommitError::Conflict { .. }) => Err(missing()),
        Err(error) => Err(error.into()),
    }
}

fn shown(feed: Feed, url: Option<String>) -> CalendarShown {
    let (trainer_id, student_id) = match feed.party {
        Party::Trainer(id) => (Some(id), None),
        Party::Student(id) => (None, Some(id)),
    };
    let Feed { id, created_at, revoked_at, .. } = feed;
    CalendarShown { calendar_id: id, trainer_id, student_id, created_at, revoked_at, url }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_can_stand_in_a_link_whatever_the_id() {
        let of = |id: &str| address("https://lessons.example.com/", &Party::Trainer(id.to_owned()), "s");
        assert_eq!(of("trn_7"), "https://lessons.example.com/v1/trainers/trn_7/calendar.ics?key=s");
        assert_eq!(of("a/ü?"), "https://lessons.example.com/v1/trainers/a%2F%C3%BC%3F/calendar.ics?key=s");
    }
}
