use caravan::platform::rows::SessionFilter;
use caravan::platform::transaction::{CommitError, Effects};
use caravan_domain::purchase::PurchaseStatus;
use jiff::Timestamp;
use jiff::civil::date;
use uuid::Uuid;

use crate::world::{
    START, World, allocation, allocations, effects, instant, lesson, minutes_later, new_trainers, purchase, purchases,
    window, windows,
};

async fn sessions(world: &World, id: Uuid) -> Vec<(u32, String)> {
    let filter = SessionFilter { purchase_id: Some(id), ..SessionFilter::default() };
    let found = world.beside.store.list_sessions(&filter, None, 99).await.unwrap();
    found.into_iter().map(|session| (session.ordinal, session.status.to_string())).collect()
}

fn all(ordinals: std::ops::RangeInclusive<u32>, status: &str) -> Vec<(u32, String)> {
    ordinals.map(|ordinal| (ordinal, status.to_owned())).collect()
}

pub(crate) async fn sessions_stand_where_the_window_was_extended(world: &World) {
    let made = world.allocated("pay_1").await;
    let (first, second) = (date(2026, 12, 15), date(2026, 12, 22));
    world.commit(windows(vec![window(&made, None, first, 1..=2)])).await;
    let read = world.purchase(made.purchase_id).await;
    assert_eq!((read.status, read.horizon), (PurchaseStatus::Scheduled, Some(first)));
    assert_eq!(sessions(world, made.purchase_id).await, all(1..=2, "scheduled"));
    world.commit(windows(vec![window(&made, Some(first), second, 3..=3)])).await;
    assert_eq!(world.purchase(made.purchase_id).await.horizon, Some(second));
    assert_eq!(sessions(world, made.purchase_id).await, all(1..=3, "scheduled"));

    let nothing_to_add = caravan::platform::transaction::WindowExtension {
        sessions: Vec::new(),
        ..window(&made, Some(second), date(2027, 1, 1), 1..=1)
    };
    world.commit(windows(vec![nothing_to_add])).await;
    assert_eq!(world.purchase(made.purchase_id).await.horizon, Some(date(2027, 1, 1)));
}

pub(crate) async fn a_window_that_moved_meanwhile_makes_it_look_again(world: &World) {
    let made = world.allocated("pay_1").await;
    let (first, second) = (date(2026, 12, 15), date(2026, 12, 22));
    let two = window(&made, None, first, 1..=2);
    let (here, beside) = (windows(vec![two.clone()]), windows(vec![two.clone()]));
    let both = tokio::join!(world.here.store.commit(&here), world.beside.store.commit(&beside));
    match both {
        (Ok(()), Err(CommitError::Conflict { .. })) | (Err(CommitError::Conflict { .. }), Ok(())) => {}
        other => panic!("one of two extends it: {other:?}"),
    }
    world.conflict(windows(vec![window(&made, Some(START), second, 3..=3)])).await;
    let mut superseded = window(&made, Some(first), second, 3..=3);
    superseded.allocation_id = Uuid::nil();
    world.conflict(windows(vec![superseded])).await;
    // Somebody has changed a session beyond it meanwhile.
    let revision = world.purchase(made.purchase_id).await.revision - 1;
    let mut stale = window(&made, Some(first), second, 3..=3);
    stale.revision = Some(revision);
    world.conflict(windows(vec![stale])).await;
    for until in [first, START] {
        let lowered = world.here.store.commit(&windows(vec![window(&made, Some(first), until, 3..=3)])).await;
        assert!(matches!(lowered, Err(CommitError::Refused(_))), "{lowered:?}");
    }
    assert_eq!(sessions(world, made.purchase_id).await, all(1..=2, "scheduled"));
    assert_eq!(world.purchase(made.purchase_id).await.horizon, Some(first));
}

pub(crate) async fn due_windows_page_by_id(world: &World) {
    world.commit(new_trainers(&["trn_1"])).await;
    let mut ids = Vec::new();
    for number in 0..9 {
        let new = purchase(&format!("pay_{number}"), "stu_1");
        ids.push(new.id);
        world.commit(purchases(vec![new.clone()])).await;
        let time = lesson(minutes_later(instant("2026-12-01T11:30:00Z"), number * 60), 60);
        let mut made = allocation(&new, "trn_1", time);
        made.start_date = if number == 8 { date(2027, 6, 1) } else { START };
        world.commit(allocations(vec![made.clone()])).await;
        // The last but two has no window yet, the last but one is further than the others.
        let until = if number == 7 { date(2026, 12, 30) } else { date(2026, 12, 29) };
        if number != 6 {
            world.commit(windows(vec![window(&made, None, until, 1..=1)])).await;
        }
    }
    ids.remove(6);
    let far = ids.pop().unwrap();
    let further = ids.pop().unwrap();
    let due = async |today, days| {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = world.beside.store.windows_due(today, days, after, 2).await.unwrap();
            assert!(page.len() <= 2);
            let Some(last) = page.last() else { return found };
            after = Some(last.id);
            found.extend(page.iter().map(|purchase| purchase.id));
        }
    };
    let sorted = |mut ids: Vec<Uuid>| {
        ids.sort();
        ids
    };
    assert_eq!(due(date(2026, 11, 1), 28).await, [far], "the window follows the start, when that is later");
    assert_eq!(due(date(2026, 12, 1), 28).await, [far]);
    assert_eq!(due(date(2026, 12, 2), 28).await, sorted([&ids[..], &[far]].concat()));
    assert_eq!(due(date(2026, 12, 3), 28).await, sorted([&ids[..], &[further, far]].concat()));
    assert_eq!(due(date(2026, 12, 1), 29).await, sorted([&ids[..], &[far]].concat()));
}

pub(crate) async fn sessions_and_purchases_complete_when_they_are_over(world: &World) {
    let made = world.allocated("pay_1").await;
    let id = made.purchase_id;
    world.commit(windows(vec![window(&made, None, date(2026, 12, 22), 1..=3)])).await;
    let complete = async |at: Timestamp| {
        let ended = world.here.store.ended_sessions(at).await.unwrap();
        world.commit(effects(Effects { completed_as_of: Some(at), ..Effects::default() })).await;
        assert_eq!(world.here.store.ended_sessions(at).await.unwrap(), 0);
        ended
    };
    let first_end = instant("2026-12-01T12:30:00Z");
    assert_eq!(complete(instant("2026-12-01T12:29:59Z")).await, 0, "it is still going on");
    assert_eq!(sessions(world, id).await, all(1..=3, "scheduled"));
    assert_eq!(complete(first_end).await, 1);
    assert_eq!(sessions(world, id).await, [all(1..=1, "completed"), all(2..=3, "scheduled")].concat());
    assert_eq!(complete(instant("2027-03-01T00:00:00Z")).await, 2);
    assert_eq!(world.purchase(id).await.status, PurchaseStatus::Scheduled, "one of four is not in the calendar yet");

    // A window that is extended late still completes, though it lies before what was looked at.
    world.commit(windows(vec![window(&made, Some(date(2026, 12, 22)), date(2026, 12, 29), 4..=4)])).await;
    assert_eq!(complete(instant("2027-03-01T00:00:00Z")).await, 1);
    assert_eq!(sessions(world, id).await, all(1..=4, "completed"));
    assert_eq!(world.purchase(id).await.status, PurchaseStatus::Completed);
    assert_eq!(complete(instant("2027-03-01T00:00:00Z")).await, 0);
}
