//! One purchase among many trainers, and a batch of them.

use caravan_domain::allocation::{
    Calendar, Decision, Policy, Request, ReservedTime, Roster, TrainerState, reserved_time,
};
use caravan_domain::plan::{Occurrence, Plan, Slot, TimeOfDay, Weekday};
use caravan_domain::purchase::Course;
use caravan_domain::trainer::{AvailableRange, DaysOff, TaughtCourse, Trainer};
use divan::Bencher;
use jiff::civil::{Date, date};
use jiff::{SignedDuration, Span, Timestamp};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

const ZONES: [&str; 6] =
    ["Asia/Kolkata", "Asia/Kolkata", "Europe/London", "America/New_York", "Asia/Dubai", "Australia/Sydney"];
const LANGUAGES: [&str; 5] = ["en", "hi", "ta", "ar", "fr"];
const LEVELS: [&str; 3] = ["beginner", "intermediate", "advanced"];
/// Different requests, one after the other.
const REQUESTS: usize = 64;

fn main() {
    divan::main();
}

fn now() -> Timestamp {
    "2026-11-23T09:00:00Z".parse().unwrap()
}

fn time(hour: u16) -> TimeOfDay {
    TimeOfDay::from_minutes(hour * 60).unwrap()
}

fn pick<'a>(rng: &mut impl Rng, from: &[&'a str]) -> &'a str {
    from[rng.random_range(0..from.len())]
}

fn day(after: i32) -> Date {
    date(2026, 11, 23).checked_add(Span::new().days(after)).unwrap()
}

/// About half of a 20 hour week, for 8 to 30 weeks each.
fn calendar(rng: &mut impl Rng, availability: &[AvailableRange]) -> Calendar {
    let mut calendar = Calendar::default();
    for range in availability {
        let from = u32::from(range.from.minutes()) / 60;
        for hour in (0..4u32).filter(|_| rng.random_bool(0.5)).collect::<Vec<_>>() {
            let first = day(range.weekday.index() as i32 - rng.random_range(0..8) * 7);
            let weeks = rng.random_range(8..30);
            let lessons = (0..weeks).map(|week| {
                let at = first.checked_add(Span::new().weeks(week)).unwrap().at(((from + hour) % 24) as i8, 0, 0, 0);
                let starts_at = jiff::tz::TimeZone::UTC.to_timestamp(at).unwrap();
                let ends_at = starts_at.checked_add(SignedDuration::from_hours(1)).unwrap();
                Occurrence { ordinal: 1, local_date: first, starts_at, ends_at }
            });
            let rows: Vec<ReservedTime> = reserved_time(lessons);
            calendar.reserve(&rows);
        }
    }
    calendar
}

fn trainer(rng: &mut impl Rng, number: usize, subjects: usize) -> TrainerState {
    let from = rng.random_range(2..14u16);
    let availability: Vec<AvailableRange> = Weekday::ALL
        .into_iter()
        .filter(|_| rng.random_bool(0.75))
        .map(|weekday| AvailableRange { weekday, from: time(from), until: time(from + 10) })
        .collect();
    let course = |rng: &mut dyn Rng| TaughtCourse {
        subject: format!("subject {}", (rng.next_u32() as usize) % subjects),
        levels: LEVELS[(rng.next_u32() as usize) % 2..].iter().map(|level| (*level).to_owned()).collect(),
    };
    let courses = (0..2.min(subjects)).map(|_| course(rng)).collect();
    let off = rng.random_range(0..180);
    let time_off =
        if rng.random_bool(0.2) { vec![DaysOff { from: day(off), until: day(off + 6) }] } else { Vec::new() };
    let calendar = calendar(rng, &availability);
    let trainer = Trainer {
        trainer_id: format!("trn_{number}"),
        name: Some("Somebody".to_owned()),
        email: Some("somebody@example.com".to_owned()),
        time_zone: pick(rng, &ZONES).to_owned(),
        languages: vec![pick(rng, &LANGUAGES).to_owned(), pick(rng, &LANGUAGES).to_owned()],
        courses,
        availability,
        time_off,
        max_sessions_per_week: 30,
        weight: 100,
        active: rng.random_bool(0.95),
    };
    TrainerState { trainer, calendar, share: Some(rng.random_range(1_000_000..1_048_000)) }
}

fn roster(trainers: usize, subjects: usize) -> Roster {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut roster = Roster::new(Policy::default());
    (0..trainers).for_each(|number| roster.upsert(trainer(&mut rng, number, subjects)));
    roster
}

fn request(rng: &mut impl Rng, number: usize, subjects: usize) -> Request {
    let hour = rng.random_range(6..20u16);
    let mut slots: Vec<Slot> = Vec::new();
    for _ in 0..rng.random_range(3..7) {
        let slot = Slot { weekday: Weekday::ALL[rng.random_range(0..7)], at: time(hour + rng.random_range(0..3)) };
        if !slots.contains(&slot) {
            slots.push(slot);
        }
    }
    let distinct = Weekday::ALL.iter().filter(|day| slots.iter().any(|slot| slot.weekday == **day)).count();
    Request {
        purchase_id: Uuid::from_u128(number as u128),
        student_id: format!("stu_{number}"),
        time_zone: pick(rng, &ZONES).to_owned(),
        languages: vec![pick(rng, &LANGUAGES).to_owned(), "en".to_owned()],
        course: Course {
            subject: format!("subject {}", rng.random_range(0..subjects)),
            level: LEVELS[rng.random_range(1..3)].to_owned(),
        },
        plan: Plan {
            start_date: date(2026, 12, 1),
            sessions: Some(24),
            per_week: 2.min(distinct as u8),
            minutes: 60,
            slots,
        },
        preferred_trainer_id: None,
        previous_trainer_id: None,
        student_calendar: Calendar::default(),
    }
}

fn requests(count: usize, subjects: usize) -> Vec<Request> {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    (0..count).map(|number| request(&mut rng, number, subjects)).collect()
}

/// A purchase of 24 lessons, 20 subjects of 3 levels.
#[divan::bench(args = [1_000, 10_000, 100_000])]
fn one_among(bencher: Bencher<'_, '_>, trainers: usize) {
    one(bencher, trainers, 20);
}

/// As `one_among`, but everybody teaches the course.
#[divan::bench(args = [1_000, 10_000, 100_000])]
fn one_among_teachers_of_the_course(bencher: Bencher<'_, '_>, trainers: usize) {
    one(bencher, trainers, 1);
}

fn one(bencher: Bencher<'_, '_>, trainers: usize, subjects: usize) {
    let (roster, requests) = (roster(trainers, subjects), requests(REQUESTS, subjects));
    let mut next = 0;
    bencher.bench_local(|| {
        next = (next + 1) % REQUESTS;
        roster.allocate(&requests[next..=next], now())
    });
}

/// 500 purchases at once; the second figure is the share of them that finds somebody, in percent.
#[divan::bench(args = [100, 1_000, 10_000])]
fn batch_of_500_among(bencher: Bencher<'_, '_>, trainers: usize) {
    let (roster, requests) = (roster(trainers, 20), requests(500, 20));
    let decisions = roster.allocate(&requests, now());
    let placed = decisions.iter().filter(|decision| matches!(decision, Decision::Allocated(_))).count();
    println!("{placed} of 500 find somebody among {trainers}");
    bencher.bench_local(|| roster.allocate(&requests, now()));
}

/// The largest plan: 50 slots, every day, 500 lessons; everybody is there day and night.
#[divan::bench(args = [60, 240])]
fn the_largest_plan_among_10_000(bencher: Bencher<'_, '_>, minutes: u16) {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut roster = Roster::new(Policy::default());
    for number in 0..10_000 {
        let mut state = trainer(&mut rng, number, 1);
        let range = |weekday| AvailableRange { weekday, from: time(0), until: time(24) };
        state.trainer.availability = Weekday::ALL.map(range).into();
        roster.upsert(state);
    }
    let mut request = request(&mut rng, 1, 1);
    let slot = |at: u16| Slot { weekday: Weekday::ALL[usize::from(at % 7)], at: time(at / 7 * 3) };
    request.plan = Plan {
        start_date: date(2026, 12, 1),
        sessions: Some(500),
        per_week: 7,
        minutes,
        slots: (0..50).map(slot).collect(),
    };
    bencher.bench_local(|| roster.allocate(std::slice::from_ref(&request), now()));
}
