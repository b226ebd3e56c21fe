//! The rules, held against a plain reading of them: every trainer, every choice of slots, moment by moment.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, date};
use jiff::{SignedDuration, Span, Timestamp, tz::TimeZone};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::availability::WEEK_MINUTES;
use crate::plan::{Occurrence, PLAN_DAYS_MAX, Schedule, TimeOfDay, Weekday, instants};
use crate::purchase::folded;
use crate::trainer::{AvailableRange, Closure, DaysOff, TaughtCourse};

const ZONES: [&str; 6] =
    ["Asia/Kolkata", "Europe/Berlin", "America/New_York", "UTC", "Australia/Lord_Howe", "Pacific/Auckland"];

/// A world small enough to try everything.
#[derive(Clone, Debug)]
struct World {
    policy: Policy,
    closures: Vec<Closure>,
    trainers: Vec<TrainerState>,
    request: Request,
    now: Timestamp,
}

fn day(offset: i16) -> Date {
    date(2026, 10, 12).checked_add(Span::new().days(offset)).unwrap()
}

fn sessions(times: &[(i64, i64)]) -> Vec<ReservedTime> {
    let base: Timestamp = "2026-10-12T00:00:00Z".parse().unwrap();
    let at = |quarter: i64| base.checked_add(SignedDuration::from_mins(quarter * 15)).unwrap();
    let mut taken = BTreeSet::new();
    let fresh = times.iter().filter(|&&(start, length)| (start..start + length).all(|quarter| taken.insert(quarter)));
    let session = |&(start, length): &(i64, i64)| Occurrence {
        ordinal: 1,
        local_date: date(2026, 1, 1),
        starts_at: at(start),
        ends_at: at(start + length),
    };
    reserved_time(fresh.map(session).collect::<Vec<_>>())
}

prop_compose! {
    fn slot()(weekday in 0usize..7, hour in prop::sample::select(vec![0u16, 1, 2, 9, 10, 17, 18, 22, 23]), half in 0u16..4) -> Slot {
        Slot { weekday: Weekday::ALL[weekday], at: TimeOfDay::from_minutes(hour * 60 + half * 15).unwrap() }
    }
}

prop_compose! {
    fn plan()(
        start in 0i16..25, sessions in prop_oneof![12 => (1u16..9).prop_map(Some), 1 => Just(None)], per_week in 1u8..4,
        minutes in prop::sample::select(vec![15u16, 20, 60, 90, 240]),
        slots in prop::collection::vec(slot(), 1..7),
    ) -> Plan {
        let mut distinct: Vec<Slot> = Vec::new();
        slots.into_iter().for_each(|slot| if !distinct.contains(&slot) { distinct.push(slot) });
        let weekdays: BTreeSet<_> = distinct.iter().map(|slot| slot.weekday).collect();
        Plan { start_date: day(start), sessions, per_week: per_week.min(weekdays.len() as u8), minutes, slots: distinct }
    }
}

fn times() -> impl Strategy<Value = Vec<(i64, i64)>> {
    prop::collection::vec((0i64..96 * 50, 1i64..12), 0..40)
}

prop_compose! {
    fn availability()(
        generous in prop::bool::weighted(0.5),
        ranges in prop::collection::vec((0usize..7, 0u16..96, 1u16..96), 1..6),
    ) -> Vec<AvailableRange> {
        let time = |minutes: u16| TimeOfDay::from_minutes(minutes).unwrap();
        if generous {
            let from = time(ranges[0].1.min(8) * 15);
            return Weekday::ALL.map(|weekday| AvailableRange { weekday, from, until: TimeOfDay::END_OF_DAY }).into();
        }
        let range = |(weekday, from, length): (usize, u16, u16)| AvailableRange {
            weekday: Weekday::ALL[weekday],
            from: time(from * 15),
            until: time((from + length) % 96 * 15),
        };
        ranges.into_iter().map(range).collect()
    }
}

prop_compose! {
    fn trainer()(
        zone in prop::sample::select(ZONES.to_vec()), active in prop::bool::weighted(0.9),
        teaches in prop::bool::weighted(0.9), speaks in prop::bool::weighted(0.9),
        availability in availability(), times in times(),
        off in prop::collection::vec((0i16..70, 0i16..5), 0..3),
        max in 1u32..6, roomy in any::<bool>(), weight in prop::sample::select(vec![50u32, 100, 200]),
        share in prop::option::of(0i64..2_000_000),
    ) -> TrainerState {
        TrainerState {
            trainer: Trainer {
                trainer_id: String::new(), name: None, email: None, time_zone: zone.to_owned(),
                languages: vec![if speaks { "EN " } else { "fr" }.to_owned()],
                courses: vec![TaughtCourse {
                    subject: if teaches { " Python" } else { "go" }.to_owned(), levels: vec!["beginner".to_owned()],
                }],
                availability,
                time_off: off.into_iter().map(|(from, days)| DaysOff { from: day(from), until: day(from + days) }).collect(),
                max_sessions_per_week: if roomy { 40 } else { max }, weight, active,
            },
            calendar: Calendar::from_rows(sessions(&times)),
            share,
        }
    }
}

prop_compose! {
    fn world()(
        zone in prop::sample::select(ZONES.to_vec()), plan in plan(), max_skipped in 0u16..4,
        closed in prop::collection::vec((0i16..50, 0i16..4), 0..3),
        trainers in prop::collection::vec(trainer(), 1..8), busy in times(),
        preferred in 0usize..12, previous in 0usize..12,
    ) -> World {
        let closures = closed.into_iter()
            .map(|(from, days)| Closure { from: day(from), until: day(from + days), name: "closed".to_owned() }).collect();
        let named = |(at, state): (usize, TrainerState)| {
            let trainer = Trainer { trainer_id: format!("trn_{at}"), ..state.trainer };
            TrainerState { trainer, ..state }
        };
        let request = Request {
            purchase_id: Uuid::from_u128(1), student_id: "stu".to_owned(), time_zone: zone.to_owned(),
            languages: vec!["en".to_owned()],
            course: Course { subject: "python ".to_owned(), level: "Beginner".to_owned() },
            plan,
            preferred_trainer_id: Some(format!("trn_{preferred}")),
            previous_trainer_id: Some(format!("trn_{previous}")),
            student_calendar: Calendar::from_rows(sessions(&busy[..busy.len() / 4])),
        };
        World {
            policy: Policy { max_skipped, lead_days: 1 }, closures,
            trainers: trainers.into_iter().enumerate().map(named).collect(),
            request, now: "2026-10-13T20:00:00Z".parse().unwrap(),
        }
    }
}

impl World {
    fn roster(&self) -> Roster {
        let mut roster = Roster::new(self.policy);
        roster.set_closures(self.closures.clone());
        self.trainers.iter().cloned().for_each(|state| roster.upsert(state));
        roster
    }

    fn start(&self) -> Date {
        let zone = TimeZone::get(&self.request.time_zone).unwrap();
        crate::window::first_bookable_date(self.request.plan.start_date, self.now, &zone, self.policy.lead_days)
    }

    fn choices(&self) -> Vec<Vec<usize>> {
        let slots = &self.request.plan.slots;
        let distinct = |choice: &Vec<usize>| {
            choice.iter().map(|&slot| slots[slot].weekday).collect::<BTreeSet<_>>().len() == choice.len()
        };
        let masks = 0u32..1 << slots.len();
        let per_week = u32::from(self.request.plan.per_week);
        masks
            .filter(|mask| mask.count_ones() == per_week)
            .map(|mask| (0..slots.len()).filter(|slot| mask >> slot & 1 == 1).collect())
            .filter(distinct)
            .collect()
    }
}

/// A choice of slots with a trainer, walked day by day.
struct Walked {
    lessons: Vec<(Timestamp, Timestamp)>,
    skipped: Vec<Date>,
    /// The lessons that days off left of the dates the plan would have had without them.
    plain: Vec<(Timestamp, Timestamp)>,
    complete: bool,
}

fn walk(world: &World, trainer: &Trainer, choice: &[usize]) -> Walked {
    let plan = &world.request.plan;
    let (zone, theirs) = (TimeZone::get(&world.request.time_zone).unwrap(), TimeZone::get(&trainer.time_zone).unwrap());
    let mut walked = Walked { lessons: Vec::new(), skipped: Vec::new(), plain: Vec::new(), complete: false };
    let mut open = 0;
    let mut today = world.start();
    for _ in 0..PLAN_DAYS_MAX.min(2_000) {
        let slot = choice.iter().map(|&slot| plan.slots[slot]).find(|slot| slot.weekday == Weekday::of(today));
        let closed = world.closures.iter().any(|closure| closure.from <= today && today <= closure.until);
        if let Some(slot) = slot.filter(|_| !closed) {
            let lesson = instants(&zone, today, slot.at, plan.minutes).unwrap();
            open += 1;
            let off = moments(lesson).any(|moment| {
                let there = theirs.to_datetime(moment).date();
                trainer.time_off.iter().any(|off| off.from <= there && there <= off.until)
            });
            if off {
                walked.skipped.push(today);
            } else {
                walked.lessons.push(lesson);
                if open <= plan.reserved_sessions() {
                    walked.plain.push(lesson);
                }
            }
            if walked.lessons.len() == usize::from(plan.reserved_sessions()) {
                walked.complete = true;
                break;
            }
        }
        today = today.tomorrow().unwrap();
    }
    walked
}

fn moments((starts_at, ends_at): (Timestamp, Timestamp)) -> impl Iterator<Item = Timestamp> {
    let minutes = ends_at.duration_since(starts_at).as_mins();
    (0..minutes).step_by(5).map(move |after| starts_at.checked_add(SignedDuration::from_mins(after)).unwrap())
}

fn open_minutes(ranges: &[AvailableRange]) -> Vec<bool> {
    let mut open = vec![false; usize::from(WEEK_MINUTES)];
    for range in ranges {
        let from = range.weekday.index() as u16 * 1440 + range.from.minutes();
        let length = (range.until.minutes() + 1440 - range.from.minutes()) % 1440;
        let length = if range.until == TimeOfDay::END_OF_DAY { 1440 - range.from.minutes() } else { length };
        (0..length).for_each(|after| open[usize::from((from + after) % WEEK_MINUTES)] = true);
    }
    open
}

fn week_of(zone: &TimeZone, at: Timestamp) -> (i16, i8) {
    let week = zone.to_datetime(at).date().iso_week_date();
    (week.year(), week.week())
}

/// The first rule a choice fails, or the number of dates skipped.
fn first_failure(world: &World, state: &TrainerState, choice: &[usize]) -> Result<usize, Rule> {
    let (trainer, plan) = (&state.trainer, &world.request.plan);
    let zone = TimeZone::get(&trainer.time_zone).unwrap();
    let walked = walk(world, trainer, choice);
    let too_long = !walked.complete || walked.skipped.len() > usize::from(world.policy.max_skipped);
    let open = open_minutes(&trainer.availability);
    let inside = |moment: Timestamp| {
        let wall = zone.to_datetime(moment);
        let minute = Weekday::of(wall.date()).index() * 1440 + wall.hour() as usize * 60 + wall.minute() as usize;
        open[minute..minute + 5].iter().all(|open| *open)
    };
    let judged = if too_long { &walked.plain } else { &walked.lessons };
    if !judged.iter().all(|&lesson| moments(lesson).all(inside)) {
        return Err(Rule::Availability);
    }
    if too_long {
        return Err(Rule::TimeOff);
    }
    let occurrence = |&(starts_at, ends_at): &(Timestamp, Timestamp)| Occurrence {
        ordinal: 1,
        local_date: world.start(),
        starts_at,
        ends_at,
    };
    let taken = reserved_time(walked.lessons.iter().map(occurrence));
    if state.calendar.overlaps(&taken) {
        return Err(Rule::TrainerBusy);
    }
    let by_wall_clock = choice.iter().any(|&one| {
        choice.iter().any(|&other| {
            let (one, other) = (plan.slots[one], plan.slots[other]);
            other.weekday.index() == (one.weekday.index() + 1) % 7
                && one.at.minutes() + plan.minutes > 1440 + other.at.minutes()
        })
    });
    let by_instant = walked.lessons.windows(2).any(|pair| pair[0].1 > pair[1].0);
    if world.request.student_calendar.overlaps(&taken) || by_wall_clock || by_instant {
        return Err(Rule::StudentBusy);
    }
    let mut weeks: BTreeMap<(i16, i8), u32> = BTreeMap::new();
    walked.lessons.iter().for_each(|lesson| *weeks.entry(week_of(&zone, lesson.0)).or_default() += 1);
    for second in super::shard::starts(state.calendar.rows()) {
        let week = week_of(&zone, Timestamp::from_second(second).unwrap());
        weeks.entry(week).and_modify(|count| *count += 1);
    }
    if weeks.values().any(|&count| count > trainer.max_sessions_per_week) {
        return Err(Rule::WeeklyCapacity);
    }
    Ok(walked.skipped.len())
}

/// What a plain reading of the rules says about a trainer.
fn plainly(world: &World, state: &TrainerState) -> Result<(Vec<u16>, u32), Rule> {
    if !state.trainer.active {
        return Err(Rule::Inactive);
    }
    if state.trainer.courses.iter().all(|course| folded(&course.subject) != "python") {
        return Err(Rule::Course);
    }
    if state.trainer.languages.iter().all(|language| folded(language) != "en") {
        return Err(Rule::Language);
    }
    let mut latest = Rule::Availability;
    let mut best: Option<(Vec<u16>, u32)> = None;
    for choice in world.choices() {
        match first_failure(world, state, &choice) {
            Ok(skipped) => {
                let terms = (choice.iter().map(|&slot| slot as u16 + 1).collect(), skipped as u32);
                best = Some(best.map_or(terms.clone(), |best| best.min(terms)));
            }
            Err(rule) => latest = latest.max(rule),
        }
    }
    best.ok_or(latest)
}

/// Everybody's terms in the order of preference, and who was ruled out by what.
fn plain_reading(world: &World) -> (Vec<Terms>, BTreeMap<Rule, u32>) {
    let active = world
        .trainers
        .iter()
        .filter(|state| state.trainer.active && folded(&state.trainer.courses[0].subject) == "python");
    let shares: Vec<(i64, i64)> =
        active.filter_map(|state| Some((state.share?, i64::from(state.trainer.weight)))).collect();
    let weights: i64 = shares.iter().map(|(_, weight)| weight).sum();
    let work: i64 = shares.iter().map(|(share, weight)| share * weight).sum();
    let peers = shares.len() as i64;
    let (mut terms, mut removed) = (Vec::new(), BTreeMap::new());
    for state in &world.trainers {
        match plainly(world, state) {
            Err(rule) => *removed.entry(rule).or_default() += 1,
            Ok((slot_ranks, skipped)) => {
                let id = &state.trainer.trainer_id;
                let increment =
                    i64::from(world.request.plan.reserved_sessions()) * 100_000 / i64::from(state.trainer.weight);
                let share = if peers == 0 {
                    0
                } else {
                    let usual = i64::from(world.request.plan.reserved_sessions()) * 100_000 * peers / weights;
                    state.share.unwrap_or(i64::MIN).max(work.div_euclid(weights) - increment.max(usual))
                };
                terms.push(Terms {
                    trainer_id: id.clone(),
                    preferred: world.request.preferred_trainer_id.as_ref() == Some(id),
                    previous: world.request.previous_trainer_id.as_ref() == Some(id),
                    slot_ranks,
                    skipped,
                    share,
                });
            }
        }
    }
    terms.sort_by_key(|terms| {
        let Terms { trainer_id, preferred, previous, slot_ranks, skipped, share } = terms.clone();
        (!preferred, !previous, slot_ranks, skipped, share, trainer_id)
    });
    (terms, removed)
}

fn receipt(decision: &Decision) -> &Receipt {
    match decision {
        Decision::Allocated(booking) => &booking.receipt,
        Decision::Waitlisted(waiting) => &waiting.receipt,
    }
}

fn check_booking(world: &World, booking: &Booking) {
    let plan = &world.request.plan;
    let schedule = Schedule {
        zone: TimeZone::get(&world.request.time_zone).unwrap(),
        start_date: booking.start_date,
        slots: booking.slots.clone(),
        first_ordinal: 1,
        sessions: plan.reserved_sessions(),
        minutes: plan.minutes,
        skipped: booking.skipped.iter().copied().collect(),
    };
    let lessons: Vec<Occurrence> = schedule.occurrences().collect();
    assert_eq!(lessons.len(), usize::from(plan.reserved_sessions()));
    assert_eq!(reserved_time(lessons), booking.reserved);
    let trainer = booking.receipt.trainer.as_ref().expect("a booking names what its trainer was judged by");
    assert_eq!(trainer.trainer_id, booking.trainer_id);
    let increment = i64::from(plan.reserved_sessions()) * SHARE_PER_SESSION / i64::from(trainer.weight);
    assert_eq!(booking.share_after, booking.receipt.chosen.as_ref().unwrap().share + increment);
}

fn check_world(world: &World) {
    let decisions = world.roster().allocate(std::slice::from_ref(&world.request), world.now);
    let receipt = receipt(&decisions[0]);
    let (terms, removed) = plain_reading(world);
    assert_eq!(receipt.removed, removed);
    let named: Vec<Terms> = receipt.chosen.iter().chain(&receipt.next_best).cloned().collect();
    assert_eq!(named, terms.into_iter().take(NEXT_BEST_MAX + 1).collect::<Vec<_>>());
    match &decisions[0] {
        Decision::Allocated(booking) => check_booking(world, booking),
        Decision::Waitlisted(_) => assert!(receipt.chosen.is_none()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn the_receipt_says_what_a_plain_reading_of_the_rules_says(world in world()) {
        check_world(&world);
    }

    #[test]
    fn a_roster_that_changed_is_as_one_built_anew(world in world(), other in world()) {
        let mut roster = other.roster();
        for id in 0..12 {
            roster.remove(&format!("trn_{id}"));
        }
        roster.set_closures(world.closures.clone());
        world.trainers.iter().chain(&world.trainers).cloned().for_each(|state| roster.upsert(state));
        let batch = [world.request.clone()];
        let mut fresh = world.roster().allocate(&batch, world.now);
        if world.policy == other.policy {
            prop_assert_eq!(roster.allocate(&batch, world.now), fresh.clone());
        }
        if let Decision::Allocated(booking) = fresh.remove(0) {
            let (mut booked, mut loaded) = (world.roster(), world.roster());
            booked.book(&booking);
            let mut state = world.trainers.iter().find(|state| state.trainer.trainer_id == booking.trainer_id).unwrap().clone();
            state.calendar.reserve(&booking.reserved);
            state.share = Some(booking.share_after);
            loaded.upsert(state);
            let next = Request { student_id: "another".to_owned(), ..world.request.clone() };
            let next = [Request { student_calendar: Calendar::default(), ..next }];
            prop_assert_eq!(booked.allocate(&next, world.now), loaded.allocate(&next, world.now));
        }
    }
}

prop_compose! {
    fn crowd()(
        world in world(), plans in prop::collection::vec((plan(), 0usize..6, 0usize..12, 0usize..12), 2..12),
    ) -> (World, Vec<Request>) {
        let request = |(number, (plan, student, preferred, previous)): (usize, (Plan, usize, usize, usize))| Request {
            purchase_id: Uuid::from_u128(number as u128),
            student_id: format!("stu_{student}"),
            plan,
            preferred_trainer_id: Some(format!("trn_{preferred}")),
            previous_trainer_id: Some(format!("trn_{previous}")),
            student_calendar: if student == 0 { world.request.student_calendar.clone() } else { Calendar::default() },
            ..world.request.clone()
        };
        let requests = plans.into_iter().enumerate().map(request).collect();
        (world, requests)
    }
}

fn named(decision: &Decision) -> (bool, bool) {
    receipt(decision).chosen.as_ref().map_or((false, false), |terms| (terms.preferred, terms.previous))
}

/// One after the other, without looking ahead.
fn one_by_one(world: &World, requests: &[Request]) -> Vec<Decision> {
    let (mut roster, mut students) = (world.roster(), BTreeMap::<String, Calendar>::new());
    let decide = |request: &Request| {
        let mut request = request.clone();
        if let Some(calendar) = students.get(&request.student_id) {
            request.student_calendar.reserve(calendar.rows());
        }
        let decision = roster.allocate(std::slice::from_ref(&request), world.now).remove(0);
        if let Decision::Allocated(booking) = &decision {
            roster.book(booking);
            students.entry(request.student_id).or_default().reserve(&booking.reserved);
        }
        decision
    };
    requests.iter().map(decide).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn a_batch_holds_together_and_leaves_nobody_out_who_fits((world, requests) in crowd()) {
        let decisions = world.roster().allocate(&requests, world.now);
        let greedy = one_by_one(&world, &requests);
        let placed = |decisions: &[Decision]| {
            decisions.iter().map(|decision| matches!(decision, Decision::Allocated(_))).collect::<Vec<_>>()
        };
        if placed(&decisions) == placed(&greedy) {
            prop_assert_eq!(&decisions, &greedy, "nobody had to give way");
        }
        let mut roster = world.roster();
        let mut trainers: BTreeMap<&str, Calendar> = BTreeMap::new();
        let mut students: BTreeMap<&str, Calendar> = BTreeMap::new();
        for state in &world.trainers {
            trainers.insert(&state.trainer.trainer_id, state.calendar.clone());
        }
        for (request, decision) in requests.iter().zip(&decisions) {
            let Decision::Allocated(booking) = decision else { continue };
            check_booking_alone(&world, request, booking);
            let student = students.entry(&request.student_id).or_insert_with(|| request.student_calendar.clone());
            let trainer = trainers.get_mut(booking.trainer_id.as_str()).unwrap();
            prop_assert!(!student.overlaps(&booking.reserved) && !trainer.overlaps(&booking.reserved));
            student.reserve(&booking.reserved);
            trainer.reserve(&booking.reserved);
            roster.book(booking);
        }
        for state in &world.trainers {
            let zone = TimeZone::get(&state.trainer.time_zone).unwrap();
            let weeks = |calendar: &Calendar| {
                let mut weeks: BTreeMap<(i16, i8), u32> = BTreeMap::new();
                for second in super::shard::starts(calendar.rows()) {
                    *weeks.entry(week_of(&zone, Timestamp::from_second(second).unwrap())).or_default() += 1;
                }
                weeks
            };
            let before = weeks(&state.calendar);
            for (week, sessions) in weeks(&trainers[state.trainer.trainer_id.as_str()]) {
                let already = before.get(&week).copied().unwrap_or(0);
                prop_assert!(sessions == already || sessions <= state.trainer.max_sessions_per_week);
            }
        }
        // The last one alone made others move: all before it were placed, and just as one by one.
        let (last, others) = greedy.split_last().unwrap();
        let greedy_is_kept =
            matches!(last, Decision::Waitlisted(_)) && placed(others).into_iter().all(|placed| placed);
        for ((request, decision), greedy) in requests.iter().zip(&decisions).zip(&greedy) {
            // Until somebody gives way, the batch decides as one by one; whoever then moves keeps a trainer by name.
            if greedy_is_kept {
                let (now, before) = (named(decision), named(greedy));
                prop_assert!(now.0 || !before.0);
                prop_assert!(now.0 || now.1 || !before.1);
            }
            let receipt = receipt(decision);
            let fit = receipt.candidates - receipt.removed.values().sum::<u32>();
            let shown = u32::from(receipt.chosen.is_some()) + receipt.next_best.len() as u32;
            prop_assert_eq!(shown, fit.min(1 + NEXT_BEST_MAX as u32));
            if let Decision::Waitlisted(_) = decision {
                let calendar = students.get(request.student_id.as_str());
                let calendar = calendar.cloned().unwrap_or_else(|| request.student_calendar.clone());
                let again = [Request { student_calendar: calendar, ..request.clone() }];
                let again = roster.allocate(&again, world.now).remove(0);
                prop_assert!(matches!(again, Decision::Waitlisted(_)), "nobody waits in vain");
            }
        }
    }
}

fn check_booking_alone(world: &World, request: &Request, booking: &Booking) {
    let world = World { request: request.clone(), ..world.clone() };
    let state = world.trainers.iter().find(|state| state.trainer.trainer_id == booking.trainer_id).unwrap();
    let rank = |slot: &Slot| request.plan.slots.iter().position(|other| other == slot).unwrap();
    let choice: Vec<usize> = booking.slots.iter().map(rank).collect();
    assert!(first_failure(&world, state, &choice).is_ok());
    assert_eq!(booking.receipt.chosen.as_ref().unwrap().trainer_id, booking.trainer_id);
    let schedule = Schedule {
        zone: TimeZone::get(&request.time_zone).unwrap(),
        start_date: booking.start_date,
        slots: booking.slots.clone(),
        first_ordinal: 1,
        sessions: request.plan.reserved_sessions(),
        minutes: request.plan.minutes,
        skipped: booking.skipped.iter().copied().collect(),
    };
    assert_eq!(reserved_time(schedule.occurrences()), booking.reserved);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn plans_that_no_calendar_holds_are_waitlisted_without_a_panic(world in world(), which in 0usize..6) {
        let mut world = world;
        let everybody = world.trainers.len() as u32;
        let plan = &mut world.request.plan;
        match which {
            0 => world.closures = vec![Closure { from: day(-9), until: Date::MAX, name: "for good".to_owned() }],
            1 => plan.start_date = date(9999, 12, 30),
            2 => plan.per_week = 7,
            3 => plan.slots.clear(),
            4 => world.request.time_zone = "Mars/Olympus".to_owned(),
            _ => world.trainers.iter_mut().for_each(|state| state.trainer.time_zone = "Mars/Olympus".to_owned()),
        }
        prop_assume!(which != 2 || world.request.plan.slots.len() < 7);
        let decision = world.roster().allocate(std::slice::from_ref(&world.request), world.now).remove(0);
        prop_assert!(matches!(decision, Decision::Waitlisted(_)));
        let receipt = receipt(&decision);
        prop_assert_eq!(receipt.removed.values().sum::<u32>(), everybody);
        prop_assert!(which != 5 || receipt.removed.get(&Rule::Inactive) == Some(&everybody));
    }
}

#[test]
fn a_receipt_names_its_rules() {
    let receipt = Receipt { removed: [(Rule::TimeOff, 2)].into(), ..Receipt::default() };
    let json = serde_json::to_value(&receipt).unwrap();
    assert_eq!(json["removed"], serde_json::json!({ "time-off": 2 }));
    assert_eq!(serde_json::from_value::<Receipt>(json).unwrap(), receipt);
    for rule in Rule::ALL {
        assert_eq!(serde_json::to_value(rule).unwrap(), rule.name());
    }
}
