//! Fairness: every trainer gets work in proportion to their weight.
//!
//! A trainer's *share* is the work they have been given, divided by their weight: virtual time, as in stride
//! scheduling. Whoever's is lowest is next. Somebody new, or back from leave, starts at their peers' level instead of
//! being flooded until they have caught up with years of work.

/// What one session adds to the share of a trainer of weight 1.
pub const SHARE_PER_SESSION: i64 = 100_000;

/// What a plan of so many sessions adds to the share of a trainer of this weight (0 counts as 1).
pub fn increment(sessions: u16, weight: u32) -> i64 {
    i64::from(sessions) * SHARE_PER_SESSION / i64::from(weight.max(1))
}

/// Where a course's trainers stand, seen by a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level {
    /// Their mean share.
    pub(crate) share: i64,
    /// What the plan adds to the share of somebody of mean weight.
    pub(crate) increment: i64,
}

/// The share a trainer is judged by: their own, but at most one plan behind their peers.
///
/// Trainers of little weight rise in great steps, and stand half a step above the lowest share on average. So somebody
/// of great weight may be as far behind as a plan takes somebody of mean weight, else they would never catch up.
/// Without peers there is no level, and somebody without a share starts at 0.
pub(crate) fn effective(share: Option<i64>, level: Option<Level>, increment: i64) -> i64 {
    match level {
        Some(level) => share.unwrap_or(i64::MIN).max(level.share.saturating_sub(level.increment.max(increment))),
        None => share.unwrap_or(0),
    }
}

/// The shares of a course's active trainers who have one, kept as sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Peers {
    /// Of share times weight: of the work itself.
    work: i128,
    weight: i64,
    count: i64,
}

impl Peers {
    /// Where they stand, for a plan of so many sessions; `None` if there are none. Both means are by weight.
    pub(crate) fn level(self, sessions: u16) -> Option<Level> {
        (self.count > 0).then(|| Level {
            share: self.work.div_euclid(i128::from(self.weight)) as i64,
            increment: i64::from(sessions) * SHARE_PER_SESSION * self.count / self.weight,
        })
    }

    /// The share of a peer of this weight goes from `before` to `after`.
    pub(crate) fn change(&mut self, weight: u32, before: Option<i64>, after: Option<i64>) {
        let weight = i64::from(weight.max(1));
        let more = i64::from(after.is_some()) - i64::from(before.is_some());
        self.work += i128::from(weight) * (i128::from(after.unwrap_or(0)) - i128::from(before.unwrap_or(0)));
        self.weight += weight * more;
        self.count += more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_new_is_one_plan_behind_their_peers() {
        for (share, level, expected) in [
            (None, None, 0),
            (Some(7), None, 7),
            (None, Some(1_000), 900),
            (Some(10), Some(1_000), 900),
            (Some(950), Some(1_000), 950),
            (Some(2_000), Some(1_000), 2_000),
        ] {
            let level = level.map(|share| Level { share, increment: 100 });
            assert_eq!(effective(share, level, 100), expected);
        }
    }

    #[test]
    fn twice_the_weight_is_half_the_share() {
        assert_eq!(increment(24, 100), 24_000);
        assert_eq!(increment(24, 200), 12_000);
        assert_eq!(increment(24, 0), 2_400_000);
    }
}
