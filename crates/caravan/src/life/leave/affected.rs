//! The sessions that fall into a leave.

use caravan_domain::plan::{Schedule, zone_named};
use caravan_domain::session::{SessionStatus, Standing};
use caravan_domain::trainer::Trainer;
use jiff::SignedDuration;
use jiff::tz::TimeZone;

use super::Request;
use crate::life::ChangeError;
use crate::platform::Platform;
use crate::platform::rows::Purchase;
use crate::workers::window::{schedule, sessions_of};

/// A purchase with the sessions of it that fall into the leave.
pub(super) struct Affected {
    pub(super) purchase: Purchase,
    pub(super) plan: Schedule,
    pub(super) sessions: Vec<Standing>,
}

/// What falls into a leave, in the order of the purchases and within them of the plan.
pub(super) async fn affected(
    platform: &Platform,
    trainer: &Trainer,
    request: &Request,
) -> Result<Vec<Affected>, ChangeError> {
    let now = platform.clock.now();
    let unknown =
        || ChangeError::Unreadable(format!("trainer {:?}: unknown zone {:?}", trainer.trainer_id, trainer.time_zone));
    let zone = zone_named(&trainer.time_zone).ok_or_else(unknown)?;
    let mut found = Vec::new();
    for purchase in platform.store.taught_by(std::slice::from_ref(&trainer.trainer_id)).await? {
        let Some(allocation) = &purchase.allocation else { continue };
        let plan = schedule(&purchase, allocation)?;
        let mut sessions = sessions_of(&purchase)?;
        sessions.retain(|session| {
            session.state.trainer_id == trainer.trainer_id
                && session.state.status == SessionStatus::Scheduled
                && session.state.starts_at > now
                && falls_into(session, request, &zone)
        });
        if !sessions.is_empty() {
            found.push(Affected { plan, purchase, sessions });
        }
    }
    Ok(found)
}

/// Whether it touches one of the days, in the trainer's zone.
fn falls_into(session: &Standing, request: &Request, zone: &TimeZone) -> bool {
    let last_moment =
        session.state.ends_at.saturating_sub(SignedDuration::from_secs(1)).unwrap_or(session.state.ends_at);
    let first = zone.to_datetime(session.state.starts_at).date();
    let last = zone.to_datetime(last_moment).date();
    request.from <= last && request.until.is_none_or(|until| first <= until)
}
