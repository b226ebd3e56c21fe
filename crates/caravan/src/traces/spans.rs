//! From what was handled to spans. Pure.
//!
//! Events name their own spans ([`caravan_domain::event::TraceContext`]), so what is exported has these very ids, and the id
//! of a record's handling follows from where the record stands: whoever handles it again means the same span.

use std::collections::HashMap;

use caravan_domain::event::{Event, Header, Headers, Topic, TraceContext, trace_of};
use caravan_domain::ids::Epoch;
use caravan_domain::rejection::Rejection;
use jiff::Timestamp;
use uuid::Uuid;

use crate::platform::log::{NewRecord, Record, TopicPartition};

/// The header that names a record's span.
const TRACEPARENT: &str = "traceparent";
/// Characters of a key or an id that a span tells; what comes from the outside may be longer.
const TEXT_CHARS_MAX: usize = 255;

/// Something that took its time, as a part of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Which span of which trace.
    pub(super) context: TraceContext,
    /// The span it is a part of; nothing where the trace begins with it.
    pub(super) parent: Option<u64>,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    pub(super) what: What,
}

/// What a span is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A request was answered.
    Request(Answered),
    /// A record was told.
    Send(Sent),
    /// A record was handled.
    Process(Handled),
}

/// How a request was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) method: String,
    pub(super) route: String,
    pub(super) status: u16,
}

/// What was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) topic: Topic,
    pub(super) key: String,
    pub(super) id: Option<String>,
}

/// Which record was handled by which group, and why it was set aside if it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Handled {
    pub(super) group: &'static str,
    pub(super) at: TopicPartition,
    pub(super) offset: u64,
    pub(super) key: String,
    pub(super) id: Option<String>,
    pub(super) fault: Option<&'static str>,
}

/// Lets each record that belongs to no trace begin one, with its handling by this group as the first span.
pub(super) fn begin_with_records(group: &str, records: &mut [Record]) {
    for record in records.iter_mut().filter(|record| trace_of(record.value.as_deref(), &record.headers).is_none()) {
        let place = format!("{}/{}@{} {}", record.at.topic, record.at.partition, record.offset, record.timestamp);
        let trace = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("urn:caravan:trace:{place}").as_bytes()).as_u128();
        let context = TraceContext { trace, span: handling(trace, group, record), flags: TraceContext::SAMPLED };
        name(&mut record.headers, context);
    }
}

/// Lets each event that nothing traced has caused begin a trace that is kept.
pub(super) fn begin_with_events(events: &mut [Event]) {
    for event in events.iter_mut().filter(|event| event.cause.is_none()) {
        event.trace = event.trace.map(TraceContext::sampled);
    }
}

/// What a batch comes to, as far as its traces are kept: the handling of each record and, as parts of it, the events.
pub(super) fn of_batch(
    group: &'static str,
    batch: &[Record],
    (events, rejected): (&[Event], &[(usize, Rejection)]),
    epoch: Epoch,
    start: Timestamp,
) -> Vec<Span> {
    let faults: HashMap<usize, &'static str> =
        rejected.iter().map(|(index, rejection)| (*index, rejection.reason.code())).collect();
    let (mut spans, mut handled_as) = (Vec::with_capacity(batch.len() + events.len()), HashMap::new());
    for (index, record) in batch.iter().enumerate() {
        let Some(told) = trace_of(record.value.as_deref(), &record.headers).filter(|told| told.is_sampled()) else {
            continue;
        };
        let span = of_record(group, record, told, faults.get(&index).copied(), start);
        // Where one span of theirs has sent several records, what they lead to counts as the first one's.
        handled_as.entry(told).or_insert(span.context.span);
        spans.push(span);
    }
    spans.extend(events.iter().filter_map(|event| {
        let parent = event.cause.map(|cause| handled_as.get(&cause).copied().unwrap_or(cause.span));
        of_event(event, parent, epoch, start)
    }));
    spans
}

/// The handling of a record that came as `told`.
pub(super) fn of_record(
    group: &'static str,
    record: &Record,
    told: TraceContext,
    fault: Option<&'static str>,
    start: Timestamp,
) -> Span {
    let context = told.with_span(handling(told.trace, group, record));
    let handled = Handled {
        group,
        at: record.at,
        offset: record.offset,
        key: key_of(record.key.as_deref()),
        id: record.headers.get_text("ce_id").map(short),
        fault,
    };
    // A record that began its trace here names no span but this one.
    let parent = Some(told.span).filter(|parent| *parent != context.span);
    Span { context, parent, start, end: start, what: What::Process(handled) }
}

/// The telling of an event, if its trace is kept.
fn of_event(event: &Event, parent: Option<u64>, epoch: Epoch, start: Timestamp) -> Option<Span> {
    let context = event.trace.filter(|context| context.is_sampled())?;
    let (key, id) = (short(&event.key), Some(epoch.event_id(event.id).to_string()));
    Some(Span { context, parent, start, end: start, what: What::Send(Sent { topic: event.topic, key, id }) })
}

/// What comes in as part of a trace that is kept is sent on in a span of its own, which the record then names.
pub(super) fn of_intake(record: &mut NewRecord, id: u64, start: Timestamp) -> Option<Span> {
    let told = trace_of(record.value.as_deref(), &record.headers).filter(|told| told.is_sampled())?;
    let context = told.with_span(id);
    name(&mut record.headers, context);
    let sent = Sent { topic: record.topic, key: key_of(record.key.as_deref()), id: None };
    Some(Span { context, parent: Some(told.span), start, end: start, what: What::Send(sent) })
}

/// The id of the span in which a group handles a record.
fn handling(trace: u128, group: &str, record: &Record) -> u64 {
    let place = format!("{group}/{}/{}@{}", record.at.topic, record.at.partition, record.offset);
    Uuid::new_v5(&Uuid::from_u128(trace), place.as_bytes()).as_u64_pair().1
}

/// Has a record name this span, and no other.
fn name(headers: &mut Headers, context: TraceContext) {
    headers.0.retain(|header| header.name != TRACEPARENT);
    headers.0.push(Header { name: TRACEPARENT.to_owned(), value: Some(context.to_string().into_bytes()) });
}

fn key_of(key: Option<&[u8]>) -> String {
    short(&String::from_utf8_lossy(key.unwrap_or_default()))
}

fn short(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}
