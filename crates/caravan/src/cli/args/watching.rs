//! `caravan stuck`

use clap::Args;
use jiff::SignedDuration;

use super::ListArgs;
use crate::cli::stuck::duration;

#[derive(Args, Debug)]
pub(crate) struct StuckArgs {
    /// Only what has been so for at least as long, such as 30m, 2h or 3d [default: all that needs a person, and what a worker should have done five minutes ago]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) older_than: Option<SignedDuration>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}
