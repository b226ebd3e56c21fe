//! Lessons to come that contradict what the roster says now; a person decides what becomes of each.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use caravan_domain::plan::zone_named;
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::fault::Fault;
use super::frame::{Frame, Place, page};
use super::session::words;
use super::sessions::urlencoded;
use super::visitor::{Visit, Visitor};
use super::words::{age, elsewhere, moment};
use crate::http::Site;
use crate::life::conflicts::Conflict;
use crate::platform::rows::Purchase;
use crate::platform::{Platform, PlatformError};

/// A conflict as a line of a list.
pub(super) struct ConflictShown {
    pub(super) href: String,
    pub(super) at: String,
    pub(super) student: String,
    pub(super) student_time: Option<String>,
    pub(super) trainer: String,
    pub(super) trainer_href: String,
    pub(super) why: &'static str,
}

/// Conflicts as they are shown, with the students' names read at once.
pub(super) async fn shown(
    platform: &Platform,
    conflicts: &[Conflict],
    visitor: &Visitor,
) -> Result<Vec<ConflictShown>, PlatformError> {
    let ids: HashSet<Uuid> = conflicts.iter().map(|conflict| conflict.purchase_id).collect();
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let purchases = platform.store.purchases(&ids).await?;
    let purchases: HashMap<Uuid, Purchase> = purchases.into_iter().map(|purchase| (purchase.id, purchase)).collect();
    let name = |conflict: &Conflict| purchases.get(&conflict.purchase_id)?.confirmation.student.name.clone();
    let one = |conflict: &Conflict| ConflictShown {
        href: href(conflict, purchases.get(&conflict.purchase_id)),
        at: moment(conflict.starts_at, &visitor.zone),
        student: name(conflict).unwrap_or_else(|| conflict.student_id.clone()),
        student_time: elsewhere(conflict.starts_at, &visitor.zone, &conflict.time_zone),
        trainer: conflict.trainer_id.clone(),
        trainer_href: format!("/trainers/{}", urlencoded(&conflict.trainer_id)),
        why: words(conflict.rule),
    };
    Ok(conflicts.iter().map(one).collect())
}

/// The lesson if it stands in the calendar already, else its purchase.
fn href(conflict: &Conflict, purchase: Option<&Purchase>) -> String {
    let zone = zone_named(&conflict.time_zone).unwrap_or(TimeZone::UTC);
    let horizon = purchase.and_then(|purchase| purchase.horizon);
    let stands = horizon.is_some_and(|horizon| zone.to_datetime(conflict.starts_at).date() < horizon);
    match stands {
        true => format!("/purchases/{}/sessions/{}", conflict.purchase_id, conflict.ordinal),
        false => format!("/purchases/{}", conflict.purchase_id),
    }
}

#[derive(Template)]
#[template(path = "conflicts.html")]
struct Page {
    frame: Frame,
    conflicts: Vec<ConflictShown>,
    more: u64,
    looked: Option<String>,
}

/// `GET /conflicts`
pub(super) async fn list(
    State(site): State<Arc<Site>>,
    Visit { visitor, platform }: Visit,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let found = site.open()?.watch.conflicts().await?;
    let frame = Frame::of(&site, &visitor, &headers, Place::Conflicts, "Conflicts").await?.live();
    page(&Page {
        frame,
        conflicts: shown(&platform, &found.kept, &visitor).await?,
        more: found.number - found.kept.len() as u64,
        looked: found.at.map(|at| age(at, visitor.now)),
    })
}
