//! `caravan stuck` and `caravan reconcile`: is everything that was paid for on its way?

use std::path::PathBuf;
use std::time::Duration;

use caravan::stuck::OLDER_THAN_DEFAULT;
use clap::Args;
use jiff::{Span, SpanRelativeTo};

use super::ListArgs;

#[derive(Args, Debug)]
pub(crate) struct StuckArgs {
    #[command(flatten)]
    pub(crate) list: ListArgs,
    /// How long what should take seconds may take, such as 90s, 5m, 2h or 1d [default: 5m]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    older_than: Option<Duration>,
}

impl StuckArgs {
    /// How long what should take seconds may take.
    pub(crate) fn older_than(&self) -> Duration {
        self.older_than.unwrap_or(OLDER_THAN_DEFAULT)
    }
}

#[derive(Args, Debug)]
pub(crate) struct ReconcileArgs {
    /// The payments: CSV with a header line, JSON lines, or a payment id a line; - for standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// One JSON object a line: each payment, then the summary
    #[arg(long)]
    pub(crate) json: bool,
}

/// A day has 24 hours here.
fn duration(text: &str) -> Result<Duration, &'static str> {
    const SHAPE: &str = "must be a duration such as 90s, 5m, 2h or 1d";
    let span: Span = text.parse().map_err(|_| SHAPE)?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| SHAPE)?;
    Duration::try_from(duration).map_err(|_| SHAPE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_people_do() {
        for (text, seconds) in [("90s", 90), ("5m", 300), ("1h 30m", 5_400), ("2d", 172_800), ("PT5M", 300), ("0s", 0)]
        {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in ["", "5", "soon", "-5m", "1 month"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
