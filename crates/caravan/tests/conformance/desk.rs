use caravan::platform::desk::{
    Answer, AnswerKey, DeskEffects, Digest, Feed, OrderPaid, OrderRow, Paid, SignIn, Stale, Token,
};
use caravan::platform::transaction::{CommitError, Effects, Party, Transaction};
use caravan_domain::access::Role;
use caravan_domain::order::Order;
use jiff::Timestamp;
use uuid::Uuid;

use crate::world::{World, confirmation, effects, instant, minutes_later, now};

fn desk(desk: DeskEffects) -> Transaction {
    effects(Effects { desk, ..Effects::default() })
}

fn token(number: u8) -> Token {
    Token {
        id: Uuid::from_u128(number.into()),
        name: format!("shöp {number}'"),
        role: Role::Ingest,
        digest: [number; 32],
        created_at: now(),
        revoked_at: None,
    }
}

fn tokens(tokens: Vec<Token>) -> Transaction {
    desk(DeskEffects { tokens, ..DeskEffects::default() })
}

pub(crate) async fn a_token_is_made_once_and_revoked_for_good(world: &World) {
    let (one, other) = (token(1), token(2));
    world.commit(tokens(vec![one.clone(), other.clone()])).await;
    assert_eq!(world.beside.store.tokens().await.unwrap(), [one.clone(), other.clone()]);
    let same_secret = Token { id: Uuid::from_u128(9), ..one.clone() };
    let same_id = Token { digest: [9; 32], ..one.clone() };
    world.conflict(tokens(vec![token(3), same_secret])).await;
    world.conflict(tokens(vec![token(3), same_id])).await;
    let revoke =
        |id: Uuid, at: Timestamp| desk(DeskEffects { revoked_tokens: vec![(id, at)], ..DeskEffects::default() });
    for minutes in [1, 2] {
        world.commit(revoke(one.id, minutes_later(now(), minutes))).await;
        let revoked = Token { revoked_at: Some(minutes_later(now(), 1)), ..one.clone() };
        assert_eq!(world.here.store.tokens().await.unwrap(), [revoked, other.clone()], "the first time stands");
    }
    world.conflict(revoke(Uuid::nil(), now())).await;
}

fn sign_in(number: u8, expires_at: Timestamp) -> SignIn {
    let token_id = Uuid::from_u128(number.into());
    SignIn { digest: [number; 32], token_id, signed_in_at: minutes_later(expires_at, -60), expires_at }
}

fn sign_ins(sign_ins: Vec<SignIn>) -> Transaction {
    desk(DeskEffects { sign_ins, ..DeskEffects::default() })
}

pub(crate) async fn whoever_signed_in_is_known_until_they_sign_out(world: &World) {
    let (one, other) = (sign_in(1, minutes_later(now(), 60)), sign_in(2, minutes_later(now(), -60)));
    world.commit(sign_ins(vec![one.clone(), other.clone()])).await;
    let store = &world.beside.store;
    assert_eq!(store.sign_in(&one.digest).await.unwrap(), Some(one.clone()));
    assert_eq!(
        store.sign_in(&other.digest).await.unwrap(),
        Some(other.clone()),
        "whoever asks looks at when it expires"
    );
    assert_eq!(store.sign_in(&[3; 32]).await.unwrap(), None);
    world.conflict(sign_ins(vec![sign_in(3, now()), one.clone()])).await;
    assert_eq!(store.sign_in(&[3; 32]).await.unwrap(), None);
    let sign_out = |digests: &[Digest]| desk(DeskEffects { signed_out: digests.to_vec(), ..DeskEffects::default() });
    for digests in [&[one.digest][..], &[one.digest, [9; 32]]] {
        world.commit(sign_out(digests)).await;
        assert_eq!(store.sign_in(&one.digest).await.unwrap(), None);
        assert_eq!(store.sign_in(&other.digest).await.unwrap(), Some(other.clone()));
    }
}

pub(crate) async fn a_feed_is_found_by_what_its_secret_is_known_by(world: &World) {
    let feed = |number: u8, party: Party| Feed {
        id: Uuid::from_u128(number.into()),
        party,
        digest: [number; 32],
        created_at: now(),
        revoked_at: None,
    };
    let ravi = feed(1, Party::Trainer("trn:7".to_owned()));
    let asha = feed(2, Party::Student("trn:7".to_owned()));
    let made = DeskEffects { feeds: vec![ravi.clone(), asha.clone()], ..DeskEffects::default() };
    world.commit(desk(made.clone())).await;
    world.conflict(desk(made)).await;
    let store = &world.beside.store;
    assert_eq!(store.feed(&[1; 32]).await.unwrap(), Some(ravi.clone()));
    assert_eq!(store.feed(&[3; 32]).await.unwrap(), None);
    assert_eq!(store.feeds(Some(&asha.party)).await.unwrap(), std::slice::from_ref(&asha));
    let revoked = DeskEffects { revoked_feeds: vec![(ravi.id, now())], ..DeskEffects::default() };
    world.commit(desk(revoked)).await;
    let ravi = Feed { revoked_at: Some(now()), ..ravi };
    assert_eq!(store.feeds(None).await.unwrap(), [ravi, asha]);
}

fn order(id: &str, expires_at: Timestamp) -> OrderRow {
    let bought = confirmation("pay_1", "stu_1");
    let order = Order {
        amount: bought.amount,
        accept_any_amount: true,
        item: Some("it'em".to_owned()),
        student: bought.student,
        payer: None,
        course: bought.course,
        plan: bought.plan,
        preferred_trainer_id: None,
        metadata: bought.metadata,
    };
    OrderRow { id: id.to_owned(), order, created_at: now(), expires_at, paid: None }
}

fn orders(orders: Vec<OrderRow>) -> Transaction {
    desk(DeskEffects { orders, ..DeskEffects::default() })
}

fn paid(id: &str, payment_id: &str) -> Transaction {
    let paid = OrderPaid { id: id.to_owned(), paid: Paid { payment_id: payment_id.to_owned(), at: now() } };
    desk(DeskEffects { paid: vec![paid], ..DeskEffects::default() })
}

pub(crate) async fn an_order_is_paid_by_one_payment(world: &World) {
    let made = order("ord_1", minutes_later(now(), 10));
    world.commit(orders(vec![made.clone()])).await;
    world.conflict(orders(vec![made.clone()])).await;
    let store = &world.beside.store;
    let ids = ["ord_1".to_owned(), "ord_2".to_owned()];
    assert_eq!(store.orders(&ids).await.unwrap(), std::slice::from_ref(&made));
    // Of two payments at once one pays it.
    let (one, other) = (paid("ord_1", "pi_1"), paid("ord_1", "pi_2"));
    let both = tokio::join!(world.here.store.commit(&one), world.beside.store.commit(&other));
    let payment = match both {
        (Ok(()), Err(CommitError::Conflict { .. })) => "pi_1",
        (Err(CommitError::Conflict { .. }), Ok(())) => "pi_2",
        other => panic!("one of two pays it: {other:?}"),
    };
    world.commit(paid("ord_1", payment)).await;
    world.conflict(paid("ord_2", "pi_3")).await;
    let expected = OrderRow { paid: Some(Paid { payment_id: payment.to_owned(), at: now() }), ..made };
    assert_eq!(store.orders_paid_by(&[payment.to_owned()]).await.unwrap(), [expected]);
    assert_eq!(store.orders_paid_by(&["pi_3".to_owned()]).await.unwrap(), []);
}

fn answer(key: &str, at: Timestamp) -> Answer {
    let key = AnswerKey { token_id: Uuid::from_u128(1), key: key.to_owned() };
    Answer { key, request: [7; 32], status: 202, body: "{\"purchase_id\":\"ü\"}".to_owned(), at }
}

fn answers(answers: Vec<Answer>) -> Transaction {
    desk(DeskEffects { answers, ..DeskEffects::default() })
}

pub(crate) async fn the_first_answer_stands_with_its_effect(world: &World) {
    let first = answer("k'", now());
    world.commit(answers(vec![first.clone()])).await;
    // Nothing of what comes with another one is kept.
    let mut second = answers(vec![Answer { status: 422, ..first.clone() }]);
    second.effects.desk.orders.push(order("ord_1", now()));
    world.conflict(second).await;
    let store = &world.beside.store;
    assert_eq!(store.orders(&["ord_1".to_owned()]).await.unwrap(), []);
    let others = AnswerKey { token_id: Uuid::from_u128(2), ..first.key.clone() };
    assert_eq!(store.answers(&[first.key.clone(), others]).await.unwrap(), [first]);
}

pub(crate) async fn what_is_old_is_forgotten_and_nothing_else(world: &World) {
    let (old, young) = (answer("old", instant("2026-11-22T10:00:00Z")), answer("young", now()));
    world.commit(answers(vec![old.clone(), young.clone()])).await;
    let expired = [order("ord_1", instant("2026-08-01T00:00:00Z")), order("ord_2", instant("2026-08-02T00:00:00Z"))];
    world.commit(orders(vec![expired[0].clone(), expired[1].clone(), order("ord_3", now())])).await;
    world.commit(paid("ord_2", "pi_2")).await;
    let expiries = [(1, -2), (2, -1), (3, 0), (4, 1)];
    let signed_in = expiries.map(|(number, minutes)| sign_in(number, minutes_later(now(), minutes)));
    world.commit(sign_ins(signed_in.to_vec())).await;
    let (a_day_ago, months_ago) = (instant("2026-11-22T12:00:00Z"), instant("2026-08-25T00:00:00Z"));
    let stale = Stale { answers: a_day_ago, orders: months_ago, sign_ins: now() };
    for forgotten in [3, 1, 0] {
        assert_eq!(world.here.store.forget_desk(stale, 1).await.unwrap(), forgotten, "one of each at most");
    }
    let store = &world.beside.store;
    for (sign_in, kept) in signed_in.into_iter().zip([false, false, true, true]) {
        assert_eq!(store.sign_in(&sign_in.digest).await.unwrap(), kept.then_some(sign_in));
    }
    assert_eq!(store.answers(&[old.key, young.key.clone()]).await.unwrap(), [young]);
    let ids = ["ord_1", "ord_2", "ord_3"].map(str::to_owned);
    let mut left: Vec<String> = store.orders(&ids).await.unwrap().into_iter().map(|row| row.id).collect();
    left.sort();
    assert_eq!(left, ["ord_2", "ord_3"]);
}
