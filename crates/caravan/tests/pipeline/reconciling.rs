//! The shop's list against what is recorded.

use std::io::Cursor;

use caravan::reconcile::{Between, Listing, Reconciled, Reconciler, Summary};
use caravan::redrive::send_again;
use serde_json::json;

use crate::house::House;
use crate::sample::{payment, trainer};

/// The list against the house, a few payments at a time.
async fn reconciled(house: &House, list: &str, between: Option<Between>) -> (Vec<Reconciled>, Summary) {
    let mut listing = Listing::new(Box::new(Cursor::new(list.as_bytes().to_vec()))).unwrap();
    let mut reconciler = Reconciler::new(&house.platform, between);
    let mut found = Vec::new();
    loop {
        let page = listing.page(2).unwrap();
        if page.is_empty() {
            break;
        }
        found.extend(reconciler.compare(&page).await.unwrap());
    }
    while let Some((more, _)) = reconciler.unlisted().await.unwrap() {
        found.extend(more);
    }
    let mut summary = Summary::default();
    found.iter().for_each(|found| summary.count(found));
    (found, summary)
}

fn told(found: &[Reconciled]) -> Vec<String> {
    found.iter().map(|found| format!("{} {}", found.payment_id, found.state.name())).collect()
}

async fn house() -> House {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    let later = json!({ "confirmed_at": "2026-11-24T00:00:00Z" });
    house.set_clock("2026-11-24T10:00:00Z");
    house.pay(&[payment("pay_1", json!({})), payment("pay_2", json!({ "item": "b" })), payment("pay_3", later)]).await;
    house.pay(&[payment("pay_4", json!({ "plan": { "sessions": 999 } }))]).await;
    house.run().await;
    house
}

#[tokio::test(flavor = "multi_thread")]
async fn each_payment_is_recorded_or_differs_or_was_set_aside_or_never_arrived() {
    let house = house().await;
    let list = "payment_id,item,amount_minor,currency\npay_1,,149900,INR\npay_2,b,149900,\npay_2,,,\npay_3,,149900,EUR\n\
                pay_1,,149901,\npay_4,,,\npay_5,,,\n";
    let (found, summary) = reconciled(&house, list, None).await;
    let expected = [
        "pay_1 recorded",
        "pay_2 recorded",
        "pay_2 missing",
        "pay_3 differs",
        "pay_1 differs",
        "pay_4 dead-letter",
        "pay_5 missing",
    ];
    assert_eq!(told(&found), expected);
    assert_eq!(found[3].detail, "the shop says 149900 EUR, recorded is 149900 INR (minor units)");
    assert_eq!(found[4].detail, "the shop says 149901 INR, recorded is 149900 INR (minor units)");
    let letter = house.dead_letter().await;
    assert_eq!((found[5].dead_letter, found[5].reason.as_deref()), (Some(letter.id), Some("invalid-field")));
    assert_eq!((found[0].line, found[6].line, found[6].status), (Some(2), Some(8), None));
    let counts = Summary { listed: 7, recorded: 2, differs: 2, dead_letters: 1, missing: 2, unlisted: 0 };
    assert_eq!(summary, counts);

    // Once it is sent again and goes through, it is a purchase like any other.
    let repaired = payment("pay_4", json!({})).to_string().into_bytes();
    send_again(&house.platform, &[letter], Some(&repaired)).await.unwrap();
    house.run().await;
    let (found, summary) = reconciled(&house, "pay_4\npay_1\n", None).await;
    assert_eq!(told(&found), ["pay_4 recorded", "pay_1 recorded"]);
    assert!(summary.agrees());
    house.nothing_is_left_over(&[("invalid-field", 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn purchases_of_these_dates_that_the_shop_does_not_list_are_named() {
    let house = house().await;
    let dates = |since: Option<&str>, until: Option<&str>| {
        let date = |text: &str| text.parse().unwrap();
        Some(Between { since: since.map(date), until: until.map(date) })
    };
    for (between, expected) in [
        (None, vec!["pay_1 recorded"]),
        (dates(Some("2026-11-23"), None), vec!["pay_1 recorded", "pay_2 unlisted", "pay_3 unlisted"]),
        (dates(None, Some("2026-11-23")), vec!["pay_1 recorded", "pay_2 unlisted"]),
        (dates(Some("2026-11-24"), Some("2026-11-24")), vec!["pay_1 recorded", "pay_3 unlisted"]),
        (dates(Some("2026-11-25"), None), vec!["pay_1 recorded"]),
    ] {
        let (found, summary) = reconciled(&house, "pay_1\n", between).await;
        assert_eq!(told(&found), expected, "{between:?}");
        assert_eq!((summary.listed, summary.unlisted), (1, expected.len() as u64 - 1));
    }
    house.nothing_is_left_over(&[("invalid-field", 1)]).await;
}
