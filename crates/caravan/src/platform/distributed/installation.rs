//! A distributed installation as a whole.

use async_trait::async_trait;

use super::Distributed;
use crate::platform::PlatformError;
use crate::platform::evidence::Evidence;
use crate::platform::installation::Installation;
use crate::platform::log::Member;
use crate::platform::rows::SchemaVersion;

#[async_trait]
impl Installation for Distributed {
    fn topology(&self) -> &'static str {
        "distributed"
    }

    async fn store_version(&self) -> Result<String, PlatformError> {
        Ok(format!("PostgreSQL {}", self.store.server_version().await?))
    }

    async fn schema_version(&self) -> Result<SchemaVersion, PlatformError> {
        self.store.schema_version().await
    }

    /// As the brokers tell, and of groups they tell nothing of, as the database knows.
    async fn members(&self, groups: &[&str]) -> Result<Vec<Member>, PlatformError> {
        let mut members = self.log.members(groups).await?;
        let is_silent = |group: &&str| !members.iter().any(|member| member.group == **group);
        let silent: Vec<&str> = groups.iter().copied().filter(is_silent).collect();
        members.extend(self.store.members(&silent).await?);
        Ok(members)
    }

    async fn snapshot(&self) -> Result<Box<dyn Evidence>, PlatformError> {
        self.evidence().await
    }
}
