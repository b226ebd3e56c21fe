//! Pauses after failures: doubling, bounded, with jitter.

use std::ops::ControlFlow;
use std::time::Duration;

use futures::future::{Either, select};
use tracing::warn;

use super::{Policy, Stop};
use crate::platform::Platform;

/// The pauses of one task.
#[derive(Debug)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    failures: u32,
    seed: u64,
}

impl Backoff {
    /// Pauses by the policy; `task` tells the jitter of one task from another's.
    pub fn new(policy: &Policy, task: u64) -> Self {
        let seed = policy.jitter_seed ^ task.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self { min: policy.backoff_min, max: policy.backoff_max, failures: 0, seed }
    }

    /// Something succeeded: the next failure is a first one.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// The next pause: between half and all of `min * 2^failures`, at most `max`.
    pub fn next_pause(&mut self) -> Duration {
        let full = self.min.saturating_mul(1 << self.failures.min(20)).min(self.max);
        self.failures = self.failures.saturating_add(1);
        self.seed = split_mix(self.seed);
        let share = (self.seed >> 11) as f64 / (1_u64 << 53) as f64;
        full.mul_f64(0.5 + share / 2.0)
    }

    /// Tells the environment's problem (once a row of failures, and again at the longest pauses)
    /// and waits; breaks if stopped meanwhile.
    pub async fn pause(&mut self, platform: &Platform, stop: &Stop, problem: &str, task: &str) -> ControlFlow<()> {
        let first = self.failures == 0;
        let pause = self.next_pause();
        if first || pause * 2 > self.max {
            warn!(task, problem, "waiting for it to pass; nothing is lost, the same work is tried again");
        }
        match select(platform.clock.sleep(pause), std::pin::pin!(stop.requested())).await {
            Either::Left(_) => ControlFlow::Continue(()),
            Either::Right(_) => ControlFlow::Break(()),
        }
    }
}

/// One step of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
/// 2014): enough to keep tasks from retrying in step.
fn split_mix(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_begin_anew_after_a_success() {
        let policy = Policy::default();
        let mut backoff = Backoff::new(&policy, 1);
        for failures in 0..40_u32 {
            let full = policy.backoff_min.saturating_mul(1 << failures.min(20)).min(policy.backoff_max);
            let pause = backoff.next_pause();
            assert!(pause >= full / 2 && pause <= full, "{failures}: {pause:?} of {full:?}");
        }
        backoff.reset();
        assert!(backoff.next_pause() <= policy.backoff_min);
    }
}
