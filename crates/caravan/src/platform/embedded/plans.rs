//! What people look at again and again is found by an index, however much there is beside it.

use caravan_domain::purchase::PurchaseStatus;
use jiff::Timestamp;
use jiff::civil::date;
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::desk::SIGN_IN;
use super::lists::{
    DEAD_LETTERS_WAITING, RECORDED, WAITING_WORK, dead_letters_sql, purchases_sql, sessions_sql, waitlist_sql,
};
use super::reads::{waiting_below_sql, windows_due_sql};
use super::rows::decoded;
use super::{Embedded, OpenOptions};
use crate::platform::rows::{DeadLetterFilter, PurchaseFilter, SessionFilter};

/// What may be walked from end to end: what was asked for, what was found, and the waitlist to count it.
const WALKED: [&str; 4] = ["asked", "json_each", "o", "w"];

/// How SQLite goes about a statement, step by step.
async fn plan(opened: &Embedded, sql: &str) -> Vec<String> {
    let rows = opened.store.fetch(sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")))).await.unwrap();
    let step = |row: &SqliteRow| decoded::<(i64, i64, i64, String)>(row).unwrap().3;
    rows.iter().map(step).collect()
}

fn may_be_walked(what: &str) -> bool {
    let name = what.split(' ').next().unwrap_or_default();
    WALKED.contains(&name) || name.starts_with("(subquery-") || what.starts_with("waitlist USING COVERING")
}

async fn goes_by(opened: &Embedded, sql: &str, way: &str) {
    let steps = plan(opened, sql).await;
    assert!(steps.iter().any(|step| step.contains(way)), "not by {way}: {sql}\n{steps:#?}");
    let walked = |step: &&String| step.strip_prefix("SCAN ").is_some_and(|what| !may_be_walked(what));
    assert_eq!(steps.iter().find(walked), None, "{sql}");
}

#[tokio::test]
async fn no_list_of_people_walks_a_whole_table() {
    let directory = tempfile::tempdir().unwrap();
    let opened = Embedded::open(OpenOptions::new(directory.path())).await.unwrap();
    for newest_first in [false, true] {
        let all = || PurchaseFilter { newest_first, ..PurchaseFilter::default() };
        let by_status = PurchaseFilter { status: Some(PurchaseStatus::Created), ..all() };
        goes_by(&opened, &purchases_sql(&by_status), "INDEX purchases_by_status (status=? AND rowid").await;
        let of_day = PurchaseFilter { from: Some(Timestamp::MIN), until: Some(Timestamp::MAX), ..by_status };
        goes_by(&opened, &purchases_sql(&of_day), "INDEX purchases_by_time (created_at>? AND created_at<?)").await;
        let status = Some(PurchaseStatus::Completed);
        let of_student = PurchaseFilter { student_id: Some("stu_1".to_owned()), status, ..all() };
        goes_by(&opened, &purchases_sql(&of_student), "INDEX purchases_by_student (student_id=?").await;
        let of_trainer = PurchaseFilter { trainer_id: Some("trn_1".to_owned()), status, ..all() };
        goes_by(&opened, &purchases_sql(&of_trainer), "INDEX allocations_by_trainer (trainer_id=?").await;
        goes_by(&opened, &purchases_sql(&PurchaseFilter { id: Some(Uuid::nil()), status, ..all() }), "(id=?").await;
        goes_by(&opened, &purchases_sql(&all()), "p USING INTEGER PRIMARY KEY (rowid").await;
    }
    let day =
        SessionFilter { from: Some(date(2026, 12, 1)), until: Some(date(2026, 12, 1)), ..SessionFilter::default() };
    for goes_on in [false, true] {
        goes_by(&opened, &sessions_sql(&day, goes_on), "INDEX sessions_by_start (<expr>>? AND <expr><?)").await;
    }
    goes_by(&opened, RECORDED, "INDEX purchases_by_time (created_at>? AND created_at<?)").await;
    goes_by(&opened, SIGN_IN, "PRIMARY KEY (digest=?)").await;
}

#[tokio::test]
async fn nothing_that_waits_for_people_is_searched_for_among_what_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let opened = Embedded::open(OpenOptions::new(directory.path())).await.unwrap();
    for way in ["dead_letters USING COVERING INDEX dead_letters_waiting", "INDEX refunds_by_state (state=?)"] {
        goes_by(&opened, WAITING_WORK, way).await;
    }
    goes_by(&opened, DEAD_LETTERS_WAITING, "dead_letters USING COVERING INDEX dead_letters_waiting").await;
    goes_by(&opened, &waitlist_sql(), "INDEX waitlist_by_time ((waitlisted_at,purchase_id)>(?,?))").await;
    let waiting = || DeadLetterFilter { waiting: true, ..DeadLetterFilter::default() };
    let of_key = DeadLetterFilter { keys: vec!["pay_1".to_owned()], ..waiting() };
    goes_by(&opened, &dead_letters_sql(&waiting()), "INDEX dead_letters_waiting (redriven_at=? AND id>?)").await;
    goes_by(&opened, &dead_letters_sql(&of_key), "INDEX dead_letters_by_key (key=?").await;
    goes_by(&opened, &dead_letters_sql(&DeadLetterFilter { ids: vec![1], ..waiting() }), "PRIMARY KEY (rowid=?").await;
}

#[tokio::test]
async fn no_worker_goes_by_an_index_that_was_made_for_people() {
    let directory = tempfile::tempdir().unwrap();
    let opened = Embedded::open(OpenOptions::new(directory.path())).await.unwrap();
    goes_by(&opened, &waiting_below_sql(), "INDEX waitlist_by_version (seen_version<?)").await;
    goes_by(&opened, &windows_due_sql(), "p USING INDEX sqlite_autoindex_purchases_1 (id>?)").await;
}
