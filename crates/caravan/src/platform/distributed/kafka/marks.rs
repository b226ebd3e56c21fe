//! Which topic it was: identities and marks, in the database.
//!
//! A topic that is deleted and made again keeps its name, and its offsets begin anew. So the
//! database remembers of each partition a record that stood there: if another stands there now, or
//! none where there should be one, the topic gets another identity, and no stored position fits it.

use std::collections::BTreeMap;

use caravan_domain::event::Topic;
use sqlx::PgPool;
use uuid::Uuid;

use crate::platform::PlatformError;
use crate::platform::columns::{number, parsed, stored};
use crate::platform::distributed::postgres::store_error;
use crate::platform::log::TopicPartition;

/// A record that is known to have stood in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Where.
    pub(super) offset: u64,
    /// What it was like.
    pub(super) fingerprint: i64,
}

/// The identities and marks of an installation.
#[derive(Clone)]
pub struct Marks {
    pool: PgPool,
}

impl Marks {
    /// Those kept in this database.
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// The identities of these topics; one that has none gets one.
    pub(super) async fn topic_ids(&self, topics: &[Topic]) -> Result<BTreeMap<Topic, Uuid>, PlatformError> {
        const SQL: &str = "SELECT name, id FROM log_topics WHERE name = ANY($1)";
        const ADD: &str = "INSERT INTO log_topics (name, id) SELECT * FROM UNNEST($1::text[], $2::uuid[])
                           ON CONFLICT DO NOTHING";
        let names: Vec<_> = topics.iter().map(|topic| topic.name()).collect();
        let read = async || -> Result<BTreeMap<Topic, Uuid>, PlatformError> {
            let rows: Vec<(String, Uuid)> =
                sqlx::query_as(SQL).bind(&names).fetch_all(&self.pool).await.map_err(store_error)?;
            rows.into_iter().map(|(name, id)| Ok((parsed("topic", &name)?, id))).collect()
        };
        let known = read().await?;
        if known.len() == names.len() {
            return Ok(known);
        }
        let new: Vec<_> = names.iter().map(|_| Uuid::new_v4()).collect();
        sqlx::query(ADD).bind(&names).bind(new).execute(&self.pool).await.map_err(store_error)?;
        read().await
    }

    /// Gives a topic another identity, and forgets what stood in the earlier one.
    pub(super) async fn renew(&self, topic: Topic) -> Result<(), PlatformError> {
        const SQL: &str = "WITH gone AS (DELETE FROM log_marks WHERE topic = $1)
                           UPDATE log_topics SET id = $2 WHERE name = $1";
        sqlx::query(SQL).bind(topic.name()).bind(Uuid::new_v4()).execute(&self.pool).await.map_err(store_error)?;
        Ok(())
    }

    /// The marks of these partitions.
    pub(super) async fn of(&self, at: &[TopicPartition]) -> Result<Vec<(TopicPartition, Mark)>, PlatformError> {
        const SQL: &str = "SELECT topic, partition, log_offset, fingerprint FROM log_marks";
        let rows: Vec<(String, i64, i64, i64)> =
            sqlx::query_as(SQL).fetch_all(&self.pool).await.map_err(store_error)?;
        let mut marks = Vec::new();
        for (topic, partition, offset, fingerprint) in rows {
            let place = TopicPartition { topic: parsed("topic", &topic)?, partition: number("partition", partition)? };
            if at.contains(&place) {
                marks.push((place, Mark { offset: number("log_offset", offset)?, fingerprint }));
            }
        }
        Ok(marks)
    }

    /// Moves marks on.
    pub(super) async fn set(&self, marks: &BTreeMap<TopicPartition, Mark>) -> Result<(), PlatformError> {
        const SQL: &str = "
            INSERT INTO log_marks (topic, partition, log_offset, fingerprint)
            SELECT * FROM UNNEST($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) AS v (t, p, o, f) ORDER BY v.t, v.p
            ON CONFLICT (topic, partition) DO UPDATE SET log_offset = excluded.log_offset, fingerprint = excluded.fingerprint
            WHERE log_marks.log_offset < excluded.log_offset";
        if marks.is_empty() {
            return Ok(());
        }
        sqlx::query(SQL)
            .bind(marks.keys().map(|at| at.topic.name()).collect::<Vec<_>>())
            .bind(marks.keys().map(|at| i64::from(at.partition)).collect::<Vec<_>>())
            .bind(marks.values().map(|mark| stored(mark.offset)).collect::<Vec<_>>())
            .bind(marks.values().map(|mark| mark.fingerprint).collect::<Vec<_>>())
            .execute(&self.pool)
            .await
            .map_err(store_error)?;
        Ok(())
    }
}
