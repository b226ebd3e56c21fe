//! Purchases that are paid and not fulfilled: since when, why, and what to do.

use std::collections::{HashSet, VecDeque};

use caravan_domain::allocation::{Obstacle, Receipt, Rule};
use caravan_domain::event::Topic;
use caravan_domain::purchase::PurchaseStatus;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use uuid::Uuid;

use crate::engine::Policy;
use crate::engine::cron::Schedule;
use crate::payments::Reported;
use crate::platform::rows::{DeadLetter, DeadLetterFilter};
use crate::platform::stuck::{LateBounds, LateCursor, LatePurchase};
use crate::platform::{Platform, PlatformError};
use crate::redrive::LETTERS_MAX;
use crate::workers::WorkerKind;

/// What takes longer than this is late: a worker that runs and keeps up needs seconds.
const IN_HAND_MAX: SignedDuration = SignedDuration::from_mins(5);
/// How long after its time the cron may still be at work.
const CRON_MAX: SignedDuration = SignedDuration::from_mins(15);
/// Purchases read at once. Each page walks all of them, so it is large.
const PAGE: usize = 5_000;

/// Why a purchase is not fulfilled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Nobody has looked for a trainer yet.
    Undecided,
    /// No trainer fits.
    Waitlisted,
    /// A trainer is found, and no session stands in the calendar.
    Unscheduled,
    /// The cron should have extended its window.
    WindowBehind,
    /// The payment was set aside, and never became a purchase.
    DeadLetter,
}

impl Cause {
    /// Its name, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Undecided => "undecided",
            Self::Waitlisted => "waitlisted",
            Self::Unscheduled => "unscheduled",
            Self::WindowBehind => "window-behind",
            Self::DeadLetter => "dead-letter",
        }
    }
}

/// What is paid and not fulfilled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stuck {
    /// The purchase; of a payment that never became one what it would have been, if that is known.
    pub purchase_id: Option<Uuid>,
    /// The payment's id, if it can be read.
    pub payment_id: Option<String>,
    /// Whose it is, if that can be read.
    pub student_id: Option<String>,
    /// Since when it is so.
    pub since: Timestamp,
    /// How long that is.
    pub age_seconds: i64,
    /// Why.
    pub cause: Cause,
    /// Why, in words.
    pub detail: String,
    /// What to do.
    pub next: String,
}

/// Finds what is stuck, oldest first, a page at a time.
pub struct Search<'a> {
    platform: &'a Platform,
    now: Timestamp,
    bounds: LateBounds,
    purchases: Pages<LateCursor>,
    letters: Pages<i64>,
}

/// What was read of a list and not handed on yet; `after` is where it goes on, unless it has ended.
struct Pages<C> {
    found: VecDeque<Stuck>,
    after: Option<C>,
    ended: bool,
}

impl<C> Pages<C> {
    fn new() -> Self {
        Self { found: VecDeque::new(), after: None, ended: false }
    }
}

impl<'a> Search<'a> {
    /// What needs a person or is late; with `older_than` what has been so for at least as long.
    ///
    /// # Errors
    /// If the policy's cron is no schedule.
    pub fn new(
        platform: &'a Platform,
        policy: &Policy,
        older_than: Option<SignedDuration>,
    ) -> Result<Self, PlatformError> {
        let now = platform.clock.now();
        let before = |age: SignedDuration| now.checked_sub(age).unwrap_or(Timestamp::MIN);
        let schedule = Schedule::parse(&policy.cron).map_err(PlatformError::Broken)?;
        let asked = before(older_than.unwrap_or(SignedDuration::ZERO));
        let bounds = LateBounds {
            in_hand: before(older_than.unwrap_or(IN_HAND_MAX)),
            waiting: asked,
            behind: asked,
            reached: schedule.last_due_date(before(CRON_MAX)),
            window_days: policy.window_days,
            groups: [WorkerKind::Allocation.spec().group, WorkerKind::Session.spec().group],
        };
        Ok(Self { platform, now, bounds, purchases: Pages::new(), letters: Pages::new() })
    }

    /// The next one; `limit` is how many more are wanted at most.
    ///
    /// # Errors
    /// If the store can't be read.
    pub async fn next(&mut self, limit: usize) -> Result<Option<Stuck>, PlatformError> {
        self.read_purchases(limit.min(PAGE)).await?;
        self.read_letters().await?;
        let (purchases, letters) = (&mut self.purchases.found, &mut self.letters.found);
        let letter_first = match (purchases.front(), letters.front()) {
            (Some(purchase), Some(letter)) => letter.since < purchase.since,
            (None, _) => true,
            (_, None) => false,
        };
        Ok(if letter_first { letters.pop_front() } else { purchases.pop_front() })
    }

    async fn read_purchases(&mut self, limit: usize) -> Result<(), PlatformError> {
        let pages = &mut self.purchases;
        if pages.ended || !pages.found.is_empty() {
            return Ok(());
        }
        let page = self.platform.store.late_purchases(&self.bounds, pages.after, limit).await?;
        pages.ended = page.len() < limit;
        pages.after = page.last().map(|late| (late.since, late.place)).or(pages.after);
        pages.found.extend(page.iter().map(|late| of_purchase(late, self.now)));
        Ok(())
    }

    /// Dead letters until some of them are stuck payments, or none are left.
    async fn read_letters(&mut self) -> Result<(), PlatformError> {
        let filter = DeadLetterFilter { waiting: true, ..DeadLetterFilter::default() };
        while !self.letters.ended && self.letters.found.is_empty() {
            let page = self.platform.store.list_dead_letters(&filter, self.letters.after, LETTERS_MAX).await?;
            self.letters.ended = page.len() < LETTERS_MAX;
            self.letters.after = page.last().map(|letter| letter.id).or(self.letters.after);
            let found = self.of_letters(&page).await?;
            self.letters.found.extend(found);
        }
        Ok(())
    }

    async fn of_letters(&self, page: &[DeadLetter]) -> Result<Vec<Stuck>, PlatformError> {
        let old =
            |letter: &&DeadLetter| letter.topic == Topic::PurchaseConfirmed && letter.failed_at <= self.bounds.waiting;
        let reported: Vec<_> = page.iter().filter(old).map(|letter| (letter, Reported::by(letter))).collect();
        let ids: Vec<Uuid> = reported.iter().filter_map(|(_, payment)| payment.purchase_id).collect();
        let recorded: HashSet<Uuid> = match ids.is_empty() {
            true => HashSet::new(),
            false => self.platform.store.purchases(&ids).await?.into_iter().map(|purchase| purchase.id).collect(),
        };
        let lost =
            reported.into_iter().filter(|(_, payment)| payment.purchase_id.is_none_or(|id| !recorded.contains(&id)));
        Ok(lost.map(|(letter, payment)| of_letter(letter, payment, self.now)).collect())
    }
}

fn age_seconds(since: Timestamp, now: Timestamp) -> i64 {
    now.duration_since(since).as_secs().max(0)
}

fn of_letter(letter: &DeadLetter, payment: Reported, now: Timestamp) -> Stuck {
    let DeadLetter { id, reason, detail, .. } = letter;
    Stuck {
        purchase_id: payment.purchase_id,
        payment_id: payment.payment_id,
        student_id: payment.student_id,
        since: letter.failed_at,
        age_seconds: age_seconds(letter.failed_at, now),
        cause: Cause::DeadLetter,
        detail: format!("paid, never became a purchase: dead letter {id}, {reason}: {detail}"),
        next: format!(
            "caravan dead-letters show {id}, then caravan dead-letters redrive {id}, with --value FILE if it has to be repaired"
        ),
    }
}

fn of_purchase(late: &LatePurchase, now: Timestamp) -> Stuck {
    let (cause, detail, next) = match late.status {
        PurchaseStatus::Waitlisted => {
            let (detail, next) = waiting(late);
            (Cause::Waitlisted, detail, next)
        }
        PurchaseStatus::Allocated => {
            let (detail, next) =
                in_hand(late, Topic::TrainerAllocated, WorkerKind::Session, "no session stands in the calendar");
            (Cause::Unscheduled, detail, next)
        }
        PurchaseStatus::Scheduled => {
            let horizon = late.horizon.map(|date| date.to_string()).unwrap_or_default();
            let detail = format!("its window ends at {horizon}, and the cron should have extended it");
            let next = "see that a session worker runs (caravan groups) and what it logs of [Cron]; \
                        caravan sessions extend does it by hand";
            (Cause::WindowBehind, detail, next.to_owned())
        }
        _ => {
            let (detail, next) =
                in_hand(late, Topic::PurchaseCreated, WorkerKind::Allocation, "no trainer has been looked for");
            (Cause::Undecided, detail, next)
        }
    };
    Stuck {
        purchase_id: Some(late.id),
        payment_id: Some(late.payment_id.clone()),
        student_id: Some(late.student_id.clone()),
        since: late.since,
        age_seconds: age_seconds(late.since, now),
        cause,
        detail,
        next,
    }
}

/// What a worker has not done, and whether that is because the record was set aside.
fn in_hand(late: &LatePurchase, topic: Topic, worker: WorkerKind, missing: &str) -> (String, String) {
    let name = worker.name();
    match late.dead_letter {
        Some(letter) => (
            format!("{missing}: its record on {topic} was set aside as dead letter {letter}"),
            format!("caravan dead-letters show {letter}, mend the cause, then caravan dead-letters redrive {letter}"),
        ),
        None => (
            format!("{missing}: the {name} worker does not run, or is behind"),
            format!("caravan groups shows how far it is; start it with caravan run --workers {name}"),
        ),
    }
}

fn waiting(late: &LatePurchase) -> (String, String) {
    let course = format!("{} {}", late.subject, late.level);
    let kept = late.receipt.as_deref().and_then(|text| serde_json::from_str::<Receipt>(text).ok());
    let Some(receipt) = kept else {
        let detail = "no trainer fits; why is kept in a form that this version of caravan doesn't know";
        return (detail.to_owned(), format!("caravan purchases show {} --json", late.id));
    };
    match receipt.obstacle() {
        Some(Obstacle::NotTaught) => (
            format!("nobody teaches {course}"),
            "if it is misspelt, cancel it and have it reported as it should be; else caravan trainers import somebody who teaches it"
                .to_owned(),
        ),
        Some(Obstacle::AllInactive) => (
            format!("all who teach {course} are inactive"),
            "caravan trainers import somebody who teaches it, or set one of them active".to_owned(),
        ),
        Some(Obstacle::Rule { rule, ruled_out, of }) => {
            (format!("{ruled_out} of {of} who teach {course}: {rule} ({})", in_words(rule)), remedy(rule).to_owned())
        }
        None => (
            format!("{} teach {course} and nothing stood against them when it was looked at last", receipt.teachers()),
            "it is looked at again with every change of the roster; caravan groups shows whether the allocation worker runs".to_owned(),
        ),
    }
}

const fn in_words(rule: Rule) -> &'static str {
    match rule {
        Rule::Inactive => "they take no new plans",
        Rule::Course => "they don't teach it",
        Rule::Language => "no language in common",
        Rule::Availability => "not available at enough of the times asked for",
        Rule::TimeOff => "off on too many of the dates",
        Rule::TrainerBusy => "other sessions then",
        Rule::StudentBusy => "the student has other sessions then",
        Rule::WeeklyCapacity => "no room left in some week",
    }
}

const fn remedy(rule: Rule) -> &'static str {
    match rule {
        Rule::Language => "caravan trainers import somebody who teaches it in one of the student's languages",
        Rule::StudentBusy => "ask the student for other times, cancel it and have it reported with them",
        Rule::WeeklyCapacity => "raise max_sessions_per_week of one of them, or caravan trainers import somebody else",
        Rule::Availability | Rule::TimeOff | Rule::TrainerBusy => {
            "widen the availability of one of them or caravan trainers import somebody else; or ask the student for other times"
        }
        Rule::Inactive | Rule::Course => "caravan trainers import somebody who teaches it",
    }
}
