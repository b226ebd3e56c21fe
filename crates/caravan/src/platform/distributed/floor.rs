//! The floor of a distributed run: its rows, from one schema into another.
//!
//! Fair to the floor: purchases are written in their final state at once, everything that was
//! decided in one transaction, and trainers' versions not at all; the log is Kafka's and costs
//! nothing. What a group's positions and the outbox cost is paid as the run paid it: rows of the
//! outbox go in a transaction of their own.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};

use super::kafka::KafkaEvidence;
use super::postgres::{PostgresStore, store_error};
use crate::platform::PlatformError;
use crate::platform::evidence::{PartitionPlace, RecordEvidence};
use crate::platform::floor::{Floor, Written, reserved};

/// A table of the floor: its columns with their types.
struct Table {
    name: &'static str,
    columns: &'static [(&'static str, &'static str)],
}

const PURCHASES: Table = Table {
    name: "purchases",
    columns: &[
        ("seq", "bigint"),
        ("id", "uuid"),
        ("payment_id", "text"),
        ("item", "text"),
        ("student_id", "text"),
        ("status", "text"),
        ("subject", "text"),
        ("level", "text"),
        ("time_zone", "text"),
        ("requested_start_date", "date"),
        ("start_date", "date"),
        ("horizon", "date"),
        ("sessions_total", "bigint"),
        ("created_at", "timestamptz"),
        ("generations", "bigint"),
        ("revision", "bigint"),
        ("scheduled_at", "timestamptz"),
    ],
};
const CONFIRMATIONS: Table = Table { name: "confirmations", columns: &[("seq", "bigint"), ("confirmation", "text")] };
const ALLOCATIONS: Table = Table {
    name: "allocations",
    columns: &[
        ("seq", "bigint"),
        ("id", "uuid"),
        ("purchase_id", "uuid"),
        ("trainer_id", "text"),
        ("student_id", "text"),
        ("status", "text"),
        ("generation", "bigint"),
        ("start_date", "date"),
        ("slots", "text"),
        ("skipped", "text"),
        ("receipt", "text"),
        ("allocated_at", "timestamptz"),
        ("first_ordinal", "bigint"),
        ("sessions", "bigint"),
    ],
};
const SESSIONS: Table = Table {
    name: "sessions",
    columns: &[
        ("seq", "bigint"),
        ("id", "uuid"),
        ("purchase_id", "uuid"),
        ("trainer_id", "text"),
        ("ordinal", "bigint"),
        ("local_date", "date"),
        ("starts_at", "timestamptz"),
        ("ends_at", "timestamptz"),
        ("status", "text"),
    ],
};

/// The topic whose records were there before the run.
const INPUT: &str = "purchase-confirmed";
/// Records that are read from the log at once.
const RECORDS_AT_ONCE: usize = 10_000;

/// Rows, column by column, as texts.
type Columns = Vec<Vec<Option<String>>>;
/// Party and key, and the bits that are busy and that start there.
type Reserved = ((String, i64), (u64, u64));

/// A partition of the run's log, and which of its records the run is about.
#[derive(Clone, Debug)]
struct Stretch {
    topic: String,
    partition: i64,
    from: i64,
    until: i64,
}

/// Everything that is written at once.
#[derive(Default)]
struct Batch {
    purchases: Columns,
    confirmations: Columns,
    allocations: Columns,
    sessions: Columns,
    reservations: Vec<Reserved>,
    outbox: Vec<RecordEvidence>,
    positions: Vec<(String, i64, i64)>,
}

/// Copies a run.
pub(super) struct DistributedFloor {
    source: PgConnection,
    target: PgConnection,
    log: KafkaEvidence,
    /// The purchases of the run, by `seq`: after the first, up to the second.
    purchases: (i64, i64),
    stretches: Vec<Stretch>,
    began: HashMap<(String, i64), i64>,
    groups: Vec<String>,
    total: i64,
    written: i64,
}

impl DistributedFloor {
    /// What writes a run that is about to begin in `run` once more, into `empty`.
    pub(super) async fn new(
        run: &PostgresStore,
        empty: &PostgresStore,
        log: KafkaEvidence,
    ) -> Result<Self, PlatformError> {
        let source = run.connect_options().connect().await.map_err(store_error)?;
        let target = empty.connect_options().connect().await.map_err(store_error)?;
        let (stretches, began, groups) = (Vec::new(), HashMap::new(), Vec::new());
        Ok(Self { source, target, log, purchases: (0, 0), stretches, began, groups, total: 0, written: 0 })
    }

    async fn last_purchase(&mut self) -> Result<i64, PlatformError> {
        number(&mut self.source, "SELECT coalesce(max(seq), 0) FROM purchases").await
    }

    async fn stretches(&mut self) -> Result<Vec<Stretch>, PlatformError> {
        let topics = self.log.topics().await?;
        let of = |topic: &crate::platform::evidence::TopicEvidence| {
            let name = topic.name.clone();
            let stretch = move |edge: &crate::platform::evidence::PartitionEvidence| Stretch {
                topic: name.clone(),
                partition: edge.partition,
                from: edge.start,
                until: edge.end,
            };
            topic.partitions.iter().map(stretch).collect::<Vec<_>>()
        };
        Ok(topics.iter().flat_map(of).collect())
    }

    async fn read(&mut self, purchases: usize) -> Result<Batch, PlatformError> {
        let (after, until) = (self.purchases.0, self.purchases.1.min(self.purchases.0 + purchases as i64));
        let (page, placed) = ("seq > $1 AND seq <= $2", "seq > ($1 + 1) << 16 AND seq < ($2 + 1) << 16");
        let source = &mut self.source;
        let mut batch = Batch {
            purchases: rows(source, &PURCHASES, page, after, until).await?,
            confirmations: rows(source, &CONFIRMATIONS, page, after, until).await?,
            allocations: rows(source, &ALLOCATIONS, &format!("{placed} AND status = 'active'"), after, until).await?,
            sessions: rows(source, &SESSIONS, placed, after, until).await?,
            ..Batch::default()
        };
        batch.reservations = reservations(&batch)?;
        self.purchases.0 = until;
        let done = (self.written, self.written + length(&batch.purchases) as i64);
        self.read_log(&mut batch, done).await?;
        self.written = done.1;
        Ok(batch)
    }

    /// Of every partition the share that these purchases are of all.
    async fn read_log(&mut self, batch: &mut Batch, done: (i64, i64)) -> Result<(), PlatformError> {
        for stretch in self.stretches.clone() {
            let place = |purchases: i64| stretch.from + (stretch.until - stretch.from) * purchases / self.total.max(1);
            let (mut from, until) = (place(done.0), place(done.1));
            batch.positions.push((stretch.topic.clone(), stretch.partition, until));
            while stretch.topic != INPUT && from < until {
                let place = PartitionPlace { topic: stretch.topic.clone(), partition: stretch.partition, from };
                let limit = RECORDS_AT_ONCE.min((until - from) as usize);
                let records = self.log.records(&place, limit).await?;
                let Some(last) = records.last() else { break };
                from = last.offset + 1;
                batch.outbox.extend(records);
            }
        }
        Ok(())
    }

    async fn write(&mut self, batch: &Batch) -> Result<(), sqlx::Error> {
        let mut target = self.target.begin().await?;
        insert(&mut target, &PURCHASES, &batch.purchases).await?;
        insert(&mut target, &CONFIRMATIONS, &batch.confirmations).await?;
        insert(&mut target, &ALLOCATIONS, &batch.allocations).await?;
        reserve(&mut target, batch).await?;
        insert(&mut target, &SESSIONS, &batch.sessions).await?;
        let ids = outbox(&mut target, batch).await?;
        for group in &self.groups {
            advance(&mut target, group, batch).await?;
        }
        target.commit().await?;
        sqlx::query("DELETE FROM outbox WHERE id = ANY($1)").bind(ids).execute(&mut self.target).await?;
        Ok(())
    }
}

#[async_trait]
impl Floor for DistributedFloor {
    async fn database_bytes(&mut self) -> Result<u64, PlatformError> {
        const SQL: &str = "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c
                           JOIN pg_namespace n ON n.oid = c.relnamespace
                           WHERE n.nspname = current_schema() AND c.relkind = 'r'";
        Ok(number(&mut self.source, SQL).await?.unsigned_abs())
    }

    async fn note_start(&mut self) -> Result<(), PlatformError> {
        self.purchases.0 = self.last_purchase().await?;
        let stretches = self.stretches().await?;
        self.began = stretches.into_iter().map(|stretch| ((stretch.topic, stretch.partition), stretch.until)).collect();
        Ok(())
    }

    async fn note_end(&mut self) -> Result<(), PlatformError> {
        const GROUPS: &str = "SELECT DISTINCT consumer_group FROM positions";
        self.purchases.1 = self.last_purchase().await?;
        self.total = self.purchases.1 - self.purchases.0;
        self.stretches = self.stretches().await?;
        for stretch in &mut self.stretches {
            let key = (stretch.topic.clone(), stretch.partition);
            stretch.from = self.began.get(&key).copied().unwrap_or(stretch.from);
        }
        self.groups = sqlx::query_scalar(GROUPS).fetch_all(&mut self.source).await.map_err(store_error)?;
        Ok(())
    }

    async fn write_next(&mut self, purchases: usize) -> Result<Option<Written>, PlatformError> {
        let batch = self.read(purchases).await?;
        let count = length(&batch.purchases);
        if count == 0 {
            return Ok(None);
        }
        let begun = Instant::now();
        self.write(&batch).await.map_err(store_error)?;
        let took = begun.elapsed();
        Ok(Some(Written { purchases: count, allocated: length(&batch.allocations), took }))
    }
}

async fn number(connection: &mut PgConnection, sql: &'static str) -> Result<i64, PlatformError> {
    sqlx::query_scalar(sql).fetch_one(connection).await.map_err(store_error)
}

fn length(columns: &Columns) -> usize {
    columns.first().map_or(0, Vec::len)
}

async fn rows(
    source: &mut PgConnection,
    table: &Table,
    condition: &str,
    from: i64,
    until: i64,
) -> Result<Columns, PlatformError> {
    let shown: Vec<String> = table.columns.iter().map(|(name, _)| format!("{name}::text")).collect();
    let sql = format!("SELECT {} FROM {} WHERE {condition} ORDER BY seq", shown.join(", "), table.name);
    let query = sqlx::query(AssertSqlSafe(sql)).bind(from).bind(until);
    let rows = query.fetch_all(source).await.map_err(store_error)?;
    let column = |place: usize| rows.iter().map(|row: &PgRow| row.try_get(place)).collect::<Result<Vec<_>, _>>();
    (0..table.columns.len()).map(column).collect::<Result<Columns, _>>().map_err(store_error)
}

async fn insert(target: &mut PgConnection, table: &Table, columns: &Columns) -> Result<(), sqlx::Error> {
    let names: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
    let cast: Vec<String> = table.columns.iter().map(|(name, kind)| format!("{name}::{kind}")).collect();
    let lists: Vec<String> = (1..=names.len()).map(|place| format!("${place}::text[]")).collect();
    let (names, cast, lists) = (names.join(", "), cast.join(", "), lists.join(", "));
    let sql = format!("INSERT INTO {} ({names}) SELECT {cast} FROM UNNEST({lists}) AS v ({names})", table.name);
    let query = columns.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, column| query.bind(column));
    query.execute(target).await?;
    Ok(())
}

async fn reserve(target: &mut PgConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    const SQL: &str = "
        INSERT INTO reservations AS r (party, key, busy, starts)
        SELECT * FROM UNNEST($1::text[], $2::bigint[], $3::bigint[], $4::bigint[])
        ON CONFLICT (party, key) DO UPDATE SET busy = r.busy | excluded.busy, starts = r.starts | excluded.starts";
    let rows = &batch.reservations;
    sqlx::query(SQL)
        .bind(rows.iter().map(|((party, _), _)| party.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|((_, key), _)| *key).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, (busy, _))| busy.cast_signed()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, (_, starts))| starts.cast_signed()).collect::<Vec<_>>())
        .execute(target)
        .await?;
    Ok(())
}

async fn outbox(target: &mut PgConnection, batch: &Batch) -> Result<Vec<i64>, sqlx::Error> {
    const SQL: &str = "INSERT INTO outbox (topic, key, value, headers, timestamp)
                       SELECT * FROM UNNEST($1::text[], $2::bytea[], $3::bytea[], $4::text[], $5::bigint[]) RETURNING id";
    let rows = &batch.outbox;
    let headers = |row: &RecordEvidence| row.headers.as_ref().map(caravan_domain::event::Headers::to_json_text);
    sqlx::query_scalar(SQL)
        .bind(rows.iter().map(|row| row.topic.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.key.as_deref()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.value.as_deref()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| headers(row).unwrap_or_default()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.timestamp_ms).collect::<Vec<_>>())
        .fetch_all(target)
        .await
}

async fn advance(target: &mut PgConnection, group: &str, batch: &Batch) -> Result<(), sqlx::Error> {
    const SQL: &str = "
        INSERT INTO positions (consumer_group, topic, partition, next_offset, topic_id)
        SELECT $1, v.*, '00000000-0000-0000-0000-000000000000' FROM UNNEST($2::text[], $3::bigint[], $4::bigint[]) AS v
        ON CONFLICT (consumer_group, topic, partition) DO UPDATE SET next_offset = excluded.next_offset";
    sqlx::query(SQL)
        .bind(group)
        .bind(batch.positions.iter().map(|(topic, _, _)| topic.as_str()).collect::<Vec<_>>())
        .bind(batch.positions.iter().map(|(_, partition, _)| *partition).collect::<Vec<_>>())
        .bind(batch.positions.iter().map(|(_, _, next)| *next).collect::<Vec<_>>())
        .execute(target)
        .await?;
    Ok(())
}

/// The rows of reserved time that the batch's allocations took, gathered and sorted.
fn reservations(batch: &Batch) -> Result<Vec<Reserved>, PlatformError> {
    let text = |columns: &Columns, column: usize, row: usize| columns[column][row].clone().unwrap_or_default();
    let confirmed: HashMap<String, String> = (0..length(&batch.purchases))
        .map(|row| (text(&batch.purchases, 1, row), text(&batch.confirmations, 1, row)))
        .collect();
    let mut rows: BTreeMap<(String, i64), (u64, u64)> = BTreeMap::new();
    for row in 0..length(&batch.allocations) {
        let of = |column| text(&batch.allocations, column, row);
        let Some(confirmation) = confirmed.get(&of(2)) else { continue };
        let time = reserved(confirmation, &of(7), &of(8), &of(9))?;
        for party in [format!("trainer:{}", of(3)), format!("student:{}", of(4))] {
            for taken in &time {
                let bits = rows.entry((party.clone(), taken.key)).or_default();
                *bits = (bits.0 | taken.busy, bits.1 | taken.starts);
            }
        }
    }
    Ok(rows.into_iter().collect())
}
