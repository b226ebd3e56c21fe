//! What only the embedded topology has: its files, its refusals, its backups.

use std::path::Path;
use std::sync::Arc;

use caravan::platform::clock::SystemClock;
use caravan::platform::embedded::{BackupError, Embedded, OpenError, OpenOptions};
use caravan::platform::installation::Installation;
use caravan::platform::log::NewRecord;
use caravan::platform::transaction::Transaction;
use caravan_domain::event::Topic;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};

async fn raw(file: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(file).create_if_missing(true).connect().await.unwrap()
}

async fn execute(file: &Path, sql: &'static str) {
    let mut connection = raw(file).await;
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
}

async fn refusal(options: OpenOptions) -> OpenError {
    Embedded::open(options).await.map(|_| ()).unwrap_err()
}

fn transaction(rows: usize) -> Transaction {
    let record = NewRecord {
        topic: Topic::PurchaseCreated,
        key: None,
        value: Some(b"{}".to_vec()),
        headers: Default::default(),
        timestamp: "2026-11-23T10:00:00Z".parse().unwrap(),
    };
    Transaction { outbox: vec![record; rows], ..Transaction::default() }
}

#[tokio::test]
async fn a_new_directory_simply_works_and_a_missing_one_is_not_made_unasked() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("some/where");
    let looking = OpenOptions { create: false, migrate: false, ..OpenOptions::new(&directory) };
    assert!(matches!(refusal(looking.clone()).await, OpenError::Missing(_)));
    assert!(!directory.exists());
    let opened = Embedded::open(OpenOptions::new(&directory)).await.unwrap();
    let version = opened.schema_version().await.unwrap();
    assert_eq!(version.found, version.known);
    assert!(Embedded::open(looking).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_opens_for_many_at_once() {
    for _ in 0..10 {
        let directory = tempfile::tempdir().unwrap();
        let options = OpenOptions { partitions: Some(3), ..OpenOptions::new(directory.path()) };
        let opening: Vec<_> = (0..12).map(|_| tokio::spawn(Embedded::open(options.clone()))).collect();
        for opened in opening {
            let platform = opened.await.unwrap().unwrap().platform(Arc::new(SystemClock));
            assert_eq!(platform.log.topics().await.unwrap().len(), Topic::ALL.len());
        }
    }
}

#[tokio::test]
async fn namespaces_stand_beside_one_another_under_decent_names() {
    let directory = tempfile::tempdir().unwrap();
    let named = |name: &str| OpenOptions { namespace: Some(name.to_owned()), ..OpenOptions::new(directory.path()) };
    let plain = Embedded::open(OpenOptions::new(directory.path())).await.unwrap();
    let demo = Embedded::open(named("demo-7")).await.unwrap();
    assert_eq!(plain.database_file().file_name().unwrap(), "caravan.db");
    assert_eq!(demo.database_file().file_name().unwrap(), "demo-7.db");
    demo.platform(Arc::new(SystemClock)).store.commit(&transaction(3)).await.unwrap();
    assert_eq!(plain.platform(Arc::new(SystemClock)).store.totals().await.unwrap().outbox, 0);
    for name in ["", "caravan", "Demo", "a_b", "../up", "a b", &"a".repeat(41)] {
        assert!(matches!(refusal(named(name)).await, OpenError::Namespace(_)), "{name:?}");
    }
}

#[tokio::test]
async fn what_caravan_did_not_make_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("caravan.db");
    execute(&file, "CREATE TABLE invoices (id)").await;
    let before = std::fs::read(&file).unwrap();
    let refused = refusal(OpenOptions::new(directory.path())).await;
    assert!(matches!(&refused, OpenError::Foreign { tables, .. } if tables == "invoices"), "{refused}");
    assert_eq!(std::fs::read(&file).unwrap(), before);

    let other = directory.path().join("other.db");
    std::fs::write(&other, "this is a text that is longer than the header of a database would be ".repeat(99)).unwrap();
    let options = OpenOptions { namespace: Some("other".to_owned()), ..OpenOptions::new(directory.path()) };
    assert!(matches!(refusal(options).await, OpenError::NotADatabase(_)));
}

#[tokio::test]
async fn a_later_schema_an_older_one_and_another_builds_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let options = OpenOptions::new(directory.path());
    let opened = Embedded::open(options.clone()).await.unwrap();
    let (file, known) = (opened.database_file().to_owned(), opened.schema_version().await.unwrap().known);
    opened.close().await;
    execute(
        &file,
        "UPDATE caravan_migrations SET checksum = x'00' WHERE version = (SELECT max(version) FROM caravan_migrations)",
    )
    .await;
    assert!(matches!(refusal(options.clone()).await, OpenError::OtherBuild { version, .. } if version == known));

    execute(
        &file,
        "INSERT INTO caravan_migrations SELECT 999, 'later', installed_on, true, checksum, 1 FROM caravan_migrations LIMIT 1",
    )
    .await;
    let refused = refusal(options.clone()).await;
    assert!(matches!(refused, OpenError::TooNew { found: 999, known: told, .. } if told == known), "{refused}");
    assert!(refused.to_string().contains("upgrade caravan"), "{refused}");

    let unmigrated = OpenOptions { namespace: Some("unmigrated".to_owned()), migrate: false, ..options };
    std::fs::write(unmigrated.database_file().unwrap(), "").unwrap();
    let refused = refusal(unmigrated).await;
    assert!(matches!(refused, OpenError::Missing(_)), "{refused}");
}

#[tokio::test]
async fn a_directory_that_is_a_file_is_told_as_such() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let refused = refusal(OpenOptions::new(file.join("data"))).await;
    assert!(matches!(refused, OpenError::Directory { .. }), "{refused}");
    assert!(refused.to_string().contains("--data"), "{refused}");
}

#[tokio::test]
async fn a_backup_is_whole_opens_as_a_data_directory_and_overwrites_nothing() {
    let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let opened = Embedded::open(OpenOptions::new(directory.path())).await.unwrap();
    let platform = opened.platform(Arc::new(SystemClock));
    let writing = tokio::spawn({
        let store = Arc::clone(&platform.store);
        async move {
            for _ in 0..50 {
                store.commit(&transaction(2)).await.unwrap();
            }
        }
    });
    let target = elsewhere.path().join("caravan.db");
    opened.backup(&target).await.unwrap();
    writing.await.unwrap();
    let before = std::fs::read(&target).unwrap();
    assert!(matches!(opened.backup(&target).await, Err(BackupError::Exists(_))));
    assert_eq!(std::fs::read(&target).unwrap(), before);
    assert!(opened.backup(&elsewhere.path().join("missing/caravan.db")).await.is_err());

    let restored = Embedded::open(OpenOptions::new(elsewhere.path())).await.unwrap().platform(Arc::new(SystemClock));
    let rows = restored.store.totals().await.unwrap().outbox;
    assert!(rows <= 100 && rows.is_multiple_of(2), "whole transactions: {rows} rows");
    restored.store.commit(&transaction(1)).await.unwrap();
}

#[tokio::test]
async fn a_cancelled_commit_leaves_nothing_and_the_next_one_works() {
    let directory = tempfile::tempdir().unwrap();
    let platform = Embedded::open(OpenOptions::new(directory.path())).await.unwrap().platform(Arc::new(SystemClock));
    let mut committed = 0;
    for micros in (0..3_000).step_by(150) {
        let slow = transaction(400);
        let commit = platform.store.commit(&slow);
        let done = tokio::time::timeout(std::time::Duration::from_micros(micros), commit).await;
        committed += u64::from(done.is_ok());
        let rows = platform.store.totals().await.unwrap().outbox;
        assert!(rows.is_multiple_of(400) && rows >= committed * 400, "{rows} rows after {committed} commits");
    }
    platform.store.commit(&transaction(1)).await.unwrap();
}

#[tokio::test]
async fn the_database_itself_refuses_what_must_not_be() {
    let directory = tempfile::tempdir().unwrap();
    let opened = Embedded::open(OpenOptions::new(directory.path())).await.unwrap();
    let mut connection = raw(opened.database_file()).await;
    let allocation = "INSERT INTO allocations (id, purchase_id, trainer_id, student_id, generation, start_date, slots, skipped, \
                      receipt, allocated_at) VALUES (?, 'p', 't', 's', 1, '2026-12-01', '[]', '[]', '{}', '2026-11-23')";
    sqlx::query(allocation).bind("a1").execute(&mut connection).await.unwrap();
    assert!(sqlx::query(allocation).bind("a2").execute(&mut connection).await.is_err(), "a second active allocation");
    let reserve = "INSERT INTO reservations VALUES ('trainer:t', 7, ?1, 0)
                   ON CONFLICT DO UPDATE SET busy = CASE WHEN busy & excluded.busy = 0 THEN busy | excluded.busy END";
    sqlx::query(reserve).bind(5).execute(&mut connection).await.unwrap();
    sqlx::query(reserve).bind(i64::MIN).execute(&mut connection).await.unwrap();
    assert!(sqlx::query(reserve).bind(4).execute(&mut connection).await.is_err(), "a time that is taken");
    let plain = sqlx::query("INSERT INTO reservations VALUES ('trainer:t', 7, 2, 0)").execute(&mut connection).await;
    assert!(plain.is_err(), "a row that is there");
}
