//! Lessons by hand, what was given back, and a purchase that ends early.

use caravan::platform::rows::RefundFilter;
use serde_json::{Value, json};

use super::super::api::{Api, ravi};
use super::browser::Browser;
use super::school::{DURING_A_LESSON, give_back};
use super::taught;

/// A plan of a lesson a week with Ravi, from the first of December on, on its page.
async fn under_way() -> (Api, Browser) {
    let (api, browser) = taught().await;
    open_purchase(&browser).await;
    (api, browser)
}

async fn open_purchase(browser: &Browser) {
    browser.click("Purchases").await;
    browser.click("Asha").await;
    browser.sees("What has happened").await;
}

/// How each lesson stands, such as `2 12-08 16:00 scheduled`, in UTC.
async fn lessons(api: &Api) -> Vec<String> {
    let mut sessions = api.house.sessions("pay_1").await;
    sessions.sort_by_key(|session| session.ordinal);
    let line = |session: &caravan::platform::rows::Session| {
        let starts = session.starts_at.strftime("%m-%d %H:%M");
        format!("{} {starts} {}", session.ordinal, session.status)
    };
    sessions.iter().map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lesson_is_moved_against_a_rule_only_by_whoever_says_so() {
    let (api, browser) = under_way().await;
    browser.click("17:00").await;
    browser.sees("Move it").await;
    browser.fill("New time, where the student lives", "2026-12-02T21:00").await;
    browser.fill_near("Reason", "New time", "a school trip").await;
    browser.click("Move").await;
    browser.sees("Not moved: it lies outside the trainer's hours.").await;
    browser.check_accessibility().await;
    assert_eq!(browser.filled("New time, where the student lives").await, "2026-12-02T21:00", "it is kept");
    assert_eq!(lessons(&api).await[0], "1 12-01 16:00 scheduled");
    browser.tick("Decide against: it lies outside the trainer's hours").await;
    browser.click("Move").await;
    browser.sees("Moved to Wed 2 Dec 2026 21:00 in the student's time, with trn_7.").await;
    browser.sees("Planned Tue 1 Dec 2026 17:00").await;
    api.house.run().await;
    assert_eq!(lessons(&api).await[0], "1 12-02 20:00 scheduled");
    api.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_moved_to_where_they_are_taught_already() {
    let (api, browser) = under_way().await;
    browser.click("17:00").await;
    browser.fill("New time, where the student lives", "2026-12-08T17:30").await;
    browser.fill_near("Reason", "New time", "a school trip").await;
    browser.click("Move").await;
    browser.sees("Nobody can be in two places: choose another time.").await;
    assert_eq!(lessons(&api).await[0], "1 12-01 16:00 scheduled");
    api.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lesson_that_is_called_off_is_made_up_for() {
    let (api, browser) = under_way().await;
    browser.click("17:00").await;
    browser.fill_near("Reason", "Add a lesson at the end", "a cold").await;
    browser.click("Call off").await;
    browser.sees("Called off. It is made up for on Tue 20 Apr 2027 17:00, in the student's time.").await;
    browser.sees("What was called off is not changed any more.").await;
    api.house.run().await;
    assert_eq!(lessons(&api).await[0], "1 12-01 16:00 cancelled");
    assert_eq!(api.house.purchase("pay_1").await.confirmation.plan.sessions, Some(20));
    api.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_became_of_a_lesson_is_noted_once_it_has_begun() {
    let (api, browser) = under_way().await;
    browser.click("17:00").await;
    browser.sees("Move it").await;
    assert!(!browser.offers("It was missed").await, "it has not begun");
    api.house.set_clock(DURING_A_LESSON);
    api.house.run().await;
    // It is another day: sign-ins have ended.
    browser.sign_in(api.token(caravan_domain::access::Role::Operate)).await;
    open_purchase(&browser).await;
    browser.click("17:00").await;
    browser.sees("What became of it").await;
    assert!(!browser.offers("Move").await, "it has begun");
    browser.fill("Reason", "nobody came").await;
    browser.click("It was missed").await;
    browser.sees("Noted: missed.").await;
    assert_eq!(lessons(&api).await[0], "1 12-01 16:00 missed");
    browser.fill("Reason", "they came late").await;
    browser.click("It was held").await;
    browser.sees("Noted: held.").await;
    assert_eq!(lessons(&api).await[0], "1 12-01 16:00 completed");
    api.house.run().await;
    api.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_nobody_reports_is_noted_by_hand() {
    let (api, browser) = under_way().await;
    browser.click("Note a refund").await;
    browser.fill("Given back, in EUR", "a little").await;
    browser.fill("Refund's number", "till 7").await;
    browser.fill_near("Reason", "Only held back", "a complaint").await;
    browser.click("Note the refund").await;
    browser.sees("must be written as in 49.00 EUR").await;
    for (number, amount, said) in [
        ("till 7", "5", "Noted: 5.00 EUR given back."),
        ("till 7", "5.00", "It was noted before: nothing has changed."),
        ("till 8", "494,00", "Noted: 494.00 EUR given back."),
    ] {
        browser.click("Note a refund").await;
        browser.fill("Given back, in EUR", amount).await;
        browser.fill("Refund's number", number).await;
        browser.fill_near("Reason", "Only held back", "a complaint").await;
        browser.click("Note the refund").await;
        browser.sees(said).await;
        browser.check_accessibility().await;
        api.house.run().await;
        let waiting = u64::from(number == "till 7");
        browser.sees_waiting("Refunds", waiting).await;
    }
    browser.sees("Called off").await;
    assert_eq!(api.house.purchase("pay_1").await.status.name(), "cancelled");
    let refunds = api.house.platform.store.list_refunds(&RefundFilter::default(), None, 10).await.unwrap();
    let noted: Vec<_> =
        refunds.iter().map(|(_, row)| (row.refund.refund_id.as_str(), row.refund.amount.minor)).collect();
    assert_eq!(noted, [("till 7", 500), ("till 8", 49_400)]);
    assert!(refunds.iter().all(|(_, row)| row.refund.reason.as_deref() == Some("noted by operate: a complaint")));
    api.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_waits_until_somebody_has_decided_about_it() {
    let (api, browser) = under_way().await;
    give_back(&api.house, "pay_1", 500).await;
    api.house.run().await;
    browser.sees_waiting("Refunds", 1).await;
    browser.click("Refunds").await;
    browser.sees("5.00 EUR to Asha").await;
    browser.sees("a complaint").await;
    browser.fill("What was decided", "one lesson less is paid, all are held").await;
    browser.click("Settle").await;
    browser.sees("hat you decided is noted").await;
    browser.sees("No refund waits for a decision.").await;
    browser.sees_waiting("Refunds", 0).await;
    browser.choose("State", "Decided").await;
    browser.click("Show").await;
    browser.sees("one lesson less is paid, all are held operate, Mon 23 Nov 2026 11:00").await;
    api.house.run().await;
    assert_eq!(api.house.purchase("pay_1").await.status.name(), "scheduled", "lessons go on");
    api.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_is_called_off_from_a_day_on() {
    let (api, browser) = under_way().await;
    browser.click("Call it off").await;
    browser.fill("First day without lessons", "2026-12-09").await;
    browser.fill("Reason", "moved abroad").await;
    browser.click("Call off").await;
    browser.sees("Called off from Wed 9 Dec 2026 on: 18 lessons are not held, 2 kept.").await;
    browser.sees("moved abroad").await;
    assert!(!browser.offers("Call it off").await);
    api.house.run().await;
    let expected =
        ["1 12-01 16:00 scheduled", "2 12-08 16:00 scheduled", "3 12-15 16:00 cancelled", "4 12-22 16:00 cancelled"];
    assert_eq!(lessons(&api).await[..4], expected);
    api.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_teaches_the_rest() {
    let (api, browser) = under_way().await;
    let mut mira: Value = ravi();
    mira["trainer_id"] = json!("trn_8");
    mira["email"] = json!("mira@example.com");
    api.house.employ(&[mira]).await;
    api.house.run().await;
    browser.click("Have somebody else teach the rest").await;
    browser.fill("Trainer's id", "trn_8").await;
    browser.fill("From", "2026-12-08").await;
    browser.fill("Reason", "Ravi has less time").await;
    browser.click("Reassign").await;
    browser.sees("Planned anew: trn_8 teaches it from lesson 2 on, Tue 17:00, 19 lessons still to be held.").await;
    api.house.run().await;
    let teachers: Vec<String> =
        api.house.sessions("pay_1").await.into_iter().map(|session| session.trainer_id).collect();
    assert_eq!(teachers, ["trn_7", "trn_8", "trn_8", "trn_8"]);
    api.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_a_calendar_is_shown_once_and_revoked() {
    let (api, browser) = taught().await;
    browser.click("Sessions").await;
    browser.click("Calendars to subscribe to").await;
    browser.sees("Nobody subscribes to a calendar.").await;
    browser.fill("Their id", "trn_nobody").await;
    browser.click("Make an address").await;
    browser.sees("the roster has no such trainer").await;
    browser.choose("Of a", "Student").await;
    browser.fill("Their id", "stu_118").await;
    browser.click("Make an address").await;
    browser.sees("It is shown this once").await;
    browser.check_accessibility().await;
    let address = browser.filled("Address to subscribe to").await;
    let (_, path) = address.split_once(&api.address()).unwrap();
    let feed = api.get(path).send().await;
    assert_eq!((feed.status, feed.text.matches("BEGIN:VEVENT").count()), (200, 4), "{}", feed.text);

    browser.click("Sessions").await;
    browser.click("Calendars to subscribe to").await;
    browser.sees("stu_118 student").await;
    browser.click("Revoke").await;
    browser.sees("Nobody sees anything there any more.").await;
    browser.sees("Nobody subscribes to a calendar.").await;
    assert_eq!(api.get(path).send().await.status, 404);
    api.end(&[]).await;
}
