use std::collections::BTreeSet;
use std::sync::Arc;

use caravan::platform::rows::Position;
use caravan::platform::transaction::{Advance, CommitError, Effects, Replay, Transaction};
use uuid::Uuid;

use crate::world::{AT, GROUP, World, effects, purchase};

fn advance(from: u64, to: u64) -> Transaction {
    Transaction { group: GROUP, advances: vec![Advance { at: AT, from, to }], ..Transaction::default() }
}

async fn next_offset(world: &World) -> Vec<u64> {
    world.here.store.positions(GROUP).await.unwrap().iter().map(|position| position.next_offset).collect()
}

pub(crate) async fn an_unknown_position_counts_as_where_it_is_said_to_be_once(world: &World) {
    world.commit(advance(7, 9)).await;
    assert_eq!(next_offset(world).await, [9]);
    let again = world.here.store.commit(&advance(7, 9)).await;
    assert!(matches!(again, Err(CommitError::PositionMoved(_))), "{again:?}");
    world.commit(advance(9, 12)).await;
    assert_eq!(next_offset(world).await, [12]);
    let stored = world.beside.store.all_positions().await.unwrap();
    let topics = world.here.log.topics().await.unwrap();
    let topic_id = topics.iter().find(|topic| topic.topic == AT.topic).unwrap().id;
    assert_eq!(stored, [(GROUP.to_owned(), Position { at: AT, topic_id, next_offset: 12 })]);
}

pub(crate) async fn of_two_contenders_one_advances(world: &World) {
    let contender = |payment: &str| Transaction {
        effects: Effects { purchases: vec![purchase(payment, "stu_1")], ..Effects::default() },
        ..advance(0, 5)
    };
    let (first, second) = (contender("pay_1"), contender("pay_2"));
    let (here, beside) = tokio::join!(world.here.store.commit(&first), world.beside.store.commit(&second));
    let winners = [&here, &beside].into_iter().filter(|result| result.is_ok()).count();
    assert_eq!(winners, 1, "{here:?} {beside:?}");
    let loser = here.err().or(beside.err());
    assert!(matches!(loser, Some(CommitError::PositionMoved(_))), "{loser:?}");
    assert_eq!(next_offset(world).await, [5]);
    assert_eq!(world.here.store.totals().await.unwrap().purchases.values().sum::<u64>(), 1);
}

pub(crate) async fn many_contenders_count_without_a_gap(world: &World) {
    const STEPS: u64 = 30;
    let count = |store: Arc<dyn caravan::platform::store::Store>| async move {
        let mut won = BTreeSet::new();
        let mut from = 0;
        while from < STEPS {
            match store.commit(&advance(from, from + 1)).await {
                Ok(()) => assert!(won.insert(from)),
                Err(CommitError::PositionMoved(_)) => {}
                Err(other) => panic!("{other}"),
            }
            from = store.positions(GROUP).await.unwrap().first().map_or(0, |position| position.next_offset);
        }
        won
    };
    let here = tokio::spawn(count(Arc::clone(&world.here.store)));
    let beside = tokio::spawn(count(Arc::clone(&world.beside.store)));
    let (here, beside) = (here.await.unwrap(), beside.await.unwrap());
    assert!(here.is_disjoint(&beside), "no step is made twice");
    assert!(here.union(&beside).copied().eq(0..STEPS), "none is left out");
}

pub(crate) async fn begin_notes_only_unknown_ones(world: &World) {
    let topic_id = Uuid::from_u128(7);
    let position = |next_offset| [Position { at: AT, topic_id, next_offset }];
    world.here.store.begin_positions(GROUP, &position(3)).await.unwrap();
    world.beside.store.begin_positions(GROUP, &position(8)).await.unwrap();
    assert_eq!(world.here.store.positions(GROUP).await.unwrap(), position(3));
    world.commit(advance(3, 4)).await;
    assert_eq!(world.here.store.positions(GROUP).await.unwrap(), position(4), "the identity stays");
}

pub(crate) async fn a_replay_moves_them_by_hand(world: &World) {
    world.commit(advance(0, 5)).await;
    let topic_id = Uuid::from_u128(7);
    let replay = |to| Replay { group: GROUP.to_owned(), at: AT, topic_id, to };
    world.commit(effects(Effects { replays: vec![replay(2)], ..Effects::default() })).await;
    assert_eq!(world.here.store.positions(GROUP).await.unwrap(), [Position { at: AT, topic_id, next_offset: 2 }]);
    let stale = world.here.store.commit(&advance(5, 6)).await;
    assert!(matches!(stale, Err(CommitError::PositionMoved(_))), "{stale:?}");
}
