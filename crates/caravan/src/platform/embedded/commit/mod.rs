//! One transaction, applied whole or not at all: one file for each kind of effect.
//!
//! Every effect is a few statements over many rows. What must not have changed since the decision
//! is part of the statement, and the number of rows it touched tells whether it had.

use sqlx::SqliteConnection;

use super::sqlite::commit_error;
use super::writer::Writer;
use crate::platform::transaction::{CommitError, Transaction};

mod allocations;
mod cancellations;
mod completion;
mod dead_letters;
mod desk;
mod notes;
mod outbox;
mod positions;
mod prolonging;
mod purchases;
mod refunds;
mod reservations;
mod roster;
mod session_changes;
mod trainers;
mod waitlist;
mod windows;

/// Applies a transaction; when it returns, it is durable.
pub(super) async fn commit(writer: &Writer, transaction: &Transaction) -> Result<(), CommitError> {
    // Batches of records are the many and the large: nobody waits for them, and most else is asked for by somebody.
    let is_batch = !transaction.advances.is_empty();
    let begun = if is_batch { writer.begin().await } else { writer.begin_for_somebody().await };
    let mut writing = begun.map_err(commit_error)?;
    match apply(writing.connection(), transaction).await {
        Ok(()) => writing.commit().await.map_err(commit_error),
        Err(refusal) => {
            writing.rollback().await;
            Err(refusal)
        }
    }
}

/// Positions first: most transactions that lose a race lose it there, before anything is written.
async fn apply(connection: &mut SqliteConnection, transaction: &Transaction) -> Result<(), CommitError> {
    let effects = &transaction.effects;
    positions::advance(connection, transaction.group, &transaction.advances).await?;
    purchases::record(connection, &effects.purchases).await?;
    refunds::record(connection, effects).await?;
    refunds::settle(connection, &effects.settled).await?;
    trainers::touch(connection, &effects.trainers).await?;
    trainers::shift(connection, &effects.loads).await?;
    allocations::bind(connection, &effects.allocations).await?;
    for note in &effects.notes {
        notes::note(connection, note).await?;
    }
    reservations::free(connection, &effects.freed).await?;
    reservations::reserve(connection, &effects.allocations, &effects.taken).await?;
    waitlist::wait(connection, &effects.waitlistings).await?;
    prolonging::prolong(connection, &effects.prolonged).await?;
    windows::extend(connection, &effects.windows).await?;
    for change in &effects.session_changes {
        session_changes::change(connection, change).await?;
    }
    for amendment in &effects.amendments {
        purchases::amend_waiting(connection, amendment).await?;
    }
    for cancellation in &effects.cancellations {
        cancellations::call_off(connection, cancellation).await?;
    }
    if let Some(at) = effects.completed_as_of {
        completion::complete(connection, at).await?;
    }
    roster::edit(connection, effects).await?;
    if let Some(due) = effects.cron_done {
        completion::note_cron(connection, due).await?;
    }
    dead_letters::mark_redriven(connection, &effects.redriven).await?;
    positions::replay(connection, &effects.replays).await?;
    desk::keep(connection, &effects.desk).await?;
    let told = dead_letters::set_aside(connection, &transaction.dead_letters).await?;
    outbox::append(connection, &transaction.outbox, &told).await
}

/// Undoes what was written so far, to see what others have: the transaction has lost, and only
/// its refusal is still to be put in words.
async fn undo(connection: &mut SqliteConnection) -> Result<(), CommitError> {
    sqlx::query("ROLLBACK").execute(&mut *connection).await.map_err(commit_error)?;
    sqlx::query("BEGIN IMMEDIATE").execute(connection).await.map_err(commit_error)?;
    Ok(())
}

/// How many of something were meant.
fn count<T>(items: &[T]) -> u64 {
    items.len() as u64
}
