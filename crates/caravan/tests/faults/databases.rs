//! Data directories that can't be used: each refusal says what, which, and what to do next, and
//! leaves everything as it was.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use crate::place::Place;

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
