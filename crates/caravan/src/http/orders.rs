//! Orders: plans kept before the customer pays.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use axum::{Extension, Json};
use caravan_domain::ids::purchase_id;
use caravan_domain::order::{ORDER_ID_PREFIX, OrderRequest, read_order};
use jiff::Timestamp;
use uuid::Uuid;

use super::Site;
use super::asking::{Named, Raw, json};
use super::confirmations::{be_json, hand_in};
use super::idempotency::{Begun, KeyHeader, begin};
use super::problem::Problem;
use super::shapes::{OrderAsked, OrderShown, Refusals};
use super::tokens::Caller;
use crate::intake::Entry;
use crate::platform::desk::{DeskEffects, OrderRow};

/// Where orders are made.
const PATH: &str = "/v1/orders";

/// Make an order
///
/// Keeps a plan before the customer pays. Hand `order_id` to your payment provider as metadata under the name `caravan_order_id`: its
/// webhook finds the plan by it.
#[utoipa::path(
    post, path = "/v1/orders", tag = "Payments", operation_id = "makeOrder",
    params(KeyHeader),
    request_body = OrderAsked,
    responses((status = 201, description = "Kept.", body = OrderShown), Refusals),
    security(("token" = ["ingest"]))
)]
pub(super) async fn make(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<Response, Problem> {
    let open = site.open()?;
    be_json(&headers)?;
    let attempt = match begin(&site, caller, &headers, (&Method::POST, PATH, &body)).await? {
        Begun::Answered(answer) => return Ok(answer),
        Begun::New(attempt) => attempt,
    };
    let created_at = open.platform.clock.now();
    let OrderRequest { order, expires_at } = read_order(&json(&body)?, created_at).map_err(Problem::of_fields)?;
    let id = format!("{ORDER_ID_PREFIX}{}", Uuid::new_v4().simple());
    let row = OrderRow { id, order, created_at, expires_at, paid: None };
    let shown = serde_json::to_string(&shown(&row, created_at)).unwrap_or_default();
    let entry = Entry { desk: DeskEffects { orders: vec![row], ..DeskEffects::default() }, ..Entry::default() };
    hand_in(open, entry, attempt, StatusCode::CREATED, shown).await
}

/// Show an order
#[utoipa::path(
    get, path = "/v1/orders/{order_id}", tag = "Payments", operation_id = "showOrder",
    params(("order_id" = String, Path, description = "As it was given.")),
    responses((status = 200, description = "The order.", body = OrderShown), Refusals),
    security(("token" = ["ingest"]), ("token" = ["read"]))
)]
pub(super) async fn show(
    State(site): State<Arc<Site>>,
    Named(order_id): Named<String>,
) -> Result<Json<OrderShown>, Problem> {
    let platform = site.platform()?;
    let found = platform.store.orders(&[order_id]).await?.pop();
    let row = found.ok_or_else(|| {
        Problem::not_found("there is no such order; unpaid ones are forgotten 90 days after they expired")
    })?;
    Ok(Json(shown(&row, platform.clock.now())))
}

fn shown(row: &OrderRow, now: Timestamp) -> OrderShown {
    let status = match (&row.paid, row.expires_at > now) {
        (Some(_), _) => "paid",
        (None, true) => "open",
        (None, false) => "expired",
    };
    let paid = row.paid.as_ref();
    let item = row.order.item.as_deref();
    OrderShown {
        order_id: row.id.clone(),
        href: format!("{PATH}/{}", row.id),
        status,
        amount: (&row.order.amount).into(),
        accept_any_amount: row.order.accept_any_amount,
        created_at: row.created_at,
        expires_at: row.expires_at,
        payment_id: paid.map(|paid| paid.payment_id.clone()),
        paid_at: paid.map(|paid| paid.at),
        purchase_id: paid.map(|paid| purchase_id(&paid.payment_id, item)),
    }
}
