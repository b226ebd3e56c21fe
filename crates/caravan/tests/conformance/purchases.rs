use caravan_domain::purchase::PurchaseStatus;
use uuid::Uuid;

use crate::world::{World, now, purchase, purchases};

pub(crate) async fn a_purchase_is_recorded_once_and_read_as_it_was(world: &World) {
    let recorded = purchase("pay_1", "stu_1");
    world.commit(purchases(vec![recorded.clone()])).await;
    let read = world.purchase(recorded.id).await;
    assert_eq!((read.status, read.created_at), (PurchaseStatus::Created, now()));
    assert_eq!(read.confirmation, recorded.confirmation);
    assert!(read.allocation.is_none() && read.start_date.is_none() && read.horizon.is_none());
    assert_eq!(read.generations, 0);

    world.conflict(purchases(vec![purchase("pay_2", "stu_1"), recorded.clone()])).await;
    world.conflict(purchases(vec![purchase("pay_3", "stu_1"), purchase("pay_3", "stu_1")])).await;
    let ids = [recorded.id, purchase("pay_2", "stu_1").id, Uuid::nil()];
    assert_eq!(world.beside.store.purchases(&ids).await.unwrap().len(), 1, "only what exists");
}

pub(crate) async fn unusual_texts_survive(world: &World) {
    let texts = ["', --", "\u{1f600}", "\\\"\n\t", "ÄÖÜ ß", "%_?1", "{}[]"];
    let new: Vec<_> = texts
        .iter()
        .map(|text| {
            let mut new = purchase(&format!("pay {text}"), &format!("stu {text}"));
            new.confirmation.student.name = Some((*text).to_owned());
            new.confirmation.metadata.insert((*text).to_owned(), (*text).to_owned());
            new
        })
        .collect();
    world.commit(purchases(new.clone())).await;
    for expected in new {
        assert_eq!(world.purchase(expected.id).await.confirmation, expected.confirmation);
    }
}
