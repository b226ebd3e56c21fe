//! The store in memory: one commit, and what the engine needs beside it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use caravan::platform::PlatformError;
use caravan::platform::clock::Clock;
use caravan::platform::desk::Stale;
use caravan::platform::rows::{Position, TimeData};
use caravan::platform::store::{OutboxRow, Store};
use caravan::platform::transaction::{CommitError, Transaction};
use caravan::platform::{Platform, log::NewRecord};
use caravan::workers::cache::SPEC as CACHE_SPEC;
use caravan_domain::event::Topic;
use caravan_domain::rejection::Reason;
use jiff::Timestamp;
use serde_json::Value;

use crate::planted::Planted;
use crate::tables::Tables;
use crate::world::{Handle, State, trouble};

impl Handle {
    /// The four traits, answered by the world.
    pub(crate) fn platform(&self) -> Platform {
        Platform {
            store: Arc::new(self.clone()),
            log: Arc::new(self.clone()),
            cache: Arc::new(self.clone()),
            clock: Arc::new(self.clone()),
        }
    }

    /// What a store does that lets a position advance before its effects are there.
    async fn commit_position_first(&self, transaction: &Transaction) -> Result<(), CommitError> {
        self.call("store.advance", |state| {
            let mut tables = state.tables.clone();
            tables.advance(transaction.group, &transaction.advances, None)?;
            replace(
                state,
                tables,
                &Transaction { advances: transaction.advances.clone(), ..transaction_of(transaction) },
            );
            Ok::<_, CommitError>(())
        })
        .await?;
        let effects = Transaction { advances: Vec::new(), ..transaction.clone() };
        self.call("store.commit", |state| commit(state, &effects)).await
    }
}

fn transaction_of(transaction: &Transaction) -> Transaction {
    Transaction { group: transaction.group, ..Transaction::default() }
}

#[async_trait]
impl Clock for Handle {
    fn now(&self) -> Timestamp {
        self.state().wall()
    }

    async fn sleep(&self, duration: Duration) {
        self.nap(duration).await;
    }
}

#[async_trait]
impl Store for Handle {
    async fn commit(&self, transaction: &Transaction) -> Result<(), CommitError> {
        if self.state().planted == Some(Planted::PositionFirst) && !transaction.advances.is_empty() {
            return self.commit_position_first(transaction).await;
        }
        self.call("store.commit", |state| commit(state, transaction)).await
    }

    async fn begin_positions(&self, group: &str, positions: &[Position]) -> Result<(), PlatformError> {
        self.call("store.begin_positions", |state| {
            writable(state)?;
            for position in positions {
                state.tables.positions.entry((group.to_owned(), position.at)).or_insert(*position);
            }
            Ok(())
        })
        .await
    }

    async fn outbox(&self, limit: usize) -> Result<Vec<OutboxRow>, PlatformError> {
        self.call("store.outbox", |state| {
            let pending: Vec<_> = state.tables.outbox.iter().take(limit).cloned().collect();
            if state.planted == Some(Planted::ForgottenFirst) && limit > 1 {
                state.tables.outbox.drain(..pending.len());
            }
            Ok(pending.iter().map(|row| OutboxRow { id: row.id, record: row.record.clone() }).collect())
        })
        .await
    }

    async fn forget(&self, ids: &[i64]) -> Result<(), PlatformError> {
        self.call("store.forget", |state| {
            writable(state)?;
            state.tables.outbox.retain(|row| !ids.contains(&row.id));
            state.changed();
            Ok(())
        })
        .await
    }

    async fn lease(&self, name: &str, holder: &str, now: Timestamp, ttl: Duration) -> Result<bool, PlatformError> {
        self.call("store.lease", |state| {
            writable(state)?;
            let held = state.tables.leases.get(name).is_some_and(|(by, until)| by != holder && *until > now);
            if !held {
                let until = now.saturating_add(ttl).unwrap_or(Timestamp::MAX);
                state.tables.leases.insert(name.to_owned(), (holder.to_owned(), until));
            }
            Ok(!held)
        })
        .await
    }

    async fn release(&self, name: &str, holder: &str) -> Result<(), PlatformError> {
        self.call("store.release", |state| {
            state.tables.leases.retain(|lease, (by, _)| lease != name || by != holder);
            Ok(())
        })
        .await
    }

    async fn cron_last(&self) -> Result<Option<Timestamp>, PlatformError> {
        self.call("store.cron_last", |state| Ok(state.tables.cron_last)).await
    }

    async fn changes(&self) -> u64 {
        self.state().changes
    }

    async fn changed_since(&self, seen: u64, at_most: Duration) {
        self.notice(seen, at_most).await;
    }

    async fn time_data(&self) -> Result<Option<TimeData>, PlatformError> {
        Ok(None)
    }

    async fn note_time_data(&self, _seen: Option<&str>, _version: &str, _at: Timestamp) -> Result<bool, PlatformError> {
        Ok(true)
    }

    async fn forget_desk(&self, _stale: Stale, _limit: usize) -> Result<u64, PlatformError> {
        Ok(0)
    }

    async fn probe(&self) -> Result<(), PlatformError> {
        self.call("store.probe", |state| writable(state)).await
    }
}

fn writable(state: &State) -> Result<(), PlatformError> {
    if state.timers.now < state.disk_full_until { Err(trouble("the disk is full")) } else { Ok(()) }
}

fn commit(state: &mut State, transaction: &Transaction) -> Result<(), CommitError> {
    state.commits += 1;
    writable(state)?;
    let purchases = transaction.effects.purchases.len() + transaction.effects.allocations.len();
    if purchases > state.purchases_in_one_max || (purchases > 0 && state.conflicts_left > 0) {
        state.conflicts_left = state.conflicts_left.saturating_sub(1);
        return Err(CommitError::Conflict { what: "something".to_owned(), trainers: Vec::new() });
    }
    let mut transaction = transaction.clone();
    if state.planted == Some(Planted::DeadLetterDropped) {
        drop_letters_of_split_batches(&mut transaction);
    }
    match state.tables.after(&transaction, state.planted) {
        Ok(tables) => {
            watch_horizons(state, &tables, &transaction);
            replace(state, tables, &transaction);
            Ok(())
        }
        Err(error) => {
            state.trace(&error.to_string());
            if state.planted == Some(Planted::ToldOutside) {
                transaction.outbox.iter().for_each(|record| state.tables.tell(record.clone()));
            }
            Err(error)
        }
    }
}

/// Puts the tables in force and notes what follows for the cache.
fn replace(state: &mut State, tables: Tables, transaction: &Transaction) {
    state.tables = tables;
    // A dead letter and a redrive carry the id of what was told before.
    for id in transaction.outbox.iter().filter_map(|record| record.headers.get_text("ce_id")) {
        state.told.entry(id.to_owned()).or_insert(state.tables.revision);
    }
    if transaction.group == CACHE_SPEC.group {
        note_handled(state, transaction);
    }
    state.changed();
}

/// The cache worker has handled these events: from now on nobody may be answered with less.
fn note_handled(state: &mut State, transaction: &Transaction) {
    // A dead letter is no event, though it carries the id of the one it was.
    for step in transaction.advances.iter().filter(|step| step.at.topic != Topic::DeadLetterQueue) {
        let Some(partition) = state.log.partition(step.at) else { continue };
        for record in partition.records.iter().filter(|record| (step.from..step.to).contains(&record.offset)) {
            let told = record.headers.get_text("ce_id").and_then(|id| state.told.get(id)).copied();
            let value = record.value.as_deref().and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok());
            let (Some(told), Some(value)) = (told, value) else { continue };
            for key in crate::reader::keys(&value) {
                let since = state.fresh_since.entry(key).or_default();
                *since = told.max(*since);
            }
        }
    }
}

/// A horizon is raised, never lowered.
fn watch_horizons(state: &mut State, after: &Tables, transaction: &Transaction) {
    for extension in &transaction.effects.windows {
        let horizon = |tables: &Tables| tables.purchases.get(&extension.purchase_id).and_then(|row| row.horizon);
        let (was, is) = (horizon(&state.tables), horizon(after));
        if was > is {
            state.violations.push(format!("rolling-window: {} was lowered: {was:?} to {is:?}", extension.purchase_id));
        }
    }
}

fn drop_letters_of_split_batches(transaction: &mut Transaction) {
    let dropped = |reason: &str| reason == Reason::ProcessingFailed.code();
    transaction.dead_letters.retain(|letter| !dropped(letter.reason));
    let told = |record: &NewRecord| {
        record.topic == Topic::DeadLetterQueue && record.headers.get_text("caravan-reason").is_some_and(dropped)
    };
    transaction.outbox.retain(|record| !told(record));
}
