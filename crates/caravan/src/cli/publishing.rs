//! Handing over what the payment side reports: a line is a record, as it is; what it is worth is the worker's to judge.

use caravan::app::App;
use caravan::config::Settings;
use caravan::platform::log::NewRecord;
use caravan_domain::event::{Headers, Topic, payment_id_of};

use super::args::ConfirmArgs;
use super::failure::Failure;
use super::input::{Chunk, LINE_BYTES_MAX, Lines};
use super::output::{Output, counted};
use super::progress;

/// Publishes each line, keyed by its payment; `again` says how the same file can be handed over once more.
pub(crate) async fn publish(
    settings: &Settings,
    args: ConfirmArgs,
    topic: Topic,
    again: &str,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut lines = Lines::open(&args.file)?;
    let app = App::open(settings).await?;
    app.ensure_topics().await?;
    let bar = progress::bytes(lines.bytes(), "publishing");
    let mut published = 0_u64;
    let ended = loop {
        match lines.next().await {
            None => break Ok(()),
            Some(Err(problem)) => break Err(problem),
            Some(Ok(chunk)) => {
                let (records, bytes) = (records(&app, topic, &chunk), chunk.bytes_read);
                if let Err(error) = app.platform.log.publish(&records).await {
                    break Err(error.to_string());
                }
                published += records.len() as u64;
                bar.set_position(bytes);
            }
        }
    };
    bar.finish_and_clear();
    let told = counted(published, "line", "lines");
    match ended {
        Ok(()) => output.line(format!("published {told} to {topic}")),
        Err(problem) => Err(Failure::work(format!(
            "{problem}\n{told} before it were published; the same file can be {again} again, what is there already is recognised"
        ))),
    }
}

fn records(app: &App, topic: Topic, chunk: &Chunk) -> Vec<NewRecord> {
    let timestamp = app.platform.clock.now();
    let record = |line: &Vec<u8>| NewRecord {
        topic,
        key: payment_id_of(line).map(String::into_bytes),
        value: Some(line.clone()),
        headers: Headers::new(),
        timestamp,
    };
    debug_assert!(chunk.lines.iter().all(|line| line.len() <= LINE_BYTES_MAX));
    chunk.lines.iter().map(record).collect()
}
