//! Dates without a lesson: company closures, and the allocated trainer's days off.

use caravan::life::conflicts::{Conflict, conflicts_of, conflicts_of_and_with, conflicts_with};
use caravan_domain::trainer::Closure;
use jiff::civil::date;
use serde_json::{Value, json};

use crate::house::House;
use crate::sample::{payment, trainer};

fn off(from: &str, until: &str) -> Value {
    json!({ "time_off": [{ "from": from, "until": until }] })
}

#[tokio::test(flavor = "multi_thread")]
async fn closures_are_skipped_in_the_students_zone_and_the_plan_goes_on_behind_them() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    house
        .close(&[
            json!({ "from": "2026-12-03", "until": "2026-12-08", "name": "Move" }),
            json!({ "from": "2026-12-12", "until": "2026-12-13", "name": "A weekend" }),
        ])
        .await;
    house.pay(&[payment("pay_1", json!({}))]).await;
    house.run().await;
    assert_eq!(house.dates("pay_1").await, ["12-01", "12-10", "12-15", "12-17", "12-22", "12-24"]);
    let ordinals: Vec<u32> = house.sessions("pay_1").await.iter().map(|session| session.ordinal).collect();
    assert_eq!(ordinals, [1, 2, 3, 4, 5, 6]);
    let receipt = house.receipt("pay_1").await;
    let told: Vec<String> = receipt.skipped_for_closures.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["2026-12-03", "2026-12-08"]);
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn days_off_are_skipped_and_too_many_of_them_rule_a_trainer_out() {
    for (days, dates) in [
        (off("2026-12-03", "2026-12-08"), Some(vec!["12-01", "12-10", "12-15", "12-17", "12-22", "12-24"])),
        (off("2026-12-04", "2026-12-07"), Some(vec!["12-01", "12-03", "12-08", "12-10", "12-15", "12-17"])),
        (off("2026-12-03", "2026-12-10"), None),
    ] {
        let house = House::with(&[trainer("trn_1", days.clone())]).await;
        house.pay(&[payment("pay_1", json!({}))]).await;
        house.run().await;
        match dates {
            Some(dates) => assert_eq!(house.dates("pay_1").await, dates, "{days}"),
            None => {
                let removed = house.receipt("pay_1").await.removed;
                let removed: Vec<_> = removed.iter().map(|(rule, count)| (rule.name(), *count)).collect();
                assert_eq!(removed, [("time-off", 1)], "{days}");
            }
        }
        house.nothing_is_left_over(&[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_skips_fewer_dates_is_chosen() {
    let house = House::with(&[trainer("trn_1", off("2026-12-03", "2026-12-03")), trainer("trn_2", json!({}))]).await;
    house.pay(&[payment("pay_1", json!({}))]).await;
    house.run().await;
    assert!(house.teacher("pay_1").await.starts_with("trn_2"));
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn days_off_are_the_trainers_days_wherever_the_student_is() {
    let new_york =
        json!({ "time_zone": "America/New_York", "time_off": [{ "from": "2026-12-01", "until": "2026-12-01" }] });
    let house = House::with(&[trainer("trn_1", new_york)]).await;
    let slots = json!([{ "weekday": "tue", "at": "08:00" }, { "weekday": "wed", "at": "08:00" }]);
    house.pay(&[payment("pay_1", json!({ "plan": { "sessions": 3, "slots": slots } }))]).await;
    house.run().await;
    // Tuesday 08:00 in Kolkata is Monday evening in New York, and Wednesday 08:00 is Tuesday evening.
    assert_eq!(house.dates("pay_1").await, ["12-01", "12-08", "12-09"]);
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn days_off_that_come_later_move_nothing_and_are_listed_as_conflicts() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    house.pay(&[payment("pay_1", json!({}))]).await;
    house.run().await;
    let before = house.dates("pay_1").await;
    house.employ(&[trainer("trn_1", off("2026-12-03", "2026-12-08"))]).await;
    house.close(&[json!({ "from": "2026-12-17", "until": "2026-12-17", "name": "Late" })]).await;
    house.run().await;
    assert_eq!(house.dates("pay_1").await, before);
    let late = Closure { from: date(2026, 12, 17), until: date(2026, 12, 17), name: "Late".to_owned() };
    let told = |found: Vec<Conflict>| found.iter().map(|found| found.rule.name()).collect::<Vec<_>>();
    assert_eq!(told(conflicts_with(&house.platform, &[late]).await.unwrap()), ["closure"]);
    let closures = house.platform.store.closures().await.unwrap();
    let all = conflicts_of_and_with(&house.platform, &["trn_1".to_owned()], &closures).await.unwrap();
    assert_eq!(told(all), ["time-off", "time-off", "closure"]);
    let theirs = conflicts_of(&house.platform, &["trn_1".to_owned()]).await.unwrap();
    assert_eq!(told(theirs), ["time-off", "time-off"]);
    let conflicts = house.audited().await.conflicts;
    assert_eq!(conflicts.broken, 3, "{:#?}", conflicts.problems);
    house.nothing_is_left_over(&[]).await;
}
