//! `caravan backup`: a copy of the database while everything runs.

use caravan::app::{App, place};
use caravan::config::Settings;

use super::args::BackupArgs;
use super::failure::Failure;
use super::output::Output;

pub(crate) async fn run(settings: &Settings, args: BackupArgs, output: &mut Output) -> Result<(), Failure> {
    let Some(app) = App::open_existing(settings).await? else {
        return Err(Failure::work(format!("no database {} yet: nothing to back up", place(settings))));
    };
    app.backup(&args.file).await?;
    let bytes = std::fs::metadata(&args.file).map(|metadata| metadata.len()).unwrap_or(0);
    output.line(format!("wrote {} ({bytes} bytes)", args.file.display()))?;
    output.line("to restore: put it as caravan.db into an empty directory and name that with --data")
}
