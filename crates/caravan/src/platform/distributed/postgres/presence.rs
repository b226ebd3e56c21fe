//! Presence: who consumes as a member of which group.
//!
//! The brokers know it as well, but of groups whose partitions they share out themselves (KIP-848)
//! they tell it in an answer that the client library does not read. So each process holds a shared
//! advisory lock for each group it is in: it ends with the process, and within a minute with its
//! machine.

use std::collections::BTreeMap;

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::watch;

use super::errors::platform_error;
use crate::platform::PlatformError;
use crate::platform::log::Member;

/// The groups that this process is in, and with how many members.
#[derive(Clone, Debug, Default)]
pub struct Presence {
    groups: watch::Sender<BTreeMap<String, usize>>,
}

/// A member that is there until it is dropped.
#[derive(Debug)]
pub struct Present {
    presence: Presence,
    group: String,
}

impl Presence {
    /// One more member of a group.
    pub fn enter(&self, group: &str) -> Present {
        self.groups.send_modify(|groups| *groups.entry(group.to_owned()).or_default() += 1);
        Present { presence: self.clone(), group: group.to_owned() }
    }

    pub(super) fn watch(&self) -> watch::Receiver<BTreeMap<String, usize>> {
        self.groups.subscribe()
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.presence.groups.send_modify(|groups| {
            groups.entry(self.group.clone()).and_modify(|members| *members -= 1);
            groups.retain(|_, members| *members > 0);
        });
    }
}

/// Shows these groups, and no others, as those that the process is in, for as long as the
/// connection lasts.
pub(super) async fn show(listener: &mut PgListener, realm: &str, groups: Vec<String>) -> Result<(), sqlx::Error> {
    const SHOW: &str = "SELECT pg_advisory_lock_shared(hashtext($1), hashtext(name)) FROM UNNEST($2::text[]) AS name";
    sqlx::query("SELECT pg_advisory_unlock_all()").execute(&mut *listener).await?;
    sqlx::query(SHOW).bind(realm).bind(groups).execute(&mut *listener).await?;
    Ok(())
}

/// The members of these groups, in whatever process.
pub(super) async fn members(pool: &PgPool, realm: &str, groups: &[&str]) -> Result<Vec<Member>, PlatformError> {
    const SQL: &str = "
        SELECT name, format('caravan at %s since %s', coalesce(host(client_addr), 'this machine'),
                            caravan_second(coalesce(backend_start, now())))
        FROM UNNEST($2::text[]) AS name
        JOIN pg_locks ON locktype = 'advisory' AND objsubid = 2
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
             AND classid = (hashtext($1)::bigint & 4294967295)::oid AND objid = (hashtext(name)::bigint & 4294967295)::oid
        LEFT JOIN pg_stat_activity USING (pid) ORDER BY 1, 2";
    let query = sqlx::query_as(SQL).bind(realm).bind(groups);
    let rows: Vec<(String, String)> = query.fetch_all(pool).await.map_err(platform_error)?;
    Ok(rows.into_iter().map(|(group, name)| Member { group, name }).collect())
}
