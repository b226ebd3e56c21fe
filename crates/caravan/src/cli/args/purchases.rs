//! `caravan purchases …`

use std::path::PathBuf;

use caravan_domain::purchase::PurchaseStatus;
use clap::{Args, Subcommand};
use jiff::civil::Date;

use super::{ListArgs, date};
use caravan_domain::plan::Slot;

#[derive(Debug, Subcommand)]
pub(crate) enum PurchasesCommand {
    /// Publish confirmed payments, one JSON value a line
    #[command(after_help = "Examples:\n  \
        caravan purchases confirm payments.jsonl\n  \
        payments-export | caravan purchases confirm -\n\n\
        With \"sessions\": null in its plan it runs until it is cancelled. Lines are published as they are. Whatever can't be used is set aside by the worker: see `caravan dead-letters list`.")]
    Confirm(ConfirmArgs),
    /// List purchases, oldest first
    #[command(after_help = "Examples:\n  \
        caravan purchases list --status waitlisted\n  \
        caravan purchases list --student stu_118 --json")]
    List(PurchasesListArgs),
    /// Show one purchase: where it stands, and why that trainer
    #[command(after_help = "Examples:\n  \
        caravan purchases show 0160dedd-cca0-578b-8ef9-108c281d0ad2\n  \
        caravan purchases show pay_29QQoUBi66xm2f")]
    Show(PurchaseShowArgs),
    /// Call a purchase off: sessions from a date on are cancelled, and their time is free again
    #[command(after_help = "Examples:\n  \
        caravan purchases cancel pay_29QQoUBi66xm2f --reason 'moved abroad'\n  \
        caravan purchases cancel pay_29QQoUBi66xm2f --reason 'end of term' --from 2027-01-01\n\n\
        What has begun is held, and so is what is planned before the date. Doing it again changes nothing.")]
    Cancel(PurchaseCancelArgs),
    /// Give a purchase that has no trainer yet one, by hand
    #[command(after_help = "Examples:\n  \
        caravan purchases allocate pay_29QQoUBi66xm2f --trainer trn_7 --slots 'tue 17:00,thu 17:00' \\\n      \
            --reason 'agreed by phone'\n\n\
        The slots are some of those the student named, as many as lessons a week, on different days. The rules hold as for \
        any plan: if one stands against it, it is named with the first session it is about, and nothing changes.")]
    Allocate(PurchaseAllocateArgs),
    /// Give the rest of a plan that is under way to somebody else
    #[command(after_help = "Examples:\n  \
        caravan purchases reassign pay_29QQoUBi66xm2f --reason 'Ravi moves away' --instead-of trn_7\n  \
        caravan purchases reassign pay_29QQoUBi66xm2f --reason 'at the student\\'s wish' --trainer trn_9 --from 2027-01-11\n\n\
        What was held, or stands before the date, stays. The rest is planned anew by the rules of any plan, on the times that \
        the student named; sessions that were called off stay so. If nobody fits, it says by which rule, and nothing changes. \
        With --instead-of, doing it again changes nothing.")]
    Reassign(PurchaseReassignArgs),
    /// Amend course or plan: of a purchase that waits, or of the rest of one that is under way
    #[command(after_help = "Examples:\n  \
        echo '{\"plan\": {\"sessions\": 30}}' | caravan purchases amend pay_29QQoUBi66xm2f - --reason 'ten more were paid'\n  \
        caravan purchases amend pay_29QQoUBi66xm2f evenings.json --reason 'agreed by phone' --from 2027-01-11\n\n\
        The file is a JSON object with \"course\" or \"plan\", and in it the fields of a confirmation that are to be others than \
        they are; its bounds hold. Who teaches it goes on if they can, else somebody who fits. What was held, or stands before \
        the date, stays as it is; where only the number of sessions changes, only the end of the plan does. Doing it again changes nothing.")]
    Amend(PurchaseAmendArgs),
    /// Move in: take over plans that are under way elsewhere, all of a file or nothing
    #[command(after_help = "Examples:\n  \
        caravan purchases adopt students.jsonl --dry-run\n  \
        caravan purchases adopt students.jsonl\n\n\
        Each line is a JSON value as on purchase-confirmed, with \"allocation\": {\"trainer_id\": ..., \"slots\": [...]} \
        and \"first_ordinal\", the first session that is still to be held. Every line is judged by the rules of any plan, \
        with the lines before it; clashes are named by line. The same file can be adopted again: what is there stays.")]
    Adopt(AdoptArgs),
}

#[derive(Args, Debug)]
pub(crate) struct PurchaseAllocateArgs {
    /// The purchase's id, or its payment's
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Who shall teach it
    #[arg(long, value_name = "ID")]
    pub(crate) trainer: String,
    /// When, each week, in the student's zone: such as 'tue 17:00,thu 17:00'
    #[arg(long, value_name = "SLOTS", value_delimiter = ',', required = true)]
    pub(crate) slots: Vec<Slot>,
    /// Why, for those who read it later
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Who decides [default: the user who runs this]
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct PurchaseReassignArgs {
    /// The purchase's id, or its payment's
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Who does not teach it any more [default: who teaches it now]
    #[arg(long, value_name = "ID")]
    pub(crate) instead_of: Option<String>,
    /// Who shall teach it [default: whoever fits best]
    #[arg(long, value_name = "ID")]
    pub(crate) trainer: Option<String>,
    #[command(flatten)]
    pub(crate) rest: RestArgs,
}

#[derive(Args, Debug)]
pub(crate) struct PurchaseAmendArgs {
    /// The purchase's id, or its payment's
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// The file; - for standard input
    #[arg(value_name = "FILE|-")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) rest: RestArgs,
}

/// From when on a plan is planned anew, and why.
#[derive(Args, Debug)]
pub(crate) struct RestArgs {
    /// Why, for those who read it later
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// The first date that is planned anew, in the student's zone [default: the first that can be]
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(crate) from: Option<Date>,
    /// Who decides [default: the user who runs this]
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct AdoptArgs {
    /// The file; - for standard input
    #[arg(value_name = "FILE|-")]
    pub(crate) file: PathBuf,
    /// Judge every line, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// One JSON object a line of the file; of one that is refused, one for each clash
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct PurchaseCancelArgs {
    /// The purchase's id, or its payment's
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Why, for those who read it later
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// The first date without sessions, in the student's zone [default: today there]
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(crate) from: Option<Date>,
    /// Who calls it off [default: the user who runs this]
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct ConfirmArgs {
    /// The file; - for standard input
    #[arg(value_name = "FILE|-")]
    pub(crate) file: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct PurchasesListArgs {
    #[command(flatten)]
    pub(crate) list: ListArgs,
    /// Only those with this status
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Option<PurchaseStatus>,
    /// Only those of this student
    #[arg(long, value_name = "ID")]
    pub(crate) student: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct PurchaseShowArgs {
    /// The purchase's id, or its payment's
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
