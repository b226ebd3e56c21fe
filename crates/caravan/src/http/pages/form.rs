//! What a form hands over: who sent it is known, that it is one of ours as well, and each field is asked for by name.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Form, FromRequest, FromRequestParts, Request};
use axum::http::{StatusCode, header};
use caravan_domain::event::METADATA_CHARS_MAX;
use jiff::civil::Date;

use super::fault::Fault;
use super::visitor::{Visit, is_of_ours, may_not};
use crate::http::Site;
use crate::http::asking::body_of;

/// Bytes of a form: a roster may be in it.
pub(super) const FORM_BYTES_MAX: usize = 8 << 20;
/// The field that every form hands back.
const KEY_FIELD: &str = "form_key";

/// The fields of a form, in their order; a name may come more than once.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(String, String)>);

/// A form that somebody has sent who may change things.
pub(super) struct Sent {
    pub(super) visit: Visit,
    pub(super) fields: Fields,
}

impl FromRequest<Arc<Site>> for Sent {
    type Rejection = Fault;

    async fn from_request(request: Request, site: &Arc<Site>) -> Result<Self, Fault> {
        let (mut parts, body) = request.into_parts();
        let visit = Visit::from_request_parts(&mut parts, site).await?;
        let (ours, is_form) = (is_of_ours(&parts.headers), is_form(&parts.headers));
        let body = body_of(Request::from_parts(parts, body), FORM_BYTES_MAX).await?;
        let fields = if is_form { Fields::read(body).await? } else { Fields::default() };
        // Without short cuts: how long it takes tells nothing.
        let key = fields.text(KEY_FIELD).map(crate::access::digest_of);
        if !ours || key != Some(crate::access::digest_of(&visit.visitor.form_key)) {
            let detail = "it was not sent by a page of yours, or you have signed in anew since: open the page again and send it from there";
            return Err(Fault::new(StatusCode::FORBIDDEN, "This form is not valid", detail));
        }
        if !visit.visitor.operates() {
            return Err(may_not(&visit.visitor));
        }
        Ok(Self { visit, fields })
    }
}

fn is_form(headers: &axum::http::HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

impl Fields {
    /// Reads a form's body (`application/x-www-form-urlencoded`, WHATWG URL section 5.1).
    pub(super) async fn read(body: Bytes) -> Result<Self, Fault> {
        let request = Request::post("/")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(axum::body::Body::from(body))
            .map_err(|problem| Fault::bad_request(problem.to_string()))?;
        let read = Form::<Vec<(String, String)>>::from_request(request, &()).await;
        read.map(|Form(fields)| Self(fields)).map_err(|refusal| Fault::bad_request(refusal.body_text()))
    }

    /// A field as it was filled in, if it was there.
    pub(super) fn raw(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// A field that was filled in.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.raw(name).map(str::trim).filter(|value| !value.is_empty())
    }

    /// All that was filled in or ticked under a name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(found, value)| found == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// Whether a box was ticked, or a button of this name pressed.
    pub(super) fn has(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// A date, if one was filled in.
    pub(super) fn date(&self, name: &str, label: &str) -> Result<Option<Date>, String> {
        let read =
            |text: &str| text.parse().map_err(|_| format!("{label} must be a date such as 2026-12-31, is {text:?}"));
        self.text(name).map(read).transpose()
    }

    /// Why something is done, as it is kept for others to read.
    pub(super) fn reason(&self) -> Result<String, String> {
        self.kept("reason", "the reason")
    }

    /// A text that is kept for others to read.
    pub(super) fn kept(&self, name: &str, label: &str) -> Result<String, String> {
        let text = self.text(name).unwrap_or_default();
        match text.chars().count() {
            1..=METADATA_CHARS_MAX if !text.contains('\0') => Ok(text.to_owned()),
            _ => Err(format!("{label} must be a text of 1 to {METADATA_CHARS_MAX} characters")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(body: &'static str) -> Fields {
        Fields::read(Bytes::from_static(body.as_bytes())).await.unwrap()
    }

    #[tokio::test]
    async fn a_field_that_is_empty_says_nothing_and_one_may_come_twice() {
        let fields = read("reason=+ill+&from=&override=time-off&override=closure&go").await;
        assert_eq!((fields.text("reason"), fields.text("from"), fields.has("go")), (Some("ill"), None, true));
        assert_eq!(fields.all("override").collect::<Vec<_>>(), ["time-off", "closure"]);
        assert_eq!(fields.date("from", "the first day"), Ok(None));
    }

    #[tokio::test]
    async fn a_reason_has_to_be_given() {
        assert_eq!(read("reason=ill").await.reason(), Ok("ill".to_owned()));
        for body in ["", "reason=", "reason=++", "reason=a%00b"] {
            assert!(read(body).await.reason().is_err(), "{body:?}");
        }
    }

    #[tokio::test]
    async fn a_date_is_one_of_the_calendar() {
        let fields = read("from=2026-02-30").await;
        assert!(fields.date("from", "the first day").unwrap_err().contains("2026-02-30"));
    }
}
