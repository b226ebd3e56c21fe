//! What a bench runs: a roster and payments that nearly all find a trainer.
//!
//! Each payment is made for one of the trainers, drawn evenly: their course, a language and a zone
//! of theirs, and weekly times in their working hours. Plans start evenly over two years, so
//! that a roster of the usual size is a tenth full. A tenth of the students come back.

use std::collections::BTreeMap;

use caravan_domain::ids::purchase_id;
use caravan_domain::plan::{Plan, Slot, TimeOfDay, Weekday};
use caravan_domain::purchase::{Amount, Confirmation, Course, Student};
use caravan_domain::trainer::{AvailableRange, DaysOff, TaughtCourse, Trainer};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

/// How many sessions a week plans ask for.
pub(super) const SESSIONS_PER_WEEK: u8 = 2;
/// Within how many days plans start.
pub(super) const START_DAYS: i64 = 700;
/// Weekly times each student names.
const SLOTS: usize = 4;
/// Lessons take an hour.
const MINUTES: u16 = 60;
const SUBJECTS: u64 = 20;
const LEVELS: [&str; 3] = ["beginner", "intermediate", "advanced"];
const ZONES: [&str; 5] = ["Asia/Kolkata", "Europe/Berlin", "America/New_York", "Asia/Singapore", "Europe/London"];
const LANGUAGES: [&str; 5] = ["hi", "de", "es", "zh", "fr"];
const WORKDAYS: [Weekday; 6] = [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat];
/// Working hours, from and until.
const HOURS: (u16, u16) = (13, 21);
/// Of 100 trainers, how many have a week off.
const OFF_PERCENT: u32 = 10;
/// Of 100 students, how many have an earlier plan.
const RETURNING_PERCENT: u32 = 10;
/// What a lesson costs, in minor units.
const LESSON_MINOR: i64 = 62_500;

/// A payment, ready to be published.
#[derive(Clone, Debug)]
pub(super) struct Payment {
    /// The purchase it makes.
    pub(super) purchase_id: Uuid,
    /// The record's key.
    pub(super) payment_id: String,
    /// The record's value.
    pub(super) value: Vec<u8>,
}

/// Makes trainers and payments; the same seed makes the same.
#[derive(Clone, Copy, Debug)]
pub(super) struct Workload {
    /// Where it all follows from.
    pub(super) seed: u64,
    /// How many trainers there are.
    pub(super) trainers: u32,
    /// How many sessions each plan has.
    pub(super) sessions: u16,
}

impl Workload {
    /// The trainer with this number, from 0; time off lies after `today`.
    pub(super) fn trainer(&self, number: u32, today: Date) -> Trainer {
        let mut random = self.random(1, u64::from(number));
        let days = random.random_range(0..START_DAYS);
        let off = random.random_range(0..100) < OFF_PERCENT;
        Trainer {
            trainer_id: trainer_id(number),
            name: Some(format!("Trainer {number}")),
            email: Some(format!("trainer{number}@example.com")),
            time_zone: zone(number).to_owned(),
            languages: vec!["en".to_owned(), LANGUAGES[number as usize % LANGUAGES.len()].to_owned()],
            courses: subjects(number).map(taught).to_vec(),
            availability: WORKDAYS.into_iter().filter_map(working_hours).collect(),
            time_off: off
                .then(|| DaysOff { from: after(today, days), until: after(today, days + 6) })
                .into_iter()
                .collect(),
            max_sessions_per_week: 40,
            weight: 100,
            active: true,
        }
    }

    /// The payment with this number of a series, confirmed at `now`.
    pub(super) fn payment(&self, series: &str, number: u64, now: Timestamp) -> Payment {
        let confirmation = self.confirmation(series, number, now);
        // Texts, numbers and lists of them always have a JSON form.
        let value = serde_json::to_vec(&confirmation).unwrap_or_default();
        let payment_id = confirmation.payment_id;
        Payment { purchase_id: purchase_id(&payment_id, None), payment_id, value }
    }

    fn confirmation(&self, series: &str, number: u64, now: Timestamp) -> Confirmation {
        let mut random = self.random(2, number ^ u64::from(series.bytes().map(u32::from).sum::<u32>()) << 40);
        let teacher = random.random_range(0..self.trainers);
        let subject = subjects(teacher)[random.random_range(0..2)];
        let returning = random.random_range(0..100) < RETURNING_PERCENT;
        let student = if returning { number / 2 } else { number };
        Confirmation {
            payment_id: format!("pay_{series}_{:08x}_{number}", self.seed as u32),
            item: None,
            confirmed_at: now,
            amount: Amount { minor: i64::from(self.sessions) * LESSON_MINOR, currency: "EUR".to_owned() },
            student: Student {
                id: format!("stu_{series}_{student}"),
                name: Some(format!("Student {student}")),
                email: Some(format!("student{student}@example.com")),
                time_zone: zone(teacher).to_owned(),
                languages: vec!["en".to_owned()],
            },
            payer: None,
            course: Course {
                subject: subject_name(subject),
                level: LEVELS[random.random_range(0..LEVELS.len())].to_owned(),
            },
            plan: self.plan(&mut random, now),
            preferred_trainer_id: None,
            metadata: BTreeMap::from([("campaign".to_owned(), "bench".to_owned())]),
        }
    }

    fn plan(&self, random: &mut ChaCha8Rng, now: Timestamp) -> Plan {
        let today = now.to_zoned(TimeZone::UTC).date();
        let mut days = WORKDAYS;
        days.shuffle(random);
        let slots = days.into_iter().take(SLOTS).filter_map(|weekday| {
            let hour = random.random_range(HOURS.0..HOURS.1);
            Some(Slot { weekday, at: TimeOfDay::from_minutes(hour * 60)? })
        });
        Plan {
            slots: slots.collect(),
            start_date: after(today, random.random_range(2..START_DAYS)),
            sessions: Some(self.sessions),
            per_week: SESSIONS_PER_WEEK,
            minutes: MINUTES,
        }
    }

    fn random(&self, kind: u64, number: u64) -> ChaCha8Rng {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed ^ kind << 60);
        random.set_stream(number);
        random
    }
}

fn trainer_id(number: u32) -> String {
    format!("trn_{number:05}")
}

fn zone(number: u32) -> &'static str {
    ZONES[number as usize % ZONES.len()]
}

/// Two subjects of a trainer; trainers of one zone share them with others of it.
fn subjects(trainer: u32) -> [u64; 2] {
    let place = u64::from(trainer) / ZONES.len() as u64;
    [place % SUBJECTS, (place + 1 + place / SUBJECTS % (SUBJECTS - 1)) % SUBJECTS]
}

fn subject_name(subject: u64) -> String {
    format!("subject {subject}")
}

fn taught(subject: u64) -> TaughtCourse {
    TaughtCourse { subject: subject_name(subject), levels: LEVELS.map(str::to_owned).to_vec() }
}

fn working_hours(weekday: Weekday) -> Option<AvailableRange> {
    let (from, until) = (TimeOfDay::from_minutes(HOURS.0 * 60)?, TimeOfDay::from_minutes(HOURS.1 * 60)?);
    Some(AvailableRange { weekday, from, until })
}

fn after(date: Date, days: i64) -> Date {
    date.saturating_add(Span::new().days(days))
}

#[cfg(test)]
mod tests {
    use caravan_domain::event::decode_confirmation;

    use super::*;

    #[test]
    fn every_payment_can_be_read_and_is_a_purchase_of_its_own() {
        let workload = Workload { seed: 7, trainers: 100, sessions: 24 };
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        let mut ids = std::collections::BTreeSet::new();
        for (series, number) in ["a", "b"].into_iter().flat_map(|series| (0..500).map(move |number| (series, number))) {
            let payment = workload.payment(series, number, now);
            assert_eq!(payment.value, workload.payment(series, number, now).value);
            let confirmation = decode_confirmation(&serde_json::from_slice(&payment.value).unwrap(), now).unwrap();
            assert_eq!(purchase_id(&confirmation.payment_id, None), payment.purchase_id);
            assert!(ids.insert(payment.purchase_id));
        }
    }

    #[test]
    fn whatever_is_asked_for_somebody_teaches() {
        let workload = Workload { seed: 7, trainers: 1_000, sessions: 24 };
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        let trainers: Vec<Trainer> =
            (0..1_000).map(|number| workload.trainer(number, Date::constant(2026, 11, 23))).collect();
        for number in 0..500 {
            let confirmation = workload.confirmation("a", number, now);
            let fitting = trainers.iter().filter(|trainer| {
                trainer.time_zone == confirmation.student.time_zone
                    && trainer.courses.iter().any(|course| course.subject == confirmation.course.subject)
            });
            assert!(fitting.count() >= 10, "{:?}", confirmation.course);
        }
    }
}
