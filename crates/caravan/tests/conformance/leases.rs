use std::time::Duration;

use crate::world::{World, minutes_later, now};

const TTL: Duration = Duration::from_secs(60);

pub(crate) async fn one_holds_it_until_it_ends_or_is_given_back(world: &World) {
    let (here, beside) = (&world.here.store, &world.beside.store);
    assert!(here.lease("relay", "a", now(), TTL).await.unwrap());
    assert!(!beside.lease("relay", "b", now(), TTL).await.unwrap());
    assert!(beside.lease("cron", "b", now(), TTL).await.unwrap(), "another lease");
    let renewed = minutes_later(now(), 0).checked_add(Duration::from_secs(59)).unwrap();
    assert!(here.lease("relay", "a", renewed, TTL).await.unwrap(), "renewed by its holder");
    assert!(!beside.lease("relay", "b", minutes_later(now(), 1), TTL).await.unwrap(), "until the renewed end");
    assert!(beside.lease("relay", "b", minutes_later(now(), 2), TTL).await.unwrap(), "it has ended");
    assert!(!here.lease("relay", "a", minutes_later(now(), 2), TTL).await.unwrap());

    here.release("relay", "a").await.unwrap();
    assert!(!here.lease("relay", "a", minutes_later(now(), 2), TTL).await.unwrap(), "not theirs to give back");
    beside.release("relay", "b").await.unwrap();
    assert!(here.lease("relay", "a", minutes_later(now(), 2), TTL).await.unwrap());
}
