//! `caravan calendars`: addresses of calendars, for trainers and students to subscribe to.

use caravan::access::{create_feed, revoke_feed};
use caravan::app::App;
use caravan::config::Settings;
use caravan::http::calendar_address;
use caravan::platform::desk::Feed;
use caravan::platform::rows::PurchaseFilter;
use caravan::platform::transaction::{CommitError, Party};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::args::{CalendarsCommand, ListArgs, RevokeArgs, WhoseCalendarArgs};
use super::failure::Failure;
use super::output::{List, Output, Row, or_dash, printable};
use super::{existing, remark};

pub(crate) async fn run(settings: &Settings, command: CalendarsCommand, output: &mut Output) -> Result<(), Failure> {
    match command {
        CalendarsCommand::Create(args) => create(settings, args, output).await,
        CalendarsCommand::List(args) => list(settings, args, output).await,
        CalendarsCommand::Revoke(args) => revoke(settings, args, output).await,
    }
}

#[derive(Serialize)]
struct CalendarRow {
    calendar_id: Uuid,
    trainer_id: Option<String>,
    student_id: Option<String>,
    created_at: Timestamp,
    revoked_at: Option<Timestamp>,
}

impl From<Feed> for CalendarRow {
    fn from(feed: Feed) -> Self {
        let (trainer_id, student_id) = match feed.party {
            Party::Trainer(id) => (Some(id), None),
            Party::Student(id) => (None, Some(id)),
        };
        let Feed { id, created_at, revoked_at, .. } = feed;
        Self { calendar_id: id, trainer_id, student_id, created_at, revoked_at }
    }
}

impl Row for CalendarRow {
    const COLUMNS: &'static [&'static str] = &["ID", "TRAINER", "STUDENT", "CREATED", "REVOKED"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.calendar_id.to_string(),
            or_dash(self.trainer_id.as_ref()),
            or_dash(self.student_id.as_ref()),
            format!("{:.0}", self.created_at),
            or_dash(self.revoked_at.map(|at| format!("{at:.0}"))),
        ]
    }
}

#[derive(Serialize)]
struct NewCalendar {
    #[serde(flatten)]
    row: CalendarRow,
    url: String,
}

async fn create(settings: &Settings, args: WhoseCalendarArgs, output: &mut Output) -> Result<(), Failure> {
    let app = App::open(settings).await?;
    let party = match (args.trainer, args.student) {
        (Some(id), _) => Party::Trainer(id),
        (None, id) => Party::Student(id.unwrap_or_default()),
    };
    if !is_known(&app, &party).await? {
        let (Party::Trainer(id) | Party::Student(id)) = &party;
        return Err(Failure::work(printable(&format!("nobody is known by the id {id:?}; see: caravan trainers list"))));
    }
    let base = match (settings.public_url.as_str(), settings.listen()) {
        ("", Some(address)) if address.parse::<u16>().is_ok() => format!("http://127.0.0.1:{address}"),
        ("", Some(address)) => format!("http://{address}"),
        (url, _) => url.to_owned(),
    };
    let (feed, secret) = create_feed(&app.platform, party).await?;
    let url = calendar_address(&base, &feed.party, &secret);
    if args.json {
        return output.json(&NewCalendar { row: feed.into(), url });
    }
    remark(&format!("calendar {}; its address is shown this once:", feed.id));
    output.line(url)
}

async fn is_known(app: &App, party: &Party) -> Result<bool, Failure> {
    let store = &app.platform.store;
    Ok(match party {
        Party::Trainer(id) => !store.trainer_terms(std::slice::from_ref(id)).await?.is_empty(),
        Party::Student(id) => {
            let filter = PurchaseFilter { student_id: Some(id.clone()), ..PurchaseFilter::default() };
            !store.list_purchases(&filter, None, 1).await?.is_empty()
        }
    })
}

async fn list(settings: &Settings, args: ListArgs, output: &mut Output) -> Result<(), Failure> {
    let Some(app) = existing(settings, "no calendars").await? else { return Ok(()) };
    let mut list = List::of::<CalendarRow>(output, args);
    for feed in app.platform.store.feeds(None).await? {
        if list.wants_more() {
            list.push(&CalendarRow::from(feed))?;
        }
    }
    list.finish("no addresses yet; make one with: caravan calendars create --trainer ID")
}

async fn revoke(settings: &Settings, args: RevokeArgs, output: &mut Output) -> Result<(), Failure> {
    let missing = || Failure::work(format!("there is no calendar {}; see: caravan calendars list", args.id));
    let Some(app) = existing(settings, "no calendars").await? else { return Err(missing()) };
    match revoke_feed(&app.platform, args.id).await {
        Ok(()) => output.line(format!("calendar {} is not at its address any more", args.id)),
        Err(CommitError::Conflict { .. }) => Err(missing()),
        Err(error) => Err(error.into()),
    }
}
