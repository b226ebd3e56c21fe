//! Traces for people: one from the request or the record that began it through every worker to the sessions, handed over by
//! OTLP (<https://opentelemetry.io/docs/specs/otlp/>).
//!
//! Spans are those that events name anyway, whether they are exported or not. Until [`start`] is called nothing is drafted:
//! asking costs one look at memory. Whoever hands spans in never waits; what can't be handed over is dropped and counted.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use caravan_domain::event::{Event, TraceContext, trace_of};
use caravan_domain::ids::Epoch;
use caravan_domain::rejection::Rejection;
use jiff::Timestamp;
use metrics::{counter, describe_counter};
use tokio::sync::mpsc::{self, Sender};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::platform::log::{NewRecord, Record};

mod endpoint;
mod exporter;
mod otlp;
mod spans;
#[cfg(test)]
mod tests;

pub use endpoint::Endpoint;
use spans::{Answered, Span, What};

/// Spans that wait to be handed over: a few of the largest batches. Those beyond are dropped.
const WAITING_MAX: usize = 32_768;
/// How long the end of a process may wait for what is still to be handed over.
const FINISH_MAX: Duration = Duration::from_secs(1);
/// Spans that could not be handed over.
const DROPPED: &str = "caravan_spans_dropped_total";

/// Where spans go, and as whose.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who takes them.
    pub endpoint: Endpoint,
    /// The log's name among messaging systems, such as `kafka`.
    pub system: &'static str,
    /// What topics and groups are prefixed with.
    pub namespace: Option<String>,
}

/// Where this process's spans are handed in, once they are wanted.
static DOOR: OnceLock<Door> = OnceLock::new();

struct Door {
    spans: Sender<Span>,
    /// Those that found no room since the exporter last looked.
    overflow: AtomicUsize,
}

/// Keeps handing spans over until it is finished.
pub struct Exporting {
    finish: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

/// Has spans drafted and handed over from now on; a second call changes nothing.
pub fn start(options: Options) -> Option<Exporting> {
    let (door, waiting) = mpsc::channel(WAITING_MAX);
    DOOR.set(Door { spans: door, overflow: AtomicUsize::new(0) }).ok()?;
    let (finish, finished) = oneshot::channel();
    let ended = tokio::spawn(exporter::run(options, waiting, finished));
    Some(Exporting { finish, ended })
}

impl Exporting {
    /// Hands over what waits, for as long as that may take.
    pub async fn finish(self) {
        let _it_has_ended = self.finish.send(());
        let _what_is_left_is_lost = tokio::time::timeout(FINISH_MAX, self.ended).await;
    }
}

/// Says what is counted, to the recorder that is installed.
pub(crate) fn describe() {
    describe_counter!(DROPPED, "Spans of traces that could not be handed over.");
    counter!(DROPPED).increment(0);
}

/// Whether anything is to be drafted; it is said before anything is served.
pub(crate) fn are_wanted() -> bool {
    DOOR.get().is_some()
}

fn dropped(count: usize) {
    counter!(DROPPED).increment(count as u64);
}

/// Spans of work that is not committed yet.
#[derive(Debug, Default)]
#[must_use = "what is committed is to be kept"]
pub(crate) struct Draft(Vec<Span>);

impl Draft {
    /// The work was committed.
    pub(crate) fn keep(self, end: Timestamp) {
        let Some(door) = DOOR.get() else { return };
        let mut lost = 0;
        for span in self.0 {
            lost += usize::from(door.spans.try_send(Span { end, ..span }).is_err());
        }
        door.overflow.fetch_add(lost, Ordering::Relaxed);
    }
}

/// Lets each record that belongs to no trace begin one, so that what it leads to is part of it.
pub(crate) fn begin(group: &str, records: &mut [Record]) {
    if are_wanted() {
        spans::begin_with_records(group, records);
    }
}

/// What a group's batch comes to; an event that nothing traced has caused begins a trace.
pub(crate) fn of_batch(
    group: &'static str,
    batch: &[Record],
    events: &mut [Event],
    rejected: &[(usize, Rejection)],
    epoch: Epoch,
    start: Timestamp,
) -> Draft {
    if !are_wanted() {
        return Draft::default();
    }
    spans::begin_with_events(events);
    Draft(spans::of_batch(group, batch, (events, rejected), epoch, start))
}

/// What work that no record asked for comes to: its events begin traces.
pub(crate) fn of_unprompted(events: &mut [Event], epoch: Epoch, start: Timestamp) -> Draft {
    of_batch("", &[], events, &[], epoch, start)
}

/// The handling of a record that is set aside for this reason.
pub(crate) fn of_failure(group: &'static str, record: &Record, fault: &'static str, start: Timestamp) -> Draft {
    let told = are_wanted().then(|| trace_of(record.value.as_deref(), &record.headers)).flatten();
    let told = told.filter(|told| told.is_sampled());
    Draft(told.map(|told| spans::of_record(group, record, told, Some(fault), start)).into_iter().collect())
}

/// What comes in and is told, as part of whatever it says it is part of.
pub(crate) fn of_intake(records: &mut [NewRecord], start: Timestamp) -> Draft {
    if !are_wanted() {
        return Draft::default();
    }
    Draft(records.iter_mut().filter_map(|record| spans::of_intake(record, any_span(), start)).collect())
}

/// A request that is being answered, as part of its caller's trace or of a new one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    parent: Option<u64>,
    context: TraceContext,
    start: Timestamp,
}

impl Request {
    /// Begins it; `None` if nobody wants to know.
    pub(crate) fn begin(traceparent: Option<&str>, start: Timestamp) -> Option<Self> {
        if !are_wanted() {
            return None;
        }
        let caller = traceparent.and_then(TraceContext::read);
        let begun = || TraceContext { trace: Uuid::new_v4().as_u128(), span: 1, flags: TraceContext::SAMPLED };
        let context = caller.unwrap_or_else(begun).with_span(any_span());
        context.is_sampled().then_some(Self { parent: caller.map(|caller| caller.span), context, start })
    }

    /// The span that whatever it leads to is part of.
    pub(crate) fn context(&self) -> TraceContext {
        self.context
    }

    /// It was answered with this status.
    pub(crate) fn answered(self, method: &str, route: &str, status: u16, end: Timestamp) {
        let what = What::Request(Answered { method: method.to_owned(), route: route.to_owned(), status });
        let Self { parent, context, start } = self;
        Draft(vec![Span { context, parent, start, end, what }]).keep(end);
    }
}

/// An id for a span that happens once.
fn any_span() -> u64 {
    Uuid::new_v4().as_u64_pair().1
}
