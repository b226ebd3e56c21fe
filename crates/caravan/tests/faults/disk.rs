//! Disks that can't be written: told with what to do, waited out, and no record is blamed for it.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::place::{Place, Ran, coming, finished, until};
use crate::sample::trainer;

const PAYMENTS: usize = 1_000;

/// A file system of its own over a directory, for as long as it is held.
struct Mounted(PathBuf);

impl Mounted {
    /// `None` where mounting is not allowed.
    fn over(directory: PathBuf, options: &[&str]) -> Option<Self> {
        std::fs::create_dir_all(&directory).unwrap();
        let mounted =
            Command::new("mount").args(options).arg(&directory).output().is_ok_and(|ran| ran.status.success());
        if !mounted {
            println!("passed over: mounting is not allowed here");
        }
        mounted.then_some(Self(directory))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Takes all the room that is left.
fn fill(ballast: &Path) {
    let mut file = std::fs::File::create(ballast).unwrap();
    let chunk = vec![b'x'; 1 << 16];
    for size in [chunk.len(), 512, 1] {
        while file.write_all(&chunk[..size]).is_ok() {}
    }
}

#[test]
fn a_full_disk_is_told_and_waited_out() {
    let place = Place::new();
    let Some(_disk) = Mounted::over(place.path("data"), &["-t", "tmpfs", "-o", "size=48m", "tmpfs"]) else { return };
    place.write_lines("roster.jsonl", (0..20).map(|number| trainer(&format!("trn_{number}"), json!({}))));
    place.run(&["trainers", "import", "roster.jsonl"]).ok();
    place.confirm((0..PAYMENTS).map(|number| coming(&format!("pay_{number}"))));

    let mut workers = place.spawn(&["run"], &[("CARAVAN_BATCH_RECORDS_MAX", "10")]);
    until("it is at work", || workers.log().contains("[AllocationWorker] Started"));
    let ballast = place.path("data/ballast");
    fill(&ballast);
    until("the full disk is told", || {
        fill(&ballast);
        workers.log().contains("the disk is full")
    });
    assert!(!workers.has_ended(), "{}", workers.log());
    let told = place.run(&["purchases", "confirm", "payments.jsonl"]).failed(1);
    assert!(told.contains("full") && told.contains("free some space"), "{told}");
    assert!(place.run(&["purchases", "list", "--json"]).json_lines().len() < PAYMENTS, "it was filled in the middle");

    std::fs::remove_file(&ballast).unwrap();
    until("everything is handled", || {
        let lines = place.run(&["groups", "--json"]).json_lines();
        lines.iter().all(|line| line["lag"].as_u64().unwrap_or(0) + line["outbox"].as_u64().unwrap_or(0) == 0)
    });
    workers.terminate();
    assert_eq!(workers.ended().0, Some(0), "{}", workers.log());
    assert_eq!(place.run(&["purchases", "list", "--json"]).json_lines().len(), PAYMENTS);
    place.nothing_is_left_over(0);
}

/// What is in a directory, by name.
fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// On a directory that can't be written: what would write says so and what to do, what only reads
/// answers.
fn refuses_to_write_and_answers(place: &Place, run: impl Fn(&[&str]) -> Ran) {
    place.write_lines("changed.jsonl", [trainer("trn_0", json!({ "name": "Ravindra" }))]);
    place.write_lines("payments.jsonl", [coming("pay_1")]);
    for args in [
        &["run"][..],
        &["run", "--until-idle"],
        &["trainers", "import", "changed.jsonl"],
        &["purchases", "confirm", "payments.jsonl"],
        &["sessions", "extend"],
    ] {
        let told = run(args).failed(1);
        assert!(told.contains("data directory"), "{args:?}: {told}");
        assert!(told.contains("permissions of") || told.contains("right to write"), "{args:?} says what to do: {told}");
    }
    let doctor = run(&["doctor"]);
    assert!(doctor.out.contains("data can't be written"), "{}", doctor.out);
    assert_eq!(doctor.code, Some(1));
    for args in [&["trainers", "list"][..], &["purchases", "list"], &["groups"], &["audit"]] {
        run(args).ok();
    }
}

#[test]
fn a_command_leaves_nothing_beside_the_database() {
    let place = Place::with_trainers(1);
    place.write_lines("bad.jsonl", ["{}"]);
    for args in [
        &["trainers", "import", "roster.jsonl"][..],
        &["trainers", "import", "bad.jsonl"],
        &["purchases", "list"],
        &["run", "--until-idle"],
        &["audit"],
        &["doctor"],
        &["groups"],
        &["purchases", "show", "nobody"],
    ] {
        place.run(args);
        let left: Vec<String> =
            names(&place.path("data")).into_iter().filter(|name| !name.ends_with(".lock")).collect();
        assert_eq!(left, ["caravan.db"], "after {args:?}");
    }
}

#[test]
fn a_file_system_that_is_read_only_is_told_and_can_be_read() {
    let place = Place::with_trainers(1);
    let data = place.path("data");
    {
        let bind = data.display().to_string();
        let Some(_disk) = Mounted::over(data.clone(), &["--bind", &bind]) else { return };
        assert!(Command::new("mount").args(["-o", "remount,bind,ro"]).arg(&data).status().unwrap().success());
        refuses_to_write_and_answers(&place, |args| place.run(args));
    }
    place.drain();
    place.nothing_is_left_over(0);
}

/// Runs the program that follows as a user who owns nothing here.
const AS_A_STRANGER: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

/// The program as a user who may not write here; `None` where there is no way to be one.
fn as_a_stranger(place: &Place, args: &[&str]) -> Option<Command> {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    if !is_root {
        return Some(place.command(args));
    }
    let mut command = Command::new(AS_A_STRANGER[0]);
    place.prepare(&mut command);
    command.args(&AS_A_STRANGER[1..]).arg(env!("CARGO_BIN_EXE_caravan")).args(args);
    Some(command)
}

/// Sets the modes of a directory and of all files in it.
fn set_modes(directory: &Path, of_it: u32, of_files: u32) {
    for file in std::fs::read_dir(directory).unwrap() {
        std::fs::set_permissions(file.unwrap().path(), Permissions::from_mode(of_files)).unwrap();
    }
    std::fs::set_permissions(directory, Permissions::from_mode(of_it)).unwrap();
}

#[test]
fn a_directory_that_may_not_be_written_is_told_and_can_be_read() {
    let place = Place::with_trainers(1);
    std::fs::set_permissions(place.path(""), Permissions::from_mode(0o755)).unwrap();
    let can_be_one = as_a_stranger(&place, &["--version"])
        .is_some_and(|mut version| version.output().is_ok_and(|ran| ran.status.success()));
    if !can_be_one {
        println!("passed over: nobody else can run the program here");
        return;
    }
    set_modes(&place.path("data"), 0o555, 0o444);
    refuses_to_write_and_answers(&place, |args| finished(&mut as_a_stranger(&place, args).unwrap()));
    set_modes(&place.path("data"), 0o755, 0o644);
    place.drain();
    place.nothing_is_left_over(0);
}
