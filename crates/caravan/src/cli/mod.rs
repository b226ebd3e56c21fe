//! The command line: which command, on which settings, and how it ended.

use std::io::Write;
use std::process::ExitCode;

use caravan::app::{self, App, place};
use caravan::config::{self, Loaded};
use caravan::{telemetry, traces};
use clap::Parser;

mod args;
mod audit;
mod backup;
mod bench;
mod calendars;
mod closures;
mod dead_letters;
mod demo;
mod doctor;
mod failure;
mod groups;
mod input;
mod migrate;
mod output;
mod person;
mod progress;
mod publishing;
mod purchases;
mod reconcile;
mod refunds;
mod run;
mod serve;
mod sessions;
mod stuck;
mod time_data;
mod tokens;
mod topics;
mod trainers;

use args::{Cli, Command};
use failure::Failure;
use output::Output;

/// Log lines of the demo on a terminal, whose progress is shown otherwise, and of what is measured.
const QUIET_LOG: &str = "warn";

/// Runs the command the arguments ask for.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(refusal) => return refused(&refusal),
    };
    let mut output = Output::new();
    let ended = start(cli, &mut output).and_then(|()| output.flush());
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // What was already found out is shown even if the rest failed.
            let _reader_gone = output.flush();
            let message = failure.to_string();
            if !message.is_empty() {
                complain(&message);
            }
            failure.exit_code()
        }
    }
}

/// Help and version go to standard output and are no failure; the rest is wrong usage.
fn refused(refusal: &clap::Error) -> ExitCode {
    let _reader_gone = refusal.print();
    ExitCode::from(u8::try_from(refusal.exit_code()).unwrap_or(2))
}

/// Says something on standard error; that nobody may read it is no reason to fail.
pub(crate) fn remark(message: &str) {
    let _reader_gone = writeln!(std::io::stderr(), "{message}");
}

fn complain(message: &str) {
    let label = if telemetry::colour_on_stderr() { "\u{1b}[1;31merror:\u{1b}[0m" } else { "error:" };
    remark(&format!("{label} {message}"));
}

fn start(cli: Cli, output: &mut Output) -> Result<(), Failure> {
    let loaded = config::load(cli.global.config_file().as_deref(), &cli.overrides())?;
    let quiet = match cli.command {
        Command::Demo(_) => progress::is_shown(),
        Command::Bench(_) => true,
        _ => false,
    };
    let filter = if quiet && loaded.is_default("log") { QUIET_LOG } else { loaded.settings.log.as_str() };
    telemetry::start(loaded.settings.log_format, filter).map_err(Failure::Usage)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::work(format!("can't start: {error}")))?;
    let ended = runtime.block_on(async {
        let exporting = app::traces(&loaded.settings).and_then(traces::start);
        let ended = dispatch(cli.command, &loaded, output).await;
        if let Some(exporting) = exporting {
            exporting.finish().await;
        }
        ended
    });
    // A thread that still waits for standard input must not hold the end up.
    runtime.shutdown_background();
    ended
}

async fn dispatch(command: Command, loaded: &Loaded, output: &mut Output) -> Result<(), Failure> {
    let settings = &loaded.settings;
    match command {
        Command::Run(args) => run::run(loaded, args).await,
        Command::Serve(_) => serve::run(settings).await,
        Command::Tokens(command) => tokens::run(settings, command, output).await,
        Command::Calendars(command) => calendars::run(settings, command, output).await,
        Command::Demo(args) => demo::run(loaded, args, output).await,
        Command::Migrate(args) => migrate::run(settings, args, output).await,
        Command::Topics(command) => topics::run(settings, command, output).await,
        Command::Trainers(command) => trainers::run(settings, command, output).await,
        Command::Closures(command) => closures::run(settings, command, output).await,
        Command::Purchases(command) => purchases::run(settings, command, output).await,
        Command::Refunds(command) => refunds::run(settings, command, output).await,
        Command::Sessions(command) => sessions::run(settings, command, output).await,
        Command::TimeData(command) => time_data::run(settings, command, output).await,
        Command::Groups(args) => groups::run(settings, args, output).await,
        Command::DeadLetters(command) => dead_letters::run(settings, command, output).await,
        Command::Stuck(args) => stuck::run(settings, args, output).await,
        Command::Reconcile(args) => reconcile::run(settings, args, output).await,
        Command::Audit(args) => audit::run(settings, args, output).await,
        Command::Bench(args) => bench::run(settings, args, output).await,
        Command::Backup(args) => backup::run(settings, args, output).await,
        Command::Doctor(args) => doctor::run(loaded, args, output).await,
    }
}

/// The installation, if there is one; says so if there is none.
pub(crate) async fn existing(settings: &config::Settings, nothing: &str) -> Result<Option<App>, Failure> {
    let app = App::open_existing(settings).await?;
    if app.is_none() {
        remark(&format!("no database {} yet: {nothing}", place(settings)));
    }
    Ok(app)
}
