//! What the demo tells at its end.

use std::sync::atomic::Ordering;
use std::time::Duration;

use caravan::config::Settings;
use caravan::engine::Stats;
use caravan::platform::rows::Totals;
use caravan::workers::WorkerKind;
use caravan_domain::purchase::PurchaseStatus;

use super::super::failure::Failure;
use super::super::output::Output;
use super::watch::Latencies;

/// Purchases by how far they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// All that are recorded.
    pub(super) purchases: u64,
    /// Those with a trainer.
    pub(super) allocated: u64,
    /// Those with sessions.
    pub(super) scheduled: u64,
    /// Those that wait for a trainer.
    pub(super) waitlisted: u64,
}

impl Counts {
    pub(super) fn of(totals: &Totals) -> Self {
        let of = |status: PurchaseStatus| totals.purchases.get(status.name()).copied().unwrap_or(0);
        let scheduled = of(PurchaseStatus::Scheduled) + of(PurchaseStatus::Completed);
        Self {
            purchases: totals.purchases.values().sum(),
            allocated: of(PurchaseStatus::Allocated) + scheduled,
            scheduled,
            waitlisted: of(PurchaseStatus::Waitlisted),
        }
    }

    /// Those nothing more is to be done for now.
    pub(super) fn settled(self) -> u64 {
        self.scheduled + self.waitlisted
    }
}

/// The numbers of a demo.
pub(super) struct Report {
    totals: Totals,
    duplicates: u64,
    latencies: Latencies,
    took: Duration,
}

impl Report {
    pub(super) fn new(totals: Totals, stats: &Stats, latencies: Latencies, took: Duration) -> Self {
        let duplicates = stats.worker(WorkerKind::Purchase.spec().name).duplicates.load(Ordering::Relaxed);
        Self { totals, duplicates, latencies, took }
    }

    pub(super) fn tell(&self, output: &mut Output) -> Result<(), Failure> {
        let counts = Counts::of(&self.totals);
        let per_second = counts.purchases as f64 / self.took.as_secs_f64().max(f64::EPSILON);
        let mut rows = vec![
            ("purchases".to_owned(), counts.purchases.to_string()),
            ("  allocated".to_owned(), counts.allocated.to_string()),
            ("  waitlisted".to_owned(), counts.waitlisted.to_string()),
            ("sessions in the calendar".to_owned(), self.totals.sessions.values().sum::<u64>().to_string()),
            ("duplicates recognised".to_owned(), self.duplicates.to_string()),
            ("dead letters".to_owned(), self.totals.dead_letters.values().sum::<u64>().to_string()),
        ];
        rows.extend(self.totals.dead_letters.iter().map(|(reason, count)| (format!("  {reason}"), count.to_string())));
        rows.push(("purchases a second".to_owned(), format!("{per_second:.0}")));
        for percent in [50, 99] {
            let label = format!("payment to sessions, p{percent}");
            rows.push((label, self.latencies.percentile(percent).map_or_else(|| "-".to_owned(), milliseconds)));
        }
        output.line("")?;
        for (label, value) in rows {
            output.line(format!("{label:<28}{value:>10}"))?;
        }
        Ok(())
    }
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.0} ms", duration.as_secs_f64() * 1_000.0)
}

/// Commands to paste, on this demo.
pub(super) fn next_steps(settings: &Settings, exits: bool, output: &mut Output) -> Result<(), Failure> {
    let heading = output.heading("What to try next");
    output.line(format!("\n{heading}"))?;
    let here = match settings.names_services() {
        // The services are named as they were for this command; a password is not for a screen.
        true => format!("--namespace {}", settings.namespace),
        false => format!("--data {} --namespace {}", quoted(&settings.data.display().to_string()), settings.namespace),
    };
    for command in
        ["purchases list --status waitlisted", "sessions list --limit 20", "dead-letters list", "groups", "audit"]
    {
        output.line(format!("  caravan {here} {command}"))?;
    }
    if !exits {
        output.line("\nThe workers run on, so what you send there is handled. Stop them with Ctrl-C.")?;
    }
    Ok(())
}

/// The text as a word of a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_purchase_with_sessions_counts_as_allocated_too() {
        let statuses = [("waitlisted", 3), ("allocated", 2), ("scheduled", 5), ("completed", 1)];
        let purchases = BTreeMap::from(statuses.map(|(status, count)| (status.to_owned(), count)));
        let counts = Counts::of(&Totals { purchases, ..Totals::default() });
        assert_eq!(counts, Counts { purchases: 11, allocated: 8, scheduled: 6, waitlisted: 3 });
        assert_eq!(counts.settled(), 9);
    }

    #[test]
    fn commands_can_be_pasted_whatever_the_directory_is_called() {
        assert_eq!(quoted("/var/lib/caravan"), "/var/lib/caravan");
        assert_eq!(quoted("my data"), "'my data'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
    }
}
