use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::event::confirmation::tests::any_json;
use crate::event::decode_refund;

/// When the events are told: 2026-11-23T10:00:00Z.
const CREATED: i64 = 1_795_428_000;

fn told(kind: &str, object: Value) -> Value {
    json!({ "id": "evt_1", "object": "event", "type": kind, "created": CREATED, "data": { "object": object } })
}

/// An object with fields of its own.
fn with(mut object: Value, changes: Value) -> Value {
    object.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    object
}

fn session(changes: Value) -> Value {
    let session = json!({
        "id": "cs_1", "object": "checkout.session", "mode": "payment", "payment_status": "paid",
        "payment_intent": "pi_1", "amount_total": 1499900, "currency": "inr", "client_reference_id": null,
        "metadata": { "caravan_order_id": "ord_1" },
    });
    with(session, changes)
}

fn intent(changes: Value) -> Value {
    let intent = json!({
        "id": "pi_1", "object": "payment_intent", "status": "succeeded", "amount": 1499900,
        "amount_received": 1499900, "currency": "inr", "metadata": { "caravan_order_id": "ord_1" },
    });
    with(intent, changes)
}

fn refund_of(changes: Value) -> Value {
    let refund = json!({
        "id": "re_1", "object": "refund", "status": "succeeded", "amount": 500, "currency": "inr",
        "payment_intent": "pi_1", "charge": "ch_1", "reason": "requested_by_customer", "created": CREATED - 60,
    });
    with(refund, changes)
}

fn dispute_of(changes: Value) -> Value {
    let dispute = json!({
        "id": "du_1", "object": "dispute", "status": "needs_response", "amount": 1499900, "currency": "inr",
        "payment_intent": "pi_1", "charge": "ch_1", "reason": "product_not_received", "created": CREATED - 60,
    });
    with(dispute, changes)
}

fn charge(changes: Value) -> Value {
    let charge = json!({
        "id": "ch_1", "object": "charge", "payment_intent": "pi_1", "amount": 1499900, "amount_refunded": 1499900,
        "currency": "inr", "refunded": true,
    });
    with(charge, changes)
}

/// What an event says, a line each.
fn says(kind: &str, object: Value) -> Vec<String> {
    lines(read(&told(kind, object)).unwrap())
}

fn lines(reports: Vec<Report>) -> Vec<String> {
    let line = |report| match report {
        Report::Paid(Payment { payment_id, order_id, amount, at, provider }) => {
            assert_eq!((at.as_second(), provider), (CREATED, Provider::Stripe));
            format!("{payment_id} of {} {} for {}", amount.minor, amount.currency, order_id.as_deref().unwrap_or("-"))
        }
        Report::GivenBack(refund) => {
            let at = refund.refunded_at.as_second() - CREATED;
            format!("{} {at} {}", refund.payment_id, refund.words())
        }
        Report::Ignored(kind) => format!("ignored {kind}"),
    };
    reports.into_iter().map(line).collect()
}

#[test]
fn a_payment_is_known_by_its_payment_intent_whoever_tells_of_it() {
    let paid = ["pi_1 of 1499900 INR for ord_1"];
    assert_eq!(says("checkout.session.completed", session(json!({}))), paid);
    assert_eq!(says("checkout.session.async_payment_succeeded", session(json!({}))), paid);
    assert_eq!(says("payment_intent.succeeded", intent(json!({}))), paid);
    let expanded = session(json!({ "payment_intent": { "id": "pi_1", "object": "payment_intent" } }));
    assert_eq!(says("checkout.session.completed", expanded), paid);
    let captured = intent(json!({ "amount_received": 900000 }));
    assert_eq!(says("payment_intent.succeeded", captured), ["pi_1 of 900000 INR for ord_1"]);
}

#[test]
fn a_session_without_a_payment_intent_is_a_payment_under_its_own_id() {
    let nothing_to_pay = json!({ "payment_intent": null, "payment_status": "no_payment_required", "amount_total": 0 });
    assert_eq!(says("checkout.session.completed", session(nothing_to_pay)), ["cs_1 of 0 INR for ord_1"]);
    let subscription = json!({ "payment_intent": null, "mode": "subscription", "subscription": "sub_1" });
    assert_eq!(says("checkout.session.completed", session(subscription)), ["cs_1 of 1499900 INR for ord_1"]);
}

#[test]
fn a_session_that_is_not_paid_or_keeps_a_card_is_ignored() {
    let ignored = ["ignored checkout.session.completed"];
    for changes in [
        json!({ "payment_status": "unpaid" }),
        json!({ "mode": "setup", "payment_status": "no_payment_required", "amount_total": null, "currency": null }),
        json!({ "mode": "something new" }),
    ] {
        assert_eq!(says("checkout.session.completed", session(changes)), ignored);
    }
}

#[test]
fn the_order_is_the_one_in_the_metadata_or_a_reference_that_looks_like_one() {
    for (metadata, reference, order) in [
        (json!({ "caravan_order_id": "ord_1" }), json!("ord_2"), "ord_1"),
        (json!({}), json!("ord_2"), "ord_2"),
        (json!(null), json!("ord_2"), "ord_2"),
        (json!({ "other": "ord_1" }), json!("cart 7"), "-"),
        (json!({}), json!("ord_\0"), "-"),
        (json!({}), json!(format!("ord_{}", "x".repeat(197))), "-"),
        (json!({}), json!(7), "-"),
        (json!({}), json!(null), "-"),
    ] {
        let object = session(json!({ "metadata": metadata, "client_reference_id": reference }));
        assert_eq!(says("checkout.session.completed", object), [format!("pi_1 of 1499900 INR for {order}")]);
    }
    let object = intent(json!({ "metadata": {}, "client_reference_id": "ord_2" }));
    assert_eq!(says("payment_intent.succeeded", object), ["pi_1 of 1499900 INR for -"]);
}

#[test]
fn amounts_are_in_the_minor_units_of_iso_4217() {
    for (currency, written, minor) in [
        ("eur", 1050, Some(1050)),
        ("EUR", 1050, Some(1050)),
        ("jpy", 500, Some(500)),
        ("krw", 500, Some(500)),
        ("kwd", 5120, Some(5120)),
        ("tnd", 5120, Some(5120)),
        ("huf", 1000, Some(1000)),
        ("twd", 1000, Some(1000)),
        ("isk", 500, Some(5)),
        ("ugx", 500, Some(5)),
        ("mga", 500, Some(50_000)),
        ("isk", 550, None),
        ("mga", i64::MAX, None),
        ("xau", 5, None),
        ("zzz", 5, None),
        ("euro", 5, None),
    ] {
        let read = read(&told(
            "payment_intent.succeeded",
            intent(json!({ "amount_received": written, "currency": currency })),
        ));
        match (minor, read) {
            (Some(minor), Ok(reports)) => {
                assert_eq!(lines(reports), [format!("pi_1 of {minor} {} for ord_1", currency.to_uppercase())]);
            }
            (None, Err(rejection)) => assert!(rejection.detail.starts_with("/data/object/"), "{rejection}"),
            (minor, read) => panic!("{currency} {written}: {minor:?} {read:?}"),
        }
    }
    let object = refund_of(json!({ "currency": "isk" }));
    assert_eq!(says("refund.created", object), ["pi_1 -60 refund re_1 of 5 ISK: requested by customer"]);
}

#[test]
fn a_refund_that_has_succeeded_is_given_back_and_another_is_ignored() {
    let given_back = ["pi_1 -60 refund re_1 of 5.00 INR: requested by customer"];
    for kind in ["refund.created", "refund.updated", "charge.refund.updated"] {
        assert_eq!(says(kind, refund_of(json!({}))), given_back);
        for status in [json!("pending"), json!("requires_action"), json!("failed"), json!("canceled"), json!(null)] {
            assert_eq!(says(kind, refund_of(json!({ "status": status }))), [format!("ignored {kind}")]);
        }
    }
    let bare = json!({ "payment_intent": null, "reason": null, "created": null, "charge": { "id": "ch_1" } });
    assert_eq!(says("refund.created", refund_of(bare)), ["ch_1 0 refund re_1 of 5.00 INR"]);
    let of_no_payment = refund_of(json!({ "payment_intent": null, "charge": null }));
    assert_eq!(says("refund.created", of_no_payment), ["ignored refund.created"]);
}

#[test]
fn a_charge_tells_of_each_refund_it_lists() {
    let listed = [
        refund_of(json!({})),
        refund_of(json!({ "id": "re_2", "status": "pending" })),
        refund_of(json!({ "id": "re_3", "amount": 7, "reason": null })),
    ];
    assert_eq!(
        says("charge.refunded", charge(json!({ "refunds": { "data": listed }, "refunded": false }))),
        ["pi_1 -60 refund re_1 of 5.00 INR: requested by customer", "pi_1 -60 refund re_3 of 0.07 INR",]
    );
    let none = charge(json!({ "refunds": { "data": [] }, "refunded": false }));
    assert_eq!(says("charge.refunded", none), ["ignored charge.refunded"]);
}

#[test]
fn a_charge_that_lists_none_tells_of_the_whole_only() {
    let whole = ["pi_1 0 refund ch_1:whole of 14999.00 INR"];
    for refunds in [json!(null), json!({ "url": "/v1/charges/ch_1/refunds" })] {
        assert_eq!(says("charge.refunded", charge(json!({ "refunds": refunds }))), whole);
        let part = charge(json!({ "refunds": refunds, "refunded": false, "amount_refunded": 500 }));
        assert_eq!(says("charge.refunded", part), ["ignored charge.refunded"]);
    }
    let direct = charge(json!({ "payment_intent": null }));
    assert_eq!(says("charge.refunded", direct), ["ch_1 0 refund ch_1:whole of 14999.00 INR"]);
}

#[test]
fn what_a_dispute_takes_is_provisional_until_it_is_lost() {
    let opened = ["pi_1 -60 provisional refund du_1 of 14999.00 INR: dispute opened: product not received"];
    assert_eq!(says("charge.dispute.created", dispute_of(json!({}))), opened);
    assert_eq!(says("charge.dispute.funds_withdrawn", dispute_of(json!({ "status": "under_review" }))), opened);
    let lost = ["pi_1 0 refund du_1:lost of 14999.00 INR: dispute lost: product not received"];
    assert_eq!(says("charge.dispute.closed", dispute_of(json!({ "status": "lost" }))), lost);
    for status in ["won", "warning_closed", "prevented"] {
        let closed = dispute_of(json!({ "status": status }));
        assert_eq!(says("charge.dispute.closed", closed), ["ignored charge.dispute.closed"]);
    }
    let reinstated = says("charge.dispute.funds_reinstated", dispute_of(json!({ "status": "won" })));
    assert_eq!(reinstated, ["ignored charge.dispute.funds_reinstated"]);
    let direct = dispute_of(json!({ "payment_intent": null, "reason": null, "created": null }));
    let expected = ["ch_1 0 provisional refund du_1 of 14999.00 INR: dispute opened"];
    assert_eq!(says("charge.dispute.created", direct), expected);
}

#[test]
fn an_inquiry_takes_nothing() {
    let inquiry = dispute_of(json!({ "status": "warning_needs_response" }));
    assert_eq!(says("charge.dispute.created", inquiry), ["ignored charge.dispute.created"]);
}

#[test]
fn what_does_not_matter_to_a_purchase_is_ignored_whatever_it_carries() {
    for kind in ["payment_intent.payment_failed", "invoice.paid", "customer.created", "v1.charge.refunded"] {
        assert_eq!(says(kind, json!(null)), [format!("ignored {kind}")]);
    }
    assert_eq!(lines(read(&json!({ "type": "ping" })).unwrap()), ["ignored ping"]);
}

#[test]
fn every_wrong_field_is_named() {
    for (body, detail) in [
        (json!([]), "(whole value): must be an object, is an array"),
        (json!({}), "/type: is missing"),
        (json!({ "type": "payment_intent.succeeded", "created": 1 }), "/data/object: is missing"),
        (told("payment_intent.succeeded", json!("pi_1")), "/data/object: must be an object, is a text"),
        (with(told("payment_intent.succeeded", intent(json!({}))), json!({ "created": "now" })), "/created: must be"),
        (
            told("payment_intent.succeeded", json!({ "metadata": { "caravan_order_id": 7 } })),
            "/data/object/id: is missing; /data/object/metadata/caravan_order_id: must be a text, is a number; \
             /data/object/currency: is missing; /data/object/amount_received: is missing",
        ),
        (
            told("checkout.session.completed", session(json!({ "payment_status": null }))),
            "/data/object/payment_status: is missing",
        ),
        (
            told("checkout.session.completed", session(json!({ "payment_intent": 7 }))),
            "/data/object/payment_intent: must be",
        ),
        (
            told("checkout.session.completed", session(json!({ "payment_intent": {} }))),
            "/data/object/payment_intent/id: is missing",
        ),
        (
            told("checkout.session.completed", session(json!({ "amount_total": null }))),
            "/data/object/amount_total: is missing",
        ),
        (told("refund.created", refund_of(json!({ "amount": 0 }))), "/data/object/amount: must be"),
        (told("refund.created", refund_of(json!({ "created": -1 }))), "/data/object/created: must be"),
        (
            told("charge.refunded", charge(json!({ "refunds": { "data": [refund_of(json!({ "id": null }))] } }))),
            "/data/object/refunds/data/0/id: is missing",
        ),
        (told("charge.refunded", charge(json!({ "refunded": "yes" }))), "/data/object/refunded: must be true or false"),
        (
            told("charge.refunded", charge(json!({ "id": "x".repeat(191) }))),
            "/data/object/id: must be 1 to 190 characters",
        ),
        (
            told("charge.dispute.closed", json!({ "status": "lost", "id": "x".repeat(191), "amount": 1 })),
            "/data/object/charge: is missing; /data/object/id: must be 1 to 190 characters, is 191; \
             /data/object/currency: is missing",
        ),
    ] {
        let rejection = read(&body).unwrap_err();
        assert!(rejection.detail.starts_with(detail), "{rejection} should begin with {detail}");
    }
}

/// An event that is read, with one of its fields or of its object's replaced.
fn any_event() -> impl Strategy<Value = Value> {
    let events = [
        told("checkout.session.completed", session(json!({}))),
        told("checkout.session.async_payment_succeeded", session(json!({}))),
        told("payment_intent.succeeded", intent(json!({}))),
        told("refund.updated", refund_of(json!({}))),
        told("charge.refunded", charge(json!({ "refunds": { "data": [refund_of(json!({}))] } }))),
        told("charge.refunded", charge(json!({}))),
        told("charge.dispute.created", dispute_of(json!({}))),
        told("charge.dispute.closed", dispute_of(json!({ "status": "lost" }))),
    ];
    let names = "type|created|data|id|mode|payment_status|payment_intent|amount|amount_total|amount_received|currency|\
                 metadata|client_reference_id|status|charge|reason|refunds|refunded|amount_refunded";
    (proptest::sample::select(events.to_vec()), names, any_json()).prop_map(|(mut event, name, value)| {
        let place = if event.get(&name).is_some() { &mut event } else { &mut event["data"]["object"] };
        place[&name] = value;
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
