//! Who waits for a trainer, what stands in the way of most, and whom it would help to hire.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use caravan_domain::allocation::Receipt;
use caravan_domain::purchase::PurchaseStatus;
use caravan_domain::stuck::{Bottleneck, Cause, bottlenecks, waiting_words};
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::fault::Fault;
use super::form::{Fields, Sent};
use super::frame::{Frame, Place, page, refused};
use super::purchase::slot;
use super::purchases::plan_in_words;
use super::sessions::urlencoded;
use super::trainers::read;
use super::visitor::{Visit, Visitor};
use super::words::{age, capital, counted, date, moment};
use crate::http::Site;
use crate::http::asking::Asked;
use crate::http::paging;
use crate::life::wondering::{Placed, WAITING_READ_MAX, WonderError, Wondered, wonder};
use crate::platform::rows::{Purchase, Waiting};
use crate::platform::{Platform, PlatformError};

/// Who waits, a page of them.
const WAITING_MAX: usize = 50;
/// Placements that are shown of a what-if.
const PLACED_MAX: usize = 50;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    after: Option<String>,
}

/// Somebody who waits.
struct Line {
    href: String,
    student: String,
    course: String,
    plan: String,
    since: String,
    waits: String,
    why: String,
}

/// What stands in the way, and of how many.
struct InTheWay {
    purchases: u64,
    /// Of the greatest, in hundredths.
    percent: u64,
    words: String,
    next: String,
}

/// Somebody who would be placed.
struct PlacedShown {
    href: String,
    student: String,
    course: String,
    trainer: String,
    when: String,
    since: String,
}

/// What would be if the roster were another.
struct WhatIf {
    words: String,
    placed: Vec<PlacedShown>,
    more: usize,
    left: Vec<InTheWay>,
}

#[derive(Template)]
#[template(path = "waitlist.html")]
struct Page {
    frame: Frame,
    waiting: u64,
    in_the_way: Vec<InTheWay>,
    is_part: bool,
    lines: Vec<Line>,
    next: Option<String>,
    roster: String,
    faults: Vec<String>,
    what_if: Option<WhatIf>,
    operates: bool,
}

/// `GET /waitlist`
pub(super) async fn list(
    State(site): State<Arc<Site>>,
    Visit { visitor, platform }: Visit,
    Asked(wanted): Asked<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let after = wanted.after.as_deref().and_then(paging::read::<(Timestamp, Uuid)>);
    page(&shown(&site, &platform, &visitor, &headers, after).await?)
}

async fn shown(
    site: &Site,
    platform: &Platform,
    visitor: &Visitor,
    headers: &HeaderMap,
    after: Option<(Timestamp, Uuid)>,
) -> Result<Page, Fault> {
    let frame = Frame::of(site, visitor, headers, Place::Waitlist, "Waitlist").await?.live();
    let counts = site.open()?.watch.counts().await?;
    let all = platform.store.list_waiting(None, WAITING_READ_MAX).await?;
    let found = match after {
        None => all.iter().take(WAITING_MAX).cloned().collect(),
        Some(after) => platform.store.list_waiting(Some(after), WAITING_MAX).await?,
    };
    let next = found.last().filter(|_| found.len() == WAITING_MAX);
    let next = next.map(|last| urlencoded(&paging::cursor(&(last.waitlisted_at, last.purchase_id))));
    Ok(Page {
        frame,
        waiting: counts.work.waitlisted,
        is_part: all.len() == WAITING_READ_MAX,
        in_the_way: in_the_way(&bottlenecks(all.iter().filter_map(receipt))),
        lines: lines(platform, &found, visitor).await?,
        next,
        roster: String::new(),
        faults: Vec::new(),
        what_if: None,
        operates: visitor.operates(),
    })
}

fn receipt(waiting: &Waiting) -> Option<Receipt> {
    serde_json::from_str(&waiting.receipt).ok()
}

/// Those who wait, with what they have bought, read at once.
async fn lines(platform: &Platform, found: &[Waiting], visitor: &Visitor) -> Result<Vec<Line>, PlatformError> {
    let ids: Vec<Uuid> = found.iter().map(|waiting| waiting.purchase_id).collect();
    let purchases = platform.store.purchases(&ids).await?;
    let purchases: HashMap<Uuid, Purchase> = purchases.into_iter().map(|purchase| (purchase.id, purchase)).collect();
    // Whoever got a trainer between the two looks does not wait any more.
    Ok(found.iter().filter_map(|waiting| Some(line(waiting, purchases.get(&waiting.purchase_id)?, visitor))).collect())
}

fn line(waiting: &Waiting, purchase: &Purchase, visitor: &Visitor) -> Line {
    let confirmation = &purchase.confirmation;
    let course = format!("{} {}", confirmation.course.subject, confirmation.course.level);
    let receipt = receipt(waiting);
    let cause = Cause::of(PurchaseStatus::Waitlisted, receipt.as_ref()).unwrap_or(Cause::NobodyFits(None));
    Line {
        href: format!("/purchases/{}", purchase.id),
        student: confirmation.student.name.as_deref().unwrap_or(&confirmation.student.id).to_owned(),
        why: capital(&waiting_words(cause, receipt.as_ref(), &course).detail),
        course,
        plan: plan_in_words(&confirmation.plan),
        since: moment(waiting.waitlisted_at, &visitor.zone),
        waits: age(waiting.waitlisted_at, visitor.now),
    }
}

fn in_the_way(found: &[Bottleneck]) -> Vec<InTheWay> {
    let most = found.iter().map(|one| one.purchases).max().unwrap_or(0).max(1);
    let one = |one: &Bottleneck| InTheWay {
        purchases: one.purchases,
        percent: one.purchases * 100 / most,
        words: capital(&one.detail),
        next: capital(one.next),
    };
    found.iter().map(one).collect()
}

/// `POST /waitlist`: who would be placed if the roster said this as well. Nothing changes.
pub(super) async fn wonder_if(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    Sent { visit: Visit { visitor, platform }, fields }: Sent,
) -> Result<Response, Fault> {
    let mut whole = shown(&site, &platform, &visitor, &headers, None).await?;
    // What is answered is not to be replaced by what happens.
    whole.frame.is_live = false;
    whole.roster = fields.raw("roster").unwrap_or_default().to_owned();
    match wondered(&site, &platform, &fields).await? {
        Ok(wondered) => {
            whole.what_if = Some(what_if(&wondered, &visitor));
            page(&whole)
        }
        Err(faults) => refused(&Page { faults, ..whole }),
    }
}

async fn wondered(site: &Site, platform: &Platform, fields: &Fields) -> Result<Result<Wondered, Vec<String>>, Fault> {
    let entries = match read(fields) {
        Ok(entries) => entries,
        Err(faults) => return Ok(Err(faults)),
    };
    match wonder(platform, &site.options.policy, &entries).await {
        Ok(wondered) => Ok(Ok(wondered)),
        Err(WonderError::Platform(problem)) => Err(problem.into()),
        Err(error) => Ok(Err(vec![error.to_string()])),
    }
}

fn what_if(wondered: &Wondered, visitor: &Visitor) -> WhatIf {
    let placed = counted(wondered.placed.len() as u64, "purchase would get a trainer", "purchases would get a trainer");
    let of = match wondered.more {
        true => format!("the first {} who wait", wondered.looked_at),
        false => format!("{} who wait", wondered.looked_at),
    };
    let shown = |one: &Placed| PlacedShown {
        href: format!("/purchases/{}", one.purchase_id),
        student: one.student_id.clone(),
        course: format!("{} {}", one.course.subject, one.course.level),
        trainer: one.trainer_id.clone(),
        when: format!(
            "{}, from {}",
            one.slots.iter().map(slot).collect::<Vec<_>>().join(" and "),
            date(one.start_date)
        ),
        since: age(one.created_at, visitor.now),
    };
    WhatIf {
        words: format!("{placed}, of {of}."),
        placed: wondered.placed.iter().take(PLACED_MAX).map(shown).collect(),
        more: wondered.placed.len().saturating_sub(PLACED_MAX),
        left: in_the_way(&wondered.still_waiting),
    }
}
