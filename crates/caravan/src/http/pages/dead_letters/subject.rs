//! What records that were set aside are about, as far as they say it.

use std::collections::HashSet;

use caravan_domain::event::{Topic, open, purchase_id_of, redrive_headers};
use uuid::Uuid;

use super::super::sessions::urlencoded;
use crate::platform::rows::DeadLetter;
use crate::platform::{Platform, PlatformError};
use crate::stuck::Paid;

/// What a record is about, and where that is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Subject {
    /// The payment, or else the purchase.
    pub(super) words: String,
    pub(super) href: Option<String>,
    /// Who is taught, if it says so.
    pub(super) student: Option<String>,
}

/// What these are about, each in its place.
pub(super) async fn subjects(platform: &Platform, letters: &[DeadLetter]) -> Result<Vec<Subject>, PlatformError> {
    let named: Vec<Named> = letters.iter().map(Named::of).collect();
    let ids: HashSet<Uuid> = named.iter().filter_map(|named| named.purchase_id).collect();
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let known: HashSet<Uuid> = platform.store.purchases(&ids).await?.into_iter().map(|purchase| purchase.id).collect();
    Ok(named.into_iter().map(|named| named.shown(&known)).collect())
}

/// What a record names.
struct Named {
    payment_id: Option<String>,
    purchase_id: Option<Uuid>,
    student: Option<String>,
}

impl Named {
    fn of(letter: &DeadLetter) -> Self {
        if matches!(letter.topic, Topic::PurchaseConfirmed | Topic::PurchaseRefunded) {
            let paid = Paid::of(letter);
            let purchase_id = paid.purchase_id();
            return Self { payment_id: paid.payment_id, purchase_id, student: paid.student_id };
        }
        let envelope = open(letter.value.as_deref(), &redrive_headers(&letter.headers)).ok();
        let purchase_id = envelope.and_then(|envelope| purchase_id_of(&envelope.data).ok());
        Self { payment_id: None, purchase_id, student: None }
    }

    fn shown(self, known: &HashSet<Uuid>) -> Subject {
        let words = match (&self.payment_id, self.purchase_id) {
            (Some(payment_id), _) => format!("Payment {payment_id}"),
            (None, Some(id)) => format!("Purchase {id}"),
            (None, None) => "It does not say".to_owned(),
        };
        let href = match (self.purchase_id.filter(|id| known.contains(id)), &self.payment_id) {
            (Some(id), _) => Some(format!("/purchases/{id}")),
            (None, Some(payment_id)) => Some(format!("/purchases?q={}", urlencoded(payment_id))),
            (None, None) => None,
        };
        Subject { words, href, student: self.student }
    }
}

#[cfg(test)]
mod tests {
    use caravan_domain::event::Headers;
    use caravan_domain::ids::purchase_id;
    use jiff::Timestamp;

    use super::*;

    fn letter(topic: Topic, value: &str) -> DeadLetter {
        DeadLetter {
            id: 1,
            topic,
            partition: 0,
            offset: 0,
            consumer_group: String::new(),
            reason: String::new(),
            detail: String::new(),
            attempts: 1,
            redrives: 0,
            key: None,
            value: Some(value.as_bytes().to_vec()),
            headers: Headers::new(),
            failed_at: Timestamp::UNIX_EPOCH,
            redriven_at: None,
            repaired: None,
        }
    }

    #[test]
    fn a_payment_leads_to_its_purchase_and_to_a_search_where_there_is_none() {
        let paid = letter(Topic::PurchaseConfirmed, r#"{"payment_id":"pay/1","student":{"id":"stu_1"}}"#);
        let id = purchase_id("pay/1", None);
        let shown = |known: &[Uuid]| Named::of(&paid).shown(&known.iter().copied().collect());
        assert_eq!(shown(&[id]).href, Some(format!("/purchases/{id}")));
        let unknown = shown(&[]);
        assert_eq!((unknown.words.as_str(), unknown.student.as_deref()), ("Payment pay/1", Some("stu_1")));
        assert_eq!(unknown.href.as_deref(), Some("/purchases?q=pay%2F1"));
    }

    #[test]
    fn an_event_leads_to_the_purchase_it_names() {
        let id = Uuid::from_u128(7);
        let told = letter(Topic::PurchaseCreated, &format!(r#"{{"purchase_id":"{id}"}}"#));
        assert_eq!(Named::of(&told).shown(&HashSet::from([id])).href, Some(format!("/purchases/{id}")));
        assert_eq!(Named::of(&told).shown(&HashSet::new()).href, None);
    }

    #[test]
    fn what_says_nothing_leads_nowhere() {
        for topic in Topic::ALL {
            let shown = Named::of(&letter(topic, "{")).shown(&HashSet::new());
            assert_eq!((shown.words.as_str(), shown.href), ("It does not say", None), "{topic}");
        }
    }
}
