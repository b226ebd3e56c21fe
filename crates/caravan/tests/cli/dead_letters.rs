//! What could not be handled: listed, shown, repaired and sent again.

use serde_json::json;

use crate::{Place, payment};

#[test]
fn a_repaired_dead_letter_becomes_a_purchase_once() {
    let place = Place::new();
    let mut broken = payment("pay_1");
    broken["plan"]["sessions"] = json!(501);
    place.fed(broken.to_string().as_bytes(), &["purchases", "confirm", "-"]).ok();
    place.run(&["run", "--until-idle"]).ok();
    let dry = place.run(&["dead-letters", "redrive", "--all", "--dry-run"]).ok();
    assert!(dry.contains("1: would be set aside again: invalid-field: /plan/sessions"), "{dry}");

    let repaired = place.write("repaired.json", payment("pay_1").to_string() + "\n");
    let dry = place.run(&["dead-letters", "redrive", "1", "--value", &repaired, "--dry-run"]).ok();
    assert!(dry.contains("1: creates 1 purchase"), "{dry}");
    let sent = place.run(&["dead-letters", "redrive", "1", "--value", &repaired]).ok();
    assert!(sent.contains("1: sent again to purchase-confirmed"), "{sent}");
    let again = place.run(&["dead-letters", "redrive", "1", "--value", &repaired]).ok();
    assert!(again.contains("1: already sent again at") && again.contains("sent 0 records again"), "{again}");

    place.run(&["run", "--until-idle"]).ok();
    assert_eq!(place.run(&["purchases", "list", "--json"]).json_lines().len(), 1);
    let shown = place.run(&["dead-letters", "show", "1"]).ok();
    assert!(shown.contains("\"sessions\": 501") && shown.contains("\"sessions\": 4"), "both are kept: {shown}");
    assert_eq!(place.run(&["dead-letters", "list", "--waiting", "--json"]).ok(), "");
}

#[test]
fn a_dead_letter_that_is_sent_as_it_was_comes_back_with_its_count() {
    let place = Place::new();
    place.fed(b"{\n", &["purchases", "confirm", "-"]).ok();
    place.run(&["run", "--until-idle"]).ok();
    place.run(&["dead-letters", "redrive", "--reason", "invalid-json"]).ok();
    place.run(&["run", "--until-idle"]).ok();
    let letters = place.run(&["dead-letters", "list", "--json"]).json_lines();
    let counts: Vec<_> = letters.iter().map(|row| row["redrives"].as_u64().unwrap()).collect();
    assert_eq!(counts, [0, 1]);
}

#[test]
fn a_redrive_of_what_is_not_there_sends_nothing() {
    let place = Place::new();
    place.fed(b"{\n", &["purchases", "confirm", "-"]).ok();
    place.run(&["run", "--until-idle"]).ok();
    assert!(place.run(&["dead-letters", "redrive", "1", "99"]).failed(1).contains("99"));
    assert!(place.run(&["dead-letters", "redrive", "1", "2", "--value", "x"]).failed(2).contains("exactly one"));
    assert_eq!(place.run(&["dead-letters", "list", "--waiting", "--json"]).json_lines().len(), 1);
}
