//! What happens, for the pages that are open: what waits for a person, that something has changed, and what moves through.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{Stream, unfold};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

use super::fault::Fault;
use super::visitor::Visit;
use crate::engine::Stop;
use crate::http::Site;
use crate::http::tail::Told;
use crate::overview::{Counts, Look};

/// Characters of what a purchase that moves is called.
const LABEL_CHARS_MAX: usize = 80;

/// `GET /live`: server-sent events (WHATWG HTML section 9.2).
pub(super) async fn follow(State(site): State<Arc<Site>>, _visit: Visit) -> Result<Response, Fault> {
    let open = site.open()?;
    let told = open.tail.listen(None).await.map(|listening| listening.live);
    let Some(told) = told else { return Err(Fault::not_found("nothing is told here")) };
    let saying = Saying { looks: open.watch.follow(), told, shown: None, stop: site.stop.clone() };
    let mut answer = Sse::new(stream(saying)).keep_alive(KeepAlive::default()).into_response();
    // Proxies are not to gather what is to come at once.
    answer.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

/// What a connection still has to say.
struct Saying {
    looks: watch::Receiver<Option<Arc<Look>>>,
    told: broadcast::Receiver<Arc<Told>>,
    /// The look that was told last.
    shown: Option<Arc<Look>>,
    stop: Stop,
}

fn stream(saying: Saying) -> impl Stream<Item = Result<Event, Infallible>> {
    unfold(saying, |mut saying| async move {
        let event = saying.next().await?;
        Some((Ok(event), saying))
    })
}

impl Saying {
    /// The next event; none when the process stops.
    async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                () = self.stop.requested() => return None,
                changed = self.looks.changed() => {
                    changed.ok()?;
                    let look = self.looks.borrow_and_update().clone();
                    if let Some(event) = look.and_then(|look| self.seen(look)) {
                        return Some(event);
                    }
                }
                told = self.told.recv() => match told {
                    Ok(told) => return Some(Event::default().event("told").data(moved(&told).to_string())),
                    Err(RecvError::Lagged(_)) => return Some(Event::default().event("changed").data("{}")),
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }

    /// What there is to say of a look, after the one before.
    fn seen(&mut self, look: Arc<Look>) -> Option<Event> {
        let before = self.shown.replace(Arc::clone(&look));
        if before.as_ref().is_none_or(|before| before.counts != look.counts) {
            return Some(Event::default().event("counts").data(waiting(&look.counts).to_string()));
        }
        let is_same = before.is_some_and(|before| before.stages == look.stages && before.days == look.days);
        (!is_same).then(|| Event::default().event("changed").data("{}"))
    }
}

/// What waits, by the names of the navigation.
fn waiting(counts: &Counts) -> Value {
    json!({
        "waitlist": counts.work.waitlisted,
        "refunds": counts.work.refunds,
        "dead-letters": counts.work.dead_letters,
        "conflicts": counts.conflicts.unwrap_or(0),
    })
}

/// An event as it moves over a page: of what, about which purchase.
fn moved(told: &Told) -> Value {
    let data = &told.event["data"];
    let text = |pointer: &str| data.pointer(pointer).and_then(Value::as_str);
    let student = text("/student/id").or_else(|| text("/student_id"));
    let label: String = match (student, text("/course/subject")) {
        (Some(student), Some(subject)) => format!("{student}: {subject}"),
        (Some(student), None) => student.to_owned(),
        _ => text("/purchase_id").unwrap_or("A purchase").to_owned(),
    };
    let label: String = label.chars().take(LABEL_CHARS_MAX).collect();
    json!({ "topic": told.topic(), "purchase_id": text("/purchase_id"), "label": label })
}
