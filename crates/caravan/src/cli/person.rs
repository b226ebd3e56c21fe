//! Who decides something by hand, and why: texts that are kept for others to read.

use caravan_domain::event::METADATA_CHARS_MAX;

use super::failure::Failure;

/// A text that is kept.
pub(crate) fn text_of(text: String, option: &str) -> Result<String, Failure> {
    let trimmed = text.trim();
    if trimmed.is_empty() || trimmed.chars().count() > METADATA_CHARS_MAX || trimmed.contains('\0') {
        let problem = format!("{option} must be a text of 1 to {METADATA_CHARS_MAX} characters");
        return Err(Failure::usage(problem));
    }
    Ok(trimmed.to_owned())
}

/// Who decides: as told, else the user who runs this.
pub(crate) fn actor(by: Option<String>) -> Result<String, Failure> {
    text_of(by.or_else(login).unwrap_or_else(|| "somebody".to_owned()), "--by")
}

fn login() -> Option<String> {
    ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
}
