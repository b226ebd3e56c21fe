//! `caravan migrate`: the database and the topics, as this version needs them.

use caravan::app::{App, place};
use caravan::config::Settings;

use super::args::MigrateArgs;
use super::failure::Failure;
use super::output::Output;

pub(crate) async fn run(settings: &Settings, args: MigrateArgs, output: &mut Output) -> Result<(), Failure> {
    let app = App::open(settings).await?;
    let created = app.platform.log.create_topics(settings.partitions).await?;
    let version = app.schema_version().await?.found;
    output.line(format!("the database {} is at schema version {version}", place(settings)))?;
    if !created.is_empty() {
        output.line(format!("created {} topics", created.len()))?;
    }
    if args.restored {
        output.line(match app.platform.store.begin_epoch().await? {
            true => "what is decided from now on is told under new event ids",
            false => "nothing to do: the log is a part of this database, and went back with it",
        })?;
    }
    Ok(())
}
