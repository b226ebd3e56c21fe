//! What a business brings along: its closures, and plans that are under way elsewhere.

use serde_json::json;

use super::super::api::{confirmation, ravi};
use super::{operator, served, taught};
use crate::house::House;

#[tokio::test(flavor = "multi_thread")]
async fn closures_are_seen_with_the_lessons_they_fall_on_before_they_are_taken_over() {
    let (api, browser) = taught().await;
    browser.click("Trainers").await;
    browser.click("Closures").await;
    browser.sees("There are none").await;
    browser.fill("CSV with a header line", "from,until,name\n2026-12-08,never,Outing\n").await;
    browser.click("See what would change").await;
    browser.sees("Nothing was changed:").await;
    browser.fill("CSV with a header line", "from,until,name\n2026-12-08,2026-12-09,Outing\n").await;
    browser.click("See what would change").await;
    browser.sees("1 new closure, 0 unchanged, 0 removed").await;
    browser.sees("Tue 8 Dec 2026 17:00").await;
    browser.check_accessibility().await;
    let closures = async || api.house.platform.store.closures().await.unwrap().len();
    assert_eq!(closures().await, 0, "it was only looked at");
    browser.click("Take it over").await;
    browser.sees("Taken over: 1 new closure, 0 unchanged, 0 removed.").await;
    browser.sees("Outing").await;
    assert_eq!(closures().await, 1);
    assert_eq!(api.house.dates("pay_1").await[1], "12-08", "what was planned stands");
    browser.sees_waiting("Conflicts", 1).await;
    browser.click("Conflicts").await;
    browser.sees("Tue 8 Dec 2026 17:00").await;
    api.end(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_from_elsewhere_are_seen_before_they_are_taken_over_and_a_list_may_come_twice() {
    let api = served(House::with(&[ravi()]).await).await;
    let mut plan = confirmation("pay_1");
    plan["plan"]["start_date"] = json!("2026-09-01");
    plan["first_ordinal"] = json!(13);
    plan["allocation"] = json!({ "trainer_id": "trn_8", "slots": plan["plan"]["slots"] });
    let browser = operator(&api).await;
    browser.click("Purchases").await;
    browser.click("Take over plans from elsewhere").await;
    browser.fill("One JSON object a line", &plan.to_string()).await;
    browser.click("See what would be taken over").await;
    browser.sees("Nothing was changed:").await;
    browser.sees("trn_8").await;
    plan["allocation"]["trainer_id"] = json!("trn_7");
    browser.fill("One JSON object a line", &plan.to_string()).await;
    browser.click("See what would be taken over").await;
    browser.sees("1 new plan, 0 there already").await;
    browser.sees("8 lessons, from number 13 on").await;
    browser.check_accessibility().await;
    assert!(api.house.purchases().await.is_empty(), "it was only looked at");
    browser.click("Take it over").await;
    browser.sees("Taken over: 1 new plan, 0 there already.").await;
    browser.sees("Asha").await;
    api.house.run().await;
    assert_eq!(api.house.teacher("pay_1").await, "trn_7: tue 17:00");

    browser.open("/purchases/adopt").await;
    browser.fill("One JSON object a line", &plan.to_string()).await;
    browser.click("See what would be taken over").await;
    browser.sees("0 new plans, 1 there already").await;
    api.end(&[]).await;
}
