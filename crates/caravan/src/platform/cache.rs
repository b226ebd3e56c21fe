//! The cache: answers for readers, kept honest by the cache worker.

use async_trait::async_trait;

use super::PlatformError;

/// What a cached answer is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CacheKey {
    /// A purchase, by its id.
    Purchase(String),
    /// A student's purchases and sessions, by the student's id.
    Student(String),
    /// A trainer and their sessions, by the trainer's id.
    Trainer(String),
}

/// Taken before the database is read, given back with the answer: a fill whose token is older
/// than an invalidation of its key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FillToken(pub u64);

/// A cache that keeps nothing: for a process that nobody tells what is outdated.
pub struct NoCache;

/// A cache that never serves what an invalidation has outdated.
///
/// Invariant: after [`Cache::invalidate`] returned, no [`Cache::get`] answers with bytes whose
/// token was taken before it.
#[async_trait]
pub trait Cache: Send + Sync {
    /// The answer for `key`, if there is one.
    async fn get(&self, key: &CacheKey) -> Result<Option<Vec<u8>>, PlatformError>;
    /// A token for a fill that is about to read the database.
    async fn token(&self) -> Result<FillToken, PlatformError>;
    /// Keeps `answer` unless `key` was invalidated since `token`; returns whether it was kept.
    async fn fill(&self, key: &CacheKey, token: FillToken, answer: Vec<u8>) -> Result<bool, PlatformError>;
    /// Forgets the answers for `keys`, and refuses fills that began before.
    async fn invalidate(&self, keys: &[CacheKey]) -> Result<(), PlatformError>;
}

#[async_trait]
impl Cache for NoCache {
    async fn get(&self, _key: &CacheKey) -> Result<Option<Vec<u8>>, PlatformError> {
        Ok(None)
    }

    async fn token(&self) -> Result<FillToken, PlatformError> {
        Ok(FillToken(0))
    }

    async fn fill(&self, _key: &CacheKey, _token: FillToken, _answer: Vec<u8>) -> Result<bool, PlatformError> {
        Ok(false)
    }

    async fn invalidate(&self, _keys: &[CacheKey]) -> Result<(), PlatformError> {
        Ok(())
    }
}
