//! `caravan reconcile`: the shop's payments against what is recorded.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use caravan::app::App;
use caravan::config::Settings;
use caravan::reconcile::{Between, Listed, Listing, PAGE, Reconciled, Reconciler, State, Summary};

use super::args::{ListArgs, ReconcileArgs};
use super::failure::Failure;
use super::output::{List, Output, Row, counted, or_dash};
use super::progress;

/// What is read at once.
const BUFFER_BYTES: usize = 1 << 20;
/// What stands for standard input.
const STANDARD_INPUT: &str = "-";

pub(crate) async fn run(settings: &Settings, args: ReconcileArgs, output: &mut Output) -> Result<(), Failure> {
    if let (Some(since), Some(until)) = (args.since, args.until)
        && since > until
    {
        return Err(Failure::usage(format!("--since {since} is after --until {until}")));
    }
    let named = |problem: String| Failure::usage(format!("{}: {problem}", args.file.display()));
    let (input, read, bytes) = opened(&args.file)?;
    let mut reading = Some(blocking(move || Listing::new(input)).await?.map_err(named)?);
    let Some(app) = App::open_existing(settings).await? else {
        let place = caravan::app::place(settings);
        return Err(Failure::work(format!("no database {place} yet: nothing is recorded that could be compared")));
    };
    let asked = args.since.is_some() || args.until.is_some();
    let between = asked.then_some(Between { since: args.since, until: args.until });
    let mut reconciler = Reconciler::new(&app.platform, between);
    let mut summary = Summary::default();
    let mut list = List::of::<Reconciled>(output, ListArgs { json: args.json, limit: None });
    let bar = progress::bytes(bytes, "comparing");
    while let Some(mut listing) = reading.take() {
        let (back, page) = blocking(move || {
            let page = listing.page(PAGE);
            (listing, page)
        })
        .await?;
        let page: Vec<Listed> = page.map_err(named)?;
        if page.is_empty() {
            break;
        }
        reading = Some(back);
        let found = reconciler.compare(&page).await?;
        bar.suspend(|| tell(&found, args.json, &mut list, &mut summary))?;
        bar.set_position(read.load(Ordering::Relaxed));
    }
    bar.finish_and_clear();
    if asked {
        unlisted(&app, &mut reconciler, args.json, &mut list, &mut summary).await?;
    }
    if args.json {
        list.finish("")?;
        output.json(&summary)?;
    } else {
        list.finish("shop and database say the same")?;
        output.line(in_words(&summary, asked))?;
    }
    if summary.agrees() { Ok(()) } else { Err(Failure::Told) }
}

async fn unlisted(
    app: &App,
    reconciler: &mut Reconciler<'_>,
    json: bool,
    list: &mut List<'_>,
    summary: &mut Summary,
) -> Result<(), Failure> {
    let all: u64 = app.platform.store.totals().await?.purchases.values().sum();
    let bar = progress::count(all).with_message("looking for what the shop does not list");
    while let Some((found, looked_at)) = reconciler.unlisted().await? {
        bar.suspend(|| tell(&found, json, list, summary))?;
        bar.inc(looked_at as u64);
    }
    bar.finish_and_clear();
    Ok(())
}

/// People are told what is to be looked at; machines everything.
fn tell(found: &[Reconciled], json: bool, list: &mut List<'_>, summary: &mut Summary) -> Result<(), Failure> {
    for found in found {
        summary.count(found);
        if json || found.state != State::Recorded {
            list.push(found)?;
        }
    }
    Ok(())
}

fn in_words(summary: &Summary, asked: bool) -> String {
    let listed = counted(summary.listed, "payment", "payments");
    let Summary { recorded, differs, dead_letters, missing, unlisted, .. } = summary;
    let more = if asked { format!(", {unlisted} recorded and not listed") } else { String::new() };
    format!(
        "{listed} listed: {recorded} recorded, {differs} differ, {dead_letters} set aside, {missing} never arrived{more}"
    )
}

type Opened = (Box<dyn BufRead + Send>, Arc<AtomicU64>, Option<u64>);

/// The input, how much of it was read, and how long it is, if that is known.
fn opened(path: &Path) -> Result<Opened, Failure> {
    let unreadable = |error: std::io::Error| Failure::usage(format!("can't read {}: {error}", path.display()));
    let (input, bytes): (Box<dyn Read + Send>, _) = if path == Path::new(STANDARD_INPUT) {
        (Box::new(std::io::stdin()), None)
    } else {
        let file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(Failure::usage(format!("{} is a directory, not a file", path.display())));
        }
        (Box::new(file), metadata.is_file().then_some(metadata.len()))
    };
    let read = Arc::new(AtomicU64::new(0));
    let counting = Counting { input, read: Arc::clone(&read) };
    Ok((Box::new(BufReader::with_capacity(BUFFER_BYTES, counting)), read, bytes))
}

struct Counting {
    input: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Runs what may wait for a file or for standard input.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Failure::work(format!("reading failed: {error}")))
}

impl Row for Reconciled {
    const COLUMNS: &'static [&'static str] =
        &["LINE", "PAYMENT", "PAID", "STATE", "PURCHASE", "STATUS", "REASON", "DETAIL"];

    fn cells(&self) -> Vec<String> {
        let payment = match &self.item {
            Some(item) => format!("{}#{item}", self.payment_id),
            None => self.payment_id.clone(),
        };
        vec![
            or_dash(self.line),
            payment,
            or_dash(self.paid_at.as_ref()),
            self.state.name().to_owned(),
            self.purchase_id.to_string(),
            or_dash(self.status),
            or_dash(self.reason.as_ref()),
            self.detail.clone(),
        ]
    }
}
