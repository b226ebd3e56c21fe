//! What readers are shown: from the cache if it is there, else from the database, then kept.
//!
//! A cache that does not answer costs a reader nothing but time: the database answers instead.

use std::future::Future;

use caravan_domain::purchase::Course;
use caravan_domain::trainer::Trainer;
use jiff::tz::TimeZone;
use serde::Serialize;
use tracing::debug;
use uuid::Uuid;

use crate::platform::cache::{Cache, CacheKey};
use crate::platform::rows::{DeadLetterFilter, Purchase, PurchaseFilter, SessionFilter};
use crate::platform::store::Store;
use crate::platform::{Platform, PlatformError};

mod receipt;
mod rows;
mod shapes;
mod timeline;

pub use receipt::counted;
pub use rows::{ChangeRow, PurchaseRow, PurchaseWhole, SessionRow};
pub(crate) use shapes::{SlotShape, WeekdayShape};
pub use timeline::Step;

/// Purchases of a student that are shown, the oldest first.
pub const PURCHASES_MAX: usize = 1_000;
/// Sessions of a trainer that are shown, the earliest first.
pub const SESSIONS_MAX: usize = 2_000;

/// Dead letters of a purchase that are shown, the oldest first.
const DEAD_LETTERS_MAX: usize = 50;

/// A student as readers see them.
#[derive(Debug, Serialize)]
struct StudentView<'a> {
    student_id: &'a str,
    purchases: Vec<PurchaseRow>,
}

/// A trainer as readers see them.
#[derive(Debug, Serialize)]
struct TrainerView {
    trainer: Trainer,
    sessions: Vec<SessionRow>,
}

/// A purchase with its receipt and sessions, as JSON; `None` if there is none with this id.
///
/// # Errors
/// If the database can't be read.
pub async fn purchase(platform: &Platform, id: Uuid) -> Result<Option<Vec<u8>>, PlatformError> {
    let store = &*platform.store;
    through(&*platform.cache, CacheKey::Purchase(id.to_string()), async || {
        match store.purchases(&[id]).await?.first() {
            Some(purchase) => Ok(Some(json(&whole(store, purchase).await?)?)),
            None => Ok(None),
        }
    })
    .await
}

/// A student's purchases, as JSON; `None` if there are none.
///
/// # Errors
/// If the database can't be read.
pub async fn student(platform: &Platform, id: &str) -> Result<Option<Vec<u8>>, PlatformError> {
    through(&*platform.cache, CacheKey::Student(id.to_owned()), async || {
        let filter = PurchaseFilter { student_id: Some(id.to_owned()), ..PurchaseFilter::default() };
        let found = platform.store.list_purchases(&filter, None, PURCHASES_MAX).await?;
        let purchases: Vec<PurchaseRow> = found.iter().map(|(_, purchase)| PurchaseRow::from(purchase)).collect();
        if purchases.is_empty() { Ok(None) } else { Ok(Some(json(&StudentView { student_id: id, purchases })?)) }
    })
    .await
}

/// A trainer and their sessions from today (UTC) on, as JSON; `None` if the roster has no such trainer.
///
/// # Errors
/// If the database can't be read.
pub async fn trainer(platform: &Platform, id: &str) -> Result<Option<Vec<u8>>, PlatformError> {
    through(&*platform.cache, CacheKey::Trainer(id.to_owned()), async || {
        let Some((trainer, _)) = platform.store.trainer_terms(&[id.to_owned()]).await?.pop() else { return Ok(None) };
        let today = platform.clock.now().to_zoned(TimeZone::UTC).date();
        let filter = SessionFilter { trainer_id: Some(id.to_owned()), from: Some(today), ..SessionFilter::default() };
        let found = platform.store.list_sessions(&filter, None, SESSIONS_MAX).await?;
        let sessions = found.into_iter().map(SessionRow::from).collect();
        Ok(Some(json(&TrainerView { trainer, sessions })?))
    })
    .await
}

/// Everything that is known of a purchase, from the database.
///
/// # Errors
/// If the database can't be read.
pub async fn whole(store: &dyn Store, purchase: &Purchase) -> Result<PurchaseWhole, PlatformError> {
    let allocation = purchase.allocation.as_ref();
    let waiting = store.waiting(&[purchase.id]).await?.pop();
    let receipt = match (allocation, &waiting) {
        (Some(_), _) => store.receipt(purchase.id).await?,
        (None, Some(waiting)) => Some(waiting.receipt.clone()),
        (None, None) => None,
    };
    let filter = SessionFilter { purchase_id: Some(purchase.id), ..SessionFilter::default() };
    let sessions = store.list_sessions(&filter, None, usize::from(u16::MAX)).await?;
    let (bound, changes) = (store.bound(purchase.id).await?, store.changes_of(purchase.id).await?);
    let about = vec![purchase.confirmation.payment_id.clone(), purchase.id.to_string()];
    let filter = DeadLetterFilter { keys: about, ..DeadLetterFilter::default() };
    let letters = store.list_dead_letters(&filter, None, DEAD_LETTERS_MAX).await?;
    let receipt: Option<serde_json::Value> = receipt.and_then(|text| serde_json::from_str(&text).ok());
    let Course { subject, level } = &purchase.confirmation.course;
    Ok(PurchaseWhole {
        row: PurchaseRow::from(purchase),
        confirmation: purchase.confirmation.clone(),
        allocation_id: allocation.map(|allocation| allocation.id),
        skipped: allocation.map(|allocation| allocation.skipped.clone()),
        waitlisted_at: waiting.as_ref().map(|waiting| waiting.waitlisted_at),
        timeline: timeline::timeline(purchase, waiting.as_ref(), &bound, &changes, &letters),
        explanation: receipt.iter().flat_map(|kept| receipt::explained(kept, &format!("{subject} {level}"))).collect(),
        receipt,
        sessions: sessions.into_iter().map(SessionRow::from).collect(),
        changes: changes.into_iter().map(ChangeRow::from).collect(),
    })
}

/// Answers from the cache; if it has nothing, from the database, and keeps that. The token is taken
/// before the database is read: what an invalidation overtakes is not kept.
async fn through<F>(
    cache: &dyn Cache,
    key: CacheKey,
    read: impl FnOnce() -> F,
) -> Result<Option<Vec<u8>>, PlatformError>
where
    F: Future<Output = Result<Option<Vec<u8>>, PlatformError>>,
{
    match cache.get(&key).await {
        Ok(Some(answer)) => return Ok(Some(answer)),
        Ok(None) => {}
        Err(problem) => {
            debug!(%problem, "the cache does not answer; reading the database");
            return read().await;
        }
    }
    let token = cache.token().await;
    let answer = read().await?;
    if let (Ok(token), Some(answer)) = (token, &answer)
        && let Err(problem) = cache.fill(&key, token, answer.clone()).await
    {
        debug!(%problem, "the answer was not kept");
    }
    Ok(answer)
}

fn json<T: Serialize>(view: &T) -> Result<Vec<u8>, PlatformError> {
    serde_json::to_vec(view).map_err(|problem| PlatformError::Broken(format!("a view is no JSON: {problem}")))
}
