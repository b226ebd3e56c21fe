//! The cache in this process: a bounded map that knows what was invalidated lately.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::platform::PlatformError;
use crate::platform::cache::{Cache, CacheKey, FillToken};

/// Answers kept at most.
const ANSWERS_MAX: usize = 10_000;
/// Bytes of answers and their keys kept at most.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// An answer larger than this is not kept: it would push out too many others.
const ANSWER_BYTES_EACH_MAX: usize = ANSWER_BYTES_MAX / 16;
/// Invalidations remembered at most. Fills that began before the oldest of them are refused,
/// whatever their key.
const INVALIDATIONS_MAX: usize = 20_000;

/// The cache of an embedded Caravan.
#[derive(Default)]
pub(super) struct EmbeddedCache {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    answers: HashMap<CacheKey, Answer>,
    /// Keys by when they were last used.
    by_use: BTreeMap<u64, CacheKey>,
    uses: u64,
    bytes: usize,
    /// Counts invalidations; a token is its value when the token was taken.
    epoch: u64,
    /// When a key was last invalidated.
    invalidated: HashMap<CacheKey, u64>,
    /// The invalidations in order, for forgetting the oldest.
    in_order: VecDeque<(u64, CacheKey)>,
    /// The latest epoch of which an invalidation was forgotten.
    forgotten: u64,
}

struct Answer {
    bytes: Vec<u8>,
    used: u64,
}

impl EmbeddedCache {
    /// Nothing here panics while it holds the lock, and a half-done change would only lose answers.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Cache for EmbeddedCache {
    async fn get(&self, key: &CacheKey) -> Result<Option<Vec<u8>>, PlatformError> {
        Ok(self.state().get(key))
    }

    async fn token(&self) -> Result<FillToken, PlatformError> {
        Ok(FillToken(self.state().epoch))
    }

    async fn fill(&self, key: &CacheKey, token: FillToken, answer: Vec<u8>) -> Result<bool, PlatformError> {
        Ok(self.state().fill(key, token, answer))
    }

    async fn invalidate(&self, keys: &[CacheKey]) -> Result<(), PlatformError> {
        self.state().invalidate(keys);
        Ok(())
    }
}

impl State {
    fn get(&mut self, key: &CacheKey) -> Option<Vec<u8>> {
        let answer = self.answers.get_mut(key)?;
        self.uses += 1;
        self.by_use.remove(&answer.used);
        answer.used = self.uses;
        self.by_use.insert(self.uses, key.clone());
        Some(answer.bytes.clone())
    }

    fn fill(&mut self, key: &CacheKey, token: FillToken, bytes: Vec<u8>) -> bool {
        let outdated = token.0 < self.forgotten || self.invalidated.get(key).is_some_and(|epoch| *epoch > token.0);
        if outdated || bytes.len() > ANSWER_BYTES_EACH_MAX {
            return false;
        }
        self.remove(key);
        self.uses += 1;
        self.bytes += size(key, &bytes);
        self.by_use.insert(self.uses, key.clone());
        self.answers.insert(key.clone(), Answer { bytes, used: self.uses });
        while self.answers.len() > ANSWERS_MAX || self.bytes > ANSWER_BYTES_MAX {
            let Some((_, longest_unused)) = self.by_use.pop_first() else { break };
            self.remove(&longest_unused);
        }
        true
    }

    fn invalidate(&mut self, keys: &[CacheKey]) {
        self.epoch += 1;
        for key in keys {
            self.remove(key);
            self.invalidated.insert(key.clone(), self.epoch);
            self.in_order.push_back((self.epoch, key.clone()));
        }
        while self.in_order.len() > INVALIDATIONS_MAX {
            let Some((epoch, key)) = self.in_order.pop_front() else { break };
            self.forgotten = self.forgotten.max(epoch);
            // A later invalidation of the same key is remembered on its own.
            if self.invalidated.get(&key) == Some(&epoch) {
                self.invalidated.remove(&key);
            }
        }
    }

    fn remove(&mut self, key: &CacheKey) {
        if let Some(answer) = self.answers.remove(key) {
            self.by_use.remove(&answer.used);
            self.bytes -= size(key, &answer.bytes);
        }
    }
}

fn size(key: &CacheKey, bytes: &[u8]) -> usize {
    let (CacheKey::Purchase(id) | CacheKey::Student(id) | CacheKey::Trainer(id)) = key;
    id.len() + bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> CacheKey {
        CacheKey::Student(format!("stu_{number}"))
    }

    #[test]
    fn the_longest_unused_answers_go_first_and_bytes_are_bounded() {
        let mut state = State::default();
        let large = vec![0; ANSWER_BYTES_EACH_MAX];
        for number in 0..20 {
            assert!(state.fill(&key(number), FillToken(0), large.clone()));
            assert!(state.get(&key(0)).is_some(), "used all the time");
        }
        assert!(state.bytes <= ANSWER_BYTES_MAX);
        assert!(state.get(&key(1)).is_none());
        assert!(state.get(&key(19)).is_some());
        assert!(!state.fill(&key(20), FillToken(0), vec![0; ANSWER_BYTES_EACH_MAX + 1]));
    }

    #[test]
    fn answers_are_counted() {
        let mut state = State::default();
        for number in 0..=ANSWERS_MAX {
            state.fill(&key(number), FillToken(0), Vec::new());
        }
        assert_eq!((state.answers.len(), state.by_use.len()), (ANSWERS_MAX, ANSWERS_MAX));
    }

    #[test]
    fn a_fill_older_than_what_is_remembered_is_refused_whatever_its_key() {
        let mut state = State::default();
        let token = FillToken(state.epoch);
        for number in 0..=INVALIDATIONS_MAX {
            state.invalidate(&[key(number)]);
        }
        assert_eq!(state.invalidated.len(), INVALIDATIONS_MAX);
        assert!(!state.fill(&key(0), token, Vec::new()), "its invalidation is forgotten");
        assert!(!state.fill(&key(INVALIDATIONS_MAX + 9), token, Vec::new()));
        assert!(state.fill(&key(0), FillToken(state.epoch), Vec::new()));
    }
}
