//! An embedded installation as a whole.

use async_trait::async_trait;

use super::sqlite::platform_error;
use super::{Embedded, schema};
use crate::platform::PlatformError;
use crate::platform::evidence::Evidence;
use crate::platform::installation::Installation;
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

    async fn snapshot(&self) -> Result<Box<dyn Evidence>, PlatformError> {
        Ok(Box::new(self.evidence().await?))
    }
}
