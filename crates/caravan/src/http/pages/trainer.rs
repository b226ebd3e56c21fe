//! One trainer: what they teach and when, their week, changing what the roster says of them, and taking a leave.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use caravan_domain::plan::zone_named;
use caravan_domain::trainer::{TRAINER_COLUMNS, Trainer, TrainerPatch, trainer_from_csv};
use jiff::SignedDuration;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::conflicts::{ConflictShown, shown as conflicts_shown};
use super::fault::Fault;
use super::form::{Fields, Sent};
use super::frame::{Frame, Place, done, page, refused};
use super::sessions::urlencoded;
use super::trainers::{Change, Load, changes, counts, faults};
use super::visitor::{Visit, Visitor, may_not};
use super::week::{self, WIDTH, Week, week};
use super::words::{city, counted, date, elsewhere, moment};
use crate::http::Site;
use crate::http::asking::{Asked, Named};
use crate::life::conflicts::conflicts_of_and_with;
use crate::life::leave::{self, Proposal, Remedy, apply, propose};
use crate::platform::Platform;
use crate::platform::rows::{SessionFilter, TrainerRow};
use crate::roster::{Entry, TRAINER_FIELDS, import_trainers, preview_trainers};

/// Weeks begin up to this long before any of their sessions.
const WEEK: SignedDuration = SignedDuration::from_hours(8 * 24);
/// Sessions of a week that are drawn.
const SESSIONS_MAX: usize = 500;
/// Conflicts that are shown with the trainer.
const CONFLICTS_MAX: usize = 50;
/// Which week is looked at.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    week: Option<String>,
}

/// A field of the roster as it can be filled in.
struct EditField {
    name: &'static str,
    label: &'static str,
    help: &'static str,
    value: String,
    is_long: bool,
}

#[derive(Template)]
#[template(path = "trainer.html")]
struct Page {
    frame: Frame,
    trainer: Trainer,
    href: String,
    now_there: Option<String>,
    courses: Vec<String>,
    load: Load,
    week: Week,
    width: i32,
    off: Vec<String>,
    conflicts: Vec<ConflictShown>,
    more_conflicts: usize,
    edit: Vec<EditField>,
    preview: Option<Vec<Change>>,
    faults: Vec<String>,
    operates: bool,
}

/// `GET /trainers/{id}`
pub(super) async fn show(
    State(site): State<Arc<Site>>,
    Visit { visitor, platform }: Visit,
    Named(id): Named<String>,
    Asked(wanted): Asked<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let row = find(&platform, &id, &visitor).await?;
    let frame = Frame::of(&site, &visitor, &headers, Place::Trainers, name(&row.trainer)).await?.live();
    let edit = edit(&row.trainer);
    page(&shown(frame, &platform, &visitor, row, wanted.week.as_deref(), edit).await?)
}

fn name(trainer: &Trainer) -> &str {
    trainer.name.as_deref().unwrap_or(&trainer.trainer_id)
}

/// The trainer with this id, with their time from this week on.
async fn find(platform: &Platform, id: &str, visitor: &Visitor) -> Result<TrainerRow, Fault> {
    let from = visitor.now.saturating_sub(WEEK).unwrap_or(visitor.now);
    let found = platform.store.trainers(&[id.to_owned()], from).await?.pop();
    found.ok_or_else(|| Fault::not_found(format!("the roster has no trainer {id}; see Trainers")))
}

async fn shown(
    frame: Frame,
    platform: &Platform,
    visitor: &Visitor,
    row: TrainerRow,
    asked_week: Option<&str>,
    edit: Vec<EditField>,
) -> Result<Page, Fault> {
    let trainer = row.trainer.clone();
    let zone = zone_named(&trainer.time_zone).unwrap_or(TimeZone::UTC);
    let today = zone.to_datetime(visitor.now).date();
    let monday = week::monday(asked_week.and_then(|week| week.parse().ok()).unwrap_or(today));
    let filter = SessionFilter {
        trainer_id: Some(trainer.trainer_id.clone()),
        starting: week::bounds(monday, &zone),
        ..SessionFilter::default()
    };
    let sessions = platform.store.list_sessions(&filter, None, SESSIONS_MAX).await?;
    let closures = platform.store.closures().await?;
    let conflicts = conflicts_of_and_with(platform, std::slice::from_ref(&trainer.trainer_id), &closures).await?;
    Ok(Page {
        href: format!("/trainers/{}", urlencoded(&trainer.trainer_id)),
        now_there: elsewhere(visitor.now, &visitor.zone, &trainer.time_zone),
        courses: trainer
            .courses
            .iter()
            .map(|course| format!("{} ({})", course.subject, course.levels.join(", ")))
            .collect(),
        load: Load::of(&row, visitor.now),
        week: week(&trainer, &zone, monday, &sessions),
        width: WIDTH,
        off: trainer.time_off.iter().filter(|off| off.until >= today).map(|off| days(off.from, off.until)).collect(),
        more_conflicts: conflicts.len().saturating_sub(CONFLICTS_MAX),
        conflicts: conflicts_shown(platform, &conflicts[..conflicts.len().min(CONFLICTS_MAX)], visitor).await?,
        edit,
        preview: None,
        faults: Vec::new(),
        operates: visitor.operates(),
        trainer,
        frame,
    })
}

/// Days off in words.
fn days(from: Date, until: Date) -> String {
    match until {
        until if until == from => date(from),
        until if until.year() == 9999 => format!("from {} for good", date(from)),
        until => format!("{} to {}", date(from), date(until)),
    }
}

/// What the roster says of a trainer, as a line of a CSV roster would.
fn edit(trainer: &Trainer) -> Vec<EditField> {
    let courses = trainer.courses.iter().map(|course| format!("{}:{}", course.subject, course.levels.join("|")));
    let hours = trainer.availability.iter().map(|range| format!("{} {}-{}", range.weekday, range.from, range.until));
    let off = trainer.time_off.iter().map(|off| format!("{}..{}", off.from, off.until));
    let lines = |lines: Vec<String>| lines.join("\n");
    let value = |name: &str| match name {
        "name" => trainer.name.clone().unwrap_or_default(),
        "email" => trainer.email.clone().unwrap_or_default(),
        "time_zone" => trainer.time_zone.clone(),
        "languages" => trainer.languages.join("; "),
        "courses" => lines(courses.clone().collect()),
        "availability" => lines(hours.clone().collect()),
        "time_off" => lines(off.clone().collect()),
        "max_sessions_per_week" => trainer.max_sessions_per_week.to_string(),
        "weight" => trainer.weight.to_string(),
        _ => if trainer.active { "yes" } else { "no" }.to_owned(),
    };
    TRAINER_FIELDS.into_iter().map(|name| edit_field(name, value(name))).collect()
}

/// The same as it was filled in.
fn filled(fields: &Fields) -> Vec<EditField> {
    TRAINER_FIELDS.into_iter().map(|name| edit_field(name, fields.raw(name).unwrap_or_default().to_owned())).collect()
}

fn edit_field(name: &'static str, value: String) -> EditField {
    let (label, help) = match name {
        "name" => ("Name", ""),
        "email" => ("E-mail", ""),
        "time_zone" => ("Time zone", "Such as Asia/Kolkata."),
        "languages" => ("Languages", "Separated by semicolons."),
        "courses" => ("Courses", "One a line, such as python:beginner|intermediate."),
        "availability" => ("Hours", "One a line, such as tue 15:00-21:00."),
        "time_off" => ("Days off", "One a line, such as 2026-12-24..2026-12-26."),
        "max_sessions_per_week" => ("Lessons a week at most", ""),
        "weight" => ("Weight", "Their share of the work; 100 is an equal one."),
        _ => ("Takes new plans", "yes or no."),
    };
    EditField { name, label, help, value, is_long: matches!(name, "courses" | "availability" | "time_off") }
}

/// The line of a roster that a form stands for: lines of a field are elements of a list.
fn patch(id: &str, fields: &Fields) -> Result<TrainerPatch, Vec<String>> {
    let cells = TRAINER_COLUMNS.map(|column| match column {
        "trainer_id" => id.to_owned(),
        column => fields.raw(column).unwrap_or_default().replace("\r\n", "\n").replace('\n', ";"),
    });
    let read = trainer_from_csv(TRAINER_COLUMNS, cells.iter().map(String::as_str));
    read.map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

/// `POST /trainers/{id}`: looks at a change, or with `apply` makes it.
pub(super) async fn change(
    State(site): State<Arc<Site>>,
    Named(id): Named<String>,
    headers: HeaderMap,
    Sent { visit: Visit { visitor, platform }, fields }: Sent,
) -> Result<Response, Fault> {
    let row = find(&platform, &id, &visitor).await?;
    let frame = Frame::of(&site, &visitor, &headers, Place::Trainers, name(&row.trainer)).await?;
    let mut whole = shown(frame, &platform, &visitor, row, None, filled(&fields)).await?;
    let entries = match patch(&id, &fields) {
        Ok(content) => [Entry { line: 1, content }],
        Err(faults) => return refused(&Page { faults, ..whole }),
    };
    if fields.has("apply") {
        return match import_trainers(&platform, &entries).await {
            Ok(imported) => Ok(done(&whole.href, format!("Changed: {}.", counts(&imported)))),
            Err(error) => refused(&Page { faults: faults(error)?, ..whole }),
        };
    }
    match preview_trainers(&platform, &entries).await {
        Ok(preview) => {
            whole.preview = Some(changes(&preview.edits));
            page(&whole)
        }
        Err(error) => refused(&Page { faults: faults(error)?, ..whole }),
    }
}

/// What is proposed for a session.
struct ProposalShown {
    href: String,
    student: String,
    ordinal: u32,
    at: String,
    remedy: String,
    is_left: bool,
}

#[derive(Template)]
#[template(path = "leave.html")]
struct LeavePage {
    frame: Frame,
    href: String,
    name: String,
    from: String,
    until: String,
    reason: String,
    proposals: Option<Vec<ProposalShown>>,
    summary: String,
}

/// `GET /trainers/{id}/leave`
pub(super) async fn leave(
    State(site): State<Arc<Site>>,
    Visit { visitor, platform }: Visit,
    Named(id): Named<String>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    if !visitor.operates() {
        return Err(may_not(&visitor));
    }
    let row = find(&platform, &id, &visitor).await?;
    let frame =
        Frame::of(&site, &visitor, &headers, Place::Trainers, &format!("{} is away", name(&row.trainer))).await?;
    page(&leave_page(frame, &row.trainer, &Fields::default(), None, &visitor))
}

fn leave_page(
    frame: Frame,
    trainer: &Trainer,
    fields: &Fields,
    proposals: Option<&[Proposal]>,
    visitor: &Visitor,
) -> LeavePage {
    let filled = |name: &str| fields.raw(name).unwrap_or_default().to_owned();
    LeavePage {
        frame,
        href: format!("/trainers/{}", urlencoded(&trainer.trainer_id)),
        name: name(trainer).to_owned(),
        from: filled("from"),
        until: filled("until"),
        reason: filled("reason"),
        summary: proposals.map(summary).unwrap_or_default(),
        proposals: proposals.map(|proposals| proposals.iter().map(|one| proposal_shown(one, visitor)).collect()),
    }
}

/// `POST /trainers/{id}/leave`: looks at what would be done, or with `apply` does it.
pub(super) async fn take_leave(
    State(site): State<Arc<Site>>,
    Named(id): Named<String>,
    headers: HeaderMap,
    Sent { visit: Visit { visitor, platform }, fields }: Sent,
) -> Result<Response, Fault> {
    let row = find(&platform, &id, &visitor).await?;
    let frame =
        Frame::of(&site, &visitor, &headers, Place::Trainers, &format!("{} is away", name(&row.trainer))).await?;
    let request = match request(&id, &fields, &visitor) {
        Ok(request) => request,
        Err(refusal) => {
            return refused(&leave_page(frame.refusing(Some(refusal)), &row.trainer, &fields, None, &visitor));
        }
    };
    if fields.has("apply") {
        let proposals = apply(&platform, &request).await?;
        return Ok(done(
            &format!("/trainers/{}", urlencoded(&id)),
            format!("The leave is noted. {}", summary(&proposals)),
        ));
    }
    let proposals = propose(&platform, &request).await?;
    page(&leave_page(frame, &row.trainer, &fields, Some(&proposals), &visitor))
}

fn request(id: &str, fields: &Fields, visitor: &Visitor) -> Result<leave::Request, String> {
    let from = fields.date("from", "the first day")?.ok_or("say which is the first day they are away")?;
    let until = fields.date("until", "the last day")?;
    if until.is_some_and(|until| until < from) {
        return Err("the last day must not be before the first".to_owned());
    }
    Ok(leave::Request { trainer_id: id.to_owned(), from, until, actor: visitor.name.clone(), reason: fields.reason()? })
}

fn proposal_shown(proposal: &Proposal, visitor: &Visitor) -> ProposalShown {
    let zone = zone_named(&proposal.time_zone).unwrap_or(TimeZone::UTC);
    let there = city(&proposal.time_zone);
    let remedy = match &proposal.remedy {
        Remedy::Substitute(after) => format!("{} stands in", after.trainer_id),
        Remedy::Move(after) => {
            format!("moves to {} in {there}, with {}", moment(after.starts_at, &zone), after.trainer_id)
        }
        Remedy::Makeup(at, _) => format!("is made up for on {} in {there}", moment(*at, &zone)),
        Remedy::Person => "nothing suits: a person decides".to_owned(),
    };
    ProposalShown {
        href: format!("/purchases/{}/sessions/{}", proposal.purchase_id, proposal.ordinal),
        student: proposal.student_id.clone(),
        ordinal: proposal.ordinal,
        at: moment(proposal.before.starts_at, &visitor.zone),
        remedy,
        is_left: proposal.remedy == Remedy::Person,
    }
}

fn summary(proposals: &[Proposal]) -> String {
    let of = |name: &str| proposals.iter().filter(|one| one.remedy.name() == name).count();
    match proposals.len() {
        0 => "No lesson falls into it.".to_owned(),
        all => format!(
            "{} into it: {} with somebody else, {} at another time of the week, {} made up for at the end, {} left to a person.",
            counted(all as u64, "lesson falls", "lessons fall"),
            of("substitute"),
            of("move"),
            of("makeup"),
            of("person")
        ),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use caravan_domain::trainer::trainer_from_json;

    use super::*;

    fn trainer() -> Trainer {
        let line = br#"{"trainer_id":"trn_7","name":"Ravi","time_zone":"Asia/Kolkata","languages":["en","hi"],
            "courses":[{"subject":"python","levels":["beginner","advanced"]},{"subject":"go","levels":["beginner"]}],
            "availability":[{"weekday":"tue","from":"15:00","until":"21:00"},{"weekday":"wed","from":"22:00","until":"02:00"}],
            "time_off":[{"from":"2026-12-24","until":"2026-12-26"}],"weight":50,"active":false}"#;
        trainer_from_json(line).unwrap().onto(None).unwrap()
    }

    #[tokio::test]
    async fn a_form_that_is_sent_as_it_was_shown_changes_nothing() {
        let trainer = trainer();
        let pairs: Vec<(String, String)> = edit(&trainer)
            .into_iter()
            .map(|field| (field.name.to_owned(), field.value.replace('\n', "\r\n")))
            .collect();
        let body =
            pairs.iter().map(|(name, value)| format!("{name}={}", urlencoded(value))).collect::<Vec<_>>().join("&");
        let fields = Fields::read(Bytes::from(body)).await.unwrap();
        let patch = patch("trn_7", &fields).unwrap();
        assert_eq!(patch.onto(Some(trainer.clone())).unwrap(), trainer);
    }

    #[tokio::test]
    async fn what_is_wrong_is_told_with_its_field() {
        let fields = Fields::read(Bytes::from_static(b"time_zone=UTC&availability=tue+15")).await.unwrap();
        let faults = patch("trn_7", &fields).unwrap_err();
        assert!(faults[0].contains("/availability/0"), "{faults:?}");
    }

    #[test]
    fn days_off_read_as_people_say_them() {
        let at = |text: &str| text.parse::<Date>().unwrap();
        assert_eq!(days(at("2026-12-24"), at("2026-12-24")), "Thu 24 Dec 2026");
        assert_eq!(days(at("2026-12-24"), at("9999-12-31")), "from Thu 24 Dec 2026 for good");
    }
}
