//! The dashboard: what the operator of a tutoring business sees and does, as pages.
//!
//! Every page is whole without JavaScript: links and forms. A script makes them pleasanter, and lets those that are live
//! follow what happens. Whoever is signed in holds a token: what it allows, the pages show as buttons, and what it does not
//! allow is refused whatever a page shows.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};

use super::Site;

mod adopting;
mod assets;
mod calendars;
mod closures;
mod conflicts;
mod dead_letters;
mod fault;
mod form;
mod frame;
mod live;
mod month;
mod purchase;
mod purchases;
mod refunds;
mod session;
mod sessions;
mod signing;
mod system;
mod today;
mod tokens;
mod trainer;
mod trainers;
mod visitor;
mod waitlist;
mod week;
mod words;

pub(super) use words::zone_of;

/// Everything comes from here: no script, style or picture that a page does not name, and nothing in line.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'",
);

/// The pages' routes.
pub(super) fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/", get(today::show))
        .route("/live", get(live::follow))
        .route("/purchases", get(purchases::list))
        .route("/purchases/adopt", get(adopting::ask).post(adopting::take))
        .route("/purchases/{id}", get(purchase::show).post(purchase::act))
        .route("/purchases/{id}/sessions/{ordinal}", get(session::show).post(session::act))
        .route("/sessions", get(sessions::list))
        .route("/conflicts", get(conflicts::list))
        .route("/waitlist", get(waitlist::list).post(waitlist::wonder_if))
        .route("/trainers", get(trainers::list))
        .route("/trainers/import", get(trainers::import).post(trainers::take))
        .route("/trainers/{id}", get(trainer::show).post(trainer::change))
        .route("/trainers/{id}/leave", get(trainer::leave).post(trainer::take_leave))
        .route("/calendars", get(calendars::list).post(calendars::act))
        .route("/closures", get(closures::list).post(closures::take))
        .route("/refunds", get(refunds::list).post(refunds::settle))
        .route("/dead-letters", get(dead_letters::list).post(dead_letters::redrive_many))
        .route("/dead-letters/{id}", get(dead_letters::show).post(dead_letters::redrive))
        .route("/system", get(system::show).post(system::act))
        .route("/tokens", get(tokens::list).post(tokens::act))
        .route("/sign-in", get(signing::ask).post(signing::sign_in))
        .route("/sign-out", post(signing::sign_out))
        .route("/assets/{name}", get(assets::file))
        .layer(from_fn(with_policy))
}

async fn with_policy(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().entry(header::CONTENT_SECURITY_POLICY).or_insert(POLICY);
    response
}
