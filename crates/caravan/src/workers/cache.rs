//! Every event outdates the cached answers about what it names.

use std::time::Duration;

use async_trait::async_trait;
use caravan_domain::event::Topic;
use jiff::Timestamp;
use serde_json::Value;

use super::read_all;
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
        let named = read_all(batch, &mut outcome, |_, envelope| Ok(keys(&envelope.data)));
        outcome.done = named.len();
        outcome.invalidated = named.into_iter().flat_map(|(_, _, keys)| keys).collect();
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
