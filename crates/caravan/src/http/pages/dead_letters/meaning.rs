//! Why records are set aside, in words for whoever has to do something about it.

use caravan_domain::rejection::Reason;

/// A reason in plain words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) title: &'static str,
    pub(super) means: &'static str,
    pub(super) next: &'static str,
}

/// What a reason means. One of a later version is told as such.
pub(super) fn meaning(code: &str) -> Meaning {
    let (title, means, next) = match code.parse() {
        Ok(Reason::InvalidJson) => (
            "Not readable",
            "What came is no JSON text, so nothing could be read from it.",
            "Ask whoever sends it what it should have said; repair the value and send it again.",
        ),
        Ok(Reason::InvalidField) => (
            "Something is missing or wrong in it",
            "A field is missing, or has a value that nothing can be done with. The detail names each such field and what it must be.",
            "Repair the fields that are named, see what would happen, and send it again.",
        ),
        Ok(Reason::ValueTooLarge) => (
            "Too large",
            "It is larger than anything that is read.",
            "Take out what nobody needs, and send it again; have the sender hand over less.",
        ),
        Ok(Reason::ConflictingPayment) => (
            "A payment reported twice, and differently",
            "The same payment was reported before with another student, course, plan or amount. The first report counts.",
            "Find out which report is right. If it is this one, change the purchase, or call it off; sent again as it is, this one is set aside again.",
        ),
        Ok(Reason::ConflictingRefund) => (
            "A refund reported twice, and differently",
            "The same refund was reported before with another amount or as held back, or it is in another currency than its payment.",
            "Ask the payment side which is right; repair the value and send it again.",
        ),
        Ok(Reason::UnknownPurchase) => (
            "Of a purchase that is not known",
            "It names a purchase that is not in the database.",
            "See what would happen: if the purchase is recorded by now, send it again. If not, run the audit on the page System.",
        ),
        Ok(Reason::UnknownAllocation) => (
            "Of an allocation that is not known",
            "It names the choice of a trainer that is not in the database.",
            "See what would happen, and send it again; if it comes back, run the audit on the page System.",
        ),
        Ok(Reason::UnknownOrder) => (
            "Paid without an order",
            "Somebody has paid, and the order that the payment names, if it names one, is not kept, or not any more.",
            "Ask the shop what was bought. Complete the value (student, course and plan) and send it again, or give the payment back.",
        ),
        Ok(Reason::AmountMismatch) => (
            "Another amount was paid",
            "The payment has another amount or currency than its order says.",
            "To take it as it was paid, send it again. Otherwise settle it with the customer, or give the payment back.",
        ),
        Ok(Reason::OrderPaidTwice) => (
            "An order paid twice",
            "The order was paid before, by another payment.",
            "Give this payment back. To have a second purchase instead, send it again.",
        ),
        Ok(Reason::ProcessingFailed) => (
            "Tried, and failed",
            "It was tried several times and failed alone, while others succeeded. The detail says how.",
            "Have the cause mended, then send it again.",
        ),
        Err(_) => (
            "Set aside",
            "A later version of Caravan has set it aside, for a reason that this one does not know.",
            "Read the detail; use the later version.",
        ),
    };
    Meaning { title, means, next }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_reason_has_words_of_its_own() {
        let titles: HashSet<&str> = Reason::ALL.iter().map(|reason| meaning(reason.code()).title).collect();
        assert_eq!(titles.len(), Reason::ALL.len());
        assert!(!titles.contains(meaning("of-a-later-version").title));
    }
}
