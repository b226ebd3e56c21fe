//! Sending dead letters again, and saying beforehand what would become of them.

use std::collections::HashMap;
use std::fmt;

use caravan_domain::event::{
    Topic, decode_confirmation, decode_refund, open, payment_id_of, purchase_id_of, redrive_headers,
};
use caravan_domain::ids::purchase_id;
use caravan_domain::purchase::Confirmation;
use caravan_domain::rejection::{Reason, Rejection};
use jiff::Timestamp;
use uuid::Uuid;

use crate::platform::log::NewRecord;
use crate::platform::rows::{DeadLetter, DeadLetterFilter};
use crate::platform::transaction::{CommitError, Effects, Redriven, Transaction};
use crate::platform::{Platform, PlatformError};

mod rehearsed;

pub use rehearsed::Rehearsed;

/// How many dead letters are sent again in one transaction.
pub const LETTERS_MAX: usize = 50;
/// How often it is tried while others send the same ones.
const ATTEMPTS_MAX: u32 = 5;

/// What became of a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is on its way to its topic.
    Now(Topic),
    /// It was sent again before, then.
    Before(Timestamp),
}

/// What would become of a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rehearsal {
    /// It was sent again before, then: nothing.
    SentBefore(Timestamp),
    /// It would be set aside again.
    SetAsideAgain(Rejection),
    /// It would make this purchase.
    MakesPurchase(Uuid),
    /// This purchase is recorded already, as the record says: nothing.
    RecordedAlready(Uuid),
    /// Its worker would look at it again.
    LookedAtAgain(Topic),
}

/// Sends dead letters again (at most [`LETTERS_MAX`]) to where they came from, as they were or, for
/// a single one, with a `repaired` value; each once, whoever else tries.
///
/// # Errors
/// If the store refuses; then none of them was sent.
pub async fn send_again(
    platform: &Platform,
    letters: &[DeadLetter],
    repaired: Option<&[u8]>,
) -> Result<Vec<(i64, Sent)>, CommitError> {
    let mut letters = letters.to_vec();
    for _ in 0..ATTEMPTS_MAX {
        let now = platform.clock.now();
        let (transaction, sent) = decide(&letters, repaired, now);
        if transaction.outbox.is_empty() {
            return Ok(sent);
        }
        match platform.store.commit(&transaction).await {
            Ok(()) => return Ok(sent),
            Err(CommitError::Conflict { .. }) => {
                let ids = letters.iter().map(|letter| letter.id).collect();
                let filter = DeadLetterFilter { ids, ..DeadLetterFilter::default() };
                letters = platform.store.list_dead_letters(&filter, None, letters.len()).await?;
            }
            Err(error) => return Err(error),
        }
    }
    Err(PlatformError::Environment("others keep sending the same dead letters; try again".to_owned()).into())
}

fn decide(letters: &[DeadLetter], repaired: Option<&[u8]>, now: Timestamp) -> (Transaction, Vec<(i64, Sent)>) {
    let (mut transaction, mut sent) = (Transaction::default(), Vec::with_capacity(letters.len()));
    let mut effects = Effects::default();
    for letter in letters {
        if let Some(before) = letter.redriven_at {
            sent.push((letter.id, Sent::Before(before)));
            continue;
        }
        effects.redriven.push(Redriven { id: letter.id, at: now, repaired: repaired.map(<[u8]>::to_vec) });
        transaction.outbox.push(record(letter, repaired, now));
        sent.push((letter.id, Sent::Now(letter.topic)));
    }
    transaction.effects = effects;
    (transaction, sent)
}

/// The record that is sent again. A repaired confirmation or refund may be about another payment, whose
/// records must stay in order with it: the key follows.
fn record(letter: &DeadLetter, repaired: Option<&[u8]>, now: Timestamp) -> NewRecord {
    let repaired_key = match (letter.topic, repaired) {
        (Topic::PurchaseConfirmed | Topic::PurchaseRefunded, Some(value)) => {
            payment_id_of(value).map(String::into_bytes)
        }
        _ => None,
    };
    NewRecord {
        topic: letter.topic,
        key: repaired_key.or_else(|| letter.key.clone()),
        value: repaired.map(<[u8]>::to_vec).or_else(|| letter.value.clone()),
        headers: redrive_headers(&letter.headers),
        timestamp: now,
    }
}

impl Rehearsal {
    /// The name for machines. Names are only ever added.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::SentBefore(_) => "sent-before",
            Self::SetAsideAgain(_) => "set-aside-again",
            Self::MakesPurchase(_) => "makes-purchase",
            Self::RecordedAlready(_) => "recorded-already",
            Self::LookedAtAgain(_) => "looked-at-again",
        }
    }
}

impl fmt::Display for Rehearsal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SentBefore(at) => write!(f, "already sent again at {at:.0}: nothing would happen"),
            Self::SetAsideAgain(rejection) => write!(f, "would be set aside again: {rejection}"),
            Self::MakesPurchase(id) => write!(f, "creates 1 purchase: {id}"),
            Self::RecordedAlready(id) => write!(f, "already recorded as purchase {id}: nothing would happen"),
            Self::LookedAtAgain(topic) => write!(f, "would be sent again to {topic}"),
        }
    }
}

/// Says what would become of dead letters, one after the other: what an earlier one would make
/// counts for a later one.
#[derive(Debug, Default)]
pub struct Rehearsals {
    made: HashMap<Uuid, Confirmation>,
}

impl Rehearsals {
    /// What would become of `letter`, as it is or with a `repaired` value.
    ///
    /// # Errors
    /// If the store can't be read.
    pub async fn of(
        &mut self,
        platform: &Platform,
        letter: &DeadLetter,
        repaired: Option<&[u8]>,
    ) -> Result<Rehearsal, PlatformError> {
        if let Some(before) = letter.redriven_at {
            return Ok(Rehearsal::SentBefore(before));
        }
        let envelope = match open(repaired.or(letter.value.as_deref()), &redrive_headers(&letter.headers)) {
            Ok(envelope) => envelope,
            Err(rejection) => return Ok(Rehearsal::SetAsideAgain(rejection)),
        };
        match letter.topic {
            Topic::PurchaseConfirmed => match decode_confirmation(&envelope.data, platform.clock.now()) {
                Ok(confirmation) => self.of_confirmation(platform, confirmation).await,
                Err(rejection) => Ok(Rehearsal::SetAsideAgain(rejection)),
            },
            Topic::PurchaseRefunded => Ok(match decode_refund(&envelope.data) {
                Ok(_) => Rehearsal::LookedAtAgain(letter.topic),
                Err(rejection) => Rehearsal::SetAsideAgain(rejection),
            }),
            Topic::PurchaseCreated | Topic::TrainerAllocated | Topic::PurchaseCancelled => {
                of_known_purchase(platform, letter.topic, &envelope.data).await
            }
            other => Ok(Rehearsal::LookedAtAgain(other)),
        }
    }

    async fn of_confirmation(
        &mut self,
        platform: &Platform,
        confirmation: Confirmation,
    ) -> Result<Rehearsal, PlatformError> {
        let id = purchase_id(&confirmation.payment_id, confirmation.item.as_deref());
        let recorded = platform.store.purchases(&[id]).await?.into_iter().next();
        let recorded = recorded.map(|purchase| purchase.reported.map_or(purchase.confirmation, |reported| *reported));
        match recorded.as_ref().or_else(|| self.made.get(&id)) {
            Some(first) if first.agrees_with(&confirmation) => Ok(Rehearsal::RecordedAlready(id)),
            Some(_) => {
                let detail = format!("purchase {id} was reported with another student, course, plan or amount");
                Ok(Rehearsal::SetAsideAgain(Rejection::new(Reason::ConflictingPayment, detail)))
            }
            None => {
                self.made.insert(id, confirmation);
                Ok(Rehearsal::MakesPurchase(id))
            }
        }
    }
}

async fn of_known_purchase(
    platform: &Platform,
    topic: Topic,
    data: &serde_json::Value,
) -> Result<Rehearsal, PlatformError> {
    let id = match purchase_id_of(data) {
        Ok(id) => id,
        Err(rejection) => return Ok(Rehearsal::SetAsideAgain(rejection)),
    };
    if platform.store.purchases(&[id]).await?.is_empty() {
        let rejection = Rejection::new(Reason::UnknownPurchase, format!("there is no purchase {id}"));
        return Ok(Rehearsal::SetAsideAgain(rejection));
    }
    Ok(Rehearsal::LookedAtAgain(topic))
}

#[cfg(test)]
mod tests {
    use caravan_domain::event::Headers;

    use super::*;

    fn letter(redriven_at: Option<Timestamp>) -> DeadLetter {
        let mut headers = Headers::new();
        headers.push_text("caravan-reason", "invalid-field");
        headers.push_text("traceparent", "kept");
        DeadLetter {
            id: 7,
            topic: Topic::PurchaseConfirmed,
            partition: 2,
            offset: 11,
            consumer_group: "purchase-creation-workers".to_owned(),
            reason: "invalid-field".to_owned(),
            detail: "/plan/sessions: must be at most 500".to_owned(),
            attempts: 1,
            redrives: 0,
            key: Some(b"pay_1".to_vec()),
            value: Some(b"{\"payment_id\":\"pay_1\"}".to_vec()),
            headers,
            failed_at: Timestamp::UNIX_EPOCH,
            redriven_at,
            repaired: None,
        }
    }

    #[test]
    fn it_goes_back_to_its_topic_as_it_was_without_its_failure() {
        let (transaction, sent) = decide(&[letter(None)], None, Timestamp::UNIX_EPOCH);
        let record = &transaction.outbox[0];
        assert_eq!((record.topic, record.key.as_deref()), (Topic::PurchaseConfirmed, Some(b"pay_1".as_slice())));
        assert_eq!(record.value, letter(None).value);
        assert_eq!(record.headers.get_text("caravan-redrives"), Some("1"));
        assert_eq!(record.headers.get_text("caravan-reason"), None);
        assert_eq!(record.headers.get_text("traceparent"), Some("kept"));
        assert_eq!(sent, [(7, Sent::Now(Topic::PurchaseConfirmed))]);
        assert_eq!(transaction.effects.redriven[0].repaired, None);
    }

    #[test]
    fn a_repaired_confirmation_is_keyed_by_its_own_payment() {
        let repaired = b"{\"payment_id\":\"pay_2\"}";
        let (transaction, _) = decide(&[letter(None)], Some(repaired), Timestamp::UNIX_EPOCH);
        assert_eq!(transaction.outbox[0].key.as_deref(), Some(b"pay_2".as_slice()));
        assert_eq!(transaction.effects.redriven[0].repaired.as_deref(), Some(repaired.as_slice()));
    }

    #[test]
    fn what_was_sent_before_is_not_sent_again() {
        let (transaction, sent) = decide(&[letter(Some(Timestamp::UNIX_EPOCH))], None, Timestamp::UNIX_EPOCH);
        assert!(transaction.outbox.is_empty() && transaction.effects.redriven.is_empty());
        assert_eq!(sent, [(7, Sent::Before(Timestamp::UNIX_EPOCH))]);
    }
}
