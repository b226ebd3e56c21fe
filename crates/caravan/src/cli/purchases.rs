//! `caravan purchases`: handing over confirmed payments, and what became of them.

use caravan::config::Settings;
use caravan::life::cancel::{self, CancelError, Cancelled, Request};
use caravan::platform::rows::{Purchase, PurchaseFilter};
use caravan::views::{self, PurchaseRow, PurchaseWhole, Step};
use caravan_domain::event::Topic;
use caravan_domain::plan::{Plan, Slot};

use super::args::{PurchaseCancelArgs, PurchaseShowArgs, PurchasesCommand, PurchasesListArgs, purchase_id};
use super::failure::Failure;
use super::output::{List, Output, Row, counted, or_dash, printable};
use super::{existing, person, publishing, sessions, time_data};

mod adopt;
mod allocate;
mod replan;

/// Purchases read at once.
const PAGE: usize = 500;

pub(crate) async fn run(settings: &Settings, command: PurchasesCommand, output: &mut Output) -> Result<(), Failure> {
    match command {
        PurchasesCommand::Confirm(args) => {
            publishing::publish(settings, args, Topic::PurchaseConfirmed, "confirmed", output).await
        }
        PurchasesCommand::List(args) => list(settings, args, output).await,
        PurchasesCommand::Show(args) => show(settings, args, output).await,
        PurchasesCommand::Cancel(args) => cancel(settings, args, output).await,
        PurchasesCommand::Allocate(args) => allocate::run(settings, args, output).await,
        PurchasesCommand::Reassign(args) => replan::reassign(settings, args, output).await,
        PurchasesCommand::Amend(args) => replan::amend(settings, args, output).await,
        PurchasesCommand::Adopt(args) => adopt::run(settings, args, output).await,
    }
}

impl Row for PurchaseRow {
    const COLUMNS: &'static [&'static str] =
        &["PURCHASE", "PAYMENT", "STUDENT", "STATUS", "COURSE", "TRAINER", "START", "SESSIONS", "SLOTS"];

    fn cells(&self) -> Vec<String> {
        let payment = match &self.item {
            Some(item) => format!("{}#{item}", self.payment_id),
            None => self.payment_id.clone(),
        };
        vec![
            self.purchase_id.to_string(),
            payment,
            self.student_id.clone(),
            self.status.to_string(),
            format!("{} {}", self.subject, self.level),
            or_dash(self.trainer_id.as_ref()),
            self.start_date.unwrap_or(self.requested_start_date).to_string(),
            self.sessions_total.map_or_else(|| "-".to_owned(), |total| total.to_string()),
            or_dash(self.slots.as_ref().map(|slots| slot_list(slots))),
        ]
    }
}

async fn list(settings: &Settings, args: PurchasesListArgs, output: &mut Output) -> Result<(), Failure> {
    let Some(app) = existing(settings, "nothing to list").await? else { return Ok(()) };
    let filter = PurchaseFilter { status: args.status, student_id: args.student, ..PurchaseFilter::default() };
    let mut list = List::of::<PurchaseRow>(output, args.list);
    let mut after = None;
    while list.wants_more() {
        let page = app.platform.store.list_purchases(&filter, after, list.page(PAGE)).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        for (_, purchase) in &page {
            list.push(&PurchaseRow::from(purchase))?;
        }
    }
    list.finish("no purchases")
}

async fn show(settings: &Settings, args: PurchaseShowArgs, output: &mut Output) -> Result<(), Failure> {
    let missing =
        || Failure::work(format!("there is no purchase {}; see: caravan purchases list", printable(&args.id)));
    let Some(app) = existing(settings, "nothing to show").await? else { return Err(missing()) };
    let id = purchase_id(&args.id);
    let Some(purchase) = app.platform.store.purchases(&[id]).await?.into_iter().next() else { return Err(missing()) };
    let whole = views::whole(&*app.platform.store, &purchase).await?;
    if args.json { output.json(&whole) } else { tell(&purchase, &whole, output) }
}

async fn cancel(settings: &Settings, args: PurchaseCancelArgs, output: &mut Output) -> Result<(), Failure> {
    let Some(app) = existing(settings, "nothing to call off").await? else {
        return Err(Failure::work(format!("there is no purchase {}", printable(&args.id))));
    };
    let reason = person::text_of(args.reason, "--reason")?;
    let actor = person::actor(args.by)?;
    time_data::settled(&app).await?;
    let id = purchase_id(&args.id);
    match cancel::cancel(&app.platform, id, &Request { from: args.from, actor, reason }).await {
        Ok(Cancelled::Before) => output.line(format!("purchase {id} was called off before; nothing has changed")),
        Ok(Cancelled::Now { effective_from, called_off, kept }) => {
            let off = counted(called_off.into(), "session is", "sessions are");
            output.line(format!("purchase {id}: {off} called off from {effective_from} on, {kept} stand"))
        }
        Err(CancelError::Unknown(_)) => {
            Err(Failure::work(format!("there is no purchase {}; see: caravan purchases list", printable(&args.id))))
        }
        Err(error) => Err(Failure::work(error.to_string())),
    }
}

fn tell(purchase: &Purchase, whole: &PurchaseWhole, output: &mut Output) -> Result<(), Failure> {
    let confirmation = &purchase.confirmation;
    let (student, plan) = (&confirmation.student, &confirmation.plan);
    let heading = output.heading(&format!("Purchase {}", purchase.id));
    output.line(format!("{heading}  {}", purchase.status))?;
    let course = printable(&format!("{} {}", confirmation.course.subject, confirmation.course.level));
    let name = student.name.as_deref().map(|name| format!(" ({name})")).unwrap_or_default();
    let item = confirmation.item.as_deref().map(|item| format!(", item {item}")).unwrap_or_default();
    for (label, text) in [
        ("Payment", format!("{}{item}, {}", confirmation.payment_id, confirmation.amount)),
        ("Recorded", format!("{:.0}", purchase.created_at)),
        ("Student", format!("{}{name}, {}, speaks {}", student.id, student.time_zone, student.languages.join(", "))),
        ("Course", course.clone()),
        (
            "Plan",
            format!(
                "{} of {} minutes, {} a week, from {}",
                plan_length(plan),
                plan.minutes,
                plan.per_week,
                plan.start_date
            ),
        ),
        ("Wishes", slot_list(&plan.slots)),
    ] {
        output.line(format!("{label:<10}{}", printable(&text)))?;
    }
    if let Some(allocation) = &purchase.allocation {
        output.line(format!("{:<10}{}", "Trainer", printable(&allocation.trainer_id)))?;
        output.line(format!(
            "{:<10}{} ({}), from {}",
            "Slots",
            slot_list(&allocation.slots),
            student.time_zone,
            allocation.start_date
        ))?;
    }
    if let (Some(since), None) = (whole.waitlisted_at, &purchase.allocation) {
        output.line(format!("{:<10}since {since:.0}", "Waiting"))?;
    }
    for change in &whole.changes {
        let from = change.effective_from.map(|date| format!(" from {date} on")).unwrap_or_default();
        let against = if change.overrides.is_empty() {
            String::new()
        } else {
            format!(", against {}", change.overrides.join(", "))
        };
        let text = format!(
            "{}{from}, by {} at {:.0}{against}: {}",
            change.kind, change.actor, change.changed_at, change.reason
        );
        output.line(format!("{:<10}{}", "Changed", printable(&text)))?;
    }
    output.line(format!("\n{}", output.heading("Timeline")))?;
    for Step { at, by, what, .. } in &whole.timeline {
        output.line(printable(&format!("  {at:.0}  {by}: {what}")))?;
    }
    if !whole.explanation.is_empty() {
        output.line("")?;
        for line in &whole.explanation {
            output.line(printable(line))?;
        }
    }
    tell_sessions(purchase, whole, output)
}

fn tell_sessions(purchase: &Purchase, whole: &PurchaseWhole, output: &mut Output) -> Result<(), Failure> {
    if whole.sessions.is_empty() {
        return Ok(());
    }
    let until =
        purchase.horizon.map(|horizon| format!(", in the calendar for dates before {horizon}")).unwrap_or_default();
    let heading = output.heading("Sessions");
    let total = match (whole.row.sessions_total, &purchase.allocation) {
        (Some(total), _) => format!(" of {total}"),
        (None, Some(allocation)) => format!(", {} reserved so far", allocation.sessions),
        (None, None) => String::new(),
    };
    output.line(format!("\n{heading}  {}{total}{until}", whole.sessions.len()))?;
    for session in &whole.sessions {
        output.line(format!("  {}", sessions::line(session)))?;
    }
    Ok(())
}

/// How long a plan goes on.
fn plan_length(plan: &Plan) -> String {
    match plan.sessions {
        Some(sessions) => counted(sessions.into(), "session", "sessions"),
        None => "sessions until cancelled".to_owned(),
    }
}

pub(crate) fn slot_list(slots: &[Slot]) -> String {
    slots.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
