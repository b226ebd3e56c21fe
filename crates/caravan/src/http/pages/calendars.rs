//! Addresses of calendars that people subscribe to: making one, which is shown once, and making one worth nothing.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use uuid::Uuid;

use super::fault::Fault;
use super::form::{Fields, Sent};
use super::frame::{Frame, Place, done, page, refused};
use super::visitor::{Visit, Visitor, may_not};
use super::words::moment;
use crate::access::revoke_feed;
use crate::http::Site;
use crate::http::calendars::make;
use crate::platform::Platform;
use crate::platform::desk::Feed;
use crate::platform::transaction::{CommitError, Party};

/// Addresses that are shown, the latest first.
const ADDRESSES_MAX: usize = 200;

/// An address as a line of a list.
struct Line {
    id: Uuid,
    kind: &'static str,
    whose: String,
    made: String,
}

#[derive(Template)]
#[template(path = "calendars.html")]
struct Page {
    frame: Frame,
    lines: Vec<Line>,
    more: usize,
    /// An address that was made just now: whose, and where.
    made: Option<(String, String)>,
}

impl Page {
    async fn with(frame: Frame, platform: &Platform, visitor: &Visitor) -> Result<Self, Fault> {
        let feeds = platform.store.feeds(None).await?;
        let valid: Vec<&Feed> = feeds.iter().rev().filter(|feed| feed.revoked_at.is_none()).collect();
        let lines = valid.iter().take(ADDRESSES_MAX).map(|feed| line(feed, visitor)).collect();
        Ok(Self { frame, lines, more: valid.len().saturating_sub(ADDRESSES_MAX), made: None })
    }
}

fn line(feed: &Feed, visitor: &Visitor) -> Line {
    let (kind, whose) = match &feed.party {
        Party::Trainer(id) => ("trainer", id.clone()),
        Party::Student(id) => ("student", id.clone()),
    };
    Line { id: feed.id, kind, whose, made: moment(feed.created_at, &visitor.zone) }
}

/// `GET /calendars`
pub(super) async fn list(
    State(site): State<Arc<Site>>,
    Visit { visitor, platform }: Visit,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    if !visitor.operates() {
        return Err(may_not(&visitor));
    }
    let frame = Frame::of(&site, &visitor, &headers, Place::Sessions, "Calendars").await?;
    page(&Page::with(frame, &platform, &visitor).await?)
}

/// `POST /calendars`: with `revoke` that address is worth nothing any more, else one is made.
pub(super) async fn act(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    Sent { visit: Visit { visitor, platform }, fields }: Sent,
) -> Result<Response, Fault> {
    if let Some(id) = fields.text("revoke") {
        return revoke(&platform, id).await;
    }
    let frame = Frame::of(&site, &visitor, &headers, Place::Sessions, "Calendars").await?;
    let Some(party) = party(&fields) else {
        let refusal = Some("Say whose calendar it is.".to_owned());
        return refused(&Page::with(frame.refusing(refusal), &platform, &visitor).await?);
    };
    let whose = fields.text("whose").unwrap_or_default().to_owned();
    match make(&site, party, &headers).await {
        Ok((_, address)) => {
            let made = Some((whose, address));
            page(&Page { made, ..Page::with(frame, &platform, &visitor).await? })
        }
        Err(problem) => {
            let (status, detail, _) = problem.told();
            if status != StatusCode::NOT_FOUND {
                return Err(Fault::new(status, "No address was made", detail));
            }
            refused(&Page::with(frame.refusing(Some(detail)), &platform, &visitor).await?)
        }
    }
}

fn party(fields: &Fields) -> Option<Party> {
    let id = fields.text("whose")?.to_owned();
    Some(match fields.text("kind") {
        Some("student") => Party::Student(id),
        _ => Party::Trainer(id),
    })
}

async fn revoke(platform: &Platform, id: &str) -> Result<Response, Fault> {
    let missing = || Fault::not_found("there is no such address");
    match revoke_feed(platform, id.parse().map_err(|_| missing())?).await {
        Ok(()) => Ok(done("/calendars", "Nobody sees anything there any more.")),
        Err(CommitError::Conflict { .. }) => Err(missing()),
        Err(error) => Err(error.into()),
    }
}
