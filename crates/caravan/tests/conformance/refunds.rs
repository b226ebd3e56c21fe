use caravan::platform::rows::{RefundFilter, RefundRow};
use caravan::platform::transaction::{
    CommitError, Effects, NewPurchase, NewRefund, PurchaseNote, RefundsChange, Settlement, Transaction,
};
use caravan_domain::ids;
use caravan_domain::purchase::Amount;
use caravan_domain::refund::{Refund, RefundState};
use uuid::Uuid;

use crate::world::{World, effects, now, purchase, purchases};

pub(crate) fn refund(purchase: &NewPurchase, refund_id: &str, state: RefundState) -> NewRefund {
    let refund = Refund {
        payment_id: purchase.confirmation.payment_id.clone(),
        item: Some("it'em".to_owned()),
        refund_id: refund_id.to_owned(),
        refunded_at: now(),
        amount: Amount { minor: i64::MAX, currency: "INR".to_owned() },
        provisional: false,
        reason: Some("moved \"abroad\"".to_owned()),
        metadata: [("agent".to_owned(), "ann".to_owned())].into(),
    };
    NewRefund { id: ids::refund_id(purchase.id, refund_id), refund, recorded_at: now(), state }
}

pub(crate) fn change(
    purchase: &NewPurchase,
    revision: Option<i64>,
    known: i64,
    refunds: Vec<NewRefund>,
) -> RefundsChange {
    RefundsChange { purchase_id: purchase.id, revision, known, refunds, became: Vec::new(), notes: Vec::new() }
}

pub(crate) fn refunds(change: RefundsChange) -> Transaction {
    effects(Effects { refunds: vec![change], ..Effects::default() })
}

fn note(revision: i64) -> PurchaseNote {
    let (actor, reason) = ("purchase-refunded".to_owned(), "refund re_1".to_owned());
    PurchaseNote { revision, kind: "refunded", changed_at: now(), actor, reason }
}

fn settlement(id: Uuid, by: &str) -> Transaction {
    let settlement = Settlement { id, at: now(), by: by.to_owned(), note: "a lesson less".to_owned() };
    effects(Effects { settled: vec![settlement], ..Effects::default() })
}

async fn of(world: &World, purchase: &NewPurchase) -> Vec<RefundRow> {
    world.here.store.refunds(&[purchase.id]).await.unwrap()
}

pub(crate) async fn one_is_recorded_once_and_read_as_it_was(world: &World) {
    let bought = purchase("pay_1", "stu_1");
    world.commit(purchases(vec![bought.clone()])).await;
    let new = refund(&bought, "re_1", RefundState::Open);
    let mut first = change(&bought, Some(1), 0, vec![new.clone()]);
    first.notes = vec![note(2)];
    world.commit(refunds(first.clone())).await;
    // It is not as it was decided on any more: neither the purchase's revision nor the refunds.
    world.conflict(refunds(first)).await;
    world.conflict(refunds(change(&bought, Some(2), 0, vec![refund(&bought, "re_2", RefundState::Open)]))).await;
    world.conflict(refunds(change(&bought, Some(1), 1, vec![refund(&bought, "re_2", RefundState::Open)]))).await;
    world.conflict(refunds(change(&bought, Some(2), 1, vec![new.clone()]))).await;

    let rows = of(world, &bought).await;
    let expected = RefundRow {
        id: new.id,
        purchase_id: bought.id,
        refund: new.refund,
        recorded_at: now(),
        state: RefundState::Open,
        settled: None,
    };
    assert_eq!(rows, [expected]);
    assert_eq!(world.purchase(bought.id).await.revision, 2);
    let changes = world.here.store.changes_of(bought.id).await.unwrap();
    assert_eq!((changes.len(), changes[0].kind.as_str(), changes[0].revision), (1, "refunded", 2));
    assert_eq!((changes[0].actor.as_str(), changes[0].reason.as_str()), ("purchase-refunded", "refund re_1"));
}

pub(crate) async fn what_may_return_is_read_as_that_beside_what_may_not(world: &World) {
    let bought = purchase("pay_1", "stu_1");
    world.commit(purchases(vec![bought.clone()])).await;
    let mut new = ["re_1", "du_1"].map(|refund_id| refund(&bought, refund_id, RefundState::Open));
    new[1].refund.provisional = true;
    world.commit(refunds(change(&bought, Some(1), 0, new.to_vec()))).await;
    let shown = |row: &RefundRow| (row.refund.refund_id.clone(), row.refund.provisional);
    let expected = [("re_1".to_owned(), false), ("du_1".to_owned(), true)];
    assert_eq!(of(world, &bought).await.iter().map(shown).collect::<Vec<_>>(), expected);
    let listed = world.here.store.list_refunds(&RefundFilter::default(), None, 10).await.unwrap();
    assert_eq!(listed.iter().map(|(_, row)| shown(row)).collect::<Vec<_>>(), expected);
}

pub(crate) async fn one_before_its_payment_is_not_overlooked(world: &World) {
    let bought = purchase("pay_1", "stu_1");
    let kept = refund(&bought, "re_1", RefundState::Kept);
    world.commit(refunds(change(&bought, None, 0, vec![kept.clone()]))).await;
    // Whoever did not know of it looks again.
    world.conflict(purchases(vec![bought.clone()])).await;
    let mut applied = change(&bought, Some(1), 1, Vec::new());
    applied.became = vec![(RefundState::Applied, vec![kept.id])];
    let whole = Effects { purchases: vec![bought.clone()], refunds: vec![applied], ..Effects::default() };
    world.commit(effects(whole)).await;
    assert_eq!(of(world, &bought).await[0].state, RefundState::Applied);
    // Nor does a refund that took the payment for unknown.
    world.conflict(refunds(change(&bought, None, 1, vec![refund(&bought, "re_2", RefundState::Kept)]))).await;
    assert_eq!(of(world, &bought).await.len(), 1);
}

pub(crate) async fn of_a_payment_and_its_refund_at_once_one_looks_again(world: &World) {
    for round in 0..20 {
        let bought = purchase(&format!("pay_{round}"), "stu_1");
        let kept = refunds(change(&bought, None, 0, vec![refund(&bought, "re_1", RefundState::Kept)]));
        let paid = purchases(vec![bought.clone()]);
        let (first, second) = tokio::join!(world.here.store.commit(&kept), world.beside.store.commit(&paid));
        let refused = [first, second].into_iter().filter_map(Result::err).collect::<Vec<_>>();
        assert!(matches!(refused.as_slice(), [CommitError::Conflict { .. }]), "{refused:?}");
    }
}

pub(crate) async fn parts_at_once_are_added_up(world: &World) {
    for round in 0..20 {
        let bought = purchase(&format!("pay_{round}"), "stu_1");
        world.commit(purchases(vec![bought.clone()])).await;
        let part = |refund_id| {
            let mut part = change(&bought, Some(1), 0, vec![refund(&bought, refund_id, RefundState::Open)]);
            part.notes = vec![note(2)];
            refunds(part)
        };
        let (one, other) = (part("re_1"), part("re_2"));
        let (first, second) = tokio::join!(world.here.store.commit(&one), world.beside.store.commit(&other));
        let refused = [first, second].into_iter().filter_map(Result::err).collect::<Vec<_>>();
        assert!(matches!(refused.as_slice(), [CommitError::Conflict { .. }]), "{refused:?}");
        assert_eq!(of(world, &bought).await.len(), 1);
    }
}

pub(crate) async fn an_open_one_is_settled_once_and_stays_so(world: &World) {
    let bought = purchase("pay_1", "stu_1");
    world.commit(purchases(vec![bought.clone()])).await;
    let new = ["re_1", "re_2"].map(|refund_id| refund(&bought, refund_id, RefundState::Open));
    world.commit(refunds(change(&bought, Some(1), 0, new.to_vec()))).await;
    world.commit(settlement(new[0].id, "ann")).await;
    world.conflict(settlement(new[0].id, "bob")).await;
    world.conflict(settlement(bought.id, "bob")).await;
    let mut applied = change(&bought, Some(1), 2, Vec::new());
    applied.became = vec![(RefundState::Applied, new.iter().map(|new| new.id).collect())];
    world.commit(refunds(applied)).await;
    let rows = of(world, &bought).await;
    let settled = rows[0].settled.as_ref().unwrap();
    assert_eq!((rows[0].state, rows[1].state), (RefundState::Settled, RefundState::Applied));
    assert_eq!((settled.by.as_str(), settled.note.as_str(), settled.at), ("ann", "a lesson less", now()));

    let listed = |filter: RefundFilter| async move {
        let found = world.here.store.list_refunds(&filter, None, 10).await.unwrap();
        found.into_iter().map(|(_, row)| row.refund.refund_id).collect::<Vec<_>>()
    };
    assert_eq!(listed(RefundFilter::default()).await, ["re_1", "re_2"]);
    assert_eq!(listed(RefundFilter { state: Some(RefundState::Applied), ..RefundFilter::default() }).await, ["re_2"]);
    assert_eq!(listed(RefundFilter { id: Some(new[0].id), ..RefundFilter::default() }).await, ["re_1"]);
    let page = world.here.store.list_refunds(&RefundFilter::default(), None, 1).await.unwrap();
    let rest = world.here.store.list_refunds(&RefundFilter::default(), Some(page[0].0), 10).await.unwrap();
    assert_eq!((page.len(), rest.len()), (1, 1));
}
