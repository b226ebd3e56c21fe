//! The shop's list against what is recorded.

use caravan::reconcile::{Reader, Reconciliation, State, Summary};
use serde_json::json;

use crate::house::House;
use crate::sample::{payment, trainer};

/// What became of the payments of a list, such as `pay_1 Recorded`, looked up `chunk` at a time.
async fn compared(house: &House, list: &str, chunk: usize) -> (Vec<String>, Summary) {
    let (mut reader, mut reconciliation) = (Reader::new(list.as_bytes()), Reconciliation::new(&house.platform));
    let mut told = Vec::new();
    loop {
        let listed = reader.chunk(chunk).unwrap();
        if listed.is_empty() {
            return (told, reconciliation.summary);
        }
        for verdict in reconciliation.compare(listed).await.unwrap() {
            assert_eq!(verdict.dead_letter.is_some(), verdict.state == State::DeadLetter);
            assert_eq!(verdict.detail.is_none(), verdict.state == State::Recorded);
            told.push(format!("{} {:?}", verdict.payment_id, verdict.state));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_set_aside_or_other_than_listed_is_told() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    house
        .pay(&[
            payment("pay_1", json!({})),
            payment("pay_2", json!({ "item": "b" })),
            payment("pay_3", json!({ "plan": { "sessions": 999 } })),
            payment("pay_4", json!({})),
            // What is recorded counts, whatever was set aside of it besides.
            payment("pay_1", json!({ "amount": { "minor": 1 } })),
        ])
        .await;
    house.run().await;
    let list = "payment_id,item,amount_minor,currency\n\
                pay_1,,149900,INR\npay_2,,149900,INR\npay_2,b,,\npay_3,,,\npay_4,,149900,EUR\npay_5,,,\npay_1,,1,INR\n";
    let expected = [
        "pay_1 Recorded",
        "pay_2 Missing",
        "pay_2 Recorded",
        "pay_3 DeadLetter",
        "pay_4 Differs",
        "pay_5 Missing",
        "pay_1 Differs",
    ];
    let summary = Summary { listed: 7, recorded: 2, differing: 2, dead_letters: 1, missing: 2 };
    for chunk in [1, 3, 100] {
        assert_eq!(compared(&house, list, chunk).await, (expected.map(str::to_owned).to_vec(), summary), "{chunk}");
    }
    let (told, summary) = compared(&house, "pay_1\npay_4\n", 9).await;
    assert_eq!((told.len(), summary.is_clean()), (2, true));
    house.nothing_is_left_over(&[("conflicting-payment", 1), ("invalid-field", 1)]).await;
}
