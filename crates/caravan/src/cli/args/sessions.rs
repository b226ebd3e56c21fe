//! `caravan sessions …`

use caravan::life::sessions::When;
use caravan_domain::session::SessionRule;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use uuid::Uuid;

use super::{ListArgs, date};

#[derive(Debug, Subcommand)]
pub(crate) enum SessionsCommand {
    /// List sessions by their start
    #[command(after_help = "Examples:\n  \
        caravan sessions list --trainer trn_7 --from 2026-12-01 --until 2026-12-07\n  \
        caravan sessions list --student stu_118 --json")]
    List(SessionsListArgs),
    /// Extend the windows of all purchases, and what is reserved of plans without an end, as the cron does
    #[command(after_help = "Examples:\n  \
        caravan sessions extend\n  \
        caravan sessions extend --as-of 2027-01-15     as if today were that day")]
    Extend(ExtendArgs),
    /// Move a session to another time, or give it to another trainer
    #[command(after_help = "Examples:\n  \
        caravan sessions move 7b655217-5cc2-577b-8f09-d0d72b62f269 --to 2026-12-09T17:00 --reason 'a school trip'\n  \
        caravan sessions move 7b655217-5cc2-577b-8f09-d0d72b62f269 --trainer trn_9 --reason 'Ravi is ill'\n  \
        caravan sessions move 7b655217-5cc2-577b-8f09-d0d72b62f269 --to 2026-12-09T21:00 --override availability \\\n      \
            --reason 'Ravi agreed to stay longer'\n\n\
        It is judged by the rules a plan is judged by. A person may decide against one, which is kept with the change; that \
        trainer and student are free then is always asked. The plan's own time is kept beside the new one.")]
    Move(SessionMoveArgs),
    /// Call one session off
    #[command(after_help = "Examples:\n  \
        caravan sessions cancel 7b655217-5cc2-577b-8f09-d0d72b62f269 --reason 'the student is ill' --makeup\n\n\
        With --makeup another session is added at the end of the plan, at the first of its weekly times that suits. \
        A plan that runs until it is cancelled has no end to add one to.")]
    Cancel(SessionCancelArgs),
    /// Note that a session was held
    #[command(after_help = "Examples:\n  \
        caravan sessions complete 7b655217-5cc2-577b-8f09-d0d72b62f269\n\n\
        Sessions that are over are completed every day anyway: this takes back `missed`.")]
    Complete(SessionMarkArgs),
    /// Note that a session was not held, though its time is over
    #[command(after_help = "Examples:\n  \
        caravan sessions missed 7b655217-5cc2-577b-8f09-d0d72b62f269 --reason 'the student did not come'")]
    Missed(SessionMarkArgs),
}

#[derive(Args, Debug)]
pub(crate) struct SessionMoveArgs {
    /// The session's id
    #[arg(value_name = "ID")]
    pub(crate) id: Uuid,
    /// When: a local time of the student's such as 2026-12-09T17:00, or an instant such as 2026-12-09T11:30:00Z
    #[arg(long, value_name = "DATETIME", value_parser = when, required_unless_present = "trainer")]
    pub(crate) to: Option<When>,
    /// Who teaches it
    #[arg(long, value_name = "ID")]
    pub(crate) trainer: Option<String>,
    /// A rule to decide against; may be given several times
    #[arg(long = "override", value_name = "RULE", value_parser = overridable)]
    pub(crate) overrides: Vec<SessionRule>,
    #[command(flatten)]
    pub(crate) why: WhyArgs,
}

#[derive(Args, Debug)]
pub(crate) struct SessionCancelArgs {
    /// The session's id
    #[arg(value_name = "ID")]
    pub(crate) id: Uuid,
    /// Add another session at the end of the plan
    #[arg(long)]
    pub(crate) makeup: bool,
    #[command(flatten)]
    pub(crate) why: WhyArgs,
}

#[derive(Args, Debug)]
pub(crate) struct SessionMarkArgs {
    /// The session's id
    #[arg(value_name = "ID")]
    pub(crate) id: Uuid,
    /// Why, for those who read it later
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) reason: String,
    /// Who notes it [default: the user who runs this]
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
}

/// Who decides, and why.
#[derive(Args, Debug)]
pub(crate) struct WhyArgs {
    /// Why, for those who read it later
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Who decides [default: the user who runs this]
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
}

/// A time: an instant, or what the student's clock shows.
fn when(text: &str) -> Result<When, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(When::At(at));
    }
    let local = text
        .parse::<DateTime>()
        .map_err(|_| "must be a time such as 2026-12-09T17:00, or an instant such as 2026-12-09T11:30:00Z")?;
    if !text.contains(':') {
        return Err("must name the time of day too, as in 2026-12-09T17:00".to_owned());
    }
    Ok(When::Local(local))
}

fn overridable(text: &str) -> Result<SessionRule, String> {
    let rule: SessionRule = text.parse()?;
    let refused = || format!("{rule} can't be overridden: nobody can be in two places");
    if rule.can_be_overridden() { Ok(rule) } else { Err(refused()) }
}

#[derive(Args, Debug)]
pub(crate) struct SessionsListArgs {
    #[command(flatten)]
    pub(crate) list: ListArgs,
    /// Only those of this purchase (its id, or its payment's)
    #[arg(long, value_name = "ID")]
    pub(crate) purchase: Option<String>,
    /// Only those of this trainer
    #[arg(long, value_name = "ID")]
    pub(crate) trainer: Option<String>,
    /// Only those of this student
    #[arg(long, value_name = "ID")]
    pub(crate) student: Option<String>,
    /// Only those on or after this date, in the student's zone
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(crate) from: Option<Date>,
    /// Only those on or before this date, in the student's zone
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(crate) until: Option<Date>,
}

#[derive(Args, Debug)]
pub(crate) struct ExtendArgs {
    /// As if today (in UTC) were this date
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(crate) as_of: Option<Date>,
}
