//! The audit finds nothing on data that the workers made, and finds every damage that is done to
//! it: in the guarantee it breaks, by the id of what was damaged, and nowhere else.

mod checks;
mod damages;
mod ground;
mod made;
#[path = "../support/services.rs"]
mod services;
mod topologies;

/// One test for each check on each topology.
macro_rules! audit {
    ($($topology:ident),*) => {$(
        mod $topology {
            audit! { @checks $topology:
                what_the_workers_made_holds_every_guarantee,
                what_retention_has_dropped_is_not_missed,
                every_damage_breaks_its_guarantees_and_no_other,
                what_others_append_to_the_log_is_found_there,
                what_changes_after_an_allocation_is_a_conflict_and_no_violation,
                many_problems_are_all_counted_and_some_of_them_shown
            }
        }
    )*};
    (@checks $topology:ident: $($check:ident),*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $check() {
            crate::checks::$check::<crate::topologies::$topology::Data>().await;
        }
    )*};
}

audit! { embedded, distributed }
