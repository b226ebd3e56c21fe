//! Bugs on purpose: each must be found by the checks, or the checks are not worth having.

use crate::seeds;

/// A bug of the platform, switched on for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Planted {
    /// Positions advance whatever they were.
    PositionUnchecked,
    /// What a transaction tells is told even if it is refused.
    ToldOutside,
    /// Outbox rows are forgotten before they are published.
    ForgottenFirst,
    /// A republication has another `ce_id`.
    FreshEventId,
    /// The trainer's version is not compared.
    TrainerVersionUnchecked,
    /// Time that is taken can be taken again.
    ReservationsUnchecked,
    /// The position advances in a transaction before the effects.
    PositionFirst,
    /// What is set aside after a batch was split is lost.
    DeadLetterDropped,
    /// A cached answer is kept although an invalidation came between.
    FillUnchecked,
    /// An extension lowers the horizon.
    HorizonLowered,
    /// Nobody on the waitlist is looked at again.
    WaitlistForgotten,
}

/// How many seeds a planted bug may need to show.
const SEEDS: std::ops::Range<u64> = 0..200;

/// The same seeds are clean without the bug: `seeds::the_guarantees_hold_whatever_happens` runs them.
fn is_caught(planted: Planted, guarantees: &[&str]) {
    for seed in SEEDS {
        let report = seeds::run(seed, Some(planted), false);
        if let Some(first) = report.violations.first() {
            let named = guarantees.iter().any(|guarantee| first.starts_with(guarantee));
            assert!(named, "{planted:?} shows in seed {seed} as something else: {first}");
            return;
        }
    }
    panic!("{planted:?} goes unnoticed in seeds {SEEDS:?}");
}

macro_rules! caught {
    ($($test:ident: $planted:ident as $guarantees:expr;)*) => {
        $(#[test]
        fn $test() {
            is_caught(Planted::$planted, &$guarantees);
        })*
    };
}

caught! {
    a_position_that_is_not_compared_is_caught: PositionUnchecked as ["once", "nothing-vanishes"];
    an_event_told_outside_its_transaction_is_caught: ToldOutside as ["once", "nothing-vanishes", "never quiet"];
    an_outbox_row_forgotten_before_it_is_published_is_caught: ForgottenFirst as ["once", "nothing-vanishes"];
    an_event_with_a_fresh_id_each_time_is_caught: FreshEventId as ["once", "nothing-vanishes"];
    a_trainer_version_that_is_not_compared_is_caught: TrainerVersionUnchecked as ["whole-plan-fits", "no-double-booking"];
    time_that_is_taken_twice_is_caught: ReservationsUnchecked as ["no-double-booking", "whole-plan-fits"];
    a_position_that_advances_before_the_effects_is_caught: PositionFirst as ["nothing-vanishes", "once"];
    a_dead_letter_of_a_split_batch_that_is_dropped_is_caught: DeadLetterDropped as ["nothing-vanishes"];
    a_cached_answer_kept_without_its_token_is_caught: FillUnchecked as ["freshness"];
    a_lowered_horizon_is_caught: HorizonLowered as ["rolling-window"];
    a_waitlist_nobody_looks_at_is_caught: WaitlistForgotten as ["waitlist", "never quiet"];
}
