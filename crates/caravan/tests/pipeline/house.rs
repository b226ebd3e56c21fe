//! A Caravan of its own, on whatever ground the tests stand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use caravan::audit::{self, Options, Report, Silent};
use caravan::engine::worker::Worker;
use caravan::engine::{self, Policy, Stats, Stop, Work};
use caravan::lag::lags;
use caravan::platform::Platform;
use caravan::platform::clock::Clock;
use caravan::platform::log::{FetchLimit, Fetched, NewRecord, Record, TopicPartition};
use caravan::platform::rows::{DeadLetter, DeadLetterFilter, Purchase, Session, SessionFilter};
use caravan::roster::{Format, Imported, closures_of, import_closures, import_trainers, trainers_of};
use caravan::workers::{RunOptions, WorkerKind, work};
use caravan_domain::allocation::Receipt;
use caravan_domain::event::{Headers, Topic, payment_id_of};
use caravan_domain::ids::purchase_id;
use jiff::Timestamp;
use serde_json::Value;

use crate::ground::Ground;

/// When every test begins: a Monday.
pub(crate) const NOW: &str = "2026-11-23T10:00:00Z";
/// No pause takes longer by the clock on the wall...
const PAUSE_MAX: Duration = Duration::from_millis(30);
/// ... unless it is as long as this: what is done so rarely is not waited for.
const PERIOD_MIN: Duration = Duration::from_secs(60);
/// A drain that takes longer hangs.
const DRAIN_MAX: Duration = Duration::from_secs(120);
/// More than any test writes.
const ALL: usize = 100_000;

/// A clock that stands still until it is set.
pub(crate) struct SetClock(Mutex<Timestamp>);

impl SetClock {
    pub(crate) fn at(now: &str) -> Arc<Self> {
        Arc::new(Self(Mutex::new(now.parse().unwrap())))
    }
}

#[async_trait]
impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(if duration < PERIOD_MIN { duration.min(PAUSE_MAX) } else { duration }).await;
    }
}

/// A Caravan that nobody else knows of, and the clock everybody in it goes by.
pub(crate) struct House {
    pub(crate) platform: Platform,
    pub(crate) ground: Ground,
    pub(crate) policy: Policy,
    clock: Arc<SetClock>,
    /// What the workers did when they ran last.
    stats: Mutex<Arc<Stats>>,
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::on(Ground::new().await)
    }

    pub(crate) fn on(ground: Ground) -> Self {
        let clock = SetClock::at(NOW);
        let platform = ground.platform(clock.clone());
        Self { platform, ground, policy: Policy::default(), clock, stats: Mutex::default() }
    }

    /// With these trainers on the roster.
    pub(crate) async fn with(trainers: &[Value]) -> Self {
        let house = Self::new().await;
        house.employ(trainers).await;
        house
    }

    pub(crate) fn set_clock(&self, now: &str) {
        *self.clock.0.lock().unwrap() = now.parse().unwrap();
    }

    pub(crate) async fn employ(&self, trainers: &[Value]) -> Imported {
        let entries = trainers_of(lines(trainers).as_bytes(), Format::JsonLines).unwrap();
        import_trainers(&self.platform, &entries).await.unwrap()
    }

    pub(crate) async fn close(&self, closures: &[Value]) {
        let entries = closures_of(lines(closures).as_bytes(), Format::JsonLines).unwrap();
        import_closures(&self.platform, &entries, false).await.unwrap();
    }

    /// Hands payments over as payment services do: bare JSON, keyed by the payment.
    pub(crate) async fn pay(&self, payments: &[Value]) {
        self.hand_over(payments.iter().map(|payment| payment.to_string().into_bytes())).await;
    }

    /// Hands over bytes that may be anything.
    pub(crate) async fn hand_over(&self, values: impl IntoIterator<Item = Vec<u8>>) {
        let record = |value: Vec<u8>| {
            let key = payment_id_of(&value).map(String::into_bytes);
            self.record(key, value, Headers::new())
        };
        self.publish(&values.into_iter().map(record).collect::<Vec<_>>()).await;
    }

    pub(crate) fn record(&self, key: Option<Vec<u8>>, value: Vec<u8>, headers: Headers) -> NewRecord {
        let timestamp = self.platform.clock.now();
        NewRecord { topic: Topic::PurchaseConfirmed, key, value: Some(value), headers, timestamp }
    }

    pub(crate) async fn publish(&self, records: &[NewRecord]) {
        self.platform.log.publish(records).await.unwrap();
    }

    /// Runs all workers until nothing is left to do.
    pub(crate) async fn run(&self) -> Arc<Stats> {
        let work = self.work(&WorkerKind::ALL);
        self.run_work(work).await
    }

    /// Runs these workers alone until nothing is left to do for them.
    pub(crate) async fn run_only(&self, workers: &[WorkerKind]) {
        self.run_work(self.work(workers)).await;
    }

    /// What running these workers until nothing is left to do consists of.
    pub(crate) fn work(&self, workers: &[WorkerKind]) -> Work {
        work(RunOptions {
            workers: workers.to_vec(),
            until_idle: true,
            policy: self.policy.clone(),
            instance: "test".to_owned(),
        })
    }

    /// Runs with other workers than the usual ones.
    pub(crate) async fn run_with(&self, workers: Vec<Box<dyn Worker>>) -> Arc<Stats> {
        let work = Work { workers, ..self.work(&WorkerKind::ALL) };
        self.run_work(work).await
    }

    /// As workers of this house have it who ran last.
    pub(crate) fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.stats.lock().unwrap())
    }

    async fn run_work(&self, work: Work) -> Arc<Stats> {
        let (stop, stats) = (Stop::new(), Arc::new(Stats::default()));
        *self.stats.lock().unwrap() = Arc::clone(&stats);
        let run = engine::run(&self.platform, work, &self.policy, &stop, &stats);
        tokio::time::timeout(DRAIN_MAX, run).await.expect("it does not come to rest").unwrap();
        stats
    }

    pub(crate) async fn purchases(&self) -> Vec<Purchase> {
        let listed = self.platform.store.list_purchases(&Default::default(), None, ALL).await.unwrap();
        listed.into_iter().map(|(_, purchase)| purchase).collect()
    }

    /// The purchase of a payment without items.
    pub(crate) async fn purchase(&self, payment_id: &str) -> Purchase {
        let found = self.platform.store.purchases(&[purchase_id(payment_id, None)]).await.unwrap();
        found.into_iter().next().unwrap_or_else(|| panic!("{payment_id} made no purchase"))
    }

    /// Who teaches a purchase and in which slots, such as `trn_1: tue 17:00, thu 17:00`; its
    /// status if nobody does.
    pub(crate) async fn teacher(&self, payment_id: &str) -> String {
        let purchase = self.purchase(payment_id).await;
        let Some(allocation) = purchase.allocation else { return purchase.status.to_string() };
        let slots: Vec<String> = allocation.slots.iter().map(ToString::to_string).collect();
        format!("{}: {}", allocation.trainer_id, slots.join(", "))
    }

    /// Why that trainer, or why none.
    pub(crate) async fn receipt(&self, payment_id: &str) -> Receipt {
        let purchase = self.purchase(payment_id).await;
        let kept = match &purchase.allocation {
            Some(_) => self.platform.store.receipt(purchase.id).await.unwrap(),
            None => self.platform.store.waiting(&[purchase.id]).await.unwrap().pop().map(|waiting| waiting.receipt),
        };
        serde_json::from_str(&kept.expect("a receipt is kept")).unwrap()
    }

    pub(crate) async fn sessions(&self, payment_id: &str) -> Vec<Session> {
        let filter = SessionFilter { purchase_id: Some(purchase_id(payment_id, None)), ..Default::default() };
        self.platform.store.list_sessions(&filter, None, ALL).await.unwrap()
    }

    /// The planned dates of the session rows, such as `12-01`.
    pub(crate) async fn dates(&self, payment_id: &str) -> Vec<String> {
        let sessions = self.sessions(payment_id).await;
        sessions.iter().map(|session| session.local_date.strftime("%m-%d").to_string()).collect()
    }

    pub(crate) async fn dead_letters(&self) -> Vec<DeadLetter> {
        self.platform.store.list_dead_letters(&DeadLetterFilter::default(), None, ALL).await.unwrap()
    }

    /// The only dead letter there is.
    pub(crate) async fn dead_letter(&self) -> DeadLetter {
        let mut letters = self.dead_letters().await;
        assert_eq!(letters.len(), 1, "{letters:#?}");
        letters.remove(0)
    }

    /// Everything that stands on a topic, partition by partition.
    pub(crate) async fn records(&self, topic: Topic) -> Vec<Record> {
        let mut subscription = self.platform.log.subscribe("reading-along", &[topic]).await.unwrap();
        let topics = self.platform.log.topics().await.unwrap();
        let state = topics.into_iter().find(|state| state.topic == topic).unwrap();
        let starts = (0..).zip(&state.partitions);
        let mut from: BTreeMap<TopicPartition, u64> =
            starts.map(|(partition, state)| (TopicPartition { topic, partition }, state.start)).collect();
        let end = |at: &TopicPartition| state.partitions[at.partition as usize].end;
        let limit = FetchLimit { records_max: ALL, bytes_max: usize::MAX };
        let mut records = Vec::new();
        while from.iter().any(|(at, next)| *next < end(at)) {
            subscription.assigned().await.unwrap();
            if let Fetched::Records(read) = subscription.fetch(&from, limit).await.unwrap() {
                from.extend(read.iter().map(|record: &Record| (record.at, record.offset + 1)));
                records.extend(read);
            }
        }
        subscription.leave().await;
        records.sort_by_key(|record| (record.at, record.offset));
        records
    }

    /// The payloads on a topic about one purchase.
    pub(crate) async fn events(&self, topic: Topic, payment_id: &str) -> Vec<Value> {
        let id = purchase_id(payment_id, None).to_string();
        let values = self.records(topic).await.into_iter().filter_map(|record| record.value);
        let events = values.map(|value| serde_json::from_slice::<Value>(&value).unwrap());
        events.filter(|event| event["purchase_id"] == *id).collect()
    }

    pub(crate) async fn audited(&self) -> Report {
        audited(&self.ground, self.platform.clock.now()).await
    }

    /// How every test ends: the outbox is empty, every group has read everything, the dead letters
    /// are these (reason and how many), and the audit finds nothing.
    pub(crate) async fn nothing_is_left_over(&self, dead_letters: &[(&str, u64)]) {
        let totals = self.platform.store.totals().await.unwrap();
        assert_eq!(totals.outbox, 0, "rows in the outbox");
        let expected: BTreeMap<String, u64> =
            dead_letters.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect();
        let details: Vec<String> = self.dead_letters().await.into_iter().map(|letter| letter.detail).collect();
        assert_eq!(totals.dead_letters, expected, "{details:#?}");
        for lag in lags(&self.platform).await.unwrap() {
            assert_eq!((lag.records(), lag.lost), (0, None), "{lag:?}");
        }
        let report = self.audited().await;
        assert_eq!(report.broken(), [], "{:#?}", report.text_lines());
    }
}

/// The audit of a ground at an instant.
pub(crate) async fn audited(ground: &Ground, now: Timestamp) -> Report {
    let options = Options { window_days: 28, lead_days: 1, max_skipped: 2, ids_shown: ALL, now };
    audit::run(&mut *ground.evidence().await, &options, &Silent).await.unwrap()
}

fn lines(values: &[Value]) -> String {
    values.iter().map(|value| format!("{value}\n")).collect()
}
