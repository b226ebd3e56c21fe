use caravan::platform::rows::{PurchaseFilter, SessionFilter, Standings, Unfulfilled, UnfulfilledFilter, WaitingWork};
use caravan::platform::transaction::{Effects, NewPurchase, NewRefund};
use caravan_domain::purchase::PurchaseStatus;
use caravan_domain::refund::RefundState;
use jiff::civil::date;

use crate::refunds::{change, refund, refunds};
use crate::world::{
    World, allocation, allocations, effects, instant, lesson, minutes_later, new_trainers, now, purchase, purchases,
    waitlisting, window, windows,
};

pub(crate) async fn purchases_page_in_the_order_of_their_recording(world: &World) {
    let payments: Vec<_> = (0..7).map(|number| format!("pay_{number}")).collect();
    for (number, payment) in payments.iter().enumerate() {
        let student = if number % 3 == 0 { "stu_a" } else { "stu_b" };
        world.commit(purchases(vec![purchase(payment, student)])).await;
    }
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = world.beside.store.list_purchases(&PurchaseFilter::default(), after, 3).await.unwrap();
        let Some((cursor, _)) = page.last() else { break };
        after = Some(*cursor);
        listed.extend(page.into_iter().map(|(_, purchase)| purchase.confirmation.payment_id));
    }
    assert_eq!(listed, payments);

    let found = async |filter: PurchaseFilter| {
        let found = world.here.store.list_purchases(&filter, None, 99).await.unwrap();
        found.into_iter().map(|(_, purchase)| purchase.confirmation.payment_id).collect::<Vec<_>>()
    };
    let of_student = PurchaseFilter { student_id: Some("stu_a".to_owned()), ..PurchaseFilter::default() };
    assert_eq!(found(of_student).await, ["pay_0", "pay_3", "pay_6"]);
    let by_id = PurchaseFilter { id: Some(purchase("pay_5", "").id), ..PurchaseFilter::default() };
    assert_eq!(found(by_id).await, ["pay_5"]);
    let by_status = |status| PurchaseFilter { status: Some(status), ..PurchaseFilter::default() };
    assert_eq!(found(by_status(PurchaseStatus::Created)).await.len(), 7);
    assert_eq!(found(by_status(PurchaseStatus::Waitlisted)).await.len(), 0);
}

pub(crate) async fn purchases_page_from_the_newest_as_well(world: &World) {
    for number in 0..7 {
        let new = purchase(&format!("pay_{number}"), if number % 3 == 0 { "stu_a" } else { "stu_b" });
        world.commit(purchases(vec![new.clone()])).await;
        if number == 2 || number == 5 {
            let waitlistings = vec![waitlisting(new.id, now(), 1)];
            world.commit(effects(Effects { waitlistings, ..Effects::default() })).await;
        }
    }
    let newest_first = PurchaseFilter { newest_first: true, ..PurchaseFilter::default() };
    let paged = async |filter: PurchaseFilter| {
        let (mut listed, mut after) = (Vec::new(), None);
        loop {
            let page = world.beside.store.list_purchases(&filter, after, 2).await.unwrap();
            let Some((cursor, _)) = page.last() else { return listed };
            after = Some(*cursor);
            listed.extend(page.into_iter().map(|(_, purchase)| purchase.confirmation.payment_id));
        }
    };
    assert_eq!(paged(newest_first.clone()).await, ["pay_6", "pay_5", "pay_4", "pay_3", "pay_2", "pay_1", "pay_0"]);
    let of_student = PurchaseFilter { student_id: Some("stu_a".to_owned()), ..newest_first.clone() };
    assert_eq!(paged(of_student).await, ["pay_6", "pay_3", "pay_0"]);
    let by_status = |status| PurchaseFilter { status: Some(status), ..newest_first.clone() };
    assert_eq!(paged(by_status(PurchaseStatus::Waitlisted)).await, ["pay_5", "pay_2"]);
    assert_eq!(paged(by_status(PurchaseStatus::Created)).await, ["pay_6", "pay_4", "pay_3", "pay_1", "pay_0"]);
    assert_eq!(paged(by_status(PurchaseStatus::Scheduled)).await, [""; 0]);
    let waited = PurchaseFilter { newest_first: false, ..by_status(PurchaseStatus::Waitlisted) };
    assert_eq!(paged(waited).await, ["pay_2", "pay_5"]);
}

pub(crate) async fn what_was_recorded_is_counted_between_bounds(world: &World) {
    let minute = |minutes| minutes_later(now(), minutes);
    for (payment, minutes) in
        [("pay_before", -1), ("pay_0", 0), ("pay_9", 9), ("pay_10", 10), ("pay_29", 29), ("pay_30", 30)]
    {
        let new = NewPurchase { created_at: minute(minutes), ..purchase(payment, "stu_1") };
        world.commit(purchases(vec![new.clone()])).await;
        if minutes == 9 {
            let waitlistings = vec![waitlisting(new.id, now(), 1)];
            world.commit(effects(Effects { waitlistings, ..Effects::default() })).await;
        }
    }
    let counted = async |bounds: &[i64]| {
        let bounds: Vec<_> = bounds.iter().map(|minutes| minute(*minutes)).collect();
        world.beside.store.recorded(&bounds).await.unwrap()
    };
    let standings = |by_status: &[(PurchaseStatus, u64)]| Standings { by_status: by_status.iter().copied().collect() };
    let (created, waitlisted) = (PurchaseStatus::Created, PurchaseStatus::Waitlisted);
    let found = counted(&[0, 10, 20, 30]).await;
    let expected =
        [standings(&[(created, 1), (waitlisted, 1)]), standings(&[(created, 1)]), standings(&[(created, 1)])];
    assert_eq!(found, expected);
    assert_eq!(found[0].total(), 2);
    assert_eq!(counted(&[11, 29, 29, 31]).await, [standings(&[]), standings(&[]), standings(&[(created, 2)])]);
    assert_eq!(counted(&[0]).await, []);
    assert_eq!(counted(&[]).await, []);
}

pub(crate) async fn what_waits_for_a_person_is_counted_with_its_oldest(world: &World) {
    assert_eq!(world.here.store.waiting_work().await.unwrap(), WaitingWork::default());
    for (payment, minutes) in [("pay_1", 30), ("pay_2", 20)] {
        let new = purchase(payment, "stu_1");
        world.commit(purchases(vec![new.clone()])).await;
        let waitlistings = vec![waitlisting(new.id, minutes_later(now(), minutes), 1)];
        world.commit(effects(Effects { waitlistings, ..Effects::default() })).await;
    }
    for (number, (state, minutes)) in
        [(RefundState::Open, 2), (RefundState::Open, 1), (RefundState::Kept, 0), (RefundState::Applied, 0)]
            .into_iter()
            .enumerate()
    {
        let bought = purchase(&format!("pay_unknown_{number}"), "stu_1");
        let new = NewRefund { recorded_at: minutes_later(now(), minutes), ..refund(&bought, "re_1", state) };
        world.commit(refunds(change(&bought, None, 0, vec![new]))).await;
    }
    let expected = WaitingWork {
        refunds: 2,
        oldest_refund: Some(minutes_later(now(), 1)),
        waitlisted: 2,
        oldest_waiting: Some(minutes_later(now(), 20)),
        ..WaitingWork::default()
    };
    assert_eq!(world.beside.store.waiting_work().await.unwrap(), expected);
}

/// Two trainers, three students, four lessons each.
async fn calendar(world: &World) {
    world.commit(new_trainers(&["trn_1", "trn_2"])).await;
    for (number, trainer) in [(0, "trn_1"), (1, "trn_2"), (2, "trn_1")] {
        let new = purchase(&format!("pay_{number}"), &format!("stu_{number}"));
        world.commit(purchases(vec![new.clone()])).await;
        let time = lesson(minutes_later(instant("2026-12-01T11:30:00Z"), number * 60), 60);
        let made = allocation(&new, trainer, time);
        world.commit(allocations(vec![made.clone()])).await;
        world.commit(windows(vec![window(&made, None, date(2026, 12, 29), 1..=4)])).await;
    }
}

pub(crate) async fn sessions_page_by_start_and_are_found_by_whose_they_are(world: &World) {
    calendar(world).await;
    let list = async |filter: SessionFilter| world.beside.store.list_sessions(&filter, None, 99).await.unwrap();
    let all = list(SessionFilter::default()).await;
    assert_eq!(all.len(), 12);
    assert!(all.is_sorted_by_key(|session| (session.starts_at, session.purchase_id)));
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = world.here.store.list_sessions(&SessionFilter::default(), after, 5).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.place());
        paged.extend(page.into_iter().map(|session| session.id));
    }
    assert_eq!(paged, all.iter().map(|session| session.id).collect::<Vec<_>>());

    let first = &all[0];
    assert_eq!((first.ordinal, first.local_date, first.time_zone.as_str()), (1, date(2026, 12, 1), "Asia/Kolkata"));
    assert_eq!((first.starts_at, first.ends_at), (instant("2026-12-01T11:30:00Z"), instant("2026-12-01T12:30:00Z")));
    assert_eq!(first.status.name(), "scheduled");

    let none = SessionFilter::default;
    for (filter, expected) in [
        (SessionFilter { purchase_id: Some(purchase("pay_1", "").id), ..none() }, 4),
        (SessionFilter { trainer_id: Some("trn_1".to_owned()), ..none() }, 8),
        (SessionFilter { student_id: Some("stu_2".to_owned()), ..none() }, 4),
        (SessionFilter { student_id: Some("stu_2".to_owned()), trainer_id: Some("trn_2".to_owned()), ..none() }, 0),
        (SessionFilter { from: Some(date(2026, 12, 8)), ..none() }, 9),
        (SessionFilter { until: Some(date(2026, 12, 8)), ..none() }, 6),
        (SessionFilter { from: Some(date(2026, 12, 2)), until: Some(date(2026, 12, 15)), ..none() }, 6),
        (SessionFilter { trainer_id: Some("trn_2".to_owned()), from: Some(date(2026, 12, 22)), ..none() }, 1),
    ] {
        let found = list(filter.clone()).await;
        assert_eq!(found.len(), expected, "{filter:?}");
        assert!(found.is_sorted_by_key(|session| (session.starts_at, session.purchase_id)));
    }
}

pub(crate) async fn what_is_not_fulfilled_pages_by_since_when(world: &World) {
    world.commit(new_trainers(&["trn_1"])).await;
    let recorded = async |payment: &str, minutes| {
        let new = NewPurchase { created_at: minutes_later(now(), minutes), ..purchase(payment, "stu_1") };
        world.commit(purchases(vec![new.clone()])).await;
        new
    };
    let allocated = async |payment: &str, day: i64| {
        let time = lesson(minutes_later(instant("2026-12-01T11:30:00Z"), day * 24 * 60), 60);
        let made = allocation(&recorded(payment, -90).await, "trn_1", time);
        world.commit(allocations(vec![made.clone()])).await;
        made
    };
    recorded("pay_young", 10).await;
    recorded("pay_created", -5).await;
    let scheduled = allocated("pay_scheduled", 0).await;
    world.commit(windows(vec![window(&scheduled, None, date(2026, 12, 29), 1..=4)])).await;
    allocated("pay_allocated", 1).await;
    let waits = recorded("pay_waits", -60).await;
    let waitlistings = vec![waitlisting(waits.id, minutes_later(now(), 30), 1)];
    world.commit(effects(Effects { waitlistings, ..Effects::default() })).await;
    // As long as somebody else, to the moment.
    recorded("pay_beside", -5).await;

    let listed = async |filter: UnfulfilledFilter, page| {
        let (mut listed, mut last): (Vec<Unfulfilled>, Option<Unfulfilled>) = (Vec::new(), None);
        loop {
            let found = world.beside.store.list_unfulfilled(&filter, last.as_ref(), page).await.unwrap();
            let Some(end) = found.last() else { return listed };
            last = Some(end.clone());
            listed.extend(found);
        }
    };
    let told = |one: &Unfulfilled| (one.purchase.confirmation.payment_id.clone(), one.since);
    let filter = UnfulfilledFilter { before: now(), today: date(2026, 12, 3), window_days: 28 };
    let all = listed(filter, 99).await;
    let expected = [
        ("pay_created", minutes_later(now(), -5)),
        ("pay_beside", minutes_later(now(), -5)),
        ("pay_allocated", now()),
        ("pay_waits", minutes_later(now(), 30)),
        // From that day on it should have reached to the 30th.
        ("pay_scheduled", instant("2026-12-02T00:00:00Z")),
    ];
    assert_eq!(all.iter().map(told).collect::<Vec<_>>(), expected.map(|(payment, since)| (payment.to_owned(), since)));
    let receipts: Vec<_> = all.iter().map(|one| one.receipt.as_deref()).collect();
    assert_eq!(receipts, [None, None, None, Some(r#"{"seen":1}"#), None]);
    assert_eq!(all[2].purchase.allocation.as_ref().unwrap().trainer_id, "trn_1");
    assert_eq!(listed(filter, 1).await.iter().map(told).collect::<Vec<_>>(), all.iter().map(told).collect::<Vec<_>>());
    let depths = world.here.store.unfulfilled_depths(&filter).await.unwrap();
    let told: Vec<_> = depths.iter().map(|depth| (depth.status.name(), depth.purchases, depth.oldest)).collect();
    let expected = [
        ("created", 2, minutes_later(now(), -5)),
        ("allocated", 1, now()),
        ("waitlisted", 1, minutes_later(now(), 30)),
        ("scheduled", 1, instant("2026-12-02T00:00:00Z")),
    ];
    assert_eq!(told, expected);
    let earlier = UnfulfilledFilter { before: minutes_later(now(), -1), today: date(2026, 12, 1), ..filter };
    let found = listed(earlier, 2).await;
    let found: Vec<_> = found.iter().map(|one| one.purchase.confirmation.payment_id.as_str()).collect();
    assert_eq!(found, ["pay_created", "pay_beside", "pay_waits"]);
}

pub(crate) async fn totals_count_everything(world: &World) {
    assert_eq!(world.here.store.totals().await.unwrap(), Default::default());
    calendar(world).await;
    let totals = world.here.store.totals().await.unwrap();
    assert_eq!((totals.purchases["scheduled"], totals.sessions["scheduled"], totals.trainers), (3, 12, 2));
    let trainers = world.here.store.list_trainers(None, 99).await.unwrap();
    assert_eq!(world.here.store.list_trainers(Some("trn_1"), 99).await.unwrap(), trainers[1..]);
    assert_eq!(world.here.store.trainer_terms(&["trn_2".to_owned()]).await.unwrap(), trainers[1..]);
    assert_eq!(world.here.store.list_trainers(None, 1).await.unwrap(), trainers[..1]);
    assert_eq!(trainers[0], (crate::world::trainer("trn_1"), 1));
}
