use std::collections::BTreeMap;

use jiff::SignedDuration;
use jiff::civil::date;

use super::*;
use crate::allocation::{Decision, Request, Roster, TrainerState};
use crate::plan::Plan;
use crate::purchase::{Amount, Course, Student};
use crate::trainer::{AvailableRange, DaysOff, TaughtCourse};

const NOW: &str = "2026-11-23T10:00:00Z";

struct World {
    confirmation: Confirmation,
    trainer: Trainer,
    theirs: Vec<(&'static str, i64)>,
    students: Vec<(&'static str, i64)>,
    closures: Vec<Closure>,
    slots: Vec<&'static str>,
    first_ordinal: u32,
}

fn slot(text: &str) -> Slot {
    let (weekday, at) = text.split_once(' ').unwrap();
    Slot { weekday: weekday.parse().unwrap(), at: at.parse().unwrap() }
}

fn world() -> World {
    let range = |weekday| AvailableRange { weekday, from: "15:00".parse().unwrap(), until: "21:00".parse().unwrap() };
    let plan = Plan {
        start_date: date(2026, 9, 1),
        sessions: Some(6),
        per_week: 2,
        minutes: 60,
        slots: ["thu 17:00", "tue 17:00", "wed 16:00", "tue 22:00"].map(slot).to_vec(),
    };
    World {
        confirmation: Confirmation {
            payment_id: "pay_1".into(),
            item: None,
            confirmed_at: NOW.parse().unwrap(),
            amount: Amount { minor: 1, currency: "INR".into() },
            student: Student {
                id: "stu_1".into(),
                name: None,
                email: None,
                time_zone: "Asia/Kolkata".into(),
                languages: vec!["EN".into()],
            },
            payer: None,
            course: Course { subject: "python".into(), level: "Beginner".into() },
            plan,
            preferred_trainer_id: Some("trn_7".into()),
            metadata: BTreeMap::new(),
        },
        trainer: Trainer {
            trainer_id: "trn_7".into(),
            name: None,
            email: None,
            time_zone: "Asia/Kolkata".into(),
            languages: vec!["en".into()],
            courses: vec![TaughtCourse { subject: "Python".into(), levels: vec!["beginner".into()] }],
            availability: vec![range(Weekday::Tue), range(Weekday::Wed), range(Weekday::Thu)],
            time_off: vec![],
            max_sessions_per_week: 3,
            weight: 100,
            active: true,
        },
        theirs: vec![],
        students: vec![],
        closures: vec![],
        slots: vec!["tue 17:00", "thu 17:00"],
        first_ordinal: 1,
    }
}

fn calendar(taken: &[(&str, i64)]) -> Calendar {
    let session = |(starts_at, minutes): &(&str, i64)| {
        let starts_at: Timestamp = starts_at.parse().unwrap();
        let ends_at = starts_at + SignedDuration::from_mins(*minutes);
        Occurrence { ordinal: 1, local_date: date(2026, 1, 1), starts_at, ends_at }
    };
    Calendar::from_rows(reserved_time(taken.iter().map(session)))
}

fn judged(world: &World) -> Result<Booking, Vec<Objection>> {
    let slots: Vec<Slot> = world.slots.iter().map(|text| slot(text)).collect();
    let choice = Choice {
        purchase_id: Uuid::nil(),
        confirmation: &world.confirmation,
        slots: &slots,
        first_ordinal: world.first_ordinal,
        trainer: &world.trainer,
        trainer_calendar: &calendar(&world.theirs),
        share: None,
        student_calendar: &calendar(&world.students),
        closures: &world.closures,
    };
    judge_choice(&choice, Policy::default(), NOW.parse().unwrap())
}

/// What a roster of this trainer alone says to a plan that has only these slots.
fn of_a_roster(world: &World) -> Decision {
    let mut roster = Roster::new(Policy::default());
    roster.set_closures(world.closures.clone());
    let calendar_of = calendar(&world.theirs);
    roster.upsert(TrainerState { trainer: world.trainer.clone(), calendar: calendar_of, share: None });
    let Confirmation { student, course, plan, preferred_trainer_id, .. } = world.confirmation.clone();
    let slots = plan.slots.iter().filter(|named| world.slots.iter().any(|text| slot(text) == **named));
    let sessions = plan.sessions.and_then(|_| plan.reserved_from(world.first_ordinal));
    let request = Request {
        purchase_id: Uuid::nil(),
        student_id: student.id,
        time_zone: student.time_zone,
        languages: student.languages,
        course,
        plan: Plan { slots: slots.copied().collect(), sessions, ..plan.clone() },
        preferred_trainer_id,
        previous_trainer_id: None,
        student_calendar: calendar(&world.students),
    };
    roster.allocate(&[request], NOW.parse().unwrap()).remove(0)
}

fn off(from: Date, until: Date) -> DaysOff {
    DaysOff { from, until }
}

type Change = fn(&mut World);

/// What is changed, and what then stands against it.
const CASES: [(Change, &[&str]); 13] = [
    (|_| {}, &[]),
    (|world| world.first_ordinal = 4, &[]),
    (|world| world.trainer.time_off = vec![off(date(2026, 11, 26), date(2026, 12, 1))], &[]),
    (
        |world| {
            world.closures = vec![Closure { from: date(2026, 12, 1), until: date(2026, 12, 3), name: "c".into() }];
        },
        &[],
    ),
    (|world| world.trainer.active = false, &["inactive: trainer trn_7"]),
    (|world| world.confirmation.course.level = "expert".into(), &["course: trainer trn_7"]),
    (|world| world.confirmation.student.languages = vec!["hi".into()], &["language: trainer trn_7"]),
    (
        |world| world.slots = vec!["tue 22:00", "wed 16:00"],
        &["availability: trainer trn_7, session 1 at tue 2026-11-24 22:00 (Asia/Kolkata)"],
    ),
    (
        |world| world.trainer.time_off = vec![off(date(2026, 11, 26), date(2026, 12, 3))],
        &["time-off: trainer trn_7, session 2 at thu 2026-12-03 17:00 (Asia/Kolkata)"],
    ),
    (
        |world| world.theirs = vec![("2026-12-01T12:15:00Z", 30)],
        &["trainer-busy: trainer trn_7, session 3 at tue 2026-12-01 17:00 (Asia/Kolkata)"],
    ),
    (
        |world| {
            world.students = vec![("2026-12-03T10:45:00Z", 60)];
            world.first_ordinal = 3;
        },
        &["student-busy: trainer trn_7, session 6 at thu 2026-12-03 17:00 (Asia/Kolkata)"],
    ),
    (
        |world| world.theirs = vec![("2026-11-30T04:00:00Z", 60), ("2026-12-06T18:00:00Z", 15)],
        &["weekly-capacity: trainer trn_7, session 4 at thu 2026-12-03 17:00 (Asia/Kolkata)"],
    ),
    (
        |world| {
            world.theirs = vec![("2026-11-24T11:30:00Z", 60)];
            world.trainer.active = false;
        },
        &["inactive: trainer trn_7", "trainer-busy: trainer trn_7, session 1 at tue 2026-11-24 17:00 (Asia/Kolkata)"],
    ),
];

#[test]
fn a_choice_is_judged_as_a_roster_of_its_trainer_judges_it() {
    for (number, (change, expected)) in CASES.into_iter().enumerate() {
        let mut world = world();
        change(&mut world);
        let judged = judged(&world);
        match (&judged, of_a_roster(&world)) {
            (Ok(booking), Decision::Allocated(mut other)) => {
                other.receipt.by_hand = true;
                assert_eq!(expected, [""; 0], "{number}");
                assert_eq!(*booking, other, "{number}");
            }
            (Err(objections), Decision::Waitlisted(other)) => {
                let told: Vec<String> = objections.iter().map(ToString::to_string).collect();
                assert_eq!(told, expected, "{number}");
                let Objection::Rule { rule, .. } = &objections[0] else { panic!("{number}: {objections:?}") };
                assert_eq!(other.receipt.removed, BTreeMap::from([(*rule, 1)]), "{number}");
            }
            (judged, other) => panic!("{number}: {judged:?}, a roster says {other:?}"),
        }
    }
}

#[test]
fn only_what_is_left_of_a_plan_is_booked_and_never_in_the_past() {
    let booking = judged(&World { first_ordinal: 5, ..world() }).unwrap();
    assert_eq!(booking.start_date, date(2026, 11, 24));
    assert_eq!(booking.reserved, calendar(&[("2026-11-24T11:30:00Z", 60), ("2026-11-26T11:30:00Z", 60)]).rows());
    assert_eq!(booking.share_after, 2 * 1_000);
    assert_eq!(booking.slots, [slot("thu 17:00"), slot("tue 17:00")]);
}

#[test]
fn slots_are_as_many_as_bought_on_different_days_and_named_by_the_student() {
    for (slots, first_ordinal, expected) in [
        (vec!["tue 17:00"], 1, "slots: 2 a week were bought, 1 are chosen"),
        (vec!["tue 17:00", "tue 22:00"], 1, "slots: two of them are on tue; each must be on another day"),
        (vec!["tue 17:00", "fri 17:00"], 1, "slots: fri 17:00 is none of the times that the student named"),
        (vec!["tue 17:00", "thu 17:00"], 7, "first_ordinal: session 7 is none of the 6 that were bought"),
        (vec!["tue 17:00", "thu 17:00"], 0, "first_ordinal: session 0 is none of the 6 that were bought"),
    ] {
        let told: Vec<String> =
            judged(&World { slots, first_ordinal, ..world() }).unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(told, [expected]);
    }
}

#[test]
fn a_plan_without_an_end_is_booked_for_a_year_from_whichever_session_on() {
    let mut world = world();
    world.confirmation.plan.sessions = None;
    world.first_ordinal = 700;
    let booking = judged(&world).unwrap();
    let starts: u32 = booking.reserved.iter().map(|time| time.starts.count_ones()).sum();
    assert_eq!(starts, 104);
    world.first_ordinal = 0;
    assert!(matches!(judged(&world).unwrap_err()[..], [Objection::NothingLeft { .. }]));
}
