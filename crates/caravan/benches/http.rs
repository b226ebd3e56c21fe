//! What the HTTP interface costs, against something in the same run:
//!
//! - cached reads, as a share of what a bare handler that answers the same bytes does;
//! - confirmed payments of 64 clients, as a multiple of one commit for each;
//! - how long confirmations take at 500 a second, while all workers work.
//!
//! `cargo bench -p caravan --bench http`

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use caravan::access::create_token;
use caravan::engine::{Stats, Stop};
use caravan::http::{self, Options};
use caravan::platform::Platform;
use caravan::platform::clock::SystemClock;
use caravan::platform::embedded::{Embedded, OpenOptions};
use caravan::platform::log::NewRecord;
use caravan::platform::transaction::Transaction;
use caravan::workers::WorkerKind;
use caravan_domain::access::Role;
use caravan_domain::event::{Headers, Topic};
use caravan_domain::ids::purchase_id;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use served::{Connection, confirmation, connect, employ, request, settle, work};

mod served;

/// Trainers enough for some; the others wait, which costs as much.
const TRAINERS: u32 = 200;
/// Connections that read at once.
const READERS: usize = 32;
/// Clients that confirm payments at once.
const PAYERS: usize = 64;
/// How long each is measured.
const MEASURED: Duration = Duration::from_secs(5);
/// Confirmations a second whose latency is measured.
const RATE: u32 = 500;
/// How long that goes on.
const STEADY: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() {
    let directory = tempfile::tempdir().expect("a directory");
    let options = OpenOptions { partitions: Some(3), ..OpenOptions::new(directory.path()) };
    let embedded = Arc::new(Embedded::open(options).await.expect("a database"));
    let platform = embedded.platform(Arc::new(SystemClock));
    platform.log.create_topics(3).await.expect("topics");
    let (stop, stats) = (Stop::new(), Arc::new(Stats::default()));
    let options = Options { workers: WorkerKind::ALL.to_vec(), ..Options::default() };
    let server = http::serve("127.0.0.1:0", options, stats.clone(), stop.clone()).await.expect("a port");
    server.opened(&platform, embedded.clone());
    let (_, token) = create_token(&platform, "bench", Role::Admin).await.expect("a token");
    let token = format!("Authorization: Bearer {token}");
    employ(&platform, TRAINERS).await;
    payments(&platform, server.address, &token, 0, "no worker at work, as with caravan serve").await;
    let working = tokio::spawn(work(platform.clone(), stop.clone(), stats));
    settle(&platform).await;
    reads(&platform, server.address, &token).await;
    payments(&platform, server.address, &token, 10_000_000, "all workers at work").await;
    settle(&platform).await;
    steady(server.address, &token).await;

    stop.request();
    working.await.expect("the workers end");
    server.ended.await.expect("the server ends");
    embedded.close().await;
}

/// Cached reads against a bare handler of the same bytes, in turns.
async fn reads(platform: &Platform, address: SocketAddr, token: &str) {
    post(&mut connect(address).await, token, &confirmation(u64::MAX / 2)).await;
    let id = purchase_id(&format!("pay_{}", u64::MAX / 2), None);
    while platform.store.purchases(&[id]).await.expect("a read").is_empty() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let path = format!("/v1/purchases/{id}");
    let bytes = connect(address).await.ask(&request("GET", &path, token, "")).await.to_vec();
    let size = bytes.len();
    let bare = bare(bytes).await;
    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..3 {
        rates[0].push(rate(bare, &request("GET", "/", token, "")).await);
        rates[1].push(rate(address, &request("GET", &path, token, "")).await);
    }
    let [bare, cached] = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[1]
    });
    println!("cached reads of {size} bytes: {cached:.0}/s, a bare handler {bare:.0}/s: ratio {:.2}", cached / bare);
}

async fn bare(bytes: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let bytes = axum::body::Bytes::from(bytes);
    let answer = move || {
        let bytes = bytes.clone();
        async move { ([("content-type", "application/json")], bytes) }
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", get(answer))).await });
    address
}

/// Answers a second to the same request on [`READERS`] connections.
async fn rate(address: SocketAddr, request: &str) -> f64 {
    let (answers, begun) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let mut readers = JoinSet::new();
    for _ in 0..READERS {
        let (answers, request) = (Arc::clone(&answers), request.to_owned());
        readers.spawn(async move {
            let mut connection = connect(address).await;
            while begun.elapsed() < MEASURED {
                connection.ask(&request).await;
                answers.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    readers.join_all().await;
    answers.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64()
}

/// Payments of [`PAYERS`] clients at once over HTTP, against one commit for each and against one client.
async fn payments(platform: &Platform, address: SocketAddr, token: &str, first: u64, when: &str) {
    let (kept, begun) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let mut payers = JoinSet::new();
    for payer in 0..PAYERS as u64 {
        let (platform, kept) = (platform.clone(), Arc::clone(&kept));
        payers.spawn(async move {
            let mut number = first + payer;
            while begun.elapsed() < MEASURED {
                let record = NewRecord {
                    topic: Topic::PurchaseConfirmed,
                    key: Some(format!("pay_{number}").into_bytes()),
                    value: Some(confirmation(number).into_bytes()),
                    headers: Headers::new(),
                    timestamp: Timestamp::now(),
                };
                let one = Transaction { outbox: vec![record], ..Transaction::default() };
                platform.store.commit(&one).await.expect("a commit");
                kept.fetch_add(1, Ordering::Relaxed);
                number += PAYERS as u64;
            }
        });
    }
    payers.join_all().await;
    let single = kept.swap(0, Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
    let alone = paid(address, token, first + 1_000_000, 1).await;
    let batched = paid(address, token, first + 2_000_000, PAYERS as u64).await;
    println!(
        "confirmations, {when}: {PAYERS} clients {batched:.0}/s, one commit for each {single:.0}/s: ratio {:.1}; one client {alone:.0}/s: ratio {:.1}",
        batched / single,
        batched / alone
    );
}

/// Payments a second that so many clients confirm at once.
async fn paid(address: SocketAddr, token: &str, first: u64, clients: u64) -> f64 {
    let (kept, begun) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let mut payers = JoinSet::new();
    for payer in 0..clients {
        let (token, kept) = (token.to_owned(), Arc::clone(&kept));
        payers.spawn(async move {
            let mut connection = connect(address).await;
            let mut number = first + payer;
            while begun.elapsed() < MEASURED {
                post(&mut connection, &token, &confirmation(number)).await;
                kept.fetch_add(1, Ordering::Relaxed);
                number += clients;
            }
        });
    }
    payers.join_all().await;
    kept.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64()
}

/// How long confirmations take that come at [`RATE`], whatever the answers before them took.
async fn steady(address: SocketAddr, token: &str) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / RATE);
    let mut asked = JoinSet::new();
    let begun = Instant::now();
    let mut number = 20_000_000;
    while begun.elapsed() < STEADY {
        let due = ticks.tick().await.into_std();
        let token = token.to_owned();
        asked.spawn(async move {
            post(&mut connect(address).await, &token, &confirmation(number)).await;
            due.elapsed()
        });
        number += 1;
    }
    let mut took = asked.join_all().await;
    took.sort();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1_000.0;
    let (middle, slow, slowest) = (at(0.5), at(0.99), at(1.0));
    println!(
        "{} confirmations at {RATE} a second, workers at work: p50 {middle:.1} ms, p99 {slow:.1} ms, slowest {slowest:.1} ms",
        took.len()
    );
}

async fn post(connection: &mut Connection, token: &str, body: &str) {
    connection.ask(&request("POST", "/v1/purchase-confirmations", token, body)).await;
}
