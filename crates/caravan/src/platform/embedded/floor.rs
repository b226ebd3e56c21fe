//! The floor of an embedded run: its rows, from one database file into another.
//!
//! Fair to the floor: purchases are written in their final state at once, everything that was
//! decided in one transaction, and trainers' versions not at all. What a group's positions and the
//! outbox cost is paid as the run paid it: the outbox goes to the log in a transaction of its own,
//! because rows that come and go within one are never written.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Instant;

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, ConnectOptions, Row, SqliteConnection, TypeInfo, ValueRef};

use super::Embedded;
use super::bulk::{Bulk, Query, json_list};
use super::sqlite::{Role, options, platform_error};
use crate::platform::PlatformError;
use crate::platform::floor::{Floor, Written, reserved};

const PURCHASES: &str = "seq, id, payment_id, item, student_id, status, subject, level, time_zone, requested_start_date, \
                         start_date, horizon, sessions_total, created_at, generations, revision, scheduled_at";
const CONFIRMATIONS: &str = "seq, confirmation";
const ALLOCATIONS: &str = "seq, id, purchase_id, trainer_id, student_id, status, generation, start_date, slots, skipped, \
                           receipt, allocated_at, first_ordinal, sessions";
const SESSIONS: &str = "seq, id, purchase_id, trainer_id, ordinal, local_date, starts_at, ends_at, status";
const RECORDS: &str = "id, key, value, headers, timestamp";
const OUTBOX: &str = "id, topic, key, value, headers, timestamp";

static WRITE_PURCHASES: LazyLock<Bulk> = LazyLock::new(|| Bulk::insert("purchases", PURCHASES, ""));
static WRITE_CONFIRMATIONS: LazyLock<Bulk> = LazyLock::new(|| Bulk::insert("confirmations", CONFIRMATIONS, ""));
static WRITE_ALLOCATIONS: LazyLock<Bulk> = LazyLock::new(|| Bulk::insert("allocations", ALLOCATIONS, ""));
static WRITE_SESSIONS: LazyLock<Bulk> = LazyLock::new(|| Bulk::insert("sessions", SESSIONS, ""));
static WRITE_RECORDS: LazyLock<Bulk> = LazyLock::new(|| Bulk::insert("log_records", RECORDS, ""));
static WRITE_OUTBOX: LazyLock<Bulk> = LazyLock::new(|| Bulk::insert("outbox", OUTBOX, ""));
static RESERVE: LazyLock<Bulk> = LazyLock::new(|| {
    let merge = "ON CONFLICT DO UPDATE SET busy = busy | excluded.busy, starts = starts | excluded.starts";
    Bulk::insert("reservations", "party, key, busy, starts", merge)
});
static RAISE_ENDS: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::with(
        "id, end_offset",
        "UPDATE log_partitions SET end_offset = v.end_offset FROM v WHERE log_partitions.id = v.id",
    )
});
static ADVANCE: LazyLock<Bulk> = LazyLock::new(|| {
    let columns = "consumer_group, topic, partition, next_offset, topic_id";
    Bulk::insert("positions", columns, "ON CONFLICT DO UPDATE SET next_offset = excluded.next_offset")
});

/// The bits of a record's id that are its offset.
const OFFSET_BITS: u32 = 40;
/// The topic whose records were there before the run.
const INPUT: &str = "purchase-confirmed";

/// A partition of the run's log, and which of its records the run is about.
#[derive(Clone, Debug)]
struct Stretch {
    id: i64,
    topic: String,
    partition: i64,
    topic_id: String,
    /// The groups with a position in it.
    groups: Vec<String>,
    from: i64,
    until: i64,
}

/// Copies a run.
pub struct EmbeddedFloor {
    source: SqliteConnection,
    target: SqliteConnection,
    /// The purchases of the run, by `seq`: after the first, up to the second.
    purchases: (i64, i64),
    log: Vec<Stretch>,
    /// The log's ends when the run began, by partition id.
    began: BTreeMap<i64, i64>,
    /// How many purchases the run has, and how many of them are written.
    total: i64,
    written: i64,
}

/// A value as it stands in a table.
#[derive(Clone, Debug)]
enum Cell {
    Null,
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
}

type Cells = Vec<Cell>;
/// Party and key, and the bits that are busy and that start there.
type Reserved = ((String, i64), (u64, u64));

/// Everything that is written at once.
#[derive(Debug, Default)]
struct Batch {
    purchases: Vec<Cells>,
    confirmations: Vec<Cells>,
    allocations: Vec<Cells>,
    reservations: Vec<Reserved>,
    sessions: Vec<Cells>,
    records: Vec<Cells>,
    outbox: Vec<Cells>,
    ends: Vec<(i64, i64)>,
    positions: Vec<Cells>,
}

impl Embedded {
    /// What writes a run that is about to begin here once more, into `empty`.
    ///
    /// # Errors
    /// If one of the databases can't be opened.
    pub async fn floor(&self, empty: &Self) -> Result<EmbeddedFloor, PlatformError> {
        let source = options(&self.file, Role::Reader, false).connect().await.map_err(platform_error)?;
        let target = options(&empty.file, Role::Writer, false).connect().await.map_err(platform_error)?;
        let (log, began) = (Vec::new(), BTreeMap::new());
        Ok(EmbeddedFloor { source, target, purchases: (0, 0), log, began, total: 0, written: 0 })
    }
}

impl EmbeddedFloor {
    async fn last_purchase(&mut self) -> Result<i64, PlatformError> {
        number(&mut self.source, "SELECT coalesce(max(seq), 0) FROM purchases").await
    }

    async fn rows(
        &mut self,
        table: &str,
        columns: &str,
        rest: &str,
        from: i64,
        until: i64,
    ) -> Result<Vec<Cells>, PlatformError> {
        let sql = format!("SELECT {columns} FROM {table} {rest}");
        let query = sqlx::query(AssertSqlSafe(sql)).bind(from).bind(until);
        let rows = query.fetch_all(&mut self.source).await.map_err(platform_error)?;
        rows.iter().map(cells).collect::<Result<_, _>>().map_err(platform_error)
    }

    async fn read(&mut self, purchases: usize) -> Result<Batch, PlatformError> {
        let (after, until) = (self.purchases.0, self.purchases.1.min(self.purchases.0 + purchases as i64));
        let page = "WHERE seq > ?1 AND seq <= ?2 ORDER BY seq";
        let by_purchase = "WHERE seq > (?1 + 1) << 16 AND seq < (?2 + 1) << 16";
        let mut batch = Batch {
            purchases: self.rows("purchases", PURCHASES, page, after, until).await?,
            confirmations: self.rows("confirmations", CONFIRMATIONS, page, after, until).await?,
            allocations: self
                .rows(
                    "allocations",
                    ALLOCATIONS,
                    &format!("{by_purchase} AND status = 'active' ORDER BY seq"),
                    after,
                    until,
                )
                .await?,
            sessions: self.rows("sessions", SESSIONS, &format!("{by_purchase} ORDER BY seq"), after, until).await?,
            ..Batch::default()
        };
        batch.reservations = reservations(&batch)?;
        self.purchases.0 = until;
        let done = (self.written, self.written + batch.purchases.len() as i64);
        self.read_log(&mut batch, done).await?;
        self.written = done.1;
        Ok(batch)
    }

    /// Of every partition the share that these purchases are of all.
    async fn read_log(&mut self, batch: &mut Batch, done: (i64, i64)) -> Result<(), PlatformError> {
        for stretch in self.log.clone() {
            let place = |purchases: i64| stretch.from + (stretch.until - stretch.from) * purchases / self.total.max(1);
            let (from, until) = (place(done.0), place(done.1));
            for group in &stretch.groups {
                let [group, topic, topic_id] =
                    [group, &stretch.topic, &stretch.topic_id].map(|text| Cell::Text(text.clone()));
                batch.positions.push(vec![
                    group,
                    topic,
                    Cell::Number(stretch.partition),
                    Cell::Number(until),
                    topic_id,
                ]);
            }
            if stretch.topic == INPUT || from == until {
                continue;
            }
            let id = |offset: i64| (stretch.id << OFFSET_BITS) + offset;
            let rest = "WHERE id >= ?1 AND id < ?2 ORDER BY id";
            for record in self.rows("log_records", RECORDS, rest, id(from), id(until)).await? {
                let mut waiting = record.clone();
                waiting[0] = Cell::Null;
                waiting.insert(1, Cell::Text(stretch.topic.clone()));
                batch.outbox.push(waiting);
                batch.records.push(record);
            }
            batch.ends.push((stretch.id, until));
        }
        batch.positions.sort_by_key(|position| format!("{:?}", position[0]));
        Ok(())
    }

    async fn write(&mut self, batch: &Batch) -> Result<(), sqlx::Error> {
        let target = &mut self.target;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *target).await?;
        WRITE_PURCHASES.run(target, &batch.purchases, bound).await?;
        WRITE_CONFIRMATIONS.run(target, &batch.confirmations, bound).await?;
        WRITE_ALLOCATIONS.run(target, &batch.allocations, bound).await?;
        RESERVE
            .run(target, &batch.reservations, |query, ((party, key), (busy, starts))| {
                query.bind(party.as_str()).bind(*key).bind(busy.cast_signed()).bind(starts.cast_signed())
            })
            .await?;
        WRITE_SESSIONS.run(target, &batch.sessions, bound).await?;
        WRITE_OUTBOX.run(target, &batch.outbox, bound).await?;
        sqlx::query("COMMIT").execute(&mut *target).await?;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *target).await?;
        WRITE_RECORDS.run(target, &batch.records, bound).await?;
        RAISE_ENDS.run(target, &batch.ends, |query, (id, end)| query.bind(*id).bind(*end)).await?;
        let ids: Vec<i64> = sqlx::query_scalar("SELECT id FROM outbox").fetch_all(&mut *target).await?;
        sqlx::query("DELETE FROM outbox WHERE id IN (SELECT value FROM json_each(?1))")
            .bind(json_list(&ids))
            .execute(&mut *target)
            .await?;
        for group in batch.positions.chunk_by(|a, b| matches!((&a[0], &b[0]), (Cell::Text(a), Cell::Text(b)) if a == b))
        {
            ADVANCE.run(target, group, bound).await?;
        }
        sqlx::query("COMMIT").execute(&mut *target).await?;
        Ok(())
    }
}

#[async_trait]
impl Floor for EmbeddedFloor {
    async fn database_bytes(&mut self) -> Result<u64, PlatformError> {
        // Pages that retention has freed are used again before the file grows.
        let free = number(&mut self.source, "PRAGMA freelist_count").await?;
        let pages = number(&mut self.source, "PRAGMA page_count").await? - free;
        let bytes = number(&mut self.source, "PRAGMA page_size").await?;
        Ok((pages * bytes).unsigned_abs())
    }

    async fn note_start(&mut self) -> Result<(), PlatformError> {
        self.purchases.0 = self.last_purchase().await?;
        self.began =
            stretches(&mut self.source).await?.into_iter().map(|stretch| (stretch.id, stretch.until)).collect();
        Ok(())
    }

    async fn note_end(&mut self) -> Result<(), PlatformError> {
        self.purchases.1 = self.last_purchase().await?;
        self.total = self.purchases.1 - self.purchases.0;
        self.log = stretches(&mut self.source).await?;
        for stretch in &mut self.log {
            stretch.from = self.began.get(&stretch.id).copied().unwrap_or_default();
        }
        same_partitions(&mut self.target, &self.log).await.map_err(platform_error)
    }

    async fn write_next(&mut self, purchases: usize) -> Result<Option<Written>, PlatformError> {
        let batch = self.read(purchases).await?;
        if batch.purchases.is_empty() {
            return Ok(None);
        }
        let begun = Instant::now();
        self.write(&batch).await.map_err(platform_error)?;
        let took = begun.elapsed();
        Ok(Some(Written { purchases: batch.purchases.len(), allocated: batch.allocations.len(), took }))
    }
}

async fn number(connection: &mut SqliteConnection, sql: &'static str) -> Result<i64, PlatformError> {
    sqlx::query_scalar(sql).fetch_one(connection).await.map_err(platform_error)
}

/// Every partition with its end, and who reads it.
async fn stretches(source: &mut SqliteConnection) -> Result<Vec<Stretch>, PlatformError> {
    const SQL: &str = "SELECT p.id, p.topic, p.partition, t.id, p.end_offset, o.consumer_group
                       FROM log_partitions p JOIN log_topics t ON t.name = p.topic
                       LEFT JOIN positions o ON o.topic = p.topic AND o.partition = p.partition ORDER BY p.id";
    let rows: Vec<(i64, String, i64, String, i64, Option<String>)> =
        sqlx::query_as(SQL).fetch_all(source).await.map_err(platform_error)?;
    let mut stretches: Vec<Stretch> = Vec::new();
    for (id, topic, partition, topic_id, until, group) in rows {
        if stretches.last().is_none_or(|last| last.id != id) {
            stretches.push(Stretch { id, topic, partition, topic_id, groups: Vec::new(), from: 0, until });
        }
        if let Some(stretch) = stretches.last_mut() {
            stretch.groups.extend(group);
        }
    }
    Ok(stretches)
}

/// The same topics under the same ids, so that records keep theirs.
async fn same_partitions(target: &mut SqliteConnection, log: &[Stretch]) -> Result<(), sqlx::Error> {
    for sql in ["DELETE FROM log_partitions", "DELETE FROM log_topics"] {
        sqlx::query(sql).execute(&mut *target).await?;
    }
    for stretch in log {
        sqlx::query("INSERT INTO log_topics (name, id) VALUES (?1, ?2) ON CONFLICT DO NOTHING")
            .bind(&stretch.topic)
            .bind(&stretch.topic_id)
            .execute(&mut *target)
            .await?;
        sqlx::query("INSERT INTO log_partitions (id, topic, partition) VALUES (?1, ?2, ?3)")
            .bind(stretch.id)
            .bind(&stretch.topic)
            .bind(stretch.partition)
            .execute(&mut *target)
            .await?;
    }
    Ok(())
}

fn cells(row: &SqliteRow) -> Result<Cells, sqlx::Error> {
    (0..row.len())
        .map(|column| {
            let raw = row.try_get_raw(column)?;
            if raw.is_null() {
                return Ok(Cell::Null);
            }
            Ok(match raw.type_info().name() {
                "INTEGER" => Cell::Number(row.try_get_unchecked(column)?),
                "BLOB" => Cell::Bytes(row.try_get_unchecked(column)?),
                _ => Cell::Text(row.try_get_unchecked(column)?),
            })
        })
        .collect()
}

fn bound<'q>(query: Query<'q>, row: &Cells) -> Query<'q> {
    row.iter().fold(query, |query, cell| match cell {
        Cell::Null => query.bind(None::<i64>),
        Cell::Number(number) => query.bind(*number),
        Cell::Text(text) => query.bind(text.as_str()),
        Cell::Bytes(bytes) => query.bind(bytes.as_slice()),
    })
}

fn text(cell: &Cell) -> &str {
    if let Cell::Text(text) = cell { text } else { "" }
}

/// The rows of reserved time that the batch's allocations took, gathered and sorted.
fn reservations(batch: &Batch) -> Result<Vec<Reserved>, PlatformError> {
    let confirmed: BTreeMap<&str, &Cell> =
        batch.purchases.iter().zip(&batch.confirmations).map(|(row, told)| (text(&row[1]), &told[1])).collect();
    let mut rows: BTreeMap<(String, i64), (u64, u64)> = BTreeMap::new();
    for allocation in &batch.allocations {
        let Some(confirmation) = confirmed.get(text(&allocation[2])) else { continue };
        let [start_date, slots, skipped] = [7, 8, 9].map(|column| text(&allocation[column]));
        let time = reserved(text(confirmation), start_date, slots, skipped)?;
        for party in [format!("trainer:{}", text(&allocation[3])), format!("student:{}", text(&allocation[4]))] {
            for taken in &time {
                let bits = rows.entry((party.clone(), taken.key)).or_default();
                *bits = (bits.0 | taken.busy, bits.1 | taken.starts);
            }
        }
    }
    Ok(rows.into_iter().collect())
}
