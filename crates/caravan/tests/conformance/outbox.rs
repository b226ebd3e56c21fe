use caravan::platform::rows::OutboxDepth;
use caravan::platform::transaction::Transaction;
use caravan_domain::event::Topic;

use crate::world::{World, record};

pub(crate) async fn rows_come_in_order_until_they_are_forgotten(world: &World) {
    let records: Vec<_> =
        (0..700).map(|number| record(Topic::PurchaseCreated, Some("k"), &number.to_string())).collect();
    for part in records.chunks(350) {
        world.commit(Transaction { outbox: part.to_vec(), ..Transaction::default() }).await;
    }
    let rows = world.beside.store.outbox(1_000).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.record.clone()).collect::<Vec<_>>(), records);
    let first = world.beside.store.outbox(10).await.unwrap();
    let ids: Vec<_> = first.iter().map(|row| row.id).collect();
    world.beside.store.forget(&ids).await.unwrap();
    world.beside.store.forget(&ids).await.unwrap();
    assert_eq!(world.here.store.outbox(1).await.unwrap()[0].record, records[10]);
    assert_eq!(world.here.store.totals().await.unwrap().outbox, 690);
    let (topic, oldest) = (Topic::PurchaseCreated, records[0].timestamp);
    assert_eq!(world.beside.store.outbox_depths().await.unwrap(), [OutboxDepth { topic, rows: 690, oldest }]);

    let all: Vec<_> = world.here.store.outbox(1_000).await.unwrap().iter().map(|row| row.id).collect();
    world.here.store.forget(&all).await.unwrap();
    world.commit(Transaction { outbox: records[..1].to_vec(), ..Transaction::default() }).await;
    world.here.store.forget(&all).await.unwrap();
    assert_eq!(world.here.store.totals().await.unwrap().outbox, 1, "forgetting twice hits nothing new");
}
