//! `caravan time-data`: what other time zone data would move.

use clap::Subcommand;

use super::ListArgs;

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
