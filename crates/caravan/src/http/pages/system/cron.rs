//! The nightly job: when it was done last, when it is next, and whether it is late.

use jiff::{SignedDuration, Timestamp};

use super::super::visitor::Visitor;
use super::super::words::{age, moment};
use crate::engine::cron::Schedule;

/// What it may take to begin once it is due.
const LATE_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// The job as it is shown.
pub(super) struct Cron {
    /// The five fields, UTC.
    pub(super) schedule: String,
    pub(super) class: &'static str,
    pub(super) state: &'static str,
    pub(super) last: String,
    pub(super) next: String,
    /// What to do, if anything.
    pub(super) advice: Option<String>,
}

/// How the job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It was never done.
    Never,
    /// It is done, and due again then; never, if the schedule knows no such time.
    Done(Option<Timestamp>),
    /// Its time has just come.
    Due,
    /// Its time came long ago.
    Late,
}

impl Cron {
    pub(super) fn of(fields: &str, last: Option<Timestamp>, visitor: &Visitor) -> Self {
        let told = |at: Timestamp| moment(at, &visitor.zone);
        let shown =
            last.map_or_else(|| "never".to_owned(), |last| format!("{}, {} ago", told(last), age(last, visitor.now)));
        let standing = Schedule::parse(fields).map(|schedule| standing(&schedule, last, visitor.now));
        let start = "no worker for sessions seems to run, or it can't go on: start one with caravan run session";
        let (class, state, next, advice) = match standing {
            Ok(Standing::Never) => ("warn", "has not run yet", "at once".to_owned(), Some(start.to_owned())),
            Ok(Standing::Late) => ("bad", "is late", "at once".to_owned(), Some(start.to_owned())),
            Ok(Standing::Due) => ("cool", "is due", "now".to_owned(), None),
            Ok(Standing::Done(next)) => ("good", "is done", next.map_or_else(|| "never".to_owned(), told), None),
            Err(problem) => ("bad", "can't run", "never".to_owned(), Some(problem)),
        };
        Self { schedule: fields.to_owned(), class, state, last: shown, next, advice }
    }
}

fn standing(schedule: &Schedule, last: Option<Timestamp>, now: Timestamp) -> Standing {
    let Some(done) = last else { return Standing::Never };
    if !schedule.is_due(last, now) {
        return Standing::Done(schedule.next_after(now));
    }
    let before = now.checked_sub(LATE_AFTER).unwrap_or(now);
    // After a clock that was set back, the job is due whatever its last run says.
    if done <= before && schedule.is_due(last, before) { Standing::Late } else { Standing::Due }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn it_is_late_once_it_has_been_due_for_longer_than_it_takes_to_begin() {
        let schedule = Schedule::parse("0 2 * * *").unwrap();
        let next = Standing::Done(Some(at("2026-12-06T02:00:00Z")));
        for (last, now, expected) in [
            (None, "2026-12-05T01:00:00Z", Standing::Never),
            (Some("2026-12-05T02:00:03Z"), "2026-12-05T10:00:00Z", next),
            (Some("2026-12-04T02:00:03Z"), "2026-12-05T02:00:00Z", Standing::Due),
            (Some("2026-12-04T02:00:03Z"), "2026-12-05T02:04:59Z", Standing::Due),
            (Some("2026-12-04T02:00:03Z"), "2026-12-05T02:05:00Z", Standing::Late),
            (Some("2026-11-20T02:00:03Z"), "2026-12-05T01:00:00Z", Standing::Late),
            // The clock was set back: it is done again, and nobody is late.
            (Some("2026-12-09T02:00:00Z"), "2026-12-05T10:00:00Z", Standing::Due),
        ] {
            assert_eq!(standing(&schedule, last.map(at), at(now)), expected, "{last:?} {now}");
        }
    }
}
