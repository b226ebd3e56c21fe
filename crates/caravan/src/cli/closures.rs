//! `caravan closures`: company-wide days without lessons.

use caravan::app::App;
use caravan::config::Settings;
use caravan::life::conflicts::conflicts_with;
use caravan::roster::{FILE_BYTES_MAX, Format, ImportError, closures_of, import_closures};
use caravan_domain::trainer::Closure;
use serde::Serialize;

use super::args::{ClosuresCommand, ClosuresImportArgs, ListArgs};
use super::existing;
use super::failure::Failure;
use super::input;
use super::output::{List, Output, Row, counted};
use super::trainers::{refused, tell_conflicts};

pub(crate) async fn run(settings: &Settings, command: ClosuresCommand, output: &mut Output) -> Result<(), Failure> {
    match command {
        ClosuresCommand::Import(args) => import(settings, args, output).await,
        ClosuresCommand::List(args) => list(settings, args, output).await,
    }
}

async fn import(settings: &Settings, args: ClosuresImportArgs, output: &mut Output) -> Result<(), Failure> {
    let file = &args.import.file;
    let content = input::whole(file, FILE_BYTES_MAX)?;
    let entries = match closures_of(&content, Format::of(file, &content)) {
        Ok(entries) => entries,
        Err(faults) => return Err(refused(file, ImportError::Faults(faults))),
    };
    let app = App::open(settings).await?;
    app.ensure_topics().await?;
    let imported =
        import_closures(&app.platform, &entries, args.replace).await.map_err(|error| refused(file, error))?;
    let all = counted(entries.len() as u64, "closure", "closures");
    output
        .line(format!("{all}: {} new, {} unchanged, {} removed", imported.new, imported.unchanged, imported.removed))?;
    let closures: Vec<Closure> = entries.into_iter().map(|entry| entry.content).collect();
    let conflicts = conflicts_with(&app.platform, &closures).await;
    tell_conflicts(&conflicts.map_err(|error| Failure::work(error.to_string()))?, output)
}

#[derive(Serialize)]
#[serde(transparent)]
struct ClosureRow<'a>(&'a Closure);

impl Row for ClosureRow<'_> {
    const COLUMNS: &'static [&'static str] = &["FROM", "UNTIL", "NAME"];

    fn cells(&self) -> Vec<String> {
        vec![self.0.from.to_string(), self.0.until.to_string(), self.0.name.clone()]
    }
}

async fn list(settings: &Settings, args: ListArgs, output: &mut Output) -> Result<(), Failure> {
    let Some(app) = existing(settings, "nothing to list").await? else { return Ok(()) };
    let mut list = List::of::<ClosureRow<'_>>(output, args);
    for closure in &app.platform.store.closures().await? {
        list.push(&ClosureRow(closure))?;
    }
    list.finish("no closures")
}
