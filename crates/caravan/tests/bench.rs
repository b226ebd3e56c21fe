//! The bench measures the whole path, on a history that is over, against a floor that writes the
//! same rows: no more, no fewer.

use std::path::Path;
use std::sync::Arc;

use caravan::bench::{self, Ground, Measured, Options};
use caravan::engine::Policy;
use caravan::platform::clock::SystemClock;
use caravan::platform::embedded::{Embedded, OpenOptions};
use caravan::progress::Silent;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, SqliteConnection};

const PURCHASES: u32 = 700;
const HISTORY: u32 = 200;

async fn open(directory: &Path, namespace: &str) -> Embedded {
    let options = OpenOptions { namespace: Some(namespace.to_owned()), ..OpenOptions::new(directory) };
    Embedded::open(options).await.unwrap()
}

async fn measured(run: &Embedded, empty: &Embedded) -> Measured {
    let platform = run.platform(Arc::new(SystemClock));
    let mut floor = run.floor(empty).await.unwrap();
    let ground = Ground { platform: &platform, topology: "embedded", policy: &Policy::default(), floor: &mut floor };
    let options =
        Options { purchases: PURCHASES, trainers: 100, sessions: 6, history: HISTORY, steady_seconds: 1, seed: 3 };
    bench::run(ground, options, &Silent).await.unwrap()
}

async fn count(connection: &mut SqliteConnection, sql: String) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_floor_writes_what_the_run_wrote() {
    let directory = tempfile::tempdir().unwrap();
    let (run, empty) = (open(directory.path(), "run").await, open(directory.path(), "empty").await);
    let measured = measured(&run, &empty).await;
    assert_eq!(measured.purchases, u64::from(PURCHASES));
    assert!(measured.allocated_share > 0.99, "{}", measured.allocated_share);
    assert!(measured.floor_ratio() > 0.0 && measured.bytes_per_purchase() > 1_000.0);
    assert!(measured.latencies.len() >= 45, "{} of 50 payments got sessions", measured.latencies.len());

    let mut connection = SqliteConnectOptions::new().filename(run.database_file()).connect().await.unwrap();
    sqlx::query("ATTACH ?1 AS floor").bind(empty.database_file().to_str()).execute(&mut connection).await.unwrap();
    let of_run = "purchase_id IN (SELECT id FROM purchases WHERE payment_id LIKE 'pay_now_%')";
    for (table, columns, of_run) in [
        ("purchases", "*", "payment_id LIKE 'pay_now_%'"),
        ("allocations", "*", of_run),
        ("sessions", "*", of_run),
        ("reservations", "*", "party LIKE 'student:stu_now_%'"),
    ] {
        let run = format!("SELECT {columns} FROM main.{table} WHERE {of_run}");
        let floor = format!("SELECT {columns} FROM floor.{table}");
        let floor = if table == "reservations" { format!("{floor} WHERE {of_run}") } else { floor };
        let rows = count(&mut connection, format!("SELECT count(*) FROM ({run})")).await;
        assert!(rows >= i64::from(PURCHASES) * 99 / 100, "{table}: {rows}");
        for (a, b) in [(&run, &floor), (&floor, &run)] {
            assert_eq!(count(&mut connection, format!("SELECT count(*) FROM ({a} EXCEPT {b})")).await, 0, "{table}");
        }
    }
    let events =
        "SELECT count(*) FROM floor.log_records f JOIN main.log_records r USING (id, key, value, headers, timestamp)";
    let copied = count(&mut connection, events.to_owned()).await;
    assert_eq!(copied, count(&mut connection, "SELECT count(*) FROM floor.log_records".to_owned()).await);
    assert!(copied >= 2 * i64::from(PURCHASES), "{copied} events");
    assert_eq!(count(&mut connection, "SELECT count(*) FROM floor.outbox".to_owned()).await, 0);
    assert!(count(&mut connection, "SELECT count(*) FROM floor.positions".to_owned()).await >= 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_is_over_before_the_measurement() {
    let directory = tempfile::tempdir().unwrap();
    let (run, empty) = (open(directory.path(), "run").await, open(directory.path(), "empty").await);
    measured(&run, &empty).await;
    let mut connection = SqliteConnectOptions::new().filename(run.database_file()).connect().await.unwrap();
    let sql = "SELECT count(*) FROM purchases WHERE payment_id LIKE 'pay_past_%' AND status = 'completed'";
    let completed = count(&mut connection, sql.to_owned()).await;
    assert!(completed >= i64::from(HISTORY) * 99 / 100, "{completed}");
}
