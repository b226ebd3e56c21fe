use caravan_domain::event::{Headers, Topic, TrainerChanged};
use caravan_domain::rejection::Reason;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span as Read;
use prost::Message;

use super::otlp::Writer;
use super::spans::{begin_with_events, begin_with_records, of_batch, of_intake, of_record};
use super::*;
use crate::platform::log::TopicPartition;

const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const GROUP: &str = "purchase-creation-workers";

fn caller() -> TraceContext {
    TraceContext::read(CALLER).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_428_000 + second).unwrap()
}

fn record(offset: u64, traceparent: Option<&str>) -> Record {
    let mut headers = Headers::new();
    headers.push_text("ce_id", format!("evt_{offset}"));
    if let Some(traceparent) = traceparent {
        headers.push_text("traceparent", traceparent);
    }
    let place = TopicPartition { topic: Topic::PurchaseConfirmed, partition: 2 };
    let (key, value) = (Some(b"pay_1".to_vec()), Some(b"{}".to_vec()));
    Record { at: place, offset, key, value, headers, timestamp: at(0) }
}

fn event(number: u128, parent: Option<&str>) -> Event {
    let payload = TrainerChanged { trainer_id: "trn_7".to_owned(), roster_version: 3, changed_at: at(0) };
    Event::telling(&payload, Uuid::from_u128(number), at(0), "/caravan/test", parent).unwrap()
}

fn named(record: &Record) -> String {
    record.headers.get_text("traceparent").unwrap().to_owned()
}

fn spans(batch: &[Record], events: &[Event]) -> Vec<Span> {
    of_batch(GROUP, batch, (events, &[]), Epoch::default(), at(1))
}

#[test]
fn a_record_is_handled_as_part_of_what_sent_it_and_what_it_leads_to_is_part_of_its_handling() {
    let other = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b8-01";
    let batch = [record(7, Some(CALLER)), record(8, Some(other))];
    let told = spans(&batch, &[event(1, Some(other)), event(2, Some(CALLER))]);
    let [first, second, of_second, of_first] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((first.parent, second.parent), (Some(0x00f0_67aa_0ba9_02b7), Some(0x00f0_67aa_0ba9_02b8)));
    assert_eq!((of_second.parent, of_first.parent), (Some(second.context.span), Some(first.context.span)));
    assert_ne!(first.context.span, second.context.span);
    assert!(told.iter().all(|span| span.context.trace == caller().trace));
    // What is told has the very span that its header names.
    assert_eq!(of_second.context, event(1, Some(other)).trace.unwrap());
}

#[test]
fn a_record_handled_again_is_the_same_span_and_handled_by_another_group_another() {
    let handled = |group, offset| of_record(group, &record(offset, Some(CALLER)), caller(), None, at(1)).context;
    assert_eq!(handled(GROUP, 7), handled(GROUP, 7));
    assert_ne!(handled(GROUP, 7), handled("cache-invalidation-workers", 7));
    assert_ne!(handled(GROUP, 7), handled(GROUP, 8));
}

#[test]
fn a_record_of_no_trace_begins_one_with_its_handling_the_same_however_often_it_is_read() {
    let (mut first, mut again) = ([record(7, None)], [record(7, Some("nonsense"))]);
    begin_with_records(GROUP, &mut first);
    begin_with_records(GROUP, &mut again);
    assert_eq!(named(&first[0]), named(&again[0]));
    let told = spans(&first, &[event(1, Some(&named(&first[0])))]);
    assert_eq!((told[0].parent, told[0].context.to_string()), (None, named(&first[0])));
    assert_eq!(told[1].parent, Some(told[0].context.span));
    assert_eq!(told[1].context.trace, told[0].context.trace);
}

#[test]
fn a_record_of_a_trace_stays_in_it_wherever_it_says_so() {
    let mut structured = record(7, None);
    structured.headers.push_text("content-type", "application/cloudevents+json");
    let value = format!(r#"{{"specversion":"1.0","traceparent":"{CALLER}","data":{{}}}}"#);
    structured.value = Some(value.into_bytes());
    let mut records = [record(7, Some(CALLER)), structured];
    let before = records.clone();
    begin_with_records(GROUP, &mut records);
    assert_eq!(records, before);
    assert!(spans(&records, &[]).iter().all(|span| span.parent == Some(caller().span)));
}

#[test]
fn what_its_caller_does_not_keep_is_not_kept() {
    let unsampled = CALLER.replace("-01", "-00");
    let batch = [record(7, Some(&unsampled)), record(8, Some(CALLER))];
    let told = spans(&batch, &[event(1, Some(&unsampled)), event(2, Some(CALLER))]);
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|span| span.context.is_sampled()));
    let mut coming = coming(&unsampled);
    assert_eq!(of_intake(&mut coming, 5, at(1)), None);
    assert_eq!(coming.headers.get_text("traceparent"), Some(unsampled.as_str()));
}

#[test]
fn an_event_that_nothing_traced_has_caused_begins_a_trace_that_is_kept_and_no_other_is_touched() {
    let unsampled = CALLER.replace("-01", "-00");
    let mut events = [event(1, None), event(2, Some(&unsampled))];
    let before = events.clone();
    begin_with_events(&mut events);
    assert_eq!(events[0].trace, before[0].trace.map(TraceContext::sampled));
    assert_eq!(events[1], before[1]);
    let told = spans(&[], &events);
    assert_eq!((told.len(), told[0].parent, Some(told[0].context)), (1, None, events[0].trace));
}

fn coming(traceparent: &str) -> NewRecord {
    let Record { at, key, value, headers, timestamp, .. } = record(0, Some(traceparent));
    NewRecord { topic: at.topic, key, value, headers, timestamp }
}

#[test]
fn what_comes_in_names_the_span_it_is_sent_on_in() {
    let mut coming = coming(CALLER);
    let span = of_intake(&mut coming, 5, at(1)).unwrap();
    assert_eq!((span.parent, span.context), (Some(caller().span), caller().with_span(5)));
    let named: Vec<_> = coming.headers.iter().filter(|header| header.name == "traceparent").collect();
    assert_eq!(named.len(), 1);
    assert_eq!(coming.headers.get_text("traceparent"), Some("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000005-01"));
}

#[test]
fn a_key_from_the_outside_makes_no_span_large() {
    let mut large = record(7, Some(CALLER));
    large.key = Some(vec![0xff; 1 << 20]);
    let What::Process(handled) = spans(&[large], &[]).remove(0).what else { panic!("a record is handled") };
    assert_eq!(handled.key, "\u{fffd}".repeat(255));
}

/// What a reader of somebody else's makes of spans.
fn read(system: &'static str, namespace: Option<&str>, spans: &[Span]) -> (Vec<KeyValue>, Vec<Read>) {
    let endpoint = Endpoint::read("http://127.0.0.1:4318").unwrap().unwrap();
    let options = Options { endpoint, system, namespace: namespace.map(str::to_owned) };
    let body = Writer::new(&options, "instance-1").request(spans);
    let mut request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
    let mut of_us = request.resource_spans.remove(0);
    (of_us.resource.unwrap().attributes, of_us.scope_spans.remove(0).spans)
}

/// Attributes as lines, in order of their names.
fn lines(attributes: &[KeyValue]) -> Vec<String> {
    let mut lines: Vec<String> = attributes
        .iter()
        .map(|attribute| match attribute.value.clone().and_then(|value| value.value) {
            Some(Value::StringValue(text)) => format!("{}={text}", attribute.key),
            Some(Value::IntValue(number)) => format!("{}:{number}", attribute.key),
            other => panic!("{}: {other:?}", attribute.key),
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn the_handling_of_a_record_is_told_in_the_words_of_the_conventions() {
    let mut span = of_record(GROUP, &record(7, Some(CALLER)), caller(), None, at(1));
    span.end = at(2);
    let (resource, told) = read("kafka", Some("prod"), &[span.clone()]);
    assert_eq!(
        lines(&resource),
        [
            "service.instance.id=instance-1",
            "service.name=caravan",
            "service.namespace=prod",
            concat!("service.version=", env!("CARGO_PKG_VERSION")),
        ]
    );
    let read = &told[0];
    assert_eq!(
        (read.name.as_str(), read.kind().as_str_name()),
        ("process prod.purchase-confirmed", "SPAN_KIND_CONSUMER")
    );
    assert_eq!(read.trace_id, caller().trace.to_be_bytes());
    assert_eq!(read.span_id, span.context.span.to_be_bytes());
    assert_eq!(read.parent_span_id, caller().span.to_be_bytes());
    assert_eq!(read.start_time_unix_nano, 1_795_428_001_000_000_000);
    assert_eq!(read.end_time_unix_nano - read.start_time_unix_nano, 1_000_000_000);
    assert_eq!((read.flags, &read.status), (0x301, &None), "sampled, and its parent is elsewhere");
    assert_eq!(
        lines(&read.attributes),
        [
            "messaging.consumer.group.name=prod.purchase-creation-workers",
            "messaging.destination.name=prod.purchase-confirmed",
            "messaging.destination.partition.id=2",
            "messaging.kafka.message.key=pay_1",
            "messaging.kafka.offset:7",
            "messaging.message.id=evt_7",
            "messaging.operation.name=process",
            "messaging.operation.type=process",
            "messaging.system=kafka",
        ]
    );
}

#[test]
fn what_is_told_is_told_in_the_words_of_the_conventions() {
    let (_, told) = read("caravan", None, &spans(&[], &[event(1, Some(CALLER))]));
    let read = &told[0];
    assert_eq!((read.name.as_str(), read.kind().as_str_name()), ("send trainer-changed", "SPAN_KIND_PRODUCER"));
    assert_eq!(read.flags, 0x101, "sampled, and its parent is here");
    assert_eq!(
        lines(&read.attributes),
        [
            "messaging.caravan.message.key=trn_7",
            "messaging.destination.name=trainer-changed",
            "messaging.message.id=00000000-0000-0000-0000-000000000001",
            "messaging.operation.name=send",
            "messaging.operation.type=send",
            "messaging.system=caravan",
        ]
    );
}

#[test]
fn a_record_that_is_set_aside_is_a_failure_by_its_reason() {
    let rejected = [(1, Rejection::new(Reason::InvalidJson, "no object"))];
    let batch = [record(7, Some(CALLER)), record(8, Some(CALLER))];
    let spans = of_batch(GROUP, &batch, (&[], &rejected), Epoch::default(), at(1));
    let (_, told) = read("kafka", None, &spans);
    assert_eq!(told[0].status, None);
    assert_eq!(told[1].status.clone().unwrap().code().as_str_name(), "STATUS_CODE_ERROR");
    assert!(lines(&told[1].attributes).contains(&"error.type=invalid-json".to_owned()));
}

#[test]
fn an_answer_is_a_failure_only_if_the_server_is_at_fault() {
    for (status, failed) in [(202, false), (401, false), (499, false), (500, true), (503, true)] {
        let answered = Answered { method: "POST".to_owned(), route: "/v1/webhooks/stripe".to_owned(), status };
        let what = What::Request(answered);
        let span = Span { context: caller().with_span(5), parent: None, start: at(1), end: at(1), what };
        let (_, told) = read("kafka", None, &[span]);
        assert_eq!(
            (told[0].name.as_str(), told[0].kind().as_str_name()),
            ("POST /v1/webhooks/stripe", "SPAN_KIND_SERVER")
        );
        assert_eq!((told[0].status.is_some(), told[0].parent_span_id.is_empty()), (failed, true), "{status}");
        let lines = lines(&told[0].attributes);
        assert!(lines.contains(&format!("http.response.status_code:{status}")), "{lines:?}");
        assert_eq!(lines.contains(&format!("error.type={status}")), failed, "{lines:?}");
    }
}

#[test]
fn nothing_is_drafted_and_nothing_touched_until_traces_are_wanted() {
    let (mut records, mut events) = ([record(7, None)], [event(1, None)]);
    let before = (records.clone(), events.clone());
    begin(GROUP, &mut records);
    assert!(of_batch_of(&mut events).0.is_empty());
    assert_eq!((records, events), before);
    assert!(Request::begin(Some(CALLER), at(1)).is_none());
}

fn of_batch_of(events: &mut [Event]) -> Draft {
    super::of_batch(GROUP, &[record(7, Some(CALLER))], events, &[], Epoch::default(), at(1))
}
