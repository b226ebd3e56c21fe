use caravan::platform::rows::SessionFilter;
use caravan::platform::transaction::{
    Effects, EndedAllocation, LoadShift, NewAllocation, NewCancellation, Party, PartyTime, Transaction,
};
use caravan_domain::allocation::reserved_time;
use caravan_domain::cancellation::Ending;
use caravan_domain::plan::Occurrence;
use caravan_domain::purchase::PurchaseStatus;
use jiff::Timestamp;
use jiff::civil::{Date, date};

use crate::world::{
    START, World, allocation, allocations, effects, instant, new_trainers, now, purchase, purchases, session,
    waitlisting, window, windows,
};

/// The dates before it have sessions in the calendar: two of four.
const HORIZON: Date = date(2026, 12, 15);

/// The weekly lessons of a plan, as occurrences.
fn lessons(ordinals: std::ops::RangeInclusive<u32>) -> impl Iterator<Item = Occurrence> {
    ordinals.map(|ordinal| {
        let session = session(uuid::Uuid::nil(), ordinal);
        let (local_date, starts_at, ends_at) = (session.local_date, session.starts_at, session.ends_at);
        Occurrence { ordinal, local_date, starts_at, ends_at }
    })
}

/// A purchase whose four lessons are reserved, with two of them in the calendar.
async fn under_way(world: &World, payment_id: &str, trainer_id: &str) -> NewAllocation {
    let new = purchase(payment_id, &format!("stu_{payment_id}"));
    let made = allocation(&new, trainer_id, reserved_time(lessons(1..=4)));
    world.commit(purchases(vec![new])).await;
    world.commit(allocations(vec![made.clone()])).await;
    world.commit(windows(vec![window(&made, None, HORIZON, 1..=2)])).await;
    made
}

/// Calling off what is planned from the second lesson on.
fn calling_off(made: &NewAllocation) -> NewCancellation {
    NewCancellation {
        purchase_id: made.purchase_id,
        status: PurchaseStatus::Scheduled,
        horizon: Some(HORIZON),
        allocation: Some(EndedAllocation { id: made.id, sessions: made.sessions, called_off: vec![2, 3, 4] }),
        revision: None,
        ending: Ending { effective_from: date(2026, 12, 8), decided_at: now() },
        actor: "ann".to_owned(),
        reason: "moved abroad".to_owned(),
    }
}

fn cancellations(cancellation: NewCancellation) -> Transaction {
    effects(Effects { cancellations: vec![cancellation], ..Effects::default() })
}

/// Calling it off with what that gives back.
fn giving_back(made: &NewAllocation, cancellation: NewCancellation) -> Transaction {
    let time = reserved_time(lessons(2..=4));
    let parties = [Party::Trainer(made.trainer_id.clone()), Party::Student(made.student_id.clone())];
    effects(Effects {
        cancellations: vec![cancellation],
        freed: parties.into_iter().map(|party| PartyTime { party, time: time.clone() }).collect(),
        loads: vec![LoadShift { trainer_id: made.trainer_id.clone(), version: None, share: -7 }],
        ..Effects::default()
    })
}

pub(crate) async fn what_is_not_held_leaves_the_calendar_and_its_time_is_free(world: &World) {
    world.commit(new_trainers(&["trn_1"])).await;
    let made = under_way(world, "pay_1", "trn_1").await;
    let before = world.here.store.roster_version().await.unwrap();
    world.commit(giving_back(&made, calling_off(&made))).await;

    let purchase = world.purchase(made.purchase_id).await;
    assert_eq!((purchase.status, purchase.allocation.is_none()), (PurchaseStatus::Cancelled, true));
    let filter = SessionFilter { purchase_id: Some(made.purchase_id), ..SessionFilter::default() };
    let sessions = world.here.store.list_sessions(&filter, None, 10).await.unwrap();
    let statuses: Vec<&str> = sessions.iter().map(|session| session.status.name()).collect();
    assert_eq!(statuses, ["scheduled", "cancelled"]);
    let changes = world.here.store.changes_of(made.purchase_id).await.unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].kind.as_str(), changes[0].actor.as_str()), ("cancelled", "ann"));
    assert_eq!((changes[0].reason.as_str(), changes[0].changed_at), ("moved abroad", now()));
    assert_eq!(changes[0].effective_from, Some(date(2026, 12, 8)));

    // Whoever keeps a picture of the roster is told, and sees the time that is left.
    let changed = world.here.store.roster_changes(Some(before), Timestamp::MIN).await.unwrap();
    let calendars: Vec<_> = changed.trainers.into_iter().map(|row| (row.trainer.trainer_id, row.calendar)).collect();
    assert_eq!(calendars, [("trn_1".to_owned(), reserved_time(lessons(1..=1)))]);
    let students =
        world.here.store.student_calendars(std::slice::from_ref(&made.student_id), Timestamp::MIN).await.unwrap();
    assert_eq!(students, [(made.student_id.clone(), reserved_time(lessons(1..=1)))]);

    // The freed time can be booked, the kept lesson's can't.
    let other = purchase_of(world, "pay_2").await;
    let kept = allocation(&other, "trn_1", reserved_time(lessons(1..=1)));
    assert_eq!(world.conflict(allocations(vec![kept])).await, ["trn_1"]);
    world.commit(allocations(vec![allocation(&other, "trn_1", reserved_time(lessons(2..=4)))])).await;
}

async fn purchase_of(world: &World, payment_id: &str) -> caravan::platform::transaction::NewPurchase {
    let new = purchase(payment_id, &format!("stu_{payment_id}"));
    world.commit(purchases(vec![new.clone()])).await;
    new
}

pub(crate) async fn one_without_a_trainer_stops_waiting(world: &World) {
    let new = purchase_of(world, "pay_1").await;
    let waiting = vec![waitlisting(new.id, now(), 0)];
    world.commit(effects(Effects { waitlistings: waiting, ..Effects::default() })).await;
    let off = NewCancellation {
        purchase_id: new.id,
        status: PurchaseStatus::Waitlisted,
        horizon: None,
        allocation: None,
        revision: None,
        ending: Ending { effective_from: START, decided_at: now() },
        actor: "ann".to_owned(),
        reason: "found another school".to_owned(),
    };
    world.commit(cancellations(off)).await;
    assert_eq!(world.purchase(new.id).await.status, PurchaseStatus::Cancelled);
    assert!(world.here.store.waiting(&[new.id]).await.unwrap().is_empty());
    assert!(world.here.store.waiting_below(i64::MAX, 10).await.unwrap().is_empty());
    world.conflict(allocations(vec![allocation(&new, "trn_1", reserved_time(lessons(1..=4)))])).await;
}

pub(crate) async fn what_changed_meanwhile_makes_it_look_again(world: &World) {
    world.commit(new_trainers(&["trn_1"])).await;
    let made = under_way(world, "pay_1", "trn_1").await;
    let decided = calling_off(&made);
    let mut another = decided.clone();
    another.horizon = None;
    world.conflict(cancellations(another)).await;
    let mut another = decided.clone();
    another.allocation = None;
    world.conflict(cancellations(another)).await;
    let mut another = decided.clone();
    another.revision = Some(world.purchase(made.purchase_id).await.revision - 1);
    world.conflict(cancellations(another)).await;
    // A window that was extended between the decision and the commit.
    world.commit(windows(vec![window(&made, Some(HORIZON), date(2026, 12, 22), 3..=3)])).await;
    world.conflict(cancellations(decided.clone())).await;
    assert_eq!(world.purchase(made.purchase_id).await.status, PurchaseStatus::Scheduled);
    assert!(world.here.store.changes_of(made.purchase_id).await.unwrap().is_empty());

    let revision = Some(world.purchase(made.purchase_id).await.revision);
    let now_it_fits = NewCancellation { horizon: Some(date(2026, 12, 22)), revision, ..decided };
    world.commit(cancellations(now_it_fits.clone())).await;
    world.conflict(cancellations(now_it_fits)).await;
    let late = window(&made, Some(date(2026, 12, 22)), date(2026, 12, 29), 4..=4);
    world.conflict(windows(vec![late])).await;
    let filter = SessionFilter { purchase_id: Some(made.purchase_id), ..SessionFilter::default() };
    assert_eq!(world.here.store.list_sessions(&filter, None, 10).await.unwrap().len(), 3);
    assert_eq!(instant("2026-12-01T11:30:00Z"), session(made.purchase_id, 1).starts_at);
}
