//! What is taken from a request, each refusal a problem.

use axum::body::{BodyDataStream, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use caravan_domain::event::VALUE_BYTES_MAX;
use caravan_domain::rejection::FieldFault;
use futures::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::problem::Problem;

/// Bytes of a body: as large as a record's value may be.
pub(super) const BODY_BYTES_MAX: usize = VALUE_BYTES_MAX;

/// Bytes of a body that nobody wants and that are let come all the same.
const DISCARDED_BYTES_MAX: usize = 16 << 20;

/// The query, read whole.
pub(super) struct Asked<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(refusal) => Err(Problem::bad_request(format!("{}; see /docs", refusal.body_text()))),
        }
    }
}

/// The parts of the path that stand for something.
pub(super) struct Named<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(named)) => Ok(Self(named)),
            Err(refusal) => Err(Problem::not_found(format!("there is nothing here: {}", refusal.body_text()))),
        }
    }
}

/// The body as it came, within its bound.
pub(super) struct Raw(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        body_of(request, BODY_BYTES_MAX).await.map(Self)
    }
}

/// The body as it came, within `bytes_max`.
///
/// # Errors
/// If it is larger, or does not come whole.
pub(super) async fn body_of(request: Request, bytes_max: usize) -> Result<Bytes, Problem> {
    let told = request.headers().get(header::CONTENT_LENGTH);
    let told = told.and_then(|length| length.to_str().ok()?.parse::<u64>().ok()).unwrap_or(0);
    let mut coming = request.into_body().into_data_stream();
    let mut body = Vec::with_capacity(usize::try_from(told).unwrap_or(usize::MAX).min(bytes_max));
    while let Some(part) = coming.next().await {
        let part = part.map_err(|_| Problem::bad_request("the body did not come whole; send it again"))?;
        if body.len() + part.len() > bytes_max {
            discard(coming).await;
            return Err(too_large(bytes_max));
        }
        body.extend_from_slice(&part);
    }
    Ok(body.into())
}

/// Lets the rest of a body that nobody wants come, within bounds: many clients don't hear an answer before they have sent all.
pub(super) async fn discard(mut coming: BodyDataStream) {
    let mut left = DISCARDED_BYTES_MAX;
    while let Some(Ok(part)) = coming.next().await {
        match left.checked_sub(part.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

fn too_large(bytes_max: usize) -> Problem {
    let detail = format!("the body may have {bytes_max} bytes at most; nothing was kept");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
}

/// A JSON body.
pub(super) fn json(body: &[u8]) -> Result<Value, Problem> {
    let problem = match std::str::from_utf8(body) {
        Ok(text) => match serde_json::from_str(text) {
            Ok(value) => return Ok(value),
            Err(error) => format!("not JSON: {error}"),
        },
        Err(error) => format!("not UTF-8 at byte {}", error.valid_up_to() + 1),
    };
    Err(Problem::new(StatusCode::BAD_REQUEST, "invalid-json", format!("the body is {problem}; nothing was kept")))
}

/// One field that is wrong.
pub(super) fn fault(pointer: &str, problem: impl Into<String>) -> Problem {
    Problem::of_fields(vec![FieldFault { pointer: pointer.to_owned(), problem: problem.into() }])
}

/// A text that must be readable as a `T`, in a query.
pub(super) fn parsed<T: std::str::FromStr>(name: &str, wanted: &str, text: Option<&str>) -> Result<Option<T>, Problem> {
    let read =
        |text: &str| text.parse().map_err(|_| Problem::bad_request(format!("{name} must be {wanted}, is {text:?}")));
    text.map(read).transpose()
}
