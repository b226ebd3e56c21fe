//! What happens is seen: as it happens, and afterwards by whoever looks for it.

use caravan_domain::access::Role;
use caravan_domain::ids::purchase_id;

use super::super::api::{Api, confirmation, ravi};
use super::school::cobol;
use super::{operator, served, taught};
use crate::house::House;

/// Where lessons are: tonight, half an hour before the day of the first lesson begins in Berlin, and in the night after.
const TONIGHT: &str = "2026-11-30T22:30:00Z";
const IN_THE_NIGHT: &str = "2026-11-30T23:30:00Z";

async fn confirm(api: &Api, value: &serde_json::Value) {
    api.post("/v1/purchase-confirmations").by(Role::Ingest).json(value).send().await.with(202);
    api.house.run().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_is_seen_moving_through_and_the_numbers_follow() {
    let api = served(House::with(&[ravi()]).await).await;
    let browser = operator(&api).await;
    assert_eq!(browser.heading().await, "Today");
    browser.sees("Today: 0 paid, 0 have a trainer, 0 wait.").await;
    browser.mark().await;

    confirm(&api, &confirmation("pay_1")).await;
    browser.sees("stu_118").await;
    browser.sees("recorded has a trainer lessons planned").await;
    browser.sees("Today: 1 paid, 1 have a trainer, 0 wait.").await;
    browser.sees_waiting("Waitlist", 0).await;

    confirm(&api, &cobol("pay_2")).await;
    browser.sees("stu_cobol").await;
    browser.sees("recorded waits for a trainer").await;
    browser.sees("Today: 2 paid, 1 have a trainer, 1 wait.").await;
    browser.sees_waiting("Waitlist", 1).await;
    assert!(browser.is_marked().await, "the page was not loaded anew");

    browser.click("stu_118").await;
    browser.sees("Why this trainer").await;
    api.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lessons_of_the_day_appear_when_it_has_begun() {
    let house = House::with(&[ravi()]).await;
    house.pay(&[confirmation("pay_1")]).await;
    house.run().await;
    house.set_clock(TONIGHT);
    let api = served(house).await;
    let browser = operator(&api).await;
    browser.sees("No lesson today.").await;
    browser.mark().await;

    api.house.set_clock(IN_THE_NIGHT);
    confirm(&api, &cobol("pay_2")).await;
    browser.sees("17:00–18:00 Asha Ravi python beginner 1 of 20 Planned").await;
    browser.does_not_see("No lesson today.").await;
    assert!(browser.is_marked().await, "the page was not loaded anew");
    api.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_is_found_by_its_student_its_payment_or_its_id() {
    let house = House::with(&[ravi()]).await;
    house.pay(&[confirmation("pay_1"), cobol("pay_2")]).await;
    house.run().await;
    let api = served(house).await;
    let browser = operator(&api).await;
    browser.click("Purchases").await;
    browser.sees("Grace").await;
    for text in ["stu_118", "pay_1", &purchase_id("pay_1", None).to_string()] {
        browser.fill("Student's, payment's or purchase's id", text).await;
        browser.click("Find").await;
        browser.sees("Found").await;
        browser.sees("Asha").await;
        browser.does_not_see("Grace").await;
    }
    browser.fill("Student's, payment's or purchase's id", "stu_nobody").await;
    browser.click("Find").await;
    browser.sees("No purchase is like that.").await;
    browser.click("Clear").await;
    browser.choose("State", "Waits for a trainer").await;
    browser.click("Find").await;
    browser.does_not_see("Asha").await;
    browser.sees("Grace").await;
    api.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_tells_what_has_happened_when_its_lessons_are_and_why_that_trainer() {
    let (api, browser) = taught().await;
    browser.click("Purchases").await;
    browser.click("Asha").await;
    browser.sees("Asha: python beginner").await;
    browser.sees("Lessons planned").await;
    browser.sees("Ravi, Tue 17:00 (Europe/Berlin), from Tue 1 Dec 2026").await;
    browser.sees("499.00 EUR").await;
    let page = browser.text().await;
    let explanation = api.read(&format!("/v1/purchases/{}", purchase_id("pay_1", None))).await;
    let because = explanation["explanation"].as_array().unwrap();
    assert!(!because.is_empty());
    for line in because {
        assert!(page.contains(line.as_str().unwrap()), "{line}: {page}");
    }
    browser.sees("What has happened").await;
    for (what, at) in [("payment pay_1", "Mon 23 Nov 2026 11:00"), ("trn_7", "Mon 23 Nov 2026 11:00")] {
        assert!(page.contains(what) && page.contains(at), "{what}, {at}: {page}");
    }

    let steps =
        ["payment pay_1", "the purchase is recorded", "trn_7 teaches", "the first sessions are in the calendar"];
    let places = steps.map(|step| page.find(step).unwrap_or_else(|| panic!("{step}: {page}")));
    assert!(places.is_sorted(), "{page}");

    browser.sees("December 2026").await;
    browser.sees("1 17:00 lesson 1, Planned").await;
    browser.click_near("Later", "December 2026").await;
    browser.sees("January 2027").await;
    browser.click_near("Earlier", "January 2027").await;
    browser.click("17:00").await;
    browser.sees("Lesson 1").await;
    browser.sees("Tue 1 Dec 2026 17:00").await;
    api.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_fills_in_stays_whatever_happens() {
    let (api, browser) = taught().await;
    browser.open(&format!("/purchases/{}/sessions/1", purchase_id("pay_1", None))).await;
    browser.sees("Ravi").await;
    let mut rabi = ravi();
    rabi["name"] = serde_json::json!("Rabi");
    api.house.employ(&[rabi]).await;
    browser.fill_near("Reason", "New time", "a school trip").await;
    browser.something_happens().await;
    assert_eq!(browser.filled("Reason").await, "a school trip");
    browser.sees("Ravi").await;
    browser.fill_near("Reason", "New time", "").await;
    browser.something_happens().await;
    browser.sees("Rabi").await;
    api.house.run().await;
    api.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nightly_job_is_done_by_hand() {
    let (api, _) = taught().await;
    let before = api.house.sessions("pay_1").await.len();
    api.house.set_clock("2026-12-05T10:00:00Z");
    // It is another day: sign-ins have ended.
    let browser = operator(&api).await;
    browser.click("System").await;
    browser.sees("Nightly job is late").await;
    browser.click("Do it now").await;
    browser.sees("Done: 1 purchase got lessons, 1 lesson is noted as over.").await;
    browser.sees("Nightly job is done").await;
    browser.check_accessibility().await;
    assert!(api.house.sessions("pay_1").await.len() > before);
    browser.click("Do it now").await;
    browser.sees("Done: 0 purchases got lessons, 0 lessons are noted as over.").await;
    api.house.run().await;
    api.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_is_run_from_its_page_which_says_what_it_has_found() {
    let (api, browser) = taught().await;
    browser.click("System").await;
    browser.sees("None was run from here since this process began.").await;
    browser.click("Run the audit").await;
    browser.sees("Every guarantee is kept.").await;
    browser.check_accessibility().await;
    api.end(&[]).await;
}
