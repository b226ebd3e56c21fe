//! `caravan reconcile`: the shop's list of payments against what is recorded.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use caravan::config::Settings;
use caravan::lag::lags;
use caravan::platform::Platform;
use caravan::reconcile::{CHUNK, Reader, Reconciliation, State, Summary, Verdict};
use caravan::workers::WorkerKind;
use serde::Serialize;

use super::args::ReconcileArgs;
use super::failure::Failure;
use super::output::{Output, counted, printable};
use super::{existing, progress, remark};

/// What stands for standard input.
const STANDARD_INPUT: &str = "-";

/// The last line of JSON.
#[derive(Serialize)]
struct Whole {
    summary: Summary,
}

pub(crate) async fn run(settings: &Settings, args: ReconcileArgs, output: &mut Output) -> Result<(), Failure> {
    let (input, bytes) = open(&args.file)?;
    let mut reader = Reader::new(input);
    let Some(app) = existing(settings, "nothing is recorded").await? else {
        return Err(Failure::work("there is nothing to compare with; is --data or --postgres the right one?"));
    };
    let bar = progress::bytes(bytes, "comparing");
    let mut reconciliation = Reconciliation::new(&app.platform);
    loop {
        // Standard input may be slow: others of this process go on meanwhile.
        let listed = tokio::task::block_in_place(|| reader.chunk(CHUNK));
        let listed = listed.map_err(|fault| {
            bar.finish_and_clear();
            Failure::usage(format!("{}: {}", args.file.display(), printable(&fault.to_string())))
        })?;
        if listed.is_empty() {
            break;
        }
        let verdicts = reconciliation.compare(listed).await?;
        bar.set_position(reader.bytes_read());
        bar.suspend(|| verdicts.iter().try_for_each(|verdict| tell(verdict, args.json, output)))?;
    }
    bar.finish_and_clear();
    let summary = reconciliation.summary;
    if args.json {
        output.json(&Whole { summary })?;
    } else {
        output.line(summed_up(&summary))?;
    }
    if summary.is_clean() {
        return Ok(());
    }
    if summary.missing > 0 {
        advise(&app.platform).await;
    }
    Err(Failure::Told)
}

fn open(path: &Path) -> Result<(Box<dyn BufRead + Send>, Option<u64>), Failure> {
    if path == Path::new(STANDARD_INPUT) {
        return Ok((Box::new(BufReader::new(std::io::stdin())), None));
    }
    let unreadable = |error: std::io::Error| Failure::usage(format!("can't read {}: {error}", path.display()));
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(Failure::usage(format!("{} is a directory, not a file", path.display())));
    }
    Ok((Box::new(BufReader::new(file)), metadata.is_file().then_some(metadata.len())))
}

/// For people only what is not as it should be.
fn tell(verdict: &Verdict, json: bool, output: &mut Output) -> Result<(), Failure> {
    if json {
        return output.json(verdict);
    }
    let label = match verdict.state {
        State::Recorded => return Ok(()),
        State::Differs => output.warning("differs"),
        State::DeadLetter => output.bad("dead letter"),
        State::Missing => output.bad("missing"),
    };
    let item = verdict.item.as_ref().map(|item| format!("#{item}")).unwrap_or_default();
    let detail = verdict.detail.as_deref().unwrap_or_default();
    let text = printable(&format!("{}{item}: {detail}", verdict.payment_id));
    output.line(format!("line {}: {label}: {text}", verdict.line))
}

fn summed_up(summary: &Summary) -> String {
    let Summary { listed, recorded, differing, dead_letters, missing } = summary;
    format!(
        "{} listed: {recorded} recorded, {differing} recorded with another amount or currency, {}, {missing} never arrived",
        counted(*listed, "payment", "payments"),
        counted(*dead_letters, "dead letter", "dead letters")
    )
}

/// What is missing may just not have been read yet.
async fn advise(platform: &Platform) {
    let lags = lags(platform).await.unwrap_or_default();
    let unread: u64 = lags.iter().filter(|lag| lag.worker == WorkerKind::Purchase).map(|lag| lag.records()).sum();
    if unread > 0 {
        let unread = counted(unread, "record", "records");
        remark(&format!("{unread} of purchase-confirmed are still to be handled (caravan groups): compare again then"));
    } else {
        remark("hand over what never arrived: caravan purchases confirm FILE");
    }
}
