//! `caravan dead-letters`: records that were set aside.

use std::path::Path;

use caravan::app::App;
use caravan::config::Settings;
use caravan::platform::rows::{DeadLetter, DeadLetterFilter};
use caravan::redrive::{LETTERS_MAX, Rehearsals, Sent, send_again};
use caravan_domain::event::Topic;
use jiff::Timestamp;
use serde::Serialize;

use super::args::{DeadLetterShowArgs, DeadLettersCommand, DeadLettersListArgs, RedriveArgs};
use super::existing;
use super::failure::Failure;
use super::input::{self, LINE_BYTES_MAX};
use super::output::{List, Output, Row, counted, or_dash, printable};

/// Dead letters read at once: each may be large.
const PAGE: usize = LETTERS_MAX;
/// Characters of a detail in a table; `show` tells all of it.
const DETAIL_SHOWN_MAX: usize = 100;

pub(crate) async fn run(settings: &Settings, command: DeadLettersCommand, output: &mut Output) -> Result<(), Failure> {
    match command {
        DeadLettersCommand::List(args) => list(settings, args, output).await,
        DeadLettersCommand::Show(args) => show(settings, args, output).await,
        DeadLettersCommand::Redrive(args) => redrive(settings, args, output).await,
    }
}

#[derive(Serialize)]
struct DeadLetterRow<'a> {
    id: i64,
    topic: Topic,
    partition: u32,
    offset: u64,
    consumer_group: &'a str,
    reason: &'a str,
    detail: &'a str,
    attempts: u32,
    redrives: u32,
    failed_at: Timestamp,
    redriven_at: Option<Timestamp>,
}

impl<'a> DeadLetterRow<'a> {
    fn new(letter: &'a DeadLetter) -> Self {
        Self {
            id: letter.id,
            topic: letter.topic,
            partition: letter.partition,
            offset: letter.offset,
            consumer_group: &letter.consumer_group,
            reason: &letter.reason,
            detail: &letter.detail,
            attempts: letter.attempts,
            redrives: letter.redrives,
            failed_at: letter.failed_at,
            redriven_at: letter.redriven_at,
        }
    }
}

impl Row for DeadLetterRow<'_> {
    const COLUMNS: &'static [&'static str] = &["ID", "RECORD", "GROUP", "REASON", "SENT AGAIN", "DETAIL"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            format!("{}/{}@{}", self.topic, self.partition, self.offset),
            self.consumer_group.to_owned(),
            self.reason.to_owned(),
            or_dash(self.redriven_at.map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ"))),
            shortened(self.detail),
        ]
    }
}

fn shortened(detail: &str) -> String {
    match detail.char_indices().nth(DETAIL_SHOWN_MAX) {
        Some((end, _)) => format!("{}...", &detail[..end]),
        None => detail.to_owned(),
    }
}

async fn list(settings: &Settings, args: DeadLettersListArgs, output: &mut Output) -> Result<(), Failure> {
    let Some(app) = existing(settings, "nothing to list").await? else { return Ok(()) };
    let filter = DeadLetterFilter { reason: args.reason, waiting: args.waiting, ..DeadLetterFilter::default() };
    let mut list = List::of::<DeadLetterRow<'_>>(output, args.list);
    let mut after = None;
    while list.wants_more() {
        let page = app.platform.store.list_dead_letters(&filter, after, list.page(PAGE)).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        for letter in &page {
            list.push(&DeadLetterRow::new(letter))?;
        }
    }
    list.finish("no dead letters")
}

#[derive(Serialize)]
struct DeadLetterWhole<'a> {
    #[serde(flatten)]
    row: DeadLetterRow<'a>,
    key: Option<String>,
    headers: serde_json::Value,
    value: Option<String>,
    repaired: Option<String>,
}

async fn show(settings: &Settings, args: DeadLetterShowArgs, output: &mut Output) -> Result<(), Failure> {
    let Some(app) = existing(settings, "nothing to show").await? else { return Err(missing(&[args.id])) };
    let letter = named(&app, &[args.id]).await?.pop().ok_or_else(|| missing(&[args.id]))?;
    let text = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let whole = DeadLetterWhole {
        row: DeadLetterRow::new(&letter),
        key: text(&letter.key),
        headers: serde_json::from_str(&letter.headers.to_json_text()).unwrap_or_default(),
        value: text(&letter.value),
        repaired: text(&letter.repaired),
    };
    if args.json { output.json(&whole) } else { tell(&letter, &whole, output) }
}

fn tell(letter: &DeadLetter, whole: &DeadLetterWhole<'_>, output: &mut Output) -> Result<(), Failure> {
    output.line(output.heading(&format!("Dead letter {}", letter.id)))?;
    let attempts = counted(letter.attempts.into(), "attempt", "attempts");
    for (label, text) in [
        ("Record", format!("{}/{} offset {}", letter.topic, letter.partition, letter.offset)),
        ("Group", letter.consumer_group.clone()),
        ("Set aside", format!("{:.0} after {attempts}", letter.failed_at)),
        ("Reason", letter.reason.clone()),
        ("Detail", letter.detail.clone()),
        ("Sent again", letter.redriven_at.map_or_else(|| "not yet".to_owned(), |at| at.to_string())),
        ("Key", or_dash(whole.key.as_ref())),
    ] {
        output.line(format!("{label:<12}{}", printable(&text)))?;
    }
    for header in letter.headers.iter() {
        let value = or_dash(header.value.as_deref().map(header_text));
        output.line(printable(&format!("{:<12}{}: {value}", "Header", header.name)))?;
    }
    for (label, bytes) in [("Value", &letter.value), ("Repaired", &letter.repaired)] {
        if let Some(bytes) = bytes {
            output.line(format!("{label} ({} bytes)\n{}", bytes.len(), readable(bytes)))?;
        }
    }
    Ok(())
}

/// Text as it is, anything else in hexadecimal.
fn header_text(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => value.iter().fold("0x".to_owned(), |text, byte| format!("{text}{byte:02x}")),
    }
}

/// JSON laid out, anything else as it is, without what could steer a terminal.
fn readable(bytes: &[u8]) -> String {
    let laid_out = serde_json::from_slice::<serde_json::Value>(bytes).ok();
    let text = laid_out.and_then(|value| serde_json::to_string_pretty(&value).ok());
    let text = text.unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned());
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

async fn redrive(settings: &Settings, args: RedriveArgs, output: &mut Output) -> Result<(), Failure> {
    if args.value.is_some() && args.which.ids.len() != 1 {
        return Err(Failure::usage("--value goes with exactly one ID: it replaces that record's value"));
    }
    let repaired = args.value.as_deref().map(repaired).transpose()?;
    let Some(app) = existing(settings, "nothing to send again").await? else { return Ok(()) };
    let mut run = Redrive { app: &app, dry: args.dry_run, repaired, sent: 0, rehearsals: Rehearsals::default() };
    if args.which.ids.is_empty() {
        run.waiting(args.which.reason, output).await?;
    } else {
        run.these(&args.which.ids, output).await?;
    }
    match (run.dry, run.sent) {
        (true, _) => output.line("nothing was sent: this was a dry run"),
        (false, sent) => output.line(format!("sent {} again", counted(sent, "record", "records"))),
    }
}

fn repaired(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut value = input::whole(file, LINE_BYTES_MAX as u64)?;
    // Editors end a file with a line feed, which no record ends with.
    if value.last() == Some(&b'\n') {
        value.pop();
    }
    Ok(value)
}

struct Redrive<'a> {
    app: &'a App,
    dry: bool,
    repaired: Option<Vec<u8>>,
    sent: u64,
    rehearsals: Rehearsals,
}

impl Redrive<'_> {
    /// Those a person named: each must be there.
    async fn these(&mut self, ids: &[i64], output: &mut Output) -> Result<(), Failure> {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        let mut absent = Vec::new();
        for ids in ids.chunks(LETTERS_MAX) {
            let found = named(self.app, ids).await?;
            absent.extend(ids.iter().filter(|id| found.iter().all(|letter| letter.id != **id)));
        }
        if !absent.is_empty() {
            return Err(missing(&absent));
        }
        for ids in ids.chunks(LETTERS_MAX) {
            let letters = named(self.app, ids).await?;
            self.send(&letters, output).await?;
        }
        Ok(())
    }

    /// All that were not sent again yet. What fails again meanwhile is a new one, and not sent.
    async fn waiting(&mut self, reason: Option<String>, output: &mut Output) -> Result<(), Failure> {
        let filter = DeadLetterFilter { reason, waiting: true, ..DeadLetterFilter::default() };
        let begun = self.app.platform.clock.now();
        let mut after = None;
        loop {
            let mut page = self.app.platform.store.list_dead_letters(&filter, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id);
            page.retain(|letter| letter.failed_at <= begun);
            self.send(&page, output).await?;
        }
    }

    async fn send(&mut self, letters: &[DeadLetter], output: &mut Output) -> Result<(), Failure> {
        if self.dry {
            for letter in letters {
                let fate = self.rehearsals.of(&self.app.platform, letter, self.repaired.as_deref()).await?;
                output.line(printable(&format!("{}: {fate}", letter.id)))?;
            }
            return Ok(());
        }
        for (id, sent) in send_again(&self.app.platform, letters, self.repaired.as_deref()).await? {
            match sent {
                Sent::Now(topic) => {
                    self.sent += 1;
                    output.line(format!("{id}: sent again to {topic}"))?;
                }
                Sent::Before(at) => output.line(format!("{id}: already sent again at {at:.0}"))?,
            }
        }
        Ok(())
    }
}

async fn named(app: &App, ids: &[i64]) -> Result<Vec<DeadLetter>, Failure> {
    let filter = DeadLetterFilter { ids: ids.to_vec(), ..DeadLetterFilter::default() };
    Ok(app.platform.store.list_dead_letters(&filter, None, ids.len()).await?)
}

fn missing(ids: &[i64]) -> Failure {
    let ids = ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    Failure::work(format!("there is no dead letter {ids}; see: caravan dead-letters list"))
}
