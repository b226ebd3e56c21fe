//! Whether everything that was paid for is on its way: what is stuck, and the shop's list against what is recorded.

use serde_json::json;

use crate::{Place, payment};

#[test]
fn what_is_stuck_is_listed_with_why_and_what_to_do() {
    let place = Place::with_examples();
    let rows = place.run(&["stuck", "--json"]).json_lines();
    let fields = ["purchase_id", "payment_id", "student_id", "since", "age_seconds", "cause", "detail", "next"];
    for field in fields {
        assert!(rows.iter().all(|row| row.get(field).is_some()), "{field} is missing: {rows:?}");
    }
    let waits = rows.iter().find(|row| row["payment_id"] == "pay_ex_15").unwrap();
    assert_eq!(waits["cause"], "course-not-taught");
    assert!(waits["next"].as_str().unwrap().contains("caravan trainers import"), "{waits}");
    assert!(rows.iter().any(|row| row["cause"] == "set-aside" && row["dead_letter"].is_i64()), "{rows:?}");
    let first = place.run(&["stuck", "--limit", "1", "--json"]).json_lines();
    assert_eq!((first.len(), &first[0]["since"]), (1, &rows[0]["since"]));
    let table = place.run(&["stuck"]).ok();
    assert!(table.contains("nobody teaches the course") && table.contains("Next: "), "{table}");
}

#[test]
fn what_should_take_seconds_has_its_time() {
    let place = Place::new();
    assert_eq!(place.run(&["stuck"]).ok(), "");
    place.fed(payment("pay_1").to_string().as_bytes(), &["purchases", "confirm", "-"]).ok();
    place.run(&["run", "--workers", "purchase", "--until-idle"]).ok();
    assert_eq!(place.run(&["stuck"]).ok(), "nothing is stuck\n");
    let rows = place.run(&["stuck", "--older-than", "0s", "--json"]).json_lines();
    assert_eq!((rows.len(), &rows[0]["cause"]), (1, &json!("undecided")));
    assert!(place.run(&["stuck", "--older-than", "soon"]).failed(2).contains("90s, 5m, 2h or 1d"));
}

#[test]
fn a_list_of_the_shop_is_compared_with_what_is_recorded() {
    let place = Place::new();
    let one = place.write("one.txt", "pay_1\n");
    assert!(place.run(&["reconcile", &one]).failed(1).contains("nothing to compare with"));
    let mut broken = payment("pay_2");
    broken["plan"]["sessions"] = json!(501);
    let payments = format!("{}\n{broken}\n", payment("pay_1"));
    place.fed(payments.as_bytes(), &["purchases", "confirm", "-"]).ok();
    let early = place.fed(b"pay_1\n", &["reconcile", "-"]).failed(1);
    assert!(early.contains("2 records of purchase-confirmed are still to be handled"), "{early}");
    place.run(&["run", "--until-idle"]).ok();

    let clean = place.fed(b"payment_id,amount_minor,currency\npay_1,100,EUR\n", &["reconcile", "-"]).ok();
    assert!(clean.starts_with("1 payment listed: 1 recorded, "), "{clean}");
    let list = place.write("shop.csv", "payment_id,amount_minor\npay_1,99\npay_2,\npay_3,\n");
    let ran = place.run(&["reconcile", &list]);
    for told in [
        "line 2: differs: pay_1: amount_minor is 99, recorded is 100",
        "line 3: dead letter: pay_2: dead letter 1, invalid-field: /plan/sessions",
        "line 4: missing: pay_3: never arrived",
        "3 payments listed: 0 recorded, 1 recorded with another amount or currency, 1 dead letter, 1 never arrived",
    ] {
        assert!(ran.out.contains(told), "{told}: {}", ran.out);
    }
    assert!(ran.failed(1).contains("caravan purchases confirm FILE"));
    let ran = place.run(&["reconcile", &list, "--json"]);
    let last: serde_json::Value = serde_json::from_str(ran.out.lines().last().unwrap()).unwrap();
    assert_eq!((ran.code, &last["summary"]["missing"]), (1, &json!(1)));
    assert_eq!(ran.out.lines().count(), 4);

    let wrong = place.fed(b"payment_id,amount_minor\npay_1,1.00\n", &["reconcile", "-"]).failed(2);
    assert!(wrong.contains("line 2: /amount_minor must be a whole number"), "{wrong}");
    assert!(place.run(&["reconcile", "absent.csv"]).failed(2).contains("absent.csv"));
}
