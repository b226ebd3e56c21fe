//! What happens, as it happens: server-sent events (WHATWG HTML, section 9.2).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use caravan_domain::event::Topic;
use futures::stream::{Stream, unfold};
use serde::Deserialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use utoipa::IntoParams;

use super::Site;
use super::asking::{Asked, parsed};
use super::problem::Problem;
use super::shapes::Refusals;
use super::tail::{Listening, Told};
use crate::engine::Stop;

/// Where a listener was, as it says when it comes back.
const LAST_EVENT_ID: &str = "last-event-id";

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Only events of these types, separated by commas, such as `trainer-allocated,sessions-scheduled`.
    types: Option<String>,
    /// The id of the last event that was seen, for those who can't send `Last-Event-ID`.
    after: Option<String>,
}

/// Listen to events
///
/// Server-sent events: each as a CloudEvent, named by its type. Whoever comes back with `Last-Event-ID` goes on where they were; if too much has
/// happened since, an event `gap` comes first: read the lists anew then.
#[utoipa::path(
    get, path = "/v1/events", tag = "Events", operation_id = "listen",
    params(Wanted, ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was seen.")),
    responses((status = 200, description = "Events, as they happen.", body = String, content_type = "text/event-stream"), Refusals),
    security(("token" = ["read"]))
)]
pub(super) async fn listen(
    State(site): State<Arc<Site>>,
    Asked(wanted): Asked<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let types = wanted.types.as_deref().map(topics).transpose()?;
    let last = headers.get(LAST_EVENT_ID).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let last = last.or(wanted.after);
    let listening = site.open()?.tail.listen(last.as_deref()).await;
    let listening = listening.ok_or_else(|| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "bad-request",
            "Last-Event-ID is not the id of an event; leave it out to listen from now on",
        )
    })?;
    let mut answer =
        Sse::new(stream(listening, types, site.stop.clone())).keep_alive(KeepAlive::default()).into_response();
    // Proxies are not to gather what is to come at once.
    answer.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

fn topics(text: &str) -> Result<Vec<Topic>, Problem> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    names
        .map(|name| parsed("types", "names of topics, separated by commas", Some(name)))
        .filter_map(Result::transpose)
        .collect()
}

/// What a connection still has to say.
struct Saying {
    gap: bool,
    before: VecDeque<Arc<Told>>,
    live: Receiver<Arc<Told>>,
    types: Option<Vec<Topic>>,
    stop: Stop,
}

fn stream(
    Listening { before, gap, live }: Listening,
    types: Option<Vec<Topic>>,
    stop: Stop,
) -> impl Stream<Item = Result<Event, Infallible>> {
    unfold(Saying { gap, before, live, types, stop }, |mut saying| async move {
        let event = saying.next().await?;
        Some((Ok(event), saying))
    })
}

impl Saying {
    /// The next event; none when the process stops.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if std::mem::take(&mut self.gap) {
                return Some(Event::default().event("gap").data("{}"));
            }
            let told = match self.before.pop_front() {
                Some(told) => told,
                None => tokio::select! {
                    () = self.stop.requested() => return None,
                    received = self.live.recv() => match received {
                        Ok(told) => told,
                        Err(RecvError::Lagged(_)) => {
                            self.gap = true;
                            continue;
                        }
                        Err(RecvError::Closed) => return None,
                    },
                },
            };
            if self.types.as_ref().is_none_or(|types| types.contains(&told.topic())) {
                let name = told.topic().name();
                return Some(Event::default().id(told.cursor.as_str()).event(name).data(told.event.to_string()));
            }
        }
    }
}
