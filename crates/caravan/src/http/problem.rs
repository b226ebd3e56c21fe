//! Errors as RFC 9457 `application/problem+json`.

use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A refusal, in words.
pub(super) fn problem(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("Error");
    let body = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}

pub(super) async fn nothing_here(uri: Uri) -> Response {
    problem(StatusCode::NOT_FOUND, &format!("there is nothing at {}", uri.path()))
}
