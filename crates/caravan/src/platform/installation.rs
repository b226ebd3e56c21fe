//! An installation as a whole, for those who look after it: what holds the data, and a snapshot of all of it.

use async_trait::async_trait;

use super::PlatformError;
use super::evidence::Evidence;
use super::log::Member;
use super::rows::SchemaVersion;

/// What is beneath a platform, whichever topology it is.
#[async_trait]
pub trait Installation: Send + Sync {
    /// The topology's name.
    fn topology(&self) -> &'static str;
    /// What holds the data, with its version.
    async fn store_version(&self) -> Result<String, PlatformError>;
    /// The version of the database's schema, and the one this program needs.
    async fn schema_version(&self) -> Result<SchemaVersion, PlatformError>;
    /// The members of these consumer groups, in whatever process.
    async fn members(&self, groups: &[&str]) -> Result<Vec<Member>, PlatformError>;
    /// A snapshot of everything as it is now, for an audit.
    async fn snapshot(&self) -> Result<Box<dyn Evidence>, PlatformError>;
}
