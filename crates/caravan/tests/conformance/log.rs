use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use caravan::platform::PlatformError;
use caravan::platform::log::{FetchLimit, Fetched, NewRecord, Record, Subscription, TopicPartition};
use caravan_domain::event::{Topic, partition_for};
use jiff::Timestamp;

use crate::world::{World, instant, minutes_later, purchase, purchases, record};

const TOPIC: Topic = Topic::PurchaseConfirmed;
const ALL: FetchLimit = FetchLimit { records_max: 1_000, bytes_max: 1 << 20 };
/// What another process writes is noticed within this.
const NOTICED_WITHIN: Duration = Duration::from_millis(250);

fn at(partition: u32) -> TopicPartition {
    TopicPartition { topic: TOPIC, partition }
}

fn from_start() -> BTreeMap<TopicPartition, u64> {
    (0..3).map(|partition| (at(partition), 0)).collect()
}

async fn fetch(world: &World, from: &BTreeMap<TopicPartition, u64>, limit: FetchLimit) -> Vec<Record> {
    let mut subscription = world.here.log.subscribe("readers", &[TOPIC]).await.unwrap();
    subscription.assigned().await.unwrap();
    let records = fetched(&mut *subscription, from, limit).await;
    subscription.leave().await;
    records
}

async fn fetched(
    subscription: &mut dyn Subscription,
    from: &BTreeMap<TopicPartition, u64>,
    limit: FetchLimit,
) -> Vec<Record> {
    loop {
        match subscription.fetch(from, limit).await.unwrap() {
            Fetched::Records(records) => return records,
            Fetched::Reassigned => drop(subscription.assigned().await.unwrap()),
        }
    }
}

fn values(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8(record.value.clone().unwrap()).unwrap()).collect()
}

/// Keys of which each goes to another of three partitions.
fn keys() -> [String; 3] {
    [0, 1, 2].map(|wanted| {
        let mut candidates = (0..).map(|number| format!("key-{number}"));
        candidates.find(|key| partition_for(Some(key.as_bytes()), 3) == Some(wanted)).unwrap()
    })
}

fn timed(key: &str, value: &str, timestamp: Timestamp) -> NewRecord {
    NewRecord { timestamp, ..record(TOPIC, Some(key), value) }
}

pub(crate) async fn topics_are_created_once_and_keep_their_identity(world: &World) {
    let topics = world.here.log.topics().await.unwrap();
    assert_eq!(topics.len(), Topic::ALL.len());
    for topic in &topics {
        assert_eq!(topic.partitions.len(), 3);
        assert!(topic.partitions.iter().all(|state| (state.start, state.end) == (0, 0)));
    }
    assert_eq!(world.beside.log.create_topics(3).await.unwrap(), []);
    assert_eq!(world.here.log.topics().await.unwrap(), topics, "the same identities");
    for other in [0, 4, 1_000_000] {
        let refused = world.here.log.create_topics(other).await;
        assert!(matches!(refused, Err(PlatformError::Broken(_))), "{other}: {refused:?}");
    }
    let mut subscription = world.here.log.subscribe("readers", &[TOPIC, Topic::TrainerChanged]).await.unwrap();
    let mut assigned = subscription.assigned().await.unwrap();
    assigned.sort();
    let expected = [TOPIC, Topic::TrainerChanged]
        .iter()
        .flat_map(|topic| (0..3).map(|partition| TopicPartition { topic: *topic, partition }));
    assert_eq!(assigned, expected.collect::<Vec<_>>());
}

pub(crate) async fn a_key_keeps_its_order_in_the_partition_java_chooses(world: &World) {
    let known = ["21", "foobar", "a-little-bit-long-string", "a-little-bit-longer-string", "abc"];
    for round in 0..20 {
        let records: Vec<_> = known.iter().map(|key| record(TOPIC, Some(key), &format!("{round:02}"))).collect();
        let side = if round % 2 == 0 { &world.here } else { &world.beside };
        side.log.publish(&records).await.unwrap();
    }
    let records = fetch(world, &from_start(), ALL).await;
    assert_eq!(records.len(), 100);
    for key in known {
        let of_key: Vec<_> =
            records.iter().filter(|record| record.key.as_deref() == Some(key.as_bytes())).cloned().collect();
        let partition = partition_for(Some(key.as_bytes()), 3).unwrap();
        assert!(of_key.iter().all(|record| record.at == at(partition)), "{key}");
        assert_eq!(values(&of_key), (0..20).map(|round| format!("{round:02}")).collect::<Vec<_>>(), "{key}");
        assert!(of_key.is_sorted_by_key(|record| record.offset));
    }
    let topics = world.beside.log.topics().await.unwrap();
    let state = &topics.iter().find(|topic| topic.topic == TOPIC).unwrap().partitions;
    for (partition, state) in (0..).zip(state) {
        let last = records.iter().filter(|record| record.at == at(partition)).map(|record| record.offset).max();
        assert_eq!(state.end, last.map_or(0, |offset| offset + 1));
    }
}

pub(crate) async fn records_without_a_key_are_spread(world: &World) {
    let records: Vec<_> = (0..60).map(|number| record(TOPIC, None, &number.to_string())).collect();
    world.here.log.publish(&records).await.unwrap();
    let fetched = fetch(world, &from_start(), ALL).await;
    for partition in 0..3 {
        let share = fetched.iter().filter(|record| record.at == at(partition)).count();
        assert!(share > 0, "partition {partition} has some");
    }
    assert_eq!(fetched.len(), 60);
}

pub(crate) async fn records_come_back_as_they_were(world: &World) {
    let mut sent = record(TOPIC, Some("k"), "v");
    sent.headers.push("binary", Some(vec![0, 255, 1]));
    sent.headers.push("ce_id", None);
    let empty = NewRecord { key: None, value: None, headers: Default::default(), ..sent.clone() };
    let hollow = NewRecord { key: Some(Vec::new()), value: Some(Vec::new()), ..sent.clone() };
    for expected in [sent, empty, hollow] {
        let from: BTreeMap<_, _> = ends(world).await;
        world.here.log.publish(std::slice::from_ref(&expected)).await.unwrap();
        let found = fetch(world, &from, ALL).await;
        assert_eq!(found.len(), 1);
        assert_eq!((&found[0].key, &found[0].value), (&expected.key, &expected.value));
        assert_eq!((&found[0].headers, found[0].timestamp), (&expected.headers, expected.timestamp));
    }
}

async fn ends(world: &World) -> BTreeMap<TopicPartition, u64> {
    let topics = world.here.log.topics().await.unwrap();
    let topic = topics.iter().find(|topic| topic.topic == TOPIC).unwrap();
    (0..).map(at).zip(topic.partitions.iter().map(|state| state.end)).collect()
}

pub(crate) async fn fetch_goes_by_time_across_partitions_within_its_limits(world: &World) {
    let keys = keys();
    let start = instant("2026-11-23T10:00:00Z");
    let records: Vec<_> = (0..300)
        .map(|number| {
            timed(&keys[number % 3], &format!("{number:03}"), minutes_later(start, i64::try_from(number).unwrap()))
        })
        .collect();
    world.here.log.publish(&records).await.unwrap();
    let mut from = from_start();
    let mut read = Vec::new();
    loop {
        let batch = fetch(world, &from, FetchLimit { records_max: 70, bytes_max: 1 << 20 }).await;
        assert!(batch.len() <= 70);
        let Some(_) = batch.last() else { break };
        for record in &batch {
            from.insert(record.at, record.offset + 1);
        }
        read.extend(batch);
    }
    assert_eq!(values(&read), (0..300).map(|number| format!("{number:03}")).collect::<Vec<_>>());

    let size = |record: &Record| record.key.as_ref().map_or(0, Vec::len) + record.value.as_ref().map_or(0, Vec::len);
    let few = fetch(world, &from_start(), FetchLimit { records_max: 1_000, bytes_max: 500 }).await;
    assert!(!few.is_empty() && few.iter().map(size).sum::<usize>() <= 500, "{}", few.len());
    let only_one = BTreeMap::from([(at(1), 50)]);
    let rest = fetch(world, &only_one, ALL).await;
    assert_eq!(rest.len(), 50);
    assert!(rest.iter().all(|record| record.at == at(1) && record.offset >= 50));
    assert_eq!(fetch(world, &BTreeMap::new(), ALL).await, []);
    assert_eq!(fetch(world, &ends(world).await, ALL).await, []);
}

pub(crate) async fn a_large_record_comes_alone(world: &World) {
    let [key, ..] = keys();
    let large = "x".repeat(100_000);
    let time = instant("2026-11-23T10:00:00Z");
    world.here.log.publish(&[timed(&key, &large, time), timed(&key, "small", time)]).await.unwrap();
    let limit = FetchLimit { records_max: 10, bytes_max: 1_000 };
    assert_eq!(values(&fetch(world, &from_start(), limit).await), [large]);
    assert_eq!(values(&fetch(world, &BTreeMap::from([(at(0), 1)]), limit).await), ["small"]);
}

pub(crate) async fn trimmed_records_leave_a_gap_that_reading_passes(world: &World) {
    let [key, ..] = keys();
    let start = instant("2026-11-23T10:00:00Z");
    let records: Vec<_> =
        (0..10).map(|number| timed(&key, &number.to_string(), minutes_later(start, number))).collect();
    world.here.log.publish(&records).await.unwrap();
    let consumed = BTreeMap::from([(at(0), 6)]);
    assert_eq!(world.here.log.trim(&consumed, minutes_later(start, 100)).await.unwrap(), 6);
    let rest = fetch(world, &from_start(), ALL).await;
    assert_eq!(values(&rest), ["6", "7", "8", "9"]);
    assert_eq!(rest[0].offset, 6, "offsets are never given again");

    world.here.log.trim(&BTreeMap::from([(at(0), 10)]), minutes_later(start, 100)).await.unwrap();
    let topics = world.beside.log.topics().await.unwrap();
    let state = topics.iter().find(|topic| topic.topic == TOPIC).unwrap().partitions[0];
    assert_eq!((state.start, state.end), (10, 10));
    world.beside.log.publish(&[timed(&key, "next", start)]).await.unwrap();
    assert_eq!(fetch(world, &from_start(), ALL).await[0].offset, 10);
}

pub(crate) async fn trim_keeps_what_is_young_or_unread(world: &World) {
    let keys = keys();
    let start = instant("2026-11-23T10:00:00Z");
    let records: Vec<_> = (0..30_usize)
        .map(|number| {
            timed(&keys[number % 3], &number.to_string(), minutes_later(start, i64::try_from(number).unwrap()))
        })
        .collect();
    world.here.log.publish(&records).await.unwrap();
    let consumed = BTreeMap::from([(at(0), 10), (at(1), 2)]);
    let dropped = world.here.log.trim(&consumed, minutes_later(start, 15)).await.unwrap();
    assert_eq!(dropped, 7, "five old of partition 0, two read of partition 1, none of partition 2");
    assert_eq!(fetch(world, &from_start(), ALL).await.len(), 23);
    assert_eq!(world.here.log.trim(&consumed, minutes_later(start, 15)).await.unwrap(), 0);
}

pub(crate) async fn a_waiting_reader_wakes_for_records_from_both_sides(world: &World) {
    let mut subscription = world.here.log.subscribe("readers", &[TOPIC]).await.unwrap();
    subscription.assigned().await.unwrap();
    let mut from = from_start();
    for (number, side) in [&world.beside, &world.here, &world.beside].into_iter().enumerate() {
        let record = record(TOPIC, Some("k"), &number.to_string());
        let log = std::sync::Arc::clone(&side.log);
        let publishing = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(150)).await;
            log.publish(&[record]).await.unwrap();
            Instant::now()
        });
        let found = loop {
            let found = fetched(&mut *subscription, &from, ALL).await;
            if !found.is_empty() {
                break found;
            }
            subscription.wait(Duration::from_secs(10)).await;
        };
        let late = publishing.await.unwrap().elapsed();
        assert!(late < NOTICED_WITHIN, "after {late:?}");
        assert_eq!(values(&found), [number.to_string()]);
        from.insert(found[0].at, found[0].offset + 1);
    }
}

pub(crate) async fn changes_of_the_store_wake_from_both_sides(world: &World) {
    // What came before somebody listens may wake them once more.
    tokio::time::sleep(Duration::from_millis(60)).await;
    for (number, side) in [&world.beside, &world.here].into_iter().enumerate() {
        let store = std::sync::Arc::clone(&side.store);
        let new = purchase(&format!("pay_{number}"), "stu_1");
        let id = new.id;
        let committing = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(150)).await;
            store.commit(&purchases(vec![new])).await.unwrap();
            Instant::now()
        });
        loop {
            let seen = world.here.store.changes().await;
            if !world.here.store.purchases(&[id]).await.unwrap().is_empty() {
                break;
            }
            world.here.store.changed_since(seen, Duration::from_secs(10)).await;
        }
        let late = committing.await.unwrap().elapsed();
        assert!(late < NOTICED_WITHIN, "after {late:?}");
    }
    let began = Instant::now();
    for _ in 0..3 {
        let seen = world.here.store.changes().await;
        world.here.store.changed_since(seen, Duration::from_millis(50)).await;
    }
    assert!(began.elapsed() < Duration::from_secs(5), "nothing changes, and it returns all the same");
}
