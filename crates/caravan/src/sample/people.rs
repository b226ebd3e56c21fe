//! Names, and the parts of the world people live in.

/// A part of the world whose people can teach each other at humane hours.
pub(super) struct Region {
    /// Its zones.
    pub(super) zones: &'static [&'static str],
    /// What is spoken there; the first is spoken by everybody.
    pub(super) languages: &'static [&'static str],
    /// What is paid with.
    pub(super) currency: &'static str,
}

pub(super) const REGIONS: [Region; 3] = [
    Region {
        zones: &["Asia/Kolkata", "Asia/Dubai", "Asia/Kathmandu"],
        languages: &["en", "hi", "ta", "ar"],
        currency: "INR",
    },
    Region {
        zones: &["Europe/Berlin", "Europe/London", "Africa/Lagos"],
        languages: &["en", "de", "fr", "es"],
        currency: "EUR",
    },
    Region {
        zones: &["America/New_York", "America/Chicago", "America/Sao_Paulo"],
        languages: &["en", "es", "pt"],
        currency: "USD",
    },
];

pub(super) const NAMES: [&str; 32] = [
    "Asha", "Ravi", "Meera", "Arjun", "Divya", "Kabir", "Leila", "Omar", "Nadia", "Yusuf", "Anna", "Jonas", "Clara",
    "Felix", "Greta", "Emil", "Amara", "Chidi", "Ngozi", "Tunde", "Maria", "Diego", "Lucia", "Mateo", "Sofia", "Bruno",
    "Alice", "Noah", "Grace", "Henry", "Ruth", "Owen",
];
