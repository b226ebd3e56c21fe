//! A directory with a Caravan in it, and what its commands say.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::{Span, Timestamp, tz::TimeZone};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};
use tempfile::TempDir;

use crate::sample::{payment, trainer};

/// What anything gets before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(180);
/// How often a test looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// What it printed, if it did what it was asked.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// What it complained about, if it ended with this status.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(!self.err.contains("panicked"), "{self:?}");
        self.err
    }

    #[track_caller]
    pub(crate) fn json_lines(self) -> Vec<Value> {
        self.ok().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A working directory, and the settings of the Caravan that is used from it.
pub(crate) struct Place {
    directory: TempDir,
    settings: Vec<(&'static str, String)>,
}

impl Place {
    /// With its data in `data` below it.
    pub(crate) fn new() -> Self {
        Self::of(vec![("CARAVAN_DATA", "data".to_owned())])
    }

    pub(crate) fn of(settings: Vec<(&'static str, String)>) -> Self {
        Self { directory: TempDir::new().unwrap(), settings }
    }

    /// With so many trainers who can take many plans each.
    pub(crate) fn with_trainers(count: usize) -> Self {
        let place = Self::new();
        place.employ(count);
        place
    }

    pub(crate) fn employ(&self, count: usize) {
        self.write_lines("roster.jsonl", (0..count).map(|number| trainer(&format!("trn_{number}"), json!({}))));
        self.run(&["trainers", "import", "roster.jsonl"]).ok();
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path("data/caravan.db")
    }

    pub(crate) async fn connect(&self) -> SqliteConnection {
        SqliteConnectOptions::new().filename(self.database()).connect().await.unwrap()
    }

    pub(crate) fn write_lines(&self, name: &str, lines: impl IntoIterator<Item = impl std::fmt::Display>) {
        let lines: String = lines.into_iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(self.path(name), lines).unwrap();
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_caravan"));
        self.prepare(&mut command);
        command.args(args);
        command
    }

    /// What every command is run in: no settings but ours.
    pub(crate) fn prepare(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CARAVAN_") {
                command.env_remove(name);
            }
        }
        command.current_dir(self.directory.path()).envs(self.settings.iter().cloned()).stdin(Stdio::null());
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        finished(&mut self.command(args))
    }

    /// Confirms these payments, whatever happens to them.
    pub(crate) fn confirm(&self, payments: impl IntoIterator<Item = impl std::fmt::Display>) {
        self.write_lines("payments.jsonl", payments);
        self.run(&["purchases", "confirm", "payments.jsonl"]).ok();
    }

    /// Runs all workers until nothing is left to do.
    #[track_caller]
    pub(crate) fn drain(&self) {
        self.run(&["run", "--until-idle"]).ok();
    }

    /// Workers in the background, once all of them have started.
    pub(crate) fn start(&self) -> Running {
        let running = self.spawn(&["run"], &[]);
        until("the workers have started", || running.log().matches("Worker] Started").count() >= 4);
        running
    }

    /// A command in the background, with these variables.
    pub(crate) fn spawn(&self, args: &[&str], variables: &[(&str, &str)]) -> Running {
        let path = self.path(format!("{}-{}.log", args.join("-"), uuid::Uuid::new_v4().simple()));
        let log = std::fs::File::create(&path).unwrap();
        let mut command = self.command(args);
        command.envs(variables.iter().copied()).stdout(Stdio::null()).stderr(log);
        Running { child: command.spawn().unwrap(), path }
    }

    /// How every test ends: the outbox is empty, every group has read everything, there are so
    /// many dead letters, and the audit finds nothing.
    #[track_caller]
    pub(crate) fn nothing_is_left_over(&self, dead_letters: usize) {
        let mut groups = self.run(&["groups", "--json"]).json_lines();
        assert_eq!(groups.pop(), Some(json!({ "outbox": 0 })));
        assert!(groups.iter().all(|group| group["lag"] == 0), "{groups:#?}");
        let letters = self.run(&["dead-letters", "list", "--json"]).json_lines();
        assert_eq!(letters.len(), dead_letters, "{letters:#?}");
        let audit = self.run(&["audit"]);
        assert_eq!(audit.code, Some(0), "{}", audit.out);
    }
}

/// A process that is ended with the test.
pub(crate) struct Running {
    child: Child,
    path: PathBuf,
}

impl Running {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has said so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.path).unwrap()
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    pub(crate) fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.id().to_string()]).status().unwrap().success());
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end; how it ended and after how long.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> (Option<i32>, Duration) {
        let begun = Instant::now();
        until("the process has ended", || self.has_ended());
        (self.child.wait().unwrap().code(), begun.elapsed())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn finished(command: &mut Command) -> Ran {
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Runs a command that reads `input`.
pub(crate) fn fed(command: &mut Command, input: &[u8]) -> Ran {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// A payment for a plan that begins in two weeks, whenever this runs.
pub(crate) fn coming(payment_id: &str) -> Value {
    payment(payment_id, json!({ "plan": { "start_date": in_days(14), "sessions": 4 } }))
}

/// The date so many days from now, in UTC.
pub(crate) fn in_days(days: i64) -> String {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    (today + Span::new().days(days)).to_string()
}
