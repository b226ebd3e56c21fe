use std::sync::Arc;

use caravan::platform::transaction::CommitError;
use caravan_domain::purchase::PurchaseStatus;
use jiff::Timestamp;

use crate::world::{World, allocation, allocations, instant, lesson, minutes_later, new_trainers, purchase, purchases};

const NINE: &str = "2026-12-01T09:00:00Z";

/// Times that overlap a lesson of an hour at nine, each in its own way.
const SHIFTED: [(i64, i64); 8] = [(0, 60), (-15, 30), (-45, 60), (15, 15), (30, 60), (45, 60), (-60, 240), (55, 15)];

pub(crate) async fn shifted_overlaps_of_a_trainer_are_refused(world: &World) {
    world.commit(new_trainers(&["trn_1"])).await;
    let first = purchase("pay_1", "stu_1");
    world.commit(purchases(vec![first.clone()])).await;
    world.commit(allocations(vec![allocation(&first, "trn_1", lesson(instant(NINE), 60))])).await;
    for (number, (shift, minutes)) in (2..).zip(SHIFTED) {
        let other = purchase(&format!("pay_{number}"), &format!("stu_{number}"));
        world.commit(purchases(vec![other.clone()])).await;
        let overlapping = allocation(&other, "trn_1", lesson(minutes_later(instant(NINE), shift), minutes));
        for store in [&world.here.store, &world.beside.store] {
            match store.commit(&allocations(vec![overlapping.clone()])).await {
                Err(CommitError::Conflict { trainers, .. }) => assert_eq!(trainers, ["trn_1"]),
                other => panic!("{shift} min for {minutes} min: {other:?}"),
            }
        }
        assert_eq!(world.purchase(other.id).await.status, PurchaseStatus::Created);
    }
}

pub(crate) async fn shifted_overlaps_of_a_student_are_refused(world: &World) {
    world.commit(new_trainers(&["trn_1", "trn_2"])).await;
    let first = purchase("pay_1", "stu_1");
    world.commit(purchases(vec![first.clone()])).await;
    world.commit(allocations(vec![allocation(&first, "trn_1", lesson(instant(NINE), 60))])).await;
    for (number, (shift, minutes)) in (2..).zip(SHIFTED) {
        let other = purchase(&format!("pay_{number}"), "stu_1");
        world.commit(purchases(vec![other.clone()])).await;
        let overlapping = allocation(&other, "trn_2", lesson(minutes_later(instant(NINE), shift), minutes));
        assert_eq!(world.conflict(allocations(vec![overlapping])).await, ["trn_2"]);
    }
    let reserved = world.here.store.student_calendars(&["stu_1".to_owned()], Timestamp::MIN).await.unwrap();
    assert_eq!(reserved, [("stu_1".to_owned(), lesson(instant(NINE), 60))]);
}

pub(crate) async fn times_that_only_touch_are_not(world: &World) {
    world.commit(new_trainers(&["trn_1"])).await;
    // Before, after, a week later, 64 weeks later, and before 1970 as far as bits go.
    for (number, shift) in [0, -60, 60, 7 * 24 * 60, 64 * 7 * 24 * 60, -(64 * 50) * 7 * 24 * 60].into_iter().enumerate()
    {
        let new = purchase(&format!("pay_{number}"), "stu_1");
        world.commit(purchases(vec![new.clone()])).await;
        let starts_at = minutes_later(instant(NINE), shift);
        world.commit(allocations(vec![allocation(&new, "trn_1", lesson(starts_at, 60))])).await;
    }
    let trainer = world.beside.store.trainers(&["trn_1".to_owned()], Timestamp::MIN).await.unwrap().remove(0);
    let lessons: u32 = trainer.calendar.iter().map(|time| time.starts.count_ones()).sum();
    let quarters: u32 = trainer.calendar.iter().map(|time| time.busy.count_ones()).sum();
    assert_eq!((lessons, quarters), (6, 24));
    assert!(trainer.calendar.is_sorted_by_key(|time| time.key));
}

pub(crate) async fn one_transaction_cannot_book_a_time_twice(world: &World) {
    world.commit(new_trainers(&["trn_1", "trn_2"])).await;
    let (first, second) = (purchase("pay_1", "stu_1"), purchase("pay_2", "stu_2"));
    world.commit(purchases(vec![first.clone(), second.clone()])).await;
    let of = |new, minutes| allocation(new, "trn_1", lesson(minutes_later(instant(NINE), minutes), 60));
    assert_eq!(world.conflict(allocations(vec![of(&first, 0), of(&second, 45)])).await, ["trn_1"]);
    world.commit(allocations(vec![of(&first, 0), of(&second, 60)])).await;
}

pub(crate) async fn of_many_racers_from_two_sides_one_wins(world: &World) {
    const RACERS: i64 = 16;
    world.commit(new_trainers(&["trn_1"])).await;
    let racers: Vec<_> =
        (0..RACERS).map(|number| purchase(&format!("pay_{number}"), &format!("stu_{number}"))).collect();
    world.commit(purchases(racers.clone())).await;
    let races = (0..).zip(racers).map(|(number, new)| {
        let side = if number % 2 == 0 { &world.here } else { &world.beside };
        let store = Arc::clone(&side.store);
        // All of them share the quarter hour from 9:45.
        let time = lesson(minutes_later(instant(NINE), number % 4 * 15), 60);
        tokio::spawn(async move { store.commit(&allocations(vec![allocation(&new, "trn_1", time)])).await })
    });
    let mut won = 0;
    for race in races.collect::<Vec<_>>() {
        match race.await.unwrap() {
            Ok(()) => won += 1,
            Err(CommitError::Conflict { trainers, .. }) => assert_eq!(trainers, ["trn_1"]),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(world.here.store.totals().await.unwrap().purchases["allocated"], 1);
}

pub(crate) async fn what_is_long_over_is_left_out_where_it_is_not_asked_for(world: &World) {
    const WEEKS_64: i64 = 64 * 7 * 24 * 60;
    world.commit(new_trainers(&["trn_1"])).await;
    for (number, shift) in [-2 * WEEKS_64, 0].into_iter().enumerate() {
        let new = purchase(&format!("pay_{number}"), "stu_1");
        world.commit(purchases(vec![new.clone()])).await;
        let starts_at = minutes_later(instant(NINE), shift);
        world.commit(allocations(vec![allocation(&new, "trn_1", lesson(starts_at, 60))])).await;
    }
    let (store, ids, recent) = (&world.here.store, ["trn_1".to_owned()], lesson(instant(NINE), 60));
    let from = minutes_later(instant(NINE), -60);
    assert_eq!(store.trainers(&ids, from).await.unwrap()[0].calendar, recent);
    assert_eq!(store.roster_changes(None, from).await.unwrap().trainers[0].calendar, recent);
    let students = store.student_calendars(&["stu_1".to_owned()], from).await.unwrap();
    assert_eq!(students, [("stu_1".to_owned(), recent)]);
}
