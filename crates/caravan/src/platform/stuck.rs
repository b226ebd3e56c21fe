//! What a store is asked, and answers, about purchases that are not where they should be.

use caravan_domain::purchase::PurchaseStatus;
use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

/// What counts as late.
#[derive(Clone, Copy, Debug)]
pub struct LateBounds {
    /// Those `created` or `allocated` since then or longer.
    pub in_hand: Timestamp,
    /// Those `waitlisted` since then or longer.
    pub waiting: Timestamp,
    /// Those `scheduled` whose window should have been extended then or before.
    pub behind: Timestamp,
    /// The date of the cron's last run that must be done by now; `None` if there is none yet.
    pub reached: Option<Date>,
    /// How far past it windows reach, in days.
    pub window_days: u16,
    /// The groups that take a purchase on from `created` and from `allocated`: records they have set aside are looked for.
    pub groups: [&'static str; 2],
}

/// A purchase that is late, with what is known of why.
#[derive(Clone, Debug)]
pub struct LatePurchase {
    /// Its place: with `since`, where the next page begins.
    pub place: i64,
    /// Since when.
    pub since: Timestamp,
    /// Its id.
    pub id: Uuid,
    /// The payment's.
    pub payment_id: String,
    /// Whose it is.
    pub student_id: String,
    /// What is taught, as it is compared.
    pub subject: String,
    /// At which level, as it is compared.
    pub level: String,
    /// Where it stands.
    pub status: PurchaseStatus,
    /// The end of its window, once scheduled.
    pub horizon: Option<Date>,
    /// While it waits: the receipt of the last judgement, as JSON.
    pub receipt: Option<String>,
    /// The dead letter that the record which should have taken it on has become, if it waits to be dealt with.
    pub dead_letter: Option<i64>,
}

/// Where a page ended.
pub type LateCursor = (Timestamp, i64);
