//! `caravan demo`: a made-up business, from payments to lessons, in a throwaway namespace.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use caravan::app::{App, claim_workers};
use caravan::audit::IDS_SHOWN_DEFAULT;
use caravan::config::{Loaded, Settings};
use caravan::engine::{Stats, Stop};
use caravan::lag::lags;
use caravan::platform::log::NewRecord;
use caravan::platform::rows::Totals;
use caravan::platform::{Platform, PlatformError};
use caravan::roster::{Format, closures_of, import_closures, import_trainers, trainers_of};
use caravan::sample::{Payment, Recipe, Sample, sample};
use caravan::workers::{self, WorkerKind};
use caravan_domain::event::{Headers, Topic, payment_id_of};
use indicatif::ProgressBar;
use serde::Serialize;

use super::args::DemoArgs;
use super::failure::Failure;
use super::output::{Output, counted};
use super::{progress, remark, run as running};

mod namespace;
mod report;
mod watch;

use report::Report;
use watch::{Latencies, Watch};

/// Payments that are published at once.
const PAYMENTS_AT_ONCE: usize = 100;
/// How often the progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(crate) async fn run(loaded: &Loaded, args: DemoArgs, output: &mut Output) -> Result<(), Failure> {
    if loaded.settings.namespace().is_some() {
        remark("the demo uses a throwaway namespace; the one that is set is left alone");
    }
    namespace::remove_abandoned(&loaded.settings).await?;
    let settings = Settings { namespace: namespace::new(), ..loaded.settings.clone() };
    // First of all: from here on nobody takes it for an abandoned one.
    let _claim = claim_workers(&settings, &WorkerKind::ALL).await?;
    let app = App::open(&settings).await?;
    let stop = Stop::new();
    running::stop_on_signals(&stop)?;
    let made = sample(&Recipe::usual(args.seed, args.trainers, args.purchases, app.platform.clock.now()));
    app.ensure_topics().await?;
    prepare(&app, &made).await?;
    output.line(format!(
        "namespace {}: {} trainers, {} payments reported for {} purchases",
        settings.namespace,
        args.trainers,
        made.payments.len(),
        args.purchases
    ))?;
    output.flush()?;
    let show = Show { platform: app.platform.clone(), stop: stop.clone(), stats: Arc::new(Stats::default()) };
    let telling = async {
        let told = match show.play(made, args.purchases).await {
            Ok(Some(report)) => tell(&app, &settings, &report, args.exit, output).await,
            Ok(None) => output.line("stopped before the end"),
            Err(failure) => Err(failure),
        };
        if args.exit || told.is_err() {
            stop.request();
        }
        told
    };
    let (ended, told) = tokio::join!(show.work(&settings), telling);
    told.and(ended)
}

/// The numbers, the audit's verdict, and what to try next.
async fn tell(
    app: &App,
    settings: &Settings,
    report: &Report,
    exits: bool,
    output: &mut Output,
) -> Result<(), Failure> {
    report.tell(output)?;
    let audited = super::audit::report(app, settings, IDS_SHOWN_DEFAULT).await?;
    let broken = audited.broken();
    if broken.is_empty() {
        let all = counted(audited.findings.len() as u64, "guarantee", "guarantees");
        output.line(format!("{:<28}{:>10}", "audit", output.good(&format!("{all} hold"))))?;
    } else {
        audited.text_lines().iter().try_for_each(|line| output.line(line))?;
    }
    report::next_steps(settings, exits, output)?;
    output.flush()?;
    if broken.is_empty() { Ok(()) } else { Err(Failure::work("the audit found broken guarantees")) }
}

/// Brings in the roster and the closures as a file would.
async fn prepare(app: &App, made: &Sample) -> Result<(), Failure> {
    let wrong = |problem: String| Failure::work(format!("the demo's own roster is refused: {problem}"));
    let trainers = trainers_of(&json_lines(&made.trainers)?, Format::JsonLines);
    let trainers = trainers.map_err(|faults| wrong(format!("{faults:?}")))?;
    import_trainers(&app.platform, &trainers).await.map_err(|error| wrong(error.to_string()))?;
    let closures = closures_of(&json_lines(&made.closures)?, Format::JsonLines);
    let closures = closures.map_err(|faults| wrong(format!("{faults:?}")))?;
    import_closures(&app.platform, &closures, true).await.map_err(|error| wrong(error.to_string()))?;
    Ok(())
}

fn json_lines<T: Serialize>(entries: &[T]) -> Result<Vec<u8>, Failure> {
    let mut lines = Vec::new();
    for entry in entries {
        serde_json::to_writer(&mut lines, entry).map_err(|error| Failure::work(error.to_string()))?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// The workers at work, and who watches them.
struct Show {
    platform: Platform,
    stop: Stop,
    stats: Arc<Stats>,
}

impl Show {
    /// Runs all workers until stopped; if they leave by themselves, everything stops.
    async fn work(&self, settings: &Settings) -> Result<(), Failure> {
        let options = running::options(settings, WorkerKind::ALL.to_vec(), false);
        let ended = tokio::select! {
            ended = workers::run(&self.platform, options, &self.stop, &self.stats) => ended,
            () = running::too_late(&self.stop) => Ok(()),
        };
        self.stop.request();
        ended.map_err(|error| Failure::work(error.to_string()))
    }

    /// Publishes the payments and waits until all is done; `None` if it was stopped before.
    async fn play(&self, made: Sample, purchases: u32) -> Result<Option<Report>, Failure> {
        let (begun, published) = (Instant::now(), Arc::new(AtomicU64::new(0)));
        let watch = Watch::start(self.platform.clone()).await?;
        let total = made.payments.len() as u64;
        let publishing = tokio::spawn(publish(
            self.platform.clone(),
            made.payments,
            watch.latencies(),
            published.clone(),
            self.stop.clone(),
        ));
        let bar = progress::count(u64::from(purchases));
        loop {
            let totals = self.platform.store.totals().await?;
            show(&bar, &totals, published.load(Ordering::Relaxed), total);
            if self.stop.is_requested() {
                bar.finish_and_clear();
                return Ok(None);
            }
            if publishing.is_finished() && is_done(&self.platform).await? {
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        bar.finish_and_clear();
        publishing.await.map_err(|error| Failure::work(error.to_string()))??;
        let latencies = watch.finish(LOOK_EVERY).await;
        let totals = self.platform.store.totals().await?;
        Ok(Some(Report::new(totals, &self.stats, latencies, begun.elapsed())))
    }
}

async fn publish(
    platform: Platform,
    payments: Vec<Payment>,
    latencies: Latencies,
    published: Arc<AtomicU64>,
    stop: Stop,
) -> Result<(), PlatformError> {
    for payments in payments.chunks(PAYMENTS_AT_ONCE) {
        if stop.is_requested() {
            break;
        }
        let timestamp = platform.clock.now();
        latencies.begin(payments.iter().map(|payment| payment.purchase_id));
        let record = |payment: &Payment| NewRecord {
            topic: Topic::PurchaseConfirmed,
            key: payment_id_of(&payment.value).map(String::into_bytes),
            value: Some(payment.value.clone()),
            headers: Headers::new(),
            timestamp,
        };
        platform.log.publish(&payments.iter().map(record).collect::<Vec<_>>()).await?;
        published.fetch_add(payments.len() as u64, Ordering::Relaxed);
    }
    Ok(())
}

/// Whether every group has read everything and nothing waits to be published, seen twice in a row:
/// what is on its way from one to the other is in neither for a moment.
async fn is_done(platform: &Platform) -> Result<bool, PlatformError> {
    for _ in 0..2 {
        let behind = lags(platform).await?.iter().any(|lag| lag.records() > 0);
        if behind || !platform.store.outbox(1).await?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn show(bar: &ProgressBar, totals: &Totals, published: u64, payments: u64) {
    let counts = report::Counts::of(totals);
    bar.set_position(counts.settled());
    bar.set_message(format!(
        "{published}/{payments} payments  {} recorded  {} allocated  {} scheduled",
        counts.purchases, counts.allocated, counts.scheduled
    ));
}
