//! Documentation that travels in the binary: the OpenAPI document, and pages to try it on.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::Config;

use super::problem::Problem;

/// Where the document is.
pub(super) const DOCUMENT: &str = "/openapi.json";
/// The pages bring their own scripts; their styles are partly in line, and their pictures in data URLs.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
     font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// `GET /openapi.json`
pub(super) async fn document(State(document): State<Arc<OpenApi>>) -> Json<OpenApi> {
    Json(OpenApi::clone(&document))
}

/// `GET /docs`
pub(super) async fn front() -> Redirect {
    Redirect::permanent("/docs/")
}

/// `GET /docs/`
pub(super) async fn index() -> Response {
    page("index.html")
}

/// `GET /docs/…`
pub(super) async fn file(Path(name): Path<String>) -> Response {
    page(&name)
}

fn page(name: &str) -> Response {
    let config = Arc::new(Config::from(DOCUMENT).try_it_out_enabled(true).persist_authorization(false));
    match utoipa_swagger_ui::serve(name, config) {
        Ok(Some(found)) => {
            let kind = HeaderValue::from_str(&found.content_type)
                .unwrap_or(HeaderValue::from_static("application/octet-stream"));
            let said = [(header::CONTENT_TYPE, kind), (header::CONTENT_SECURITY_POLICY, POLICY)];
            (StatusCode::OK, said, found.bytes.into_owned()).into_response()
        }
        _ => Problem::not_found("there is no such page; see /docs/").into_response(),
    }
}
