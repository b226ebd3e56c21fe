use caravan::platform::transaction::{
    Amendment, Effects, NewAllocation, NewSession, Party, PartyTime, Replanned, SessionChange, SessionsChange, Trace,
    Transaction,
};
use caravan_domain::ids;
use caravan_domain::purchase::Ordered;
use caravan_domain::session::{SessionState, SessionStatus};
use jiff::civil::date;

use crate::session_changes::under_way;
use crate::world::{
    World, allocation, allocations, effects, lesson, minutes_later, new_trainers, now, purchase, purchases, session,
    waitlisting,
};

fn ordered(subject: &str, sessions: u16) -> Ordered {
    let mut ordered = purchase("pay_1", "stu_1").confirmation.ordered();
    (ordered.course.subject, ordered.plan.sessions) = (subject.to_owned(), Some(sessions));
    ordered
}

/// From the second session on `trn_2` teaches an hour later, and there is one more.
fn replanned(made: &NewAllocation, revision: i64) -> SessionsChange {
    let second = session(made.purchase_id, 2);
    let state = |trainer_id: &str, later: i64| SessionState {
        trainer_id: trainer_id.to_owned(),
        starts_at: minutes_later(second.starts_at, later),
        ends_at: minutes_later(second.ends_at, later),
        status: SessionStatus::Scheduled,
    };
    let third = session(made.purchase_id, 3);
    let allocation = NewAllocation {
        id: ids::allocation_id(made.purchase_id, 2),
        trainer_id: "trn_2".to_owned(),
        generation: 2,
        first_ordinal: 2,
        sessions: 4,
        start_date: second.local_date,
        reserved: Vec::new(),
        ordered: Some(ordered("chess", 5)),
        ..made.clone()
    };
    SessionsChange {
        purchase_id: made.purchase_id,
        revision,
        allocation_id: made.id,
        kind: "amended",
        changed_at: now(),
        actor: "ann".to_owned(),
        reason: "agreed by phone".to_owned(),
        overrides: Vec::new(),
        sessions: vec![SessionChange {
            ordinal: 2,
            before: state("trn_1", 0),
            after: state("trn_2", 60),
            local_date: second.local_date,
            planned_starts_at: minutes_later(second.starts_at, 60),
            in_calendar: true,
            trace: Trace::Replanned,
            terms: None,
        }],
        extended: None,
        replanned: Some(Replanned {
            ordered_before: ordered(" Python ", 4),
            allocation,
            amended: Some(ordered("chess", 5)),
            sessions_total: Some(5),
            start_date: None,
            horizon: Some(date(2026, 12, 16)),
        }),
        added: vec![(
            "trn_2".to_owned(),
            NewSession {
                starts_at: minutes_later(third.starts_at, 60),
                ends_at: minutes_later(third.ends_at, 60),
                ..third
            },
        )],
    }
}

fn with_time(change: SessionsChange) -> Transaction {
    let id = change.purchase_id;
    let of = |later: i64| -> Vec<_> {
        [2, 3, 4]
            .into_iter()
            .flat_map(|ordinal| lesson(minutes_later(session(id, ordinal).starts_at, later), 60))
            .collect()
    };
    let time = |party: Party, later: i64| PartyTime { party, time: of(later) };
    effects(Effects {
        session_changes: vec![change],
        freed: vec![time(Party::Trainer("trn_1".into()), 0), time(Party::Student("stu_1".into()), 0)],
        taken: vec![time(Party::Trainer("trn_2".into()), 60), time(Party::Student("stu_1".into()), 60)],
        ..Effects::default()
    })
}

pub(crate) async fn another_allocation_begins_where_the_one_before_ends(world: &World) {
    let made = under_way(world).await;
    let revision = world.purchase(made.purchase_id).await.revision;
    world.commit(with_time(replanned(&made, revision))).await;
    let read = world.purchase(made.purchase_id).await;
    let active = read.allocation.clone().unwrap();
    assert_eq!((active.id, active.trainer_id.as_str()), (ids::allocation_id(made.purchase_id, 2), "trn_2"));
    assert_eq!((active.first_ordinal, active.sessions, read.generations), (2, 4, 2));
    let before: Vec<_> =
        read.earlier.iter().map(|earlier| (earlier.id, earlier.first_ordinal, earlier.sessions)).collect();
    assert_eq!(before, [(made.id, 1, 1)]);
    assert_eq!(read.horizon, Some(date(2026, 12, 16)));
    assert_eq!((read.confirmation.course.subject.as_str(), read.confirmation.plan.sessions), ("chess", Some(5)));
    assert_eq!((read.reported().course.subject.as_str(), read.reported().plan.sessions), (" Python ", Some(4)));
    assert!(read.changed.is_empty(), "what stands as planned goes where the plan goes");
    // Both are found by whom they are of, also before the change.
    for trainer in ["trn_1", "trn_2"] {
        assert_eq!(world.here.store.taught_by(&[trainer.to_owned()]).await.unwrap().len(), 1, "{trainer}");
    }
    let filter = caravan::platform::rows::SessionFilter { purchase_id: Some(made.purchase_id), ..Default::default() };
    let sessions = world.here.store.list_sessions(&filter, None, 10).await.unwrap();
    let taught: Vec<_> = sessions.iter().map(|session| (session.ordinal, session.trainer_id.as_str())).collect();
    assert_eq!(taught, [(1, "trn_1"), (2, "trn_2"), (3, "trn_2")]);
    assert!(sessions.iter().all(|session| session.planned_starts_at == session.starts_at));
}

pub(crate) async fn a_rest_decided_on_what_is_no_more_is_refused(world: &World) {
    let made = under_way(world).await;
    let revision = world.purchase(made.purchase_id).await.revision;
    world.conflict(with_time(replanned(&made, revision - 1))).await;
    let other = SessionsChange { allocation_id: made.purchase_id, ..replanned(&made, revision) };
    world.conflict(with_time(other)).await;
    let read = world.purchase(made.purchase_id).await;
    assert_eq!((read.allocation.unwrap().id, read.earlier.len(), read.revision), (made.id, 0, revision));
}

pub(crate) async fn a_purchase_that_waits_is_amended_once_and_keeps_what_was_reported(world: &World) {
    let new = purchase("pay_1", "stu_1");
    world.commit(purchases(vec![new.clone()])).await;
    let waiting = Effects { waitlistings: vec![waitlisting(new.id, now(), 1)], ..Effects::default() };
    world.commit(effects(waiting)).await;
    let revision = world.purchase(new.id).await.revision;
    let amendment = Amendment {
        purchase_id: new.id,
        revision,
        ordered: ordered("chess", 9),
        changed_at: now(),
        actor: "ann".to_owned(),
        reason: "misspelled".to_owned(),
    };
    let amend = effects(Effects { amendments: vec![amendment], ..Effects::default() });
    world.commit(amend.clone()).await;
    world.conflict(amend).await;
    let read = world.purchase(new.id).await;
    assert_eq!(
        (read.revision, read.confirmation.plan.sessions, read.reported().plan.sessions),
        (revision + 1, Some(9), Some(4))
    );
    let changes = world.here.store.changes_of(new.id).await.unwrap();
    assert_eq!((changes[0].kind.as_str(), changes[0].actor.as_str()), ("amended", "ann"));
    // Whoever has decided for it as it was before looks again.
    world.commit(new_trainers(&["trn_1"])).await;
    let mut decided = allocation(&new, "trn_1", Vec::new());
    decided.revision = Some(revision);
    world.conflict(allocations(vec![decided.clone()])).await;
    decided.revision = Some(revision + 1);
    world.commit(allocations(vec![decided])).await;
}
