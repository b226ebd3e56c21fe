//! Spans as OTLP writes them: what of `opentelemetry.proto.trace.v1` we say, named after the semantic conventions for
//! messaging and HTTP (<https://opentelemetry.io/docs/specs/semconv/>).

use jiff::Timestamp;
use prost::Message;

use super::Options;
use super::spans::{Answered, Handled, Sent, Span, What};

/// The conventions that names are of.
const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.37.0";
/// What is done with messages, in the conventions' words.
const SEND: &str = "send";
const PROCESS: &str = "process";
/// That it is known whether a parent is in another process, and that it is (`SpanFlags`).
const PARENT_KNOWN: u32 = 0x100;
const PARENT_REMOTE: u32 = 0x200;
/// The first status of answers that are the server's fault.
const SERVER_FAULT: u16 = 500;

/// `ExportTraceServiceRequest`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Request {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

/// `ExportTraceServiceResponse`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Response {
    #[prost(message, optional, tag = "1")]
    pub(super) partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PartialSuccess {
    #[prost(int64, tag = "1")]
    pub(super) rejected_spans: i64,
    #[prost(string, tag = "2")]
    pub(super) error_message: String,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
    #[prost(string, tag = "3")]
    schema_url: String,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    spans: Vec<WrittenSpan>,
    #[prost(string, tag = "3")]
    schema_url: String,
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    version: String,
}

#[derive(Clone, PartialEq, Message)]
struct WrittenSpan {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(enumeration = "Kind", tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
    #[prost(fixed32, tag = "16")]
    flags: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
enum Kind {
    Unspecified = 0,
    Server = 2,
    Producer = 4,
    Consumer = 5,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(enumeration = "StatusCode", tag = "3")]
    code: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
enum StatusCode {
    Unset = 0,
    Error = 2,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "Value", tags = "1, 3")]
    value: Option<Value>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Value {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(int64, tag = "3")]
    Number(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

fn attribute(key: &str, value: impl Into<Value>) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value.into()) }) }
}

/// Whose spans they are, in whose words.
pub(super) struct Writer {
    system: &'static str,
    namespace: Option<String>,
    resource: Resource,
}

impl Writer {
    /// Writes for this process, which `instance` tells from every other.
    pub(super) fn new(options: &Options, instance: &str) -> Self {
        let mut attributes = vec![
            attribute("service.name", env!("CARGO_PKG_NAME")),
            attribute("service.version", env!("CARGO_PKG_VERSION")),
            attribute("service.instance.id", instance),
        ];
        attributes.extend(options.namespace.as_deref().map(|namespace| attribute("service.namespace", namespace)));
        let (system, namespace) = (options.system, options.namespace.clone());
        Self { system, namespace, resource: Resource { attributes } }
    }

    /// The body of a request that hands these spans over.
    pub(super) fn request(&self, spans: &[Span]) -> Vec<u8> {
        let (name, version) = (env!("CARGO_PKG_NAME").to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        let schema_url = SCHEMA_URL.to_owned();
        let spans = spans.iter().map(|span| self.written(span)).collect();
        let scope_spans =
            vec![ScopeSpans { scope: Some(Scope { name, version }), spans, schema_url: schema_url.clone() }];
        let resource = Some(self.resource.clone());
        Request { resource_spans: vec![ResourceSpans { resource, scope_spans, schema_url }] }.encode_to_vec()
    }

    fn written(&self, span: &Span) -> WrittenSpan {
        let Described { name, kind, mut attributes, error } = match &span.what {
            What::Request(answered) => of_request(answered),
            What::Send(sent) => self.of_sending(sent),
            What::Process(handled) => self.of_handling(handled),
        };
        let status = error.is_some().then(|| Status { code: StatusCode::Error.into() });
        attributes.extend(error.map(|error| attribute("error.type", error)));
        // What is sent is sent by whoever its parent is; every other parent came with a header.
        let remote = if kind == Kind::Producer { 0 } else { PARENT_REMOTE };
        WrittenSpan {
            trace_id: span.context.trace.to_be_bytes().to_vec(),
            span_id: span.context.span.to_be_bytes().to_vec(),
            parent_span_id: span.parent.map(|parent| parent.to_be_bytes().to_vec()).unwrap_or_default(),
            name,
            kind: kind.into(),
            start_time_unix_nano: nanoseconds(span.start),
            end_time_unix_nano: nanoseconds(span.end.max(span.start)),
            attributes,
            status,
            flags: u32::from(span.context.flags) | PARENT_KNOWN | remote,
        }
    }

    fn of_sending(&self, sent: &Sent) -> Described {
        let topic = self.physical(sent.topic.name());
        let attributes = self.of_message(SEND, &topic, &sent.key, sent.id.as_deref());
        Described { name: format!("{SEND} {topic}"), kind: Kind::Producer, attributes, error: None }
    }

    fn of_handling(&self, handled: &Handled) -> Described {
        let topic = self.physical(handled.at.topic.name());
        let mut attributes = self.of_message(PROCESS, &topic, &handled.key, handled.id.as_deref());
        attributes.push(attribute("messaging.consumer.group.name", self.physical(handled.group)));
        attributes.push(attribute("messaging.destination.partition.id", handled.at.partition.to_string()));
        let offset = i64::try_from(handled.offset).unwrap_or(i64::MAX);
        attributes.push(attribute(&format!("messaging.{}.offset", self.system), offset));
        let error = handled.fault.map(str::to_owned);
        Described { name: format!("{PROCESS} {topic}"), kind: Kind::Consumer, attributes, error }
    }

    /// What is said of a message whatever is done with it.
    fn of_message(&self, operation: &str, topic: &str, key: &str, id: Option<&str>) -> Vec<KeyValue> {
        let mut attributes = vec![
            attribute("messaging.system", self.system),
            attribute("messaging.operation.name", operation),
            attribute("messaging.operation.type", operation),
            attribute("messaging.destination.name", topic),
        ];
        attributes.extend(id.map(|id| attribute("messaging.message.id", id)));
        if !key.is_empty() {
            attributes.push(attribute(&format!("messaging.{}.message.key", self.system), key));
        }
        attributes
    }

    /// A topic or a group as the log has it.
    fn physical(&self, name: &str) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}.{name}"),
            None => name.to_owned(),
        }
    }
}

/// What a span is, in the words of the conventions.
struct Described {
    name: String,
    kind: Kind,
    attributes: Vec<KeyValue>,
    error: Option<String>,
}

fn of_request(answered: &Answered) -> Described {
    let Answered { method, route, status } = answered;
    let attributes = vec![
        attribute("http.request.method", method.as_str()),
        attribute("http.route", route.as_str()),
        attribute("url.path", route.as_str()),
        attribute("url.scheme", "http"),
        attribute("http.response.status_code", i64::from(*status)),
    ];
    let error = (*status >= SERVER_FAULT).then(|| status.to_string());
    Described { name: format!("{method} {route}"), kind: Kind::Server, attributes, error }
}

/// Nanoseconds since 1970.
fn nanoseconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_nanosecond()).unwrap_or_default()
}
