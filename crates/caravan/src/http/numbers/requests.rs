//! Requests, counted and timed by what they ask for: by the route, never by the path, which is anybody's to choose.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use metrics::{counter, describe_counter, describe_histogram, histogram};

/// Requests answered, by route, method and class of status.
const REQUESTS: &str = "caravan_http_requests_total";
/// Seconds until the head of an answer was there, by route and method.
pub(super) const REQUEST_SECONDS: &str = "caravan_http_request_seconds";

/// Upper bounds of the classes of [`REQUEST_SECONDS`].
pub(super) const REQUEST_SECONDS_BOUNDS: [f64; 11] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// The route of a path that is none of ours.
const NO_ROUTE: &str = "none";

/// Says what each number means, to the recorder that is installed.
pub(super) fn describe() {
    describe_counter!(REQUESTS, "Requests answered, by route, method and class of status.");
    describe_histogram!(
        REQUEST_SECONDS,
        "Seconds from a request's head to the head of its answer, by route and method."
    );
}

/// A request that is counted, with how long its answer takes.
pub(in crate::http) struct Counted {
    route: String,
    method: &'static str,
    begun: Instant,
}

impl Counted {
    /// It has come.
    pub(in crate::http) fn begin(request: &Request) -> Self {
        let route = request.extensions().get::<MatchedPath>().map_or(NO_ROUTE, MatchedPath::as_str).to_owned();
        Self { route, method: method(request.method()), begun: Instant::now() }
    }

    /// It is answered.
    pub(in crate::http) fn end(self, response: &Response) {
        let Self { route, method, begun } = self;
        histogram!(REQUEST_SECONDS, "route" => route.clone(), "method" => method).record(begun.elapsed().as_secs_f64());
        counter!(REQUESTS, "route" => route, "method" => method, "status" => class(response.status())).increment(1);
    }
}

/// A method's name, if it is one that anything answers to.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_that_nothing_answers_to_are_counted_as_one() {
        for (name, told) in [("GET", "GET"), ("DELETE", "DELETE"), ("PATCH", "other"), ("BREW", "other")] {
            assert_eq!(method(&Method::from_bytes(name.as_bytes()).unwrap()), told);
        }
    }

    #[test]
    fn statuses_are_counted_by_class() {
        for (status, told) in [(200, "2xx"), (202, "2xx"), (304, "3xx"), (429, "4xx"), (503, "5xx")] {
            assert_eq!(class(StatusCode::from_u16(status).unwrap()), told);
        }
    }
}
