//! Trainers, closures and good payments.

use std::collections::BTreeMap;

use caravan_domain::plan::{Plan, Slot, TimeOfDay, Weekday};
use caravan_domain::purchase::{Amount, Confirmation, Course, Student};
use caravan_domain::trainer::{AvailableRange, Closure, TaughtCourse, Trainer};
use jiff::Span;
use jiff::civil::Date;
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::people::{NAMES, REGIONS, Region};
use super::{Recipe, chance, pick};

const SUBJECTS: [&str; 8] = ["python", "mathematics", "english", "piano", "chess", "physics", "drawing", "guitar"];
const LEVELS: [&str; 3] = ["beginner", "intermediate", "advanced"];
/// Weeks within which plans begin.
const START_WEEKS: i64 = 6;
/// What a minute of teaching costs, in minor units.
const MINOR_PER_MINUTE: i64 = 55;
/// Of 100 trainers, how many take no new plans.
const INACTIVE_PERCENT: u32 = 4;
/// Of 100 students, how many are named after an earlier purchase of theirs.
const RETURNING_PERCENT: u32 = 15;
/// Of 100 payments, how many ask for a trainer.
const PREFERRING_PERCENT: u32 = 5;

/// A course that is on nobody's list.
pub(super) fn untaught() -> Course {
    Course { subject: "pyhton".to_owned(), level: "beginner".to_owned() }
}

pub(super) fn trainer(random: &mut ChaCha8Rng, number: u32) -> Trainer {
    let region = &REGIONS[number as usize % REGIONS.len()];
    let first = number as usize % SUBJECTS.len();
    let second = random.random_range(0..SUBJECTS.len());
    let mut subjects = vec![SUBJECTS[first]];
    if second != first && chance(random, 60) {
        subjects.push(SUBJECTS[second]);
    }
    Trainer {
        trainer_id: format!("trn_{number:03}"),
        name: Some((*pick(random, &NAMES)).to_owned()),
        email: Some(format!("trainer{number}@example.com")),
        time_zone: (*pick(random, region.zones)).to_owned(),
        languages: spoken(random, region),
        courses: subjects.into_iter().map(|subject| taught(random, subject)).collect(),
        availability: availability(random),
        time_off: Vec::new(),
        max_sessions_per_week: *pick(random, &[25, 30, 35, 40]),
        weight: *pick(random, &[100, 100, 100, 50, 200]),
        active: !chance(random, INACTIVE_PERCENT),
    }
}

/// The first language of the region, and mostly another.
fn spoken(random: &mut ChaCha8Rng, region: &Region) -> Vec<String> {
    let mut languages = vec![region.languages[0].to_owned()];
    let second = *pick(random, region.languages);
    if second != region.languages[0] {
        languages.push(second.to_owned());
    }
    languages
}

fn taught(random: &mut ChaCha8Rng, subject: &str) -> TaughtCourse {
    let count = random.random_range(2..=LEVELS.len());
    let levels = LEVELS[..count].iter().map(ToString::to_string).collect();
    TaughtCourse { subject: subject.to_owned(), levels }
}

/// Afternoons and evenings of most weekdays, and a long day or two at weekends.
fn availability(random: &mut ChaCha8Rng) -> Vec<AvailableRange> {
    let mut ranges = Vec::new();
    for weekday in Weekday::ALL {
        let weekend = matches!(weekday, Weekday::Sat | Weekday::Sun);
        let (from, until) = if weekend {
            (random.random_range(8..=10), random.random_range(16..=19))
        } else {
            (random.random_range(13..=15), random.random_range(20..=22))
        };
        if chance(random, if weekend { 60 } else { 90 }) {
            ranges.extend(range(weekday, from, until));
        }
    }
    if ranges.is_empty() {
        ranges.extend(range(Weekday::Sat, 9, 18));
    }
    ranges
}

fn range(weekday: Weekday, from: u16, until: u16) -> Option<AvailableRange> {
    let (from, until) = (TimeOfDay::from_minutes(from * 60)?, TimeOfDay::from_minutes(until * 60)?);
    Some(AvailableRange { weekday, from, until })
}

pub(super) fn closures(today: Date) -> Vec<Closure> {
    let day = |days: i64| today.saturating_add(Span::new().days(days));
    vec![
        Closure { from: day(17), until: day(17), name: "Founders' day".to_owned() },
        Closure { from: day(45), until: day(47), name: "Winter break".to_owned() },
    ]
}

pub(super) fn confirmation(
    random: &mut ChaCha8Rng,
    trainers: &[Trainer],
    recipe: &Recipe,
    today: Date,
    number: u32,
) -> Confirmation {
    // Shops sell what somebody teaches: demand follows the roster.
    let teacher = pick(random, trainers);
    let taught = pick(random, &teacher.courses);
    let course = Course { subject: taught.subject.clone(), level: pick(random, &taught.levels).clone() };
    let region =
        REGIONS.iter().find(|region| region.zones.contains(&teacher.time_zone.as_str())).unwrap_or(&REGIONS[0]);
    let plan = plan(random, today);
    let minor = i64::from(plan.reserved_sessions()) * i64::from(plan.minutes) * MINOR_PER_MINUTE;
    let preferred = chance(random, PREFERRING_PERCENT).then(|| teacher.trainer_id.clone());
    Confirmation {
        payment_id: format!("pay_{:08x}_{number}", recipe.seed as u32),
        item: None,
        confirmed_at: recipe.now,
        amount: Amount { minor, currency: region.currency.to_owned() },
        student: student(random, region, number),
        payer: None,
        course,
        plan,
        preferred_trainer_id: preferred,
        metadata: BTreeMap::from([("campaign".to_owned(), "sample".to_owned())]),
    }
}

fn student(random: &mut ChaCha8Rng, region: &Region, number: u32) -> Student {
    let number = if chance(random, RETURNING_PERCENT) { number.div_ceil(2) } else { number };
    Student {
        id: format!("stu_{number:04}"),
        name: Some((*pick(random, &NAMES)).to_owned()),
        email: Some(format!("student{number}@example.com")),
        time_zone: (*pick(random, region.zones)).to_owned(),
        languages: spoken(random, region),
    }
}

fn plan(random: &mut ChaCha8Rng, today: Date) -> Plan {
    let per_week = *pick(random, &[1, 1, 1, 2, 2, 3]);
    let start = today.saturating_add(Span::new().days(random.random_range(1..=START_WEEKS * 7)));
    Plan {
        start_date: start,
        sessions: Some(*pick(random, &[4, 8, 8, 12, 12, 24])),
        per_week,
        minutes: *pick(random, &[30, 45, 60, 60, 90]),
        slots: slots(random, usize::from(per_week)),
    }
}

/// More times than are needed, on different days, at hours people learn at.
fn slots(random: &mut ChaCha8Rng, per_week: usize) -> Vec<Slot> {
    let mut weekdays = Weekday::ALL;
    weekdays.shuffle(random);
    let count = (per_week + random.random_range(1..=3)).min(weekdays.len());
    weekdays[..count].iter().flat_map(|weekday| slot(random, *weekday)).collect()
}

fn slot(random: &mut ChaCha8Rng, weekday: Weekday) -> Option<Slot> {
    let hour = match weekday {
        Weekday::Sat | Weekday::Sun => random.random_range(10..=15),
        _ => random.random_range(15..=19),
    };
    let quarter = *pick(random, &[0, 0, 0, 15, 30, 45]);
    TimeOfDay::from_minutes(hour * 60 + quarter).map(|at| Slot { weekday, at })
}
