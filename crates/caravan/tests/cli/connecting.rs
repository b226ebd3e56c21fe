//! docs/connect.md: every example is run as it stands.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::listening::address;
use crate::{Place, until};

/// The example after `<!-- run: name -->`.
fn example_of(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/connect.md");
    let text = std::fs::read_to_string(file).unwrap();
    let after = text.split(&format!("<!-- run: {name} -->")).nth(1).unwrap_or_else(|| panic!("no example {name}"));
    let block = after.split("```").nth(1).unwrap();
    block.split_once('\n').unwrap().1.to_owned()
}

/// What a test needs that isn't there is named with what brings it.
fn needed(variable: &str, script: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: export {variable}=$({script}), or run scripts/test"))
}

/// The JSON that a program prints, with a Caravan to talk to.
fn printed(command: &mut Command, url: &str, token: &str) -> Value {
    let output = command.env("CARAVAN_URL", url).env("CARAVAN_TOKEN", token).output().expect("the program is there");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}\n{err}"))
}

#[test]
fn every_example_does_what_it_says() {
    let place = Place::with_examples();
    let running = place.start(&["run", "--listen", "127.0.0.1:0"]);
    let url = format!("http://{}", address(&running));
    let token = place.run(&["tokens", "create", "--role", "ingest", "--name", "shop"]).ok().trim().to_owned();

    let by_curl = printed(Command::new("bash").args(["-euo", "pipefail", "-c", &example_of("curl")]), &url, &token);
    assert_eq!(by_curl["status"], "accepted");

    let python = needed("CARAVAN_TEST_PYTHON", "scripts/python");
    let by_python = printed(Command::new(python).args(["-c", &example_of("python")]), &url, &token);
    assert_eq!(by_python["status"], "open");

    let node = needed("CARAVAN_TEST_NODE", "scripts/node");
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("example.mts"), example_of("typescript")).unwrap();
    let compiled = Command::new(format!("{node}/node_modules/.bin/tsc"))
        .args(["--strict", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom", "--types", "node"])
        .args(["--typeRoots", &format!("{node}/node_modules/@types"), "example.mts"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stdout));
    let by_typescript = printed(Command::new("node").arg(directory.path().join("example.mjs")), &url, &token);
    assert_eq!(by_typescript["status"], "accepted");

    let is_there = |answer: &Value| {
        let id = answer["purchase_id"].as_str().unwrap();
        place.run(&["purchases", "list", "--json"]).json_lines().iter().any(|row| row["purchase_id"] == id)
    };
    until("both payments are purchases", || is_there(&by_curl) && is_there(&by_typescript));
}
