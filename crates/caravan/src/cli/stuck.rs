//! `caravan stuck`: what is paid and not fulfilled, and what to do about it.

use caravan::config::Settings;
use caravan::stuck::{Search, Stuck};
use jiff::SignedDuration;

use super::args::StuckArgs;
use super::existing;
use super::failure::Failure;
use super::output::{List, Output, Row, or_dash};

pub(crate) async fn run(settings: &Settings, args: StuckArgs, output: &mut Output) -> Result<(), Failure> {
    let Some(app) = existing(settings, "nothing can be stuck").await? else { return Ok(()) };
    let mut search = Search::new(&app.platform, &settings.policy(0), args.older_than)?;
    let mut list = List::of::<Stuck>(output, args.list);
    while list.wants_more() {
        let Some(found) = search.next(list.page(usize::MAX)).await? else { break };
        list.push(&found)?;
    }
    list.finish("nothing is stuck")
}

impl Row for Stuck {
    const COLUMNS: &'static [&'static str] = &["AGE", "CAUSE", "PURCHASE", "PAYMENT", "STUDENT", "DETAIL", "NEXT"];

    fn cells(&self) -> Vec<String> {
        vec![
            age(self.age_seconds),
            self.cause.name().to_owned(),
            or_dash(self.purchase_id),
            or_dash(self.payment_id.as_ref()),
            or_dash(self.student_id.as_ref()),
            self.detail.clone(),
            self.next.clone(),
        ]
    }
}

/// The two largest units: `3d 4h`, `12m`.
fn age(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => format!("{minutes}m"),
        (0, hours, minutes) => format!("{hours}h {minutes}m"),
        (days, hours, _) => format!("{days}d {hours}h"),
    }
}

/// A duration that a person gives: `30m`, `2h`, `3 days`; a day has 24 hours.
pub(crate) fn duration(text: &str) -> Result<SignedDuration, String> {
    const SHAPE: &str = "must be a duration such as 30m, 2h or 3d";
    let span: jiff::Span = text.parse().map_err(|_| SHAPE.to_owned())?;
    let duration = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| SHAPE.to_owned())?;
    if duration.is_negative() { Err("must not be negative".to_owned()) } else { Ok(duration) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_their_two_largest_units() {
        let told = [5, 65, 3_600, 7_530, 86_400 * 3 + 3_600 * 4].map(age);
        assert_eq!(told, ["5s", "1m", "1h 0m", "2h 5m", "3d 4h"]);
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, seconds) in [("30m", 1_800), ("2h", 7_200), ("3d", 259_200), ("1 week", 604_800), ("90s", 90)] {
            assert_eq!(duration(text).unwrap().as_secs(), seconds, "{text}");
        }
        for wrong in ["", "5", "soon", "1 month", "-3h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
