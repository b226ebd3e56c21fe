use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::event::confirmation::tests::any_json;
use crate::event::decode_refund;

/// When the events are told: 2026-11-23T10:00:00Z.
const CREATED: i64 = 1_795_428_000;

fn told(kind: &str, payload: Value) -> Value {
    json!({ "entity": "event", "account_id": "acc_1", "event": kind, "payload": payload, "created_at": CREATED })
}

/// An entity with fields of its own, wrapped as a payload has it.
fn entity(mut entity: Value, changes: Value) -> Value {
    entity.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    json!({ "entity": entity })
}

fn payment_entity(changes: Value) -> Value {
    let payment = json!({
        "id": "pay_1", "entity": "payment", "amount": 1499900, "currency": "INR", "status": "captured",
        "order_id": "order_1", "captured": true, "notes": { "caravan_order_id": "ord_1" }, "created_at": CREATED - 60,
    });
    entity(payment, changes)
}

fn refund_entity(changes: Value) -> Value {
    let refund = json!({
        "id": "rfnd_1", "entity": "refund", "amount": 500, "currency": "INR", "payment_id": "pay_1", "notes": [],
        "status": "processed", "created_at": CREATED - 60,
    });
    entity(refund, changes)
}

fn dispute_entity(changes: Value) -> Value {
    let dispute = json!({
        "id": "disp_1", "entity": "dispute", "payment_id": "pay_1", "amount": 1499900, "currency": "INR",
        "amount_deducted": 0, "reason_code": "goods_not_received", "status": "open", "phase": "chargeback",
        "created_at": CREATED - 60,
    });
    entity(dispute, changes)
}

/// What an event says.
fn says(kind: &str, payload: Value) -> String {
    match read(&told(kind, payload)).unwrap().remove(0) {
        Report::Paid(Payment { payment_id, order_id, amount, at, provider }) => {
            assert_eq!((at.as_second(), provider), (CREATED, Provider::Razorpay));
            format!("{payment_id} of {} {} for {}", amount.minor, amount.currency, order_id.as_deref().unwrap_or("-"))
        }
        Report::GivenBack(refund) => {
            let at = refund.refunded_at.as_second() - CREATED;
            format!("{} {at} {}", refund.payment_id, refund.words())
        }
        Report::Ignored(kind) => format!("ignored {kind}"),
    }
}

#[test]
fn a_payment_that_is_captured_is_paid_whichever_event_tells_of_it() {
    let payload = json!({ "payment": payment_entity(json!({})) });
    assert_eq!(says("payment.captured", payload.clone()), "pay_1 of 1499900 INR for ord_1");
    assert_eq!(says("order.paid", payload), "pay_1 of 1499900 INR for ord_1");
}

#[test]
fn the_order_stands_in_the_notes_of_the_payment_or_of_its_order() {
    let of_order = json!({ "entity": { "id": "order_1", "notes": { "caravan_order_id": "ord_2" } } });
    for (notes, order, expected) in [
        (json!({ "caravan_order_id": "ord_1" }), of_order.clone(), "ord_1"),
        (json!([]), of_order.clone(), "ord_2"),
        (json!({ "cart": "7" }), of_order, "ord_2"),
        (json!([]), json!({ "entity": { "id": "order_1", "notes": [] } }), "-"),
        (json!(null), json!(null), "-"),
    ] {
        let payload = json!({ "payment": payment_entity(json!({ "notes": notes })), "order": order });
        assert_eq!(says("order.paid", payload), format!("pay_1 of 1499900 INR for {expected}"));
    }
}

#[test]
fn amounts_are_in_the_minor_units_of_iso_4217() {
    for (currency, amount) in [("INR", 1050), ("JPY", 500), ("KWD", 5120), ("ISK", 5)] {
        let payload = json!({ "payment": payment_entity(json!({ "currency": currency, "amount": amount })) });
        assert_eq!(says("payment.captured", payload), format!("pay_1 of {amount} {currency} for ord_1"));
    }
}

#[test]
fn a_refund_that_is_processed_is_given_back() {
    let payment = payment_entity(json!({}));
    let payload = json!({ "refund": refund_entity(json!({})), "payment": payment });
    assert_eq!(says("refund.processed", payload), "pay_1 -60 refund rfnd_1 of 5.00 INR");
    let bare = json!({ "refund": refund_entity(json!({ "created_at": null })) });
    assert_eq!(says("refund.processed", bare), "pay_1 0 refund rfnd_1 of 5.00 INR");
}

#[test]
fn a_refund_of_what_was_never_captured_is_ignored() {
    let payment = payment_entity(json!({ "captured": false, "status": "refunded" }));
    let payload = json!({ "refund": refund_entity(json!({})), "payment": payment });
    assert_eq!(says("refund.processed", payload), "ignored refund.processed");
}

#[test]
fn what_a_dispute_takes_is_provisional_until_it_is_lost() {
    let payload = |changes| json!({ "dispute": dispute_entity(changes), "payment": payment_entity(json!({})) });
    assert_eq!(
        says("payment.dispute.created", payload(json!({}))),
        "pay_1 -60 provisional refund disp_1 of 14999.00 INR: dispute opened: goods not received"
    );
    assert_eq!(
        says("payment.dispute.lost", payload(json!({ "status": "lost", "amount_deducted": 1499900 }))),
        "pay_1 0 refund disp_1:lost of 14999.00 INR: dispute lost: goods not received"
    );
    let bare = payload(json!({ "reason_code": null, "created_at": null, "phase": null }));
    let expected = "pay_1 0 provisional refund disp_1 of 14999.00 INR: dispute opened";
    assert_eq!(says("payment.dispute.created", bare), expected);
    for kind in ["payment.dispute.won", "payment.dispute.closed", "payment.dispute.under_review"] {
        assert_eq!(says(kind, payload(json!({}))), format!("ignored {kind}"));
    }
    let asked = says("payment.dispute.created", payload(json!({ "phase": "retrieval" })));
    assert_eq!(asked, "ignored payment.dispute.created");
}

#[test]
fn what_does_not_matter_to_a_purchase_is_ignored_whatever_it_carries() {
    for kind in ["payment.failed", "payment.authorized", "refund.created", "refund.failed", "invoice.paid"] {
        assert_eq!(says(kind, json!(null)), format!("ignored {kind}"));
    }
}

#[test]
fn every_wrong_field_is_named() {
    let payment = |changes| json!({ "payment": payment_entity(changes) });
    for (body, detail) in [
        (json!("payment.captured"), "(whole value): must be an object, is a text"),
        (json!({}), "/event: is missing"),
        (json!({ "event": "payment.captured", "created_at": 1 }), "/payload: is missing"),
        (json!({ "event": "payment.captured", "payload": {} }), "/created_at: is missing"),
        (told("payment.captured", json!({})), "/payload/payment/entity: is missing"),
        (told("refund.processed", json!({})), "/payload/refund/entity: is missing"),
        (told("payment.captured", payment(json!({ "id": "" }))), "/payload/payment/entity/id: must be 1 to 200"),
        (told("payment.captured", payment(json!({ "amount": "7" }))), "/payload/payment/entity/amount: must be"),
        (
            told("payment.captured", payment(json!({ "currency": "rupees" }))),
            "/payload/payment/entity/currency: must be an ISO 4217 code such as EUR, is \"rupees\"",
        ),
        (
            told("payment.captured", payment(json!({ "notes": { "caravan_order_id": 7 } }))),
            "/payload/payment/entity/notes/caravan_order_id: must be a text, is a number",
        ),
        (told("payment.dispute.created", json!({})), "/payload/dispute/entity: is missing"),
        (
            told("payment.dispute.lost", json!({ "dispute": dispute_entity(json!({ "id": "x".repeat(191) })) })),
            "/payload/dispute/entity/id: must be 1 to 190 characters, is 191",
        ),
        (
            told("refund.processed", json!({ "refund": refund_entity(json!({ "amount": 0 })) })),
            "/payload/refund/entity/amount: must be",
        ),
    ] {
        let rejection = read(&body).unwrap_err();
        assert!(rejection.detail.starts_with(detail), "{rejection} should begin with {detail}");
    }
}

/// An event that is read, with one place in it replaced.
fn any_event() -> impl Strategy<Value = Value> {
    let events = [
        told("payment.captured", json!({ "payment": payment_entity(json!({})) })),
        told("order.paid", json!({ "payment": payment_entity(json!({})), "order": { "entity": { "notes": {} } } })),
        told("refund.processed", json!({ "refund": refund_entity(json!({})), "payment": payment_entity(json!({})) })),
        told("payment.dispute.created", json!({ "dispute": dispute_entity(json!({})) })),
        told("payment.dispute.lost", json!({ "dispute": dispute_entity(json!({})) })),
    ];
    let places = "(event|created_at|payload|payload/(payment|order|refund|dispute)(/entity(/(id|amount|currency|notes|\
                  payment_id|created_at|captured|phase|reason_code))?)?)";
    (proptest::sample::select(events.to_vec()), places, any_json()).prop_map(|(mut event, place, value)| {
        if let Some(found) = event.pointer_mut(&format!("/{place}")) {
            *found = value;
        }
        event
    })
}

proptest! {
    #[test]
    fn no_json_whatsoever_makes_it_panic(body in any_json(), event in any_event()) {
        let _ = (read(&body), read(&event));
    }

    #[test]
    fn what_was_given_back_can_be_published(event in any_event()) {
        for report in read(&event).unwrap_or_default() {
            if let Report::GivenBack(refund) = report {
                prop_assert_eq!(decode_refund(&serde_json::to_value(&refund).unwrap()), Ok(refund));
            }
        }
    }
}
