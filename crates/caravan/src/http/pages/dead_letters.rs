//! What was set aside: why, what to do about it, and sending it again.

use std::str::FromStr;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use caravan_domain::event::Topic;
use caravan_domain::rejection::Reason;
use jiff::Timestamp;
use serde::Deserialize;

use super::fault::Fault;
use super::form::Sent;
use super::frame::{Frame, Place, done, not_done, page};
use super::visitor::{Visit, Visitor};
use super::words::{age, counted, machine, moment};
use crate::http::Site;
use crate::http::asking::Asked;
use crate::http::paging;
use crate::platform::rows::{Cursor, DeadLetter, DeadLetterFilter, LetterGroup};
use crate::platform::{Platform, PlatformError};
use crate::redrive::{self, LETTERS_MAX, Rehearsals, Rehearsed, send_again};

mod letter;
mod meaning;
mod outcome;
mod subject;
mod value;

pub(super) use letter::{redrive, show};

use meaning::meaning;
use outcome::{lines, total};
use subject::{Subject, subjects};

/// Letters that are sent again, or rehearsed, at a click. What is left is a click more.
const SENT_AT_ONCE_MAX: usize = 1_000;
/// Characters of a detail in a list; the letter's own page tells all of it.
const DETAIL_SHOWN_MAX: usize = 240;

/// Which letters.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    reason: Option<String>,
    topic: Option<String>,
    /// Also those that were sent again.
    all: Option<String>,
    after: Option<String>,
}

/// The same, as it can be looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Which {
    reason: Option<String>,
    topic: Option<Topic>,
}

impl Which {
    /// What was asked for, with what of it is none.
    fn read(reason: Option<&str>, topic: Option<&str>) -> (Self, Option<String>) {
        let given = |text: Option<&str>| text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        let (reason, topic) = (given(reason), given(topic));
        let is_a_code = |code: &String| code.bytes().all(|byte| byte == b'-' || byte.is_ascii_lowercase());
        let refused_reason = reason.as_ref().filter(|reason| !is_a_code(reason));
        let refused_reason = refused_reason.map(|reason| format!("{reason:?} is no reason such as invalid-field."));
        let read = topic.as_deref().map(Topic::from_str).transpose();
        let refused_topic = read.as_ref().err().map(ToString::to_string);
        let which = Self { reason: reason.filter(is_a_code), topic: read.unwrap_or(None) };
        (which, refused_reason.or(refused_topic))
    }

    fn filter(&self, waiting: bool) -> DeadLetterFilter {
        DeadLetterFilter { reason: self.reason.clone(), topic: self.topic, waiting, ..DeadLetterFilter::default() }
    }

    fn is_of(&self, group: &LetterGroup) -> bool {
        self.reason.as_ref().is_none_or(|reason| *reason == group.reason)
            && self.topic.is_none_or(|topic| topic == group.topic)
    }
}

#[derive(Template)]
#[template(path = "dead_letters.html")]
struct Page {
    frame: Frame,
    groups: Vec<Group>,
    foreseen: Option<Foreseen>,
    reasons: Vec<(&'static str, &'static str, bool)>,
    topics: Vec<(&'static str, bool)>,
    reason: String,
    topic: &'static str,
    all: bool,
    letters: Vec<Line>,
    next: Option<String>,
}

/// What waits for one reason in one topic.
struct Group {
    reason: String,
    title: &'static str,
    means: &'static str,
    next: &'static str,
    topic: &'static str,
    letters: String,
    oldest: String,
}

/// What would become of those that wait.
struct Foreseen {
    title: &'static str,
    reason: String,
    topic: &'static str,
    lines: Vec<String>,
    button: String,
    /// Whether there are more than are sent at once.
    rest: Option<String>,
}

/// A letter as a line of a list.
struct Line {
    id: i64,
    machine: String,
    moment: String,
    age: String,
    title: &'static str,
    reason: String,
    detail: String,
    subject: Subject,
    /// Where the record stood.
    origin: String,
    /// When it was sent again.
    sent_again: Option<String>,
}

/// `GET /dead-letters`
pub(super) async fn list(
    State(site): State<Arc<Site>>,
    Visit { visitor, platform }: Visit,
    Asked(wanted): Asked<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let (which, refused) = Which::read(wanted.reason.as_deref(), wanted.topic.as_deref());
    let frame = Frame::of(&site, &visitor, &headers, Place::DeadLetters, "Dead letters").await?.live();
    let after = wanted.after.as_deref().and_then(paging::read::<Cursor>);
    let asked = Asking { which, all: wanted.all.is_some(), after };
    page(&shown(frame.refusing(refused), &platform, &visitor, asked, None).await?)
}

/// `POST /dead-letters`
pub(super) async fn redrive_many(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    Sent { visit, fields }: Sent,
) -> Result<Response, Fault> {
    let Visit { visitor, platform } = visit;
    let (which, refused) = Which::read(fields.text("reason"), fields.text("topic"));
    if let Some(refused) = refused {
        return Ok(not_done("/dead-letters", refused));
    }
    if which.reason.is_none() {
        return Ok(not_done("/dead-letters", "Choose a reason first: whatever has one reason is mended in one way."));
    }
    let waiting = Waiting { platform: &platform, filter: which.filter(true), begun: visitor.now };
    if fields.has("go") {
        let sent = waiting.send().await?;
        let left = left(&platform.store.dead_letters_waiting().await?, &which);
        return Ok(done("/dead-letters", sent_words(sent, left)));
    }
    let rehearsed = waiting.rehearse().await?;
    if total(&rehearsed) == 0 {
        return Ok(not_done("/dead-letters", "Nothing waits for this reason any more."));
    }
    let left = left(&platform.store.dead_letters_waiting().await?, &which);
    let foreseen = foreseen(&which, &rehearsed, left);
    let frame = Frame::of(&site, &visitor, &headers, Place::DeadLetters, "Dead letters").await?;
    let asked = Asking { which, all: false, after: None };
    page(&shown(frame, &platform, &visitor, asked, Some(foreseen)).await?)
}

/// Which page of which letters.
struct Asking {
    which: Which,
    all: bool,
    after: Option<Cursor>,
}

async fn shown(
    frame: Frame,
    platform: &Platform,
    visitor: &Visitor,
    asked: Asking,
    foreseen: Option<Foreseen>,
) -> Result<Page, PlatformError> {
    let Asking { which, all, after } = asked;
    let groups = platform.store.dead_letters_waiting().await?;
    let found = platform.store.list_dead_letters(&which.filter(!all), after, LETTERS_MAX).await?;
    let next = found.last().filter(|_| found.len() == LETTERS_MAX).map(|last| paging::cursor(&last.id));
    let subjects = subjects(platform, &found).await?;
    let reason = which.reason.clone().unwrap_or_default();
    Ok(Page {
        frame,
        groups: groups.iter().map(|group| group_shown(group, visitor)).collect(),
        foreseen,
        reasons: Reason::ALL.map(|one| (one.code(), meaning(one.code()).title, one.code() == reason)).to_vec(),
        topics: Topic::ALL.map(|one| (one.name(), which.topic == Some(one))).to_vec(),
        reason,
        topic: which.topic.map_or("", Topic::name),
        all,
        letters: found.iter().zip(subjects).map(|(letter, subject)| line(letter, subject, visitor)).collect(),
        next,
    })
}

fn group_shown(group: &LetterGroup, visitor: &Visitor) -> Group {
    let meaning = meaning(&group.reason);
    Group {
        reason: group.reason.clone(),
        title: meaning.title,
        means: meaning.means,
        next: meaning.next,
        topic: group.topic.name(),
        letters: counted(group.letters, "record", "records"),
        oldest: age(group.oldest, visitor.now),
    }
}

fn line(letter: &DeadLetter, subject: Subject, visitor: &Visitor) -> Line {
    Line {
        id: letter.id,
        machine: machine(letter.failed_at),
        moment: moment(letter.failed_at, &visitor.zone),
        age: age(letter.failed_at, visitor.now),
        title: meaning(&letter.reason).title,
        reason: letter.reason.clone(),
        detail: shortened(&letter.detail),
        subject,
        origin: origin(letter),
        sent_again: letter.redriven_at.map(|at| moment(at, &visitor.zone)),
    }
}

/// Where the record stood.
fn origin(letter: &DeadLetter) -> String {
    format!("{}/{}@{}", letter.topic, letter.partition, letter.offset)
}

fn shortened(detail: &str) -> String {
    match detail.char_indices().nth(DETAIL_SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &detail[..end]),
        None => detail.to_owned(),
    }
}

/// How many of these wait.
fn left(groups: &[LetterGroup], which: &Which) -> u64 {
    groups.iter().filter(|group| which.is_of(group)).map(|group| group.letters).sum()
}

fn foreseen(which: &Which, rehearsed: &Rehearsed, waiting: u64) -> Foreseen {
    let reason = which.reason.clone().unwrap_or_default();
    let total = total(rehearsed);
    let more = waiting.saturating_sub(total);
    Foreseen {
        title: meaning(&reason).title,
        reason,
        topic: which.topic.map_or("", Topic::name),
        lines: lines(rehearsed),
        button: format!("Send {} again", counted(total, "record", "records")),
        rest: (more > 0)
            .then(|| format!("{} more wait; their turn is after these.", counted(more, "record", "records"))),
    }
}

fn sent_words(sent: u64, left: u64) -> String {
    let sent = match sent {
        0 => "Nothing was left to send again".to_owned(),
        sent => format!("{} sent again", counted(sent, "record was", "records were")),
    };
    match left {
        0 => format!("{sent}."),
        left => format!("{sent}; {} still.", counted(left, "record waits", "records wait")),
    }
}

/// Those that waited when somebody clicked. What fails again meanwhile is another letter, and not among them.
struct Waiting<'a> {
    platform: &'a Platform,
    filter: DeadLetterFilter,
    begun: Timestamp,
}

impl Waiting<'_> {
    /// Sends them again, as many as are sent at once; returns how many that were.
    async fn send(&self) -> Result<u64, Fault> {
        let (mut after, mut sent) = (None, 0);
        for _ in 0..SENT_AT_ONCE_MAX / LETTERS_MAX {
            let Some(letters) = self.read(&mut after).await? else { break };
            let told = send_again(self.platform, &letters, None).await?;
            sent += told.iter().filter(|(_, sent)| matches!(sent, redrive::Sent::Now(_))).count() as u64;
        }
        Ok(sent)
    }

    /// What would become of them.
    async fn rehearse(&self) -> Result<Rehearsed, PlatformError> {
        let (mut after, mut found, mut rehearsals) = (None, Vec::new(), Rehearsals::default());
        for _ in 0..SENT_AT_ONCE_MAX / LETTERS_MAX {
            let Some(letters) = self.read(&mut after).await? else { break };
            for letter in &letters {
                found.push(rehearsals.of(self.platform, letter, None).await?);
            }
        }
        Ok(Rehearsed::of(&found))
    }

    /// The next ones; `None` after the last.
    async fn read(&self, after: &mut Option<Cursor>) -> Result<Option<Vec<DeadLetter>>, PlatformError> {
        let mut letters = self.platform.store.list_dead_letters(&self.filter, *after, LETTERS_MAX).await?;
        let Some(last) = letters.last() else { return Ok(None) };
        *after = Some(last.id);
        letters.retain(|letter| letter.failed_at <= self.begun);
        Ok(Some(letters))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(reason: &str, topic: Topic, letters: u64) -> LetterGroup {
        let (oldest, newest) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        LetterGroup { reason: reason.to_owned(), topic, letters, oldest, newest }
    }

    #[test]
    fn what_is_no_reason_or_no_topic_is_told_and_not_looked_for() {
        let confirmed = Topic::PurchaseConfirmed;
        for (reason, topic, expected, is_refused) in [
            (None, None, Which::default(), false),
            (Some(""), Some(" "), Which::default(), false),
            (Some("invalid-field"), None, Which { reason: Some("invalid-field".to_owned()), topic: None }, false),
            (None, Some("purchase-confirmed"), Which { reason: None, topic: Some(confirmed) }, false),
            (Some("a\0b"), Some("purchase-confirmed"), Which { reason: None, topic: Some(confirmed) }, true),
            (None, Some("nowhere"), Which::default(), true),
        ] {
            let (which, refused) = Which::read(reason, topic);
            assert_eq!((&which, refused.is_some()), (&expected, is_refused), "{reason:?} {topic:?}");
        }
    }

    #[test]
    fn what_is_left_is_counted_of_those_that_were_chosen() {
        let groups = [
            group("invalid-field", Topic::PurchaseConfirmed, 5),
            group("invalid-field", Topic::PurchaseRefunded, 3),
            group("invalid-json", Topic::PurchaseConfirmed, 2),
        ];
        let (all, _) = Which::read(Some("invalid-field"), None);
        let (one, _) = Which::read(Some("invalid-field"), Some("purchase-refunded"));
        assert_eq!((left(&groups, &all), left(&groups, &one)), (8, 3));
        assert_eq!(sent_words(8, 0), "8 records were sent again.");
        assert_eq!(sent_words(1, 2), "1 record was sent again; 2 records wait still.");
        assert_eq!(sent_words(0, 0), "Nothing was left to send again.");
    }

    #[test]
    fn more_than_are_sent_at_once_wait_for_another_click() {
        let which = Which { reason: Some("invalid-field".to_owned()), topic: None };
        let one = Rehearsed { looked_at_again: 1, ..Rehearsed::default() };
        let told = foreseen(&which, &one, 3);
        assert_eq!(told.button, "Send 1 record again");
        assert_eq!(told.rest.as_deref(), Some("2 records more wait; their turn is after these."));
        assert_eq!(foreseen(&which, &one, 1).rest, None);
    }

    #[test]
    fn a_long_detail_is_cut_between_characters() {
        let long = "ä".repeat(DETAIL_SHOWN_MAX + 1);
        assert_eq!(shortened(&long).chars().count(), DETAIL_SHOWN_MAX + 1);
        assert_eq!(shortened("short"), "short");
    }
}
