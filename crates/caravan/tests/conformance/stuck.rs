use caravan::platform::stuck::{LateBounds, LatePurchase};
use caravan::platform::transaction::{Effects, NewDeadLetter, NewPurchase, Transaction};
use caravan_domain::event::Topic;
use caravan_domain::purchase::PurchaseStatus;
use jiff::Timestamp;
use jiff::civil::date;

use crate::world::{
    AT, World, allocation, allocations, dead_letter, effects, instant, lesson, minutes_later, new_trainers, now,
    purchase, purchases, waitlisting, window, windows,
};

const ALLOCATION: &str = "trainer-allocation-workers";
const SESSION: &str = "session-scheduling-workers";

/// A purchase that was recorded so many minutes later than others.
fn recorded(payment_id: &str, minutes: i64) -> NewPurchase {
    let created_at = minutes_later(now(), minutes);
    NewPurchase { created_at, ..purchase(payment_id, payment_id) }
}

fn bounds(at: Timestamp) -> LateBounds {
    let reached = Some(date(2026, 12, 3));
    LateBounds { in_hand: at, waiting: at, behind: at, reached, window_days: 28, groups: [ALLOCATION, SESSION] }
}

/// The record about a purchase that a group has set aside.
fn set_aside(about: &NewPurchase, topic: Topic, offset: u64, group: &'static str) -> NewDeadLetter {
    let at = caravan::platform::log::TopicPartition { topic, ..AT };
    NewDeadLetter { at, group, key: Some(about.id.to_string().into_bytes()), ..dead_letter(offset) }
}

async fn late(world: &World, bounds: &LateBounds, page: usize) -> Vec<LatePurchase> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let next = world.beside.store.late_purchases(bounds, after, page).await.unwrap();
        let Some(last) = next.last() else { return found };
        after = Some((last.since, last.place));
        found.extend(next);
    }
}

fn told(found: &[LatePurchase]) -> Vec<(&str, PurchaseStatus)> {
    found.iter().map(|late| (late.payment_id.as_str(), late.status)).collect()
}

pub(crate) async fn those_late_for_longest_come_first_a_page_at_a_time(world: &World) {
    // Recorded in another order than they are late in.
    let [undecided, waits, allocated, behind, ahead, called_off] = [
        ("pay_undecided", 40),
        ("pay_waits", 5),
        ("pay_allocated", 3),
        ("pay_behind", 2),
        ("pay_ahead", 1),
        ("pay_off", 0),
    ]
    .map(|(payment, minutes)| recorded(payment, minutes));
    let all = [&undecided, &waits, &allocated, &behind, &ahead, &called_off];
    world.commit(new_trainers(&["trn_1"])).await;
    world.commit(purchases(all.map(Clone::clone).to_vec())).await;
    let waitlistings = vec![waitlisting(waits.id, minutes_later(now(), 20), 1)];
    world.commit(effects(Effects { waitlistings, ..Effects::default() })).await;
    for (number, (new, horizon)) in
        [(&allocated, None), (&behind, Some(29)), (&ahead, Some(31))].into_iter().enumerate()
    {
        let time = lesson(minutes_later(instant("2026-12-01T11:30:00Z"), number as i64 * 60), 60);
        let mut made = allocation(new, "trn_1", time);
        made.allocated_at = minutes_later(now(), 30);
        world.commit(allocations(vec![made.clone()])).await;
        if let Some(day) = horizon {
            world.commit(windows(vec![window(&made, None, date(2026, 12, day), 1..=1)])).await;
        }
    }
    world.commit(effects(Effects { cancellations: vec![off(&called_off)], ..Effects::default() })).await;
    let dead_letters = vec![
        set_aside(&undecided, Topic::PurchaseCreated, 1, ALLOCATION),
        // Another group's trouble, and another record's.
        set_aside(&undecided, Topic::PurchaseCreated, 1, "cache-invalidation-workers"),
        set_aside(&allocated, Topic::PurchaseCreated, 2, ALLOCATION),
    ];
    world.commit(Transaction { dead_letters, ..Transaction::default() }).await;

    let everything = [
        ("pay_waits", PurchaseStatus::Waitlisted),
        ("pay_allocated", PurchaseStatus::Allocated),
        ("pay_undecided", PurchaseStatus::Created),
        ("pay_behind", PurchaseStatus::Scheduled),
    ];
    let far = bounds(instant("2026-12-03T12:00:00Z"));
    for page in [1, 2, 99] {
        assert_eq!(told(&late(world, &far, page).await), everything, "{page} at a time");
    }
    let found = late(world, &far, 99).await;
    let since: Vec<Timestamp> = found.iter().map(|late| late.since).collect();
    let began = [20, 30, 40].map(|minutes| minutes_later(now(), minutes));
    assert_eq!(since, [&began[..], &[instant("2026-12-02T00:00:00Z")]].concat());
    assert_eq!(
        found.iter().map(|late| late.receipt.as_deref()).collect::<Vec<_>>(),
        [Some(r#"{"seen":1}"#), None, None, None]
    );
    let letters = world.here.store.list_dead_letters(&Default::default(), None, 9).await.unwrap();
    let mine = letters.iter().find(|letter| letter.consumer_group == ALLOCATION && letter.offset == 1).unwrap();
    assert_eq!(found.iter().map(|late| late.dead_letter).collect::<Vec<_>>(), [None, None, Some(mine.id), None]);
    assert_eq!(
        (found[3].horizon, found[0].subject.as_str(), found[0].level.as_str()),
        (Some(date(2026, 12, 29)), "python", "beginner")
    );

    // Each kind has its own bound, which counts.
    let narrow =
        LateBounds { in_hand: began[1], waiting: minutes_later(now(), 19), behind: minutes_later(now(), 99), ..far };
    assert_eq!(told(&late(world, &narrow, 99).await), [("pay_allocated", PurchaseStatus::Allocated)]);
    let first_day = LateBounds { reached: None, ..far };
    assert_eq!(told(&late(world, &first_day, 99).await), everything[..3], "before the first run no window is behind");
    let wider = LateBounds { window_days: 31, ..far };
    assert_eq!(late(world, &wider, 99).await.len(), 5);
}

fn off(new: &NewPurchase) -> caravan::platform::transaction::NewCancellation {
    caravan::platform::transaction::NewCancellation {
        purchase_id: new.id,
        status: PurchaseStatus::Created,
        horizon: None,
        allocation: None,
        ending: caravan_domain::cancellation::Ending { effective_from: date(2026, 11, 23), decided_at: now() },
        actor: "ann".to_owned(),
        reason: "moved".to_owned(),
    }
}
