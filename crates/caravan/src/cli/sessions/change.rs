//! `caravan sessions move|cancel|complete|missed`: one session, by hand.

use caravan::config::Settings;
use caravan::life::day_shown;
use caravan::life::sessions::{Act, Done, Request, change};
use caravan_domain::plan::zone_named;
use caravan_domain::session::SessionState;
use jiff::Timestamp;
use uuid::Uuid;

use crate::cli::args::{SessionCancelArgs, SessionMarkArgs, SessionMoveArgs};
use crate::cli::failure::Failure;
use crate::cli::output::{Output, printable};
use crate::cli::{existing, person, time_data};

pub(super) async fn moved(settings: &Settings, args: SessionMoveArgs, output: &mut Output) -> Result<(), Failure> {
    let request = Request {
        session_id: args.id,
        purchase_id: None,
        act: Act::Move { to: args.to, trainer_id: args.trainer },
        overrides: args.overrides,
        actor: person::actor(args.why.by)?,
        reason: person::text_of(args.why.reason, "--reason")?,
    };
    carry_out(settings, request, output).await
}

pub(super) async fn cancelled(
    settings: &Settings,
    args: SessionCancelArgs,
    output: &mut Output,
) -> Result<(), Failure> {
    let request = Request {
        session_id: args.id,
        purchase_id: None,
        act: Act::Cancel { makeup: args.makeup },
        overrides: Vec::new(),
        actor: person::actor(args.why.by)?,
        reason: person::text_of(args.why.reason, "--reason")?,
    };
    carry_out(settings, request, output).await
}

pub(super) async fn marked(
    settings: &Settings,
    act: Act,
    args: SessionMarkArgs,
    output: &mut Output,
) -> Result<(), Failure> {
    let reason = if args.reason.trim().is_empty() { String::new() } else { person::text_of(args.reason, "--reason")? };
    let actor = person::actor(args.by)?;
    let request = Request { session_id: args.id, purchase_id: None, act, overrides: Vec::new(), actor, reason };
    carry_out(settings, request, output).await
}

async fn carry_out(settings: &Settings, request: Request, output: &mut Output) -> Result<(), Failure> {
    let id = request.session_id;
    let Some(app) = existing(settings, "nothing to change").await? else {
        return Err(Failure::work(format!("there is no session {id}")));
    };
    time_data::settled(&app).await?;
    let done = change(&app.platform, &request).await.map_err(|error| Failure::work(error.to_string()))?;
    let zone = zone_of(&app.platform, id).await;
    let shown = |state: &SessionState| {
        format!("{} with {}, {}", time_shown(state.starts_at, &zone), printable(&state.trainer_id), state.status)
    };
    match done {
        Done::Before(state) => output.line(format!("session {id} stands so already: {}", shown(&state))),
        Done::Now { before, after, makeup } => {
            output.line(format!("session {id}\n  was  {}\n  is   {}", shown(&before), shown(&after)))?;
            match makeup {
                Some((date, at)) => output.line(format!(
                    "  instead, at the end of the plan: {} ({})",
                    time_shown(at, &zone),
                    day_shown(date)
                )),
                None => Ok(()),
            }
        }
    }
}

/// The student's zone, to show times in.
async fn zone_of(platform: &caravan::platform::Platform, id: Uuid) -> String {
    let found = platform.store.session(id).await.ok().flatten();
    found.map_or_else(|| "UTC".to_owned(), |session| session.time_zone)
}

/// Such as `tue 2026-12-01 17:00 (Asia/Kolkata)`.
pub(crate) fn time_shown(at: Timestamp, zone_name: &str) -> String {
    match zone_named(zone_name) {
        Some(zone) => {
            format!("{} ({zone_name})", at.to_zoned(zone).strftime("%a %Y-%m-%d %H:%M").to_string().to_lowercase())
        }
        None => at.to_string(),
    }
}
