//! What stands around every page: where one is, who one is, what waits, and what has just been done.

use askama::Template;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::fmt::strtime;

use super::assets;
use super::fault::Fault;
use super::visitor::{Visitor, cookie};
use super::words::zone_name;
use crate::http::Site;
use crate::overview::Counts;

/// The cookie that tells the next page what was done.
const SAID: &str = "caravan_said";
/// Characters of what is told.
const SAID_CHARS_MAX: usize = 600;

/// A page of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Today,
    Purchases,
    Sessions,
    Waitlist,
    Trainers,
    Conflicts,
    Refunds,
    DeadLetters,
    System,
}

impl Place {
    /// All of them, in their order.
    const ALL: [Self; 9] = [
        Self::Today,
        Self::Purchases,
        Self::Sessions,
        Self::Trainers,
        Self::Waitlist,
        Self::Conflicts,
        Self::Refunds,
        Self::DeadLetters,
        Self::System,
    ];

    fn link(self) -> (&'static str, &'static str) {
        match self {
            Self::Today => ("/", "Today"),
            Self::Purchases => ("/purchases", "Purchases"),
            Self::Sessions => ("/sessions", "Sessions"),
            Self::Waitlist => ("/waitlist", "Waitlist"),
            Self::Trainers => ("/trainers", "Trainers"),
            Self::Conflicts => ("/conflicts", "Conflicts"),
            Self::Refunds => ("/refunds", "Refunds"),
            Self::DeadLetters => ("/dead-letters", "Dead letters"),
            Self::System => ("/system", "System"),
        }
    }

    /// What waits for a person there.
    fn waits(self, counts: &Counts) -> u64 {
        match self {
            Self::Waitlist => counts.work.waitlisted,
            Self::Conflicts => counts.conflicts.unwrap_or(0),
            Self::Refunds => counts.work.refunds,
            Self::DeadLetters => counts.work.dead_letters,
            _ => 0,
        }
    }
}

/// A link of the navigation.
pub(super) struct Link {
    pub(super) href: &'static str,
    pub(super) name: &'static str,
    pub(super) is_here: bool,
    /// What its number is known by to the script.
    pub(super) count_of: String,
    pub(super) waits: u64,
}

/// What was done, or refused, on the page before.
pub(super) struct Said {
    pub(super) is_refusal: bool,
    pub(super) text: String,
}

/// What stands around a page.
pub(super) struct Frame {
    pub(super) title: String,
    pub(super) version: &'static str,
    pub(super) links: Vec<Link>,
    pub(super) visitor: Visitor,
    pub(super) said: Option<Said>,
    /// The time of day in the business's zone, and the zone.
    pub(super) clock: String,
    pub(super) zone: String,
    /// Whether the page follows what happens.
    pub(super) is_live: bool,
}

impl Frame {
    /// Around a page with this title.
    pub(super) async fn of(
        site: &Site,
        visitor: &Visitor,
        headers: &HeaderMap,
        place: Place,
        title: &str,
    ) -> Result<Self, Fault> {
        let counts = site.open()?.watch.counts().await?;
        let link = |at: Place| {
            let (href, name) = at.link();
            let count_of = name.to_lowercase().replace(' ', "-");
            Link { href, name, is_here: at == place, count_of, waits: at.waits(&counts) }
        };
        let local = visitor.now.to_zoned(visitor.zone.clone());
        Ok(Self {
            title: title.to_owned(),
            version: assets::version(),
            links: Place::ALL.into_iter().map(link).collect(),
            visitor: visitor.clone(),
            said: said(headers),
            clock: strtime::format("%a %-d %B, %H:%M", &local).unwrap_or_default(),
            zone: zone_name(&visitor.zone),
            is_live: false,
        })
    }

    /// A page that follows what happens.
    pub(super) fn live(self) -> Self {
        Self { is_live: true, ..self }
    }

    /// With words about what was refused.
    pub(super) fn refusing(self, refusal: Option<String>) -> Self {
        let said = refusal.map(|text| Said { is_refusal: true, text }).or(self.said);
        Self { said, ..self }
    }
}

/// A page as it is sent. What was said is said once.
pub(super) fn page(template: &impl Template) -> Result<Response, Fault> {
    page_with(StatusCode::OK, template)
}

/// A page that tells of a refusal.
pub(super) fn refused(template: &impl Template) -> Result<Response, Fault> {
    page_with(StatusCode::UNPROCESSABLE_ENTITY, template)
}

fn page_with(status: StatusCode, template: &impl Template) -> Result<Response, Fault> {
    let forget = HeaderValue::from_static("caravan_said=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    Ok((status, [(header::SET_COOKIE, forget)], Html(template.render()?)).into_response())
}

/// Back to a page, which tells what was done.
pub(super) fn done(to: &str, text: impl AsRef<str>) -> Response {
    back(to, false, text.as_ref())
}

/// Back to a page, which tells what was refused.
pub(super) fn not_done(to: &str, text: impl AsRef<str>) -> Response {
    back(to, true, text.as_ref())
}

fn back(to: &str, is_refusal: bool, text: &str) -> Response {
    let text: String = text.chars().take(SAID_CHARS_MAX).collect();
    let kept = URL_SAFE_NO_PAD.encode(format!("{}{text}", if is_refusal { '!' } else { '.' }));
    let line = format!("{SAID}={kept}; Path=/; Max-Age=60; HttpOnly; SameSite=Lax");
    let mut response = Redirect::to(to).into_response();
    if let Ok(line) = HeaderValue::from_str(&line) {
        response.headers_mut().insert(header::SET_COOKIE, line);
    }
    response
}

fn said(headers: &HeaderMap) -> Option<Said> {
    let kept = URL_SAFE_NO_PAD.decode(cookie(headers, SAID)?).ok()?;
    let text = String::from_utf8(kept).ok()?;
    let (is_refusal, text) = (text.starts_with('!'), text.get(1..)?.to_owned());
    Some(Said { is_refusal, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_told_by_the_next_page() {
        let response = not_done("/refunds", "50 € can't be settled twice");
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        assert_eq!(response.headers()[header::LOCATION], "/refunds");
        let line = response.headers()[header::SET_COOKIE].to_str().unwrap();
        let pair = line.split(';').next().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_str(pair).unwrap());
        let said = said(&headers).unwrap();
        assert_eq!((said.is_refusal, said.text.as_str()), (true, "50 € can't be settled twice"));
    }

    #[test]
    fn a_cookie_that_says_nothing_readable_is_no_failure() {
        for value in ["caravan_said=", "caravan_said=%%%", "caravan_said=gICA"] {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_static(value));
            assert!(said(&headers).is_none_or(|said| said.text.is_empty()), "{value}");
        }
    }
}
