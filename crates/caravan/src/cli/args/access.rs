//! Options of API tokens and addresses of calendars.

use caravan_domain::access::Role;
use clap::{Args, Subcommand};
use uuid::Uuid;

use super::ListArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum TokensCommand {
    /// Make a token; it is shown once
    #[command(after_help = "Examples:\n  \
        caravan tokens create --role ingest --name shop\n  \
        caravan tokens create --role read --name reports --json\n\n\
        Roles: ingest hands in payments and orders, read sees everything, operate changes the roster, dead letters and calendars as \
        well, admin may do all of it.")]
    Create(TokenCreateArgs),
    /// List tokens, without their secrets
    #[command(after_help = "Examples:\n  caravan tokens list\n  caravan tokens list --json")]
    List(ListArgs),
    /// Make a token invalid, within seconds and for ever
    #[command(after_help = "Examples:\n  caravan tokens revoke 1f0f4a7e-7c1c-4f5e-9a44-0b5f6a1d2c3e")]
    Revoke(RevokeArgs),
}

#[derive(Args, Debug)]
pub(crate) struct TokenCreateArgs {
    /// What its holder may do: ingest, read, operate or admin
    #[arg(long, value_name = "ROLE", value_parser = clap::value_parser!(Role))]
    pub(crate) role: Role,
    /// What people call it, such as who holds it
    #[arg(long, value_name = "NAME", default_value = "")]
    pub(crate) name: String,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct RevokeArgs {
    /// The id, as it is listed
    #[arg(value_name = "ID")]
    pub(crate) id: Uuid,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CalendarsCommand {
    /// Make an address of somebody's calendar; it is shown once
    #[command(after_help = "Examples:\n  \
        caravan calendars create --trainer trn_7\n  \
        caravan calendars create --student stu_118 --json\n\n\
        Whoever has the address sees the calendar, until it is revoked. Set public_url to what it is to begin with.")]
    Create(WhoseCalendarArgs),
    /// List addresses, without their secrets
    #[command(after_help = "Examples:\n  caravan calendars list\n  caravan calendars list --json")]
    List(ListArgs),
    /// Make an address invalid, at once and for ever
    #[command(after_help = "Examples:\n  caravan calendars revoke 1f0f4a7e-7c1c-4f5e-9a44-0b5f6a1d2c3e")]
    Revoke(RevokeArgs),
}

#[derive(Args, Debug)]
#[group(skip)]
pub(crate) struct WhoseCalendarArgs {
    /// The trainer's id
    #[arg(long, value_name = "ID", required_unless_present = "student", conflicts_with = "student")]
    pub(crate) trainer: Option<String>,
    /// The student's id
    #[arg(long, value_name = "ID")]
    pub(crate) student: Option<String>,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
