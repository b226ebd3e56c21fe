//! Disks that can't be written: told, waited out, and nobody's record is blamed for it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::place::{Place, coming, until};

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
    place.write_lines(
        "roster.jsonl",
        (0..20).map(|number| crate::sample::trainer(&format!("trn_{number}"), serde_json::json!({}))),
    );
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

#[test]
fn a_file_system_that_is_read_only_is_named_with_what_to_do() {
    let place = Place::with_trainers(1);
    let data = place.path("data");
    let bind = data.display().to_string();
    let Some(_disk) = Mounted::over(data.clone(), &["--bind", &bind]) else { return };
    assert!(Command::new("mount").args(["-o", "remount,bind,ro"]).arg(&data).status().unwrap().success());
    for args in [&["run"][..], &["migrate"], &["trainers", "import", "../roster.jsonl"], &["doctor"]] {
        let ran = place.run(args);
        let told = format!("{}{}", ran.out, ran.err);
        assert_eq!(ran.code, Some(1), "{args:?}: {told}");
        assert!(!told.contains("panicked"), "{args:?}: {told}");
    }
    let told = place.run(&["run"]).failed(1);
    assert!(told.contains("can't be") && told.contains("data"), "{told}");
}
