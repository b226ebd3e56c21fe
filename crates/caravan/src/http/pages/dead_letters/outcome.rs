//! What would become of records that are sent again, in words.

use super::super::words::counted;
use super::meaning::meaning;
use crate::redrive::{Rehearsal, Rehearsed};

/// What would become of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// How it is shown.
    pub(super) class: &'static str,
    pub(super) words: String,
    /// The purchase that is recorded already.
    pub(super) href: Option<String>,
}

/// What a rehearsal has found.
pub(super) fn outcome(rehearsal: &Rehearsal) -> Outcome {
    let told = |class, words: String| Outcome { class, words, href: None };
    match rehearsal {
        Rehearsal::SentBefore(at) => told("", format!("It was sent again at {at:.0} already: nothing would happen.")),
        Rehearsal::SetAsideAgain(rejection) => {
            let title = meaning(rejection.reason.code()).title;
            told("bad", format!("It would be set aside again: {title}. {}", rejection.detail))
        }
        Rehearsal::MakesPurchase(_) => told("", "It would become a purchase.".to_owned()),
        Rehearsal::RecordedAlready(id) => Outcome {
            class: "",
            words: "It is recorded already, as it says: nothing would happen.".to_owned(),
            href: Some(format!("/purchases/{id}")),
        },
        Rehearsal::LookedAtAgain(topic) => {
            told("", format!("It can be read; the worker that reads {topic} would look at it again."))
        }
    }
}

/// How many records were looked at.
pub(super) fn total(found: &Rehearsed) -> u64 {
    let again: u64 = found.set_aside_again.values().sum();
    found.make_purchases + found.looked_at_again + found.recorded_already + found.sent_before + again
}

/// Each outcome there is, with its number.
pub(super) fn lines(found: &Rehearsed) -> Vec<String> {
    let line = |number: u64, one: &str, many: &str, what: &str| {
        (number > 0).then(|| format!("{} {what}", counted(number, one, many)))
    };
    let each = [
        line(found.make_purchases, "record", "records", "would become a purchase each"),
        line(found.looked_at_again, "record", "records", "would be looked at again"),
        line(found.recorded_already, "record is", "records are", "recorded already: nothing would happen"),
        line(found.sent_before, "record was", "records were", "sent again meanwhile: nothing would happen"),
    ];
    let again = found.set_aside_again.iter().map(|(reason, number)| {
        let title = meaning(reason.code()).title;
        format!("{} would be set aside again: {title} ({reason})", counted(*number, "record", "records"))
    });
    each.into_iter().flatten().chain(again).collect()
}

#[cfg(test)]
mod tests {
    use caravan_domain::event::Topic;
    use caravan_domain::rejection::{Reason, Rejection};
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;

    fn refused(reason: Reason) -> Rehearsal {
        Rehearsal::SetAsideAgain(Rejection::new(reason, "/plan/sessions: must be at most 500"))
    }

    #[test]
    fn what_would_be_set_aside_again_is_told_with_its_detail() {
        let told = outcome(&refused(Reason::InvalidField));
        assert_eq!(told.class, "bad");
        assert!(told.words.contains("/plan/sessions: must be at most 500"), "{}", told.words);
    }

    #[test]
    fn what_is_recorded_already_leads_to_its_purchase() {
        let id = Uuid::from_u128(7);
        assert_eq!(outcome(&Rehearsal::RecordedAlready(id)).href, Some(format!("/purchases/{id}")));
    }

    #[test]
    fn outcomes_are_counted_by_kind_and_none_is_left_out() {
        let of = [
            Rehearsal::MakesPurchase(Uuid::from_u128(1)),
            Rehearsal::MakesPurchase(Uuid::from_u128(2)),
            Rehearsal::RecordedAlready(Uuid::from_u128(3)),
            Rehearsal::LookedAtAgain(Topic::PurchaseRefunded),
            Rehearsal::SentBefore(Timestamp::UNIX_EPOCH),
            refused(Reason::InvalidField),
            refused(Reason::InvalidField),
            refused(Reason::ConflictingPayment),
        ];
        let found = Rehearsed::of(&of);
        assert_eq!(total(&found), of.len() as u64);
        let lines = lines(&found);
        assert_eq!(lines.len(), 6, "{lines:#?}");
        assert_eq!(lines[0], "2 records would become a purchase each");
        assert!(
            lines
                .iter()
                .any(|line| line.starts_with("2 records would be set aside again") && line.contains("invalid-field"))
        );
    }
}
