//! Who holds which token: the tokens as the database has them, looked at again every few seconds.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use caravan_domain::access::Role;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::access::digest_of;
use crate::platform::desk::{Digest, Token};
use crate::platform::{Platform, PlatformError};

/// A token that was revoked is valid no longer than this, in whatever process.
pub(super) const FRESH: Duration = Duration::from_secs(2);
/// Tokens nobody knows make us look again no more often than this.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Who makes a request.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// By which token.
    pub(super) token_id: Uuid,
    /// What people call it.
    pub(super) name: Arc<str>,
    /// What it allows.
    pub(super) role: Role,
}

/// The valid tokens at some moment.
struct Seen {
    at: Instant,
    callers: HashMap<Digest, Caller>,
}

impl Seen {
    fn holder(&self, token_id: Uuid) -> Option<Caller> {
        self.callers.values().find(|caller| caller.token_id == token_id).cloned()
    }
}

/// The tokens.
#[derive(Default)]
pub(super) struct Tokens {
    seen: RwLock<Option<Arc<Seen>>>,
    looking: Mutex<()>,
}

impl Tokens {
    /// Who shows this token; `None` if it is not valid.
    ///
    /// # Errors
    /// If that can't be looked up.
    pub(super) async fn caller(&self, platform: &Platform, token: &str) -> Result<Option<Caller>, PlatformError> {
        let digest = digest_of(token);
        if let Some(seen) = self.seen().filter(|seen| seen.at.elapsed() < FRESH)
            && let found @ Some(_) = seen.callers.get(&digest).cloned()
        {
            return Ok(found);
        }
        Ok(self.look(platform).await?.callers.get(&digest).cloned())
    }

    /// Who holds the token with this id; `None` if it is not valid any more.
    ///
    /// # Errors
    /// If that can't be looked up.
    pub(super) async fn holder(&self, platform: &Platform, token_id: Uuid) -> Result<Option<Caller>, PlatformError> {
        if let Some(seen) = self.seen().filter(|seen| seen.at.elapsed() < FRESH)
            && let found @ Some(_) = seen.holder(token_id)
        {
            return Ok(found);
        }
        Ok(self.look(platform).await?.holder(token_id))
    }

    fn seen(&self) -> Option<Arc<Seen>> {
        self.seen.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Looks, unless somebody else has done so since we were asked: a token may have been made a moment ago.
    async fn look(&self, platform: &Platform) -> Result<Arc<Seen>, PlatformError> {
        let asked = Instant::now();
        let _one_at_a_time = self.looking.lock().await;
        if let Some(seen) = self.seen() {
            if seen.at >= asked {
                return Ok(seen);
            }
            tokio::time::sleep(LOOK_AGAIN.saturating_sub(seen.at.elapsed())).await;
        }
        let at = Instant::now();
        let valid = platform.store.tokens().await?.into_iter().filter(|token| token.revoked_at.is_none());
        let caller = |token: Token| Caller { token_id: token.id, name: token.name.into(), role: token.role };
        let callers = valid.map(|token| (token.digest, caller(token))).collect();
        let seen = Arc::new(Seen { at, callers });
        *self.seen.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(Arc::clone(&seen));
        Ok(seen)
    }
}
