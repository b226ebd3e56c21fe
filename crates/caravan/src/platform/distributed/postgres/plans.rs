//! What people look at again and again is found by an index, however much there is beside it.

use caravan_domain::purchase::PurchaseStatus;
use jiff::civil::date;
use jiff::{Span, Timestamp};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::desk::SIGN_IN;
use super::lists::{
    DEAD_LETTERS_WAITING, RECORDED, WAITING_WORK, purchases_query, purchases_sql, recorded_query, sessions_query,
    sessions_sql, waitlist_query, waitlist_sql,
};
use super::reads::Statement;
use super::{PostgresOptions, PostgresStore, rows};
use crate::platform::rows::{PurchaseFilter, SessionFilter, SessionPlace};

/// Tables that are large after some years.
const LARGE: [&str; 5] = ["purchases", "confirmations", "allocations", "sessions", "dead_letters"];
/// The rows of a page.
const PAGE: usize = 50;

/// A database with much in it, and what was found out about it.
struct Large {
    store: PostgresStore,
    problems: Vec<String>,
}

impl Large {
    async fn new() -> Self {
        let url =
            ["CARAVAN_TEST_POSTGRES_URL", "CARAVAN_POSTGRES_URL"].iter().find_map(|name| std::env::var(name).ok());
        let url = url.expect(
            "CARAVAN_TEST_POSTGRES_URL is not set: scripts/test starts the services, or: eval \"$(scripts/services start)\"",
        );
        let namespace = Some(format!("test-{}", Uuid::new_v4().simple()));
        let options = PostgresOptions { url, namespace, create: true, migrate: true };
        let store = PostgresStore::open(&options).await.unwrap();
        sqlx::raw_sql(include_str!("plans.sql")).execute(&store.pool).await.unwrap();
        Self { store, problems: Vec::new() }
    }

    /// Notes if this, an `EXPLAIN`, does not go by an index, or reads a large table from end to end.
    async fn goes_by(&mut self, index: &str, explained: Statement<'_>) {
        let lines = self.store.fetch(explained).await.unwrap();
        let lines: Vec<String> = lines.iter().map(|line| rows::decoded::<(String,)>(line).unwrap().0).collect();
        let reads_all_of = |line: &String| LARGE.iter().any(|table| line.contains(&format!("Seq Scan on {table} ")));
        let by_index = lines.iter().any(|line| line.contains(&format!(" {index} ")));
        if !by_index || lines.iter().any(reads_all_of) {
            self.problems.push(format!("not by {index}:\n{}\n", lines.join("\n")));
        }
    }

    async fn purchases_go_by(&mut self, index: &str, filter: PurchaseFilter) {
        for newest_first in [false, true] {
            let filter = PurchaseFilter { newest_first, ..filter.clone() };
            let sql = explain(&purchases_sql(&filter));
            self.goes_by(index, purchases_query(&sql, &filter, None, PAGE)).await;
        }
    }

    /// Takes it away and tells.
    async fn close(self) {
        let sql = format!("DROP SCHEMA \"{}\" CASCADE", self.store.schema);
        sqlx::query(AssertSqlSafe(sql)).execute(&self.store.pool).await.unwrap();
        assert!(self.problems.is_empty(), "{}", self.problems.join("\n"));
    }
}

fn explain(sql: &str) -> String {
    format!("EXPLAIN {sql}")
}

fn days(count: i64) -> Vec<Timestamp> {
    let first: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
    (0..count).map(|day| first.saturating_add(Span::new().hours(24 * day)).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_list_of_people_reads_a_whole_table() {
    let mut large = Large::new().await;
    for status in PurchaseStatus::ALL {
        let by_status = PurchaseFilter { status: Some(status), ..PurchaseFilter::default() };
        large.purchases_go_by("purchases_by_status", by_status).await;
    }
    let of_student = PurchaseFilter { student_id: Some("stu_7".to_owned()), ..PurchaseFilter::default() };
    large.purchases_go_by("purchases_by_student", of_student).await;
    let of_trainer = PurchaseFilter { trainer_id: Some("trn_7".to_owned()), ..PurchaseFilter::default() };
    large.purchases_go_by("allocations_by_trainer", of_trainer).await;
    let one = PurchaseFilter { id: Some(Uuid::nil()), ..PurchaseFilter::default() };
    large.purchases_go_by("purchases_id_key", one).await;
    let bounds = days(2);
    let of_day = PurchaseFilter { from: Some(bounds[0]), until: Some(bounds[1]), ..PurchaseFilter::default() };
    large.purchases_go_by("purchases_by_time", of_day).await;
    large.purchases_go_by("purchases_pkey", PurchaseFilter::default()).await;

    let day = Some(date(2026, 3, 5));
    let day = SessionFilter { from: day, until: day, ..SessionFilter::default() };
    let place = SessionPlace { starts_at: bounds[1], purchase_id: Uuid::nil(), ordinal: 1 };
    let sql = explain(&sessions_sql(&day));
    for after in [None, Some(place)] {
        large.goes_by("sessions_by_start", sessions_query(&sql, &day, after, PAGE)).await;
    }
    large.goes_by("purchases_by_time", recorded_query(&explain(RECORDED), &days(31))).await;
    let sql = explain(SIGN_IN);
    large.goes_by("sign_ins_pkey", sqlx::query(AssertSqlSafe(sql)).bind(vec![7_u8; 32])).await;
    large.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_waits_for_people_is_searched_for_among_what_does_not() {
    let mut large = Large::new().await;
    for index in ["dead_letters_waiting", "refunds_by_state"] {
        large.goes_by(index, sqlx::query(AssertSqlSafe(explain(WAITING_WORK)))).await;
    }
    large.goes_by("dead_letters_waiting", sqlx::query(AssertSqlSafe(explain(DEAD_LETTERS_WAITING)))).await;
    let sql = explain(&waitlist_sql());
    for after in [None, Some((days(1)[0], Uuid::nil()))] {
        large.goes_by("waitlist_by_time", waitlist_query(&sql, after, PAGE)).await;
    }
    large.close().await;
}
