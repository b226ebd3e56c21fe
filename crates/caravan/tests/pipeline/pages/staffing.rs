//! Who teaches: why somebody waits, whom it would help to hire, the roster, and what a leave leads to.

use serde_json::{Value, json};

use super::super::api::{confirmation, ravi};
use super::school::cobol;
use super::{operator, served, taught};
use crate::house::House;

/// A roster of one who teaches what nobody else does.
const MIRA: &str = "trainer_id,name,time_zone,languages,courses,availability\n\
                    trn_8,Mira,Europe/Berlin,en,cobol:beginner,tue 15:00-21:00\n";

/// One who could stand in for Ravi on Tuesdays.
fn mira() -> Value {
    let mut mira = ravi();
    mira["trainer_id"] = json!("trn_8");
    mira["name"] = json!("Mira");
    mira["email"] = json!("mira@example.com");
    mira["availability"] = json!([{ "weekday": "tue", "from": "14:00", "until": "20:00" }]);
    mira
}

async fn roster_of(house: &House) -> Vec<String> {
    let listed = house.platform.store.list_trainers(None, 100).await.unwrap();
    listed.into_iter().map(|(trainer, _)| trainer.trainer_id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_is_placed_by_whom_a_what_if_said() {
    let house = House::with(&[ravi()]).await;
    house.pay(&[cobol("pay_1")]).await;
    house.run().await;
    let api = served(house).await;
    let browser = operator(&api).await;
    browser.sees_waiting("Waitlist", 1).await;
    browser.click("Waitlist").await;
    browser.sees("1 Nobody teaches the course").await;
    browser.sees("Grace").await;
    browser.fill("Lines of a roster", "trainer_id;nonsense").await;
    browser.click("Who would be placed?").await;
    browser.sees("Nothing was changed:").await;
    browser.fill("Lines of a roster", MIRA).await;
    browser.click("Who would be placed?").await;
    browser.sees("1 purchase would get a trainer, of 1 who wait.").await;
    browser.sees("trn_8 Tue 17:00, from Tue 1 Dec 2026").await;
    assert!(!browser.is_live().await, "the answer is not replaced by what happens");
    assert_eq!(roster_of(&api.house).await, ["trn_7"], "nobody was hired");

    browser.click("Trainers").await;
    browser.click("Import trainers").await;
    browser.fill("CSV with a header line", MIRA).await;
    browser.click("See what would change").await;
    browser.sees("1 new trainer, 0 changed, 0 unchanged").await;
    browser.sees("cobol").await;
    assert_eq!(roster_of(&api.house).await, ["trn_7"], "it was only looked at");
    browser.click("Take it over").await;
    browser.sees("Taken over: 1 new trainer, 0 changed, 0 unchanged.").await;
    browser.sees("Mira").await;

    api.house.run().await;
    assert_eq!(api.house.teacher("pay_1").await, "trn_8: tue 17:00");
    browser.sees_waiting("Waitlist", 0).await;
    browser.click("Waitlist").await;
    browser.sees("Nobody waits for a trainer.").await;
    api.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roster_with_a_fault_is_not_taken_over_and_says_where_it_is() {
    let api = served(House::new().await).await;
    let browser = operator(&api).await;
    browser.open("/trainers/import").await;
    browser.fill("CSV with a header line", &MIRA.replace("15:00-21:00", "15")).await;
    browser.click("See what would change").await;
    browser.sees("Nothing was changed:").await;
    browser.sees("/availability/0").await;
    assert!(browser.filled("CSV with a header line").await.contains("trn_8,Mira"), "what was filled in is kept");
    browser.check_accessibility().await;
    assert!(roster_of(&api.house).await.is_empty());
    api.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_roster_says_of_a_trainer_is_changed_once_it_was_seen() {
    let (api, browser) = taught().await;
    browser.click("Trainers").await;
    browser.click("Ravi").await;
    browser.click("Edit").await;
    browser.fill("Hours", "wed 14:00-20:00").await;
    browser.fill("Lessons a week at most", "10").await;
    browser.click("See what would change").await;
    browser.sees("What would change").await;
    browser.sees("Wed 14:00–20:00").await;
    let hours = async || {
        let listed = api.house.platform.store.list_trainers(None, 100).await.unwrap();
        listed[0].0.availability.len()
    };
    assert_eq!(hours().await, 5, "it was only looked at");
    browser.click("Change it").await;
    browser.sees("Changed: 0 new trainers, 1 changed, 0 unchanged.").await;
    assert_eq!(hours().await, 1);

    // What was planned stands, and is told of.
    browser.sees("Lessons that contradict the roster").await;
    browser.sees_waiting("Conflicts", 20).await;
    api.house.run().await;
    api.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leave_is_proposed_seen_and_applied() {
    let house = House::with(&[ravi()]).await;
    house.pay(&[confirmation("pay_1")]).await;
    house.run().await;
    house.employ(&[mira()]).await;
    house.run().await;
    let api = served(house).await;
    let browser = operator(&api).await;
    browser.click("Trainers").await;
    browser.click("Ravi").await;
    browser.click("Enter a leave").await;
    browser.fill("First day", "2026-12-08").await;
    browser.fill("Last day", "2026-12-08").await;
    browser.fill("Reason", "flu").await;
    browser.click("See what is proposed").await;
    browser.sees("1 lesson falls into it: 1 with somebody else").await;
    browser.sees("trn_8 stands in").await;
    browser.check_accessibility().await;
    let teachers = async || {
        let sessions = api.house.sessions("pay_1").await;
        sessions.into_iter().map(|session| session.trainer_id).collect::<Vec<_>>()
    };
    assert_eq!(teachers().await, ["trn_7"; 4], "it was only proposed");
    browser.click("Apply it").await;
    browser.sees("The leave is noted.").await;
    browser.sees("Tue 8 Dec 2026").await;
    api.house.run().await;
    assert_eq!(teachers().await, ["trn_7", "trn_8", "trn_7", "trn_7"]);
    browser.sees_waiting("Conflicts", 0).await;
    api.end(&[]).await;
}
