use caravan::platform::transaction::{Effects, Note, Transaction};
use caravan_domain::purchase::PurchaseStatus;
use uuid::Uuid;

use crate::world::{World, allocation, effects, instant, lesson, new_trainers, now, purchase, purchases};

fn note(purchase_id: Uuid) -> Note {
    let (actor, reason) = ("ann".to_owned(), "agreed by phone".to_owned());
    Note { purchase_id, kind: "allocated", changed_at: now(), actor, reason }
}

fn notes(notes: Vec<Note>) -> Transaction {
    effects(Effects { notes, ..Effects::default() })
}

pub(crate) async fn what_people_decide_is_kept_at_a_revision_of_its_own(world: &World) {
    world.commit(new_trainers(&["trn_1"])).await;
    let new = purchase("pay_1", "stu_1");
    world.commit(purchases(vec![new.clone()])).await;
    let before = world.purchase(new.id).await.revision;
    let made = allocation(&new, "trn_1", lesson(instant("2026-12-01T11:30:00Z"), 60));
    let decided = effects(Effects { allocations: vec![made], notes: vec![note(new.id)], ..Effects::default() });
    world.commit(decided.clone()).await;
    let after = world.purchase(new.id).await;
    assert_eq!((after.status, after.revision > before), (PurchaseStatus::Allocated, true));
    let changes = world.beside.store.changes_of(new.id).await.unwrap();
    let kept: Vec<_> = changes.iter().map(|change| [&change.kind, &change.actor, &change.reason]).collect();
    assert_eq!(kept, [["allocated", "ann", "agreed by phone"]]);
    assert_eq!((changes[0].changed_at, changes[0].effective_from), (now(), None));

    // Decided once more, nothing of it is kept.
    world.conflict(decided).await;
    world.commit(notes(vec![note(new.id)])).await;
    assert_eq!(world.here.store.changes_of(new.id).await.unwrap().len(), 2);
    assert_eq!(world.purchase(new.id).await.revision, after.revision + 1);
}

pub(crate) async fn of_an_unknown_purchase_nothing_is_kept(world: &World) {
    let id = purchase("pay_1", "stu_1").id;
    world.conflict(notes(vec![note(id)])).await;
    assert_eq!(world.here.store.changes_of(id).await.unwrap().len(), 0);
}
