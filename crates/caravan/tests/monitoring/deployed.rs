//! Dashboard, alerts and documents name metrics, headings and alerts that are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::{House, payment, trainer};

/// What names of metrics begin with.
const PREFIX: &str = "caravan_";

fn text(path: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    fs::read_to_string(&file).unwrap_or_else(|problem| panic!("{}: {problem}", file.display()))
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&text(path)).unwrap_or_else(|problem| panic!("{path}: {problem}"))
}

fn dashboard() -> Value {
    serde_json::from_str(&text("deploy/grafana/caravan.json")).expect("the dashboard is JSON")
}

fn alerts() -> Vec<Value> {
    let groups = yaml("deploy/prometheus/alerts.yml")["groups"].take();
    let rules = groups.as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap().clone());
    rules.collect()
}

/// The names of metrics in an expression.
fn named(expression: &str) -> BTreeSet<&str> {
    let words = expression.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with(PREFIX)).collect()
}

/// Every text in a JSON value that stands under this key.
fn under<'a>(key: &str, value: &'a Value) -> Vec<&'a str> {
    match value {
        Value::Array(items) => items.iter().flat_map(|item| under(key, item)).collect(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| match value {
                Value::String(text) if name == key => vec![text.as_str()],
                value => under(key, value),
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// What a Caravan tells that has been through everything: the names of its series, and of its metrics.
async fn told() -> (BTreeSet<String>, BTreeSet<String>) {
    let house = House::new().await;
    house.employ(trainer("trn_1", "en")).await;
    house.pay(&[payment("pay_1", "python", "en"), json!({ "payment_id": "pay_2" })]).await;
    house.run().await;
    house.numbers().await;
    let numbers = house.numbers().await.0;
    house.end().await;
    let name = |line: &str| line.split(['{', ' ']).next().unwrap_or_default().to_owned();
    let series = numbers.lines().filter(|line| line.starts_with(PREFIX)).map(name).collect();
    let metrics = numbers.lines().filter_map(|line| line.strip_prefix("# TYPE caravan_"));
    (series, metrics.map(|line| format!("{PREFIX}{}", name(line))).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_that_is_named_is_told_and_every_one_that_is_told_is_described_and_documented() {
    let (series, metrics) = told().await;
    let dashboard = dashboard();
    let alerts = alerts();
    let expressions = ["expr", "query", "definition"].into_iter().flat_map(|key| under(key, &dashboard));
    let expressions: Vec<&str> = expressions.chain(alerts.iter().flat_map(|alert| under("expr", alert))).collect();
    let all: BTreeSet<&str> = expressions.iter().flat_map(|expression| named(expression)).collect();
    assert!(all.len() > 15, "they were not read: {all:?}");
    let unknown: Vec<_> = all.iter().filter(|name| !series.contains(**name)).collect();
    assert!(unknown.is_empty(), "nobody tells {unknown:?}; what is told is {series:#?}");
    let tests = text("deploy/prometheus/alerts_test.yml");
    let unknown: Vec<_> = named(&tests).into_iter().filter(|name| !series.contains(*name)).collect();
    assert!(unknown.is_empty(), "alerts are tested with {unknown:?}, which nobody tells");

    let contract = text("docs/contract.md");
    let documented = contract.split("\n- `/metrics`:").nth(1).and_then(|rest| rest.split("\n## ").next());
    let documented = named(documented.expect("a paragraph about /metrics"));
    for metric in &metrics {
        assert!(documented.contains(metric.as_str()), "docs/contract.md does not name {metric}");
        // Panels show all that can be watched.
        let shown =
            |name: &&str| *name == metric || name.strip_prefix(metric).is_some_and(|rest| rest.starts_with('_'));
        assert!(all.iter().any(shown), "{metric} is neither on the dashboard nor in an alert");
    }
    let gone: Vec<_> = documented.into_iter().filter(|name| !metrics.contains(*name)).collect();
    assert!(gone.is_empty(), "docs/contract.md names {gone:?}, which nobody tells");
}

#[test]
fn every_alert_says_what_is_wrong_what_to_do_and_where_more_stands() {
    let operations = text("docs/operations.md");
    let anchor = |heading: &str| {
        let heading = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        heading.chars().filter(|letter| letter.is_alphanumeric() || *letter == '-').collect::<String>()
    };
    let anchors: BTreeSet<String> = operations.lines().filter(|line| line.starts_with("## ")).map(anchor).collect();
    let alerts = alerts();
    assert!(!alerts.is_empty());
    for alert in &alerts {
        let said = |key: &str| alert["annotations"][key].as_str().unwrap_or_default().to_owned();
        let runbook = said("runbook");
        let place = runbook.strip_prefix("docs/operations.md#").unwrap_or_default();
        assert!(anchors.contains(place), "{}: {runbook} is no heading of {anchors:?}", alert["alert"]);
        assert!(!said("summary").is_empty(), "{alert}");
        assert!(
            said("description").contains("caravan "),
            "{} names no command: {}",
            alert["alert"],
            said("description")
        );
        assert!(["page", "ticket"].contains(&alert["labels"]["severity"].as_str().unwrap_or_default()), "{alert}");
        let name = alert["alert"].as_str().unwrap();
        assert!(operations.contains(&format!("`{name}`")), "docs/operations.md does not name {name}");
    }
}

#[test]
fn every_alert_is_tested_to_fire_and_not_to() {
    let tests = yaml("deploy/prometheus/alerts_test.yml");
    let expected = |fires: bool| -> BTreeSet<String> {
        let tests = tests["tests"].as_array().unwrap().iter();
        let looks = tests.flat_map(|test| test["promql_expr_test"].as_array().into_iter().flatten());
        let of_kind =
            looks.filter(|look| look["exp_samples"].as_array().is_some_and(|samples| samples.is_empty() != fires));
        let alert = |look: &Value| {
            let expression = look["expr"].as_str()?.strip_prefix("ALERTS{alertname=\"")?;
            Some(expression.split_once('"')?.0.to_owned())
        };
        of_kind.filter_map(alert).collect()
    };
    let all: BTreeSet<String> = alerts().iter().map(|alert| alert["alert"].as_str().unwrap().to_owned()).collect();
    assert_eq!(expected(true), all);
    assert_eq!(expected(false), all);
}

#[test]
fn a_dashboard_can_be_imported_anywhere_and_names_alerts_that_are_there() {
    let dashboard = dashboard();
    assert_eq!(dashboard["templating"]["list"][0]["type"], "datasource");
    let sources: BTreeSet<&str> = under("uid", &dashboard["panels"]).into_iter().collect();
    assert_eq!(sources, BTreeSet::from(["${datasource}"]));
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().filter_map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len(), "two panels have the same id");
    let alerts = alerts();
    let is_there = |name: &str| alerts.iter().any(|alert| alert["alert"] == name);
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert!(!under("expr", panel).is_empty(), "{panel}");
        let words = panel["description"].as_str().unwrap_or_default().split(|letter: char| !letter.is_alphanumeric());
        for name in words.filter(|word| word.starts_with("Caravan") && word.len() > "Caravan".len()) {
            assert!(is_there(name), "{}: there is no alert {name}", panel["title"]);
        }
    }
}
