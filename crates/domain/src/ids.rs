//! Identifiers that follow from what they identify, so that a repeat is the same thing again
//! (version 5 UUIDs, RFC 9562 section 5.5).

use uuid::Uuid;

/// The purchase of a payment, or of one `item` of it.
///
/// `uuid5(NAMESPACE_URL, "urn:caravan:payment:" + payment_id)`, and with an item
/// `uuid5(that id, item)`.
pub fn purchase_id(payment_id: &str, item: Option<&str>) -> Uuid {
    let payment = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("urn:caravan:payment:{payment_id}").as_bytes());
    match item {
        Some(item) => Uuid::new_v5(&payment, item.as_bytes()),
        None => payment,
    }
}

/// The session with this ordinal (from 1): `uuid5(purchase_id, "session:" + ordinal)`.
pub fn session_id(purchase_id: Uuid, ordinal: u32) -> Uuid {
    Uuid::new_v5(&purchase_id, format!("session:{ordinal}").as_bytes())
}

/// The purchase's `generation`-th allocation (from 1).
pub fn allocation_id(purchase_id: Uuid, generation: u32) -> Uuid {
    Uuid::new_v5(&purchase_id, format!("allocation:{generation}").as_bytes())
}

/// The refund of a purchase with that id of the payment side's: `uuid5(purchase_id, "refund:" + refund_id)`.
pub fn refund_id(purchase_id: Uuid, refund_id: &str) -> Uuid {
    Uuid::new_v5(&purchase_id, format!("refund:{refund_id}").as_bytes())
}

/// The id of an event, from the thing it is about and what happened to it. A republication has
/// the same id, so a consumer can tell it from a second event.
pub fn event_id(about: Uuid, happening: &str) -> Uuid {
    Uuid::new_v5(&about, format!("event:{happening}").as_bytes())
}

/// A stretch of a database's life without a break. One that is put back to an earlier copy decides
/// again what it has forgotten: what it tells from then on are other events, though about the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Epoch(pub Option<Uuid>);

impl Epoch {
    /// The id of an event that is told in this epoch. In the first one it is the event's own.
    pub fn event_id(self, id: Uuid) -> Uuid {
        self.0.map_or(id, |epoch| Uuid::new_v5(&id, format!("epoch:{epoch}").as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purchase_is_its_payment() {
        // Computed with Python's uuid module.
        assert_eq!(purchase_id("pay_29QQoUBi66xm2f", None).to_string(), PAYMENT);
        assert_eq!(purchase_id("pay_29QQoUBi66xm2f", Some("second")).to_string(), ITEM);
        assert_eq!(session_id(purchase_id("pay_29QQoUBi66xm2f", None), 1).to_string(), SESSION);
    }

    #[test]
    fn an_event_is_another_in_another_epoch_and_the_same_within_one() {
        let id = event_id(purchase_id("pay_1", None), "purchase-created");
        let [one, other] = [1, 2].map(|number| Epoch(Some(Uuid::from_u128(number))));
        assert_eq!(Epoch::default().event_id(id), id);
        assert_eq!(one.event_id(id), one.event_id(id));
        assert_ne!(one.event_id(id), id);
        assert_ne!(one.event_id(id), other.event_id(id));
    }

    const PAYMENT: &str = "0160dedd-cca0-578b-8ef9-108c281d0ad2";
    const ITEM: &str = "2858b5f6-72ef-5685-ab98-14572841dbf5";
    const SESSION: &str = "7b655217-5cc2-577b-8f09-d0d72b62f269";
}
