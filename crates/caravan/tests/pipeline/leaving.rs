//! A trainer is away: somebody stands in, else the session moves within its week, else it is made up for at the end, else a
//! person decides. Doing it again changes nothing more.

use caravan::life::conflicts::conflicts_of;
use caravan::life::leave::{Proposal, Remedy, Request, apply, propose};
use caravan_domain::ids::purchase_id;
use serde_json::json;

use crate::house::House;
use crate::sample::payment;

use super::changing::on;

fn away(from: &str, until: Option<&str>) -> Request {
    Request {
        trainer_id: "trn_1".to_owned(),
        from: from.parse().unwrap(),
        until: until.map(|until| until.parse().unwrap()),
        actor: "ann".to_owned(),
        reason: "flu".to_owned(),
    }
}

/// Such as `pay 2: trn_2`, `pay 3: 12-09 17:00`, `pay 4: at the end 12-24`, in the order of the sessions.
fn told(proposals: &[Proposal]) -> Vec<String> {
    let zone = caravan_domain::plan::zone_named("Asia/Kolkata").unwrap();
    let line = |proposal: &Proposal| {
        let student = proposal.student_id.trim_start_matches("stu_");
        let what = match &proposal.remedy {
            Remedy::Substitute(after) => after.trainer_id.clone(),
            Remedy::Move(after) => {
                format!("{} {}", after.starts_at.to_zoned(zone.clone()).strftime("%m-%d %H:%M"), after.trainer_id)
            }
            Remedy::Makeup(_, date) => format!("at the end {}", date.strftime("%m-%d")),
            Remedy::Person => "a person".to_owned(),
        };
        format!("{student} {}: {what}", proposal.ordinal)
    };
    let mut lines: Vec<String> = proposals.iter().map(line).collect();
    lines.sort_unstable();
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn each_session_gets_the_smallest_change_that_suits() {
    let house = House::with(&[on("trn_1", &["tue", "wed", "thu"], json!({}))]).await;
    // Wednesdays at four suit the student as well.
    let slots = json!({ "plan": { "slots": [{ "weekday": "tue", "at": "17:00" }, { "weekday": "thu", "at": "17:00" },
                                            { "weekday": "wed", "at": "16:00" }] } });
    house.pay(&[payment("pay_1", slots)]).await;
    house.run().await;
    house.employ(&[on("trn_2", &["tue"], json!({}))]).await;
    house.run().await;
    // Somebody else teaches on Tuesday; Thursday moves to Wednesday, where the leave has not begun... it has: at the end.
    let week = away("2026-12-08", Some("2026-12-10"));
    let expected = ["pay_1 3: trn_2", "pay_1 4: at the end 12-22"];
    assert_eq!(told(&propose(&house.platform, &week).await.unwrap()), expected);
    assert!(house.platform.store.changes_of(purchase_id("pay_1", None)).await.unwrap().is_empty(), "only proposed");
    // From Thursday on only: Wednesday is free.
    let thursday = away("2026-12-10", Some("2026-12-11"));
    assert_eq!(told(&apply(&house.platform, &thursday).await.unwrap()), ["pay_1 4: 12-09 16:00 trn_1"]);
    assert_eq!(told(&apply(&house.platform, &thursday).await.unwrap()), Vec::<String>::new());
    house.run().await;
    assert_eq!(told(&apply(&house.platform, &week).await.unwrap()), ["pay_1 3: trn_2", "pay_1 4: at the end 12-22"]);
    house.run().await;
    let statuses: Vec<String> = house
        .sessions("pay_1")
        .await
        .iter()
        .map(|session| format!("{} {} {}", session.ordinal, session.trainer_id, session.status))
        .collect();
    let expected = [
        "1 trn_1 scheduled",
        "2 trn_1 scheduled",
        "3 trn_2 scheduled",
        "4 trn_1 cancelled",
        "5 trn_1 scheduled",
        "6 trn_1 scheduled",
        "7 trn_1 scheduled",
    ];
    assert_eq!(statuses, expected);
    let report = house.audited().await;
    assert_eq!(report.conflicts.broken, 0);
    house.nothing_is_left_over(&[]).await;

    house.set_clock("2027-01-10T10:00:00Z");
    house.run().await;
    assert_eq!(house.purchase("pay_1").await.status.name(), "completed");
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_leave_gives_the_rest_of_a_plan_to_one_person_also_beyond_the_window() {
    let house = House::with(&[on("trn_1", &["tue", "thu"], json!({}))]).await;
    house
        .pay(&[
            payment("pay_1", json!({ "plan": { "sessions": 16 } })),
            payment(
                "pay_2",
                json!({ "plan": { "sessions": 4,
        "slots": [{ "weekday": "tue", "at": "18:00" }, { "weekday": "thu", "at": "18:00" }] } }),
            ),
        ])
        .await;
    house.run().await;
    house
        .employ(&[
            on("trn_2", &["tue"], json!({})),
            on("trn_3", &["tue", "thu"], json!({ "max_sessions_per_week": 3 })),
            on("trn_4", &["tue", "thu"], json!({ "languages": ["fr"] })),
        ])
        .await;
    house.run().await;
    let gone = away("2026-12-08", None);
    let done = apply(&house.platform, &gone).await.unwrap();
    // trn_3 has room for one plan and a half; trn_2 takes what is on a Tuesday.
    let by = |student: &str| -> Vec<String> {
        let of = done.iter().filter(|proposal| proposal.student_id == format!("stu_{student}"));
        of.map(|proposal| match &proposal.remedy {
            Remedy::Substitute(after) => after.trainer_id.clone(),
            other => other.name().to_owned(),
        })
        .collect()
    };
    assert_eq!(by("pay_1"), ["trn_3"; 14]);
    assert_eq!(by("pay_2"), ["trn_2", "trn_3"]);
    house.run().await;
    house.nothing_is_left_over(&[]).await;
    house.set_clock("2027-01-10T10:00:00Z");
    house.run().await;
    let sessions = house.sessions("pay_1").await;
    assert_eq!(sessions.iter().map(|session| session.trainer_id.as_str()).collect::<Vec<_>>()[2..], ["trn_3"; 14]);
    assert_eq!(apply(&house.platform, &gone).await.unwrap(), []);
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_take_is_left_to_a_person_and_listed() {
    let house = House::with(&[on("trn_1", &["tue", "thu"], json!({}))]).await;
    house.pay(&[payment("pay_1", json!({}))]).await;
    house.run().await;
    let gone = away("2026-12-15", None);
    let done = apply(&house.platform, &gone).await.unwrap();
    assert_eq!(told(&done), ["pay_1 5: a person", "pay_1 6: a person"]);
    house.run().await;
    let found = conflicts_of(&house.platform, &["trn_1".to_owned()]).await.unwrap();
    let rules: Vec<&str> = found.iter().map(|conflict| conflict.rule.name()).collect();
    assert_eq!(rules, ["time-off", "time-off"]);
    assert_eq!(house.audited().await.conflicts.broken, 2);
    // Once somebody is there, the same command does what is left.
    house.employ(&[on("trn_2", &["tue", "thu"], json!({}))]).await;
    house.run().await;
    assert_eq!(told(&apply(&house.platform, &gone).await.unwrap()), ["pay_1 5: trn_2", "pay_1 6: trn_2"]);
    house.run().await;
    assert_eq!(house.audited().await.conflicts.broken, 0);
    house.nothing_is_left_over(&[]).await;
}
