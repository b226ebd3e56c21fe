use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use caravan::platform::cache::CacheKey;

use crate::world::World;

fn key(id: &str) -> CacheKey {
    CacheKey::Student(id.to_owned())
}

pub(crate) async fn answers_are_kept_until_they_are_invalidated(world: &World) {
    let cache = &world.here.cache;
    let same_id = CacheKey::Trainer("1".to_owned());
    assert_eq!(cache.get(&key("1")).await.unwrap(), None);
    let token = cache.token().await.unwrap();
    assert!(cache.fill(&key("1"), token, b"one".to_vec()).await.unwrap());
    assert!(cache.fill(&same_id, token, b"other".to_vec()).await.unwrap());
    assert_eq!(cache.get(&key("1")).await.unwrap().as_deref(), Some(&b"one"[..]));

    cache.invalidate(&[key("1"), key("2")]).await.unwrap();
    assert_eq!(cache.get(&key("1")).await.unwrap(), None);
    assert_eq!(cache.get(&same_id).await.unwrap().as_deref(), Some(&b"other"[..]), "another kind of thing");
}

pub(crate) async fn a_fill_that_began_before_an_invalidation_is_refused(world: &World) {
    let cache = &world.here.cache;
    let before = cache.token().await.unwrap();
    cache.invalidate(&[key("1")]).await.unwrap();
    let after = cache.token().await.unwrap();
    assert!(!cache.fill(&key("1"), before, b"old".to_vec()).await.unwrap());
    assert_eq!(cache.get(&key("1")).await.unwrap(), None);
    assert!(cache.fill(&key("1"), after, b"new".to_vec()).await.unwrap());
    assert!(!cache.fill(&key("1"), before, b"old".to_vec()).await.unwrap(), "nor does it replace a newer one");
    assert_eq!(cache.get(&key("1")).await.unwrap().as_deref(), Some(&b"new"[..]));
}

/// A writer raises a number and invalidates; readers fill from it. What a reader gets from the
/// cache is never older than the last number whose invalidation had returned before it asked.
pub(crate) async fn no_race_leaves_an_outdated_answer(world: &World) {
    const ROUNDS: u64 = 2_000;
    let cache = Arc::clone(&world.here.cache);
    let (truth, handled) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let reader = |cache: Arc<dyn caravan::platform::cache::Cache>, truth: Arc<AtomicU64>, handled: Arc<AtomicU64>| async move {
        let mut hits = 0_u64;
        while handled.load(Ordering::SeqCst) < ROUNDS {
            let least = handled.load(Ordering::SeqCst);
            if let Some(answer) = cache.get(&key("1")).await.unwrap() {
                let found = u64::from_be_bytes(answer.try_into().unwrap());
                assert!(found >= least, "{found} after {least} was handled");
                hits += 1;
            }
            let token = cache.token().await.unwrap();
            let read = truth.load(Ordering::SeqCst);
            tokio::task::yield_now().await;
            cache.fill(&key("1"), token, read.to_be_bytes().to_vec()).await.unwrap();
        }
        hits
    };
    let readers: Vec<_> =
        (0..3).map(|_| tokio::spawn(reader(Arc::clone(&cache), Arc::clone(&truth), Arc::clone(&handled)))).collect();
    for round in 1..=ROUNDS {
        truth.store(round, Ordering::SeqCst);
        tokio::task::yield_now().await;
        cache.invalidate(&[key("1")]).await.unwrap();
        handled.store(round, Ordering::SeqCst);
        tokio::task::yield_now().await;
    }
    for reader in readers {
        reader.await.unwrap();
    }
    let token = cache.token().await.unwrap();
    assert!(cache.fill(&key("1"), token, ROUNDS.to_be_bytes().to_vec()).await.unwrap());
}
