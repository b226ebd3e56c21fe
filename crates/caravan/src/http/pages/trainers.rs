//! The trainers: how much each has to do against what is fair and what they can take; and taking over a roster.

use std::path::Path;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use caravan_domain::allocation::{Calendar, SHARE_PER_SESSION};
use caravan_domain::session::{Hours, room_in_week};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::fault::Fault;
use super::form::{Fields, Sent};
use super::frame::{Frame, Place, done, page, refused};
use super::sessions::urlencoded;
use super::visitor::{Visit, may_not};
use super::words::counted;
use crate::http::Site;
use crate::http::asking::Asked;
use crate::http::paging;
use crate::platform::rows::TrainerRow;
use crate::roster::{
    Difference, Edited, Entry, Format, ImportError, Imported, LineFault, Preview, differences, import_trainers,
    preview_trainers, trainers_of,
};

/// Trainers of a page.
const TRAINERS_MAX: usize = 100;
/// Changes that are shown before they are made; all of them are made.
const EDITS_SHOWN_MAX: usize = 100;
/// Faults of a file that are told.
const FAULTS_SHOWN_MAX: usize = 20;
/// Weeks begin up to this long before any of their sessions.
const WEEK: SignedDuration = SignedDuration::from_hours(8 * 24);

#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    after: Option<String>,
}

/// A trainer as a line of a list.
struct Line {
    href: String,
    name: String,
    id: String,
    is_active: bool,
    courses: String,
    zone: String,
    load: Load,
    given: i64,
    fair: i64,
}

/// How much of a week is taken.
pub(super) struct Load {
    pub(super) used: u32,
    pub(super) max: u32,
    /// In hundredths, for a bar.
    pub(super) percent: u32,
}

impl Load {
    /// Of the week that `now` is in, where the trainer lives.
    pub(super) fn of(row: &TrainerRow, now: Timestamp) -> Self {
        let max = row.trainer.max_sessions_per_week;
        let calendar = Calendar::from_rows(row.calendar.clone());
        let room = room_in_week(&row.trainer, &Hours::of(&row.trainer), &calendar, now).map_or(max, |(_, room)| room);
        let used = max.saturating_sub(room);
        Self { used, max, percent: (used * 100).checked_div(max).unwrap_or(0).min(100) }
    }
}

/// Lessons that were ever given to a trainer of this weight, by their share of the work.
fn lessons_of(share: i64, weight: u32) -> i64 {
    (i128::from(share) * i128::from(weight) / i128::from(SHARE_PER_SESSION)) as i64
}

/// What everybody's share would be if all of it were fair: the mean, by weight.
fn fair_share(rows: &[TrainerRow]) -> i64 {
    let active = rows.iter().filter(|row| row.trainer.active);
    let (work, weight) = active
        .filter_map(|row| Some((row.share?, i128::from(row.trainer.weight))))
        .fold((0_i128, 0_i128), |(work, all), (share, weight)| (work + i128::from(share) * weight, all + weight));
    work.checked_div(weight).unwrap_or(0) as i64
}

#[derive(Template)]
#[template(path = "trainers.html")]
struct Page {
    frame: Frame,
    lines: Vec<Line>,
    next: Option<String>,
    operates: bool,
}

/// `GET /trainers`
pub(super) async fn list(
    State(site): State<Arc<Site>>,
    Visit { visitor, platform }: Visit,
    Asked(wanted): Asked<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let after = wanted.after.as_deref().and_then(paging::read::<(String,)>);
    let found = platform.store.list_trainers(after.as_ref().map(|(id,)| id.as_str()), TRAINERS_MAX).await?;
    let next = found.last().filter(|_| found.len() == TRAINERS_MAX);
    let next = next.map(|(last, _)| urlencoded(&paging::cursor(&(&last.trainer_id,))));
    let ids: Vec<String> = found.into_iter().map(|(trainer, _)| trainer.trainer_id).collect();
    let mut rows = platform.store.trainers(&ids, visitor.now.saturating_sub(WEEK).unwrap_or(visitor.now)).await?;
    rows.sort_by(|one, other| one.trainer.trainer_id.cmp(&other.trainer.trainer_id));
    let fair = fair_share(&rows);
    let line = |row: &TrainerRow| {
        let trainer = &row.trainer;
        Line {
            href: format!("/trainers/{}", urlencoded(&trainer.trainer_id)),
            name: trainer.name.as_deref().unwrap_or(&trainer.trainer_id).to_owned(),
            id: trainer.trainer_id.clone(),
            is_active: trainer.active,
            courses: trainer.courses.iter().map(|course| course.subject.as_str()).collect::<Vec<_>>().join(", "),
            zone: trainer.time_zone.clone(),
            load: Load::of(row, visitor.now),
            given: lessons_of(row.share.unwrap_or(0), trainer.weight),
            fair: lessons_of(fair, trainer.weight),
        }
    };
    let lines = rows.iter().map(line).collect();
    let frame = Frame::of(&site, &visitor, &headers, Place::Trainers, "Trainers").await?.live();
    page(&Page { frame, lines, next, operates: visitor.operates() })
}

/// A change to a trainer before it is made.
pub(super) struct Change {
    pub(super) id: String,
    pub(super) is_new: bool,
    pub(super) differences: Vec<Difference>,
}

/// The changes that are shown.
pub(super) fn changes(edits: &[Edited]) -> Vec<Change> {
    let change = |edited: &Edited| Change {
        id: edited.after.trainer_id.clone(),
        is_new: edited.before.is_none(),
        differences: differences(edited.before.as_ref(), &edited.after),
    };
    edits.iter().take(EDITS_SHOWN_MAX).map(change).collect()
}

/// What an import does, or did.
pub(super) fn counts(imported: &Imported) -> String {
    let Imported { new, changed, unchanged, .. } = imported;
    format!("{}, {changed} changed, {unchanged} unchanged", counted(*new, "new trainer", "new trainers"))
}

#[derive(Template)]
#[template(path = "import.html")]
struct ImportPage {
    frame: Frame,
    roster: String,
    faults: Vec<String>,
    preview: Option<(String, Vec<Change>)>,
    more: usize,
}

/// `GET /trainers/import`
pub(super) async fn import(
    State(site): State<Arc<Site>>,
    Visit { visitor, .. }: Visit,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    if !visitor.operates() {
        return Err(may_not(&visitor));
    }
    let frame = Frame::of(&site, &visitor, &headers, Place::Trainers, "Import trainers").await?;
    page(&ImportPage { frame, roster: String::new(), faults: Vec::new(), preview: None, more: 0 })
}

/// `POST /trainers/import`: looks at a roster, or with `apply` takes it over.
pub(super) async fn take(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    Sent { visit: Visit { visitor, platform }, fields }: Sent,
) -> Result<Response, Fault> {
    let frame = Frame::of(&site, &visitor, &headers, Place::Trainers, "Import trainers").await?;
    let roster = fields.raw("roster").unwrap_or_default().to_owned();
    let again = |frame: Frame, faults: Vec<String>| {
        refused(&ImportPage { frame, roster: roster.clone(), faults, preview: None, more: 0 })
    };
    let entries = match read(&fields) {
        Ok(entries) => entries,
        Err(faults) => return again(frame, faults),
    };
    if fields.has("apply") {
        return match import_trainers(&platform, &entries).await {
            Ok(imported) => Ok(done("/trainers", format!("Taken over: {}.", counts(&imported)))),
            Err(error) => again(frame, faults(error)?),
        };
    }
    match preview_trainers(&platform, &entries).await {
        Ok(Preview { imported, edits }) => page(&ImportPage {
            frame,
            roster: roster.clone(),
            faults: Vec::new(),
            more: edits.len().saturating_sub(EDITS_SHOWN_MAX),
            preview: Some((counts(&imported), changes(&edits))),
        }),
        Err(error) => again(frame, faults(error)?),
    }
}

/// The roster of a form, or what is wrong with it.
pub(super) fn read(fields: &Fields) -> Result<Vec<Entry<caravan_domain::trainer::TrainerPatch>>, Vec<String>> {
    let text = fields.raw("roster").unwrap_or_default().as_bytes();
    let entries = trainers_of(text, Format::of(Path::new(""), text));
    let entries = entries.map_err(|faults| told(&faults))?;
    if entries.is_empty() {
        return Err(vec!["It names nobody: paste CSV with a header line, or one JSON object a line.".to_owned()]);
    }
    Ok(entries)
}

/// The first faults of a file, in words.
pub(super) fn told(faults: &[LineFault]) -> Vec<String> {
    faults.iter().take(FAULTS_SHOWN_MAX).map(ToString::to_string).collect()
}

/// What is wrong with a roster; anything else is no fault of it.
pub(super) fn faults(error: ImportError) -> Result<Vec<String>, Fault> {
    match error {
        ImportError::Faults(faults) => Ok(told(&faults)),
        ImportError::Contended => Ok(vec![error.to_string()]),
        ImportError::Commit(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use caravan_domain::trainer::trainer_from_json;

    use super::*;

    fn row(share: Option<i64>, weight: u32) -> TrainerRow {
        let line = format!(r#"{{"trainer_id":"t","time_zone":"UTC","weight":{weight},"max_sessions_per_week":4}}"#);
        let trainer = trainer_from_json(line.as_bytes()).unwrap().onto(None).unwrap();
        TrainerRow { trainer, version: 1, share, calendar: Vec::new() }
    }

    #[test]
    fn what_is_fair_goes_by_weight() {
        // Twelve lessons given to the one of weight 100, none to the one of half the weight.
        let rows = [row(Some(12_000), 100), row(Some(0), 50), row(None, 100)];
        let fair = fair_share(&rows);
        assert_eq!((lessons_of(12_000, 100), lessons_of(fair, 100), lessons_of(fair, 50)), (12, 8, 4));
        assert_eq!(fair_share(&[row(None, 100)]), 0);
        assert_eq!(fair_share(&[]), 0);
    }

    #[test]
    fn a_week_that_takes_nothing_is_no_failure() {
        let mut idle = row(None, 100);
        let load = Load::of(&idle, Timestamp::UNIX_EPOCH);
        assert_eq!((load.used, load.max, load.percent), (0, 4, 0));
        idle.trainer.max_sessions_per_week = 0;
        assert_eq!(Load::of(&idle, Timestamp::UNIX_EPOCH).percent, 0);
    }
}
