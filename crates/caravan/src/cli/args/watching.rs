//! `caravan stuck`, `caravan reconcile` and `caravan time-data`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::SignedDuration;
use jiff::civil::Date;

use super::{ListArgs, date};
use crate::cli::stuck::duration;

#[derive(Args, Debug)]
pub(crate) struct StuckArgs {
    /// Only what has been so for at least as long, such as 30m, 2h or 3d [default: all that needs a person, and what a worker should have done five minutes ago]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) older_than: Option<SignedDuration>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ReconcileArgs {
    /// What the shop lists: CSV whose header names payment_id (and item, amount_minor, currency, paid_at), JSON lines with the same fields, or an id a line; - for standard input
    #[arg(value_name = "FILE|-")]
    pub(crate) file: PathBuf,
    /// Also name purchases confirmed on this date (UTC) or later that the shop does not list
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(crate) since: Option<Date>,
    /// Also name purchases confirmed on this date (UTC) or before that the shop does not list
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(crate) until: Option<Date>,
    /// One JSON object a line: each payment, and at the end how many there are of each kind
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TimeDataCommand {
    /// List the versions, and the sessions to come that this program's data would move
    #[command(after_help = "Examples:\n  \
        caravan time-data list\n  \
        caravan time-data list --json\n\n\
        Sessions keep their local time. Where a government has changed its clocks, other time zone data gives that time another \
        instant than the one reserved; then `caravan run` refuses to start, and nothing changes.")]
    List(ListArgs),
}
