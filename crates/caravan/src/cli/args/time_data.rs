//! `caravan time-data`: what other time zone data would move, and moving it.

use clap::{Args, Subcommand};

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
    /// Move the sessions to come that this program's data displaces to their local time
    #[command(after_help = "Examples:\n  \
        caravan time-data apply --plan\n  \
        caravan time-data apply --reason 'Kazakhstan has one zone from March on'\n\n\
        Every displaced session keeps its local time: its instant moves, the old time of trainer and student is free again, and \
        sessions-changed tells of it. Where the new time is taken the session stays at its instant as a recorded change, and is \
        left to a person. --plan shows what would be done and changes nothing. Doing it again does what is left. Stop all \
        processes of the program before this one first: they would go on planning with its data.")]
    Apply(TimeDataApplyArgs),
}

#[derive(Args, Debug)]
pub(crate) struct TimeDataApplyArgs {
    /// Show what would be done, and change nothing
    #[arg(long)]
    pub(crate) plan: bool,
    /// Why, for those who read it later
    #[arg(long, value_name = "TEXT", required_unless_present = "plan")]
    pub(crate) reason: Option<String>,
    /// Who decides [default: the user who runs this]
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}
