//! Payments as they go wrong.

use caravan_domain::purchase::Confirmation;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// A broken payment: of a purchase that is there already, or under an id of its own.
pub(super) fn version_of(random: &mut ChaCha8Rng, confirmation: &Confirmation, number: u32) -> Vec<u8> {
    let value = serde_json::to_value(confirmation).unwrap_or_default();
    match random.random_range(0..6) {
        0 => cut_off(&value),
        1 => b"payment_id;amount;student\npay_1;100;stu_1".to_vec(),
        2 => changed(value, number, "/plan/sessions", json!(501)),
        3 => changed(value, number, "/student/time_zone", json!("Mars/Olympus_Mons")),
        4 => changed(value, number, "/student/id", Value::Null),
        _ => conflicting(value, confirmation),
    }
}

fn cut_off(value: &Value) -> Vec<u8> {
    let mut bytes = value.to_string().into_bytes();
    bytes.truncate(bytes.len() * 2 / 3);
    bytes
}

/// Another payment with a field that can't be.
fn changed(mut value: Value, number: u32, pointer: &str, wrong: Value) -> Vec<u8> {
    if let Some(id) = value.pointer_mut("/payment_id") {
        *id = json!(format!("pay_broken_{number}"));
    }
    if let Some(field) = value.pointer_mut(pointer) {
        *field = wrong;
    }
    value.to_string().into_bytes()
}

/// The same payment with another amount.
fn conflicting(mut value: Value, confirmation: &Confirmation) -> Vec<u8> {
    if let Some(minor) = value.pointer_mut("/amount/minor") {
        *minor = json!(confirmation.amount.minor + 1);
    }
    value.to_string().into_bytes()
}
