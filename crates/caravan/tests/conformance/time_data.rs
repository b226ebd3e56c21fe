use caravan::platform::rows::{TimeData, time_data_version};

use crate::world::{
    World, allocation, allocations, instant, lesson, new_trainers, now, purchase, purchases, window, windows,
};

pub(crate) async fn its_version_is_noted_by_who_knows_the_one_before(world: &World) {
    let (here, beside) = (&world.here.store, &world.beside.store);
    assert_eq!(here.time_data().await.unwrap().unwrap().version, time_data_version(), "a new database has it noted");
    assert!(here.note_time_data(Some(time_data_version()), "2001a", now()).await.unwrap());
    for (seen, noted) in [(Some(time_data_version()), false), (None, false), (Some("2001a"), true)] {
        assert_eq!(beside.note_time_data(seen, "2001b", now()).await.unwrap(), noted, "{seen:?}");
    }
    let noted = TimeData { version: "2001b".to_owned(), noted_at: now() };
    assert_eq!(here.time_data().await.unwrap(), Some(noted));
}

pub(crate) async fn sessions_of_purchases_are_read_at_once(world: &World) {
    world.commit(new_trainers(&["trn_1"])).await;
    let mut ids = Vec::new();
    for (number, payment) in ["pay_1", "pay_2", "pay_3"].into_iter().enumerate() {
        let new = purchase(payment, payment);
        let day = instant("2026-12-01T11:30:00Z") + jiff::SignedDuration::from_hours(number as i64 * 2);
        let made = allocation(&new, "trn_1", lesson(day, 60));
        world.commit(purchases(vec![new])).await;
        world.commit(allocations(vec![made.clone()])).await;
        world.commit(windows(vec![window(&made, None, jiff::civil::date(2026, 12, 29), 1..=2)])).await;
        ids.push(made.purchase_id);
    }
    let asked = [ids[0], ids[2], purchase("pay_none", "").id];
    let mut found = world.beside.store.sessions_of(&asked).await.unwrap();
    found.sort_by_key(|session| (session.purchase_id, session.ordinal));
    let mut expected: Vec<_> = [ids[0], ids[2]].into_iter().flat_map(|id| [(id, 1), (id, 2)]).collect();
    expected.sort_unstable();
    assert_eq!(found.iter().map(|session| (session.purchase_id, session.ordinal)).collect::<Vec<_>>(), expected);
    assert!(world.here.store.sessions_of(&[]).await.unwrap().is_empty());
}
