//! What if the roster were changed so: what is said beforehand is what happens once it is, and saying it changes nothing.

use std::collections::BTreeMap;

use caravan::life::wondering::{WAITING_READ_MAX, WonderError, Wondered, wonder};
use caravan::roster::{Entry, Format, ImportError, trainers_of};
use caravan_domain::allocation::{Receipt, Rule};
use caravan_domain::ids::purchase_id;
use caravan_domain::stuck::{Cause, bottlenecks};
use caravan_domain::trainer::TrainerPatch;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::house::House;
use crate::sample::{payment, trainer};

fn entries(trainers: &[Value]) -> Vec<Entry<TrainerPatch>> {
    let lines: String = trainers.iter().map(|trainer| format!("{trainer}\n")).collect();
    trainers_of(lines.as_bytes(), Format::JsonLines).unwrap()
}

async fn wondered(house: &House, trainers: &[Value]) -> Wondered {
    wonder(&house.platform, &house.policy, &entries(trainers)).await.unwrap()
}

/// Who would teach each purchase, and how.
fn foretold(wondered: &Wondered) -> BTreeMap<Uuid, String> {
    let placed = wondered.placed.iter();
    placed
        .map(|placed| (placed.purchase_id, format!("{} {:?} {}", placed.trainer_id, placed.slots, placed.start_date)))
        .collect()
}

/// Who teaches each purchase that has a trainer, and how.
async fn taught(house: &House) -> BTreeMap<Uuid, String> {
    let purchases = house.purchases().await.into_iter();
    let taught = purchases.filter_map(|purchase| {
        let allocation = purchase.allocation?;
        Some((purchase.id, format!("{} {:?} {}", allocation.trainer_id, allocation.slots, allocation.start_date)))
    });
    taught.collect()
}

/// Why the others wait.
async fn kept(house: &House) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    for purchase in house.purchases().await.iter().filter(|purchase| purchase.allocation.is_none()) {
        let waiting = house.platform.store.waiting(&[purchase.id]).await.unwrap().pop().unwrap();
        receipts.push(serde_json::from_str(&waiting.receipt).unwrap());
    }
    receipts
}

fn plan(subject: &str, student: &str, slots: [(&str, &str); 3]) -> Value {
    let slots = slots.map(|(weekday, at)| json!({ "weekday": weekday, "at": at }));
    json!({ "course": { "subject": subject }, "student": { "id": student }, "plan": { "slots": slots } })
}

/// Purchases that wait, of students who want several things at the same times, paid on several days.
async fn waiting() -> House {
    let somebody = trainer("trn_0", json!({ "courses": [{ "subject": "latin", "levels": ["beginner"] }] }));
    let house = House::with(&[somebody, trainer("trn_1", json!({ "active": false }))]).await;
    let subjects = ["python", "go", "python", "rust", "cobol"];
    for day in 23..26 {
        house.set_clock(&format!("2026-11-{day}T10:00:00Z"));
        let wishes = (0..10).map(|number| {
            let at = ["17:00", "17:30", "18:00"][number % 3];
            let slots = [("tue", at), ("thu", "17:00"), ("wed", at)];
            let student = format!("stu_{}", number % 4);
            payment(&format!("pay_{day}_{number}"), plan(subjects[number % 5], &student, slots))
        });
        house.pay(&wishes.collect::<Vec<_>>()).await;
        house.run().await;
    }
    assert!(taught(&house).await.is_empty());
    house
}

/// A new trainer, one more with little room, and one who is active again.
fn changes() -> [Value; 3] {
    let evenings = ["tue", "wed", "thu"].map(|day| json!({ "weekday": day, "from": "16:00", "until": "20:00" }));
    let teaches = |subjects: &[&str]| -> Value {
        subjects.iter().map(|one| json!({ "subject": one, "levels": ["beginner"] })).collect()
    };
    [
        trainer("trn_1", json!({ "active": true, "max_sessions_per_week": 6 })),
        trainer("trn_2", json!({ "courses": teaches(&["go", "python"]), "availability": evenings })),
        trainer("trn_3", json!({ "courses": teaches(&["go"]), "availability": evenings, "max_sessions_per_week": 2 })),
    ]
}

async fn what_is_foretold_happens(house: House) {
    let foretold_by = wondered(&house, &changes()).await;
    assert_eq!((foretold_by.looked_at, foretold_by.more), (30, false));
    let (placed, held_up) = (foretold(&foretold_by), &foretold_by.still_waiting);
    assert!(placed.len() >= 4, "{foretold_by:#?}");
    assert!(held_up.iter().any(|one| one.cause == Cause::CourseNotTaught && one.purchases == 12), "{held_up:#?}");
    let all: u64 = held_up.iter().map(|one| one.purchases).sum();
    assert_eq!(placed.len() as u64 + all, 30);

    house.employ(&changes()).await;
    house.run().await;
    assert_eq!(taught(&house).await, placed);
    assert_eq!(&bottlenecks(kept(&house).await.into_iter()), held_up);
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_foretold_is_what_happens_when_the_roster_is_imported() {
    what_is_foretold_happens(waiting().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_foretold_happens_in_small_batches_too() {
    let mut house = waiting().await;
    house.policy.batch.records_max = 3;
    what_is_foretold_happens(house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wondering_changes_nothing() {
    let house = waiting().await;
    let store = &house.platform.store;
    let id = purchase_id("pay_23_0", None);
    let stands = async || {
        let waiting = store.waiting(&[id]).await.unwrap().pop().unwrap();
        let totals = store.totals().await.unwrap();
        (store.roster_version().await.unwrap(), waiting.seen_version, waiting.receipt, format!("{totals:?}"))
    };
    let before = stands().await;
    assert!(!wondered(&house, &changes()).await.placed.is_empty());
    assert_eq!(stands().await, before);
    assert_eq!(wondered(&house, &[]).await.placed, [], "without a change nobody is placed");
    house.run().await;
    assert!(taught(&house).await.is_empty());
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_would_be_placed_and_what_would_hold_up_the_rest_is_told() {
    let house = House::with(&[trainer("trn_1", json!({ "active": false }))]).await;
    for (day, id) in [(23, "first"), (24, "second")] {
        house.set_clock(&format!("2026-11-{day}T10:00:00Z"));
        house.pay(&[payment(id, json!({}))]).await;
        house.run().await;
    }
    let [held_up] = &wondered(&house, &[]).await.still_waiting[..] else { panic!() };
    assert_eq!((held_up.cause, held_up.purchases), (Cause::NobodyFits(Some(Rule::Inactive)), 2));

    let told = wondered(&house, &[json!({ "trainer_id": "trn_1", "active": true })]).await;
    let [placed] = &told.placed[..] else { panic!("{told:#?}") };
    let first = house.purchase("first").await;
    assert_eq!((placed.purchase_id, placed.created_at), (first.id, first.created_at), "who waits longest comes first");
    assert_eq!((placed.student_id.as_str(), placed.trainer_id.as_str()), ("stu_first", "trn_1"));
    assert_eq!(placed.course, first.confirmation.course);
    assert_eq!(placed.slots.iter().map(ToString::to_string).collect::<Vec<_>>(), ["tue 17:00", "thu 17:00"]);
    assert_eq!(placed.start_date.to_string(), "2026-12-01");
    let [held_up] = &told.still_waiting[..] else { panic!("{told:#?}") };
    assert_eq!(held_up.cause, Cause::NobodyFits(Some(Rule::TrainerBusy)), "the first has taken the time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roster_that_could_not_be_imported_is_refused_by_its_lines() {
    let house = House::new().await;
    let wrong = [trainer("trn_1", json!({})), json!({ "trainer_id": "trn_2" })];
    let refused = wonder(&house.platform, &house.policy, &entries(&wrong)).await.unwrap_err();
    let WonderError::Edits(ImportError::Faults(faults)) = refused else { panic!("{refused}") };
    assert_eq!((faults.len(), faults[0].line, faults[0].fault.pointer.as_str()), (1, 2, "/time_zone"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_very_many_the_oldest_are_looked_at_and_it_is_said_that_more_wait() {
    let house = House::new().await;
    let payments: Vec<Value> =
        (0..=WAITING_READ_MAX).map(|number| payment(&format!("pay_{number}"), json!({}))).collect();
    house.pay(&payments).await;
    house.run().await;
    let told = wondered(&house, &[]).await;
    assert_eq!((told.looked_at, told.more, told.placed.len()), (WAITING_READ_MAX, true, 0));
    assert_eq!(told.still_waiting[0].purchases, WAITING_READ_MAX as u64);
}
