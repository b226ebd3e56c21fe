//! Several instances of every worker: they come, go, die, stand still, and are told everything more than once.

use std::time::Duration;

use caravan::platform::distributed::GroupProtocol;

use super::site::Site;
use crate::place::until;
use crate::services::Namespace;

/// Longer than a member may be silent before its partitions go to others.
const SILENCE: Duration = Duration::from_secs(14);

#[test]
fn instances_come_and_go_and_die_under_load() {
    come_and_go(Site::with_trainers(8));
}

#[test]
fn and_where_the_brokers_share_partitions_out() {
    come_and_go(Site::on(Namespace::with(GroupProtocol::Consumer), 8));
}

fn come_and_go(site: Site) {
    let first = site.start();
    site.pay("a", 60, 1);
    let second = site.start();
    site.pay("b", 60, 1);
    let third = site.start();
    first.kill();
    site.pay("c", 60, 1);
    let mut leaving = second;
    leaving.terminate();
    let (code, took) = leaving.ended();
    assert_eq!(code, Some(0), "{}", leaving.log());
    assert!(took < Duration::from_secs(10), "leaving took {took:?}");
    site.pay("d", 60, 1);
    let fourth = site.start();
    third.kill();
    site.accounts_for(240, 4);
    drop(fourth);
}

#[test]
fn three_instances_of_each_worker_share_what_comes_three_times() {
    let site = Site::with_trainers(8);
    let workers = ["purchase", "allocation", "session", "cache"];
    let mut running: Vec<_> = workers
        .iter()
        .flat_map(|worker| (0..3).map(|_| site.place.spawn(&["run", "--workers", worker], &super::site::SMALL_BATCHES)))
        .collect();
    site.pay("a", 120, 3);
    // Broken ones are dead letters each time: they are told of one by one.
    site.accounts_for(120, 3);
    for process in &running {
        process.terminate();
    }
    for process in &mut running {
        assert_eq!(process.ended().0, Some(0), "{}", process.log());
    }
}

#[test]
fn one_that_stood_still_while_its_partitions_moved_does_no_harm() {
    let site = Site::with_trainers(8);
    let sleeper = site.start();
    site.pay("a", 80, 1);
    until("it is at work", || !site.place.run(&["purchases", "list", "--json"]).json_lines().is_empty());
    sleeper.signal("-STOP");
    let awake = site.start();
    site.pay("b", 40, 1);
    std::thread::sleep(SILENCE);
    sleeper.signal("-CONT");
    site.pay("c", 40, 1);
    site.accounts_for(160, 3);
    drop((sleeper, awake));
}
