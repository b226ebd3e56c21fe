//! What the audit must find, on whatever ground.

use std::collections::BTreeMap;

use caravan::audit::{self, Guarantee, Options, Report, Silent};
use caravan::platform::log::{NewRecord, TopicPartition};
use caravan_domain::event::{Headers, Topic};
use serde_json::{Value, json};

use crate::damages::{self, Damage, SKIPPING, UNDER_WAY};
use crate::ground::{Ground, everything_in_the_log};
use crate::made::{At, LATER, healthy};

/// More problems than any damage makes.
const ALL: usize = 100_000;

async fn audited(ground: &impl Ground, ids_shown: usize) -> Report {
    let mut evidence = ground.evidence().await;
    let now = LATER.parse().unwrap();
    let options = Options { window_days: 28, lead_days: 1, max_skipped: 2, ids_shown, now };
    let report = audit::run(&mut *evidence, &options, &Silent).await.unwrap();
    evidence.close().await;
    report
}

pub(crate) async fn what_the_workers_made_holds_every_guarantee<G: Ground>() {
    let ground: G = healthy().await;
    let report = audited(&ground, ALL).await;
    assert_eq!(report.broken(), [], "{:#?}", report.text_lines());
    assert_eq!(report.conflicts.broken, 0, "{:#?}", report.conflicts.problems);
    for (guarantee, tally) in &report.findings {
        assert!(tally.checked > 20, "{guarantee} was checked {} times", tally.checked);
    }

    let statuses = ground.rows("SELECT status, count(*) FROM purchases GROUP BY 1 ORDER BY 1").await;
    assert_eq!(statuses, [["cancelled", "1"], ["completed", "4"], ["scheduled", "26"], ["waitlisted", "1"]]);
    let skipping = ground.rows(&format!("SELECT id FROM allocations WHERE {SKIPPING}")).await;
    assert!(!skipping.is_empty(), "no plan skips a day off");
}

pub(crate) async fn what_retention_has_dropped_is_not_missed<G: Ground>() {
    let ground: G = healthy().await;
    let platform = ground.platform(At::time(LATER));
    let mut ends = BTreeMap::new();
    for topic in platform.log.topics().await.unwrap() {
        for (partition, state) in (0..).zip(&topic.partitions) {
            ends.insert(TopicPartition { topic: topic.topic, partition }, state.end);
        }
    }
    let dropped = platform.log.trim(&ends, LATER.parse().unwrap()).await.unwrap();
    assert!(dropped > 100, "{dropped} records were dropped");
    let report = audited(&ground, ALL).await;
    assert_eq!(report.broken(), [], "{:#?}", report.text_lines());
}

/// Does the damage; returns the ids that must be told, by guarantee.
async fn harm<G: Ground>(damage: &Damage, ground: &G) -> BTreeMap<Guarantee, String> {
    let find = damage.find.replace("{UNDER_WAY}", UNDER_WAY).replace("{PLACED}", G::PLACED);
    let found = ground.rows(&find.replace("{SKIPPING}", SKIPPING)).await;
    let texts = found.into_iter().next().unwrap_or_else(|| panic!("{}: there is no such thing", damage.what));
    let what = format!("'{}'", texts[0]);
    let mut touched = 0;
    for statement in damage.statements {
        touched += ground.execute(&statement.replace("?1", &what)).await;
    }
    assert!(touched > 0, "{}: nothing was damaged", damage.what);
    damage.breaks.iter().copied().zip(texts.into_iter().skip(1)).collect()
}

/// How the audit's findings differ from those that this damage must lead to.
fn mistakes(damage: &Damage, expected: &BTreeMap<Guarantee, String>, report: &Report) -> Vec<String> {
    let mut mistakes = Vec::new();
    if report.broken() != damage.breaks {
        let (broken, lines) = (report.broken(), report.text_lines().join("\n"));
        mistakes.push(format!("{}: broken are {broken:?}\n{lines}", damage.what));
    }
    for (guarantee, tally) in &report.findings {
        if let Some(id) = expected.get(guarantee)
            && !tally.ids().contains(&id.as_str())
        {
            mistakes.push(format!("{}: {guarantee} does not name {id}, but {:?}", damage.what, tally.ids()));
        }
    }
    mistakes
}

pub(crate) async fn every_damage_breaks_its_guarantees_and_no_other<G: Ground>() {
    let mut ground: G = healthy().await;
    let mut wrong = Vec::new();
    for damage in damages::all() {
        let damage = match G::told(damage) {
            Ok(damage) => damage,
            Err(reason) => {
                println!("{} is left out: {reason}", damage.what);
                continue;
            }
        };
        let expected = harm(&damage, &ground).await;
        wrong.extend(mistakes(&damage, &expected, &audited(&ground, ALL).await));
        ground.put_back().await;
    }
    assert!(wrong.is_empty(), "{} mistakes in {} damages:\n{}", wrong.len(), damages::all().count(), wrong.join("\n"));
    let report = audited(&ground, ALL).await;
    assert_eq!(report.broken(), [], "not put back as it was: {:#?}", report.text_lines());
}

/// The record of a topic that stands first, to be told again.
async fn first_of(topic: Topic, ground: &impl Ground) -> NewRecord {
    let records = everything_in_the_log(ground).await;
    let found = records.into_iter().find(|record| record.topic == topic.name()).unwrap();
    let (headers, timestamp) = (found.headers.unwrap(), LATER.parse().unwrap());
    NewRecord { topic, key: found.key, value: found.value, headers, timestamp }
}

fn under_another_id(record: NewRecord) -> NewRecord {
    let mut headers = Headers::new();
    for header in record.headers.iter() {
        let another = (header.name == "ce_id").then(|| b"00000000-0000-4000-8000-000000000000".to_vec());
        headers.push(header.name.clone(), another.or_else(|| header.value.clone()));
    }
    NewRecord { headers, ..record }
}

pub(crate) async fn what_others_append_to_the_log_is_found_there<G: Ground>() {
    let ground: G = healthy().await;
    let created = first_of(Topic::PurchaseCreated, &ground).await;
    let purchase = String::from_utf8(created.key.clone().unwrap()).unwrap();
    let mut allocated = first_of(Topic::TrainerAllocated, &ground).await;
    let event = allocated.headers.get_text("ce_id").unwrap().to_owned();
    allocated.value.as_mut().unwrap().push(b' ');
    let log = ground.platform(At::time(LATER)).log;
    log.publish(&[under_another_id(created), allocated]).await.unwrap();

    let report = audited(&ground, ALL).await;
    assert_eq!(report.broken(), [Guarantee::Once], "{:#?}", report.text_lines());
    assert_eq!(report.findings[0].1.ids(), [purchase, event]);
}

pub(crate) async fn what_changes_after_an_allocation_is_a_conflict_and_no_violation<G: Ground>() {
    let mut ground: G = healthy().await;
    for change in [
        "UPDATE trainers SET time_off = '[{\"from\":\"2027-01-01\",\"until\":\"2027-12-31\"}]'",
        "UPDATE trainers SET availability = '[]'",
        "UPDATE trainers SET max_sessions_per_week = 1",
        "UPDATE trainers SET languages = '[\"fi\"]'",
        "UPDATE trainers SET courses = '[]'",
        "UPDATE trainers SET time_zone = 'Pacific/Auckland'",
        "DELETE FROM trainers",
        "INSERT INTO closures (from_date, until_date, name) VALUES ('2027-02-01', '2027-02-28', 'Renovation')",
    ] {
        ground.execute(change).await;
        let report = audited(&ground, ALL).await;
        assert_eq!(report.broken(), [], "{change}");
        assert!(report.conflicts.broken > 0, "{change}");
        let last: Value = serde_json::from_str(report.json_lines().last().unwrap()).unwrap();
        assert_eq!(last["conflicts"], json!(report.conflicts.broken), "{change}");
        ground.put_back().await;
    }
}

pub(crate) async fn many_problems_are_all_counted_and_some_of_them_shown<G: Ground>() {
    let ground: G = healthy().await;
    let shifted = ground.execute("UPDATE sessions SET local_date = '2031-01-01'").await;
    let report = audited(&ground, 3).await;
    let lines: Vec<Value> = report.json_lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = lines.iter().filter_map(|line| line["guarantee"].as_str()).collect();
    assert_eq!(names, Guarantee::ALL.map(Guarantee::name));
    assert_eq!(lines[4]["violations"], json!(shifted));
    assert_eq!(lines[4]["ids"].as_array().unwrap().len(), 3);
    assert!(report.text_lines().iter().any(|line| line.contains(&format!("and {} more", shifted - 3))));
}
