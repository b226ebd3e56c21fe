//! Notices that something was written, by this process or by another.
//!
//! Commits are announced beside their transaction, not in it, and many by one notification: a
//! `NOTIFY` in each transaction costs most of the throughput. One that is lost is no harm: whoever
//! waits looks again after a while by himself.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::{Notify, OnceCell, watch};
use tokio::task::JoinHandle;

use super::presence::{self, Presence};

/// Commits that follow one another within this time are announced together.
const ANNOUNCED_WITHIN: Duration = Duration::from_millis(3);
/// How long to wait before listening is tried again.
const LISTEN_AGAIN: Duration = Duration::from_millis(500);

/// Ticks whenever something may have been written.
pub(super) struct Changes {
    ticks: watch::Sender<u64>,
    committed: Arc<Notify>,
    pool: PgPool,
    channel: String,
    presence: Presence,
    tasks: OnceCell<[JoinHandle<()>; 2]>,
}

impl Changes {
    /// Watches what is announced on a channel. While it listens, it shows who is present.
    pub(super) fn new(pool: PgPool, channel: String, presence: Presence) -> Self {
        let (ticks, _) = watch::channel(0);
        Self { ticks, committed: Arc::default(), pool, channel, presence, tasks: OnceCell::new() }
    }

    /// Tells everybody that something was written.
    pub(super) async fn tick(&self) {
        self.start().await;
        self.ticks.send_modify(|count| *count += 1);
        self.committed.notify_one();
    }

    /// How many ticks there have been.
    pub(super) async fn count(&self) -> u64 {
        self.start().await;
        *self.ticks.borrow()
    }

    /// Returns when that is no longer `seen`, at the latest after `at_most`.
    pub(super) async fn since(&self, seen: u64, at_most: Duration) {
        self.start().await;
        let mut ticks = self.ticks.subscribe();
        // Both ends mean the same to the caller: look again.
        let _ = tokio::time::timeout(at_most, ticks.wait_for(|count| *count != seen)).await;
    }

    /// Stops announcing and listening.
    pub(super) fn stop(&self) {
        for task in self.tasks.get().into_iter().flatten() {
            task.abort();
        }
    }

    async fn start(&self) {
        self.tasks
            .get_or_init(|| async {
                let announcing = announce(self.pool.clone(), self.channel.clone(), Arc::clone(&self.committed));
                let listening =
                    listen(self.pool.clone(), self.channel.clone(), self.ticks.clone(), self.presence.clone());
                [tokio::spawn(announcing), tokio::spawn(listening)]
            })
            .await;
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn announce(pool: PgPool, channel: String, committed: Arc<Notify>) {
    loop {
        committed.notified().await;
        // One that fails is not worth a word: the others look again by themselves.
        let _ = sqlx::query("SELECT pg_notify($1, '')").bind(&channel).execute(&pool).await;
        tokio::time::sleep(ANNOUNCED_WITHIN).await;
    }
}

/// Listens until it is stopped. Whenever listening begins or fails, something may have been missed.
async fn listen(pool: PgPool, channel: String, ticks: watch::Sender<u64>, presence: Presence) {
    loop {
        if let Ok(mut listener) = PgListener::connect_with(&pool).await
            && listener.listen(&channel).await.is_ok()
        {
            let _it_begins_again = attend(&mut listener, &channel, &ticks, &presence).await;
        }
        ticks.send_modify(|count| *count += 1);
        tokio::time::sleep(LISTEN_AGAIN).await;
    }
}

/// Hears what is announced, and shows who is present, until the connection is lost.
async fn attend(
    listener: &mut PgListener,
    channel: &str,
    ticks: &watch::Sender<u64>,
    presence: &Presence,
) -> Result<(), sqlx::Error> {
    let mut groups = presence.watch();
    groups.mark_changed();
    loop {
        ticks.send_modify(|count| *count += 1);
        tokio::select! {
            heard = listener.try_recv() => if heard?.is_none() { return Ok(()) },
            _ = groups.changed() => {
                let shown = groups.borrow_and_update().keys().cloned().collect();
                presence::show(listener, channel, shown).await?;
            }
        }
    }
}
