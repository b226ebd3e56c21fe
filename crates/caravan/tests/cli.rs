//! The command line as people and scripts use it: the built program, in directories of its own.

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
        let place = Self::new();
        for (command, file) in [
            (["trainers", "import"], "roster.csv"),
            (["trainers", "import"], "roster.jsonl"),
            (["closures", "import"], "closures.csv"),
            (["purchases", "confirm"], "purchases.jsonl"),
        ] {
            place.run(&[command[0], command[1], &example(file)]).ok();
        }
        place.run(&["run", "--until-idle"]).ok();
        place
    }

    /// Workers in the background, once they have started.
    fn start_workers(&self) -> Running {
        let log = std::fs::File::create(self.path("run.log")).unwrap();
        let child = self.command(&["run"]).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let running = Running { child, log: self.path("run.log") };
        until("the workers have started", || running.log().contains("[CacheWorker] Started"));
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

#[test]
fn wrong_usage_is_status_2_and_help_is_status_0() {
    let place = Place::new();
    place.run(&["nonsense"]).failed(2);
    place.run(&[]).failed(2);
    place.run(&["sessions", "list", "--from", "tomorrow"]).failed(2);
    place.run(&["sessions", "list", "--from", "2026-12-02", "--until", "2026-12-01"]).failed(2);
    place.run(&["run", "--workers", "purchase,nobody"]).failed(2);
    place.run(&["dead-letters", "redrive"]).failed(2);
    place.run(&["dead-letters", "redrive", "--all", "--reason", "invalid-json"]).failed(2);
    assert!(place.run(&["purchases", "confirm", "--help"]).ok().contains("Examples:"));
    assert!(place.run(&["--version"]).ok().starts_with("caravan "));
}

#[test]
fn a_partial_set_of_services_is_refused_and_names_what_is_missing() {
    let place = Place::new();
    let refusal =
        place.run_with(("CARAVAN_REDIS_URL", "redis://:secret@host"), &["--kafka", "host:9092", "groups"]).failed(2);
    assert!(refusal.contains("--postgres is not") && !refusal.contains("secret"), "{refusal}");
    let all = [
        "--postgres",
        "postgres://127.0.0.1:1/db",
        "--kafka",
        "127.0.0.1:1",
        "--redis",
        "redis://127.0.0.1:1",
        "groups",
    ];
    assert!(place.run(&all).failed(1).contains("PostgreSQL can't be reached: is it running?"));
}

#[test]
fn settings_come_from_the_file_the_environment_and_options_in_this_order() {
    let place = Place::new();
    place.write("caravan.toml", "data = \"from-file\"\npartitions = 2\n");
    place.run(&["migrate"]).ok();
    assert!(place.path("from-file/caravan.db").exists());
    place.run_with(("CARAVAN_DATA", "from-env"), &["migrate"]).ok();
    assert!(place.path("from-env/caravan.db").exists());
    place.run_with(("CARAVAN_DATA", "from-env-2"), &["--data", "from-option", "migrate"]).ok();
    assert!(place.path("from-option/caravan.db").exists() && !place.path("from-env-2").exists());
    let topics = place.run(&["topics", "list", "--json"]).json_lines();
    assert_eq!(topics.iter().filter(|row| row["topic"] == "purchase-confirmed").count(), 2);
}

#[test]
fn a_setting_that_cannot_be_is_refused_by_name() {
    let place = Place::new();
    place.write("wrong.toml", "windwo_days = 7");
    let refusal = place.run(&["--config", "wrong.toml", "groups"]).failed(2);
    assert!(refusal.contains("windwo_days") && refusal.contains("wrong.toml"), "{refusal}");
    assert!(place.run(&["--config", "absent.toml", "groups"]).failed(2).contains("absent.toml"));
    let refusal = place.run_with(("CARAVAN_PARTITIONS", "0"), &["groups"]).failed(2);
    assert!(refusal.contains("partitions") && refusal.contains("from 1 to"), "{refusal}");
}

#[test]
fn without_a_database_there_is_nothing_to_list_and_none_is_made() {
    let place = Place::new();
    for args in [
        &["purchases", "list"][..],
        &["sessions", "list", "--json"],
        &["dead-letters", "list"],
        &["trainers", "list"],
        &["audit"],
    ] {
        let ran = place.run(args);
        assert!(ran.err.contains("no database in caravan-data yet"), "{args:?}: {}", ran.err);
        assert_eq!(ran.ok(), "");
    }
    assert!(!place.path("caravan-data").exists());
}

#[test]
fn the_examples_go_from_payments_to_sessions() {
    let place = Place::with_examples();
    let purchases = place.run(&["purchases", "list", "--json"]).json_lines();
    assert_eq!(purchases.len(), 13);
    assert_eq!(purchases.iter().filter(|row| row["status"] == "scheduled").count(), 12);
    let fields = [
        "purchase_id",
        "payment_id",
        "item",
        "student_id",
        "status",
        "requested_start_date",
        "start_date",
        "sessions_total",
        "horizon",
        "trainer_id",
        "allocated_at",
        "slots",
    ];
    for field in fields {
        assert!(purchases.iter().all(|row| row.get(field).is_some()), "purchases have no {field}");
    }
    let waiting = purchases.iter().find(|row| row["status"] == "waitlisted").unwrap();
    assert_eq!(
        (&waiting["trainer_id"], &waiting["allocated_at"], &waiting["slots"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );

    let asha = purchases.iter().find(|row| row["payment_id"] == "pay_ex_01").unwrap();
    let id = asha["purchase_id"].as_str().unwrap();
    let sessions = place.run(&["sessions", "list", "--purchase", id, "--json"]).json_lines();
    let ordinals: Vec<_> = sessions.iter().map(|row| row["ordinal"].as_u64().unwrap()).collect();
    assert_eq!(ordinals, (1..=8).collect::<Vec<_>>());
    assert_eq!(sessions[0]["starts_at"], "2027-02-02T11:30:00Z");
    assert_eq!(sessions[0]["time_zone"], "Asia/Kolkata");

    let reasons: Vec<_> = place.run(&["dead-letters", "list", "--json"]).json_lines();
    let mut reasons: Vec<_> = reasons.iter().map(|row| row["reason"].as_str().unwrap()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["conflicting-payment", "invalid-field", "invalid-json"]);

    let shown = place.run(&["purchases", "show", "pay_ex_01"]).ok();
    assert!(shown.contains("3 of 14 trainers teach python beginner.") && shown.contains("was chosen"), "{shown}");
    let shown = place.run(&["purchases", "show", "pay_ex_15"]).ok();
    assert!(shown.contains("is it misspelt?"), "{shown}");
    assert_eq!(
        place.run(&["purchases", "show", id, "--json"]).json_lines()[0]["sessions"].as_array().unwrap().len(),
        8
    );

    let mut groups = place.run(&["groups", "--json"]).json_lines();
    assert_eq!(groups.pop(), Some(json!({"outbox": 0})));
    assert!(groups.iter().all(|row| row["lag"] == 0));
    assert_eq!(place.run(&["audit", "--json"]).json_lines().iter().filter(|row| row["violations"] == 0).count(), 7);
}

#[test]
fn lists_stop_at_their_limit_and_filters_filter() {
    let place = Place::with_examples();
    assert_eq!(place.run(&["purchases", "list", "--limit", "2", "--json"]).json_lines().len(), 2);
    assert_eq!(place.run(&["purchases", "list", "--limit", "2"]).ok().lines().count(), 3);
    assert_eq!(place.run(&["purchases", "list", "--student", "stu_118", "--json"]).json_lines().len(), 2);
    assert_eq!(place.run(&["purchases", "list", "--status", "waitlisted", "--json"]).json_lines().len(), 1);
    let days = ["sessions", "list", "--student", "stu_118", "--from", "2027-02-04", "--until", "2027-02-09", "--json"];
    let dates: Vec<Value> = place.run(&days).json_lines().iter().map(|row| row["local_date"].clone()).collect();
    assert_eq!(dates, ["2027-02-04", "2027-02-09"]);
}

#[test]
fn an_import_is_all_or_nothing_and_tells_every_fault() {
    let place = Place::new();
    let good = "{\"trainer_id\":\"good\",\"time_zone\":\"UTC\"}";
    let file = place.write(
        "roster.jsonl",
        format!("{good}\n{{\"trainer_id\":\"a\",\"weight\":0}}\n{{\"trainer_id\":\"b\",\"nmae\":\"B\"}}\n{good}\n"),
    );
    let told = place.run(&["trainers", "import", &file]).failed(1);
    for part in
        ["line 2: /weight", "line 3: ", "nmae", "line 4: /trainer_id is \"good\", which line 1", "nothing was imported"]
    {
        assert!(told.contains(part), "{part} is not in:\n{told}");
    }
    // A new trainer needs a zone; that is only known once the database has been asked.
    let file = place.write("roster.csv", "trainer_id,time_zone\ngood,UTC\nnew,\n");
    assert!(place.run(&["trainers", "import", &file]).failed(1).contains("line 3: /time_zone"));
    assert_eq!(place.run(&["trainers", "list", "--json"]).ok(), "");
}

#[test]
fn a_listed_roster_can_be_imported_again_and_changes_nothing() {
    let place = Place::new();
    place.run(&["trainers", "import", &example("roster.csv")]).ok();
    let listed = place.run(&["trainers", "list", "--json"]).ok();
    let file = place.write("listed.jsonl", listed);
    assert_eq!(place.run(&["trainers", "import", &file]).ok(), "12 trainers: 0 new, 0 changed, 12 unchanged\n");
}

#[test]
fn thousands_of_trainers_are_imported_at_once() {
    let place = Place::new();
    let line = |number| format!("{{\"trainer_id\":\"t{number}\",\"time_zone\":\"Europe/Berlin\"}}\n");
    let file = place.write("roster.jsonl", (0..10_000).map(line).collect::<String>());
    assert_eq!(place.run(&["trainers", "import", &file]).ok(), "10000 trainers: 10000 new, 0 changed, 0 unchanged\n");
    assert_eq!(place.run(&["trainers", "list", "--json"]).json_lines().len(), 10_000);
}

#[test]
fn closures_are_added_or_replaced() {
    let place = Place::new();
    place.run(&["closures", "import", &example("closures.csv")]).ok();
    let file = place.write("one.jsonl", "{\"from\":\"2028-01-01\",\"until\":\"2028-01-01\",\"name\":\"New Year\"}\n");
    assert_eq!(place.run(&["closures", "import", &file]).ok(), "1 closure: 1 new, 0 unchanged, 0 removed\n");
    assert_eq!(place.run(&["closures", "list", "--json"]).json_lines().len(), 4);
    assert_eq!(
        place.run(&["closures", "import", &file, "--replace"]).ok(),
        "1 closure: 0 new, 1 unchanged, 3 removed\n"
    );
    assert_eq!(place.run(&["closures", "list", "--json"]).json_lines().len(), 1);
}

#[test]
fn whatever_is_confirmed_is_published_and_ends_as_a_purchase_or_a_dead_letter() {
    let place = Place::new();
    let large = format!("{{\"payment_id\":\"large\",\"padding\":\"{}\"}}", "x".repeat(300 * 1024));
    let mut lines = Vec::new();
    for line in [payment("good").to_string().as_bytes(), b"", b"  \r", b"\xFF\xFE\x00", large.as_bytes(), b"{}"] {
        lines.extend_from_slice(line);
        lines.push(b'\n');
    }
    lines.extend(payment("without a line feed").to_string().as_bytes());
    assert_eq!(place.fed(&lines, &["purchases", "confirm", "-"]).ok(), "published 5 lines to purchase-confirmed\n");
    place.run(&["run", "--until-idle"]).ok();
    assert_eq!(place.run(&["purchases", "list", "--json"]).json_lines().len(), 2);
    let mut reasons: Vec<Value> =
        place.run(&["dead-letters", "list", "--json"]).json_lines().iter().map(|row| row["reason"].clone()).collect();
    reasons.sort_by_key(ToString::to_string);
    assert_eq!(reasons, ["invalid-field", "invalid-json", "value-too-large"]);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let place = Place::new();
    assert!(place.run(&["purchases", "confirm", "absent.jsonl"]).failed(1).contains("absent.jsonl"));
    assert!(place.run(&["trainers", "import", "absent.csv"]).failed(1).contains("absent.csv"));
    assert!(!place.path("caravan-data").exists());
}

#[test]
fn a_repaired_dead_letter_becomes_a_purchase_once() {
    let place = Place::new();
    let mut broken = payment("pay_1");
    broken["plan"]["sessions"] = json!(501);
    place.fed(broken.to_string().as_bytes(), &["purchases", "confirm", "-"]).ok();
    place.run(&["run", "--until-idle"]).ok();
    let dry = place.run(&["dead-letters", "redrive", "--all", "--dry-run"]).ok();
    assert!(dry.contains("1: would be set aside again: invalid-field: /plan/sessions"), "{dry}");

    let repaired = place.write("repaired.json", payment("pay_1").to_string() + "\n");
    let dry = place.run(&["dead-letters", "redrive", "1", "--value", &repaired, "--dry-run"]).ok();
    assert!(dry.contains("1: creates 1 purchase"), "{dry}");
    let sent = place.run(&["dead-letters", "redrive", "1", "--value", &repaired]).ok();
    assert!(sent.contains("1: sent again to purchase-confirmed"), "{sent}");
    let again = place.run(&["dead-letters", "redrive", "1", "--value", &repaired]).ok();
    assert!(again.contains("1: already sent again at") && again.contains("sent 0 records again"), "{again}");

    place.run(&["run", "--until-idle"]).ok();
    assert_eq!(place.run(&["purchases", "list", "--json"]).json_lines().len(), 1);
    let shown = place.run(&["dead-letters", "show", "1"]).ok();
    assert!(shown.contains("\"sessions\": 501") && shown.contains("\"sessions\": 4"), "both are kept: {shown}");
    assert_eq!(place.run(&["dead-letters", "list", "--waiting", "--json"]).ok(), "");
}

#[test]
fn a_dead_letter_that_is_sent_as_it_was_comes_back_with_its_count() {
    let place = Place::new();
    place.fed(b"{\n", &["purchases", "confirm", "-"]).ok();
    place.run(&["run", "--until-idle"]).ok();
    place.run(&["dead-letters", "redrive", "--reason", "invalid-json"]).ok();
    place.run(&["run", "--until-idle"]).ok();
    let letters = place.run(&["dead-letters", "list", "--json"]).json_lines();
    let counts: Vec<_> = letters.iter().map(|row| row["redrives"].as_u64().unwrap()).collect();
    assert_eq!(counts, [0, 1]);
}

#[test]
fn a_redrive_of_what_is_not_there_sends_nothing() {
    let place = Place::new();
    place.fed(b"{\n", &["purchases", "confirm", "-"]).ok();
    place.run(&["run", "--until-idle"]).ok();
    assert!(place.run(&["dead-letters", "redrive", "1", "99"]).failed(1).contains("99"));
    assert!(place.run(&["dead-letters", "redrive", "1", "2", "--value", "x"]).failed(2).contains("exactly one"));
    assert_eq!(place.run(&["dead-letters", "list", "--waiting", "--json"]).json_lines().len(), 1);
}

#[test]
fn one_process_runs_workers_and_every_other_command_works_beside_it() {
    let place = Place::new();
    let mut running = place.start_workers();
    for worker in ["Purchase", "Allocation", "Session", "Cache"] {
        assert!(running.log().contains(&format!("[{worker}Worker] Started")), "{}", running.log());
    }
    let refusal = place.run(&["run"]).failed(1);
    assert!(refusal.contains(&running.child.id().to_string()), "the holder is named: {refusal}");
    place
        .run(&["groups", "replay", "purchase-creation-workers", "--topic", "purchase-confirmed", "--to", "earliest"])
        .failed(1);

    place.run(&["trainers", "import", &example("roster.csv")]).ok();
    place.run(&["purchases", "confirm", &example("purchases.jsonl")]).ok();
    until("the purchases are handled", || {
        let rows = place.run(&["groups", "--json"]).json_lines();
        let purchases = place.run(&["purchases", "list", "--json"]).json_lines();
        purchases.len() == 13 && rows.iter().all(|row| row["lag"] == 0 || row["outbox"] == 0)
    });
    assert!(place.run(&["groups", "--json"]).json_lines().iter().any(|row| row["members"] == 1));
    place.run(&["backup", "copy.db"]).ok();
    place.run(&["doctor"]).ok();
    assert_eq!(running.terminate(), Some(0), "{}", running.log());
    assert!(running.log().contains("[PurchaseWorker] Stopped"), "{}", running.log());
}

#[test]
fn log_lines_can_be_json() {
    let place = Place::new();
    let ran = place.run(&["run", "--until-idle", "--workers", "purchase", "--log-format", "json"]);
    let started = ran.err.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let messages: Vec<Value> = started.map(|line| line["message"].clone()).collect();
    assert!(messages.contains(&json!("[PurchaseWorker] Started")), "{messages:?}");
    assert!(!messages.contains(&json!("[CacheWorker] Started")), "{messages:?}");
    assert_eq!(ran.ok(), "");
}

#[test]
fn reading_again_changes_nothing() {
    let place = Place::with_examples();
    let before = place.run(&["purchases", "list", "--json"]).ok();
    let replay = ["groups", "replay", "purchase-creation-workers", "--topic", "purchase-confirmed", "--to", "earliest"];
    assert_eq!(place.run(&replay).ok().lines().count(), 3);
    place.run(&["run", "--until-idle"]).ok();
    assert_eq!(place.run(&["purchases", "list", "--json"]).ok(), before);
    assert_eq!(place.run(&["dead-letters", "list", "--json"]).json_lines().len(), 3);
    place.run(&["audit"]).ok();
}

#[test]
fn a_replay_names_what_there_is() {
    let place = Place::with_examples();
    let replay = |group: &str, topic: &str, rest: &[&str]| {
        place.run(&[&["groups", "replay", group, "--topic", topic], rest].concat())
    };
    assert!(
        replay("nobody", "purchase-confirmed", &["--to", "latest"]).failed(2).contains("trainer-allocation-workers")
    );
    let foreign = replay("purchase-creation-workers", "trainer-changed", &["--to", "latest"]).failed(2);
    assert!(foreign.contains("it consumes purchase-confirmed"), "{foreign}");
    let beyond =
        replay("purchase-creation-workers", "purchase-confirmed", &["--partition", "0", "--to", "999"]).failed(2);
    assert!(beyond.contains("purchase-confirmed/0 has offsets from 0 to"), "{beyond}");
    replay("purchase-creation-workers", "purchase-confirmed", &["--partition", "3", "--to", "latest"]).failed(2);
    replay("purchase-creation-workers", "purchase-confirmed", &["--to", "soon"]).failed(2);
}

#[test]
fn windows_are_extended_once_for_a_day() {
    let place = Place::with_examples();
    let sessions = || place.run(&["sessions", "list", "--student", "stu_118", "--json"]).json_lines().len();
    let before = sessions();
    place.run(&["sessions", "extend", "--as-of", "2027-02-20"]).ok();
    let after = sessions();
    assert!(after > before, "{before} {after}");
    let again = place.run(&["sessions", "extend", "--as-of", "2027-02-20"]).ok();
    assert!(again.contains(": 0 sessions more, 0 completed"), "{again}");
    place.run(&["sessions", "extend"]).ok();
    assert_eq!(sessions(), after, "a window is never lowered");
    place.run(&["audit"]).ok();
}

#[test]
fn a_backup_is_a_data_directory_and_overwrites_nothing() {
    let place = Place::with_examples();
    std::fs::create_dir(place.path("restored")).unwrap();
    place.run(&["backup", "restored/caravan.db"]).ok();
    let original = place.run(&["sessions", "list", "--json"]).ok();
    assert_eq!(place.run(&["--data", "restored", "sessions", "list", "--json"]).ok(), original);
    assert!(place.run(&["backup", "restored/caravan.db"]).failed(1).contains("restored/caravan.db"));
    assert!(place.run(&["--data", "absent", "backup", "x.db"]).failed(1).contains("absent"));
}

#[test]
fn a_reader_that_leaves_ends_the_list_quietly() {
    let place = Place::with_examples();
    let mut command = place.command(&["sessions", "list", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(0), ""));
}

#[test]
fn nothing_is_coloured_that_is_not_on_a_terminal() {
    let place = Place::with_examples();
    for args in [
        &["purchases", "list"][..],
        &["groups"],
        &["doctor"],
        &["purchases", "show", "pay_ex_01"],
        &["run", "--until-idle"],
    ] {
        let ran = place.run(args);
        assert!(!ran.out.contains('\u{1b}') && !ran.err.contains('\u{1b}'), "{args:?}");
    }
}

#[test]
fn the_doctor_says_what_to_do() {
    let place = Place::new();
    let fresh = place.run(&["doctor", "--json"]).json_lines();
    assert!(fresh.iter().all(|check| check["state"] == "ok"), "{fresh:?}");
    assert!(!place.path("caravan-data").exists(), "looking changes nothing");
    place.write("file", "");
    let ran = place.run(&["--data", "file/below", "doctor"]);
    assert!(ran.out.contains("FAIL") && ran.out.contains("--data"), "{}", ran.out);
    ran.failed(1);
    let ran = place.run_with(("CARAVAN_PARTITION", "3"), &["doctor"]);
    assert!(ran.out.contains("CARAVAN_PARTITION set nothing"), "{}", ran.out);
    ran.ok();
}

#[test]
fn namespaces_share_a_directory_and_nothing_else() {
    let place = Place::with_examples();
    assert_eq!(place.run(&["--namespace", "other", "migrate"]).code, 0);
    assert_eq!(place.run(&["--namespace", "other", "purchases", "list", "--json"]).ok(), "");
    assert!(place.run(&["--namespace", "Not A Name", "migrate"]).failed(2).contains("namespace"));
}

#[test]
fn the_demo_shows_everything_and_clears_up_after_earlier_ones() {
    let place = Place::new();
    let demo = ["demo", "--purchases", "80", "--trainers", "12", "--seed", "5", "--exit"];
    let shown = place.run(&demo).ok();
    for part in ["purchases", "waitlisted", "duplicates recognised", "payment to sessions, p99", "7 guarantees hold"] {
        assert!(shown.contains(part), "{part} is not in:\n{shown}");
    }
    let command = shown.lines().find(|line| line.ends_with(" groups")).unwrap();
    let args: Vec<&str> = command.split_whitespace().skip(1).collect();
    assert!(place.run(&args).ok().contains("outbox: 0 unpublished"));

    place.run(&["migrate"]).ok();
    place.run(&demo).ok();
    let databases = |prefix: &str| {
        let files = std::fs::read_dir(place.path("caravan-data")).unwrap().map(|file| file.unwrap().file_name());
        files
            .filter(|name| name.to_string_lossy().starts_with(prefix) && name.to_string_lossy().ends_with(".db"))
            .count()
    };
    assert_eq!((databases("demo-"), databases("caravan")), (1, 1));
}
