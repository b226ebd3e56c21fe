//! A purchase: a paid order of a plan, and the states it goes through.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use iso_currency::Currency;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::plan::Plan;

/// Where a purchase stands.
///
/// ```text
/// created -> waitlisted -> allocated -> scheduled -> completed
///    +------------------------^             (any of the first four) -> cancelled
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PurchaseStatus {
    /// Paid and recorded.
    Created,
    /// No trainer fits yet.
    Waitlisted,
    /// A trainer's time is reserved for the whole plan.
    Allocated,
    /// The first window of sessions stands in the calendar.
    Scheduled,
    /// Every session is over.
    Completed,
    /// Called off; its time is free again.
    Cancelled,
}

impl PurchaseStatus {
    /// All of them, in the order of a purchase's life.
    pub const ALL: [Self; 6] =
        [Self::Created, Self::Waitlisted, Self::Allocated, Self::Scheduled, Self::Completed, Self::Cancelled];

    /// Where a purchase stands whose plan is reserved and not over.
    pub const UNDER_WAY: [Self; 2] = [Self::Allocated, Self::Scheduled];

    /// The status as it stands in tables and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Waitlisted => "waitlisted",
            Self::Allocated => "allocated",
            Self::Scheduled => "scheduled",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for PurchaseStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for PurchaseStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|status| status.name() == text)
            .ok_or_else(|| format!("unknown purchase status {text:?}"))
    }
}

/// An amount of money in the currency's smallest unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Minor units by the currency's ISO 4217 exponent; never negative.
    pub minor: i64,
    /// The ISO 4217 code, such as `INR`.
    pub currency: String,
}

/// Digits of the currency's major unit behind the point (ISO 4217).
fn exponent(currency: &str) -> u16 {
    Currency::from_code(currency).and_then(|currency| currency.exponent()).unwrap_or(0)
}

impl Amount {
    /// Reads what people write in the currency's major unit, such as `499`, `49.90`, `49,9` or `499.00 EUR`. A comma with three
    /// digits behind it is not read: for some it parts thousands.
    ///
    /// # Errors
    /// In words, if it is no such number, or says more than the currency can.
    pub fn of_major(text: &str, currency: &str) -> Result<Self, String> {
        let digits = usize::from(exponent(currency));
        let number = text.strip_suffix(currency).unwrap_or(text).trim_end();
        let (whole, part) = number.split_once(['.', ',']).unwrap_or((number, ""));
        let parts_thousands = number.contains(',') && part.len() == 3;
        let is_number = !whole.is_empty()
            && !parts_thousands
            && whole.bytes().chain(part.bytes()).all(|byte| byte.is_ascii_digit());
        let minor = format!("{whole}{part:0<digits$}").parse().ok().filter(|_| is_number && part.len() <= digits);
        let example = Self { minor: 49 * 10_i64.pow(exponent(currency).into()), currency: currency.to_owned() };
        let minor = minor.ok_or_else(|| format!("must be written as in {example}, is {text:?}"))?;
        Ok(Self { minor, currency: currency.to_owned() })
    }
}

/// As people read it: in the currency's major unit, such as `499.00 EUR`.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exponent = exponent(&self.currency);
        let scale = 10_i64.pow(exponent.into());
        write!(f, "{}", self.minor / scale)?;
        if exponent > 0 {
            write!(f, ".{:0width$}", (self.minor % scale).abs(), width = usize::from(exponent))?;
        }
        write!(f, " {}", self.currency)
    }
}

/// Who is taught.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Student {
    /// The shop's id of the student.
    pub id: String,
    /// Their name, if told.
    pub name: Option<String>,
    /// Their address, if told.
    pub email: Option<String>,
    /// IANA name of the zone their lessons are planned in.
    pub time_zone: String,
    /// Languages they can be taught in.
    pub languages: Vec<String>,
}

/// Who paid, if somebody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payer {
    /// The shop's id of the payer.
    pub id: String,
    /// Their name, if told.
    pub name: Option<String>,
    /// Their address, if told.
    pub email: Option<String>,
}

/// What is taught. Subjects and levels compare as lower-case trimmed text: see [`Course::key`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Course {
    /// Such as `python`.
    pub subject: String,
    /// Such as `beginner`.
    pub level: String,
}

impl Course {
    /// The course in the form that is compared.
    pub fn key(&self) -> Self {
        Self { subject: folded(&self.subject), level: folded(&self.level) }
    }
}

/// Lower-case, trimmed: how subjects, levels and languages are compared.
pub fn folded(text: &str) -> String {
    text.trim().to_lowercase()
}

/// Whether two of them are the same when [`folded`], without making either.
pub fn alike(one: &str, other: &str) -> bool {
    if one.is_ascii() && other.is_ascii() {
        return one.trim().eq_ignore_ascii_case(other.trim());
    }
    folded(one) == folded(other)
}

/// The value of `purchase-confirmed`, validated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// The payment provider's id of the payment.
    pub payment_id: String,
    /// Which of several purchases of one payment.
    pub item: Option<String>,
    /// When the payment was confirmed.
    pub confirmed_at: Timestamp,
    /// What was paid.
    pub amount: Amount,
    /// Who is taught.
    pub student: Student,
    /// Who paid, if somebody else.
    pub payer: Option<Payer>,
    /// What is taught.
    pub course: Course,
    /// What was bought.
    pub plan: Plan,
    /// The trainer the student asked for.
    pub preferred_trainer_id: Option<String>,
    /// The shop's own texts, echoed in every later event.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// What is to be taught and how: the part of a confirmation that people can amend later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ordered {
    /// What is taught.
    pub course: Course,
    /// How often and when.
    pub plan: Plan,
}

impl Confirmation {
    /// What is to be taught and how.
    pub fn ordered(&self) -> Ordered {
        Ordered { course: self.course.clone(), plan: self.plan.clone() }
    }

    /// The same purchase with another course or plan.
    pub fn amended(self, Ordered { course, plan }: Ordered) -> Self {
        Self { course, plan, ..self }
    }

    /// Whether another report of the same payment says the same: student, course, plan and amount.
    pub fn agrees_with(&self, other: &Self) -> bool {
        self.student.id == other.student.id
            && self.course.key() == other.course.key()
            && self.plan == other.plan
            && self.amount == other.amount
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_amount_has_as_many_digits_as_its_currency() {
        for (minor, currency, text) in [
            (49_900, "EUR", "499.00 EUR"),
            (5, "USD", "0.05 USD"),
            (0, "INR", "0.00 INR"),
            (1_234_567, "JPY", "1234567 JPY"),
            (1_234, "KWD", "1.234 KWD"),
        ] {
            assert_eq!(Amount { minor, currency: currency.to_owned() }.to_string(), text);
        }
    }

    #[test]
    fn an_amount_is_read_as_people_write_it() {
        for (text, currency, minor) in [
            ("499", "EUR", Some(49_900)),
            ("49.90", "EUR", Some(4_990)),
            ("49,9", "EUR", Some(4_990)),
            ("0.05", "USD", Some(5)),
            ("1234567", "JPY", Some(1_234_567)),
            ("1.5", "KWD", Some(1_500)),
            ("1.5", "JPY", None),
            ("49.905", "EUR", None),
            ("1,234.00", "EUR", None),
            ("-5", "EUR", None),
            ("", "EUR", None),
            (".5", "EUR", None),
            ("49 EUR", "EUR", Some(4_900)),
            ("49.00EUR", "EUR", Some(4_900)),
            ("49 USD", "EUR", None),
            ("EUR", "EUR", None),
            ("1,234", "KWD", None),
            ("1.234", "KWD", Some(1_234)),
            ("1,23", "KWD", Some(1_230)),
            ("92233720368547758.08", "EUR", None),
        ] {
            let read = Amount::of_major(text, currency);
            assert_eq!(read.as_ref().ok().map(|amount| amount.minor), minor, "{text} {currency}");
            if let Err(refusal) = read {
                assert!(refusal.contains("must be written as in 49") && refusal.contains(currency), "{refusal}");
            }
        }
    }

    proptest! {
        #[test]
        fn an_amount_that_is_shown_is_read_as_the_same(minor in 0..=i64::MAX, currency in "EUR|JPY|KWD|XAU") {
            let amount = Amount { minor, currency: currency.clone() };
            prop_assert_eq!(Amount::of_major(&amount.to_string(), &currency), Ok(amount));
        }

        #[test]
        fn alike_is_what_is_the_same_when_folded(one in "[ aAbBkKİıßẞéÉ\u{212a}\u{a0}]{0,4}", other in "[ aAbBkKİıßẞéÉ\u{212a}\u{a0}]{0,4}") {
            prop_assert_eq!(alike(&one, &other), folded(&one) == folded(&other));
            prop_assert!(alike(&one, &one.to_uppercase()) == (folded(&one) == folded(&one.to_uppercase())));
        }
    }
}
