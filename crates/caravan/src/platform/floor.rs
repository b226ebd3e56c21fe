//! The floor of a run: how fast its rows can be written with nothing but the database in the way.

use std::time::Duration;

use async_trait::async_trait;

use super::PlatformError;

/// Writes again, into an empty database of the same schema and durability, what a run has written:
/// in large batches, on one connection, and without any rule.
#[async_trait]
pub trait Floor: Send {
    /// How many bytes of the run's database are in use.
    async fn database_bytes(&mut self) -> Result<u64, PlatformError>;
    /// The run begins: what is there already is none of it.
    async fn note_start(&mut self) -> Result<(), PlatformError>;
    /// The run has ended: what comes later is none of it.
    async fn note_end(&mut self) -> Result<(), PlatformError>;
    /// Writes what the run wrote for its next purchases, at most this many; `None` if there are
    /// none left.
    async fn write_next(&mut self, purchases: usize) -> Result<Option<Written>, PlatformError>;
}

/// What was written at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// How many purchases with all that belongs to them.
    pub purchases: usize,
    /// How many of them have a trainer.
    pub allocated: usize,
    /// How long writing took, without the reading before it.
    pub took: Duration,
}
