//! A school year, night by night: payments come in, people change their minds, trainers fall ill, lessons are swapped, plans
//! are amended and change hands, the clocks change, also by law, payments are given back, processes are killed. Each night
//! nothing is left over; at the end every lesson that was paid for was held, or it is known who called it off and why, or who
//! waits for it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use caravan::life::ChangeError;
use caravan::life::cancel::{self, CancelError};
use caravan::life::leave::{self, Remedy};
use caravan::life::refunds::settle;
use caravan::life::replanning::{self, Wish, replan};
use caravan::life::sessions::{self, Act, When};
use caravan::life::time_data;
use caravan::platform::log::NewRecord;
use caravan::platform::rows::{RefundFilter, Session, SessionFilter};
use caravan::time_data::TimeDataError;
use caravan_domain::allocation::Policy;
use caravan_domain::event::{Headers, Topic};
use caravan_domain::refund::RefundState;
use caravan_domain::session::SessionStatus;
use jiff::civil::{Date, date};
use jiff::{SignedDuration, ToSpan};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::house::House;
use crate::sample::{payment, trainer};

use super::shift::Shift;
use super::time_data::{OLDER, request};

const FIRST_DAY: Date = date(2026, 9, 7);
const ZONES: [&str; 3] = ["Asia/Kolkata", "Europe/Berlin", "America/New_York"];
/// Zones, others that have the same clocks from a date on until the spring, and that date: as if summer time were abolished.
const ABOLISHED: [(&str, &str, &str); 2] =
    [("Europe/Berlin", "Africa/Lagos", "2026-10-26"), ("America/New_York", "America/Jamaica", "2026-11-02")];
/// What the sample's payment has cost.
const PAID: i64 = 149_900;
const DAYS: [&str; 6] = ["mon", "tue", "wed", "thu", "fri", "sat"];

/// How large the year is.
pub(crate) struct Size {
    pub(crate) trainers: usize,
    pub(crate) students: usize,
    /// How many nights there are, and how many days lie between two of them.
    pub(crate) nights: i32,
    pub(crate) step: i32,
    /// In how many nights the workers are dropped once.
    pub(crate) nights_a_crash: i32,
}

/// What happened in it.
#[derive(Debug, Default)]
struct Tally(BTreeMap<&'static str, usize>);

impl Tally {
    fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }
}

struct Year {
    house: House,
    dice: StdRng,
    size: Size,
    paid: usize,
    refunds: usize,
    tally: Tally,
    took: BTreeMap<&'static str, Duration>,
    workers: Option<Shift>,
}

/// Lives through a year; the same seed is the same year, but for where crashes hit.
pub(crate) async fn year(seed: u64, size: Size) {
    let began = Instant::now();
    let house = House::new().await;
    let dice = StdRng::seed_from_u64(seed);
    let (tally, took) = (Tally::default(), BTreeMap::new());
    let mut year = Year { house, dice, size, paid: 0, refunds: 0, tally, took, workers: None };
    year.house.set_clock(&at(FIRST_DAY, 8));
    year.open().await;
    for night in 0..year.size.nights {
        let today = FIRST_DAY.saturating_add((night * year.size.step).days());
        year.house.set_clock(&at(today, 12));
        year.day(night, today).await;
        year.house.set_clock(&at(today, 22));
        year.rest().await;
        let looking = Instant::now();
        let report = year.house.audited().await;
        assert_eq!(report.broken(), [], "seed {seed}, night {night}: {:#?}", report.text_lines());
        year.took("audit", looking);
    }
    year.end(seed, began).await;
}

fn at(date: Date, hour: i8) -> String {
    date.at(hour, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().to_string()
}

impl Year {
    async fn open(&mut self) {
        let roster: Vec<Value> = (0..self.size.trainers).map(|number| self.trainer(number)).collect();
        self.house.employ(&roster).await;
        let holidays = [
            ("2026-10-05", "2026-10-07", "autumn"),
            ("2026-12-24", "2027-01-01", "winter"),
            ("2027-03-26", "2027-03-29", "easter"),
        ];
        let closures: Vec<Value> =
            holidays.iter().map(|(from, until, name)| json!({ "from": from, "until": until, "name": name })).collect();
        self.house.close(&closures).await;
    }

    fn trainer(&mut self, number: usize) -> Value {
        let from = ["06:00", "08:00", "12:00"][number % 3];
        let ranges = DAYS.map(|day| json!({ "weekday": day, "from": from, "until": "23:00" }));
        let levels = if number.is_multiple_of(4) { json!(["beginner", "advanced"]) } else { json!(["beginner"]) };
        trainer(
            &format!("trn_{number}"),
            json!({ "time_zone": ZONES[number % 3], "availability": ranges, "max_sessions_per_week": 25,
                    "courses": [{ "subject": "python", "levels": levels }] }),
        )
    }

    fn payment(&mut self, today: Date) -> Value {
        let number = self.paid;
        self.paid += 1;
        let per_week = self.dice.random_range(1..=2);
        let sessions = self.dice.random_range(3..=14);
        let mut days: Vec<&str> = DAYS.to_vec();
        let slots: Vec<Value> = (0..per_week + 2)
            .map(|_| {
                let day = days.remove(self.dice.random_range(0..days.len()));
                json!({ "weekday": day, "at": format!("{:02}:00", self.dice.random_range(14..20)) })
            })
            .collect();
        let level = if self.dice.random_range(0..10) == 0 { "advanced" } else { "beginner" };
        let start = today.saturating_add(self.dice.random_range(1..20).days());
        payment(
            &format!("pay_{number}"),
            json!({
                "student": { "id": format!("stu_{number}"), "time_zone": ZONES[number % 3] },
                "course": { "level": level },
                "confirmed_at": at(today, 9),
                "plan": { "start_date": start, "sessions": sessions, "per_week": per_week, "slots": slots },
            }),
        )
    }

    async fn day(&mut self, night: i32, today: Date) {
        // New students come until the last quarter.
        let coming = (night + 1) as usize * self.size.students * 4 / (self.size.nights as usize * 3);
        let coming = coming.min(self.size.students).saturating_sub(self.paid);
        let payments: Vec<Value> = (0..coming).map(|_| self.payment(today)).collect();
        self.house.pay(&payments).await;
        self.give_back(today).await;
        if self.dice.random_range(0..self.size.nights_a_crash) == 0 {
            self.crash().await;
        }
        self.rest().await;
        let changing = Instant::now();
        let step = self.size.step as usize;
        for _ in 0..step {
            if self.dice.random_range(0..3) == 0 {
                self.illness(today).await;
            }
        }
        let tomorrow = self.sessions(today.saturating_add(1.day()), today.saturating_add(9.days())).await;
        for _ in 0..4 * step {
            self.change(&tomorrow).await;
        }
        let yesterday = self.sessions(today.saturating_sub(3.days()), today).await;
        self.miss(&yesterday).await;
        if self.dice.random_range(0..2) == 0 {
            self.call_off().await;
        }
        self.plan_anew().await;
        self.settle_some().await;
        self.took("changes", changing);
        if night == self.size.nights * 3 / 4 {
            self.other_clocks().await;
        }
    }

    fn took(&mut self, what: &'static str, since: Instant) {
        *self.took.entry(what).or_default() += since.elapsed();
    }

    /// The workers go on until there is nothing left to do.
    async fn rest(&mut self) {
        let began = Instant::now();
        let house = &self.house;
        self.workers.get_or_insert_with(|| Shift::begin(house)).rests(house).await;
        self.took("workers", began);
    }

    /// The workers are dropped in the middle of what they do.
    async fn crash(&mut self) {
        let millis = self.dice.random_range(1..40);
        let house = &self.house;
        let workers = self.workers.take().unwrap_or_else(|| Shift::begin(house));
        tokio::time::sleep(Duration::from_millis(millis)).await;
        workers.dies().await;
        self.tally.count("crashes");
    }

    /// Payments are given back, whole or in parts, sometimes before they are known.
    async fn give_back(&mut self, today: Date) {
        let mut records = Vec::new();
        for _ in 0..self.dice.random_range(0..3) {
            let payment_id = format!("pay_{}", self.dice.random_range(0..self.paid + 3));
            let minor = if self.dice.random_range(0..3) == 0 { PAID } else { self.dice.random_range(1..PAID / 4) };
            self.refunds += 1;
            let refund = json!({
                "payment_id": payment_id, "refund_id": format!("re_{}", self.refunds), "refunded_at": at(today, 10),
                "amount": { "minor": minor, "currency": "INR" },
            });
            records.push(NewRecord {
                topic: Topic::PurchaseRefunded,
                key: Some(payment_id.into_bytes()),
                value: Some(refund.to_string().into_bytes()),
                headers: Headers::new(),
                timestamp: self.house.platform.clock.now(),
            });
            self.tally.count("refunds");
        }
        self.house.publish(&records).await;
    }

    /// A person decides what is to become of a part that was given back.
    async fn settle_some(&mut self) {
        let store = &self.house.platform.store;
        let listed = store.list_refunds(&RefundFilter::default(), None, 100_000).await.unwrap();
        let open: Vec<_> = listed.into_iter().filter(|(_, row)| row.state == RefundState::Open).collect();
        for (_, row) in open.iter().take(2) {
            settle(&self.house.platform, row.id, "ann", "a lesson less").await.unwrap();
            self.tally.count("refunds settled");
        }
    }

    /// Other time zone data comes with the next program: it starts only once what is displaced is settled.
    async fn other_clocks(&mut self) {
        if let Some(workers) = self.workers.take() {
            workers.ends().await;
        }
        for (zone, other, since) in ABOLISHED {
            let theirs = format!("time_zone = '{zone}' AND start_date >= '{since}'");
            let sql = format!(
                "UPDATE confirmations SET confirmation = replace(confirmation, '{zone}', '{other}')
                 WHERE seq IN (SELECT seq FROM purchases WHERE {theirs});
                 UPDATE purchases SET time_zone = '{other}' WHERE {theirs}"
            );
            self.house.ground.execute(&sql).await;
        }
        self.house.ground.execute(OLDER).await;
        let refused = caravan::time_data::settle(&self.house.platform).await;
        assert!(matches!(refused, Err(TimeDataError::Moves { .. })), "{refused:?}");
        for session in time_data::apply(&self.house.platform, &request()).await.unwrap() {
            self.tally.count(match session.remedy {
                time_data::Remedy::Moves => "moved with the clocks",
                time_data::Remedy::Person => "left to a person by the clocks",
            });
        }
        caravan::time_data::settle(&self.house.platform).await.unwrap();
    }

    async fn sessions(&self, from: Date, until: Date) -> Vec<Session> {
        let filter = SessionFilter { from: Some(from), until: Some(until), ..SessionFilter::default() };
        self.house.platform.store.list_sessions(&filter, None, 100_000).await.unwrap()
    }

    async fn illness(&mut self, today: Date) {
        let from = today.saturating_add(1.day());
        let request = leave::Request {
            trainer_id: format!("trn_{}", self.dice.random_range(0..self.size.trainers)),
            from,
            until: Some(from.saturating_add(self.dice.random_range(0..5).days())),
            actor: "ann".to_owned(),
            reason: "ill".to_owned(),
        };
        self.tally.count("illnesses");
        for proposal in leave::apply(&self.house.platform, &request).await.unwrap() {
            self.tally.count(match proposal.remedy {
                Remedy::Substitute(_) => "substitutes",
                Remedy::Move(_) => "moved for an illness",
                Remedy::Makeup(..) => "made up for an illness",
                Remedy::Person => "left to a person",
            });
        }
    }

    fn pick<'a>(&mut self, sessions: &'a [Session]) -> Option<&'a Session> {
        if sessions.is_empty() { None } else { sessions.get(self.dice.random_range(0..sessions.len())) }
    }

    async fn change(&mut self, sessions: &[Session]) {
        let Some(session) = self.pick(sessions) else { return };
        let hours = self.dice.random_range(-30..30);
        let to = session.starts_at.saturating_add(SignedDuration::from_hours(hours)).unwrap();
        let (act, what) = match self.dice.random_range(0..3) {
            0 => (Act::Cancel { makeup: true }, "made up for"),
            1 => (Act::Move { to: Some(When::At(to)), trainer_id: None }, "swapped"),
            _ => {
                let trainer_id = format!("trn_{}", self.dice.random_range(0..self.size.trainers));
                (Act::Move { to: None, trainer_id: Some(trainer_id) }, "given to another")
            }
        };
        self.act(session, act, what).await;
    }

    async fn act(&mut self, session: &Session, act: Act, what: &'static str) {
        let request = sessions::Request {
            session_id: session.id,
            purchase_id: Some(session.purchase_id),
            act,
            overrides: Vec::new(),
            actor: "ann".to_owned(),
            reason: "they asked for it".to_owned(),
        };
        match sessions::change(&self.house.platform, &request).await {
            Ok(_) => self.tally.count(what),
            Err(ChangeError::Broken(_) | ChangeError::NoMakeup(_) | ChangeError::NotSo { .. }) => {
                self.tally.count("refused")
            }
            Err(ChangeError::NotUnderWay(..) | ChangeError::Past(_)) => self.tally.count("refused"),
            Err(error) => panic!("{error}"),
        }
    }

    async fn miss(&mut self, sessions: &[Session]) {
        let over = |session: &&Session| session.status == SessionStatus::Completed;
        let over: Vec<Session> = sessions.iter().filter(over).cloned().collect();
        if let Some(session) = self.pick(&over).cloned() {
            self.act(&session, Act::Missed, "missed").await;
        }
    }

    async fn call_off(&mut self) {
        if self.paid == 0 {
            return;
        }
        let id = caravan_domain::ids::purchase_id(&format!("pay_{}", self.dice.random_range(0..self.paid)), None);
        let request = cancel::Request { from: None, actor: "ann".to_owned(), reason: "moved abroad".to_owned() };
        match cancel::cancel(&self.house.platform, id, &request).await {
            Ok(_) => self.tally.count("called off"),
            Err(CancelError::Completed(_) | CancelError::NothingLeft(..)) => self.tally.count("refused"),
            Err(error) => panic!("{error}"),
        }
    }

    /// Somebody else teaches the rest of a plan, or it becomes longer or shorter.
    async fn plan_anew(&mut self) {
        if self.paid == 0 {
            return;
        }
        let payment_id = format!("pay_{}", self.dice.random_range(0..self.paid));
        let (wish, what) = match self.dice.random_range(0..2) {
            0 => (Wish::Reassign { instead_of: None, trainer_id: None }, "reassigned"),
            _ => {
                let plan = json!({ "plan": { "sessions": self.dice.random_range(3..=16) } });
                (Wish::Amend(plan.to_string().into_bytes()), "amended")
            }
        };
        let request = replanning::Request {
            purchase_id: caravan_domain::ids::purchase_id(&payment_id, None),
            wish,
            from: None,
            actor: "ann".to_owned(),
            reason: "they asked for it".to_owned(),
        };
        use ChangeError::{NoTrainerYet, NobodyFits, NotUnderWay, NothingLeft, TooFew};
        match replan(&self.house.platform, &request, Policy::default()).await {
            Ok(_) => self.tally.count(what),
            Err(NoTrainerYet(_) | NobodyFits { .. } | NotUnderWay(..) | NothingLeft(..) | TooFew { .. }) => {
                self.tally.count("refused");
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Long after: everything that was to be held was.
    async fn end(mut self, seed: u64, began: Instant) {
        let last = FIRST_DAY.saturating_add((self.size.nights * self.size.step + 400).days());
        self.house.set_clock(&at(last, 12));
        self.rest().await;
        if let Some(workers) = self.workers.take() {
            workers.ends().await;
        }
        self.house.nothing_is_left_over(&[]).await;
        let purchases = self.house.purchases().await;
        assert_eq!(purchases.len(), self.size.students);
        let mut by_purchase: BTreeMap<_, Vec<Session>> = BTreeMap::new();
        for session in self.sessions(FIRST_DAY, last).await {
            by_purchase.entry(session.purchase_id).or_default().push(session);
        }
        let mut noted = 0;
        for purchase in &purchases {
            let sessions = by_purchase.remove(&purchase.id).unwrap_or_default();
            let count = |status| sessions.iter().filter(|session| session.status == status).count();
            assert_eq!(count(SessionStatus::Scheduled), 0, "purchase {} is over", purchase.id);
            let changes = self.house.platform.store.changes_of(purchase.id).await.unwrap();
            noted += changes.len();
            let (off, missed) = (count(SessionStatus::Cancelled), count(SessionStatus::Missed));
            assert!(off + missed == 0 || changes.iter().all(|change| !change.actor.is_empty()), "somebody decided");
            assert!(off == 0 || !changes.is_empty(), "purchase {}: nobody knows who called it off", purchase.id);
            match purchase.status.name() {
                "completed" => {
                    let made_up = sessions.len() - usize::from(purchase.confirmation.plan.reserved_sessions());
                    assert!(off >= made_up, "what is added stands for what was called off");
                    self.tally.count("purchases completed");
                }
                "cancelled" => self.tally.count("purchases cancelled"),
                // Owed to a named student.
                "waitlisted" => self.tally.count("purchases waiting"),
                other => panic!("purchase {} is {other} after the year", purchase.id),
            }
            for (status, what) in [
                (SessionStatus::Completed, "sessions held"),
                (SessionStatus::Missed, "sessions missed"),
                (SessionStatus::Cancelled, "sessions called off"),
            ] {
                *self.tally.0.entry(what).or_default() += count(status);
            }
        }
        println!(
            "seed {seed}, {} nights in {:.0?} ({:.0?}), {noted} changes noted: {:?}",
            self.size.nights,
            began.elapsed(),
            self.took,
            self.tally.0
        );
        for what in [
            "crashes",
            "reassigned",
            "amended",
            "moved with the clocks",
            "refunds settled",
            "substitutes",
            "swapped",
            "called off",
        ] {
            assert!(self.tally.0.contains_key(what), "{what}: nothing of it happened");
        }
        assert!(self.tally.0["sessions held"] > self.size.students);
    }
}
