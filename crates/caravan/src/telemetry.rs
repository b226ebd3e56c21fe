//! Log lines, on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::config::LogFormat;

/// Whether standard error may be coloured: a terminal, and nobody said no (<https://no-color.org>).
pub fn colour_on_stderr() -> bool {
    std::io::stderr().is_terminal() && colour_wanted()
}

/// Whether `NO_COLOR` leaves the choice to us.
pub fn colour_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Starts writing log lines; a second call changes nothing.
///
/// # Errors
/// In words, if `filter` can't be read.
pub fn start(format: LogFormat, filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| format!("log must be a level or targets with levels such as \"info,sqlx=warn\": {error}"))?;
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    // A logger that is there already belongs to a test or an embedding program.
    let is_pretty = match format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let _already_started = match is_pretty {
        true => lines.with_ansi(colour_on_stderr()).with_target(false).try_init(),
        false => lines.with_ansi(false).json().flatten_event(true).with_current_span(false).try_init(),
    };
    Ok(())
}
