//! Errors as RFC 9457 `application/problem+json`: what, which, and what next.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use caravan_domain::rejection::FieldFault;
use serde::Serialize;
use tracing::warn;
use utoipa::ToSchema;

use super::asking::discard;
use crate::platform::PlatformError;
use crate::platform::transaction::CommitError;

/// The media type.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// A refusal, as it is sent (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProblemBody {
    /// Which kind of refusal, for programs.
    #[schema(examples("urn:caravan:problem:invalid-field"))]
    r#type: String,
    /// The status, in words.
    #[schema(examples("Unprocessable Entity"))]
    title: &'static str,
    /// The status.
    #[schema(examples(422))]
    status: u16,
    /// What is wrong and what to do next, for people.
    detail: String,
    /// Each field that is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

/// A field that is wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FieldError {
    /// Where it is: a JSON pointer (RFC 6901); empty for the value as a whole.
    #[schema(examples("/plan/sessions"))]
    pointer: String,
    /// What it must be.
    detail: String,
}

/// A refusal. Boxed, as nearly all that can end in one doesn't.
#[derive(Debug)]
pub(super) struct Problem(Box<Refusal>);

#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    kind: &'static str,
    detail: String,
    faults: Vec<FieldFault>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(Refusal { status, kind, detail: detail.into(), faults: Vec::new(), header: None }))
    }

    /// With a header that belongs to it.
    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.header = Some((name, value));
        self
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    /// Fields that are wrong.
    pub(super) fn of_fields(faults: Vec<FieldFault>) -> Self {
        let named: Vec<String> = faults.iter().map(ToString::to_string).collect();
        let detail = format!("{}; mend it and send it again", named.join("; "));
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-field", detail);
        problem.0.faults = faults;
        problem
    }

    /// Status, words and header, for whoever tells it in another way.
    pub(super) fn told(self) -> (StatusCode, String, Option<(HeaderName, HeaderValue)>) {
        let Refusal { status, detail, header, .. } = *self.0;
        (status, detail, header)
    }

    /// What surrounds us is at fault.
    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
            .with(header::RETRY_AFTER, HeaderValue::from_static("5"))
    }

    pub(super) fn not_open() -> Self {
        Self::unavailable("the database is not open yet; see /readyz, and try again")
    }
}

impl From<PlatformError> for Problem {
    fn from(problem: PlatformError) -> Self {
        warn!(%problem, "a request could not be answered");
        Self::unavailable("the database or the log can't be used now; see /readyz, and try again")
    }
}

impl From<CommitError> for Problem {
    fn from(refusal: CommitError) -> Self {
        match refusal {
            CommitError::Platform(problem) => problem.into(),
            CommitError::Conflict { what, .. } => Self::conflict(format!("{what} changed meanwhile; try again")),
            CommitError::PositionMoved(_) | CommitError::Refused(_) => {
                warn!(problem = %refusal, "a request could not be kept");
                Self::unavailable("the database refuses it; see the log of the process")
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let Refusal { status, kind, detail, faults, header } = *self.0;
        let errors = faults.into_iter().map(|FieldFault { pointer, problem }| FieldError { pointer, detail: problem });
        let body = ProblemBody {
            r#type: format!("urn:caravan:problem:{kind}"),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail,
            errors: errors.collect(),
        };
        // Texts and numbers have no way to fail.
        let body = serde_json::to_string(&body).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body).into_response();
        if let Some((name, value)) = header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

pub(super) async fn nothing_here(request: Request) -> Problem {
    let path: String = request.uri().path().chars().take(PATH_CHARS_SHOWN).collect();
    discard(request.into_body().into_data_stream()).await;
    Problem::not_found(format!("there is nothing at {path}; see /docs for what there is"))
}

pub(super) async fn not_so(request: Request) -> Problem {
    discard(request.into_body().into_data_stream()).await;
    let detail = "this can't be done here; the Allow header says what can, and /docs how";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
}

/// Characters of a path that are told back.
const PATH_CHARS_SHOWN: usize = 200;
