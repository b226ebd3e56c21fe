//! What goes over the wire, described: bodies that the rules read themselves, and answers.
//!
//! The bounds are those of the contract. What JSON Schema can't say (a zone that exists, a currency of ISO 4217, no more lessons
//! a week than there are weekdays) is said in words, and told with its field when it is broken.

use std::collections::BTreeMap;

use caravan_domain::event::Topic;
use caravan_domain::purchase::Amount;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use serde_json::Value;
use utoipa::{IntoResponses, ToSchema};
use uuid::Uuid;

use super::problem::ProblemBody;
use crate::life::conflicts::Conflict;
use crate::views::{PurchaseRow, SessionRow, SlotShape, WeekdayShape};

/// Why a request can be refused, whatever it is.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it describes: refusals are made as Problem")]
pub(super) enum Refusals {
    /// The request can't be read.
    #[response(status = 400, content_type = "application/problem+json")]
    BadRequest(ProblemBody),
    /// No valid token, or no valid signature.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(ProblemBody),
    /// The token's role does not allow it.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(ProblemBody),
    /// There is no such thing.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemBody),
    /// It did not come whole in time.
    #[response(status = 408, content_type = "application/problem+json")]
    Timeout(ProblemBody),
    /// Something else happened to it at the same time.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(ProblemBody),
    /// The body is larger than 256 KiB.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemBody),
    /// The body is not JSON.
    #[response(status = 415, content_type = "application/problem+json")]
    NotJson(ProblemBody),
    /// Fields are wrong; each is named.
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(ProblemBody),
    /// Too many requests a minute with this token; `Retry-After` says when again.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(ProblemBody),
    /// The database or the log can't be used now; `Retry-After` says when again.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemBody),
}

/// A confirmed payment, as on the topic `purchase-confirmed`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes: the rules read the body themselves")]
#[schema(examples(json!({
    "payment_id": "pay_29QQoUBi66xm2f", "item": null, "confirmed_at": "2026-11-23T10:00:00Z",
    "amount": { "minor": 1_499_900, "currency": "INR" },
    "student": { "id": "stu_118", "name": "Asha", "email": "asha@example.com", "time_zone": "Asia/Kolkata", "languages": ["en", "hi"] },
    "payer": null, "course": { "subject": "python", "level": "beginner" },
    "plan": { "start_date": "2026-12-01", "sessions": 24, "per_week": 2, "minutes": 60,
              "slots": [{ "weekday": "tue", "at": "17:00" }, { "weekday": "thu", "at": "17:00" }, { "weekday": "sat", "at": "10:00" }] },
    "preferred_trainer_id": null, "metadata": { "campaign": "diwali" }
})))]
pub(super) struct Confirmation {
    /// The payment provider's id of the payment. The same payment is the same purchase.
    #[schema(min_length = 1, max_length = 200)]
    payment_id: String,
    /// Which of several purchases of one payment.
    #[schema(min_length = 1, max_length = 200)]
    item: Option<String>,
    /// When it was paid (RFC 3339).
    confirmed_at: Timestamp,
    amount: Money,
    student: StudentAsked,
    /// Who pays, if somebody else.
    payer: Option<PayerAsked>,
    course: CourseAsked,
    plan: PlanAsked,
    /// A trainer the student asks for: taken if they fit.
    #[schema(min_length = 1, max_length = 200)]
    preferred_trainer_id: Option<String>,
    /// Texts of the shop's own, echoed in every later event: 20 at most, of 500 characters.
    metadata: Option<BTreeMap<String, String>>,
}

/// A plan to keep before the customer pays.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes: the rules read the body themselves")]
#[schema(examples(json!({
    "amount": { "minor": 1_499_900, "currency": "INR" }, "accept_any_amount": true,
    "student": { "id": "stu_118", "name": "Asha", "email": "asha@example.com", "time_zone": "Asia/Kolkata", "languages": ["en", "hi"] },
    "course": { "subject": "python", "level": "beginner" },
    "plan": { "start_date": "2026-12-01", "sessions": 24, "per_week": 2, "minutes": 60,
              "slots": [{ "weekday": "tue", "at": "17:00" }, { "weekday": "thu", "at": "17:00" }] }
})))]
pub(super) struct OrderAsked {
    /// What it costs.
    amount: Money,
    /// Whether any amount of this currency pays it: for coupons and taxes that the payment provider knows of.
    #[schema(default = false)]
    accept_any_amount: Option<bool>,
    /// From when on it is no longer expected to be paid: 366 days ahead at most, a week unless given. A paid order is honoured all the same.
    expires_at: Option<Timestamp>,
    /// Which of several purchases of one payment.
    #[schema(min_length = 1, max_length = 200)]
    item: Option<String>,
    student: StudentAsked,
    /// Who pays, if somebody else.
    payer: Option<PayerAsked>,
    course: CourseAsked,
    plan: PlanAsked,
    /// A trainer the student asks for: taken if they fit.
    #[schema(min_length = 1, max_length = 200)]
    preferred_trainer_id: Option<String>,
    /// Texts of the shop's own, echoed in every later event: 20 at most, of 500 characters.
    metadata: Option<BTreeMap<String, String>>,
}

/// An amount of money in the currency's smallest unit.
#[derive(Serialize, ToSchema)]
pub(super) struct Money {
    /// Minor units by the currency's ISO 4217 exponent.
    #[schema(minimum = 0, examples(1_499_900))]
    minor: i64,
    /// An ISO 4217 code.
    #[schema(pattern = "^[A-Z]{3}$", examples("INR"))]
    currency: String,
}

impl From<&Amount> for Money {
    fn from(amount: &Amount) -> Self {
        Self { minor: amount.minor, currency: amount.currency.clone() }
    }
}

/// Who is taught.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes: the rules read the body themselves")]
pub(super) struct StudentAsked {
    /// The shop's id of the student.
    #[schema(min_length = 1, max_length = 200)]
    id: String,
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    #[schema(min_length = 1, max_length = 320)]
    email: Option<String>,
    /// An IANA name: lessons are planned in this zone.
    #[schema(examples("Asia/Kolkata"))]
    time_zone: String,
    /// Languages they can be taught in (BCP 47).
    #[schema(max_items = 50, examples(json!(["en", "hi"])))]
    languages: Vec<String>,
}

/// Who pays.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes: the rules read the body themselves")]
pub(super) struct PayerAsked {
    /// The shop's id of the payer.
    #[schema(min_length = 1, max_length = 200)]
    id: String,
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    #[schema(min_length = 1, max_length = 320)]
    email: Option<String>,
}

/// What is taught; compared as lower-case trimmed text.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes: the rules read the body themselves")]
pub(super) struct CourseAsked {
    #[schema(min_length = 1, max_length = 200, examples("python"))]
    subject: String,
    #[schema(min_length = 1, max_length = 200, examples("beginner"))]
    level: String,
}

/// How many lessons, how often, how long, when.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes: the rules read the body themselves")]
pub(super) struct PlanAsked {
    /// The first day that suits, within two years.
    start_date: Date,
    /// How many lessons; null: until it is cancelled.
    #[schema(required, minimum = 1, maximum = 500)]
    sessions: Option<u16>,
    /// Lessons a week, no more than the distinct weekdays in `slots`.
    #[schema(minimum = 1, maximum = 7)]
    per_week: u8,
    /// How long a lesson is.
    #[schema(minimum = 15, maximum = 240, multiple_of = 5)]
    minutes: u16,
    /// The weekly local times that suit the student, best first.
    #[schema(min_items = 1, max_items = 50)]
    slots: Vec<SlotShape>,
}

/// A payment that was taken.
#[derive(Serialize, ToSchema)]
pub(super) struct Accepted {
    /// What it is or becomes.
    pub(super) purchase_id: Uuid,
    #[schema(examples("accepted"))]
    pub(super) status: &'static str,
    /// Where it is shown, once it is recorded.
    pub(super) href: String,
}

/// An order.
#[derive(Serialize, ToSchema)]
pub(super) struct OrderShown {
    /// To be handed to the payment provider as metadata, under the name `caravan_order_id`.
    pub(super) order_id: String,
    /// Where it is shown.
    pub(super) href: String,
    /// `open`, `paid` or `expired`. An expired order that is paid is honoured.
    pub(super) status: &'static str,
    pub(super) amount: Money,
    pub(super) accept_any_amount: bool,
    pub(super) created_at: Timestamp,
    pub(super) expires_at: Timestamp,
    /// What has paid it.
    pub(super) payment_id: Option<String>,
    pub(super) paid_at: Option<Timestamp>,
    /// The purchase it has become or becomes.
    pub(super) purchase_id: Option<Uuid>,
}

/// What became of an event.
#[derive(Serialize, ToSchema)]
pub(super) struct Received {
    pub(super) received: bool,
    /// What became of each thing it reports.
    pub(super) outcomes: Vec<String>,
}

/// A page of purchases, oldest first.
#[derive(Serialize, ToSchema)]
pub(super) struct PurchasesPage {
    pub(super) purchases: Vec<PurchaseRow>,
    /// The cursor of the next page; null on the last.
    pub(super) next: Option<String>,
}

/// A page of sessions, by their start.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionsPage {
    pub(super) sessions: Vec<SessionRow>,
    /// The cursor of the next page; null on the last.
    pub(super) next: Option<String>,
}

/// The sessions of a purchase that stand in the calendar, by their ordinals.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionsOfPurchase {
    pub(super) purchase_id: Uuid,
    pub(super) sessions: Vec<SessionRow>,
}

/// A student's purchases, oldest first.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes: the answer comes from the cache")]
pub(super) struct StudentShown {
    student_id: String,
    purchases: Vec<PurchaseRow>,
}

/// A trainer with their sessions from today (UTC) on.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes: the answer comes from the cache")]
pub(super) struct TrainerSessions {
    trainer: TrainerShape,
    sessions: Vec<SessionRow>,
}

/// A trainer, as in a line of a roster.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes: the rules read and write it")]
#[schema(examples(json!({
    "trainer_id": "trn_7", "name": "Ravi", "email": "ravi@example.com", "time_zone": "Asia/Kolkata", "languages": ["en", "ta"],
    "courses": [{ "subject": "python", "levels": ["beginner", "intermediate"] }],
    "availability": [{ "weekday": "tue", "from": "15:00", "until": "21:00" }],
    "time_off": [{ "from": "2026-12-24", "until": "2026-12-26" }],
    "max_sessions_per_week": 20, "weight": 100, "active": true
})))]
pub(super) struct TrainerShape {
    #[schema(min_length = 1, max_length = 200)]
    trainer_id: String,
    name: Option<String>,
    email: Option<String>,
    /// An IANA name; availability and days off are in this zone.
    time_zone: String,
    languages: Vec<String>,
    courses: Vec<TaughtShape>,
    availability: Vec<AvailableShape>,
    time_off: Vec<DaysOffShape>,
    max_sessions_per_week: u32,
    weight: u32,
    active: bool,
}

/// A course somebody teaches.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes: the rules read and write it")]
pub(super) struct TaughtShape {
    subject: String,
    levels: Vec<String>,
}

/// A weekly range of wall-clock time.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes: the rules read and write it")]
pub(super) struct AvailableShape {
    weekday: WeekdayShape,
    #[schema(examples("15:00"))]
    from: String,
    /// `24:00` is midnight; a range may cross it.
    #[schema(examples("21:00"))]
    until: String,
}

/// Days without lessons, both inclusive.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes: the rules read and write it")]
pub(super) struct DaysOffShape {
    from: Date,
    until: Date,
}

/// What of a trainer changes: an absent field stays as it is, a null or empty one clears.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes: the rules read the body themselves")]
#[schema(examples(json!({
    "name": "Ravi", "time_zone": "Asia/Kolkata", "languages": ["en", "ta"],
    "courses": [{ "subject": "python", "levels": ["beginner"] }],
    "availability": [{ "weekday": "tue", "from": "15:00", "until": "21:00" }]
})))]
pub(super) struct TrainerAsked {
    #[schema(max_length = 200)]
    name: Option<String>,
    #[schema(max_length = 320)]
    email: Option<String>,
    /// An IANA name; a new trainer needs one.
    time_zone: Option<String>,
    languages: Option<Vec<String>>,
    courses: Option<Vec<TaughtShape>>,
    availability: Option<Vec<AvailableShape>>,
    time_off: Option<Vec<DaysOffShape>>,
    #[schema(minimum = 0)]
    max_sessions_per_week: Option<u32>,
    #[schema(minimum = 0)]
    weight: Option<u32>,
    active: Option<bool>,
}

/// A trainer after a change.
#[derive(Serialize, ToSchema)]
pub(super) struct TrainerChanged {
    /// `new`, `changed` or `unchanged`.
    pub(super) outcome: &'static str,
    #[schema(value_type = TrainerShape)]
    pub(super) trainer: caravan_domain::trainer::Trainer,
    /// Sessions to come that contradict it now; they stand as they are until somebody decides.
    #[schema(value_type = Vec<Object>)]
    pub(super) conflicts: Vec<Conflict>,
}

/// A page of trainers, by id.
#[derive(Serialize, ToSchema)]
pub(super) struct TrainersPage {
    #[schema(value_type = Vec<TrainerShape>)]
    pub(super) trainers: Vec<caravan_domain::trainer::Trainer>,
    /// The cursor of the next page; null on the last.
    pub(super) next: Option<String>,
}

/// A record that was set aside.
#[derive(Serialize, ToSchema)]
pub(super) struct DeadLetterShown {
    pub(super) id: i64,
    #[schema(value_type = String)]
    pub(super) topic: Topic,
    pub(super) partition: u32,
    pub(super) offset: u64,
    pub(super) consumer_group: String,
    /// A stable code.
    pub(super) reason: String,
    /// What is wrong, in words.
    pub(super) detail: String,
    pub(super) attempts: u32,
    pub(super) redrives: u32,
    pub(super) failed_at: Timestamp,
    /// When it was sent again.
    pub(super) redriven_at: Option<Timestamp>,
    pub(super) key: Option<String>,
    /// As it came.
    pub(super) value: Option<String>,
}

/// A page of dead letters, by id.
#[derive(Serialize, ToSchema)]
pub(super) struct DeadLettersPage {
    pub(super) dead_letters: Vec<DeadLetterShown>,
    /// The cursor of the next page; null on the last.
    pub(super) next: Option<String>,
}

/// How a dead letter is to be sent again.
#[derive(Debug, Default, serde::Deserialize, ToSchema)]
pub(super) struct RedriveAsked {
    /// The repaired value; as it was without one.
    pub(super) value: Option<Value>,
    /// Only say what would become of it.
    #[serde(default)]
    #[schema(default = false)]
    pub(super) dry_run: bool,
}

/// What became of a dead letter, or would.
#[derive(Serialize, ToSchema)]
pub(super) struct Redriven {
    pub(super) id: i64,
    /// Whether it was sent.
    pub(super) sent: bool,
    /// In words.
    pub(super) outcome: String,
}

/// How far a consumer group is in a partition.
#[derive(Serialize, ToSchema)]
pub(super) struct GroupShown {
    pub(super) group: &'static str,
    #[schema(value_type = String)]
    pub(super) topic: Topic,
    pub(super) partition: u32,
    /// The next offset it handles.
    pub(super) committed: Option<u64>,
    pub(super) end: u64,
    /// Records it has still to handle.
    pub(super) lag: u64,
}

/// How far all consumer groups are.
#[derive(Serialize, ToSchema)]
pub(super) struct GroupsShown {
    pub(super) groups: Vec<GroupShown>,
    /// Events that are not published yet.
    pub(super) outbox: u64,
}

/// The address of a calendar.
#[derive(Serialize, ToSchema)]
pub(super) struct CalendarShown {
    pub(super) calendar_id: Uuid,
    /// Whose.
    pub(super) trainer_id: Option<String>,
    pub(super) student_id: Option<String>,
    pub(super) created_at: Timestamp,
    pub(super) revoked_at: Option<Timestamp>,
    /// The address, to be subscribed to by any calendar; it is shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<String>,
}

/// The addresses of calendars.
#[derive(Serialize, ToSchema)]
pub(super) struct CalendarsShown {
    pub(super) calendars: Vec<CalendarShown>,
}
