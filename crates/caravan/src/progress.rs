//! Telling those who wait how far a long piece of work is.

/// Told how far it is.
pub trait Progress: Send + Sync {
    /// A step begins, with about this much to do.
    fn begin(&self, step: &'static str, amount: u64);
    /// This much of the step is done.
    fn advance(&self, amount: u64);
}

/// For those who don't wait.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &'static str, _: u64) {}
    fn advance(&self, _: u64) {}
}
