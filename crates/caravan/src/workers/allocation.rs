//! `purchase-created` finds its trainer, or waits; whoever waits is looked at again whenever a
//! change could help, before anybody newer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use caravan_domain::allocation::{self, Booking, Calendar, Decision, Request, Roster, TrainerState, Waitlisting};
use caravan_domain::event::{Event, PurchaseWaitlisted, Topic, purchase_id_of, trainer_id_of};
use caravan_domain::ids;
use caravan_domain::purchase::{PurchaseStatus, folded};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::binding::{Bound, SOURCE, bind, unwritable};
use super::session::unknown_purchase;
use super::{numbers, read_all};
use crate::engine::Policy;
use crate::engine::worker::{Outcome, Spec, Tally, WorkError, Worker};
use crate::platform::PlatformError;
use crate::platform::log::Record;
use crate::platform::rows::{Purchase, TrainerRow};
use crate::platform::store::Reads;
use crate::platform::transaction::{NewWaitlisting, TrainerTouch};

/// The allocation worker's fixed facts.
pub const SPEC: Spec = Spec {
    name: "AllocationWorker",
    group: "trainer-allocation-workers",
    topics: &[Topic::PurchaseCreated, Topic::PurchaseCancelled, Topic::TrainerChanged],
    linger: Duration::ZERO,
    looks_around: true,
};

/// Allocates. It keeps the roster warm; the store's compare-and-set of each trainer's version
/// refuses a decision made on an old picture.
pub struct AllocationWorker {
    roster: Roster,
    versions: HashMap<String, i64>,
    /// The roster version the picture is of; `None` before the first read.
    seen: Option<i64>,
    /// Who waits and is being looked at again.
    sweeping: Vec<Uuid>,
    /// How many of them are looked at in one transaction.
    sweep_max: usize,
    /// Those whose decision can't be written, on this version of the roster.
    unwritable: BTreeSet<Uuid>,
    /// Bookings of an outcome that is being committed.
    pending: Vec<Booking>,
    /// Trainers whose picture may be wrong.
    doubtful: Vec<String>,
    batch_max: usize,
}

impl AllocationWorker {
    /// A worker that knows no trainer yet.
    pub fn new(policy: &Policy) -> Self {
        Self {
            roster: Roster::new(rules(policy)),
            versions: HashMap::new(),
            seen: None,
            sweeping: Vec::new(),
            sweep_max: policy.batch.records_max,
            unwritable: BTreeSet::new(),
            pending: Vec::new(),
            doubtful: Vec::new(),
            batch_max: policy.batch.records_max,
        }
    }
}

#[async_trait]
impl Worker for AllocationWorker {
    fn spec(&self) -> Spec {
        SPEC
    }

    fn tallies(&self) -> Vec<Tally> {
        numbers::of_allocation()
    }

    async fn handle(&mut self, batch: &[Record], reads: &dyn Reads, now: Timestamp) -> Result<Outcome, WorkError> {
        // A part of a batch that was split follows upon a failure without a look around.
        self.look_at_doubtful(reads, now).await?;
        let mut outcome = Outcome::default();
        let told = read_all(batch, &mut outcome, |record, envelope| match record.at.topic {
            Topic::PurchaseCreated => purchase_id_of(&envelope.data).map(Some),
            Topic::TrainerChanged => trainer_id_of(&envelope.data).map(|_| None),
            _ => purchase_id_of(&envelope.data).map(|_| None),
        });
        let mut parents = BTreeMap::new();
        let mut wanted = Vec::new();
        for (index, traceparent, purchase_id) in told {
            match purchase_id {
                Some(id) => {
                    parents.entry(id).or_insert(traceparent);
                    wanted.push((index, id));
                }
                // A change of the roster is read with its version, whether it is told or not.
                None => outcome.done += 1,
            }
        }
        let ids: Vec<Uuid> = parents.keys().copied().collect();
        let purchases = reads.purchases(&ids).await?;
        let mut found: HashMap<Uuid, PurchaseStatus> =
            purchases.iter().map(|purchase| (purchase.id, purchase.status)).collect();
        for (index, id) in wanted {
            match found.get_mut(&id) {
                None => outcome.rejected.push((index, unknown_purchase(id))),
                Some(status @ PurchaseStatus::Created) => {
                    // Told again in the same batch, it is decided already.
                    *status = PurchaseStatus::Allocated;
                    outcome.done += 1;
                }
                // Called off before anybody was looked for: all of it was given back, or a person decided so.
                Some(PurchaseStatus::Cancelled) => outcome.superseded += 1,
                Some(_) => outcome.duplicates += 1,
            }
        }
        let fresh = purchases.into_iter().filter(|purchase| purchase.status == PurchaseStatus::Created).collect();
        self.allocate(&mut outcome, fresh, &parents, reads, now).await?;
        Ok(outcome)
    }

    async fn look_around(&mut self, reads: &dyn Reads, now: Timestamp) -> Result<Option<Outcome>, WorkError> {
        self.refresh(reads, now).await?;
        let Some(version) = self.seen else { return Ok(None) };
        let mut waiting = reads.waiting_below(version, self.sweep_max + self.unwritable.len()).await?;
        waiting.retain(|purchase| !self.unwritable.contains(&purchase.id));
        waiting.truncate(self.sweep_max);
        self.sweeping = waiting.iter().map(|purchase| purchase.id).collect();
        if waiting.is_empty() {
            self.sweep_max = self.batch_max;
            return Ok(None);
        }
        let mut outcome = Outcome::default();
        self.allocate(&mut outcome, waiting, &BTreeMap::new(), reads, now).await?;
        Ok(Some(outcome))
    }

    fn committed(&mut self) {
        for booking in std::mem::take(&mut self.pending) {
            self.roster.book(&booking);
        }
    }

    fn not_committed(&mut self) {
        self.doubtful.extend(self.pending.drain(..).map(|booking| booking.trainer_id));
    }

    fn look_elsewhere(&mut self) -> bool {
        match self.sweeping.as_slice() {
            [] => return false,
            [alone] => drop(self.unwritable.insert(*alone)),
            several => self.sweep_max = several.len() / 2,
        }
        self.sweeping.clear();
        true
    }
}

impl AllocationWorker {
    /// Brings the picture up to date: what changed in the roster, and trainers it was wrong about.
    async fn refresh(&mut self, reads: &dyn Reads, now: Timestamp) -> Result<(), PlatformError> {
        if self.seen != Some(reads.roster_version().await?) {
            let changes = reads.roster_changes(self.seen, first_matter(now)).await?;
            self.roster.set_closures(changes.closures);
            self.take_over(changes.trainers);
            self.seen = Some(changes.version);
            self.unwritable.clear();
        }
        self.look_at_doubtful(reads, now).await
    }

    /// Reads the trainers anew that the picture may be wrong about.
    async fn look_at_doubtful(&mut self, reads: &dyn Reads, now: Timestamp) -> Result<(), PlatformError> {
        if !self.doubtful.is_empty() {
            let trainers = reads.trainers(&self.doubtful, first_matter(now)).await?;
            self.doubtful.clear();
            self.take_over(trainers);
        }
        Ok(())
    }

    fn take_over(&mut self, trainers: Vec<TrainerRow>) {
        for row in trainers {
            self.versions.insert(row.trainer.trainer_id.clone(), row.version);
            self.roster.upsert(state_of(row));
        }
    }

    /// Decides for these purchases, oldest first, and adds what follows to the outcome.
    async fn allocate(
        &mut self,
        outcome: &mut Outcome,
        mut purchases: Vec<Purchase>,
        parents: &BTreeMap<Uuid, Option<String>>,
        reads: &dyn Reads,
        now: Timestamp,
    ) -> Result<(), WorkError> {
        if purchases.is_empty() {
            return Ok(());
        }
        oldest_first(&mut purchases);
        let requests = requests(&purchases, reads, now).await?;
        let decisions = self.roster.allocate(&requests, now);
        for (purchase, decision) in purchases.iter().zip(decisions) {
            let parent = parents.get(&purchase.id).and_then(Option::as_deref);
            match decision {
                Decision::Allocated(booking) => {
                    let generation = purchase.generations + 1;
                    let revision = Some(purchase.revision);
                    let bound = Bound { confirmation: &purchase.confirmation, revision, generation, first_ordinal: 1 };
                    bind(outcome, &bound, &booking, now, parent)?;
                    outcome.tally(numbers::ALLOCATED);
                    self.pending.push(booking);
                }
                Decision::Waitlisted(waitlisting) => {
                    waitlisted(outcome, purchase, &waitlisting, self.seen.unwrap_or(0), now, parent)?;
                }
            }
        }
        outcome.effects.trainers = self.touches();
        Ok(())
    }

    /// Each trainer who got a plan, by id: their version steps once, whatever they got.
    fn touches(&mut self) -> Vec<TrainerTouch> {
        let mut shares: BTreeMap<&str, i64> = BTreeMap::new();
        for booking in &self.pending {
            let share = shares.entry(&booking.trainer_id).or_insert(booking.share_after);
            *share = booking.share_after.max(*share);
        }
        let versions = &mut self.versions;
        let touch = |(trainer_id, share): (&str, i64)| {
            let version = versions.get_mut(trainer_id).map_or(0, |version| {
                *version += 1;
                *version - 1
            });
            TrainerTouch { trainer_id: trainer_id.to_owned(), version, share }
        };
        shares.into_iter().map(touch).collect()
    }
}

/// From when on reserved time can matter: a plan begins after `now`, but its first week may have
/// begun before.
pub fn first_matter(now: Timestamp) -> Timestamp {
    now.saturating_sub(SignedDuration::from_hours(14 * 24)).unwrap_or(Timestamp::MIN)
}

/// What the business has set of the rules.
pub(crate) fn rules(policy: &Policy) -> allocation::Policy {
    allocation::Policy { max_skipped: policy.max_skipped, lead_days: policy.lead_days }
}

/// A trainer as the rules take them.
pub(crate) fn state_of(row: TrainerRow) -> TrainerState {
    TrainerState { trainer: row.trainer, calendar: Calendar::from_rows(row.calendar), share: row.share }
}

/// The order in which purchases of a batch are decided.
pub(crate) fn oldest_first(purchases: &mut [Purchase]) {
    purchases.sort_by_key(|purchase| (purchase.created_at, purchase.id));
}

/// What the rules need to know of each purchase, in the same order.
pub(crate) async fn requests(
    purchases: &[Purchase],
    reads: &dyn Reads,
    now: Timestamp,
) -> Result<Vec<Request>, PlatformError> {
    let mut students: Vec<String> = purchases.iter().map(|purchase| purchase.confirmation.student.id.clone()).collect();
    students.sort_unstable();
    students.dedup();
    let asked: Vec<(String, String)> = purchases.iter().map(student_and_subject).collect();
    let calendars: HashMap<String, Calendar> = reads
        .student_calendars(&students, first_matter(now))
        .await?
        .into_iter()
        .map(|(student, rows)| (student, Calendar::from_rows(rows)))
        .collect();
    let previous: HashMap<(String, String), String> = reads.previous_trainers(&asked).await?.into_iter().collect();
    let request = |(purchase, asked): (&Purchase, &(String, String))| {
        let confirmation = &purchase.confirmation;
        Request {
            purchase_id: purchase.id,
            student_id: confirmation.student.id.clone(),
            time_zone: confirmation.student.time_zone.clone(),
            languages: confirmation.student.languages.clone(),
            course: confirmation.course.clone(),
            plan: confirmation.plan.clone(),
            preferred_trainer_id: confirmation.preferred_trainer_id.clone(),
            previous_trainer_id: previous.get(asked).cloned(),
            student_calendar: calendars.get(&confirmation.student.id).cloned().unwrap_or_default(),
        }
    };
    Ok(purchases.iter().zip(&asked).map(request).collect())
}

/// Whose purchase it is, and of what: by these a student's trainer before is known.
pub(crate) fn student_and_subject(purchase: &Purchase) -> (String, String) {
    (purchase.confirmation.student.id.clone(), folded(&purchase.confirmation.course.subject))
}

fn waitlisted(
    outcome: &mut Outcome,
    purchase: &Purchase,
    waitlisting: &Waitlisting,
    seen_version: i64,
    now: Timestamp,
    parent: Option<&str>,
) -> Result<(), WorkError> {
    let confirmation = &purchase.confirmation;
    // Told and counted once per wait: a purchase that waits already is only judged anew.
    if purchase.status == PurchaseStatus::Created {
        outcome.tally(numbers::waitlisted(&waitlisting.receipt));
        let reasons = waitlisting.receipt.removed.iter().map(|(rule, count)| (rule.name().to_owned(), *count));
        let payload = PurchaseWaitlisted {
            purchase_id: purchase.id,
            student_id: confirmation.student.id.clone(),
            waitlisted_at: now,
            reasons: reasons.collect(),
            metadata: confirmation.metadata.clone(),
        };
        let event_id = ids::event_id(purchase.id, &format!("purchase-waitlisted:{}", purchase.generations + 1));
        outcome.events.push(Event::telling(&payload, event_id, now, SOURCE, parent).map_err(unwritable)?);
    }
    outcome.effects.waitlistings.push(NewWaitlisting {
        purchase_id: purchase.id,
        waitlisted_at: now,
        seen_version,
        receipt: serde_json::to_string(&waitlisting.receipt).map_err(unwritable)?,
    });
    Ok(())
}
