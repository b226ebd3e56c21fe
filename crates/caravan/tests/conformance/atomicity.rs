use caravan::platform::transaction::{
    Advance, CommitError, Effects, NewAllocation, NewCancellation, Redriven, TrainerEdit, TrainerTouch, Transaction,
};
use caravan_domain::cancellation::Ending;
use caravan_domain::event::Topic;
use caravan_domain::purchase::PurchaseStatus;
use caravan_domain::trainer::Closure;
use jiff::Timestamp;
use jiff::civil::date;

use crate::world::{
    AT, GROUP, START, World, allocation, dead_letter, instant, lesson, new_trainers, now, purchase, purchases, record,
    telling, trainer, waitlisting, window,
};

/// What a transaction must find: a purchase allocated to `trn_1` in January, two that wait, a
/// dead letter, a position.
async fn prepared(world: &World) -> NewAllocation {
    world.commit(new_trainers(&["trn_1", "trn_2"])).await;
    let payments = ["pay_allocated", "pay_waiting", "pay_unlucky"];
    world.commit(purchases(payments.map(|payment| purchase(payment, "stu_1")).to_vec())).await;
    let january = lesson(instant("2027-01-05T11:30:00Z"), 60);
    let made = allocation(&purchase("pay_allocated", "stu_1"), "trn_1", january);
    world.commit(crate::world::allocations(vec![made.clone()])).await;
    let set_aside = Transaction {
        group: GROUP,
        advances: vec![Advance { at: AT, from: 0, to: 1 }],
        dead_letters: vec![dead_letter(0)],
        ..Transaction::default()
    };
    world.commit(set_aside).await;
    made
}

/// A purchase that nobody has looked at yet is called off.
fn cancellation(purchase_id: uuid::Uuid) -> NewCancellation {
    NewCancellation {
        purchase_id,
        status: PurchaseStatus::Created,
        horizon: None,
        allocation: None,
        revision: None,
        ending: Ending { effective_from: START, decided_at: now() },
        actor: "ann".to_owned(),
        reason: "paid by mistake".to_owned(),
    }
}

/// A transaction in which everything happens.
fn everything(made: &NewAllocation) -> Transaction {
    let waiting = purchase("pay_waiting", "stu_1");
    let letter = dead_letter(1);
    Transaction {
        group: GROUP,
        advances: vec![Advance { at: AT, from: 1, to: 2 }],
        effects: Effects {
            purchases: vec![purchase("pay_new", "stu_2")],
            allocations: vec![allocation(&waiting, "trn_1", lesson(instant("2026-12-01T11:30:00Z"), 60))],
            waitlistings: vec![waitlisting(purchase("pay_unlucky", "stu_1").id, now(), 1)],
            trainers: vec![TrainerTouch { trainer_id: "trn_1".to_owned(), version: 1, share: 400 }],
            windows: vec![window(made, None, date(2026, 12, 15), 1..=2)],
            cancellations: vec![cancellation(purchase("pay_new", "stu_2").id)],
            completed_as_of: Some(instant("2026-12-01T23:00:00Z")),
            roster: vec![
                TrainerEdit { trainer: trainer("trn_2"), version: Some(1) },
                TrainerEdit { trainer: trainer("trn_3"), version: None },
            ],
            closures: Some(vec![Closure { from: START, until: START, name: "Diwali".to_owned() }]),
            look_again: true,
            redriven: vec![Redriven { id: 1, at: now(), repaired: Some(b"{}".to_vec()) }],
            cron_done: Some(now()),
            replays: Vec::new(),
            ..Effects::default()
        },
        outbox: vec![record(Topic::PurchaseCreated, Some("k"), "told"), telling(&letter)],
        dead_letters: vec![letter],
    }
}

/// All there is, in words.
async fn seen(world: &World) -> String {
    let store = &world.here.store;
    let ids = ["trn_1", "trn_2", "trn_3"].map(str::to_owned);
    format!(
        "{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}",
        store.totals().await.unwrap(),
        store.list_purchases(&Default::default(), None, 99).await.unwrap(),
        store.list_sessions(&Default::default(), None, 99).await.unwrap(),
        store.list_dead_letters(&Default::default(), None, 99).await.unwrap(),
        store.trainers(&ids, Timestamp::MIN).await.unwrap(),
        store.student_calendars(&["stu_1".to_owned()], Timestamp::MIN).await.unwrap(),
        store.roster_changes(None, Timestamp::MIN).await.unwrap(),
        store.waiting_below(i64::MAX, 99).await.unwrap(),
        store.all_positions().await.unwrap(),
        (store.outbox(99).await.unwrap(), store.cron_last().await.unwrap()),
    )
}

type Break = fn(&mut Transaction);

pub(crate) async fn whatever_part_fails_nothing_stays(world: &World) {
    let made = prepared(world).await;
    let before = seen(world).await;
    let breaks: [(&str, Break); 14] = [
        ("a position moved", |all| all.advances[0].from = 0),
        ("a purchase is there", |all| all.effects.purchases.push(purchase("pay_waiting", "stu_1"))),
        ("a purchase is not there", |all| all.effects.allocations[0].purchase_id = purchase("pay_none", "stu_1").id),
        ("a purchase has a trainer", |all| {
            all.effects.allocations[0].purchase_id = purchase("pay_allocated", "stu_1").id
        }),
        ("a time is taken", |all| all.effects.allocations[0].reserved = lesson(instant("2027-01-05T12:15:00Z"), 30)),
        ("nobody to wait", |all| all.effects.waitlistings[0].purchase_id = purchase("pay_none", "stu_1").id),
        ("the allocated waits", |all| all.effects.waitlistings[0].purchase_id = purchase("pay_allocated", "stu_1").id),
        ("a trainer's version", |all| all.effects.trainers[0].version = 9),
        ("a trainer to be new", |all| all.effects.roster[0].version = None),
        ("a trainer's edit", |all| all.effects.roster[0].version = Some(9)),
        ("a horizon moved", |all| all.effects.windows[0].from = Some(START)),
        ("another allocation", |all| all.effects.windows[0].allocation_id = purchase("pay_none", "stu_1").id),
        ("called off otherwise", |all| all.effects.cancellations[0].status = PurchaseStatus::Waitlisted),
        ("redriven before", |all| all.effects.redriven[0].id = 77),
    ];
    for (name, make_fail) in breaks {
        let mut transaction = everything(&made);
        make_fail(&mut transaction);
        let refused = world.here.store.commit(&transaction).await;
        let expected = match name {
            "a position moved" => matches!(refused, Err(CommitError::PositionMoved(_))),
            _ => matches!(refused, Err(CommitError::Conflict { .. })),
        };
        assert!(expected, "{name}: {refused:?}");
        assert_eq!(seen(world).await, before, "{name}");
    }
    world.commit(everything(&made)).await;
}

pub(crate) async fn everything_together_is_there_when_it_returns(world: &World) {
    let made = prepared(world).await;
    world.commit(everything(&made)).await;
    let totals = world.beside.store.totals().await.unwrap();
    let counted = |of: &std::collections::BTreeMap<String, u64>| format!("{of:?}");
    assert_eq!(counted(&totals.purchases), r#"{"allocated": 1, "cancelled": 1, "scheduled": 1, "waitlisted": 1}"#);
    assert_eq!(counted(&totals.sessions), r#"{"completed": 1, "scheduled": 1}"#);
    assert_eq!((totals.trainers, totals.outbox, totals.dead_letters["invalid-json"]), (3, 2, 2));
    assert_eq!(world.beside.store.roster_version().await.unwrap(), 2, "one transaction raises it once");
    assert_eq!(world.beside.store.cron_last().await.unwrap(), Some(now()));
    assert_eq!(world.beside.store.closures().await.unwrap().len(), 1);
    assert_eq!(world.beside.store.positions(GROUP).await.unwrap()[0].next_offset, 2);
}
