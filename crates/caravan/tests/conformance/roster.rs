use caravan::platform::transaction::{Effects, TrainerEdit, TrainerTouch};
use caravan_domain::trainer::Closure;
use jiff::Timestamp;
use jiff::civil::date;

use crate::world::{
    World, allocation, allocations, effects, instant, lesson, new_trainers, purchase, purchases, trainer,
};

fn roster(roster: Vec<TrainerEdit>) -> caravan::platform::transaction::Transaction {
    effects(Effects { roster, ..Effects::default() })
}

pub(crate) async fn an_import_is_an_upsert_by_version(world: &World) {
    world.commit(new_trainers(&["trn_1", "trn_2"])).await;
    assert_eq!(world.conflict(new_trainers(&["trn_3", "trn_2"])).await, ["trn_2"]);
    let mut changed = trainer("trn_1");
    changed.name = None;
    changed.weight = 50;
    changed.active = false;
    changed.courses.clear();
    let edit = |version| TrainerEdit { trainer: changed.clone(), version: Some(version) };
    assert_eq!(world.conflict(roster(vec![edit(2)])).await, ["trn_1"]);
    world.commit(roster(vec![edit(1), TrainerEdit { trainer: trainer("trn_3"), version: None }])).await;
    assert_eq!(world.conflict(roster(vec![edit(1)])).await, ["trn_1"]);

    let ids = ["trn_1", "trn_2", "trn_3"].map(str::to_owned);
    let terms = world.beside.store.trainer_terms(&ids).await.unwrap();
    assert_eq!(terms, [(changed, 2), (trainer("trn_2"), 1), (trainer("trn_3"), 1)]);
    assert_eq!(world.beside.store.roster_version().await.unwrap(), 2, "refused edits don't raise it");
}

pub(crate) async fn changes_are_told_since_a_version(world: &World) {
    let store = &world.beside.store;
    let none = store.roster_changes(None, Timestamp::MIN).await.unwrap();
    assert_eq!((none.version, none.trainers.len(), none.closures.len()), (0, 0, 0));
    world.commit(new_trainers(&["trn_1", "trn_2"])).await;
    let first = store.roster_changes(Some(none.version), Timestamp::MIN).await.unwrap();
    assert_eq!((first.version, first.trainers.len()), (1, 2));

    let closures = vec![Closure { from: date(2026, 11, 8), until: date(2026, 11, 9), name: "Diwali".to_owned() }];
    world.commit(effects(Effects { closures: Some(closures.clone()), ..Effects::default() })).await;
    world.commit(roster(vec![TrainerEdit { trainer: trainer("trn_2"), version: Some(1) }])).await;
    let later = store.roster_changes(Some(first.version), Timestamp::MIN).await.unwrap();
    assert_eq!(later.version, 3);
    let changed: Vec<_> = later.trainers.iter().map(|row| row.trainer.trainer_id.as_str()).collect();
    assert_eq!(changed, ["trn_2"], "only who changed");
    assert_eq!(later.closures, closures, "the closures are always whole");
    assert_eq!(store.roster_changes(Some(later.version), Timestamp::MIN).await.unwrap().trainers.len(), 0);
    assert_eq!(store.roster_changes(None, Timestamp::MIN).await.unwrap().trainers.len(), 2);

    world.commit(effects(Effects { look_again: true, ..Effects::default() })).await;
    assert_eq!(store.roster_version().await.unwrap(), 4);
    world.commit(effects(Effects { closures: Some(Vec::new()), ..Effects::default() })).await;
    assert_eq!((store.closures().await.unwrap(), store.roster_version().await.unwrap()), (Vec::new(), 5));
}

pub(crate) async fn an_allocation_advances_the_trainer_and_not_the_roster(world: &World) {
    world.commit(new_trainers(&["trn_1", "trn_2"])).await;
    let new = purchase("pay_1", "stu_1");
    world.commit(purchases(vec![new.clone()])).await;
    let time = lesson(instant("2026-12-01T11:30:00Z"), 90);
    let mut transaction = allocations(vec![allocation(&new, "trn_1", time.clone())]);
    transaction.effects.trainers = vec![TrainerTouch { trainer_id: "trn_1".to_owned(), version: 1, share: 400 }];
    world.commit(transaction).await;

    assert_eq!(world.here.store.roster_version().await.unwrap(), 1);
    let all = world.beside.store.roster_changes(None, Timestamp::MIN).await.unwrap().trainers;
    assert_eq!((all[0].version, all[0].share, &all[0].calendar), (2, Some(400), &time));
    assert_eq!((all[1].version, all[1].share, all[1].calendar.len()), (1, None, 0));
    let stale = TrainerEdit { trainer: trainer("trn_1"), version: Some(1) };
    assert_eq!(world.conflict(roster(vec![stale])).await, ["trn_1"], "an edit on an older state");
    world.commit(roster(vec![TrainerEdit { trainer: trainer("trn_1"), version: Some(2) }])).await;
    let row = world.here.store.trainers(&["trn_1".to_owned()], Timestamp::MIN).await.unwrap().remove(0);
    assert_eq!((row.version, row.share, row.calendar), (3, Some(400), time), "an edit keeps share and time");
}
