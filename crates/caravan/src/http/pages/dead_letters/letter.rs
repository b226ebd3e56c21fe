//! A single record that was set aside: all that is known of it, repairing it, and sending it again.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use caravan_domain::event::VALUE_BYTES_MAX;

use super::super::fault::Fault;
use super::super::form::Sent;
use super::super::frame::{Frame, Place, done, not_done, page, refused};
use super::super::visitor::{Visit, Visitor};
use super::super::words::{age, counted, grouped, machine, moment};
use super::meaning::{Meaning, meaning};
use super::origin;
use super::outcome::{Outcome, outcome};
use super::subject::{Subject, subjects};
use super::value::{Form, Shown, in_a_line};
use crate::http::Site;
use crate::http::asking::Named;
use crate::platform::rows::{DeadLetter, DeadLetterFilter};
use crate::platform::{Platform, PlatformError};
use crate::redrive::{self, Rehearsals, send_again};

#[derive(Template)]
#[template(path = "dead_letter.html")]
struct Page {
    frame: Frame,
    id: i64,
    reason: String,
    meaning: Meaning,
    detail: String,
    subject: Subject,
    machine: String,
    moment: String,
    age: String,
    origin: String,
    group: String,
    attempts: String,
    redrives: Option<String>,
    key: Option<String>,
    headers: Vec<(String, String)>,
    /// What its value is, in words.
    kind: String,
    value: String,
    is_hex: bool,
    sent_again: Option<String>,
    repaired: Option<String>,
    /// What stands in the form.
    edited: String,
    outcome: Option<Outcome>,
}

/// What was asked of a letter.
#[derive(Default)]
struct Tried {
    /// The value as it was edited.
    edited: Option<String>,
    outcome: Option<Outcome>,
}

/// `GET /dead-letters/{id}`
pub(in crate::http::pages) async fn show(
    State(site): State<Arc<Site>>,
    Visit { visitor, platform }: Visit,
    Named(id): Named<String>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let letter = named(&platform, &id).await?;
    let frame = frame(&site, &visitor, &headers, &letter).await?;
    page(&shown(frame, &platform, &visitor, letter, Tried::default()).await?)
}

/// `POST /dead-letters/{id}`
pub(in crate::http::pages) async fn redrive(
    State(site): State<Arc<Site>>,
    Named(id): Named<String>,
    headers: HeaderMap,
    Sent { visit, fields }: Sent,
) -> Result<Response, Fault> {
    let Visit { visitor, platform } = visit;
    let letter = named(&platform, &id).await?;
    let edited = fields.raw("value").map(str::to_owned);
    let repaired = edited.as_deref().and_then(|text| Shown::of(letter.value.as_deref()).repaired(text));
    if let Some(problem) = repaired.as_deref().and_then(problem_of) {
        let frame = frame(&site, &visitor, &headers, &letter).await?.refusing(Some(problem));
        let tried = Tried { edited, outcome: None };
        return refused(&shown(frame, &platform, &visitor, letter, tried).await?);
    }
    let repaired = repaired.as_deref().map(str::as_bytes);
    if fields.has("go") {
        return sent(&platform, &letter, repaired).await;
    }
    let rehearsal = Rehearsals::default().of(&platform, &letter, repaired).await?;
    let frame = frame(&site, &visitor, &headers, &letter).await?;
    let tried = Tried { edited, outcome: Some(outcome(&rehearsal)) };
    page(&shown(frame, &platform, &visitor, letter, tried).await?)
}

/// Why a repaired value is not even tried.
fn problem_of(repaired: &str) -> Option<String> {
    if repaired.trim().is_empty() {
        return Some("The value is empty: nothing would be left of the record. Nothing was done.".to_owned());
    }
    let bytes = repaired.len();
    (bytes > VALUE_BYTES_MAX)
        .then(|| format!("The value may have {VALUE_BYTES_MAX} bytes at most, has {bytes}. Nothing was done."))
}

async fn sent(platform: &Platform, letter: &DeadLetter, repaired: Option<&[u8]>) -> Result<Response, Fault> {
    let place = format!("/dead-letters/{}", letter.id);
    let sent = send_again(platform, std::slice::from_ref(letter), repaired).await?;
    Ok(match sent.into_iter().next() {
        Some((_, redrive::Sent::Now(topic))) => {
            let how = if repaired.is_some() { "repaired" } else { "as it was" };
            done(
                &place,
                format!("Sent again to {topic}, {how}. If it can't be handled, it comes back as another letter."),
            )
        }
        Some((_, redrive::Sent::Before(at))) => {
            not_done(&place, format!("It was sent again at {at:.0} already; nothing was done."))
        }
        None => not_done("/dead-letters", "The dead letter is gone; look again."),
    })
}

async fn named(platform: &Platform, id: &str) -> Result<DeadLetter, Fault> {
    let missing = || Fault::not_found("there is no such dead letter; the page Dead letters lists them");
    let id: i64 = id.parse().map_err(|_| missing())?;
    let filter = DeadLetterFilter { ids: vec![id], ..DeadLetterFilter::default() };
    platform.store.list_dead_letters(&filter, None, 1).await?.pop().ok_or_else(missing)
}

async fn frame(site: &Site, visitor: &Visitor, headers: &HeaderMap, letter: &DeadLetter) -> Result<Frame, Fault> {
    Frame::of(site, visitor, headers, Place::DeadLetters, &format!("Dead letter {}", letter.id)).await
}

async fn shown(
    frame: Frame,
    platform: &Platform,
    visitor: &Visitor,
    letter: DeadLetter,
    tried: Tried,
) -> Result<Page, PlatformError> {
    let subject = subjects(platform, std::slice::from_ref(&letter)).await?.into_iter().next().unwrap_or_default();
    let value = Shown::of(letter.value.as_deref());
    let header = |header: &caravan_domain::event::Header| {
        (header.name.clone(), header.value.as_deref().map(in_a_line).unwrap_or_default())
    };
    Ok(Page {
        id: letter.id,
        meaning: meaning(&letter.reason),
        subject,
        machine: machine(letter.failed_at),
        moment: moment(letter.failed_at, &visitor.zone),
        age: age(letter.failed_at, visitor.now),
        origin: origin(&letter),
        attempts: counted(letter.attempts.into(), "attempt", "attempts"),
        redrives: (letter.redrives > 0).then(|| counted(letter.redrives.into(), "time", "times")),
        key: letter.key.as_deref().map(in_a_line),
        headers: letter.headers.iter().map(header).collect(),
        kind: kind(value.form, letter.value.as_deref().map_or(0, <[u8]>::len)),
        is_hex: value.form == Form::Hex,
        sent_again: letter.redriven_at.map(|at| moment(at, &visitor.zone)),
        repaired: letter.repaired.as_deref().map(|repaired| Shown::of(Some(repaired)).text),
        edited: tried.edited.unwrap_or_else(|| value.text.clone()),
        value: value.text,
        outcome: tried.outcome,
        reason: letter.reason,
        detail: letter.detail,
        group: letter.consumer_group,
        frame,
    })
}

/// What a value is, in words.
fn kind(form: Form, bytes: usize) -> String {
    let kind = match form {
        Form::Nothing => return "none".to_owned(),
        Form::Json => "JSON, laid out",
        Form::Text => "text, which is no JSON",
        Form::Hex => "no text, shown in hexadecimal",
    };
    format!("{kind}; {} bytes", grouped(bytes as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_empty_or_too_large_is_not_tried() {
        assert_eq!(problem_of("{}"), None);
        assert_eq!(problem_of(&"1".repeat(VALUE_BYTES_MAX)), None);
        for value in ["", " \n", &"1".repeat(VALUE_BYTES_MAX + 1)] {
            assert!(problem_of(value).is_some(), "{} bytes", value.len());
        }
    }
}
