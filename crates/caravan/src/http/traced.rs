//! Requests that hand something in, as spans of their callers' traces.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use super::Site;
use crate::traces;

/// The header that names the caller's span (W3C Trace Context).
pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Where traces are wanted: what a request leads to is part of its answering, and that of what its caller does.
pub(super) async fn traced(State(site): State<Arc<Site>>, mut request: Request, next: Next) -> Response {
    let Ok(platform) = site.platform() else { return next.run(request).await };
    let caller = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok());
    let Some(begun) = traces::Request::begin(caller, platform.clock.now()) else { return next.run(request).await };
    if let Ok(context) = HeaderValue::try_from(begun.context().to_string()) {
        request.headers_mut().insert(TRACEPARENT, context);
    }
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("", MatchedPath::as_str);
    begun.answered(method.as_str(), route, response.status().as_u16(), platform.clock.now());
    response
}
