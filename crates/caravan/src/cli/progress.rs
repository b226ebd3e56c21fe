//! Progress on standard error, for people who look at a terminal.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};

use caravan::progress::Progress;
use indicatif::{ProgressBar, ProgressStyle};

/// Inputs smaller than this are done before a bar could be read.
const BAR_BYTES_MIN: u64 = 1 << 20;

/// Whether anybody would see it.
pub(crate) fn is_shown() -> bool {
    std::io::stderr().is_terminal()
}

/// A bar over the bytes of an input; hidden if it is short, of unknown length or unseen.
pub(crate) fn bytes(length: Option<u64>, what: &'static str) -> ProgressBar {
    match length {
        Some(length) if length >= BAR_BYTES_MIN && is_shown() => {
            let template = "{msg} {wide_bar} {bytes}/{total_bytes} {eta}";
            ProgressBar::new(length).with_style(style(template)).with_message(what)
        }
        _ => ProgressBar::hidden(),
    }
}

/// A bar over a count; hidden if unseen.
pub(crate) fn count(length: u64) -> ProgressBar {
    if !is_shown() {
        return ProgressBar::hidden();
    }
    ProgressBar::new(length).with_style(style("{wide_bar} {pos}/{len}  {msg}"))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// A bar for each step of a long piece of work.
pub(crate) struct Steps(Mutex<ProgressBar>);

impl Default for Steps {
    fn default() -> Self {
        Self(Mutex::new(ProgressBar::hidden()))
    }
}

impl Steps {
    /// Removes what is shown.
    pub(crate) fn clear(&self) {
        self.with(|bar| bar.finish_and_clear());
    }

    fn with(&self, change: impl FnOnce(&mut ProgressBar)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Progress for Steps {
    fn begin(&self, step: &'static str, amount: u64) {
        self.with(|bar| {
            bar.finish_and_clear();
            *bar = count(amount).with_message(step);
        });
    }

    fn advance(&self, amount: u64) {
        self.with(|bar| bar.inc(amount));
    }
}
