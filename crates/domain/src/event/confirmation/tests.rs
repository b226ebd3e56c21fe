use jiff::civil::date;
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// The example of the contract.
pub(crate) fn example() -> Value {
    json!({
        "payment_id": "pay_29QQoUBi66xm2f", "item": null,
        "confirmed_at": "2026-11-23T10:00:00Z",
        "amount": { "minor": 1499900, "currency": "INR" },
        "student": { "id": "stu_118", "name": "Asha", "email": "asha@example.com",
                     "time_zone": "Asia/Kolkata", "languages": ["en", "hi"] },
        "payer": null,
        "course": { "subject": "python", "level": "beginner" },
        "plan": {
            "start_date": "2026-12-01",
            "sessions": 24, "per_week": 2, "minutes": 60,
            "slots": [ { "weekday": "tue", "at": "17:00" }, { "weekday": "thu", "at": "17:00" },
                       { "weekday": "sat", "at": "10:00" } ]
        },
        "preferred_trainer_id": null,
        "metadata": { "campaign": "diwali" }
    })
}

fn received_at() -> Timestamp {
    "2026-11-23T10:00:00Z".parse().unwrap()
}

/// The example with one place changed.
fn with(pointer: &str, value: Value) -> Value {
    let mut example = example();
    match (example.pointer_mut(pointer), pointer.rsplit_once('/')) {
        (Some(place), _) => *place = value,
        (None, Some((parent, name))) => example.pointer_mut(parent).unwrap()[name] = value,
        (None, None) => unreachable!("the whole value is always there"),
    }
    example
}

fn without(parent: &str, name: &str) -> Value {
    let mut example = example();
    example.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name);
    example
}

fn decode(value: &Value) -> Result<Confirmation, Rejection> {
    decode_confirmation(value, received_at())
}

fn slots(weekdays_and_times: &[(&str, &str)]) -> Value {
    weekdays_and_times.iter().map(|(weekday, at)| json!({ "weekday": weekday, "at": at })).collect()
}

/// So many different slots.
fn many_slots(count: usize) -> Value {
    let weekdays = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    (0..count)
        .map(|n| json!({ "weekday": weekdays[n % 7], "at": format!("{:02}:{:02}", n / 7 % 24, 15 * (n / 168)) }))
        .collect()
}

#[test]
fn the_example_is_read_as_it_is_written() {
    let read = decode(&example()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), example());
    assert_eq!(read.plan.start_date, date(2026, 12, 1));
    assert_eq!(
        read.plan.slots.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["tue 17:00", "thu 17:00", "sat 10:00"]
    );
}

#[test]
fn everything_within_bounds_is_taken() {
    let entries = |count: usize| (0..count).map(|n| (n.to_string(), json!("x"))).collect::<Value>();
    for (pointer, value) in [
        ("/item", json!("second")),
        ("/payment_id", json!("ü".repeat(200))),
        ("/amount/minor", json!(0)),
        ("/amount/minor", json!(i64::MAX)),
        ("/amount/currency", json!("JPY")),
        ("/student/name", Value::Null),
        ("/student/email", json!("a".repeat(320))),
        ("/student/languages", json!([])),
        ("/student/languages", json!(vec!["a".repeat(35); 50])),
        ("/payer", json!({ "id": "par_1", "name": "Meera", "email": null, "vat": 7 })),
        ("/course/subject", json!(format!("  {}  ", "x".repeat(200)))),
        ("/plan/sessions", json!(1)),
        ("/plan/sessions", json!(500)),
        ("/plan/sessions", json!(null)),
        ("/plan/per_week", json!(3)),
        ("/plan/minutes", json!(15)),
        ("/plan/minutes", json!(240)),
        ("/plan/start_date", json!("2024-11-23")),
        ("/plan/start_date", json!("2028-11-23")),
        ("/plan/slots", many_slots(50)),
        ("/plan/slots", slots(&[("mon", "00:00"), ("sun", "23:45")])),
        ("/preferred_trainer_id", json!("trn_7")),
        ("/metadata", Value::Null),
        ("/metadata", entries(20)),
        ("/metadata", json!({ "k".repeat(500): "v".repeat(500), "empty": "", "absent": null })),
        ("/unknown", json!({ "anything": "\0" })),
        ("/confirmed_at", json!("2026-11-23T15:30:00.5+05:30")),
    ] {
        let read = decode(&with(pointer, value.clone()));
        assert!(read.is_ok(), "{pointer} {value}: {read:?}");
    }
    for (parent, name) in [
        ("", "item"),
        ("", "payer"),
        ("", "preferred_trainer_id"),
        ("", "metadata"),
        ("/student", "name"),
        ("/student", "email"),
    ] {
        assert!(decode(&without(parent, name)).is_ok(), "{parent}/{name} is optional");
    }
}

#[test]
fn everything_else_is_refused_with_its_field_and_bound() {
    let entries = |count: usize| (0..count).map(|n| (n.to_string(), json!("x"))).collect::<Value>();
    for (pointer, value, detail) in [
        ("", json!([]), "(whole value): must be an object, is an array"),
        ("", Value::Null, "(whole value): is missing"),
        ("/payment_id", json!(""), "/payment_id: must be 1 to 200 characters, is 0"),
        ("/payment_id", json!("x".repeat(201)), "/payment_id: must be 1 to 200 characters, is 201"),
        ("/payment_id", json!("a\0b"), "/payment_id: must not contain U+0000"),
        ("/payment_id", json!(7), "/payment_id: must be a text, is a number"),
        ("/item", json!(""), "/item: must be 1 to 200 characters, is 0"),
        (
            "/confirmed_at",
            json!("2026-11-23T10:00:00"),
            "/confirmed_at: must be a time with offset as in RFC 3339, from 1970 to 9998, is \"2026-11-23T10:00:00\"",
        ),
        ("/confirmed_at", json!("1969-12-31T23:59:59Z"), "/confirmed_at: must be a time"),
        (
            "/confirmed_at",
            json!(1795428000),
            "/confirmed_at: must be a time with offset as in RFC 3339, from 1970 to 9998, is a number",
        ),
        ("/amount", Value::Null, "/amount: is missing"),
        ("/amount/minor", json!(-1), "/amount/minor: must be a whole number from 0 to 9223372036854775807, is -1"),
        ("/amount/minor", json!(24.0), "is 24.0"),
        ("/amount/minor", json!("24"), "is a text"),
        ("/amount/minor", json!(u64::MAX), "is 18446744073709551615"),
        (
            "/amount/currency",
            json!("inr"),
            "/amount/currency: must be an ISO 4217 code in capitals such as EUR, is \"inr\"",
        ),
        ("/amount/currency", json!("ZZZ"), "is \"ZZZ\""),
        ("/amount/currency", json!(""), "is \"\""),
        ("/student", json!("Asha"), "/student: must be an object, is a text"),
        ("/student/name", json!("n".repeat(201)), "/student/name: must be 1 to 200 characters, is 201"),
        ("/student/email", json!("n".repeat(321)), "/student/email: must be 1 to 320 characters, is 321"),
        (
            "/student/time_zone",
            json!("Asia/Nowhere"),
            "/student/time_zone: must be an IANA time zone name such as Europe/Berlin, is \"Asia/Nowhere\"",
        ),
        ("/student/languages", Value::Null, "/student/languages: is missing"),
        ("/student/languages", json!("en"), "/student/languages: must be an array, is a text"),
        ("/student/languages", json!(["en", ""]), "/student/languages/1: must be 1 to 35 characters, is 0"),
        ("/student/languages", json!(vec!["en"; 51]), "/student/languages: must have at most 50 entries, has 51"),
        ("/payer", json!({ "name": "Meera" }), "/payer/id: is missing"),
        ("/payer", json!("Meera"), "/payer: must be an object, is a text"),
        ("/course/subject", json!("  "), "/course/subject: must be 1 to 200 characters, is 0"),
        ("/course/level", json!("l".repeat(201)), "/course/level: must be 1 to 200 characters, is 201"),
        ("/plan/sessions", json!(0), "/plan/sessions: must be a whole number from 1 to 500, is 0"),
        ("/plan/sessions", json!(501), "/plan/sessions: must be a whole number from 1 to 500, is 501"),
        ("/plan/sessions", json!(24.0), "/plan/sessions: must be a whole number from 1 to 500, is 24.0"),
        ("/plan/per_week", json!(0), "/plan/per_week: must be a whole number from 1 to 7, is 0"),
        ("/plan/per_week", json!(8), "/plan/per_week: must be a whole number from 1 to 7, is 8"),
        (
            "/plan/per_week",
            json!(4),
            "/plan/per_week: must be no more than the distinct weekdays in slots, which are 3, is 4",
        ),
        ("/plan/minutes", json!(17), "/plan/minutes: must be a multiple of 5 from 15 to 240, is 17"),
        ("/plan/minutes", json!(10), "/plan/minutes: must be a whole number from 15 to 240, is 10"),
        ("/plan/minutes", json!(245), "/plan/minutes: must be a whole number from 15 to 240, is 245"),
        (
            "/plan/start_date",
            json!("2024-11-22"),
            "/plan/start_date: must be a date YYYY-MM-DD from 2024-11-23 to 2028-11-23, is \"2024-11-22\"",
        ),
        ("/plan/start_date", json!("2028-11-24"), "is \"2028-11-24\""),
        ("/plan/start_date", json!("2026-12-01T00:00:00Z"), "/plan/start_date: must be a date"),
        ("/plan/slots", json!([]), "/plan/slots: must have 1 to 50 different entries, has 0"),
        ("/plan/slots", many_slots(51), "/plan/slots: must have 1 to 50 different entries, has 51"),
        ("/plan/slots", many_slots(501), "/plan/slots: must have at most 500 entries, has 501"),
        (
            "/plan/slots/1/weekday",
            json!("Tue"),
            "/plan/slots/1/weekday: must be one of mon, tue, wed, thu, fri, sat, sun, is \"Tue\"",
        ),
        (
            "/plan/slots/1/at",
            json!("24:00"),
            "/plan/slots/1/at: must be a time HH:MM on a 15-minute mark from 00:00 to 23:45, is \"24:00\"",
        ),
        ("/plan/slots/1/at", json!("17:05"), "is \"17:05\""),
        ("/plan/slots/1/at", json!("7:00"), "is \"7:00\""),
        ("/preferred_trainer_id", json!("t".repeat(201)), "/preferred_trainer_id: must be 1 to 200"),
        ("/metadata", json!(["x"]), "/metadata: must be an object, is an array"),
        ("/metadata", entries(21), "/metadata: must have at most 20 entries, has 21"),
        ("/metadata", json!({ "a/b": 7 }), "/metadata/a~1b: must be a text, is a number"),
        ("/metadata", json!({ "k": "v".repeat(501) }), "/metadata/k: must be at most 500 characters, is 501"),
        ("/metadata", json!({ "k": "\0" }), "/metadata/k: must not contain U+0000"),
        ("/metadata", json!({ "k\0": "v" }), "/metadata: must not contain U+0000 in a key"),
        ("/metadata", json!({ "": "v" }), "/metadata: must have keys of 1 to 500 characters, has one of 0"),
        (
            "/metadata",
            json!({ "k".repeat(501): "v" }),
            "/metadata: must have keys of 1 to 500 characters, has one of 501",
        ),
    ] {
        let rejection = decode(&with(pointer, value.clone())).unwrap_err();
        assert_eq!(rejection.reason.code(), "invalid-field");
        assert!(rejection.detail.contains(detail), "{pointer} {value}: {rejection}");
        assert!(!rejection.detail.contains("; "), "one fault, not more: {rejection}");
    }
}

#[test]
fn every_required_field_is_named_when_missing() {
    for (parent, name) in [
        ("", "payment_id"),
        ("", "confirmed_at"),
        ("", "amount"),
        ("/amount", "minor"),
        ("/amount", "currency"),
        ("", "student"),
        ("/student", "id"),
        ("/student", "time_zone"),
        ("/student", "languages"),
        ("", "course"),
        ("/course", "subject"),
        ("/course", "level"),
        ("", "plan"),
        ("/plan", "start_date"),
        ("/plan", "sessions"),
        ("/plan", "per_week"),
        ("/plan", "minutes"),
        ("/plan", "slots"),
        ("/plan/slots/0", "weekday"),
        ("/plan/slots/0", "at"),
    ] {
        let detail = decode(&without(parent, name)).unwrap_err().detail;
        assert_eq!(detail, format!("{parent}/{name}: is missing"));
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let detail =
        decode(&json!({ "plan": { "sessions": 0, "slots": [{}] }, "student": { "name": 7 } })).unwrap_err().detail;
    let pointers: Vec<_> = detail.split("; ").map(|fault| fault.split(':').next().unwrap()).collect();
    assert_eq!(
        pointers,
        [
            "/payment_id",
            "/confirmed_at",
            "/amount",
            "/student/id",
            "/student/name",
            "/student/time_zone",
            "/student/languages",
            "/course",
            "/plan/start_date",
            "/plan/sessions",
            "/plan/minutes",
            "/plan/slots/0/weekday",
            "/plan/slots/0/at",
            "/plan/per_week",
        ]
    );
}

#[test]
fn a_slot_given_twice_counts_once_at_its_better_rank() {
    let twice = slots(&[("tue", "17:00"), ("thu", "17:00"), ("tue", "17:00"), ("tue", "18:00")]);
    let read = decode(&with("/plan/slots", twice)).unwrap();
    assert_eq!(
        read.plan.slots.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["tue 17:00", "thu 17:00", "tue 18:00"]
    );
    let many = Value::Array(
        std::iter::repeat_n(many_slots(50), 10).flat_map(|slots| slots.as_array().unwrap().clone()).collect(),
    );
    assert_eq!(decode(&with("/plan/slots", many)).unwrap().plan.slots.len(), 50);
}

#[test]
fn names_and_addresses_are_never_told() {
    let told = decode(&json!({
        "student": { "id": "stu", "name": "Asha".repeat(100), "email": "asha@".repeat(100) },
        "payer": { "id": "Asha\0", "name": ["Asha"], "email": { "asha@": "asha@" } }
    }));
    let detail = told.unwrap_err().detail.to_lowercase();
    assert!(!detail.contains("asha"), "{detail}");
}

#[test]
fn start_dates_follow_the_day_of_receipt() {
    for (received, from, until) in [
        ("2026-11-23T23:59:59Z", date(2024, 11, 23), date(2028, 11, 23)),
        ("2028-02-29T00:00:00Z", date(2026, 2, 28), date(2030, 2, 28)),
        ("9998-12-31T00:00:00Z", date(9996, 12, 31), date(9999, 12, 31)),
    ] {
        assert_eq!(start_dates(received.parse().unwrap()), from..=until);
    }
}

#[test]
fn the_payment_id_is_read_from_whatever_has_one() {
    for (line, expected) in [
        (r#"{"payment_id":"pay_1"}"#, Some("pay_1")),
        (r#" {"a":[{"payment_id":"no"}],"payment_id":"pay_1","plan":7} "#, Some("pay_1")),
        (r#"{"payment_id":"first","payment_id":"last"}"#, Some("last")),
        (r#"{"payment_id":"\u0070ay"}"#, Some("pay")),
        (r#"{"payment_id":null}"#, None),
        (r#"{"payment_id":7}"#, None),
        (r#"{"payment_id":""}"#, None),
        (r#"{"payment_id":"a\u0000"}"#, None),
        (r#"{"payment_id":"pay_1"#, None),
        (r#"{"payment_id":"pay_1"} x"#, None),
        (r#"["payment_id"]"#, None),
        ("{}", None),
        ("", None),
    ] {
        assert_eq!(payment_id_of(line.as_bytes()).as_deref(), expected, "{line}");
    }
    for (chars, readable) in [(200, true), (201, false)] {
        let line = json!({ "payment_id": "ü".repeat(chars) }).to_string();
        assert_eq!(payment_id_of(line.as_bytes()).is_some(), readable, "{chars}");
    }
}

/// Any JSON value, not too deep.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[0-9T:-]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..6).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

fn pointers(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(name, value)| pointers(value, format!("{at}/{name}"), found)),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(n, value)| pointers(value, format!("{at}/{n}"), found))
        }
        _ => {}
    }
    found.push(at);
}

proptest! {
    #[test]
    fn no_value_anywhere_makes_it_panic(
        place: proptest::sample::Index,
        value in any_json(),
        at in 0_i64..253_402_207_200,
    ) {
        let mut places = Vec::new();
        pointers(&example(), String::new(), &mut places);
        let changed = with(&places[place.index(places.len())], value);
        if let Err(rejection) = decode_confirmation(&changed, Timestamp::from_second(at).unwrap()) {
            prop_assert!(!rejection.detail.is_empty() && !rejection.detail.contains('\0'));
        }
    }

    #[test]
    fn no_bytes_whatsoever_make_it_panic(bytes: Vec<u8>) {
        let _ = payment_id_of(&bytes);
    }

    #[test]
    fn what_encodes_decodes_to_the_same(
        payment_id in "[^\0]{1,200}",
        metadata in proptest::collection::btree_map("[^\0]{1,9}", "[^\0]{0,9}", 0..20),
        sessions in proptest::option::of(1_u16..=500),
        minor in 0..=i64::MAX,
        nanosecond in 0..999_999_999_i32,
    ) {
        let mut confirmation = decode(&example()).unwrap();
        confirmation.payment_id = payment_id;
        confirmation.metadata = metadata;
        confirmation.plan.sessions = sessions;
        confirmation.amount.minor = minor;
        confirmation.confirmed_at = Timestamp::new(1_795_428_000, nanosecond).unwrap();
        let text = serde_json::to_string(&confirmation).unwrap();
        prop_assert_eq!(payment_id_of(text.as_bytes()), Some(confirmation.payment_id.clone()));
        prop_assert_eq!(decode(&serde_json::from_str(&text).unwrap()), Ok(confirmation));
    }
}
