//! A receipt in plain words: why that trainer, or why nobody.

use caravan_domain::allocation::{Receipt, Rule, Terms};
use jiff::civil::Date;
use serde_json::Value;

/// Explains a kept receipt of a purchase of `course`; receipts of another shape are left unexplained.
pub(super) fn explained(kept: &Value, course: &str) -> Vec<String> {
    let Ok(receipt) = serde_json::from_value::<Receipt>(kept.clone()) else {
        return vec!["The receipt is in a form this version of caravan doesn't know; --json shows it.".to_owned()];
    };
    let mut lines = match receipt.chosen.as_ref().filter(|_| receipt.by_hand) {
        Some(chosen) => vec![format!("{} was chosen by hand: {}.", chosen.trainer_id, terms(chosen))],
        None => looked_for(&receipt, course),
    };
    lines.extend(without_lesson("the company is closed", &receipt.skipped_for_closures));
    lines.extend(without_lesson("the trainer is off", &receipt.skipped_for_time_off));
    lines
}

/// So many of something, in words: `1 trainer`, `3 trainers`.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// How a trainer was looked for.
fn looked_for(receipt: &Receipt, course: &str) -> Vec<String> {
    let mut lines = vec![who_teaches(receipt, course)];
    lines.extend(who_was_ruled_out(receipt));
    lines.extend(who_fits(receipt));
    lines
}

fn removed(receipt: &Receipt, rule: Rule) -> u32 {
    receipt.removed.get(&rule).copied().unwrap_or(0)
}

fn who_teaches(receipt: &Receipt, course: &str) -> String {
    let left = receipt.candidates.saturating_sub(removed(receipt, Rule::Inactive) + removed(receipt, Rule::Course));
    if !receipt.course_taught {
        return format!("Nobody of {} teaches {course}: is it misspelt?", trainers(receipt.candidates));
    }
    let teach = if left == 1 { "teaches" } else { "teach" };
    let inactive = match removed(receipt, Rule::Inactive) {
        0 => String::new(),
        number => format!(" ({number} inactive)"),
    };
    format!("{left} of {} {teach} {course}{inactive}.", trainers(receipt.candidates))
}

fn trainers(number: u32) -> String {
    counted(number.into(), "trainer", "trainers")
}

/// What the rules after the course ruled out, such as `5 busy then, 1 without room left in some week`.
fn who_was_ruled_out(receipt: &Receipt) -> Option<String> {
    let reasons = [
        (Rule::Language, "without a language in common"),
        (Rule::Availability, "not available at enough of those times"),
        (Rule::TimeOff, "off on too many of the dates"),
        (Rule::TrainerBusy, "busy then"),
        (Rule::StudentBusy, "clashing with the student's other sessions"),
        (Rule::WeeklyCapacity, "without room left in some week"),
    ];
    let told = reasons.iter().map(|(rule, words)| (removed(receipt, *rule), words)).filter(|(number, _)| *number > 0);
    let told: Vec<String> = told.map(|(number, words)| format!("{number} {words}")).collect();
    (!told.is_empty()).then(|| format!("Ruled out: {}.", told.join(", ")))
}

fn who_fits(receipt: &Receipt) -> Vec<String> {
    let Some(chosen) = &receipt.chosen else { return vec!["Nobody fits the whole plan yet.".to_owned()] };
    let fit = receipt.candidates.saturating_sub(receipt.removed.values().sum());
    let of = if fit > 1 { format!(" of the {fit} who fit") } else { ", the only one who fits".to_owned() };
    let mut lines = vec![format!("{} was chosen{of}: {}.", chosen.trainer_id, terms(chosen))];
    if !receipt.next_best.is_empty() {
        let next = receipt.next_best.iter().map(|next| format!("{} ({})", next.trainer_id, terms(next)));
        lines.push(format!("Next best: {}.", next.collect::<Vec<_>>().join("; ")));
    }
    lines
}

fn terms(terms: &Terms) -> String {
    let ranks = terms.slot_ranks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    let mut told = Vec::new();
    if terms.preferred {
        told.push("the student asked for them".to_owned());
    }
    if terms.previous {
        told.push("taught the student this subject before".to_owned());
    }
    told.push(format!("wish {ranks}"));
    if terms.skipped > 0 {
        told.push(format!("{} without a lesson", counted(terms.skipped.into(), "date", "dates")));
    }
    told.push(format!("share of work {}", terms.share));
    told.join(", ")
}

fn without_lesson(why: &str, dates: &[Date]) -> Option<String> {
    let list = dates.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    (!dates.is_empty()).then(|| format!("No lesson on {list}: {why}."))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn told(receipt: &Receipt) -> Vec<String> {
        explained(&serde_json::to_value(receipt).unwrap(), "python beginner")
    }

    fn terms_of(trainer_id: &str, preferred: bool) -> Terms {
        Terms {
            trainer_id: trainer_id.to_owned(),
            preferred,
            previous: false,
            slot_ranks: vec![1, 3],
            skipped: 0,
            share: 0,
        }
    }

    #[test]
    fn a_choice_is_told_with_who_else_there_was() {
        let receipt = Receipt {
            candidates: 40,
            removed: BTreeMap::from([(Rule::Course, 28), (Rule::TrainerBusy, 5), (Rule::WeeklyCapacity, 1)]),
            course_taught: true,
            chosen: Some(terms_of("trn_7", true)),
            next_best: vec![terms_of("trn_9", false)],
            skipped_for_closures: vec!["2026-12-25".parse().unwrap()],
            ..Receipt::default()
        };
        assert_eq!(
            told(&receipt),
            [
                "12 of 40 trainers teach python beginner.",
                "Ruled out: 5 busy then, 1 without room left in some week.",
                "trn_7 was chosen of the 6 who fit: the student asked for them, wish 1 and 3, share of work 0.",
                "Next best: trn_9 (wish 1 and 3, share of work 0).",
                "No lesson on 2026-12-25: the company is closed.",
            ]
        );
    }

    #[test]
    fn who_was_chosen_by_hand_is_not_compared_with_others() {
        let chosen = Some(terms_of("trn_7", false));
        let receipt = Receipt { by_hand: true, candidates: 1, course_taught: true, chosen, ..Receipt::default() };
        assert_eq!(told(&receipt), ["trn_7 was chosen by hand: wish 1 and 3, share of work 0."]);
    }

    #[test]
    fn a_wait_is_told_with_what_stood_in_the_way() {
        let removed = BTreeMap::from([(Rule::Inactive, 1), (Rule::Course, 2), (Rule::Language, 1)]);
        let receipt = Receipt { candidates: 4, removed, course_taught: true, ..Receipt::default() };
        assert_eq!(
            told(&receipt),
            [
                "1 of 4 trainers teaches python beginner (1 inactive).",
                "Ruled out: 1 without a language in common.",
                "Nobody fits the whole plan yet.",
            ]
        );
        let misspelt = Receipt { candidates: 4, removed: BTreeMap::from([(Rule::Course, 4)]), ..Receipt::default() };
        assert_eq!(told(&misspelt)[0], "Nobody of 4 trainers teaches python beginner: is it misspelt?");
    }

    #[test]
    fn a_receipt_of_another_shape_is_no_failure() {
        assert_eq!(explained(&serde_json::json!({"candidates": "many"}), "x").len(), 1);
    }
}
