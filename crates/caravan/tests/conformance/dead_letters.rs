use caravan::platform::rows::{DeadLetterFilter, LetterGroup};
use caravan::platform::transaction::{Effects, NewDeadLetter, Redriven, Transaction};
use caravan_domain::event::Topic;

use crate::world::{World, dead_letter, effects, minutes_later, now, telling};

fn set_aside(letters: &[NewDeadLetter]) -> Transaction {
    Transaction {
        outbox: letters.iter().map(telling).collect(),
        dead_letters: letters.to_vec(),
        ..Transaction::default()
    }
}

pub(crate) async fn there_is_one_for_each_record_and_group(world: &World) {
    let mut of_other_group = dead_letter(1);
    of_other_group.group = "trainer-allocation-workers";
    world.commit(set_aside(&[dead_letter(1), dead_letter(2), of_other_group])).await;
    let mut again = dead_letter(1);
    again.detail = "said otherwise".to_owned();
    world.commit(set_aside(&[again, dead_letter(3)])).await;

    let stored = world.beside.store.list_dead_letters(&DeadLetterFilter::default(), None, 99).await.unwrap();
    let places: Vec<_> = stored.iter().map(|letter| (letter.offset, letter.consumer_group.as_str())).collect();
    let own = dead_letter(1).group;
    assert_eq!(places, [(1, own), (2, own), (1, "trainer-allocation-workers"), (3, own)]);
    let (first, expected) = (&stored[0], dead_letter(1));
    assert_eq!((first.topic, first.partition), (expected.at.topic, expected.at.partition));
    assert_eq!((first.reason.as_str(), &first.detail), (expected.reason, &expected.detail), "the first stands");
    assert_eq!((&first.key, &first.value, &first.headers), (&expected.key, &expected.value, &expected.headers));
    assert_eq!((first.attempts, first.redrives, first.failed_at), (1, 0, now()));
    assert_eq!((first.redriven_at, &first.repaired), (None, &None));
}

pub(crate) async fn a_replay_tells_of_it_only_once(world: &World) {
    world.commit(set_aside(&[dead_letter(1)])).await;
    world.commit(set_aside(&[dead_letter(1), dead_letter(2)])).await;
    let outbox = world.here.store.outbox(99).await.unwrap();
    let told: Vec<_> = outbox.into_iter().map(|row| row.record).collect();
    assert_eq!(told, [telling(&dead_letter(1)), telling(&dead_letter(2))]);
}

pub(crate) async fn each_is_redriven_once(world: &World) {
    world.commit(set_aside(&[dead_letter(1), dead_letter(2)])).await;
    let stored = world.here.store.list_dead_letters(&DeadLetterFilter::default(), None, 99).await.unwrap();
    let redrive = |id, repaired: Option<&[u8]>| Redriven { id, at: now(), repaired: repaired.map(<[u8]>::to_vec) };
    let redrives = |redriven| effects(Effects { redriven, ..Effects::default() });
    world.commit(redrives(vec![redrive(stored[0].id, Some(b"{}"))])).await;
    world.conflict(redrives(vec![redrive(stored[1].id, None), redrive(stored[0].id, None)])).await;

    let stored = world.here.store.list_dead_letters(&DeadLetterFilter::default(), None, 99).await.unwrap();
    assert_eq!((stored[0].redriven_at, stored[0].repaired.as_deref()), (Some(now()), Some(&b"{}"[..])));
    assert_eq!(stored[1].redriven_at, None);
    let waiting = DeadLetterFilter { waiting: true, ..DeadLetterFilter::default() };
    let waiting = world.here.store.list_dead_letters(&waiting, None, 99).await.unwrap();
    assert_eq!(waiting.iter().map(|letter| letter.offset).collect::<Vec<_>>(), [2]);
}

pub(crate) async fn they_are_found_by_what_people_ask_for(world: &World) {
    let letters: Vec<_> = (0..7)
        .map(|offset| {
            let mut letter = dead_letter(offset);
            letter.reason = if offset % 2 == 0 { "invalid-json" } else { "conflicting-payment" };
            letter.failed_at = minutes_later(now(), i64::try_from(offset).unwrap());
            letter
        })
        .collect();
    world.commit(set_aside(&letters)).await;
    let list = async |filter: DeadLetterFilter, after, limit| {
        let found = world.here.store.list_dead_letters(&filter, after, limit).await.unwrap();
        found.into_iter().map(|letter| (letter.id, letter.offset)).collect::<Vec<_>>()
    };
    let all = list(DeadLetterFilter::default(), None, 99).await;
    let first = list(DeadLetterFilter::default(), None, 3).await;
    let rest = list(DeadLetterFilter::default(), Some(first[2].0), 99).await;
    assert_eq!([first, rest].concat(), all);
    let by_reason = DeadLetterFilter { reason: Some("conflicting-payment".to_owned()), ..DeadLetterFilter::default() };
    assert_eq!(list(by_reason, None, 99).await, [all[1], all[3], all[5]]);
    let by_id = DeadLetterFilter { ids: vec![all[4].0, all[2].0, -1], ..DeadLetterFilter::default() };
    assert_eq!(list(by_id, None, 99).await, [all[2], all[4]]);
    let by_topic = |topic| DeadLetterFilter { topic: Some(topic), ..DeadLetterFilter::default() };
    assert_eq!(list(by_topic(letters[0].at.topic), None, 99).await, all);
    assert_eq!(list(by_topic(Topic::SessionsScheduled), None, 99).await, []);
}

pub(crate) async fn those_that_wait_are_told_by_reason_and_topic(world: &World) {
    assert_eq!(world.here.store.dead_letters_waiting().await.unwrap(), []);
    let letter = |offset: u64, reason| {
        let failed_at = minutes_later(now(), i64::try_from(offset).unwrap());
        NewDeadLetter { reason, failed_at, ..dead_letter(offset) }
    };
    let mut of_other_topic = letter(9, "invalid-json");
    of_other_topic.at.topic = Topic::PurchaseRefunded;
    let rare = letter(5, "conflicting-payment");
    let common = [0, 4, 2].map(|offset| letter(offset, "invalid-json"));
    world.commit(set_aside(&[&common[..], &[rare, of_other_topic, letter(1, "unknown-order")]].concat())).await;
    let stored = world.here.store.list_dead_letters(&DeadLetterFilter::default(), None, 99).await.unwrap();
    let settled = stored.iter().filter(|letter| letter.offset == 0 || letter.offset == 1);
    let redriven = settled.map(|letter| Redriven { id: letter.id, at: now(), repaired: None }).collect();
    world.commit(effects(Effects { redriven, ..Effects::default() })).await;

    let group = |reason: &str, topic, letters, oldest, newest| LetterGroup {
        reason: reason.to_owned(),
        topic,
        letters,
        oldest: minutes_later(now(), oldest),
        newest: minutes_later(now(), newest),
    };
    let expected = [
        group("invalid-json", Topic::PurchaseConfirmed, 2, 2, 4),
        group("conflicting-payment", Topic::PurchaseConfirmed, 1, 5, 5),
        group("invalid-json", Topic::PurchaseRefunded, 1, 9, 9),
    ];
    assert_eq!(world.beside.store.dead_letters_waiting().await.unwrap(), expected);
    let work = world.beside.store.waiting_work().await.unwrap();
    assert_eq!((work.dead_letters, work.oldest_letter), (4, Some(minutes_later(now(), 2))));
}
