//! An embedded installation as a whole.

use async_trait::async_trait;

use super::sqlite::platform_error;
use super::{Embedded, Holder, LOCK_EXTENSION, WorkersLock, schema};
use crate::platform::PlatformError;
use crate::platform::evidence::Evidence;
use crate::platform::installation::Installation;
use crate::platform::log::Member;
use crate::platform::rows::SchemaVersion;

#[async_trait]
impl Installation for Embedded {
    fn topology(&self) -> &'static str {
        "embedded"
    }

    async fn store_version(&self) -> Result<String, PlatformError> {
        let version = libsqlite3_sys::SQLITE_VERSION.to_str().unwrap_or("of unknown version");
        Ok(format!("SQLite {version}"))
    }

    async fn schema_version(&self) -> Result<SchemaVersion, PlatformError> {
        let mut connection = self.store.reader().await?;
        schema::version(&mut connection).await.map_err(platform_error)
    }

    /// All of them are in the process that has the lock.
    async fn members(&self, groups: &[&str]) -> Result<Vec<Member>, PlatformError> {
        let held = WorkersLock::holder(&self.file.with_extension(LOCK_EXTENSION));
        let held = held.map_err(|problem| PlatformError::Environment(problem.to_string()))?;
        let Some(Holder { pid, started_at, groups: theirs, .. }) = held else { return Ok(Vec::new()) };
        let name = format!("process {pid} since {started_at:.0}");
        let asked_for = theirs.into_iter().filter(|group| groups.contains(&group.as_str()));
        Ok(asked_for.map(|group| Member { group, name: name.clone() }).collect())
    }

    async fn snapshot(&self) -> Result<Box<dyn Evidence>, PlatformError> {
        Ok(Box::new(self.evidence().await?))
    }
}
