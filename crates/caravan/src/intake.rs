//! Payments, refunds and orders that come in over HTTP: many requests, few transactions.
//!
//! Whoever hands something in waits for the transaction it is in. While one is written the next one fills, so under load
//! hundreds of requests share the price of one, and alone a request waits for nobody.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use crate::platform::clock::Clock;
use crate::platform::desk::DeskEffects;
use crate::platform::log::NewRecord;
use crate::platform::transaction::{CommitError, Effects, Transaction};
use crate::platform::{Platform, PlatformError};
use crate::traces;

/// Entries of one transaction.
const ENTRIES_MAX: usize = 256;
/// Entries that wait for the next one: whoever comes beyond them waits at the door.
const WAITING_MAX: usize = 1_024;

/// What one request hands in: all of it is kept, or nothing.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// What is to be told, in order.
    pub records: Vec<NewRecord>,
    /// What is kept beside it.
    pub desk: DeskEffects,
}

/// An entry, and who waits for it.
struct Waiting {
    entry: Entry,
    reply: oneshot::Sender<Result<(), CommitError>>,
}

/// Where entries are handed in.
#[derive(Clone)]
pub struct Intake {
    door: mpsc::Sender<Waiting>,
    clock: Arc<dyn Clock>,
}

impl Intake {
    /// Opens it. It closes when the last copy is dropped, after what was handed in is kept.
    pub fn open(platform: Platform) -> Self {
        let (door, waiting) = mpsc::channel(WAITING_MAX);
        let clock = Arc::clone(&platform.clock);
        tokio::spawn(work(platform, waiting));
        Self { door, clock }
    }

    /// Hands an entry in; when it returns, the entry is durable.
    ///
    /// # Errors
    /// [`CommitError::Conflict`] if something of it is not as it was decided on: look again. Nothing of it is kept then.
    pub async fn hand_in(&self, mut entry: Entry) -> Result<(), CommitError> {
        let draft = traces::of_intake(&mut entry.records, self.clock.now());
        let (reply, kept) = oneshot::channel();
        let gone = || PlatformError::Environment("the process is stopping; try again".to_owned());
        self.door.send(Waiting { entry, reply }).await.map_err(|_| gone())?;
        kept.await.map_err(|_| gone())??;
        draft.keep(self.clock.now());
        Ok(())
    }
}

async fn work(platform: Platform, mut door: mpsc::Receiver<Waiting>) {
    let mut waiting = Vec::with_capacity(ENTRIES_MAX);
    while door.recv_many(&mut waiting, ENTRIES_MAX).await > 0 {
        keep(&platform, std::mem::take(&mut waiting)).await;
    }
}

/// Keeps all entries in one transaction; if it is refused, each by itself, so that none pays for another's fault.
async fn keep(platform: &Platform, waiting: Vec<Waiting>) {
    let together = transaction(waiting.iter().map(|waiting| waiting.entry.clone()));
    match platform.store.commit(&together).await {
        Err(CommitError::Platform(problem)) => {
            warn!(%problem, entries = waiting.len(), "what was handed in could not be kept; whoever did is told to try again");
            for Waiting { reply, .. } in waiting {
                let _nobody_waits_any_more = reply.send(Err(problem.clone().into()));
            }
        }
        Err(refusal) if waiting.len() == 1 => answer(waiting, &Err(refusal)),
        Err(_) => {
            for Waiting { entry, reply } in waiting {
                let kept = platform.store.commit(&transaction([entry])).await;
                let _nobody_waits_any_more = reply.send(kept);
            }
        }
        Ok(()) => answer(waiting, &Ok(())),
    }
}

fn answer(waiting: Vec<Waiting>, kept: &Result<(), CommitError>) {
    for Waiting { reply, .. } in waiting {
        let _nobody_waits_any_more = reply.send(kept.clone());
    }
}

fn transaction(entries: impl IntoIterator<Item = Entry>) -> Transaction {
    let (mut outbox, mut desk) = (Vec::new(), DeskEffects::default());
    for entry in entries {
        outbox.extend(entry.records);
        desk.append(entry.desk);
    }
    Transaction { outbox, effects: Effects { desk, ..Effects::default() }, ..Transaction::default() }
}
