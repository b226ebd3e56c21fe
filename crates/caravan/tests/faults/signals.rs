//! Stopping: the batch in hand is finished; a second signal ends it at once; nothing is lost.

use std::time::Duration;

use sqlx::Connection;

use crate::place::{Place, coming, until};

/// What the contract allows for a stop.
const STOP_MAX: Duration = Duration::from_secs(10);
/// At once, on a machine that has other things to do.
const AT_ONCE: Duration = Duration::from_secs(3);

#[test]
fn a_stop_finishes_the_batch_in_hand_and_the_rest_is_done_by_the_next() {
    let place = Place::with_trainers(20);
    place.confirm((0..1_500).map(|number| coming(&format!("pay_{number}"))));
    let mut workers = place.spawn(&["run"], &[("CARAVAN_BATCH_RECORDS_MAX", "20")]);
    until("it is at work", || workers.log().contains("[AllocationWorker] Started"));
    workers.terminate();
    let (code, took) = workers.ended();
    assert_eq!(code, Some(0), "{}", workers.log());
    assert!(took < STOP_MAX, "it took {took:?}");
    assert!(workers.log().contains("[PurchaseWorker] Stopped"), "{}", workers.log());
    let done = place.run(&["purchases", "list", "--json"]).json_lines().len();
    assert!(done < 1_500, "it was stopped in the middle");
    place.drain();
    assert_eq!(place.run(&["purchases", "list", "--json"]).json_lines().len(), 1_500);
    place.nothing_is_left_over(0);
}

/// Workers with a payment to handle, while somebody else writes the database and does not end.
async fn stuck(place: &Place) -> (crate::place::Running, sqlx::SqliteConnection) {
    place.drain();
    let workers = place.start();
    let mut writer = place.connect().await;
    place.confirm([coming("pay_1")]);
    sqlx::query("BEGIN IMMEDIATE").execute(&mut writer).await.unwrap();
    place.connect().await.close().await.unwrap();
    std::thread::sleep(Duration::from_millis(300));
    (workers, writer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_cannot_finish_ends_within_ten_seconds_and_loses_nothing() {
    let place = Place::with_trainers(1);
    let (mut workers, writer) = stuck(&place).await;
    workers.terminate();
    let (code, took) = workers.ended();
    writer.close().await.unwrap();
    assert_eq!(code, Some(0), "{}", workers.log());
    assert!(took < STOP_MAX, "it took {took:?}");
    place.drain();
    assert_eq!(place.run(&["sessions", "list", "--json"]).json_lines().len(), 4);
    place.nothing_is_left_over(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once_and_loses_nothing() {
    let place = Place::with_trainers(1);
    let (mut workers, writer) = stuck(&place).await;
    workers.terminate();
    until("the first signal was heard", || {
        workers.log().contains("another signal stops at once") || workers.has_ended()
    });
    workers.terminate();
    let (code, took) = workers.ended();
    writer.close().await.unwrap();
    assert_eq!(code, Some(1), "{}", workers.log());
    assert!(took < AT_ONCE, "it took {took:?}");
    place.drain();
    assert_eq!(place.run(&["sessions", "list", "--json"]).json_lines().len(), 4);
    place.nothing_is_left_over(0);
}
