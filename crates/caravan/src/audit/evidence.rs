//! Reading the evidence: the audit's own understanding of texts that the database holds.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::changed::Changes;
use super::wall::{Calendar, DAY, Lesson, WeekMinutes, WeeklyTime, Zones};
use crate::platform::evidence::{AllocationEvidence, PurchaseEvidence, PurchasePage, SessionEvidence, TrainerEvidence};

/// The names of the days, Monday first.
const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A plan without an end is booked for this many weeks.
const WEEKS_OF_A_YEAR: i64 = 52;

/// What was bought, as the confirmation tells it.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) zone: TimeZone,
    pub(super) languages: Vec<String>,
    pub(super) subject: String,
    pub(super) level: String,
    pub(super) requested: Date,
    /// How many lessons were bought; of a plan without an end, how many are booked at first: those of a year.
    pub(super) sessions: i64,
    /// It runs until it is cancelled.
    pub(super) endless: bool,
    pub(super) per_week: i64,
    pub(super) minutes: i64,
    pub(super) offered: Vec<WeeklyTime>,
}

/// What an allocation has decided about the lessons.
#[derive(Clone, Debug)]
pub(super) struct Decision {
    pub(super) start: Date,
    pub(super) slots: Vec<WeeklyTime>,
    pub(super) skipped: BTreeSet<Date>,
    pub(super) first_ordinal: i64,
    /// How many lessons, if not as many as were bought.
    pub(super) sessions: Option<i64>,
}

/// A trainer's terms: those they were judged by, or today's.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) trainer_id: String,
    pub(super) zone: TimeZone,
    pub(super) languages: Vec<String>,
    /// Subject and level, folded.
    pub(super) courses: BTreeSet<(String, String)>,
    pub(super) available: WeekMinutes,
    pub(super) time_off: Vec<(Date, Date)>,
    pub(super) sessions_per_week_max: i64,
}

/// What a receipt tells.
#[derive(Clone, Debug)]
pub(super) struct Judgement {
    pub(super) terms: Terms,
    pub(super) skipped_for_closures: Vec<Date>,
    pub(super) skipped_for_time_off: Vec<Date>,
}

/// A purchase with all that belongs to it.
#[derive(Clone, Debug)]
pub(super) struct Case<'a> {
    pub(super) id: &'a str,
    /// `None`: something names a purchase that isn't there.
    pub(super) purchase: Option<&'a PurchaseEvidence>,
    pub(super) allocations: &'a [AllocationEvidence],
    pub(super) sessions: &'a [SessionEvidence],
    pub(super) waiting: bool,
}

impl Case<'_> {
    /// The active allocations; there should be at most one.
    pub(super) fn active(&self) -> Vec<&AllocationEvidence> {
        self.allocations.iter().filter(|allocation| allocation.status == "active").collect()
    }
}

/// A purchase with an active allocation, understood.
#[derive(Clone, Debug)]
pub(super) struct Booked<'a> {
    pub(super) purchase: &'a PurchaseEvidence,
    pub(super) allocation: &'a AllocationEvidence,
    pub(super) sessions: &'a [SessionEvidence],
    pub(super) order: Order,
    pub(super) decision: Decision,
    pub(super) judgement: Judgement,
    /// The whole plan, as it was decided.
    pub(super) lessons: Vec<Lesson>,
    /// What people have changed of it since.
    pub(super) changes: Changes,
    /// Where it ended before its plan did.
    pub(super) ending: Option<Ending>,
    /// Whether the rest of it was planned anew: it has only the sessions before that.
    pub(super) superseded: bool,
}

/// From when on a plan has no lessons any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    from: Date,
    /// What had begun by then, in Unix seconds, was held.
    decided_at: i64,
}

impl Ending {
    pub(super) fn read(allocation: &AllocationEvidence) -> Option<Self> {
        let from = allocation.ended_from.as_deref().and_then(date)?;
        Some(Self { from, decided_at: allocation.ended_at.as_deref().and_then(second)? })
    }

    pub(super) fn keeps(&self, lesson: &Lesson) -> bool {
        self.keeps_at(lesson.date, lesson.start)
    }

    /// As the row of a session tells date and start.
    pub(super) fn keeps_session(&self, session: &SessionEvidence) -> bool {
        let (planned, start) = (date(&session.local_date), second(&session.starts_at));
        planned.zip(start).is_some_and(|(planned, start)| self.keeps_at(planned, start))
    }

    fn keeps_at(&self, planned: Date, start: i64) -> bool {
        planned < self.from || start <= self.decided_at
    }
}

impl<'a> Booked<'a> {
    /// The ordinal of its first lesson.
    pub(super) fn first_ordinal(&self) -> i64 {
        self.decision.first_ordinal
    }

    /// How many lessons were added to those that were bought.
    pub(super) fn added(&self) -> i64 {
        let placed = self.decision.sessions.map_or(self.last_bought(), |sessions| self.first_ordinal() - 1 + sessions);
        (placed - self.last_bought()).max(0)
    }

    /// The ordinal of the last lesson that the allocation was judged for.
    pub(super) fn last_bought(&self) -> i64 {
        if self.order.endless { self.first_ordinal() - 1 + self.order.sessions } else { self.order.sessions }
    }

    /// Whether a session is one of its lessons; the last allocation answers for all behind it.
    pub(super) fn has(&self, session: &SessionEvidence) -> bool {
        let behind = self.first_ordinal() + self.lessons.len() as i64;
        session.ordinal >= self.first_ordinal() && (!self.superseded || session.ordinal < behind)
    }

    /// Each allocation whose sessions stand; an error if what is there can't be understood.
    pub(super) fn read(case: &Case<'a>, zones: &mut Zones) -> Result<Vec<Self>, String> {
        let in_force = |allocation: &&AllocationEvidence| allocation.status == "active";
        let of_cancelled = |allocation: &&AllocationEvidence| {
            allocation.status == "ended" && case.purchase.is_some_and(|purchase| purchase.status == "cancelled")
        };
        let last = case.allocations.iter().find(in_force).or_else(|| case.allocations.iter().rfind(of_cancelled));
        let (Some(purchase), Some(last)) = (case.purchase, last) else { return Ok(Vec::new()) };
        let superseded = case.allocations.iter().filter(|allocation| allocation.status == "superseded");
        superseded.chain([last]).map(|allocation| Self::of(case, purchase, allocation, zones)).collect()
    }

    fn of(
        case: &Case<'a>,
        purchase: &'a PurchaseEvidence,
        allocation: &'a AllocationEvidence,
        zones: &mut Zones,
    ) -> Result<Self, String> {
        let order = Order::of(&purchase.confirmation, purchase.amended.as_deref(), allocation, zones)?;
        let decision = Decision::read(allocation)?;
        let judgement = Judgement::read(&allocation.receipt, zones)?;
        let lessons = lessons(&order, &decision);
        let changes = Changes::read(&purchase.session_changes, &purchase.displaced, zones)?;
        let (sessions, ending) = (case.sessions, Ending::read(allocation));
        let superseded = allocation.status == "superseded";
        Ok(Self { purchase, allocation, sessions, order, decision, judgement, lessons, changes, ending, superseded })
    }
}

/// Every lesson of a plan.
pub(super) fn lessons(order: &Order, decision: &Decision) -> Vec<Lesson> {
    let Decision { start, slots, skipped, first_ordinal, sessions } = decision;
    let (zone, sessions, minutes) = (&order.zone, sessions.unwrap_or(order.sessions), order.minutes);
    Calendar { zone, start: *start, slots, skipped, first_ordinal: *first_ordinal, sessions, minutes }.lessons()
}

/// The purchases of a page, each with what names it.
pub(super) fn cases(page: &PurchasePage) -> Vec<Case<'_>> {
    let mut ids: BTreeSet<&str> = page.purchases.iter().map(|purchase| purchase.id.as_str()).collect();
    ids.extend(page.allocations.iter().map(|allocation| allocation.purchase_id.as_str()));
    ids.extend(page.sessions.iter().map(|session| session.purchase_id.as_str()));
    ids.extend(page.waiting.iter().map(String::as_str));
    let purchases: BTreeMap<&str, &PurchaseEvidence> =
        page.purchases.iter().map(|purchase| (purchase.id.as_str(), purchase)).collect();
    let waiting: BTreeSet<&str> = page.waiting.iter().map(String::as_str).collect();
    ids.into_iter()
        .map(|id| Case {
            id,
            purchase: purchases.get(id).copied(),
            allocations: run_of(&page.allocations, id, |allocation| &allocation.purchase_id),
            sessions: run_of(&page.sessions, id, |session| &session.purchase_id),
            waiting: waiting.contains(id),
        })
        .collect()
}

/// The rows of a sorted list that have this key.
pub(super) fn run_of<'a, T>(rows: &'a [T], key: &str, key_of: impl Fn(&T) -> &str) -> &'a [T] {
    let from = rows.partition_point(|row| key_of(row) < key);
    let until = rows.partition_point(|row| key_of(row) <= key);
    &rows[from..until]
}

/// Texts compare trimmed and in lower case.
pub(super) fn same_text(text: &str) -> String {
    text.trim().to_lowercase()
}

/// A date of the database.
pub(super) fn date(text: &str) -> Option<Date> {
    text.parse().ok()
}

/// An instant of the database, in Unix seconds.
pub(super) fn second(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_second)
}

/// For people.
pub(super) fn shown(second: i64) -> String {
    Timestamp::from_second(second).map_or_else(|_| format!("second {second}"), |instant| instant.to_string())
}

pub(super) fn json<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| format!("its {what} can't be read: {error}"))
}

fn minute(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text:?} is no time of day");
    let (hours, minutes) = text.split_once(':').ok_or_else(wrong)?;
    let (hours, minutes): (i64, i64) = (hours.parse().map_err(|_| wrong())?, minutes.parse().map_err(|_| wrong())?);
    let all = hours * 60 + minutes;
    if (0..=24).contains(&hours) && (0..60).contains(&minutes) && all <= DAY { Ok(all) } else { Err(wrong()) }
}

fn weekday(text: &str) -> Result<i64, String> {
    let found = WEEKDAYS.iter().position(|name| *name == text);
    found.map(|index| index as i64).ok_or_else(|| format!("{text:?} is no day of the week"))
}

#[derive(Deserialize)]
struct SlotText {
    weekday: String,
    at: String,
}

fn weekly_times(slots: &[SlotText]) -> Result<Vec<WeeklyTime>, String> {
    slots.iter().map(|slot| Ok(WeeklyTime { weekday: weekday(&slot.weekday)?, minute: minute(&slot.at)? })).collect()
}

#[derive(Deserialize)]
struct OrderText {
    student: StudentText,
    course: CourseText,
    plan: PlanText,
}

#[derive(Deserialize)]
struct OrderedText {
    course: CourseText,
    plan: PlanText,
}

#[derive(Deserialize)]
struct StudentText {
    time_zone: String,
    languages: Vec<String>,
}

#[derive(Deserialize)]
struct CourseText {
    subject: String,
    level: String,
}

#[derive(Deserialize)]
struct PlanText {
    start_date: Date,
    #[serde(deserialize_with = "Option::deserialize")]
    sessions: Option<i64>,
    per_week: i64,
    minutes: i64,
    slots: Vec<SlotText>,
}

impl Order {
    /// What an allocation was made for: its own words, else the purchase's as people amended it.
    pub(super) fn of(
        confirmation: &str,
        amended: Option<&str>,
        allocation: &AllocationEvidence,
        zones: &mut Zones,
    ) -> Result<Self, String> {
        let OrderText { student, mut course, mut plan } = json("confirmation", confirmation)?;
        if let Some(text) = allocation.ordered.as_deref().or(amended) {
            OrderedText { course, plan } = json("amended order", text)?;
        }
        Ok(Self {
            zone: zones.named(&student.time_zone)?,
            languages: student.languages.iter().map(|language| same_text(language)).collect(),
            subject: same_text(&course.subject),
            level: same_text(&course.level),
            requested: plan.start_date,
            sessions: plan.sessions.unwrap_or(plan.per_week * WEEKS_OF_A_YEAR),
            endless: plan.sessions.is_none(),
            per_week: plan.per_week,
            minutes: plan.minutes,
            offered: weekly_times(&plan.slots)?,
        })
    }
}

impl Decision {
    pub(super) fn read(allocation: &AllocationEvidence) -> Result<Self, String> {
        let slots: Vec<SlotText> = json("list of slots", &allocation.slots)?;
        let skipped: Vec<Date> = json("list of skipped dates", &allocation.skipped)?;
        let start =
            date(&allocation.start_date).ok_or_else(|| format!("{:?} is no start date", allocation.start_date))?;
        let AllocationEvidence { first_ordinal, sessions, .. } = *allocation;
        let (slots, skipped) = (weekly_times(&slots)?, skipped.into_iter().collect());
        Ok(Self { start, slots, skipped, first_ordinal, sessions })
    }
}

#[derive(Deserialize)]
struct ReceiptText {
    trainer: Option<TermsText>,
    #[serde(default)]
    skipped_for_closures: Vec<Date>,
    #[serde(default)]
    skipped_for_time_off: Vec<Date>,
}

#[derive(Deserialize)]
pub(super) struct TermsText {
    trainer_id: String,
    time_zone: String,
    languages: Vec<String>,
    courses: Vec<TaughtText>,
    availability: Vec<RangeText>,
    time_off: Vec<OffText>,
    max_sessions_per_week: i64,
}

#[derive(Deserialize)]
struct TaughtText {
    subject: String,
    levels: Vec<String>,
}

#[derive(Deserialize)]
struct RangeText {
    weekday: String,
    from: String,
    until: String,
}

#[derive(Deserialize)]
struct OffText {
    from: Date,
    until: Date,
}

impl Judgement {
    pub(super) fn read(receipt: &str, zones: &mut Zones) -> Result<Self, String> {
        let receipt: ReceiptText = json("receipt", receipt)?;
        let terms = receipt.trainer.ok_or("its receipt doesn't tell the trainer's terms")?;
        Ok(Self {
            terms: Terms::of(terms, zones)?,
            skipped_for_closures: receipt.skipped_for_closures,
            skipped_for_time_off: receipt.skipped_for_time_off,
        })
    }
}

impl Terms {
    /// The terms of today.
    pub(super) fn of_today(trainer: &TrainerEvidence, zones: &mut Zones) -> Result<Self, String> {
        let terms = TermsText {
            trainer_id: trainer.id.clone(),
            time_zone: trainer.time_zone.clone(),
            languages: json("languages", &trainer.languages)?,
            courses: json("courses", &trainer.courses)?,
            availability: json("availability", &trainer.availability)?,
            time_off: json("time off", &trainer.time_off)?,
            max_sessions_per_week: trainer.max_sessions_per_week,
        };
        Self::of(terms, zones)
    }

    pub(super) fn of(terms: TermsText, zones: &mut Zones) -> Result<Self, String> {
        let mut available = WeekMinutes::none();
        for range in &terms.availability {
            available.add(weekday(&range.weekday)?, minute(&range.from)?, minute(&range.until)?);
        }
        let courses = terms
            .courses
            .iter()
            .flat_map(|course| course.levels.iter().map(|level| (same_text(&course.subject), same_text(level))));
        Ok(Self {
            zone: zones.named(&terms.time_zone)?,
            languages: terms.languages.iter().map(|language| same_text(language)).collect(),
            courses: courses.collect(),
            available,
            time_off: terms.time_off.iter().map(|off| (off.from, off.until)).collect(),
            sessions_per_week_max: terms.max_sessions_per_week,
            trainer_id: terms.trainer_id,
        })
    }

    /// Whether they teach what was ordered in a language the student understands.
    pub(super) fn suit(&self, order: &Order) -> Result<(), String> {
        if !self.courses.contains(&(order.subject.clone(), order.level.clone())) {
            return Err(format!("{} doesn't teach {} {}", self.trainer_id, order.subject, order.level));
        }
        if !self.languages.iter().any(|language| order.languages.contains(language)) {
            return Err(format!("{} and the student have no language in common", self.trainer_id));
        }
        Ok(())
    }
}
