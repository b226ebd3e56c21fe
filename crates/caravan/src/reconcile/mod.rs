//! The shop's payments against what is recorded: nothing that was paid is to be missing, and nothing else is to be there.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use caravan_domain::event::Topic;
use caravan_domain::ids::purchase_id;
use caravan_domain::purchase::{Amount, Confirmation, PurchaseStatus};
use caravan_domain::window::today;
use jiff::civil::Date;
use serde::Serialize;
use uuid::Uuid;

use crate::payments::Reported;
use crate::platform::rows::{Cursor, DeadLetterFilter, Purchase, PurchaseFilter};
use crate::platform::{Platform, PlatformError};
use crate::redrive::LETTERS_MAX;

mod listed;

pub use listed::{Listed, Listing};

/// Payments looked up at once.
pub const PAGE: usize = 2_000;

/// How a payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// There is the purchase.
    Recorded,
    /// There is the purchase, with another amount or currency.
    Differs,
    /// It was set aside and never became a purchase.
    DeadLetter,
    /// It never arrived.
    Missing,
    /// There is the purchase, and the shop does not list it.
    Unlisted,
}

impl State {
    /// Its name, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Differs => "differs",
            Self::DeadLetter => "dead-letter",
            Self::Missing => "missing",
            Self::Unlisted => "unlisted",
        }
    }
}

/// A payment and how it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    /// The line it is listed on; none if it is not listed.
    pub line: Option<u64>,
    /// The payment's id.
    pub payment_id: String,
    /// Which of several purchases of it.
    pub item: Option<String>,
    /// When it was paid, as the shop says; else when it was confirmed.
    pub paid_at: Option<String>,
    /// How it stands.
    pub state: State,
    /// The purchase it is or would be.
    pub purchase_id: Uuid,
    /// Where that stands.
    pub status: Option<PurchaseStatus>,
    /// The dead letter.
    pub dead_letter: Option<i64>,
    /// Its reason.
    pub reason: Option<String>,
    /// In words.
    pub detail: String,
}

/// How many there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Payments that the shop lists.
    pub listed: u64,
    /// Of them those recorded as they are listed.
    pub recorded: u64,
    /// Those recorded otherwise.
    pub differs: u64,
    /// Those set aside.
    pub dead_letters: u64,
    /// Those that never arrived.
    pub missing: u64,
    /// Purchases that the shop does not list; 0 if they were not looked for.
    pub unlisted: u64,
}

impl Summary {
    /// Counts one.
    pub fn count(&mut self, found: &Reconciled) {
        self.listed += u64::from(found.line.is_some());
        *match found.state {
            State::Recorded => &mut self.recorded,
            State::Differs => &mut self.differs,
            State::DeadLetter => &mut self.dead_letters,
            State::Missing => &mut self.missing,
            State::Unlisted => &mut self.unlisted,
        } += 1;
    }

    /// Whether shop and database say the same.
    pub fn agrees(&self) -> bool {
        self.differs + self.dead_letters + self.missing + self.unlisted == 0
    }
}

/// Dates by which purchases were confirmed, in UTC, inclusive.
#[derive(Clone, Copy, Debug, Default)]
pub struct Between {
    /// The first.
    pub since: Option<Date>,
    /// The last.
    pub until: Option<Date>,
}

impl Between {
    fn holds(&self, confirmation: &Confirmation) -> bool {
        let date = today(confirmation.confirmed_at);
        self.since.is_none_or(|since| since <= date) && self.until.is_none_or(|until| date <= until)
    }
}

/// A dead letter of a payment.
struct Letter {
    id: i64,
    reason: Arc<str>,
    sent_again: bool,
}

/// Compares a page at a time. What is held grows with the dead letters, and, where unlisted purchases are asked for, by
/// an id for each purchase of these dates; not with the list.
pub struct Reconciler<'a> {
    platform: &'a Platform,
    between: Option<Between>,
    seen: HashSet<Uuid>,
    letters: Option<HashMap<Uuid, Letter>>,
    after: Option<Cursor>,
}

impl<'a> Reconciler<'a> {
    /// One that also looks for purchases confirmed on these dates that are not listed, if there are any dates.
    pub fn new(platform: &'a Platform, between: Option<Between>) -> Self {
        Self { platform, between, seen: HashSet::new(), letters: None, after: None }
    }

    /// How these payments stand, in their order.
    ///
    /// # Errors
    /// If the store can't be read.
    pub async fn compare(&mut self, page: &[Listed]) -> Result<Vec<Reconciled>, PlatformError> {
        let ids: Vec<Uuid> =
            page.iter().map(|listed| purchase_id(&listed.payment_id, listed.item.as_deref())).collect();
        let found = self.platform.store.purchases(&ids).await?;
        let found: HashMap<Uuid, Purchase> = found.into_iter().map(|purchase| (purchase.id, purchase)).collect();
        if ids.iter().any(|id| !found.contains_key(id)) && self.letters.is_none() {
            self.letters = Some(letters_of(self.platform).await?);
        }
        if let Some(between) = self.between {
            self.seen.extend(found.values().filter(|found| between.holds(&found.confirmation)).map(|found| found.id));
        }
        let none = HashMap::new();
        let letters = self.letters.as_ref().unwrap_or(&none);
        let judged = page.iter().zip(&ids).map(|(listed, id)| judged(listed, *id, found.get(id), letters.get(id)));
        Ok(judged.collect())
    }

    /// The next purchases of the dates asked for that were not listed, oldest first, and how many purchases were looked
    /// at; `None` once all were. To be called when the whole list has been compared.
    ///
    /// # Errors
    /// If the store can't be read.
    pub async fn unlisted(&mut self) -> Result<Option<(Vec<Reconciled>, usize)>, PlatformError> {
        let Some(between) = self.between else { return Ok(None) };
        let page = self.platform.store.list_purchases(&PurchaseFilter::default(), self.after, PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(None) };
        self.after = Some(*last);
        let unknown = |purchase: &&Purchase| between.holds(&purchase.confirmation) && !self.seen.contains(&purchase.id);
        let found = page.iter().map(|(_, purchase)| purchase).filter(unknown).map(unlisted).collect();
        Ok(Some((found, page.len())))
    }
}

/// The latest dead letter of each payment that has one.
async fn letters_of(platform: &Platform) -> Result<HashMap<Uuid, Letter>, PlatformError> {
    let (mut letters, mut reasons, mut after) = (HashMap::new(), HashSet::<Arc<str>>::new(), None);
    loop {
        let page = platform.store.list_dead_letters(&DeadLetterFilter::default(), after, LETTERS_MAX).await?;
        let Some(last) = page.last() else { return Ok(letters) };
        after = Some(last.id);
        for letter in page.iter().filter(|letter| letter.topic == Topic::PurchaseConfirmed) {
            let Some(id) = Reported::by(letter).purchase_id else { continue };
            let reason =
                reasons.get(letter.reason.as_str()).cloned().unwrap_or_else(|| Arc::from(letter.reason.as_str()));
            reasons.insert(Arc::clone(&reason));
            letters.insert(id, Letter { id: letter.id, reason, sent_again: letter.redriven_at.is_some() });
        }
    }
}

fn judged(listed: &Listed, id: Uuid, purchase: Option<&Purchase>, letter: Option<&Letter>) -> Reconciled {
    let plain = Reconciled {
        line: Some(listed.line),
        payment_id: listed.payment_id.clone(),
        item: listed.item.clone(),
        paid_at: listed.paid_at.clone(),
        state: State::Recorded,
        purchase_id: id,
        status: purchase.map(|purchase| purchase.status),
        dead_letter: None,
        reason: None,
        detail: String::new(),
    };
    match (purchase, letter) {
        (Some(purchase), _) => match difference(listed, &purchase.confirmation.amount) {
            Some(detail) => Reconciled { state: State::Differs, detail, ..plain },
            None => plain,
        },
        (None, Some(letter)) => {
            let how = if letter.sent_again {
                "was set aside and sent again, without becoming a purchase"
            } else {
                "was set aside"
            };
            let detail = format!("{how}: caravan dead-letters show {}", letter.id);
            let reason = Some(letter.reason.to_string());
            Reconciled { state: State::DeadLetter, dead_letter: Some(letter.id), reason, detail, ..plain }
        }
        (None, None) => {
            let detail = "never arrived: have the shop report it, with its item if it has one".to_owned();
            Reconciled { state: State::Missing, detail, ..plain }
        }
    }
}

/// What the shop says otherwise of the amount, as far as it says something.
fn difference(listed: &Listed, recorded: &Amount) -> Option<String> {
    let minor = listed.amount_minor.unwrap_or(recorded.minor);
    let currency = listed.currency.as_deref().unwrap_or(&recorded.currency);
    let same = minor == recorded.minor && currency.eq_ignore_ascii_case(&recorded.currency);
    let Amount { minor: recorded_minor, currency: recorded_currency } = recorded;
    (!same).then(|| {
        format!("the shop says {minor} {currency}, recorded is {recorded_minor} {recorded_currency} (minor units)")
    })
}

fn unlisted(purchase: &Purchase) -> Reconciled {
    let confirmation = &purchase.confirmation;
    let Amount { minor, currency } = &confirmation.amount;
    Reconciled {
        line: None,
        payment_id: confirmation.payment_id.clone(),
        item: confirmation.item.clone(),
        paid_at: Some(confirmation.confirmed_at.to_string()),
        state: State::Unlisted,
        purchase_id: purchase.id,
        status: Some(purchase.status),
        dead_letter: None,
        reason: None,
        detail: format!("recorded with {minor} {currency} (minor units), and the shop does not list it"),
    }
}
