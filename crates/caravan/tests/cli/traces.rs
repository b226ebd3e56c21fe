//! Traces, as a collector is handed them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;

use crate::listening::address;
use crate::{Place, Running, example, until};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// Takes what is handed over, as a collector would.
struct Collector {
    endpoint: String,
    spans: Receiver<Span>,
    taken: Vec<Span>,
}

impl Collector {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (door, spans) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                for span in take(stream.unwrap()) {
                    let _the_test_is_over = door.send(span);
                }
            }
        });
        Self { endpoint, spans, taken: Vec::new() }
    }

    /// What was handed over so far of a trace.
    fn of(&mut self, trace: &str) -> Vec<Span> {
        self.taken.extend(self.spans.try_iter());
        self.taken.iter().filter(|span| hex(&span.trace_id) == trace).cloned().collect()
    }
}

/// Reads one request, answers it, and gives its spans.
fn take(stream: TcpStream) -> Vec<Span> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_ascii_lowercase()),
        }
    }
    assert_eq!(head[0], "post /v1/traces http/1.1");
    assert!(head.contains(&"content-type: application/x-protobuf".to_owned()), "{head:?}");
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    reader.into_inner().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
    let scopes = request.resource_spans.into_iter().flat_map(|of_one| of_one.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A place whose traces go there, with its roster.
fn place(endpoint: &str) -> Place {
    let place = Place::new();
    place.write("caravan.toml", format!("otlp_endpoint = {endpoint:?}"));
    place.run(&["trainers", "import", &example("roster.csv")]).ok();
    place.run(&["trainers", "import", &example("roster.jsonl")]).ok();
    place
}

/// Confirms the payment as a shop that names this span does.
fn confirm(place: &Place, running: &Running, traceparent: &str) {
    let token = place.run(&["tokens", "create", "--role", "ingest"]).ok().trim().to_owned();
    let answer = ureq::post(format!("http://{}/v1/purchase-confirmations", address(running)))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .header("traceparent", traceparent)
        .send(payment())
        .unwrap();
    assert_eq!(answer.status(), 202);
}

/// The first payment of the examples, which a trainer of the roster suits.
fn payment() -> String {
    std::fs::read_to_string(example("purchases.jsonl")).unwrap().lines().next().unwrap().to_owned()
}

fn is_scheduled(place: &Place) -> bool {
    place.run(&["purchases", "list", "--json"]).json_lines().iter().any(|row| row["status"] == "scheduled")
}

/// Names from a span up to the last one that is there, and the id that one names as its parent.
fn way_up(spans: &[Span], from: &str) -> (Vec<String>, String) {
    let by_id: BTreeMap<&[u8], &Span> = spans.iter().map(|span| (span.span_id.as_slice(), span)).collect();
    let mut at = spans.iter().find(|span| span.name == from).unwrap_or_else(|| panic!("{from} is not there"));
    let mut names = vec![at.name.clone()];
    while let Some(parent) = by_id.get(at.parent_span_id.as_slice()) {
        names.push(parent.name.clone());
        at = parent;
    }
    (names, hex(&at.parent_span_id))
}

fn has(spans: &[Span], name: &str) -> bool {
    spans.iter().any(|span| span.name == name)
}

#[test]
fn a_payment_is_one_trace_from_its_request_to_the_sessions() {
    let mut collector = Collector::new();
    let place = place(&collector.endpoint);
    let mut running = place.start(&["run", "--listen", "127.0.0.1:0"]);
    confirm(&place, &running, &format!("00-{TRACE}-{CALLER}-01"));
    until("sessions are told", || has(&collector.of(TRACE), "process sessions-scheduled"));
    assert_eq!(running.terminate(), Some(0));

    let spans = collector.of(TRACE);
    let (names, above) = way_up(&spans, "process sessions-scheduled");
    assert_eq!(
        names,
        [
            "process sessions-scheduled",
            "send sessions-scheduled",
            "process trainer-allocated",
            "send trainer-allocated",
            "process purchase-created",
            "send purchase-created",
            "process purchase-confirmed",
            "send purchase-confirmed",
            "POST /v1/purchase-confirmations",
        ]
    );
    assert_eq!(above, CALLER);
    let ids: BTreeSet<String> = spans.iter().map(|span| hex(&span.span_id)).collect();
    assert_eq!(ids.len(), spans.len(), "each span has an id of its own");
    for span in &spans {
        let parent = hex(&span.parent_span_id);
        assert!(ids.contains(&parent) || parent == CALLER, "{} is part of nothing", span.name);
        let kind = match span.name.split(' ').next() {
            Some("POST") => SpanKind::Server,
            Some("send") => SpanKind::Producer,
            _ => SpanKind::Consumer,
        };
        assert_eq!((span.kind(), span.start_time_unix_nano <= span.end_time_unix_nano), (kind, true), "{}", span.name);
    }
    // Allocation and cache each handled the new purchase.
    assert_eq!(spans.iter().filter(|span| span.name == "process purchase-created").count(), 2);
}

#[test]
fn a_trace_that_its_caller_does_not_keep_is_not_handed_over() {
    let mut collector = Collector::new();
    let place = place(&collector.endpoint);
    let mut running = place.start(&["run", "--listen", "127.0.0.1:0"]);
    let kept = "0af7651916cd43dd8448eb211c80319c";
    confirm(&place, &running, &format!("00-{TRACE}-{CALLER}-00"));
    until("it is scheduled", || is_scheduled(&place));
    confirm(&place, &running, &format!("00-{kept}-{CALLER}-01"));
    until("its repetition is handled", || has(&collector.of(kept), "process purchase-confirmed"));
    assert_eq!(running.terminate(), Some(0));
    assert_eq!(collector.of(TRACE), []);
}

#[test]
fn what_a_command_or_a_record_without_a_trace_leads_to_is_a_trace_of_its_own() {
    let mut collector = Collector::new();
    let place = place(&collector.endpoint);
    let file = place.write("payments.jsonl", payment());
    place.run(&["purchases", "confirm", &file]).ok();
    place.run(&["run", "--until-idle"]).ok();
    until("everything is handed over", || {
        collector.of("");
        has(&collector.taken, "process sessions-scheduled") && has(&collector.taken, "process trainer-changed")
    });
    let (names, above) = way_up(&collector.taken, "process sessions-scheduled");
    assert_eq!((names.last().map(String::as_str), above.as_str()), (Some("process purchase-confirmed"), ""));
    let (names, above) = way_up(&collector.taken, "process trainer-changed");
    assert_eq!((names.last().map(String::as_str), above.as_str()), (Some("send trainer-changed"), ""));
}

#[test]
fn a_collector_that_is_away_is_told_once_and_holds_nobody_up() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let place = place(&format!("http://{nobody}"));
    let mut running = place.start(&["run", "--listen", "127.0.0.1:0"]);
    let dropped = || {
        let numbers = ureq::get(format!("http://{}/metrics", address(&running))).call().unwrap();
        let numbers = numbers.into_body().read_to_string().unwrap();
        let line = numbers.lines().find_map(|line| line.strip_prefix("caravan_spans_dropped_total "));
        line.map_or(0, |number| number.parse::<u64>().unwrap())
    };
    for _ in 0..2 {
        let before = dropped();
        confirm(&place, &running, &format!("00-{TRACE}-{CALLER}-01"));
        until("what is dropped is counted", || dropped() > before);
    }
    until("it is scheduled", || is_scheduled(&place));
    assert_eq!(running.terminate(), Some(0));
    let log = running.log();
    assert_eq!(log.matches("spans of traces can't be handed over").count(), 1, "{log}");
}
