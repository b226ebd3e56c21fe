//! Data directories that can't be used: each refusal says what, which, and what to do next, and
//! leaves everything as it was.

use std::process::Command;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use crate::place::{Place, finished};

const EVERY_KIND: [&[&str]; 7] = [
    &["run", "--until-idle"],
    &["migrate"],
    &["purchases", "list"],
    &["sessions", "extend"],
    &["groups"],
    &["audit"],
    &["doctor"],
];

#[track_caller]
fn refuses(place: &Place, words: &[&str]) {
    for args in EVERY_KIND {
        let ran = place.run(args);
        let told = format!("{}{}", ran.out, ran.err);
        assert_eq!(ran.code, Some(1), "{args:?}: {told}");
        for word in words {
            assert!(told.contains(word), "{args:?} should tell {word:?}: {told}");
        }
        assert!(!told.contains("panicked"), "{args:?}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_a_newer_schema_is_left_alone() {
    let place = Place::with_trainers(1);
    let mut connection = place.connect().await;
    sqlx::query(
        "INSERT INTO caravan_migrations (version, description, success, checksum, execution_time)
         VALUES (9001, 'from the future', true, x'00', 0)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    let before = std::fs::read(place.database()).unwrap();
    refuses(&place, &["caravan.db", "schema version 9001", "upgrade caravan"]);
    assert!(std::fs::read(place.database()).unwrap() == before, "the file was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_with_tables_of_others_is_left_alone() {
    let place = Place::new();
    std::fs::create_dir(place.path("data")).unwrap();
    let options = SqliteConnectOptions::new().filename(place.database()).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    sqlx::query("CREATE TABLE invoices (id INTEGER PRIMARY KEY)").execute(&mut connection).await.unwrap();
    sqlx::query("INSERT INTO invoices VALUES (7)").execute(&mut connection).await.unwrap();
    refuses(&place, &["caravan.db", "invoices", "--data"]);
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_schema").fetch_all(&mut connection).await.unwrap();
    assert_eq!(tables, ["invoices"]);
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM invoices").fetch_one(&mut connection).await.unwrap();
    assert_eq!(rows, 1);
}

#[test]
fn a_file_that_is_no_database_is_left_alone() {
    let place = Place::new();
    std::fs::create_dir(place.path("data")).unwrap();
    let text = "This is the story of a file that was never a database. ".repeat(100);
    std::fs::write(place.database(), &text).unwrap();
    refuses(&place, &["caravan.db", "not an SQLite database", "move it away"]);
    assert_eq!(std::fs::read_to_string(place.database()).unwrap(), text);
}

#[test]
fn a_file_where_the_directory_should_be_is_named() {
    let place = Place::new();
    std::fs::write(place.path("data"), "a file").unwrap();
    for args in [&["run"][..], &["migrate"], &["trainers", "import", "/dev/null"]] {
        let told = place.run(args).failed(1);
        assert!(told.contains("data") && told.contains("--data"), "{args:?}: {told}");
    }
    assert_eq!(std::fs::read_to_string(place.path("data")).unwrap(), "a file");
}

/// The program as a user who may write nothing here; `None` where users can't be changed.
fn as_a_stranger(place: &Place, args: &[&str]) -> Option<Command> {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if !is_root {
        return Some(place.command(args));
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", env!("CARGO_BIN_EXE_caravan")]).args(args);
    place.prepare(&mut command);
    let usable = finished(
        Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .args([env!("CARGO_BIN_EXE_caravan"), "--version"]),
    );
    (usable.code == Some(0)).then_some(command)
}

fn set_mode(path: &std::path::Path, mode: u32) {
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

#[test]
fn a_directory_that_may_not_be_written_is_named_with_what_to_do() {
    let place = Place::with_trainers(1);
    set_mode(&place.path(""), 0o755);
    set_mode(&place.path("data"), 0o555);
    for name in std::fs::read_dir(place.path("data")).unwrap() {
        set_mode(&name.unwrap().path(), 0o444);
    }
    for args in
        [&["run", "--until-idle"][..], &["migrate"], &["purchases", "confirm", "/dev/null"], &["audit"], &["doctor"]]
    {
        let Some(mut command) = as_a_stranger(&place, args) else {
            println!("passed over: another user can't be taken on here");
            break;
        };
        let ran = finished(&mut command);
        let told = format!("{}{}", ran.out, ran.err);
        assert_eq!(ran.code, Some(1), "{args:?}: {told}");
        assert!(
            told.contains("data") && (told.contains("can't be written") || told.contains("can't be used")),
            "{args:?}: {told}"
        );
        assert!(!told.contains("panicked"), "{told}");
    }
    set_mode(&place.path("data"), 0o755);
    for name in std::fs::read_dir(place.path("data")).unwrap() {
        set_mode(&name.unwrap().path(), 0o644);
    }
    place.drain();
    place.nothing_is_left_over(0);
}
