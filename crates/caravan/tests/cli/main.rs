//! The command line as people and scripts use it: the built program, in directories of its own.

mod changing;
mod connecting;
mod dead_letters;
mod fulfilment;
mod listening;
mod operating;
mod purchases;
mod roster;
mod settings;
mod time_data;
mod traces;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// What a process gets before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);

struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    /// What it printed, if it did what it was asked.
    #[track_caller]
    fn ok(self) -> String {
        assert_eq!(self.code, 0, "stdout: {}\nstderr: {}", self.out, self.err);
        self.out
    }

    /// What it complained about, if it ended with this status.
    #[track_caller]
    fn failed(self, code: i32) -> String {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.out, self.err);
        self.err
    }

    #[track_caller]
    fn json_lines(self) -> Vec<Value> {
        self.ok().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// An empty working directory with the program in it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), content).unwrap();
        name.to_owned()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_caravan"));
        command.args(args).current_dir(self.0.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CARAVAN_") {
                command.env_remove(name);
            }
        }
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        finished(&mut self.command(args))
    }

    fn run_with(&self, variable: (&str, &str), args: &[&str]) -> Ran {
        finished(self.command(args).env(variable.0, variable.1))
    }

    fn fed(&self, input: &[u8], args: &[&str]) -> Ran {
        let mut command = self.command(args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        ran(child)
    }

    /// The example files, imported, confirmed and handled.
    fn with_examples() -> Self {
        let place = Self::with_examples_to_handle();
        place.run(&["run", "--until-idle"]).ok();
        place
    }

    /// The examples as they were handed over.
    fn with_examples_to_handle() -> Self {
        let place = Self::new();
        for (command, file) in [
            (["trainers", "import"], "roster.csv"),
            (["trainers", "import"], "roster.jsonl"),
            (["closures", "import"], "closures.csv"),
            (["purchases", "confirm"], "purchases.jsonl"),
        ] {
            place.run(&[command[0], command[1], &example(file)]).ok();
        }
        place
    }

    /// Workers in the background, once they have started.
    fn start_workers(&self) -> Running {
        self.start(&["run"])
    }

    /// The same, with options.
    fn start(&self, args: &[&str]) -> Running {
        let log = std::fs::File::create(self.path("run.log")).unwrap();
        let child = self.command(args).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let running = Running { child, log: self.path("run.log") };
        let named = args.iter().skip_while(|arg| **arg != "--workers").nth(1);
        let workers = named.map_or(4, |names| names.split(',').count());
        until("the workers have started", || running.log().matches("Worker] Started").count() == workers);
        running
    }
}

/// `caravan run`, ended with the test.
struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Asks it to stop and returns its exit status.
    fn terminate(&mut self) -> Option<i32> {
        assert!(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
        let mut status = None;
        until("the workers have left", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn finished(command: &mut Command) -> Ran {
    ran(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

fn ran(child: Child) -> Ran {
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn example(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name).display().to_string()
}

fn payment(payment_id: &str) -> Value {
    json!({
        "payment_id": payment_id, "confirmed_at": "2026-11-23T10:00:00Z",
        "amount": {"minor": 100, "currency": "EUR"},
        "student": {"id": "stu_1", "time_zone": "Europe/Berlin", "languages": ["de"]},
        "course": {"subject": "piano", "level": "beginner"},
        "plan": {"start_date": "2027-02-01", "sessions": 4, "per_week": 1, "minutes": 30,
                 "slots": [{"weekday": "mon", "at": "15:30"}]}
    })
}
