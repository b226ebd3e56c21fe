//! The shapes purchases and sessions are shown in, on the command line (`--json`) and over HTTP.
//! Instants are UTC, dates the student's.

use caravan_domain::plan::Slot;
use caravan_domain::purchase::{Confirmation, PurchaseStatus};
use caravan_domain::session::SessionStatus;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::shapes::SlotShape;
use super::timeline::Step;
use crate::platform::rows::{Change, Purchase, Session};

/// A purchase as it is listed.
#[allow(missing_docs)]
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PurchaseRow {
    pub purchase_id: Uuid,
    pub payment_id: String,
    pub item: Option<String>,
    pub student_id: String,
    /// `created`, `waitlisted`, `allocated`, `scheduled`, `completed` or `cancelled`; more may come.
    #[schema(value_type = String)]
    pub status: PurchaseStatus,
    pub requested_start_date: Date,
    pub start_date: Option<Date>,
    pub sessions_total: Option<u16>,
    pub horizon: Option<Date>,
    pub trainer_id: Option<String>,
    pub allocated_at: Option<Timestamp>,
    /// The chosen weekly times, in the student's zone.
    #[schema(value_type = Option<Vec<SlotShape>>)]
    pub slots: Option<Vec<Slot>>,
    pub created_at: Timestamp,
    pub subject: String,
    pub level: String,
}

impl From<&Purchase> for PurchaseRow {
    fn from(purchase: &Purchase) -> Self {
        let confirmation = &purchase.confirmation;
        let allocation = purchase.allocation.as_ref();
        Self {
            purchase_id: purchase.id,
            payment_id: confirmation.payment_id.clone(),
            item: confirmation.item.clone(),
            student_id: confirmation.student.id.clone(),
            status: purchase.status,
            requested_start_date: confirmation.plan.start_date,
            start_date: purchase.start_date,
            sessions_total: confirmation.plan.sessions,
            horizon: purchase.horizon,
            trainer_id: allocation.map(|allocation| allocation.trainer_id.clone()),
            allocated_at: allocation.map(|allocation| allocation.allocated_at),
            slots: allocation.map(|allocation| allocation.slots.clone()),
            created_at: purchase.created_at,
            subject: confirmation.course.subject.clone(),
            level: confirmation.course.level.clone(),
        }
    }
}

/// A purchase with everything that is known of it.
#[allow(missing_docs)]
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PurchaseWhole {
    #[serde(flatten)]
    pub row: PurchaseRow,
    /// What was confirmed, with the course and the plan that count now.
    #[schema(value_type = Object)]
    pub confirmation: Confirmation,
    pub allocation_id: Option<Uuid>,
    pub skipped: Option<Vec<Date>>,
    pub waitlisted_at: Option<Timestamp>,
    /// What has happened, from the payment on, oldest first.
    pub timeline: Vec<Step>,
    /// Why that trainer, or why none.
    #[schema(value_type = Option<Object>)]
    pub receipt: Option<serde_json::Value>,
    /// The receipt, in words.
    pub explanation: Vec<String>,
    pub sessions: Vec<SessionRow>,
    pub changes: Vec<ChangeRow>,
}

/// What a person changed of a purchase.
#[allow(missing_docs)]
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ChangeRow {
    pub revision: i64,
    pub kind: String,
    pub changed_at: Timestamp,
    pub actor: String,
    pub reason: String,
    pub effective_from: Option<Date>,
    pub overrides: Vec<String>,
}

impl From<Change> for ChangeRow {
    fn from(change: Change) -> Self {
        let Change { revision, kind, changed_at, actor, reason, effective_from, overrides } = change;
        Self { revision, kind, changed_at, actor, reason, effective_from, overrides }
    }
}

/// A session as it is listed.
#[allow(missing_docs)]
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SessionRow {
    pub session_id: Uuid,
    pub purchase_id: Uuid,
    pub trainer_id: String,
    pub student_id: String,
    pub ordinal: u32,
    pub local_date: Date,
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
    pub time_zone: String,
    /// `scheduled`, `completed`, `missed` or `cancelled`; more may come.
    #[schema(value_type = String)]
    pub status: SessionStatus,
    pub planned_starts_at: Timestamp,
}

impl From<Session> for SessionRow {
    fn from(session: Session) -> Self {
        Self {
            session_id: session.id,
            purchase_id: session.purchase_id,
            trainer_id: session.trainer_id,
            student_id: session.student_id,
            ordinal: session.ordinal,
            local_date: session.local_date,
            starts_at: session.starts_at,
            ends_at: session.ends_at,
            time_zone: session.time_zone,
            status: session.status,
            planned_starts_at: session.planned_starts_at,
        }
    }
}
