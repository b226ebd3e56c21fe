//! A school in full swing, in which there is something to be seen and done on every page.

use caravan::platform::log::NewRecord;
use caravan::platform::rows::RefundFilter;
use caravan_domain::event::{Headers, Topic};
use caravan_domain::ids::{purchase_id, refund_id};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::api::{Api, confirmation, ravi};
use super::served;
use crate::house::House;

/// While the first lesson is held.
pub(super) const DURING_A_LESSON: &str = "2026-12-01T16:20:00Z";
/// More than there are.
const ALL: usize = 1_000;

/// The school, and what of it is on a page of its own.
pub(super) struct School {
    pub(super) api: Api,
    /// The purchase that is taught.
    pub(super) purchase: Uuid,
    /// The record that was set aside.
    pub(super) letter: i64,
    /// The refund that is to be decided about.
    refund: Uuid,
    /// How everything stood when the school was opened.
    opened: String,
}

/// Hands over that a part of a payment was given back, as payment services do.
pub(super) async fn give_back(house: &House, payment_id: &str, minor: i64) {
    let value = json!({
        "payment_id": payment_id, "refund_id": "re_1", "refunded_at": crate::house::NOW,
        "amount": { "minor": minor, "currency": "EUR" }, "reason": "a complaint",
    });
    house
        .publish(&[NewRecord {
            topic: Topic::PurchaseRefunded,
            key: Some(payment_id.as_bytes().to_vec()),
            value: Some(value.to_string().into_bytes()),
            headers: Headers::new(),
            timestamp: house.platform.clock.now(),
        }])
        .await;
}

/// A payment for what nobody teaches.
pub(super) fn cobol(payment_id: &str) -> Value {
    let mut value = confirmation(payment_id);
    value["course"]["subject"] = json!("cobol");
    value["student"]["id"] = json!("stu_cobol");
    value["student"]["name"] = json!("Grace");
    value
}

/// A payment whose plan is longer than any may be.
pub(super) fn too_long(payment_id: &str) -> Value {
    let mut value = confirmation(payment_id);
    value["plan"]["sessions"] = json!(9999);
    value
}

/// Somebody who teaches, somebody who waits, a lesson on a day off, a refund to decide about, and a record set aside.
pub(super) async fn school() -> School {
    let house = House::with(&[ravi()]).await;
    house.pay(&[confirmation("pay_1"), cobol("pay_2"), too_long("pay_3")]).await;
    house.run().await;
    give_back(&house, "pay_1", 500).await;
    let mut away = ravi();
    away["time_off"] = json!([{ "from": "2026-12-08", "until": "2026-12-09" }]);
    house.employ(&[away]).await;
    house.run().await;
    house.set_clock(DURING_A_LESSON);
    house.run().await;
    let letter = house.dead_letter().await.id;
    let opened = standing(&house).await;
    let purchase = purchase_id("pay_1", None);
    School { api: served(house).await, purchase, letter, refund: refund_id(purchase, "re_1"), opened }
}

/// Everything that a person can change.
async fn standing(house: &House) -> String {
    let store = &house.platform.store;
    let refunds = store.list_refunds(&RefundFilter::default(), None, ALL).await.unwrap();
    let trainers = store.list_trainers(None, ALL).await.unwrap();
    let (closures, feeds) = (store.closures().await.unwrap(), store.feeds(None).await.unwrap());
    let outbox = store.outbox(ALL).await.unwrap();
    let (purchases, sessions) = (house.purchases().await, house.sessions("pay_1").await);
    format!(
        "{purchases:#?}\n{sessions:#?}\n{refunds:#?}\n{trainers:#?}\n{closures:#?}\n{feeds:#?}\n{outbox:#?}\n{:#?}",
        house.dead_letters().await
    )
}

impl School {
    /// Every page there is, with what it must say.
    pub(super) fn pages(&self) -> Vec<(String, &'static str)> {
        let Self { purchase, letter, .. } = self;
        let fixed = [
            ("/", "Asha"),
            ("/purchases", "Asha"),
            ("/purchases?q=pay_3", "set aside"),
            ("/sessions?from=2026-12-01&until=2026-12-31", "Asha"),
            ("/trainers", "Ravi"),
            ("/trainers/trn_7", "trn_7"),
            ("/trainers/trn_7/leave", "Ravi"),
            ("/trainers/import", "roster"),
            ("/closures", "nobody teaches"),
            ("/purchases/adopt", "under way elsewhere"),
            ("/waitlist", "Grace"),
            ("/conflicts", "Asha"),
            ("/refunds", "5.00 EUR"),
            ("/dead-letters", "invalid-field"),
            ("/system", "Audit"),
        ];
        let own = [
            (format!("/purchases/{purchase}"), "Why this trainer"),
            (format!("/purchases/{purchase}/sessions/1"), "What became of it"),
            (format!("/purchases/{purchase}/sessions/3"), "Move it"),
            (format!("/dead-letters/{letter}"), "9999"),
            ("/calendars".to_owned(), "Make an address"),
            ("/tokens".to_owned(), "Make a token"),
        ];
        fixed.into_iter().map(|(path, says)| (path.to_owned(), says)).chain(own).collect()
    }

    /// Whatever can be sent that changes something.
    pub(super) fn forms(&self) -> Vec<(String, Vec<(&'static str, String)>)> {
        let Self { purchase, letter, refund, .. } = self;
        let roster = "trainer_id,name\ntrn_7,Rabi\n";
        let form = |path: String, fields: &[(&'static str, &str)]| {
            (path, fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
        };
        vec![
            form(format!("/purchases/{purchase}"), &[("act", "cancel"), ("reason", "moved abroad")]),
            form(format!("/purchases/{purchase}/sessions/3"), &[("act", "cancel"), ("reason", "a school trip")]),
            form("/waitlist".to_owned(), &[("roster", roster)]),
            form("/trainers/import".to_owned(), &[("roster", roster), ("apply", "yes")]),
            form("/trainers/trn_7".to_owned(), &[("name", "Rabi"), ("apply", "yes")]),
            form(
                "/trainers/trn_7/leave".to_owned(),
                &[("from", "2026-12-08"), ("reason", "a wedding"), ("apply", "yes")],
            ),
            form(
                "/closures".to_owned(),
                &[("closures", "from,until,name\n2026-12-08,2026-12-08,x\n"), ("apply", "yes")],
            ),
            form("/purchases/adopt".to_owned(), &[("plans", "{}"), ("apply", "yes")]),
            form("/calendars".to_owned(), &[("kind", "trainer"), ("whose", "trn_7")]),
            form("/refunds".to_owned(), &[("id", &refund.to_string()), ("note", "kept")]),
            form("/dead-letters".to_owned(), &[("reason", "invalid-field"), ("go", "")]),
            form(format!("/dead-letters/{letter}"), &[("go", "")]),
            form(
                format!("/purchases/{purchase}"),
                &[("act", "give-back"), ("amount", "499"), ("refund_id", "till 7"), ("reason", "x")],
            ),
            form("/system".to_owned(), &[("act", "audit")]),
            form("/system".to_owned(), &[("act", "extend")]),
            form("/tokens".to_owned(), &[("name", "mine"), ("role", "admin")]),
        ]
    }

    /// Everything stands as it did when the school was opened.
    pub(super) async fn is_unchanged(&self) {
        let now = standing(&self.api.house).await;
        for (before, after) in self.opened.lines().zip(now.lines()) {
            assert_eq!(before, after);
        }
    }

    /// As every test ends.
    pub(super) async fn end(self) {
        self.api.end(&[("invalid-field", 1)]).await;
    }
}
