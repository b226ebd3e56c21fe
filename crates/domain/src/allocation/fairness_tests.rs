//! Who gets how much, over many purchases.

use std::collections::BTreeMap;

use jiff::civil::date;
use jiff::{Span, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::plan::{TimeOfDay, Weekday};
use crate::trainer::{AvailableRange, TaughtCourse};

fn trainer(number: usize, weight: u32, share: Option<i64>) -> TrainerState {
    let all_day =
        |weekday| AvailableRange { weekday, from: TimeOfDay::from_minutes(0).unwrap(), until: TimeOfDay::END_OF_DAY };
    let trainer = Trainer {
        trainer_id: format!("trn_{number:03}"),
        name: None,
        email: None,
        time_zone: "Asia/Kolkata".to_owned(),
        languages: vec!["en".to_owned()],
        courses: vec![TaughtCourse { subject: "python".to_owned(), levels: vec!["beginner".to_owned()] }],
        availability: Weekday::ALL.map(all_day).into(),
        time_off: Vec::new(),
        max_sessions_per_week: 40,
        weight,
        active: true,
    };
    TrainerState { trainer, calendar: Calendar::default(), share }
}

/// The same plan every time, a few of them a week, so that nobody is ever short of time.
fn request(number: usize, in_a_week: usize) -> Request {
    let start_date = date(2026, 12, 1).checked_add(Span::new().weeks((number / in_a_week) as i32)).unwrap();
    Request {
        purchase_id: Uuid::from_u128(number as u128),
        student_id: format!("stu_{number}"),
        time_zone: "Asia/Kolkata".to_owned(),
        languages: vec!["en".to_owned()],
        course: Course { subject: "python".to_owned(), level: "beginner".to_owned() },
        plan: Plan {
            start_date,
            sessions: Some(1),
            per_week: 1,
            minutes: 60,
            slots: vec![Slot { weekday: Weekday::Tue, at: TimeOfDay::from_minutes(17 * 60).unwrap() }],
        },
        preferred_trainer_id: None,
        previous_trainer_id: None,
        student_calendar: Calendar::default(),
    }
}

/// Who got each of the purchases, given out in batches.
fn give_out(trainers: Vec<TrainerState>, purchases: usize, in_a_week: usize, batch: usize) -> Vec<String> {
    let now: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
    let mut roster = Roster::new(Policy::default());
    trainers.into_iter().for_each(|state| roster.upsert(state));
    let requests: Vec<Request> = (0..purchases).map(|number| request(number, in_a_week)).collect();
    let mut given = Vec::new();
    for batch in requests.chunks(batch) {
        for decision in roster.allocate(batch, now) {
            let Decision::Allocated(booking) = decision else { panic!("everybody has time") };
            roster.book(&booking);
            given.push(booking.trainer_id);
        }
    }
    given
}

fn counts(given: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    given.iter().for_each(|trainer| *counts.entry(trainer.as_str()).or_default() += 1);
    counts
}

#[test]
fn equals_get_equally_much_whatever_the_batch() {
    let equals = || (0..50).map(|number| trainer(number, 100, None)).collect::<Vec<_>>();
    let one_by_one = give_out(equals(), 1_000, 25, 1);
    for batch in [1, 7, 100, 1_000] {
        let given = give_out(equals(), 1_000, 25, batch);
        let counts = counts(&given);
        let (least, most) = (counts.values().min().unwrap(), counts.values().max().unwrap());
        assert!(counts.len() == 50 && most - least <= 1, "batches of {batch}: {least} to {most}");
        assert_eq!(given, one_by_one);
    }
}

#[test]
fn work_follows_weight() {
    let weights = [50, 100, 200];
    let trainers = (0..30).map(|number| trainer(number, weights[number / 10], None)).collect();
    let given = give_out(trainers, 700, 10, 10);
    let mut by_weight = [0; 3];
    given.iter().for_each(|id| by_weight[id[4..].parse::<usize>().unwrap() / 10] += 1);
    for (got, expected) in by_weight.into_iter().zip([100i32, 200, 400]) {
        assert!((got - expected).abs() <= 10, "{by_weight:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn somebody_new_is_not_flooded(level in 0i64..50_000_000, batch in 1usize..30) {
        let mut trainers: Vec<_> = (0..10).map(|number| trainer(number, 100, Some(level))).collect();
        trainers.push(trainer(10, 100, None));
        let given = give_out(trainers, 220, 5, batch);
        let newcomer = given.iter().filter(|id| *id == "trn_010").count();
        prop_assert!((19..=22).contains(&newcomer), "{newcomer} of 220 among 11");
        let in_a_row = given.split(|id| id != "trn_010").map(<[String]>::len).max();
        prop_assert!(in_a_row <= Some(2));
    }
}
