//! Trainers and closures, imported and listed.

use crate::{Place, example};

#[test]
fn an_import_is_all_or_nothing_and_tells_every_fault() {
    let place = Place::new();
    let good = "{\"trainer_id\":\"good\",\"time_zone\":\"UTC\"}";
    let file = place.write(
        "roster.jsonl",
        format!("{good}\n{{\"trainer_id\":\"a\",\"weight\":0}}\n{{\"trainer_id\":\"b\",\"nmae\":\"B\"}}\n{good}\n"),
    );
    let told = place.run(&["trainers", "import", &file]).failed(1);
    for part in
        ["line 2: /weight", "line 3: ", "nmae", "line 4: /trainer_id is \"good\", which line 1", "nothing was imported"]
    {
        assert!(told.contains(part), "{part} is not in:\n{told}");
    }
    // A new trainer needs a zone; that is only known once the database has been asked.
    let file = place.write("roster.csv", "trainer_id,time_zone\ngood,UTC\nnew,\n");
    assert!(place.run(&["trainers", "import", &file]).failed(1).contains("line 3: /time_zone"));
    assert_eq!(place.run(&["trainers", "list", "--json"]).ok(), "");
}

#[test]
fn a_listed_roster_can_be_imported_again_and_changes_nothing() {
    let place = Place::new();
    place.run(&["trainers", "import", &example("roster.csv")]).ok();
    let listed = place.run(&["trainers", "list", "--json"]).ok();
    let file = place.write("listed.jsonl", listed);
    assert_eq!(place.run(&["trainers", "import", &file]).ok(), "12 trainers: 0 new, 0 changed, 12 unchanged\n");
}

#[test]
fn thousands_of_trainers_are_imported_at_once() {
    let place = Place::new();
    let line = |number| format!("{{\"trainer_id\":\"t{number}\",\"time_zone\":\"Europe/Berlin\"}}\n");
    let file = place.write("roster.jsonl", (0..10_000).map(line).collect::<String>());
    assert_eq!(place.run(&["trainers", "import", &file]).ok(), "10000 trainers: 10000 new, 0 changed, 0 unchanged\n");
    assert_eq!(place.run(&["trainers", "list", "--json"]).json_lines().len(), 10_000);
}

#[test]
fn closures_are_added_or_replaced() {
    let place = Place::new();
    place.run(&["closures", "import", &example("closures.csv")]).ok();
    let file = place.write("one.jsonl", "{\"from\":\"2028-01-01\",\"until\":\"2028-01-01\",\"name\":\"New Year\"}\n");
    assert_eq!(place.run(&["closures", "import", &file]).ok(), "1 closure: 1 new, 0 unchanged, 0 removed\n");
    assert_eq!(place.run(&["closures", "list", "--json"]).json_lines().len(), 4);
    assert_eq!(
        place.run(&["closures", "import", &file, "--replace"]).ok(),
        "1 closure: 0 new, 1 unchanged, 3 removed\n"
    );
    assert_eq!(place.run(&["closures", "list", "--json"]).json_lines().len(), 1);
}
