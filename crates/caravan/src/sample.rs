//! A business to try things on: trainers, closures and payments that follow from a seed.
//!
//! Most payments are good. Some are reported twice, some are broken in the ways payments are, and
//! some are for courses nobody teaches.

use caravan_domain::ids::purchase_id;
use caravan_domain::purchase::Confirmation;
use caravan_domain::trainer::{Closure, Trainer};
use jiff::Timestamp;
use jiff::civil::Date;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

mod broken;
mod business;
mod people;

/// What to make.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// The same seed makes the same sample.
    pub seed: u64,
    /// How many trainers.
    pub trainers: u32,
    /// How many different purchases; repeats and broken payments come on top.
    pub purchases: u32,
    /// Payments are confirmed now, and plans start soon after.
    pub now: Timestamp,
    /// Of 100 purchases, how many are reported a second time.
    pub duplicates_percent: u32,
    /// Of 100 purchases, how many broken payments come with them.
    pub broken_percent: u32,
    /// Of 100 purchases, how many are for a course nobody teaches.
    pub untaught_percent: u32,
}

impl Recipe {
    /// A business as it usually is.
    pub fn usual(seed: u64, trainers: u32, purchases: u32, now: Timestamp) -> Self {
        Self { seed, trainers, purchases, now, duplicates_percent: 8, broken_percent: 4, untaught_percent: 2 }
    }
}

/// What a payment is made to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentKind {
    /// The first report of a purchase.
    New,
    /// The same report once more.
    Duplicate,
    /// Something that will be set aside.
    Broken,
}

/// A payment as the shop reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// What it is made to be.
    pub kind: PaymentKind,
    /// The purchase it makes, or repeats.
    pub purchase_id: Uuid,
    /// The value of the record.
    pub value: Vec<u8>,
}

/// A business of trainers and payments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Who teaches.
    pub trainers: Vec<Trainer>,
    /// Days without lessons.
    pub closures: Vec<Closure>,
    /// Payments, in the order they are reported.
    pub payments: Vec<Payment>,
}

/// Makes a sample: the same recipe makes the same.
pub fn sample(recipe: &Recipe) -> Sample {
    let mut random = ChaCha8Rng::seed_from_u64(recipe.seed);
    let today = caravan_domain::window::today(recipe.now);
    let trainers: Vec<Trainer> = (1..=recipe.trainers).map(|number| business::trainer(&mut random, number)).collect();
    let closures = business::closures(today);
    let mut payments = Payments { recipe: *recipe, today, reported: Vec::new() };
    for number in 1..=recipe.purchases {
        payments.report(&mut random, &trainers, number);
    }
    Sample { trainers, closures, payments: payments.reported }
}

struct Payments {
    recipe: Recipe,
    today: Date,
    reported: Vec<Payment>,
}

impl Payments {
    fn report(&mut self, random: &mut ChaCha8Rng, trainers: &[Trainer], number: u32) {
        let mut confirmation = business::confirmation(random, trainers, &self.recipe, self.today, number);
        if chance(random, self.recipe.untaught_percent) {
            confirmation.course = business::untaught();
        }
        let value = json(&confirmation);
        let id = purchase_id(&confirmation.payment_id, None);
        self.push(PaymentKind::New, id, value.clone());
        if chance(random, self.recipe.duplicates_percent) {
            self.push(PaymentKind::Duplicate, id, value);
        }
        if chance(random, self.recipe.broken_percent) {
            let value = broken::version_of(random, &confirmation, number);
            self.push(PaymentKind::Broken, id, value);
        }
    }

    fn push(&mut self, kind: PaymentKind, purchase_id: Uuid, value: Vec<u8>) {
        self.reported.push(Payment { kind, purchase_id, value });
    }
}

fn chance(random: &mut ChaCha8Rng, percent: u32) -> bool {
    random.random_range(0..100) < percent
}

fn pick<'a, T>(random: &mut ChaCha8Rng, from: &'a [T]) -> &'a T {
    &from[random.random_range(0..from.len())]
}

fn json(confirmation: &Confirmation) -> Vec<u8> {
    // Texts, numbers and lists of them always have a JSON form.
    serde_json::to_vec(confirmation).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use caravan_domain::event::{decode_confirmation, payment_id_of};

    use super::*;

    fn recipe() -> Recipe {
        Recipe::usual(7, 40, 1_000, "2026-11-23T10:00:00Z".parse().unwrap())
    }

    #[test]
    fn the_same_seed_makes_the_same_sample_and_another_another() {
        assert_eq!(sample(&recipe()), sample(&recipe()));
        assert_ne!(sample(&recipe()).payments, sample(&Recipe { seed: 8, ..recipe() }).payments);
    }

    #[test]
    fn every_new_payment_can_be_read_and_is_a_purchase_of_its_own() {
        let sample = sample(&recipe());
        let mut ids = Vec::new();
        for payment in sample.payments.iter().filter(|payment| payment.kind == PaymentKind::New) {
            let value: serde_json::Value = serde_json::from_slice(&payment.value).unwrap();
            let confirmation = decode_confirmation(&value, recipe().now).unwrap();
            assert_eq!(purchase_id(&confirmation.payment_id, None), payment.purchase_id);
            ids.push(payment.purchase_id);
        }
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 1_000);
    }

    #[test]
    fn repeats_and_broken_payments_come_in_about_the_asked_share() {
        let sample = sample(&recipe());
        let share = |kind| sample.payments.iter().filter(|payment| payment.kind == kind).count();
        assert!((50..=110).contains(&share(PaymentKind::Duplicate)), "{}", share(PaymentKind::Duplicate));
        assert!((20..=60).contains(&share(PaymentKind::Broken)), "{}", share(PaymentKind::Broken));
    }

    #[test]
    fn every_broken_payment_is_refused_or_contradicts_its_first_report() {
        let sample = sample(&recipe());
        for payment in sample.payments.iter().filter(|payment| payment.kind == PaymentKind::Broken) {
            let text = String::from_utf8_lossy(&payment.value).into_owned();
            let Ok(value) = serde_json::from_slice::<serde_json::Value>(&payment.value) else { continue };
            let Ok(confirmation) = decode_confirmation(&value, recipe().now) else { continue };
            let first = sample.payments.iter().find(|first| first.purchase_id == payment.purchase_id).unwrap();
            let first_value = serde_json::from_slice(&first.value).unwrap();
            assert_eq!(payment_id_of(&first.value), payment_id_of(&payment.value));
            assert!(!decode_confirmation(&first_value, recipe().now).unwrap().agrees_with(&confirmation), "{text}");
        }
    }

    #[test]
    fn trainers_have_all_a_trainer_needs() {
        for trainer in sample(&recipe()).trainers {
            assert!(!trainer.languages.is_empty() && !trainer.courses.is_empty() && !trainer.availability.is_empty());
            assert!(jiff::tz::TimeZone::get(&trainer.time_zone).is_ok());
        }
    }
}
