use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::event::confirmation::tests::example as confirmed;
use crate::event::decode_confirmation;
use crate::provider::Provider;

const NOW: &str = "2026-11-23T10:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// The contract's example before it is paid.
fn example() -> Value {
    let mut value = confirmed();
    let fields = value.as_object_mut().unwrap();
    fields.remove("payment_id");
    fields.remove("confirmed_at");
    value
}

fn with(changes: Value) -> Value {
    let mut value = example();
    value.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    value
}

fn order(changes: Value) -> Order {
    decode_order(&with(changes), now()).unwrap().order
}

fn payment(minor: i64, currency: &str) -> Payment {
    Payment {
        payment_id: "pi_1".into(),
        order_id: Some("ord_1".into()),
        amount: Amount { minor, currency: currency.into() },
        at: "2026-11-24T08:00:00Z".parse().unwrap(),
        provider: Provider::Stripe,
    }
}

#[test]
fn an_order_is_a_confirmation_without_its_payment() {
    let OrderRequest { order, expires_at } = decode_order(&example(), now()).unwrap();
    assert_eq!(expires_at.to_string(), "2026-11-30T10:00:00Z");
    assert!(!order.accept_any_amount);
    let mut stored = serde_json::to_value(&order).unwrap();
    assert_eq!(serde_json::from_value::<Order>(stored.clone()).unwrap(), order);
    assert_eq!(stored.as_object_mut().unwrap().remove("accept_any_amount"), Some(json!(false)));
    assert_eq!(stored, example());
}

#[test]
fn what_is_optional_may_be_absent_or_null_and_within_bounds() {
    for changes in [
        json!({ "item": null, "payer": null, "preferred_trainer_id": null, "metadata": null }),
        json!({ "accept_any_amount": null, "expires_at": null }),
        json!({ "accept_any_amount": true, "payment_id": 7, "confirmed_at": "never" }),
        json!({ "expires_at": "2026-11-23T10:00:00.000000001Z" }),
        json!({ "expires_at": "2027-11-24T15:30:00+05:30" }),
    ] {
        let read = decode_order(&with(changes.clone()), now());
        assert!(read.is_ok(), "{changes}: {read:?}");
    }
    assert!(order(json!({ "accept_any_amount": true })).accept_any_amount);
}

#[test]
fn every_wrong_field_is_named() {
    for (changes, fault) in [
        (json!({ "amount": null }), "/amount: is missing"),
        (json!({ "amount": { "minor": -1, "currency": "INR" } }), "/amount/minor: must be a whole number from 0 to"),
        (json!({ "accept_any_amount": "yes" }), "/accept_any_amount: must be true or false, is a text"),
        (json!({ "student": null }), "/student: is missing"),
        (json!({ "payer": {} }), "/payer/id: is missing"),
        (json!({ "course": "python" }), "/course: must be an object, is a text"),
        (json!({ "plan": null }), "/plan: is missing"),
        (json!({ "metadata": [] }), "/metadata: must be an object, is an array"),
        (json!({ "expires_at": "tomorrow" }), "/expires_at: must be a time with offset as in RFC 3339"),
        (
            json!({ "expires_at": NOW }),
            "/expires_at: must be later than 2026-11-23T10:00:00Z and no more than 366 days ahead \
             (until 2027-11-24T10:00:00Z), is 2026-11-23T10:00:00Z",
        ),
        (json!({ "expires_at": "2027-11-24T10:00:00.000000001Z" }), "/expires_at: must be later than"),
    ] {
        let told = read_order(&with(changes.clone()), now()).unwrap_err();
        assert_eq!(told.len(), 1, "{changes}: {told:?}");
        assert!(told[0].to_string().starts_with(fault), "{changes}: {}", told[0]);
        let rejection = decode_order(&with(changes), now()).unwrap_err();
        assert_eq!(rejection, Rejection::of_fields(&told));
    }
    let pointers: Vec<_> =
        read_order(&json!({ "plan": {} }), now()).unwrap_err().into_iter().map(|fault| fault.pointer).collect();
    assert_eq!(pointers[..3], ["/amount", "/student", "/course"]);
}

#[test]
fn a_start_date_is_one_that_can_still_be_confirmed_when_the_order_expires() {
    for (start_date, expires_at, accepted) in [
        ("2024-11-30", "2026-11-30T10:00:00Z", true),
        ("2024-11-29", "2026-11-30T10:00:00Z", false),
        ("2028-11-23", "2026-11-30T10:00:00Z", true),
        ("2028-11-24", "2026-11-30T10:00:00Z", false),
    ] {
        let mut value = with(json!({ "expires_at": expires_at }));
        value["plan"]["start_date"] = json!(start_date);
        let read = read_order(&value, now());
        assert_eq!(read.is_ok(), accepted, "{start_date}: {read:?}");
        if let Ok(OrderRequest { order, expires_at }) = read {
            let confirmation = order.paid(&payment(1_499_900, "INR")).unwrap();
            let told = serde_json::to_value(&confirmation).unwrap();
            assert_eq!(decode_confirmation(&told, expires_at), Ok(confirmation));
        }
    }
}

#[test]
fn a_payment_makes_the_confirmation_of_an_order() {
    let confirmation = order(json!({ "item": "second" })).paid(&payment(1_499_900, "INR")).unwrap();
    let mut expected = confirmed();
    expected["payment_id"] = json!("pi_1");
    expected["item"] = json!("second");
    expected["confirmed_at"] = json!("2026-11-24T08:00:00Z");
    expected["metadata"] = json!({ "campaign": "diwali", "caravan_order_id": "ord_1" });
    assert_eq!(serde_json::to_value(&confirmation).unwrap(), expected);
}

#[test]
fn another_amount_is_told_unless_any_will_do_and_another_currency_always() {
    for (any, minor, currency, accepted) in [
        (false, 1_499_900, "INR", true),
        (false, 1_499_899, "INR", false),
        (false, 1_499_901, "INR", false),
        (false, 1_499_900, "EUR", false),
        (true, 1, "INR", true),
        (true, 0, "INR", true),
        (true, 1_499_900, "EUR", false),
    ] {
        let order = order(json!({ "accept_any_amount": any }));
        let came = Amount { minor, currency: currency.into() };
        let expected =
            if accepted { Ok(came.clone()) } else { Err(Mismatch { ordered: order.amount.clone(), paid: came }) };
        let paid = order.paid(&payment(minor, currency)).map(|confirmation| confirmation.amount);
        assert_eq!(paid, expected, "{any} {minor} {currency}");
    }
    let mismatch = order(json!({})).paid(&payment(1, "INR")).unwrap_err();
    let rejection = Rejection::from(mismatch.clone());
    assert_eq!((rejection.reason.code(), rejection.detail), ("amount-mismatch", mismatch.to_string()));
    let told = |minor, currency| order(json!({})).paid(&payment(minor, currency)).unwrap_err().to_string();
    let before = "14999.00 INR was to be paid, but";
    assert_eq!(told(1_499_800, "INR"), format!("{before} 14998.00 INR was paid, which is 1.00 INR too little"));
    assert_eq!(told(1_500_000, "INR"), format!("{before} 15000.00 INR was paid, which is 1.00 INR too much"));
    assert_eq!(told(1_499_900, "EUR"), format!("{before} 14999.00 EUR was paid, which is another currency"));
}

#[test]
fn the_orders_id_stands_in_the_metadata_if_there_is_room() {
    let full: BTreeMap<String, String> = (0..METADATA_ENTRIES_MAX).map(|n| (n.to_string(), "x".into())).collect();
    let confirmation = order(json!({ "metadata": full })).paid(&payment(1_499_900, "INR")).unwrap();
    assert_eq!(confirmation.metadata, full);
    let mut named = full.clone();
    named.remove("0");
    named.insert(ORDER_ID_KEY.into(), "somebody's".into());
    let confirmation = order(json!({ "metadata": named })).paid(&payment(1_499_900, "INR")).unwrap();
    assert_eq!((confirmation.metadata.len(), &*confirmation.metadata[ORDER_ID_KEY]), (METADATA_ENTRIES_MAX, "ord_1"));
    let unnamed = Payment { order_id: None, ..payment(1_499_900, "INR") };
    assert_eq!(order(json!({})).paid(&unnamed).unwrap().metadata.len(), 1);
}

proptest! {
    #[test]
    fn what_is_stored_comes_back_and_what_it_makes_is_a_confirmation(
        minor in 0..=i64::MAX,
        sessions in proptest::option::of(1_u16..=500),
        metadata in proptest::collection::btree_map("[^\0]{1,9}", "[^\0]{0,9}", 0..=20),
        accept_any_amount: bool,
    ) {
        let order = Order {
            amount: Amount { minor, currency: "INR".into() },
            accept_any_amount,
            metadata,
            plan: Plan { sessions, ..order(json!({})).plan },
            ..order(json!({}))
        };
        let text = serde_json::to_string(&order).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Order>(&text).unwrap(), &order);
        prop_assert_eq!(&decode_order(&serde_json::from_str(&text).unwrap(), now()).unwrap().order, &order);
        let confirmation = order.paid(&payment(minor, "INR")).unwrap();
        let told = serde_json::to_value(&confirmation).unwrap();
        prop_assert_eq!(decode_confirmation(&told, now()), Ok(confirmation));
    }

    #[test]
    fn no_value_anywhere_makes_it_panic(
        name in "item|amount|accept_any_amount|student|payer|course|plan|expires_at|metadata|preferred_trainer_id",
        value in crate::event::confirmation::tests::any_json(),
        at in 0_i64..253_402_207_200,
    ) {
        let changed = with(json!({ name: value }));
        let _ = decode_order(&changed, Timestamp::from_second(at).unwrap());
    }
}
