//! A namespace on PostgreSQL, Kafka and Redis. What is put back are the tables: Kafka takes nothing back.

use std::str::FromStr;
use std::sync::Arc;

use caravan::platform::Platform;
use caravan::platform::clock::Clock;
use caravan::platform::distributed::Distributed;
use caravan::platform::evidence::Evidence;
use caravan_domain::ids::session_id;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};
use uuid::Uuid;

use super::postgres;
use crate::damages::Damage;
use crate::ground::{Ground, everything_in_the_log};
use crate::services::Namespace;

/// As many as the longest plan has.
const SESSIONS: u32 = 24;

/// The tables of the schema, and what makes each of their indexes again if it was dropped.
const TABLES: &str = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()";
const INDEXES: &str = "SELECT replace(indexdef, ' INDEX ', ' INDEX IF NOT EXISTS ') FROM pg_indexes
    WHERE schemaname = current_schema()";

/// A copy of what stands in Kafka, for damages to be made from.
const LOG_RECORDS: &str = "CREATE TABLE log_records (id bigint GENERATED ALWAYS AS IDENTITY,
    topic text, partition bigint, log_offset bigint, key bytea, value bytea, headers text, timestamp bigint)";
const LOG_RECORD: &str = "INSERT INTO log_records (topic, partition, log_offset, key, value, headers, timestamp)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
/// The ids that sessions have or would have, which follow from what PostgreSQL can't compute.
const SESSION_IDS: &str = "CREATE TABLE session_ids (purchase_id uuid, ordinal bigint, id uuid)";
const SESSION_ID: &str = "INSERT INTO session_ids VALUES ($1, $2, $3)";

/// A namespace whose tables can be put back.
pub(crate) struct Data {
    distributed: Distributed,
    namespace: Namespace,
    /// Statements that put every table back.
    put_back: String,
}

impl Data {
    async fn connect(&self) -> PgConnection {
        let schema = self.namespace.0.namespace.as_deref().unwrap();
        let options = PgConnectOptions::from_str(&self.namespace.0.postgres_url).unwrap();
        options.options([("search_path", format!("\"{schema}\""))]).connect().await.unwrap()
    }

    async fn column(&self, sql: &str) -> Vec<String> {
        self.rows(sql).await.into_iter().flatten().collect()
    }

    /// Notes down beside the tables what damages need to know and SQL can't find in them.
    async fn note_what_no_table_tells(&self) {
        let mut connection = self.connect().await;
        let mut noting = connection.begin().await.unwrap();
        for table in [LOG_RECORDS, SESSION_IDS] {
            sqlx::query(table).execute(&mut *noting).await.unwrap();
        }
        for record in everything_in_the_log(self).await {
            let query = sqlx::query(LOG_RECORD).bind(record.topic).bind(record.partition).bind(record.offset);
            let query = query.bind(record.key).bind(record.value).bind(record.headers.unwrap().to_json_text());
            query.bind(record.timestamp_ms).execute(&mut *noting).await.unwrap();
        }
        let purchases: Vec<Uuid> =
            sqlx::query_scalar("SELECT id FROM purchases").fetch_all(&mut *noting).await.unwrap();
        for (purchase, ordinal) in purchases.iter().flat_map(|id| (1..=SESSIONS).map(move |ordinal| (*id, ordinal))) {
            let query = sqlx::query(SESSION_ID).bind(purchase).bind(i64::from(ordinal));
            query.bind(session_id(purchase, ordinal)).execute(&mut *noting).await.unwrap();
        }
        noting.commit().await.unwrap();
    }
}

impl Ground for Data {
    const PLACED: &str =
        "(SELECT id, convert_from(key, 'UTF8') AS key, headers, topic, topic || '/' || partition || '@' || log_offset AS place
        FROM log_records)";

    async fn empty() -> Self {
        let namespace = Namespace::new();
        let distributed = Distributed::open(namespace.0.clone()).await.unwrap();
        Self { distributed, namespace, put_back: String::new() }
    }

    fn platform(&self, clock: Arc<dyn Clock>) -> Platform {
        self.distributed.platform(clock)
    }

    async fn evidence(&self) -> Box<dyn Evidence> {
        self.distributed.evidence().await.unwrap()
    }

    async fn keep(&mut self) {
        let mut statements = Vec::new();
        for table in self.column(TABLES).await {
            self.execute(&format!("CREATE TABLE kept_{table} AS TABLE {table}")).await;
            statements.push(format!("DELETE FROM {table}"));
            statements.push(format!("INSERT INTO {table} OVERRIDING SYSTEM VALUE TABLE kept_{table}"));
        }
        statements.extend(self.column(INDEXES).await);
        self.put_back = statements.join(";\n");
        self.note_what_no_table_tells().await;
    }

    async fn put_back(&mut self) {
        self.execute(&self.put_back).await;
    }

    fn told(damage: &Damage) -> Result<Damage, &'static str> {
        postgres::told(damage)
    }

    async fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let query = sqlx::raw_sql(AssertSqlSafe(sql));
        let found = query.fetch_all(&mut self.connect().await).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        // Such a query is answered in texts, whatever the type.
        let text = |row: &sqlx::postgres::PgRow, column| row.try_get_unchecked::<String, usize>(column).unwrap();
        found.iter().map(|row| (0..row.len()).map(|column| text(row, column)).collect()).collect()
    }

    async fn execute(&self, sql: &str) -> u64 {
        let query = sqlx::raw_sql(AssertSqlSafe(sql));
        let done = query.execute(&mut self.connect().await).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        done.rows_affected()
    }
}
