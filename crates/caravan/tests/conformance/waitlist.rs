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
    let row = world.beside.store.waiting(new.id).await.unwrap().unwrap();
    assert_eq!((row.purchase_id, row.waitlisted_at), (new.id, now()));
    assert_eq!((row.seen_version, row.receipt.as_str()), (4, r#"{"seen":4}"#));
    world.conflict(waits(vec![waitlisting(purchase("pay_none", "").id, now(), 1)])).await;
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
