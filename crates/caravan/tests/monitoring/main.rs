//! What monitoring is told, and that dashboard, alerts and documents go by nothing else.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use caravan::engine::worker::Worker;
use caravan::engine::{self, Policy, Stats, Stop, Work};
use caravan::http::{self, Options, Server};
use caravan::platform::Platform;
use caravan::platform::clock::Clock;
use caravan::platform::embedded::{Embedded, OpenOptions};
use caravan::platform::log::NewRecord;
use caravan::roster::{Format, import_trainers, trainers_of};
use caravan::workers::{RunOptions, WorkerKind, work};
use caravan_domain::event::{Headers, Topic, payment_id_of};
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard};

mod deployed;
mod moving;

/// When every test begins: a Monday, eight hours after the cron was due.
const NOW: &str = "2026-11-23T10:00:00Z";
/// No pause takes longer by the clock on the wall...
const PAUSE_MAX: Duration = Duration::from_millis(30);
/// ... unless it is as long as this: what is done so rarely is not waited for.
const PERIOD_MIN: Duration = Duration::from_secs(60);
/// A drain that takes longer hangs.
const DRAIN_MAX: Duration = Duration::from_secs(120);

/// A process has one set of numbers: one test at a time moves them.
static ALONE: AsyncMutex<()> = AsyncMutex::const_new(());

/// A clock that stands still until it is set.
struct SetClock(Mutex<Timestamp>);

#[async_trait]
impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(if duration < PERIOD_MIN { duration.min(PAUSE_MAX) } else { duration }).await;
    }
}

/// A Caravan that is served and that nobody else knows of.
struct House {
    platform: Platform,
    clock: Arc<SetClock>,
    server: Server,
    stop: Stop,
    _directory: TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl House {
    async fn new() -> Self {
        let alone = ALONE.lock().await;
        let directory = tempfile::tempdir().unwrap();
        let options = OpenOptions { partitions: Some(3), ..OpenOptions::new(directory.path()) };
        let clock = Arc::new(SetClock(Mutex::new(NOW.parse().unwrap())));
        let embedded = Arc::new(Embedded::open(options).await.unwrap());
        let platform = embedded.platform(clock.clone());
        let stop = Stop::new();
        let options = Options { workers: WorkerKind::ALL.to_vec(), ..Options::default() };
        let server = http::serve("127.0.0.1:0", options, Arc::default(), stop.clone()).await.unwrap();
        server.opened(&platform, embedded);
        Self { platform, clock, server, stop, _directory: directory, _alone: alone }
    }

    fn set_clock(&self, now: &str) {
        *self.clock.0.lock().unwrap() = now.parse().unwrap();
    }

    async fn employ(&self, trainer: Value) {
        let entries = trainers_of(trainer.to_string().as_bytes(), Format::JsonLines).unwrap();
        import_trainers(&self.platform, &entries).await.unwrap();
    }

    /// Hands payments over as payment services do.
    async fn pay(&self, payments: &[Value]) {
        let record = |payment: &Value| {
            let value = payment.to_string().into_bytes();
            let (topic, key) = (Topic::PurchaseConfirmed, payment_id_of(&value).map(String::into_bytes));
            NewRecord { topic, key, value: Some(value), headers: Headers::new(), timestamp: self.platform.clock.now() }
        };
        self.platform.log.publish(&payments.iter().map(record).collect::<Vec<_>>()).await.unwrap();
    }

    /// Runs all workers until nothing is left to do.
    async fn run(&self) {
        self.run_work(self.work(&WorkerKind::ALL)).await;
    }

    fn work(&self, workers: &[WorkerKind]) -> Work {
        let (workers, policy, instance) = (workers.to_vec(), Policy::default(), "test".to_owned());
        work(RunOptions { workers, until_idle: true, policy, instance })
    }

    /// Runs this worker alone until nothing is left to do for it.
    async fn run_worker(&self, worker: Box<dyn Worker>) {
        let workers = vec![worker];
        self.run_work(Work { workers, ..self.work(&[]) }).await;
    }

    async fn run_work(&self, work: Work) {
        let (stop, stats, policy) = (Stop::new(), Arc::new(Stats::default()), Policy::default());
        let run = engine::run(&self.platform, work, &policy, &stop, &stats);
        tokio::time::timeout(DRAIN_MAX, run).await.expect("it does not come to rest").unwrap();
    }

    /// The status and the text of what is answered.
    async fn get(&self, path: &str) -> (u16, String) {
        let url = format!("http://{}{path}", self.server.address);
        let asking = move || {
            let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
            let mut answer = agent.get(&url).call().unwrap();
            (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
        };
        tokio::task::spawn_blocking(asking).await.unwrap()
    }

    /// What a monitor is told now.
    async fn numbers(&self) -> Numbers {
        let (status, text) = self.get("/metrics").await;
        assert_eq!(status, 200, "{text}");
        Numbers(text)
    }

    /// Ends the server.
    async fn end(self) {
        self.stop.request();
        self.server.ended.await.unwrap();
    }
}

/// Numbers in Prometheus' text format.
struct Numbers(String);

impl Numbers {
    /// The value of a series; `None` if it is not there.
    fn find(&self, series: &str) -> Option<f64> {
        let value = |line: &str| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok();
        self.0.lines().find_map(value)
    }

    /// The value of a series that is there.
    #[track_caller]
    fn of(&self, series: &str) -> f64 {
        self.find(series).unwrap_or_else(|| panic!("{series} is not in:\n{}", self.0))
    }

    /// By how much a counter has stepped since.
    #[track_caller]
    fn steps(&self, since: &Self, counter: &str) -> f64 {
        self.of(counter) - since.find(counter).unwrap_or(0.0)
    }
}

/// A trainer who teaches python every afternoon, in this language.
fn trainer(trainer_id: &str, language: &str) -> Value {
    let afternoon = |day: &str| json!({ "weekday": day, "from": "14:00", "until": "20:00" });
    let availability = ["mon", "tue", "wed", "thu", "fri"].map(afternoon);
    json!({ "trainer_id": trainer_id, "name": "Ravi", "email": "ravi@example.com", "time_zone": "Europe/Berlin",
            "languages": [language], "courses": [{ "subject": "python", "levels": ["beginner"] }],
            "availability": availability })
}

/// A payment for a course, by a student who speaks this language.
fn payment(payment_id: &str, subject: &str, language: &str) -> Value {
    json!({
        "payment_id": payment_id, "confirmed_at": NOW, "amount": { "minor": 49_900, "currency": "EUR" },
        "student": { "id": format!("stu_{payment_id}"), "time_zone": "Europe/Berlin", "languages": [language] },
        "course": { "subject": subject, "level": "beginner" },
        "plan": { "start_date": "2026-12-01", "sessions": 10, "per_week": 1, "minutes": 60,
                  "slots": [{ "weekday": "tue", "at": "17:00" }, { "weekday": "thu", "at": "17:00" }] },
    })
}
