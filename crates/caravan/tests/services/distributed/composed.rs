//! What `compose.yaml` says of our own processes, done without containers: commands, environment and health checks are
//! read from it as they are.

use std::process::Command;
use std::time::Duration;

use super::site::Site;
use crate::place::{Place, Running, finished, until};
use crate::services::Namespace;

const COMPOSE: &str = include_str!("../../../../../compose.yaml");
/// Where every process listens, each in its own container.
const PORT: &str = "8080";
/// A supervisor that waits for less would interrupt a batch.
const STOP_MAX: Duration = Duration::from_secs(10);

/// The lines below a head, as far as they are indented deeper.
fn below<'a>(lines: &[&'a str], head: &str) -> Vec<&'a str> {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let at =
        lines.iter().position(|line| line.trim() == head).unwrap_or_else(|| panic!("compose.yaml has no {head:?}"));
    let deeper = lines[at + 1..].iter().take_while(|line| depth(line) > depth(lines[at]));
    deeper.copied().collect()
}

fn compose() -> Vec<&'static str> {
    COMPOSE.lines().filter(|line| !line.trim().is_empty() && !line.trim().starts_with('#')).collect()
}

/// A service's command, if it takes the rest from this anchor.
fn command(service: &str, anchor: &str) -> Vec<&'static str> {
    let lines = below(&below(&compose(), "services:"), &format!("{service}:"));
    assert!(lines.iter().any(|line| line.trim() == format!("<<: *{anchor}")), "{service} is no {anchor}");
    let command = lines.iter().find_map(|line| line.trim().strip_prefix("command: [")?.strip_suffix(']'));
    command.expect("a command in brackets").split(", ").collect()
}

/// The environment of all processes: hosts, ports and credentials are this test's, and so is the namespace, which keeps
/// it apart from others there.
fn environment(namespace: &Namespace) -> Vec<(&'static str, String)> {
    let options = &namespace.0;
    let lines = below(&compose(), "environment: &environment");
    let pairs = lines.into_iter().map(|line| line.trim().split_once(": ").expect("a name and a value"));
    let here = pairs.map(|(name, value)| match name {
        "CARAVAN_POSTGRES_URL" => (name, options.postgres_url.clone()),
        "CARAVAN_KAFKA_BROKERS" => (name, options.kafka_brokers.clone()),
        "CARAVAN_REDIS_URL" => (name, options.redis_url.clone()),
        "CARAVAN_LISTEN" => (name, value.replace(PORT, "0")),
        _ => (name, value.to_owned()),
    });
    here.chain([("CARAVAN_NAMESPACE", options.namespace.clone().unwrap())]).collect()
}

/// The line of shell that tells whether a worker is healthy.
fn health_check() -> &'static str {
    let worker = below(&compose(), "x-worker: &worker");
    assert!(worker.contains(&"  <<: *caravan"), "a worker has the environment of all");
    let test = below(&below(&worker, "healthcheck:"), "test:");
    let words: Vec<&str> = test.iter().filter_map(|line| line.trim().strip_prefix("- ")).collect();
    let ["CMD", "bash", "-c", line] = words[..] else { panic!("{words:?}") };
    assert!(line.contains(&format!("/{PORT} ")), "{line}");
    line
}

/// The port it has found for itself, from the JSON it logs.
fn port(process: &Running) -> Option<String> {
    let lines = process.log();
    let mut told = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let listening = told.find(|line| line["message"] == "listening")?;
    Some(listening["address"].as_str()?.rsplit_once(':')?.1.to_owned())
}

fn is_healthy(port: &str) -> bool {
    let line = health_check().replace(PORT, port);
    finished(Command::new("bash").args(["-c", &line])).code == Some(0)
}

#[test]
fn the_processes_run_as_compose_says_become_healthy_and_stop_in_time() {
    let namespace = Namespace::new();
    let site = Site { place: Place::of(environment(&namespace)), namespace };
    site.place.run(&command("migrate", "caravan")).ok();
    site.place.employ(4);
    let start = |kind: &str| {
        let command = command(&format!("{kind}-worker"), "worker");
        assert_eq!(command, ["run", "--workers", kind]);
        site.place.spawn(&command, &[])
    };
    let mut processes = ["purchase", "allocation", "session", "cache"].map(start);
    until("all of them listen", || processes.iter().all(|process| port(process).is_some()));
    let ports: Vec<String> = processes.iter().filter_map(port).collect();
    until("all of them are healthy", || ports.iter().all(|port| is_healthy(port)));

    site.pay("a", 8, 1);
    site.accounts_for(8, 1);
    processes.iter().for_each(Running::terminate);
    for process in &mut processes {
        let (code, took) = process.ended();
        assert_eq!(code, Some(0), "{}", process.log());
        assert!(took < STOP_MAX, "it took {took:?}");
    }
    assert!(!ports.iter().any(|port| is_healthy(port)), "nobody is left to be healthy");
}
