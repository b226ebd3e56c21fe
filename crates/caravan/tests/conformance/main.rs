//! What any platform must hold, as suites that know nothing of the topology they run on.

mod allocations;
mod atomicity;
mod cache;
mod cancellations;
mod dead_letters;
mod desk;
mod double_booking;
mod leases;
mod lists;
mod log;
#[path = "../support/mocked.rs"]
mod mocked_services;
mod notes;
mod outbox;
mod pools;
mod positions;
mod purchases;
mod refunds;
mod replanning;
mod roster;
#[path = "../support/services.rs"]
mod services;
mod session_changes;
mod subscriptions;
mod time_data;
mod topologies;
mod waitlist;
mod windows;
mod world;

/// One test for each suite on each topology: `conformance! { embedded }`.
macro_rules! conformance {
    ($($topology:ident),*) => {$(
        mod $topology {
            conformance! { @suites $topology }
            conformance! { @suites_of_brokers $topology }
        }
    )*};
    (@suites $topology:ident) => {
        conformance! { @tests $topology:
            allocations::a_waiting_purchase_is_bound_once;
            allocations::a_trainer_at_another_version_makes_it_look_again;
            allocations::a_student_goes_on_with_whom_they_learned_last;
            atomicity::whatever_part_fails_nothing_stays;
            atomicity::everything_together_is_there_when_it_returns;
            cache::answers_are_kept_until_they_are_invalidated;
            cache::a_fill_that_began_before_an_invalidation_is_refused;
            cache::no_race_leaves_an_outdated_answer;
            cancellations::what_is_not_held_leaves_the_calendar_and_its_time_is_free;
            cancellations::one_without_a_trainer_stops_waiting;
            cancellations::what_changed_meanwhile_makes_it_look_again;
            notes::what_people_decide_is_kept_at_a_revision_of_its_own;
            notes::of_an_unknown_purchase_nothing_is_kept;
            dead_letters::there_is_one_for_each_record_and_group;
            dead_letters::a_replay_tells_of_it_only_once;
            dead_letters::each_is_redriven_once;
            dead_letters::they_are_found_by_what_people_ask_for;
            dead_letters::those_that_wait_are_told_by_reason_and_topic;
            desk::a_token_is_made_once_and_revoked_for_good;
            desk::whoever_signed_in_is_known_until_they_sign_out;
            desk::a_feed_is_found_by_what_its_secret_is_known_by;
            desk::an_order_is_paid_by_one_payment;
            desk::the_first_answer_stands_with_its_effect;
            desk::what_is_old_is_forgotten_and_nothing_else;
            double_booking::shifted_overlaps_of_a_trainer_are_refused;
            double_booking::shifted_overlaps_of_a_student_are_refused;
            double_booking::times_that_only_touch_are_not;
            double_booking::one_transaction_cannot_book_a_time_twice;
            double_booking::what_is_long_over_is_left_out_where_it_is_not_asked_for;
            double_booking::of_many_racers_from_two_sides_one_wins;
            leases::one_holds_it_until_it_ends_or_is_given_back;
            lists::purchases_page_in_the_order_of_their_recording;
            lists::purchases_page_from_the_newest_as_well;
            lists::what_was_recorded_is_counted_between_bounds;
            lists::what_waits_for_a_person_is_counted_with_its_oldest;
            lists::sessions_page_by_start_and_are_found_by_whose_they_are;
            lists::what_is_not_fulfilled_pages_by_since_when;
            lists::totals_count_everything;
            log::topics_are_created_once_and_keep_their_identity;
            log::a_key_keeps_its_order_in_the_partition_java_chooses;
            log::records_without_a_key_are_spread;
            log::records_come_back_as_they_were;
            log::fetch_goes_by_time_across_partitions_within_its_limits;
            log::a_large_record_comes_alone;
            log::changes_of_the_store_wake_from_both_sides;
            outbox::rows_come_in_order_until_they_are_forgotten;
            pools::connections_are_told_by_what_they_do;
            positions::an_unknown_position_counts_as_where_it_is_said_to_be_once;
            positions::of_two_contenders_one_advances;
            positions::many_contenders_count_without_a_gap;
            positions::begin_notes_only_unknown_ones;
            positions::a_replay_moves_them_by_hand;
            purchases::a_purchase_is_recorded_once_and_read_as_it_was;
            purchases::unusual_texts_survive;
            refunds::one_is_recorded_once_and_read_as_it_was;
            refunds::what_may_return_is_read_as_that_beside_what_may_not;
            refunds::one_before_its_payment_is_not_overlooked;
            refunds::of_a_payment_and_its_refund_at_once_one_looks_again;
            refunds::parts_at_once_are_added_up;
            refunds::an_open_one_is_settled_once_and_stays_so;
            replanning::another_allocation_begins_where_the_one_before_ends;
            replanning::a_rest_decided_on_what_is_no_more_is_refused;
            replanning::a_purchase_that_waits_is_amended_once_and_keeps_what_was_reported;
            roster::an_import_is_an_upsert_by_version;
            roster::changes_are_told_since_a_version;
            roster::an_allocation_advances_the_trainer_and_not_the_roster;
            session_changes::what_is_changed_stands_so_and_whoever_reads_the_purchase_knows;
            session_changes::what_only_follows_its_plan_is_in_the_calendar_and_no_change_of_its_own;
            session_changes::a_change_decided_on_what_is_no_more_is_refused;
            session_changes::a_plan_that_is_extended_has_more_sessions_and_is_over_with_the_last;
            subscriptions::what_has_no_end_pages_by_id_and_is_never_over;
            subscriptions::one_is_reserved_further_ahead_once;
            subscriptions::one_that_changed_meanwhile_makes_it_look_again;
            subscriptions::what_clashes_pages_by_since_when;
            time_data::its_version_is_noted_by_who_knows_the_one_before;
            time_data::sessions_of_purchases_are_read_at_once;
            waitlist::the_first_time_stands_and_the_rest_is_the_latest;
            waitlist::it_pages_by_since_when_and_is_read_of_many_at_once;
            waitlist::those_below_a_version_come_oldest_first;
            windows::sessions_stand_where_the_window_was_extended;
            windows::a_window_that_moved_meanwhile_makes_it_look_again;
            windows::due_windows_page_by_id;
            windows::sessions_and_purchases_complete_when_they_are_over;
        }
    };
    // What librdkafka's mock cluster does not answer as a broker does.
    (@suites_of_brokers $topology:ident) => {
        conformance! { @tests $topology:
            // It knows no DeleteRecords, and no offset by a time.
            log::trimmed_records_leave_a_gap_that_reading_passes;
            log::trim_keeps_what_is_young_or_unread;
            // A fetch that finds nothing waits its whole time, whatever comes meanwhile.
            log::a_waiting_reader_wakes_for_records_from_both_sides;
        }
    };
    (@tests $topology:ident: $($module:ident::$suite:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $suite() {
            let world = crate::topologies::$topology::world().await;
            crate::$module::$suite(&world).await;
        }
    )*};
}

conformance! { embedded, distributed }

mod mocked {
    mod refusals;

    conformance! { @suites mocked }
}
