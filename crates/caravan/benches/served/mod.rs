//! What benches of the served interface share: workers, a roster, payments, and HTTP as it goes over the wire.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use caravan::engine::{Policy, Stats, Stop};
use caravan::lag::lags;
use caravan::platform::Platform;
use caravan::roster::{Format, import_trainers, trainers_of};
use caravan::workers::{self, RunOptions, WorkerKind};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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

/// When the first lesson of a confirmed payment may be, and when it was paid.
static DAYS: LazyLock<(Date, Timestamp)> = LazyLock::new(|| {
    let now = Timestamp::now();
    (now.to_zoned(TimeZone::UTC).date().saturating_add(7.days()), now)
});

/// A confirmed payment of eight weekly lessons. Made of text: what a client takes to make it is not what is measured.
pub(crate) fn confirmation(number: u64) -> String {
    let (start, paid) = *DAYS;
    let day = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][(number % 7) as usize];
    let hour = 6 + (number / 7) % 15;
    format!(
        r#"{{"payment_id":"pay_{number}","confirmed_at":"{paid}","amount":{{"minor":49900,"currency":"EUR"}},
"student":{{"id":"stu_{number}","time_zone":"UTC","languages":["en"]}},
"course":{{"subject":"python","level":"beginner"}},
"plan":{{"start_date":"{start}","sessions":8,"per_week":1,"minutes":60,"slots":[{{"weekday":"{day}","at":"{hour:02}:00"}}]}}}}"#
    )
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

/// A connection to the server, with what was received on it last.
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

/// Connects to the server.
pub(crate) async fn connect(address: SocketAddr) -> Connection {
    let stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("no delay");
    Connection { stream, received: Vec::with_capacity(16 * 1024) }
}

/// A request of whoever this header says, such as `Authorization: Bearer TOKEN`.
pub(crate) fn request(method: &str, path: &str, who: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: caravan\r\n{who}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

impl Connection {
    /// Sends a request and reads its answer, which must be one of success; returns the body.
    pub(crate) async fn ask(&mut self, request: &str) -> &[u8] {
        self.stream.write_all(request.as_bytes()).await.expect("a request goes out");
        self.received.clear();
        let end = loop {
            self.receive().await;
            if let Some(end) = place_of(&self.received, b"\r\n\r\n") {
                break end + 4;
            }
        };
        let head = &self.received[..end];
        assert!(head.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&self.received));
        let length = place_of(head, LENGTH).map(|place| &head[place + LENGTH.len()..]).expect("a length");
        let digits = length.iter().take_while(|byte| byte.is_ascii_digit());
        let length = digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
        while self.received.len() < end + length {
            self.receive().await;
        }
        &self.received[end..]
    }

    async fn receive(&mut self) {
        let received = self.stream.read_buf(&mut self.received).await.expect("an answer");
        assert_ne!(received, 0, "the connection ended");
    }
}

/// The header with the length of a body, as it goes over the wire here.
const LENGTH: &[u8] = b"content-length: ";

fn place_of(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}
