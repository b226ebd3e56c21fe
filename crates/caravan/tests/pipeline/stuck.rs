//! What is paid and not fulfilled is told with its cause, as long as it is, and no longer.

use caravan::redrive::send_again;
use caravan::stuck::{OLDER_THAN_DEFAULT, Search, Stuck};
use caravan::workers::WorkerKind;
use caravan_domain::allocation::Rule;
use caravan_domain::stuck::Cause;
use serde_json::json;

use crate::house::House;
use crate::sample::{payment, trainer};

async fn stuck(house: &House) -> Vec<Stuck> {
    let mut search = Search::begin(&house.platform, &house.policy, OLDER_THAN_DEFAULT).await.unwrap();
    let mut found = Vec::new();
    while let Some(one) = search.next().await.unwrap() {
        found.push(one);
    }
    found
}

/// What is stuck at an instant, such as `pay_1 undecided 300`.
async fn stuck_at(house: &House, now: &str) -> Vec<String> {
    house.set_clock(now);
    let told = |one: Stuck| format!("{} {} {}", one.payment_id.unwrap_or_default(), one.cause, one.age_seconds);
    stuck(house).await.into_iter().map(told).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_worker_that_is_behind_is_told_once_it_has_had_its_time() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    house.pay(&[payment("pay_1", json!({ "plan": { "sessions": 30 } }))]).await;
    house.run_only(&[WorkerKind::Purchase]).await;
    assert_eq!(stuck_at(&house, "2026-11-23T10:04:59Z").await, [""; 0]);
    assert_eq!(stuck_at(&house, "2026-11-23T10:05:00Z").await, ["pay_1 undecided 300"]);
    let one = &stuck(&house).await[0];
    assert_eq!(one.purchase_id, Some(house.purchase("pay_1").await.id));
    assert_eq!((one.student_id.as_deref(), one.dead_letter), (Some("stu_pay_1"), None));
    assert!(one.detail.contains("allocation worker") && one.next.contains("--workers allocation"), "{one:?}");

    house.run_only(&[WorkerKind::Allocation]).await;
    assert_eq!(stuck_at(&house, "2026-11-23T10:09:59Z").await, [""; 0]);
    assert_eq!(stuck_at(&house, "2026-11-23T10:10:00Z").await, ["pay_1 not-scheduled 300"]);
    let one = &stuck(&house).await[0];
    assert!(one.detail.contains("allocated to trn_1") && one.next.contains("--workers session"), "{one:?}");

    house.run().await;
    assert_eq!(stuck_at(&house, "2026-11-23T20:00:00Z").await, [""; 0]);
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cron_that_is_late_is_told_of_those_who_miss_something_by_it() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    // One whose lessons are all in the calendar from the beginning.
    let short = payment(
        "pay_short",
        json!({ "plan": { "slots": [
        { "weekday": "mon", "at": "10:00" }, { "weekday": "wed", "at": "10:00" }] } }),
    );
    house.pay(&[payment("pay_1", json!({ "plan": { "sessions": 30 } })), short]).await;
    house.run().await;
    assert_eq!(house.purchase("pay_1").await.horizon.unwrap().to_string(), "2026-12-29");
    // Nights without the cron, but a window that reaches far enough.
    assert_eq!(stuck_at(&house, "2026-12-01T12:00:00Z").await, [""; 0]);
    assert_eq!(stuck_at(&house, "2026-12-02T02:04:59Z").await, [""; 0]);
    assert_eq!(stuck_at(&house, "2026-12-02T02:05:00Z").await, ["pay_1 window-behind 7500"]);
    let one = &stuck(&house).await[0];
    assert!(one.detail.contains("before 2026-12-29 and should reach to 2026-12-30: the cron is late"), "{one:?}");
    house.run().await;
    assert_eq!(stuck(&house).await, []);
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_told_with_the_rule_and_what_was_set_aside_until_it_is_mended() {
    let ranges = ["tue", "thu"].map(|day| json!({ "weekday": day, "from": "17:00", "until": "18:00" }));
    let house = House::with(&[trainer("trn_1", json!({ "availability": ranges }))]).await;
    house.pay(&[payment("pay_1", json!({}))]).await;
    house.run().await;
    let steps = [
        payment("pay_2", json!({})),
        payment("pay_3", json!({ "plan": { "sessions": 999 } })),
        payment("pay_4", json!({ "course": { "subject": "cobol" } })),
        payment("pay_5", json!({ "plan": { "sessions": 999 } })),
    ];
    for (minute, payment) in (1..).zip(steps) {
        house.set_clock(&format!("2026-11-23T10:0{minute}:00Z"));
        house.pay(&[payment]).await;
        house.run().await;
    }
    // A conflicting report of what is recorded, and one that came again as it should be.
    house.pay(&[payment("pay_1", json!({ "amount": { "minor": 1 } })), payment("pay_5", json!({}))]).await;
    house.run().await;
    let expected = ["pay_2 nobody-fits 60", "pay_3 set-aside 0", "pay_4 course-not-taught 0"];
    let at = |seconds: u64| expected.map(|one| one.rsplit_once(' ').unwrap().0.to_owned() + &format!(" {seconds}"));
    let told = stuck_at(&house, "2026-11-23T10:04:00Z").await;
    assert_eq!(told[..3], [at(180)[0].clone(), at(120)[1].clone(), at(60)[2].clone()]);
    assert_eq!((told.len(), told[3].as_str()), (4, "pay_5 nobody-fits 0"), "oldest first");
    let found = stuck(&house).await;
    assert_eq!(found[0].cause, Cause::NobodyFits(Some(Rule::TrainerBusy)));
    assert!(found[0].detail.contains("trainer-busy: 1 trainer busy"), "{:?}", found[0]);
    assert!(found[2].detail.contains("nobody teaches the course: cobol beginner"), "{:?}", found[2]);

    let letters = house.dead_letters().await;
    let letter = letters.iter().find(|letter| Some(letter.id) == found[1].dead_letter).unwrap();
    assert!(found[1].detail.starts_with(&format!("paid, never became a purchase: dead letter {}", letter.id)));
    assert_eq!((found[1].purchase_id, found[1].student_id.as_deref()), (None, Some("stu_pay_3")));
    let repaired = payment("pay_3", json!({ "course": { "subject": "cobol" } })).to_string().into_bytes();
    send_again(&house.platform, std::slice::from_ref(letter), Some(&repaired)).await.unwrap();
    house.run().await;
    let causes: Vec<&str> = stuck(&house).await.iter().map(|one| one.cause.name()).collect();
    assert_eq!(causes, ["nobody-fits", "course-not-taught", "nobody-fits", "course-not-taught"]);
    house.nothing_is_left_over(&[("invalid-field", 2), ("conflicting-payment", 1)]).await;
}
