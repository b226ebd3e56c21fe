//! What is paid and not fulfilled, oldest first: read page by page, so that however much it is, little is held.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use caravan_domain::allocation::Receipt;
use caravan_domain::event::{Topic, open, payment_id_of, redrive_headers};
use caravan_domain::ids::purchase_id;
use caravan_domain::plan::Occurrence;
use caravan_domain::stuck::{Cause, Words, waiting_words};
use caravan_domain::subscription::{is_explained, passed_over, passed_over_words};
use caravan_domain::trainer::{Closure, Trainer};
use caravan_domain::window::{self, today};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::engine::Policy;
use crate::engine::cron::Schedule;
use crate::platform::rows::{
    Cursor, DeadLetter, DeadLetterFilter, Purchase, Unfulfilled, UnfulfilledDepth, UnfulfilledFilter,
};
use crate::platform::{Platform, PlatformError};
use crate::workers::window::schedule;

/// How long that which should take seconds may take before it counts as stuck.
pub const OLDER_THAN_DEFAULT: Duration = Duration::from_secs(5 * 60);
/// Purchases read at once. Each page looks at all that is not fulfilled, so it is a large one.
const PURCHASES_PAGE: usize = 1_000;
/// Dead letters read at once: each may be large.
const LETTERS_PAGE: usize = 50;

/// Something that is paid and not fulfilled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stuck {
    /// The purchase; `None` if there never was one.
    pub purchase_id: Option<Uuid>,
    /// The payment, if it can be read.
    pub payment_id: Option<String>,
    /// Which of several purchases of one payment.
    pub item: Option<String>,
    /// The student, if it can be read.
    pub student_id: Option<String>,
    /// Since when the next step is waited for.
    pub since: Timestamp,
    /// The same in seconds.
    pub age_seconds: i64,
    /// What holds it up.
    pub cause: Cause,
    /// The same in words.
    pub detail: String,
    /// What to do next.
    pub next: String,
    /// The dead letter that the confirmation became.
    pub dead_letter: Option<i64>,
}

/// What a confirmation says of whose it is, as far as it can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Paid {
    pub(crate) payment_id: Option<String>,
    pub(crate) item: Option<String>,
    pub(crate) student_id: Option<String>,
}

impl Paid {
    /// What the confirmation that became this dead letter says; where it says nothing, its key does.
    pub(crate) fn of(letter: &DeadLetter) -> Self {
        let data = open(letter.value.as_deref(), &redrive_headers(&letter.headers)).map(|envelope| envelope.data);
        let data = data.unwrap_or_default();
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        // Read by the same rules as a record's key.
        let told = payment_id_of(serde_json::json!({ "payment_id": data.get("payment_id") }).to_string().as_bytes());
        let by_key = || letter.key.clone().and_then(|key| String::from_utf8(key).ok()).filter(|key| !key.is_empty());
        Self {
            payment_id: told.or_else(by_key),
            item: text(data.get("item")),
            student_id: text(data.pointer("/student/id")),
        }
    }

    /// The purchase it would have become.
    pub(crate) fn purchase_id(&self) -> Option<Uuid> {
        Some(purchase_id(self.payment_id.as_deref()?, self.item.as_deref()))
    }
}

/// What the cron should have done by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Expected {
    /// The UTC date it should have extended windows for.
    today: Date,
    /// Whether it has not.
    late: bool,
}

/// The day that the cron should have reached at `as_of`: that of its last run, or of the latest one it has missed.
fn expected(schedule: &Schedule, last: Option<Timestamp>, as_of: Timestamp, now: Timestamp) -> Expected {
    // As for the cron itself, a last run in the future counts as none.
    let Some(last) = last.filter(|last| *last <= now) else { return Expected { today: today(as_of), late: true } };
    if last > as_of || !schedule.is_due(Some(last), as_of) {
        return Expected { today: today(last.min(as_of)), late: false };
    }
    let was_due_on = |day: Date| {
        let midnight = day.to_zoned(TimeZone::UTC).map_or(Timestamp::MIN, |midnight| midnight.timestamp());
        let before = midnight.checked_sub(SignedDuration::from_secs(1)).unwrap_or(midnight);
        schedule.next_after(before).is_some_and(|due| due <= as_of)
    };
    // One was due between the last run and now: it is found at the latest on the day of that run.
    let mut day = today(as_of);
    while day > today(last) && !was_due_on(day) {
        day = day.saturating_sub(1.day());
    }
    Expected { today: day, late: true }
}

async fn expected_by(
    platform: &Platform,
    policy: &Policy,
    as_of: Timestamp,
    now: Timestamp,
) -> Result<Expected, PlatformError> {
    let schedule = Schedule::parse(&policy.cron).map_err(PlatformError::Broken)?;
    Ok(expected(&schedule, platform.store.cron_last().await?, as_of, now))
}

fn ago(now: Timestamp, duration: Duration) -> Timestamp {
    now.checked_sub(duration).unwrap_or(Timestamp::MIN)
}

/// How many purchases are paid and not fulfilled, and since when, by status. What should take seconds counts from its
/// first one on; only the cron, which is many transactions long, has [`OLDER_THAN_DEFAULT`] to do its work.
///
/// # Errors
/// If the store can't be read.
pub async fn depths(platform: &Platform, policy: &Policy) -> Result<Vec<UnfulfilledDepth>, PlatformError> {
    let now = platform.clock.now();
    let expected = expected_by(platform, policy, ago(now, OLDER_THAN_DEFAULT), now).await?;
    let filter = UnfulfilledFilter { before: now, today: expected.today, window_days: policy.window_days };
    platform.store.unfulfilled_depths(&filter).await
}

/// All that is stuck, one after the other.
pub struct Search<'a> {
    platform: &'a Platform,
    now: Timestamp,
    expected: Expected,
    filter: UnfulfilledFilter,
    purchases: Page<Unfulfilled>,
    clashing: Page<Unfulfilled>,
    letters: Page<Cursor>,
}

/// What was read and not told yet of one of the two sources, and where it goes on.
struct Page<C> {
    read: VecDeque<Stuck>,
    after: Option<C>,
    ended: bool,
}

impl<C> Default for Page<C> {
    fn default() -> Self {
        Self { read: VecDeque::new(), after: None, ended: false }
    }
}

impl<'a> Search<'a> {
    /// Begins to look. What should take seconds counts once it is `older_than` that; who waits for a trainer and what was
    /// set aside counts at any age.
    ///
    /// # Errors
    /// If the store can't be read.
    pub async fn begin(platform: &'a Platform, policy: &Policy, older_than: Duration) -> Result<Self, PlatformError> {
        let now = platform.clock.now();
        let before = ago(now, older_than);
        let expected = expected_by(platform, policy, before, now).await?;
        let filter = UnfulfilledFilter { before, today: expected.today, window_days: policy.window_days };
        Ok(Self {
            platform,
            now,
            expected,
            filter,
            purchases: Page::default(),
            clashing: Page::default(),
            letters: Page::default(),
        })
    }

    /// The next one, in the order of `since`.
    ///
    /// # Errors
    /// If the store can't be read.
    pub async fn next(&mut self) -> Result<Option<Stuck>, PlatformError> {
        while self.purchases.read.is_empty() && !self.purchases.ended {
            self.read_purchases().await?;
        }
        while self.clashing.read.is_empty() && !self.clashing.ended {
            self.read_clashing().await?;
        }
        while self.letters.read.is_empty() && !self.letters.ended {
            self.read_letters().await?;
        }
        let sources = [&mut self.purchases.read, &mut self.clashing.read, &mut self.letters.read];
        let oldest = sources.into_iter().filter(|read| !read.is_empty()).min_by_key(|read| read[0].since);
        Ok(oldest.and_then(VecDeque::pop_front))
    }

    async fn read_clashing(&mut self) -> Result<(), PlatformError> {
        let store = &self.platform.store;
        let found = store.list_clashing(self.clashing.after.as_ref(), PURCHASES_PAGE).await?;
        self.clashing.ended = found.len() < PURCHASES_PAGE;
        let allocations = found.iter().filter_map(|one| one.purchase.allocation.as_ref());
        let trainers: HashSet<&str> = allocations.map(|allocation| allocation.trainer_id.as_str()).collect();
        let trainers: Vec<String> = trainers.into_iter().map(str::to_owned).collect();
        let trainers = store.trainer_terms(&trainers).await?;
        let closures = store.closures().await?;
        let of = |one: &Unfulfilled| {
            let allocation = one.purchase.allocation.as_ref()?;
            let trainer = trainers.iter().find(|(trainer, _)| trainer.trainer_id == allocation.trainer_id);
            self.told(
                one,
                Cause::SubscriptionClash,
                self.clashes(&one.purchase, trainer.map(|(row, _)| row), &closures)?,
            )
        };
        self.clashing.read = found.iter().filter_map(of).collect();
        self.clashing.after = found.into_iter().next_back();
        Ok(())
    }

    /// The dates to come that have no session and should have one; `None` if there are none any more.
    fn clashes(&self, purchase: &Purchase, trainer: Option<&Trainer>, closures: &[Closure]) -> Option<Words> {
        let allocation = purchase.allocation.as_ref()?;
        let plan = schedule(purchase, allocation).ok()?;
        let explained = |at: &Occurrence| trainer.is_some_and(|trainer| is_explained(at, trainer, closures));
        let dates = passed_over(&plan, self.now, explained);
        let zone = &purchase.confirmation.student.time_zone;
        let words = || Words::subscription_clash(&allocation.trainer_id, &passed_over_words(&dates, &plan, zone));
        (!dates.is_empty()).then(words)
    }

    async fn read_purchases(&mut self) -> Result<(), PlatformError> {
        let page = &self.purchases;
        let found = self.platform.store.list_unfulfilled(&self.filter, page.after.as_ref(), PURCHASES_PAGE).await?;
        self.purchases.ended = found.len() < PURCHASES_PAGE;
        self.purchases.read = found.iter().filter_map(|one| self.stuck(one)).collect();
        self.purchases.after = found.into_iter().next_back();
        Ok(())
    }

    /// A confirmation that came again and became a purchase has nobody waiting for it.
    async fn read_letters(&mut self) -> Result<(), PlatformError> {
        let filter =
            DeadLetterFilter { topic: Some(Topic::PurchaseConfirmed), waiting: true, ..DeadLetterFilter::default() };
        let found = self.platform.store.list_dead_letters(&filter, self.letters.after, LETTERS_PAGE).await?;
        self.letters.ended = found.len() < LETTERS_PAGE;
        self.letters.after = found.last().map(|letter| letter.id);
        let paid: Vec<(Paid, DeadLetter)> = found.into_iter().map(|letter| (Paid::of(&letter), letter)).collect();
        let ids: Vec<Uuid> = paid.iter().filter_map(|(paid, _)| paid.purchase_id()).collect();
        let recorded = self.platform.store.purchases(&ids).await?;
        let recorded: HashSet<Uuid> = recorded.into_iter().map(|purchase| purchase.id).collect();
        let never = paid.into_iter().filter(|(paid, _)| paid.purchase_id().is_none_or(|id| !recorded.contains(&id)));
        self.letters.read = never.map(|(paid, letter)| self.set_aside(paid, &letter)).collect();
        Ok(())
    }

    fn set_aside(&self, paid: Paid, letter: &DeadLetter) -> Stuck {
        let Words { detail, next } = Words::set_aside(letter.id, &letter.reason, &letter.detail);
        Stuck {
            purchase_id: None,
            payment_id: paid.payment_id,
            item: paid.item,
            student_id: paid.student_id,
            since: letter.failed_at,
            age_seconds: self.age(letter.failed_at),
            cause: Cause::SetAside,
            detail,
            next,
            dead_letter: Some(letter.id),
        }
    }

    fn age(&self, since: Timestamp) -> i64 {
        self.now.duration_since(since).as_secs().max(0)
    }

    fn stuck(&self, found: &Unfulfilled) -> Option<Stuck> {
        let purchase = &found.purchase;
        let receipt = found.receipt.as_deref().and_then(|kept| serde_json::from_str::<Receipt>(kept).ok());
        let cause = Cause::of(purchase.status, receipt.as_ref())?;
        self.told(found, cause, self.words(purchase, cause, receipt.as_ref())?)
    }

    fn told(&self, found: &Unfulfilled, cause: Cause, words: Words) -> Option<Stuck> {
        let purchase = &found.purchase;
        let confirmation = &purchase.confirmation;
        Some(Stuck {
            purchase_id: Some(purchase.id),
            payment_id: Some(confirmation.payment_id.clone()),
            item: confirmation.item.clone(),
            student_id: Some(confirmation.student.id.clone()),
            since: found.since,
            age_seconds: self.age(found.since),
            cause,
            detail: words.detail,
            // What is written for any purchase is said of this one.
            next: words.next.replace(" ID ", &format!(" {} ", purchase.id)),
            dead_letter: None,
        })
    }

    /// `None` if nothing is wrong after all.
    fn words(&self, purchase: &Purchase, cause: Cause, receipt: Option<&Receipt>) -> Option<Words> {
        let course = &purchase.confirmation.course;
        match cause {
            Cause::Undecided => Some(Words::undecided()),
            Cause::CourseNotTaught | Cause::NobodyFits(_) => {
                Some(waiting_words(cause, receipt, &format!("{} {}", course.subject, course.level)))
            }
            Cause::NotScheduled => {
                let trainer = purchase.allocation.as_ref().map_or("a trainer", |allocation| &allocation.trainer_id);
                Some(Words::not_scheduled(trainer))
            }
            Cause::WindowBehind => {
                let (allocation, horizon) = (purchase.allocation.as_ref()?, purchase.horizon?);
                let target = window::horizon(self.expected.today, allocation.start_date, self.filter.window_days);
                // Where all that is to come stands in the calendar already, nobody misses anything.
                let missing = schedule(purchase, allocation).is_ok_and(|plan| {
                    let mut due = plan.occurrences().skip_while(|lesson| lesson.local_date < horizon);
                    due.next().is_some_and(|lesson| lesson.local_date < target)
                });
                missing.then(|| Words::window_behind(horizon, target, self.expected.late))
            }
            Cause::SubscriptionClash | Cause::SetAside => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use caravan_domain::event::Headers;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_cron_should_have_reached_the_day_of_its_latest_run_done_or_missed() {
        for (cron, last, as_of, day, late) in [
            // Done today; not due yet today; missed today; missed for days, and not due yet today.
            ("0 2 * * *", Some("2026-12-05T02:00:03Z"), "2026-12-05T10:00:00Z", "2026-12-05", false),
            ("0 2 * * *", Some("2026-12-04T02:00:03Z"), "2026-12-05T01:59:59Z", "2026-12-04", false),
            ("0 2 * * *", Some("2026-12-04T02:00:03Z"), "2026-12-05T02:00:00Z", "2026-12-05", true),
            ("0 2 * * *", Some("2026-11-20T02:00:03Z"), "2026-12-05T01:00:00Z", "2026-12-04", true),
            // On Mondays: 30 November was the latest.
            ("0 2 * * 1", Some("2026-11-20T02:00:03Z"), "2026-12-05T01:00:00Z", "2026-11-30", true),
            ("0 2 * * 1", Some("2026-11-30T02:00:03Z"), "2026-12-05T01:00:00Z", "2026-11-30", false),
            // Twice a day, one of them missed.
            ("0 2,14 * * *", Some("2026-12-05T02:00:03Z"), "2026-12-05T15:00:00Z", "2026-12-05", true),
            // Done a moment ago, within the time that is allowed.
            ("0 2 * * *", Some("2026-12-05T02:01:00Z"), "2026-12-05T01:59:00Z", "2026-12-05", false),
            // Never, or (the clock was set back) later than now: due at once.
            ("0 2 * * *", None, "2026-12-05T01:00:00Z", "2026-12-05", true),
            ("0 2 * * *", Some("2026-12-09T02:00:00Z"), "2026-12-05T01:00:00Z", "2026-12-05", true),
        ] {
            let schedule = Schedule::parse(cron).unwrap();
            let found = expected(&schedule, last.map(at), at(as_of), at(as_of) + SignedDuration::from_mins(5));
            assert_eq!((found.today.to_string().as_str(), found.late), (day, late), "{cron} {last:?} {as_of}");
        }
    }

    fn letter(key: Option<&str>, value: &str, media_type: &str) -> DeadLetter {
        let mut headers = Headers::new();
        headers.push_text("content-type", media_type);
        DeadLetter {
            id: 1,
            topic: Topic::PurchaseConfirmed,
            partition: 0,
            offset: 0,
            consumer_group: String::new(),
            reason: String::new(),
            detail: String::new(),
            attempts: 1,
            redrives: 0,
            key: key.map(|key| key.as_bytes().to_vec()),
            value: Some(value.as_bytes().to_vec()),
            headers,
            failed_at: Timestamp::UNIX_EPOCH,
            redriven_at: None,
            repaired: None,
        }
    }

    #[test]
    fn whose_a_dead_confirmation_is_is_read_as_far_as_it_goes() {
        let structured =
            r#"{"specversion":"1.0","id":"1","type":"purchase-confirmed","source":"/s","data":{"payment_id":"p"}}"#;
        for (key, value, media_type, expected) in [
            (
                None,
                r#"{"payment_id":"p","item":"i","student":{"id":"s"}}"#,
                "application/json",
                [Some("p"), Some("i"), Some("s")],
            ),
            (Some("k"), r#"{"payment_id":"p"}"#, "application/json", [Some("p"), None, None]),
            (Some("k"), r#"{"payment_id":7}"#, "application/json", [Some("k"), None, None]),
            (Some("k"), "{", "application/json", [Some("k"), None, None]),
            (None, "{", "application/json", [None; 3]),
            (None, structured, "application/cloudevents+json", [Some("p"), None, None]),
        ] {
            let paid = Paid::of(&letter(key, value, media_type));
            let found = [paid.payment_id.as_deref(), paid.item.as_deref(), paid.student_id.as_deref()];
            assert_eq!(found, expected, "{key:?} {value}");
        }
    }
}
