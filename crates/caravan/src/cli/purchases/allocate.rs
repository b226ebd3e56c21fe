//! `caravan purchases allocate`: a trainer by hand.

use caravan::config::Settings;
use caravan::life::allocating::{Done, Request, allocate};
use caravan_domain::allocation::Policy;

use super::slot_list;
use crate::cli::args::{PurchaseAllocateArgs, purchase_id};
use crate::cli::failure::Failure;
use crate::cli::output::{Output, printable};
use crate::cli::{existing, person, time_data};

pub(super) async fn run(settings: &Settings, args: PurchaseAllocateArgs, output: &mut Output) -> Result<(), Failure> {
    let request = Request {
        purchase_id: purchase_id(&args.id),
        trainer_id: args.trainer,
        slots: args.slots,
        actor: person::actor(args.by)?,
        reason: person::text_of(args.reason, "--reason")?,
    };
    let id = request.purchase_id;
    let Some(app) = existing(settings, "nothing to allocate").await? else {
        return Err(Failure::work(format!("there is no purchase {}", printable(&args.id))));
    };
    time_data::settled(&app).await?;
    let policy = policy_of(settings);
    let done = allocate(&app.platform, &request, policy).await.map_err(|error| Failure::work(error.to_string()))?;
    let trainer = printable(&request.trainer_id);
    match done {
        Done::Before => output.line(format!("purchase {id}: {trainer} teaches it at these times already")),
        Done::Now(booking) => output.line(format!(
            "purchase {id}: {trainer} teaches it, {}, from {} on",
            slot_list(&booking.slots),
            booking.start_date
        )),
    }
}

/// The rules' settings.
pub(super) fn policy_of(settings: &Settings) -> Policy {
    Policy { max_skipped: settings.max_skipped, lead_days: settings.lead_days }
}
