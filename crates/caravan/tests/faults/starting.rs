//! How long it takes to be there, and how little it needs to stay.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::place::Place;

/// Generous: tests run unoptimised, beside one another.
const COLD_START_MAX: Duration = Duration::from_secs(5);
const IDLE_KIB_MAX: u64 = 160 * 1024;

#[test]
fn it_consumes_soon_after_it_was_started_and_needs_little_memory() {
    let mut starts = Vec::new();
    let mut resident_kib = 0;
    for _ in 0..3 {
        let place = Place::new();
        let spawned = Instant::now();
        let mut child = place.command(&["run"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let started = log.lines().map_while(Result::ok).find(|line| line.contains("[PurchaseWorker] Started"));
        starts.push(spawned.elapsed());
        assert!(started.is_some(), "it never consumed");
        std::thread::sleep(Duration::from_millis(700));
        resident_kib = resident(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    starts.sort_unstable();
    println!("cold starts {starts:?}, idle {resident_kib} KiB");
    assert!(starts[0] < COLD_START_MAX, "{starts:?}");
    assert!(resident_kib < IDLE_KIB_MAX, "{resident_kib} KiB");
}

/// The resident memory of a process; 0 where `/proc` does not tell.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok()).unwrap_or(0)
}
