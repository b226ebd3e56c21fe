//! What the shop was paid for, against what is recorded: which payments never arrived, were set aside, or differ.

use std::collections::HashMap;

use caravan_domain::event::Topic;
use caravan_domain::ids::purchase_id;
use caravan_domain::purchase::{Amount, PurchaseStatus};
use serde::Serialize;
use uuid::Uuid;

use crate::platform::rows::{DeadLetter, DeadLetterFilter, Purchase};
use crate::platform::{Platform, PlatformError};
use crate::stuck::Paid;

mod file;

pub use file::{LINE_BYTES_MAX, Listed, Reader};

/// Payments that are looked up at once.
pub const CHUNK: usize = 2_000;
/// Dead letters read at once: each may be large.
const LETTERS_PAGE: usize = 50;

/// How a payment of the list stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is recorded as it is listed.
    Recorded,
    /// It is recorded with another amount or currency.
    Differs,
    /// Its confirmation was set aside.
    DeadLetter,
    /// It never arrived.
    Missing,
}

/// A payment of the list and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The line of the list, from 1.
    pub line: u64,
    /// The payment.
    pub payment_id: String,
    /// Which of several purchases of one payment.
    pub item: Option<String>,
    /// The purchase it is or would be.
    pub purchase_id: Uuid,
    /// How it stands.
    pub state: State,
    /// Where the purchase stands.
    pub status: Option<PurchaseStatus>,
    /// The dead letter that its confirmation became.
    pub dead_letter: Option<i64>,
    /// What is wrong, in words.
    pub detail: Option<String>,
}

/// How many payments stand how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Payments of the list.
    pub listed: u64,
    /// Recorded as listed.
    pub recorded: u64,
    /// Recorded with another amount or currency.
    pub differing: u64,
    /// Set aside.
    pub dead_letters: u64,
    /// Never arrived.
    pub missing: u64,
}

impl Summary {
    /// Counts a payment.
    pub fn count(&mut self, state: State) {
        self.listed += 1;
        *match state {
            State::Recorded => &mut self.recorded,
            State::Differs => &mut self.differing,
            State::DeadLetter => &mut self.dead_letters,
            State::Missing => &mut self.missing,
        } += 1;
    }

    /// Whether every payment is recorded as listed.
    pub fn is_clean(&self) -> bool {
        self.recorded == self.listed
    }
}

/// Compares a list with what is recorded, some thousand payments at a time.
pub struct Reconciliation<'a> {
    platform: &'a Platform,
    /// By purchase the first waiting dead letter of its confirmation; read once something is missing.
    set_aside: Option<HashMap<Uuid, i64>>,
    /// What was found so far.
    pub summary: Summary,
}

impl<'a> Reconciliation<'a> {
    /// Nothing is compared yet.
    pub fn new(platform: &'a Platform) -> Self {
        Self { platform, set_aside: None, summary: Summary::default() }
    }

    /// What became of these payments, in their order.
    ///
    /// # Errors
    /// If the store can't be read.
    pub async fn compare(&mut self, listed: Vec<Listed>) -> Result<Vec<Verdict>, PlatformError> {
        let ids: Vec<Uuid> = listed.iter().map(Listed::purchase_id).collect();
        let found = self.platform.store.purchases(&ids).await?;
        let recorded: HashMap<Uuid, Purchase> = found.into_iter().map(|purchase| (purchase.id, purchase)).collect();
        let letters = self.letters(ids.iter().filter(|id| !recorded.contains_key(id))).await?;
        let verdicts: Vec<Verdict> =
            listed.into_iter().zip(ids).map(|(one, id)| judged(one, recorded.get(&id), letters.get(&id), id)).collect();
        for verdict in &verdicts {
            self.summary.count(verdict.state);
        }
        Ok(verdicts)
    }

    /// The dead letters of purchases that are not recorded.
    async fn letters(
        &mut self,
        missing: impl Iterator<Item = &Uuid>,
    ) -> Result<HashMap<Uuid, DeadLetter>, PlatformError> {
        let mut missing = missing.peekable();
        let mut letters = HashMap::new();
        if missing.peek().is_none() {
            return Ok(letters);
        }
        if self.set_aside.is_none() {
            self.set_aside = Some(set_aside(self.platform).await?);
        }
        let all = self.set_aside.iter().flatten();
        let missing: std::collections::HashSet<&Uuid> = missing.collect();
        let wanted: HashMap<i64, Uuid> = all
            .filter(|(purchase, _)| missing.contains(purchase))
            .map(|(purchase, letter)| (*letter, *purchase))
            .collect();
        let ids: Vec<i64> = wanted.keys().copied().collect();
        for ids in ids.chunks(LETTERS_PAGE) {
            let filter = DeadLetterFilter { ids: ids.to_vec(), ..DeadLetterFilter::default() };
            for letter in self.platform.store.list_dead_letters(&filter, None, ids.len()).await? {
                // Only what is told of it is kept, not its bytes.
                let letter = DeadLetter { value: None, repaired: None, ..letter };
                letters.extend(wanted.get(&letter.id).map(|purchase| (*purchase, letter)));
            }
        }
        Ok(letters)
    }
}

/// The confirmations that wait as dead letters, by the purchase each would have become: an id each is held.
async fn set_aside(platform: &Platform) -> Result<HashMap<Uuid, i64>, PlatformError> {
    let filter =
        DeadLetterFilter { topic: Some(Topic::PurchaseConfirmed), waiting: true, ..DeadLetterFilter::default() };
    let (mut found, mut after) = (HashMap::new(), None);
    loop {
        let page = platform.store.list_dead_letters(&filter, after, LETTERS_PAGE).await?;
        let Some(last) = page.last() else { return Ok(found) };
        after = Some(last.id);
        for letter in &page {
            if let Some(id) = Paid::of(letter).purchase_id() {
                found.entry(id).or_insert(letter.id);
            }
        }
    }
}

fn judged(listed: Listed, recorded: Option<&Purchase>, letter: Option<&DeadLetter>, purchase_id: Uuid) -> Verdict {
    let (state, detail) = match (recorded, letter) {
        (Some(purchase), _) => match difference(&listed, &purchase.confirmation.amount) {
            None => (State::Recorded, None),
            Some(difference) => (State::Differs, Some(difference)),
        },
        (None, Some(letter)) => {
            (State::DeadLetter, Some(format!("dead letter {}, {}: {}", letter.id, letter.reason, letter.detail)))
        }
        (None, None) => (State::Missing, Some("never arrived".to_owned())),
    };
    Verdict {
        line: listed.line,
        payment_id: listed.payment_id,
        item: listed.item,
        purchase_id,
        state,
        status: recorded.map(|purchase| purchase.status),
        dead_letter: letter.map(|letter| letter.id),
        detail,
    }
}

/// In which way what is listed differs from what is recorded; what is not listed is not compared.
fn difference(listed: &Listed, recorded: &Amount) -> Option<String> {
    let amount = listed.amount_minor.filter(|minor| *minor != recorded.minor);
    let currency = listed.currency.as_ref().filter(|currency| !currency.eq_ignore_ascii_case(&recorded.currency));
    let told: Vec<String> = [
        amount.map(|minor| format!("amount_minor is {minor}, recorded is {}", recorded.minor)),
        currency.map(|currency| format!("currency is {currency}, recorded is {}", recorded.currency)),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!told.is_empty()).then(|| told.join("; "))
}

impl Listed {
    /// The purchase it is or would be.
    pub fn purchase_id(&self) -> Uuid {
        purchase_id(&self.payment_id, self.item.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_listed_is_compared() {
        let recorded = Amount { minor: 100, currency: "EUR".to_owned() };
        for (amount_minor, currency, expected) in [
            (None, None, None),
            (Some(100), Some("eur"), None),
            (Some(101), None, Some("amount_minor is 101, recorded is 100")),
            (None, Some("USD"), Some("currency is USD, recorded is EUR")),
            (Some(1), Some("USD"), Some("amount_minor is 1, recorded is 100; currency is USD, recorded is EUR")),
        ] {
            let currency = currency.map(str::to_owned);
            let listed = Listed { line: 1, payment_id: "p".to_owned(), item: None, amount_minor, currency };
            assert_eq!(difference(&listed, &recorded).as_deref(), expected);
        }
    }

    #[test]
    fn a_list_is_clean_if_every_payment_is_recorded_as_listed() {
        for state in [State::Differs, State::DeadLetter, State::Missing] {
            let mut summary = Summary::default();
            summary.count(State::Recorded);
            assert!(summary.is_clean());
            summary.count(state);
            assert!(!summary.is_clean(), "{state:?}");
            assert_eq!((summary.listed, summary.recorded), (2, 1));
        }
    }
}
