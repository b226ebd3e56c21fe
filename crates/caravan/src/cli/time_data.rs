//! `caravan time-data`: what other time zone data would move, and moving it.

use caravan::app::App;
use caravan::config::Settings;
use caravan::life::time_data::{self, Remedy, Request, Settled};
use caravan::time_data::{Moved, Search, bundled, settle, shown};
use jiff::Timestamp;
use serde::Serialize;

use super::args::{ListArgs, TimeDataApplyArgs, TimeDataCommand};
use super::failure::Failure;
use super::output::{List, Output, Row, counted, printable};
use super::sessions::time_shown;
use super::{existing, person};

pub(crate) async fn run(settings: &Settings, command: TimeDataCommand, output: &mut Output) -> Result<(), Failure> {
    match command {
        TimeDataCommand::List(args) => list(settings, args, output).await,
        TimeDataCommand::Apply(args) => apply(settings, args, output).await,
    }
}

/// Lets nothing go on that lays out plans, as long as they would move.
pub(crate) async fn settled(app: &App) -> Result<(), Failure> {
    settle(&app.platform).await.map_err(|error| Failure::work(error.to_string()))
}

/// The versions, and how much would move.
#[derive(Serialize)]
struct Summary<'a> {
    recorded: Option<&'a str>,
    noted_at: Option<Timestamp>,
    bundled: &'static str,
    sessions: u64,
    purchases: u64,
}

async fn list(settings: &Settings, args: ListArgs, output: &mut Output) -> Result<(), Failure> {
    let Some(app) = existing(settings, "nothing is planned that could move").await? else { return Ok(()) };
    let recorded = app.platform.store.time_data().await?;
    if !args.json {
        let noted = recorded.as_ref().map(|found| format!(" (noted at {:.0})", found.noted_at)).unwrap_or_default();
        output.line(format!("planned with  {}{noted}", printable(shown(recorded.as_ref()))))?;
        output.line(format!("this program  {}\n", bundled()))?;
    }
    let (mut sessions, mut purchases) = (0, 0);
    let mut last = None;
    let mut list = List::of::<Moved>(output, args);
    let mut search = Search::new(&app.platform);
    while let Some(page) = search.next().await.map_err(|error| Failure::work(error.to_string()))? {
        for moved in &page {
            sessions += 1;
            purchases += u64::from(last.replace(moved.purchase_id) != Some(moved.purchase_id));
            list.push(moved)?;
        }
    }
    list.finish("no session would move")?;
    if args.json {
        let version = recorded.as_ref().map(|found| found.version.as_str());
        let noted_at = recorded.as_ref().map(|found| found.noted_at);
        let summary = Summary { recorded: version, noted_at, bundled: bundled(), sessions, purchases };
        return output.json(&serde_json::json!({ "summary": summary }));
    }
    if sessions > 0 {
        let of = counted(purchases, "purchase", "purchases");
        output
            .line(format!("\n{} of {of} would move; nothing has changed", counted(sessions, "session", "sessions")))?;
    }
    Ok(())
}

async fn apply(settings: &Settings, args: TimeDataApplyArgs, output: &mut Output) -> Result<(), Failure> {
    let json = args.list.json;
    let request = Request {
        actor: person::actor(args.by)?,
        reason: args.reason.map(|reason| person::text_of(reason, "--reason")).transpose()?.unwrap_or_default(),
    };
    let Some(app) = existing(settings, "nothing is planned that could move").await? else { return Ok(()) };
    let found = match args.plan {
        true => time_data::propose(&app.platform).await,
        false => time_data::apply(&app.platform, &request).await,
    };
    let settled = found.map_err(|error| Failure::work(error.to_string()))?;
    let mut list = List::of::<Settled>(output, args.list);
    for session in &settled {
        list.push(session)?;
    }
    list.finish("no session is displaced")?;
    if json || settled.is_empty() { Ok(()) } else { output.line(summary(&settled, args.plan)) }
}

fn summary(settled: &[Settled], planned: bool) -> String {
    let moved = settled.iter().filter(|session| session.remedy == Remedy::Moves).count();
    let moves = counted(moved as u64, "session keeps its local time", "sessions keep their local time");
    let left = match settled.len() - moved {
        0 => "nothing is left to a person".to_owned(),
        left => format!("{left} left to a person at the old instant (see `caravan sessions move --help`)"),
    };
    let would = if planned { "; nothing was changed" } else { "" };
    format!("\n{moves}, {left}{would}")
}

impl Row for Settled {
    const COLUMNS: &'static [&'static str] = &[
        "SESSION",
        "PURCHASE",
        "TRAINER",
        "STUDENT",
        "NO.",
        "UNTIL NOW (UTC)",
        "LOCAL TIME (UTC)",
        "LOCAL TIME",
        "BECOMES",
    ];

    fn cells(&self) -> Vec<String> {
        let Moved { session_id, purchase_id, trainer_id, student_id, ordinal, starts_at, would_start_at, .. } =
            &self.moved;
        vec![
            session_id.to_string(),
            purchase_id.to_string(),
            trainer_id.clone(),
            student_id.clone(),
            ordinal.to_string(),
            starts_at.map_or_else(|| "unknown".to_owned(), |at| at.to_string()),
            would_start_at.to_string(),
            time_shown(*would_start_at, &self.moved.time_zone),
            match self.remedy {
                Remedy::Moves => "moves",
                Remedy::Person => "left to a person",
            }
            .to_owned(),
        ]
    }
}

impl Row for Moved {
    const COLUMNS: &'static [&'static str] = &[
        "SESSION",
        "PURCHASE",
        "TRAINER",
        "STUDENT",
        "NO.",
        "CALENDAR",
        "PLANNED UNTIL NOW (UTC)",
        "WOULD BE (UTC)",
        "LOCAL TIME",
    ];

    fn cells(&self) -> Vec<String> {
        let until_now = self.starts_at.map_or_else(|| "unknown".to_owned(), |at| at.to_string());
        vec![
            self.session_id.to_string(),
            self.purchase_id.to_string(),
            self.trainer_id.clone(),
            self.student_id.clone(),
            self.ordinal.to_string(),
            if self.in_calendar { "yes" } else { "not yet" }.to_owned(),
            until_now,
            self.would_start_at.to_string(),
            time_shown(self.would_start_at, &self.time_zone),
        ]
    }
}
