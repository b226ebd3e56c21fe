//! What payment providers report: signed by them, so that no token is needed.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use caravan_domain::provider::{razorpay, stripe};

use super::Site;
use super::asking::{Raw, json};
use super::confirmations::trace_of;
use super::problem::Problem;
use super::shapes::{Received, Refusals};
use super::signatures::{self, SignatureFault};
use crate::reported::{self, Handled};

/// Stripe's signature header.
const STRIPE_SIGNATURE: HeaderName = HeaderName::from_static("stripe-signature");
/// Razorpay's signature header.
const RAZORPAY_SIGNATURE: HeaderName = HeaderName::from_static("x-razorpay-signature");

/// Stripe reports
///
/// Point a webhook endpoint of Stripe's here. Payments find their order by the metadata `caravan_order_id`, on the Checkout Session and on
/// its `payment_intent_data`. What can't be matched is kept as a dead letter.
#[utoipa::path(
    post, path = "/v1/webhooks/stripe", tag = "Webhooks", operation_id = "stripeReports",
    params(("Stripe-Signature" = String, Header, description = "`t=...,v1=...`, as Stripe makes it.")),
    request_body(content = Object, description = "An event of Stripe's.", content_type = "application/json"),
    responses((status = 200, description = "Kept.", body = Received), Refusals),
    security(())
)]
pub(super) async fn stripe_reports(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<Json<Received>, Problem> {
    let open = site.open()?;
    let now = open.platform.clock.now();
    let signature = text(&headers, &STRIPE_SIGNATURE);
    signatures::stripe(&body, signature, &site.options.stripe_secrets, now).map_err(unsigned)?;
    let reports = stripe::read(&json(&body)?).map_err(unreadable)?;
    let handled = reported::hand_in(&open.platform, &open.intake, reports, &trace_of(&headers)).await?;
    Ok(Json(received(&handled)))
}

/// Razorpay reports
///
/// Point a webhook of Razorpay's here. Payments find their order by the note `caravan_order_id`, on the payment or on Razorpay's order. What can't be
/// matched is kept as a dead letter.
#[utoipa::path(
    post, path = "/v1/webhooks/razorpay", tag = "Webhooks", operation_id = "razorpayReports",
    params(("X-Razorpay-Signature" = String, Header, description = "HMAC-SHA256 of the body, in hexadecimal, as Razorpay makes it.")),
    request_body(content = Object, description = "An event of Razorpay's.", content_type = "application/json"),
    responses((status = 200, description = "Kept.", body = Received), Refusals),
    security(())
)]
pub(super) async fn razorpay_reports(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<Json<Received>, Problem> {
    let open = site.open()?;
    let signature = text(&headers, &RAZORPAY_SIGNATURE);
    signatures::razorpay(&body, signature, &site.options.razorpay_secrets).map_err(unsigned)?;
    let reports = razorpay::read(&json(&body)?).map_err(unreadable)?;
    let handled = reported::hand_in(&open.platform, &open.intake, reports, &trace_of(&headers)).await?;
    Ok(Json(received(&handled)))
}

/// A header's text; nothing where it is not there.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn unsigned(fault: SignatureFault) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "signature", format!("{fault}; nothing was kept"))
        .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Signature"))
}

/// Signed, so it is the provider's own; but not as its documentation says.
fn unreadable(rejection: caravan_domain::rejection::Rejection) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-field", format!("{}; nothing was kept", rejection.detail))
}

fn received(handled: &[Handled]) -> Received {
    Received { received: true, outcomes: handled.iter().map(ToString::to_string).collect() }
}
