//! Hands spans over, many at a time, one request after the other.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode, header};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::net::TcpStream;
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{debug, info, warn};
use uuid::Uuid;

use super::otlp::{Response, Writer};
use super::spans::Span;
use super::{DOOR, Endpoint, Options, dropped};

/// Spans of one request: about half a megabyte.
const SPANS_MAX: usize = 2_048;
/// How long spans may gather.
const GATHER_WAIT: Duration = Duration::from_secs(1);
/// How long one request may take.
const SEND_WAIT: Duration = Duration::from_secs(5);
/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Why spans were not handed over.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("no connection: {0}")]
    Connection(#[from] std::io::Error),
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("the request can't be written: {0}")]
    Request(#[from] axum::http::Error),
    #[error("the answer can't be read: {0}")]
    Answer(#[from] axum::Error),
    #[error("it answers {0}")]
    Refused(StatusCode),
    #[error("no answer within {} s", SEND_WAIT.as_secs())]
    Late(#[from] tokio::time::error::Elapsed),
}

/// Hands over what comes until it is to finish; then what waits, and no more.
pub(super) async fn run(options: Options, mut spans: Receiver<Span>, mut finish: oneshot::Receiver<()>) {
    let mut exporter = Exporter::new(options);
    let mut ready = Vec::with_capacity(SPANS_MAX);
    let mut gathered = interval(GATHER_WAIT);
    gathered.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let room = SPANS_MAX - ready.len();
        tokio::select! {
            came = spans.recv_many(&mut ready, room) => if came < room { continue },
            _ = gathered.tick() => {}
            _ = &mut finish => break,
        }
        exporter.hand_over(&mut ready).await;
    }
    spans.close();
    loop {
        let room = SPANS_MAX - ready.len();
        spans.recv_many(&mut ready, room).await;
        if !exporter.hand_over(&mut ready).await {
            break;
        }
    }
}

/// One process's way to its collector.
struct Exporter {
    endpoint: Endpoint,
    writer: Writer,
    /// Spans lost since it last went well; told once.
    lost: usize,
}

impl Exporter {
    fn new(options: Options) -> Self {
        let writer = Writer::new(&options, &Uuid::new_v4().to_string());
        Self { endpoint: options.endpoint, writer, lost: 0 }
    }

    /// Hands over what is ready, or drops it; whether there was anything.
    async fn hand_over(&mut self, ready: &mut Vec<Span>) -> bool {
        let overflow = DOOR.get().map_or(0, |door| door.overflow.swap(0, Ordering::Relaxed));
        self.lose(overflow, "more of them come than can be handed over");
        if ready.is_empty() {
            return false;
        }
        match send(&self.endpoint, self.writer.request(ready)).await {
            Ok(answer) => {
                let refused = answer.partial_success.unwrap_or_default();
                let rejected = usize::try_from(refused.rejected_spans).unwrap_or_default();
                self.lose(rejected, &refused.error_message);
                if overflow + rejected == 0 {
                    self.goes_on();
                }
            }
            Err(problem) => self.lose(ready.len(), &problem.to_string()),
        }
        ready.clear();
        true
    }

    fn lose(&mut self, count: usize, problem: &str) {
        if count == 0 {
            return;
        }
        if self.lost == 0 {
            let endpoint = &self.endpoint.authority;
            warn!(%endpoint, problem, "spans of traces can't be handed over; they are dropped until they can, nothing else is lost");
        }
        self.lost += count;
        dropped(count);
    }

    fn goes_on(&mut self) {
        if self.lost > 0 {
            info!(dropped = self.lost, "spans of traces are handed over again");
        }
        self.lost = 0;
    }
}

/// One request on a connection of its own.
async fn send(endpoint: &Endpoint, body: Vec<u8>) -> Result<Response, SendError> {
    timeout(SEND_WAIT, async {
        let stream = TcpStream::connect(&endpoint.authority).await?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            if let Err(problem) = connection.await {
                debug!(%problem, "a connection for traces ended");
            }
        });
        let request = Request::builder()
            .method(Method::POST)
            .uri(&endpoint.path)
            .header(header::HOST, &endpoint.authority)
            .header(header::CONTENT_TYPE, "application/x-protobuf")
            .header(header::USER_AGENT, concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .body(Body::from(body))?;
        let answer = sender.send_request(request).await?;
        if !answer.status().is_success() {
            return Err(SendError::Refused(answer.status()));
        }
        let told = to_bytes(Body::new(answer.into_body()), ANSWER_BYTES_MAX).await?;
        // An answer that can't be understood refuses nothing.
        Ok(Response::decode(told).unwrap_or_default())
    })
    .await?
}
