//! The audit: the guarantees, checked against the data.
//!
//! Architecture invariant: the audit shares no code with the workers or with the rules that
//! decide. It reads the tables' texts itself, does its own arithmetic of dates, zones and reserved
//! time, and derives its own ids; only so can it find a mistake of theirs.
//!
//! It looks at one snapshot, page by page, so it can run beside the workers at any time. Memory
//! grows with what the retained events tell (40 bytes for each thing told), and with nothing else.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::platform::PlatformError;
use crate::platform::evidence::{
    Evidence, PartitionEvidence, PartitionPlace, PartyKind, PositionEvidence, TopicEvidence,
};

mod changed;
mod conflicts;
mod evidence;
mod freshness;
mod no_double_booking;
mod nothing_vanishes;
mod occurrences;
mod once;
mod opened;
mod party;
mod refunds;
mod report;
mod rolling_window;
mod told;
mod wall;
mod whole_plan_fits;

pub use crate::progress::{Progress, Silent};
pub use report::{Guarantee, IDS_SHOWN_DEFAULT, Problem, Report, Tally};

use changed::Changes;
use evidence::{Booked, Case, cases, date};
use nothing_vanishes::Retained;
use told::Told;
use wall::Zones;

/// Records, outbox rows and dead letters in a page.
const RECORDS_IN_PAGE: usize = 500;
/// Purchases in a page, with their allocations and sessions.
const PURCHASES_IN_PAGE: usize = 250;
/// Trainers or students in a page, with their plans and reserved time.
const PARTIES_IN_PAGE: usize = 50;

/// By what, and how much of it is told.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The setting in force, in days.
    pub window_days: u16,
    /// The setting in force, in days.
    pub lead_days: u16,
    /// The setting in force.
    pub max_skipped: u16,
    /// How many problems of each guarantee are kept.
    pub ids_shown: usize,
    /// What time it is: sessions from here on can be conflicts.
    pub now: Timestamp,
}

/// Checks every guarantee.
pub async fn run(
    evidence: &mut dyn Evidence,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Report, PlatformError> {
    let amount = evidence.amount().await?;
    let report = Report::new(options.ids_shown);
    let mut audit = Audit {
        evidence,
        options,
        progress,
        report,
        zones: Zones::default(),
        told: Told::default(),
        retained: Retained::default(),
    };
    progress.begin("records", amount.records);
    audit.log().await?;
    progress.begin("purchases", amount.purchases);
    audit.purchases().await?;
    audit.refunds().await?;
    progress.begin("reserved time", amount.parties);
    audit.parties().await?;
    progress.begin("sessions", 2 * amount.sessions);
    audit.spans().await?;
    Ok(audit.report)
}

struct Audit<'a> {
    evidence: &'a mut dyn Evidence,
    options: &'a Options,
    progress: &'a dyn Progress,
    report: Report,
    zones: Zones,
    told: Told,
    retained: Retained,
}

impl Audit<'_> {
    /// Positions, records, outbox and dead letters.
    async fn log(&mut self) -> Result<(), PlatformError> {
        let positions = self.evidence.positions().await?;
        let topics = self.evidence.topics().await?;
        for position in &positions {
            if position.group == freshness::GROUP {
                freshness::judge(position, &topics, self.report.of(Guarantee::Freshness));
            } else {
                nothing_vanishes::judge_position(position, &topics, self.report.of(Guarantee::NothingVanishes));
            }
        }
        for topic in &topics {
            for state in &topic.partitions {
                self.partition(topic, state, &positions).await?;
            }
        }
        self.outbox().await?;
        self.told.settle();
        once::judge_events(&self.told, self.report.of(Guarantee::Once));
        self.dead_letters().await
    }

    async fn partition(
        &mut self,
        topic: &TopicEvidence,
        state: &PartitionEvidence,
        positions: &[PositionEvidence],
    ) -> Result<(), PlatformError> {
        let mut place = PartitionPlace { topic: topic.name.clone(), partition: state.partition, from: state.start };
        loop {
            let records = self.evidence.records(&place, RECORDS_IN_PAGE).await?;
            if place.from == state.start && state.start > 0 {
                self.retained.note_loss(&topic.name, records.first());
            }
            let Some(last) = records.last() else { return Ok(()) };
            let (from, until) = (place.from, last.offset + 1);
            records.iter().for_each(|record| self.told.hear(record));
            if nothing_vanishes::is_owed(&topic.name) {
                let passed = nothing_vanishes::passed(&records);
                let named = nothing_vanishes::named(&passed);
                let outcomes = self.evidence.outcomes(&named).await?;
                let refunds = self.evidence.refunds_of(&named).await?;
                let set_aside = self.evidence.set_aside(&topic.name, state.partition, from, until).await?;
                let tally = self.report.of(Guarantee::NothingVanishes);
                nothing_vanishes::judge(&passed, positions, &outcomes, &refunds, &set_aside, tally);
            }
            self.progress.advance(records.len() as u64);
            place.from = until;
        }
    }

    async fn outbox(&mut self) -> Result<(), PlatformError> {
        let mut after = None;
        loop {
            let rows = self.evidence.outbox(after, RECORDS_IN_PAGE).await?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            after = Some(*last);
            rows.iter().for_each(|(_, record)| self.told.hear(record));
            self.progress.advance(rows.len() as u64);
        }
    }

    async fn dead_letters(&mut self) -> Result<(), PlatformError> {
        let mut after = None;
        loop {
            let letters = self.evidence.dead_letters(after, RECORDS_IN_PAGE).await?;
            let Some(last) = letters.last() else { return Ok(()) };
            after = Some(last.id);
            let tally = self.report.of(Guarantee::NothingVanishes);
            for letter in letters {
                nothing_vanishes::judge_dead_letter(letter, &self.told, &self.retained, tally);
            }
        }
    }

    async fn purchases(&mut self) -> Result<(), PlatformError> {
        let last_run = self.last_run().await?;
        let mut after: Option<String> = None;
        loop {
            let page = self.evidence.purchases(after.as_deref(), PURCHASES_IN_PAGE).await?;
            for case in cases(&page) {
                self.purchase(&case, last_run);
            }
            self.progress.advance(page.purchases.len() as u64);
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn refunds(&mut self) -> Result<(), PlatformError> {
        let mut after = None;
        loop {
            let page = self.evidence.refunds(after, PURCHASES_IN_PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.place);
            let mut named: Vec<String> = page.iter().map(|row| row.purchase_id.clone()).collect();
            named.sort_unstable();
            named.dedup();
            let outcomes = self.evidence.outcomes(&named).await?;
            let all = self.evidence.refunds_of(&named).await?;
            let tally = self.report.of(Guarantee::NothingVanishes);
            for row in &page {
                let purchase = outcomes.iter().find(|outcome| outcome.id == row.purchase_id);
                refunds::judge(row, &all, purchase, tally);
            }
        }
    }

    /// The UTC date of the cron's last run; one in the future (the clock was set back) counts as
    /// today's.
    async fn last_run(&mut self) -> Result<Option<Date>, PlatformError> {
        let last = self.evidence.cron_last().await?.and_then(|text| text.parse::<Timestamp>().ok());
        Ok(last.map(|last| last.min(self.options.now).to_zoned(TimeZone::UTC).date()))
    }

    fn purchase(&mut self, case: &Case<'_>, last_run: Option<Date>) {
        let Options { window_days, lead_days, max_skipped, .. } = *self.options;
        let zones = &mut self.zones;
        let changes =
            case.purchase.map(|purchase| Changes::read(&purchase.session_changes, &purchase.displaced, zones));
        let changes = changes.transpose().unwrap_or_else(|problem| {
            self.report.of(Guarantee::Once).must(false, case.id, || problem);
            None
        });
        let changes = changes.unwrap_or_default();
        once::judge(case, &changes, self.report.of(Guarantee::Once));
        rolling_window::judge(case, self.report.of(Guarantee::RollingWindow));
        let tally = self.report.of(Guarantee::NothingVanishes);
        nothing_vanishes::judge_told(case, &changes, &self.told, &self.retained, tally);
        match Booked::read(case, &mut self.zones) {
            Ok(all) => {
                for booked in all {
                    whole_plan_fits::judge(&booked, max_skipped, self.report.of(Guarantee::WholePlanFits));
                    let limits = occurrences::Limits { lead_days };
                    occurrences::judge(&booked, limits, self.report.of(Guarantee::Occurrences));
                    let reach = rolling_window::Reach { window_days, last_run };
                    rolling_window::judge_booked(&booked, reach, self.report.of(Guarantee::RollingWindow));
                    rolling_window::judge_ahead(&booked, reach, self.report.of(Guarantee::RollingWindow));
                }
            }
            Err(problem) => occurrences::judge_unreadable(case, &problem, self.report.of(Guarantee::Occurrences)),
        }
    }

    async fn parties(&mut self) -> Result<(), PlatformError> {
        let closures: Vec<(Date, Date)> = self
            .evidence
            .closures()
            .await?
            .iter()
            .filter_map(|closure| Some((date(&closure.from)?, date(&closure.until)?)))
            .collect();
        for kind in PartyKind::ALL {
            let mut after: Option<String> = None;
            loop {
                let page = self.evidence.parties(kind, after.as_deref(), PARTIES_IN_PAGE).await?;
                for party in party::parties(kind, &page, &mut self.zones) {
                    no_double_booking::judge(&party, self.report.of(Guarantee::NoDoubleBooking));
                    if kind == PartyKind::Trainer {
                        whole_plan_fits::judge_weeks(&party.plans, self.report.of(Guarantee::WholePlanFits));
                        let now = self.options.now.as_second();
                        conflicts::find(&party, &closures, now, &mut self.report.conflicts);
                    }
                }
                self.progress.advance(page.parties as u64);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn spans(&mut self) -> Result<(), PlatformError> {
        for kind in PartyKind::ALL {
            let mut spans = no_double_booking::Spans::of(kind);
            let (tally, progress) = (self.report.of(Guarantee::NoDoubleBooking), self.progress);
            let mut show = |span| {
                progress.advance(1);
                spans.judge(span, tally);
            };
            self.evidence.each_session_by(kind, &mut show).await?;
        }
        Ok(())
    }
}
