//! How the process and what is beneath it do: its parts, who has read how far, what waits to be told, the cron, versions,
//! and the audit.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use jiff::Timestamp;
use tracing::{info, warn};

use super::fault::Fault;
use super::form::Sent;
use super::frame::{Frame, Place, done, not_done, page};
use super::visitor::{Visit, Visitor};
use super::words::{age, counted, moment};
use crate::http::auditing;
use crate::http::health::{Part, answers, parts};
use crate::http::{Open, Site};
use crate::lag::lags;
use crate::platform::Platform;
use crate::platform::rows::{OutboxDepth, SchemaVersion, TimeData, time_data_version};
use crate::workers::WorkerKind;
use crate::workers::cron::{Done, run_now};

mod audited;
mod cron;
mod reading;

use audited::Audit;
use cron::Cron;
use reading::Reading;

/// How long a page waits for the nightly job.
const EXTENDING_WAIT: Duration = Duration::from_secs(20);

#[derive(Template)]
#[template(path = "system.html")]
struct Page {
    frame: Frame,
    is_well: bool,
    parts: Vec<PartShown>,
    /// Who has read how far, or why that can't be said.
    reading: Result<Reading, String>,
    outbox: Vec<Depth>,
    cron: Cron,
    versions: Vec<(&'static str, String)>,
    audit: Audit,
}

/// A part of the process.
struct PartShown {
    name: &'static str,
    what: &'static str,
    class: &'static str,
    state: &'static str,
    /// What it waits for.
    problem: Option<String>,
}

/// What of a topic waits to be told.
struct Depth {
    topic: &'static str,
    events: String,
    oldest: String,
}

/// `GET /system`
pub(super) async fn show(
    State(site): State<Arc<Site>>,
    Visit { visitor, platform }: Visit,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let frame = Frame::of(&site, &visitor, &headers, Place::System, "System").await?.live();
    let (store, log) = (&platform.store, &platform.log);
    let read = async { tokio::try_join!(store.outbox_depths(), store.cron_last(), store.time_data()) };
    let groups = WorkerKind::ALL.map(|worker| worker.spec().group);
    let installation = &site.open()?.installation;
    let looked = async { tokio::try_join!(lags(&platform), log.topics()) };
    let members = answers(installation.members(&groups));
    let (parts, looked, members, read, versions) =
        tokio::join!(parts(&site), answers(looked), members, read, versions_beneath(site.open()?));
    let (outbox, cron_last, time_data) = read?;
    page(&Page {
        frame,
        is_well: parts.iter().all(Part::is_well),
        parts: parts.into_iter().map(part_shown).collect(),
        reading: looked.map(|(lags, topics)| Reading::of(&lags, &topics, members.as_deref().map_err(Clone::clone))),
        outbox: outbox.iter().map(|depth| depth_shown(depth, visitor.now)).collect(),
        cron: Cron::of(&site.options.policy.cron, cron_last, &visitor),
        versions: versions_shown(versions, time_data.as_ref(), &visitor),
        audit: Audit::of(&site.auditing.audits(), &visitor),
    })
}

/// `POST /system`: the field `act` says what.
pub(super) async fn act(
    State(site): State<Arc<Site>>,
    Sent { visit: Visit { visitor, platform }, fields }: Sent,
) -> Result<Response, Fault> {
    match fields.text("act").unwrap_or_default() {
        "audit" => audit(&site, &visitor, platform),
        "extend" => Ok(extend(&site, &visitor, platform).await),
        other => Err(Fault::bad_request(format!("nothing is called {other:?} that can be done here"))),
    }
}

fn audit(site: &Site, visitor: &Visitor, platform: Platform) -> Result<Response, Fault> {
    let installation = Arc::clone(&site.open()?.installation);
    Ok(match auditing::begin(site, &visitor.name, installation, platform.clock) {
        true => done("/system#audit", "The audit has begun; what it finds will stand on this page."),
        false => not_done("/system#audit", "An audit is under way already; what it finds will stand on this page."),
    })
}

/// The nightly job, now; it goes on by itself if it takes longer than anybody waits.
async fn extend(site: &Site, visitor: &Visitor, platform: Platform) -> Response {
    let place = "/system#cron";
    let Ok(turn) = Arc::clone(&site.extending).try_lock_owned() else {
        return not_done(place, "Somebody has it done already; what it adds shows in the calendar.");
    };
    info!(by = visitor.name, "[Cron] {} has the nightly job done", visitor.name);
    let policy = site.options.policy.clone();
    let work = tokio::spawn(async move {
        let _nobody_else_meanwhile = turn;
        let ended = run_now(&platform, &policy).await;
        ended.inspect_err(
            |problem| warn!(%problem, "the nightly job, asked for on a page, broke off; repeating it is safe"),
        )
    });
    match tokio::time::timeout(EXTENDING_WAIT, work).await {
        Ok(Ok(Ok(ended))) => done(place, in_words(ended)),
        Ok(Ok(Err(problem))) => not_done(place, format!("It broke off, repeating it is safe: {problem}.")),
        Ok(Err(lost)) => not_done(place, format!("It broke off, repeating it is safe: {lost}.")),
        Err(_) => done(place, "It takes its time and goes on; what it adds shows in the calendar."),
    }
}

fn in_words(ended: Done) -> String {
    let purchases = counted(ended.extended as u64, "purchase got lessons", "purchases got lessons");
    let lessons = counted(ended.completed, "lesson is", "lessons are");
    format!("Done: {purchases}, {lessons} noted as over.")
}

fn part_shown(part: Part) -> PartShown {
    let (class, state) = match (&part.state, part.is_needed) {
        (Ok(()), _) => ("good", "works"),
        (Err(_), true) => ("bad", "does not work"),
        (Err(_), false) => ("warn", "is away, which nobody misses here"),
    };
    PartShown { name: part.name, what: what(part.name), class, state, problem: part.state.err() }
}

/// What a part is for.
fn what(name: &str) -> &'static str {
    match WorkerKind::ALL.into_iter().find(|kind| kind.spec().name == name) {
        Some(WorkerKind::Purchase) => "records what was paid",
        Some(WorkerKind::Allocation) => "finds who teaches it",
        Some(WorkerKind::Session) => "puts lessons in the calendar",
        Some(WorkerKind::Cache) => "forgets answers that are outdated",
        None => match name {
            "database" => "holds everything that was decided",
            "log" => "holds what comes in and what is told",
            "cache" => "holds answers for readers",
            _ => "",
        },
    }
}

fn depth_shown(depth: &OutboxDepth, now: Timestamp) -> Depth {
    Depth { topic: depth.topic.name(), events: counted(depth.rows, "event", "events"), oldest: age(depth.oldest, now) }
}

/// What is beneath, with its versions, as far as it can be told.
struct Versions {
    topology: &'static str,
    store: Result<String, String>,
    schema: Result<SchemaVersion, String>,
}

async fn versions_beneath(open: &Open) -> Versions {
    let installation = &open.installation;
    let (store, schema) = tokio::join!(answers(installation.store_version()), answers(installation.schema_version()));
    Versions { topology: installation.topology(), store, schema }
}

fn versions_shown(versions: Versions, time_data: Option<&TimeData>, visitor: &Visitor) -> Vec<(&'static str, String)> {
    let unknown = |problem: String| format!("not known: {problem}");
    let schema = |schema: SchemaVersion| match schema.found == schema.known {
        true => schema.found.to_string(),
        false => format!("{}; this program knows {}", schema.found, schema.known),
    };
    let plans = |data: &TimeData| format!("{}, since {}", data.version, moment(data.noted_at, &visitor.zone));
    vec![
        ("Caravan", env!("CARGO_PKG_VERSION").to_owned()),
        ("Topology", versions.topology.to_owned()),
        ("Database", versions.store.unwrap_or_else(unknown)),
        ("Schema", versions.schema.map_or_else(unknown, schema)),
        ("Time zone data", time_data_version().to_owned()),
        ("Plans are laid out with", time_data.map_or_else(|| "not noted yet".to_owned(), plans)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_says_what_it_is_for() {
        let workers = WorkerKind::ALL.map(|kind| kind.spec().name);
        for name in ["database", "log", "cache"].into_iter().chain(workers) {
            assert!(!what(name).is_empty(), "{name}");
        }
    }

    #[test]
    fn what_the_nightly_job_has_come_to_is_told_in_words() {
        for (extended, completed, words) in [
            (0, 0, "Done: 0 purchases got lessons, 0 lessons are noted as over."),
            (1, 1_200, "Done: 1 purchase got lessons, 1\u{202f}200 lessons are noted as over."),
        ] {
            assert_eq!(in_words(Done { extended, completed, prolonged: 3 }), words);
        }
    }

    #[test]
    fn a_part_that_nobody_needs_here_is_no_fault() {
        let part = |is_needed, state: Result<(), &str>| {
            part_shown(Part { name: "cache", is_needed, state: state.map_err(str::to_owned) })
        };
        assert_eq!(part(true, Ok(())).class, "good");
        assert_eq!(part(true, Err("no answer in 2 s")).class, "bad");
        let away = part(false, Err("no answer in 2 s"));
        assert_eq!((away.class, away.problem.as_deref()), ("warn", Some("no answer in 2 s")));
    }
}
