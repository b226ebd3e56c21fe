//! `caravan purchases reassign` and `amend`: the rest of a plan is planned anew.

use caravan::config::Settings;
use caravan::life::replanning::{Done, FILE_BYTES_MAX, Request, Wish, replan};

use super::allocate::policy_of;
use super::slot_list;
use crate::cli::args::{PurchaseAmendArgs, PurchaseReassignArgs, RestArgs, purchase_id};
use crate::cli::failure::Failure;
use crate::cli::input;
use crate::cli::output::{Output, counted, printable};
use crate::cli::{existing, person, time_data};

pub(super) async fn reassign(
    settings: &Settings,
    args: PurchaseReassignArgs,
    output: &mut Output,
) -> Result<(), Failure> {
    let wish = Wish::Reassign { instead_of: args.instead_of, trainer_id: args.trainer };
    run(settings, &args.id, wish, args.rest, output).await
}

pub(super) async fn amend(settings: &Settings, args: PurchaseAmendArgs, output: &mut Output) -> Result<(), Failure> {
    let wish = Wish::Amend(input::whole(&args.file, FILE_BYTES_MAX)?);
    run(settings, &args.id, wish, args.rest, output).await
}

async fn run(settings: &Settings, asked: &str, wish: Wish, args: RestArgs, output: &mut Output) -> Result<(), Failure> {
    let request = Request {
        purchase_id: purchase_id(asked),
        wish,
        from: args.from,
        actor: person::actor(args.by)?,
        reason: person::text_of(args.reason, "--reason")?,
    };
    let id = request.purchase_id;
    let Some(app) = existing(settings, "nothing to plan anew").await? else {
        return Err(Failure::work(format!("there is no purchase {}", printable(asked))));
    };
    time_data::settled(&app).await?;
    let done = replan(&app.platform, &request, policy_of(settings)).await;
    match done.map_err(|error| Failure::work(error.to_string()))? {
        Done::Before => output.line(format!("purchase {id} is so already; nothing has changed")),
        Done::Amended => output.line(format!("purchase {id} is amended; a trainer is looked for at once")),
        Done::Replanned { booking, first_ordinal, to_hold } => output.line(format!(
            "purchase {id}: {} from session {first_ordinal} on, with {}, {}, from {} on",
            counted(to_hold as u64, "session is planned anew", "sessions are planned anew"),
            printable(&booking.trainer_id),
            slot_list(&booking.slots),
            booking.start_date
        )),
    }
}
