//! What the payment side has given back, and what is decided about it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use caravan_domain::event::METADATA_CHARS_MAX;
use caravan_domain::refund::RefundState;
use serde::Deserialize;
use uuid::Uuid;

use super::fault::Fault;
use super::form::Sent;
use super::frame::{Frame, Place, done, not_done, page};
use super::sessions::urlencoded;
use super::visitor::{Visit, Visitor};
use super::words::{age, capital, machine, moment};
use crate::http::Site;
use crate::http::asking::Asked;
use crate::http::paging;
use crate::life::refunds::{self as life, SettleError, SettledRefund};
use crate::platform::rows::{Cursor, Purchase, RefundFilter, RefundRow};
use crate::platform::{Platform, PlatformError};

/// Refunds of a page.
const REFUNDS_MAX: usize = 50;
/// What is asked for to see refunds in whatever state.
const ANY: &str = "all";

/// Which refunds.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    state: Option<String>,
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "refunds.html")]
struct Page {
    frame: Frame,
    states: Vec<(&'static str, &'static str, bool)>,
    state: &'static str,
    /// Those that somebody has to decide about, each with its form.
    open: Vec<Shown>,
    rest: Vec<Shown>,
    next: Option<String>,
    note_chars_max: usize,
}

/// A refund as it is shown.
struct Shown {
    id: Uuid,
    amount: String,
    /// What was paid, if that is known.
    paid: Option<String>,
    is_provisional: bool,
    purchase: String,
    purchase_href: String,
    is_recorded: bool,
    student: Option<String>,
    payment_id: String,
    refund_id: String,
    why: Option<String>,
    machine: String,
    moment: String,
    age: String,
    state: &'static str,
    class: &'static str,
    is_open: bool,
    settled: Option<Decided>,
}

/// What was decided.
struct Decided {
    moment: String,
    by: String,
    note: String,
}

/// `GET /refunds`
pub(super) async fn list(
    State(site): State<Arc<Site>>,
    Visit { visitor, platform }: Visit,
    Asked(wanted): Asked<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let (state, refused) = state_of(wanted.state.as_deref());
    let frame = Frame::of(&site, &visitor, &headers, Place::Refunds, "Refunds").await?.live();
    let after = wanted.after.as_deref().and_then(paging::read::<Cursor>);
    let filter = RefundFilter { state, ..RefundFilter::default() };
    let found = platform.store.list_refunds(&filter, after, REFUNDS_MAX).await?;
    let next = found.last().filter(|_| found.len() == REFUNDS_MAX).map(|(last, _)| paging::cursor(last));
    let refunds = found.into_iter().map(|(_, row)| row).collect();
    let (open, rest) = shown(&platform, refunds, &visitor).await?.into_iter().partition(|refund| refund.is_open);
    let choice = |one: RefundState| (one.name(), standing(one), state == Some(one));
    let states = RefundState::ALL.into_iter().map(choice).chain([(ANY, "Any", state.is_none())]).collect();
    page(&Page {
        frame: frame.refusing(refused),
        states,
        state: state.map_or(ANY, RefundState::name),
        open,
        rest,
        next,
        note_chars_max: METADATA_CHARS_MAX,
    })
}

/// `POST /refunds`
pub(super) async fn settle(Sent { visit, fields }: Sent) -> Result<Response, Fault> {
    let Visit { visitor, platform } = visit;
    let Some(id) = fields.text("id").and_then(|id| id.parse::<Uuid>().ok()) else {
        return Ok(not_done("/refunds", "Which refund is not said; open the page again and send it from there."));
    };
    let note = match fields.kept("note", "what was decided") {
        Ok(note) => note,
        Err(refusal) => return Ok(not_done("/refunds", format!("{}.", capital(&refusal)))),
    };
    match life::settle(&platform, id, &visitor.name, &note).await {
        Ok(SettledRefund::Now) => Ok(done("/refunds", "What you decided is noted; the refund waits no more.")),
        Ok(SettledRefund::Before) => {
            Ok(not_done("/refunds", "Somebody has decided about it before; nothing has changed."))
        }
        Err(SettleError::Commit(problem)) => Err(problem.into()),
        Err(SettleError::Platform(problem)) => Err(problem.into()),
        Err(refusal) => Ok(not_done("/refunds", format!("{}.", capital(&refusal.to_string())))),
    }
}

/// The state that was asked for, those to decide about unless any was; with what is wrong with what was asked for.
fn state_of(text: Option<&str>) -> (Option<RefundState>, Option<String>) {
    match text.map(str::trim).filter(|text| !text.is_empty()) {
        None => (Some(RefundState::Open), None),
        Some(ANY) => (None, None),
        Some(text) => match text.parse() {
            Ok(state) => (Some(state), None),
            Err(refusal) => (Some(RefundState::Open), Some(refusal)),
        },
    }
}

async fn shown(platform: &Platform, rows: Vec<RefundRow>, visitor: &Visitor) -> Result<Vec<Shown>, PlatformError> {
    let ids: HashSet<Uuid> = rows.iter().map(|row| row.purchase_id).collect();
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let purchases = platform.store.purchases(&ids).await?;
    let purchases: HashMap<Uuid, Purchase> = purchases.into_iter().map(|purchase| (purchase.id, purchase)).collect();
    Ok(rows.into_iter().map(|row| refund(&row, purchases.get(&row.purchase_id), visitor)).collect())
}

fn refund(row: &RefundRow, purchase: Option<&Purchase>, visitor: &Visitor) -> Shown {
    let refund = &row.refund;
    let confirmation = purchase.map(|purchase| &purchase.confirmation);
    let course =
        confirmation.map(|confirmation| format!("{} {}", confirmation.course.subject, confirmation.course.level));
    let student = confirmation.map(|confirmation| &confirmation.student);
    Shown {
        id: row.id,
        amount: refund.amount.to_string(),
        paid: confirmation.map(|confirmation| confirmation.amount.to_string()),
        is_provisional: refund.provisional,
        purchase: course.unwrap_or_else(|| format!("Payment {}", refund.payment_id)),
        purchase_href: match purchase {
            Some(purchase) => format!("/purchases/{}", purchase.id),
            None => format!("/purchases?q={}", urlencoded(&refund.payment_id)),
        },
        is_recorded: purchase.is_some(),
        student: student.map(|student| student.name.clone().unwrap_or_else(|| student.id.clone())),
        payment_id: refund.payment_id.clone(),
        refund_id: refund.refund_id.clone(),
        why: refund.reason.clone(),
        machine: machine(refund.refunded_at),
        moment: moment(refund.refunded_at, &visitor.zone),
        age: age(row.recorded_at, visitor.now),
        state: standing(row.state),
        class: row.state.name(),
        is_open: row.state == RefundState::Open,
        settled: row.settled.as_ref().map(|settled| Decided {
            moment: moment(settled.at, &visitor.zone),
            by: settled.by.clone(),
            note: settled.note.clone(),
        }),
    }
}

/// What a refund's state means.
const fn standing(state: RefundState) -> &'static str {
    match state {
        RefundState::Open => "To decide about",
        RefundState::Kept => "Came before its payment",
        RefundState::Applied => "Purchase called off",
        RefundState::Settled => "Decided",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use caravan_domain::access::Role;
    use caravan_domain::purchase::Amount;
    use caravan_domain::refund::Refund;
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn visitor() -> Visitor {
        Visitor {
            token_id: Uuid::nil(),
            name: "asha".to_owned(),
            role: Role::Operate,
            form_key: String::new(),
            now: at("2026-12-04T10:00:00Z"),
            zone: TimeZone::UTC,
        }
    }

    #[test]
    fn those_to_decide_about_are_shown_unless_others_are_asked_for() {
        for (text, state, is_refused) in [
            (None, Some(RefundState::Open), false),
            (Some(" "), Some(RefundState::Open), false),
            (Some("settled"), Some(RefundState::Settled), false),
            (Some("all"), None, false),
            (Some("lost"), Some(RefundState::Open), true),
        ] {
            let (found, refused) = state_of(text);
            assert_eq!((found, refused.is_some()), (state, is_refused), "{text:?}");
        }
    }

    #[test]
    fn a_refund_of_a_purchase_that_is_not_recorded_leads_to_a_search_for_its_payment() {
        let row = RefundRow {
            id: Uuid::from_u128(1),
            purchase_id: Uuid::from_u128(2),
            refund: Refund {
                payment_id: "pay/1".to_owned(),
                item: None,
                refund_id: "re_1".to_owned(),
                refunded_at: at("2026-12-01T09:00:00Z"),
                amount: Amount { minor: 4_900, currency: "EUR".to_owned() },
                provisional: true,
                reason: None,
                metadata: BTreeMap::new(),
            },
            recorded_at: at("2026-12-01T10:00:00Z"),
            state: RefundState::Kept,
            settled: None,
        };
        let shown = refund(&row, None, &visitor());
        assert_eq!((shown.amount.as_str(), shown.age.as_str()), ("49.00 EUR", "3 days"));
        assert_eq!((shown.purchase_href.as_str(), shown.is_recorded), ("/purchases?q=pay%2F1", false));
        assert!(shown.is_provisional && !shown.is_open && shown.student.is_none());
    }
}
