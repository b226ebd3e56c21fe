//! `caravan purchases adopt`: moving in.

use caravan::config::Settings;
use caravan::life::adopting::{AdoptError, AdoptedRow, FILE_BYTES_MAX, adopt};
use caravan::roster::LineFault;
use serde::Serialize;

use super::allocate::policy_of;
use crate::cli::args::AdoptArgs;
use crate::cli::failure::Failure;
use crate::cli::input;
use crate::cli::output::{Output, counted, printable};
use crate::cli::{existing, remark, time_data};

/// Clashes that are told in words; the rest is counted. With `--json` all are.
const FAULTS_TOLD_MAX: usize = 200;

pub(super) async fn run(settings: &Settings, args: AdoptArgs, output: &mut Output) -> Result<(), Failure> {
    let content = input::whole(&args.file, FILE_BYTES_MAX)?;
    let Some(app) = existing(settings, "there are no trainers to adopt plans with").await? else {
        return Err(Failure::work("import the trainers first: caravan trainers import FILE"));
    };
    app.ensure_topics().await?;
    time_data::settled(&app).await?;
    match adopt(&app.platform, &content, policy_of(settings), args.dry_run).await {
        Ok(rows) if args.json => rows.iter().try_for_each(|row| output.json(row)),
        Ok(rows) => output.line(summary(&rows, args.dry_run)),
        Err(error) => {
            if let AdoptError::Faults(faults) = &error {
                tell(&args, faults, output)?;
            }
            Err(Failure::work(error.to_string()))
        }
    }
}

fn summary(rows: &[AdoptedRow], dry_run: bool) -> String {
    let there = rows.iter().filter(|row| row.there_already).count();
    let plans = counted((rows.len() - there) as u64, "plan", "plans");
    let already = format!("{there} there already");
    if dry_run {
        format!("{plans} can be adopted, {already}; nothing was written")
    } else {
        format!("{plans} adopted, {already}")
    }
}

#[derive(Serialize)]
struct FaultRow<'a> {
    line: u64,
    pointer: &'a str,
    problem: &'a str,
}

fn tell(args: &AdoptArgs, faults: &[LineFault], output: &mut Output) -> Result<(), Failure> {
    if args.json {
        let row = |found: &LineFault| {
            let (line, pointer, problem) = (found.line, &found.fault.pointer, &found.fault.problem);
            output.json(&FaultRow { line, pointer, problem })
        };
        return faults.iter().try_for_each(row);
    }
    for fault in faults.iter().take(FAULTS_TOLD_MAX) {
        remark(&printable(&format!("{}: {fault}", args.file.display())));
    }
    if let more @ 1.. = faults.len().saturating_sub(FAULTS_TOLD_MAX) {
        remark(&format!("... and {more} more; --json shows all"));
    }
    Ok(())
}
