//! What the dashboard costs, against something in the same run:
//!
//! - its pages in a business of a million purchases, against one of ten thousand;
//! - the pipeline while somebody has the dashboard open, against the pipeline alone.
//!
//! `cargo bench -p caravan --bench dashboard [-- --purchases N]`

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use caravan::access::{create_token, sign_in};
use caravan::engine::{Stats, Stop};
use caravan::http::{self, Options, Server};
use caravan::platform::Platform;
use caravan::platform::clock::SystemClock;
use caravan::platform::embedded::{Embedded, OpenOptions};
use caravan::platform::log::NewRecord;
use caravan::platform::transaction::Transaction;
use caravan::workers::WorkerKind;
use caravan_domain::access::Role;
use caravan_domain::event::{Headers, Topic};
use jiff::Timestamp;
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use served::{confirmation, connect, employ, request, settle, work};

mod served;

/// Purchases of the large business, unless another number is asked for, and of the one it is held against.
const LARGE: u32 = 1_000_000;
const SMALL: u32 = 10_000;
/// How a business grows: the payment that is taught and the one that waits many times over, at as many a day.
const GROW: &str = include_str!("dashboard.sql");
/// Trainers of each business.
const TRAINERS: u32 = 500;
/// How often each page is asked for.
const ASKED: u32 = 100;
/// Trainers of the business whose pipeline is measured.
const TEACHING: u32 = 2_000;
/// Payments of a round.
const ROUND: u64 = 2_000;
/// Rounds with nobody looking, and as many with somebody.
const ROUNDS: u64 = 6;
/// Payments handed over at once.
const AT_ONCE: u64 = 100;
/// How often an open dashboard is read anew at the most, as its script does it.
const REFRESH_PAUSE: Duration = Duration::from_millis(500);

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--purchases").skip(1);
    let large = arguments.next().map_or(LARGE, |number| number.parse().expect("--purchases is a number"));
    let small = pages(SMALL).await;
    let large = pages(large).await;
    println!("{:<22} {:>10} {:>10} {:>10} {:>10} {:>7}", "page", "p50 ms", "p99 ms", "small p50", "small p99", "ratio");
    for ((name, took), (_, before)) in large.iter().zip(&small) {
        let (now, then) = (took.at(0.5), before.at(0.5));
        let (slow, slow_then) = (took.at(0.99), before.at(0.99));
        println!("{name:<22} {now:>10.1} {slow:>10.1} {then:>10.1} {slow_then:>10.1} {:>7.2}", now / then);
    }
    let slowest = large.iter().map(|(_, took)| took.at(0.99)).fold(0.0, f64::max);
    println!("the slowest page's p99: {slowest:.1} ms");
    open_dashboard().await;
}

/// How long answers took, in milliseconds, the shortest first.
struct Took(Vec<f64>);

impl Took {
    fn of(mut millis: Vec<f64>) -> Self {
        millis.sort_by(f64::total_cmp);
        Self(millis)
    }

    fn at(&self, share: f64) -> f64 {
        self.0[((self.0.len() - 1) as f64 * share).round() as usize]
    }
}

/// A business that is served.
struct Business {
    directory: TempDir,
    embedded: Arc<Embedded>,
    platform: Platform,
    server: Server,
    working: JoinHandle<()>,
    stop: Stop,
    /// The header of whoever is signed in.
    cookie: String,
}

impl Business {
    async fn with(trainers: u32) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let options = OpenOptions { partitions: Some(3), ..OpenOptions::new(directory.path()) };
        let embedded = Arc::new(Embedded::open(options).await.expect("a database"));
        let platform = embedded.platform(Arc::new(SystemClock));
        platform.log.create_topics(3).await.expect("topics");
        let (stop, stats) = (Stop::new(), Arc::new(Stats::default()));
        let options = Options { workers: WorkerKind::ALL.to_vec(), time_zone: "UTC".to_owned(), ..Options::default() };
        let server = http::serve("127.0.0.1:0", options, stats.clone(), stop.clone()).await.expect("a port");
        server.opened(&platform, embedded.clone());
        let (token, _) = create_token(&platform, "bench", Role::Operate).await.expect("a token");
        let (_, secret) = sign_in(&platform, token.id).await.expect("a sign-in");
        employ(&platform, trainers).await;
        let working = tokio::spawn(work(platform.clone(), stop.clone(), stats));
        let cookie = format!("Cookie: caravan_sign_in={secret}");
        Self { directory, embedded, platform, server, working, stop, cookie }
    }

    async fn end(self) {
        self.stop.request();
        self.working.await.expect("the workers end");
        self.server.ended.await.expect("the server ends");
        self.embedded.close().await;
    }
}

/// How long each page takes in a business of so many purchases.
async fn pages(purchases: u32) -> Vec<(&'static str, Took)> {
    let business = Business::with(TRAINERS).await;
    let mut waits: Value = serde_json::from_str(&confirmation(1)).expect("JSON");
    waits["course"]["subject"] = "cobol".into();
    // One after the other, so that each is the row that it is known by.
    for (key, value) in [("pay_0", confirmation(0)), ("pay_1", waits.to_string()), ("broken", "{}".to_owned())] {
        hand_over(&business.platform, vec![(key.to_owned(), value)]).await;
        settle(&business.platform).await;
    }
    grow(business.directory.path(), purchases).await;
    let mut found = Vec::new();
    for (name, path) in page_paths(purchases) {
        let mut millis = Vec::new();
        let mut connection = connect(business.server.address).await;
        for number in 0..ASKED {
            let request = request("GET", &path(number), &business.cookie, "");
            let begun = Instant::now();
            connection.ask(&request).await;
            millis.push(begun.elapsed().as_secs_f64() * 1_000.0);
        }
        found.push((name, Took::of(millis)));
    }
    business.end().await;
    found
}

type PathOf = Box<dyn Fn(u32) -> String>;

/// Each page, with the addresses it is asked for by.
fn page_paths(purchases: u32) -> Vec<(&'static str, PathOf)> {
    // Somewhere in all of them, another each time.
    let spread = move |number: u32| 1_000 + (u64::from(number) * 7_919_993 % u64::from(purchases)) as u32;
    let id = move |number: u32| format!("{:08x}-0000-4000-8000-{:012x}", spread(number), spread(number));
    let fixed = |path: &'static str| -> PathOf { Box::new(move |_| path.to_owned()) };
    let day = |number: u32| Timestamp::now().as_second() - i64::from(number % 28) * 86_400;
    let date = move |number: u32| Timestamp::from_second(day(number)).expect("a day").strftime("%F").to_string();
    vec![
        ("today", fixed("/")),
        ("purchases", fixed("/purchases")),
        ("one state", fixed("/purchases?status=completed")),
        ("one student", Box::new(move |number| format!("/purchases?q=stu_{}", spread(number) % 300_000))),
        ("one payment", Box::new(move |number| format!("/purchases?q=pay_{}", spread(number)))),
        ("one trainer", Box::new(|number| format!("/purchases?trainer=trn_{}", number % TRAINERS))),
        ("days", Box::new(move |number| format!("/purchases?from={0}&until={0}", date(number)))),
        ("a purchase", Box::new(move |number| format!("/purchases/{}", id(number)))),
        ("sessions of a day", Box::new(move |number| format!("/sessions?from={0}&until={0}", date(number)))),
        ("trainers", fixed("/trainers")),
        ("a trainer", Box::new(|number| format!("/trainers/trn_{}", number % TRAINERS))),
        ("waitlist", fixed("/waitlist")),
        ("conflicts", fixed("/conflicts")),
        ("dead letters", fixed("/dead-letters")),
        ("system", fixed("/system")),
    ]
}

/// Writes a business's past beside what the pipeline has made of two payments and a broken record.
async fn grow(directory: &Path, purchases: u32) {
    let mut database = database(directory).await;
    for (statement, sql) in GROW.split(";\n\n").enumerate() {
        let query = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).bind(purchases);
        query.execute(&mut database).await.unwrap_or_else(|error| panic!("statement {statement}: {error}"));
    }
    database.close().await.expect("it closes");
}

async fn database(directory: &Path) -> SqliteConnection {
    let options =
        SqliteConnectOptions::new().filename(directory.join("caravan.db")).busy_timeout(Duration::from_secs(60));
    options.connect().await.expect("the database")
}

async fn hand_over(platform: &Platform, payments: Vec<(String, String)>) {
    let record = |(key, value): (String, String)| NewRecord {
        topic: Topic::PurchaseConfirmed,
        key: Some(key.into_bytes()),
        value: Some(value.into_bytes()),
        headers: Headers::new(),
        timestamp: Timestamp::now(),
    };
    let outbox = payments.into_iter().map(record).collect();
    platform.store.commit(&Transaction { outbox, ..Transaction::default() }).await.expect("a commit");
}

/// The pipeline with and without somebody who has the dashboard open, in turns.
async fn open_dashboard() {
    let business = Business::with(TEACHING).await;
    let address = business.server.address;
    round(&business.platform, 0).await;
    let mut took = [Vec::new(), Vec::new()];
    let looked = Arc::new(AtomicU64::new(0));
    for number in 1..=ROUNDS {
        // What comes first changes from pair to pair: later rounds have more beside them.
        for turn in [number % 2, (number + 1) % 2] {
            let looking =
                (turn == 1).then(|| tokio::spawn(look(address, business.cookie.clone(), Arc::clone(&looked))));
            took[turn as usize].push(round(&business.platform, number * 2 + turn).await);
            if let Some(looking) = looking {
                looking.abort();
            }
        }
    }
    business.end().await;
    let [alone, open] = took.map(|seconds| Took::of(seconds).at(0.5));
    let rate = |seconds: f64| ROUND as f64 / seconds;
    println!(
        "purchases a second: {:.0} alone, {:.0} with an open dashboard ({} pages read): ratio {:.3}",
        rate(alone),
        rate(open),
        looked.load(Ordering::Relaxed),
        alone / open
    );
}

/// Seconds until a round of payments is in the calendar.
async fn round(platform: &Platform, number: u64) -> f64 {
    let first = 100 + number * ROUND;
    let payments: Vec<_> =
        (first..first + ROUND).map(|number| (format!("pay_{number}"), confirmation(number))).collect();
    let begun = Instant::now();
    for some in payments.chunks(AT_ONCE as usize) {
        hand_over(platform, some.to_vec()).await;
    }
    settle(platform).await;
    begun.elapsed().as_secs_f64()
}

/// Has the dashboard open, as a browser has.
async fn look(address: SocketAddr, cookie: String, looked: Arc<AtomicU64>) {
    let mut live = TcpStream::connect(address).await.expect("a connection");
    live.write_all(request("GET", "/live", &cookie, "").as_bytes()).await.expect("a request");
    let (mut page, mut said) = (connect(address).await, vec![0; 64 * 1024]);
    while live.read(&mut said).await.expect("what is said") > 0 {
        page.ask(&request("GET", "/", &cookie, "")).await;
        looked.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(REFRESH_PAUSE).await;
    }
}
