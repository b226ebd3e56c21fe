//! Throwaway namespaces: `demo-` and six characters.

use caravan::app;
use caravan::config::Settings;
use uuid::Uuid;

use super::super::failure::Failure;

/// What their names begin with.
const PREFIX: &str = "demo-";
/// Characters after the prefix.
const SUFFIX_CHARS: usize = 6;
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A namespace nobody has.
pub(super) fn new() -> String {
    let random = Uuid::new_v4();
    let suffix =
        random.as_bytes()[..SUFFIX_CHARS].iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]));
    format!("{PREFIX}{}", suffix.collect::<String>())
}

/// Removes earlier demos, except those that still run.
pub(super) async fn remove_abandoned(settings: &Settings) -> Result<(), Failure> {
    let is_demo = |name: &str| {
        name.strip_prefix(PREFIX)
            .is_some_and(|suffix| suffix.len() == SUFFIX_CHARS && suffix.bytes().all(|byte| ALPHABET.contains(&byte)))
    };
    app::remove_namespaces(settings, is_demo).await.map_err(Failure::from)
}
