//! A database that is put back to an earlier copy: what it has forgotten is decided again, and told as something new.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::site::Site;
use crate::place::finished;

/// One of PostgreSQL's own commands, on the database of the site.
fn tool(site: &Site, name: &str, args: &[&str]) {
    finished(Command::new(name).arg("--dbname").arg(&site.namespace.0.postgres_url).args(args)).ok();
}

fn back_up(site: &Site, file: &Path) {
    let schema = site.namespace.0.namespace.as_deref().unwrap();
    let file = format!("--file={}", file.display());
    tool(site, "pg_dump", &["--format=custom", &format!("--schema=\"{schema}\""), &file]);
}

fn restore(site: &Site, file: &Path) {
    tool(site, "pg_restore", &["--clean", "--if-exists", &file.display().to_string()]);
}

/// The trainer of each purchase.
fn trainers(site: &Site) -> BTreeMap<String, Value> {
    let rows = site.place.run(&["purchases", "list", "--json"]).json_lines();
    rows.into_iter().map(|row| (row["purchase_id"].as_str().unwrap().to_owned(), row["trainer_id"].clone())).collect()
}

#[test]
fn a_database_that_is_put_back_decides_again_and_tells_it_under_other_ids() {
    let site = Site::with_trainers(70);
    site.pay("before", 20, 1);
    site.place.drain();
    let copy = site.place.path("copy.dump");
    back_up(&site, &copy);
    site.pay("after", 20, 1);
    site.place.drain();
    let had = trainers(&site);
    // What a person decided after the copy is in the log alone then.
    site.place.run(&["purchases", "cancel", "before_0", "--reason", "refunded"]).ok();
    site.place.drain();

    // Twice: what was decided after the first time is forgotten as well. Other trainers do it each time.
    for round in 1..=2 {
        restore(&site, &copy);
        site.place.write_lines(
            "gone.jsonl",
            had.values().take(2).map(|id| format!("{{\"trainer_id\":{id},\"active\":false}}")),
        );
        site.place.run(&["trainers", "import", "gone.jsonl"]).ok();
        let instances = [site.start(), site.start()];
        site.pay(&format!("round_{round}"), 10, 1);
        site.comes_to_rest();
        let rows = site.place.run(&["purchases", "list", "--json"]).json_lines();
        let with = |status: &str| rows.iter().filter(|row| row["status"] == status).count();
        assert_eq!((rows.len(), with("scheduled"), with("cancelled")), (40 + 10 * round, 39 + 10 * round, 1));
        site.place.nothing_is_left_over(2 + round);
        for mut instance in instances {
            instance.terminate();
            assert_eq!(instance.ended().0, Some(0), "{}", instance.log());
        }
    }
    let (had_after, has) = (had.len(), trainers(&site));
    assert_eq!(had_after, 40);
    assert!(had.keys().all(|id| has.contains_key(id)), "every payment is a purchase again");
}
