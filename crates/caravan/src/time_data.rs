//! The time zone data of this program and of the data: before anything is laid out by other data than it was reserved
//! with, what that would move is found.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use caravan_domain::allocation::Calendar;
use caravan_domain::ids::session_id;
use caravan_domain::plan::Occurrence;
use caravan_domain::purchase::PurchaseStatus;
use caravan_domain::time_data::{Reserved, displaced, reserved_instead};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use tracing::info;
use uuid::Uuid;

use crate::engine::worker::WorkError;
pub use crate::platform::rows::time_data_version as bundled;
use crate::platform::rows::{Cursor, Purchase, PurchaseFilter, Session, TimeData, TrainerRow};
use crate::platform::{Platform, PlatformError};
use crate::workers::changing::Known;
use crate::workers::window::schedule;

/// Plans laid out at once.
const PAGE: usize = 500;

/// Why nothing may be done with this data yet.
#[derive(Debug, thiserror::Error)]
pub enum TimeDataError {
    /// Sessions would move.
    #[error(
        "the time zone data of this program ({bundled}) would move {sessions} of {purchases} that were planned with {recorded}. \
         Nothing has changed. `caravan time-data list` shows them, `caravan time-data apply` moves them; until then, go back to the program before \
         this one",
        sessions = counted(*.sessions, "session"), purchases = counted(*.purchases, "purchase")
    )]
    Moves {
        /// How many sessions.
        sessions: u64,
        /// Of how many purchases.
        purchases: u64,
        /// The version they were planned with.
        recorded: String,
        /// This program's.
        bundled: &'static str,
    },
    /// The store can't be read or written.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// A purchase can't be understood.
    #[error("{0}")]
    Unreadable(String),
}

impl From<WorkError> for TimeDataError {
    fn from(error: WorkError) -> Self {
        match error {
            WorkError::Platform(error) => error.into(),
            WorkError::Failed(why) => Self::Unreadable(why),
        }
    }
}

fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A version as it is told.
pub fn shown(recorded: Option<&TimeData>) -> &str {
    recorded.map_or("an unknown version", |recorded| recorded.version.as_str())
}

/// A session that the time zone data of this program would move. Instants are UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// The session.
    pub session_id: Uuid,
    /// Whose plan it is of.
    pub purchase_id: Uuid,
    /// Who teaches it.
    pub trainer_id: String,
    /// Who is taught.
    pub student_id: String,
    /// Its number in the plan.
    pub ordinal: u32,
    /// The planned date.
    pub local_date: Date,
    /// The student's zone.
    pub time_zone: String,
    /// When it was to start until now: as it stands in the calendar, else as time is reserved; `None` if neither tells.
    pub starts_at: Option<Timestamp>,
    /// When it would start.
    pub would_start_at: Timestamp,
    /// Whether it stands in the calendar already.
    pub in_calendar: bool,
}

/// Makes sure that no plan means other instants by this program's time zone data than were reserved for it, and notes the
/// version then. Where the version is the one noted, that is all that is looked at.
///
/// # Errors
/// [`TimeDataError::Moves`] if some would move; then nothing has changed, and nothing that lays out plans may run.
pub async fn settle(platform: &Platform) -> Result<(), TimeDataError> {
    let recorded = platform.store.time_data().await?;
    if recorded.as_ref().is_some_and(|recorded| recorded.version == bundled()) {
        return Ok(());
    }
    let (mut sessions, mut purchases) = (0, 0);
    let mut plans = Plans::new(platform);
    while let Some(page) = plans.next().await? {
        sessions += page.iter().map(|plan| plan.lessons.len() as u64).sum::<u64>();
        purchases += page.len() as u64;
    }
    if sessions > 0 {
        let recorded = shown(recorded.as_ref()).to_owned();
        return Err(TimeDataError::Moves { sessions, purchases, recorded, bundled: bundled() });
    }
    let seen = recorded.as_ref().map(|recorded| recorded.version.as_str());
    // Another process may have noted the same, or its own version: each settles its own before it begins.
    if platform.store.note_time_data(seen, bundled(), platform.clock.now()).await? {
        info!("time zone data {} instead of {}: no session moves", bundled(), shown(recorded.as_ref()));
    }
    Ok(())
}

/// Finds what would move, a page of purchases at a time.
pub struct Search<'a>(Plans<'a>);

impl<'a> Search<'a> {
    /// From the first purchase on.
    pub fn new(platform: &'a Platform) -> Self {
        Self(Plans::new(platform))
    }

    /// What would move of the next purchases, in the order of their recording; `None` once all were looked at.
    ///
    /// # Errors
    /// If the store can't be read, or a purchase can't be understood.
    pub async fn next(&mut self) -> Result<Option<Vec<Moved>>, TimeDataError> {
        let Some(page) = self.0.next().await? else { return Ok(None) };
        let mut found = Vec::new();
        for (plan, rows) in page.iter().zip(calendar(self.0.platform, &page).await?) {
            let starts = rows.iter().map(|(ordinal, row)| (*ordinal, row.starts_at)).collect();
            let was = reserved_instead(&plan.lessons, &starts, &plan.plan, plan.reserved());
            let moved = |(lesson, was)| plan.moved(lesson, was, starts.contains_key(&lesson.ordinal));
            found.extend(plan.lessons.iter().zip(was).map(moved));
        }
        Ok(Some(found))
    }
}

/// The sessions of each of these that stand in the calendar, by their numbers.
pub(crate) async fn calendar(
    platform: &Platform,
    plans: &[DisplacedPlan],
) -> Result<Vec<BTreeMap<u32, Session>>, PlatformError> {
    let ids: Vec<Uuid> = plans.iter().map(|plan| plan.purchase.id).collect();
    let rows = if ids.is_empty() { Vec::new() } else { platform.store.sessions_of(&ids).await? };
    let mut found: HashMap<Uuid, BTreeMap<u32, Session>> = HashMap::new();
    for row in rows {
        found.entry(row.purchase_id).or_default().insert(row.ordinal, row);
    }
    Ok(ids.iter().map(|id| found.remove(id).unwrap_or_default()).collect())
}

/// A plan with lessons that would move.
pub(crate) struct DisplacedPlan {
    pub(crate) purchase: Purchase,
    pub(crate) trainer_id: String,
    /// All of it, as it would be.
    pub(crate) plan: Vec<Occurrence>,
    /// What of it is not where time is reserved.
    pub(crate) lessons: Vec<Occurrence>,
    /// What is reserved of the trainer.
    pub(crate) trainer: Calendar,
    pub(crate) known: Known,
    /// What is reserved of the student.
    pub(crate) student: Calendar,
}

impl DisplacedPlan {
    pub(crate) fn reserved(&self) -> Reserved<'_> {
        Reserved { trainer: &self.trainer, student: &self.student }
    }

    pub(crate) fn moved(&self, lesson: &Occurrence, was: Option<Timestamp>, in_calendar: bool) -> Moved {
        let student = &self.purchase.confirmation.student;
        Moved {
            session_id: session_id(self.purchase.id, lesson.ordinal),
            purchase_id: self.purchase.id,
            trainer_id: self.trainer_id.clone(),
            student_id: student.id.clone(),
            ordinal: lesson.ordinal,
            local_date: lesson.local_date,
            time_zone: student.time_zone.clone(),
            starts_at: was,
            would_start_at: lesson.starts_at,
            in_calendar,
        }
    }
}

/// The plans under way, laid out anew page by page.
pub(crate) struct Plans<'a> {
    platform: &'a Platform,
    now: Timestamp,
    statuses: std::slice::Iter<'static, PurchaseStatus>,
    status: Option<PurchaseStatus>,
    after: Option<Cursor>,
}

impl<'a> Plans<'a> {
    pub(crate) fn new(platform: &'a Platform) -> Self {
        let mut statuses = PurchaseStatus::UNDER_WAY.iter();
        let status = statuses.next().copied();
        Self { platform, now: platform.clock.now(), statuses, status, after: None }
    }

    /// Those of the next page with lessons that would move; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<DisplacedPlan>>, TimeDataError> {
        while let Some(status) = self.status {
            let filter = PurchaseFilter { status: Some(status), ..PurchaseFilter::default() };
            let page = self.platform.store.list_purchases(&filter, self.after, PAGE).await?;
            if let Some((last, _)) = page.last() {
                self.after = Some(*last);
                return self.displaced(page.into_iter().map(|(_, purchase)| purchase).collect()).await.map(Some);
            }
            (self.status, self.after) = (self.statuses.next().copied(), None);
        }
        Ok(None)
    }

    async fn displaced(&self, purchases: Vec<Purchase>) -> Result<Vec<DisplacedPlan>, TimeDataError> {
        let (trainers, students) = self.calendars(&purchases).await?;
        let nothing = (Known::default(), Calendar::default());
        let mut found = Vec::new();
        // Where the rest was planned anew, each part is a plan of its own.
        for purchase in &purchases {
            for allocation in purchase.earlier.iter().chain(&purchase.allocation) {
                let plan: Vec<Occurrence> = schedule(purchase, allocation)?.occurrences().collect();
                let (known, trainer) = trainers.get(&allocation.trainer_id).unwrap_or(&nothing);
                let student = students.get(&purchase.confirmation.student.id).unwrap_or(&nothing.1);
                let lessons = displaced(&plan, &purchase.changed, Reserved { trainer, student }, self.now);
                if !lessons.is_empty() {
                    let (trainer, known, student) = (trainer.clone(), *known, student.clone());
                    let (trainer_id, purchase) = (allocation.trainer_id.clone(), purchase.clone());
                    found.push(DisplacedPlan { purchase, trainer_id, plan, lessons, trainer, known, student });
                }
            }
        }
        Ok(found)
    }

    /// What is reserved from now on of the trainers and of the students of these purchases.
    async fn calendars(&self, purchases: &[Purchase]) -> Result<Calendars, PlatformError> {
        let trainers = purchases.iter().flat_map(|purchase| purchase.earlier.iter().chain(&purchase.allocation));
        let trainers: BTreeSet<String> = trainers.map(|allocation| allocation.trainer_id.clone()).collect();
        let students: BTreeSet<String> = purchases.iter().map(|found| found.confirmation.student.id.clone()).collect();
        let (trainers, students): (Vec<_>, Vec<_>) = (trainers.into_iter().collect(), students.into_iter().collect());
        let trainers = self.platform.store.trainers(&trainers, self.now).await?;
        let students = self.platform.store.student_calendars(&students, self.now).await?;
        let of_trainer = |row: TrainerRow| {
            let known = Known { weight: row.trainer.weight, version: row.version };
            (row.trainer.trainer_id, (known, Calendar::from_rows(row.calendar)))
        };
        let of_students = students.into_iter().map(|(id, rows)| (id, Calendar::from_rows(rows)));
        Ok((trainers.into_iter().map(of_trainer).collect(), of_students.collect()))
    }
}

/// What is known and reserved of trainers, and reserved of students, by their ids.
type Calendars = (HashMap<String, (Known, Calendar)>, HashMap<String, Calendar>);
