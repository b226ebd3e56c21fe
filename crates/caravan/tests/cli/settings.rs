//! Where settings come from, and what is said of wrong ones.

use crate::Place;

#[test]
fn wrong_usage_is_status_2_and_help_is_status_0() {
    let place = Place::new();
    place.run(&["nonsense"]).failed(2);
    place.run(&[]).failed(2);
    place.run(&["sessions", "list", "--from", "tomorrow"]).failed(2);
    place.run(&["sessions", "list", "--from", "2026-12-02", "--until", "2026-12-01"]).failed(2);
    place.run(&["run", "--workers", "purchase,nobody"]).failed(2);
    place.run(&["dead-letters", "redrive"]).failed(2);
    place.run(&["dead-letters", "redrive", "--all", "--reason", "invalid-json"]).failed(2);
    assert!(place.run(&["purchases", "confirm", "--help"]).ok().contains("Examples:"));
    assert!(place.run(&["--version"]).ok().starts_with("caravan "));
}

#[test]
fn a_partial_set_of_services_is_refused_and_names_what_is_missing() {
    let place = Place::new();
    let refusal =
        place.run_with(("CARAVAN_REDIS_URL", "redis://:secret@host"), &["--kafka", "host:9092", "groups"]).failed(2);
    assert!(refusal.contains("--postgres is not") && !refusal.contains("secret"), "{refusal}");
    let all = [
        "--postgres",
        "postgres://127.0.0.1:1/db",
        "--kafka",
        "127.0.0.1:1",
        "--redis",
        "redis://127.0.0.1:1",
        "groups",
    ];
    assert!(place.run(&all).failed(1).contains("PostgreSQL can't be reached: is it running?"));
}

#[test]
fn settings_come_from_the_file_the_environment_and_options_in_this_order() {
    let place = Place::new();
    place.write("caravan.toml", "data = \"from-file\"\npartitions = 2\n");
    place.run(&["migrate"]).ok();
    assert!(place.path("from-file/caravan.db").exists());
    place.run_with(("CARAVAN_DATA", "from-env"), &["migrate"]).ok();
    assert!(place.path("from-env/caravan.db").exists());
    place.run_with(("CARAVAN_DATA", "from-env-2"), &["--data", "from-option", "migrate"]).ok();
    assert!(place.path("from-option/caravan.db").exists() && !place.path("from-env-2").exists());
    let topics = place.run(&["topics", "list", "--json"]).json_lines();
    assert_eq!(topics.iter().filter(|row| row["topic"] == "purchase-confirmed").count(), 2);
}

#[test]
fn a_setting_that_cannot_be_is_refused_by_name() {
    let place = Place::new();
    place.write("wrong.toml", "windwo_days = 7");
    let refusal = place.run(&["--config", "wrong.toml", "groups"]).failed(2);
    assert!(refusal.contains("windwo_days") && refusal.contains("wrong.toml"), "{refusal}");
    assert!(place.run(&["--config", "absent.toml", "groups"]).failed(2).contains("absent.toml"));
    let refusal = place.run_with(("CARAVAN_PARTITIONS", "0"), &["groups"]).failed(2);
    assert!(refusal.contains("partitions") && refusal.contains("from 1 to"), "{refusal}");
}

#[test]
fn without_a_database_there_is_nothing_to_list_and_none_is_made() {
    let place = Place::new();
    for args in [
        &["purchases", "list"][..],
        &["sessions", "list", "--json"],
        &["dead-letters", "list"],
        &["trainers", "list"],
        &["audit"],
    ] {
        let ran = place.run(args);
        assert!(ran.err.contains("no database in caravan-data yet"), "{args:?}: {}", ran.err);
        assert_eq!(ran.ok(), "");
    }
    assert!(!place.path("caravan-data").exists());
}

#[test]
fn namespaces_share_a_directory_and_nothing_else() {
    let place = Place::with_examples();
    assert_eq!(place.run(&["--namespace", "other", "migrate"]).code, 0);
    assert_eq!(place.run(&["--namespace", "other", "purchases", "list", "--json"]).ok(), "");
    assert!(place.run(&["--namespace", "Not A Name", "migrate"]).failed(2).contains("namespace"));
}
