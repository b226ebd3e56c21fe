//! `caravan refunds …`

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::{ConfirmArgs, ListArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum RefundsCommand {
    /// List refunds, oldest first
    #[command(after_help = "Examples:\n  \
        caravan refunds list\n  \
        caravan refunds list --open --json\n\n\
        open: a person is to decide; kept: its payment is not known yet; applied: the purchase is called off; settled. \
        provisional: the money is held back and may return, as in a dispute, and calls nothing off.")]
    List(RefundsListArgs),
    /// Note what was decided about an open refund
    #[command(after_help = "Examples:\n  \
        caravan refunds settle 7b655217-5cc2-577b-8f09-d0d72b62f269 --note 'one lesson less'\n  \
        caravan refunds settle 7b655217-5cc2-577b-8f09-d0d72b62f269 --note 'goodwill, nothing changes' --by ann\n\n\
        It changes nothing else: to call the purchase off, see `caravan purchases cancel --help`.")]
    Settle(RefundSettleArgs),
    /// Publish refunds, one JSON value a line
    #[command(after_help = "Examples:\n  \
        caravan refunds report refunds.jsonl\n  \
        refunds-export | caravan refunds report -\n\n\
        Lines are published as they are. Whatever can't be used is set aside by the worker: see `caravan dead-letters list`.")]
    Report(ConfirmArgs),
}

#[derive(Args, Debug)]
pub(crate) struct RefundsListArgs {
    #[command(flatten)]
    pub(crate) list: ListArgs,
    /// Only those about which a person is to decide
    #[arg(long)]
    pub(crate) open: bool,
}

#[derive(Args, Debug)]
pub(crate) struct RefundSettleArgs {
    /// The refund's id, as `caravan refunds list` shows it
    #[arg(value_name = "ID")]
    pub(crate) id: Uuid,
    /// What was decided, for those who read it later
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: String,
    /// Who decided [default: the user who runs this]
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
}
