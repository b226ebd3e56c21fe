//! Who may come in: tokens and their roles, requests a minute, and what every answer says for safety.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use caravan_domain::access::Role;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use uuid::Uuid;

use super::Site;
use super::asking::discard;
use super::problem::Problem;
use super::tokens::Caller;
use crate::platform::Platform;

/// How long a request may take to be answered; of its body all must have come by then.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// Tokens whose requests are counted before those that rest are forgotten.
const COUNTED_MAX: usize = 10_000;

/// What a route needs, and what it asks.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) site: Arc<Site>,
    /// Any of these will do.
    pub(super) needs: &'static [Role],
}

/// Requests a minute, by token.
pub(super) struct Pace {
    limiter: Option<DefaultKeyedRateLimiter<Uuid>>,
    per_minute: u32,
}

impl Pace {
    /// So many requests a minute; 0: as many as come.
    pub(super) fn new(per_minute: u32) -> Self {
        let limiter = NonZeroU32::new(per_minute).map(|number| RateLimiter::keyed(Quota::per_minute(number)));
        Self { limiter, per_minute }
    }

    pub(super) fn admit(&self, token_id: Uuid) -> Result<(), Problem> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        if limiter.len() > COUNTED_MAX {
            limiter.retain_recent();
        }
        let Err(refused) = limiter.check_key(&token_id) else { return Ok(()) };
        let seconds = refused.wait_time_from(DefaultClock::default().now()).as_secs() + 1;
        let detail = format!(
            "this token may make {} requests a minute; try again in {seconds} s, or set requests_per_minute_max",
            self.per_minute
        );
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", detail);
        Err(problem.with(header::RETRY_AFTER, HeaderValue::from(seconds)))
    }
}

/// Lets in whoever has a token that allows what the route needs.
pub(super) async fn check(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    match allowed(&guard, request.headers()).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => {
            discard(request.into_body().into_data_stream()).await;
            problem.into_response()
        }
    }
}

async fn allowed(guard: &Guard, headers: &HeaderMap) -> Result<Caller, Problem> {
    let site = &guard.site;
    let platform = site.platform()?;
    let caller = caller(site, platform, headers).await?;
    site.pace.admit(caller.token_id)?;
    if guard.needs.iter().any(|needed| caller.role.allows(*needed)) {
        return Ok(caller);
    }
    let roles: Vec<&str> = guard.needs.iter().map(|role| role.name()).collect();
    let detail = format!(
        "this needs a token with the role {}; this one has the role {}. Make one with: caravan tokens create --role {}",
        roles.join(" or "),
        caller.role,
        roles.first().unwrap_or(&"admin")
    );
    Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail))
}

/// Who makes a request.
///
/// # Errors
/// If it names no valid token.
pub(super) async fn caller(site: &Site, platform: &Platform, headers: &HeaderMap) -> Result<Caller, Problem> {
    let given = headers.get(header::AUTHORIZATION).ok_or_else(|| unknown("this needs a token"))?;
    let token = given
        .to_str()
        .ok()
        .and_then(bearer)
        .ok_or_else(|| unknown("the Authorization header is not `Bearer TOKEN`"))?;
    let found = site.tokens.caller(platform, token).await?;
    found.ok_or_else(|| unknown("this token is not valid, or no more"))
}

/// The token of a header's value (RFC 6750 section 2.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn unknown(what: &str) -> Problem {
    let detail =
        format!("{what}: send `Authorization: Bearer TOKEN`; make a token with: caravan tokens create --role ROLE");
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
        .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

/// What every answer says.
const SAID: [(HeaderName, HeaderValue); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
];

/// An answer in JSON, whose headers have room for what every answer says.
pub(super) fn in_json(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(2 * SAID.len());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Sees that an answer comes in time, and says what every answer says unless it says otherwise itself.
pub(super) async fn keep_safe(request: Request, next: Next) -> Response {
    let mut response = match tokio::time::timeout(ANSWER_WAIT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail =
                format!("the request was not there whole and answered within {} s; try again", ANSWER_WAIT.as_secs());
            Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", detail).into_response()
        }
    };
    let headers = response.headers_mut();
    for (name, value) in SAID {
        headers.entry(name).or_insert(value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_is_read_in_any_case_of_its_scheme() {
        for (value, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Basic abc", None),
            ("Bearer", None),
            ("Bearer ", None),
            ("", None),
        ] {
            assert_eq!(bearer(value), token, "{value:?}");
        }
    }

    #[test]
    fn a_token_may_make_so_many_requests_a_minute_and_no_more() {
        let pace = Pace::new(3);
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert!((0..3).all(|_| pace.admit(one).is_ok()));
        assert!(pace.admit(one).is_err());
        assert!(pace.admit(other).is_ok(), "others are not held up");
        let unlimited = Pace::new(0);
        assert!((0..1_000).all(|_| unlimited.admit(one).is_ok()));
    }
}
