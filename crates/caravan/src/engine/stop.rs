//! A request to stop, seen by every task that holds a copy.

use tokio::sync::watch;

/// Shared by all tasks of a run; once requested, it stays so.
#[derive(Clone, Debug)]
pub struct Stop {
    requested: watch::Sender<bool>,
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

impl Stop {
    /// A stop nobody has requested yet.
    pub fn new() -> Self {
        Self { requested: watch::Sender::new(false) }
    }

    /// Asks everybody to finish the batch in hand and leave.
    pub fn request(&self) {
        self.requested.send_replace(true);
    }

    /// Whether it was requested.
    pub fn is_requested(&self) -> bool {
        *self.requested.borrow()
    }

    /// Returns when it is requested.
    pub async fn requested(&self) {
        // The sender lives as long as `self`, so waiting can't fail.
        let _ = self.requested.subscribe().wait_for(|requested| *requested).await;
    }
}
