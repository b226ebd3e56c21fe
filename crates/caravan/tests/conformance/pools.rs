use crate::world::World;

pub(crate) async fn connections_are_told_by_what_they_do(world: &World) {
    let store = &world.here.store;
    store.totals().await.unwrap();
    let pools = store.pools();
    assert!(!pools.is_empty());
    for used in pools {
        assert!((1..=used.max).contains(&(used.idle + used.in_use)), "it was read on one: {used:?}");
    }
    // Where publishing is claimed with a connection, that is in use for as long.
    let claim = store.claim_outbox(1).await.unwrap();
    let held: u32 = store.pools().iter().map(|used| used.in_use).sum();
    assert!(claim.hold.is_none() || held >= 1, "{:?}", store.pools());
}
