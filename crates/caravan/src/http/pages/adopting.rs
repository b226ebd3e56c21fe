//! Moving in: plans that are under way elsewhere, taken over from a list.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::fault::Fault;
use super::form::Sent;
use super::frame::{Frame, Place, done, page, refused};
use super::sessions::urlencoded;
use super::trainers::told;
use super::visitor::{Visit, may_not};
use super::words::{counted, date};
use crate::http::Site;
use crate::life::adopting::{AdoptError, AdoptedRow, adopt};
use crate::workers::allocation::rules;

/// Plans that are shown before they are taken over; all of them are.
const PLANS_SHOWN_MAX: usize = 100;

/// A plan as a line of a list.
struct Line {
    payment: String,
    trainer: String,
    trainer_href: String,
    from: String,
    lessons: String,
    there_already: bool,
}

impl Line {
    fn of(row: &AdoptedRow) -> Self {
        Self {
            payment: row.payment_id.clone(),
            trainer: row.trainer_id.clone(),
            trainer_href: format!("/trainers/{}", urlencoded(&row.trainer_id)),
            from: date(row.start_date),
            lessons: format!(
                "{}, from number {} on",
                counted(row.sessions.into(), "lesson", "lessons"),
                row.first_ordinal
            ),
            there_already: row.there_already,
        }
    }
}

/// What would be taken over.
struct Preview {
    counts: String,
    lines: Vec<Line>,
    more: usize,
}

#[derive(Template)]
#[template(path = "adopting.html")]
struct Page {
    frame: Frame,
    plans: String,
    faults: Vec<String>,
    preview: Option<Preview>,
}

/// `GET /purchases/adopt`
pub(super) async fn ask(
    State(site): State<Arc<Site>>,
    Visit { visitor, .. }: Visit,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    if !visitor.operates() {
        return Err(may_not(&visitor));
    }
    let frame = Frame::of(&site, &visitor, &headers, Place::Purchases, "Move in").await?;
    page(&Page { frame, plans: String::new(), faults: Vec::new(), preview: None })
}

/// `POST /purchases/adopt`: looks at plans, or with `apply` takes them over.
pub(super) async fn take(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    Sent { visit: Visit { visitor, platform }, fields }: Sent,
) -> Result<Response, Fault> {
    let frame = Frame::of(&site, &visitor, &headers, Place::Purchases, "Move in").await?;
    let plans = fields.raw("plans").unwrap_or_default().to_owned();
    let is_looked_at = !fields.has("apply");
    let policy = rules(&site.options.policy);
    let faults = match adopt(&platform, plans.as_bytes(), policy, is_looked_at).await {
        Ok(rows) if rows.is_empty() => vec!["It names no plan: paste one JSON object a line.".to_owned()],
        Ok(rows) if is_looked_at => {
            return page(&Page { frame, plans, faults: Vec::new(), preview: Some(preview(&rows)) });
        }
        Ok(rows) => return Ok(done("/purchases", format!("Taken over: {}.", counts(&rows)))),
        Err(AdoptError::Faults(faults)) => told(&faults),
        Err(AdoptError::Change(error)) => return Err(error.into()),
        Err(error @ AdoptError::TooMany(_)) => vec![error.to_string()],
    };
    refused(&Page { frame, plans, faults, preview: None })
}

fn preview(rows: &[AdoptedRow]) -> Preview {
    let lines = rows.iter().take(PLANS_SHOWN_MAX).map(Line::of).collect();
    Preview { counts: counts(rows), lines, more: rows.len().saturating_sub(PLANS_SHOWN_MAX) }
}

fn counts(rows: &[AdoptedRow]) -> String {
    let there = rows.iter().filter(|row| row.there_already).count();
    format!("{}, {there} there already", counted((rows.len() - there) as u64, "new plan", "new plans"))
}
