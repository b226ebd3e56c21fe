//! Every event outdates the cached answers about what it names.

use std::time::Duration;

use async_trait::async_trait;
use caravan_domain::event::{Topic, open};
use caravan_domain::ids::purchase_id;
use jiff::Timestamp;
use serde_json::Value;

use crate::engine::worker::{Outcome, Spec, WorkError, Worker};
use crate::platform::cache::CacheKey;
use crate::platform::log::Record;
use crate::platform::store::Reads;

/// The cache worker's fixed facts.
pub const SPEC: Spec = Spec {
    name: "CacheWorker",
    group: "cache-invalidation-workers",
    topics: &[
        Topic::PurchaseCreated,
        Topic::TrainerAllocated,
        Topic::PurchaseWaitlisted,
        Topic::SessionsScheduled,
        Topic::PurchaseCancelled,
        Topic::PurchaseChanged,
        Topic::SessionsChanged,
        Topic::TrainerChanged,
        Topic::DeadLetterQueue,
    ],
    linger: Duration::from_millis(25),
    looks_around: false,
};

/// Invalidates. The engine forgets the answers before the position advances, so a crash between
/// the two only invalidates twice.
pub struct CacheWorker;

#[async_trait]
impl Worker for CacheWorker {
    fn spec(&self) -> Spec {
        SPEC
    }

    async fn handle(&mut self, batch: &[Record], _reads: &dyn Reads, _now: Timestamp) -> Result<Outcome, WorkError> {
        let mut outcome = Outcome::default();
        for (index, record) in batch.iter().enumerate() {
            // What was set aside may be anything: its key is enough, and nothing of it is ever refused.
            let outdated = match record.at.topic {
                Topic::DeadLetterQueue => Ok(keys_of_letter(record)),
                _ => open(record.value.as_deref(), &record.headers).map(|envelope| keys(&envelope.data)),
            };
            match outdated {
                Ok(outdated) => {
                    outcome.invalidated.extend(outdated);
                    outcome.done += 1;
                }
                Err(rejection) => outcome.rejected.push((index, rejection)),
            }
        }
        outcome.invalidated.sort_unstable();
        outcome.invalidated.dedup();
        Ok(outcome)
    }
}

/// What an event names: its purchase, its student, its trainer, and those of its sessions.
fn keys(data: &Value) -> Vec<CacheKey> {
    let text = |pointer: &str| data.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let purchase = text("/purchase_id").map(CacheKey::Purchase);
    let student = text("/student_id").or_else(|| text("/student/id")).map(CacheKey::Student);
    let trainer = text("/trainer_id").map(CacheKey::Trainer);
    let sessions = data.get("sessions").and_then(Value::as_array).into_iter().flatten();
    let theirs = sessions.flat_map(|session| {
        let places = ["/trainer_id", "/before/trainer_id", "/after/trainer_id"];
        places.map(|place| session.pointer(place).and_then(Value::as_str).map(str::to_owned).map(CacheKey::Trainer))
    });
    [purchase, student, trainer].into_iter().chain(theirs).flatten().collect()
}

/// The purchase a record that was set aside is about, by its key: a purchase's id, or a payment's.
fn keys_of_letter(letter: &Record) -> Vec<CacheKey> {
    let Some(key) = letter.key.as_deref().and_then(|key| std::str::from_utf8(key).ok()) else { return Vec::new() };
    let value: Option<Value> = letter.value.as_deref().and_then(|value| serde_json::from_slice(value).ok());
    let item = value.as_ref().and_then(|value| value.get("item")).and_then(Value::as_str);
    [key.to_owned(), purchase_id(key, item).to_string()].map(CacheKey::Purchase).into()
}
