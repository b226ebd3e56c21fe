//! Plans that run until they are cancelled.

use caravan::platform::rows::{PurchaseFilter, SessionFilter};
use caravan::platform::transaction::{
    CommitError, Effects, EndedAllocation, LoadShift, NewAllocation, NewCancellation, NewPurchase, Party, PartyTime,
    Prolonged, PurchaseNote, Transaction,
};
use caravan_domain::cancellation::Ending;
use caravan_domain::purchase::PurchaseStatus;
use caravan_domain::subscription::CLASH_KIND;
use jiff::civil::{Date, date};
use uuid::Uuid;

use crate::world::{
    World, allocation, allocations, effects, instant, lesson, new_trainers, now, purchase, purchases, session, window,
    windows,
};

/// The dates before it have sessions in the calendar: two.
const HORIZON: Date = date(2026, 12, 15);

fn endless(payment_id: &str) -> NewPurchase {
    let mut new = purchase(payment_id, &format!("stu_{payment_id}"));
    new.confirmation.plan.sessions = None;
    new
}

/// One whose first two lessons are in the calendar, of a trainer who is added with it.
async fn under_way(world: &World, payment_id: &str) -> NewAllocation {
    let new = endless(payment_id);
    let trainer_id = format!("trn_{payment_id}");
    let made = allocation(&new, &trainer_id, lesson(instant("2026-12-01T11:30:00Z"), 60));
    world.commit(new_trainers(&[&trainer_id])).await;
    world.commit(purchases(vec![new])).await;
    world.commit(allocations(vec![made.clone()])).await;
    world.commit(windows(vec![window(&made, None, HORIZON, 1..=2)])).await;
    made
}

/// One session more, in the calendar at once, and a date that clashes.
async fn further(world: &World, made: &NewAllocation) -> Prolonged {
    let revision = world.purchase(made.purchase_id).await.revision;
    Prolonged {
        purchase_id: made.purchase_id,
        revision,
        allocation_id: made.id,
        trainer_id: made.trainer_id.clone(),
        sessions: made.sessions + 1,
        skipped: vec![date(2026, 12, 8), date(2027, 12, 7)],
        in_calendar: vec![session(made.purchase_id, 3)],
        note: Some(PurchaseNote {
            revision: revision + 1,
            kind: CLASH_KIND,
            changed_at: now(),
            actor: "cron".to_owned(),
            reason: "trainer-busy".to_owned(),
        }),
    }
}

fn prolonging(prolonged: Prolonged) -> Transaction {
    let time = lesson(instant("2027-11-30T11:30:00Z"), 60);
    let party = Party::Trainer(prolonged.trainer_id.clone());
    let load = LoadShift { trainer_id: prolonged.trainer_id.clone(), version: None, share: 7 };
    effects(Effects {
        taken: vec![PartyTime { party, time }],
        loads: vec![load],
        prolonged: vec![prolonged],
        ..Effects::default()
    })
}

pub(crate) async fn what_has_no_end_pages_by_id_and_is_never_over(world: &World) {
    let mut ids = Vec::new();
    for payment_id in ["pay_1", "pay_2", "pay_3"] {
        ids.push(under_way(world, payment_id).await.purchase_id);
    }
    // With an end; and without one, but nobody teaches it yet.
    world.commit(purchases(vec![purchase("pay_4", "stu_4"), endless("pay_5")])).await;
    ids.sort_unstable();
    let (mut found, mut after) = (Vec::new(), None);
    while let Some(last) = {
        let page = world.beside.store.subscriptions(after, 2).await.unwrap();
        found.extend(page.iter().map(|purchase| purchase.id));
        page.last().map(|purchase| purchase.id)
    } {
        after = Some(last);
    }
    assert_eq!(found, ids);
    let listed = world.beside.store.list_purchases(&PurchaseFilter::default(), None, 9).await.unwrap();
    let endless = listed.iter().filter(|(_, purchase)| purchase.confirmation.plan.is_subscription()).count();
    assert_eq!(endless, 4);

    world
        .commit(effects(Effects { completed_as_of: Some(instant("2027-01-01T00:00:00Z")), ..Effects::default() }))
        .await;
    for id in ids {
        assert_eq!(world.purchase(id).await.status, PurchaseStatus::Scheduled);
        let filter = SessionFilter { purchase_id: Some(id), ..SessionFilter::default() };
        let sessions = world.here.store.list_sessions(&filter, None, 9).await.unwrap();
        assert!(sessions.len() == 2 && sessions.iter().all(|session| session.status.name() == "completed"));
    }
}

pub(crate) async fn one_is_reserved_further_ahead_once(world: &World) {
    let made = under_way(world, "pay_1").await;
    assert_eq!(made.sessions, 52);
    let further = further(world, &made).await;
    world.commit(prolonging(further.clone())).await;
    let purchase = world.purchase(made.purchase_id).await;
    let allocation = purchase.allocation.unwrap();
    assert_eq!((allocation.sessions, &allocation.skipped), (53, &further.skipped));
    assert_eq!(purchase.revision, further.revision + 1);
    let changes = world.beside.store.changes_of(made.purchase_id).await.unwrap();
    let told: Vec<_> =
        changes.iter().map(|change| (change.kind.as_str(), change.actor.as_str(), change.revision)).collect();
    assert_eq!(told, [(CLASH_KIND, "cron", purchase.revision)]);
    let filter = SessionFilter { purchase_id: Some(made.purchase_id), ..SessionFilter::default() };
    let sessions = world.here.store.list_sessions(&filter, None, 9).await.unwrap();
    assert_eq!(sessions.last().map(|session| (session.ordinal, session.trainer_id.as_str())), Some((3, "trn_pay_1")));
    let trainers = world.beside.store.trainers(&["trn_pay_1".to_owned()], now()).await.unwrap();
    assert_eq!(trainers[0].share, Some(7));
    world.conflict(prolonging(further)).await;
}

pub(crate) async fn one_that_changed_meanwhile_makes_it_look_again(world: &World) {
    let made = under_way(world, "pay_1").await;
    let right = further(world, &made).await;
    for wrong in [
        Prolonged { revision: right.revision - 1, ..right.clone() },
        Prolonged { allocation_id: Uuid::nil(), ..right.clone() },
        Prolonged { purchase_id: Uuid::nil(), ..right.clone() },
    ] {
        world.conflict(prolonging(wrong)).await;
    }
    // What is called off on less than what is reserved would leave some of it taken.
    let off = |sessions| NewCancellation {
        purchase_id: made.purchase_id,
        status: PurchaseStatus::Scheduled,
        horizon: Some(HORIZON),
        allocation: Some(EndedAllocation { id: made.id, sessions, called_off: vec![2] }),
        revision: None,
        ending: Ending { effective_from: date(2026, 12, 8), decided_at: now() },
        actor: "ann".to_owned(),
        reason: "moved abroad".to_owned(),
    };
    let cancelling = |sessions| effects(Effects { cancellations: vec![off(sessions)], ..Effects::default() });
    world.commit(prolonging(right)).await;
    world.conflict(cancelling(52)).await;
    let again = further(world, &made).await;
    world.commit(cancelling(53)).await;
    world.conflict(prolonging(Prolonged { revision: again.revision + 1, ..again })).await;
    assert_eq!(world.here.store.subscriptions(None, 9).await.unwrap().len(), 0);
    // Of what has an end nothing is prolonged.
    let new = purchase("pay_9", "stu_9");
    let counted = allocation(&new, "trn_pay_1", lesson(instant("2026-12-02T11:30:00Z"), 60));
    world.commit(purchases(vec![new])).await;
    world.commit(allocations(vec![counted.clone()])).await;
    let wrong = Prolonged { in_calendar: Vec::new(), ..further(world, &counted).await };
    let refused = world.here.store.commit(&effects(Effects { prolonged: vec![wrong], ..Effects::default() })).await;
    assert!(matches!(refused, Err(CommitError::Conflict { .. })), "{refused:?}");
}

pub(crate) async fn what_clashes_pages_by_since_when(world: &World) {
    let mut expected = Vec::new();
    for (index, payment_id) in ["pay_1", "pay_2", "pay_3"].into_iter().enumerate() {
        let made = under_way(world, payment_id).await;
        let mut further = further(world, &made).await;
        let at = instant(["2026-11-25T10:00:00Z", "2026-11-24T10:00:00Z", "2026-11-24T10:00:00Z"][index]);
        further.note.iter_mut().for_each(|note| note.changed_at = at);
        world.commit(prolonging(further)).await;
        expected.push((at, made.purchase_id));
    }
    under_way(world, "pay_4").await;
    expected.rotate_left(1);
    for page in 1..=4 {
        let (mut found, mut last) = (Vec::new(), None);
        loop {
            let rows = world.beside.store.list_clashing(last.as_ref(), page).await.unwrap();
            found.extend(rows.iter().map(|row| (row.since, row.purchase.id)));
            last = rows.into_iter().next_back();
            if last.is_none() {
                break;
            }
        }
        assert_eq!(found, expected, "pages of {page}");
    }
}
