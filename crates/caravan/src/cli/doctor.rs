//! `caravan doctor`: is everything as it must be, and if not, what to do.

use std::path::Path;

use caravan::app::{App, Member};
use caravan::config::{KEYS, Loaded, unknown_variables};
use caravan::lag::lags;
use caravan::platform::embedded::SchemaVersion;
use caravan::time_data;
use caravan_domain::window;
use jiff::{Timestamp, ToSpan};
use serde::Serialize;

use super::args::DoctorArgs;
use super::failure::Failure;
use super::output::{Output, counted, printable};

/// Less free space than this is told.
const FREE_BYTES_LOW: u64 = 1 << 30;
/// With less free space than this, writing may fail at any moment.
const FREE_BYTES_MIN: u64 = 64 << 20;
/// No clock is right that is before this program was written.
const WRITTEN: &str = "2026-11-01T00:00:00Z";
/// What clocks of machines may differ by.
const CLOCK_SLACK_MINUTES: i64 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Check {
    check: &'static str,
    state: State,
    found: String,
    todo: Option<String>,
}

impl Check {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, state: State::Ok, found: found.into(), todo: None }
    }

    fn warn(check: &'static str, found: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { check, state: State::Warn, found: found.into(), todo: Some(todo.into()) }
    }

    fn fail(check: &'static str, found: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { check, state: State::Fail, found: found.into(), todo: Some(todo.into()) }
    }
}

pub(crate) async fn run(loaded: &Loaded, args: DoctorArgs, output: &mut Output) -> Result<(), Failure> {
    if !args.json {
        tell_settings(loaded, output)?;
    }
    let mut checks = vec![variables(), clock(Timestamp::now())];
    if !loaded.settings.names_services() {
        checks.extend(directory_checks(&loaded.settings.data));
    }
    match App::look(&loaded.settings).await {
        Ok(Some(app)) => checks.extend(installation(&app).await),
        Ok(None) => checks.push(Check::ok("database", "not there yet; the first command that writes makes it")),
        Err(error) => checks.push(Check::fail("database", "can't be used", error.to_string())),
    }
    for check in &checks {
        if args.json { output.json(check)? } else { tell(check, output)? }
    }
    let failed = checks.iter().any(|check| check.state == State::Fail);
    if failed { Err(Failure::Told) } else { Ok(()) }
}

fn tell_settings(loaded: &Loaded, output: &mut Output) -> Result<(), Failure> {
    output.line(output.heading("Settings"))?;
    for key in KEYS {
        let line = format!("  {key:<20} {:<24} {}", loaded.settings.shown(key), loaded.origin(key));
        output.line(printable(&line))?;
    }
    output.line("")?;
    output.line(output.heading("Checks"))
}

fn tell(check: &Check, output: &mut Output) -> Result<(), Failure> {
    let label = match check.state {
        State::Ok => output.good("ok  "),
        State::Warn => output.warning("warn"),
        State::Fail => output.bad("FAIL"),
    };
    output.line(format!("  {label} {:<14} {}", check.check, printable(&check.found)))?;
    match &check.todo {
        Some(todo) => output.line(format!("       {:<14} -> {}", "", printable(todo))),
        None => Ok(()),
    }
}

fn variables() -> Check {
    match unknown_variables() {
        unknown if unknown.is_empty() => Check::ok("environment", "no variable that looks like ours and isn't"),
        unknown => Check::warn(
            "environment",
            format!("{} set nothing", unknown.join(", ")),
            format!(
                "if one is meant to: settings are {}",
                KEYS.map(|key| format!("CARAVAN_{}", key.to_uppercase())).join(", ")
            ),
        ),
    }
}

fn clock(now: Timestamp) -> Check {
    let written = WRITTEN.parse::<Timestamp>().unwrap_or(Timestamp::UNIX_EPOCH);
    if now < written {
        return Check::fail("clock", format!("says {now}, which is past"), "set the clock, or let NTP set it");
    }
    Check::ok("clock", format!("{now:.0}; today is {} in UTC", window::today(now)))
}

fn directory_checks(directory: &Path) -> Vec<Check> {
    let shown = directory.display();
    if !directory.exists() {
        return match nearest(directory).map(writable) {
            Some(Ok(())) => vec![Check::ok("directory", format!("{shown} is not there yet and can be made"))],
            Some(Err(problem)) => vec![Check::fail(
                "directory",
                format!("{shown} can't be made: {problem}"),
                "make it, or name another with --data",
            )],
            None => vec![Check::fail("directory", format!("{shown} can't be made"), "name another with --data")],
        };
    }
    let written = match writable(directory) {
        Ok(()) => Check::ok("directory", format!("{shown} can be written")),
        Err(problem) => Check::fail(
            "directory",
            format!("{shown} can't be written: {problem}"),
            "give it to the user that runs caravan, or name another with --data",
        ),
    };
    vec![written, space(directory)]
}

/// The closest directory above that is there.
fn nearest(directory: &Path) -> Option<&Path> {
    let there = directory.ancestors().skip(1).find(|above| above.as_os_str().is_empty() || above.exists())?;
    Some(if there.as_os_str().is_empty() { Path::new(".") } else { there })
}

fn writable(directory: &Path) -> std::io::Result<()> {
    let probe = directory.join(format!(".caravan-doctor-{}", std::process::id()));
    std::fs::OpenOptions::new().write(true).create_new(true).open(&probe)?;
    std::fs::remove_file(probe)
}

fn space(directory: &Path) -> Check {
    let free = match rustix::fs::statvfs(directory) {
        Ok(found) => found.f_bavail.saturating_mul(found.f_frsize),
        Err(error) => return Check::warn("disk", format!("free space is unknown: {error}"), "look at it with df"),
    };
    let found = format!("{} MiB free", free >> 20);
    match free {
        free if free < FREE_BYTES_MIN => {
            Check::fail("disk", found, "free some space, or name another directory with --data")
        }
        free if free < FREE_BYTES_LOW => Check::warn("disk", found, "free some space soon"),
        _ => Check::ok("disk", found),
    }
}

async fn installation(app: &App) -> Vec<Check> {
    let mut checks = vec![schema(app).await, time_data(app).await, workers(app).await];
    match groups(app).await {
        Ok(found) => checks.extend(found),
        Err(error) => checks.push(Check::fail("database", "can't be read", error.to_string())),
    }
    checks
}

async fn schema(app: &App) -> Check {
    match app.schema_version().await {
        Ok(SchemaVersion { found, known }) => {
            let store = app.store_version().await.unwrap_or_else(|error| error.to_string());
            Check::ok("database", format!("{store}, schema version {found} (needed: {known})"))
        }
        Err(error) => Check::fail("database", "its version can't be read", error.to_string()),
    }
}

async fn time_data(app: &App) -> Check {
    let bundled = time_data::bundled();
    match app.platform.store.time_data().await {
        Ok(Some(recorded)) if recorded.version == bundled => {
            Check::ok("time zones", format!("{bundled}, as plans were laid out with"))
        }
        Ok(recorded) => Check::warn(
            "time zones",
            format!("{bundled} in this program, plans were laid out with {}", time_data::shown(recorded.as_ref())),
            "caravan run compares them when it starts; what would move is shown by: caravan time-data list",
        ),
        Err(error) => Check::fail("time zones", "their version can't be read", error.to_string()),
    }
}

async fn workers(app: &App) -> Check {
    match app.members().await {
        Ok(members) if members.is_empty() => Check::warn("workers", "none run", "start them with: caravan run"),
        Ok(members) => {
            let one = |member: &Member| format!("{} in {}", member.group, member.name);
            Check::ok("workers", members.iter().map(one).collect::<Vec<_>>().join("; "))
        }
        Err(error) => Check::fail("workers", "unknown", error.to_string()),
    }
}

async fn groups(app: &App) -> Result<Vec<Check>, Failure> {
    let lags = lags(&app.platform).await?;
    let totals = app.platform.store.totals().await?;
    let behind: u64 = lags.iter().map(caravan::lag::Lag::records).sum();
    let mut checks = Vec::new();
    for lag in lags.iter().filter(|lag| lag.lost.is_some()) {
        let group = lag.worker.spec().group;
        checks.push(Check::fail(
            "position",
            format!("{group} in {}/{} {}", lag.topic, lag.partition, lag.lost.unwrap_or_default()),
            format!("caravan groups replay {group} --topic {} --partition {} --to earliest", lag.topic, lag.partition),
        ));
    }
    checks.push(Check::ok("lag", format!("{behind} to be handled, {} to be published", totals.outbox)));
    let waiting = caravan::platform::rows::DeadLetterFilter { waiting: true, ..Default::default() };
    if app.platform.store.list_dead_letters(&waiting, None, 1).await?.is_empty() {
        checks.push(Check::ok("dead letters", "none wait"));
    } else {
        let all = counted(totals.dead_letters.values().sum(), "record was", "records were");
        checks.push(Check::warn(
            "dead letters",
            format!("{all} set aside so far, and some wait"),
            "look at them with: caravan dead-letters list --waiting",
        ));
    }
    checks.extend(cron(app).await?);
    Ok(checks)
}

/// A cron that ran in the future tells of a clock that was set back.
async fn cron(app: &App) -> Result<Option<Check>, Failure> {
    let now = app.platform.clock.now();
    let slack = now.saturating_add(CLOCK_SLACK_MINUTES.minutes()).unwrap_or(now);
    Ok(app.platform.store.cron_last().await?.map(|last| {
        if last > slack {
            Check::warn(
                "cron",
                format!("last done at {last:.0}, which is still to come"),
                "check the clock: it was ahead, or is behind now",
            )
        } else {
            Check::ok("cron", format!("last done at {last:.0}"))
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_before_the_program_was_written_is_wrong() {
        assert_eq!(clock("1970-01-01T00:00:10Z".parse().unwrap()).state, State::Fail);
        assert_eq!(clock("2027-01-01T00:00:00Z".parse().unwrap()).state, State::Ok);
    }

    #[test]
    fn a_directory_that_is_not_there_is_judged_by_where_it_would_be() {
        let parent = tempfile::tempdir().unwrap();
        let absent = parent.path().join("a/b");
        assert_eq!(nearest(&absent), Some(parent.path()));
        assert_eq!(nearest(Path::new("caravan-data")), Some(Path::new(".")));
        assert_eq!(directory_checks(&absent)[0].state, State::Ok);
        let file = parent.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(directory_checks(&file.join("below"))[0].state, State::Fail);
    }
}
