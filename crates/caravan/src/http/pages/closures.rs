//! The days on which nobody teaches, and taking them over from a list.

use std::path::Path;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use caravan_domain::trainer::Closure;

use super::conflicts::{self, ConflictShown};
use super::fault::Fault;
use super::form::{Fields, Sent};
use super::frame::{Frame, Place, done, page, refused};
use super::trainers::{faults, told};
use super::visitor::Visit;
use super::words::{counted, date};
use crate::http::Site;
use crate::life::conflicts::conflicts_with;
use crate::roster::{Entry, Format, Imported, closures_of, import_closures, preview_closures};

/// Lessons on closed days that are shown before the closures are taken over.
const CONFLICTS_SHOWN_MAX: usize = 50;

/// A closure as a line of a list.
struct Line {
    from: String,
    until: String,
    name: String,
}

impl Line {
    fn of(closure: &Closure) -> Self {
        Self { from: date(closure.from), until: date(closure.until), name: closure.name.clone() }
    }
}

/// What would change.
struct Preview {
    counts: String,
    /// The first lessons that stand on the days of the list.
    conflicts: Vec<ConflictShown>,
    more: usize,
}

#[derive(Template)]
#[template(path = "closures.html")]
struct Page {
    frame: Frame,
    lines: Vec<Line>,
    operates: bool,
    closures: String,
    replace: bool,
    faults: Vec<String>,
    preview: Option<Preview>,
}

/// `GET /closures`
pub(super) async fn list(
    State(site): State<Arc<Site>>,
    Visit { visitor, platform }: Visit,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let frame = Frame::of(&site, &visitor, &headers, Place::Trainers, "Closures").await?;
    let lines = platform.store.closures().await?.iter().map(Line::of).collect();
    let (operates, closures) = (visitor.operates(), String::new());
    page(&Page { frame, lines, operates, closures, replace: false, faults: Vec::new(), preview: None })
}

/// `POST /closures`: looks at closures, or with `apply` takes them over.
pub(super) async fn take(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    Sent { visit: Visit { visitor, platform }, fields }: Sent,
) -> Result<Response, Fault> {
    let frame = Frame::of(&site, &visitor, &headers, Place::Trainers, "Closures").await?;
    let lines = platform.store.closures().await?.iter().map(Line::of).collect();
    let (closures, replace) = (fields.raw("closures").unwrap_or_default().to_owned(), fields.has("replace"));
    let mut shown = Page { frame, lines, operates: true, closures, replace, faults: Vec::new(), preview: None };
    let entries = match read(&fields) {
        Ok(entries) => entries,
        Err(faults) => return refused(&Page { faults, ..shown }),
    };
    if fields.has("apply") {
        return match import_closures(&platform, &entries, replace).await {
            Ok(imported) => Ok(done("/closures", format!("Taken over: {}.", counts(&imported)))),
            Err(error) => refused(&Page { faults: faults(error)?, ..shown }),
        };
    }
    let counts = match preview_closures(&platform, &entries, replace).await {
        Ok(imported) => counts(&imported),
        Err(error) => return refused(&Page { faults: faults(error)?, ..shown }),
    };
    let closed: Vec<Closure> = entries.into_iter().map(|entry| entry.content).collect();
    let found = conflicts_with(&platform, &closed).await?;
    let first = &found[..found.len().min(CONFLICTS_SHOWN_MAX)];
    let conflicts = conflicts::shown(&platform, first, &visitor).await?;
    shown.preview = Some(Preview { counts, conflicts, more: found.len() - first.len() });
    page(&shown)
}

fn counts(imported: &Imported) -> String {
    let Imported { new, unchanged, removed, .. } = imported;
    format!("{}, {unchanged} unchanged, {removed} removed", counted(*new, "new closure", "new closures"))
}

/// The closures of a form, or what is wrong with them.
fn read(fields: &Fields) -> Result<Vec<Entry<Closure>>, Vec<String>> {
    let text = fields.raw("closures").unwrap_or_default().as_bytes();
    let entries = closures_of(text, Format::of(Path::new(""), text)).map_err(|faults| told(&faults))?;
    if entries.is_empty() && !fields.has("replace") {
        return Err(vec!["It names no day: paste CSV with a header line, or one JSON object a line.".to_owned()]);
    }
    Ok(entries)
}
