//! `caravan sessions`: the calendar, extending it by hand, and changing a session of it.

use caravan::app::App;
use caravan::config::Settings;
use caravan::life::sessions::Act;
use caravan::platform::rows::SessionFilter;
use caravan::views::SessionRow;
use caravan::workers::cron;
use caravan_domain::window;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::args::{ExtendArgs, SessionsCommand, SessionsListArgs, purchase_id};
use super::existing;
use super::failure::Failure;
use super::output::{List, Output, Row};

mod change;

pub(crate) use change::time_shown;

/// Sessions read at once.
const PAGE: usize = 1_000;

pub(crate) async fn run(settings: &Settings, command: SessionsCommand, output: &mut Output) -> Result<(), Failure> {
    match command {
        SessionsCommand::List(args) => list(settings, args, output).await,
        SessionsCommand::Extend(args) => extend(settings, args, output).await,
        SessionsCommand::Move(args) => change::moved(settings, args, output).await,
        SessionsCommand::Cancel(args) => change::cancelled(settings, args, output).await,
        SessionsCommand::Complete(args) => change::marked(settings, Act::Complete, args, output).await,
        SessionsCommand::Missed(args) => change::marked(settings, Act::Missed, args, output).await,
    }
}

/// A session in a line, for the page of its purchase.
pub(crate) fn line(session: &SessionRow) -> String {
    format!("{:>3}  {}  {}  {}", session.ordinal, local_time(session), session.starts_at, session.status)
}

/// When it is for the student, such as `tue 2026-12-01 17:00-18:00`.
fn local_time(session: &SessionRow) -> String {
    let Ok(zone) = TimeZone::get(&session.time_zone) else { return session.local_date.to_string() };
    let (starts, ends) = (session.starts_at.to_zoned(zone.clone()), session.ends_at.to_zoned(zone));
    format!("{}-{}", starts.strftime("%a %Y-%m-%d %H:%M"), ends.strftime("%H:%M")).to_lowercase()
}

impl Row for SessionRow {
    const COLUMNS: &'static [&'static str] =
        &["STARTS (UTC)", "STUDENT'S TIME", "ZONE", "TRAINER", "STUDENT", "NO", "STATUS", "PURCHASE"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.starts_at.to_string(),
            local_time(self),
            self.time_zone.clone(),
            self.trainer_id.clone(),
            self.student_id.clone(),
            self.ordinal.to_string(),
            self.status.to_string(),
            self.purchase_id.to_string(),
        ]
    }
}

async fn list(settings: &Settings, args: SessionsListArgs, output: &mut Output) -> Result<(), Failure> {
    if let (Some(from), Some(until)) = (args.from, args.until)
        && from > until
    {
        return Err(Failure::usage(format!("--from {from} is after --until {until}")));
    }
    let Some(app) = existing(settings, "nothing to list").await? else { return Ok(()) };
    let filter = SessionFilter {
        purchase_id: args.purchase.as_deref().map(purchase_id),
        trainer_id: args.trainer,
        student_id: args.student,
        from: args.from,
        until: args.until,
        status: None,
        starting: None,
    };
    let mut list = List::of::<SessionRow>(output, args.list);
    let mut after = None;
    while list.wants_more() {
        let page = app.platform.store.list_sessions(&filter, after, list.page(PAGE)).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.place());
        for session in page {
            list.push(&SessionRow::from(session))?;
        }
    }
    list.finish("no sessions")
}

async fn extend(settings: &Settings, args: ExtendArgs, output: &mut Output) -> Result<(), Failure> {
    let app = App::open(settings).await?;
    app.ensure_topics().await?;
    super::time_data::settled(&app).await?;
    let as_of = instant(args.as_of, app.platform.clock.now())?;
    let before = app.platform.store.totals().await?;
    cron::run_once(&app.platform, &settings.policy(0), as_of).await?;
    let after = app.platform.store.totals().await?;
    let count = |totals: &std::collections::BTreeMap<String, u64>| totals.values().sum::<u64>();
    let added = count(&after.sessions).saturating_sub(count(&before.sessions));
    let completed = |totals: &caravan::platform::rows::Totals| totals.sessions.get("completed").copied().unwrap_or(0);
    output.line(format!(
        "extended the calendar as of {as_of:.0}: {added} sessions more, {} completed",
        completed(&after).saturating_sub(completed(&before))
    ))
}

/// The instant that stands for a date: now if it is today, else its beginning, in UTC.
fn instant(date: Option<Date>, now: Timestamp) -> Result<Timestamp, Failure> {
    match date {
        Some(date) if date != window::today(now) => {
            let midnight = date.to_zoned(TimeZone::UTC);
            midnight
                .map(|zoned| zoned.timestamp())
                .map_err(|_| Failure::usage(format!("--as-of {date} is out of range")))
        }
        _ => Ok(now),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn another_day_begins_at_midnight_utc_and_today_is_now() {
        let now: Timestamp = "2026-11-23T18:30:00Z".parse().unwrap();
        assert_eq!(instant(None, now).unwrap(), now);
        assert_eq!(instant(Some(date(2026, 11, 23)), now).unwrap(), now);
        assert_eq!(instant(Some(date(2026, 12, 1)), now).unwrap().to_string(), "2026-12-01T00:00:00Z");
    }
}
