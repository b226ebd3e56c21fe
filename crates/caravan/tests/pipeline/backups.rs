//! What is in the directory: its size is bounded, a copy is a whole Caravan, and namespaces share nothing else.

use std::sync::Arc;

use caravan::engine::{Stats, Stop};
use caravan::platform::embedded::OpenOptions;
use caravan::workers::{self, RunOptions, WorkerKind};
use jiff::Span;
use serde_json::json;

use crate::ground::Ground;
use crate::house::{House, NOW, audited};
use crate::sample::{payment, trainer};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_traffic_for_months_needs_no_more_room() {
    let house = House::with(&[trainer("trn_1", json!({}))]).await;
    let payment = payment("pay_1", json!({ "plan": { "sessions": 2 }, "padding": "x".repeat(4_000) }));
    let mut bytes = Vec::new();
    for round in 0..8 {
        let now = NOW.parse::<jiff::Timestamp>().unwrap() + Span::new().hours(24 * 8 * round);
        house.set_clock(&now.to_string());
        house.pay(&vec![payment.clone(); 100]).await;
        house.run().await;
        let copy = house.ground.embedded.database_file().with_extension(format!("copy-{round}"));
        house.ground.embedded.backup(&copy).await.unwrap();
        bytes.push(std::fs::metadata(copy).unwrap().len());
    }
    assert!(bytes[7] <= bytes[1] + bytes[1] / 20, "{bytes:?}");
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_taken_while_workers_run_is_whole_and_goes_on() {
    let house = House::with(&[trainer("trn_1", json!({})), trainer("trn_2", json!({}))]).await;
    let directory = tempfile::tempdir().unwrap();
    let (stop, stats) = (Stop::new(), Arc::new(Stats::default()));
    let options = RunOptions {
        workers: WorkerKind::ALL.to_vec(),
        until_idle: false,
        policy: house.policy.clone(),
        instance: "test".to_owned(),
    };
    let working = async {
        let paying = async {
            let mut backups = Vec::new();
            for round in 0..3 {
                for number in 0..20 {
                    house.pay(&[payment(&format!("pay_{round}_{number}"), json!({ "plan": { "sessions": 2 } }))]).await;
                }
                let backup = directory.path().join(format!("backup-{round}.db"));
                house.ground.embedded.backup(&backup).await.unwrap();
                backups.push(backup);
            }
            stop.request();
            backups
        };
        let (backups, ran) = tokio::join!(paying, workers::run(&house.platform, options, &stop, &stats));
        ran.unwrap();
        backups
    };
    for (round, backup) in (1..).zip(working.await) {
        let ground = Ground::restored(&backup, &directory.path().join(format!("restored-{round}"))).await;
        let other = House::on(ground);
        let report = audited(&other.ground, NOW.parse().unwrap()).await;
        assert_eq!(report.broken(), [], "as it was copied: {:#?}", report.text_lines());
        other.run().await;
        assert_eq!(other.purchases().await.len(), round * 20);
        other.nothing_is_left_over(&[]).await;
    }
    house.run().await;
    assert_eq!(house.purchases().await.len(), 60);
    house.nothing_is_left_over(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_share_nothing_but_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let named = async |namespace: Option<&str>| {
        let namespace = namespace.map(str::to_owned);
        House::on(Ground::open(OpenOptions { namespace, ..OpenOptions::new(directory.path()) }).await)
    };
    let (one, other, unnamed) = (named(Some("one")).await, named(Some("other")).await, named(None).await);
    one.employ(&[trainer("trn_1", json!({}))]).await;
    one.pay(&[payment("pay_1", json!({}))]).await;
    other.pay(&[payment("pay_1", json!({ "amount": { "minor": 5 } }))]).await;
    let _together = tokio::join!(one.run(), other.run(), unnamed.run());
    assert_eq!(one.teacher("pay_1").await, "trn_1: tue 17:00, thu 17:00");
    assert_eq!(other.teacher("pay_1").await, "waitlisted");
    assert_eq!(other.purchase("pay_1").await.confirmation.amount.minor, 5);
    assert!(unnamed.purchases().await.is_empty());
    for house in [one, other, unnamed] {
        house.nothing_is_left_over(&[]).await;
    }
}
