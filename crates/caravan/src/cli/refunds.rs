//! `caravan refunds`: what the payment side has given back, and what people decide about it.

use std::collections::BTreeMap;

use caravan::config::Settings;
use caravan::life::refunds::{SettledRefund, settle};
use caravan::platform::rows::{RefundFilter, RefundRow};
use caravan_domain::event::Topic;
use caravan_domain::purchase::Amount;
use caravan_domain::refund::RefundState;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::args::{RefundSettleArgs, RefundsCommand, RefundsListArgs};
use super::failure::Failure;
use super::output::{List, Output, Row, or_dash};
use super::{existing, person, publishing};

/// Refunds read at once.
const PAGE: usize = 500;

pub(crate) async fn run(settings: &Settings, command: RefundsCommand, output: &mut Output) -> Result<(), Failure> {
    match command {
        RefundsCommand::List(args) => list(settings, args, output).await,
        RefundsCommand::Settle(args) => settled(settings, args, output).await,
        RefundsCommand::Report(args) => {
            publishing::publish(settings, args, Topic::PurchaseRefunded, "reported", output).await
        }
    }
}

#[derive(Serialize)]
struct Listed<'a> {
    id: Uuid,
    purchase_id: Uuid,
    payment_id: &'a str,
    item: Option<&'a str>,
    refund_id: &'a str,
    amount: &'a Amount,
    provisional: bool,
    refunded_at: Timestamp,
    recorded_at: Timestamp,
    reason: Option<&'a str>,
    metadata: &'a BTreeMap<String, String>,
    state: RefundState,
    settled_at: Option<Timestamp>,
    settled_by: Option<&'a str>,
    note: Option<&'a str>,
}

impl<'a> Listed<'a> {
    fn new(row: &'a RefundRow) -> Self {
        let (refund, settled) = (&row.refund, row.settled.as_ref());
        Self {
            id: row.id,
            purchase_id: row.purchase_id,
            payment_id: &refund.payment_id,
            item: refund.item.as_deref(),
            refund_id: &refund.refund_id,
            amount: &refund.amount,
            provisional: refund.provisional,
            refunded_at: refund.refunded_at,
            recorded_at: row.recorded_at,
            reason: refund.reason.as_deref(),
            metadata: &refund.metadata,
            state: row.state,
            settled_at: settled.map(|settled| settled.at),
            settled_by: settled.map(|settled| settled.by.as_str()),
            note: settled.map(|settled| settled.note.as_str()),
        }
    }
}

impl Row for Listed<'_> {
    const COLUMNS: &'static [&'static str] =
        &["REFUND", "PAYMENT", "REFUND OF IT", "MINOR UNITS", "REFUNDED", "STATE", "REASON", "NOTE"];

    fn cells(&self) -> Vec<String> {
        let item = self.item.map(|item| format!("#{item}")).unwrap_or_default();
        let note = self.note.map(|note| format!("{note} ({})", self.settled_by.unwrap_or_default()));
        vec![
            self.id.to_string(),
            format!("{}{item}", self.payment_id),
            self.refund_id.to_owned(),
            format!("{} {}", self.amount.minor, self.amount.currency),
            format!("{:.0}", self.refunded_at),
            format!("{}{}", self.state, if self.provisional { ", provisional" } else { "" }),
            or_dash(self.reason),
            or_dash(note),
        ]
    }
}

async fn list(settings: &Settings, args: RefundsListArgs, output: &mut Output) -> Result<(), Failure> {
    let Some(app) = existing(settings, "nothing to list").await? else { return Ok(()) };
    let filter = RefundFilter { state: args.open.then_some(RefundState::Open), ..RefundFilter::default() };
    let mut list = List::of::<Listed<'_>>(output, args.list);
    let mut after = None;
    while list.wants_more() {
        let page = app.platform.store.list_refunds(&filter, after, list.page(PAGE)).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        for (_, row) in &page {
            list.push(&Listed::new(row))?;
        }
    }
    list.finish(if args.open { "no open refunds" } else { "no refunds" })
}

async fn settled(settings: &Settings, args: RefundSettleArgs, output: &mut Output) -> Result<(), Failure> {
    let note = person::text_of(args.note, "--note")?;
    let by = person::actor(args.by)?;
    let id = args.id;
    let Some(app) = existing(settings, "nothing to settle").await? else {
        return Err(Failure::work(format!("there is no refund {id}")));
    };
    match settle(&app.platform, id, &by, &note).await {
        Ok(SettledRefund::Now) => output.line(format!("refund {id} is settled")),
        Ok(SettledRefund::Before) => output.line(format!("refund {id} was settled before; nothing has changed")),
        Err(error) => Err(Failure::work(error.to_string())),
    }
}
