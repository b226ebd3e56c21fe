//! Who teaches, and in which of the student's slots.

use serde_json::{Value, json};

use crate::house::House;
use crate::sample::{payment, trainer};

fn slots(slots: &[(&str, &str)]) -> Value {
    slots.iter().map(|(weekday, at)| json!({ "weekday": weekday, "at": at })).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trainer_gets_exactly_per_week_slots_even_if_there_are_fewer_sessions() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    let wishes = slots(&[("tue", "17:00"), ("thu", "17:00"), ("sat", "10:00"), ("sun", "10:00")]);
    house.pay(&[payment("pay_1", json!({ "plan": { "sessions": 1, "per_week": 3, "slots": wishes } }))]).await;
    house.run().await;
    assert_eq!(house.teacher("pay_1").await, "trn_1: tue 17:00, thu 17:00, sat 10:00");
    assert_eq!(house.dates("pay_1").await, ["12-01"]);
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_are_on_different_weekdays_and_one_given_twice_counts_once() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    let wishes = slots(&[("tue", "17:00"), ("tue", "17:00"), ("tue", "18:00"), ("thu", "17:00")]);
    house.pay(&[payment("pay_1", json!({ "plan": { "slots": wishes } }))]).await;
    house.run().await;
    assert_eq!(house.teacher("pay_1").await, "trn_1: tue 17:00, thu 17:00");
    let kept = house.purchase("pay_1").await.confirmation.plan.slots;
    assert_eq!(kept.iter().map(ToString::to_string).collect::<Vec<_>>(), ["tue 17:00", "tue 18:00", "thu 17:00"]);
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_preferred_trainer_teaches_if_they_qualify() {
    let french = trainer("trn_4", json!({ "languages": ["fr"] }));
    let equal = ["trn_1", "trn_2", "trn_3"].map(|id| trainer(id, json!({})));
    let house = House::with(&[&equal[..], &[french]].concat()).await;
    house.pay(&[payment("pay_1", json!({ "preferred_trainer_id": "trn_3" }))]).await;
    house.run().await;
    house.pay(&[payment("pay_2", json!({ "preferred_trainer_id": "trn_4" }))]).await;
    house.pay(&[payment("pay_3", json!({ "preferred_trainer_id": "nobody" }))]).await;
    house.run().await;
    assert_eq!(house.teacher("pay_1").await, "trn_3: tue 17:00, thu 17:00");
    assert!(house.receipt("pay_1").await.chosen.is_some_and(|terms| terms.preferred));
    for other in ["pay_2", "pay_3"] {
        let teacher = house.teacher(other).await;
        assert!(teacher.starts_with("trn_1: ") || teacher.starts_with("trn_2: "), "{other}: {teacher}");
    }
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trainer_who_taught_the_student_the_subject_before_teaches_again() {
    let courses = json!([{ "subject": "python", "levels": ["beginner", "advanced"] }, { "subject": "chess", "levels": ["beginner"] }]);
    let house = House::with(&["trn_1", "trn_2", "trn_3"].map(|id| trainer(id, json!({ "courses": courses })))).await;
    let later = |subject: &str, level: &str, days: [&str; 2]| {
        json!({ "student": { "id": "stu_1" }, "course": { "subject": subject, "level": level },
                "plan": { "slots": slots(&[(days[0], "08:00"), (days[1], "08:00")]) } })
    };
    house.pay(&[payment("pay_1", json!({ "student": { "id": "stu_1" }, "preferred_trainer_id": "trn_3" }))]).await;
    house.run().await;
    house.pay(&[payment("pay_2", later("PYTHON ", "advanced", ["mon", "wed"]))]).await;
    house.run().await;
    house.pay(&[payment("pay_3", later("chess", "beginner", ["fri", "sun"]))]).await;
    house.run().await;
    assert_eq!(house.teacher("pay_2").await, "trn_3: mon 08:00, wed 08:00");
    assert!(house.receipt("pay_2").await.chosen.is_some_and(|terms| terms.previous));
    assert!(!house.teacher("pay_3").await.starts_with("trn_3"), "another subject says nothing");
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobodys_time_is_given_twice() {
    let house = House::with(&["trn_1", "trn_2"].map(|id| trainer(id, json!({})))).await;
    let shifted = |id: &str, student: &str, at: &str| {
        payment(id, json!({ "student": { "id": student }, "plan": { "per_week": 1, "slots": slots(&[("tue", at)]) } }))
    };
    house
        .pay(&[
            shifted("pay_1", "stu_1", "17:00"),
            shifted("pay_2", "stu_2", "17:45"),
            shifted("pay_3", "stu_3", "16:15"),
            shifted("pay_4", "stu_1", "17:45"),
            shifted("pay_5", "stu_1", "18:00"),
        ])
        .await;
    house.run().await;
    let placed = house.purchases().await.iter().filter(|purchase| purchase.allocation.is_some()).count();
    assert_eq!(placed, 4, "16:15, 17:00, 17:45 and 18:00 fit two trainers");
    assert_eq!(house.teacher("pay_4").await, "waitlisted", "the student is busy until 18:00");
    assert_eq!(house.receipt("pay_4").await.removed.values().sum::<u32>(), 2);
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn availability_is_the_trainers_wall_clock_also_over_midnight_and_the_weeks_end() {
    let range = |weekday: &str, from: &str, until: &str| json!({ "weekday": weekday, "from": from, "until": until });
    let over_midnight = json!([range("mon", "22:00", "02:00")]);
    let joined = json!([range("mon", "20:00", "24:00"), range("tue", "00:00", "02:00")]);
    let over_the_week = json!([range("sun", "22:00", "02:00")]);
    for (available, (weekday, at), fits) in [
        (&over_midnight, ("mon", "22:00"), true),
        (&over_midnight, ("mon", "23:30"), true),
        (&over_midnight, ("tue", "01:00"), true),
        (&over_midnight, ("tue", "01:15"), false),
        (&over_midnight, ("mon", "21:45"), false),
        (&over_midnight, ("mon", "01:00"), false),
        (&joined, ("mon", "23:30"), true),
        (&joined, ("tue", "01:15"), false),
        (&over_the_week, ("sun", "23:30"), true),
        (&over_the_week, ("mon", "01:00"), true),
        (&over_the_week, ("sun", "01:00"), false),
    ] {
        let house = House::with(&[trainer("trn_1", json!({ "availability": available }))]).await;
        house.pay(&[payment("pay_1", json!({ "plan": { "per_week": 1, "slots": slots(&[(weekday, at)]) } }))]).await;
        house.run().await;
        let expected = if fits { format!("trn_1: {weekday} {at}") } else { "waitlisted".to_owned() };
        assert_eq!(house.teacher("pay_1").await, expected, "{weekday} {at} in {available}");
        house.nothing_is_left_over(&[]).await;
    }
}
