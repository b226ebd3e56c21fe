//! What would become of many dead letters, in one line.

use std::collections::BTreeMap;
use std::fmt;

use caravan_domain::rejection::Reason;

use super::Rehearsal;
use crate::views::counted;

/// How many dead letters would become what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rehearsed {
    /// How many would make a purchase.
    pub make_purchases: u64,
    /// Those of purchases that are recorded already.
    pub recorded_already: u64,
    /// Those that were sent again before.
    pub sent_before: u64,
    /// Those that a worker would look at again.
    pub looked_at_again: u64,
    /// Those that would be set aside again, by reason.
    pub set_aside_again: BTreeMap<Reason, u64>,
}

impl Rehearsed {
    /// Counts what was rehearsed.
    pub fn of<'a>(rehearsals: impl IntoIterator<Item = &'a Rehearsal>) -> Self {
        let mut counts = Self::default();
        for rehearsal in rehearsals {
            *match rehearsal {
                Rehearsal::MakesPurchase(_) => &mut counts.make_purchases,
                Rehearsal::RecordedAlready(_) => &mut counts.recorded_already,
                Rehearsal::SentBefore(_) => &mut counts.sent_before,
                Rehearsal::LookedAtAgain(_) => &mut counts.looked_at_again,
                Rehearsal::SetAsideAgain(rejection) => counts.set_aside_again.entry(rejection.reason).or_default(),
            } += 1;
        }
        counts
    }

    fn set_aside_again(&self) -> Option<String> {
        let reasons: Vec<String> = match self.set_aside_again.keys().collect::<Vec<_>>()[..] {
            [] => return None,
            [alone] => vec![alone.to_string()],
            _ => self.set_aside_again.iter().map(|(reason, number)| format!("{number} {reason}")).collect(),
        };
        let all: u64 = self.set_aside_again.values().sum();
        Some(format!("{all} would be set aside again ({})", reasons.join(", ")))
    }
}

impl fmt::Display for Rehearsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let some = |number: u64, words: String| (number > 0).then_some(words);
        let made = counted(self.make_purchases, "purchase", "purchases");
        let parts = [
            some(self.make_purchases, format!("creates {made}")),
            some(self.looked_at_again, format!("{} would be looked at again", self.looked_at_again)),
            some(self.recorded_already, format!("{} already recorded: nothing", self.recorded_already)),
            some(self.sent_before, format!("{} already sent again: nothing", self.sent_before)),
            self.set_aside_again(),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let told = if parts.is_empty() { "nothing would happen" } else { &parts.join("; ") };
        f.write_str(told)
    }
}

#[cfg(test)]
mod tests {
    use caravan_domain::event::Topic;
    use caravan_domain::rejection::Rejection;
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_would_become_of_many_is_told_in_one_line() {
        let makes = || Rehearsal::MakesPurchase(Uuid::nil());
        let recorded = || Rehearsal::RecordedAlready(Uuid::nil());
        let before = || Rehearsal::SentBefore(Timestamp::UNIX_EPOCH);
        let again = || Rehearsal::LookedAtAgain(Topic::PurchaseCreated);
        let aside = |reason| Rehearsal::SetAsideAgain(Rejection::new(reason, "why"));
        let field = || aside(Reason::InvalidField);
        for (rehearsals, told) in [
            (vec![], "nothing would happen"),
            (vec![makes()], "creates 1 purchase"),
            (vec![before(), again(), again()], "2 would be looked at again; 1 already sent again: nothing"),
            (
                vec![field(), makes(), recorded(), field(), makes(), field()],
                "creates 2 purchases; 1 already recorded: nothing; 3 would be set aside again (invalid-field)",
            ),
            (
                vec![aside(Reason::UnknownPurchase), field(), field()],
                "3 would be set aside again (2 invalid-field, 1 unknown-purchase)",
            ),
        ] {
            assert_eq!(Rehearsed::of(&rehearsals).to_string(), told);
        }
    }

    #[test]
    fn each_fate_has_a_name_of_its_own() {
        let all = [
            (Rehearsal::SentBefore(Timestamp::UNIX_EPOCH), "sent-before"),
            (Rehearsal::SetAsideAgain(Rejection::new(Reason::InvalidJson, "")), "set-aside-again"),
            (Rehearsal::MakesPurchase(Uuid::nil()), "makes-purchase"),
            (Rehearsal::RecordedAlready(Uuid::nil()), "recorded-already"),
            (Rehearsal::LookedAtAgain(Topic::PurchaseCreated), "looked-at-again"),
        ];
        for (rehearsal, kind) in all {
            assert_eq!(rehearsal.kind(), kind);
        }
    }
}
