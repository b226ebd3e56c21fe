//! How many purchases of a batch find a trainer, compared with the most that could.

use caravan_domain::allocation::{Calendar, Decision, Policy, Request, Roster, TrainerState};
use caravan_domain::plan::{Plan, Slot, TimeOfDay, Weekday};
use caravan_domain::purchase::Course;
use caravan_domain::trainer::{AvailableRange, TaughtCourse, Trainer};
use jiff::Timestamp;
use jiff::civil::date;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

/// Random instances; the same in every run.
const INSTANCES: u64 = 1_000;
/// The share of the possible placements a batch must reach, in percent.
const QUALITY_PERCENT_MIN: f64 = 97.0;
/// The share of instances, in percent, in which not everybody who could be placed alone can be placed together: with
/// fewer, the figure would say little.
const TIGHT_PERCENT_MIN: u64 = 25;

fn now() -> Timestamp {
    "2026-11-20T09:00:00Z".parse().unwrap()
}

fn time(hour: u16) -> TimeOfDay {
    TimeOfDay::from_minutes(hour * 60).unwrap()
}

fn trainer(number: usize, subjects: &[&str], availability: Vec<AvailableRange>, max: u32) -> TrainerState {
    let course = |subject: &&str| TaughtCourse { subject: (*subject).to_owned(), levels: vec!["beginner".to_owned()] };
    let trainer = Trainer {
        trainer_id: format!("trn_{number}"),
        name: None,
        email: None,
        time_zone: "UTC".to_owned(),
        languages: vec!["en".to_owned()],
        courses: subjects.iter().map(course).collect(),
        availability,
        time_off: Vec::new(),
        max_sessions_per_week: max,
        weight: 100,
        active: true,
    };
    TrainerState { trainer, calendar: Calendar::default(), share: None }
}

fn request(number: usize, student: usize, subject: &str, plan: Plan) -> Request {
    Request {
        purchase_id: Uuid::from_u128(number as u128),
        student_id: format!("stu_{student}"),
        time_zone: "UTC".to_owned(),
        languages: vec!["en".to_owned()],
        course: Course { subject: subject.to_owned(), level: "beginner".to_owned() },
        plan,
        preferred_trainer_id: None,
        previous_trainer_id: None,
        student_calendar: Calendar::default(),
    }
}

struct Instance {
    trainers: Vec<TrainerState>,
    requests: Vec<Request>,
}

fn pick<T: Copy>(rng: &mut ChaCha8Rng, from: &[T]) -> T {
    from[rng.random_range(0..from.len())]
}

fn instance(seed: u64) -> Instance {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let trainers = (0..rng.random_range(1..=8usize)).map(|number| {
        let ranges = (0..rng.random_range(2..=5)).map(|_| {
            let from = rng.random_range(9..13u16);
            let until = from + rng.random_range(2..=5u16);
            AvailableRange { weekday: Weekday::ALL[rng.random_range(0..4)], from: time(from), until: time(until) }
        });
        let ranges = ranges.collect();
        let subjects = pick(&mut rng, &[&["a"][..], &["b"], &["a", "b"]]);
        trainer(number, subjects, ranges, rng.random_range(1..=5))
    });
    let trainers: Vec<_> = trainers.collect();
    let requests = (0..rng.random_range(6..=10usize)).map(|number| {
        let mut slots: Vec<Slot> = Vec::new();
        for _ in 0..rng.random_range(1..=5) {
            let minutes = rng.random_range(36..64u16) * 15;
            let weekday = Weekday::ALL[rng.random_range(0..4)];
            let slot = Slot { weekday, at: TimeOfDay::from_minutes(minutes).unwrap() };
            if !slots.contains(&slot) {
                slots.push(slot);
            }
        }
        let distinct = Weekday::ALL.iter().filter(|day| slots.iter().any(|slot| slot.weekday == **day)).count();
        let plan = Plan {
            start_date: date(2026, 11, 23),
            sessions: Some(rng.random_range(1..=4)),
            per_week: rng.random_range(1..=2u8).min(distinct as u8),
            minutes: pick(&mut rng, &[45, 60, 90]),
            slots,
        };
        let student = rng.random_range(0..12);
        request(number, student, pick(&mut rng, &["a", "b"]), plan)
    });
    Instance { trainers, requests: requests.collect() }
}

/// A way to place a purchase: with whom, and the minutes (from Monday, 23 November) its lessons take.
#[derive(Clone)]
struct Way {
    trainer: usize,
    lessons: Vec<(u32, u32)>,
}

/// All ways to place a purchase by itself.
fn ways(instance: &Instance, request: &Request) -> Vec<Way> {
    let mut ways = Vec::new();
    let slots = &request.plan.slots;
    for mask in 0u32..1 << slots.len() {
        let chosen: Vec<Slot> = (0..slots.len()).filter(|at| mask >> at & 1 == 1).map(|at| slots[at]).collect();
        let mut weekdays: Vec<Weekday> = chosen.iter().map(|slot| slot.weekday).collect();
        weekdays.sort_unstable();
        weekdays.dedup();
        if chosen.len() != usize::from(request.plan.per_week) || weekdays.len() != chosen.len() {
            continue;
        }
        let mut lessons = Vec::new();
        for day in 0u32.. {
            if lessons.len() == usize::from(request.plan.reserved_sessions()) {
                break;
            }
            if let Some(slot) = chosen.iter().find(|slot| slot.weekday.index() as u32 == day % 7) {
                let start = day * 1440 + u32::from(slot.at.minutes());
                lessons.push((start, start + u32::from(request.plan.minutes)));
            }
        }
        for (trainer, state) in instance.trainers.iter().enumerate() {
            let teaches = state.trainer.courses.iter().any(|course| course.subject == request.course.subject);
            let way = Way { trainer, lessons: lessons.clone() };
            if teaches && lessons.iter().all(|lesson| is_open(&state.trainer, *lesson)) && has_room(instance, &[&way]) {
                ways.push(way);
            }
        }
    }
    ways
}

fn is_open(trainer: &Trainer, (start, end): (u32, u32)) -> bool {
    (start..end).all(|minute| {
        let (day, minute) = (minute / 1440 % 7, minute % 1440);
        let inside = |range: &AvailableRange| {
            range.weekday.index() as u32 == day
                && (u32::from(range.from.minutes())..u32::from(range.until.minutes())).contains(&minute)
        };
        trainer.availability.iter().any(inside)
    })
}

fn has_room(instance: &Instance, ways: &[&Way]) -> bool {
    ways.iter().all(|way| {
        let of_trainer = || ways.iter().filter(|other| other.trainer == way.trainer).flat_map(|other| &other.lessons);
        way.lessons.iter().all(|lesson| {
            let week = lesson.0 / (7 * 1440);
            let count = of_trainer().filter(|other| other.0 / (7 * 1440) == week).count();
            count <= instance.trainers[way.trainer].trainer.max_sessions_per_week as usize
        })
    })
}

fn overlap(one: &Way, other: &Way) -> bool {
    // Reserved time is whole quarter hours.
    let end = |end: u32| end.next_multiple_of(15);
    one.lessons.iter().any(|a| other.lessons.iter().any(|b| a.0 < end(b.1) && b.0 < end(a.1)))
}

/// The most purchases that can be placed together.
struct Solver<'a> {
    instance: &'a Instance,
    ways: Vec<Vec<Way>>,
    best: usize,
}

impl Solver<'_> {
    fn solve(instance: &Instance) -> usize {
        let ways: Vec<Vec<Way>> = instance.requests.iter().map(|request| ways(instance, request)).collect();
        let mut solver = Solver { instance, ways, best: 0 };
        solver.down(0, 0, &mut Vec::new());
        solver.best
    }

    fn down(&mut self, at: usize, placed: usize, taken: &mut Vec<(usize, Way)>) {
        self.best = self.best.max(placed);
        let hopeful = self.ways[at..].iter().filter(|ways| !ways.is_empty()).count();
        if at == self.ways.len() || placed + hopeful <= self.best {
            return;
        }
        for way in self.ways[at].clone() {
            let requests = &self.instance.requests;
            let clashes = taken.iter().any(|(other, theirs)| {
                let shared = theirs.trainer == way.trainer || requests[*other].student_id == requests[at].student_id;
                shared && overlap(theirs, &way)
            });
            taken.push((at, way));
            let all: Vec<&Way> = taken.iter().map(|(_, way)| way).collect();
            if !clashes && has_room(self.instance, &all) {
                self.down(at + 1, placed + 1, taken);
            }
            taken.pop();
        }
        self.down(at + 1, placed, taken);
    }
}

fn roster(instance: &Instance) -> Roster {
    let mut roster = Roster::new(Policy::default());
    instance.trainers.iter().cloned().for_each(|state| roster.upsert(state));
    roster
}

fn allocated(decisions: &[Decision]) -> usize {
    decisions.iter().filter(|decision| matches!(decision, Decision::Allocated(_))).count()
}

/// What was decided must hold all together: every booking is one of the ways, and none stands in another's way.
fn check(instance: &Instance, decisions: &[Decision]) {
    let mut taken: Vec<(usize, Way)> = Vec::new();
    for (at, decision) in decisions.iter().enumerate() {
        let Decision::Allocated(booking) = decision else { continue };
        let ways = ways(instance, &instance.requests[at]);
        let minutes: Vec<u32> = booking
            .slots
            .iter()
            .map(|slot| slot.weekday.index() as u32 * 1440 + u32::from(slot.at.minutes()))
            .collect();
        let is_booked = |way: &&Way| {
            let starts = way.lessons.iter().all(|lesson| minutes.contains(&(lesson.0 % (7 * 1440))));
            instance.trainers[way.trainer].trainer.trainer_id == booking.trainer_id && starts
        };
        let way = ways.iter().find(is_booked).expect("a booking is a way to place the purchase").clone();
        for (other, theirs) in &taken {
            let same_student = instance.requests[*other].student_id == instance.requests[at].student_id;
            assert!(!(overlap(theirs, &way) && (same_student || theirs.trainer == way.trainer)));
        }
        taken.push((at, way));
    }
    assert!(has_room(instance, &taken.iter().map(|(_, way)| way).collect::<Vec<_>>()));
}

#[test]
fn a_batch_places_nearly_as_many_as_could_be() {
    let (mut placed, mut possible, mut tight) = (0, 0, 0);
    for seed in 0..INSTANCES {
        let instance = instance(seed);
        let decisions = roster(&instance).allocate(&instance.requests, now());
        check(&instance, &decisions);
        let optimum = Solver::solve(&instance);
        let here = allocated(&decisions);
        assert!(here <= optimum, "seed {seed}: {here} placed, {optimum} thought possible");
        placed += here;
        possible += optimum;
        let alone = instance.requests.iter().filter(|request| !ways(&instance, request).is_empty()).count();
        tight += u64::from(optimum < alone);
    }
    let percent = 100.0 * placed as f64 / possible as f64;
    println!(
        "placed {placed} of {possible} possible: {percent:.2} %; {tight} of {INSTANCES} instances too tight for all"
    );
    assert!(percent >= QUALITY_PERCENT_MIN);
    assert!(tight * 100 >= INSTANCES * TIGHT_PERCENT_MIN);
}

#[test]
fn an_early_purchase_does_not_take_the_only_trainer_of_a_later_one() {
    let evenings = |weekdays: &[Weekday]| {
        let range = |&weekday: &Weekday| AvailableRange { weekday, from: time(17), until: time(19) };
        weekdays.iter().map(range).collect::<Vec<_>>()
    };
    let plan = |weekday| Plan {
        start_date: date(2026, 11, 23),
        sessions: Some(4),
        per_week: 1,
        minutes: 60,
        slots: vec![Slot { weekday, at: time(17) }],
    };
    let instance = Instance {
        // The early purchase likes both alike and takes the first; the later fits only the first.
        trainers: vec![
            trainer(0, &["a", "b"], evenings(&[Weekday::Tue]), 40),
            trainer(1, &["a"], evenings(&[Weekday::Tue]), 40),
        ],
        requests: vec![request(1, 1, "a", plan(Weekday::Tue)), request(2, 2, "b", plan(Weekday::Tue))],
    };
    let alone = roster(&instance).allocate(&instance.requests[..1], now());
    let both = roster(&instance).allocate(&instance.requests, now());
    let trainers = |decisions: &[Decision]| {
        let trainer = |decision: &Decision| match decision {
            Decision::Allocated(booking) => Some(booking.trainer_id.clone()),
            Decision::Waitlisted(_) => None,
        };
        decisions.iter().map(trainer).collect::<Vec<_>>()
    };
    assert_eq!(trainers(&alone), [Some("trn_0".to_owned())]);
    assert_eq!(trainers(&both), [Some("trn_1".to_owned()), Some("trn_0".to_owned())]);
    let Decision::Allocated(early) = &both[0] else { unreachable!() };
    assert_eq!(early.receipt.chosen.as_ref().unwrap().trainer_id, "trn_1");
    assert_eq!(early.receipt.removed.values().sum::<u32>(), 1, "the first trainer is busy now");
}
