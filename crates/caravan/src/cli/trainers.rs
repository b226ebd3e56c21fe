//! `caravan trainers`: the roster in, the roster out.

use std::path::Path;

use caravan::app::App;
use caravan::config::Settings;
use caravan::life::conflicts::{Conflict, conflicts_of};
use caravan::roster::{FILE_BYTES_MAX, Format, ImportError, LineFault, import_trainers, trainers_of};
use caravan_domain::trainer::Trainer;
use serde::Serialize;

use super::args::{ImportArgs, ListArgs, TrainersCommand};
use super::failure::Failure;
use super::input;
use super::output::{List, Output, Row, counted, or_dash, printable};
use super::{existing, remark};

mod leave;

/// Trainers read at once.
const PAGE: usize = 500;
/// Faults that are told; the rest is counted.
const FAULTS_TOLD_MAX: usize = 50;

pub(crate) async fn run(settings: &Settings, command: TrainersCommand, output: &mut Output) -> Result<(), Failure> {
    match command {
        TrainersCommand::Import(args) => import(settings, args, output).await,
        TrainersCommand::List(args) => list(settings, args, output).await,
        TrainersCommand::Leave(args) => leave::run(settings, args, output).await,
    }
}

async fn import(settings: &Settings, args: ImportArgs, output: &mut Output) -> Result<(), Failure> {
    let content = input::whole(&args.file, FILE_BYTES_MAX)?;
    let entries = match trainers_of(&content, Format::of(&args.file, &content)) {
        Ok(entries) => entries,
        Err(faults) => return Err(refused(&args.file, ImportError::Faults(faults))),
    };
    let app = App::open(settings).await?;
    app.ensure_topics().await?;
    let imported = import_trainers(&app.platform, &entries).await.map_err(|error| refused(&args.file, error))?;
    let all = counted(entries.len() as u64, "trainer", "trainers");
    output
        .line(format!("{all}: {} new, {} changed, {} unchanged", imported.new, imported.changed, imported.unchanged))?;
    if imported.changed == 0 {
        return Ok(());
    }
    let ids: Vec<String> = entries.iter().filter_map(|entry| entry.content.trainer_id()).map(str::to_owned).collect();
    let conflicts = conflicts_of(&app.platform, &ids).await.map_err(|error| Failure::work(error.to_string()))?;
    tell_conflicts(&conflicts, output)
}

/// Lists the sessions that contradict the roster or the closures now.
pub(crate) fn tell_conflicts(conflicts: &[Conflict], output: &mut Output) -> Result<(), Failure> {
    if conflicts.is_empty() {
        return Ok(());
    }
    let sessions = counted(conflicts.len() as u64, "session to come contradicts", "sessions to come contradict");
    output.line(format!("{sessions} it; they stand as they are until somebody decides:"))?;
    for conflict in conflicts.iter().take(FAULTS_TOLD_MAX) {
        let Conflict { session_id, trainer_id, student_id, starts_at, rule, .. } = conflict;
        output.line(printable(&format!("  {session_id}  {starts_at}  {trainer_id} with {student_id}: {rule}")))?;
    }
    let left = conflicts.len().saturating_sub(FAULTS_TOLD_MAX);
    if left > 0 {
        output.line(format!("  ... and {left} more; `caravan audit` counts them all"))?;
    }
    output.line("see `caravan sessions move --help`, and for days off `caravan trainers leave --help`")
}

/// Tells the faults of a file one a line, and how the import ended.
pub(crate) fn refused(file: &Path, error: ImportError) -> Failure {
    let ImportError::Faults(faults) = &error else { return Failure::work(error.to_string()) };
    for fault in faults.iter().take(FAULTS_TOLD_MAX) {
        remark(&told(file, fault));
    }
    let left = faults.len().saturating_sub(FAULTS_TOLD_MAX);
    if left > 0 {
        remark(&format!("... and {left} more"));
    }
    Failure::work(error.to_string())
}

fn told(file: &Path, fault: &LineFault) -> String {
    printable(&format!("{}: {fault}", file.display()))
}

/// A trainer in the form of an import, so that a list can be taken over again.
#[derive(Serialize)]
#[serde(transparent)]
struct TrainerRow<'a>(&'a Trainer);

impl Row for TrainerRow<'_> {
    const COLUMNS: &'static [&'static str] =
        &["TRAINER", "NAME", "ZONE", "LANGUAGES", "COURSES", "AVAILABILITY", "A WEEK", "WEIGHT", "ACTIVE"];

    fn cells(&self) -> Vec<String> {
        let trainer = self.0;
        let courses = trainer.courses.iter().map(|course| format!("{}:{}", course.subject, course.levels.join("|")));
        let ranges =
            trainer.availability.iter().map(|range| format!("{} {}-{}", range.weekday, range.from, range.until));
        vec![
            trainer.trainer_id.clone(),
            or_dash(trainer.name.as_ref()),
            trainer.time_zone.clone(),
            trainer.languages.join(";"),
            courses.collect::<Vec<_>>().join(";"),
            ranges.collect::<Vec<_>>().join(";"),
            trainer.max_sessions_per_week.to_string(),
            trainer.weight.to_string(),
            if trainer.active { "yes" } else { "no" }.to_owned(),
        ]
    }
}

async fn list(settings: &Settings, args: ListArgs, output: &mut Output) -> Result<(), Failure> {
    let Some(app) = existing(settings, "nothing to list").await? else { return Ok(()) };
    let mut list = List::of::<TrainerRow<'_>>(output, args);
    let mut after: Option<String> = None;
    while list.wants_more() {
        let page = app.platform.store.list_trainers(after.as_deref(), list.page(PAGE)).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.trainer_id.clone());
        for (trainer, _) in &page {
            list.push(&TrainerRow(trainer))?;
        }
    }
    list.finish("no trainers; add some with: caravan trainers import FILE")
}
