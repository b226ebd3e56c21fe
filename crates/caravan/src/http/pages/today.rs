//! Today: who teaches whom, what needs a person first, and how the purchases move through.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use caravan_domain::event::Topic;
use caravan_domain::purchase::PurchaseStatus;
use jiff::{Timestamp, ToSpan};

use super::fault::Fault;
use super::frame::{Frame, Place, page};
use super::sessions::{Lesson, lessons};
use super::visitor::{Visit, Visitor};
use super::words::{age, counted, date, grouped};
use crate::engine::WorkerState;
use crate::http::Site;
use crate::overview::{Counts, Day, Look, Stage};
use crate::platform::rows::{SessionFilter, Standings};
use crate::workers::WorkerKind;

/// Lessons of the day that are shown; the others are a link away.
const LESSONS_MAX: usize = 60;
/// The size of the chart of days, in its own units.
const CHART: (f64, f64) = (700.0, 110.0);
/// What of a day's width its bar takes.
const BAR: f64 = 0.72;
/// Records a worker may be behind before that is said.
const BEHIND: u64 = 100;

#[derive(Template)]
#[template(path = "today.html")]
struct Page {
    frame: Frame,
    lessons: Vec<Lesson>,
    more_lessons: bool,
    needs: Vec<Need>,
    paid_today: String,
    taught_today: String,
    waiting_today: String,
    yesterday: String,
    bars: Vec<Bar>,
    chart: (f64, f64),
    stages: Vec<StageShown>,
    outbox: String,
    rest: Vec<StageShown>,
    /// Why nothing can be said of the workers.
    blind: Option<String>,
}

/// Something that waits for a person.
struct Need {
    href: &'static str,
    count_of: &'static str,
    number: String,
    words: &'static str,
    since: Option<String>,
}

/// A day of the chart.
struct Bar {
    x: String,
    width: String,
    parts: Vec<Part>,
    title: String,
}

/// A part of a day's bar.
struct Part {
    class: &'static str,
    y: String,
    height: String,
}

/// A worker in the picture of the pipeline.
struct StageShown {
    name: &'static str,
    what: &'static str,
    /// The topics whose events show that something has passed it.
    tells: String,
    rate: String,
    lag: String,
    dead_letters: u64,
    state: &'static str,
    words: String,
}

/// `GET /`
pub(super) async fn show(
    State(site): State<Arc<Site>>,
    Visit { visitor, platform }: Visit,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let frame = Frame::of(&site, &visitor, &headers, Place::Today, "Today").await?.live();
    let look = site.open()?.watch.look().await?;
    let filter = SessionFilter { starting: Some(today(&visitor)), ..SessionFilter::default() };
    let found = platform.store.list_sessions(&filter, None, LESSONS_MAX + 1).await?;
    let more_lessons = found.len() > LESSONS_MAX;
    let lessons = lessons(&platform, found.into_iter().take(LESSONS_MAX).collect(), &visitor).await?;
    let (today, yesterday) = latest(&look);
    let (stages, blind) = match &look.stages {
        Ok(stages) => (stages.as_slice(), None),
        Err(problem) => (&[][..], Some(problem.clone())),
    };
    let shown = |on_the_way: bool| {
        let of = stages.iter().filter(move |stage| is_on_the_way(stage.worker) == on_the_way);
        of.map(|stage| stage_shown(&site, stage)).collect()
    };
    page(&Page {
        frame,
        lessons,
        more_lessons,
        needs: needs(&look.counts, visitor.now),
        paid_today: grouped(today.total()),
        taught_today: grouped(taught(today)),
        waiting_today: grouped(waiting(today)),
        yesterday: counted(yesterday.total(), "payment", "payments"),
        bars: bars(&look.days),
        chart: CHART,
        stages: shown(true),
        rest: shown(false),
        blind,
        outbox: counted(look.outbox, "event is", "events are"),
    })
}

/// From midnight to midnight where the business is.
fn today(visitor: &Visitor) -> (Timestamp, Timestamp) {
    let date = visitor.now.to_zoned(visitor.zone.clone()).date();
    let midnight = |days: i64| {
        let zoned = date.saturating_add(days.days()).to_zoned(visitor.zone.clone());
        zoned.map_or(visitor.now, |zoned| zoned.timestamp())
    };
    (midnight(0), midnight(1))
}

fn latest(look: &Look) -> (&Standings, &Standings) {
    static NONE: Standings = Standings { by_status: BTreeMap::new() };
    let mut days = look.days.iter().rev().map(|day| &day.standings);
    (days.next().unwrap_or(&NONE), days.next().unwrap_or(&NONE))
}

fn of(standings: &Standings, statuses: &[PurchaseStatus]) -> u64 {
    statuses.iter().filter_map(|status| standings.by_status.get(status)).sum()
}

fn taught(standings: &Standings) -> u64 {
    of(standings, &[PurchaseStatus::Allocated, PurchaseStatus::Scheduled, PurchaseStatus::Completed])
}

fn waiting(standings: &Standings) -> u64 {
    of(standings, &[PurchaseStatus::Created, PurchaseStatus::Waitlisted])
}

fn needs(counts: &Counts, now: Timestamp) -> Vec<Need> {
    let since = |at: Option<Timestamp>| at.map(|at| format!("the oldest for {}", age(at, now)));
    let need = |href, count_of, number: u64, (one, many), since: Option<String>| Need {
        href,
        count_of,
        number: grouped(number),
        words: if number == 1 { one } else { many },
        since: since.filter(|_| number > 0),
    };
    vec![
        need(
            "/conflicts",
            "conflicts",
            counts.conflicts.unwrap_or(0),
            ("session contradicts the roster", "sessions contradict the roster"),
            None,
        ),
        need(
            "/waitlist",
            "waitlist",
            counts.work.waitlisted,
            ("purchase waits for a trainer", "purchases wait for a trainer"),
            since(counts.work.oldest_waiting),
        ),
        need(
            "/refunds",
            "refunds",
            counts.work.refunds,
            ("refund to decide about", "refunds to decide about"),
            since(counts.work.oldest_refund),
        ),
        need(
            "/dead-letters",
            "dead-letters",
            counts.work.dead_letters,
            ("record set aside", "records set aside"),
            since(counts.work.oldest_letter),
        ),
    ]
}

fn bars(days: &[Day]) -> Vec<Bar> {
    let most = days.iter().map(|day| day.standings.total()).max().unwrap_or(0).max(1) as f64;
    let width = CHART.0 / days.len().max(1) as f64;
    let bar = |(place, day): (usize, &Day)| {
        let standings = &day.standings;
        let (all, taught, waiting) = (standings.total(), taught(standings), waiting(standings));
        let mut top = CHART.1;
        let mut part = |class, number: u64| {
            let height = number as f64 / most * CHART.1;
            top -= height;
            Part { class, y: format!("{top:.1}"), height: format!("{height:.1}") }
        };
        let parts = [("taught", taught), ("waiting", waiting), ("off", all - taught - waiting)];
        let parts = parts.into_iter().filter(|(_, number)| *number > 0).map(|(class, number)| part(class, number));
        Bar {
            parts: parts.collect(),
            x: format!("{:.1}", place as f64 * width + width * (1.0 - BAR) / 2.0),
            width: format!("{:.1}", width * BAR),
            title: format!(
                "{}: {}, {taught} with a trainer, {waiting} waiting",
                date(day.date),
                counted(all, "payment", "payments")
            ),
        }
    };
    days.iter().enumerate().map(bar).collect()
}

/// Whether what is paid passes it on its way to the calendar.
fn is_on_the_way(worker: WorkerKind) -> bool {
    worker != WorkerKind::Cache
}

fn stage_shown(site: &Site, stage: &Stage) -> StageShown {
    let (name, what, tells): (_, _, &[Topic]) = match stage.worker {
        WorkerKind::Purchase => ("Purchases", "Records what was paid", &[Topic::PurchaseCreated]),
        WorkerKind::Allocation => {
            ("Trainers", "Finds who teaches it", &[Topic::TrainerAllocated, Topic::PurchaseWaitlisted])
        }
        WorkerKind::Session => ("Sessions", "Puts lessons in the calendar", &[Topic::SessionsScheduled]),
        WorkerKind::Cache => ("Cache", "Forgets what is outdated", &[]),
    };
    let (state, words) = state(site, stage);
    StageShown {
        name,
        what,
        tells: tells.iter().map(|topic| topic.name()).collect::<Vec<_>>().join(" "),
        rate: format!("{:.0}", stage.per_minute),
        lag: counted(stage.lag, "record waits", "records wait"),
        dead_letters: stage.dead_letters,
        state,
        words,
    }
}

/// How a worker does, as far as this process knows.
fn state(site: &Site, stage: &Stage) -> (&'static str, String) {
    if stage.is_lost {
        return ("stopped", "its position does not fit the log: caravan groups shows how to settle it".to_owned());
    }
    if !site.options.workers.contains(&stage.worker) {
        return match stage.lag {
            0 => ("idle", "has nothing to do; runs in another process".to_owned()),
            _ => ("behind", "runs in another process, if at all".to_owned()),
        };
    }
    match site.stats.worker(stage.worker.spec().name).state() {
        WorkerState::Waiting(problem) => ("stopped", format!("waits: {problem}")),
        WorkerState::Starting => ("behind", "is starting".to_owned()),
        WorkerState::Consuming if stage.lag > BEHIND => ("behind", "is catching up".to_owned()),
        WorkerState::Consuming if stage.lag == 0 => ("idle", "is up to date".to_owned()),
        WorkerState::Consuming => ("idle", "is at work".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(counts: &[(PurchaseStatus, u64)]) -> Day {
        let by_status = counts.iter().copied().collect::<BTreeMap<_, _>>();
        Day { date: jiff::civil::date(2026, 12, 1), standings: Standings { by_status } }
    }

    #[test]
    fn the_highest_day_fills_the_chart_and_the_others_are_in_proportion() {
        use PurchaseStatus::{Cancelled, Scheduled, Waitlisted};
        let bars = bars(&[day(&[(Scheduled, 4), (Waitlisted, 4), (Cancelled, 2)]), day(&[(Scheduled, 5)]), day(&[])]);
        let heights: Vec<Vec<&str>> =
            bars.iter().map(|bar| bar.parts.iter().map(|part| part.height.as_str()).collect()).collect();
        assert_eq!(heights, [vec!["44.0", "44.0", "22.0"], vec!["55.0"], vec![]]);
        assert_eq!(bars[0].parts[2].y, "0.0");
    }

    #[test]
    fn nothing_paid_yet_is_no_failure() {
        assert!(bars(&[]).is_empty());
        assert!(bars(&[day(&[])])[0].parts.is_empty());
    }
}
