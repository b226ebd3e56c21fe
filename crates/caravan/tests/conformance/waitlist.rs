use caravan::platform::transaction::Effects;
use caravan_domain::purchase::PurchaseStatus;

use crate::world::{World, effects, minutes_later, now, purchase, purchases, waitlisting};

fn waits(
    waitlistings: Vec<caravan::platform::transaction::NewWaitlisting>,
) -> caravan::platform::transaction::Transaction {
    effects(Effects { waitlistings, ..Effects::default() })
}

pub(crate) async fn the_first_time_stands_and_the_rest_is_the_latest(world: &World) {
    let new = purchase("pay_1", "stu_1");
    world.commit(purchases(vec![new.clone()])).await;
    world.commit(waits(vec![waitlisting(new.id, now(), 1)])).await;
    world.commit(waits(vec![waitlisting(new.id, minutes_later(now(), 60), 4)])).await;
    assert_eq!(world.purchase(new.id).await.status, PurchaseStatus::Waitlisted);
    let row = world.beside.store.waiting(&[new.id]).await.unwrap().remove(0);
    assert_eq!((row.purchase_id, row.waitlisted_at), (new.id, now()));
    assert_eq!((row.seen_version, row.receipt.as_str()), (4, r#"{"seen":4}"#));
    world.conflict(waits(vec![waitlisting(purchase("pay_none", "").id, now(), 1)])).await;
}

pub(crate) async fn it_pages_by_since_when_and_is_read_of_many_at_once(world: &World) {
    let mut ids = Vec::new();
    // Two of them have been waiting since the same moment.
    for (payment, minutes) in [("pay_d", 30), ("pay_a", 10), ("pay_b", 20), ("pay_c", 20)] {
        let new = purchase(payment, "stu_1");
        world.commit(purchases(vec![new.clone()])).await;
        world.commit(waits(vec![waitlisting(new.id, minutes_later(now(), minutes), minutes)])).await;
        ids.push(new.id);
    }
    let store = &world.beside.store;
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = store.list_waiting(after, 1).await.unwrap();
        let Some(last) = page.last() else { break };
        assert_eq!(page.len(), 1);
        after = Some((last.waitlisted_at, last.purchase_id));
        listed.extend(page);
    }
    let mut expected = [(10, ids[1]), (20, ids[2]), (20, ids[3]), (30, ids[0])];
    expected.sort();
    let places: Vec<_> = listed.iter().map(|waiting| (waiting.seen_version, waiting.purchase_id)).collect();
    assert_eq!(places, expected);
    assert!(listed.iter().all(|waiting| waiting.waitlisted_at == minutes_later(now(), waiting.seen_version)));
    assert_eq!(listed[3].receipt, r#"{"seen":30}"#);
    assert_eq!(store.list_waiting(None, 3).await.unwrap().len(), 3);

    let mut found = store.waiting(&[ids[3], purchase("pay_none", "").id, ids[0]]).await.unwrap();
    found.sort_by_key(|waiting| waiting.seen_version);
    assert_eq!(found.iter().map(|waiting| waiting.purchase_id).collect::<Vec<_>>(), [ids[3], ids[0]]);
    assert!(store.waiting(&[]).await.unwrap().is_empty());
}

pub(crate) async fn those_below_a_version_come_oldest_first(world: &World) {
    // Recorded in another order than they began to wait.
    for (payment, minutes, seen) in [("pay_c", 30, 1), ("pay_a", 10, 1), ("pay_d", 40, 3), ("pay_b", 20, 2)] {
        let new = purchase(payment, "stu_1");
        world.commit(purchases(vec![new.clone()])).await;
        world.commit(waits(vec![waitlisting(new.id, minutes_later(now(), minutes), seen)])).await;
    }
    let below = async |version, limit| {
        let found = world.beside.store.waiting_below(version, limit).await.unwrap();
        found.into_iter().map(|purchase| purchase.confirmation.payment_id).collect::<Vec<_>>()
    };
    assert_eq!(below(1, 99).await, [""; 0]);
    assert_eq!(below(2, 99).await, ["pay_a", "pay_c"]);
    assert_eq!(below(4, 99).await, ["pay_a", "pay_b", "pay_c", "pay_d"]);
    assert_eq!(below(4, 2).await, ["pay_a", "pay_b"]);
}
