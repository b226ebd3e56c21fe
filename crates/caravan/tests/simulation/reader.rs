//! A reader who answers from the cache and fills it, as an API would.

use std::time::Duration;

use caravan::platform::PlatformError;
use caravan::platform::cache::{Cache, CacheKey};
use rand::RngExt;
use serde_json::Value;

use crate::world::Handle;

/// How many of the latest purchases are asked for.
const LATEST: usize = 6;
/// The longest pause between two questions.
const PAUSE_MILLIS_MAX: u64 = 80;

/// What an event outdates, told by its data.
pub(crate) fn keys(data: &Value) -> Vec<CacheKey> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let purchase = text(&data["purchase_id"]).map(CacheKey::Purchase);
    let student = text(&data["student_id"]).or_else(|| text(&data["student"]["id"])).map(CacheKey::Student);
    let trainer = text(&data["trainer_id"]).map(CacheKey::Trainer);
    [purchase, student, trainer].into_iter().flatten().collect()
}

/// Asks for ever. The cache judges each answer itself.
pub(crate) async fn ask_for_ever(handle: Handle) {
    loop {
        let millis = handle.state().dice.random_range(0..PAUSE_MILLIS_MAX);
        handle.nap(Duration::from_millis(millis)).await;
        if let Some(key) = some_key(&handle) {
            // What the environment does to a reader is told to whoever asked.
            let _ = ask(&handle, &key).await;
        }
    }
}

async fn ask(handle: &Handle, key: &CacheKey) -> Result<(), PlatformError> {
    if handle.get(key).await?.is_some() {
        return Ok(());
    }
    let token = handle.token().await?;
    let read = handle.call("reader.read", |state| Ok::<_, PlatformError>(state.tables.revision)).await?;
    handle.fill(key, token, read.to_be_bytes().to_vec()).await?;
    Ok(())
}

/// Mostly what has just changed: the trainers, of whom there are few, and the latest purchases.
fn some_key(handle: &Handle) -> Option<CacheKey> {
    let mut state = handle.state();
    let (kind, number) = (state.dice.random_range(0..4), state.dice.random_range(0..LATEST));
    let mut latest: Vec<_> = state.tables.purchases.values().map(|row| (row.created_at, row.id)).collect();
    latest.sort_unstable_by(|first, second| second.cmp(first));
    let purchase = state.tables.purchases.get(&latest.get(number.checked_rem(latest.len())?)?.1)?;
    match kind {
        0 => Some(CacheKey::Purchase(purchase.id.to_string())),
        1 => Some(CacheKey::Student(purchase.confirmation.student.id.clone())),
        _ => {
            let trainers = &state.tables.trainers;
            trainers.keys().nth(number.checked_rem(trainers.len())?).cloned().map(CacheKey::Trainer)
        }
    }
}
