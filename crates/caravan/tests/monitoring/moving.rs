//! Each number moves when what it counts happens, and only then.

use async_trait::async_trait;
use caravan::engine::worker::{Outcome, Spec, Tally, WorkError, Worker};
use caravan::platform::log::Record;
use caravan::platform::store::Reads;
use caravan::platform::transaction::TrainerTouch;
use caravan::workers::{WorkerKind, cache};
use caravan_domain::event::Topic;
use jiff::Timestamp;
use serde_json::json;

use crate::{House, payment, trainer};

const ALLOCATED: &str = "caravan_allocated_total";
const NOT_TAUGHT: &str = r#"caravan_waitlisted_total{rule="course-not-taught"}"#;
const LANGUAGE: &str = r#"caravan_waitlisted_total{rule="language"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn allocations_are_counted_and_waits_once_by_the_rule_that_stands_in_the_way() {
    let house = House::new().await;
    house.employ(trainer("trn_1", "en")).await;
    house.run().await;
    let before = house.numbers().await;
    for series in [ALLOCATED, NOT_TAUGHT, LANGUAGE, r#"caravan_waitlisted_total{rule="nobody-fits"}"#] {
        before.of(series);
    }
    let payments =
        [("pay_1", "python", "en"), ("pay_2", "python", "en"), ("pay_3", "pyhton", "en"), ("pay_4", "python", "ta")];
    house.pay(&payments.map(|(id, subject, language)| payment(id, subject, language))).await;
    house.run().await;
    let decided = house.numbers().await;
    for (series, steps) in [(ALLOCATED, 2.0), (NOT_TAUGHT, 1.0), (LANGUAGE, 1.0)] {
        assert_eq!(decided.steps(&before, series), steps, "{series}");
    }

    // One who waits is judged anew, one is allocated; nobody comes to wait.
    house.employ(trainer("trn_2", "ta")).await;
    house.run().await;
    let later = house.numbers().await;
    for (series, steps) in [(ALLOCATED, 1.0), (NOT_TAUGHT, 0.0), (LANGUAGE, 0.0)] {
        assert_eq!(later.steps(&decided, series), steps, "{series}");
    }
    house.end().await;
}

/// A worker whose first decision is one the store refuses.
struct Hasty {
    attempts: u32,
}

#[async_trait]
impl Worker for Hasty {
    fn spec(&self) -> Spec {
        Spec { name: "HastyWorker", group: "hasty-workers", topics: &[Topic::PurchaseConfirmed], ..cache::SPEC }
    }

    async fn handle(&mut self, batch: &[Record], _: &dyn Reads, _: Timestamp) -> Result<Outcome, WorkError> {
        self.attempts += 1;
        let mut outcome = Outcome { done: batch.len(), ..Outcome::default() };
        outcome.tally(Tally { counter: "hasty_total", label: None });
        if self.attempts == 1 {
            outcome.effects.trainers = vec![TrainerTouch { trainer_id: "nobody".to_owned(), version: 9, share: 0 }];
        }
        Ok(outcome)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_tallies_counts_once_it_is_committed_however_often_it_was_tried() {
    let house = House::new().await;
    let before = house.numbers().await;
    house.pay(&[payment("pay_1", "python", "en")]).await;
    house.run_worker(Box::new(Hasty { attempts: 0 })).await;
    let after = house.numbers().await;
    assert_eq!(after.steps(&before, r#"caravan_retries_total{worker="HastyWorker"}"#), 1.0);
    assert_eq!(after.steps(&before, "hasty_total"), 1.0);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_aside_is_an_outcome_and_a_dead_letter_with_its_reason() {
    const OUTCOME: &str = r#"caravan_outcomes_total{worker="PurchaseWorker",outcome="dead_letter"}"#;
    let house = House::new().await;
    house.run().await;
    let before = house.numbers().await;
    before.of(OUTCOME);
    house.pay(&[json!({ "payment_id": "pay_1" })]).await;
    house.run().await;
    let after = house.numbers().await;
    assert_eq!(after.steps(&before, OUTCOME), 1.0);
    let letter =
        r#"caravan_dead_letters_total{worker="PurchaseWorker",topic="purchase-confirmed",reason="invalid-field"}"#;
    assert_eq!(after.steps(&before, letter), 1.0);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_paid_and_not_fulfilled_is_told_with_its_age_and_looked_up_again_after_ten_seconds() {
    let (waiting, age) = (
        |status: &str| format!("caravan_unfulfilled_purchases{{status=\"{status}\"}}"),
        |status: &str| format!("caravan_oldest_unfulfilled_age_seconds{{status=\"{status}\"}}"),
    );
    let house = House::new().await;
    house.employ(trainer("trn_1", "en")).await;
    house.pay(&[payment("pay_1", "python", "en"), payment("pay_2", "python", "ta")]).await;
    house.run_worker(WorkerKind::Purchase.build(&Default::default())).await;
    for (now, expected) in [("2026-11-23T10:00:40Z", 40.0), ("2026-11-23T10:00:45Z", 45.0)] {
        house.set_clock(now);
        let numbers = house.numbers().await;
        assert_eq!((numbers.of(&waiting("created")), numbers.of(&age("created"))), (2.0, expected), "{now}");
        assert_eq!((numbers.of(&waiting("waitlisted")), numbers.of(&age("waitlisted"))), (0.0, 0.0), "{now}");
    }
    house.run().await;
    // What was known five seconds ago will do.
    assert_eq!(house.numbers().await.of(&waiting("created")), 2.0);
    house.set_clock("2026-11-23T10:00:55Z");
    let numbers = house.numbers().await;
    for (status, purchases, seconds) in
        [("created", 0.0, 0.0), ("allocated", 0.0, 0.0), ("scheduled", 0.0, 0.0), ("waitlisted", 1.0, 10.0)]
    {
        assert_eq!((numbers.of(&waiting(status)), numbers.of(&age(status))), (purchases, seconds), "{status}");
    }
    assert_eq!(numbers.of("caravan_unfulfilled_up"), 1.0);
    // A calendar that nobody extends is behind, though only when the cron has had its time.
    for (now, purchases) in [("2026-12-02T02:04:00Z", 0.0), ("2026-12-02T02:05:00Z", 1.0)] {
        house.set_clock(now);
        assert_eq!(house.numbers().await.of(&waiting("scheduled")), purchases, "{now}");
    }
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cron_is_late_from_the_first_run_it_misses_until_it_is_caught_up() {
    const LATE: &str = "caravan_cron_late_seconds";
    const LAST: &str = "caravan_cron_last_run_timestamp_seconds";
    let house = House::new().await;
    let numbers = house.numbers().await;
    assert_eq!((numbers.of(LATE), numbers.of(LAST)), (0.0, 0.0), "before the first run");
    house.run().await;
    let first = crate::NOW.parse::<Timestamp>().unwrap().as_second() as f64;
    for (now, late) in [
        (crate::NOW, 0.0),
        ("2026-11-24T02:00:00Z", 0.0),
        ("2026-11-24T03:30:00Z", 5_400.0),
        ("2026-11-25T02:00:00Z", 86_400.0),
    ] {
        house.set_clock(now);
        let numbers = house.numbers().await;
        assert_eq!((numbers.of(LATE), numbers.of(LAST)), (late, first), "{now}");
    }
    house.run().await;
    let numbers = house.numbers().await;
    assert_eq!((numbers.of(LATE), numbers.of(LAST)), (0.0, first + 40.0 * 3_600.0));
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_told_by_pool_and_use() {
    let house = House::new().await;
    house.numbers().await;
    let numbers = house.numbers().await;
    let connections =
        |state: &str| numbers.of(&format!("caravan_pool_connections{{pool=\"sqlite-readers\",state=\"{state}\"}}"));
    let max = numbers.of("caravan_pool_connections_max{pool=\"sqlite-readers\"}");
    let open = connections("idle") + connections("in_use");
    assert!(1.0 <= open && open <= max, "the numbers before were read on one: {}", numbers.0);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_counted_by_route_and_never_by_path() {
    let house = House::new().await;
    let before = house.numbers().await;
    for (path, status) in
        [("/healthz", 200), ("/healthz", 200), ("/v1/purchases/some-secret", 401), ("/some-secret", 404)]
    {
        assert_eq!(house.get(path).await.0, status, "{path}");
    }
    let after = house.numbers().await;
    for (labels, steps) in [
        (r#"route="/healthz",method="GET",status="2xx""#, 2.0),
        (r#"route="/v1/purchases/{purchase_id}",method="GET",status="4xx""#, 1.0),
        (r#"route="none",method="GET",status="4xx""#, 1.0),
        (r#"route="/metrics",method="GET",status="2xx""#, 1.0),
    ] {
        assert_eq!(after.steps(&before, &format!("caravan_http_requests_total{{{labels}}}")), steps, "{labels}");
    }
    for (part, steps) in [("count", 2.0), ("bucket", 2.0)] {
        let le = if part == "bucket" { r#",le="+Inf""# } else { "" };
        let series = format!("caravan_http_request_seconds_{part}{{route=\"/healthz\",method=\"GET\"{le}}}");
        assert_eq!(after.steps(&before, &series), steps, "{series}");
    }
    assert!(!after.0.contains("some-secret"), "{}", after.0);
    house.end().await;
}
