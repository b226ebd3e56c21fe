use caravan::platform::rows::SessionFilter;
use caravan::platform::transaction::{
    Effects, LoadShift, NewAllocation, NewSession, Party, PartyTime, PlanExtension, SessionChange, SessionsChange,
    Trace, Transaction,
};
use caravan_domain::allocation::ReservedTime;
use caravan_domain::session::{SessionRule, SessionState, SessionStatus};
use jiff::Timestamp;
use jiff::civil::{Date, date};

use crate::world::{
    World, allocation, allocations, effects, instant, lesson, minutes_later, new_trainers, now, purchase, purchases,
    session, window, windows,
};

/// The dates before it have sessions in the calendar: two of four.
const HORIZON: Date = date(2026, 12, 15);

/// A purchase with `trn_1` of which two sessions are in the calendar; all of its time is reserved.
pub(crate) async fn under_way(world: &World) -> NewAllocation {
    let new = purchase("pay_1", "stu_1");
    let reserved =
        [1, 2, 3, 4].into_iter().flat_map(|ordinal| lesson(session(new.id, ordinal).starts_at, 60)).collect();
    let made = allocation(&new, "trn_1", reserved);
    world.commit(new_trainers(&["trn_1", "trn_2"])).await;
    world.commit(purchases(vec![new])).await;
    world.commit(allocations(vec![made.clone()])).await;
    world.commit(windows(vec![window(&made, None, HORIZON, 1..=2)])).await;
    made
}

fn state(session: &NewSession, trainer_id: &str) -> SessionState {
    let (starts_at, ends_at) = (session.starts_at, session.ends_at);
    SessionState { trainer_id: trainer_id.to_owned(), starts_at, ends_at, status: SessionStatus::Scheduled }
}

/// The second session, in the calendar, goes to `trn_2` two hours later; the third, not there yet, is called off.
fn change(made: &NewAllocation, revision: i64) -> SessionsChange {
    let (second, third) = (session(made.purchase_id, 2), session(made.purchase_id, 3));
    let moved = SessionState {
        starts_at: minutes_later(second.starts_at, 120),
        ends_at: minutes_later(second.ends_at, 120),
        ..state(&second, "trn_2")
    };
    let one = |session: &NewSession, after: SessionState, in_calendar| SessionChange {
        trace: Trace::Stands,
        ordinal: session.ordinal,
        before: state(session, "trn_1"),
        after,
        local_date: session.local_date,
        planned_starts_at: session.starts_at,
        in_calendar,
        terms: None,
    };
    let off = SessionState { status: SessionStatus::Cancelled, ..state(&third, "trn_1") };
    SessionsChange {
        purchase_id: made.purchase_id,
        revision,
        allocation_id: made.id,
        kind: "session-moved",
        changed_at: now(),
        actor: "ann".to_owned(),
        reason: "a school trip".to_owned(),
        overrides: vec![SessionRule::Availability],
        sessions: vec![one(&second, moved, true), one(&third, off, false)],
        extended: None,
        replanned: None,
        added: Vec::new(),
    }
}

fn time(party: Party, of: &[ReservedTime]) -> PartyTime {
    PartyTime { party, time: of.to_vec() }
}

/// The change with the time that changes hands.
fn changing(change: SessionsChange, trn_2_version: i64) -> Transaction {
    let id = change.purchase_id;
    let (was, third) = (lesson(session(id, 2).starts_at, 60), lesson(session(id, 3).starts_at, 60));
    let is = lesson(minutes_later(session(id, 2).starts_at, 120), 60);
    let both = [was, third].concat();
    effects(Effects {
        session_changes: vec![change],
        freed: vec![time(Party::Trainer("trn_1".into()), &both), time(Party::Student("stu_1".into()), &both)],
        taken: vec![time(Party::Trainer("trn_2".into()), &is), time(Party::Student("stu_1".into()), &is)],
        loads: vec![
            // Two sessions of theirs: the one and the other.
            LoadShift { trainer_id: "trn_1".into(), version: None, share: -1_000 },
            LoadShift { trainer_id: "trn_1".into(), version: None, share: -1_000 },
            LoadShift { trainer_id: "trn_2".into(), version: Some(trn_2_version), share: 1_000 },
        ],
        ..Effects::default()
    })
}

async fn calendar(world: &World, made: &NewAllocation) -> Vec<String> {
    let filter = SessionFilter { purchase_id: Some(made.purchase_id), ..SessionFilter::default() };
    let mut sessions = world.here.store.list_sessions(&filter, None, 10).await.unwrap();
    sessions.sort_by_key(|session| session.ordinal);
    let line = |session: &caravan::platform::rows::Session| {
        let planned = if session.planned_starts_at == session.starts_at { "" } else { " moved" };
        format!("{} {} {}{planned}", session.ordinal, session.trainer_id, session.status)
    };
    sessions.iter().map(line).collect()
}

pub(crate) async fn what_is_changed_stands_so_and_whoever_reads_the_purchase_knows(world: &World) {
    let made = under_way(world).await;
    let revision = world.purchase(made.purchase_id).await.revision;
    let before = world.here.store.roster_version().await.unwrap();
    world.commit(changing(change(&made, revision), 1)).await;

    assert_eq!(calendar(world, &made).await, ["1 trn_1 scheduled", "2 trn_2 scheduled moved"]);
    let purchase = world.purchase(made.purchase_id).await;
    assert_eq!(purchase.revision, revision + 1);
    let changed: Vec<_> = purchase.changed.iter().map(|(ordinal, state)| (*ordinal, state.status)).collect();
    assert_eq!(changed, [(2, SessionStatus::Scheduled), (3, SessionStatus::Cancelled)]);
    assert_eq!(purchase.changed[&2].trainer_id, "trn_2");
    let changes = world.here.store.changes_of(made.purchase_id).await.unwrap();
    assert_eq!(
        (changes[0].kind.as_str(), changes[0].overrides.as_slice()),
        ("session-moved", ["availability".to_owned()].as_slice())
    );

    // Those whose time it was, and is, are shown anew with what they have left.
    let told = world.here.store.roster_changes(Some(before), Timestamp::MIN).await.unwrap();
    let shares: Vec<_> = told.trainers.iter().map(|row| (row.trainer.trainer_id.as_str(), row.share)).collect();
    assert_eq!(shares, [("trn_1", Some(-2_000)), ("trn_2", Some(1_000))]);
    let is = lesson(minutes_later(session(made.purchase_id, 2).starts_at, 120), 60);
    assert_eq!(told.trainers[1].calendar, is);
    let by = |id: &str| SessionFilter { trainer_id: Some(id.to_owned()), ..SessionFilter::default() };
    assert_eq!(world.here.store.list_sessions(&by("trn_2"), None, 10).await.unwrap().len(), 1);
    let theirs = world.here.store.taught_by(&["trn_2".to_owned()]).await.unwrap();
    assert_eq!(theirs.iter().map(|purchase| purchase.id).collect::<Vec<_>>(), [made.purchase_id]);
    let found = world.here.store.session(session(made.purchase_id, 2).id).await.unwrap().unwrap();
    assert_eq!((found.ordinal, found.planned_starts_at), (2, instant("2026-12-08T11:30:00Z")));
    assert!(world.here.store.session(session(made.purchase_id, 3).id).await.unwrap().is_none(), "not there yet");
}

pub(crate) async fn what_only_follows_its_plan_is_in_the_calendar_and_no_change_of_its_own(world: &World) {
    let made = under_way(world).await;
    let revision = world.purchase(made.purchase_id).await.revision;
    let mut follows = change(&made, revision);
    for session in &mut follows.sessions {
        (session.trace, session.planned_starts_at) = (Trace::Nothing, session.after.starts_at);
    }
    world.commit(changing(follows, 1)).await;
    assert_eq!(calendar(world, &made).await, ["1 trn_1 scheduled", "2 trn_2 scheduled"]);
    let found = world.here.store.session(session(made.purchase_id, 2).id).await.unwrap().unwrap();
    assert_eq!(found.starts_at, minutes_later(session(made.purchase_id, 2).starts_at, 120));
    let purchase = world.purchase(made.purchase_id).await;
    assert_eq!((purchase.revision, purchase.changed.len()), (revision + 1, 0));
    assert_eq!(world.here.store.changes_of(made.purchase_id).await.unwrap().len(), 1);
}

pub(crate) async fn a_change_decided_on_what_is_no_more_is_refused(world: &World) {
    let made = under_way(world).await;
    let revision = world.purchase(made.purchase_id).await.revision;
    let decided = change(&made, revision);
    let mut otherwise = decided.clone();
    otherwise.sessions[0].before.trainer_id = "trn_2".to_owned();
    world.conflict(changing(otherwise, 1)).await;
    let mut otherwise = decided.clone();
    otherwise.allocation_id = made.purchase_id;
    world.conflict(changing(otherwise, 1)).await;
    world.conflict(changing(change(&made, revision - 1), 1)).await;
    assert_eq!(world.conflict(changing(decided.clone(), 7)).await, ["trn_2"]);
    // Somebody else has that time of trn_2 now.
    let other = purchase("pay_2", "stu_2");
    let taken = lesson(minutes_later(session(made.purchase_id, 2).starts_at, 150), 60);
    world.commit(purchases(vec![other.clone()])).await;
    world.commit(allocations(vec![allocation(&other, "trn_2", taken)])).await;
    assert_eq!(world.conflict(changing(decided, 1)).await, ["trn_2"]);
    assert_eq!(calendar(world, &made).await, ["1 trn_1 scheduled", "2 trn_1 scheduled"]);
    assert!(world.here.store.changes_of(made.purchase_id).await.unwrap().is_empty());
    assert_eq!(world.purchase(made.purchase_id).await.revision, revision);
}

pub(crate) async fn a_plan_that_is_extended_has_more_sessions_and_is_over_with_the_last(world: &World) {
    let made = under_way(world).await;
    let purchase = world.purchase(made.purchase_id).await;
    let sessions = purchase.allocation.unwrap().sessions + 1;
    let extended = PlanExtension { sessions, added: 1, skipped: vec![date(2027, 1, 5)] };
    let last = session(made.purchase_id, u32::from(sessions));
    let more = SessionsChange {
        sessions: Vec::new(),
        extended: Some(extended.clone()),
        added: vec![("trn_1".to_owned(), last)],
        ..change(&made, purchase.revision)
    };
    world.commit(effects(Effects { session_changes: vec![more], ..Effects::default() })).await;
    let allocation = world.purchase(made.purchase_id).await.allocation.unwrap();
    assert_eq!((allocation.sessions, allocation.skipped), (sessions, extended.skipped));
    assert_eq!(calendar(world, &made).await.last().unwrap(), &format!("{sessions} trn_1 scheduled"));
    let over = Effects { completed_as_of: Some(instant("2030-01-01T00:00:00Z")), ..Effects::default() };
    world.commit(effects(over)).await;
    assert_eq!(world.purchase(made.purchase_id).await.status.name(), "completed");
}
