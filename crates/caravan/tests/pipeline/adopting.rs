//! Moving in: plans that are under way elsewhere are taken over, all of a file or nothing.

use caravan::life::adopting::{AdoptError, AdoptedRow, adopt};
use caravan_domain::allocation::Policy;
use caravan_domain::event::Topic;
use serde_json::{Value, json};

use crate::house::House;
use crate::sample::{payment, trainer};

/// A plan of weekly lessons from September on, of which this one is next.
fn student(payment_id: &str, trainer_id: &str, at: &str, first_ordinal: u32) -> Value {
    let slot = json!({ "weekday": "tue", "at": at });
    payment(
        payment_id,
        json!({
            "plan": { "start_date": "2026-09-01", "sessions": 14, "per_week": 1, "slots": [slot] },
            "allocation": { "trainer_id": trainer_id, "slots": [slot] },
            "first_ordinal": first_ordinal,
        }),
    )
}

fn file(lines: &[Value]) -> Vec<u8> {
    lines.iter().map(|line| format!("{line}\n")).collect::<String>().into_bytes()
}

async fn adopted(house: &House, lines: &[Value]) -> Result<Vec<AdoptedRow>, AdoptError> {
    adopt(&house.platform, &file(lines), Policy::default(), false).await
}

/// The lines that can't be adopted, with what is wrong.
async fn refused(house: &House, lines: &[Value]) -> Vec<String> {
    match adopted(house, lines).await {
        Err(AdoptError::Faults(faults)) => faults.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

async fn ordinals(house: &House, payment_id: &str) -> Vec<u32> {
    house.sessions(payment_id).await.iter().map(|session| session.ordinal).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_students_move_in_between_two_lessons_and_their_plans_go_on_to_the_end() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    let lines = [student("pay_1", "trn_1", "17:00", 11), student("pay_2", "trn_1", "18:00", 14)];
    let rows = adopted(&house, &lines).await.unwrap();
    let planned: Vec<(u64, u32, u16)> = rows.iter().map(|row| (row.line, row.first_ordinal, row.sessions)).collect();
    assert_eq!(planned, [(1, 11, 4), (2, 14, 1)]);
    house.run().await;
    assert_eq!(house.teacher("pay_1").await, "trn_1: tue 17:00");
    assert_eq!(house.purchase("pay_1").await.status.name(), "scheduled");
    // Nobody is booked into the past: from the day after they moved in.
    assert_eq!(house.dates("pay_1").await, ["11-24", "12-01", "12-08", "12-15"]);
    assert_eq!(ordinals(&house, "pay_1").await, [11, 12, 13, 14]);
    assert_eq!(house.dates("pay_2").await, ["11-24"]);
    for topic in [Topic::PurchaseCreated, Topic::TrainerAllocated, Topic::SessionsScheduled] {
        assert_eq!(house.events(topic, "pay_1").await.len(), 1, "{topic}");
    }
    house.nothing_is_left_over(&[]).await;

    // Others are allocated around them, and reported once more they are the same purchases.
    let same = |line: &Value| line.as_object().unwrap().clone();
    let (again, busy) =
        (same(&lines[0]), json!({ "plan": { "per_week": 1, "slots": [{ "weekday": "tue", "at": "17:00" }] } }));
    house.pay(&[again.into(), payment("pay_3", busy)]).await;
    house.run().await;
    assert_eq!(house.teacher("pay_3").await, "waitlisted");
    house.set_clock("2026-12-16T10:00:00Z");
    house.run().await;
    assert_eq!(house.purchase("pay_1").await.status.name(), "completed");
    assert_eq!(house.purchase("pay_2").await.status.name(), "completed");
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clash_is_named_by_its_line_and_nothing_is_written() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    house.pay(&[payment("pay_0", json!({})), payment("pay_w", json!({ "course": { "subject": "cobol" } }))]).await;
    house.run().await;
    let taken = "trainer-busy: trainer trn_1, session";
    let waiting = json!({
        "course": { "subject": "cobol" },
        "allocation": { "trainer_id": "trn_1", "slots": payment("x", json!({}))["plan"]["slots"] },
    });
    let mut malformed = student("pay_6", "trn_1", "12:00", 1);
    malformed["amount"]["currency"] = json!("rupees");
    let lines = [
        student("pay_1", "trn_1", "09:00", 11),
        student("pay_2", "trn_1", "17:30", 11),
        student("pay_3", "trn_1", "09:30", 11),
        student("pay_4", "trn_9", "11:00", 11),
        student("pay_1", "trn_1", "10:00", 11),
        malformed,
        student("pay_7", "trn_1", "13:00", 15),
        payment("pay_w", waiting),
        student("pay_8", "trn_1", "14:00", 14),
    ];
    let faults = refused(&house, &lines).await;
    let expected = [
        format!("line 2: {taken} 12 at tue 2026-12-01 17:30 (Asia/Kolkata)"),
        format!("line 3: {taken} 11 at tue 2026-11-24 09:30 (Asia/Kolkata)"),
        "line 4: there is no trainer \"trn_9\"; `caravan trainers list` shows those there are".to_owned(),
        "line 5: it is the same purchase as line 1".to_owned(),
        "line 6: /amount/currency must be an ISO 4217 code in capitals such as EUR, is \"rupees\"".to_owned(),
        "line 7: first_ordinal: session 15 is none of the 14 that were bought".to_owned(),
    ];
    assert_eq!(faults[..6], expected);
    assert!(faults[6].contains("is there already, waitlisted; `caravan purchases allocate "), "{}", faults[6]);
    assert_eq!(faults.len(), 7);
    assert_eq!(house.purchases().await.len(), 2);
    house.run().await;
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_stays_however_often_the_file_is_adopted() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    let lines = [student("pay_1", "trn_1", "17:00", 11), student("pay_2", "trn_1", "18:00", 14)];
    let dry = adopt(&house.platform, &file(&lines), Policy::default(), true).await.unwrap();
    assert_eq!((dry.len(), house.purchases().await.len()), (2, 0));
    adopted(&house, &lines[..1]).await.unwrap();
    let rows = adopted(&house, &lines).await.unwrap();
    let there: Vec<bool> = rows.iter().map(|row| row.there_already).collect();
    assert_eq!(there, [true, false]);
    house.run().await;
    assert_eq!(house.events(Topic::TrainerAllocated, "pay_1").await.len(), 1);
    house.set_clock("2026-12-09T10:00:00Z");
    assert!(adopted(&house, &lines).await.unwrap().iter().all(|row| row.there_already));
    let mut other = lines.clone();
    other[0]["first_ordinal"] = json!(12);
    other[1]["amount"]["minor"] = json!(1);
    let faults = refused(&house, &other).await;
    assert!(faults[0].ends_with("is there already, with another trainer, other slots or another first session"));
    assert!(faults[1].ends_with("is there already, with another student, course, plan or amount"));
    house.run().await;
    assert_eq!(house.dates("pay_1").await, ["11-24", "12-01", "12-08", "12-15"]);
    house.nothing_is_left_over(&[]).await;
}
