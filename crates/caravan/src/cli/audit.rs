//! `caravan audit`: the guarantees, checked against the data.

use caravan::app::App;
use caravan::audit::{self, IDS_SHOWN_DEFAULT, Options, Report};
use caravan::config::Settings;

use super::args::AuditArgs;
use super::existing;
use super::failure::Failure;
use super::output::Output;
use super::progress::Steps;

pub(crate) async fn run(settings: &Settings, args: AuditArgs, output: &mut Output) -> Result<(), Failure> {
    let Some(app) = existing(settings, "nothing to audit").await? else { return Ok(()) };
    let ids_shown = args.limit.unwrap_or(IDS_SHOWN_DEFAULT);
    let report = report(&app, settings, ids_shown).await?;
    let lines = if args.json { report.json_lines() } else { report.text_lines() };
    for line in lines {
        output.line(line)?;
    }
    if report.broken().is_empty() { Ok(()) } else { Err(Failure::Told) }
}

/// Checks every guarantee on a snapshot of what is there.
pub(crate) async fn report(app: &App, settings: &Settings, ids_shown: usize) -> Result<Report, Failure> {
    let options = Options {
        window_days: settings.window_days,
        lead_days: settings.lead_days,
        max_skipped: settings.max_skipped,
        ids_shown,
        now: app.platform.clock.now(),
    };
    let mut evidence = app.evidence().await?;
    let steps = Steps::default();
    let report = audit::run(evidence.as_mut(), &options, &steps).await;
    steps.clear();
    evidence.close().await;
    Ok(report?)
}
