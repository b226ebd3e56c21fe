//! Sessions to come that contradict what the roster says of their trainers now. They are listed, never moved.

use std::collections::HashMap;

use caravan_domain::ids::session_id;
use caravan_domain::purchase::PurchaseStatus;
use caravan_domain::session::{Hours, SessionRule, SessionStatus, Standing, contradiction};
use caravan_domain::trainer::{Closure, Trainer};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use uuid::Uuid;

use super::ChangeError;
use crate::platform::Platform;
use crate::platform::rows::{Purchase, PurchaseFilter};
use crate::workers::window::{schedule, sessions_of};

/// Trainers whose purchases are read at once.
const TRAINERS_READ_MAX: usize = 50;
/// Purchases read at once.
const PURCHASES_READ_MAX: usize = 500;

/// A session that contradicts the roster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// The session.
    pub session_id: Uuid,
    /// Whose plan it is of.
    pub purchase_id: Uuid,
    /// Its number in the plan.
    pub ordinal: u32,
    /// Who teaches it.
    pub trainer_id: String,
    /// Who is taught.
    pub student_id: String,
    /// The student's zone.
    pub time_zone: String,
    /// When it starts.
    pub starts_at: Timestamp,
    /// The first rule it contradicts.
    pub rule: SessionRule,
}

/// What contradicts the roster of what these trainers have still to teach, by start.
///
/// # Errors
/// If the store can't be read, or a purchase can't be understood.
pub async fn conflicts_of(platform: &Platform, trainer_ids: &[String]) -> Result<Vec<Conflict>, ChangeError> {
    conflicts_of_and_with(platform, trainer_ids, &[]).await
}

/// What contradicts the roster of what these trainers have still to teach, or lies on days that the company is closed, by
/// start.
///
/// # Errors
/// As of [`conflicts_of`].
pub async fn conflicts_of_and_with(
    platform: &Platform,
    trainer_ids: &[String],
    closures: &[Closure],
) -> Result<Vec<Conflict>, ChangeError> {
    let now = platform.clock.now();
    let mut found = Vec::new();
    for ids in trainer_ids.chunks(TRAINERS_READ_MAX) {
        let terms = platform.store.trainer_terms(ids).await?;
        let with_hours = |trainer: Trainer| (trainer.trainer_id.clone(), (Hours::of(&trainer), trainer));
        let trainers: Teachers = terms.into_iter().map(|(trainer, _)| with_hours(trainer)).collect();
        for purchase in platform.store.taught_by(ids).await? {
            found.extend(of_purchase(&purchase, &trainers, closures, now)?);
        }
    }
    found.sort_by_key(|conflict| (conflict.starts_at, conflict.session_id));
    Ok(found)
}

/// What lies on days that the company is closed, by start: all of what is under way, a page at a time.
///
/// # Errors
/// If the store can't be read, or a purchase can't be understood.
pub async fn conflicts_with(platform: &Platform, closures: &[Closure]) -> Result<Vec<Conflict>, ChangeError> {
    let now = platform.clock.now();
    let mut found = Vec::new();
    for status in PurchaseStatus::UNDER_WAY {
        let filter = PurchaseFilter { status: Some(status), ..PurchaseFilter::default() };
        let mut after = None;
        loop {
            let page = platform.store.list_purchases(&filter, after, PURCHASES_READ_MAX).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            for (_, purchase) in &page {
                found.extend(on_closed_days(purchase, closures, now)?);
            }
        }
    }
    found.sort_by_key(|conflict| (conflict.starts_at, conflict.session_id));
    Ok(found)
}

fn on_closed_days(purchase: &Purchase, closures: &[Closure], now: Timestamp) -> Result<Vec<Conflict>, ChangeError> {
    let Some(allocation) = &purchase.allocation else { return Ok(Vec::new()) };
    let zone = schedule(purchase, allocation)?.zone;
    let sessions = sessions_of(purchase)?;
    let found = sessions.iter().filter(|session| is_to_come(session, now) && is_closed(session, closures, &zone));
    Ok(found.map(|session| conflict(purchase, session, SessionRule::Closure)).collect())
}

fn is_closed(session: &Standing, closures: &[Closure], zone: &TimeZone) -> bool {
    let date = session.local_date(zone);
    closures.iter().any(|closure| (closure.from..=closure.until).contains(&date))
}

fn is_to_come(session: &Standing, now: Timestamp) -> bool {
    session.state.status == SessionStatus::Scheduled && session.state.starts_at > now
}

fn conflict(purchase: &Purchase, session: &Standing, rule: SessionRule) -> Conflict {
    let student = &purchase.confirmation.student;
    Conflict {
        session_id: session_id(purchase.id, session.planned.ordinal),
        purchase_id: purchase.id,
        ordinal: session.planned.ordinal,
        trainer_id: session.state.trainer_id.clone(),
        student_id: student.id.clone(),
        time_zone: student.time_zone.clone(),
        starts_at: session.state.starts_at,
        rule,
    }
}

/// Trainers by their ids, with when they teach.
type Teachers = HashMap<String, (Hours, Trainer)>;

fn of_purchase(
    purchase: &Purchase,
    trainers: &Teachers,
    closures: &[Closure],
    now: Timestamp,
) -> Result<Vec<Conflict>, ChangeError> {
    let Some(allocation) = &purchase.allocation else { return Ok(Vec::new()) };
    let zone = schedule(purchase, allocation)?.zone;
    let student = &purchase.confirmation.student;
    let against = |session: &Standing| {
        let (hours, trainer) = trainers.get(&session.state.trainer_id)?;
        let at = session.occurrence(&zone);
        let rule = contradiction(trainer, hours, &student.languages, &purchase.confirmation.course, &at)
            .or_else(|| is_closed(session, closures, &zone).then_some(SessionRule::Closure))?;
        Some(conflict(purchase, session, rule))
    };
    Ok(sessions_of(purchase)?.iter().filter(|session| is_to_come(session, now)).filter_map(against).collect())
}
