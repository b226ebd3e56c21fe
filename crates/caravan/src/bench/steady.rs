//! Latency at a steady rate: from publishing a payment until its sessions can be read.
//!
//! A backlog tells nothing about it: there a payment waits for all those before it. So the
//! workers run, payments come one by one at a fixed rate, and a reader beside them looks
//! whenever the database has changed. What the looking takes is part of the number.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use caravan_domain::purchase::PurchaseStatus;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use super::{Bench, BenchError};
use crate::engine::{Stats, Stop};
use crate::platform::Platform;
use crate::workers::{self, WorkerKind};

/// Payments a second.
pub(super) const RATE: u32 = 50;
/// How long the reader waits for a change at most.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// How long after the last payment it gives up on those that are still out.
const PATIENCE: Duration = Duration::from_secs(30);

/// Measures; returns the latencies, sorted.
pub(super) async fn measure(bench: &Bench<'_>) -> Result<Vec<Duration>, BenchError> {
    let (stop, stats) = (Stop::new(), Arc::new(Stats::default()));
    let options = bench.run_options(false);
    let running = workers::run(bench.platform, options, &stop, &stats);
    let measuring = async {
        let latencies = under_way(bench, &stats).await;
        stop.request();
        latencies
    };
    let (ran, latencies) = tokio::join!(running, measuring);
    ran?;
    latencies
}

async fn under_way(bench: &Bench<'_>, stats: &Stats) -> Result<Vec<Duration>, BenchError> {
    let (sent, sending) = tokio::sync::mpsc::unbounded_channel();
    wait_for_workers(stats).await;
    let (published, latencies) = tokio::join!(publish(bench, sent), observe(bench.platform, sending));
    published?;
    latencies
}

/// Until every worker has found nothing left to do: their pictures are read then.
async fn wait_for_workers(stats: &Stats) {
    let begun = Instant::now();
    let all_idle = || WorkerKind::ALL.iter().all(|kind| stats.worker(kind.spec().name).idle.load(Ordering::SeqCst));
    while !all_idle() && begun.elapsed() < PATIENCE {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

type Sent = (Uuid, Instant);

async fn publish(bench: &Bench<'_>, sent: tokio::sync::mpsc::UnboundedSender<Sent>) -> Result<(), BenchError> {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / RATE);
    // A late payment must not push the later ones back: the rate is the shop's, not ours.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for number in 0..u64::from(RATE * bench.options.steady_seconds) {
        ticks.tick().await;
        let payment = bench.workload.payment("steady", number, bench.platform.clock.now());
        let (id, begun) = (payment.purchase_id, Instant::now());
        bench.platform.log.publish(&[super::record(payment, bench.platform.clock.now())]).await?;
        // The observer only goes when it has seen the last one.
        let _ = sent.send((id, begun));
        bench.progress.advance(1);
    }
    Ok(())
}

async fn observe(
    platform: &Platform,
    mut sending: tokio::sync::mpsc::UnboundedReceiver<Sent>,
) -> Result<Vec<Duration>, BenchError> {
    let mut out: HashMap<Uuid, Instant> = HashMap::new();
    let mut latencies = Vec::new();
    let mut last_sent = Instant::now();
    while last_sent.elapsed() < PATIENCE {
        loop {
            match sending.try_recv() {
                Ok((id, begun)) => {
                    out.insert(id, begun);
                    last_sent = Instant::now();
                }
                Err(tokio::sync::mpsc::error::TryRecvError::Empty) => break,
                Err(tokio::sync::mpsc::error::TryRecvError::Disconnected) if out.is_empty() => {
                    latencies.sort_unstable();
                    return Ok(latencies);
                }
                Err(tokio::sync::mpsc::error::TryRecvError::Disconnected) => break,
            }
        }
        let seen = platform.store.changes().await;
        look(platform, &mut out, &mut latencies).await?;
        platform.store.changed_since(seen, LOOK_AGAIN).await;
    }
    latencies.sort_unstable();
    Ok(latencies)
}

/// Takes out the purchases whose sessions are there; those nobody fits are taken out uncounted.
async fn look(
    platform: &Platform,
    out: &mut HashMap<Uuid, Instant>,
    latencies: &mut Vec<Duration>,
) -> Result<(), BenchError> {
    if out.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = out.keys().copied().collect();
    let purchases = platform.store.purchases(&ids).await?;
    let seen = Instant::now();
    for purchase in purchases {
        if purchase.horizon.is_some() {
            latencies.extend(out.remove(&purchase.id).map(|begun| seen.duration_since(begun)));
        } else if purchase.status == PurchaseStatus::Waitlisted {
            out.remove(&purchase.id);
        }
    }
    Ok(())
}
