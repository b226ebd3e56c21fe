//! How a command can end other than well.

use std::io;
use std::process::ExitCode;

use caravan::app::AppError;
use caravan::config::ConfigError;
use caravan::platform::PlatformError;
use caravan::platform::transaction::CommitError;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// It was asked in a way that can't be: exit 2.
    #[error("{0}")]
    Usage(String),
    /// It was tried and failed: exit 1.
    #[error("{0}")]
    Work(String),
    /// It failed, and what there is to say has been said: exit 1.
    #[error("")]
    Told,
    /// The reader of the output has gone: nothing is left to say, exit 0.
    #[error("")]
    ReaderGone,
}

impl Failure {
    pub(crate) fn work(message: impl Into<String>) -> Self {
        Self::Work(message.into())
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::ReaderGone => ExitCode::SUCCESS,
            Self::Work(_) | Self::Told => ExitCode::from(1),
            Self::Usage(_) => ExitCode::from(2),
        }
    }
}

/// Failures of standard output; files name themselves before they get here.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::ReaderGone;
        }
        Self::Work(format!("can't write to standard output: {error}"))
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        Self::Work(error.to_string())
    }
}

impl From<PlatformError> for Failure {
    fn from(error: PlatformError) -> Self {
        Self::Work(error.to_string())
    }
}

impl From<CommitError> for Failure {
    fn from(error: CommitError) -> Self {
        Self::Work(error.to_string())
    }
}
