//! The calendar as a whole.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use caravan_domain::session::SessionStatus;
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::Site;
use super::asking::{Asked, parsed};
use super::paging::{Page, cursor};
use super::problem::Problem;
use super::purchases::day;
use super::shapes::{Refusals, SessionsPage};
use crate::platform::rows::{SessionFilter, SessionPlace};
use crate::views::SessionRow;

/// Which sessions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Only with a planned date (the student's) from here on.
    #[param(format = Date)]
    from: Option<String>,
    /// Only with a planned date up to here, inclusive.
    #[param(format = Date)]
    until: Option<String>,
    /// Only with this status.
    #[param(pattern = "^(scheduled|completed|missed|cancelled)$", example = "scheduled")]
    status: Option<String>,
    /// Only of this purchase.
    #[param(format = Uuid)]
    purchase: Option<String>,
    /// Only of this student.
    student: Option<String>,
    /// Only of this trainer.
    trainer: Option<String>,
}

/// List sessions
#[utoipa::path(
    get, path = "/v1/sessions", tag = "Sessions", operation_id = "listSessions",
    params(Wanted, Page),
    responses((status = 200, description = "By their start.", body = SessionsPage), Refusals),
    security(("token" = ["read"]))
)]
pub(super) async fn list(
    State(site): State<Arc<Site>>,
    Asked(wanted): Asked<Wanted>,
    Asked(page): Asked<Page>,
) -> Result<Json<SessionsPage>, Problem> {
    let purchase_id: Option<Uuid> = parsed("purchase", "a purchase's id", wanted.purchase.as_deref())?;
    let status: Option<SessionStatus> = parsed("status", "a session's status", wanted.status.as_deref())?;
    let filter = SessionFilter {
        purchase_id,
        trainer_id: wanted.trainer,
        student_id: wanted.student,
        from: day("from", wanted.from.as_deref())?,
        until: day("until", wanted.until.as_deref())?,
        status,
        starting: None,
    };
    let rows = page.rows()?;
    let after = page.after::<(Timestamp, Uuid, u32)>()?;
    let after = after.map(|(starts_at, purchase_id, ordinal)| SessionPlace { starts_at, purchase_id, ordinal });
    let found = site.platform()?.store.list_sessions(&filter, after, rows).await?;
    let next = found.last().filter(|_| found.len() == rows).map(|last| {
        let place = last.place();
        cursor(&(place.starts_at, place.purchase_id, place.ordinal))
    });
    Ok(Json(SessionsPage { sessions: found.into_iter().map(SessionRow::from).collect(), next }))
}
