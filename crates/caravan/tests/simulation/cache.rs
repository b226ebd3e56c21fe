//! The cache in memory. It watches itself: an answer older than an event that the cache worker has
//! handled is a violation.

use std::collections::BTreeMap;

use async_trait::async_trait;
use caravan::platform::PlatformError;
use caravan::platform::cache::{Cache, CacheKey, FillToken};

use crate::planted::Planted;
use crate::world::{Handle, State};

#[derive(Default)]
pub(crate) struct CacheState {
    answers: BTreeMap<CacheKey, Vec<u8>>,
    invalidated: BTreeMap<CacheKey, u64>,
    epoch: u64,
    /// Answers given, for the tests' own honesty.
    pub(crate) hits: u64,
}

#[async_trait]
impl Cache for Handle {
    async fn get(&self, key: &CacheKey) -> Result<Option<Vec<u8>>, PlatformError> {
        self.call("cache.get", |state| {
            let answer = state.cache.answers.get(key).cloned();
            if let Some(answer) = &answer {
                state.cache.hits += 1;
                judge(state, key, answer);
            }
            Ok(answer)
        })
        .await
    }

    async fn token(&self) -> Result<FillToken, PlatformError> {
        self.call("cache.token", |state| Ok(FillToken(state.cache.epoch))).await
    }

    async fn fill(&self, key: &CacheKey, token: FillToken, answer: Vec<u8>) -> Result<bool, PlatformError> {
        self.call("cache.fill", |state| {
            let outdated = state.cache.invalidated.get(key).is_some_and(|epoch| *epoch > token.0);
            let kept = !outdated || state.planted == Some(Planted::FillUnchecked);
            if kept {
                state.cache.answers.insert(key.clone(), answer);
            }
            Ok(kept)
        })
        .await
    }

    async fn invalidate(&self, keys: &[CacheKey]) -> Result<(), PlatformError> {
        self.call("cache.invalidate", |state| {
            state.cache.epoch += 1;
            for key in keys {
                state.cache.answers.remove(key);
                state.cache.invalidated.insert(key.clone(), state.cache.epoch);
            }
            Ok(())
        })
        .await
    }
}

/// An answer is the number of the last transaction it knows of.
fn judge(state: &mut State, key: &CacheKey, answer: &[u8]) {
    let known = answer.try_into().map_or(0, u64::from_be_bytes);
    let needed = state.fresh_since.get(key).copied().unwrap_or(0);
    if known < needed {
        let violation = format!("freshness: {key:?} was answered as of transaction {known}, but {needed} was told");
        state.violations.push(violation);
    }
}
