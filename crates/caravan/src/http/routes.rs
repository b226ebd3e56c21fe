//! What is where, and who may use it.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use caravan_domain::access::Role;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::guard::{Guard, check, keep_safe};
use super::numbers::Counted;
use super::traced::traced;
use super::{
    Site, calendars, confirmations, dead_letters, documentation, events, groups, health, numbers, orders, pages,
    problem, purchases, sessions, trainers, webhooks,
};
use crate::traces;

/// What the document says of the whole.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Caravan",
        description = "Payments in, lessons in calendars out.\n\nEverything but health and webhooks needs a token: \
                       `Authorization: Bearer TOKEN`, made with `caravan tokens create --role ROLE`. A token with the role `ingest` hands in payments \
                       and orders, `read` sees everything, `operate` changes the roster, dead letters and calendars as well, `admin` may do all of it. \
                       Errors are `application/problem+json` (RFC 9457).\n\nLists page by `cursor`: hand `next` of a page back as it is.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/")),
    tags(
        (name = "Payments", description = "Payments and orders in."),
        (name = "Webhooks", description = "What payment providers report."),
        (name = "Purchases", description = "What became of payments."),
        (name = "Sessions", description = "The calendar."),
        (name = "Trainers", description = "The roster."),
        (name = "Calendars", description = "Calendars to subscribe to."),
        (name = "Dead letters", description = "What was set aside, and sending it again."),
        (name = "Events", description = "What happens, as it happens."),
        (name = "System", description = "How far the workers are, and whether all is well.")
    )
)]
struct Document;

/// The routes.
pub(super) fn routes(site: Arc<Site>) -> Router {
    let (routes, document) = all(Some(&site)).split_for_parts();
    let routes = routes.merge(pages::routes()).with_state(site);
    let documents = Router::new()
        .route(documentation::DOCUMENT, get(documentation::document))
        .route("/docs", get(documentation::front))
        .route("/docs/", get(documentation::index))
        .route("/docs/{*file}", get(documentation::file))
        .with_state(Arc::new(document));
    routes
        .merge(documents)
        .fallback(problem::nothing_here)
        .method_not_allowed_fallback(problem::not_so)
        .layer(from_fn(answer))
}

/// What every request goes through, in one layer: each layer is paid for by every request.
async fn answer(request: Request, next: Next) -> Response {
    let counted = Counted::begin(&request);
    let response = keep_safe(request, next).await;
    counted.end(&response);
    response
}

/// The document, as JSON.
pub(super) fn document() -> String {
    let (_, document) = all(None).split_for_parts();
    document.to_pretty_json().unwrap_or_default()
}

/// Everything that is described; guarded where there is a site to ask.
fn all(site: Option<&Arc<Site>>) -> OpenApiRouter<Arc<Site>> {
    let mut document = Document::openapi();
    let scheme = SecurityScheme::Http(
        HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("An API token.")).build(),
    );
    document.components.get_or_insert_default().add_security_scheme("token", scheme);
    let needing = |routes: OpenApiRouter<Arc<Site>>, needs: &'static [Role]| match site {
        Some(site) => routes.route_layer(from_fn_with_state(Guard { site: Arc::clone(site), needs }, check)),
        None => routes,
    };
    let traced = |routes: OpenApiRouter<Arc<Site>>| match site.filter(|_| traces::are_wanted()) {
        Some(site) => routes.route_layer(from_fn_with_state(Arc::clone(site), traced)),
        None => routes,
    };
    let numbers = OpenApiRouter::new().routes(routes!(numbers::show));
    OpenApiRouter::with_openapi(document)
        .merge(open())
        .merge(traced(reported()))
        .merge(if site.is_none_or(|site| site.is_private) { numbers } else { needing(numbers, &[Role::Read]) })
        .merge(needing(traced(ingesting()), &[Role::Ingest]))
        .merge(needing(OpenApiRouter::new().routes(routes!(orders::show)), &[Role::Ingest, Role::Read]))
        .merge(needing(reading(), &[Role::Read]))
        .merge(needing(operating(), &[Role::Operate]))
}

/// What needs no token: health; calendars, whose addresses are secret.
fn open() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::new()
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
        .routes(routes!(calendars::of_trainer))
        .routes(routes!(calendars::of_student))
}

/// Webhooks, which are signed.
fn reported() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::new().routes(routes!(webhooks::stripe_reports)).routes(routes!(webhooks::razorpay_reports))
}

fn ingesting() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::new().routes(routes!(confirmations::confirm)).routes(routes!(orders::make))
}

fn reading() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::new()
        .routes(routes!(purchases::list))
        .routes(routes!(purchases::show))
        .routes(routes!(purchases::sessions))
        .routes(routes!(purchases::of_student))
        .routes(routes!(sessions::list))
        .routes(routes!(trainers::list))
        .routes(routes!(trainers::sessions))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::show))
        .routes(routes!(groups::list))
        .routes(routes!(events::listen))
}

fn operating() -> OpenApiRouter<Arc<Site>> {
    OpenApiRouter::new()
        .routes(routes!(trainers::put))
        .routes(routes!(dead_letters::redrive))
        .routes(routes!(calendars::list))
        .routes(routes!(calendars::revoke))
        .routes(routes!(calendars::make_of_trainer))
        .routes(routes!(calendars::make_of_student))
}
