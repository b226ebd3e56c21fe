//! What benches of the served interface share: workers, a roster, payments, and HTTP as it goes over the wire.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use caravan::engine::{Policy, Stats, Stop};
use caravan::lag::lags;
use caravan::platform::Platform;
use caravan::roster::{Format, import_trainers, trainers_of};
use caravan::workers::{self, RunOptions, WorkerKind};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How often it is looked whether all is handled.
const LOOK: Duration = Duration::from_millis(20);

/// All workers, until they are to stop.
pub(crate) async fn work(platform: Platform, stop: Stop, stats: Arc<Stats>) {
    let options = RunOptions {
        workers: WorkerKind::ALL.to_vec(),
        until_idle: false,
        policy: Policy::default(),
        instance: "bench".to_owned(),
    };
    workers::run(&platform, options, &stop, &stats).await.expect("the workers work");
}

/// Trainers who teach every day.
pub(crate) async fn employ(platform: &Platform, trainers: u32) {
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let available: Vec<Value> = days.map(|day| json!({ "weekday": day, "from": "06:00", "until": "22:00" })).into();
    let line = |number: u32| {
        let trainer = json!({ "trainer_id": format!("trn_{number}"), "time_zone": "UTC", "languages": ["en"],
                              "courses": [{ "subject": "python", "levels": ["beginner"] }], "availability": available });
        format!("{trainer}\n")
    };
    let lines: String = (0..trainers).map(line).collect();
    let entries = trainers_of(lines.as_bytes(), Format::JsonLines).expect("a roster");
    import_trainers(platform, &entries).await.expect("the roster is taken");
}

/// A confirmed payment of eight weekly lessons.
pub(crate) fn confirmation(number: u64) -> String {
    let start = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date().saturating_add(7.days());
    let day = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][(number % 7) as usize];
    let hour = 6 + (number / 7) % 15;
    json!({
        "payment_id": format!("pay_{number}"), "confirmed_at": Timestamp::now(), "amount": { "minor": 49_900, "currency": "EUR" },
        "student": { "id": format!("stu_{number}"), "time_zone": "UTC", "languages": ["en"] },
        "course": { "subject": "python", "level": "beginner" },
        "plan": { "start_date": start, "sessions": 8, "per_week": 1, "minutes": 60,
                  "slots": [{ "weekday": day, "at": format!("{hour:02}:00") }] },
    })
    .to_string()
}

/// Lets the workers handle all that was handed over: what one has handled is told to the next, so nothing may wait twice over.
pub(crate) async fn settle(platform: &Platform) {
    let mut idle = 0;
    while idle < 2 {
        tokio::time::sleep(LOOK).await;
        let untold = platform.store.outbox(1).await.expect("the outbox");
        let lags = lags(platform).await.expect("the lags");
        let is_idle = untold.is_empty() && lags.iter().all(|lag| lag.records() == 0);
        idle = if is_idle { idle + 1 } else { 0 };
    }
}

/// A connection to the server.
pub(crate) async fn connect(address: SocketAddr) -> TcpStream {
    let connection = TcpStream::connect(address).await.expect("a connection");
    connection.set_nodelay(true).expect("no delay");
    connection
}

/// A request of whoever this header says, such as `Authorization: Bearer TOKEN`.
pub(crate) fn request(method: &str, path: &str, who: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: caravan\r\n{who}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Sends a request and reads its answer, which must be one of success.
pub(crate) async fn body_of(connection: &mut TcpStream, request: &str) -> Vec<u8> {
    connection.write_all(request.as_bytes()).await.expect("a request goes out");
    let mut answer = Vec::with_capacity(8 * 1024);
    let end = loop {
        assert_ne!(connection.read_buf(&mut answer).await.expect("an answer"), 0, "the connection ended");
        if let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    assert!(head.starts_with("http/1.1 2"), "{}", String::from_utf8_lossy(&answer));
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let length: usize = length.expect("a length");
    while answer.len() < end + length {
        assert_ne!(connection.read_buf(&mut answer).await.expect("an answer"), 0, "the connection ended");
    }
    answer.split_off(end)
}
