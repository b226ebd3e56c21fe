use caravan::platform::transaction::{Effects, TrainerTouch};
use caravan_domain::purchase::PurchaseStatus;
use jiff::Timestamp;
use jiff::civil::date;

use crate::world::{
    START, World, allocation, allocations, effects, instant, lesson, new_trainers, now, purchase, purchases, slot,
    waitlisting,
};

pub(crate) async fn a_waiting_purchase_is_bound_once(world: &World) {
    let new = purchase("pay_1", "stu_1");
    world.commit(new_trainers(&["trn_1", "trn_2"])).await;
    world.commit(purchases(vec![new.clone()])).await;
    let waiting = Effects { waitlistings: vec![waitlisting(new.id, now(), 1)], ..Effects::default() };
    world.commit(effects(waiting.clone())).await;
    let made = allocation(&new, "trn_1", lesson(instant("2026-12-01T11:30:00Z"), 60));
    world.commit(allocations(vec![made.clone()])).await;

    let read = world.purchase(new.id).await;
    assert_eq!((read.status, read.start_date, read.generations), (PurchaseStatus::Allocated, Some(START), 1));
    let bound = read.allocation.unwrap();
    assert_eq!((bound.id, bound.trainer_id.as_str(), bound.allocated_at), (made.id, "trn_1", now()));
    assert_eq!((bound.start_date, bound.slots, bound.skipped), (START, vec![slot()], vec![date(2026, 12, 8)]));
    assert_eq!(world.here.store.receipt(made.purchase_id).await.unwrap().as_deref(), Some(r#"{"candidates":3}"#));
    assert!(world.here.store.waiting(&[new.id]).await.unwrap().is_empty(), "it waits no longer");

    let mut other = allocation(&new, "trn_2", lesson(instant("2026-12-02T11:30:00Z"), 60));
    other.id = caravan_domain::ids::allocation_id(new.id, 2);
    world.conflict(allocations(vec![other])).await;
    world.conflict(effects(waiting)).await;
    assert_eq!(world.purchase(new.id).await.allocation.unwrap().id, made.id);
}

pub(crate) async fn a_trainer_at_another_version_makes_it_look_again(world: &World) {
    world.commit(new_trainers(&["trn_1", "trn_2", "trn_3"])).await;
    let touch = |id: &str, version| TrainerTouch { trainer_id: id.to_owned(), version, share: 7 };
    let touches = |trainers| effects(Effects { trainers, ..Effects::default() });
    world.commit(touches(vec![touch("trn_1", 1), touch("trn_2", 1)])).await;
    let rows = world.here.store.trainers(&["trn_1".to_owned()], Timestamp::MIN).await.unwrap();
    assert_eq!((rows[0].version, rows[0].share), (2, Some(7)));

    let named = world.conflict(touches(vec![touch("trn_1", 1), touch("trn_2", 2), touch("trn_3", 1)])).await;
    assert_eq!(named, ["trn_1"], "only who changed is to be read again");
    assert_eq!(world.conflict(touches(vec![touch("trn_9", 1)])).await, ["trn_9"]);
    let ids = ["trn_2", "trn_3"].map(str::to_owned);
    let versions: Vec<_> =
        world.here.store.trainers(&ids, Timestamp::MIN).await.unwrap().iter().map(|row| row.version).collect();
    assert_eq!(versions, [2, 1]);
}

pub(crate) async fn a_student_goes_on_with_whom_they_learned_last(world: &World) {
    world.commit(new_trainers(&["trn_1", "trn_2"])).await;
    for (payment, trainer, day, at) in [
        ("pay_1", "trn_1", 1, "2026-11-20T10:00:00Z"),
        ("pay_2", "trn_2", 2, "2026-11-21T10:00:00Z"),
        ("pay_3", "trn_1", 3, "2026-11-19T10:00:00Z"),
    ] {
        let new = purchase(payment, "stu_1");
        world.commit(purchases(vec![new.clone()])).await;
        let mut made = allocation(&new, trainer, lesson(instant(&format!("2026-12-0{day}T11:30:00Z")), 60));
        made.allocated_at = instant(at);
        world.commit(allocations(vec![made])).await;
    }
    let asked = [("stu_1", "python"), ("stu_1", "rust"), ("stu_2", "python")]
        .map(|(student, subject)| (student.to_owned(), subject.to_owned()));
    let found = world.here.store.previous_trainers(&asked).await.unwrap();
    assert_eq!(found, [(asked[0].clone(), "trn_2".to_owned())], "the latest allocation counts");
}
