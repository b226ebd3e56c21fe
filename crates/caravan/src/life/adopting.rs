//! Moving in: taking over plans that are under way elsewhere, all of a file or nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use caravan_domain::allocation::{Booking, Calendar, Choice, Policy, judge_choice};
use caravan_domain::event::{Adoption, adoption_from_json};
use caravan_domain::ids::purchase_id;
use caravan_domain::trainer::Closure;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use uuid::Uuid;

use super::allocating::same_slots;
use super::{ChangeError, commit};
use crate::engine::worker::{Outcome, WorkError};
use crate::platform::rows::{Purchase, TrainerRow};
use crate::platform::transaction::{CommitError, NewPurchase, TrainerTouch};
use crate::platform::{Platform, PlatformError};
use crate::roster::{Entry, LineFault, json_lines};
use crate::workers::allocation::first_matter;
use crate::workers::binding::{Bound, bind};
use crate::workers::purchase::record;

/// The largest file that is read.
pub const FILE_BYTES_MAX: u64 = 64 << 20;
/// Lines of a file: all are written in one transaction.
pub const LINES_MAX: usize = 10_000;
/// Rows that are read at once.
const READ_MAX: usize = 1_000;

/// What became of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AdoptedRow {
    /// The line, from 1.
    pub line: u64,
    /// The purchase.
    pub purchase_id: Uuid,
    /// Its payment.
    pub payment_id: String,
    /// Who teaches it.
    pub trainer_id: String,
    /// The first date a session may stand on.
    pub start_date: Date,
    /// The first session that is planned.
    pub first_ordinal: u32,
    /// How many are planned.
    pub sessions: u16,
    /// Whether it was there before, just so: then nothing changed.
    pub there_already: bool,
}

/// Why nothing was adopted.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// Lines are wrong, or clash.
    #[error("{} of the file can't be adopted; nothing was written", lines_of(.0))]
    Faults(Vec<LineFault>),
    /// Too much at once.
    #[error(
        "the file has {0} lines, at most {LINES_MAX} are adopted at once: split it, each part is adopted by itself"
    )]
    TooMany(usize),
    /// The store refuses, or can't be reached.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

fn lines_of(faults: &[LineFault]) -> String {
    match faults.iter().map(|fault| fault.line).collect::<BTreeSet<_>>().len() {
        1 => "1 line".to_owned(),
        number => format!("{number} lines"),
    }
}

impl From<PlatformError> for AdoptError {
    fn from(error: PlatformError) -> Self {
        Self::Change(error.into())
    }
}

impl From<CommitError> for AdoptError {
    fn from(error: CommitError) -> Self {
        Self::Change(error.into())
    }
}

impl From<WorkError> for AdoptError {
    fn from(error: WorkError) -> Self {
        Self::Change(error.into())
    }
}

/// Takes over the plans of a file of JSON lines; with `dry_run` it only says what would become of them.
///
/// Everything is one transaction, so an attempt that was interrupted is just made again.
///
/// # Errors
/// [`AdoptError`]; then nothing has changed.
pub async fn adopt(
    platform: &Platform,
    content: &[u8],
    policy: Policy,
    dry_run: bool,
) -> Result<Vec<AdoptedRow>, AdoptError> {
    let read_at = platform.clock.now();
    let reading = json_lines(content, |line| adoption_from_json(line, read_at));
    let lines = reading.entries.len() + reading.faults.iter().map(|fault| fault.line).collect::<BTreeSet<_>>().len();
    if lines > LINES_MAX {
        return Err(AdoptError::TooMany(lines));
    }
    for attempt in 1.. {
        let mut adopting = Adopting::read(platform, &reading.entries, policy).await?;
        adopting.faults.clone_from(&reading.faults);
        for entry in &reading.entries {
            adopting.line(entry)?;
        }
        let (outcome, rows) = adopting.finish()?;
        if dry_run || outcome.effects.purchases.is_empty() || commit(platform, outcome, attempt).await? {
            return Ok(rows);
        }
    }
    unreachable!("the last attempt returns")
}

/// A trainer as the lines so far leave them.
struct Teacher {
    row: TrainerRow,
    calendar: Calendar,
    has_more: bool,
}

/// What is known, with what the lines so far add to it.
struct Adopting {
    policy: Policy,
    now: Timestamp,
    purchases: HashMap<Uuid, Purchase>,
    trainers: BTreeMap<String, Teacher>,
    students: HashMap<String, Calendar>,
    closures: Vec<Closure>,
    /// On which line a purchase is.
    lines: HashMap<Uuid, u64>,
    outcome: Outcome,
    rows: Vec<AdoptedRow>,
    faults: Vec<LineFault>,
}

impl Adopting {
    async fn read(platform: &Platform, entries: &[Entry<Adoption>], policy: Policy) -> Result<Self, PlatformError> {
        let (now, store) = (platform.clock.now(), &platform.store);
        let mut adopting = Self {
            policy,
            now,
            purchases: HashMap::new(),
            trainers: BTreeMap::new(),
            students: HashMap::new(),
            closures: store.closures().await?,
            lines: HashMap::new(),
            outcome: Outcome::default(),
            rows: Vec::with_capacity(entries.len()),
            faults: Vec::new(),
        };
        let ids: Vec<Uuid> = entries.iter().map(|entry| id_of(&entry.content)).collect();
        for ids in ids.chunks(READ_MAX) {
            let found = store.purchases(ids).await?;
            adopting.purchases.extend(found.into_iter().map(|purchase| (purchase.id, purchase)));
        }
        for ids in each_once(entries, |adoption| &adoption.trainer_id).chunks(READ_MAX) {
            for mut row in store.trainers(ids, first_matter(now)).await? {
                let calendar = Calendar::from_rows(std::mem::take(&mut row.calendar));
                adopting.trainers.insert(row.trainer.trainer_id.clone(), Teacher { row, calendar, has_more: false });
            }
        }
        for ids in each_once(entries, |adoption| &adoption.confirmation.student.id).chunks(READ_MAX) {
            let found = store.student_calendars(ids, first_matter(now)).await?;
            adopting.students.extend(found.into_iter().map(|(id, rows)| (id, Calendar::from_rows(rows))));
        }
        Ok(adopting)
    }

    /// Judges a line by what is there and by the lines before it.
    fn line(&mut self, Entry { line, content: adoption }: &Entry<Adoption>) -> Result<(), WorkError> {
        let id = id_of(adoption);
        if let Some(earlier) = self.lines.insert(id, *line) {
            self.clash(*line, format!("it is the same purchase as line {earlier}"));
        } else if let Some(there) = self.purchases.get(&id) {
            match difference(there, adoption) {
                None => self.already(*line, there.clone(), adoption),
                Some(difference) => self.clash(*line, difference),
            }
        } else {
            match self.judge(id, adoption) {
                Ok(booking) => self.take_over(*line, adoption, &booking)?,
                Err(problems) => problems.into_iter().for_each(|problem| self.clash(*line, problem)),
            }
        }
        Ok(())
    }

    fn clash(&mut self, line: u64, problem: String) {
        self.faults.push(LineFault::of_line(line, problem));
    }

    fn judge(&self, id: Uuid, adoption: &Adoption) -> Result<Booking, Vec<String>> {
        let Adoption { confirmation, trainer_id, slots, first_ordinal } = adoption;
        let Some(Teacher { row, calendar, .. }) = self.trainers.get(trainer_id) else {
            return Err(vec![ChangeError::UnknownTrainer(trainer_id.clone()).to_string()]);
        };
        let free = Calendar::default();
        let choice = Choice {
            purchase_id: id,
            confirmation,
            slots,
            first_ordinal: *first_ordinal,
            trainer: &row.trainer,
            trainer_calendar: calendar,
            share: row.share,
            student_calendar: self.students.get(&confirmation.student.id).unwrap_or(&free),
            closures: &self.closures,
        };
        let judged = judge_choice(&choice, self.policy, self.now);
        judged.map_err(|objections| objections.iter().map(ToString::to_string).collect())
    }

    fn take_over(&mut self, line: u64, adoption: &Adoption, booking: &Booking) -> Result<(), WorkError> {
        let Adoption { confirmation, first_ordinal, .. } = adoption;
        // A microsecond apart, so that the order of the file is kept for good.
        let at = self.now + SignedDuration::from_micros(self.outcome.effects.purchases.len() as i64);
        let id = booking.purchase_id;
        let purchase = NewPurchase { id, created_at: at, confirmation: confirmation.clone() };
        record(&mut self.outcome, purchase, None)
            .map_err(|error| WorkError::Failed(format!("line {line}: {error}")))?;
        let bound = Bound { confirmation, revision: None, generation: 1, first_ordinal: *first_ordinal };
        bind(&mut self.outcome, &bound, booking, at, None)?;
        if let Some(teacher) = self.trainers.get_mut(&booking.trainer_id) {
            teacher.calendar.reserve(&booking.reserved);
            teacher.row.share = Some(booking.share_after);
            teacher.has_more = true;
        }
        self.students.entry(booking.student_id.clone()).or_default().reserve(&booking.reserved);
        let sessions = self.outcome.effects.allocations.last().map_or(0, |allocation| allocation.sessions);
        self.rows.push(AdoptedRow {
            line,
            purchase_id: id,
            payment_id: confirmation.payment_id.clone(),
            trainer_id: booking.trainer_id.clone(),
            start_date: booking.start_date,
            first_ordinal: *first_ordinal,
            sessions,
            there_already: false,
        });
        Ok(())
    }

    fn already(&mut self, line: u64, there: Purchase, adoption: &Adoption) {
        let Some(allocation) = there.allocation else { return };
        self.rows.push(AdoptedRow {
            line,
            purchase_id: there.id,
            payment_id: adoption.confirmation.payment_id.clone(),
            trainer_id: allocation.trainer_id,
            start_date: allocation.start_date,
            first_ordinal: allocation.first_ordinal,
            sessions: allocation.sessions,
            there_already: true,
        });
    }

    fn finish(mut self) -> Result<(Outcome, Vec<AdoptedRow>), AdoptError> {
        if !self.faults.is_empty() {
            self.faults.sort_by_key(|fault| fault.line);
            return Err(AdoptError::Faults(self.faults));
        }
        let with_more = self.trainers.into_iter().filter(|(_, teacher)| teacher.has_more);
        let touch = |(trainer_id, Teacher { row, .. }): (String, Teacher)| TrainerTouch {
            trainer_id,
            version: row.version,
            share: row.share.unwrap_or(0),
        };
        self.outcome.effects.trainers = with_more.map(touch).collect();
        Ok((self.outcome, self.rows))
    }
}

fn id_of(adoption: &Adoption) -> Uuid {
    purchase_id(&adoption.confirmation.payment_id, adoption.confirmation.item.as_deref())
}

fn each_once<'a>(entries: &'a [Entry<Adoption>], id: impl Fn(&'a Adoption) -> &'a String) -> Vec<String> {
    entries.iter().map(|entry| id(&entry.content)).collect::<BTreeSet<_>>().into_iter().cloned().collect()
}

/// How a purchase that is there is not what the line says.
fn difference(there: &Purchase, adoption: &Adoption) -> Option<String> {
    let id = there.id;
    if !there.reported().agrees_with(&adoption.confirmation) {
        return Some(format!("purchase {id} is there already, with another student, course, plan or amount"));
    }
    let Some(allocation) = &there.allocation else {
        return Some(format!(
            "purchase {id} is there already, {}; `caravan purchases allocate {id}` gives one that waits a trainer",
            there.status
        ));
    };
    let same = allocation.trainer_id == adoption.trainer_id
        && allocation.first_ordinal == adoption.first_ordinal
        && same_slots(&allocation.slots, &adoption.slots);
    (!same)
        .then(|| format!("purchase {id} is there already, with another trainer, other slots or another first session"))
}
