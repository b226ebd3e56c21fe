//! What a page can't show or do, as a page: what, and what to do next.

use askama::Template;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};

use super::assets;
use crate::http::problem::Problem;
use crate::life::ChangeError;
use crate::platform::PlatformError;
use crate::platform::transaction::CommitError;

/// Characters of a path that is come back to after the sign-in.
const PATH_CHARS_MAX: usize = 500;

/// Why there is no page. Boxed, as nearly all that can end in one doesn't.
#[derive(Debug)]
pub(super) struct Fault(Box<Kind>);

#[derive(Debug)]
enum Kind {
    /// Nobody is signed in: they are sent to, and come back here.
    SignIn(String),
    Told(Told),
}

#[derive(Debug)]
struct Told {
    status: StatusCode,
    title: String,
    detail: String,
    header: Option<(HeaderName, HeaderValue)>,
}

#[derive(Template)]
#[template(path = "fault.html")]
struct Page<'a> {
    version: &'static str,
    status: u16,
    title: &'a str,
    detail: &'a str,
}

impl Fault {
    pub(super) fn new(status: StatusCode, title: impl Into<String>, detail: impl Into<String>) -> Self {
        Self(Box::new(Kind::Told(Told { status, title: title.into(), detail: detail.into(), header: None })))
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is nothing here", detail)
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "This can't be read", detail)
    }

    /// A sign-in comes first; what was asked for follows it, if that was only to be looked at.
    pub(super) fn sign_in(parts: &Parts) -> Self {
        let place = parts.uri.path_and_query().map_or("/", |place| place.as_str());
        let is_to_be_seen = parts.method == Method::GET && place.len() <= PATH_CHARS_MAX && place != "/live";
        Self(Box::new(Kind::SignIn(if is_to_be_seen { place.to_owned() } else { "/".to_owned() })))
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        let (status, detail, header) = problem.told();
        let title = status.canonical_reason().unwrap_or("Something went wrong").to_owned();
        Self(Box::new(Kind::Told(Told { status, title, detail, header })))
    }
}

impl From<PlatformError> for Fault {
    fn from(problem: PlatformError) -> Self {
        Problem::from(problem).into()
    }
}

impl From<CommitError> for Fault {
    fn from(refusal: CommitError) -> Self {
        Problem::from(refusal).into()
    }
}

impl From<ChangeError> for Fault {
    fn from(refusal: ChangeError) -> Self {
        match refusal {
            ChangeError::Platform(problem) => problem.into(),
            ChangeError::Commit(problem) => problem.into(),
            ChangeError::UnknownPurchase(_) | ChangeError::UnknownSession(_) | ChangeError::UnknownTrainer(_) => {
                Self::not_found(refusal.to_string())
            }
            other => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "This can't be done", other.to_string()),
        }
    }
}

impl From<askama::Error> for Fault {
    fn from(problem: askama::Error) -> Self {
        tracing::error!(%problem, "a page could not be written; please report it");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "This page is broken", "it could not be written; the log says why")
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let Told { status, title, detail, header } = match *self.0 {
            Kind::SignIn(place) => {
                let to = askama::filters::urlencode_strict(&place).map(|to| to.to_string()).unwrap_or_default();
                return Redirect::to(&format!("/sign-in?to={to}")).into_response();
            }
            Kind::Told(told) => told,
        };
        let page = Page { version: assets::version(), status: status.as_u16(), title: &title, detail: &detail };
        // It has texts and a number, which have no way to fail.
        let mut response = (status, Html(page.render().unwrap_or_default())).into_response();
        if let Some((name, value)) = header {
            response.headers_mut().insert(name, value);
        }
        response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        response
    }
}
