//! Taking over a roster or closures from a file: all of it or nothing.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use caravan_domain::event::{Event, TrainerChanged};
use caravan_domain::ids::event_id;
use caravan_domain::trainer::{Closure, Trainer, TrainerPatch};
use jiff::Timestamp;
use uuid::Uuid;

use crate::engine;
use crate::engine::worker::Outcome;
use crate::platform::transaction::{CommitError, Effects, TrainerEdit, Transaction};
use crate::platform::{Platform, PlatformError};

mod difference;
mod file;

pub use difference::{Difference, TRAINER_FIELDS, differences};
pub(crate) use file::json_lines;
pub use file::{Entry, FILE_BYTES_MAX, Format, LineFault, closures_of, trainers_of};

/// Trainers that are read at once.
const TRAINERS_READ_MAX: usize = 1_000;
/// How often an import is tried while others keep changing the trainers it is about.
const ATTEMPTS_MAX: u32 = 200;
/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(20);
/// Who tells of the change (CloudEvents `source`).
const SOURCE: &str = "/caravan/trainers/import";

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Entries that were not there.
    pub new: u64,
    /// Entries that are other than they were.
    pub changed: u64,
    /// Entries that are as they were.
    pub unchanged: u64,
    /// Entries that were there and are not any more.
    pub removed: u64,
}

/// A trainer whom an import adds or changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// The line that says so, from 1.
    pub line: u64,
    /// As they are; `None` if they are new.
    pub before: Option<Trainer>,
    /// As they will be.
    pub after: Trainer,
}

/// What an import would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// How many of what.
    pub imported: Imported,
    /// The new ones and those who change, by line.
    pub edits: Vec<Edited>,
}

/// Why an import did nothing.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Lines can't be taken over.
    #[error("{}; nothing was imported", wrong_lines(.0))]
    Faults(Vec<LineFault>),
    /// Others changed the same trainers again and again.
    #[error("the trainers of the file kept changing while they were imported; nothing was imported, try again")]
    Contended,
    /// The store refused.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

fn wrong_lines(faults: &[LineFault]) -> String {
    let lines: BTreeSet<u64> = faults.iter().map(|fault| fault.line).collect();
    match lines.len() {
        1 => "1 line of the file is wrong".to_owned(),
        number => format!("{number} lines of the file are wrong"),
    }
}

impl From<PlatformError> for ImportError {
    fn from(error: PlatformError) -> Self {
        Self::Commit(error.into())
    }
}

/// What [`import_trainers`] would do now; nothing changes.
pub async fn preview_trainers(platform: &Platform, entries: &[Entry<TrainerPatch>]) -> Result<Preview, ImportError> {
    edits(entries, &existing(platform, entries).await?).map_err(ImportError::Faults)
}

/// Updates or adds the trainers of `entries`; those not named stay as they are.
pub async fn import_trainers(platform: &Platform, entries: &[Entry<TrainerPatch>]) -> Result<Imported, ImportError> {
    for _ in 0..ATTEMPTS_MAX {
        let existing = existing(platform, entries).await?;
        let roster_version = platform.store.roster_version().await? + 1;
        let Preview { imported, edits } = edits(entries, &existing).map_err(ImportError::Faults)?;
        if edits.is_empty() {
            return Ok(imported);
        }
        let (now, epoch) = (platform.clock.now(), platform.store.epoch().await?);
        let told = |edit: &Edited| changed(&edit.after, roster_version, now);
        let events = edits.iter().map(told).collect::<Result<_, _>>()?;
        let written = |edit: Edited| {
            let version = existing.get(&edit.after.trainer_id).map(|(_, version)| *version);
            TrainerEdit { trainer: edit.after, version }
        };
        let effects = Effects { roster: edits.into_iter().map(written).collect(), ..Effects::default() };
        match engine::commit(platform, Outcome { effects, events, ..Outcome::default() }, epoch).await {
            Ok(()) => return Ok(imported),
            Err(CommitError::Conflict { .. }) => platform.clock.sleep(PAUSE).await,
            Err(error) => return Err(error.into()),
        }
    }
    Err(ImportError::Contended)
}

/// What [`import_closures`] would do now; nothing changes.
pub async fn preview_closures(
    platform: &Platform,
    entries: &[Entry<Closure>],
    replace: bool,
) -> Result<Imported, ImportError> {
    Ok(Closing::of(platform.store.closures().await?, entries, replace).imported())
}

/// Adds closures, or with `replace` makes them the only ones.
pub async fn import_closures(
    platform: &Platform,
    entries: &[Entry<Closure>],
    replace: bool,
) -> Result<Imported, ImportError> {
    let closing = Closing::of(platform.store.closures().await?, entries, replace);
    let imported = closing.imported();
    if closing.kept != closing.had {
        let effects = Effects { closures: Some(closing.kept.into_iter().collect()), ..Effects::default() };
        platform.store.commit(&Transaction { effects, ..Transaction::default() }).await?;
    }
    Ok(imported)
}

/// The closures there are, those a file names, and those there will be.
struct Closing {
    had: BTreeSet<Closure>,
    named: BTreeSet<Closure>,
    kept: BTreeSet<Closure>,
}

impl Closing {
    fn of(had: Vec<Closure>, entries: &[Entry<Closure>], replace: bool) -> Self {
        let had: BTreeSet<Closure> = had.into_iter().collect();
        let named: BTreeSet<Closure> = entries.iter().map(|entry| entry.content.clone()).collect();
        let kept = if replace { named.clone() } else { had.union(&named).cloned().collect() };
        Self { had, named, kept }
    }

    fn imported(&self) -> Imported {
        Imported {
            new: self.named.difference(&self.had).count() as u64,
            changed: 0,
            unchanged: self.named.intersection(&self.had).count() as u64,
            removed: self.had.difference(&self.kept).count() as u64,
        }
    }
}

async fn existing(
    platform: &Platform,
    entries: &[Entry<TrainerPatch>],
) -> Result<HashMap<String, (Trainer, i64)>, PlatformError> {
    let ids: Vec<String> = entries.iter().filter_map(|entry| entry.content.trainer_id()).map(str::to_owned).collect();
    let mut found = HashMap::with_capacity(ids.len());
    for ids in ids.chunks(TRAINERS_READ_MAX) {
        for (trainer, version) in platform.store.trainer_terms(ids).await? {
            found.insert(trainer.trainer_id.clone(), (trainer, version));
        }
    }
    Ok(found)
}

/// What changes, or every fault there is.
fn edits(
    entries: &[Entry<TrainerPatch>],
    existing: &HashMap<String, (Trainer, i64)>,
) -> Result<Preview, Vec<LineFault>> {
    let (mut preview, mut faults) = (Preview::default(), Vec::new());
    for Entry { line, content } in entries {
        let before = content.trainer_id().and_then(|id| existing.get(id)).map(|(trainer, _)| trainer);
        let after = match content.clone().onto(before.cloned()) {
            Ok(after) => after,
            Err(wrong) => {
                faults.extend(wrong.into_iter().map(|fault| LineFault { line: *line, fault }));
                continue;
            }
        };
        match before {
            Some(before) if *before == after => {
                preview.imported.unchanged += 1;
                continue;
            }
            Some(_) => preview.imported.changed += 1,
            None => preview.imported.new += 1,
        }
        preview.edits.push(Edited { line: *line, before: before.cloned(), after });
    }
    if faults.is_empty() { Ok(preview) } else { Err(faults) }
}

/// The event that tells of a trainer's new terms.
fn changed(trainer: &Trainer, roster_version: i64, now: Timestamp) -> Result<Event, PlatformError> {
    let key = trainer.trainer_id.clone();
    let about = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("urn:caravan:trainer:{key}").as_bytes());
    let id = event_id(about, &format!("trainer-changed:{roster_version}"));
    let payload = TrainerChanged { trainer_id: key, roster_version, changed_at: now };
    Event::telling(&payload, id, now, SOURCE, None).map_err(|error| {
        PlatformError::Broken(format!("can't write the event of trainer {}: {error}", payload.trainer_id))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(lines: &str) -> Vec<Entry<TrainerPatch>> {
        trainers_of(lines.as_bytes(), Format::JsonLines).unwrap()
    }

    #[test]
    fn only_what_is_new_or_other_than_it_was_is_written() {
        let lines = entries(
            "{\"trainer_id\":\"a\",\"time_zone\":\"UTC\",\"name\":\"Ann\"}\n{\"trainer_id\":\"b\",\"time_zone\":\"UTC\"}",
        );
        let Preview { imported, edits: first } = edits(&lines, &HashMap::new()).unwrap();
        assert_eq!((imported.new, imported.changed, imported.unchanged), (2, 0, 0));
        assert!(first.iter().all(|edit| edit.before.is_none()));
        let existing: HashMap<_, _> =
            first.into_iter().map(|edit| (edit.after.trainer_id.clone(), (edit.after, 7))).collect();
        let again = entries("\n{\"trainer_id\":\"b\",\"time_zone\":\"UTC\"}\n{\"trainer_id\":\"a\",\"name\":\"Anna\"}");
        let Preview { imported, edits: second } = edits(&again, &existing).unwrap();
        assert_eq!((imported.new, imported.changed, imported.unchanged), (0, 1, 1));
        let [Edited { line: 3, before: Some(before), after }] = &second[..] else { panic!("{second:?}") };
        assert_eq!((before.name.as_deref(), after.name.as_deref()), (Some("Ann"), Some("Anna")));
    }

    #[test]
    fn a_new_trainer_without_a_zone_is_a_fault_of_its_line() {
        let faults = edits(&entries("\n{\"trainer_id\":\"a\"}"), &HashMap::new()).unwrap_err();
        assert_eq!((faults[0].line, faults[0].fault.pointer.as_str()), (2, "/time_zone"));
    }
}
