//! A platform to test, and the things the suites put in it.

use std::any::Any;
use std::collections::BTreeMap;

use caravan::platform::Platform;
use caravan::platform::log::{NewRecord, TopicPartition};
use caravan::platform::transaction::{
    CommitError, Effects, NewAllocation, NewDeadLetter, NewPurchase, NewSession, NewWaitlisting, TrainerEdit,
    Transaction, WindowExtension,
};
use caravan_domain::allocation::{ReservedTime, reserved_time};
use caravan_domain::event::{Headers, Topic};
use caravan_domain::ids;
use caravan_domain::plan::{Occurrence, Plan, Slot, TimeOfDay, Weekday};
use caravan_domain::purchase::{Amount, Confirmation, Course, Student};
use caravan_domain::trainer::{AvailableRange, TaughtCourse, Trainer};
use jiff::civil::{Date, date};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

/// A platform that is fresh, with topics of three partitions, seen from two sides.
pub(crate) struct World {
    /// The platform.
    pub(crate) here: Platform,
    /// The same data, as another process sees it.
    pub(crate) beside: Platform,
    /// What goes with the world.
    pub(crate) _kept: Box<dyn Any + Send + Sync>,
}

/// A group to commit as.
pub(crate) const GROUP: &str = "purchase-creation-workers";
/// A partition to advance in.
pub(crate) const AT: TopicPartition = TopicPartition { topic: Topic::PurchaseConfirmed, partition: 0 };
/// The first day of lessons: a Tuesday.
pub(crate) const START: Date = date(2026, 12, 1);

pub(crate) fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// When everything is said to happen.
pub(crate) fn now() -> Timestamp {
    instant("2026-11-23T10:00:00.123456Z")
}

pub(crate) fn minutes_later(at: Timestamp, minutes: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_mins(minutes)).unwrap()
}

pub(crate) fn confirmation(payment_id: &str, student_id: &str) -> Confirmation {
    Confirmation {
        payment_id: payment_id.to_owned(),
        item: None,
        confirmed_at: now(),
        amount: Amount { minor: 1_499_900, currency: "INR".to_owned() },
        student: Student {
            id: student_id.to_owned(),
            name: Some("Asha".to_owned()),
            email: None,
            time_zone: "Asia/Kolkata".to_owned(),
            languages: vec!["en".to_owned(), "hi".to_owned()],
        },
        payer: None,
        course: Course { subject: " Python ".to_owned(), level: "Beginner".to_owned() },
        plan: Plan { start_date: START, sessions: Some(4), per_week: 1, minutes: 60, slots: vec![slot()] },
        preferred_trainer_id: None,
        metadata: BTreeMap::from([("campaign".to_owned(), "diwali".to_owned())]),
    }
}

pub(crate) fn slot() -> Slot {
    Slot { weekday: Weekday::Tue, at: TimeOfDay::from_minutes(17 * 60).unwrap() }
}

pub(crate) fn purchase(payment_id: &str, student_id: &str) -> NewPurchase {
    let id = ids::purchase_id(payment_id, None);
    NewPurchase { id, created_at: now(), confirmation: confirmation(payment_id, student_id) }
}

pub(crate) fn purchases(purchases: Vec<NewPurchase>) -> Transaction {
    effects(Effects { purchases, ..Effects::default() })
}

pub(crate) fn effects(effects: Effects) -> Transaction {
    Transaction { effects, ..Transaction::default() }
}

pub(crate) fn trainer(id: &str) -> Trainer {
    let end = TimeOfDay::END_OF_DAY;
    let from = TimeOfDay::from_minutes(0).unwrap();
    Trainer {
        trainer_id: id.to_owned(),
        name: Some("Ravi".to_owned()),
        email: None,
        time_zone: "Asia/Kolkata".to_owned(),
        languages: vec!["en".to_owned()],
        courses: vec![TaughtCourse { subject: "python".to_owned(), levels: vec!["beginner".to_owned()] }],
        availability: vec![AvailableRange { weekday: Weekday::Tue, from, until: end }],
        time_off: Vec::new(),
        max_sessions_per_week: 20,
        weight: 100,
        active: true,
    }
}

pub(crate) fn new_trainers(ids: &[&str]) -> Transaction {
    let roster = ids.iter().map(|id| TrainerEdit { trainer: trainer(id), version: None }).collect();
    effects(Effects { roster, ..Effects::default() })
}

/// The time of one lesson.
pub(crate) fn lesson(starts_at: Timestamp, minutes: i64) -> Vec<ReservedTime> {
    let ends_at = minutes_later(starts_at, minutes);
    reserved_time([Occurrence { ordinal: 1, local_date: START, starts_at, ends_at }])
}

/// The first generation's allocation of a purchase, for a lesson at this time.
pub(crate) fn allocation(purchase: &NewPurchase, trainer_id: &str, reserved: Vec<ReservedTime>) -> NewAllocation {
    NewAllocation {
        id: ids::allocation_id(purchase.id, 1),
        purchase_id: purchase.id,
        student_id: purchase.confirmation.student.id.clone(),
        trainer_id: trainer_id.to_owned(),
        revision: None,
        generation: 1,
        slots: vec![slot()],
        first_ordinal: 1,
        sessions: purchase.confirmation.plan.reserved_sessions(),
        start_date: START,
        skipped: vec![date(2026, 12, 8)],
        reserved,
        receipt: r#"{"candidates":3}"#.to_owned(),
        allocated_at: now(),
        ordered: None,
    }
}

pub(crate) fn allocations(allocations: Vec<NewAllocation>) -> Transaction {
    effects(Effects { allocations, ..Effects::default() })
}

pub(crate) fn waitlisting(purchase_id: Uuid, waitlisted_at: Timestamp, seen_version: i64) -> NewWaitlisting {
    NewWaitlisting { purchase_id, waitlisted_at, seen_version, receipt: format!(r#"{{"seen":{seen_version}}}"#) }
}

/// A purchase's weekly lesson from [`START`] on.
pub(crate) fn session(purchase_id: Uuid, ordinal: u32) -> NewSession {
    let starts_at = minutes_later(instant("2026-12-01T11:30:00Z"), i64::from(ordinal - 1) * 7 * 24 * 60);
    NewSession {
        id: ids::session_id(purchase_id, ordinal),
        ordinal,
        local_date: START.saturating_add(jiff::Span::new().weeks(i64::from(ordinal - 1))),
        starts_at,
        ends_at: minutes_later(starts_at, 60),
        changed: None,
    }
}

pub(crate) fn window(
    allocation: &NewAllocation,
    from: Option<Date>,
    until: Date,
    ordinals: std::ops::RangeInclusive<u32>,
) -> WindowExtension {
    WindowExtension {
        purchase_id: allocation.purchase_id,
        allocation_id: allocation.id,
        trainer_id: allocation.trainer_id.clone(),
        revision: None,
        from,
        until,
        at: instant("2026-11-23T10:00:02Z"),
        sessions: ordinals.map(|ordinal| session(allocation.purchase_id, ordinal)).collect(),
    }
}

pub(crate) fn windows(windows: Vec<WindowExtension>) -> Transaction {
    effects(Effects { windows, ..Effects::default() })
}

pub(crate) fn record(topic: Topic, key: Option<&str>, value: &str) -> NewRecord {
    let mut headers = Headers::new();
    headers.push_text("ce_id", value);
    NewRecord {
        topic,
        key: key.map(|key| key.as_bytes().to_vec()),
        value: Some(value.as_bytes().to_vec()),
        headers,
        timestamp: instant("2026-11-23T10:00:00.123Z"),
    }
}

pub(crate) fn dead_letter(offset: u64) -> NewDeadLetter {
    let mut headers = Headers::new();
    headers.push("kafka_dlt-original-offset", Some(offset.to_be_bytes().to_vec()));
    NewDeadLetter {
        at: AT,
        offset,
        group: GROUP,
        reason: "invalid-json",
        detail: "expected value at line 1 column 1".to_owned(),
        attempts: 1,
        redrives: 0,
        key: None,
        value: Some(vec![0, 159, 146, 150]),
        headers,
        failed_at: now(),
    }
}

/// The record on the dead-letter queue that tells of a dead letter.
pub(crate) fn telling(letter: &NewDeadLetter) -> NewRecord {
    NewRecord {
        topic: Topic::DeadLetterQueue,
        key: letter.key.clone(),
        value: letter.value.clone(),
        headers: letter.headers.clone(),
        timestamp: instant("2026-11-23T10:00:00.123Z"),
    }
}

impl World {
    /// Commits what must go through.
    pub(crate) async fn commit(&self, transaction: Transaction) {
        self.here.store.commit(&transaction).await.unwrap();
    }

    /// Commits what must be a conflict; returns the trainers it names.
    pub(crate) async fn conflict(&self, transaction: Transaction) -> Vec<String> {
        match self.here.store.commit(&transaction).await {
            Err(CommitError::Conflict { what, trainers }) => {
                assert!(!what.is_empty());
                trainers
            }
            other => panic!("expected a conflict, found {other:?}"),
        }
    }

    /// The one purchase with this id.
    pub(crate) async fn purchase(&self, id: Uuid) -> caravan::platform::rows::Purchase {
        let mut found = self.here.store.purchases(&[id]).await.unwrap();
        assert_eq!(found.len(), 1);
        found.remove(0)
    }

    /// A purchase allocated to `trn_1`, who is added with it.
    pub(crate) async fn allocated(&self, payment_id: &str) -> NewAllocation {
        let purchase = purchase(payment_id, "stu_1");
        let allocation = allocation(&purchase, "trn_1", lesson(instant("2026-12-01T11:30:00Z"), 60));
        self.commit(new_trainers(&["trn_1"])).await;
        self.commit(purchases(vec![purchase])).await;
        self.commit(allocations(vec![allocation.clone()])).await;
        allocation
    }
}
