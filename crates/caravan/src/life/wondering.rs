//! What if: which purchases on the waitlist would find a trainer if the roster were changed so. Nothing is written.

use std::collections::{BTreeMap, HashMap};

use caravan_domain::allocation::{self, Booking, Calendar, Decision, ReservedTime, Roster, TrainerState};
use caravan_domain::plan::Slot;
use caravan_domain::purchase::Course;
use caravan_domain::stuck::{Bottleneck, bottlenecks};
use caravan_domain::trainer::{Trainer, TrainerPatch};
use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

use crate::engine::Policy;
use crate::platform::rows::Purchase;
use crate::platform::{Platform, PlatformError};
use crate::roster::{Edited, Entry, ImportError, preview_trainers};
use crate::workers::allocation::{first_matter, oldest_first, requests, rules, state_of, student_and_subject};

/// How many purchases on the waitlist are looked at, the oldest.
pub const WAITING_READ_MAX: usize = 2_000;

/// What would become of those who wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wondered {
    /// How many purchases were looked at.
    pub looked_at: usize,
    /// Whether more wait than were looked at.
    pub more: bool,
    /// Those who would find a trainer, in the order in which they would be asked about.
    pub placed: Vec<Placed>,
    /// What would hold up the others, and how many of them.
    pub still_waiting: Vec<Bottleneck>,
}

/// A purchase that would find a trainer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Which.
    pub purchase_id: Uuid,
    /// Who is taught.
    pub student_id: String,
    /// What is taught.
    pub course: Course,
    /// When it was recorded: since then it waits.
    pub created_at: Timestamp,
    /// Who would teach it.
    pub trainer_id: String,
    /// When, each week, in the student's zone.
    pub slots: Vec<Slot>,
    /// The first date a lesson may stand on, in the student's zone.
    pub start_date: Date,
}

impl Placed {
    fn of(purchase: &Purchase, booking: Booking) -> Self {
        Self {
            purchase_id: purchase.id,
            student_id: booking.student_id,
            course: purchase.confirmation.course.clone(),
            created_at: purchase.created_at,
            trainer_id: booking.trainer_id,
            slots: booking.slots,
            start_date: booking.start_date,
        }
    }
}

/// Why it can't be told.
#[derive(Debug, thiserror::Error)]
pub enum WonderError {
    /// The roster can't be changed so.
    #[error(transparent)]
    Edits(#[from] ImportError),
    /// The store can't be read.
    #[error(transparent)]
    Platform(#[from] PlatformError),
}

/// Judges those who wait as the allocation worker would if `entries` were imported now, in its order and in batches of
/// its size.
///
/// # Errors
/// [`WonderError`].
pub async fn wonder(
    platform: &Platform,
    policy: &Policy,
    entries: &[Entry<TrainerPatch>],
) -> Result<Wondered, WonderError> {
    let now = platform.clock.now();
    let edits = preview_trainers(platform, entries).await?.edits;
    let mut imagined = Imagined::of(roster(platform, policy, edits, now).await?);
    // Whoever waits was judged on some roster, whichever it was.
    let mut waiting = platform.store.waiting_below(i64::MAX, WAITING_READ_MAX + 1).await?;
    let more = waiting.len() > WAITING_READ_MAX;
    waiting.truncate(WAITING_READ_MAX);
    let (mut placed, mut receipts) = (Vec::new(), Vec::new());
    for batch in waiting.chunks_mut(policy.batch.records_max.max(1)) {
        oldest_first(batch);
        for (purchase, decision) in batch.iter().zip(imagined.judge(platform, batch, now).await?) {
            match decision {
                Decision::Allocated(booking) => placed.push(Placed::of(purchase, booking)),
                Decision::Waitlisted(waitlisting) => receipts.push(waitlisting.receipt),
            }
        }
    }
    Ok(Wondered { looked_at: waiting.len(), more, placed, still_waiting: bottlenecks(receipts.into_iter()) })
}

/// The roster as it would be.
async fn roster(
    platform: &Platform,
    policy: &Policy,
    edits: Vec<Edited>,
    now: Timestamp,
) -> Result<Roster, PlatformError> {
    let changes = platform.store.roster_changes(None, first_matter(now)).await?;
    let mut edited: BTreeMap<String, Trainer> =
        edits.into_iter().map(|edit| (edit.after.trainer_id.clone(), edit.after)).collect();
    let mut roster = Roster::new(rules(policy));
    roster.set_closures(changes.closures);
    for row in changes.trainers {
        let mut state = state_of(row);
        if let Some(trainer) = edited.remove(&state.trainer.trainer_id) {
            state.trainer = trainer;
        }
        roster.upsert(state);
    }
    for trainer in edited.into_values() {
        roster.upsert(TrainerState { trainer, calendar: Calendar::default(), share: None });
    }
    Ok(roster)
}

/// What would be after the batches that were judged already.
struct Imagined {
    roster: Roster,
    /// The time they would take of students.
    taken: HashMap<String, Vec<ReservedTime>>,
    /// Who would teach students a subject, by student and subject.
    taught: HashMap<(String, String), String>,
}

impl Imagined {
    fn of(roster: Roster) -> Self {
        Self { roster, taken: HashMap::new(), taught: HashMap::new() }
    }

    /// One decision for each purchase, in the same order.
    async fn judge(
        &mut self,
        platform: &Platform,
        purchases: &[Purchase],
        now: Timestamp,
    ) -> Result<Vec<Decision>, PlatformError> {
        let mut asked = requests(purchases, &*platform.store, now).await?;
        for (request, purchase) in asked.iter_mut().zip(purchases) {
            if let Some(time) = self.taken.get(&request.student_id) {
                request.student_calendar.reserve(time);
            }
            if let Some(trainer) = self.taught.get(&student_and_subject(purchase)) {
                request.previous_trainer_id = Some(trainer.clone());
            }
        }
        // Others are served meanwhile: many questions to many trainers take a while.
        let roster = std::mem::replace(&mut self.roster, Roster::new(allocation::Policy::default()));
        let judged = tokio::task::spawn_blocking(move || (roster.allocate(&asked, now), roster)).await;
        let (decisions, roster) =
            judged.map_err(|problem| PlatformError::Broken(format!("the judgement broke off: {problem}")))?;
        self.roster = roster;
        for (purchase, decision) in purchases.iter().zip(&decisions) {
            if let Decision::Allocated(booking) = decision {
                self.take_over(purchase, booking);
            }
        }
        Ok(decisions)
    }

    fn take_over(&mut self, purchase: &Purchase, booking: &Booking) {
        self.roster.book(booking);
        self.taken.entry(booking.student_id.clone()).or_default().extend_from_slice(&booking.reserved);
        self.taught.insert(student_and_subject(purchase), booking.trainer_id.clone());
    }
}
