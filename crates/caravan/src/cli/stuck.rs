//! `caravan stuck`: what is paid and not fulfilled, why, and what to do about it.

use caravan::config::Settings;
use caravan::stuck::{Search, Stuck};

use super::args::StuckArgs;
use super::existing;
use super::failure::Failure;
use super::output::{List, Output, Row, or_dash};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

impl Row for Stuck {
    const COLUMNS: &'static [&'static str] = &["AGE", "PAYMENT", "STUDENT", "CAUSE", "WHAT IS WRONG, AND WHAT TO DO"];

    fn cells(&self) -> Vec<String> {
        let payment = match (&self.payment_id, &self.item) {
            (Some(payment), Some(item)) => format!("{payment}#{item}"),
            (payment, _) => or_dash(payment.as_ref()),
        };
        vec![
            age(self.age_seconds),
            payment,
            or_dash(self.student_id.as_ref()),
            self.cause.to_string(),
            format!("{}. Next: {}", self.detail, self.next),
        ]
    }
}

/// An age by its two largest units.
fn age(seconds: i64) -> String {
    match seconds {
        DAY.. => format!("{}d {}h", seconds / DAY, seconds % DAY / HOUR),
        HOUR.. => format!("{}h {}m", seconds / HOUR, seconds % HOUR / MINUTE),
        MINUTE.. => format!("{}m {}s", seconds / MINUTE, seconds % MINUTE),
        _ => format!("{seconds}s"),
    }
}

pub(crate) async fn run(settings: &Settings, args: StuckArgs, output: &mut Output) -> Result<(), Failure> {
    let Some(app) = existing(settings, "nothing is stuck").await? else { return Ok(()) };
    let mut search = Search::begin(&app.platform, &settings.policy(0), args.older_than()).await?;
    let mut list = List::of::<Stuck>(output, args.list);
    while list.wants_more() {
        let Some(stuck) = search.next().await? else { break };
        list.push(&stuck)?;
    }
    list.finish("nothing is stuck")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_by_its_two_largest_units() {
        for (seconds, expected) in [(0, "0s"), (61, "1m 1s"), (3_600, "1h 0m"), (90_000, "1d 1h")] {
            assert_eq!(age(seconds), expected);
        }
    }
}
